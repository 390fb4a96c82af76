"""A world of its own for every child of a supervisor: process table, working folder.

What a program can name, it can change: limits, priority, affinity and scheduling class of a process, the mode and the
attributes of a folder. So nothing that outlives it can be named. Each child runs in a fresh PID namespace, in which
the supervisor does not exist, and on a fresh, empty /tmp; both go with the child.

Process 1 of the new namespace, whose end the kernel makes the end of all others, is no copy of the supervisor but a
clone that shares its memory and waits on a stack of its own. From within it cannot be traced or written to (the
supervisor hides its memory) nor killed, and it does nothing that its limits or its priority could change.

Needs Linux 5.8 and CAP_SYS_ADMIN in the sandbox's own user namespace, which children give up.
"""

import ctypes
from os import chdir, kill, waitpid
from signal import SIGCHLD, SIGKILL
from typing import NoReturn

_FOLDER_BYTES = 64 << 20
_FOLDER_FILES = 4096
"""Empty files and folders take memory too, which no other limit counts."""
_FOLDER = f"size={_FOLDER_BYTES},nr_inodes={_FOLDER_FILES},mode=0700".encode()
_CLONE_VM, _CLONE_NEWPID = 0x100, 0x20000000
_SHARING = _CLONE_VM | SIGCHLD
_MS_NOSUID, _MS_NODEV, _MNT_DETACH = 2, 4, 2
_MOUNTED = _MS_NOSUID | _MS_NODEV
_CAPABILITIES_V3 = 0x20080522
_OF_THIS_PROCESS = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()
_PR_SET_DUMPABLE = 4
_STACK_BYTES = 64 << 10

_libc = ctypes.CDLL(None, use_errno=True)
_mount, _umount2, _unshare, _setns, _clone = _libc.mount, _libc.umount2, _libc.unshare, _libc.setns, _libc.clone
_capset = _libc.capset


class Namespaces:
    """Makes process tables for children of this process, one at a time. Raises OSError where that is not permitted."""

    def __init__(self, own: int) -> None:
        """`own`: a descriptor of this process (`os.pidfd_open`)."""
        self._own = own
        self._stack = ctypes.create_string_buffer(_STACK_BYTES)
        self._top = ctypes.c_void_p(ctypes.addressof(self._stack) + _STACK_BYTES)
        self._pause = ctypes.cast(_libc.pause, ctypes.c_void_p)

    def begin(self) -> int:
        """Let children forked from now on live in a new process table, in an empty /tmp; the table's process 1."""
        if _mount(b"tmpfs", b"/tmp", b"tmpfs", _MOUNTED, _FOLDER):
            _fail("an empty folder was refused")
        chdir("/tmp")
        if _unshare(_CLONE_NEWPID):
            _fail("a process table of its own was refused")
        first = _clone(self._pause, self._top, _SHARING, None)
        return first if first > 0 else _fail("process 1 was refused")

    def end(self, first: int) -> None:
        """End the process table, of which the caller has collected its own children, and take the folder away."""
        if _setns(self._own, _CLONE_NEWPID):
            _fail("the way back was refused")
        kill(first, SIGKILL)
        waitpid(first, 0)
        chdir("/")
        if _umount2(b"/tmp", _MNT_DETACH):
            _fail("the folder was not taken away")


def give_up_capabilities() -> None:
    """Raises OSError."""
    if _capset(_OF_THIS_PROCESS, _NO_CAPABILITIES):
        _fail("giving up capabilities was refused")


def hide() -> None:
    """Let no other process trace this one or read its memory. Raises OSError."""
    if _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        _fail("this process cannot be hidden")


def _fail(what: str) -> NoReturn:
    raise OSError(ctypes.get_errno(), what)
