"""A path as somebody wrote it -> an absolute one, or one line about why not. Where caches and trained models lie."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from move37.errors import InputError

SWITCH = "MOVE37_CACHE"
"""Environment variable: the folder of all caches, or "off"."""


def absolute(path: Path | str, folder: Path | None = None) -> Path:
    """`path` with ~ and links resolved, taken from `folder`, or from where we are. It need not exist.

    Raises InputError for what cannot be a path: a NUL in it, the home of an unknown user, links in a circle.
    """
    try:
        return ((folder or Path()) / Path(path).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # by version of Python, one or another of them
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{str(path)!r} cannot be a path: {str(reason).rstrip('.').lower()}") from None


def cache_folder() -> Path | None:
    """Where this machine keeps what can be made again; None where that is switched off. Raises RuntimeError without a
    home."""
    folder = os.environ.get(SWITCH, "")
    if folder:
        return None if folder == "off" else Path(folder)
    home = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or home) / "move37"


def step_name(step: int) -> str:
    """What the folders of one step are called in the folder of a training."""
    return f"step-{step:06d}"


def checkpoint_of(training: Path, step: int) -> Path:
    """Where a training keeps the model that it has after so many steps."""
    return training / "checkpoints" / step_name(step)


_NAMES: dict[Path, str] = {}


@contextmanager
def called(folder: Path, name: str) -> Iterator[None]:
    """While the block runs `folder` is only the copy of what is called `name` (a URL): reports say the name."""
    _NAMES[folder] = name
    try:
        yield
    finally:
        _NAMES.pop(folder, None)


def name_of(folder: Path) -> str:
    """What a run folder is called in what is written for later: its own path, or what it is a copy of."""
    return _NAMES.get(folder, str(folder))
