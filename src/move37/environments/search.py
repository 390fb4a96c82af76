"""A search over a local corpus: `<search>boiling point of neon</search>` gives the passages that fit best.

    environment = "search:PATH"

PATH is a JSONL file (rows of `text` and, if there is one, `title`), a text file (.txt, .md; its paragraphs are the
passages), or a folder of such files. Passages are ranked by BM25 over their words (SQLite's FTS5, any of the words
asked for counts); at most three are given, each cut at 600 characters. Nothing leaves the machine.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar

from move37.environments.tools import ToolEnvironment, ToolError
from move37.errors import InputError

_MOST, _LONGEST = 3, 600
_TEXTS = (".txt", ".md")


class Search(ToolEnvironment):
    """See the module."""

    opens: ClassVar[str] = "<search>"
    closes: ClassVar[str] = "</search>"

    def __init__(self, place: str) -> None:
        """Raises InputError for a corpus that cannot be read."""
        self._place = place
        _corpus(place, _stamp(place))

    @staticmethod
    def origin(place: str) -> dict[str, str]:
        """The digest of what is searched: samples that come from another corpus are not continued."""
        digest = blake2b(digest_size=8)
        for title, text in _passages(Path(place)):
            digest.update(f"{title}\0{text}\0".encode())
        return {"corpus": digest.hexdigest()}

    def call(self, argument: str) -> str:
        words = re.findall(r"\w+", argument)
        if not words:
            raise ToolError("there are no words to search for")
        asked = " OR ".join(f'"{word}"' for word in words)
        rows = _corpus(self._place, _stamp(self._place)).execute(
            "SELECT title, text FROM passages WHERE passages MATCH ? ORDER BY bm25(passages), rowid LIMIT ?",
            (asked, _MOST),
        )
        found = [f"{title}: {_cut(text)}" if title else _cut(text) for title, text in rows]
        return "\n".join(found) or "nothing was found"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _stamp(place: str) -> tuple[int, ...]:
    """Changes where a file of the corpus does."""
    return tuple(file.stat().st_mtime_ns for file in _files(Path(place)))


@lru_cache(maxsize=4)
def _corpus(place: str, stamp: tuple[int, ...]) -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", check_same_thread=False)
    made.execute("CREATE VIRTUAL TABLE passages USING fts5(title, text)")
    made.executemany("INSERT INTO passages VALUES (?, ?)", _passages(Path(place)))
    if not made.execute("SELECT count(*) FROM passages").fetchone()[0]:
        raise InputError(f"environment 'search:{place}': there is no passage in it")
    return made


def _files(place: Path) -> list[Path]:
    """Raises InputError where there is none."""
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    found = [file for file in files if file.is_file() and file.suffix in (".jsonl", *_TEXTS)]
    if not found:
        raise InputError(f"environment 'search:{place}': no file of passages there (.jsonl, {', '.join(_TEXTS)})")
    return found


def _passages(place: Path) -> Iterator[tuple[str, str]]:
    """Title and text. Raises InputError with the line."""
    for file in _files(place):
        if file.suffix == ".jsonl":
            yield from _rows(file)
        else:
            paragraphs = re.split(r"\n\s*\n", file.read_text(encoding="utf-8", errors="replace"))
            yield from ((file.stem, " ".join(each.split())) for each in paragraphs if each.strip())


def _rows(file: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            title, text = row.get("title") or "", row["text"]
        except (ValueError, KeyError, AttributeError, TypeError):
            raise InputError(f"{file}: line {number}: a passage is a row with a text (and a title, or none)") from None
        yield str(title), str(text)
