"""The verifier of an evaluation as the reward of a training elsewhere: TRL's and verl's reward signatures.

A model that is trained on one grader and evaluated by another is measured on their difference. `Reward` is one verifier
behind both libraries' signatures; move37's own trainer asks the same `VerifierPool`. Each process that calls it starts
its own workers, once, also one that was forked, and equal answers are verified once. Threads may call it at the same
time and are served one after the other.

Left out: shaping (lengths, formats) and anything that reads the reasoning.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Self

from move37.config import VerificationConfig
from move37.errors import InputError
from move37.program_tests import read_tests
from move37.types import Outcome, Problem, Verdict
from move37.verification import VerifierPool
from move37.verifiers import CODE, Verifier
from move37.verifiers.options import make_verifier

Completion = str | Sequence[Mapping[str, Any]]
"""Text, or a chat whose last message is the response."""


class OwnWorkers:
    """A pool of verifiers that each process starts for itself, once; threads are served one after the other."""

    def __init__(self, settings: VerificationConfig | None = None) -> None:
        self._settings = settings
        self._pool: VerifierPool | None = None
        self._process = os.getpid()
        """Whose workers those of the pool are."""
        self._lock = Lock()

    def verdicts(self, verifier: Verifier, responses: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """The verdicts on (problem, response), in their order."""
        items = [(problem, text, place) for place, (problem, text) in enumerate(responses)]
        if self._process != os.getpid():  # after a fork the pool's workers, and a lock that was held, are the parent's
            self._pool, self._process, self._lock = None, os.getpid(), Lock()
        with self._lock:
            if self._pool is None:
                self._pool = VerifierPool(self._settings).__enter__()
            found = dict(self._pool.verify(verifier, items))
        return [found[place] for place in range(len(items))]

    def close(self) -> None:
        if self._pool is not None and self._process == os.getpid():
            self._pool.__exit__(None, None, None)
        self._pool = None


def value_of(verdict: Verdict, values: Mapping[Outcome, float]) -> float | None:
    """The reward of a verdict, between the two values where it has a score; None where it is unscored."""
    if verdict.score is None or verdict.outcome is Outcome.UNSCORED:
        return values.get(verdict.outcome)
    low, high = values[Outcome.INCORRECT], values[Outcome.CORRECT]
    return low + verdict.score * (high - low)


def verl_score(verdict: Verdict, values: Mapping[Outcome, float]) -> dict[str, Any]:
    """A verdict as verl takes it: {"score", "acc", "unscored", "reason"}; unscored has an incorrect one's score."""
    value = value_of(verdict, values)
    return {
        "score": values[Outcome.INCORRECT] if value is None else value,
        "acc": float(verdict.outcome is Outcome.CORRECT),
        "unscored": float(verdict.outcome is Outcome.UNSCORED),
        "reason": verdict.reason,
    }


