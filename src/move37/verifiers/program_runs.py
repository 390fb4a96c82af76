"""From a program to its verdict: what it is run against, how often, with how much time.

Three ways, tried in this order. Data only: the program in one sandbox, its tests in another, nothing but data between
them. Scripts: input and output; one that lacks a name, or levels of calls, runs again behind the imports and the limit
that LiveCodeBench, verl and PRIME put before every script, unless its problem has a head of its own. In one process:
where tests need real objects (a class, an operator, an identity, a patch), which no data can stand for; then the
program could forge its verdict, and the verdict says `in_process`. A problem is settled for this way by its published
solution, if that does not pass with data only (it needs more than data, or returns more than crosses), and not by what
a program returns; without a solution, by the tests' text where that is certain (`needs.py`), else by their needing it
of the program in question. What a program returns is data up to some 2,000 levels deep. What is deeper is incorrect
unless the published solution returns such: a comparison ends at 1,000 levels in Python too.

Time is CPU time of the program's own process. It is measured against a reference program, again whenever a program
runs out of it, since a busy machine does less in a CPU second: a program that had less than it would be allowed now
runs once more with that, and again where the machine became slower still. What counts is the slowest of the last
minute: load comes and goes within the time of a program, and a measurement beside it may miss it. So one that had to
share the machine, by the clock, runs once more in any case. Nothing waits for such a run. Waiting is not starving: a
program that does nothing, while its tests do nothing, has ended when it has done nothing for its time.
"""

import ast
import re
import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from move37.errors import VerifierError
from move37.faulty_tests import PACKAGES
from move37.program_tests import CONTEST_IMPORTS
from move37.types import Flag, Outcome, Problem, Verdict
from move37.verifiers.outputs import Comparison, same_output
from move37.verifiers.program_parsing import continues
from move37.verifiers.sandbox.cycles import NEVER_ENDS
from move37.verifiers.sandbox.host import Limits, Report, SandboxLostError
from move37.verifiers.sandbox.names import defined_and_imported
from move37.verifiers.sandbox.needs import need_objects
from move37.verifiers.sandbox.orders import WANTS_HEAD
from move37.verifiers.sandbox.rooms import Examined, Sandboxes

REFERENCE_PROGRAM = (
    "def work():\n    total = 0\n    for i in range(1_000_000):\n        total += i % 7\n    return total\n"
)
SHORT_PROGRAM = "def work():\n    return 2999997\n"
"""Passes the same tests, and takes no time."""
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
TOLERANCE = 1.25
"""A program may take this much more than its time: what it needs varies with what runs beside it."""
WALL_PER_CPU = 20.0
"""Wall time allowed for each second of CPU time, however starved the program is."""
MOST_EARNED = 30.0
"""CPU seconds, at reference speed, that a slow published solution can earn a program."""
SOLUTION_FACTOR = 4.0
"""A program may take this many times the CPU time of the published solution (as in EvalPlus)."""
BEFORE_ITS_TIME = 0.25
"""CPU seconds at most between the start of a program's process, which is what is measured, and that of its time; the
kernel's timer counts in ticks, and may be a little early or late."""
WORTH_ANOTHER_RUN = 1.1
"""A program that ran out of time runs again if it would be allowed this many times as much: on a quiet machine none is,
beside others every one that needs most of its time."""
MAY_WAIT = 1.3
"""A program that took more than this many times its CPU time by the clock had to share the machine: it may have been
slow then although a measurement behind it is not, and runs once more."""
MOST_RUNS = 4
"""Of one program, the first among them."""
SLOW_FOR_SECONDS = 60.0
"""Wall time for which the machine counts as no faster than it was measured."""
TOGETHER_BYTES = 4 << 30
"""Address space of a program and its tests in one process; EvalPlus allows as much."""
LONGEST_PROGRAM = 1 << 20
"""Characters; contests take half as many."""
LONGEST_CHECKED = 1 << 24
"""Characters of an output as a checker is told it, with what is unprintable spelled out."""
_TOO_LARGE = "raises MemoryError"
"""What the tests see of a value that is larger than what crosses, or than memory."""
_MAY_BE_BEYOND = (_TOO_LARGE, "raises RecursionError")
"""What they see of one that is too large or nested too deeply to cross: its published solution may give such, too."""
_WANTS_HEAD = frozenset({"raises NameError", "raises RecursionError"})
"""What they see of a program that may run behind a head."""
_TIMED_OUT = Verdict(Outcome.INCORRECT, "ran out of time", flags=frozenset({Flag.TIMED_OUT}))
_IDLE = Verdict(Outcome.INCORRECT, "waits without end", flags=frozenset({Flag.TIMED_OUT}))
_ENDLESS = Verdict(Outcome.INCORRECT, "provably never ends", flags=frozenset({Flag.TIMED_OUT}))
_KILLED = Verdict(Outcome.INCORRECT, "was killed", flags=frozenset({Flag.KILLED}))
_OUT_OF_MEMORY = Verdict(Outcome.INCORRECT, "out of memory", flags=frozenset({Flag.OUT_OF_MEMORY}))
_BROKEN = Verdict(Outcome.UNSCORED, "the published solution fails these tests, too")
_SPENT = frozenset({Flag.TIMED_OUT, Flag.KILLED, Flag.OUT_OF_MEMORY})
_BY_LOAD = frozenset({_TIMED_OUT, _KILLED, replace(_TIMED_OUT, reason="out of time in the tests")})
"""What the machine's load may have done."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A problem as it is run."""

    problem: Problem
    sources: list[str]


