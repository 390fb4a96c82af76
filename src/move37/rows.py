"""Rows of a file that somebody handed in: JSONL (also gzipped), a JSON list, or Parquet.

Benchmarks and importers read all their files here, so a torn line, a missing field or a NaN reads the same
everywhere: one InputError that names the file and the row. A row knows where it stands; its fields are checked when
they are asked for, because files carry many fields that nobody needs.
Left out: what the fields mean, writing, remote files.
"""

import gzip
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from move37.errors import InputError

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".parquet")
"""How the names of readable files end."""

LARGEST_COUNT = 2**31 - 1
"""Indices and token counts are stored in 32 bits."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `values` by field name, and `place` ("file:line") for messages."""

    values: Mapping[str, Any]
    place: str

    def error(self, problem: str) -> InputError:
        """The error to raise about this row."""
        return InputError(f"{self.place}: {problem}")

    def find(self, *fields: str) -> Any:
        """The value of the first of `fields` that the row has and that is not null; None where there is none."""
        for field in fields:
            value = self.values.get(field)
            if value is not None:
                return value
        return None

    def require(self, *fields: str) -> Any:
        """As `find`. Raises InputError that lists the fields that are there."""
        value = self.find(*fields)
        if value is None:
            wanted = " or ".join(repr(field) for field in fields)
            raise self.error(f"no {wanted} (fields here: {_listed(self.values)})")
        return value

    def text(self, *fields: str) -> str:
        """A text that is not blank, as it stands."""
        value = self.require(*fields)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{self._name(fields)}: expected a text that is not blank, found {_shown(value)}")
        return value

    def answer(self, *fields: str) -> str:
        """A reference answer: a text or a finite number, as a trimmed text; 27.0 becomes "27"."""
        return self._answer(self.require(*fields), self._name(fields))

    def answers(self, *fields: str) -> tuple[str, ...]:
        """A reference answer, or a list of alternatives, without repeats."""
        value = self.require(*fields)
        alternatives = value if isinstance(value, list) else [value]
        if not alternatives:
            raise self.error(f"{self._name(fields)}: an empty list of answers")
        return tuple(dict.fromkeys(self._answer(item, self._name(fields)) for item in alternatives))

    def count(self, *fields: str, least: int = 0) -> int:
        """A whole number from `least` up. 8.0 is one, as tables written by pandas have it; true is not."""
        value = self.require(*fields)
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole or value < least:
            raise self.error(f"{self._name(fields)}: expected a whole number from {least}, found {_shown(value)}")
        if value > LARGEST_COUNT:
            raise self.error(f"{self._name(fields)}: {_shown(value)} is too large")
        return int(value)

    def identifier(self, *fields: str) -> str:
        """A name: a text that is not blank, or a whole number."""
        value = self.require(*fields)
        if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise self.error(f"{self._name(fields)}: expected a text or a whole number, found {_shown(value)}")
        return str(value)

    def tags(self, *fields: str) -> dict[str, str]:
        """Those of `fields` that the row has, as texts."""
        found = {field: self.find(field) for field in fields}
        return {field: str(value) for field, value in found.items() if value is not None}

    def _name(self, fields: tuple[str, ...]) -> str:
        return repr(next((f for f in fields if self.values.get(f) is not None), fields[0]))

    def _answer(self, value: Any, name: str) -> str:
        if isinstance(value, float) and math.isfinite(value):
            value = int(value) if value.is_integer() else value
        elif isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise self.error(f"{name}: expected an answer (a text or a finite number), found {_shown(value)}")
        return str(value).strip()


def read_rows(path: Path) -> list[Row]:
    """All rows of a file, in order, at least one. Raises InputError with the file and the line."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: a folder; give one of its files")
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: not a file (a pipe or a device); save its content to a file first")
        if path.name.endswith(".parquet"):
            rows = _parquet_rows(path)
        elif path.name.endswith(".json"):
            rows = _json_rows(path)
        elif path.name.endswith((".jsonl", ".jsonl.gz")):
            rows = _jsonl_rows(path)
        else:
            raise InputError(f"{path}: cannot tell the format; the name must end in {', '.join(SUFFIXES)}")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except EOFError:
        raise InputError(f"{path}: the compressed file is cut short; copy it again") from None
    except zlib.error as error:
        raise InputError(f"{path}: the compressed file is damaged ({error}); copy it again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except MemoryError:
        raise InputError(f"{path}: does not fit into memory; split the file") from None
    if not rows:
        raise InputError(f"{path}: empty, it holds no rows")
    return rows


def numbered_rows(values: Iterable[Mapping[str, Any]], source: str) -> list[Row]:
    """Rows that did not come from lines of a text; their place is "<source> row <i>", from 1."""
    return [Row(item, f"{source} row {i}") for i, item in enumerate(values, start=1)]


def _jsonl_rows(path: Path) -> list[Row]:
    content = gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
    # Only \n ends a line: str.splitlines would also split at U+2028, which JSON allows inside a text.
    lines = content.decode("utf-8-sig").split("\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        cut = "; the file ends inside this line, it was cut short" if number == len(lines) else ""
        value = _parse(line, place, cut)
        if not isinstance(value, dict):
            raise InputError(f"{place}: expected a JSON object, found {_shown(value)}")
        rows.append(Row(value, place))
    return rows


def _json_rows(path: Path) -> list[Row]:
    text = path.read_text(encoding="utf-8-sig")
    value = _parse(text, str(path), "") if text.strip() else []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InputError(f"{path}: expected a JSON list of objects; one object per line is .jsonl")
    return numbered_rows(value, str(path))


def _parquet_rows(path: Path) -> list[Row]:
    import polars as pl  # here: the other formats need no table library

    try:
        frame = pl.read_parquet(path, glob=False)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]})") from None
    return numbered_rows(frame.iter_rows(named=True), str(path))


def _parse(text: str, place: str, advice: str) -> Any:
    try:
        value = json.loads(text)
        if "\\ud" in text.lower():  # an escaped surrogate: fine in pairs, but half a pair is no text in UTF-8
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except UnicodeEncodeError:
        raise InputError(f"{place}: half of a character (an unpaired surrogate such as \\ud83d); remove it") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise InputError(f"{place}: not valid JSON ({error.msg}, {where}){advice}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not usable JSON ({error})") from None


def _shown(value: Any) -> str:
    """The value in a message: one short line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _listed(values: Mapping[str, Any]) -> str:
    names = [" ".join(str(name).split()) for name in values]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "none"
