"""The untrusted side of a connection: runs a program and lets the tests call into it. The child of a supervisor.

Nothing in this process is a secret and nothing it says is believed beyond being data: a program that takes over this
code can send any results that it likes, which is no more than computing them. It never learns what they are compared
with. Three kinds of program: one whose functions are called (`serve`), one that reads standard input and writes
standard output (`run_script`), where the descriptors are all there is, and one that shares its process with the tests
(`run_with_tests`), for tests of objects that cannot cross. What that one says can be forged, and its verdict says so.

Each calls `begin` when it is about to run what nobody trusts: whatever happens before is this side's fault.
"""

import operator
import os
import sys
import types
from collections.abc import Callable, Iterable
from importlib import import_module
from itertools import islice
from typing import Any

from .orders import CONNECTION, WANTS_HEAD
from .scripts import as_a_script, finish, forget, prepare
from .wire import MUTABLE, Link, MalformedError, as_base, decode, deeply, encode, within

Begin = Callable[[], None]
REHEARSALS = 10
"""A few more than it takes until the interpreter rewrites code."""


def _take(iterator: Any, most: int, late: dict[int, BaseException]) -> tuple[list[Any], bool]:
    """The next items, at most so many, and whether it is at its end. What it raises meanwhile comes after them."""
    if id(iterator) in late:
        raise late.pop(id(iterator))
    items: list[Any] = []
    try:
        items.extend(islice(iterator, most))
    except BaseException as error:  # whatever a program raises
        if not items:
            raise
        late[id(iterator)] = error
    return items, len(items) < most and id(iterator) not in late


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": lambda target, /, *args, **kwargs: target(*args, **kwargs),
    "get": getattr,
    "set": setattr,
    "delete": delattr,
    "name": lambda target: target,
    **{name: getattr(operator, name) for name in ("getitem", "setitem", "delitem", "truth")},
    **{kind.__name__: kind for kind in (len, str, repr, int, float, iter, format)},
}


def serve(begin: Begin) -> int:
    """Run the program that comes first, then do what each message asks, until the other end is closed."""
    sys.modules["solution"] = _SOLUTION
    link, program = _PROGRAM.link, _PROGRAM
    try:
        program.load(link.receive(), begin)
        while True:
            program.answer(program.reply(link.receive()))
    except (EOFError, OSError):
        return 0


def rehearse() -> None:
    """Run harmless programs in this process, so that what its copies will run has run before: the interpreter rewrites
    code for what it met, and looks up names only once, and a copy pays for what it has to change (Python 3.11)."""
    ours, theirs = map(Link, os.pipe())
    for _ in range(REHEARSALS):
        program = _Program({}, theirs)
        calls = [["f", 1], ["f", [1.5]]]
        program.load({"load": ["def f(x):\n    return x\n"], "names": ["f"], "ahead": calls}, lambda: None)
        program.answer(program.reply({"do": "call", "args": [{"handle": "f"}, [1, "a"]], "kwargs": {}}))
        for _ in range(4):
            ours.receive()
    ours.close()
    theirs.close()
    forget()


