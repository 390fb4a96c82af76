"""Training: a model learns from verified samples of its own, or from another's.

    recipe.py         what to do: strict TOML
    loop.py           a step: sample, verify, advantages, update, sync, record
    rollouts.py       sample and verify, as evaluation does
    algorithms/       rewards -> advantages, one file each; the formulas are in advantages.py
    batches.py        rollouts -> tensors; micro_batches.py: how a batch is cut
    responses.py      token ids -> log-probabilities, prompts read once; backbones.py: the layers below the head
    losses.py         the loss around all algorithms
    policy.py         weights, optimizer, critic, reference
    distillation.py   learning from another model; teacher.py: who scores the student's tokens
    run.py            what surrounds the steps: go on, evaluate, save; checkpoints.py: folders, exact resume
    records.py        what is written down; view.py: what a terminal shows
    disjoint.py       are the problems of training and evaluation others?

`move37.training.loop.train` is the way in. Importing the package or a recipe loads no torch; it lets idle threads of
OpenMP sleep soon (`threads.py`), as long as torch has not been imported before.
"""

from move37.threads import let_threads_sleep

let_threads_sleep()
