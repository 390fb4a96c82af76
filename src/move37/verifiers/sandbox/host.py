"""The trusted side: one sandbox, its control socket, and what comes back on it.

A sandbox is a process tree with its own user, process, network, IPC, host-name and cgroup namespaces, whose root is
empty but for the C library, the Python installation, the packages asked for and this folder, all read-only, and a
small /tmp. It starts in a few hundredths of a second and serves programs one after the other, each in a world of its
own (`namespaces.py`).

Left out: resource control by cgroups (it needs a delegated one); what is run in sandboxes (`rooms.py`); what the
verdict is (`verifiers/code.py`).
"""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path

from move37.errors import VerifierError
from move37.verifiers.sandbox.bubblewrap import HOME, environment, isolated_python, package_places
from move37.verifiers.sandbox.orders import END, ORDER, REPORT, ROLES, STOPPED

START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
"""Wall time for a supervisor to kill, reap and report."""
_SUPERVISOR = "from confined.supervisor import main; main({})"


class SandboxLostError(Exception):
    """A sandbox ended or does not answer; the message says what it printed, if anything."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. `cpu_seconds` are its own; `idle_seconds` end it when it and its tests do nothing,
    and `wall_seconds` in any case."""

    cpu_seconds: float
    wall_seconds: float
    idle_seconds: float = 1e9
    memory_bytes: int = 2 << 30


@dataclass(frozen=True, slots=True)
class Report:
    """How a child ended: `status` is its exit code or minus the signal, `stopped` is "" if it ended by itself, "wall"
    if its wall time was over, "asked" if it was no longer needed."""

    status: int = 0
    stopped: str = ""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_bytes: int = 0
    litter: bool = False


@lru_cache(maxsize=1)
def _compile_inside() -> None:
    """Keep this folder compiled: nothing is written inside, and what is not compiled would be at each start."""
    if sys.dont_write_bytecode or sys.pycache_prefix is not None:
        return
    for source in Path(__file__).parent.glob("*.py"):
        compiled = Path(cache_from_source(str(source), optimization=""))
        with suppress(OSError):
            if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
                import_module("py_compile").compile(str(source), str(compiled), quiet=2, optimize=0)


class Sandbox:
    """One warm sandbox. Raises MissingExtraError without bubblewrap.

    It gets ready while the caller does something else, and is waited for by `ready`, or when it is first used.

    With `isolated=False` there is no sandbox: limits and the filter of system calls hold, the machine's files can be
    read and the user's own written.
    """

    def __init__(self, packages: Iterable[str] = (), isolated: bool = True) -> None:
        if sys.platform != "linux":
            raise VerifierError("programs are judged on Linux only: limits, filters and sandboxes are the kernel's")
        _compile_inside()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._folder = None if isolated else tempfile.TemporaryDirectory(prefix="move37-")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `close`)
        self._control = ours
        python = (
            isolated_python([place for package in packages for place in package_places(package)])
            if isolated
            else [sys.executable, "-P", "-B"]
        )
        if self._folder is not None:
            os.symlink(Path(__file__).parent, Path(self._folder.name) / "confined")
            (Path(self._folder.name) / "tmp").mkdir()
        try:
            self._process = subprocess.Popen(
                [*python, "-c", _SUPERVISOR.format(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env=environment(self._folder.name if self._folder else HOME),
                cwd=f"{self._folder.name}/tmp" if self._folder else "/",
                start_new_session=True,
            )
        finally:
            theirs.close()
        self._is_ready = False

    def ready(self) -> None:
        """Wait until it can be used. Raises VerifierError where sandboxes are not permitted."""
        if self._is_ready:
            return
        try:
            self._receive(START_SECONDS)
            self._is_ready = True
        except SandboxLostError as lost:
            self.close()
            raise VerifierError(
                f"no sandbox for programs can be started ({lost}); let bubblewrap make user namespaces, "
                "or judge programs that you trust with --unsafe-local"
            ) from None

    @property
    def control(self) -> socket.socket:
        """Readable when a report has come, or when the sandbox is gone."""
        return self._control

    @property
    def process(self) -> int:
        """Under which all others of the sandbox are."""
        return self._process.pid

    def start(self, role: str, descriptors: list[int], limits: Limits) -> None:
        """Start a child ("program", "script", "in-process", "examiner") with these descriptors. Raises
        SandboxLostError, and VerifierError as `ready`."""
        self.ready()
        order = ORDER.pack(ROLES.index(role), limits.cpu_seconds, limits.wall_seconds, limits.memory_bytes)
        try:
            socket.send_fds(self._control, [order], descriptors)
        except OSError:
            raise SandboxLostError(self._last_words()) from None

    def end(self) -> None:
        """End the child that runs, if it still does; the report follows."""
        with suppress(OSError):
            self._control.send(END)

    def report(self, timeout_seconds: float = ANSWER_SECONDS) -> Report:
        """The report of the child that was started last. Raises SandboxLostError, also where that child ended before it
        came to run anything: what it should have run is not to blame."""
        status, stopped, cpu, wall, peak, litter, begun = REPORT.unpack(self._receive(timeout_seconds))
        if not begun:
            raise SandboxLostError(f"a child ended before its program began (status {status})")
        return Report(status, STOPPED[stopped], cpu, wall, peak, litter)

    def close(self) -> None:
        """End the sandbox and everything in it: the kernel does, when its process 1 is gone."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _receive(self, timeout_seconds: float) -> bytes:
        self._control.settimeout(timeout_seconds)
        try:
            message = self._control.recv(64)
        except (TimeoutError, OSError):
            message = b""
        if not message:
            raise SandboxLostError(self._last_words())
        return message

    def _last_words(self) -> str:
        """The last line that it wrote to standard error."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        self._errors.seek(0)
        lines = self._errors.read()[-4000:].decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return said or f"it ended without a word (status {self._process.poll()})"
