"""What a file looks like from outside, so that it can be told who wrote it: its name, its first row, its fields."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from move37.errors import InputError
from move37.json_stream import TornError, stream_json
from move37.rows import Row, naming, open_text, plain_name, stream_rows

KINDS = (".jsonl", ".json", ".parquet", ".eval", ".yaml", ".yml", ".csv")
"""How names of files that may be logs end; those of JSON also with .gz or .zst behind."""
_MOST_MEMBERS, _MOST_ITEMS = 12, 60
_YAML_NAME = re.compile(r"^([A-Za-z_]\w*):", re.MULTILINE)


@dataclass(frozen=True)
class Head:
    """A file's name and beginning. What cannot be read has no fields: whoever reads it later says why."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def is_json(self) -> bool:
        return plain_name(self.path).endswith(".json")

    @property
    def is_jsonl(self) -> bool:
        return plain_name(self.path).endswith(".jsonl")

    @cached_property
    def members(self) -> Mapping[str, Any]:
        """The first members of a JSON file that is an object; of the last one perhaps but its name."""
        if not self.is_json:
            return {}
        found: dict[str, Any] = {}
        try:
            with naming(self.path), open_text(self.path) as file:
                for name, value in islice(stream_json(file, into=("samples", "eval", "details")), _MOST_ITEMS):
                    if not name:
                        return {}
                    found.setdefault(name, value)
                    if len(found) == _MOST_MEMBERS:
                        break
        except (InputError, TornError):
            pass
        return found

    @cached_property
    def first(self) -> Mapping[str, Any]:
        """The first row of a file of rows; for YAML, its names without values."""
        try:
            if self.name.endswith((".yaml", ".yml")):
                with naming(self.path):
                    return dict.fromkeys(_YAML_NAME.findall(self.path.read_text(encoding="utf-8")))
            if self.name.endswith(".csv"):
                with naming(self.path), self.path.open(encoding="utf-8-sig") as file:
                    return dict.fromkeys(name.strip().strip('"') for name in file.readline().split(","))
            if self.is_jsonl or (self.is_json and not self.members) or self.name.endswith(".parquet"):
                return next(iter(stream_rows(self.path))).values
        except (InputError, StopIteration):
            pass
        return {}

    def has(self, *fields: str) -> bool:
        """Whether the first row has all these fields."""
        return all(name in self.first for name in fields)

    def has_any(self, *fields: str) -> bool:
        return any(name in self.first for name in fields)


def files_in(path: Path) -> Iterator[Path]:
    """`path` itself, or the files in it and below that could be logs, in the order of their names; no hidden ones."""
    if not path.is_dir():
        yield path
        return
    for each in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in each.relative_to(path).parts)
        if each.is_file() and not hidden and (each.name.endswith(KINDS) or plain_name(each).endswith(KINDS[:2])):
            yield each


def read_json_beside(path: Path) -> Row | None:
    """A small JSON object in a file that may be there; None where it is not, or holds no object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return Row(value, str(path)) if isinstance(value, dict) else None