class ProgramRuns:
    """The sandboxes of one process, and how slow programs run here. `close` it, whatever happens."""

    def __init__(self, isolated: bool) -> None:
        try:
            self._sandboxes = Sandboxes(PACKAGES, isolated)
        except SandboxLostError as lost:
            raise VerifierError(f"the sandbox does not work: {lost}") from None
        self._measurements: deque[tuple[float, float]] = deque()
        """When it was measured, and how slow programs ran. At first nothing is known: a program that runs out of time
        before anything is runs again."""
        self._reference_seconds(SHORT_PROGRAM)
        self._began = 0.0
        """When the last run began, by the clock."""
        self._solution_cpu: dict[tuple[Any, ...], float] = {}
        self._in_process: dict[tuple[Any, ...], bool] = {}
        self._broken: dict[tuple[Any, ...], bool] = {}
        """Problems whose published solution fails."""
        self._latest: tuple[Problem, dict[str, Any]] | None = None

    def close(self) -> None:
        self._sandboxes.close()

    def are_intact(self) -> bool:
        """Whether the sandboxes are as they were; if not, what they gave since this was last asked is worth nothing."""
        return self._sandboxes.are_intact()

    def verdict(self, problem: Problem, program: str, cpu_seconds: float) -> Verdict:
        if len(program) > LONGEST_PROGRAM:
            return Verdict(Outcome.INCORRECT, "is too long")
        if not (program.isascii() or _is_text(program)):
            return Verdict(Outcome.INCORRECT, "holds half of a character")
        task = _Task(problem, _sources(problem, program))
        had = cpu_seconds * self._slowness()
        first = verdict = self._attempt(task, had, cpu_seconds)
        for again in range(MOST_RUNS - 1):
            if not _by_load(verdict):
                break
            waited = time.monotonic() - self._began > MAY_WAIT * TOLERANCE * had
            allowed = max(had, cpu_seconds * self._slowness_anew(), self._earned(problem) / TOLERANCE)
            settled = again or (Flag.TIMED_OUT in verdict.flags and not waited)
            if settled and allowed < WORTH_ANOTHER_RUN * had:
                break
            had, verdict = allowed, self._attempt(task, allowed, cpu_seconds)
        if verdict.outcome is Outcome.INCORRECT and self._fails_its_solution(problem):
            return _BROKEN
        if verdict.outcome is first.outcome:
            return verdict
        both = f"{verdict.reason} with more time, {first.reason} before"
        return replace(verdict, reason=both, flags=verdict.flags | {Flag.RERUN_ALONE})

    # -- time ----------------------------------------------------------------------------------------------------------

    def _reference_seconds(self, program: str = REFERENCE_PROGRAM) -> float:
        """CPU seconds of a program that passes. Raises VerifierError if it does not."""
        limits = Limits(cpu_seconds=60.0, wall_seconds=600.0)
        examined = self._sandboxes.examine(REFERENCE_TESTS, [program], limits)
        if examined.kind != "passed":
            self.close()
            raise VerifierError(f"the sandbox does not work: the reference program {examined.reason}")
        return examined.report.cpu_seconds

    def _measure(self) -> None:
        """How many times as long as at reference speed programs take now, at worst of three: what was slow once may
        have been when the program ran."""
        spent = max(self._reference_seconds() for _ in range(3))
        self._measurements.append((time.monotonic(), max(1.0, spent / REFERENCE_SECONDS)))

    def _slowness(self) -> float:
        """The slowest of the last minute, or the last one; 1 before there is any."""
        since = time.monotonic() - SLOW_FOR_SECONDS
        while len(self._measurements) > 1 and self._measurements[0][0] < since:
            self._measurements.popleft()
        return max((slowness for _, slowness in self._measurements), default=1.0)

    def _slowness_anew(self) -> float:
        with suppress(SandboxLostError):
            self._measure()
        return self._slowness()

    def _earned(self, problem: Problem) -> float:
        """CPU seconds that the published solution earns a program; 0 where there is none."""
        key = _key(problem)
        if key not in self._solution_cpu:
            spent = 0.0
            if problem.references and problem.metadata.get("tests"):
                sources = _sources(problem, problem.references[0])
                with suppress(SandboxLostError):
                    examined = self._examined(problem, _tests(problem), sources, self._of_solution())
                    spent = examined.report.cpu_seconds if examined.kind == "passed" else 0.0
            self._solution_cpu[key] = spent
        return min(MOST_EARNED * self._slowness(), SOLUTION_FACTOR * self._solution_cpu[key])

    def _fails_its_solution(self, problem: Problem) -> bool:
        """Whether tests of one's own are broken: their own published solution fails them, and not for its time, nor for
        being none: a row's answer may be anything. The published sets are checked by `move37 validate`."""
        if not problem.references or "task_id" in problem.metadata:
            return False
        key = _key(problem)
        if key not in self._broken:
            solution, verdict = problem.references[0], _IDLE
            if _is_text(solution) and _does_something(solution):
                verdict = self._run(_Task(problem, _sources(problem, solution)), self._of_solution())
            lacks = verdict.reason == "raises NameError"
            self._broken[key] = verdict.outcome is Outcome.INCORRECT and not (lacks or verdict.flags & _SPENT)
        return self._broken[key]

    def _of_solution(self) -> Limits:
        """The limits of a published solution."""
        most = MOST_EARNED * self._slowness()
        return Limits(most, WALL_PER_CPU * most, most)

    # -- one run -------------------------------------------------------------------------------------------------------

    def _attempt(self, task: _Task, cpu_seconds: float, idle_seconds: float) -> Verdict:
        """One run; the sandbox's own failure is tried once more."""
        return self._run(task, Limits(TOLERANCE * cpu_seconds, WALL_PER_CPU * cpu_seconds, idle_seconds))

    def _run(self, task: _Task, limits: Limits) -> Verdict:
        run = self._run_cases if task.problem.metadata.get("cases") else self._run_tests
        for _ in range(2):
            self._began = time.monotonic()
            with suppress(SandboxLostError):
                return run(task, limits)
        return Verdict(Outcome.UNSCORED, "the sandbox failed")

    def _run_tests(self, task: _Task, limits: Limits) -> Verdict:
        problem = task.problem
        if self._is_in_process(problem):
            return self._run_in_process(task, limits)
        if self._latest is None or self._latest[0] is not problem:
            self._latest = problem, _tests(problem)
        examined = self._examined(problem, self._latest[1], task.sources, limits)
        is_beyond = examined.reason in _MAY_BE_BEYOND and bool(problem.references)
        if examined.kind != "inexpressible" and not is_beyond:
            return _verdict(examined, limits)
        if self._needs_one_process(problem):
            return self._run_in_process(task, limits)
        if not is_beyond:
            examined = replace(examined, kind="failed", reason=examined.failed or "differs")
        return _verdict(examined, limits)

    def _examined(self, problem: Problem, tests: dict[str, Any], sources: list[str], limits: Limits) -> Examined:
        """What the tests say. A program that lacks a name or levels of calls runs again behind what every harness for
        such rows puts before it."""
        examined = self._sandboxes.examine(tests, sources, limits)
        if examined.reason not in _WANTS_HEAD or not problem.metadata.get("call_based"):
            return examined
        asked_for = f"globals().pop({problem.metadata['entry_point']!r}, None)\n"
        return self._sandboxes.examine(tests, [CONTEST_IMPORTS + asked_for, *sources], limits)

    def _run_in_process(self, task: _Task, limits: Limits) -> Verdict:
        tests = _tests(task.problem)
        texts = [tests["once"], tests["setup"], *tests["tests"]]
        limits = replace(limits, memory_bytes=TOGETHER_BYTES)
        verdict = _verdict(
            self._sandboxes.run_with_tests(task.sources, texts, tests["pytest"], _own(tests), limits), limits
        )
        return replace(verdict, flags=verdict.flags | {Flag.IN_PROCESS})

    def _is_in_process(self, problem: Problem) -> bool:
        """Whether it is settled that the tests run in the program's process: by their text alone, or since it was
        tried."""
        key = _key(problem)
        if key not in self._in_process and not problem.references and problem.metadata.get("data_only") is not True:
            tests = _tests(problem)
            texts = [tests["setup"], *tests["tests"], tests["pytest"]]
            self._in_process[key] = need_objects(texts, tests["head"] + tests["once"], tests["entry_point"])
        return self._in_process.get(key, False)

    def _needs_one_process(self, problem: Problem) -> bool:
        """Whether the tests need it, by the published solution where there is one; without one, what a program returned
        says it of that program alone. Raises SandboxLostError."""
        if not problem.references:
            return problem.metadata.get("data_only") is not True
        key = _key(problem)
        if key not in self._in_process:
            self._in_process[key] = problem.metadata.get("data_only") is not True and not any(
                self._passes_with_data(problem, solution) for solution in problem.references[:1]
            )
        return self._in_process[key]

    def _passes_with_data(self, problem: Problem, solution: str) -> bool:
        sources = _sources(problem, solution)
        return self._sandboxes.examine(_tests(problem), sources, self._of_solution()).kind == "passed"

    def _run_cases(self, task: _Task, limits: Limits) -> Verdict:
        """Each case by itself, up to the first that fails."""
        metadata = task.problem.metadata
        comparison = Comparison(metadata.get("comparison", Comparison.STRICT))
        sources = task.sources
        for case in metadata["cases"]:
            given = case["input"].encode("utf-8", "surrogatepass")
            self._began = time.monotonic()
            ran = self._sandboxes.run_script(sources, given, limits)
            if ran.report.status == WANTS_HEAD and sources is task.sources and not metadata.get("prefix"):
                sources = [CONTEST_IMPORTS, *sources]
                self._began = time.monotonic()
                ran = self._sandboxes.run_script(sources, given, limits)
            if ran.idle:
                return _IDLE
            ended = _end(ran.report, limits)
            if ended is not None:
                return ended
            if not ran.complete:
                return Verdict(Outcome.INCORRECT, "prints without end")
            if ran.report.status != 0:
                return Verdict(Outcome.INCORRECT, "raises an exception")
            output = ran.output.decode(errors="replace")
            if same_output(output, case["output"], comparison):
                continue
            if not metadata.get("checker"):
                return Verdict(Outcome.INCORRECT, "differs")
            checked = self._checked(metadata["checker"], case, output, limits)
            if checked.outcome is not Outcome.CORRECT:
                return checked
        return Verdict(Outcome.CORRECT, "passes")

    def _checked(self, checker: str, case: dict[str, str], output: str, limits: Limits) -> Verdict:
        """What the benchmark's own checker says of an output that is not the expected one: several may be right."""
        said = repr(output)
        if len(said) > LONGEST_CHECKED:
            return Verdict(Outcome.INCORRECT, "prints too much")
        given = f"{case['input']!r}, {said}, {case['output']!r}"
        tests = {"head": "", "once": checker, "setup": "", "tests": [f"assert check({given})"]}
        return _verdict(self._sandboxes.examine({**tests, "reference": "", "entry_point": ""}, [""], limits), limits)


