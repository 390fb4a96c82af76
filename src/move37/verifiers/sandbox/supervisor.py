"""Process 1 of a sandbox: `python -m confined.supervisor CONTROL`. Forks one confined child at a time.

A request is one datagram on the control socket, a JSON object with the child's role and limits, and carries the
descriptors that are the child's whole world. Nothing of a program passes through here, so no child inherits anything
of another, and what a child can name is gone with it (`namespaces.py`). When it ends, or its wall time is over, or the
parent says so, its processes are killed and reaped; then the report goes out: how the child ended, what it used, and
whether it came so far that it was about to run what it was started for. One that did not is this side's fault.

A child may use its limits' worth of CPU time, address space, threads, open files and file size, and the kernel refuses
what `syscalls.py` lists. Without isolation there is no world of its own: then only the child itself is killed, and the
report says whether it left files.
"""

import fcntl
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

from . import canary, program  # noqa: F401  (the canary is there when its turn comes)
from .namespaces import Namespaces, hide, move_in
from .scripts import MOST_DIGITS, expect_looks
from .syscalls import Filter, child_filter, program_filter, sandbox_filter

LONGEST_REQUEST = 65536
MOST_DESCRIPTORS = 3
IMPORTED = "bisect collections copy functools heapq itertools math operator re string typing"
"""What programs commonly import is there already. Only what is small: every fork pays for the pages of all of it."""
CONNECTION, BEGUN = 3, 4
"""A child's descriptors: to its other half, and to say once that it begins."""
OPEN_FILES, FIRST_SPARE = 64, 32
FILE_BYTES = 32 << 20
FOLDER_BYTES = 64 << 20
FOLDER_FILES = 4096
"""Empty files and folders take memory too, which no other limit counts."""
THREADS = 16
PENDING_SIGNALS = 64
"""And timers: the kernel counts them for all of a user's processes."""
PROCESSES = 4
"""Of a sandbox itself: this one, process 1 of the child's world, the child, and the examiner's own child."""


class _Filters(NamedTuple):
    """For tests, and for programs; None where the machine has none and nothing is isolated."""

    child: Filter | None
    program: Filter | None


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.argv = ["program.py"]
    control.setblocking(True)
    isolated = os.getpid() == 1
    namespaces = Namespaces() if isolated else None
    filters = _filters(isolated)
    if isolated:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # process 1 is deaf to signals that it does not handle
        hide()
    _limit()
    expect_looks()
    sys.set_int_max_str_digits(MOST_DIGITS)
    for module in IMPORTED.split():
        import_module(module)
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"ready": os.getpid()}).encode())
    while True:
        request, descriptors = _next(control)
        if request is None:
            return
        if request.get("end"):
            continue  # for a child that is gone already
        control.send(json.dumps(_run(request, descriptors, namespaces, filters, control)).encode())


def _next(control: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    message, descriptors, _, _ = socket.recv_fds(control, LONGEST_REQUEST, MOST_DESCRIPTORS)
    return (json.loads(message) if message else None), list(descriptors)


def _run(
    request: dict[str, Any],
    descriptors: list[int],
    namespaces: Namespaces | None,
    filters: _Filters,
    control: socket.socket,
) -> dict[str, Any]:
    """Start a child, wait for its end or bring it about; the report."""
    begun, begin = os.pipe()
    first = namespaces.begin(FOLDER_BYTES, FOLDER_FILES) if namespaces else 0
    child = os.fork()
    if child == 0:
        _become(request, [*descriptors, begin], namespaces is not None, filters)
    if namespaces:
        namespaces.leave()
    for descriptor in (*descriptors, begin):
        os.close(descriptor)
    report = _watch(child, first, request["wall_seconds"], control)
    report["begun"] = bool(os.read(begun, 1))  # nobody is left who could write
    os.close(begun)
    return report


def _watch(child: int, first: int, wall_seconds: float, control: socket.socket) -> dict[str, Any]:
    started = time.monotonic()
    handle = os.pidfd_open(child)
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    waiting.register(control, select.POLLIN)
    events = waiting.poll(wall_seconds * 1000)
    ended = any(descriptor == handle for descriptor, _ in events)
    os.close(handle)
    if not ended and events:
        message, _ = _next(control)
        if message is None:
            sys.exit(0)  # the parent is gone
    report = _clear(child, first)
    report["stopped"] = "" if ended else "asked" if events else "wall"
    report["wall_seconds"] = time.monotonic() - started
    return report


def _clear(child: int, first: int) -> dict[str, Any]:
    """Kill and reap the child and all that lives in its world."""
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    if first:
        Namespaces.end(first)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * 1024,
        "litter": not first and bool(os.listdir(".")),
    }


def _become(request: dict[str, Any], descriptors: list[int], isolated: bool, filters: _Filters) -> NoReturn:
    """Turn this fresh child into what was asked for. Never returns."""
    status = 70
    try:
        _keep(descriptors)
        if isolated:
            move_in()
        _bound(request["cpu_seconds"], request["memory_bytes"])
        is_examiner = request["role"] == "examiner"
        chosen = filters.child if is_examiner else filters.program
        if chosen is not None:
            chosen.put_on()
        if is_examiner:
            _begin()
            import_module(".examiner", __package__).serve(CONNECTION)
            status = 0
        else:
            status = program.ROLES[request["role"]](CONNECTION, _begin)
    finally:
        os._exit(status)


def _bound(cpu_seconds: float, memory_bytes: int) -> None:
    """Limit what this process may use from now on. The kernel has the last word if it is deaf to the timer's signal."""
    kill_seconds = int(time.process_time() + cpu_seconds) + 2
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (kill_seconds, kill_seconds))
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)


def _begin() -> None:
    """Say that all is ready, before anything runs that nobody trusts, and give up the means to say it."""
    os.write(BEGUN, b"1")
    os.close(BEGUN)


def _keep(descriptors: list[int]) -> None:
    """The connection becomes descriptor 3, further ones standard input and output, the last the one to say that it
    begins; standard error, where this process may still have something to say, and what else there is are taken
    away."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    *aside, begin = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, FIRST_SPARE) for descriptor in descriptors]
    for wanted, descriptor in zip((CONNECTION, 0, 1), aside, strict=False):
        os.dup2(descriptor, wanted)
    os.dup2(begin, BEGUN)
    os.closerange(BEGUN + 1, 4096)


def _limit() -> None:
    """What no process of the sandbox needs more of."""
    limits = {
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NPROC: THREADS + PROCESSES,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: PENDING_SIGNALS,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def _filters(isolated: bool) -> _Filters:
    """Put on the sandbox's filter, and make those of its children."""
    machine = os.uname().machine
    try:
        Filter(sandbox_filter(machine)).put_on()
        return _Filters(Filter(child_filter(machine)), Filter(program_filter(machine)))
    except OSError:
        if isolated:
            raise
    return _Filters(None, None)


if __name__ == "__main__":
    main()
