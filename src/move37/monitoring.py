"""How far sampling is, for whoever looks from another shell: a line in log.jsonl every few seconds.

A `Monitor` belongs to one round of one model. It counts what passes by and asks the engine what its copies are doing;
`status.py` reads the last line of each model, and `move37 status` shows it. It also has an engine that costs money
write down what was spent.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from move37.engines.metering import Metered, Replicated
from move37.types import FinishReason, Sample

PROGRESS = "progress"
"""The event of its lines."""
BROKE_OFF = "broke off"
"""The event of a line that says `why` a model's sampling ended before all was there."""
EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Round:
    """What a model was asked for: `owed` samples now, `at_most` if no problem stops early from here on.

    Of `problems`, `stopped` owe nothing any more. `expected` of at_most will be made, by what was right so far; None
    where nothing is known of that. `is_last` where what was right cannot make it owe more.
    """

    owed: int
    at_most: int
    problems: int
    stopped: int
    expected: int | None = None
    is_last: bool = True

    @property
    def likely(self) -> int:
        """Samples that are likely to be made from the beginning of the round on."""
        return max(self.owed, self.expected or 0)


class Monitor:
    """A context manager around one round. `waiting` says how many samples wait for their verdict, `verdicts` how many
    of each outcome were made."""

    def __init__(
        self,
        log: Callable[..., None],
        model: str,
        asked: Round,
        engine: object,
        waiting: Callable[[], int] = lambda: 0,
        verdicts: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._log, self._model, self._asked, self._engine = log, model, asked, engine
        self._waiting, self._verdicts = waiting, verdicts
        self._samples = self._tokens = self._truncated = self._failed = 0
        self._began = self._last_time = time.monotonic()
        self._last: tuple[int, int] = (0, 0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="monitor", daemon=True)

    def take(self, sample: Sample) -> None:
        self._samples += 1
        self._tokens += sample.tokens or 0
        self._truncated += sample.finish_reason is FinishReason.LENGTH
        self._failed += sample.error is not None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._write_line(ended=True)

    def _watch(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            self._write_line(ended=False)

    def _write_line(self, ended: bool) -> None:
        now = time.monotonic()
        seconds, since = now - self._began, max(now - self._last_time, 1e-9)
        samples, tokens = self._samples, self._tokens
        lately = samples - self._last[0], tokens - self._last[1]
        self._last, self._last_time = (samples, tokens), now
        over, counted = (seconds, (samples, tokens)) if ended else (since, lately)
        pace = samples / seconds if seconds > 0 else 0.0
        figures: dict[str, Any] = {
            "ended": ended,
            "seconds": round(seconds, 3),
            "samples": samples,
            "owed": self._asked.owed,
            "tokens": tokens,
            "samples_per_second": round(counted[0] / over, 4) if over > 0 else 0.0,
            "tokens_per_second": round(counted[1] / over, 2) if over > 0 else 0.0,
            "truncated": self._truncated,
            "failed": self._failed,
            "backlog": self._waiting(),
            "verdicts": dict(self._verdicts()),
            "problems": self._asked.problems,
            "stopped": self._asked.stopped,
            "is_last": self._asked.is_last,
            "seconds_left": round((self._asked.likely - samples) / pace, 3) if pace else None,
            "most_seconds_left": round((self._asked.at_most - samples) / pace, 3) if pace else None,
        }
        self._log(PROGRESS, model=self._model, **figures, **self._of_engine(samples))

    def _of_engine(self, samples: int) -> dict[str, Any]:
        """What it costs and what its copies are doing, if it says so."""
        figures: dict[str, Any] = {}
        spending = self._engine.spending if isinstance(self._engine, Metered) else None
        if spending is not None:
            spending.save()
            each = spending.spent_here / samples if samples else None
            to_go = None if each is None else round(each * (self._asked.likely - samples), 6)
            figures["cost"] = spending.record() | {"left": spending.left, "to_go": to_go}
        if isinstance(self._engine, Replicated):
            figures["replicas"] = [replica.plain() for replica in self._engine.replicas()]
        return figures
