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
_RUNNABLE = ("R", "D")
"""States of a task that runs, or would if it could: on a processor, or as soon as a page has come."""


class Idleness:
    """How long everything under the processes `roots` did nothing. Look now and then; the first look begins."""

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots = tuple(roots)
        self._looked: float | None = None
        self._busy: dict[str, float] = {}
        self.seconds = 0.0

    def look(self) -> None:
        now = time.monotonic()
        tasks = {task: (seconds, waits) for task, seconds, waits in self._tasks()}
        if self._looked is not None and tasks:
            spent = sum(max(0.0, seconds - self._busy.get(task, 0.0)) for task, (seconds, _) in tasks.items())
            idle = now - self._looked - spent
            # The kernel adds what a task waited only when it runs again: then an interval has more than it is long, and
            # what was taken for idle before it was not.
            if all(waits for _, waits in tasks.values()) or idle < 0:
                self.seconds = max(0.0, self.seconds + idle)
        self._looked, self._busy = now, {task: seconds for task, (seconds, _) in tasks.items()}

    def _tasks(self) -> Iterator[tuple[str, float, bool]]:
        """Each task with the seconds that it ran or waited for a processor, and whether it waits for something else
        now; none where the kernel does not say."""
        left = list(self._roots)
        while left:
            process = _PROC / str(left.pop())
            with suppress(OSError, ValueError, IndexError):
                for task in os.listdir(process / "task"):
                    place = process / "task" / task
                    left += map(int, (place / "children").read_text().split())
                    ran, waited, _ = (place / "schedstat").read_text().split()
                    state = (place / "stat").read_text().rpartition(")")[2].split()[0]
                    yield str(place), (int(ran) + int(waited)) / 1e9, state not in _RUNNABLE
