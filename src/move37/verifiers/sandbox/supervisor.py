"""Process 1 of a sandbox, which the host starts in `main`. Forks one confined child at a time.

An order (`orders.py`) is one datagram on the control socket: the child's role and limits. It carries the descriptors
that are the child's whole world. Nothing of a program passes through here, so no child inherits anything of another,
and what a child can name is gone with it (`namespaces.py`). When it ends, or its wall time is over, or the parent says
so, its processes are killed and reaped, and the report goes out: how the child ended, what it used, and whether it came
so far that it was about to run what it was started for. One that did not is this side's fault. What is left of its
world is taken away, and the next one made, while nobody waits.

A child may use its limits' worth of CPU time, address space, threads, open files and file size, and the kernel refuses
what `syscalls.py` lists. Without isolation there is no world of its own: then only the child itself is killed, and the
report says whether it left files.

Short on purpose, and with few modules (of `socket` what of it is C): behind a fork, both processes pay for every page
of memory in which they touch something, some two millionths of a second each, and reading a name or calling a function
touches several.
"""

import gc
import os
import resource
import signal
import sys
from _socket import CMSG_SPACE, socket
from importlib import import_module
from itertools import count
from os import (
    O_RDWR,
    _exit,
    close,
    closerange,
    dup2,
    fork,
    kill,
    open,
    pidfd_open,
    read,
    wait4,
    waitstatus_to_exitcode,
    write,
)
from resource import RLIMIT_AS, RLIMIT_CPU, setrlimit
from select import POLLIN, poll
from signal import ITIMER_PROF, SIGKILL, setitimer
from time import monotonic
from typing import NamedTuple, NoReturn

from . import canary, program  # noqa: F401  (the canary is there when its turn comes)
from .namespaces import Namespaces, give_up_capabilities, hide
from .orders import CONNECTION, END, ORDER, READY, REPORT, ROLES, STOPPED
from .scripts import MOST_DIGITS, add_names_of_site, expect_looks, remove_names_of_site
from .syscalls import Filter, child_filter, program_filter, sandbox_filter

MOST_DESCRIPTORS = 3
IMPORTED = "bisect collections copy functools heapq itertools math operator re string typing"
"""What programs commonly import is there already. Only what is small: every fork pays for the pages of all of it."""
BEGUN, FIRST_OWN, MOST_OPEN = CONNECTION + 1, 32, 4096
"""Descriptors: a child's to say once that it begins; and from where on the supervisor's are, so that what an order
carries arrives where the child has it: the connection, then a script's input and output."""
OPEN_FILES = 64
EXAMINER = ROLES.index("examiner")
WALL, ASKED = STOPPED.index("wall"), STOPPED.index("asked")
WORK = [program.ROLES[role] for role in ROLES[:EXAMINER]]
FILE_BYTES = 32 << 20
THREADS = 16
STACK_BYTES = 128 << 20
"""What contests' judges grant a deep recursion; more than the kernel leaves free for the stack of a process would be
in vain."""
PENDING_SIGNALS = 64
"""And timers: the kernel counts them for all of a user's processes."""
PROCESSES = 4
"""Of a sandbox itself: this one, process 1 of the child's world, the child, and the examiner's own child."""


class _Filters(NamedTuple):
    """For tests, and for programs; None where the machine has none and nothing is isolated."""

    child: Filter | None
    program: Filter | None


def main(control: int) -> None:
    isolated = os.getpid() == 1
    control = _moved(control, CONNECTION)  # first, for it may be where the others go
    errors, control, hearing, telling = map(_moved, (2, control, *os.pipe()), count(FIRST_OWN))
    namespaces = Namespaces(_moved(os.pidfd_open(os.getpid()), FIRST_OWN + 4)) if isolated else None
    os.closerange(0, FIRST_OWN)
    os.dup2(telling, BEGUN)
    os.set_blocking(hearing, False)
    try:
        filters = _ready(isolated)
        _serve(socket(fileno=control), hearing, namespaces, filters)
    except ConnectionError:
        return  # the parent is gone
    except BaseException:
        os.dup2(errors, 2)
        raise


def _moved(descriptor: int, place: int) -> int:
    """The same, out of the way of children's."""
    if descriptor != place:
        os.dup2(descriptor, place, inheritable=False)
        os.close(descriptor)
    return place


