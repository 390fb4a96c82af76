"""The trusted side: sandboxes made by bubblewrap, and what is run in them.

A sandbox is a process tree with its own user, process, network, IPC, host-name and cgroup namespaces, whose root is
empty but for the C library, the Python installation, the packages asked for and this folder, all read-only, and a
small /tmp of its own. It starts in a few hundredths of a second, serves programs one after the other, each in a fresh
child, and is replaced when one leaves files behind or the sandbox does not answer.

Started by root, a process in a user namespace still counts as root for the limit on processes, which root is exempt
from. So root first enters a plain sandbox, becomes nobody there, and makes the real one inside.

Left out: resource control by cgroups (it needs a delegated one); what the verdict is (`verifiers/code.py`).
"""

import importlib.util
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from move37.errors import MissingExtraError, VerifierError
from move37.verifiers.sandbox.wire import Link, MalformedError

START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
"""Wall time for a supervisor to kill, reap and report."""
TESTS_SECONDS = 60.0
"""Wall time for tests to be made ready, and to come to their end once the program has."""
NOBODY = 65534
TMP_BYTES = 64 << 20
INSTALL = "install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap)"
_HOME = "/opt/move37"
"""Where this folder is seen in a sandbox, as the package `confined`."""


class SandboxLostError(Exception):
    """A sandbox ended or does not answer; the message says what it printed, if anything."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. `cpu_seconds` are its own; `wall_seconds` end it when it sleeps."""

    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int = 2 << 30


@dataclass(frozen=True, slots=True)
class Report:
    """How a child ended: `status` is its exit code or minus the signal, `stopped` is "" if it ended by itself, "wall"
    if its wall time was over, "asked" if it was no longer needed."""

    status: int
    stopped: str
    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int
    litter: bool


def bubblewrap() -> str:
    """The path of bubblewrap. Raises MissingExtraError with the line that installs it."""
    found = shutil.which("bwrap")
    if found is None:
        raise MissingExtraError(
            f"running programs needs bubblewrap, which isolates them: {INSTALL}; "
            "or judge programs that you trust with --unsafe-local"
        )
    return found


class Sandbox:
    """One warm sandbox. Raises MissingExtraError without bubblewrap, VerifierError where it is not permitted.

    With `isolated=False` there is no sandbox: limits and the filter of system calls hold, the machine's files can be
    read and the user's own written.
    """

    def __init__(self, packages: Iterable[str] = (), isolated: bool = True) -> None:
        if sys.platform != "linux":
            raise VerifierError("programs are judged on Linux only: limits, filters and sandboxes are the kernel's")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._folder = None if isolated else tempfile.TemporaryDirectory(prefix="move37-")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `close`)
        self._control = ours
        places = [folder for package in packages for folder in _package_folders(package)]
        command = (
            [*_isolation(places), *_python(), str(theirs.fileno())]
            if isolated
            else [sys.executable, "-P", "-B", "-m", "confined.supervisor", str(theirs.fileno())]
        )
        if self._folder is not None:
            os.symlink(Path(__file__).parent, Path(self._folder.name) / "confined")
            (Path(self._folder.name) / "tmp").mkdir()
        try:
            self._process = subprocess.Popen(
                command,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env=_environment(self._folder.name if self._folder else _HOME),
                cwd=f"{self._folder.name}/tmp" if self._folder else "/",
                start_new_session=True,
            )
        finally:
            theirs.close()
        try:
            self._receive(START_SECONDS)
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

    def start(self, role: str, descriptors: list[int], limits: Limits) -> None:
        """Start a child ("program", "script" or "examiner") with these descriptors. Raises SandboxLostError."""
        request = {"role": role, **{name: getattr(limits, name) for name in Limits.__slots__}}
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], descriptors)
        except OSError:
            raise SandboxLostError(self._last_words()) from None

    def end(self) -> None:
        """End the child that runs, if it still does; the report follows."""
        with suppress(OSError):
            self._control.send(b'{"end": true}')

    def report(self, timeout_seconds: float = ANSWER_SECONDS) -> Report:
        """The report of the child that was started last. Raises SandboxLostError."""
        return Report(**self._receive(timeout_seconds))

    def close(self) -> None:
        """End the sandbox and everything in it: the kernel does, when its process 1 is gone."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _receive(self, timeout_seconds: float) -> dict[str, Any]:
        self._control.settimeout(timeout_seconds)
        try:
            message = self._control.recv(65536)
        except (TimeoutError, OSError):
            message = b""
        if not message:
            raise SandboxLostError(self._last_words())
        return json.loads(message)

    def _last_words(self) -> str:
        """The last line that it wrote to standard error."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        self._errors.seek(0)
        lines = self._errors.read()[-4000:].decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return said or f"it ended without a word (status {self._process.poll()})"


