"""Explorers say what responses start from. One registry, one shape; one small file each, whose docstring is its card.

A slot of a step is a problem and a prefix: the beginning of a response that the model did not write now (its own of
before, or somebody else's). The model goes on behind it; the prefix is read and attended to, judged with the
response, and never learnt from. An explorer may also hand over whole responses of a fixed credit (replay, a teacher):
rows that no group, baseline or verdict decides. A member has

    Options             its own settings, the `options` of the recipe's [explorer] table
    adds_rows           whether `rows` may give any
    starts(problems)    a prefix for each problem of a step, "" to start afresh
    rows()              responses of a fixed credit that this step learns from as well
    observe(attempts)   what came out of a step, every response once
    state(), load()     what it has seen so far as JSON values: with it a training that was stopped goes on bit for bit

All randomness comes from the generators that are handed in; they depend on the training's seed and the step. A prefix
that leaves too little room for a response is cut by the caller. Models are not read here. The contract is
`move37.testing.check_explorer`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from numpy.random import Generator

from move37.config import Settings
from move37.registry import Registry
from move37.types import Problem

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A response that was made and verified."""

    problem: Problem
    prefix: str
    text: str
    """What the model wrote behind the prefix."""
    right: bool | None
    """None: it has no verdict."""
    ended: bool
    """It was not cut off at the token limit."""
    sound: int | None = None
    """Characters of prefix and text before the first step that is wrong, where the verifier judges steps."""

    @property
    def whole(self) -> str:
        """The response as it was judged."""
        return self.prefix + self.text


@dataclass(frozen=True, slots=True)
class FixedRow:
    """A whole response whose every token has the advantage `credit`."""

    problem: Problem
    text: str
    credit: float


class Explorer(Protocol):
    Options: ClassVar[type[Settings]]
    adds_rows: ClassVar[bool]

    def __init__(self, options: Any, problems: Sequence[Problem]) -> None:
        """Raises InputError for problems that it can do nothing with."""
        ...

    def starts(self, problems: Sequence[Problem], generator: Generator) -> list[str]: ...

    def rows(self, generator: Generator) -> list[FixedRow]: ...

    def observe(self, attempts: Sequence[Attempt]) -> None: ...

    def state(self) -> State: ...

    def load(self, state: State) -> None: ...


_TABLE = {
    "fresh": "move37.training.explorers.fresh:Fresh",
    "own_prefixes": "move37.training.explorers.own_prefixes:OwnPrefixes",
    "hints": "move37.training.explorers.hints:Hints",
    "replay": "move37.training.explorers.replay:Replay",
    "several": "move37.training.explorers.several:Several",
    "evolution": "move37.training.explorers.evolution:Evolution",
}

EXPLORERS = Registry("explorer", _TABLE, extras=dict.fromkeys(_TABLE, "local"), methods=("starts",))
