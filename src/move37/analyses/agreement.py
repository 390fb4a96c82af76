"""Where do two graders of the same samples differ? (For imported samples: ours and the tool's that wrote them.)"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disagreement:
    problem_id: str
    index: int
    ours: str
    theirs: str
    answer: str | None
    reference: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of samples by the two outcomes, and every sample on which they differ."""

    model: str
    verifier: str
    other: str
    samples: int
    agree: int
    disagreements: tuple[Disagreement, ...]
