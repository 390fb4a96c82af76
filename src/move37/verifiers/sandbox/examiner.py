"""The tests' side of a connection: runs them as they were published, against a program that is elsewhere.

A name that the tests take from the program is a `Remote` (`remote.py`), or its value where it is data: calling it sends
the arguments across and brings the result back as data. So `assert f([1, 2]) == 3` compares here, `3` never leaves, and
there is nothing in the program's process to patch. Names that the problem's own head defines (HumanEval's `poly`,
`encode_shift`) and modules of the standard library that the reference solution imports are this side's own.

Every program meets the tests in a process of its own, a copy of one in which they are ready: nothing that tests do, or
that values do to them, reaches the next program; and it has limits of its own, on CPU time and memory, so that a
program cannot keep the tests busy with what it returns.

What differs from running both in one process: arguments are copied, and lists, dictionaries, sets and arrays among them
are brought up to date after the call; an object that is no plain data equals nothing but can be passed on, called,
read, iterated. What tests need beyond that is not expressible here, and the answer says so. Tests that compare
identities never are: a copy is not the original.

Random numbers start from the same seed for every program.
"""

import json
import os
import random
import signal
import socket
import sys
from collections import OrderedDict
from importlib import import_module
from typing import Any

from .needs import Needs, defined_and_imported, names_from_program
from .remote import Connection, InexpressibleError, ProgramEndedError
from .supervisor import bound
from .wire import Link

MOST_REMEMBERED = 32
"""Problems whose compiled tests are kept."""
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
        return object.__getattribute__(remote, "_connection").do("name", remote)


class Examination:
    """The tests of one problem, compiled.

    `head` is program text whose definitions are the tests' own; it and `once` run now, without a program. `setup` runs
    before the tests. `reference` is the published solution, read only for the names that it defines.
    """

    def __init__(self, head: str, once: str, setup: str, tests: list[str], reference: str, entry_point: str) -> None:
        self.needs = Needs.of([setup, *tests])
        self.tests = [compile(test, "tests.py", "exec", dont_inherit=True) for test in (setup, *tests)]
        self.from_program, modules = names_from_program([once, setup, *tests], head, reference, entry_point)
        self.names: dict[str, Any] = {"__name__": "tests"}
        exec(_compiled_head(head), self.names)
        self.names |= {module: import_module(module) for module in modules}
        exec(compile(once, "once.py", "exec", dont_inherit=True), self.names)

    def examine(self, program: list[str], link: Link) -> dict[str, str]:
        """Run the tests: {"passed"}, {"failed": why} or {"inexpressible": what the tests need}."""
        random.seed(0)
        sys.setrecursionlimit(1000)
        connection = Connection(link, self.needs.exceptions)
        failed = ""
        try:
            bound_to_data = connection.load(program, self.from_program)
            names = self.names | {name: connection.remote(name) for name in self.from_program}
            if bound_to_data:
                names = _Names(names, {name: names[name] for name in bound_to_data})
            for test in self.tests:
                exec(test, names)
        except (ProgramEndedError, InexpressibleError):
            pass
        except BaseException as error:  # also an exit that a test expected, elsewhere
            failed = _why(error)
        # A test that caught everything has not passed: the program must be there to the end.
        if connection.inexpressible:
            return {"inexpressible": connection.inexpressible}
        failed = connection.ended or failed
        if failed and self.needs.reflection and not failed.startswith("ends early"):
            return {"inexpressible": self.needs.reflection, "failed": failed}
        return {"failed": failed} if failed else {"passed": ""}


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
    answered with one message: to tests {"ready"}, and {"identity"} where they compare identities, or {"broken": why}.
    """
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
            _examine_in_a_copy(current, message, descriptors[0], link)


def _examine_in_a_copy(examination: Examination, message: dict[str, Any], connection: int, link: Link) -> None:
    child = os.fork()
    if child == 0:
        status = 70
        try:
            bound(message["cpu_seconds"], MEMORY_BYTES)
            verdict = examination.examine(message["program"], Link(connection))
            signal.setitimer(signal.ITIMER_PROF, 0)
            link.send(verdict)
            status = 0
        finally:
            os._exit(status)
    os.close(connection)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status in (-signal.SIGPROF, -signal.SIGXCPU, -signal.SIGKILL):
        link.send({"failed": "out of time in the tests"})
    elif status != 0:
        link.send({"failed": "out of memory in the tests"})


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
    return known[key], {"ready": "", **({"identity": ""} if known[key].needs.identity else {})}
