"""Whether what runs in a sandbox is busy: computing, or ready to compute and waiting for a processor.

CPU time alone cannot tell a program that sleeps from one that a busy machine starves. The kernel knows the difference
and tells it in /proc: what a task ran, and how long it was kept waiting for a processor. Only the trusted side sees it.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


class Idleness:
    """How long everything under the processes `roots` did nothing. Look now and then; the first look begins."""

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots = tuple(roots)
        self._looked: float | None = None
        self._busy: dict[str, float] = {}
        self.seconds = 0.0

    def look(self) -> None:
        now = time.monotonic()
        busy = dict(self._tasks())
        if self._looked is not None:
            spent = sum(seconds - self._busy.get(task, 0.0) for task, seconds in busy.items())
            if busy:
                self.seconds += max(0.0, now - self._looked - max(0.0, spent))
        self._looked, self._busy = now, busy

    def _tasks(self) -> Iterator[tuple[str, float]]:
        """Each task with the seconds that it ran or waited for a processor; none where the kernel does not say."""
        left = list(self._roots)
        while left:
            process = _PROC / str(left.pop())
            with suppress(OSError, ValueError):
                for task in os.listdir(process / "task"):
                    place = process / "task" / task
                    left += map(int, (place / "children").read_text().split())
                    ran, waited, _ = (place / "schedstat").read_text().split()
                    yield str(place), (int(ran) + int(waited)) / 1e9
