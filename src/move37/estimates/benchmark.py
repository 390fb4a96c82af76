"""How would the curves of these problems move if they were sampled again? The band whose problems are fixed.

Problems stay, samples are fresh: what varies is each problem's U(k), the unbiased estimate of q^k, q = 1 - p. As
Cov(U(k), U(l)) = E[U(k) U(l)] - q^(k+l), the product less U(k + l) is unbiased for the covariance at any two k, l with
k + l <= n, whatever the stopping plan (`paths.py`; for k = l it is `pass_at_k.failure_variance`). Summed over problems,
and over the two models, whose samples are independent, that is the covariance of the difference.

Decisions:
- Served are k <= n / 8 (`served`): there 2k is far enough inside n. Up to n / 2 the formula exists, and
  `failure_covariance` gives it, but U(2k) then hangs on the few problems with a success or two, and a band made of it
  is too narrow (bench/fixed_benchmark.py).
- The band is the sup-t band of a Gaussian with this covariance: the sum over problems is nearly normal where enough
  problems carry it. `effective_problems` is counted from the variance that p = c/n would have, and few of them widen
  the band as they do in `bands.py`.
- A matrix that is estimated without bias need not be one of covariances: negative eigenvalues are set to 0. Standard
  errors are those of the unbiased variances; where those are not above 0 there is no interval.
- Near duplicates: copies of a problem may have been sampled together, so a cluster's sum gets the variance of copies
  that always agree, |g| times the sum of its members' (Cauchy-Schwarz). For independent samples that is too much.

Left out: measures other than pass@k.
"""

from collections.abc import Sequence

import numpy as np

from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.bands import DEGENERATE, Spread, sum_by
from move37.estimates.rows import correct_samples, k_limit, pass_at_k_rows, weighted_rows
from move37.estimates.settings import BENCHMARK, INDEPENDENT, Design
from move37.types import FloatArray, IntArray

_RESIDUAL_VARIANCE = 1e-6
_SMALLEST_EIGENVALUE = 1e-9


