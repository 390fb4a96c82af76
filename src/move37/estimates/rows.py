"""pass@k of every problem, whatever the plan under which it was sampled: the door for analyses of either tally.

Rows are independent over problems and unbiased for 1 - (1-p)^k at every k, so means, differences and bands may be
made of them without knowing the plan.
"""

from functools import lru_cache

import numpy as np

from move37.counts import AnyTally, StoppedTally, Tally
from move37.estimates.curtailed import stopped_pass_at_k
from move37.estimates.pass_at_k import distinct_counts, pass_at_k
from move37.types import FloatArray, IntArray

_LARGE = 1 << 22
"""Numbers beyond which the rows of a tally are not kept as they are."""


def k_limit(tally: AnyTally) -> int:
    """The largest k that every problem's counts can speak about; 0 where a problem has no scored sample."""
    return int(tally.k_limit.min())


def correct_samples(tally: AnyTally) -> IntArray:
    """Correct samples per problem, shape (M,). For counting: their share of `scored` is biased after early stopping."""
    return tally.successes if isinstance(tally, StoppedTally) else tally.correct


def pass_at_k_rows(tally: AnyTally, k_max: int | None = None) -> FloatArray:
    """pass@k per problem for every k = 1..k_max (default: `k_limit`), shape (M, K). Raises InputError beyond it.

    The array is read-only: rows of the latest tallies are kept, since one pair is asked for them many times over. Large
    ones are not, but for the distinct ones among them.
    """
    limit = k_limit(tally)
    if k_max is not None and not 1 <= k_max <= limit:
        return _computed(tally, k_max)  # which says what is wrong
    if isinstance(tally, Tally) and _is_large(tally):
        distinct, where = _distinct_rows(tally)
        return distinct[:, :k_max][where]
    return _all_rows(tally)[:, :k_max]


def weighted_rows(tally: AnyTally, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """pass@k rows for sums over problems that have `weights` (M,), and the rows' own weights: (R, K) and (R,).

    Problems with equal counts share a row where a tally is large.
    """
    if isinstance(tally, Tally) and _is_large(tally):
        distinct, where = _distinct_rows(tally)
        return distinct, np.bincount(where, weights, minlength=len(distinct)).astype(np.float64)
    return _all_rows(tally), weights


def _is_large(tally: Tally) -> bool:
    return tally.problems * k_limit(tally) > _LARGE


@lru_cache(maxsize=4)
def _distinct_rows(tally: Tally) -> tuple[FloatArray, IntArray]:
    """The rows of distinct counts, (D, K), and which of them is each problem's, (M,)."""
    pairs, where = distinct_counts(tally.correct, tally.n)
    return pass_at_k(pairs[:, 1], pairs[:, 0], k_limit(tally)), where


@lru_cache(maxsize=4)
def _all_rows(tally: AnyTally) -> FloatArray:
    rows = _computed(tally, None)
    rows.setflags(write=False)
    return rows


def _computed(tally: AnyTally, k_max: int | None) -> FloatArray:
    if isinstance(tally, StoppedTally):
        return stopped_pass_at_k(tally, k_max)
    return pass_at_k(tally.correct, tally.n, k_max)
