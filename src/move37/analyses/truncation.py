"""What did the instrument do: how many samples were cut off, unscored, or without an answer, and does it matter?

Accuracy is pass@1 by the estimator of the curves, on the problems that are analysed: the mean over problems of each
one's share of correct samples, under a stopping plan that plan's own estimate. Unscored samples are bracketed by
counting them all wrong and all right. Truncation is the model's own fault and stays in the accuracy; the accuracy
without truncated samples is a sensitivity line, not a correction (long problems are truncated more often).

Where sampling stopped early, hard problems have more samples than easy ones, so no share of all samples says anything
about a model: shares are of the samples before any problem can stop (`first_look`), which every problem has. What an
import does not know (unscored samples, how a sample ended) is None, never 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses.pairing import on_problems
from move37.analyses.sensitivity import rows_with_unscored_right, with_unscored_wrong
from move37.counts import AnyTally, Tally
from move37.errors import InputError
from move37.estimates.rows import correct_samples, pass_at_k_rows
from move37.types import IntArray


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples by outcome; None where the source does not say it."""

    samples: int
    correct: int
    incorrect: int
    unscored: int | None
    truncated: int | None

    @classmethod
    def of(cls, tally: AnyTally) -> "Samples":
        correct, scored = int(correct_samples(tally).sum()), int(tally.scored.sum())
        unscored, truncated = (
            None if name in tally.unknown else int(getattr(tally, name).sum()) for name in ("unscored", "truncated")
        )
        return cls(scored + int(tally.unscored.sum()), correct, scored - correct, unscored, truncated)


@dataclass(frozen=True, slots=True)
class OutcomeAudit:
    """One model's samples by outcome and reason, and how far pass@1 could move."""

    model: str
    samples: int
    """Those that the estimates use. After early stopping the counts of these are no shares of anything."""
    correct: int
    incorrect: int
    unscored: int | None
    """None where the import does not say it; so is `truncated`."""
    truncated: int | None
    reasons: tuple[tuple[str, str, int], ...]
    """(outcome, reason, count), most frequent first, of the first look if there is one; empty for imported counts."""
    mean_tokens: float | None
    accuracy: float | None
    """pass@1 over the problems that are analysed."""
    accuracy_if_unscored_wrong: float | None
    accuracy_if_unscored_right: float | None
    accuracy_not_truncated: float | None
    """Correct share among samples that were not truncated; None where that is not known or none is left."""
    correct_among_truncated: int | None = None
    """Samples cut at the token limit that count as correct all the same, of the first look where there is one; None
    where it is not known."""
    ending_unknown: int = 0
    """Samples of which the import does not say how they ended; they are not among the truncated."""
    stopped_early: bool = False
    first: int | None = None
    """After early stopping: how many samples of each problem `first_look` and `reasons` count."""
    first_look: Samples | None = None
    """Samples before any problem can stop; None for a fixed n, and for imported counts."""

    @property
    def comparable(self) -> Samples | None:
        """The samples of which shares may be taken; None where there are none."""
        if self.stopped_early:
            return self.first_look
        return Samples(self.samples, self.correct, self.incorrect, self.unscored, self.truncated)


def outcome_audit(
    tally: AnyTally,
    reasons: Sequence[tuple[str, str, int]] = (),
    mean_tokens: float | None = None,
    not_truncated: Tally | None = None,
    first_look: tuple[int, Tally] | None = None,
    correct_among_truncated: int | None = None,
    ending_unknown: int = 0,
    analysed: AnyTally | None = None,
) -> OutcomeAudit:
    """Audit one model. Counts are of `tally`, accuracies on the problems of `analysed` (default: all of them).

    For a tally that was stopped early, `first_look` is how many samples of each problem are before any stop, and
    their counts. `not_truncated` counts only the samples that ended by themselves.

    A problem without any scored sample is left out of `accuracy` (NaN if there is no other) but is in both brackets.
    Raises InputError for a problem without any sample.
    """
    total = tally.scored + tally.unscored
    if not total.size or not total.all():
        raise InputError(f"{tally.model}: {int((total == 0).sum())} of {total.size} problems have no samples to audit")
    counted, analysed = Samples.of(tally), tally if analysed is None else analysed
    accuracy, if_wrong, if_right = _accuracies(analysed)
    return OutcomeAudit(
        model=tally.model,
        samples=counted.samples,
        correct=counted.correct,
        incorrect=counted.incorrect,
        unscored=counted.unscored,
        truncated=counted.truncated,
        reasons=tuple(sorted(reasons, key=lambda row: (-row[2], row[0], row[1]))),
        mean_tokens=mean_tokens,
        accuracy=accuracy,
        accuracy_if_unscored_wrong=None if counted.unscored is None else if_wrong,
        accuracy_if_unscored_right=None if counted.unscored is None else if_right,
        accuracy_not_truncated=_accuracy_or_none(not_truncated, analysed),
        correct_among_truncated=None if counted.truncated is None else correct_among_truncated,
        ending_unknown=ending_unknown,
        stopped_early=not isinstance(tally, Tally),
        first=None if first_look is None else first_look[0],
        first_look=None if first_look is None else Samples.of(first_look[1]),
    )


def _accuracies(tally: AnyTally) -> tuple[float, float, float]:
    """pass@1 of scored samples, with all unscored wrong, with all unscored right (after early stopping: at most)."""
    if isinstance(tally, Tally):
        total = tally.n + tally.unscored
        return (
            _mean_share(tally.correct, tally.n),
            _mean_share(tally.correct, total),
            _mean_share(tally.correct + tally.unscored, total),
        )
    scored = tally.select(tally.scored > 0)
    known = float(pass_at_k_rows(scored, 1).mean()) if scored.problems else float(np.nan)
    wrong = pass_at_k_rows(with_unscored_wrong(tally), 1)
    return known, float(wrong.mean()), float(rows_with_unscored_right(tally, 1).mean())


def _accuracy_or_none(not_truncated: Tally | None, analysed: AnyTally) -> float | None:
    if not_truncated is None:
        return None
    known = on_problems(not_truncated, analysed.problem_ids)
    return _mean_share(known.correct, known.n) if known.n.any() else None


def _mean_share(part: IntArray, whole: IntArray) -> float:
    """Mean of part / whole over the problems where whole > 0; NaN if there are none."""
    known = whole > 0
    return float((part[known] / whole[known]).mean()) if known.any() else float(np.nan)
