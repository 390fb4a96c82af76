"""The system calls that no judged program needs, refused by the kernel (seccomp, a BPF program).

Refused to all of a sandbox are: other programs, sockets but socket pairs, memory that outlives or escapes the limit on
address space (System V and POSIX shared memory, memfd), looking into other processes, keyrings, and the kernel's more
adventurous interfaces; to every child of a supervisor also namespaces and mounts. A judged program is refused new
processes besides, but not threads, and a lower priority: it could make itself look starved. Refused calls fail with
EPERM, so a program sees an exception and goes on; `clone3` fails with ENOSYS, on which C libraries fall back to
`clone`, whose flags can be read.

The supervisor puts on itself what is refused to all, once: when a filter is put on, the kernel tries it with every call
that there is, which for a long filter takes a while.
A list of what is refused, not of what is allowed: new C libraries use new calls, and bubblewrap is the wall. The
filter closes what namespaces and limits leave open.
"""

import ctypes
import errno
import struct

_LOAD_WORD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _FAIL, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little endian
_X32 = 0x40000000  # x86-64 has a second table of calls from here on
_CLONE_THREAD = 0x00010000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

_Step = tuple[int, int, int, int]
"""Operation, how many steps to skip if true, if false, operand."""

# name: (x86-64, arm64)
_REFUSED: dict[str, tuple[int, int]] = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "socket": (41, 198),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "personality": (135, 92),
    "quotactl": (179, 60),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "syslog": (103, 116),
}
_REFUSED_TO_CHILDREN: dict[str, tuple[int, int]] = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
}
"""With which a supervisor makes its children's worlds."""
_REFUSED_TO_PROGRAMS: dict[str, tuple[int, int]] = {
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
}
_CLONE, _CLONE3 = (56, 220), (435, 435)
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def sandbox_filter(machine: str) -> bytes:
    """The BPF program for all of a sandbox, on a machine as `platform.machine()` names it. Raises OSError."""
    return _assemble(machine, _refuse_all(_REFUSED, _column(machine)))


def child_filter(machine: str) -> bytes:
    """The BPF program for every child, beside the sandbox's. Raises OSError."""
    return _assemble(machine, _refuse_all(_REFUSED_TO_CHILDREN, _column(machine)))


def program_filter(machine: str) -> bytes:
    """The BPF program for a judged program, beside the sandbox's: threads, but no processes. Raises OSError."""
    column = _column(machine)
    steps = [
        *_refuse_all(_REFUSED_TO_CHILDREN | _REFUSED_TO_PROGRAMS, column),
        *_refuse(_CLONE3[column], errno.ENOSYS),
        (_JUMP_EQUAL, 0, 4, _CLONE[column]),
        (_LOAD_WORD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_SET, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _FAIL | errno.EPERM),
    ]
    if machine == "x86_64":
        steps += [*_refuse(57), *_refuse(58)]  # fork, vfork; arm64 has neither
    return _assemble(machine, steps)


def _refuse_all(calls: dict[str, tuple[int, int]], column: int) -> list[_Step]:
    return [step for numbers in calls.values() for step in _refuse(numbers[column])]


def _refuse(number: int, reason: int = errno.EPERM) -> list[_Step]:
    return [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _FAIL | reason)]


def _assemble(machine: str, steps: list[_Step]) -> bytes:
    """A filter that looks at the architecture, takes `steps` with the number of the call loaded, and else allows."""
    start = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine][1]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD_WORD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        start += [(_JUMP_GREATER_EQUAL, 0, 1, _X32), (_RETURN, 0, 0, _KILL_PROCESS)]
    return b"".join(struct.pack("=HBBI", *step) for step in (*start, *steps, (_RETURN, 0, 0, _ALLOW)))


def _column(machine: str) -> int:
    if machine not in _ARCHITECTURES:
        raise OSError(f"no filter of system calls for {machine} (there is one for {', '.join(_ARCHITECTURES)})")
    return _ARCHITECTURES[machine][0]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


class Filter:
    """A filter made ready. Raises OSError."""

    def __init__(self, steps: bytes) -> None:
        self._program = _Program(len(steps) // 8, steps)
        self._place = ctypes.byref(self._program)
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl
        if self._prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:  # children have it from this process
            raise OSError(ctypes.get_errno(), "giving up new privileges was refused")

    def put_on(self) -> None:
        """Filter this process and its children from now on, for good. Raises OSError."""
        if self._prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, self._place, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "the filter of system calls was refused")