class Reward:
    """A verifier as a reward: `correct` or `incorrect`, and `unscored` where the instrument failed.

    TRL takes None for "this function says nothing here"; verl wants a number, and gets `incorrect` with a mark.
    `close`, or leaving the block, ends the workers. May be pickled: the copy starts its own.
    """

    def __init__(
        self,
        verifier: str = "math",
        correct: float = 1.0,
        incorrect: float = 0.0,
        answer_column: str | None = None,
        settings: VerificationConfig | None = None,
    ) -> None:
        """`answer_column`: where TRL's data set has the references ("answer"), or with "code" the tests ("tests")."""
        self._made_of = (verifier, correct, incorrect, answer_column, settings)
        self._verifier = make_verifier(verifier, settings)
        self._values = {Outcome.CORRECT: correct, Outcome.INCORRECT: incorrect}
        self._answer_column = answer_column or ("tests" if self._verifier.name == CODE else "answer")
        self._workers = OwnWorkers(settings)
        self.__name__ = f"move37_{self._verifier.name.replace('-', '_')}"  # TRL logs a reward under its function's name

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Completion], **columns: Sequence[Any]
    ) -> list[float | None]:
        """TRL's signature: one reward per completion, None where unscored. Reads the column `answer_column`."""
        if self._answer_column not in columns:
            known = ", ".join(sorted(columns)) or "none"
            raise InputError(
                f"the reward needs the reference answers in a column {self._answer_column!r} (columns: {known}); "
                "rename the column, or give Reward(answer_column=...)"
            )
        golds = columns[self._answer_column]
        if self._verifier.name == CODE:
            return self._of_programs(prompts, completions, golds, columns)
        if not len(prompts) == len(completions) == len(golds):
            raise InputError(f"{len(prompts)} prompts, {len(completions)} completions and {len(golds)} answers")
        verdicts = self.verdicts(
            [(str(p), text_of(c), references_of(g)) for p, c, g in zip(prompts, completions, golds, strict=True)]
        )
        return [value_of(verdict, self._values) for verdict in verdicts]

    def compute_score(
        self, data_source: str, solution_str: str, ground_truth: Any, extra_info: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """verl's signature: {"score", "acc", "unscored", "reason"} of one response."""
        extra = extra_info or {}
        question = str(extra.get("question", data_source))
        if self._verifier.name == CODE:
            problem = _with_tests(question, ground_truth, extra.get("entry_point"))
        else:
            problem = _with_references(question, references_of(ground_truth), self._verifier.name)
        [verdict] = self._judged([(problem, solution_str)])
        return verl_score(verdict, self._values)

    def verdicts(self, responses: Sequence[tuple[str, str, tuple[str, ...]]]) -> list[Verdict]:
        """The verdicts on (question, response, references), in their order; not for "code", which needs tests."""
        name = self._verifier.name
        return self._judged([(_with_references(question, golds, name), text) for question, text, golds in responses])

    def _of_programs(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        tests: Sequence[Any],
        columns: Mapping[str, Sequence[Any]],
    ) -> list[float | None]:
        """Rewards of programs, by tests in any form that a problem file may have (`program_tests.py`)."""
        entry_points = columns.get("entry_point") or [None] * len(tests)
        if not len(prompts) == len(completions) == len(tests) == len(entry_points):
            raise InputError(f"{len(prompts)} prompts, {len(completions)} completions and {len(tests)} tests")
        problems = map(_with_tests, map(str, prompts), tests, entry_points)
        verdicts = self._judged([(problem, text_of(c)) for problem, c in zip(problems, completions, strict=True)])
        return [value_of(verdict, self._values) for verdict in verdicts]

    def _judged(self, responses: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        return self._workers.verdicts(self._verifier, responses)

    def close(self) -> None:
        self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type["Reward"], tuple[Any, ...]]:
        return Reward, self._made_of


def _with_references(question: str, references: tuple[str, ...], verifier: str) -> Problem:
    return Problem(repr((question, references)), question, references, "reward", verifier)


def _with_tests(question: str, tests: Any, entry_point: Any) -> Problem:
    """Raises InputError for tests that are none."""
    plain = tests.tolist() if hasattr(tests, "tolist") else tests  # a table's column may hold an array
    metadata = read_tests(plain, None if entry_point is None else str(entry_point))
    return Problem(repr((question, metadata)), question, (), "reward", CODE, metadata=metadata)


def text_of(completion: Completion) -> str:
    """The response. A message without text (a tool's call) says nothing; of one with several parts, the texts."""
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"] if completion else None
    if isinstance(content, str) or content is None:
        return content or ""
    return "".join(str(part.get("text") or "") for part in content)


def references_of(gold: Any) -> tuple[str, ...]:
    """One reference, or several in whatever a table's column holds (a list, an array); None is none."""
    if gold is None:
        return ()
    several = isinstance(gold, Iterable) and not isinstance(gold, str | bytes | Mapping) and getattr(gold, "ndim", 1)
    return tuple(map(str, gold)) if several else (str(gold),)
