"""One file written as a whole or not at all, and small files read back. Parquet parts are `parts.py`'s.

A file is written to a temporary name, synced, and renamed, so a reader sees all of it or what was there before.
"""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from move37.errors import StoreError

UNFINISHED = ".unfinished-"
"""How the temporary names of files begin that are being written."""


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content` as a whole or not at all. Raises StoreError (full disk, no permission)."""
    temporary = path.parent / f"{UNFINISHED}{uuid4().hex[:8]}-{path.name}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # a file in the place of the folder, a disk that only reads: nothing is there to remove
            temporary.unlink(missing_ok=True)
        raise StoreError(unwritable(path, error)) from error


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as JSON, as `write_atomically`. Raises ValueError for a NaN: it is not JSON."""
    write_atomically(path, (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path, advice: str = "restore it, or move it away and run again") -> Any:
    """What a small JSON file of a run holds; None where there is no such file. Raises StoreError for a damaged one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:  # bad UTF-8 is a ValueError too
        reason = " ".join(str(error).split())
        raise StoreError(f"{path}: not valid JSON ({reason}); {advice}") from error


def read_log(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The lines of a file of JSON objects that is appended to, each with what it says; none where there is no file.

    A last line that is not whole is left out: whoever wrote it was killed. Raises StoreError for any other damage.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error})") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break
            reason = " ".join(str(error).split())
            raise StoreError(f"{path}:{number}: not valid JSON ({reason}); restore the line, or remove it") from error
        if not isinstance(record, dict):
            raise StoreError(f"{path}:{number}: a JSON object was expected; restore the line, or remove it")
        found.append((line.decode(), record))
    return found


def unwritable(path: Path, error: OSError) -> str:
    """The line to say where a file of a run cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
    reason = "the disk is full" if full else (error.strerror or str(error))
    advice = "make room" if full else "write to a folder where you may"
    return (
        f"{path}: cannot be written: {reason}; everything finished before is kept, {advice} and run the command again"
    )


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk; Windows opens no folder, and does so on its own."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
