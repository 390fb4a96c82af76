"""Curricula say which problems a step asks. One registry, one shape; one small file each, whose docstring is its card.

What a problem teaches depends on how often it is solved now: one that always is and one that never is teach a group
method nothing. A member has

    Options                     its own settings, the `options` of the recipe's [curriculum] table
    take(count, step)           the next problems
    keeps(right, scored)        whether a group that was sampled is trained on; others are sampled in place of the rest
    observe(counts)             what came out: responses right and scored, by problem id
    state(), load(state)        what it has seen so far as JSON values: with it a training that was stopped goes on
                                bit for bit as one that was not

Every draw comes from the training's seed, the step and the state, so nothing else has to be stored. Texts and models
are not read here. The contract is `move37.testing.check_curriculum`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from move37.config import Settings
from move37.registry import Registry
from move37.types import Problem

Counts = Mapping[str, tuple[int, int]]
"""By problem id: responses that are right, and responses with a verdict."""
State = dict[str, Any]


class Curriculum(Protocol):
    Options: ClassVar[type[Settings]]
    filters: ClassVar[bool]
    """Whether `keeps` may say no, so that a step samples again for what it leaves out."""

    def __init__(self, options: Any, problems: Sequence[Problem], seed: int) -> None: ...

    def take(self, count: int, step: int) -> list[Problem]: ...

    def keeps(self, right: int, scored: int) -> bool: ...

    def observe(self, counts: Counts) -> None: ...

    def state(self) -> State: ...

    def load(self, state: State) -> None: ...


_TABLE = {
    "uniform": "move37.training.curricula.uniform:Uniform",
    "edge_filter": "move37.training.curricula.edge_filter:EdgeFilter",
    "edge_posterior": "move37.training.curricula.edge_posterior:EdgePosterior",
    "ladder": "move37.training.curricula.ladder:Ladder",
}

CURRICULA = Registry("curriculum", _TABLE, extras=dict.fromkeys(_TABLE, "local"), methods=("take",))
