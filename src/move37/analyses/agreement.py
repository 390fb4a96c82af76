"""Where do two graders of the same samples differ? (For imported samples: ours and the tool's that wrote them.)

Only samples that both have judged are compared; unscored is an outcome like the others, so it disagrees with both.
"""

from collections.abc import Iterable
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


def agreement(model: str, verifier: str, other: str, judged_twice: Iterable[Disagreement]) -> Agreement:
    """Count and list the differences among samples that both graders judged, in the order given.

    `judged_twice` has one entry per sample, whether the two agree (`ours == theirs`) or not.
    """
    samples, disagreements = 0, []
    for judged in judged_twice:
        samples += 1
        if judged.ours != judged.theirs:
            disagreements.append(judged)
    return Agreement(model, verifier, other, samples, samples - len(disagreements), tuple(disagreements))
