"""What are pass@k and its relatives, and how sure are they, when every problem's n was fixed beforehand?

Letters, once for all estimates: M problems; per problem n scored samples of which c are correct; k draws without
replacement from the n; K the largest k; U(k) = C(n-c, k) / C(n, k), the chance that none of the k draws is correct.
Arrays are of shape (M,) for counts and (M, K) for every k = 1..K at once.

Decisions:
- pass@k = 1 - U(k) (Chen et al., arXiv 2107.03374, eq. 1) is unbiased for 1 - (1-p)^k, and only for k <= n: a larger
  k is refused, never extrapolated and never averaged over the problems that happen to have enough samples.
- All k at once by U(k+1) = U(k) (n-c-k) / (n-k): exact 0 where k > n-c and exact 1 where c = 0 come out by
  themselves, the relative error is below 2k rounding errors, and equal (n, c) are computed once.
- Two standard errors, never mixed: `standard_error_benchmark` for fresh samples of these problems,
  `standard_error_population` for fresh problems as well (it already contains the sampling noise).

Left out: counts whose n depended on the outcomes (`curtailed.py`); these formulas are biased on them.
"""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from scipy.special import gammaln

from move37.errors import InputError
from move37.types import FloatArray, IntArray

_BLOCK_ELEMENTS = 1 << 23


def pass_at_k(correct: IntArray, n: IntArray, k_max: int | None = None) -> FloatArray:
    """pass@k per problem for every k = 1..k_max, shape (M, K); k_max defaults to the smallest n.

    Raises InputError for impossible counts and for k_max > n.
    """
    return 1.0 - failure_at_k(correct, n, k_max)


def failure_at_k(correct: IntArray, n: IntArray, k_max: int | None = None) -> FloatArray:
    """U(k), the chance that k samples hold no correct one, for every k = 1..k_max, shape (M, K)."""
    correct, n = checked_counts(correct, n)
    k_max = checked_k(n, int(n.min()) if k_max is None else k_max)
    return failure_of(correct, n, k_max)


def pass_hat_k(correct: IntArray, n: IntArray, k_max: int | None = None) -> FloatArray:
    """pass^k = C(c, k) / C(n, k), the chance that all k samples are correct, shape (M, K) (arXiv 2406.12045)."""
    correct, n = checked_counts(correct, n)
    k_max = checked_k(n, int(n.min()) if k_max is None else k_max)
    return failure_of(n - correct, n, k_max)


