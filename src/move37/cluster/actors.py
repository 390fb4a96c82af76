"""What runs in Ray's actors. These classes know nothing of Ray; whoever holds their handles does.

An actor is asked again and again (`take`), so nothing depends on a connection that stays open, and what it finished
waits for the next question. How much may wait is bounded: an engine that is ahead of the questions pauses.
"""

import os
import pickle
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from queue import Empty, Full, Queue
from typing import Any

from move37 import __version__
from move37.config import ModelConfig, SamplingConfig
from move37.engines import ENGINES, BatchScorer, Scored
from move37.engines.metering import Unsure
from move37.errors import EngineError, Move37Error
from move37.types import Message, Prompt, Request, Sample, Verdict
from move37.verifiers.messages import answers_in, reporting
from move37.verifiers.workforce import Job, Workforce

_WAITING = 4096
"""Samples that may wait to be fetched."""
_MOST = 1024
"""Samples that are handed over at once."""
_LONGEST_WAIT = 0.5
_GATHERING = 0.02
"""Seconds to wait for more when there is one, so that fast engines cost few questions."""


class EngineActor:
    """One loaded engine. It makes one share of requests at a time, in a thread of its own."""

    def __init__(self, model: dict[str, Any]) -> None:
        self._config = ModelConfig.model_validate(model)
        self._engine: Any = None
        self._made: Queue[Any] = Queue(_WAITING)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> dict[str, Any]:
        """Load the model; what it is, and where. A second call says it again. Raises as the engine does."""
        if self._engine is None:
            self._engine = ENGINES.load(self._config.engine).load(self._config)
        unchecked = list(self._engine.unchecked()) if isinstance(self._engine, Unsure) else []
        engine: Any = self._engine
        return {
            "version": __version__,
            "node": socket.gethostname(),
            "process": os.getpid(),
            "context_length": engine.context_length,
            "seed_reproduces_sample": engine.seed_reproduces_sample,
            "unchecked": unchecked,
            "identity": dict(engine.identity()),
        }

    def render_prompt(self, messages: Sequence[Message], variables: dict[str, Any]) -> str:
        return self._engine.render_prompt(messages, **variables)

    def count_tokens(self, prompts: Sequence[Prompt]) -> list[int | None]:
        return [self._engine.count_tokens(prompt) for prompt in prompts]

    def begin(self, requests: Sequence[Request], sampling: dict[str, Any]) -> tuple[list[Sample], bool]:
        """Begin to make these, and `take`. What is under way of an earlier share is given up."""
        self.stop()
        self._made, self._stopped = Queue(_WAITING), threading.Event()
        settings = SamplingConfig.model_validate(sampling)
        arguments = (requests, settings, self._made, self._stopped)
        self._thread = threading.Thread(target=self._make, args=arguments, daemon=True)
        self._thread.start()
        return self.take()

    def _make(self, requests: Sequence[Request], settings: SamplingConfig, made: "Queue[Any]", stopped: Any) -> None:
        ending: Any = None
        try:
            for sample in self._engine.generate(requests, settings):
                _put(made, sample, stopped)
                if stopped.is_set():
                    return
        except Move37Error as error:
            ending = error
        except Exception as error:  # an engine is a plugin: it may raise anything
            first = str(error).splitlines()[0] if str(error) else ""
            ending = EngineError(f"the engine failed while sampling: {type(error).__name__}: {first}")
        _put(made, _End(ending), stopped)

    def take(self) -> tuple[list[Sample], bool]:
        """What was made since the last question, within half a second; whether that was the end of the share.

        Raises what the engine raised, after everything that it made has been handed over.
        """
        found: list[Any] = []
        until = time.monotonic() + _LONGEST_WAIT
        while len(found) < _MOST and (left := until - time.monotonic()) > 0:
            try:
                each = self._made.get(timeout=left)
            except Empty:
                break
            if isinstance(each, _End):
                if each.error is not None and found:
                    self._made.put(each)
                    return found, False
                if each.error is not None:
                    raise each.error
                return found, True
            found.append(each)
            until = min(until, time.monotonic() + _GATHERING)
        return found, False

    def score_together(self, texts: Sequence[Any], sampling: dict[str, Any]) -> list[Scored]:
        return list(self._engine.score_together(texts, SamplingConfig.model_validate(sampling)))

    def of_scorer(self, name: str, *arguments: Any) -> Any:
        """A member of `BatchScorer` by its name. Raises EngineError where the engine is none."""
        if not isinstance(self._engine, BatchScorer):
            raise EngineError(f"the engine {self._config.engine!r} does not say how probable a given text is")
        found = getattr(self._engine, name)
        return found(*arguments) if callable(found) else found

    def stop(self) -> None:
        """Give up what is under way."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


class _End:
    """Of a share, and the error that ended it."""

    def __init__(self, error: Move37Error | None) -> None:
        self.error = error


def _put(made: "Queue[Any]", each: Any, stopped: threading.Event) -> None:
    """Put, and wait for room as long as anybody wants it."""
    while not stopped.is_set():
        try:
            made.put(each, timeout=0.1)
        except Full:
            continue
        return


class VerifierActor:
    """Processes that verify, on one node."""

    def __init__(self, size: int, cpu_seconds: float) -> None:
        self._workforce = Workforce(size, cpu_seconds)
        self._undecided = 0
        self._incarnation = secrets.token_hex(8)

    def open(self) -> dict[str, Any]:
        """What it is, and where; `incarnation` is another one after Ray has started it again."""
        return {"version": __version__, "node": socket.gethostname(), "incarnation": self._incarnation}

    def verify(self, verifier: bytes, asked: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
        """Take these in as well; its incarnation, and a report on each answer decided within half a second.

        `verifier` is pickled, `asked` and the reports are those of `messages.py`. Comes back at once when all answers
        are decided.
        """
        answers = answers_in(asked)
        if answers:
            spec = self._workforce.register(pickle.loads(verifier))
            for number, problem, answer in answers:
                self._workforce.submit(Job(number.to_bytes(8), spec, problem, answer))
            self._undecided += len(answers)
        decided: list[tuple[Job, Verdict]] = []
        until = time.monotonic() + _LONGEST_WAIT
        while self._undecided > len(decided) and time.monotonic() < until:
            decided += self._workforce.decided(wait=True)
        self._undecided -= len(decided)
        return self._incarnation, [reporting(int.from_bytes(job.fingerprint), verdict) for job, verdict in decided]

    def abandon(self) -> None:
        """Forget what is not decided."""
        self._workforce.abandon()
        self._undecided = 0
