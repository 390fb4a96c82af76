"""What is run in sandboxes: a program against tests, a script against its input, a program and tests in one process.

Two sandboxes, both warm: one for programs, one for tests. After every few programs a canary is run (`are_intact`): a
program that looks at all of its world, and tests that must fail in a certain way. A pair that it finds changed is
thrown away, and what was run since the canary before has to be run again.
"""

import os
import secrets
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from move37.errors import VerifierError
from move37.verifiers.sandbox.activity import Idleness
from move37.verifiers.sandbox.canary import CANARY, CANARY_TESTS
from move37.verifiers.sandbox.host import ANSWER_SECONDS, Limits, Report, Sandbox, SandboxLostError
from move37.verifiers.sandbox.wire import Link, MalformedError, as_message, message_in

READY_SECONDS = 900.0
"""Wall time for tests to be made ready, once for a problem: they may run a slow published solution on all inputs."""
TESTS_SECONDS = 60.0
"""Wall time for tests to come to their end once the program has; or as much as the program had, as their CPU time."""
LEAST_TESTS_CPU_SECONDS = 2.0
"""CPU seconds that tests may use on what a program returns, or as much as the program itself."""
LOOK_SECONDS = 0.25
"""How often it is looked whether a program that has not ended yet does anything."""
EXAMINER_LIMITS = Limits(cpu_seconds=86_400.0, wall_seconds=86_400.0, memory_bytes=4 << 30)
CANARY_LIMITS = Limits(cpu_seconds=10.0, wall_seconds=60.0)
MOST_SAID = 1 << 12
"""Bytes of what is said of a program and its tests."""
MOST_OUTPUT = 16 << 20
"""Bytes of standard output that are read."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What became of a program: `kind` is "passed", "failed", "broken" (the tests' fault), "inexpressible" (the tests
    need what they cannot have of a program elsewhere), or "idle" (all waited), with the reason."""

    kind: str
    reason: str
    report: Report
    failed: str = ""
    """Of "inexpressible": how it failed, where it did but may not have otherwise."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a script wrote to standard output (`complete`: all of it was read) and how it ended (`idle`: it did
    nothing)."""

    output: bytes
    complete: bool
    report: Report
    idle: bool = False


