"""The process in which answers are verified: `python -m move37.verifiers.worker CHANNEL LIFELINE BELL`.

It reads messages (`messages.py`) from one inherited socket, verifies answers one after the other and sends each verdict
at once, so that the parent always knows which answer a dead worker died of. It rings (writes to a pipe) when it has
nothing left to do: only that wakes the parent, which would put a worker aside at every verdict where every core
verifies. It bounds itself through the kernel, whatever its Python code is stuck in: a CPU timer that runs from the
start of each answer ends the process; a limit on address space turns hoarding into an unscored answer; and the loss of
the lifeline (a pipe that only the parent holds open) ends it, and what it forked, when the parent is gone, however it
went.

What an answer leaves behind must not cost the next one: a worker that hoards memory, or in which a thread goes on
computing, says that it is tainted and is replaced.

A separate program, not a fork: no torch, no threads, no open files of the parent, no second run of its main script.
"""

import contextlib
import fcntl
import os
import pickle
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from move37.types import Flag, Outcome, Problem, Verdict
from move37.verifiers import Verifier
from move37.verifiers.messages import answers_in, as_it_crosses, crashed, reporting, say

OUT_OF_MEMORY = Verdict(Outcome.UNSCORED, "out of memory", flags=frozenset({Flag.OUT_OF_MEMORY}))

ADDRESS_SPACE_BYTES = 4 << 30
"""Beyond it, allocation fails in a worker. A warm one has about 0.3 GiB, of which 0.1 are resident."""
HOARD_BYTES = 1 << 30
"""A worker that was ever this much larger than its verifier made it while it got ready is replaced, and an answer that
it could not match is unscored."""
CONFIRM_SECONDS = 0.5
"""Wall time after which verdicts are confirmed, or at the end of their batch: confirming costs about one verdict."""
LOOK_SECONDS = 0.01
"""How long a worker watches threads that an answer left, to see whether they compute."""


def main() -> None:
    channel, lifeline, bell = Connection(int(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
    _end_with(lifeline)
    _cap(resource.RLIMIT_AS, ADDRESS_SPACE_BYTES)
    _cap(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(channel, bell)


class _Usual(NamedTuple):
    """How a worker is before an answer: `most_bytes` and `threads` beyond which an answer has left something behind."""

    most_bytes: int
    threads: int


def _serve(channel: Connection, bell: int) -> None:
    """Do what the messages say: load a verifier and use it from now on, or verify answers."""
    verifier: Verifier | None = None
    threads: ThreadPoolExecutor | None = None
    lock = Lock()
    usual, tainted = _Usual(HOARD_BYTES, 1), False
    while not tainted:
        message = channel.recv()
        if "load" in message:
            before = _peak_bytes()
            verifier = _load(channel, message)
            _ring(bell)
            usual = _Usual(usual.most_bytes + _peak_bytes() - before, threading.active_count())
            size = getattr(verifier, "threads", 1)
            threads = ThreadPoolExecutor(size) if size > 1 else None
            continue
        assert verifier is not None
        answers = answers_in(message)
        if threads is None:
            tainted = _verify_one_by_one(channel, verifier, answers, message["cpu_seconds"], usual)
            _ring(bell)
        else:
            for number, problem, answer in answers:
                shared = channel, bell, lock, verifier, usual.most_bytes
                threads.submit(_verify_beside_others, *shared, number, problem, answer)
            tainted = _was_larger_than(usual.most_bytes)
    if threads is not None:
        threads.shutdown()
    say(channel.fileno(), {"tainted": True})
    _ring(bell)


def _load(channel: Connection, message: Mapping[str, Any]) -> Verifier:
    """Set up the verifier that a message holds. If that is impossible the parent is told why, and the process ends."""
    try:
        verifier: Verifier = pickle.loads(message["load"])
        verifier.set_up()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        say(channel.fileno(), {"failed": reason})
        sys.exit(1)
    say(channel.fileno(), {"ready": verifier.name})
    return verifier


def _verify_one_by_one(
    channel: Connection,
    verifier: Verifier,
    answers: Sequence[tuple[int, Problem, str]],
    cpu_seconds: float,
    usual: _Usual,
) -> bool:
    """Verify and report one after the other; whether one tainted this process, then the rest is not verified."""
    confirm, confirmed = getattr(verifier, "confirm", None), time.monotonic()
    for left, (number, problem, answer) in zip(reversed(range(len(answers))), answers, strict=True):
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        verdict = _decide(verifier, problem, answer, usual.most_bytes)
        signal.setitimer(signal.ITIMER_PROF, 0)
        say(channel.fileno(), reporting(number, verdict))
        tainted = _was_larger_than(usual.most_bytes) or _left_computing(usual.threads)
        if confirm is not None and (tainted or not left or time.monotonic() > confirmed + CONFIRM_SECONDS):
            say(channel.fileno(), {"confirmed": _stands(confirm)})
            confirmed = time.monotonic()
        if tainted:
            return True
    return False


def _stands(confirm: Callable[[], bool]) -> bool:
    """Whether the verifier confirms what it said. One that cannot tell does not."""
    try:
        return confirm() is True
    except Exception:
        return False


def _verify_beside_others(
    channel: Connection,
    bell: int,
    lock: Lock,
    verifier: Verifier,
    most_bytes: int,
    number: int,
    problem: Problem,
    answer: str,
) -> None:
    """In a thread of its own: the CPU time of one answer is not known there, and who waits spends none."""
    verdict = _decide(verifier, problem, answer, most_bytes)
    with lock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        say(channel.fileno(), reporting(number, verdict))
        _ring(bell)


def _ring(bell: int) -> None:
    os.write(bell, b"!")


def _decide(verifier: Verifier, problem: Problem, answer: str, most_bytes: int) -> Verdict:
    """What the verifier says, in the form that crosses. Whatever it raises, also to leave, is its failure."""
    try:
        verdict = as_it_crosses(verifier.verify(problem, answer))
    except MemoryError:
        verdict = OUT_OF_MEMORY
    except BaseException as error:  # sys.exit() in a user's function, for one
        verdict = crashed(type(error).__name__)
    # Libraries catch MemoryError themselves and go on to "not equal".
    return OUT_OF_MEMORY if verdict.outcome is Outcome.INCORRECT and _was_larger_than(most_bytes) else verdict


def _left_computing(usual_threads: int) -> bool:
    """Whether an answer left a thread that computes: it would spend the next answers' time."""
    if threading.active_count() <= usual_threads:
        return False
    spent = time.process_time()
    time.sleep(LOOK_SECONDS)
    return time.process_time() - spent > LOOK_SECONDS / 4


def _end_with(lifeline: int) -> None:
    """Let the kernel end this process, and those that it forked, when the other end of the pipe is closed."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:
        sys.exit(0)  # it was closed before we listened


def _cap(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(limit, (value, hard))


def _was_larger_than(size: int) -> bool:
    """Whether this program was ever larger than so many bytes. It never was larger than the kernel's cheap answer."""
    return _peak_or_parents_bytes() > size and _peak_bytes() > size


def _peak_bytes() -> int:
    """Largest resident size of this program."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return _peak_or_parents_bytes()


def _peak_or_parents_bytes() -> int:
    """The same, but on Linux it starts at the size of the process that started this one."""
    peak: Any = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