def _environment(home: str) -> dict[str, str]:
    """All of it. Hashes are fixed: the order of a set must not decide a verdict."""
    single = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    return {
        "PYTHONPATH": f"{home}:{_HOME}/packages",
        "PYTHONHASHSEED": "0",
        "LC_ALL": "C.UTF-8",
        "HOME": "/tmp",
        **single,
    }


def _python() -> list[str]:
    return [_interpreter(), "-P", "-s", "-S", "-B", "-m", "confined.supervisor"]


def _interpreter() -> str:
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def _isolation(packages: list[Path]) -> list[str]:
    """The command before the interpreter's."""
    program = bubblewrap()
    inner = [
        program,
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *("--disable-userns", "--uid", str(NOBODY), "--gid", str(NOBODY), "--hostname", "sandbox"),
        *_mounts(packages, stepped_down=os.geteuid() == 0),
        *("--size", str(TMP_BYTES), "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/tmp"),
        *("--cap-drop", "ALL", "--new-session", "--die-with-parent", "--as-pid-1", "--"),
    ]
    if os.geteuid() != 0:
        return inner
    step_down = shutil.which("setpriv")
    if step_down is None:
        raise VerifierError("as root, isolating programs needs setpriv: install util-linux, or use another user")
    outer = [
        program,
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *_mounts(packages),
        *_read_only("/usr/bin", "/bin", "/usr/sbin", "/sbin"),
        *("--proc", "/proc", "--tmpfs", "/tmp", "--die-with-parent", "--new-session"),
        *("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--"),
        *(step_down, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"),
    ]
    return outer + inner


def _mounts(packages: list[Path], stepped_down: bool = False) -> list[str]:
    """What a program can read: the C library, Python, packages, the code that runs it. Nothing of it can be written.

    `stepped_down`: made inside the first sandbox, where everything is already where it will be.
    """
    python = _interpreter()
    libraries = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", f"{sys.base_prefix}/lib")
    mounts = _read_only(*libraries)
    mounts += ["--ro-bind", python, python]
    for folder in packages:
        mounts += ["--ro-bind", str(folder), f"{_HOME}/packages/{folder.name}"]
    for device in ("null", "zero", "random", "urandom"):
        mounts += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    mounts += ["--ro-bind", str(Path(__file__).parent), f"{_HOME}/confined"]
    if stepped_down:
        mounts = [m if i % 3 != 1 or mounts[i - 1] == "--symlink" else mounts[i + 1] for i, m in enumerate(mounts)]
    # bubblewrap would make the folders in between for their owner alone.
    between = {str(parent) for place in mounts[2::3] for parent in Path(place).parents} - {"/"}
    return [word for folder in sorted(between) for word in ("--dir", folder)] + mounts


def _read_only(*places: str) -> list[str]:
    """Mount each place that there is where it is, links as links, each once."""
    mounts: list[str] = []
    for place in dict.fromkeys(places):
        if os.path.islink(place):
            mounts += ["--symlink", os.readlink(place), place]
        elif os.path.exists(place):
            mounts += ["--ro-bind", place, place]
    return mounts


def _package_folders(package: str) -> list[Path]:
    """An installed package's folder, and its `<name>.libs` where wheels keep libraries; none if it is absent."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return []
    folder = Path(next(iter(spec.submodule_search_locations)))
    return [each for each in (folder, folder.with_name(f"{package}.libs")) if each.is_dir()]


@dataclass(frozen=True, slots=True)
class Examined:
    """What became of a program: `kind` is "passed", "failed" or "broken" (the tests' fault), with the reason."""

    kind: str
    reason: str
    report: Report


@dataclass(frozen=True, slots=True)
class Ran:
    """What a script wrote to standard output (`complete`: all of it was read) and how it ended."""

    output: bytes
    complete: bool
    report: Report


class Sandboxes:
    """A sandbox for programs and one for tests, both warm. `close` them, whatever happens.

    Serves one program at a time. A method that raises SandboxLostError may be called again: what is missing is started.
    """

    def __init__(self, packages: tuple[str, ...] = (), isolated: bool = True) -> None:
        self._packages, self._isolated = packages, isolated
        self._programs: Sandbox | None = None
        self._tests: _TestRoom | None = None
        self.start()

    def start(self) -> "tuple[Sandbox, _TestRoom]":
        """Start what is not running; both."""
        if self._programs is None:
            self._programs = Sandbox(self._packages, self._isolated)
        if self._tests is None:
            self._tests = _TestRoom(Sandbox(self._packages, self._isolated))
        return self._programs, self._tests

    def close(self) -> None:
        self._drop_tests()
        self._drop_programs()

    def examine(self, tests: dict[str, Any], program: list[str], limits: Limits) -> Examined:
        """Run a program (texts, executed in order in one namespace) against tests (`examiner.Examination`'s fields)."""
        programs, room = self.start()
        ours, theirs = socket.socketpair()
        try:
            if not room.load(tests):
                return Examined("broken", "the tests cannot be run", _NO_REPORT)
            programs.start("program", [theirs.fileno()], limits)
            room.begin(program, ours.fileno())
        except SandboxLostError:
            self.close()
            raise
        finally:
            ours.close()
            theirs.close()
        return self._outcome(programs, room, limits)

    def run_script(self, program: list[str], standard_input: bytes, limits: Limits) -> Ran:
        """Run a program (texts, executed in order in one namespace) as a script with this standard input."""
        programs, _ = self.start()
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        given = os.memfd_create("input")
        link = Link(ours.detach())
        try:
            with os.fdopen(os.dup(given), "wb") as file:
                file.write(standard_input)
            os.lseek(given, 0, os.SEEK_SET)
            programs.start("script", [theirs.fileno(), given, writing], limits)
            theirs.close()
            os.close(writing)
            writing = -1
            with suppress(OSError, MalformedError):
                link.send(program)
            text, complete = _read_until(reading, limits.wall_seconds + ANSWER_SECONDS)
        except SandboxLostError:
            self._drop_programs()
            raise
        finally:
            link.close()
            theirs.close()
            for descriptor in {reading, writing, given} - {-1}:
                os.close(descriptor)
        if not complete:
            programs.end()
        # It may close its output long before its end.
        return Ran(text, complete, self._reported(programs, limits.wall_seconds + ANSWER_SECONDS))

    def _outcome(self, programs: Sandbox, room: "_TestRoom", limits: Limits) -> Examined:
        """Wait for the tests' verdict, or for the program's end and then the verdict."""
        most = limits.wall_seconds + ANSWER_SECONDS
        if room.channel in select.select([programs.control, room.channel], [], [], most)[0]:
            programs.end()
        report = self._reported(programs)
        try:
            # With the program gone the tests come to an end at once, unless they are busy with what it sent.
            kind, reason = room.verdict()
        except SandboxLostError:
            self._drop_tests()
            kind, reason = "broken", "the tests did not finish"
        return Examined(kind, reason, report)

    def _reported(self, programs: Sandbox, timeout_seconds: float = ANSWER_SECONDS) -> Report:
        try:
            report = programs.report(timeout_seconds)
        except SandboxLostError:
            self.close()
            raise
        if report.litter:
            self._drop_programs()
        return report

    def _drop_tests(self) -> None:
        if self._tests is not None:
            self._tests.close()
            self._tests = None

    def _drop_programs(self) -> None:
        if self._programs is not None:
            self._programs.close()
            self._programs = None


class _TestRoom:
    """The examiner in its sandbox. Any method raises SandboxLostError when it is gone."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._current: dict[str, Any] | None = None
        self.channel, theirs = socket.socketpair()
        """Readable when a verdict has come."""
        sandbox.start("examiner", [theirs.fileno()], EXAMINER_LIMITS)
        theirs.close()
        self._link = Link(os.dup(self.channel.fileno()))

    def load(self, tests: dict[str, Any]) -> bool:
        """Use these tests from now on; False if they cannot be run."""
        if tests == self._current:
            return True
        self._ask(b"t", [], tests)
        [(answer, _)] = self._receive().items()
        self._current = tests if answer == "ready" else None
        return answer == "ready"

    def begin(self, program: list[str], connection: int) -> None:
        self._ask(b"p", [connection], program)

    def verdict(self) -> tuple[str, str]:
        [(kind, reason)] = self._receive().items()
        return kind, reason

    def close(self) -> None:
        self._link.close()
        self.channel.close()
        self._sandbox.close()

    def _ask(self, kind: bytes, descriptors: list[int], message: Any) -> None:
        try:
            socket.send_fds(self.channel, [kind], descriptors)
            self._link.send(message)
        except (OSError, MalformedError) as error:
            raise SandboxLostError(str(error)) from None

    def _receive(self) -> dict[str, str]:
        try:
            if not select.select([self.channel], [], [], TESTS_SECONDS)[0]:
                raise SandboxLostError("the tests do not answer")
            return self._link.receive()
        except (EOFError, OSError, MalformedError) as error:
            raise SandboxLostError(str(error)) from None


EXAMINER_LIMITS = Limits(cpu_seconds=86_400.0, wall_seconds=86_400.0, memory_bytes=4 << 30)
MOST_OUTPUT = 16 << 20
"""Bytes of standard output that are read."""
_NO_REPORT = Report(0, "", 0.0, 0.0, 0, False)


def _read_until(output: int, seconds: float) -> tuple[bytes, bool]:
    """What arrives until the end, and whether that is all."""
    deadline = time.monotonic() + seconds
    text = bytearray()
    while len(text) <= MOST_OUTPUT and select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(output, 1 << 16)
        if not part:
            return bytes(text), True
        text += part
    return bytes(text), False
