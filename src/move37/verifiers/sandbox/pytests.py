"""Runs a pytest file on a program: by pytest itself, in the program's process."""

import asyncio
import inspect
import os
from pathlib import Path
from typing import Any

import pytest

_FILE = "test_program.py"
_OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull, "--rootdir=.")
"""Nothing but the file counts, which is where the program could write as well."""


class TestsFailedError(AssertionError):
    """pytest came to an end, and not all passed."""


class Run:
    """pytest as it was before the program, and what becomes of each test. A test that a program skips has not passed:
    only where the file itself skips some."""

    def __init__(self) -> None:
        self._main = pytest.main
        self._collected = 0
        self._passed, self._skipped = set[str](), set[str]()
        self._may_skip = False

    def __call__(self, text: str) -> None:
        """Raises AssertionError unless something was tested and all of it passed."""
        self._may_skip = any(word in text for word in ("skip", "xfail"))
        # A file that does not say where its names come from takes them from the program.
        if "solution" not in text and "__future__" not in text:
            text = f"from solution import *\n{text}"
        Path(_FILE).write_text(text, encoding="utf-8")
        for name in [name for name in os.environ if name.startswith("PYTEST")]:
            del os.environ[name]
        ended = self._main([*_OPTIONS, "--import-mode=importlib", _FILE], plugins=[self])
        done = self._passed | (self._skipped if self._may_skip else set())
        if ended != 0 or not self._passed or len(done) != self._collected:
            raise TestsFailedError

    def pytest_collection_finish(self, session: Any) -> None:
        self._collected = len(session.items)

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
