"""At which ks is a curve above or below zero, with one error probability for all ks together?

The simultaneous sup-t band for the mean of independent rows D (M problems, K columns) by Gaussian multipliers
(Chernozhukov, Chetverikov & Kato 2013; for pass@k curves: passk-inference, arXiv 2609.22547):
se_k = sd(D_.k) / sqrt(M) with M - 1 degrees of freedom; T = max_k |sum_i e_i (D_ik - mean_k)| / (M se_k) with
e ~ N(0, I_M); the critical value is the 1 - alpha quantile of T given D; the band is mean_k -+ critical * se_k.

Decisions:
- Given D, the K multiplier sums are exactly Gaussian with covariance R = Z'Z, Z = (D - mean) / (M se). So they are
  drawn as L g with R = L L' and g standard normal of length rank(R), not from M normals each: the same law, and since
  pass@k is smooth in k the numerical rank is about 20 where M is 1000. L is a pivoted Cholesky factor, stopped when
  no column has residual variance above 1e-12 (residual sd 1e-6 of one standard error).
- Products are in float32 (relative error 1e-7, far below the Monte-Carlo error), in blocks of bounded memory.
- The Monte-Carlo error of the critical value is part of the result: order statistics of T whose ranks are binomial
  quantiles hold the true quantile with 95 %; every conclusion can be recomputed at both ends.
- A column with se < 1e-12 shows no variation and supports no inference: its band is the whole `support`. Bands are
  cut off at the support, which costs no coverage.
- The band is asymptotic in the number of problems that carry a column, not in M: `effective_problems` says how many
  those are. Simulated at 95 % with M = 30 to 1000, the columns carried by 10 or more were covered together in .92 to
  .98 of repetitions; where problems are nearly decided (p around .5, k = 32) a handful carries the large ks, the band
  there is far too narrow, and all columns together were covered in .02 to .9.

Left out: corrections for few problems, clusters of problems.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs
from scipy.special import bdtrik

from move37.errors import InputError
from move37.estimates.pass_at_k import standard_error_population
from move37.types import FloatArray

Float32Array = NDArray[np.float32]

DEGENERATE = 1e-12
"""A standard error below this is rounding, not information."""
FEW_PROBLEMS = 10
"""A column carried by fewer problems than this has too narrow a band."""
_RESIDUAL_VARIANCE = 1e-12
_BLOCK_ELEMENTS = 1 << 23
_MONTE_CARLO_CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Band:
    """Mean and band of K columns, arrays of shape (K,). The critical value is NaN if no column varies."""

    mean: FloatArray
    standard_error: FloatArray
    lower: FloatArray
    upper: FloatArray
    critical_value: float
    critical_value_monte_carlo: tuple[float, float]
    draws: int
    confidence: float
    support: tuple[float, float]
    effective_problems: FloatArray
    """How many problems carry each column's variance; see `effective_problems`."""

    def at(self, critical_value: float) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends that another critical value would give."""
        return _ends(self.mean, self.standard_error, critical_value, self.support)


def simultaneous_band(
    rows: FloatArray,
    confidence: float = 0.95,
    draws: int = 100_000,
    seed: int = 0,
    support: tuple[float, float] = (-1.0, 1.0),
) -> Band:
    """Band that holds the population mean of all K columns of `rows` (M, K) at once, with about `confidence`.

    One row gives the whole support everywhere. Raises InputError for NaN, an empty array or impossible settings.
    """
    if rows.ndim != 2 or not rows.size:
        raise InputError(f"a band needs rows of shape (problems, ks), not {rows.shape}")
    if not np.isfinite(rows).all():
        raise InputError("a band needs finite rows: some are NaN or infinite")
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, not {confidence}")
    if draws < 100:
        raise InputError(f"draws must be at least 100 for a quantile, not {draws}")
    mean = rows.mean(axis=0)
    error = standard_error_population(rows)
    varying = error >= DEGENERATE
    critical, monte_carlo = float("nan"), (float("nan"), float("nan"))
    if varying.any():
        maxima = multiplier_maxima(rows[:, varying], draws, seed)
        critical, monte_carlo = _quantile_with_range(maxima, confidence)
    lower, upper = _ends(mean, error, critical, support)
    carriers = np.where(varying, effective_problems(rows), 0.0)
    return Band(mean, error, lower, upper, critical, monte_carlo, draws, confidence, support, carriers)


def multiplier_maxima(rows: FloatArray, draws: int, seed: int) -> Float32Array:
    """`draws` independent values of T = max_k |sum_i e_i (D_ik - mean_k)| / (M se_k), shape (draws,), float32."""
    factor = _multiplier_factor(rows)
    columns, rank = factor.shape
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK_ELEMENTS // columns)
    maxima = np.empty(draws, dtype=np.float32)
    for start in range(0, draws, block):
        size = min(block, draws - start)
        # (draws, rank) normals, so that the stream does not depend on the block size.
        sums = factor @ rng.standard_normal((size, rank), dtype=np.float32).T
        np.abs(sums, out=sums)
        sums.max(axis=0, out=maxima[start : start + size])
    return maxima


def effective_problems(rows: FloatArray) -> FloatArray:
    """(sum d^2)^2 / sum d^4 over problems with d = row - mean, shape (K,).

    M if all problems deviate equally, 1 if a single one does, 0 if none does.
    """
    squares = (rows - rows.mean(axis=0)) ** 2
    largest = squares.max(axis=0)
    squares /= np.where(largest > 0, largest, 1.0)  # so that tiny deviations do not underflow when squared again
    return squares.sum(axis=0) ** 2 / np.maximum((squares**2).sum(axis=0), 1.0)


def gain_and_loss(lower: FloatArray, upper: FloatArray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ks (1..K) whose whole band is above zero, and those whose whole band is below."""
    above, below = np.flatnonzero(lower > 0) + 1, np.flatnonzero(upper < 0) + 1
    return tuple(above.tolist()), tuple(below.tolist())


