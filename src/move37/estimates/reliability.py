"""How much of a benchmark is solved reliably, and how sure is the mean accuracy: Cover@tau, Bayes@N, areas.

Letters as in `pass_at_k.py`; p is a problem's true chance of a correct sample. All take fixed-n counts, except the
areas, which take pass@k rows of any plan.

Cover@tau (arXiv 2510.08325, G(tau) in its section 3) is the share of problems with p >= tau. Decisions:
- Counting problems with c/n >= tau (`cover_plug_in`) is biased near tau, in both directions: a share of them crosses
  tau by luck. `cover_debiased` counts at m = n samples and, over all subsets, at m = n/2, and extrapolates to infinite
  m. At m samples the threshold is x = tau (m+1), split between the two integers around it, so that
  "at least x of m correct" averages to the share of problems with p >= T, T of mean tau and of a known variance v_m (a
  mixture of two beta laws). The combination (v_h S_n - v_n S_h) / (v_h - v_n) has no error from the variance: it is
  unbiased if the density of p over problems is linear, whatever atoms at 0 and 1 come on top, and otherwise errs in the
  third derivative of Cover only.
- Checked on the DeepScaleR counts of the base model, thinned from 128 samples to 16 and 8 (tau = .5): rmse .006 to .008
  and .008, the plug-in .013 and .024; the share of a nonparametric maximum-likelihood fit above tau, .031 and .042.
- What it cannot do: nothing that is based on n samples tells p = tau - 1/n from p = tau + 1/n. If many problems sit
  that close to tau (within sqrt(tau (1-tau) / n)), the estimate smooths over them, and no estimate exists that does
  not: on 500 problems of one difficulty at n = 16 a Student interval around it covers .05 to .08. `cover_bounds`
  therefore gives an interval that assumes nothing about p: exact, wide, never wrong more often than it says. It is the
  interval that is reported; the estimate stands beside it with its condition, and `cover_contrast` says where n and n/2
  samples do not agree on it.
- It is a mean over problems, so a difference of two models is paired by problem. Single problems' values lie outside
  [0, 1], and the estimate need not fall with tau.

Bayes@N (arXiv 2510.04265) is the posterior of the benchmark's mean accuracy, one beta prior per problem. Decisions:
- The paper's prior is uniform. It draws every problem towards 1/2 by 2 / (n + 2) of its distance, however many problems
  there are, while the interval narrows with their number. Simulated with p ~ Beta(.5, .7), M = 500: the 95 % interval
  holds the true mean accuracy in .14 (n = 8), .56 (32) and .83 (128) of repetitions. A prior fitted to the problems
  does not help at small n, because its own error is left out. So the posterior is shown beside `average_error`, the
  standard error of avg@n from the unbiased variance of every problem, whose interval holds in .93 to .96 there.
- The interval is that of the beta law with the posterior's mean and variance: exact for one problem, within [0, 1] (the
  paper takes the normal law).

Left out: Cover@tau of early-stopped counts (hand in the samples before the first look), graded outcomes.
"""

from fractions import Fraction

import numpy as np
from scipy.special import bdtr, bdtrc, betaincinv, ndtri

from move37.errors import InputError
from move37.estimates.pass_at_k import checked_counts, g_pass_at_k
from move37.types import FloatArray, IntArray

_SLACK = 0.025
"""How often a problem on the threshold may be counted on the wrong side by a bound; the bound pays for it."""


def cover_plug_in(correct: IntArray, n: IntArray, tau: float) -> FloatArray:
    """1 where c/n >= tau, else 0, shape (M,): the naive Cover@tau, exact in its comparison and biased near tau."""
    correct, n = checked_counts(correct, n)
    threshold = _checked_tau(tau)
    return (correct * threshold.denominator >= n * threshold.numerator).astype(float)


def cover_debiased(correct: IntArray, n: IntArray, tau: float) -> FloatArray:
    """Per-problem values whose mean estimates Cover@tau, shape (M,). Raises InputError below `fewest_for_cover`."""
    correct, n = checked_counts(correct, n)
    threshold = _checked_tau(tau)
    needed = fewest_for_cover(tau)
    if n.min() < needed:
        raise InputError(
            f"Cover@{tau:g} needs at least {needed} scored samples of every problem, and one has {n.min()}; sample "
            "more, or choose a tau nearer to 0.5"
        )
    values = np.empty(len(n))
    for size in np.unique(n).tolist():
        rows = n == size
        half = size // 2
        whole_spread, half_spread = _spread(threshold, size), _spread(threshold, half)
        weight = float(half_spread / (half_spread - whole_spread))
        whole = _reached(correct[rows], n[rows], threshold, size)
        values[rows] = weight * whole + (1 - weight) * _reached(correct[rows], n[rows], threshold, half)
    return values


