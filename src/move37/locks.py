"""One writer per folder: a file lock that the system lets go of when its process ends, however it ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from move37.errors import StoreError

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
def held(folder: Path) -> Iterator[None]:
    """Hold `folder`, which is made, for writing. Raises StoreError where it cannot be, or another process holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written to ({error.strerror or error})") from error
    with file:
        try:
            lock(file, wait=False)
        except (BlockingIOError, PermissionError):  # the second is Windows' word for it
            raise StoreError(f"{folder}: another process is writing to this run; wait for it") from None
        yield
