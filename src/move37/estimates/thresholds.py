"""How likely are at least t of k samples correct? S(k, t) for every k, under every plan; t = 1 is pass@k.

A problem solved once in k tries may owe it to a verifier that erred once; solved t times, it does so less easily.

Decisions:
- The chance that exactly j of the first k samples are right, given the counts, is unbiased for
  C(k, j) p^j (1-p)^(k-j), and S(k, t) = 1 - sum_{j<t} of it. At a fixed n it is hypergeometric,
      C(k, j) [c]_j / [n]_j U'(k-j),   U' the failure of k - j draws from n - j samples of which c - j are correct,
  so that the products of `pass_at_k.py` serve it, exact zeros included.
- Under a stopping plan it is C(k, j) K_{k-j,j}(b) / K(b) (`paths.py`), provided that no path with j successes can have
  stopped: t may be as large as the plan's smallest threshold, and no larger. With one threshold there is a closed form:
  given where a problem stopped, the successes among the samples before its last look are hypergeometric, cut off below
  the threshold (`curtailed.py`), and the first k lie on one side of that look or on both.
- S(k, t) is 0 for k < t, for every model.

Left out: the share of k (G-Pass@k in `pass_at_k.py`), where t grows with k.
"""

from functools import lru_cache

import numpy as np

from move37.counts import AnyTally, StoppedTally
from move37.errors import InputError
from move37.estimates.curtailed import checked_limit, distinct_stops, successes_before
from move37.estimates.pass_at_k import checked_counts, checked_k, failure_of
from move37.estimates.paths import log_share_of_paths
from move37.types import FloatArray, IntArray


def largest_threshold(tally: AnyTally) -> int | None:
    """The largest t of which the counts say anything: the plan's smallest threshold; None (any) at a fixed n."""
    return min(tally.plan.thresholds, default=None) if isinstance(tally, StoppedTally) else None


def at_least_rows(tally: AnyTally, t: int, k_max: int | None = None) -> FloatArray:
    """S(k, t) per problem for every k = 1..k_max, shape (M, K); k_max defaults to the largest k of every problem.

    Raises InputError for t below 1, or above `largest_threshold`, and for a k beyond the counts.
    """
    most = largest_threshold(tally)
    if t < 1 or (most is not None and t > most):
        limit = "" if most is None else f" and at most {most}, the fewest successes at which its plan stops"
        raise InputError(f"{tally.model}: t = {t}: 'at least t of k right' needs t of at least 1{limit}")
    few = sum((_exactly(tally, j, k_max) for j in range(1, t)), start=_exactly(tally, 0, k_max))
    found = np.clip(1.0 - few, 0.0, 1.0)
    found[:, : t - 1] = 0.0
    return found


def exact_hits(correct: IntArray, n: IntArray, j: int, k_max: int) -> FloatArray:
    """The chance that exactly j of k = 1..k_max draws without replacement are correct, (M, K); 0 beyond n."""
    possible = (correct >= j) & (n >= j)
    found = np.zeros((len(n), k_max))
    if not possible.any() or k_max < j:
        return found
    c, size = correct[possible], n[possible]
    rest = np.ones((len(c), k_max - j + 1))  # U'(0), U'(1), ...
    if k_max > j:
        rest[:, 1:] = failure_of(c - j, size - j, k_max - j)
    first = np.prod([(c - i) / (size - i) for i in range(j)], axis=0) if j else np.ones(len(c))
    ways = _choose(j, k_max)
    found[possible] = first[:, None] * np.concatenate([np.zeros((len(c), max(j - 1, 0))), rest[:, 0 if j else 1 :]], 1)
    return found * ways


def _choose(j: int, k_max: int) -> FloatArray:
    """C(k, j) for k = 1..k_max."""
    ks = np.arange(1.0, k_max + 1)
    found = np.ones(k_max)
    for i in range(j):
        found *= np.maximum(ks - i, 0.0) / (i + 1)
    return found


@lru_cache(maxsize=12)
def _exactly(tally: AnyTally, j: int, k_max: int | None) -> FloatArray:
    """The estimate of C(k, j) p^j (1-p)^(k-j), (M, K). Kept: every pair asks for the base's, every t for smaller j."""
    if not isinstance(tally, StoppedTally):
        correct, n = checked_counts(tally.correct, tally.n)
        return exact_hits(correct, n, j, checked_k(n, int(n.min()) if k_max is None else k_max))
    k_max = checked_limit(tally, k_max)
    (trials, successes, went_on), where = distinct_stops(tally)
    if isinstance(tally.plan.successes, tuple):
        if tally.unscored.any():
            raise InputError(f"{tally.model}: a plan whose looks have different thresholds needs every sample scored")
        shares = np.exp(log_share_of_paths(tally.plan, trials, successes, k_max, j))
        return (shares * _choose(j, k_max))[where]
    return _closed_form(trials, successes, went_on, tally.plan.successes, j, k_max)[where]


def _closed_form(trials: IntArray, successes: IntArray, went_on: IntArray, r: int, j: int, k_max: int) -> FloatArray:
    """For distinct stops of a plan with threshold r > j, (D, K)."""
    whole = (successes < r) | (went_on == 0)
    found = np.empty((len(trials), k_max))
    found[whole] = exact_hits(successes[whole], trials[whole], j, k_max)
    cut = np.flatnonzero(~whole)
    if cut.size:
        n, c, m = trials[cut], successes[cut], went_on[cut]
        before, weights = successes_before(n, c, m, r)
        part = np.zeros((len(cut), k_max))
        inside = np.arange(1, k_max + 1) <= m[:, None]
        for a in before.tolist():
            of_a = weights[:, a : a + 1]
            if not of_a.any():
                continue
            part += of_a * exact_hits(np.full_like(m, a), m, j, k_max) * inside
            if a <= j:
                part += of_a * _after(n - m, c - a, m, j - a, k_max)
        found[cut] = part
    return found


def _after(n: IntArray, c: IntArray, m: IntArray, j: int, k_max: int) -> FloatArray:
    """Exactly j hits among the k - m samples behind the first m, of n with c correct, for k > m; 0 for k <= m."""
    found = np.zeros((len(n), k_max))
    width = int(min(n.max(), k_max))
    column = m[:, None] + np.arange(width)
    row, place = np.nonzero((column < k_max) & (c >= 0)[:, None])
    found[row, column[row, place]] = exact_hits(np.maximum(c, 0), n, j, width)[row, place]
    return found
