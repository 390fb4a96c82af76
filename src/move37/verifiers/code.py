"""Does the program pass the problem's tests? For HumanEval, MBPP, EvalPlus, LiveCodeBench and tests of one's own.

Programs run in a sandbox, tests in another (`verifiers/sandbox/`); only data crosses, so nothing that a program does
in its own process can make a test pass. What a problem needs is in its metadata (`benchmarks/programs.py`): `tests`,
Python texts that call the program's functions, or `cases`, each an input and the output expected of a script.

The program is, in this order: the last closed ``` block that defines a tested name, else the last closed block, else
what stands between [BEGIN] and [DONE], else the whole text if it looks like Python. A block that is never closed is no
program. Where the problem has a head to continue (HumanEval), a program whose first line is indented continues it; any
other is complete and runs after the head, which may define what it needs.

The model's faults are incorrect: a wrong result, an exception, an exit, a crash, no more memory, too much time. Time is
CPU time of the program's own process, `cpu_seconds` as HumanEval's harness allows on a machine as fast as the one where
REFERENCE_SECONDS was measured and proportionally more on a slower one. A program gets a third of it at first. If that
does not do, or if something killed it, it runs once more while no other does, with all of it, and that decides; the
reason says when the two runs differ.
Tests that cannot be run, or a sandbox that fails twice, leave the program unscored.
"""

import ast
import fcntl
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from move37.errors import VerifierError
from move37.types import Flag, Outcome, Problem, Verdict
from move37.verifiers.sandbox.host import Examined, Limits, Report, Sandboxes, SandboxLostError

REFERENCE_PROGRAM = (
    "def work():\n    total = 0\n    for i in range(1_000_000):\n        total += i % 7\n    return total\n"
)
REFERENCE_TESTS = {
    "head": "",
    "once": "",
    "setup": "",
    "tests": ["assert work() == 2999997"],
    "reference": REFERENCE_PROGRAM,
    "entry_point": "work",
}
REFERENCE_SECONDS = 0.04
"""CPU seconds of the reference program on one core of the machine where the limits were set (CPython 3.11)."""
FIRST_PART = 1 / 3
"""Of its time a program gets this part at first, beside others, and all of it if it must run again alone."""
WALL_PER_CPU = 3.0
ALONE_WALL_PER_CPU = 10.0
"""Wall time allowed for each second of CPU time: a program that sleeps must end, one that is starved must not."""
MOST_ALONE = 30.0
"""CPU seconds that a slow published solution can earn a program."""
SOLUTION_FACTOR = 4.0
"""When it runs alone, a program may take this many times the CPU time of the published solution (as in EvalPlus)."""
PACKAGES = ("numpy",)
"""Packages that programs and tests find beside the standard library, where they are installed."""

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*$", re.MULTILINE)
_DEFINES = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]+(\w+)", re.MULTILINE)
_PYTHON = re.compile(
    r"^(?:(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(|class[ \t]+\w+[ \t]*[:(]|@\w"
    r"|import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import\b"
    r"|[\w.]+(?:[ \t]*,[ \t]*[\w.]+)*[ \t]*=[^=]|print\(|(?:for|while|if|try|with)\b[^\n]*:[ \t]*(?:#[^\n]*)?$)",
    re.MULTILINE,
)
_INDENTED = re.compile(r"(?:[ \t]*\r?\n)*[ \t]+\S")