def g_pass_at_k(correct: IntArray, n: IntArray, k: int, tau: float) -> FloatArray:
    """G-Pass@k_tau (arXiv 2412.13147), the chance that at least ceil(tau k) of k samples are correct, shape (M,).

    0 < tau <= 1: tau = 1 is pass^k; any tau <= 1/k is pass@k.
    """
    correct, n = checked_counts(correct, n)
    k = checked_k(n, k)
    if not 0 < tau <= 1:
        raise InputError(f"tau must be above 0 and at most 1, not {tau}")
    # Exact ceiling: 0.7 * 10 is 7.000000000000001 in floating point, and would ask for 8 of 10.
    at_least = -(-Fraction(tau).limit_denominator(10**6) * k // 1)
    pairs, where = distinct_counts(correct, n)
    return _upper_tail(pairs[:, 1], pairs[:, 0], k, int(at_least))[where]


def average(correct: IntArray, n: IntArray) -> FloatArray:
    """avg@n = c / n, shape (M,). Its expectation is pass@1."""
    correct, n = checked_counts(correct, n)
    return correct / n


def failure_variance(correct: IntArray, n: IntArray, k_max: int | None = None) -> FloatArray:
    """Unbiased variance over fresh samples of each problem's pass@k, U(k)^2 - U(2k), shape (M, K).

    NaN where 2k > n: no unbiased estimate exists there. Single entries may be negative; sums over problems are what
    they are for.
    """
    correct, n = checked_counts(correct, n)
    k_max = checked_k(n, int(n.min()) if k_max is None else k_max)
    known = min(2 * k_max, int(n.max())) // 2
    variance = np.full((len(n), k_max), np.nan)
    failure = failure_of(correct, n, 2 * known)
    variance[:, :known] = failure[:, :known] ** 2 - failure[:, 1::2]
    variance[2 * np.arange(1, k_max + 1) > n[:, None]] = np.nan
    return variance


def standard_error_benchmark(correct: IntArray, n: IntArray, k_max: int | None = None) -> FloatArray:
    """Standard error of mean pass@k over fresh samples of these problems, sqrt(sum_i Var_i) / M, shape (K,).

    NaN where 2k exceeds any problem's n. A negative sum (all problems nearly decided) is reported as 0.
    """
    variance = failure_variance(correct, n, k_max)
    return np.sqrt(np.maximum(variance.sum(axis=0), 0.0)) / len(variance)


def standard_error_population(rows: FloatArray) -> FloatArray:
    """Standard error of the mean of `rows` over fresh problems, sd / sqrt(M) with M - 1 degrees of freedom.

    `rows` has shape (M,) or (M, K). NaN for a single problem, which says nothing about other problems.
    """
    if len(rows) < 2:
        return np.full(rows.shape[1:], np.nan)
    spread = [np.asarray(part.std(axis=0, ddof=1)) for part in column_blocks(rows)]
    return np.concatenate(spread, axis=-1) / np.sqrt(len(rows)) if rows.ndim > 1 else spread[0] / np.sqrt(len(rows))


def column_blocks(rows: FloatArray) -> Iterator[FloatArray]:
    """`rows` (M, K) as views of some columns each, so that what is made of one stays small; one for most studies."""
    width = max(1, _BLOCK_ELEMENTS // len(rows))
    if rows.ndim < 2 or rows.shape[1] <= width:
        yield rows
        return
    for first in range(0, rows.shape[1], width):
        yield rows[:, first : first + width]


def checked_counts(correct: IntArray, n: IntArray) -> tuple[IntArray, IntArray]:
    """Both as int64 of shape (M,). Raises InputError unless M >= 1, n >= 1 and 0 <= c <= n, all whole numbers."""
    correct, n = _whole(correct, "correct"), _whole(n, "n")
    if correct.ndim != 1 or correct.shape != n.shape:
        raise InputError(f"correct and n must be one number per problem, not shapes {correct.shape} and {n.shape}")
    if not correct.size:
        raise InputError("no problems: there is nothing to estimate")
    for wrong, what in ((n < 1, "no scored sample"), (correct < 0, "c < 0"), (correct > n, "c > n")):
        if wrong.any():
            first = int(np.argmax(wrong))
            raise InputError(
                f"impossible counts: {what} at position {first} (c={correct[first]}, n={n[first]}), "
                f"{int(wrong.sum())} of {len(n)} problems; every problem needs 0 <= c <= n and n >= 1"
            )
    return correct, n


def checked_k(n: IntArray, k: int) -> int:
    """k, if every problem has that many samples. Raises InputError otherwise."""
    if k < 1:
        raise InputError(f"k must be at least 1, not {k}")
    if k > n.min():
        short = int((n < k).sum())
        raise InputError(
            f"k={k} needs {k} scored samples of every problem, but {short} of {len(n)} have fewer (smallest n: "
            f"{n.min()}); lower k or sample more"
        )
    return k


def _whole(values: IntArray, name: str) -> IntArray:
    array = np.asarray(values)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.floor(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise InputError(f"{name} must be whole numbers (no NaN, no fractions, no true/false), not {array.dtype}")
    return array.astype(np.int64, copy=False)


def distinct_counts(correct: IntArray, n: IntArray) -> tuple[IntArray, IntArray]:
    """The distinct (n, c) as rows, and for each problem which of them is its own."""
    # One integer per pair, because sorting rows is ten times slower.
    base = n.max(initial=0) + 1
    codes, where = np.unique(n * base + correct, return_inverse=True)
    return np.stack(np.divmod(codes, base), axis=1), where


def failure_of(marked: IntArray, n: IntArray, k_max: int) -> FloatArray:
    """Chance that k = 1..k_max draws from n without replacement take none of the `marked`; 0 beyond n. (M, K)

    Counts are taken as they are: the callers have checked them.
    """
    pairs, where = distinct_counts(marked, n)
    total, free = pairs[:, :1].astype(float), (pairs[:, :1] - pairs[:, 1:]).astype(float)
    drawn = np.arange(k_max, dtype=float)
    steps = np.maximum(free - drawn, 0.0)
    steps /= np.maximum(total - drawn, 1.0)
    return np.cumprod(steps, axis=1, out=steps)[where]


def _upper_tail(correct: IntArray, n: IntArray, k: int, at_least: int) -> FloatArray:
    """Hypergeometric P(at least `at_least` = t of k draws are correct), shape as `correct`; impossible is exactly 0.

    Make the n samples correct one by one: the (c+1)-th brings the t-th hit with chance
    C(c, t-1) C(n-1-c, k-t) / C(n, k). So the tails of all c at one n are the running sum of one vector.
    """
    tail = np.empty(len(correct))
    for size in np.unique(n):
        rows, before = n == size, np.arange(size)
        possible = (before >= at_least - 1) & (size - 1 - before >= k - at_least)
        c = before[possible]
        hits, misses, draws = (np.full_like(c, value) for value in (at_least - 1, k - at_least, k))
        step = np.zeros(size + 1)
        step[1:][possible] = np.exp(
            log_choose(c, hits) + log_choose(size - 1 - c, misses) - log_choose(np.full_like(c, size), draws)
        )
        tail[rows] = np.cumsum(step)[correct[rows]]
    certain = k - (n - correct) >= at_least
    return np.where(certain, 1.0, np.minimum(tail, 1.0))


def log_choose(n: IntArray, k: IntArray) -> FloatArray:
    """Natural logarithm of n choose k, elementwise, for 0 <= k <= n."""
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