def _key(problem: Problem) -> tuple[Any, ...]:
    """What of a problem decides how its tests are run."""
    return problem.id, problem.references, *problem.metadata.get("tests", ())


def _tests(problem: Problem) -> dict[str, Any]:
    """What the examiner needs."""
    head = problem.metadata.get("prefix", "")
    return {
        "head": head,
        "once": problem.metadata.get("once", ""),
        "setup": problem.metadata.get("setup", ""),
        "tests": list(problem.metadata.get("tests", ())),
        "reference": "\n".join(_sources(problem, problem.references[0])) if problem.references else "",
        "entry_point": problem.metadata.get("entry_point", ""),
        "pytest": problem.metadata.get("pytest", ""),
    }


def _own(tests: dict[str, Any]) -> list[str]:
    """Names that tests take from the program whatever they are called."""
    with suppress(SyntaxError):
        defined, _ = defined_and_imported(ast.parse(tests["reference"]))
        return sorted({*defined, tests["entry_point"]})
    return [tests["entry_point"]]


def _by_load(verdict: Verdict) -> bool:
    """Whether the machine's load may have made it."""
    if verdict.outcome is Outcome.CORRECT:
        return False
    return replace(verdict, flags=verdict.flags - {Flag.IN_PROCESS}) in _BY_LOAD


