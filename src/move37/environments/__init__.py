"""Environments: what comes after the model's turn. One registry; the contract is `move37.testing.check_environment`.

An environment reads a trajectory whose last segment is the model's and returns the segments that follow it (a tool's
answer, a user's next message), or None where the episode is over. It holds no state of an episode: everything it needs
is in the trajectory, so episodes may run in any order and in any process. What it writes is text as the model reads
it; `rollouts.py` puts it behind the model's own and asks for the next turn. One that has `stops` (strings) ends the
model's turns there, beside the prompt's own stop strings. A response is the model's last turn; where `joins` is set,
it is all that was written, by whom ever.

Two take what they are made of behind a colon: "search:PATH" a corpus, "verifiers:NAME" an environment package.
"""

from typing import Protocol

from move37.registry import Registry
from move37.types import Prompt, Sample, Segment


class Environment(Protocol):
    def after(self, prompt: Prompt, sample: Sample) -> tuple[Segment, ...] | None:
        """What follows the model's turn (segments that are not its own, at least one), or None: the episode is over."""
        ...


ENVIRONMENTS = Registry(
    "environment",
    {
        "single_turn": "move37.environments.single_turn:SingleTurn",
        "calculator": "move37.environments.calculator:Calculator",
        "python": "move37.environments.python:Python",
        "step_calculator": "move37.environments.step_calculator:StepCalculator",
        "search": "move37.environments.search:Search",
        "verifiers": "move37.environments.verifiers_package:VerifiersPackage",
    },
    methods=("after",),
    arguments={"search": "which file or folder it searches", "verifiers": "which environment package it is"},
)
