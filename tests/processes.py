"""Processes of this machine as /proc tells of them: whose they are, and what they have used."""

import os
from contextlib import suppress
from pathlib import Path


def family(leader: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    family = [leader]
    for process in family:
        family += [child for child, parent in parents.items() if parent == process]
    return family


def processor_seconds(process: int) -> float:
    """Raises OSError where it is gone."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
