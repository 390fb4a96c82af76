"""A program that looks at all of its world that another might have changed, and tests that it must fail.

It says what it finds in the name of an exception: so the tests must fail, and for exactly that reason, which tests
that were made to pass everything, or to fail everything, would not. Light, for it runs often: it takes no longer than
any small program, and what it found crosses as a hash, which is the same in every process of a sandbox.
"""

import _thread
import os
import resource
import signal
import sys
from typing import Any, NoReturn

CANARY = "from confined.canary import look"
"""The program. The module is loaded before any program runs, and every program has a copy of its own."""
CANARY_TESTS = {
    "head": "",
    "once": "",
    "setup": "",
    "tests": ["assert look() == 0"],
    "reference": "",
    "entry_point": "look",
}
_LIMITS = [name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_CPU"]


def look() -> NoReturn:
    """Raises an exception whose name says how everything is."""
    raise type(f"State{hash(repr(_state())) % 2**64:x}", (Exception,), {})


def _state() -> list[Any]:
    folder = os.stat(".")
    os.close(os.open("written", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    os.unlink("written")
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(done.release, ())
    done.acquire()
    return [
        [(name, resource.getrlimit(getattr(resource, name))) for name in _LIMITS],
        (os.getpid(), os.getppid(), os.getuid(), os.getcwd(), os.uname().nodename),
        (os.listdir("."), os.listxattr("."), folder.st_mode, folder.st_nlink, os.umask(0o22)),
        (os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), len(os.sched_getaffinity(0))),
        sorted(os.environ.items()),
        sorted(signal.pthread_sigmask(0, [])),
        [signal.getsignal(number) is signal.SIG_IGN for number in range(1, 32)],
        sys.getrecursionlimit(),
        (sorted(os.listdir("/")), sorted(os.listdir("/dev"))),
    ]
