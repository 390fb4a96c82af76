"""One writer per folder: a file lock that the system lets go of when its process ends, however it ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from move37.errors import StoreError


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold `folder`, which is made, for writing. Raises StoreError where it cannot be, or another process holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written to ({error.strerror or error})") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"{folder}: another process is writing to this run; wait for it") from None
        yield
