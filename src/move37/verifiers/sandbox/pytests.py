"""Runs a pytest file on a program: by pytest itself, in the program's process."""

from importlib import import_module
from pathlib import Path

_FILE = "test_program.py"


class TestsFailedError(AssertionError):
    """pytest came to an end, and not all passed."""


def run(text: str) -> None:
    """Raises AssertionError unless something was tested and all of it passed."""
    # A file that does not say where its names come from takes them from the program.
    if "solution" not in text and "__future__" not in text:
        text = f"from solution import *\n{text}"
    Path(_FILE).write_text(text, encoding="utf-8")
    options = ["-q", "-x", "-p", "no:cacheprovider", "--import-mode=importlib", _FILE]
    if import_module("pytest").main(options) != 0:
        raise TestsFailedError
