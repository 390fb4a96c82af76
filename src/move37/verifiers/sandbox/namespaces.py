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
import mmap
import os
import signal

_CLONE_VM, _CLONE_NEWPID = 0x100, 0x20000000
_MS_NOSUID, _MS_NODEV, _MNT_DETACH = 2, 4, 2
_CAPABILITIES_V3 = 0x20080522
_OF_THIS_PROCESS = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()
_PR_SET_DUMPABLE = 4
_STACK_BYTES = 64 << 10

_libc = ctypes.CDLL(None, use_errno=True)
_libc.clone.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]


class Namespaces:
    """Makes process tables for children of this process, one at a time. Raises OSError where that is not permitted."""

    def __init__(self) -> None:
        self._own = os.pidfd_open(os.getpid())
        self._stack = mmap.mmap(-1, _STACK_BYTES)
        self._top = ctypes.addressof(ctypes.c_char.from_buffer(self._stack)) + _STACK_BYTES
        self._pause = ctypes.cast(_libc.pause, ctypes.c_void_p)

    def begin(self, folder_bytes: int, folder_files: int) -> int:
        """Let children forked from now on live in a new process table, on an empty /tmp; the table's process 1."""
        options = f"size={folder_bytes},nr_inodes={folder_files},mode=0700".encode()
        _check(_libc.mount(b"tmpfs", b"/tmp", b"tmpfs", _MS_NOSUID | _MS_NODEV, options), "an empty folder was refused")
        _check(_libc.unshare(_CLONE_NEWPID), "a process table of its own was refused")
        return _check(_libc.clone(self._pause, self._top, _CLONE_VM | signal.SIGCHLD, None), "process 1 was refused")

    def leave(self) -> None:
        """Let children forked from now on live beside this process again."""
        _check(_libc.setns(self._own, _CLONE_NEWPID), "the way back was refused")

    @staticmethod
    def end(first: int) -> None:
        """End a process table, of which the caller has collected its own children, and take the folder away."""
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
        _check(_libc.umount2(b"/tmp", _MNT_DETACH), "the folder was not taken away")


def move_in() -> None:
    """Enter the working folder and give up all capabilities. Raises OSError."""
    os.chdir("/tmp")
    _check(_libc.capset(_OF_THIS_PROCESS, _NO_CAPABILITIES), "giving up capabilities was refused")


def hide() -> None:
    """Let no other process trace this one or read its memory. Raises OSError."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "this process cannot be hidden")


def _check(result: int, failure: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), failure)
    return result
