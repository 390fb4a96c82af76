"""Where did RL move the problems' accuracies: towards 1, or also to 0?

The paper's bins of c / n, found in integers: 1 of 10 is in (0, 0.1] whatever 1/10 is in binary. Each model's own n is
used, so bins are coarse where n is small. Where sampling stopped early c / n is biased, and the unbiased pass@1 takes
its place: (r-1) / (N-1) after a stop at the r-th success.
"""

from dataclasses import dataclass

import numpy as np

from move37.analyses.pairing import paired
from move37.counts import AnyTally, StoppedTally
from move37.estimates.rows import correct_samples, pass_at_k_each
from move37.types import IntArray

BINS = ("0", *(f"({low / 10:g}, {(low + 1) / 10:g}]" for low in range(10)))
"""The paper's bins: exactly 0, then tenths open below and closed above."""
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class AccuracyShift:
    """Problems by accuracy bin. `transition[i, j]` counts problems in bin i under base and bin j under rl."""

    base: str
    rl: str
    base_counts: IntArray
    rl_counts: IntArray
    transition: IntArray
    base_exactly_one: int
    rl_exactly_one: int


def accuracy_shift(base: AnyTally, rl: AnyTally) -> AccuracyShift:
    """Bin every problem under both models. Raises InputError unless both tallies cover the same problems."""
    base, rl = paired(base, rl)
    base_bins, rl_bins = _bin(base), _bin(rl)
    transition = np.zeros((len(BINS), len(BINS)), dtype=np.int64)
    np.add.at(transition, (base_bins, rl_bins), 1)
    return AccuracyShift(
        base=base.model,
        rl=rl.model,
        base_counts=transition.sum(axis=1),
        rl_counts=transition.sum(axis=0),
        transition=transition,
        base_exactly_one=_never_wrong(base),
        rl_exactly_one=_never_wrong(rl),
    )


def _bin(tally: AnyTally) -> IntArray:
    """Index into BINS: 0 for no success at all, otherwise the ceiling of ten times the accuracy, at least 1."""
    if isinstance(tally, StoppedTally):
        tenths = np.ceil(10 * pass_at_k_each(tally, 1) - _ROUNDING).astype(np.int64)
        return np.where(tally.successes == 0, 0, np.maximum(tenths, 1))
    return -(-10 * tally.correct // tally.n)


def _never_wrong(tally: AnyTally) -> int:
    return int((correct_samples(tally) == tally.scored).sum())
