"""The parent's side of the verifying processes: hands out answers, enforces deadlines, replaces the dead.

A worker (`worker.py`) gets a small batch at a time and reports every answer at once, so the answer it died of is
known: that one is decided by how the worker ended, the rest of the batch goes back to the front of the queue. Reports
are read some milliseconds' worth together, or when a worker has nothing left to do and rings.
  ended by its CPU timer   unscored, "timed out after 10 s"
  no news for too long     the same: a worker that sleeps spends no CPU time, so the parent watches the wall clock
  crashed                  verified once more, since the cause may lie outside (a machine short of memory); if it
                           crashes again it is unscored, "verifier crashed: SIGSEGV". An end without a word is a
                           crash whatever the exit code, and so is news that cannot be read
A worker that says that it is tainted has reported the answer that tainted it, and is replaced at once. What a worker
forked ends with it.
A verifier may confirm its verdicts (`confirm`), at the end of a batch at the latest. Until then they are held; those
that are not confirmed are verified again answer by answer, and the verdict on one that came first in a confirmed state
stands.
A verifier that mostly waits (`threads`) has several answers verified at once in one worker; of these the oldest is
taken for the cause.
Left out: what is verified, and for whom (`verification.py`).
"""

import math
import os
import pickle
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing import Pipe
from typing import Any

from move37.errors import UsageError, VerifierError
from move37.types import Flag, Outcome, Problem, Verdict
from move37.verifiers import Verifier, label_of
from move37.verifiers.messages import Listener, asking, crashed, verdict_in
from move37.verifiers.old_names import with_new_names

BATCH = 16
"""Answers sent to a worker at once."""
CONFIRMED_BATCH = 64
"""The same where their verdicts stand only once they are confirmed."""
WALL_PER_CPU = 10
"""A worker without news for this many times its CPU budget is stuck, or starved of all processors."""
MOST_WAITING = 4096
"""Responses that wait for a verdict before no more are read: bounds memory where one answer takes long."""
TOGETHER_SECONDS = 0.02
"""For how long reports may lie unread while no worker waits. Reading each at once would interrupt a worker for it."""
START_SECONDS = 120.0
"""Wall time in which a worker must be ready, or longer if its verifier may be silent for longer."""
MOST_FALSE_STARTS = 3
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError)
"""What reading may raise where the code that verifies has written into the channel."""
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


@dataclass(frozen=True, slots=True, eq=False)
class VerifierSpec:
    """A verifier as the workers get it. Made once per verifier by `Workforce.register`."""

    verifier: Verifier
    label: str
    """ "<verifier>@<version>": under what its verdicts are kept."""
    pickled: bytes
    threads: int
    """Answers that one worker verifies at once."""
    wall_seconds: float
    """Without news for so long a worker is stuck."""
    is_cacheable: Callable[[Verdict], bool] | None
    """Whether verifying again would give this verdict again; None where that cannot be known."""
    confirms: bool = False
    """Whether its verdicts stand only once the worker has confirmed them."""


@dataclass(eq=False, slots=True)
class Job:
    """One answer to decide. `fingerprint` is the caller's name for it."""

    fingerprint: bytes
    spec: VerifierSpec
    problem: Problem
    answer: str
    crashes: int = 0
    alone: bool = False
    """To be verified in a batch of its own: one that it was in could not be confirmed."""


