"""Programs that provably never end: in a state in which they were before, or in a loop that nothing leaves.

A program that has computed for a while is watched line by line for a moment. If one of its functions comes to the
same line with everything that can decide what it does next as it was, it will come there for ever. So it will if it is
in a loop of which that can be shown by its text (`endless.py`). That saves the rest of its time: most loops without end
forget to change something, or count away from their end.

What can decide: the function's own variables, the program's globals, and all that these reach, with who is the same
object as whom. Nothing else may: a function is not watched while it uses names other than its own, those of functions
that are pure, and those of types whose values are seen whole; nor is a loop seen over an iterator, whose place nobody
can see, unless a loop inside it never leaves. Anything unknown ends the watch without a word. A program could pretend
to go in a circle, and would only be wrong.
"""

import dis
import os
import signal
import sys
import types
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from .endless import never_ends, places

NEVER_ENDS = 71
"""The exit status of a program that provably never ends."""
MOST_LINES = 4000
"""Lines of one look."""
MOST_PARTS = 600
"""Values in a state that is remembered."""
_PURE = (
    "abs all any bool bytes chr dict divmod enumerate float frozenset int isinstance len list map max min ord pow "
    "range reversed round set sorted str sum tuple zip True False None"
)
_PURE_BUILTINS = frozenset(_PURE.split())
_PURE_MODULES = frozenset(("math", "_operator", "operator", "_bisect", "bisect", "_heapq", "heapq", "string"))
_OWN_MODULES = ("solution", "__main__")
_ATOMS = (int, float, str, bool, type(None), bytes)


class _UnknownError(Exception):
    """Something that may decide and cannot be seen."""


def look(frame: Any, sources: tuple[str, ...]) -> None:
    """Watch the functions that are active in this frame for a moment; ends the process where one never ends.

    `sources`: the texts of the program."""
    _Watch(frame, sources).begin()


class _Seen:
    """Where a function was, in which state, and the lines that it came to since."""

    def __init__(self, frame: Any, lines: int, wait: int) -> None:
        self.place, self.state = frame.f_lasti, _state(frame)
        self.since, self.wait = lines, wait
        self.visited: set[int] = set()


class _Watch:
    """One look at the functions that are active."""

    def __init__(self, frame: Any, sources: tuple[str, ...]) -> None:
        self._frame, self._sources = frame, sources
        self._lines = 0
        self._tried = set[Any]()
        """Places in loops from which no proof was found."""
        self._is_visible = True
        """Whether all that can decide what happens next can be seen."""
        self._seen: dict[Any, _Seen] = {}
        """By function call."""

    def begin(self) -> None:
        if sys.gettrace() is not None or not _is_alone():
            return
        if _is_the_programs(self._frame.f_code) and self._frame.f_lasti in _jumps_to_themselves(self._frame.f_code):
            os._exit(NEVER_ENDS)
        frame = self._frame
        while frame is not None:
            if _is_the_programs(frame.f_code):
                frame.f_trace = self._trace
            frame = frame.f_back
        sys.settrace(self._trace)

    def _end(self) -> None:
        sys.settrace(None)
        frame = self._frame
        while frame is not None:
            frame.f_trace = None
            frame = frame.f_back
        self._seen.clear()

    def _trace(self, frame: Any, event: str, arg: Any) -> Any:
        if sys.gettrace() is None:
            return None
        try:
            if event == "call":
                _refuse_what_is_not_pure(frame, None)
            elif event == "line" and self._is_visible:
                self._look_at(frame)
            elif event == "return":
                self._seen.pop(frame, None)
        except _UnknownError:
            self._is_visible = False
            self._seen.clear()
        if event == "line":
            self._lines += 1
            self._follow(frame)
            if self._lines > MOST_LINES:
                self._end()
                return None
        return self._trace

    def _follow(self, frame: Any) -> None:
        """End the process if this is the beginning of a statement in a loop that nothing leaves."""
        code = frame.f_code
        if not _is_the_programs(code) or (code, frame.f_lasti) in self._tried:
            return
        self._tried.add((code, frame.f_lasti))
        place = places(code, self._sources).get(frame.f_lasti)
        if place is not None and never_ends(place, frame) and _is_alone():
            os._exit(NEVER_ENDS)

    def _look_at(self, frame: Any) -> None:
        place, loops = frame.f_lasti, _for_loops(frame.f_code)
        seen = self._seen.get(frame)
        if seen is not None and place in loops and place <= seen.place < loops[place]:
            del self._seen[frame]  # a loop around it goes on: its iterator has moved
            seen = None
        if seen is not None:
            seen.visited.add(frame.f_lineno)
            if place == seen.place and _state(frame) == seen.state:
                _refuse_what_is_not_pure(frame, seen.visited)
                if not _is_alone():
                    raise _UnknownError
                os._exit(NEVER_ENDS)
        if seen is None or self._lines - seen.since > seen.wait:
            self._seen[frame] = _Seen(frame, self._lines, 8 if seen is None else 2 * seen.wait)


def _is_alone() -> bool:
    """Whether nothing but the watched functions can change anything: no thread, no handler of a signal."""
    handlers = (signal.getsignal(number) for number in range(1, signal.NSIG) if number != signal.SIGVTALRM)
    return len(sys._current_frames()) == 1 and not any(
        callable(handler) and handler is not signal.default_int_handler and not isinstance(handler, signal.Handlers)
        for handler in handlers
    )


def _is_the_programs(code: types.CodeType) -> bool:
    return code.co_filename in ("solution.py", "program.py")


