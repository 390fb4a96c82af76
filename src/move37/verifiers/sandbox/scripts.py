"""What a script finds and leaves, as under a contest's judge: its exit, its standard files, its threads.

There are no other processes: `processes.py` makes threads of them.
"""

import builtins
import io
import os
import signal
import sys
import types
from collections.abc import Callable, Sequence
from importlib import import_module
from signal import ITIMER_VIRTUAL, setitimer
from typing import Any

MOST_DIGITS = 50_000
"""Of an integer that is read or written as text, as LiveCodeBench sets it."""
_STANDARD_FILES = {
    "/dev/stdin": 0,
    "/dev/fd/0": 0,
    "/proc/self/fd/0": 0,
    "/dev/stdout": 1,
    "/dev/fd/1": 1,
    "/proc/self/fd/1": 1,
    "/dev/stderr": 2,
}
_FIRST_LOOK_SECONDS, _MOST_LOOKS = 0.1, 3
"""CPU seconds after which it is looked whether a program repeats itself; later looks come after twice the time."""


def prepare(sources: Sequence[str], tests: Sequence[str] = ()) -> None:
    """Make ready what a program may ask for, or tests beside it, judging by their text.

    Random numbers start from the same seed for every program that uses them: a verdict should not be luck.
    """
    _Looks.sources = sources
    setitimer(ITIMER_VIRTUAL, _FIRST_LOOK_SECONDS)
    for source in (*sources, *tests):
        if "random" in source:
            import_module("random").seed(0)
        if "ProcessPoolExecutor" in source or "multiprocessing" in source:
            import_module(".processes", __package__).become_threads()


def forget() -> None:
    """Undo it; random numbers are left alone."""
    _Looks.sources = ()
    setitimer(ITIMER_VIRTUAL, 0)


_of_site: set[str] = set()


def add_names_of_site() -> None:
    """Give builtins what the module `site` gives every program; it is left out for the time that it takes."""
    before = set(vars(builtins))
    site = import_module("site")
    site.setquit()
    site.setcopyright()
    site.sethelper()
    builtins.__dict__.update(exit=sys.exit, quit=sys.exit)
    _of_site.update(set(vars(builtins)) - before)


def remove_names_of_site() -> None:
    """Tests have none: a program's function may have such a name."""
    for name in _of_site:
        delattr(builtins, name)


class _Looks:
    """Whether the program of this process never ends: it is looked now and then."""

    sources: Sequence[str] = ()
    next_seconds = _FIRST_LOOK_SECONDS


def expect_looks() -> None:
    """Make a process ready whose copies will be looked at: once, for all of them."""
    signal.signal(signal.SIGVTALRM, _look)


def _look(number: int, frame: Any) -> None:
    import_module(".cycles", __package__).look(frame, tuple(_Looks.sources))
    _Looks.next_seconds *= 2
    if _Looks.next_seconds < 2**_MOST_LOOKS * _FIRST_LOOK_SECONDS:
        setitimer(ITIMER_VIRTUAL, _Looks.next_seconds)


def as_a_script() -> dict[str, Any]:
    """Make this process look like the interpreter on a script; the script's names."""
    module = types.ModuleType("__main__")
    module.__file__ = "program.py"
    vars(module)["__builtins__"] = builtins
    sys.modules["__main__"] = module
    # What was opened for this process before knows of another file: whether it can seek.
    before = sys.stdout
    sys.stdout = sys.__stdout__ = open(1, "w", encoding=before.encoding, errors=before.errors, closefd=False)  # noqa: SIM115
    builtins.open = io.open = _by_descriptor(io.open)
    os.open, os.path.exists = _opened(os.open), _exists(os.path.exists)
    return module.__dict__


def finish(names: dict[str, Any]) -> None:
    """What the interpreter does at its end: wait for the script's threads, end its executors, call what it left for
    the exit, write out what was printed, and let go of its names, which closes files that it left open."""
    if "threading" in sys.modules:
        # Joins all threads but daemons, and tells executors to end, which hold theirs open.
        import_module("threading")._shutdown()
    if "atexit" in sys.modules:
        import_module("atexit")._run_exitfuncs()
    _write_out(sys.stdout)
    names.clear()
    _write_out(sys.__stdout__)


def _write_out(printed: Any) -> None:
    if printed is not None and not getattr(printed, "closed", False):
        printed.flush()


def _descriptor(file: Any) -> int | None:
    """Of a standard file, by its name: there is no /proc here that those names could lead to."""
    return _STANDARD_FILES.get(os.fspath(file)) if isinstance(file, str | os.PathLike) else None


def _by_descriptor(opening: Callable[..., Any]) -> Callable[..., Any]:
    def open(file: Any, *args: Any, **kwargs: Any) -> Any:
        known = _descriptor(file)
        return opening(file if known is None else os.dup(known), *args, **kwargs)

    return open


def _opened(opening: Callable[..., int]) -> Callable[..., int]:
    def open(path: Any, *args: Any, **kwargs: Any) -> int:
        known = _descriptor(path)
        return opening(path, *args, **kwargs) if known is None else os.dup(known)

    return open


def _exists(existing: Callable[..., bool]) -> Callable[..., bool]:
    return lambda path: _descriptor(path) is not None or existing(path)
