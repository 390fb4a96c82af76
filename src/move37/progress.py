"""Who watches how far something is: `Silent` here, a terminal's bars in `terminal.py`, a training's panel."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Progress(Protocol):
    def track(self, label: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        """Enter for a function that is told how many more are done."""
        ...


class Silent:
    def track(self, label: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(lambda done: None)
