"""The process in which answers are judged: `python -m move37.verifiers.worker CHANNEL LIFELINE`.

It reads jobs from one inherited socket, judges them one after the other and sends each outcome at once, so that the
parent always knows which answer a dead worker died of. It bounds itself through the kernel, whatever its Python code
is stuck in: a CPU timer that runs from the start of each answer ends the process; a limit on address space turns
hoarding into an unscored answer; and the loss of the lifeline (a pipe that only the parent holds open) ends it when
the parent is gone, however it went. What comes back is JSON, never a pickle.

A separate program, not a fork: no torch, no threads, no open files of the parent, no second run of its main script.
"""

import contextlib
import fcntl
import json
import os
import pickle
import resource
import select
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from typing import Any

from move37.types import Outcome, Problem, Verdict
from move37.verifiers import Verifier

OUT_OF_MEMORY = Verdict(Outcome.UNSCORED, "out of memory")

ADDRESS_SPACE_BYTES = 4 << 30
"""Beyond it, allocation fails in a worker. A warm one has about 0.3 GiB, of which 0.1 are resident."""
HOARD_BYTES = 1 << 30
"""A worker that was ever this large is replaced, and an answer that it could not match is unscored."""


def main() -> None:
    channel, lifeline = Connection(int(sys.argv[1])), int(sys.argv[2])
    _end_with(lifeline)
    _cap(resource.RLIMIT_AS, ADDRESS_SPACE_BYTES)
    _cap(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(channel)


def _serve(channel: Connection) -> None:
    """Jobs are a pickled verifier to judge with from now on, or (CPU seconds, [(number, problem, answer), ...])."""
    verifier: Verifier | None = None
    threads: ThreadPoolExecutor | None = None
    lock = Lock()
    while _peak_bytes() < HOARD_BYTES:  # what is hoarded here is not the next answer's fault: a fresh worker gets it
        job = channel.recv()
        if isinstance(job, bytes):
            verifier = _take_up(channel, job)
            size = getattr(verifier, "threads", 1)
            threads = ThreadPoolExecutor(size) if size > 1 else None
            continue
        assert verifier is not None
        cpu_seconds, answers = job
        if threads is not None:
            for number, problem, answer in answers:
                threads.submit(_judge_beside_others, channel, lock, verifier, number, Problem(*problem), answer)
            continue
        for number, problem, answer in answers:
            _report(channel, number, _judge(verifier, Problem(*problem), answer, cpu_seconds))
            if _peak_bytes() > HOARD_BYTES:
                return


def _take_up(channel: Connection, pickled: bytes) -> Verifier:
    """Get ready to judge with a verifier. If that is impossible the parent is told why, and the process ends."""
    try:
        verifier: Verifier = pickle.loads(pickled)
        verifier.warm()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        channel.send_bytes(json.dumps({"failed": reason}).encode())
        sys.exit(1)
    channel.send_bytes(json.dumps({"ready": verifier.name}).encode())
    return verifier


def _judge(verifier: Verifier, problem: Problem, answer: str, cpu_seconds: float) -> Verdict:
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        return _decide(verifier, problem, answer)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _judge_beside_others(
    channel: Connection, lock: Lock, verifier: Verifier, number: int, problem: Problem, answer: str
) -> None:
    """In a thread of its own: the CPU time of one answer is not known there, and who waits spends none."""
    verdict = _decide(verifier, problem, answer)
    with lock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        _report(channel, number, verdict)


def _report(channel: Connection, number: int, verdict: Verdict) -> None:
    channel.send_bytes(json.dumps([number, verdict.outcome, verdict.reason]).encode())


def _decide(verifier: Verifier, problem: Problem, answer: str) -> Verdict:
    try:
        verdict = verifier.judge(problem, answer)
    except MemoryError:
        verdict = OUT_OF_MEMORY
    except Exception as error:
        verdict = Verdict(Outcome.UNSCORED, f"verifier crashed: {type(error).__name__}")
    # Libraries catch MemoryError themselves and go on to "not equal".
    return OUT_OF_MEMORY if verdict.outcome is Outcome.INCORRECT and _peak_bytes() > HOARD_BYTES else verdict


def _end_with(lifeline: int) -> None:
    """Let the kernel end this process when the other end of the pipe is closed."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:
        sys.exit(0)  # it was closed before we listened


def _cap(limit: int, value: int) -> None:
    hard = resource.getrlimit(limit)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(limit, (value, hard))


def _peak_bytes() -> int:
    """Largest resident size of this program. On Linux `ru_maxrss` is no help: it starts at the parent's own size."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak: Any = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