def served(limit: int) -> int:
    """The largest k with an interval for these problems, from `limit` samples of each; 0 from a single sample."""
    return max(1, limit // 8) if limit >= 2 else 0


def failure_covariance(tally: AnyTally, ks: IntArray, design: Design = INDEPENDENT) -> FloatArray:
    """Unbiased covariance, over fresh samples of these problems, of mean pass@k at `ks`, shape (K, K).

    Single entries of the diagonal may be negative. Raises InputError for a k beyond half of the samples.
    """
    limit = k_limit(tally)
    if not ks.size or ks.min() < 1 or 2 * ks.max() > limit:
        raise InputError(
            f"{tally.model}: an interval for these problems needs 2k samples of each; k may be 1 to {limit // 2}"
        )
    rows, weights = weighted_rows(tally, design.copies(tally.problems))
    failures = 1.0 - rows[:, : 2 * int(ks.max())]
    together = weights @ failures
    at = failures[:, ks - 1]
    covariance = (at * weights[:, None]).T @ at - together[ks[:, None] + ks[None, :] - 1]
    return covariance / tally.problems**2


def benchmark_error_at(tally: AnyTally, k_max: int, design: Design = INDEPENDENT) -> FloatArray:
    """Standard error of mean pass@k over fresh samples of these problems, k = 1..k_max, (k_max,). 0 where the unbiased
    variance is not above 0, NaN where 2k is beyond the samples."""
    return np.sqrt(np.maximum(_variance(tally, k_max, design), 0.0))


def curve_spread(
    tally: AnyTally, design: Design = INDEPENDENT, simulate_at: IntArray | None = None, k_max: int | None = None
) -> Spread:
    """Mean pass@k of one model for k = 1..k_max (default: the limit), and how it varies with the samples."""
    (found,) = _spreads([(tally, 1.0)], [()], k_max or k_limit(tally), design, simulate_at)
    return found


def difference_spreads(
    base: AnyTally,
    models: Sequence[AnyTally],
    k_max: int,
    design: Design = INDEPENDENT,
    simulate_at: IntArray | None = None,
    last: int | None = None,
) -> list[Spread]:
    """Each model minus base on these problems for k = 1..k_max; base's samples are common to all of them.

    Tallies hold the same problems in the same order. Beyond `last`, by default `served`, the standard error is NaN.
    """
    return _spreads([(base, -1.0)], [((model, 1.0),) for model in models], k_max, design, simulate_at, last)


def pair_spreads(
    models: Sequence[AnyTally],
    pairs: Sequence[tuple[int, int]],
    k_max: int,
    design: Design = INDEPENDENT,
    simulate_at: IntArray | None = None,
) -> list[Spread]:
    """For each pair of places the second model minus the first, as in `difference_spreads`.

    A model's samples are taken anew in each of its pairs: pairs look independent, and the critical value for all of
    them is at least what it has to be.
    """
    own = [((models[b], 1.0), (models[a], -1.0)) for a, b in pairs]
    return _spreads((), own, k_max, design, simulate_at)


_Signed = tuple[AnyTally, float]


def _spreads(
    common: Sequence[_Signed],
    own: Sequence[Sequence[_Signed]],
    k_max: int,
    design: Design,
    simulate_at: IntArray | None,
    last: int | None = None,
) -> list[Spread]:
    """One spread for each of `own`, whose rows are those of all: the common parts first, then each one's."""
    limit = min(k_limit(tally) for tally, _ in (*common, *(each for group in own for each in group)))
    last = min(k_max, served(limit) if last is None else last)
    at = np.arange(last) if simulate_at is None else simulate_at[simulate_at < last]
    shared = [_parts(tally, sign, at + 1, design) for tally, sign in common]
    alone = [[_parts(tally, sign, at + 1, design) for tally, sign in group] for group in own]
    heights = [sum(len(part) for part in parts) for parts in alone]
    start, found = sum(len(part) for part in shared), []
    for group, parts, height in zip(own, alone, heights, strict=True):
        members = (*common, *group)
        error = np.full(k_max, np.nan)
        error[:last] = np.sqrt(
            np.maximum(np.sum([_variance(tally, last, design) for tally, _ in members], axis=0), 0.0)
        )
        kept = error[at] >= DEGENERATE
        scaled = np.zeros((sum(len(part) for part in shared) + sum(heights), int(kept.sum())))
        scaled[: sum(len(part) for part in shared)] = np.concatenate([*shared, np.zeros((0, len(at)))])[:, kept]
        scaled[start : start + height] = np.concatenate([*parts, np.zeros((0, len(at)))])[:, kept]
        scaled /= np.maximum(np.sqrt((scaled**2).sum(axis=0)), DEGENERATE)
        start += height
        found.append(
            Spread(
                mean=np.sum([sign * pass_at_k_rows(tally, k_max).mean(axis=0) for tally, sign in members], axis=0),
                standard_error=error,
                effective_problems=_carriers([tally for tally, _ in members], error, design),
                scaled=scaled,
                columns=at[kept],
                variance=1.0,
                residual_variance=_RESIDUAL_VARIANCE,
                target=BENCHMARK,
            )
        )
    return found


def _variance(tally: AnyTally, k_max: int, design: Design) -> FloatArray:
    """The diagonal of `failure_covariance` for k = 1..k_max, NaN where it does not exist."""
    known = min(k_max, k_limit(tally) // 2)
    variance = np.full(k_max, np.nan)
    if known:
        rows, weights = weighted_rows(tally, design.copies(tally.problems))
        failures = 1.0 - rows[:, : 2 * known]
        each = failures[:, :known] ** 2 - failures[:, 1::2]
        variance[:known] = weights @ each / tally.problems**2
    return variance


def _parts(tally: AnyTally, sign: float, ks: IntArray, design: Design) -> FloatArray:
    """F (R, K) with F'F the covariance at `ks`, its negative eigenvalues set to 0."""
    if not ks.size:
        return np.zeros((0, 0))
    values, vectors = np.linalg.eigh(failure_covariance(tally, ks, design))
    kept = values > _SMALLEST_EIGENVALUE * max(float(values.max()), 0.0)
    return sign * np.sqrt(values[kept])[:, None] * vectors.T[kept]


def _carriers(tallies: Sequence[AnyTally], error: FloatArray, design: Design) -> FloatArray:
    """How many problems (clusters) carry each column's variance, counted from k^2 q^(2k-1) p / N at p = c / N; 0 where
    there is no interval."""
    k = np.arange(1, len(error) + 1)
    total = np.zeros((tallies[0].problems, len(error)))
    for tally in tallies:
        p = (correct_samples(tally) / tally.scored)[:, None]
        total += k**2 * p * (1 - p) ** (2 * k - 1) / tally.scored[:, None]
    if design.clusters is not None:
        total = sum_by(total * design.copies(len(total))[:, None], design.unit_of(len(total)))
    largest = total.max(axis=0)
    shares = np.divide(total, largest, out=np.zeros_like(total), where=largest > 0)
    squares = (shares**2).sum(axis=0)
    carriers = np.divide(shares.sum(axis=0) ** 2, squares, out=np.zeros(len(error)), where=squares > 0)
    return np.where(error >= DEGENERATE, carriers, 0.0)
