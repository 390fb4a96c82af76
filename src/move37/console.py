"""One line on the terminal: a result, a warning, an error. What takes a table is in `terminal.py`."""

import sys
from collections.abc import Sequence

from rich.console import Console


def tell(quiet: bool, line: str, warnings: Sequence[str] = ()) -> None:
    """One line of result, and what the reader must know about it."""
    if quiet:
        return
    console = Console(highlight=False, soft_wrap=True)
    for warning in warnings:
        console.print(f"[yellow]Warning:[/] {plain_text(warning)}")
    if line:
        console.print(plain_text(line))


def complain(message: str, code: int) -> tuple[str, int]:
    """One line on standard error; returns it with the exit code."""
    line = " ".join(message.split()).replace("\0", "\\0")
    print(f"move37: {line}", file=sys.stderr)
    return line, code


def plain_text(text: str) -> str:
    """Text in which brackets are not markup."""
    return text.replace("[", "\\[")
