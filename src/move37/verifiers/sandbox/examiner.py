"""The tests' side of a connection: runs them as they were published, against a program that is elsewhere.

A name that the tests take from the program is a `Remote` (`remote.py`), or its value where it is data: calling it sends
the arguments across and brings the result back as data. So `assert f([1, 2]) == 3` compares here, `3` never leaves, and
there is nothing in the program's process to patch. Names that the problem's own head defines (HumanEval's `poly`,
`encode_shift`) and modules of the standard library that the reference solution imports are this side's own.

A program meets the tests in a copy of the process in which they are ready, which is thrown away afterwards, unless they
hold nothing that could change: nothing that tests do, or that values do to them, reaches the next program. The tests of
each program have limits of their own, on CPU time and memory, so that it cannot keep them busy with what it returns.

What differs from running both in one process: arguments are copied, and lists, dictionaries, sets and arrays among them
are brought up to date after the call; an object that is no plain data equals nothing but can be passed on, called,
read, iterated. What tests need beyond that is not expressible here, and the answer says so. Tests that compare
identities or watch their process never are (`needs.py`).

Random numbers start from the same seed for every program.
"""

import ast
import builtins
import json
import os
import random
import resource
import signal
import socket
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any

from .ahead import calls_ahead
from .names import nodes, used_and_bound
from .needs import Needs, names_from_program
from .remote import Connection, InexpressibleError, ProgramEndedError
from .wire import Link

MOST_REMEMBERED = 32
"""Problems whose compiled tests are kept."""
_UNCHANGING = (types.ModuleType, int, float, str, bytes, type(None), types.BuiltinFunctionType)
_NAME = "__main__"
"""What tests are called: some run only as a script."""
_LIBRARIES = sys.stdlib_module_names
MOST_GROWN_KILOBYTES = 512 << 10
"""Resident size from which the process that ran tests is replaced."""
MEMORY_BYTES = 3 << 30
"""Address space in which the tests of one program run."""


class _Names(dict[str, Any]):
    """Names of the tests, of which the program's data are looked up anew each time: it may bind them anew."""

    def __init__(self, names: dict[str, Any], data: dict[str, Any]) -> None:
        super().__init__({name: value for name, value in names.items() if name not in data})
        self._data = data

    def __missing__(self, name: str) -> Any:
        remote = self._data.get(name)
        if remote is None:
            raise KeyError(name)
        return object.__getattribute__(remote, "_connection").named(remote)


class _Solution(types.ModuleType):
    """The program as the module that tests import it from."""

    def __init__(self, connection: Connection, names: list[str], data: Collection[str]) -> None:
        super().__init__("solution")
        self._connection, self._data, self.__all__ = connection, frozenset(data), names

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        remote = self._connection.remote(name)
        return self._connection.named(remote) if name in self._data else remote


class Examination:
    """The tests of one problem, compiled.

    `head` is program text whose definitions are the tests' own; it and `once` run now, without a program. `setup` runs
    before the tests. `reference` is the published solution, read only for the names that it defines. `pytest`: a file
    that pytest runs, behind the tests.
    """

    def __init__(
        self, head: str, once: str, setup: str, tests: list[str], reference: str, entry_point: str, pytest: str = ""
    ) -> None:
        trees = [ast.parse(test) for test in (setup, *tests, pytest)]
        found = [node for tree in trees for node in nodes(tree)]
        self.needs = Needs.of(found)
        self.tests = [compile(test, "tests.py", "exec", dont_inherit=True) for test in (setup, *tests) if test]
        found += nodes(ast.parse(once))
        self.from_program, modules = names_from_program(found, head, reference, entry_point)
        self.pytest, self._imported = _without_program(trees[-1]) if pytest else ("", {})
        if pytest:
            import_module(".pytests", __package__)  # once, for all programs
        self._ahead = calls_ahead(trees, self.from_program, used_and_bound(found)[1])
        self.names: dict[str, Any] = {"__name__": _NAME}
        exec(_compiled_head(head), self.names)
        self.names |= {module: import_module(module) for module in modules}
        exec(compile(once, "once.py", "exec", dont_inherit=True), self.names)
        self.repeatable = (
            not pytest
            and self.needs.pure
            and not any(_may_change(value) for name, value in self.names.items() if name != "__builtins__")
        )
        """Whether running the tests can change nothing that running them again would see."""

    def examine(self, program: list[str], link: Link) -> dict[str, str]:
        """Run the tests: {"passed"}, {"failed": why} or {"inexpressible": what the tests need}."""
        random.seed(0)
        sys.setrecursionlimit(1000)
        connection = Connection(link, self.needs.exceptions)
        failed = beyond = ""
        try:
            bound_to_data = connection.load(program, self.from_program, self._ahead)
            names = self.names | {name: connection.remote(name) for name in self.from_program}
            if bound_to_data:
                names = _Names(names, {name: names[name] for name in bound_to_data})
            sys.modules["solution"] = _Solution(connection, self.from_program, bound_to_data)
            for test in self.tests:
                exec(test, names)
            if self.pytest:
                given = {name: names[name] for name in self.from_program} | {
                    called: names[name] for called, name in self._imported.items()
                }
                if vars(builtins).keys() & given:
                    connection.cannot("a builtin of another meaning")
                import_module(".pytests", __package__).run_apart(self.pytest, given)
        except (ProgramEndedError, InexpressibleError):
            pass
        except BaseException as error:  # also an exit that a test expected, elsewhere
            failed, beyond = _why(error), self._beyond_data(error, connection)
            if self.from_program and not (connection.asked or hasattr(error, "raised_by_program")):
                return {"broken": f"the tests fail before they ask the program for anything ({type(error).__name__})"}
        # A test that caught everything has not passed: the program must be there to the end.
        if connection.inexpressible:
            return {"inexpressible": connection.inexpressible}
        failed = connection.ended or failed
        beyond = self.needs.reflection or beyond
        if failed and beyond and not failed.startswith("ends early"):
            return {"inexpressible": beyond, "failed": failed}
        return {"failed": failed} if failed else {"passed": ""}

    def _beyond_data(self, error: BaseException, connection: Connection) -> str:
        """What values of the program's own classes could not do here and made the tests fail; "" if it was nothing of
        that: where the tests only compare what a function gives, such a class has no say."""
        if self.pytest and not isinstance(error, AssertionError) and not hasattr(error, "raised_by_program"):
            return "what pytest can do with a program beside it"
        lacks = isinstance(error, AttributeError | TypeError) and not hasattr(error, "raised_by_program")
        makes = isinstance(error, KeyError) and "defaultdict" in connection.own
        named = any(name in self.from_program and name[:1].isupper() for name in connection.own)
        if isinstance(error, AttributeError) and hasattr(error.obj, "raised_by_program"):
            return "what an exception of the program's can do"
        return "what a class of the program's can do" if connection.own and (lacks or makes or named) else ""


