"""Our verifiers and our statistics within other tools: one small file for each tool, loaded by that tool.

Nothing of move37 imports these files. Each adapter is a few lines around `rewards.py`, so a response gets the verdict
that a run of ours would give it; where the tool has a way to say "no verdict", unscored is that.
"""