def _verdict(examined: Examined, limits: Limits) -> Verdict:
    if examined.kind == "passed":
        return _TIMED_OUT if _took_too_long(examined.report, limits) else Verdict(Outcome.CORRECT, "passes")
    if examined.kind == "broken":
        return Verdict(Outcome.UNSCORED, examined.reason)
    if examined.kind == "idle":
        return _IDLE
    ended = _end(examined.report, limits) if examined.reason == "ends early" else None
    if ended is not None:
        return ended
    if examined.reason in (_TOO_LARGE, "out of memory in the tests"):
        return replace(_OUT_OF_MEMORY, reason=examined.reason.replace(_TOO_LARGE, "out of memory"))
    if examined.reason == "out of time in the tests":
        return replace(_TIMED_OUT, reason=examined.reason)
    return Verdict(Outcome.INCORRECT, examined.reason)


def _end(report: Report, limits: Limits) -> Verdict | None:
    """How the program came to its end, where that decides."""
    if report.stopped == "wall" or report.status in (-signal.SIGPROF, -signal.SIGXCPU):
        return _TIMED_OUT
    if report.status == 0 and _took_too_long(report, limits):
        return _TIMED_OUT
    if report.status == NEVER_ENDS:
        return _ENDLESS
    if report.status == -signal.SIGKILL:
        if report.stopped == "asked":
            return None
        return _TIMED_OUT if report.cpu_seconds >= limits.cpu_seconds else _KILLED
    if report.status < 0:  # also where it was asked to stop meanwhile: that is done by SIGKILL alone
        reason = f"crashes ({_signal_name(-report.status)})"
        return Verdict(Outcome.INCORRECT, reason, flags=frozenset({Flag.CRASHED}))
    return None