@lru_cache(maxsize=512)
def _for_loops(code: types.CodeType) -> dict[int, int]:
    """Where loops over iterators take their next item, and where they end."""
    return {each.offset: each.argval for each in dis.get_instructions(code) if each.opname == "FOR_ITER"}


@lru_cache(maxsize=512)
def _jumps_to_themselves(code: types.CodeType) -> set[int]:
    """Of `while True: pass`, which has no line to come to."""
    jumps = (each for each in dis.get_instructions(code) if each.opname.startswith("JUMP"))
    return {each.offset for each in jumps if each.argval == each.offset}


@lru_cache(maxsize=512)
def _keeps_hidden(code: types.CodeType) -> bool:
    """Whether it keeps what is no variable: a context, what a generator awaits."""
    names = {each.opname for each in dis.get_instructions(code)}
    return bool(names & {"BEFORE_WITH", "YIELD_VALUE", "SEND", "GET_AWAITABLE", "IMPORT_NAME", "LOAD_BUILD_CLASS"})


def _refuse_what_is_not_pure(frame: Any, lines: set[int] | None) -> None:
    """Raises _UnknownError where a function may use, in these lines or anywhere, what is no part of the state."""
    code = frame.f_code
    if not _is_the_programs(code) or _keeps_hidden(code):
        raise _UnknownError
    for name, line in _globals_of(code):
        if lines is not None and line not in lines:
            continue
        if name in frame.f_globals:
            _refuse_unless_pure(frame.f_globals[name])
        elif name not in _PURE_BUILTINS:
            raise _UnknownError


@lru_cache(maxsize=512)
def _globals_of(code: types.CodeType) -> tuple[tuple[str, int], ...]:
    """Names that a function looks up, each with its line."""
    used, line = [], code.co_firstlineno
    for each in dis.get_instructions(code):
        line = each.starts_line or line
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL"):
            used.append((each.argval, line))
    return tuple(dict.fromkeys(used))


def _names_used(frame: Any) -> set[str]:
    """Globals that the program's functions look up."""
    codes = [frame.f_code]
    for value in frame.f_globals.values():
        if isinstance(value, types.FunctionType):
            codes.append(value.__code__)
        elif type(value) is type and value.__module__ in _OWN_MODULES:
            codes += [each.__code__ for each in vars(value).values() if isinstance(each, types.FunctionType)]
    names = set[str]()
    while codes:
        code = codes.pop()
        if _is_the_programs(code):
            names |= {name for name, _ in _globals_of(code)}
            codes += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return names


def _refuse_unless_pure(value: Any) -> None:
    kind = type(value)
    if kind is types.BuiltinFunctionType:
        pure = value.__module__ in _PURE_MODULES or (
            value.__module__ == "builtins" and value.__name__ in _PURE_BUILTINS
        )
    elif kind is types.ModuleType:
        pure = value.__name__ in _PURE_MODULES
    elif kind is types.FunctionType:
        pure = _is_the_programs(value.__code__)
    else:
        pure = kind is not type or value.__module__ in _OWN_MODULES or value.__name__ in _PURE_BUILTINS
    if not pure:
        raise _UnknownError


def _state(frame: Any) -> Any:
    """All that can decide what a function does next, in a form that is equal only if all of it is."""
    seen: dict[int, int] = {}
    parts = [0]
    used = _names_used(frame)
    shared = [
        (name, _part(value, seen, parts))
        for name, value in frame.f_globals.items()
        if name in used and not isinstance(value, types.ModuleType | types.BuiltinFunctionType)
    ]
    if frame.f_locals is frame.f_globals:
        return shared
    return shared, [(name, _part(value, seen, parts)) for name, value in sorted(frame.f_locals.items())]


def _part(value: Any, seen: dict[int, int], parts: list[int]) -> Any:
    parts[0] += 1
    if parts[0] > MOST_PARTS:
        raise _UnknownError
    kind = type(value)
    if kind in _ATOMS:
        return kind.__name__, repr(value) if kind is float else value
    if id(value) in seen:
        return seen[id(value)]
    seen[id(value)] = len(seen)
    return kind.__name__, id(value) if kind in _FIXED else 0, list(_inside(value, kind, seen, parts))


_FIXED = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)


def _inside(value: Any, kind: type, seen: dict[int, int], parts: list[int]) -> Iterator[Any]:
    if kind in (list, tuple, set, frozenset):
        for each in value:
            yield _part(each, seen, parts)
    elif kind is dict:
        for key, each in value.items():
            yield _part(key, seen, parts)
            yield _part(each, seen, parts)
    elif kind is bytearray or kind is range or kind is complex:
        yield repr(value)
    elif kind is types.FunctionType:
        if not _is_the_programs(value.__code__) or value.__dict__ or value.__kwdefaults__:
            raise _UnknownError
        yield _part(value.__defaults__ or (), seen, parts)
        for cell in value.__closure__ or ():
            yield _part(cell.cell_contents, seen, parts)
    elif kind is types.ModuleType or kind is types.BuiltinFunctionType:
        _refuse_unless_pure(value)
    elif kind is type and value.__module__ in _OWN_MODULES and value.__base__ is object:
        for name, each in vars(value).items():
            if not name.startswith("__"):
                yield name
                yield _part(each, seen, parts)
    elif kind is type:
        return
    elif (
        type(kind) is type
        and kind.__module__ in _OWN_MODULES
        and kind.__base__ is object
        and hasattr(value, "__dict__")
    ):
        yield id(kind)
        yield _part(vars(value), seen, parts)
    else:
        raise _UnknownError
