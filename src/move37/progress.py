"""Who watches how far something is: `Silent` here, a terminal's lines in `terminal_progress.py`, a training's panel."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class Progress(Protocol):
    def track(self, label: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        """Enter for a function that is told how many more are done."""
        ...


class Silent:
    def track(self, label: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(lambda done: None)


@dataclass(frozen=True, slots=True)
class SoFar:
    """How far a model is that is sampled, in rounds or at once."""

    finished: int
    problems: int
    samples: int
    """Made by this command."""
    right: int
    wrong: int
    most_left: int
    """Samples that may still be owed: under a stopping plan most problems end before."""
    is_fixed: bool
    """Whether exactly those are owed."""


@runtime_checkable
class WatchesModels(Protocol):
    """A `Progress` that shows a model in one line, whatever the rounds in which it is sampled."""

    def watch_model(self, model: str, so_far: Callable[[], SoFar]) -> AbstractContextManager[Progress]:
        """Enter for what watches the rounds."""
        ...


def watch_model(progress: Progress, model: str, so_far: Callable[[], SoFar]) -> AbstractContextManager[Progress]:
    """What watches the rounds of a model: one line of it, or every round for itself."""
    if isinstance(progress, WatchesModels):
        return progress.watch_model(model, so_far)
    return nullcontext(progress)
