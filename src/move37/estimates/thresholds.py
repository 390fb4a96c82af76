"""How likely are at least t of k samples correct? S(k, t) at any k, under every plan; t = 1 is pass@k.

A problem solved once in k tries may owe it to a verifier that erred once; solved t times, it does so less easily.

Decisions:
- The chance that exactly j of the first k samples are right, given the counts, is unbiased for
  C(k, j) p^j (1-p)^(k-j), and S(k, t) = 1 - sum_{j<t} of it. At a fixed n it is hypergeometric.
- Under a stopping plan it is C(k, j) K_{k-j,j}(b) / K(b) (`paths.py`), provided that no path with j successes can have
  stopped: t may be as large as the plan's smallest threshold, and no larger. With one threshold there is a closed form:
  given where a problem stopped, the successes among the samples before its last look are hypergeometric, cut off below
  the threshold (`curtailed.py`), and the first k lie on one side of that look or on both.
- S(k, t) is 0 for k < t, for every model.
- Only the ks that are asked for are computed (`curtailed.exactly_at`).

Left out: the share of k (G-Pass@k in `pass_at_k.py`), where t grows with k.
"""

from functools import lru_cache

import numpy as np

from move37.counts import AnyTally, StoppedTally
from move37.errors import InputError
from move37.estimates.curtailed import checked_limit, distinct_stops, exact_hits, exactly_at
from move37.estimates.pass_at_k import checked_counts, checked_k
from move37.estimates.paths import log_share_of_paths
from move37.estimates.rows import distinct_problems
from move37.types import FloatArray, IntArray


def largest_threshold(tally: AnyTally) -> int | None:
    """The largest t of which the counts say anything: the plan's smallest threshold; None (any) at a fixed n."""
    return min(tally.plan.thresholds, default=None) if isinstance(tally, StoppedTally) else None


def at_least_rows(tally: AnyTally, t: int, ks: IntArray) -> FloatArray:
    """S(k, t) per problem at each of `ks` (K,), shape (M, K).

    Raises InputError for t below 1, or above `largest_threshold`, and for a k beyond the counts.
    """
    most = largest_threshold(tally)
    if t < 1 or (most is not None and t > most):
        limit = "" if most is None else f" and at most {most}, the fewest successes at which its plan stops"
        raise InputError(f"{tally.model}: t = {t}: 'at least t of k right' needs t of at least 1{limit}")
    found = np.clip(1.0 - _fewer_than(tally, t, tuple(ks.tolist())), 0.0, 1.0)
    found[:, ks < t] = 0.0
    where = distinct_stops(tally)[1] if isinstance(tally, StoppedTally) else distinct_problems(tally).where
    return found[where]


@lru_cache(maxsize=12)
def _fewer_than(tally: AnyTally, t: int, ks: tuple[int, ...]) -> FloatArray:
    """1 - S(k, t) of distinct counts, (D, K). Kept: every pair asks for the base's, and every t for the one below."""
    exactly = _exactly(tally, t - 1, np.array(ks, dtype=np.int64))
    return exactly if t == 1 else _fewer_than(tally, t - 1, ks) + exactly


def _exactly(tally: AnyTally, j: int, ks: IntArray) -> FloatArray:
    """The estimate of C(k, j) p^j (1-p)^(k-j), for distinct counts, (D, K)."""
    last = int(ks.max())
    if not isinstance(tally, StoppedTally):
        distinct = distinct_problems(tally)
        correct, n = checked_counts(distinct.correct, distinct.n)
        checked_k(n, last)
        return exact_hits(correct[:, None], n[:, None], j, ks)
    checked_limit(tally, last)
    (trials, successes, went_on), _ = distinct_stops(tally)
    if isinstance(tally.plan.successes, tuple):
        if tally.unscored.any():
            raise InputError(f"{tally.model}: a plan whose looks have different thresholds needs every sample scored")
        shares = np.exp(log_share_of_paths(tally.plan, trials, successes, last, j))[:, ks - 1]
        ways = np.prod([np.maximum(ks - i, 0) / (i + 1) for i in range(j)], axis=0) if j else 1.0
        return shares * ways
    return exactly_at(trials, successes, went_on, tally.plan.successes, j, ks)
