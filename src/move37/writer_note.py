"""Who writes to a run at a URL: a note there with the time, written again every while for as long as somebody does.

An object store has no lock that its holder's death lets go of, so a note that is old counts for nobody. Its time is the
storage's, where that says when an object was written: the clocks of two machines may be minutes apart. A first note is
written so that it fails where another came first, where the storage can do that (S3 can).
"""

import json
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from move37.errors import StoreError

NOTE, CLOCK = ".writer.json", ".clock-"


class WriterNote:
    """The note of `who` ("HOST:PROCESS:ID") in the folder `root` of a file system; it is old after `fresh` seconds."""

    def __init__(self, files: Any, root: str, who: str, fresh: float) -> None:
        self._files, self._root, self._who, self._fresh = files, root, who, fresh
        self._path = f"{root}/{NOTE}"
        self._ahead: float | None = None
        """Seconds by which the storage's clock is ahead of this machine's."""
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._keep_signing, name="note", daemon=True)

    def claim(self, url: str, kept_in: Path) -> None:
        """Raises StoreError where another process has written lately."""
        for _ in range(2):
            there = self._read()
            if there is not None and there[0] != self._who:
                self._refuse_fresh(*there, url, kept_in)
                self._files.rm_file(self._path)
                there = None
            if self._signed(is_first=there is None):
                break
        if not self._thread.is_alive() and not self._left.is_set():
            self._thread.start()

    def leave(self) -> None:
        """Take the note away, if that can be: it gets old by itself. One that another has written meanwhile stays."""
        self._left.set()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(Exception):
            there = self._read()
            if there is not None and there[0] == self._who:
                self._files.rm_file(self._path)

    def _refuse_fresh(self, who: str, written: float, url: str, kept_in: Path) -> None:
        host, _, process = who.rpartition(":")[0].rpartition(":")
        if host == socket.gethostname() and not Path(f"/proc/{process}").exists() and Path("/proc").exists():
            return  # a process of this machine that has ended
        age = self._now() - written
        if age < self._fresh:
            raise StoreError(
                f"{url}: {host or who} is writing to this run (its last note is {max(0, age):.0f} s old); wait for it "
                f"and run the same command again; what was made here is kept in {kept_in}"
            )

    def _read(self) -> tuple[str, float] | None:
        """Who has signed last, and when, by the storage's clock."""
        try:
            note = json.loads(self._files.cat_file(self._path))
            return str(note["who"]), float(note["time"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _signed(self, is_first: bool) -> bool:
        """Write the note; whether it is this one that is there."""
        note = json.dumps({"who": self._who, "time": self._now()}).encode()
        if is_first:
            try:
                self._files.pipe_file(self._path, note, mode="create")
                return True
            except FileExistsError:
                return False
            except Exception:  # a storage that cannot be asked so, or cannot be used: the plain way says which
                pass
        self._files.pipe_file(self._path, note)
        return True

    def _now(self) -> float:
        """The time by the storage's clock, which is looked at once, by writing a file there."""
        if self._ahead is None:
            self._ahead = 0.0
            path = f"{self._root}/{CLOCK}{uuid4().hex[:8]}"
            with suppress(Exception):  # whatever there is no clock to be had from
                before = time.time()
                self._files.pipe_file(path, b"-")
                written = _written(self._files.info(path))
                self._files.rm_file(path)
                if written is not None and not before - 2 < written < time.time() + 2:
                    self._ahead = written - before
        return time.time() + self._ahead

    def _keep_signing(self) -> None:
        """While a run is brought over, which may take longer than a note is fresh. One of another's is left alone."""
        while not self._left.wait(self._fresh / 3 or 1.0):
            with suppress(Exception):  # what is wrong with the storage, bringing over says
                there = self._read()
                if there is not None and there[0] == self._who:
                    self._signed(is_first=False)


def _written(info: dict[str, Any]) -> float | None:
    """When a file was written, as its storage says; file systems have names of their own for it."""
    for key in ("LastModified", "last_modified", "mtime", "updated", "created"):
        value = info.get(key)
        if isinstance(value, str):
            with suppress(ValueError):
                value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return None
