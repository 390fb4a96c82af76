"""Verifying actors as one workforce: the interface of `verifiers/workforce.py`, whose work they do on their nodes.

Answers go out in batches, verdicts come back with the next answer to any question, twice a second at least. An actor
gets twice as much as it decided the last time, so that a slow answer holds up few others, and has two questions, so
that it does not stand idle while verdicts travel.
An actor that dies loses its answers, which go back to the front of the queue: what an answer does to the process that
verifies it is decided on the node, so a death here is the actor's or the node's.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

from move37.cluster.actors import VerifierActor
from move37.cluster.connection import (
    LOST,
    PAUSE_SECONDS,
    RESTARTING,
    connected,
    reachable,
    refuse_gone,
    refuse_other_version,
    why_dead,
)
from move37.config import ClusterConfig
from move37.errors import Move37Error, VerifierError
from move37.types import Verdict
from move37.verifiers.messages import asking, verdict_in
from move37.verifiers.workforce import MOST_WAITING, Job, VerifierSpec, Workforce

_FEWEST, _MOST = 16, 384
"""Answers that go to an actor at once: a question and its answer cost both sides some two milliseconds."""
_AT_ONCE = 2
"""Questions to each actor: one that it works at and one that waits."""
_DEATHS = 3
"""Deaths of each actor, on average, without a single verdict between them, after which the work ends."""
_LOOK_SECONDS = 5.0


@dataclass(eq=False)
class _Actor:
    """`opening` is the question whether it is there, if that was asked; `questions` of others wait for an answer."""

    handle: Any
    opening: Any = None
    is_open: bool = False
    incarnation: str = ""
    retry_at: float = 0.0
    questions: int = 0
    batch: int = _FEWEST
    jobs: dict[int, Job] = field(default_factory=dict)
    """What it has not decided, by number."""


class ClusterWorkforce(Workforce):
    """`size` actors with a verifying process each. `close` it, whatever happens."""

    queued_each = 2 * _MOST

    def __init__(self, size: int, cpu_seconds: float, settings: ClusterConfig) -> None:
        super().__init__(size, cpu_seconds)
        self._ray, self._patience_seconds = connected(settings), settings.patience_seconds
        kind = self._ray.remote(VerifierActor).options(
            num_cpus=1, max_restarts=-1, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        self._actors = [_Actor(kind.remote(1, cpu_seconds)) for _ in range(size)]
        self._ask_to_open()
        self._numbers = count()
        self._out: dict[Any, _Actor] = {}
        """Who was asked, by the question that is under way."""
        self._in_vain, self._why = 0, ""
        self._last_news = time.monotonic()

    @property
    def most_waiting(self) -> int:
        """What actors have, and as much again in the queue."""
        return max(MOST_WAITING, 2 * self.queued_each * self.size)

    def decided(self, wait: bool) -> list[tuple[Job, Verdict]]:
        """See `Workforce`. Raises VerifierError where actors keep dying, find no room, or set up no verifier."""
        with reachable():
            return self._decided(wait)

    def _decided(self, wait: bool) -> list[tuple[Job, Verdict]]:
        refuse_gone()
        self._ask_to_open()
        self._hand_out()
        opening = {actor.opening: actor for actor in self._actors if actor.opening is not None}
        if not self._out and not self._queue:
            if wait:
                raise RuntimeError("an answer was lost: one is waited for, and no actor has it")
            return []
        asked = [*self._out, *opening]
        if not asked:
            time.sleep(PAUSE_SECONDS / 5 if wait else 0)
            self._refuse_endless_waiting(False)
            return []
        if wait:
            self._ray.wait(asked, timeout=_LOOK_SECONDS)
        ready, _ = self._ray.wait(asked, num_returns=len(asked), timeout=0)
        self._refuse_endless_waiting(bool(ready or self._out))
        decided: list[tuple[Job, Verdict]] = []
        for question in ready:
            if question in opening:
                self._welcome(opening[question])
                continue
            decided += self._answer(question, self._out.pop(question))
        return decided

    def _ask_to_open(self) -> None:
        """Ask every actor that is not there yet, or was started again, whether it is."""
        for actor in self._actors:
            if not actor.is_open and actor.opening is None and time.monotonic() >= actor.retry_at:
                actor.opening = actor.handle.open.remote()

    def _refuse_endless_waiting(self, is_news: bool) -> None:
        now = time.monotonic()
        self._last_news = now if is_news else self._last_news
        if now - self._last_news > self._patience_seconds:
            raise VerifierError(
                f"no node has room for a verifying actor (1 CPU) for {self._patience_seconds:g} s; lower "
                "cluster.verifiers, or set it to 0 to verify on this machine"
            )

    def _welcome(self, actor: _Actor) -> None:
        """An actor that may be there by now."""
        question, actor.opening = actor.opening, None
        try:
            said = self._ray.get(question)
        except RESTARTING:
            actor.retry_at = time.monotonic() + PAUSE_SECONDS
            return
        except LOST as error:
            self._why = why_dead(error)
            self._count_death()
            return
        refuse_other_version(said["version"], said["node"])
        actor.is_open, actor.incarnation = True, said["incarnation"]

    def _answer(self, question: Any, actor: _Actor) -> list[tuple[Job, Verdict]]:
        actor.questions -= 1
        try:
            incarnation, said = self._ray.get(question)
        except LOST as error:
            self._why = why_dead(error)
            return self._lose(actor)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, Move37Error):
                raise cause from None
            raise VerifierError(f"a verifying actor failed: {type(cause).__name__}: {cause}") from None
        if incarnation != actor.incarnation:  # Ray started it again, and it knows nothing of what it had
            return self._lose(actor)
        if said:
            self._in_vain = 0
        actor.batch = min(_MOST, max(_FEWEST, 2 * len(said)))
        known = [report for report in said if report["number"] in actor.jobs]
        return [(actor.jobs.pop(report["number"]), verdict_in(report)) for report in known]

    def _lose(self, actor: _Actor) -> list[tuple[Job, Verdict]]:
        """Take back what an actor had, which has died since; it decides none of it."""
        self._queue.extendleft(reversed(actor.jobs.values()))
        actor.jobs = {}
        if actor.is_open:
            self._count_death()
            actor.is_open, actor.retry_at = False, time.monotonic() + PAUSE_SECONDS
        return []

    def _count_death(self) -> None:
        self._in_vain += 1
        if self._in_vain > _DEATHS * _AT_ONCE * self.size:
            raise VerifierError(f"verifying actors die again and again and decide nothing: {self._why}; see Ray's logs")

    def _hand_out(self) -> None:
        """Answers for actors that are there: for each before more for any; and ask again who has some left."""
        for at_once in range(_AT_ONCE):
            for actor in self._actors:
                has_room = actor.questions <= at_once and len(actor.jobs) <= at_once * actor.batch
                if self._queue and actor.is_open and has_room:
                    spec, jobs = self._next(actor.batch)
                    actor.jobs |= jobs
                    self._ask(actor, spec.pickled, jobs)
        for actor in self._actors:
            if actor.jobs and actor.is_open and not actor.questions:
                self._ask(actor, b"", {})

    def _ask(self, actor: _Actor, verifier: bytes, jobs: Mapping[int, Job]) -> None:
        asked = asking([(number, job.problem, job.answer) for number, job in jobs.items()], self.cpu_seconds)
        self._out[actor.handle.verify.remote(verifier, asked)] = actor
        actor.questions += 1

    def _next(self, most: int) -> tuple[VerifierSpec, dict[int, Job]]:
        """Answers from the front of the queue for one verifier; fewer towards the end, so that all end together."""
        spec = self._queue[0].spec
        size = max(1, min(most, len(self._queue) // (_AT_ONCE * self.size)))
        jobs: dict[int, Job] = {}
        for number in islice(self._numbers, size):
            if not self._queue or self._queue[0].spec is not spec:
                break
            jobs[number] = self._queue.popleft()
        return spec, jobs

    def abandon(self) -> None:
        self._queue.clear()
        for actor in self._actors:
            if actor.jobs:
                actor.handle.abandon.remote()
                actor.jobs, actor.questions = {}, 0
        self._out.clear()

    def close(self) -> None:
        self._queue.clear()
        self._out.clear()
        with suppress(ConnectionError):
            for actor in self._actors:
                self._ray.kill(actor.handle)
        self._actors = []