class CodeVerifier:
    """With `isolated=False` programs run without bubblewrap, as the user; their verdicts say so, and so does `version`.

    `verify` starts what it needs, `set_up` does so beforehand: it raises MissingExtraError where bubblewrap is not
    installed and VerifierError where it is not permitted. What was started ends with `close`, or with the process.
    """

    name = "code"
    wall_seconds = 3600.0
    """Wall time for one verdict: programs are bounded here, but one may wait long until it can run alone."""

    def __init__(self, isolated: bool = True, cpu_seconds: float = 3.0) -> None:
        self.isolated, self.cpu_seconds = isolated, cpu_seconds
        marks = "" if cpu_seconds == 3.0 else f"+{cpu_seconds:g}s", "" if isolated else "+not-isolated"
        self.version = f"2+python-{sys.version_info.major}.{sys.version_info.minor}{''.join(marks)}"
        self._runner: _ProgramRunner | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"isolated": self.isolated, "cpu_seconds": self.cpu_seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    def extract(self, problem: Problem, text: str) -> str | None:
        blocks = _closed_blocks(text)
        if blocks:
            names = _tested_names(problem)
            defining = (block for block in reversed(blocks) if names & set(_DEFINES.findall(block)))
            return next(defining, blocks[-1])
        begin = text.rfind("[BEGIN]")
        program = text[begin + len("[BEGIN]") if begin >= 0 else 0 :].partition("[DONE]")[0]
        if _FENCE.search(program):
            return None
        continues = bool(problem.metadata.get("prefix")) and _INDENTED.match(program)
        return program.strip("\r\n") if continues or _PYTHON.search(program) else None

    def format_answer(self, problem: Problem, reference: str) -> str:
        return f"```python\n{reference}\n```"

    def set_up(self) -> None:
        if self._runner is None:
            self._runner = _ProgramRunner(self.isolated)

    def verify(self, problem: Problem, answer: str) -> Verdict:
        if not (problem.metadata.get("tests") or problem.metadata.get("cases")):
            return Verdict(Outcome.UNSCORED, "no tests")
        if self._runner is None:
            self._runner = _ProgramRunner(self.isolated)
        verdict = self._runner.verify(problem, answer, float(problem.metadata.get("cpu_seconds", self.cpu_seconds)))
        if self.isolated:
            return verdict
        return replace(verdict, reason=f"{verdict.reason} (not isolated)", flags=verdict.flags | {Flag.UNSANDBOXED})

    def is_cacheable(self, verdict: Verdict) -> bool:
        """What time or the machine's load decided is decided again."""
        return not verdict.flags & {*_BY_CHANCE, Flag.RERUN_ALONE}

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None


class _ProgramRunner:
    """The sandboxes of one process, how slow programs run here, and the rule for programs that ran out of time."""

    def __init__(self, isolated: bool) -> None:
        self._lock = _RunLock()
        self._sandboxes = Sandboxes(PACKAGES, isolated)
        self._slowness = max(1.0, self._reference_program_seconds() / REFERENCE_SECONDS)
        self._solution_cpu: dict[str, float] = {}

    def close(self) -> None:
        self._sandboxes.close()

    def verify(self, problem: Problem, program: str, cpu_seconds: float) -> Verdict:
        cpu_seconds *= self._slowness
        with self._lock.shared():
            some = FIRST_PART * cpu_seconds
            first = self._attempt(problem, program, Limits(some, WALL_PER_CPU * cpu_seconds))
        if not first.flags & _BY_CHANCE:
            return first
        with self._lock.alone():
            allowed = max(cpu_seconds, min(MOST_ALONE, SOLUTION_FACTOR * self._solution_seconds(problem)))
            second = self._attempt(
                problem, program, Limits(allowed, max(ALONE_WALL_PER_CPU * cpu_seconds, 2 * allowed))
            )
        if second.outcome is first.outcome:
            return second
        both = f"{second.reason} alone, {first.reason} before"
        return replace(second, reason=both, flags=second.flags | {Flag.RERUN_ALONE})

    def _attempt(self, problem: Problem, program: str, limits: Limits) -> Verdict:
        """One run; the sandbox's own failure is tried once more."""
        run = _run_cases if problem.metadata.get("cases") else _run_tests
        for _ in range(2):
            with suppress(SandboxLostError):
                return run(self._sandboxes, problem, program, limits)
        return Verdict(Outcome.UNSCORED, "the sandbox failed")

    def _reference_program_seconds(self) -> float:
        """CPU seconds of the reference program, the least of three runs. Raises VerifierError if it does not run."""
        spent = []
        for _ in range(3):
            limits = Limits(cpu_seconds=60.0, wall_seconds=600.0)
            examined = self._sandboxes.examine(REFERENCE_TESTS, [REFERENCE_PROGRAM], limits)
            if examined.kind != "passed":
                self.close()
                raise VerifierError(f"the sandbox does not work: the reference program {examined.reason}")
            spent.append(examined.report.cpu_seconds)
        return min(spent)

    def _solution_seconds(self, problem: Problem) -> float:
        """CPU seconds that the published solution needs for the tests, here and now; 0 where there is none."""
        if problem.id not in self._solution_cpu:
            spent = 0.0
            if problem.references and problem.metadata.get("tests"):
                sources = _sources(problem.metadata.get("prefix", ""), problem.references[0])
                with suppress(SandboxLostError):
                    examined = self._sandboxes.examine(_tests(problem), sources, Limits(MOST_ALONE, 2 * MOST_ALONE))
                    spent = examined.report.cpu_seconds if examined.kind == "passed" else 0.0
            self._solution_cpu[problem.id] = spent
        return self._solution_cpu[problem.id]


