"""One writer per folder: a file lock that the system lets go of when its process ends, however it ends.

A process that is killed while it starts another leaves the lock to that one until it is its own program: a command that
follows at once, as a queue that starts a job again does, waits that long.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from move37.errors import StoreError

LINGER_SECONDS = 1.0
"""How long a lock may outlive the process that was killed; longer than a system under load takes to start a program."""

if sys.platform == "win32":
    import msvcrt

    def lock(file: IO[Any], wait: bool = True) -> None:
        """Lock an open file for this process until it is closed. Raises OSError where another holds it.

        To wait is to try for ten seconds here, which is as long as a label takes to be written a thousand times.
        """
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(file: IO[Any], wait: bool = True) -> None:
        """Lock an open file for this process until it is closed. Raises BlockingIOError where another holds it."""
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def held(folder: Path, linger_seconds: float = LINGER_SECONDS) -> Iterator[None]:
    """Hold `folder`, which is made, for writing. Raises StoreError where it cannot be, or where another process still
    holds it after `linger_seconds`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written to ({error.strerror or error})") from error
    until = time.monotonic() + linger_seconds
    with file:
        while True:
            try:
                lock(file, wait=False)
                break
            except (BlockingIOError, PermissionError):  # the second is Windows' word for it
                if time.monotonic() >= until:
                    raise StoreError(f"{folder}: another process is writing to this run; wait for it") from None
                time.sleep(0.02)
        yield