def _without_program(file: ast.Module) -> tuple[str, dict[str, str]]:
    """The file without what it imports from the program as a whole, and how it calls that."""
    imports = [node for node in file.body if isinstance(node, ast.ImportFrom) and node.module == "solution"]
    called = {alias.asname: alias.name for node in imports for alias in node.names if alias.asname}
    return ast.unparse(ast.Module([node for node in file.body if node not in imports], [])), called


def _may_change(value: Any) -> bool:
    """Whether what a head made for the tests is more than a function, a constant or what it imported."""
    if isinstance(value, types.FunctionType):
        return value.__module__ == _NAME and any(map(_may_change, value.__defaults__ or ()))
    return not isinstance(value, _UNCHANGING) and getattr(value, "__module__", None) not in _LIBRARIES


def _why(error: BaseException) -> str:
    raised = getattr(error, "raised_by_program", None)
    if raised is not None:
        return f"raises {raised}"
    if isinstance(error, MemoryError):
        return "out of memory in the tests"
    return "differs" if isinstance(error, AssertionError) else f"differs ({type(error).__name__} in the tests)"


def _compiled_head(head: str) -> Any:
    """The head of a problem ends in the middle of a function; with a docstring that is a whole one."""
    for ending in ("", "\n    pass\n"):
        try:
            return compile(head + ending, "head.py", "exec", dont_inherit=True)
        except SyntaxError:
            continue
    return compile("", "head.py", "exec")


def serve(descriptor: int) -> None:
    """Examine one program after the other, until the other end is closed.

    A request is one byte and a message. With "t" the message is tests to use from now on (`Examination`'s fields),
    with "p" a program and the CPU seconds of its tests, and the byte carries the descriptor of its connection. Each is
    answered with one message: to tests {"ready"}, and {"together"} where they need one process, or {"broken": why};
    to a program what `Examination.examine` says. With "forgotten" in it, the tests have to be sent again.

    A copy of this process does the work, which may be killed for what it uses, and is replaced.
    """
    channel = socket.socket(fileno=os.dup(descriptor))
    link = Link(descriptor)
    while channel.recv(1, socket.MSG_PEEK):
        why = _in_a_copy(lambda: _serve(channel, link))
        if why:
            link.send({"failed": why, "forgotten": ""})


def _in_a_copy(work: Callable[[], None]) -> str:
    """Do this in a copy of this process; why the copy came to a bad end, "" if it did not."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            work()
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status in (-signal.SIGPROF, -signal.SIGXCPU, -signal.SIGKILL):
        return "out of time in the tests"
    return "out of memory in the tests" if status else ""


def _serve(channel: socket.socket, link: Link) -> None:
    """Answer requests, until there are none or this process has grown large."""
    examinations: OrderedDict[str, Examination] = OrderedDict()
    current: Examination | None = None
    connection: Link | None = None
    while True:
        kind, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if connection is not None:  # only now, for the program need not hear of its end: it is killed meanwhile
            connection.close()
            connection = None
        if not kind:
            return
        message = link.receive()
        if kind == b"t":
            current, answer = _examination(message, examinations)
            link.send(answer)
            continue
        connection = Link(descriptors[0])
        answer = {"broken": "no tests"} if current is None else _answer(current, message, connection)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MOST_GROWN_KILOBYTES
        link.send(answer | ({"forgotten": ""} if grown else {}))
        if grown:
            return


def _answer(examination: Examination, message: dict[str, Any], connection: Link) -> dict[str, str]:
    """What the tests say of a program: here, or in a copy of this process if they could change something in it."""
    if examination.repeatable:
        return _examined(examination, message, connection)
    reading, writing = os.pipe()
    said, saying = Link(reading), Link(writing)
    why = _in_a_copy(lambda: saying.send(_examined(examination, message, connection)))
    saying.close()
    answer = {"failed": why} if why else said.receive()
    said.close()
    return answer


def _examined(examination: Examination, message: dict[str, Any], connection: Link) -> dict[str, str]:
    signal.setitimer(signal.ITIMER_PROF, message["cpu_seconds"])
    verdict = examination.examine(message["program"], connection)
    signal.setitimer(signal.ITIMER_PROF, 0)
    return verdict


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
    return known[key], {"ready": "", **({"together": ""} if known[key].needs.together else {})}
