"""What are pass@k and its relatives where sampling stopped early, and how sure are they?

A problem was sampled until a look found r successes, or to the plan's last look. Its counts are (N, c, m): c of N
scored samples are correct, and after m of them, at the look before, there were fewer than r. Letters otherwise as in
`pass_at_k.py`.

Decisions:
- The unbiased estimate is that of `paths.py`. With one threshold it has a closed form. Not to have stopped at m means
  not to have stopped before, so given (N, c, m) the successes a among the first m are hypergeometric, cut off at
  a < r; with weights pi_a ~ C(m, a) C(N-m, c-a)
      U(k) = sum_a pi_a C(m-a, k) / C(m, k)                 for k <= m,
      U(k) = pi_0 C(N-m-c, k-m) / C(N-m, k-m)               for k > m.
  Looks after every sample (m = N - 1, c = r) give C(N-k-1, r-1) / C(N-1, r-1); a problem that reached the last look
  with c < r gives C(N-c, k) / C(N, k). Only the looks as they fell enter, so unscored samples, which move them, do no
  harm as long as being unscored does not depend on being right.
- Thresholds that differ between looks go through path counting; there, unscored samples are refused.
- The interval for one problem's p inverts the exact tail of "stopped at an earlier look, or here with as many
  successes", which grows with p: Beta(r, N-r+1) and Beta(r, N-r) quantiles for looks after every sample,
  Clopper-Pearson at the last look; its coverage is at least the confidence.
- The variance over fresh samples has the unbiased estimate U(k)^2 - U(2k) under every plan.

Left out: measures that need exchangeable samples (maj@k, G-Pass@k); the first look gives a fixed n for those.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, gammaln

from move37.counts import AnyTally, StoppedTally, StoppingPlan
from move37.errors import InputError
from move37.estimates.pass_at_k import failure_of, log_choose
from move37.estimates.paths import failure_by_paths, stopping_points
from move37.types import FloatArray, IntArray

_BISECTIONS = 60
_Tails = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""p (D,) -> the chance to stop at least as early and successful as each stop, and at most so, both (D,)."""


def stopped_failure_at_k(tally: StoppedTally, k_max: int | None = None) -> FloatArray:
    """U(k) per problem for every k = 1..k_max, shape (M, K), unbiased for (1-p)^k under the tally's plan.

    k_max defaults to the largest k that every problem can speak about. Raises InputError beyond it.
    """
    k_max = checked_limit(tally, k_max)
    (trials, successes, went_on), where = distinct_stops(tally)
    if isinstance(tally.plan.successes, tuple):
        if tally.unscored.any():
            raise InputError(
                f"{tally.model}: a plan whose looks have different thresholds needs every sample scored, and "
                f"{int(tally.unscored.sum())} are not; verify again, or use one threshold"
            )
        return failure_by_paths(tally.plan, trials, successes, k_max)[where]
    return _closed_form(trials, successes, went_on, tally.plan.successes, k_max)[where]


def stopped_pass_at_k(tally: StoppedTally, k_max: int | None = None) -> FloatArray:
    """pass@k = 1 - U(k) per problem for every k = 1..k_max, shape (M, K)."""
    return 1.0 - stopped_failure_at_k(tally, k_max)


def stopped_variance(tally: StoppedTally, k_max: int | None = None) -> FloatArray:
    """Unbiased variance over fresh samples of each problem's pass@k, U(k)^2 - U(2k), shape (M, K).

    NaN where 2k is beyond what a problem's counts can speak about. Meant to be summed over problems.
    """
    k_max = checked_limit(tally, k_max)
    limit = tally.k_limit
    known = min(2 * k_max, int(limit.max())) // 2
    variance = np.full((tally.problems, k_max), np.nan)
    failure = np.full((tally.problems, 2 * known), np.nan)
    for cap in np.unique(limit):
        rows = limit == cap
        width = min(2 * known, int(cap))
        failure[rows, :width] = stopped_failure_at_k(tally.select(rows), width)
    variance[:, :known] = failure[:, :known] ** 2 - failure[:, 1::2]
    return variance