class Sandboxes:
    """A sandbox for programs and one for tests, both warm. `close` them, whatever happens.

    Serves one program at a time. A method that raises SandboxLostError may be called again: what is missing is started.
    """

    def __init__(self, packages: tuple[str, ...] = (), isolated: bool = True) -> None:
        self._packages, self._isolated = packages, isolated
        self._programs: Sandbox | None = None
        self._tests: _TestRoom | None = None
        self._canary = self._look()
        """What the canary said in fresh sandboxes."""

    def start(self) -> "tuple[Sandbox, _TestRoom]":
        """Start what is not running, at once; both."""
        try:
            if self._programs is None:
                self._programs = Sandbox(self._packages, self._isolated)
            if self._tests is None:
                self._tests = _TestRoom(Sandbox(self._packages, self._isolated))
            self._programs.ready()
        except VerifierError:
            self.close()
            raise
        return self._programs, self._tests

    def close(self) -> None:
        self._drop_tests()
        self._drop_programs()

    def are_intact(self) -> bool:
        """Run the canary: whether it finds everything as in fresh sandboxes. If not, they are thrown away."""
        with suppress(SandboxLostError):
            if self._look() == self._canary:
                return True
        self.close()
        with suppress(SandboxLostError):
            self._canary = self._look()  # the machine may have changed: what a fresh one says counts from now on
        return False

    def _look(self) -> tuple[str, str]:
        """What the canary says. Raises SandboxLostError."""
        said = self.examine(CANARY_TESTS, [CANARY], CANARY_LIMITS)
        return said.kind, said.reason

    def examine(self, tests: dict[str, Any], program: list[str], limits: Limits) -> Examined:
        """Run a program (texts, executed in order in one namespace) against tests (`examiner.Examination`'s fields)."""
        programs, room = self.start()
        ours, theirs = socket.socketpair()
        try:
            if not room.load(tests):
                return Examined("broken", "the tests cannot be run", Report())
            if room.need_one_process:
                return Examined("inexpressible", "the program's process", Report())
            programs.start("program", [theirs.fileno()], limits)
            room.begin(program, ours.fileno(), max(limits.cpu_seconds, LEAST_TESTS_CPU_SECONDS))
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
        given = os.memfd_create("input")
        reading, writing = os.pipe()
        try:
            with os.fdopen(os.dup(given), "wb") as file:
                file.write(standard_input)
            os.lseek(given, 0, os.SEEK_SET)
            with self._started(programs, "script", [given, writing], limits) as link:
                os.close(writing)
                writing = -1
                _send(link, program)
                idleness = Idleness([programs.process])
                text, complete = _read_until(reading, programs, limits, idleness)
        finally:
            for descriptor in {reading, writing, given} - {-1}:
                os.close(descriptor)
        idle = idleness.seconds > limits.idle_seconds
        if not complete:
            programs.end()
        elif not idle:  # it may close its output long before its end
            idle = not _wait([programs.control], programs, limits, idleness)
        return Ran(text, complete, self._reported(programs, limits.wall_seconds + ANSWER_SECONDS), idle)

    def run_with_tests(
        self, program: list[str], tests: list[str], pytest: str, own: list[str], limits: Limits
    ) -> Examined:
        """Run a program and its tests in one process. What it says there can be forged by the program, but not without
        the word for it. `own`: names that are the program's although builtins are called so."""
        programs, _ = self.start()
        word = secrets.token_hex()
        message = {"program": program, "tests": tests, "pytest": pytest, "own": own, "word": word}
        kind, reason = "failed", "ends early"
        with self._started(programs, "in-process", [], limits) as link:
            _send(link, message)
            said, answered = _said(link, programs, limits, Idleness([programs.process]))
            with suppress(ValueError, AttributeError):
                [(kind, reason)] = said.items()
        programs.end()
        report = self._reported(programs, limits.wall_seconds + ANSWER_SECONDS)
        if not answered and report.stopped == "asked":
            kind, reason = "idle", "waits without end"
        if kind == "passed":
            kind, reason = ("passed", "") if reason == word else ("failed", "ends early")
        return Examined(kind if kind in ("passed", "idle") else "failed", str(reason)[:200], report)

    def _outcome(self, programs: Sandbox, room: "_TestRoom", limits: Limits) -> Examined:
        """Wait for the tests' verdict, or for the program's end and then the verdict."""
        idleness = Idleness([programs.process, room.process])
        ready = _wait([programs.control, room.channel], programs, limits, idleness)
        if not ready or room.channel in ready:
            programs.end()
        report = self._reported(programs)
        try:
            # With the program gone the tests come to an end at once, unless they are busy with what it sent.
            kind, reason, failed = room.verdict(max(TESTS_SECONDS, limits.wall_seconds) if ready else ANSWER_SECONDS)
        except SandboxLostError:
            self._drop_tests()
            kind, reason, failed = "broken", "the tests did not finish", ""
        if not ready and report.stopped == "asked":
            kind, reason, failed = "idle", "waits without end", ""
        return Examined(kind, reason, report, failed)

    @contextmanager
    def _started(self, programs: Sandbox, role: str, descriptors: list[int], limits: Limits) -> Iterator[Link]:
        """A child at work, and the connection to it."""
        ours, theirs = socket.socketpair()
        link = Link(ours.detach())
        try:
            programs.start(role, [theirs.fileno(), *descriptors], limits)
            theirs.close()
            yield link
        except SandboxLostError:
            self._drop_programs()
            raise
        finally:
            link.close()
            theirs.close()

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
        self.need_one_process = False
        """Whether the tests in use mean nothing apart from the program."""
        self.channel, theirs = socket.socketpair()
        """Readable when a verdict has come."""
        sandbox.start("examiner", [theirs.fileno()], EXAMINER_LIMITS)
        theirs.close()
        self._link = Link(os.dup(self.channel.fileno()))

    @property
    def process(self) -> int:
        return self._sandbox.process

    def load(self, tests: dict[str, Any]) -> bool:
        """Use these tests from now on; False if they cannot be run."""
        if tests is self._current or tests == self._current:
            return True
        self._ask(b"t", [], tests)
        answer = self._receive(READY_SECONDS)
        self._current = tests if "ready" in answer else None
        self.need_one_process = "together" in answer
        return "ready" in answer

    def begin(self, program: list[str], connection: int, cpu_seconds: float) -> None:
        self._ask(b"p", [connection], {"program": program, "cpu_seconds": cpu_seconds})

    def verdict(self, timeout_seconds: float) -> tuple[str, str, str]:
        answer = self._receive(timeout_seconds)
        if "forgotten" in answer:
            self._current = None
        kind = next(each for each in ("broken", "inexpressible", "passed", "failed") if each in answer)
        return kind, answer[kind], answer.get("failed", "")

    def close(self) -> None:
        self._link.close()
        self.channel.close()
        self._sandbox.close()

    def _ask(self, kind: bytes, descriptors: list[int], message: Any) -> None:
        try:
            request = kind + as_message(message)
            sent = socket.send_fds(self.channel, [request], descriptors)
            if sent < len(request):
                self.channel.sendall(memoryview(request)[sent:])
        except (OSError, MalformedError) as error:
            raise SandboxLostError(str(error)) from None

    def _receive(self, timeout_seconds: float) -> dict[str, str]:
        try:
            if not select.select([self.channel], [], [], timeout_seconds)[0]:
                raise SandboxLostError("the tests do not answer")
            return self._link.receive()
        except (EOFError, OSError, MalformedError) as error:
            raise SandboxLostError(str(error)) from None


