"""Does the program pass the problem's tests? For HumanEval, MBPP, EvalPlus, LiveCodeBench and tests of one's own.

Programs run in a sandbox, tests in another (`verifiers/sandbox/`); only data crosses, so nothing that a program does
in its own process can make a test pass. What a problem needs is in its metadata (`benchmarks/programs.py`): `tests`,
Python texts that call the program's functions, or `cases`, each an input and the output expected of a script.

Which text is the program: `program_text.py`. Where the problem has a head to continue (HumanEval), a program whose
first line of code is indented continues it; any other is complete and runs after the head, which may define what it
needs. What a program may use and how its verdict comes about: `program_runs.py`.

The model's faults are incorrect: a wrong result, an exception, an exit, a crash, no more memory, too much time, waiting
without end, a result that keeps the tests busy. Tests that cannot be run, or a sandbox that fails twice, leave the
program unscored. Verdicts stand once a canary found the sandbox as it was (`confirm`).
"""

import ast
import re
import sys
from dataclasses import replace
from functools import lru_cache
from typing import Any

from move37.types import Flag, Outcome, Problem, Verdict
from move37.verifiers.program_runs import METHOD_OF_SOLUTION, ProgramRuns
from move37.verifiers.program_text import Task, find_program
from move37.verifiers.sandbox.names import nodes
from move37.verifiers.sandbox.needs import names_from_program

_DEFINES = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]+(\w+)", re.MULTILINE)
_CALLED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)[ \t]*\(")


class CodeVerifier:
    """With `isolated=False` programs run without bubblewrap, as the user; their verdicts say so, and so does `version`.

    `verify` starts what it needs, `set_up` does so beforehand: it raises MissingExtraError where bubblewrap is not
    installed and VerifierError where it is not permitted. What was started ends with `close`, or with the process.
    """

    name = "code"
    wall_seconds = 3600.0
    """Wall time for one verdict: programs are bounded here."""

    def __init__(self, isolated: bool = True, cpu_seconds: float = 3.0) -> None:
        self.isolated, self.cpu_seconds = isolated, cpu_seconds
        marks = "" if cpu_seconds == 3.0 else f"+{cpu_seconds:g}s", "" if isolated else "+not-isolated"
        self.version = f"7+python-{sys.version_info.major}.{sys.version_info.minor}{''.join(marks)}"
        self._runs: ProgramRuns | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"isolated": self.isolated, "cpu_seconds": self.cpu_seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    def extract(self, problem: Problem, text: str) -> str | None:
        metadata = problem.metadata
        names, stand_ins = frozenset(_tested_names(problem)), frozenset(_tested_methods(problem))
        return find_program(text, Task(names, metadata.get("prefix", ""), bool(metadata.get("cases")), stand_ins))

    def format_answer(self, problem: Problem, reference: str) -> str:
        return f"```python\n{reference}\n```"

    def set_up(self) -> None:
        if self._runs is None:
            self._runs = ProgramRuns(self.isolated)

    def verify(self, problem: Problem, answer: str) -> Verdict:
        if not any(map(problem.metadata.get, ("tests", "cases", "pytest"))):
            return Verdict(Outcome.UNSCORED, "no tests")
        self.set_up()
        assert self._runs is not None
        verdict = self._runs.verdict(problem, answer, float(problem.metadata.get("cpu_seconds", self.cpu_seconds)))
        if self.isolated:
            return verdict
        return replace(verdict, reason=f"{verdict.reason} (not isolated)", flags=verdict.flags | {Flag.UNSANDBOXED})

    def confirm(self) -> bool:
        """Whether the verdicts given since this was last asked stand: the sandbox that gave them is as it was."""
        return self._runs is None or not self.isolated or self._runs.are_intact()

    def is_cacheable(self, verdict: Verdict) -> bool:
        """What time or the machine's load decided is decided again."""
        return not verdict.flags & {Flag.TIMED_OUT, Flag.KILLED, Flag.RERUN_ALONE}

    def close(self) -> None:
        if self._runs is not None:
            self._runs.close()
            self._runs = None


def _tested_names(problem: Problem) -> set[str]:
    """Names that a program must define: the entry point; what the reference defines and the tests mention; or what the
    tests take from it."""
    entry_point = problem.metadata.get("entry_point")
    if entry_point:
        return {entry_point.partition("(")[0]}  # "Solution().method"
    tests = "\n".join([*problem.metadata.get("tests", ()), problem.metadata.get("pytest", "")])
    if problem.references:
        return {name for reference in problem.references for name in _DEFINES.findall(reference) if name in tests}
    return _names_in(tests, problem.metadata.get("prefix", ""))


@lru_cache(maxsize=4096)
def _names_in(tests: str, head: str) -> set[str]:
    """Names that tests take from a program: those that they call, or any."""
    called = set(_CALLED.findall(tests)) - set(_DEFINES.findall(tests))
    try:
        tree = ast.parse(tests)
    except (SyntaxError, ValueError):
        return called
    taken = set(names_from_program(nodes(tree), head, "", "")[0])
    return taken & called or taken or called


def _tested_methods(problem: Problem) -> set[str]:
    """Methods that a program may define as functions instead, where the tests want a class `Solution`; or that class,
    where they want a function."""
    if problem.metadata.get("call_based"):
        return {"Solution"}
    if problem.metadata.get("entry_point") != "Solution":
        return set()
    return {name for test in problem.metadata.get("tests", ()) for name in METHOD_OF_SOLUTION.findall(test)}
