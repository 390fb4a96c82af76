"""The tests' side of a connection: runs them as they were published, against a program that is elsewhere.

A name that the tests take from the program is a `Remote`: calling it sends the arguments across and brings the result
back as data. So `assert f([1, 2]) == 3` compares here, `3` never leaves, and there is nothing in the program's process
to patch. Names that the problem's own head defines (HumanEval's `poly`, `encode_shift`) and modules of the standard
library that the reference solution imports are this side's own.

What differs from running both in one process: arguments are copied, and lists, dictionaries and sets among them are
brought up to date after the call, but not objects shared between them; and an object that is no plain data equals
nothing but can be passed on, called, read, iterated.

Random numbers start from the same seed for every program.
"""

import ast
import builtins
import json
import os
import random
import signal
import socket
import sys
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

from .wire import Link, MalformedError, decode, encode

MOST_REMEMBERED = 32
"""Problems whose compiled tests are kept."""
SECONDS_TO_READ = 2.0
"""CPU seconds in which a result must have become a value."""


class ProgramEndedError(BaseException):
    """The program's process is gone or talks nonsense. Not an Exception: no test may catch it."""


class NotSendableError(BaseException):
    """The tests pass an object that has no form as data: the instrument's limit, not the program's fault."""


class _Connection:
    """Asks the program to do things."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.ended = ""
        """Why there is no more to hear from the program."""

    def load(self, sources: list[str]) -> None:
        self._ask({"load": sources})

    def do(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        message = {
            "do": operation,
            "args": [encode(each, _handle) for each in args],
            "kwargs": {key: encode(each, _handle) for key, each in kwargs.items()},
        }
        reply = self._ask(message)
        try:
            value, changed = reply.get("value"), reply.get("changed")
            if not changed and not isinstance(value, dict | list):
                return value
            with _time_to_read():
                for place, after in changed or ():
                    before = kwargs[place] if isinstance(place, str) else args[place]
                    _bring_up_to_date(before, decode(after, self._remote))
                return decode(value, self._remote)
        except Exception:
            self._end("sends malformed data")

    def _ask(self, message: Any) -> dict[str, Any]:
        if self.ended:
            raise ProgramEndedError
        try:
            self.link.send(message)
            reply = self.link.receive()
        except (EOFError, OSError):
            self._end("ends early")
        except MalformedError:
            self._end("sends malformed data")
        if not isinstance(reply, dict):
            self._end("sends malformed data")
        if "raised" in reply:
            self._raise(reply)
        return reply

    def _raise(self, reply: dict[str, Any]) -> NoReturn:
        """Raise here what the program raised there, as the nearest builtin exception."""
        names = reply["raised"] if isinstance(reply["raised"], list) else []
        found = (getattr(builtins, name, None) for name in names if isinstance(name, str))
        kind = next((each for each in found if isinstance(each, type) and issubclass(each, BaseException)), Exception)
        if issubclass(kind, StopIteration | StopAsyncIteration):
            kind = RuntimeError  # inside a test's `map` or `zip` it would end the tests quietly
        name = names[0] if names and isinstance(names[0], str) and names[0].isidentifier() else "Exception"
        if not issubclass(kind, Exception):
            self._end("exits" if issubclass(kind, SystemExit) else f"raises {name[:60]}")
        try:
            error = kind(str(reply.get("message", "")))
        except TypeError:  # UnicodeDecodeError and its like take more
            error = ValueError(str(reply.get("message", "")))
        error.raised_by_program = name[:60]  # type: ignore[attr-defined]
        raise error

    def _end(self, why: str) -> NoReturn:
        self.ended = why
        raise ProgramEndedError

    def _remote(self, handle: Any) -> "Remote":
        if type(handle) is not int:
            raise MalformedError("no handle")
        return Remote(self, handle)


@contextmanager
def _time_to_read() -> Iterator[None]:
    """Bound the time that data can take to become values: the keys of a dictionary may be chosen to collide."""
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_TO_READ)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _stop_reading(number: int, frame: Any) -> NoReturn:
    raise MalformedError("takes too long to read")


class Remote:
    """Something in the program's process, known here by its name or number."""

    __slots__ = ("_connection", "_place")

    def __init__(self, connection: _Connection, place: str | int) -> None:
        object.__setattr__(self, "_connection", connection)
        object.__setattr__(self, "_place", place)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._do("call", *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        place = object.__getattribute__(self, "_place")
        if name == "__name__" and isinstance(place, str):
            return place
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # copy, pickle and NumPy look for their protocols
        return self._do("get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._do("set", name, value)

    def __getitem__(self, key: Any) -> Any:
        return self._do("getitem", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._do("setitem", key, value)

    def __contains__(self, item: Any) -> bool:
        return item in list(self)  # compared here: its own `__contains__` may say yes to everything

    def __iter__(self) -> Any:
        return iter(list(self._do("list")))

    def __len__(self) -> int:
        return self._do("len")

    def __bool__(self) -> bool:
        return self._do("truth") is True

    def __str__(self) -> str:
        return self._do("str")

    def __int__(self) -> int:
        return self._do("int")

    def __float__(self) -> float:
        return self._do("float")

    def __deepcopy__(self, memo: Any) -> "Remote":
        return self

    def __copy__(self) -> "Remote":
        return self

    def _do(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        return self._connection.do(operation, self, *args, **kwargs)


def _handle(value: Any) -> Any:
    if isinstance(value, Remote):
        return object.__getattribute__(value, "_place")
    raise NotSendableError(type(value).__name__)


def _bring_up_to_date(value: Any, after: Any) -> None:
    """Give a mutable argument the content that it has on the other side."""
    if type(value) is not type(after):
        raise MalformedError("an argument changed its type")
    if isinstance(value, list | bytearray):
        value[:] = after
    elif isinstance(value, dict | set):
        value.clear()
        value.update(after)
    elif isinstance(value, deque):
        value.clear()
        value.extend(after)
    else:
        raise MalformedError("an argument that cannot change did")


class Examination:
    """The tests of one problem, compiled.

    `head` is program text whose definitions are the tests' own; it and `once` run now, without a program, and what they
    make must reach no program but as a copy. `setup` runs before the tests. `reference` is the published solution, read
    only for the names that it defines.
    """

    def __init__(self, head: str, once: str, setup: str, tests: list[str], reference: str, entry_point: str) -> None:
        self.tests = [compile(test, "tests.py", "exec", dont_inherit=True) for test in (setup, *tests)]
        self.from_program, modules = _names([once, setup, *tests], head, reference, entry_point)
        self.names: dict[str, Any] = {"__name__": "tests"}
        exec(_compiled_head(head), self.names)
        self.names |= {module: import_module(module) for module in modules}
        exec(compile(once, "once.py", "exec", dont_inherit=True), self.names)

    def examine(self, program: list[str], link: Link) -> dict[str, str]:
        """Run the tests: {"passed"}, {"failed": why} or {"broken": why}."""
        random.seed(0)
        sys.setrecursionlimit(1000)
        connection = _Connection(link)
        names = self.names | {name: Remote(connection, name) for name in self.from_program}
        try:
            connection.load(program)
            for test in self.tests:
                exec(test, names)
        except ProgramEndedError:
            pass
        except NotSendableError as error:
            return {"broken": f"a test passes a {error} to the program"}
        except Exception as error:
            if not connection.ended:
                return {"failed": _why(error)}
        # A test that caught everything has not passed: the program must be there to the end.
        return {"failed": connection.ended} if connection.ended else {"passed": ""}


def _why(error: Exception) -> str:
    raised = getattr(error, "raised_by_program", None)
    if raised is not None:
        return f"raises {raised}"
    return "differs" if isinstance(error, AssertionError) else f"differs ({type(error).__name__} in the tests)"


def _compiled_head(head: str) -> Any:
    """The head of a problem ends in the middle of a function; with a docstring that is a whole one."""
    for ending in ("", "\n    pass\n"):
        try:
            return compile(head + ending, "head.py", "exec", dont_inherit=True)
        except SyntaxError:
            continue
    return compile("", "head.py", "exec")


def _names(tests: list[str], head: str, reference: str, entry_point: str) -> tuple[list[str], list[str]]:
    """Names that the tests take from the program, and standard modules that they take from nowhere."""
    used, bound = _used_and_bound("\n".join(tests))
    defined, imported = _defined(head)
    own = (defined | imported) - {entry_point}
    solution, modules = _defined(reference)
    free = used - bound - set(dir(builtins)) - own
    standard = (free & modules & sys.stdlib_module_names) - solution
    shadowing = solution & used - own  # a solution may be called `sum`
    return sorted((free | shadowing) - standard), sorted(standard)


def _used_and_bound(source: str) -> tuple[set[str], set[str]]:
    used, bound = set[str](), set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return used, bound


def _defined(source: str) -> tuple[set[str], set[str]]:
    """Names that a program defines at its top level, and those that it imports."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return set(), set()
    defined, imported = set[str](), set[str]()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imported |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            defined |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return defined, imported


def serve(descriptor: int) -> None:
    """Examine one program after the other, until the other end is closed.

    A request is one byte and a message. With "t" the message is tests to use from now on (`Examination`'s fields),
    with "p" a program, and the byte carries the descriptor of its connection. Each is answered with one message.
    """
    signal.signal(signal.SIGVTALRM, _stop_reading)
    channel = socket.socket(fileno=os.dup(descriptor))
    link = Link(descriptor)
    examinations: OrderedDict[str, Examination] = OrderedDict()
    current: Examination | None = None
    while True:
        kind, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if not kind:
            return
        message = link.receive()
        if kind == b"t":
            current, answer = _examination(message, examinations)
            link.send(answer)
        elif current is not None and descriptors:
            connection = Link(descriptors[0])
            verdict = current.examine(message, connection)
            connection.close()
            link.send(verdict)


def _examination(
    fields: dict[str, Any], known: "OrderedDict[str, Examination]"
) -> tuple[Examination | None, dict[str, str]]:
    """The tests, compiled at most once while they are remembered, and what to answer."""
    key = json.dumps(fields)
    if key not in known:
        try:
            known[key] = Examination(**fields)
        except Exception as error:  # tests may hold anything
            return None, {"broken": f"the tests cannot be run: {type(error).__name__}"}
        if len(known) > MOST_REMEMBERED:
            known.popitem(last=False)
    return known[key], {"ready": ""}
