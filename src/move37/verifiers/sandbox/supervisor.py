"""Process 1 of a sandbox: `python -m confined.supervisor CONTROL`. Forks one confined child at a time.

A request is one datagram on the control socket, a JSON object with the child's role and limits, and carries the
descriptors that are the child's whole world. Nothing of a program passes through here, so no child inherits anything
of another. When the child ends, or its wall time is over, or the parent says so, every process of the sandbox but
this one is killed, which process 1 of a PID namespace can do in one call and nobody can escape, and reaped; then the
report goes out: how the child ended, what it used, whether it left files (then the parent replaces the sandbox).

A child may use its limits' worth of CPU time, address space, threads, open files and file size, and the kernel refuses
what `syscalls.py` lists. This process cannot be traced or read from within.
"""

import ctypes
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
from typing import Any, NoReturn

from . import program
from .syscalls import Filter, program_filter, sandbox_filter

_PR_SET_DUMPABLE = 4
LONGEST_REQUEST = 65536
MOST_DESCRIPTORS = 3
IMPORTED = "bisect collections copy functools heapq itertools math operator re string typing"
"""What programs commonly import is there already. Only what is small: every fork pays for the pages of all of it."""
OPEN_FILES, FIRST_SPARE = 64, 32
FILE_BYTES = 32 << 20
THREADS = 16


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.setblocking(True)
    isolated = os.getpid() == 1
    if isolated:
        _hide()
    no_processes = _filters(isolated)
    _limit()
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
        child = os.fork()
        if child == 0:
            _become(request, descriptors, no_processes)
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(json.dumps(_watch(child, request["wall_seconds"], control)).encode())


def _next(control: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    message, descriptors, _, _ = socket.recv_fds(control, LONGEST_REQUEST, MOST_DESCRIPTORS)
    return (json.loads(message) if message else None), list(descriptors)


def _watch(child: int, wall_seconds: float, control: socket.socket) -> dict[str, Any]:
    """Wait for the child's end or bring it about; the report."""
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
    report = _clear(child)
    report["stopped"] = "" if ended else "asked" if events else "wall"
    report["wall_seconds"] = time.monotonic() - started
    return report


def _clear(child: int) -> dict[str, Any]:
    """Kill and reap every other process of the sandbox."""
    report: dict[str, Any] = {}
    # Only process 1 of a sandbox may say "everybody": outside one, that is everybody.
    everybody = -1 if os.getpid() == 1 else child
    while everybody == -1 or not report:
        with suppress(ProcessLookupError):
            os.kill(everybody, signal.SIGKILL)
        try:
            ended, status, used = os.wait4(everybody, 0)
        except ChildProcessError:
            break
        if ended == child:
            report = {
                "status": os.waitstatus_to_exitcode(status),
                "cpu_seconds": used.ru_utime + used.ru_stime,
                "peak_bytes": used.ru_maxrss * 1024,
            }
    report["litter"] = _littered()
    return report


def _littered() -> bool:
    """Whether the working folder, the only one that can be written, is not as it was."""
    try:
        return bool(os.listdir("."))
    except OSError:
        return True


def _become(request: dict[str, Any], descriptors: list[int], no_processes: Filter | None) -> NoReturn:
    """Turn this fresh child into what was asked for. Never returns."""
    status = 70
    try:
        _keep(descriptors)
        memory_bytes, kill_seconds = request["memory_bytes"], int(request["cpu_seconds"]) + 2
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CPU, (kill_seconds, kill_seconds))
        signal.setitimer(signal.ITIMER_PROF, request["cpu_seconds"])
        if no_processes is not None:
            no_processes.put_on()
        if request["role"] == "examiner":
            import_module(".examiner", __package__).serve(3)
            status = 0
        elif request["role"] == "script":
            status = program.run_script(3)
        else:
            program.serve(3)
            status = 0
    finally:
        os._exit(status)


def _keep(descriptors: list[int]) -> None:
    """The connection becomes descriptor 3, further ones standard input and output; standard error, where this process
    may still have something to say, and what else there is are taken away."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    aside = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, FIRST_SPARE) for descriptor in descriptors]
    for wanted, descriptor in zip((3, 0, 1), aside, strict=False):
        os.dup2(descriptor, wanted)
    os.closerange(4, 4096)


def _limit() -> None:
    """What no process of the sandbox needs more of. Two processes are the supervisor's and the child's own."""
    limits = {
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NPROC: THREADS + 2,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def _filters(isolated: bool) -> Filter | None:
    """Put on the sandbox's filter, and make the one that programs get as well."""
    machine = os.uname().machine
    try:
        Filter(sandbox_filter(machine)).put_on()
        return Filter(program_filter(machine))
    except OSError:
        if isolated:
            raise
    return None


def _hide() -> None:
    """Let no process of the sandbox trace this one, read its memory or interrupt it: process 1 is deaf to signals
    from within, except to those that it handles."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this process cannot be hidden")


if __name__ == "__main__":
    main()
