"""What did the instrument do: how many samples were cut off, unscored, or without an answer, and does it matter?"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutcomeAudit:
    """One model's samples by outcome and reason, and how far avg@1 could move."""

    model: str
    samples: int
    correct: int
    incorrect: int
    unscored: int
    truncated: int
    reasons: tuple[tuple[str, str, int], ...]
    """(outcome, reason, count), most frequent first; empty for imported counts."""
    mean_tokens: float | None
    accuracy: float
    """Correct share of scored samples, averaged over problems."""
    accuracy_if_unscored_wrong: float
    accuracy_if_unscored_right: float
    accuracy_not_truncated: float | None
    """Correct share among samples that were not truncated; None where that is not known or none is left."""