_TIMED_OUT = Verdict(Outcome.INCORRECT, "ran out of time", flags=frozenset({Flag.TIMED_OUT}))
_KILLED = Verdict(Outcome.INCORRECT, "was killed", flags=frozenset({Flag.KILLED}))
_OUT_OF_MEMORY = Verdict(Outcome.INCORRECT, "out of memory", flags=frozenset({Flag.OUT_OF_MEMORY}))
_BY_CHANCE = frozenset({Flag.TIMED_OUT, Flag.KILLED})
"""What the machine's load may have done."""


def _run_tests(sandboxes: Sandboxes, problem: Problem, program: str, limits: Limits) -> Verdict:
    sources = _sources(problem.metadata.get("prefix", ""), program)
    return _verdict(sandboxes.examine(_tests(problem), sources, limits), limits)


def _tests(problem: Problem) -> dict[str, Any]:
    """What the examiner needs."""
    head = problem.metadata.get("prefix", "")
    return {
        "head": head,
        "once": problem.metadata.get("once", ""),
        "setup": problem.metadata.get("setup", ""),
        "tests": list(problem.metadata["tests"]),
        "reference": "\n".join(_sources(head, problem.references[0])) if problem.references else "",
        "entry_point": problem.metadata.get("entry_point", ""),
    }


def _verdict(examined: Examined, limits: Limits) -> Verdict:
    if examined.kind == "passed":
        return Verdict(Outcome.CORRECT, "passes")
    if examined.kind == "broken":
        return Verdict(Outcome.UNSCORED, examined.reason)
    ended = _end(examined.report, limits) if examined.reason == "ends early" else None
    if ended is not None:
        return ended
    return _OUT_OF_MEMORY if examined.reason == "raises MemoryError" else Verdict(Outcome.INCORRECT, examined.reason)


def _run_cases(sandboxes: Sandboxes, problem: Problem, program: str, limits: Limits) -> Verdict:
    """Each case by itself, up to the first that fails."""
    sources = _sources(problem.metadata.get("prefix", ""), program)
    for case in problem.metadata["cases"]:
        ran = sandboxes.run_script(sources, case["input"].encode(), limits)
        ended = _end(ran.report, limits)
        if ended is not None:
            return ended
        if not ran.complete:
            return Verdict(Outcome.INCORRECT, "prints without end")
        if ran.report.status != 0:
            return Verdict(Outcome.INCORRECT, "raises an exception")
        if not same_output(ran.output.decode(errors="replace"), case["output"]):
            return Verdict(Outcome.INCORRECT, "differs")
    return Verdict(Outcome.CORRECT, "passes")


def same_output(given: str, expected: str) -> bool:
    """Equal line by line without surrounding white space; a line of numbers is equal if its numbers are."""
    lines, wanted = ([line.strip() for line in text.strip().splitlines()] for text in (given, expected))
    return len(lines) == len(wanted) and all(
        a == b or _numbers(a) == _numbers(b) is not None for a, b in zip(lines, wanted, strict=True)
    )


def _numbers(line: str) -> list[Decimal] | None:
    try:
        numbers = [Decimal(word) for word in line.split()]
    except InvalidOperation:
        return None
    return None if any(number.is_nan() for number in numbers) else numbers  # comparing a signalling one raises


