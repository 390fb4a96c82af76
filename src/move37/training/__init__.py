"""Training: a model learns from verified samples of its own, or from another's.

    recipe.py       what to do: strict TOML           rollouts.py      sample and verify, as evaluation does
    algorithms/     rewards -> credit, one file each  batches.py       rollouts -> tensors, micro-batches
    advantages.py   the formulas of credit            responses.py     token ids -> log-probabilities, prompts read once
    losses.py       the loss around all of them       policy.py        weights, optimizer, critic, reference
    loop.py         sample, verify, credit, update, sync, record       checkpoints.py  folders, exact resume
    distillation.py learning from another model       records.py       what is written down and shown

`move37.training.loop.train` is the way in. Importing the package or a recipe loads no torch.
"""
