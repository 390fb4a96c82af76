"""What did the instrument do: how many samples were cut off, unscored, or without an answer, and does it matter?

Accuracies are averages over problems of each problem's share of correct samples. Unscored samples are bracketed by
counting them all wrong and all right. Truncation is the model's own fault and stays in the accuracy; the accuracy
without truncated samples is a sensitivity line, not a correction (long problems are truncated more often).

Where sampling stopped early, counts are of the samples that the estimates use, and every accuracy is of the samples
before any problem can stop, which all have: their number did not depend on the outcomes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.counts import AnyTally, Tally
from move37.errors import InputError
from move37.estimates.rows import correct_samples
from move37.types import IntArray


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
    accuracy: float | None
    """Correct share of scored samples, averaged over problems; None for imported counts that were stopped early."""
    accuracy_if_unscored_wrong: float | None
    accuracy_if_unscored_right: float | None
    accuracy_not_truncated: float | None
    """Correct share among samples that were not truncated; None where that is not known or none is left."""
    correct_among_truncated: int | None = None
    """Samples cut at the token limit that count as correct all the same; None where it is not known."""


def outcome_audit(
    tally: AnyTally,
    reasons: Sequence[tuple[str, str, int]] = (),
    mean_tokens: float | None = None,
    not_truncated: Tally | None = None,
    before_any_stop: Tally | None = None,
    correct_among_truncated: int | None = None,
) -> OutcomeAudit:
    """Audit one model. For a tally that was stopped early, `before_any_stop` holds what its accuracies are made of.
    `not_truncated` counts only the samples that ended by themselves. `correct_among_truncated` is known where samples
    are; where none was truncated it is 0.

    A problem without any scored sample is left out of `accuracy` (NaN if there is no other) but is in both brackets.
    Raises InputError for a problem without any sample.
    """
    total = tally.scored + tally.unscored
    if not total.size or not total.all():
        raise InputError(f"{tally.model}: {int((total == 0).sum())} of {total.size} problems have no samples to audit")
    correct = int(correct_samples(tally).sum())
    fixed = tally if isinstance(tally, Tally) else before_any_stop
    accuracy, if_wrong, if_right = (None, None, None) if fixed is None else _accuracies(fixed)
    return OutcomeAudit(
        model=tally.model,
        samples=int(total.sum()),
        correct=correct,
        incorrect=int(tally.scored.sum()) - correct,
        unscored=int(tally.unscored.sum()),
        truncated=int(tally.truncated.sum()),
        reasons=tuple(sorted(reasons, key=lambda row: (-row[2], row[0], row[1]))),
        mean_tokens=mean_tokens,
        accuracy=accuracy,
        accuracy_if_unscored_wrong=if_wrong,
        accuracy_if_unscored_right=if_right,
        accuracy_not_truncated=_accuracy_or_none(not_truncated),
        correct_among_truncated=correct_among_truncated,
    )


def _accuracies(fixed: Tally) -> tuple[float, float, float]:
    """Of scored samples, with all unscored wrong, with all unscored right."""
    total = fixed.n + fixed.unscored
    return (
        _mean_share(fixed.correct, fixed.n),
        _mean_share(fixed.correct, total),
        _mean_share(fixed.correct + fixed.unscored, total),
    )


def _accuracy_or_none(not_truncated: Tally | None) -> float | None:
    if not_truncated is None or not not_truncated.n.any():
        return None
    return _mean_share(not_truncated.correct, not_truncated.n)


def _mean_share(part: IntArray, whole: IntArray) -> float:
    """Mean of part / whole over the problems where whole > 0; NaN if there are none."""
    known = whole > 0
    return float((part[known] / whole[known]).mean()) if known.any() else float(np.nan)
