"""A ladder of tiers: one rung at a time, the next where the present one is solved often enough, back where it is not.

A rung is the problems with one value of the tag `tag`, in the order of `rungs`. A faded share of right responses is
kept for the present rung; at `up` it climbs, at `down` it steps back. A share `below` of a step repeats rungs that were
left behind, all of them alike, so that they are not forgotten.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from move37.config import Settings
from move37.errors import InputError
from move37.seeds import analysis_seed
from move37.training.curricula import Counts, State
from move37.types import Problem


class Ladder:
    """See the module."""

    class Options(Settings):
        tag: str = Field(default="tier", description="The tag of the problems that names their rung.")
        rungs: tuple[str, ...] = Field(min_length=1, description="Values of the tag, the easiest first.")
        up: float = Field(default=0.5, gt=0, lt=1, description="Climb where so large a share of responses is right.")
        down: float = Field(default=0.02, ge=0, lt=1, description="Step back where the share is at most this.")
        decay: float = Field(default=0.7, ge=0, lt=1, description="What is left of the share of before after a step.")
        below: float = Field(default=0.2, ge=0, lt=1, description="Share of a step from the rungs left behind.")

        @model_validator(mode="after")
        def _consistent(self) -> "Ladder.Options":
            if self.down >= self.up:
                raise ValueError(f"up: must be above down ({self.down:g})")
            return self

    filters: ClassVar[bool] = False

    def __init__(self, options: Options, problems: Sequence[Problem], seed: int) -> None:
        self.options, self.seed = options, seed
        self.rungs = [[p for p in problems if p.tags.get(options.tag) == rung] for rung in options.rungs]
        for rung, found in zip(options.rungs, self.rungs, strict=True):
            if not found:
                raise InputError(f"curriculum.options.rungs: no problem has the tag {options.tag} = {rung!r}")
        self.rung, self.drawn = 0, 0
        self.right = self.weight = 0.0

    def take(self, count: int, step: int) -> list[Problem]:
        generator = np.random.default_rng(analysis_seed(self.seed, f"curriculum step {step}, draw {self.drawn}"))
        self.drawn += 1
        behind = [problem for rung in self.rungs[: self.rung] for problem in rung]
        repeated = min(len(behind), round(self.options.below * count))
        present = self.rungs[self.rung]
        chosen = [present[int(i)] for i in _without_repeats(generator, len(present), count - repeated)]
        return chosen + [behind[int(i)] for i in _without_repeats(generator, len(behind), repeated)]

    def keeps(self, right: int, scored: int) -> bool:
        return True

    def observe(self, counts: Counts) -> None:
        present = {problem.id for problem in self.rungs[self.rung]}
        seen = [pair for problem, pair in counts.items() if problem in present]
        right, scored = sum(pair[0] for pair in seen), sum(pair[1] for pair in seen)
        self.right = self.right * self.options.decay + right
        self.weight = self.weight * self.options.decay + scored
        share = self.right / self.weight if self.weight else None
        move = 0 if share is None else int(share >= self.options.up) - int(share <= self.options.down)
        if move and 0 <= self.rung + move < len(self.rungs):
            self.rung, self.right, self.weight = self.rung + move, 0.0, 0.0

    def state(self) -> State:
        return {"rung": self.rung, "drawn": self.drawn, "right": self.right, "weight": self.weight}

    def load(self, state: State) -> None:
        self.rung, self.drawn, self.right, self.weight = (state[key] for key in ("rung", "drawn", "right", "weight"))


def _without_repeats(generator: np.random.Generator, size: int, count: int) -> np.ndarray:
    """`count` of `size` places, each as often as another but for one."""
    passes = [generator.permutation(size) for _ in range(-(-count // max(1, size)))]
    return np.concatenate([*passes, np.empty(0, dtype=np.int64)])[:count].astype(np.int64)
