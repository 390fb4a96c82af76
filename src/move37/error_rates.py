"""What a calibration finds: how often a verifier was wrong, by kind of answer, and what that does to pass@k.

The nouns alone, for whoever keeps or shows a calibration; `calibration.py` makes it, and loads every reader of answers.
"""

from dataclasses import dataclass

from move37.types import Outcome

FEW = 0.05
"""A floor that low leaves the curve to the model: how many answers it takes to show that is said."""
MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class Rate:
    """The share of answers of one kind that were accepted: `accepted` of `scored`; None without any scored."""

    kind: str
    accepted: int
    scored: int
    unscored: int
    share: float | None
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Floor:
    """pass@k that a model reaches which is never right: with the share of corruptions accepted, and its upper limit."""

    k: int
    value: float | None
    upper: float


@dataclass(frozen=True, slots=True)
class Surprise:
    """An answer that was judged against expectation, or not at all."""

    problem: str
    kind: str
    answer: str
    references: tuple[str, ...]
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Calibration:
    """What a verifier does with answers whose truth is known. Intervals are two-sided at `confidence`."""

    verifier: str
    confidence: float
    problems: int
    references: Rate
    corrupted: Rate
    """All wrong answers and responses together; `by_kind` says which."""
    by_kind: tuple[Rate, ...]
    renderings: Rate
    """All right responses together, in which the reference is said in other ways; `by_rendering` says in which."""
    by_rendering: tuple[Rate, ...]
    floor: tuple[Floor, ...]
    ceiling: float | None
    """pass@1 of a model that is always right, each time said in another way: the share of right responses accepted."""
    answers_needed: int
    """Corruptions, none of them accepted, after which the floor's upper limit at the largest k would be `FEW`."""
    surprises: tuple[Surprise, ...]


@dataclass(frozen=True, slots=True)
class ChainCalibration:
    """What a judge of reasoning does with chains before right answers: as the models wrote them, and corrupted."""

    verifier: str
    confidence: float
    clean: Rate
    corrupted: Rate
    by_kind: tuple[Rate, ...]