class Workforce:
    """At most `size` worker processes, started when there is work. `close` it, whatever happens."""

    queued_each = 4 * BATCH
    """Answers in the queue for each worker that are enough."""

    def __init__(self, size: int, cpu_seconds: float) -> None:
        self.size, self.cpu_seconds = size, cpu_seconds
        self._queue: deque[Job] = deque()
        self._workers: list[_Worker] = []
        self._channels, self._bells = selectors.DefaultSelector(), selectors.DefaultSelector()
        self._false_starts = 0
        self._specs: dict[bytes, VerifierSpec] = {}

    @property
    def backlog(self) -> int:
        """Answers that no worker has yet."""
        return len(self._queue)

    @property
    def has_enough(self) -> bool:
        """Whether more answers would only wait."""
        return len(self._queue) >= self.queued_each * self.size

    @property
    def most_waiting(self) -> int:
        """Responses that may wait for their verdicts before no more should be read."""
        return MOST_WAITING

    def register(self, verifier: Verifier) -> VerifierSpec:
        """The verifier, ready to be sent to workers. Raises UsageError if it cannot be.

        What it may have beside its protocol is read here (`verifiers/__init__.py`).
        """
        if type(verifier).__module__ == "__main__":
            raise UsageError(
                f"verifier {verifier.name!r} is defined in the script itself, which workers do not run; "
                "move its class into a module and import it"
            )
        verifier = with_new_names(verifier)
        try:
            pickled = pickle.dumps(verifier)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise UsageError(
                f"verifier {verifier.name!r} cannot be sent to a worker ({error}); "
                "define its class at the top level of a module and keep open files and locks out of it"
            ) from None
        threads = getattr(verifier, "threads", 1)
        wall_seconds = max(WALL_PER_CPU * self.cpu_seconds, getattr(verifier, "wall_seconds", 0.0))
        is_cacheable = getattr(verifier, "is_cacheable", None)
        confirms = threads == 1 and hasattr(verifier, "confirm")
        spec = VerifierSpec(verifier, label_of(verifier), pickled, threads, wall_seconds, is_cacheable, confirms)
        return self._specs.setdefault(pickled, spec)  # workers that have it need not get ready again

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def decided(self, wait: bool) -> list[tuple[Job, Verdict]]:
        """Answers decided by now; with `wait`, after the next event. Raises VerifierError if no worker will start."""
        self._hand_out()
        if wait and not self._queue and not any(worker.busy for worker in self._workers):
            raise RuntimeError("an answer was lost: one is waited for, and no worker has it")
        if wait:
            self._wait()
        decided: list[tuple[Job, Verdict]] = []
        while events := self._channels.select(0):
            for event, _ in events:
                decided += self._hear(event.data)
        for worker in self._workers[:]:
            if time.monotonic() > self._deadline(worker) and not worker.channel.poll():
                decided += self._retire(worker, overdue=True)
        return decided

    def _wait(self) -> None:
        """Until a worker rings, its end included, and for so long at most that no report and no deadline is missed."""
        for event, _ in self._bells.select(self._patience()):
            if not os.read(event.fd, 1 << 12):  # all who could ring are gone, or do not want to
                self._bells.unregister(event.fd)

    def _hear(self, worker: "_Worker") -> list[tuple[Job, Verdict]]:
        """The answers that what a worker says next decides."""
        try:
            worker.receive()
        except (EOFError, OSError):
            return self._retire(worker, gone=True)
        except _UNREADABLE:  # what no worker says
            return worker.let_go() + self._retire(worker)
        self._false_starts = 0
        self._queue.extendleft(reversed(worker.doubted))
        worker.doubted = []
        if worker.tainted:
            self._remove(worker)
            self._queue.extendleft(reversed([*worker.unconfirmed, *worker.batch.values()]))
        return worker.let_go()

    def abandon(self) -> None:
        """Forget all work that is not decided."""
        self._queue.clear()
        for worker in self._workers[:]:
            if worker.busy:
                self._remove(worker)

    def close(self) -> None:
        """End every worker."""
        self._queue.clear()
        for worker in self._workers[:]:
            self._remove(worker)

    def _hand_out(self) -> None:
        """Give every free worker a batch; start workers while more answers wait than workers are starting."""
        for worker in self._workers:
            if not self._queue or not worker.room:
                continue
            if worker.spec is self._queue[0].spec:
                worker.set_to(self._next_batch(worker.room), self.cpu_seconds)
            elif not worker.batch:
                worker.load(self._queue[0].spec)
        while len(self._workers) < self.size and len(self._queue) > sum(not w.ready for w in self._workers):
            worker = _Worker(self._queue[0].spec)
            self._workers.append(worker)
            self._channels.register(worker.channel, selectors.EVENT_READ, worker)
            self._bells.register(worker.bell, selectors.EVENT_READ)

    def _next_batch(self, room: int) -> list[Job]:
        """At most `room` answers from the front of the queue, all for one verifier."""
        spec, batch = self._queue[0].spec, [self._queue.popleft()]
        size = min(room, (1 + len(self._queue)) // self.size)
        while len(batch) < size and self._queue[0].spec is spec and not (batch[0].alone or self._queue[0].alone):
            batch.append(self._queue.popleft())
        return batch

    def _retire(self, worker: "_Worker", gone: bool = False, overdue: bool = False) -> list[tuple[Job, Verdict]]:
        """Take out a worker that is gone, past its deadline, or beside itself; decide what becomes of its answers."""
        status = self._remove(worker, gone)
        # One that is late may have ended long ago, where a process that it forked holds the channel open.
        timed_out = status == -signal.SIGPROF or (overdue and status == -signal.SIGKILL)
        if not worker.ready:
            self._count_false_start(worker, status)
            return []
        self._queue.extendleft(reversed(worker.unconfirmed))
        if not worker.batch:
            return []
        current, *mates = worker.batch.values()
        self._queue.extendleft(reversed(mates))
        if timed_out:
            late = Verdict(
                Outcome.UNSCORED, f"timed out after {self.cpu_seconds:g} s", flags=frozenset({Flag.TIMED_OUT})
            )
            return [(current, late)]
        current.crashes += 1
        if current.crashes > 1:
            return [(current, crashed(_cause(status)))]
        self._queue.appendleft(current)
        return []

    def _count_false_start(self, worker: "_Worker", status: int) -> None:
        self._false_starts += 1
        if worker.complaint:
            raise VerifierError(f"the verifier cannot be set up in a worker process: {worker.complaint}")
        if self._false_starts >= MOST_FALSE_STARTS:
            raise VerifierError(
                f"verifier workers end before they are ready ({_cause(status)}); "
                f"try: {sys.executable} -c 'import move37.verifiers.worker'"
            )

    def _remove(self, worker: "_Worker", gone: bool = False) -> int:
        self._workers.remove(worker)
        self._channels.unregister(worker.channel)
        with suppress(KeyError):  # where it was heard that nobody rings any more
            self._bells.unregister(worker.bell)
        return worker.end(gone)

    def _deadline(self, worker: "_Worker") -> float:
        if not worker.ready:
            return worker.since + max(START_SECONDS, worker.spec.wall_seconds)
        return worker.since + worker.spec.wall_seconds if worker.busy else math.inf

    def _patience(self) -> float:
        first = min((self._deadline(worker) for worker in self._workers), default=math.inf)
        return min(TOGETHER_SECONDS, max(0.0, first - time.monotonic()))


class _Worker:
    """One process, started at once; `ready` once it has imported what its verifier needs."""

    def __init__(self, spec: VerifierSpec) -> None:
        self.batch: dict[int, Job] = {}
        self._numbers = count()
        self._held: list[tuple[Job, Verdict]] = []
        """Decided, not yet confirmed."""
        self._decided: list[tuple[Job, Verdict]] = []
        self.doubted: list[Job] = []
        """Decided, and not confirmed: to be verified again."""
        self.complaint = ""
        self.tainted = False
        """Whether it asked to be replaced."""
        self.channel, theirs = Pipe()
        self._listener = Listener(self.channel.fileno())
        lifeline, self._lifeline = os.pipe()
        self.bell, theirs_to_ring = os.pipe()
        inherited = (theirs.fileno(), lifeline, theirs_to_ring)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "move37.verifiers.worker", *map(str, inherited)],
            pass_fds=inherited,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends its workers
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        theirs.close()
        os.close(lifeline)
        os.close(theirs_to_ring)
        self.load(spec)

    @property
    def room(self) -> int:
        """How many answers it can be given now: a batch where it verifies one by one, else as many as are missing."""
        if not self.ready:
            return 0
        if self.spec.threads == 1:
            return 0 if self.busy else CONFIRMED_BATCH if self.spec.confirms else BATCH
        return self.spec.threads - len(self.batch)

    @property
    def busy(self) -> bool:
        return bool(self.batch or self._held)

    @property
    def unconfirmed(self) -> list[Job]:
        return [job for job, _ in self._held]

    def load(self, spec: VerifierSpec) -> None:
        self.spec, self.ready = spec, False
        self._send({"load": spec.pickled})

    def set_to(self, jobs: list[Job], cpu_seconds: float) -> None:
        new = dict(zip(self._numbers, jobs, strict=False))
        self.batch |= new
        self._send(asking([(number, job.problem, job.answer) for number, job in new.items()], cpu_seconds))

    def receive(self) -> None:
        """Take in what it says next.

        Raises EOFError or OSError when the worker is gone, one of `_UNREADABLE` for what no worker says; what it said
        before that stands.
        """
        self.since = time.monotonic()
        for record in self._listener.records():
            self._take(record)

    def _take(self, record: Mapping[str, Any]) -> None:
        if "number" in record:
            verdict = verdict_in(record)
            into = self._held if self.spec.confirms else self._decided
            into.append((self.batch.pop(record["number"]), verdict))
        elif "confirmed" in record:
            held, self._held = self._held, []
            if record["confirmed"] is True or len(held) == 1:  # what was confirmed before it began stands
                self._decided += held
                return
            self.doubted = [job for job, _ in held]
            for job in self.doubted:
                job.alone = True
        else:
            self.tainted = "tainted" in record
            self.ready, self.complaint = self.tainted or "ready" in record, record.get("failed", "")

    def let_go(self) -> list[tuple[Job, Verdict]]:
        """What it has decided since the last time."""
        decided, self._decided = self._decided, []
        return decided

    def end(self, gone: bool) -> int:
        """Collect its status, the exit code or minus the signal that ended it. Unless it is `gone`, kill it first.

        What it forked is killed too: it leads a process group of its own.
        """
        if gone:
            with suppress(subprocess.TimeoutExpired):  # it closed its channel and lives on
                self._process.wait(1)
        with suppress(ProcessLookupError, PermissionError):  # nobody is left
            os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        self.channel.close()
        os.close(self._lifeline)
        os.close(self.bell)
        return status

    def _send(self, message: Mapping[str, Any]) -> None:
        """Send a message. To a worker that is gone this does nothing: reading from it will tell."""
        self.since = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send(message)


def _cause(status: int) -> str:
    """ "SIGSEGV", "exit code 3"."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
