"""The nouns of importers: a log is what one tool wrote of one model on one task, row by row.

Rows are read when somebody asks for them and are not kept. `joining.py` makes problems and samples of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from move37.counts import AnyTally
from move37.errors import InputError
from move37.rows import Row
from move37.types import FinishReason, Outcome, Segment

_NOTHING: Mapping[str, Any] = MappingProxyType({})

ROLES = ("question", "answer", "response", "id", "index", "score", "finish_reason", "tokens", "prompt", "error")
"""What a field of a JSONL file may be told to hold."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How logs are to be read, as the user says. `fields` names the fields of JSONL files, by role. `threshold`: a
    number of the tool's own that is at least this counts as correct. `benchmark` is None where the log shall say."""

    benchmark: str | None = None
    fields: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    threshold: float = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A problem as a row tells it. Rows of one problem share `key`, the log's own name of it.

    `question` is None where there is but an id, of a problem that the run has already. `repeat` counts, from 1, the
    problems with this question that came before, where the log itself says so.
    """

    key: str
    question: str | None
    references: tuple[str, ...] = ()
    prompt: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    metadata: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    benchmark: str | None = None
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Response:
    """One response. `scores` are the tool's own verdicts by the name of the score; `error` says why there is none."""

    text: str
    finish_reason: FinishReason = FinishReason.UNKNOWN
    tokens: int | None = None
    scores: Mapping[str, Outcome] = field(default_factory=lambda: _NOTHING)
    error: str | None = None
    segments: tuple[Segment, ...] | None = None
    logprob: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class LogRow:
    """Responses to one problem. `first` is the index of the first of them within the series; None: they come behind
    those that were there before."""

    asked: Asked
    responses: tuple[Response, ...]
    row: Row
    first: int | None = None


class Remarks:
    """What a reader notices on the way and nobody should have to find out: sentences for the user."""

    def __init__(self, threshold: float = 1.0) -> None:
        self.threshold = threshold
        self._said: dict[str, None] = {}
        self._unknown_ends: Counter[str] = Counter()
        self._ranges: dict[str, tuple[float, float]] = {}
        self._unread: Counter[tuple[str, str]] = Counter()

    def say(self, sentence: str) -> None:
        """Note a sentence, once."""
        self._said[sentence] = None

    def unknown_end(self, word: str) -> None:
        self._unknown_ends[word[:40]] += 1

    def unread_score(self, name: str, value: str) -> None:
        self._unread[name, value[:40]] += 1

    def number(self, name: str, value: float) -> None:
        """A score that is neither 0 nor 1."""
        low, high = self._ranges.get(name, (0.0, 1.0))
        self._ranges[name] = min(low, value), max(high, value)

    def sentences(self) -> tuple[str, ...]:
        ends = [
            f"{count:,} finish reasons {word!r} are not known here and count as unknown"
            for word, count in sorted(self._unknown_ends.items())
        ]
        ranges = [
            f"the score {name!r} has values from {low:g} to {high:g}: {self.threshold:g} or more counts as correct "
            "(--threshold)"
            for name, (low, high) in sorted(self._ranges.items())
        ]
        unread = [
            f"{count:,} values {value!r} of the score {name!r} are no verdict and are left out"
            for (name, value), count in sorted(self._unread.items())
        ]
        return *self._said, *ends, *ranges, *unread


@dataclass(frozen=True, slots=True)
class Series:
    """Files that were sampled together: a seed, or a run of the tool. Samples of later series come behind."""

    name: str
    rows: Callable[[], Iterator[LogRow]]


@dataclass(frozen=True)
class Log:
    """What one tool wrote of one model on one task.

    `model` and `task` are the log's own names, None where it does not say. `settings` are what it says of how samples
    were drawn and asked for: temperature, top_p, max_tokens, few_shot, ..., all as texts. `unique_questions`: two ids
    with one question are refused, not counted as two problems. `counts` is None where there are samples.
    """

    format: str
    model: str | None
    task: str | None
    files: tuple[str, ...]
    series: Sequence[Series] = ()
    settings: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    remarks: Remarks = field(default_factory=Remarks)
    unique_questions: bool = False
    counts: Callable[[str], AnyTally] | None = None
    """The tally under the name that the model shall have."""


class NotSamplesError(InputError):
    """A log that is whole and holds no samples that anybody could verify (log-likelihoods of options)."""
