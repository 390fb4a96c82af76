"""The nouns of move37, in the order in which data flows: Problem, Prompt, Request, Sample, Verdict.

All are frozen and hold plain Python values, so that every layer may import them. What is counted of them has its own
nouns (`counts.py`).

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

    def plain(self) -> tuple[Any, ...]:
        """The fields in their order as values that can be pickled, which read-only mappings cannot."""
        named = self.id, self.question, self.references, self.benchmark, self.verifier
        return *named, dict(self.tags), dict(self.metadata)


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
