"""Verdicts kept from one run to the next: an answer is verified once per verifier version, whoever asks.

One SQLite file per user (`$MOVE37_CACHE/verdicts.sqlite`, else in the cache folder of the system), which several
processes may read and write at once. A verdict is found by a digest of the verifier's name and version, all that a
verifier can see of the problem, and the answer; nothing of them is stored. Kept is what verifying again would repeat:
correct and incorrect verdicts that the verifier itself calls cacheable (`is_cacheable`). Unscored ones never are: the
instrument gets another chance.

A folder that the user named and that cannot be used is an error. In the default place the cache is a convenience: where
there is no home or it cannot be written to, also when a disk fills up in the middle of a run, one warning says so and
the run goes on without; a damaged file there is moved aside. No run depends on it: its verdicts are in its folder.

Left out: forgetting. The file grows by about 60 bytes a verdict and may be deleted at any time.
"""

import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from move37.errors import StoreError
from move37.paths import SWITCH, cache_folder
from move37.types import Outcome, Verdict
from move37.verifiers.messages import verdict_fields, verdict_in

_WARNINGS = logging.getLogger(__name__)
WRITE_EVERY_SECONDS = 2.0
_FIND = "SELECT correct, reason, fields FROM verdicts LEFT JOIN further USING (digest) WHERE digest = ?"
WAIT_SECONDS = 60.0
"""For another process that writes at this moment."""
_VERDICTS = "verdicts (digest BLOB PRIMARY KEY, correct INTEGER NOT NULL, reason TEXT NOT NULL)"
_FURTHER = "further (digest BLOB PRIMARY KEY, fields TEXT NOT NULL)"
"""What few verdicts have: flags and steps, as the JSON of `messages.py`. A table of its own, so that versions which
know `verdicts` alone read the same file."""


def cache_path() -> Path | None:
    """Where verdicts are kept on this machine; None where that is switched off."""
    folder = cache_folder()
    return None if folder is None else folder / "verdicts.sqlite"


def open_cache() -> "VerdictCache | None":
    """The cache of this machine; None where it is switched off or, in the default place, cannot be used (a warning).

    Raises StoreError for a place that the user named and that cannot be used.
    """
    try:
        path = cache_path()
    except RuntimeError as error:  # no home
        return _without(f"{error}")
    if path is None or os.environ.get(SWITCH):
        return None if path is None else VerdictCache(path)
    try:
        return VerdictCache(path, is_optional=True)
    except StoreError as error:
        cause = error.__cause__
        if not isinstance(cause, sqlite3.DatabaseError) or isinstance(cause, sqlite3.OperationalError):
            return _without(str(error))
    try:
        path.replace(path.with_name(f"{path.name}.damaged"))
        _WARNINGS.warning("Warning: %s: damaged, moved aside; verdicts are kept in a new file", path)
        return VerdictCache(path, is_optional=True)
    except OSError as error:  # a StoreError is one
        return _without(str(error))


def _without(reason: str) -> None:
    _WARNINGS.warning("Warning: no verdicts are kept for later runs: %s", " ".join(reason.split()))


class VerdictCache:
    """An open cache; a context manager. What it still holds when the block is left is written.

    Once it is open, one that `is_optional` gives up with a warning where others raise StoreError: it finds and keeps
    nothing from then on.
    """

    def __init__(self, path: Path, is_optional: bool = False) -> None:
        """Raises StoreError where the file cannot be opened, or is something else."""
        self.path = path
        self._is_optional = self._gave_up = False
        with self._named():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=WAIT_SECONDS)
            for table in (_VERDICTS, _FURTHER):
                self._file.execute(f"CREATE TABLE IF NOT EXISTS {table} WITHOUT ROWID")
            self._refuse_what_cannot_be_used()
        self._new: dict[bytes, Verdict] = {}
        self._since = time.monotonic()
        self._is_optional = is_optional

    def find(self, digest: bytes) -> Verdict | None:
        """The verdict kept under `digest`, without its answer."""
        if self._gave_up:
            return None
        row = None
        with self._named():
            row = self._file.execute(_FIND, (digest,)).fetchone()
        if row is None:
            return None
        correct, reason, further = row
        outcome = Outcome.CORRECT if correct else Outcome.INCORRECT
        try:
            return verdict_in({"outcome": outcome, "reason": reason, **json.loads(further or "{}")})
        except (ValueError, TypeError, LookupError):  # flags or steps of a version that knows more of them
            return None

    def keep(self, digest: bytes, verdict: Verdict) -> None:
        """Keep a decided verdict. Raises ValueError for an unscored one."""
        if verdict.outcome is Outcome.UNSCORED:
            raise ValueError("an unscored answer has no verdict to keep")
        if self._gave_up:
            return
        self._new[digest] = verdict
        if time.monotonic() - self._since > WRITE_EVERY_SECONDS:
            self.flush()

    def flush(self) -> None:
        rows = [(digest, v.outcome is Outcome.CORRECT, v.reason) for digest, v in self._new.items()]
        further = [(digest, json.dumps(fields)) for digest, v in self._new.items() if (fields := _further(v))]
        self._new.clear()
        with self._named(), self._file:
            self._file.executemany("INSERT OR IGNORE INTO further VALUES (?, ?)", further)
            self._file.executemany("INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?)", rows)
        self._since = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.flush()
        finally:
            self._file.close()

    def _refuse_what_cannot_be_used(self) -> None:
        """Now, not when the first verdict is kept: samples may be made meanwhile. Raises sqlite3.Error."""
        columns = [row[1] for row in self._file.execute("PRAGMA table_info(verdicts)")]
        if columns != ["digest", "correct", "reason"]:
            raise sqlite3.DatabaseError(f"made by another version: its columns are {', '.join(columns)}")
        self._file.execute("INSERT OR IGNORE INTO verdicts VALUES (x'', 0, '')")  # fails in a file that is read-only
        self._file.rollback()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if self._is_optional:
                self._gave_up = True
                _without(f"{self.path}: {error}")
                return
            raise StoreError(
                f"{self.path}: verdicts cannot be kept here ({error}); delete the file, name another folder in "
                f"{SWITCH}, or switch this off with {SWITCH}=off"
            ) from error


def _further(verdict: Verdict) -> dict[str, Any]:
    """Its flags and steps, where it has any."""
    fields = verdict_fields(verdict)
    return {name: fields[name] for name in ("flags", "steps") if name in fields}