def stopped_interval(tally: StoppedTally, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Exact interval of every problem's success probability, two arrays of shape (M,).

    Equal tails; the coverage is at least `confidence` whatever p is. Raises InputError for an impossible confidence.
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, not {confidence}")
    (trials, successes, went_on), where = distinct_stops(tally)
    if isinstance(tally.plan.successes, tuple):
        tails = _tails_by_paths(tally.plan, trials, successes)
    else:
        tails = _tails_closed(trials, successes, went_on, tally.plan.successes)
    alpha = (1 - confidence) / 2
    lower = _bisect(lambda p: tails(p)[0] < alpha, len(trials))
    upper = _bisect(lambda p: tails(p)[1] > alpha, len(trials))
    lower[successes == 0] = 0.0
    upper[successes == trials] = 1.0
    return lower[where], upper[where]


def stop_tails(tally: AnyTally) -> Callable[[FloatArray], FloatArray]:
    """For every p (M,), one per problem: the chance to stop at least as early and as successful as it did, (M,).

    It rises with p. At a fixed n, the chance of at least as many correct samples.
    """
    if not isinstance(tally, StoppedTally):
        return lambda p: _at_least(tally.correct, tally.n, p)
    if isinstance(tally.plan.successes, tuple):
        tails = _tails_by_paths(tally.plan, tally.trials, tally.successes)
    else:
        tails = _tails_closed(tally.trials, tally.successes, tally.went_on, tally.plan.successes)
    return lambda p: tails(p)[0]


def expected_samples(plan: StoppingPlan, p: FloatArray) -> FloatArray:
    """Mean samples of a problem with success probability p under `plan`, shape as `p` (P,)."""
    p = np.asarray(p, dtype=float)
    return sum((points.probability(p) @ points.trials for points in stopping_points(plan).blocks()), np.zeros(len(p)))


def design_variance(plan: StoppingPlan, p: FloatArray, ks: IntArray) -> FloatArray:
    """Exact variance of pass@k for a problem with success probability p under `plan`, shape (P, len(ks))."""
    p = np.asarray(p, dtype=float)
    missed, solved = (np.zeros((len(p), len(ks))) for _ in range(2))
    for points in stopping_points(plan).blocks():
        chance = points.probability(p)
        failure = failure_at(plan, points.trials, points.successes, ks)
        missed += chance @ failure**2
        solved += chance @ (1.0 - failure) ** 2
    # Of failure and of success the variance is the same; of the rarer one less of it cancels.
    with np.errstate(divide="ignore"):
        true = -np.expm1(np.maximum(np.log1p(-p[:, None]), -1e300) * ks)
    variance = np.where(true < 0.5, solved - true**2, missed - (1.0 - true) ** 2)
    return np.maximum(variance, 0.0)


def failure_by_plan(plan: StoppingPlan, trials: IntArray, successes: IntArray, k_max: int) -> FloatArray:
    """U(k) at stopping points of `plan` taken as written (no unscored samples), shape (D, K)."""
    if isinstance(plan.successes, tuple):
        return failure_by_paths(plan, trials, successes, k_max)
    return _closed_form(trials, successes, _look_before(plan, trials), plan.successes, k_max)


def failure_at(plan: StoppingPlan, trials: IntArray, successes: IntArray, ks: IntArray) -> FloatArray:
    """`failure_by_plan` at `ks` (K,) alone, shape (D, K): bounded in memory whatever the plan's n_max, except where
    thresholds differ between looks."""
    if isinstance(plan.successes, tuple):
        return failure_by_paths(plan, trials, successes, int(ks.max()))[:, ks - 1]
    return exactly_at(trials, successes, _look_before(plan, trials), plan.successes, 0, ks)


def _look_before(plan: StoppingPlan, trials: IntArray) -> IntArray:
    """The look before the one after `trials` samples, 0 where that is the first."""
    looks = np.array([0, *plan.looks])
    return looks[np.searchsorted(looks, trials) - 1]


def checked_limit(tally: StoppedTally, k_max: int | None) -> int:
    """k_max, or the largest possible where it is None. Raises InputError for a k that some problem cannot reach."""
    if not tally.problems:
        raise InputError(f"{tally.model}: no problems, nothing to estimate")
    limit = int(tally.k_limit.min())
    if limit < 1:
        raise InputError(f"{tally.model}: a problem has no scored sample; verify again or sample more")
    if k_max is None:
        return limit
    if not 1 <= k_max <= limit:
        raise InputError(
            f"{tally.model}: k={k_max} is outside 1 to {limit}, what every problem's samples can speak about under "
            f"its plan ({tally.plan}); lower k or sample more"
        )
    return k_max


def _closed_form(trials: IntArray, successes: IntArray, went_on: IntArray, r: int, k_max: int) -> FloatArray:
    """U(k) of the module docstring for distinct stops, shape (D, K)."""
    # Where the threshold was out of reach until the end (c < r), the cut a < r cuts nothing: it is a fixed n.
    whole = (successes < r) | (went_on == 0)
    failure = np.empty((len(trials), k_max))
    failure[whole] = failure_of(successes[whole], trials[whole], k_max)
    cut = np.flatnonzero(~whole)
    if cut.size:
        n, c, m = trials[cut], successes[cut], went_on[cut]
        before, weights = successes_before(n, c, m, r)
        rows, column = np.nonzero(weights > 0)
        part = np.zeros((len(cut), k_max))
        up_to_m = np.arange(1, k_max + 1) <= m[rows, None]
        terms = weights[rows, column, None] * failure_of(before[column], m[rows], k_max) * up_to_m
        np.add.at(part, rows, terms)
        part += weights[:, :1] * _failure_after(n, c, m, k_max)
        failure[cut] = part
    return failure


def successes_before(n: IntArray, c: IntArray, m: IntArray, r: int) -> tuple[IntArray, FloatArray]:
    """The possible a = 0..r-1, and pi_a for each stop, shape (D, r)."""
    a = np.arange(r)
    possible = (a <= m[:, None]) & (a <= c[:, None]) & (c[:, None] - a <= (n - m)[:, None])
    first, last = np.where(possible, a, 0), np.where(possible, c[:, None] - a, 0)
    m_, rest = np.broadcast_to(m[:, None], first.shape), np.broadcast_to((n - m)[:, None], first.shape)
    log_weight = np.where(possible, log_choose(m_, first) + log_choose(rest, last), -np.inf)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return a, weight / weight.sum(axis=1, keepdims=True)


def exactly_at(trials: IntArray, successes: IntArray, went_on: IntArray, r: int, j: int, ks: IntArray) -> FloatArray:
    """The estimate of C(k, j) p^j (1-p)^(k-j) at each of `ks` (K,) for distinct stops (D,) of a plan with threshold
    r > j, shape (D, K). That of j = 0 is U(k)."""
    trials, successes, went_on = (each[:, None] for each in (trials, successes, went_on))
    whole = ((successes < r) | (went_on == 0))[:, 0]
    found = np.empty((len(trials), len(ks)))
    if whole.any():
        found[whole] = exact_hits(successes[whole], trials[whole], j, ks)
    cut = ~whole
    if cut.any():
        n, c, m = trials[cut], successes[cut], went_on[cut]
        before, weights = successes_before(n[:, 0], c[:, 0], m[:, 0], r)
        inside = ks <= m
        part = np.zeros((len(n), len(ks)))
        for a in before.tolist():
            part += weights[:, a : a + 1] * np.where(inside, exact_hits(np.full_like(m, a), m, j, ks), 0.0)
            if a <= j:
                later = exact_hits(c - a, n - m, j - a, np.maximum(ks - m, 0))
                part += weights[:, a : a + 1] * np.where(inside, 0.0, later)
        found[cut] = part
    return found


def exact_hits(correct: IntArray, n: IntArray, j: int, draws: IntArray) -> FloatArray:
    """Hypergeometric: the chance that exactly j of `draws` from n are correct; 0 for what is impossible.

    Arrays of shapes that fit together (numpy's broadcasting). The relative error is that of logarithms of factorials,
    1e-12 at n = 1,000 and 1e-9 at 10^6.
    """
    logs = _log_factorials(max(int(n.max()), int(correct.max()), int(draws.max()), j).bit_length())
    wrong, misses = n - correct, draws - j
    possible = (j <= correct) & (misses >= 0) & (misses <= wrong) & (draws <= n) & (correct >= 0) & (wrong >= 0)

    def choose(whole: IntArray, part: IntArray) -> FloatArray:
        whole, part = np.maximum(whole, 0), np.maximum(part, 0)
        return logs[whole] - logs[part] - logs[np.maximum(whole - part, 0)]

    hits = np.full_like(correct, j)
    return np.where(possible, np.exp(choose(correct, hits) + choose(wrong, misses) - choose(n, draws)), 0.0)


@lru_cache(maxsize=4)
def _log_factorials(bits: int) -> FloatArray:
    """Of 0, 1, ..., 2^bits."""
    return gammaln(np.arange(1.0, 2.0**bits + 2))


def _failure_after(n: IntArray, c: IntArray, m: IntArray, k_max: int) -> FloatArray:
    """C(n-m-c, k-m) / C(n-m, k-m) for k > m, 0 for k <= m, shape (D, K)."""
    result = np.zeros((len(n), k_max))
    for row in np.flatnonzero(m < k_max):
        width = min(k_max - m[row], n[row] - m[row])
        result[row, m[row] : m[row] + width] = failure_of(c[row : row + 1], (n - m)[row : row + 1], int(width))[0]
    return result


def _tails_closed(trials: IntArray, successes: IntArray, went_on: IntArray, r: int) -> _Tails:
    a = np.arange(r)
    n, c, m = trials[:, None], successes[:, None], went_on[:, None]

    def tails(p: FloatArray) -> tuple[FloatArray, FloatArray]:
        q = p[:, None]
        earlier = _at_least(np.full_like(went_on, r), went_on, p)  # of the first m, so that it stopped before
        a_before = np.where(a <= m, bdtr(a, m, q) - np.where(a > 0, bdtr(a - 1, m, q), 0.0), 0.0)
        at_least = (a_before * _at_least(c - a, n - m, q)).sum(axis=1)
        above = (a_before * _at_least(c + 1 - a, n - m, q)).sum(axis=1)
        return earlier + at_least, 1.0 - (earlier + above)

    return tails


def _at_least(j: IntArray, n: IntArray, p: FloatArray) -> FloatArray:
    """P(Bin(n, p) >= j), 1 for j <= 0 and 0 for j > n."""
    inside = np.clip(j - 1, 0, n)  # scipy knows no Bin(0, p) and no j outside 1..n: those are not looked at
    return np.where(j <= 0, 1.0, np.where(j > n, 0.0, bdtrc(inside, n, p)))


def _tails_by_paths(plan: StoppingPlan, trials: IntArray, successes: IntArray) -> _Tails:
    points = stopping_points(plan)
    codes = points.trials * (plan.n_max + 2) - points.successes  # rises in the order of the points
    place = np.searchsorted(codes, trials * (plan.n_max + 2) - successes)

    def tails(p: FloatArray) -> tuple[FloatArray, FloatArray]:
        cumulative = np.cumsum(points.probability(p), axis=1)
        rows = np.arange(len(p))
        before = np.where(place > 0, cumulative[rows, place - 1], 0.0)
        return cumulative[rows, place], 1.0 - before

    return tails


def _bisect(below: Callable[[FloatArray], NDArray[np.bool_]], count: int) -> FloatArray:
    """The p at which `below` turns false, one per stop; it is true for small p."""
    low, high = np.zeros(count), np.ones(count)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        left = below(middle)
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    return (low + high) / 2


def distinct_stops(tally: StoppedTally) -> tuple[tuple[IntArray, IntArray, IntArray], IntArray]:
    """Distinct (trials, successes, went_on) as three arrays (D,), and for each problem which is its own."""
    base = int(tally.trials.max(initial=0)) + 1
    codes = (tally.trials * base + tally.successes) * base + tally.went_on
    unique, where = np.unique(codes, return_inverse=True)
    rest, went_on = np.divmod(unique, base)
    trials, successes = np.divmod(rest, base)
    return (trials, successes, went_on), where