def _send(link: Link, message: Any) -> None:
    """To a child that may be gone already: its report tells."""
    with suppress(OSError, MalformedError):
        link.send(message)


def _wait(channels: list[Any], programs: Sandbox, limits: Limits, idleness: Idleness) -> list[Any]:
    """Those of the channels that have something to say; none if nothing happens for too long."""
    deadline = time.monotonic() + limits.wall_seconds + ANSWER_SECONDS
    while time.monotonic() < deadline:
        ready = select.select(channels, [], [], LOOK_SECONDS)[0]
        if ready:
            return ready
        idleness.look()
        if idleness.seconds > limits.idle_seconds:
            break
    return []


def _said(link: Link, programs: Sandbox, limits: Limits, idleness: Idleness) -> tuple[Any, bool]:
    """The message that comes, and whether it, an end or nonsense came: one that begins and goes on never is no more
    than silence."""
    text = bytearray()
    while idleness.seconds <= limits.idle_seconds:
        ready = _wait([programs.control, link], programs, limits, idleness)
        if link not in ready:
            return None, bool(ready)
        try:
            part = os.read(link.fileno(), 1 << 12)
            text += part
            message = message_in(bytes(text))
        except (MalformedError, OSError):
            return None, True
        if message is not None or not part or len(text) > MOST_SAID:
            return message, True
        idleness.look()
    return None, False


def _read_until(output: int, programs: Sandbox, limits: Limits, idleness: Idleness) -> tuple[bytes, bool]:
    """What arrives until the end, and whether that is all."""
    text, look = bytearray(), time.monotonic() + LOOK_SECONDS
    while len(text) <= MOST_OUTPUT and _wait([output], programs, limits, idleness):
        part = os.read(output, 1 << 16)
        if not part:
            return bytes(text), True
        text += part
        if time.monotonic() > look:  # a word now and then is waiting, too
            idleness.look()
            look = time.monotonic() + LOOK_SECONDS
            if idleness.seconds > limits.idle_seconds:
                break
    return bytes(text), False
