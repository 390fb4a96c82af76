"""What a host orders of a supervisor and what it is told: datagrams of one form, which cost neither side much to read.

An order is the place of a role in ROLES, CPU seconds, wall seconds and bytes of address space; or END. A report is the
exit code or minus the signal, the place of a word in STOPPED, CPU seconds, wall seconds, the most bytes in memory,
whether files were left and whether the child had begun.
"""

import struct

ROLES = ("program", "script", "in-process", "examiner")
STOPPED = ("", "wall", "asked")
CONNECTION = 3
"""The descriptor that an order carries first, where a child has it."""
WANTS_HEAD = 72
"""The exit status of a script that used a name which it did not have, or more levels of calls than Python allows:
what contests' harnesses put before every program may give it both."""
READY, END = b"ready", b"end"
ORDER = struct.Struct("!BddQ")
REPORT = struct.Struct("!iBddQ??")
