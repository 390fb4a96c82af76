"""The untrusted side of a connection: runs a program and lets the tests call into it. The child of a supervisor.

Nothing in this process is a secret and nothing it says is believed beyond being data: a program that takes over this
code can send any results that it likes, which is no more than computing them. It never learns what they are compared
with. Two kinds of program: one whose functions are called (`serve`), and one that reads standard input and writes
standard output (`run_script`), where the descriptors are all there is.
"""

import builtins
import operator
import sys
import types
from collections import deque
from importlib import import_module
from typing import Any

from .wire import Link, MalformedError, decode, encode

_MUTABLE = (list, dict, set, bytearray, deque)
_OPERATIONS = {
    "call": lambda target, *args, **kwargs: target(*args, **kwargs),
    "get": getattr,
    "set": setattr,
    "list": list,
    **{name: getattr(operator, name) for name in ("getitem", "setitem", "truth")},
    **{kind.__name__: kind for kind in (len, str, int, float)},
}


def serve(descriptor: int) -> None:
    """Run the program that comes first, then do what each message asks, until the other end is closed."""
    link = Link(descriptor)
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    objects: list[Any] = []
    try:
        while True:
            link.send(_reply(link.receive(), module.__dict__, objects))
    except (EOFError, OSError):
        return


def run_script(descriptor: int) -> int:
    """Run the program that comes on the connection as a script. The exit status: 0 unless it raised something."""
    link = Link(descriptor)
    sources = link.receive()
    link.close()
    _forget_chance(sources)
    module = types.ModuleType("__main__")
    module.__file__ = "program.py"
    sys.modules["__main__"] = module
    sys.argv = ["program.py"]
    builtins.exit = builtins.quit = sys.exit
    status = 0
    try:
        for source in sources:
            exec(compile(source, "program.py", "exec", dont_inherit=True), module.__dict__)
    except SystemExit as end:
        status = 0 if end.code in (None, 0) else 1
    except BaseException:  # whatever a program raises
        status = 1
    try:
        _finish(module.__dict__)
    except BaseException:  # what it left for the exit is its own too
        status = 1
    return status


def _finish(names: dict[str, Any]) -> None:
    """What the interpreter does at its end: wait for the script's threads, call what it left for the exit, write out
    what was printed, and let go of its names, which closes files that it left open."""
    if "threading" in sys.modules:
        threading = import_module("threading")
        for thread in threading.enumerate():
            if thread is not threading.main_thread() and not thread.daemon:
                thread.join()
    if "atexit" in sys.modules:
        import_module("atexit")._run_exitfuncs()
    _write_out(sys.stdout)
    names.clear()
    _write_out(sys.__stdout__)


def _write_out(printed: Any) -> None:
    if printed is not None and not getattr(printed, "closed", False):
        printed.flush()


def _reply(message: Any, names: dict[str, Any], objects: list[Any]) -> Any:
    """The answer to one message: {"value", "changed"}, {"raised"} or {"loaded"}.

    "changed" are arguments that were changed in place, each with its position or keyword.
    """

    def refer(value: Any) -> int:
        objects.append(value)
        return len(objects) - 1

    def resolve(handle: Any) -> Any:
        return _named(handle, names) if isinstance(handle, str) else objects[handle]

    try:
        if "load" in message:
            _forget_chance(message["load"])
            for source in message["load"]:
                exec(compile(source, "solution.py", "exec", dont_inherit=True), names)
            return {"loaded": True}
        args = [decode(each, resolve) for each in message["args"]]
        kwargs = {key: decode(each, resolve) for key, each in message["kwargs"].items()}
        value = encode(_OPERATIONS[message["do"]](*args, **kwargs), refer)
        given = dict(enumerate(message["args"])) | message["kwargs"]
        changed = [
            [place, after]
            for place, each in (dict(enumerate(args)) | kwargs).items()
            if isinstance(each, _MUTABLE) and (after := encode(each, refer)) != given[place]
        ]
        return {"value": value, "changed": changed}
    except MalformedError as error:
        return {"raised": ["ValueError"], "message": str(error)}
    except BaseException as error:  # whatever a program raises
        return {"raised": [base.__name__ for base in type(error).__mro__], "message": _short(error)}


def _forget_chance(sources: list[str]) -> None:
    """Start random numbers from the same seed for every program that uses them: a verdict should not be luck."""
    if any("random" in source for source in sources):
        import_module("random").seed(0)


def _named(name: str, names: dict[str, Any]) -> Any:
    if name in names:
        return names[name]
    raise NameError(f"name {name!r} is not defined")


def _short(error: BaseException) -> str:
    try:
        return str(error)[:200]
    except BaseException:  # its own __str__ is the program's
        return ""
