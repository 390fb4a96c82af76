"""Responses -> verdicts. The one door to the verifiers, for evaluation, regrading and training reward.

Three decisions. An answer is verified once: equal answers to one problem share a verdict for as long as the pool lives,
and beyond if it has a `VerdictCache`. Verifying happens in processes that can be killed (`verifiers/workforce.py`): an
answer may spend a number of CPU seconds counted from the start of its own job, not from the queue; beyond it, or if
its verifier crashes, it is unscored with the reason and costs no other answer anything. Finding the answer in the text
happens here, in the caller's process: it takes microseconds and saves sending the texts.

A verdict depends on verifier version, problem and answer alone, not on the number of workers, the order or what else
is verified, unless an answer needs almost exactly the time allowed. Only the order of results varies.
Left out: which samples need a verdict (the store knows), truncation (a truncated response is verified like any other).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self, TypeVar

from move37.config import VerificationConfig
from move37.errors import InputError, UsageError
from move37.types import Flag, Outcome, Problem, Verdict
from move37.verifiers import Verifier
from move37.verifiers.cache import VerdictCache
from move37.verifiers.messages import crashed
from move37.verifiers.options import make_verifier
from move37.verifiers.workforce import Job, VerifierSpec, Workforce

Key = TypeVar("Key")
NO_ANSWER = Verdict(Outcome.INCORRECT, "no answer", flags=frozenset({Flag.NO_ANSWER}))
LOOK_EVERY_SECONDS = 0.005
"""How long responses are taken in before looking after the workers again."""
_NOBODYS, _SHOWN_NOBODYS = "0", 20
"""An answer, and to how many problems without references it is shown."""
MOST_REMEMBERED = 1_000_000
"""Verdicts kept for equal answers to come (about 300 bytes each); the oldest are forgotten."""


def verify(problem: Problem, text: str, settings: VerificationConfig | None = None) -> Verdict:
    """The verdict on one response, by the problem's own verifier. Starts a process: for many, use a VerifierPool."""
    with VerifierPool(settings) as pool:
        [(_, verdict)] = pool.verify(make_verifier(problem.verifier, settings), [(problem, text, None)])
    return verdict


@dataclass(frozen=True, slots=True)
class Failure:
    """A reference answer that its problem's verifier does not accept."""

    problem: Problem
    reference: str
    verdict: Verdict


def validate(problems: Iterable[Problem], settings: VerificationConfig | None = None) -> list[Failure]:
    """The references that do not pass their problem's own verifier, in order. There should be none.

    Every reference is presented as a response, and has to be called correct. Where a verifier's problems have none
    (some tasks only have a scorer), it is shown an answer that is nobody's: one that has no verdict on any of them
    would have none on a model's either, and fails.
    """
    by_verifier: dict[str, list[tuple[int, Problem]]] = {}
    for position, problem in enumerate(problems):
        by_verifier.setdefault(problem.verifier, []).append((position, problem))
    failures: list[tuple[int, int, Failure]] = []
    with VerifierPool(settings) as pool:
        for name, numbered in by_verifier.items():
            verifier = make_verifier(name, settings)
            golds = (
                (problem, verifier.format_answer(problem, reference), (position, place, problem, reference))
                for position, problem in numbered
                for place, reference in enumerate(problem.references)
            )
            for (position, place, problem, reference), verdict in pool.verify(verifier, golds):
                if verdict.outcome is not Outcome.CORRECT:
                    failures.append((position, place, Failure(problem, reference, verdict)))
            if not any(problem.references for _, problem in numbered):
                failures += _blind(pool, verifier, numbered[:_SHOWN_NOBODYS])
    return [failure for *_, failure in sorted(failures, key=lambda each: each[:2])]


def _blind(
    pool: "VerifierPool", verifier: Verifier, numbered: list[tuple[int, Problem]]
) -> list[tuple[int, int, Failure]]:
    """Every problem as a failure if the verifier has no verdict on an answer to any of them."""
    items = ((problem, f"The answer is \\boxed{{{_NOBODYS}}}.", (position, problem)) for position, problem in numbered)
    found = list(pool.verify(verifier, items))
    if any(verdict.outcome is not Outcome.UNSCORED for _, verdict in found):
        return []
    return [(position, 0, Failure(problem, _NOBODYS, verdict)) for (position, problem), verdict in found]