def _end(report: Report, limits: Limits) -> Verdict | None:
    """How the program came to its end, where that decides."""
    if report.stopped == "wall" or report.status in (-signal.SIGPROF, -signal.SIGXCPU):
        return _TIMED_OUT
    if report.status == -signal.SIGKILL:
        if report.stopped == "asked":
            return None
        return _TIMED_OUT if report.cpu_seconds >= limits.cpu_seconds else _KILLED
    if report.status < 0:  # also where it was asked to stop meanwhile: that is done by SIGKILL alone
        reason = f"crashes ({_signal_name(-report.status)})"
        return Verdict(Outcome.INCORRECT, reason, flags=frozenset({Flag.CRASHED}))
    return None


def _signal_name(number: int) -> str:
    """Most real-time signals have no name of their own."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def _closed_blocks(text: str) -> list[str]:
    """The contents of the fenced blocks, in order. A bare fence of the same kind, at least as long, closes one."""
    blocks = []
    opening: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opening is None:
            opening = fence
        elif fence[0].strip() == fence[1] and fence[1].startswith(opening[1]):
            indent = text[opening.start() : opening.start(1)]
            blocks.append(_unindented(text[opening.end() + 1 : fence.start()], indent))
            opening = None
        elif fence[0].strip() != fence[1]:
            opening = fence  # a new block begins: the one before was never closed
    return blocks


def _unindented(block: str, indent: str) -> str:
    """A block in a list is indented like its fence; a continuation of a function, or a careless block, is not."""
    lines = block.split("\n")
    code = [line for line in lines if line.strip()]
    if not code or not all(line.startswith(indent) for line in code) or code[0][len(indent)].isspace():
        return block
    return "\n".join(line.removeprefix(indent) for line in lines)


def _tested_names(problem: Problem) -> set[str]:
    """Names that a program must define: the entry point, or what the reference defines and the tests mention."""
    entry_point = problem.metadata.get("entry_point")
    if entry_point:
        return {entry_point}
    tests = "\n".join(problem.metadata.get("tests", ()))
    return {name for reference in problem.references for name in _DEFINES.findall(reference) if name in tests}


def _sources(head: str, program: str) -> list[str]:
    if not head:
        return [program]
    if _INDENTED.match(program):
        return [head + program]
    runnable = _runnable(head)
    return [runnable, program] if runnable else [program]


@lru_cache(maxsize=4096)
def _runnable(head: str) -> str:
    """The head as a program: it ends inside a function, which its docstring may complete. "" if that is not enough."""
    for ending in ("", "\n    pass\n"):
        try:
            ast.parse(head + ending)
        except SyntaxError:
            continue
        return head + ending
    return ""


class _RunLock:
    """Lets programs of all worker processes of this user run side by side, or one alone.

    Two bytes of one file are locked: who wants to be alone takes the gate, so that nobody enters any more, and then
    waits for the room to empty. The kernel unlocks what a process held when it ends.
    """

    def __init__(self) -> None:
        path = Path(tempfile.gettempdir()) / f"move37-turns-{os.getuid()}"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    @contextmanager
    def shared(self) -> Iterator[None]:
        self._lock(fcntl.LOCK_EX, _GATE)
        try:
            self._lock(fcntl.LOCK_SH, _ROOM)
        finally:
            self._lock(fcntl.LOCK_UN, _GATE)
        try:
            yield
        finally:
            self._lock(fcntl.LOCK_UN, _ROOM)

    @contextmanager
    def alone(self) -> Iterator[None]:
        self._lock(fcntl.LOCK_EX, _GATE)
        try:
            self._lock(fcntl.LOCK_EX, _ROOM)
            yield
        finally:
            self._lock(fcntl.LOCK_UN, _ROOM)
            self._lock(fcntl.LOCK_UN, _GATE)

    def _lock(self, kind: int, place: int) -> None:
        fcntl.lockf(self._file, kind, 1, place)


_GATE, _ROOM = 0, 1
