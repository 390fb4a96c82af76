"""Rows of a file that somebody handed in: JSONL or a JSON list (also .gz and .zst), or Parquet; one at a time or all.

Benchmarks and importers read all their files here, so a torn line, a missing field or a NaN reads the same
everywhere: one InputError that names the file and the row. A row knows where it stands; its fields are checked when
they are asked for, because files carry many fields that nobody needs.
Left out: what the fields mean, writing, remote files.
"""

import gzip
import io
import json
import math
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, TextIO, cast

from move37.errors import InputError, MissingExtraError
from move37.json_stream import TornError, stream_json

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
            value = self._value(field)
            if value is not None:
                return value
        return None

    def _value(self, field: str) -> Any:
        """Of a field, or of "outer.inner" where the row has an object under `outer`, or the JSON of one."""
        value = self.values.get(field)
        if value is None and "." in field:
            outer, _, inner = field.partition(".")
            nested = self.values.get(outer)
            if isinstance(nested, str) and nested.startswith("{"):
                nested = _object_in(nested)
            return Row(nested, self.place)._value(inner) if isinstance(nested, Mapping) else None
        return value

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

    def answer_of(self, value: Any) -> str:
        """A reference answer that was found in the row, as `answer`."""
        return self._answer(value, "reference answer")

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
        return repr(next((f for f in fields if self._value(f) is not None), fields[0]))

    def _answer(self, value: Any, name: str) -> str:
        if isinstance(value, float) and math.isfinite(value):
            value = int(value) if value.is_integer() else value
        elif isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
            raise self.error(f"{name}: expected an answer (a text or a finite number), found {_shown(value)}")
        return str(value).strip()


def read_rows(path: Path) -> list[Row]:
    """All rows of a file, in order, at least one. Raises InputError with the file and the line."""
    try:
        return list(stream_rows(path))
    except MemoryError:
        raise InputError(f"{path}: does not fit into memory; split the file") from None


def stream_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, one at a time, at least one. Raises InputError as `read_rows`, when it comes to the row."""
    with naming(path):
        if path.is_dir():
            raise InputError(f"{path}: a folder; give one of its files")
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: not a file (a pipe or a device); save its content to a file first")
        if path.name.endswith(".parquet"):
            rows = _parquet_rows(path)
        elif plain_name(path).endswith(".json"):
            rows = _json_rows(path)
        elif plain_name(path).endswith(".jsonl"):
            rows = _jsonl_rows(path)
        else:
            raise InputError(f"{path}: cannot tell the format; the name must end in {', '.join(SUFFIXES)}, ...zst")
        found = False
        for row in rows:
            found = True
            yield row
        if not found:
            raise InputError(f"{path}: empty, it holds no rows")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What reading a file may raise in this block becomes one line that names the file: InputError."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except EOFError:
        raise InputError(f"{path}: the compressed file is cut short; copy it again") from None
    except zlib.error as error:
        raise InputError(f"{path}: the compressed file is damaged ({error}); copy it again") from None
    except TornError as error:
        cut = "; the file was cut short" if error.cut else ""
        raise InputError(f"{path}: not valid JSON ({error}){cut}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except RecursionError as error:
        raise InputError(f"{path}: not usable JSON ({error})") from None
    except Exception as error:
        if type(error).__name__ != "ZstdError":  # of a package that may not be there
            raise
        raise InputError(f"{path}: the compressed file is damaged ({error}); copy it again") from None


def plain_name(path: Path) -> str:
    """The file's name without what says how it is compressed, or that it is being written."""
    return path.name.removesuffix(".gz").removesuffix(".zst").removesuffix("-async")


def open_bytes(path: Path) -> IO[bytes]:
    """A file's content, decompressed where its name ends in .gz or .zst. Raises MissingExtraError where zstd is not
    there."""
    if path.name.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(path))
    if not path.name.endswith(".zst"):
        return path.open("rb")
    try:
        zstd = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ModuleNotFoundError:
        raise MissingExtraError(
            f"{path}: compressed with zstd, which needs the package 'backports.zstd': pip install 'move37[logs]'"
        ) from None
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with path.open("rb") as file:
        if file.read(4) != _ZSTD:
            raise InputError(f"{path}: cannot be read (not a file of zstd)")
    return zstd.open(path)


_ZSTD = b"\x28\xb5\x2f\xfd"


def open_text(path: Path) -> TextIO:
    """A text file, decompressed as `open_bytes`. A byte order mark is left out."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig")


def brief(value: Any) -> str:
    """A value as it stands, for a message: short, and one line."""
    return " ".join(str(value).split())[:40]


def numbered_rows(values: Iterable[Mapping[str, Any]], source: str) -> list[Row]:
    """Rows that did not come from lines of a text; their place is "<source> row <i>", from 1."""
    return [Row(item, f"{source} row {i}") for i, item in enumerate(values, start=1)]


def _jsonl_rows(path: Path) -> Iterator[Row]:
    read = 0
    with open_bytes(path) as file:
        # Only \n ends a line, as in bytes: str.splitlines would also split at U+2028, which JSON allows inside a text.
        for number, raw in enumerate(file, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(f"{path}: not UTF-8 text (byte {read + error.start}), in line {number}") from None
            read += len(raw)
            if not line.strip():
                continue
            place = f"{path}:{number}"
            cut = "" if raw.endswith(b"\n") else "; the file ends inside this line, it was cut short"
            value = _parse(line, place, cut)
            if not isinstance(value, dict):
                raise InputError(f"{place}: expected a JSON object, found {_shown(value)}")
            yield Row(value, place)


def _json_rows(path: Path) -> Iterator[Row]:
    with open_text(path) as file:
        if not file.read(1):
            return
        file.seek(0)
        items = stream_json(file)
        for number, (name, item) in enumerate(items, start=1):
            if name or not isinstance(item, dict):
                for _ in items:  # what is no JSON further on is said first
                    pass
                raise InputError(f"{path}: expected a JSON list of objects; one object per line is .jsonl")
            yield Row(item, f"{path} row {number}")


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        import polars as pl  # here: the other formats need no table library
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{path}: Parquet files need {error.name}: pip install 'move37[runs]'") from error

    try:
        number = 0
        for frame in pl.scan_parquet(path, glob=False).collect_batches(chunk_size=4096, maintain_order=True):
            for values in frame.iter_rows(named=True):
                number += 1
                yield Row(values, f"{path} row {number}")
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]})") from None


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


def _object_in(text: str) -> Any:
    """What a text holds as JSON; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _shown(value: Any) -> str:
    """The value in a message: one short line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _listed(values: Mapping[str, Any]) -> str:
    names = [" ".join(str(name).split()) for name in values]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "none"
