"""Where did RL move the problems' accuracies: towards 1, or also to 0?

The paper's bins of c / n, found in integers: 1 of 10 is in (0, 0.1] whatever 1/10 is in binary. Each model's own n is
used, so bins are coarse where n is small.
"""

from dataclasses import dataclass

import numpy as np

from move37.analyses.pairing import paired
from move37.types import IntArray, Tally

BINS = ("0", *(f"({low / 10:g}, {(low + 1) / 10:g}]" for low in range(10)))
"""The paper's bins: exactly 0, then tenths open below and closed above."""


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


def accuracy_shift(base: Tally, rl: Tally) -> AccuracyShift:
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
        base_exactly_one=int((base.incorrect == 0).sum()),
        rl_exactly_one=int((rl.incorrect == 0).sum()),
    )


def _bin(tally: Tally) -> IntArray:
    """Index into BINS: 0 for c = 0, otherwise the ceiling of 10 c / n."""
    return -(-10 * tally.correct // tally.n)
