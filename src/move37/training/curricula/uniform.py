"""All problems alike: pass by pass, each pass in an order of its own that the seed decides."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from move37.config import Settings
from move37.errors import InputError
from move37.seeds import analysis_seed
from move37.training.curricula import Counts, State
from move37.types import Problem


class Uniform:
    """See the module. How many were drawn is all that it remembers."""

    class Options(Settings):
        pass

    filters: ClassVar[bool] = False

    def __init__(self, options: Options, problems: Sequence[Problem], seed: int) -> None:
        if not problems:
            raise InputError("problems: there is nothing to train on")
        self.problems, self.seed = problems, seed
        self.drawn = 0
        self._pass: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))

    def take(self, count: int, step: int) -> list[Problem]:
        return [self._next() for _ in range(count)]

    def keeps(self, right: int, scored: int) -> bool:
        return True

    def observe(self, counts: Counts) -> None:
        """Nothing that came out changes what comes next."""

    def state(self) -> State:
        return {"drawn": self.drawn}

    def load(self, state: State) -> None:
        self.drawn = state["drawn"]

    def _next(self) -> Problem:
        number, place = divmod(self.drawn, len(self.problems))
        if self._pass[0] != number:
            generator = np.random.default_rng(analysis_seed(self.seed, f"order of training pass {number}"))
            self._pass = (number, generator.permutation(len(self.problems)))
        self.drawn += 1
        return self.problems[int(self._pass[1][place])]
