"""Files of an export: whole or not there, and with a clear line where they cannot be written."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

from move37.errors import StoreError


@contextmanager
def writing_text(path: Path) -> Iterator[TextIO]:
    """A text file that appears when the block is left without an error. Raises StoreError."""
    temporary = path.parent / f".{path.name}.{uuid4().hex[:8]}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", errors="surrogatepass") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """JSONL, one row after the other."""
    with writing_text(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def write_object(path: Path, value: Mapping[str, Any]) -> Path:
    with writing_text(path) as file:
        file.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    return path