class VerifierPool:
    """Gives responses their verdicts; a context manager.

        with VerifierPool(settings) as pool:
            for key, verdict in pool.verify(verifier, items):
                ...

    Worker processes start when answers need them and are gone when the block is left, whatever the reason. A pool
    remembers verdicts, across runs if it is given a `cache`, and serves one iterator at a time.
    """

    def __init__(
        self,
        settings: VerificationConfig | None = None,
        cache: VerdictCache | None = None,
        elsewhere: Callable[[], Workforce | None] = lambda: None,
    ) -> None:
        """`elsewhere` gives processes on other machines, or None: then they are this machine's."""
        self._elsewhere = elsewhere
        self.settings = settings or VerificationConfig.model_validate({})
        self._cache = cache
        self.answers: Counter[str] = Counter()
        """Distinct answers so far: "judged" here, or "recalled" from the cache."""
        self._workforce: Workforce | None = None
        self._busy = False
        self._problems: dict[tuple[str, str], tuple[Problem, bytes]] = {}
        self._verdicts: dict[bytes, Verdict] = {}

    def __enter__(self) -> Self:
        self._workforce = self._elsewhere() or Workforce(self.settings.workers, self.settings.timeout_seconds)
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
        with self.in_flight() as in_flight:
            for problem, text, key in items:
                in_flight.offer(verifier, problem, text, key)
                yield from in_flight.decided()
                while in_flight.full:
                    yield from in_flight.decided(wait=True)
            while in_flight.waiting:
                yield from in_flight.decided(wait=True)

    @contextmanager
    def in_flight(self) -> Iterator["InFlight"]:
        """For responses that come one by one: `offer` each, take what is `decided`. One block at a time."""
        if self._workforce is None:
            raise UsageError("a VerifierPool verifies inside its own block: with VerifierPool() as pool: ...")
        if self._busy:
            raise UsageError("this VerifierPool is verifying already: finish that iterator, or use another pool")
        self._busy = True
        try:
            yield InFlight(self, self._workforce)
        finally:
            self._busy = False
            if self._workforce is not None:
                self._workforce.abandon()  # there is work left only if the caller stopped early

    def recall(self, spec: VerifierSpec, problem: Problem, answer: str) -> tuple[bytes, Verdict | None]:
        """The fingerprint of an answer to a problem under a verifier's version, and its verdict if there is one."""
        known = self._problems.get((spec.label, problem.id))
        if known is None:
            content = repr((spec.label, *problem.plain())).encode("utf-8", "surrogatepass")
            known = self._problems[spec.label, problem.id] = problem, blake2b(content).digest()
        if known[0] is not problem and known[0] != problem:
            raise InputError(f"two different problems have the id {problem.id!r}; give each an id of its own")
        fingerprint = blake2b(answer.encode("utf-8", "surrogatepass"), digest_size=16, key=known[1]).digest()
        verdict = self._verdicts.get(fingerprint)
        if verdict is None and self._cache is not None and spec.is_cacheable is not None:
            verdict = self._cache.find(fingerprint)
            if verdict is not None:
                self._hold(fingerprint, verdict, "recalled")
        return fingerprint, verdict

    def remember(self, job: Job, verdict: Verdict) -> None:
        self._hold(job.fingerprint, verdict, "judged")
        scored, is_cacheable = verdict.outcome is not Outcome.UNSCORED, job.spec.is_cacheable
        if self._cache is not None and scored and is_cacheable is not None and is_cacheable(verdict):
            self._cache.keep(job.fingerprint, verdict)

    def _hold(self, fingerprint: bytes, verdict: Verdict, origin: str) -> None:
        self.answers[origin] += 1
        self._verdicts[fingerprint] = verdict
        if len(self._verdicts) > MOST_REMEMBERED:
            del self._verdicts[next(iter(self._verdicts))]


class InFlight:
    """Responses on their way to a verdict. What is offered comes back from `decided`, in any order."""

    def __init__(self, pool: VerifierPool, workforce: Workforce) -> None:
        self._pool, self._workforce = pool, workforce
        self._keys: dict[bytes, list[Any]] = {}
        """The keys that wait, by fingerprint of their answer."""
        self._ready: list[tuple[Any, Verdict]] = []
        self._specs: dict[int, tuple[Verifier, VerifierSpec]] = {}
        """By the verifier's identity, which is its own only while it is held here."""
        self._looked = time.monotonic()
        self.waiting = 0
        """Responses that were offered and have no verdict yet."""

    @property
    def full(self) -> bool:
        """Whether the caller should wait for a verdict before it offers more."""
        return self.waiting >= self._workforce.most_waiting or self._workforce.has_enough

    def offer(self, verifier: Verifier, problem: Problem, text: str, key: Any) -> None:
        """Take in one response. Raises InputError and UsageError as `VerifierPool.verify`."""
        if id(verifier) not in self._specs:
            self._specs[id(verifier)] = verifier, self._workforce.register(verifier)
        spec = self._specs[id(verifier)][1]
        try:
            answer = verifier.extract(problem, text)
        except Exception as error:  # any verifier's bug: the instrument failed, not the model
            self._ready.append((key, crashed(type(error).__name__)))
            return
        if answer is None:
            self._ready.append((key, NO_ANSWER))
            return
        fingerprint, verdict = self._pool.recall(spec, problem, answer)
        if verdict is not None:
            self._ready.append((key, verdict.of(answer)))
            return
        if fingerprint not in self._keys:
            self._keys[fingerprint] = []
            self._workforce.submit(Job(fingerprint, spec, problem, answer))
        self._keys[fingerprint].append(key)
        self.waiting += 1

    def decided(self, wait: bool = False) -> list[tuple[Any, Verdict]]:
        """What has a verdict by now; with `wait`, what has one after the next event among the workers."""
        if self.waiting and (wait or time.monotonic() - self._looked > LOOK_EVERY_SECONDS):
            self._looked = time.monotonic()
            for job, verdict in self._workforce.decided(wait and not self._ready):
                self._pool.remember(job, verdict)
                keys = self._keys.pop(job.fingerprint)
                self.waiting -= len(keys)
                answered = verdict.of(job.answer)
                self._ready += [(key, answered) for key in keys]
        ready, self._ready = self._ready, []
        return ready