def _does_something(program: str) -> bool:
    """Whether it is Python and calls something, at least when it is called itself: `42` and `yes` are Python, too."""
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(node, ast.Call | ast.FunctionDef | ast.ClassDef | ast.Lambda) for node in ast.walk(tree))


def _is_text(program: str) -> bool:
    """Whether it can be source code, which is read as UTF-8."""
    try:
        program.encode()
    except UnicodeEncodeError:
        return False
    return True


def _took_too_long(report: Report, limits: Limits) -> bool:
    """Whether it used more than its CPU time although nothing ended it: it has put off the timer, or its signal."""
    return report.cpu_seconds > limits.cpu_seconds + BEFORE_ITS_TIME


def _signal_name(number: int) -> str:
    """Most real-time signals have no name of their own."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


# -- what is run -------------------------------------------------------------------------------------------------------

METHOD_OF_SOLUTION = re.compile(r"\b(?:Solution\(\)|_solution)\.(\w+)\(")
_HAS_SOLUTION = re.compile(r"^class Solution\b", re.MULTILINE)
_AS_A_CLASS = """
if "Solution" not in globals() and {name!r} in globals():
    class Solution:
        {name} = staticmethod({name})
"""
"""For tests that want a method where the program has a function, as LiveCodeBench's harness does."""
_AS_A_FUNCTION = """
def _from_outside(name, own):
    within = False

    def call(*args, **kwargs):
        nonlocal within
        if within and own is None:
            raise NameError(name)
        if within:
            return own(*args, **kwargs)
        within = True
        try:
            return getattr(Solution(), name)(*args, **kwargs)
        finally:
            within = False

    return call


if hasattr(globals().get("Solution"), {name!r}):
    {name} = _from_outside({name!r}, globals().get({name!r}))
"""
"""For tests that want a function where the program has a method, as the harnesses of APPS and verl do; every call has a
`Solution` of its own, as where such problems come from. A function of the same name stays what the program itself
calls."""


def _sources(problem: Problem, program: str) -> list[str]:
    """The program's texts, which are run one after the other."""
    head = problem.metadata.get("prefix", "")
    method = next(filter(None, map(METHOD_OF_SOLUTION.search, problem.metadata.get("tests", ()))), None)
    after = [_AS_A_CLASS.format(name=method[1])] if method and not _HAS_SOLUTION.search(program) else []
    if problem.metadata.get("call_based") and "class Solution" in program:
        after.append(_AS_A_FUNCTION.format(name=problem.metadata["entry_point"]))
    if not head:
        return [program, *after]
    if continues(program):
        return [head + program, *after]
    runnable = _runnable(head)
    return [runnable, program, *after] if runnable else [program, *after]


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
