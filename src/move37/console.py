"""One line on the terminal: a result, a warning, an error. What takes a table is in `terminal.py`."""

import sys
import unicodedata
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


def visible(text: str) -> str:
    """`text` with its control and formatting characters as codes; line ends and tabs stay."""
    return text.translate(_CODES)


class _Codes(dict[int, str]):
    """What `visible` makes of each character, found out when it is first met: a pass over a text is one of C's."""

    def __missing__(self, character: int) -> str:
        shown = chr(character)
        if shown not in "\n\t" and unicodedata.category(shown) in ("Cc", "Cf", "Cs"):
            shown = f"\\x{character:02x}"
        self[character] = shown
        return shown


_CODES = _Codes()
