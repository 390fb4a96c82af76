"""Where did RL move the problems' chances, with the noise of the samples taken out?

The histogram of c / n is wider than that of the chances p: a problem with p = .05 has accuracy 0, .1 or .2 in ten
samples. Here the distribution of (p under base, p under rl) is fitted to the counts by maximum likelihood, without a
shape (`estimates/npmle.py`), and its mass is put into the bins of the raw histogram (`accuracy_shift.py`), beside which
it stands. Counts of any plan go in as they are. Decisions:
- Nobody can tell p = 0 from a p that is too small to show: the first bin is p <= 1/n, n the largest k.
- The fit is a few atoms whose places mean little, so bins have no errors of their own. The two that matter, p <= 1/n
  and p > .9, have ranges: all that the counts do not exclude (`expectation_range`).
"""

from dataclasses import dataclass

import numpy as np

from move37.analyses.pairing import paired
from move37.counts import AnyTally
from move37.estimates.npmle import expectation_range, fit_joint_mixture
from move37.estimates.rows import correct_samples, k_limit
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray

EDGES = tuple(i / 10 for i in range(1, 10))
"""Between the upper bins: tenths, closed above."""


@dataclass(frozen=True, eq=False)
class DeconvolvedShift:
    """Expected problems by bin of p. `transition[i, j]`: in bin i under base and bin j under rl."""

    base: str
    rl: str
    n: int
    """The first bin ends at 1/n."""
    base_problems: FloatArray
    rl_problems: FloatArray
    transition: FloatArray
    confidence: float
    base_rarely: tuple[float, float]
    """Range of the share of problems with p <= 1/n."""
    rl_rarely: tuple[float, float]
    base_nearly_always: tuple[float, float]
    """Range of the share of problems with p > .9."""
    rl_nearly_always: tuple[float, float]


def deconvolved_shift(
    base: AnyTally, rl: AnyTally, confidence: float = 0.95, design: Design = INDEPENDENT
) -> DeconvolvedShift:
    """`design` labels base's problems. Raises InputError unless both cover the same problems, each with a scored
    sample."""
    base, rl = paired(base, rl)
    n = min(k_limit(base), k_limit(rl))
    fitted = fit_joint_mixture(correct_samples(base), base.scored, correct_samples(rl), rl.scored)
    transition = np.zeros((len(EDGES) + 2, len(EDGES) + 2))
    np.add.at(transition, (_bin(fitted.base_p, n), _bin(fitted.rl_p, n)), fitted.weight * base.problems)
    independent = design.effective_problems(base.problems) / base.problems
    ranges = [_ranges(tally, n, confidence, independent) for tally in (base, rl)]
    return DeconvolvedShift(
        base=base.model,
        rl=rl.model,
        n=n,
        base_problems=transition.sum(axis=1),
        rl_problems=transition.sum(axis=0),
        transition=transition,
        confidence=confidence,
        base_rarely=ranges[0][0],
        rl_rarely=ranges[1][0],
        base_nearly_always=ranges[0][1],
        rl_nearly_always=ranges[1][1],
    )


def _bin(p: FloatArray, n: int) -> np.ndarray:
    """0 for p <= 1/n, then tenths."""
    return np.where(p <= 1 / n, 0, 1 + np.searchsorted(EDGES, p - 1e-12))


def _ranges(tally: AnyTally, n: int, confidence: float, independent: float) -> tuple[tuple[float, float], ...]:
    def shares(p: FloatArray) -> FloatArray:
        return np.stack([p <= 1 / n, p > EDGES[-1]], axis=1).astype(np.float64)

    counts = correct_samples(tally), tally.scored
    found = expectation_range(*counts, shares, confidence, independent=independent)
    return tuple((float(low), float(high)) for low, high in found)