def _ready(isolated: bool) -> _Filters:
    """Make this process one whose copies are as children should be, but for what `_become` does."""
    sys.argv = ["program.py"]
    filters = _filters(isolated)
    if isolated:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # process 1 is deaf to signals that it does not handle
        hide()
    _limit()
    expect_looks()
    add_names_of_site()
    sys.set_int_max_str_digits(MOST_DIGITS)
    for module in IMPORTED.split():
        import_module(module)
    program.rehearse()
    gc.collect()
    gc.freeze()
    bytearray(1 << 16)  # malloc puts what is free in order before it gives so much
    return filters


def _serve(control: socket, hearing: int, namespaces: Namespaces | None, filters: _Filters) -> None:
    """Do what orders say, until there are none."""
    carried = CMSG_SPACE(4 * MOST_DESCRIPTORS)
    first = namespaces.begin() if namespaces else 0
    control.send(READY)
    while True:
        # Each child gets files of its own, of which nothing is another's, not even where they stand.
        dup2(dup2(open("/dev/null", O_RDWR), 1), 2)
        order, ancillary, _, _ = control.recvmsg(64, carried)
        while order == END:  # for a child that is gone already
            order, ancillary, _, _ = control.recvmsg(64, carried)
        if not order:
            return
        if len(ancillary[0][2]) > 4:  # beside the connection
            dup2(BEGUN + 1, 0)
            dup2(BEGUN + 2, 1)
        control.send(_run(order, control, hearing, filters, first))
        if namespaces:
            namespaces.end(first)
            first = namespaces.begin()


def _run(order: bytes, control: socket, hearing: int, filters: _Filters, first: int) -> bytes:
    """Start a child, wait for its end or bring it about; the report."""
    role, cpu_seconds, wall_seconds, memory_bytes = ORDER.unpack(order)
    child = fork()
    if child == 0:
        _become(role, cpu_seconds, memory_bytes, first, filters)
    started = monotonic()
    closerange(0, BEGUN)
    closerange(BEGUN + 1, FIRST_OWN)
    handle = pidfd_open(child)
    waiting = poll()
    waiting.register(handle, POLLIN)
    waiting.register(control, POLLIN)
    events = waiting.poll(wall_seconds * 1000)
    close(handle)
    stopped = 0
    if not events or events[0][0] != handle:
        stopped = ASKED if events else WALL
        if events and not control.recv(64):
            sys.exit(0)  # the parent is gone
        kill(child, SIGKILL)
    _, status, used = wait4(child, 0)
    return REPORT.pack(
        waitstatus_to_exitcode(status),
        stopped,
        used.ru_utime + used.ru_stime,
        monotonic() - started,
        used.ru_maxrss * 1024,
        not first and bool(os.listdir(".")),
        _has_begun(hearing),
    )


def _has_begun(hearing: int) -> bool:
    """Whether the child that is gone said so; nobody is left who could."""
    try:
        return bool(read(hearing, 1))
    except BlockingIOError:
        return False


def _become(role: int, cpu_seconds: float, memory_bytes: int, first: int, filters: _Filters) -> NoReturn:
    """Turn this fresh child into what was asked for. Never returns.

    Standard error, where this process may still have something to say, and what else there is are taken away. The
    kernel has the last word on CPU time if the child is deaf to the timer's signal.
    """
    status = 70
    try:
        closerange(BEGUN + 1, MOST_OPEN)
        if first:
            give_up_capabilities()
        kill_seconds = int(cpu_seconds) + 2
        setrlimit(RLIMIT_AS, (memory_bytes, memory_bytes))
        setrlimit(RLIMIT_CPU, (kill_seconds, kill_seconds))
        setitimer(ITIMER_PROF, cpu_seconds)
        if role == EXAMINER:
            status = _examine(filters)
        else:
            if filters.program is not None:
                filters.program.put_on()
            status = WORK[role](_begin)
    finally:
        _exit(status)


def _examine(filters: _Filters) -> int:
    if filters.child is not None:
        filters.child.put_on()
    remove_names_of_site()
    _begin()
    import_module(".examiner", __package__).serve(CONNECTION)
    return 0


def _begin() -> None:
    """Say that all is ready, before anything runs that nobody trusts, and give up the means to say it."""
    write(BEGUN, b"1")
    close(BEGUN)


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
    most = resource.getrlimit(resource.RLIMIT_STACK)[1]
    stack = STACK_BYTES if most == resource.RLIM_INFINITY else min(most, STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_STACK, (stack, most))


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
