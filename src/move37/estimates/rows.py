"""pass@k of every problem, whatever the plan under which it was sampled: the door for analyses of either tally.

Rows are independent over problems and unbiased for 1 - (1-p)^k at every k, so means, differences and bands may be
made of them without knowing the plan.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from move37.counts import AnyTally, StoppedTally, Tally
from move37.estimates.curtailed import stopped_pass_at_k
from move37.estimates.pass_at_k import distinct_counts, pass_at_k
from move37.types import FloatArray, IntArray

_LARGE = 1 << 20
"""Numbers beyond which the rows of a tally are not kept as they are."""
_WORTHWHILE = 4
"""Problems of a kind, on average, from which on they are taken together."""


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
    rows, where = shared_rows(tally)
    return rows[:, :k_max] if where is None else rows[:, :k_max][where]


def pass_at_k_each(tally: AnyTally, k: int) -> FloatArray:
    """pass@k of every problem at one k, (M,). Raises InputError beyond `k_limit`."""
    if not 1 <= k <= k_limit(tally):
        return _computed(tally, k)[:, -1]  # which says what is wrong
    rows, where = shared_rows(tally)
    return rows[:, k - 1] if where is None else rows[:, k - 1][where]


def shared_rows(tally: AnyTally) -> tuple[FloatArray, IntArray | None]:
    """pass@k rows for every k, (R, K), and which of them is each problem's, (M,); None where each has its own.

    Problems with equal counts share a row where a tally is large.
    """
    if isinstance(tally, Tally) and _is_large(tally):
        return _distinct_rows(tally), distinct_problems(tally).where
    return _all_rows(tally), None


def weighted_rows(tally: AnyTally, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """pass@k rows for sums over problems that have `weights` (M,), and the rows' own weights: (R, K) and (R,).

    Problems with equal counts share a row where a tally is large.
    """
    rows, where = shared_rows(tally)
    if where is None:
        return rows, weights
    return rows, np.bincount(where, weights, minlength=len(rows)).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class DistinctCounts:
    """What a tally's problems have, each pair of counts once: a million problems may have nine."""

    correct: IntArray
    """(D,)."""
    n: IntArray
    """(D,)."""
    where: IntArray
    """Which of the pairs is each problem's, (M,)."""


@lru_cache(maxsize=4)
def distinct_problems(tally: Tally) -> DistinctCounts:
    """Kept for the latest tallies, since finding them takes a sort and they are asked for many times over."""
    pairs, where = distinct_counts(tally.correct, tally.n)
    return DistinctCounts(pairs[:, 1].copy(), pairs[:, 0].copy(), where)


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Problems that are told apart by no model's counts, taken together."""

    first: IntArray
    """One problem of each kind, (D,)."""
    weights: FloatArray
    """How many problems there are of it, (D,)."""
    kind: IntArray
    """Of each problem, (M,)."""


@lru_cache(maxsize=4)
def alike_problems(tallies: tuple[AnyTally, ...]) -> Alike | None:
    """The kinds of problems where tallies of the same ones, in one order, are large, and most problems are of a kind
    with others; None elsewhere. A million problems with eight samples are of 81 kinds for two models."""
    fixed = [tally for tally in tallies if isinstance(tally, Tally) and _is_large(tally)]
    if len(fixed) < len(tallies):
        return None
    kind = np.zeros(fixed[0].problems, dtype=np.int64)
    for tally in fixed:
        distinct = distinct_problems(tally)
        kind = np.unique(kind * len(distinct.n) + distinct.where, return_inverse=True)[1]
    _, first, counts = np.unique(kind, return_index=True, return_counts=True)
    return Alike(first, counts.astype(np.float64), kind) if _WORTHWHILE * len(first) <= len(kind) else None


def _is_large(tally: Tally) -> bool:
    return tally.problems * k_limit(tally) > _LARGE


@lru_cache(maxsize=4)
def _distinct_rows(tally: Tally) -> FloatArray:
    """The rows of distinct counts, (D, K)."""
    distinct = distinct_problems(tally)
    return pass_at_k(distinct.correct, distinct.n, k_limit(tally))


@lru_cache(maxsize=4)
def _all_rows(tally: AnyTally) -> FloatArray:
    rows = _computed(tally, None)
    rows.setflags(write=False)
    return rows


def _computed(tally: AnyTally, k_max: int | None) -> FloatArray:
    if isinstance(tally, StoppedTally):
        return stopped_pass_at_k(tally, k_max)
    return pass_at_k(tally.correct, tally.n, k_max)
