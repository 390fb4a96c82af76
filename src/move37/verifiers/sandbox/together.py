"""Runs a program and then its tests in one process, for tests of objects that cannot cross.

What they say can be forged here, and the verdict says so (`in_process`). Nothing of that kind can be ruled out where
both share memory; what is ruled out is what a program would do by accident or at the first try: an early end, a report
without the word that the host gave for it, a builtin or a function of pytest's bound anew, a skipped test.

The program is the module `solution`, which can be imported again, asked for its text, and run as a script.
"""

import builtins
import sys
import types
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from typing import Any

from .scripts import prepare

_MODULE, _FILE = "solution", "solution.py"
_BUILTINS = dict(vars(builtins))
_exec, _compile = exec, compile
_DATA = (bool, int, float, complex, str, bytes, tuple, frozenset, list, dict, set, bytearray, type(None))


def run(message: dict[str, Any], module: types.ModuleType, begin: Callable[[], None]) -> dict[str, str]:
    """What the host is told: {"passed": its word} or {"failed": why}. `message`: the texts of the "program" and of its
    "tests", or a file for "pytest"; "own" names, which are the program's although builtins are called so; the "word".
    """
    program, tests, own, word = (message[key] for key in ("program", "tests", "own", "word"))
    run_file = import_module(".pytests", __package__).Run() if message["pytest"] else None
    prepare(program, [*tests, message["pytest"]])
    begin()
    try:
        _Texts(program).become(module)
        import_module("random").seed(0)
        names = _Names(vars(module), own)
        for test in tests:
            _exec(_compile(test, "tests.py", "exec", dont_inherit=True), names)
        if run_file is not None:
            module.__all__ = names.public()  # type: ignore[attr-defined]
            run_file(_with_names(message["pytest"]))
    except BaseException as error:  # whatever either raises
        return {"failed": "differs" if isinstance(error, AssertionError) else f"raises {type(error).__name__[:60]}"}
    return {"passed": word}


def _with_names(text: str) -> str:
    """A file that does not say where its names come from takes them from the program."""
    return text if "solution" in text or "__future__" in text else f"from solution import *\n{text}"


class _Texts:
    """The program's texts as a module's: finds it, loads it, knows its source."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._spec = ModuleSpec(_MODULE, self, origin=_FILE)  # type: ignore[arg-type]

    def become(self, module: types.ModuleType) -> None:
        module.__spec__, module.__loader__, module.__file__ = self._spec, self, _FILE  # type: ignore[assignment]
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]
        sys.modules[_MODULE] = module
        self.exec_module(module)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return self._spec if name == _MODULE else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        module.__file__ = _FILE
        line = 0
        for text in self._texts:  # each by itself, with the lines that it has in all
            exec(compile("\n" * line + text, _FILE, "exec", dont_inherit=True), vars(module))
            line += text.count("\n") + 1

    def get_source(self, name: str) -> str:
        return "\n".join(self._texts)

    def get_code(self, name: str) -> Any:
        return compile(self.get_source(name), _FILE, "exec", dont_inherit=True)

    def is_package(self, name: str) -> bool:
        return False


class _Names(dict[str, Any]):
    """Names of the tests: their own, the program's as it binds them now, and builtins as they were before it. What
    tests define the program finds too, unless it has something of that name: a contest's `ListNode`."""

    def __init__(self, program: dict[str, Any], own: Collection[str]) -> None:
        self._program, self._hidden = program, _BUILTINS.keys() - set(own)
        self._lent = set[str]()
        # Only what is called or made is there from the beginning: bodies of classes do not ask for what is missing.
        kept = {name: value for name, value in program.items() if self._shows(name) and not isinstance(value, _DATA)}
        super().__init__(kept)
        super().__setitem__("__builtins__", dict(_BUILTINS))
        super().__setitem__("__name__", "__main__")  # some tests run only as a script

    def public(self) -> list[str]:
        return [name for name in self._program if self._shows(name) and not name.startswith("_")]

    def _shows(self, name: str) -> bool:
        return name not in self._hidden

    def __missing__(self, name: str) -> Any:
        if not self._shows(name):
            raise KeyError(name)
        return self._program[name]

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if name in self._lent or name not in self._program:
            self._lent.add(name)
            self._program[name] = value

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        if name in self._lent:
            self._lent.discard(name)
            self._program.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (name in self._program and name not in self._hidden)

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default