def fewest_for_cover(tau: float) -> int:
    """Samples that `cover_debiased` needs: with half of them, T must be neither 0 nor 1, where many problems sit."""
    threshold = _checked_tau(tau)
    return 2 * max(2, -(-1 // min(threshold, 1 - threshold)) - 1)


def cover_bracket(correct: IntArray, n: IntArray, tau: float) -> tuple[FloatArray, FloatArray]:
    """Two values per problem, (M,) each, whose expectations lie below and above 1[p >= tau], whatever p is.

    A problem is surely covered from j successes on, where P(at least j | tau) = e is small: (1[c >= j] - e) / (1 - e)
    averages to at most 0 for p < tau. It is possibly covered above i successes, where P(at most i | tau) = e' is small:
    1[c > i] / (1 - e') averages to at least 1 for p >= tau.
    """
    (surely, error_low), (possibly, error_high) = _surely_and_possibly(correct, n, tau)
    return (surely - error_low) / (1 - error_low), possibly / (1 - error_high)


def cover_bounds(
    correct: IntArray, n: IntArray, tau: float, confidence: float = 0.95, effective: float | None = None
) -> tuple[float, float]:
    """Interval for Cover@tau of the population of problems that holds whatever the law of p.

    Clopper-Pearson bounds, at half of the error each, for the shares of problems surely and possibly covered
    (`cover_bracket`), corrected for the largest chance that a problem is on the wrong side. `effective`: as how many
    independent problems these count (`Design.effective_problems`); default all.
    """
    (surely, error_low), (possibly, error_high) = _surely_and_possibly(correct, n, tau)
    alpha, each = _checked_confidence(confidence), 1.0 if effective is None else effective / len(surely)
    low, _ = exact_share_interval(each * float(surely.sum()), each * len(surely), alpha)
    _, high = exact_share_interval(each * float(possibly.sum()), each * len(possibly), alpha)
    worst_low, worst_high = float(error_low.max()), float(error_high.max())
    return max(0.0, (low - worst_low) / (1 - worst_low)), min(1.0, high / (1 - worst_high))


def cover_contrast(correct: IntArray, n: IntArray, tau: float) -> FloatArray | None:
    """Per problem, `cover_debiased` from n and n/2 samples minus the same from n/2 and n/4, (M,): where the estimate's
    condition holds, its mean is 0 but for chance. None where n/2 samples are too few for it."""
    correct, n = checked_counts(correct, n)
    threshold, needed = _checked_tau(tau), fewest_for_cover(tau)
    if n.min() // 2 < needed:
        return None
    values = cover_debiased(correct, n, tau)
    for size in np.unique(n).tolist():
        rows, half, quarter = n == size, size // 2, size // 4
        half_spread, quarter_spread = _spread(threshold, half), _spread(threshold, quarter)
        weight = float(quarter_spread / (quarter_spread - half_spread))
        of_half, of_quarter = (_reached(correct[rows], n[rows], threshold, m) for m in (half, quarter))
        values[rows] -= weight * of_half + (1 - weight) * of_quarter
    return values


def exact_share_interval(hits: float, trials: float, alpha: float) -> tuple[float, float]:
    """Clopper-Pearson interval for a share, alpha / 2 on each side; [0, 1] without trials.

    Counts need not be whole: those of clustered problems are their effective numbers (Korn & Graubard 1998).
    """
    lower = float(betaincinv(hits, trials - hits + 1, alpha / 2)) if hits else 0.0
    upper = float(betaincinv(hits + 1, trials - hits, 1 - alpha / 2)) if hits < trials else 1.0
    return lower, upper


def area_under_curve(rows: FloatArray, over_log_k: bool = False) -> FloatArray:
    """Mean height of each problem's pass@k between k = 1 and K, shape (M,): trapezoids over k, or over ln k.

    `rows` is pass@k for k = 1..K, shape (M, K), K >= 2 (InputError). Over k, large k dominate; over ln k every doubling
    counts the same.
    """
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise InputError("the area under pass@k needs at least two ks; sample more than once")
    at = np.arange(1, rows.shape[1] + 1, dtype=float)
    at = np.log(at) if over_log_k else at
    return (rows[:, 1:] + rows[:, :-1]) / 2 @ np.diff(at) / (at[-1] - at[0])


def accuracy_posterior(
    correct: IntArray, n: IntArray, prior: tuple[float, float] = (1.0, 1.0), copies: FloatArray | None = None
) -> tuple[float, float]:
    """Bayes@N: posterior mean and standard deviation of the mean of p over these problems.

    `prior` is the beta law of every p: (1, 1) is uniform, the paper's; (1 + d1, 1 + d0) takes d1 correct and d0
    incorrect samples of an earlier evaluation as evidence. `copies` (M,) are the sizes of the problems' clusters, whose
    members count as agreeing always.
    """
    correct, n = checked_counts(correct, n)
    if not (min(prior) > 0 and np.isfinite(prior).all()):
        raise InputError(f"a beta prior needs two positive numbers, not {prior}")
    weight = n + sum(prior)
    means = (correct + prior[0]) / weight
    variances = means * (1 - means) / (weight + 1) * (1.0 if copies is None else copies)
    return float(means.mean()), float(np.sqrt(variances.sum()) / len(n))


def average_error(correct: IntArray, n: IntArray, copies: FloatArray | None = None) -> float:
    """Standard error of mean avg@n over fresh samples of these problems; NaN where a problem has a single sample.

    c (n - c) / (n^2 (n - 1)) is unbiased for p (1 - p) / n. `copies` as in `accuracy_posterior`.
    """
    correct, n = checked_counts(correct, n)
    if n.min() < 2:
        return float("nan")
    variances = correct * (n - correct) / (n**2 * (n - 1.0)) * (1.0 if copies is None else copies)
    return float(np.sqrt(variances.sum()) / len(n))


def posterior_interval(mean: float, deviation: float, confidence: float = 0.95) -> tuple[float, float]:
    """Equal-tailed interval of the beta law with this mean and deviation, 0 < deviation^2 < mean (1 - mean)."""
    alpha = _checked_confidence(confidence)
    concentration = mean * (1 - mean) / deviation**2 - 1
    tails = np.array([alpha / 2, 1 - alpha / 2])
    lower, upper = betaincinv(mean * concentration, (1 - mean) * concentration, tails)
    return float(lower), float(upper)


def normal_interval(mean: float, deviation: float, confidence: float = 0.95) -> tuple[float, float]:
    """mean +- z deviation: for differences of posteriors."""
    half = float(ndtri(1 - _checked_confidence(confidence) / 2)) * deviation
    return mean - half, mean + half


def _reached(correct: IntArray, n: IntArray, tau: Fraction, m: int) -> FloatArray:
    """S_m: the chance that m of a problem's n samples reach the threshold tau (m + 1), shape (M,)."""
    threshold = tau * (m + 1)
    whole = int(threshold)
    beyond = float(threshold - whole)
    return (1 - beyond) * _at_least(correct, n, m, whole) + beyond * _at_least(correct, n, m, whole + 1)


def _at_least(correct: IntArray, n: IntArray, m: int, hits: int) -> FloatArray:
    """Chance that m of the n samples, 1 <= m, hold at least `hits` correct ones."""
    if hits == 0:
        return np.ones(len(n))
    if hits > m:
        return np.zeros(len(n))
    return g_pass_at_k(correct, n, m, hits / m)


def _spread(tau: Fraction, m: int) -> Fraction:
    """v_m, the variance of the threshold that `_reached` tests p against.

    P(Bin(m, p) >= j) = P(T <= p) for T ~ Beta(j, m + 1 - j), with E T^2 = j (j + 1) / ((m + 1) (m + 2)); mixing j and
    j + 1 in the shares 1 - f and f, x = j + f, gives E T = x / (m + 1) = tau and E T^2 = (x^2 + x + f (1 - f)) / (...).
    """
    x = tau * (m + 1)
    f = x - int(x)
    return (x * x + x + f * (1 - f)) / ((m + 1) * (m + 2)) - tau * tau


def _surely_and_possibly(
    correct: IntArray, n: IntArray, tau: float
) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
    """Whether each problem is surely, and possibly, covered, with the chance of a false one at p = tau, (M,) each."""
    correct, n = checked_counts(correct, n)
    chance = float(_checked_tau(tau))
    sizes, where = np.unique(n, return_inverse=True)
    least, most = np.empty(len(sizes), dtype=np.int64), np.empty(len(sizes), dtype=np.int64)
    for at, size in enumerate(sizes.tolist()):
        at_most = bdtr(np.arange(size + 1), size, chance)
        most[at] = np.searchsorted(at_most, _SLACK, side="right") - 1
        least[at] = np.argmax(1 - at_most <= _SLACK) + 1
    error_low = np.where(least > sizes, 0.0, bdtrc(least - 1, sizes, chance))
    error_high = np.where(most < 0, 0.0, bdtr(np.maximum(most, 0), sizes, chance))
    surely, possibly = correct >= least[where], correct > most[where]
    return (surely.astype(float), error_low[where]), (possibly.astype(float), error_high[where])


def _checked_tau(tau: float) -> Fraction:
    if not 0 < tau < 1:
        raise InputError(f"tau must be above 0 and below 1, not {tau}: whether p is exactly 0 or 1 no sample can tell")
    return Fraction(tau).limit_denominator(10**6)


def _checked_confidence(confidence: float) -> float:
    """alpha = 1 - confidence."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, not {confidence}")
    return 1 - confidence
