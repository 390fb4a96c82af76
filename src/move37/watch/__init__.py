"""Watch a training that runs elsewhere: what its samples say of the boundary, step by step, while it goes on.

    steps.py      which steps a folder holds: dumps of verl, completions of TRL, evaluations of prime-rl, checkpoints
    metrics.py    what the framework itself logs of each step: entropy, length, its own scores
    looking.py    what is new is imported (or sampled) and verified into a run folder; then the analysis of it all
    page.py       the page
    shown.py      tables and sentences, the same for terminal and page

The run folder is a run like any other: `move37 report` says of the same samples what it always says.
"""

from move37.watch.looking import Watch, Watched, WatchRequest

__all__ = ["Watch", "WatchRequest", "Watched"]
