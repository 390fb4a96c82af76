"""The nouns of move37, in the order in which data flows: Problem, Prompt, Request, Sample, Verdict, Tally, Estimate.

All are frozen and hold plain Python or numpy values, so that every layer may import them.

How they will grow (built when an issue asks, and paid for in the shapes now): a `Problem` and a `Prompt` gain
`images`; a `Sample` is a trajectory of one turn, later turns become a list of segments of which some are not the
model's; a `Verdict` gains step verdicts; `Prompt.template` already records everything that was put around the
question, so a hint or a prefix is one more recorded field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with the answers that count as right.

    `id` is made from the content (`identity.content_id`), so the same question has the same id wherever it was
    loaded from. `references` are alternatives: matching any one is correct. `tags` (subset, level, ...) stratify
    analyses. `metadata` carries what only the verifier reads (unit tests, a task's own entry): JSON values only.
    """

    id: str
    question: str
    references: tuple[str, ...]
    benchmark: str
    verifier: str
    tags: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    metadata: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The exact text a model continues, and the strings that end its answer. `template` names how it was made."""

    problem_id: str
    text: str
    stop: tuple[str, ...]
    template: str


@dataclass(frozen=True, slots=True)
class Request:
    """One owed sample: continue `prompt`, drawing all randomness from `seed`."""

    prompt: Prompt
    index: int
    seed: int


class FinishReason(StrEnum):
    """Why a sample ended. `LENGTH` is truncation at `max_new_tokens`; `UNKNOWN` is an import that did not say."""

    STOP = "stop"
    LENGTH = "length"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sample:
    """One response. Its key in a run is (model, problem_id, index).

    `tokens` counts generated tokens including the end token; `logprob` is the sum of their natural-log
    probabilities under the model itself (temperature 1, no top-p), whatever law they were drawn from. Both are None
    where an import does not know them. `text` has the stop string and special tokens removed.
    """

    problem_id: str
    index: int
    text: str
    finish_reason: FinishReason
    tokens: int | None = None
    logprob: float | None = None
    seed: int | None = None


class Outcome(StrEnum):
    """Three outcomes, never two: `UNSCORED` means that the instrument failed, not the model."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNSCORED = "unscored"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement, why, and the answer that was judged (None where the text held none)."""

    outcome: Outcome
    reason: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class FixedN:
    """The stopping plan under which every problem gets the same number of samples, decided beforehand."""

    def __str__(self) -> str:
        return "fixed n"


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts of one model on M problems, as int64 arrays of shape (M,) in the order of `problem_ids`.

    `correct + incorrect = n` are the scored samples; `unscored` are not part of n. `truncated` counts samples that
    ended at the token limit, whatever their outcome. `plan` says how n came about: estimators for one plan do not
    take another's tally.
    """

    model: str
    problem_ids: tuple[str, ...]
    correct: IntArray
    incorrect: IntArray
    unscored: IntArray
    truncated: IntArray
    plan: FixedN = field(default_factory=FixedN)

    def __post_init__(self) -> None:
        for name in ("correct", "incorrect", "unscored", "truncated"):
            counts = getattr(self, name)
            if counts.shape != (len(self.problem_ids),) or counts.dtype != np.int64:
                raise ValueError(f"{name}: expected int64 of shape ({len(self.problem_ids)},)")
            if counts.size and counts.min() < 0:
                raise ValueError(f"{name}: counts cannot be negative")

    @property
    def n(self) -> IntArray:
        """Scored samples per problem, shape (M,)."""
        return self.correct + self.incorrect

    @property
    def problems(self) -> int:
        return len(self.problem_ids)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that knows where it came from. `target` says what it would vary over if the study were repeated:
    "benchmark" (these problems, fresh samples) or "population" (fresh problems too)."""

    name: str
    value: float
    standard_error: float | None
    lower: float | None
    upper: float | None
    confidence: float | None
    method: str
    target: str
    problems: int
    n: tuple[int, int]
    """Smallest and largest number of scored samples per problem."""

    def __str__(self) -> str:
        """The value, rounded to two significant digits of its standard error."""
        if not self.standard_error or not np.isfinite(self.standard_error):
            return f"{self.name} = {self.value:.4g}"
        digits = max(0, 1 - int(np.floor(np.log10(self.standard_error))))
        text = f"{self.name} = {self.value:.{digits}f} ± {self.standard_error:.{digits}f}"
        if self.lower is not None and self.upper is not None and self.confidence is not None:
            text += f" [{self.lower:.{digits}f}, {self.upper:.{digits}f}] {self.confidence:.0%}"
        return f"{text} ({self.target}, {self.problems} problems)"
