"""Responses -> verdicts. The one door to the verifiers, for evaluation, regrading and training reward.

Three decisions. An answer is judged once: equal answers to one problem share a verdict for as long as the pool
lives. Judging happens in processes that can be killed (`verifiers/workforce.py`): an answer may spend a number of CPU
seconds counted from the start of its own judging, not from the queue; beyond it, or if its judge crashes, it is
unscored with the reason and costs no other answer anything. Finding the answer in the text happens here, in the
caller's process: it takes microseconds and saves sending the texts.

A verdict depends on verifier version, problem and answer alone, not on the number of workers, the order or what else
is judged, unless an answer needs almost exactly the time allowed. Only the order of results varies.
Left out: which samples need a verdict (the store knows), truncation (a truncated response is judged like any other).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self, TypeVar

from move37.config import VerificationConfig
from move37.errors import InputError, UsageError
from move37.types import Outcome, Problem, Verdict
from move37.verifiers import VERIFIERS, Verifier
from move37.verifiers.workforce import BATCH, Judgement, Workforce

Key = TypeVar("Key")
Item = tuple[Problem, str, Any]
"""A problem, a response to it, and whatever the caller wants back with the verdict."""

READ_AT_ONCE = 256
"""Responses read before looking after the workers again."""
QUEUED_PER_WORKER = 4 * BATCH
"""Distinct answers in the queue for each worker, before no more responses are read."""
MOST_WAITING = 4096
"""Responses that wait for a verdict before no more are read: bounds memory where one answer takes long."""
MOST_REMEMBERED = 1_000_000
"""Verdicts kept for equal answers to come (about 300 bytes each); the oldest are forgotten."""


def verify(problem: Problem, text: str, settings: VerificationConfig | None = None) -> Verdict:
    """The verdict on one response, by the problem's own verifier. Starts a process: for many, use a VerifierPool."""
    with VerifierPool(settings) as pool:
        [(_, verdict)] = pool.verify(VERIFIERS.load(problem.verifier)(), [(problem, text, None)])
    return verdict


@dataclass(frozen=True, slots=True)
class Failure:
    """A reference answer that its problem's verifier does not accept."""

    problem: Problem
    reference: str
    verdict: Verdict


def validate(problems: Iterable[Problem], settings: VerificationConfig | None = None) -> list[Failure]:
    """The references that do not pass their problem's own verifier, in order. There should be none.

    Every reference is presented as a response, and has to be called correct. A problem without references (some tasks
    only have a scorer) has nothing to fail.
    """
    by_verifier: dict[str, list[tuple[int, Problem]]] = {}
    for position, problem in enumerate(problems):
        by_verifier.setdefault(problem.verifier, []).append((position, problem))
    failures: list[tuple[int, int, Failure]] = []
    with VerifierPool(settings) as pool:
        for name, numbered in by_verifier.items():
            verifier: Verifier = VERIFIERS.load(name)()
            golds = (
                (problem, verifier.present(problem, reference), (position, place, problem, reference))
                for position, problem in numbered
                for place, reference in enumerate(problem.references)
            )
            for (position, place, problem, reference), verdict in pool.verify(verifier, golds):
                if verdict.outcome is not Outcome.CORRECT:
                    failures.append((position, place, Failure(problem, reference, verdict)))
    return [failure for *_, failure in sorted(failures, key=lambda each: each[:2])]


