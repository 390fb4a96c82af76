"""How much of a benchmark has a model seen? Shares of partial questions that it completed and answered.

From a probe (`probe.py`): the first 40, 60 and 80 % of each question, continued greedily. Shares of problems with
Clopper-Pearson intervals. A share answered is no proof by itself: some questions give their answer away before their
end. A share completed word for word has no such excuse. Left out: what was seen after the base was trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from move37.estimates.reliability import exact_share_interval


@dataclass(frozen=True, slots=True)
class PartialQuestions:
    """One model, shown `share` percent of each question. Each interval is two-sided at `confidence`."""

    model: str
    share: int
    problems: int
    completed: int
    completed_interval: tuple[float, float]
    judged: int
    """Problems whose continuation could be judged."""
    answered: int
    answered_interval: tuple[float, float]
    confidence: float


def partial_questions(
    model: str, seen: Sequence[tuple[int, bool, bool | None]], confidence: float = 0.95
) -> tuple[PartialQuestions, ...]:
    """One for each share. `seen` holds (share, completed, answered or None) for each problem and share."""
    found = []
    for share in sorted({each[0] for each in seen}):
        rows = [(completed, answered) for at, completed, answered in seen if at == share]
        completed = sum(each for each, _ in rows)
        judged = [answered for _, answered in rows if answered is not None]
        found.append(
            PartialQuestions(
                model=model,
                share=share,
                problems=len(rows),
                completed=completed,
                completed_interval=exact_share_interval(completed, len(rows), 1 - confidence),
                judged=len(judged),
                answered=sum(judged),
                answered_interval=exact_share_interval(sum(judged), len(judged), 1 - confidence),
                confidence=confidence,
            )
        )
    return tuple(found)
