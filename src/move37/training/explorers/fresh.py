"""Every response starts from its prompt alone."""

from collections.abc import Sequence
from typing import ClassVar

from numpy.random import Generator

from move37.config import Settings
from move37.training.explorers import Attempt, FixedRow, State
from move37.types import Problem


class Fresh:
    """See the module. It remembers nothing; explorers that change one thing derive from it."""

    class Options(Settings):
        pass

    adds_rows: ClassVar[bool] = False

    def __init__(self, options: Settings, problems: Sequence[Problem]) -> None:
        """Nothing is made ready."""

    def starts(self, problems: Sequence[Problem], generator: Generator) -> list[str]:
        return [""] * len(problems)

    def rows(self, generator: Generator) -> list[FixedRow]:
        return []

    def observe(self, attempts: Sequence[Attempt]) -> None:
        """Nothing that came out changes what comes next."""

    def state(self) -> State:
        return {}

    def load(self, state: State) -> None:
        """There is none."""