class VerifierPool:
    """Judges responses; a context manager.

        with VerifierPool(settings) as pool:
            for key, verdict in pool.verify(verifier, items):
                ...

    Worker processes start when answers need them and are gone when the block is left, whatever the reason. A pool
    remembers verdicts, and serves one iterator at a time.
    """

    def __init__(self, settings: VerificationConfig | None = None) -> None:
        self.settings = settings or VerificationConfig.model_validate({})
        self._workforce: Workforce | None = None
        self._judging = False
        self._problems: dict[tuple[str, str], Problem] = {}
        self._verdicts: dict[tuple[str, bytes], Verdict] = {}

    def __enter__(self) -> Self:
        self._workforce = Workforce(self.settings.workers, self.settings.timeout_seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._workforce is not None:
            self._workforce.close()
            self._workforce = None

    def verify(self, verifier: Verifier, items: Iterable[tuple[Problem, str, Key]]) -> Iterator[tuple[Key, Verdict]]:
        """Yield (key, verdict) for every (problem, text, key), as they are decided; `key` is passed through.

        Reads ahead only as far as memory is bounded. Raises InputError where two different problems share an id,
        UsageError where the verifier cannot be sent to a process, VerifierError where no process can be started.
        """
        if self._workforce is None:
            raise UsageError("a VerifierPool judges inside its own block: with VerifierPool() as pool: ...")
        if self._judging:
            raise UsageError("this VerifierPool is judging already: finish that iterator, or use another pool")
        self._judging = True
        try:
            self._workforce.take_up(verifier)
            yield from _Pass(self, self._workforce, verifier, iter(items)).verdicts()
        finally:
            self._judging = False
            if self._workforce is not None:
                self._workforce.abandon()  # there is work left only if the caller stopped early

    def recall(self, label: str, problem: Problem, answer: str) -> tuple[tuple[str, bytes], Verdict | None]:
        """The fingerprint of an answer, and its verdict if it has been judged."""
        first = self._problems.setdefault((label, problem.id), problem)
        if first is not problem and first != problem:
            raise InputError(f"two different problems have the id {problem.id!r}; give each an id of its own")
        digest = blake2b(f"{label}\0{answer}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return (problem.id, digest), self._verdicts.get((problem.id, digest))

    def remember(self, fingerprint: tuple[str, bytes], verdict: Verdict) -> None:
        self._verdicts[fingerprint] = verdict
        if len(self._verdicts) > MOST_REMEMBERED:
            del self._verdicts[next(iter(self._verdicts))]


class _Pass:
    """One pass over responses with one verifier."""

    def __init__(self, pool: VerifierPool, workforce: Workforce, verifier: Verifier, items: Iterator[Item]) -> None:
        self.pool, self.workforce, self.verifier, self.items = pool, workforce, verifier, items
        self.label = f"{verifier.name}@{verifier.version}"
        self.undecided: dict[tuple[str, bytes], list[Any]] = {}
        """The keys that wait, by fingerprint of their answer."""
        self.waiting = 0
        self.exhausted = False

    def verdicts(self) -> Iterator[tuple[Any, Verdict]]:
        while self.undecided or not self.exhausted:
            for _ in range(READ_AT_ONCE):
                if self.exhausted or self._full():
                    break
                yield from self._read()
            if not self.undecided:
                continue
            for judgement, verdict in self.workforce.decided(wait=self.exhausted or self._full()):
                self.pool.remember(judgement.fingerprint, verdict)
                keys = self.undecided.pop(judgement.fingerprint)
                self.waiting -= len(keys)
                for key in keys:
                    yield key, replace(verdict, answer=judgement.answer)

    def _full(self) -> bool:
        return self.waiting >= MOST_WAITING or self.workforce.backlog >= QUEUED_PER_WORKER * self.workforce.size

    def _read(self) -> Iterator[tuple[Any, Verdict]]:
        """Take in one response; yield its verdict if that needs no judge."""
        item = next(self.items, None)
        if item is None:
            self.exhausted = True
            return
        problem, text, key = item
        try:
            answer = self.verifier.extract(problem, text)
        except Exception as error:  # any verifier's bug: the instrument failed, not the model
            yield key, Verdict(Outcome.UNSCORED, f"verifier crashed: {type(error).__name__}")
            return
        if answer is None:
            yield key, Verdict(Outcome.INCORRECT, "no answer")
            return
        fingerprint, verdict = self.pool.recall(self.label, problem, answer)
        if verdict is not None:
            yield key, replace(verdict, answer=answer)
            return
        if fingerprint not in self.undecided:
            self.undecided[fingerprint] = []
            self.workforce.submit(Judgement(fingerprint, problem, answer))
        self.undecided[fingerprint].append(key)
        self.waiting += 1