class _Program:
    """The names of a program, and its objects that the tests know by a number."""

    def __init__(self, names: dict[str, Any], link: Link) -> None:
        self._names, self.link = names, link
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._late: dict[int, BaseException] = {}

    def load(self, message: Any, begin: Begin) -> None:
        """Run the program, and make the calls that will be asked for in any case.

        The answer is {"loaded"}: the names asked for that are bound to data, which may be bound anew; with {"ahead"}
        if the calls' answers follow, up to the first that is no plain data, which says so ({"last"}).
        """
        names = self._names
        try:
            prepare(message["load"])
            begin()
            for source in message["load"]:
                exec(compile(source, "solution.py", "exec", dont_inherit=True), names)
            loaded = [name for name in message["names"] if _is_data(names.get(name))]
        except BaseException as error:  # whatever a program raises
            self.answer(self._raised(error))
            return
        calls = message["ahead"]
        if loaded or not calls:
            self.answer({"loaded": loaded})
            return
        self.answer({"loaded": loaded, "ahead": True})
        for name, *args in calls:
            answer = self._called(name, args)
            self.answer(answer)
            if len(answer) > 1:  # the tests will do something else first
                return

    def _called(self, name: str, args: list[Any]) -> dict[str, Any]:
        """The answer to a call with arguments that nothing else holds."""
        try:
            value = self._resolve(name)(*[decode(each, self._resolve) for each in args])
            value = deeply(encode, value, self._refer)
            return {"value": value, "last": True} if self._objects else {"value": value}
        except BaseException as error:  # whatever a program raises
            return self._raised(error)

    def answer(self, reply: Any) -> None:
        try:
            self.link.send(reply)
        except MalformedError as error:
            self.link.send({"raised": ["MemoryError"], "message": str(error)})

    def reply(self, message: Any) -> Any:
        """The answer to one message: {"value"} and perhaps {"changed"}, arguments that were changed in place, or
        {"raised"}."""
        try:
            given = [*message["args"], *message["kwargs"].values()]
            values = [decode(each, self._resolve, trusted=True) for each in given]
            kwargs = (
                dict(zip(message["kwargs"], values[len(message["args"]) :], strict=True)) if message["kwargs"] else {}
            )
            crossed = [pair for pair in zip(values, given, strict=True) if not _is_handle(pair[1])]
            sent = {id(each): place for place, each in enumerate(within(value for value, _ in crossed))}
            result = self._do(message["do"], values[: len(message["args"])], kwargs)
            value = deeply(encode, result, self._refer, sent or None)
            if not sent:
                return {"value": value}
            changed = [
                encode(each, self._refer, sent)
                for each, before in crossed
                if (type(before) is list or type(before) is dict) and encode(each, self._refer) != before
            ]
            return {"value": value, "changed": changed} if changed else {"value": value}
        except MalformedError as error:
            return {"raised": ["ValueError"], "message": str(error)}
        except BaseException as error:  # whatever a program raises
            return self._raised(error)

    def _do(self, operation: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if operation == "take":
            iterator, most = args
            return _take(iterator, most, self._late)
        return _OPERATIONS[operation](*args, **kwargs)

    def _refer(self, value: Any) -> Any:
        held = as_base(value, self._refer)
        if held is not None:
            return {"own": [type(value).__name__, held]}
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return {"handle": number}

    def _resolve(self, handle: Any) -> Any:
        if not isinstance(handle, str):
            return self._objects[handle]
        if handle in self._names:
            return self._names[handle]
        raise NameError(f"name {handle!r} is not defined")

    def _raised(self, error: BaseException) -> dict[str, Any]:
        raised = {"raised": [base.__name__ for base in type(error).__mro__], "message": _short(error)}
        try:
            raised["args"] = encode(list(_made_with(error)), self._refer)
            if vars(error):
                raised["attributes"] = encode({**vars(error)}, self._refer)
        except BaseException:  # they contain themselves
            pass
        return raised


_SOLUTION = types.ModuleType("solution")
_SOLUTION.__file__ = "solution.py"
_PROGRAM = _Program(_SOLUTION.__dict__, Link(CONNECTION))
"""Every process has its own, and runs one program. What it has from the beginning, it need not make."""


def _is_handle(given: Any) -> bool:
    """Whether an argument was here all the time."""
    return type(given) is dict and "handle" in given


def _is_data(value: Any) -> bool:
    return value is None or isinstance(value, (*MUTABLE, bool, int, float, complex, str, bytes, tuple, frozenset))


def run_script(begin: Begin) -> int:
    """Run the program that comes on the connection as a script. The exit status: 0 unless it raised something,
    WANTS_HEAD for what a head may give it."""
    link = Link(CONNECTION)
    sources = link.receive()
    link.close()
    prepare(sources)
    names = as_a_script()
    status = 0
    begin()
    try:
        for source in sources:
            exec(compile(source, "program.py", "exec", dont_inherit=True), names)
    except SystemExit:
        pass  # with whatever code or text: its output decides, as in LiveCodeBench's harness
    except BaseException as error:  # whatever a program raises
        status = WANTS_HEAD if type(error) in (NameError, RecursionError) else 1
    try:
        finish(names)
    except BaseException:  # what it left for the exit is its own too
        status = 1
    return status


def run_with_tests(begin: Begin) -> int:
    """Run the program and then the tests, which come with it on the connection, in this process."""
    link = Link(CONNECTION)
    message = link.receive()
    link.send(import_module(".together", __package__).run(message, _SOLUTION, begin))
    return 0


ROLES: dict[str, Callable[[Begin], int]] = {
    "program": serve,
    "script": run_script,
    "in-process": run_with_tests,
}


def _made_with(error: BaseException) -> Iterable[Any]:
    """The arguments that would make it again: a file's name is not among an OSError's own."""
    made = OSError.__reduce__(error) if isinstance(error, OSError) else ()
    return made[1] if len(made) > 1 and isinstance(made[1], tuple) else error.args


def _short(error: BaseException) -> str:
    try:
        return str(error)[:200]
    except BaseException:  # its own __str__ is the program's
        return ""