def first_loss_set(lower: FloatArray, upper: FloatArray) -> tuple[int, int | None]:
    """Confidence set [first, last] of the first k with a negative mean: the k after the unbroken run of gains from
    k = 1, up to the first established loss. last is None where no loss is established; first may then be K + 1.
    """
    gains = lower > 0
    run = len(gains) if gains.all() else int(np.argmin(gains))
    losses = np.flatnonzero(upper < 0)
    return run + 1, int(losses[0]) + 1 if losses.size else None


def point_crossing(mean: FloatArray) -> int | None:
    """First k at which the mean is negative after having been positive; None if there is none."""
    after_gain = np.logical_or.accumulate(mean > 0)
    crossed = np.flatnonzero(after_gain & (mean < 0))
    return int(crossed[0]) + 1 if crossed.size else None


def _multiplier_factor(rows: FloatArray) -> Float32Array:
    """L of shape (K, rank), float32, with L L' = Z'Z up to the residual variance. Its rows are permuted: a maximum over
    all columns does not see that."""
    standardised = (rows - rows.mean(axis=0)) / (len(rows) * standard_error_population(rows))
    covariance = standardised.T @ standardised
    # Exactly (M-1)/M in exact arithmetic; set, so that rounding cannot decide between equal first pivots.
    np.fill_diagonal(covariance, (len(rows) - 1) / len(rows))
    (pivoted_cholesky,) = get_lapack_funcs(("pstrf",), (covariance,))
    factor, _, rank, info = pivoted_cholesky(covariance, tol=_RESIDUAL_VARIANCE, lower=1)
    if info < 0:
        raise ValueError(f"pstrf: argument {-info} is illegal")
    return np.ascontiguousarray(np.tril(factor)[:, :rank], dtype=np.float32)


def _quantile_with_range(maxima: Float32Array, confidence: float) -> tuple[float, tuple[float, float]]:
    """The `confidence` quantile, and the order statistics that hold the true one with 95 %."""
    tail = (1 - _MONTE_CARLO_CONFIDENCE) / 2
    ranks = np.ceil(bdtrik([tail, 1 - tail], len(maxima), confidence)).astype(int)
    low, high = np.clip([ranks[0] - 1, ranks[1]], 0, len(maxima) - 1)
    ordered = np.sort(maxima).astype(float)
    return float(np.quantile(ordered, confidence)), (float(ordered[low]), float(ordered[high]))


def _ends(
    mean: FloatArray, error: FloatArray, critical: float, support: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    known = error >= DEGENERATE
    half = np.where(known, critical * error, np.inf)
    return np.maximum(mean - half, support[0]), np.minimum(mean + half, support[1])
