"""Runs a pytest file on a program: by pytest itself, in the tests' process, or in the program's."""

import asyncio
import builtins
import inspect
import os
import unittest
from pathlib import Path
from typing import Any

import pytest

_FILE = "test_program.py"
_OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull, "--rootdir=.", "--tb=native")
"""Nothing but the file counts, which is where the program could write as well."""
_APART = ("--assert=plain", "--capture=no")
"""Where the program is elsewhere: what would explain a failed assertion asks more of it than the assertion did."""

_write = Path.write_text
_KEPT = [(owner, name, value) for owner in (pytest, unittest.TestCase) for name, value in vars(owner).items()]
"""What tests are written with, as it was before any program."""


class TestsFailedError(AssertionError):
    """pytest came to an end, and not all passed."""


class Run:
    """pytest as it was before the program, and what becomes of each test. A test that a program skips has not passed:
    only where the file itself skips some."""

    def __init__(self, options: tuple[str, ...] = ()) -> None:
        self._main, self._options = pytest.main, (*_OPTIONS, *options, "--import-mode=importlib", _FILE)
        self._failed: BaseException | None = None
        self._collected = 0
        self._passed, self._skipped = set[str](), set[str]()
        self._may_skip = False

    def __call__(self, text: str) -> None:
        """Raises what the first test that did not pass raised, or AssertionError if none passed."""
        self._may_skip = any(word in text for word in ("skip", "xfail"))
        _write(Path(_FILE), text, encoding="utf-8")
        for owner, name, value in _KEPT:
            if not name.startswith("__"):
                setattr(owner, name, value)
        for name in [name for name in os.environ if name.startswith("PYTEST")]:
            del os.environ[name]
        ended = self._main([*self._options], plugins=[self])
        done = self._passed | (self._skipped if self._may_skip else set())
        if self._failed is not None and not isinstance(self._failed, pytest.fail.Exception):
            raise self._failed
        if ended != 0 or not self._passed or len(done) != self._collected:
            raise TestsFailedError

    def pytest_collection_finish(self, session: Any) -> None:
        self._collected = len(session.items)

    def pytest_exception_interact(self, call: Any) -> None:
        self._failed = self._failed or call.excinfo.value

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)
        elif report.skipped and (hasattr(report, "wasxfail") or _FILE in str(report.longrepr)):
            self._skipped.add(report.nodeid)

    def pytest_pyfunc_call(self, pyfuncitem: Any) -> bool | None:
        """Run a test that is a coroutine, as pytest's plugins for them do, under whatever mark."""
        if not inspect.iscoroutinefunction(pyfuncitem.obj):
            return None
        names = pyfuncitem._fixtureinfo.argnames
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
        return True


def run_apart(text: str, names: dict[str, Any]) -> None:
    """Run a file whose names from the program are these. pytest looks at everything that a file has, for fixtures: so
    they are where it does not look, with the builtins. This process is thrown away."""
    for name, value in names.items():
        setattr(builtins, name, value)
    Run(_APART)(text)
