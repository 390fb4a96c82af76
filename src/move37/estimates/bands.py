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
  quantiles hold the true quantile with 95 %; every conclusion can be recomputed at both ends. With a stated
  `monte_carlo_error` the draws are doubled, keeping the earlier ones, until that range is narrower.
- Strata (subsets, levels) are fixed: another benchmark would have as many problems of each. Problems are centred
  within their stratum, and stratum h's variance is scaled by G_h / (G_h - 1). Clusters (near duplicates) are what
  another benchmark would draw anew: the problems of a cluster share one multiplier. The mean stays that over problems.
- Several curves at once (a family) are columns of one process with the same multipliers. `thinned_columns` may stand
  for all columns when the maximum is simulated: the critical value is then too small by less than .01. As that is more
  than a residual variance of 1e-6 can do, their factor stops there, at half the rank.
- A column with se < 1e-12 shows no variation and supports no inference: its band is the whole `support`. Bands are
  cut off at the support, which costs no coverage.
- The band is asymptotic in the number of problems that carry a column, not in M: `effective_problems` says how many
  those are. At 95 %, simulated for M = 30 to 1000 (bench/coverage.py), the columns carried by `FEW_PROBLEMS` or more
  are covered together in .93 to .96 of repetitions (with M = 30 nearly all are below that). Where problems are nearly
  decided (p around .5, k = 32), a handful carries the large ks, and all columns together are covered in .01.
- `Band.widened` is for those who need a statement there: the Student quantile with (effective problems - 1) degrees
  of freedom at the level of the critical value, with half of the problems below `FEW_PROBLEMS` (with all of them 300
  problems near p = .5 were covered in .934, so in .954), and the whole support below `FEWEST_PROBLEMS`. What is
  reported is the band, widened in the columns that fewer than `WIDENED_BELOW` carry (`Band.reported`): it covers all
  columns in .94 or more, where the published band alone covers .93 with 300 problems of which few are ever solved.

Left out: weights other than one per problem.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs
from scipy.special import bdtrik, ndtr, stdtrit

from move37.errors import InputError
from move37.estimates.pass_at_k import column_blocks, standard_error_population
from move37.estimates.settings import DEFAULT_BAND, INDEPENDENT, POPULATION, BandSettings, Design
from move37.types import FloatArray, IntArray

Float32Array = NDArray[np.float32]

DEGENERATE = 1e-12
"""A standard error below this is rounding, not information."""
FEW_PROBLEMS = 15
"""A column carried by fewer problems than this has too narrow a band."""
FEWEST_PROBLEMS = 10
"""A column carried by fewer problems than this has no band that can be trusted, not even a widened one."""
WIDENED_BELOW = 40
"""A column carried by fewer problems than this is reported with the widened band."""
MOST_DRAWS = 12_800_000
"""Where doubling stops, whatever Monte-Carlo error was asked for."""
_RESIDUAL_VARIANCE = 1e-12
_RESIDUAL_VARIANCE_THINNED = 1e-6
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
    """Where the critical value would lie with other multiplier draws (95 %)."""
    draws: int
    confidence: float
    support: tuple[float, float] = (-1.0, 1.0)
    effective_problems: FloatArray = field(default_factory=lambda: np.empty(0))
    """How many problems (clusters, where there are any) carry each column's variance; see `effective_problems`. Empty
    for a band of an analyses.json that does not say so."""
    target: str = POPULATION
    """Whether it is for other problems ("population") or for fresh samples of these ("benchmark")."""

    def at(self, critical_value: float) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends that another critical value would give."""
        return band_ends(self.mean, self.standard_error, critical_value, self.support)

    @property
    def is_widened(self) -> NDArray[np.bool_]:
        """The columns that are reported widened, (K,)."""
        if not self.effective_problems.size:
            return np.zeros(len(self.mean), dtype=np.bool_)
        return (self.effective_problems > 0) & (self.effective_problems < WIDENED_BELOW)

    @property
    def reported(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends that are shown: widened in the columns that few problems carry."""
        if not self.is_widened.any():
            return self.lower, self.upper
        lower, upper = self.widened()
        return np.where(self.is_widened, lower, self.lower), np.where(self.is_widened, upper, self.upper)

    def widened(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends that also hold where few problems carry a column: Student's quantile, no claim below
        `FEWEST_PROBLEMS`. Below `FEW_PROBLEMS` the carriers are themselves counted from few: half are relied on."""
        return band_ends(self.mean, self.standard_error, self._widened_critical_values(), self.support)

    def critical_values(self) -> FloatArray:
        """The critical value of each column as it is reported, (K,); infinite where too few problems carry it."""
        if not self.is_widened.any():
            return np.full(len(self.mean), self.critical_value)
        return np.where(self.is_widened, self._widened_critical_values(), self.critical_value)

    def _widened_critical_values(self) -> FloatArray:
        carriers = np.maximum(self.effective_problems, FEWEST_PROBLEMS)
        relied_on = np.where(carriers < FEW_PROBLEMS, carriers / 2, carriers)
        student = stdtrit(relied_on - 1, ndtr(self.critical_value))
        return np.where(self.effective_problems < FEWEST_PROBLEMS, np.inf, student)


@dataclass(frozen=True, eq=False)
class Spread:
    """The mean of K columns and how it varies with the problems, arrays of shape (K,)."""

    mean: FloatArray
    standard_error: FloatArray
    effective_problems: FloatArray
    scaled: FloatArray
    """Each independent unit's part in each simulated column, in standard errors, shape (units, columns): with
    e ~ N(0, I), e @ scaled is one draw of all of them. Columns that do not vary are left out."""
    columns: IntArray
    """Which of the K columns are simulated, positions, shape (columns,)."""
    variance: float
    """Of every entry of e @ scaled: (units - strata) / units."""
    residual_variance: float
    """What the factor of the simulated columns may leave out of any."""
    target: str = POPULATION

    @property
    def parts(self) -> FloatArray:
        """`scaled` in its columns' places, shape (units, K); 0 in columns that are not simulated."""
        placed = np.zeros((len(self.scaled), len(self.mean)))
        placed[:, self.columns] = self.scaled
        return placed


@dataclass(frozen=True, slots=True)
class CriticalValue:
    """A quantile of the maximum, the 95 % range of its Monte-Carlo error, and its draws. NaN where no column varies."""

    value: float
    monte_carlo: tuple[float, float]
    draws: int


def simultaneous_band(
    rows: FloatArray,
    settings: BandSettings = DEFAULT_BAND,
    design: Design = INDEPENDENT,
    support: tuple[float, float] = (-1.0, 1.0),
    *,
    simulate_at: IntArray | None = None,
) -> Band:
    """Band that holds the population mean of all K columns of `rows` (M, K) at once, with about `confidence`.

    `design` labels the problems. Draws are doubled up to `MOST_DRAWS`. `simulate_at`: the column positions over which
    the maximum is simulated, all by default. One row gives the whole support everywhere. Raises InputError for NaN, an
    empty array or labels that do not fit.
    """
    each = spread(rows, design, simulate_at)
    return band_from(each, critical_value([each], settings), settings.confidence, support)


def spread(rows: FloatArray, design: Design = INDEPENDENT, simulate_at: IntArray | None = None) -> Spread:
    """Mean, standard error and multiplier process of `rows` (M, K). Arguments and errors as in `simultaneous_band`."""
    sums, error, variance = unit_sums(rows, design)
    varying = error >= DEGENERATE
    carriers = np.where(varying, _effective(sums, design.weights), 0.0)
    chosen = np.flatnonzero(varying) if simulate_at is None else simulate_at[varying[simulate_at]]
    scaled = sums if len(chosen) == sums.shape[1] else sums[:, chosen]
    scaled /= design.problems(rows) * error[chosen]
    residual = _RESIDUAL_VARIANCE if simulate_at is None else _RESIDUAL_VARIANCE_THINNED
    return Spread(design.mean(rows), error, carriers, scaled, chosen, variance, residual)


def unit_sums(rows: FloatArray, design: Design = INDEPENDENT) -> tuple[FloatArray, FloatArray, float]:
    """The independent units' centred sums (U, K), the standard error of the mean (K,), and (U - H) / U for H strata.

    Without clusters every problem is a unit. The sums of stratum h are scaled by sqrt(G_h/(G_h-1) (U-H)/U), so that
    their squares add up to (U - H) / U of the variance, and with one stratum nothing is scaled. A row of weight w
    is scaled by sqrt(w): what w independent units add up to has that spread.
    """
    if rows.ndim != 2 or not rows.size:
        raise InputError(f"a band needs rows of shape (problems, ks), not {rows.shape}")
    if not np.isfinite(rows).all():
        raise InputError("a band needs finite rows: some are NaN or infinite")
    problems, strata, clusters = len(rows), design.strata, design.clusters
    if design.weights is not None:
        return _weighted_sums(rows, design.weights)
    if strata is None and clusters is None:
        return rows - rows.mean(axis=0), standard_error_population(rows), (problems - 1) / problems
    stratum = _labels(strata, problems, "strata") if strata is not None else np.zeros(problems, dtype=np.int64)
    unit = _labels(clusters, problems, "clusters") if clusters is not None else np.arange(problems)
    home = _stratum_of_unit(stratum, unit)
    sizes = np.bincount(home)
    if strata is not None and sizes.min() < 2:
        raise InputError(
            f"stratum {strata[np.argmax(stratum == np.argmin(sizes))]} has a single "
            f"{'problem' if clusters is None else 'cluster'}, so its spread cannot be estimated; merge it with another"
        )
    if len(home) < 2:
        return np.zeros((1, rows.shape[1])), np.full(rows.shape[1], np.nan), 0.0
    sums = sum_by(rows - sum_by(rows, stratum)[stratum] / np.bincount(stratum)[stratum, None], unit)
    correction = (sizes / (sizes - 1))[home]
    error = np.sqrt(correction @ sums**2) / problems
    variance = (len(home) - len(sizes)) / len(home)
    return sums * np.sqrt(correction * variance)[:, None], error, variance


def _weighted_sums(rows: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    problems = float(weights.sum())
    sums = (rows - weights @ rows / problems) * np.sqrt(weights)[:, None]
    error = np.sqrt((sums**2).sum(axis=0) / (problems - 1) / problems)
    return sums, error, (problems - 1) / problems


def sum_by(values: FloatArray, labels: IntArray) -> FloatArray:
    """Sums of rows with equal labels 0..L-1, shape (L, K)."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(int(labels.max()) + 1))
    return np.add.reduceat(values[order], starts, axis=0)


def critical_value(spreads: Sequence[Spread], settings: BandSettings = DEFAULT_BAND) -> CriticalValue:
    """The critical value for all columns of all `spreads` at once; they must be of the same problems in one order."""
    scaled = np.concatenate([each.scaled for each in spreads], axis=1)
    if not scaled.shape[1]:
        return CriticalValue(float("nan"), (float("nan"), float("nan")), settings.draws)
    residual = max(each.residual_variance for each in spreads)
    factor = multiplier_factor(scaled, spreads[0].variance, residual)
    return simulated_quantile(factor, settings)


def band_from(each: Spread, critical: CriticalValue, confidence: float, support: tuple[float, float]) -> Band:
    """The band that a critical value gives to a curve."""
    lower, upper = band_ends(each.mean, each.standard_error, critical.value, support)
    return Band(
        mean=each.mean,
        standard_error=each.standard_error,
        lower=lower,
        upper=upper,
        critical_value=critical.value,
        critical_value_monte_carlo=critical.monte_carlo,
        draws=critical.draws,
        confidence=confidence,
        support=support,
        effective_problems=each.effective_problems,
        target=each.target,
    )


def simulated_quantile(factor: Float32Array, settings: BandSettings) -> CriticalValue:
    """The quantile of max |factor @ g| at the settings' confidence, g standard normal; draws up to `MOST_DRAWS`."""
    confidence, monte_carlo_error = settings.confidence, settings.monte_carlo_error
    rng = np.random.default_rng(settings.seed)
    maxima = multiplier_maxima(factor, settings.draws, rng)
    value, span = _quantile_with_range(maxima, confidence)
    while monte_carlo_error is not None and span[1] - span[0] > monte_carlo_error and 2 * len(maxima) <= MOST_DRAWS:
        maxima = np.concatenate([maxima, multiplier_maxima(factor, len(maxima), rng)])
        value, span = _quantile_with_range(maxima, confidence)
    return CriticalValue(value, span, len(maxima))


def multiplier_maxima(factor: Float32Array, draws: int, rng: np.random.Generator) -> Float32Array:
    """`draws` independent values of max |factor @ g| with g standard normal, shape (draws,), float32."""
    columns, rank = factor.shape
    block = max(1, _BLOCK_ELEMENTS // columns)
    maxima = np.empty(draws, dtype=np.float32)
    for start in range(0, draws, block):
        size = min(block, draws - start)
        # (draws, rank) normals, so that the stream does not depend on the block size.
        sums = factor @ rng.standard_normal((size, rank), dtype=np.float32).T
        np.abs(sums, out=sums)
        sums.max(axis=0, out=maxima[start : start + size])
    return maxima


def multiplier_factor(
    scaled: FloatArray, variance: float | FloatArray, residual_variance: float = _RESIDUAL_VARIANCE
) -> Float32Array:
    """L of shape (K, rank), float32, with L L' = scaled' scaled up to the residual variance. `variance`: the diagonal.

    Its rows are permuted: a maximum over all columns does not see that.
    """
    covariance = scaled.T @ scaled
    # Known exactly, and set, so that rounding cannot decide between equal first pivots.
    np.fill_diagonal(covariance, variance)
    (pivoted_cholesky,) = get_lapack_funcs(("pstrf",), (covariance,))
    factor, _, rank, info = pivoted_cholesky(covariance, tol=residual_variance, lower=1)
    if info < 0:
        raise ValueError(f"pstrf: argument {-info} is illegal")
    return np.ascontiguousarray(np.tril(factor)[:, :rank], dtype=np.float32)


def thinned_columns(k_max: int, ratio: float = 1.25) -> IntArray:
    """Positions (k - 1) of the ks in 1..k_max that stand for all when a maximum is simulated: steps of 1, then `ratio`.

    1024 ks leave 31. pass@k at neighbours of this grid is correlated by more than .99.
    """
    ks, k = [], 1
    while k < k_max:
        ks.append(k)
        k = max(k + 1, int(k * ratio))
    return np.array([*ks, k_max]) - 1


def effective_problems(rows: FloatArray, design: Design = INDEPENDENT) -> FloatArray:
    """(sum d^2)^2 / sum d^4 over problems with d = row - mean, or over the clusters' sums of d, shape (K,).

    M if all deviate equally, 1 if a single one does, 0 if none does.
    """
    return _effective(unit_sums(rows, design)[0], design.weights)


def population_error(rows: FloatArray, design: Design = INDEPENDENT) -> FloatArray:
    """Standard error of the mean of `rows` (M, K) over fresh problems, or fresh clusters of them, shape (K,)."""
    return unit_sums(rows, design)[1]


def gain_and_loss(lower: FloatArray, upper: FloatArray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ks (1..K) whose whole band is above zero, and those whose whole band is below."""
    above, below = np.flatnonzero(lower > 0) + 1, np.flatnonzero(upper < 0) + 1
    return tuple(above.tolist()), tuple(below.tolist())


def first_loss_set(lower: FloatArray, upper: FloatArray) -> tuple[int, int | None]:
    """Confidence set [first, last] of the first k with a negative mean: the k after the unbroken run of gains from
    k = 1, up to the first established loss. last is None where no loss is established; first may then be K + 1.
    """
    first, last = first_loss_sets(lower[None, :], upper[None, :], np.arange(1, len(lower) + 1))
    return first[0], last[0]


def first_loss_sets(lower: FloatArray, upper: FloatArray, ks: IntArray) -> tuple[list[int], list[int | None]]:
    """Both ends of the first-loss set of each row of bands (R, K), at the ks (K,)."""
    gains, losses = lower > 0, upper < 0
    run = np.logical_and.accumulate(gains, axis=1).sum(axis=1)
    first = np.where(run > 0, ks[np.maximum(run, 1) - 1] + 1, ks[0])
    last = ks[np.argmax(losses, axis=1)].tolist()
    return first.tolist(), [k if row.any() else None for k, row in zip(last, losses, strict=True)]


def point_crossing(mean: FloatArray) -> int | None:
    """First k at which the mean is negative after having been positive; None if there is none."""
    after_gain = np.logical_or.accumulate(mean > 0)
    crossed = np.flatnonzero(after_gain & (mean < 0))
    return int(crossed[0]) + 1 if crossed.size else None


def carried_by_few(carriers: FloatArray) -> tuple[int, ...]:
    """The ks (1..K) whose effective problems are fewer than `FEW_PROBLEMS`, but not 0 (those have no band at all)."""
    return tuple((np.flatnonzero((carriers > 0) & (carriers < FEW_PROBLEMS)) + 1).tolist())


def half_width(error: FloatArray, critical: float | FloatArray) -> FloatArray:
    """critical * error; infinite where the error is rounding or does not exist."""
    known = error >= DEGENERATE
    return np.where(known, critical * np.where(known, error, 1.0), np.inf)


def band_ends(
    mean: FloatArray, error: FloatArray, critical: float | FloatArray, support: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """mean -+ critical * error, cut off at the support, which is the band where the error is rounding or NaN."""
    half = half_width(error, critical)
    return np.maximum(mean - half, support[0]), np.minimum(mean + half, support[1])


def _effective(deviations: FloatArray, weights: FloatArray | None) -> FloatArray:
    """`weights`: how many equal units each row stands for, whose deviations are scaled by its root."""
    return np.concatenate([_effective_of(part, weights) for part in column_blocks(deviations)])


def _effective_of(deviations: FloatArray, weights: FloatArray | None) -> FloatArray:
    shares = deviations**2
    total = shares.sum(axis=0)
    shares /= np.where(total > 0, total, 1.0)  # before they are squared again, so that tiny ones do not underflow
    each = shares if weights is None else shares / weights[:, None]
    fourth = np.einsum("ij,ij->j", shares, each)
    return np.where(total > 0, 1 / np.where(total > 0, fourth, 1.0), 0.0)


def _labels(labels: IntArray, problems: int, name: str) -> IntArray:
    """Labels as 0, 1, 2, ..., shape (M,)."""
    labels = np.asarray(labels)
    if labels.shape != (problems,) or labels.dtype.kind not in "iu":
        raise InputError(f"{name} must be one whole number per problem ({problems}), not {labels.dtype}{labels.shape}")
    return np.unique(labels, return_inverse=True)[1]


def _stratum_of_unit(stratum: IntArray, unit: IntArray) -> IntArray:
    """The stratum of each unit, shape (U,). Raises InputError where a cluster lies in two."""
    home = np.zeros(int(unit.max()) + 1, dtype=np.int64)
    home[unit] = stratum
    astray = home[unit] != stratum
    if astray.any():
        first = int(np.argmax(astray))
        raise InputError(
            f"the cluster of the problem at position {first} lies in two strata; give near duplicates one stratum"
        )
    return home


def _quantile_with_range(maxima: Float32Array, confidence: float) -> tuple[float, tuple[float, float]]:
    """The `confidence` quantile, and the order statistics that hold the true one with 95 %."""
    tail = (1 - _MONTE_CARLO_CONFIDENCE) / 2
    ranks = np.ceil(bdtrik([tail, 1 - tail], len(maxima), confidence)).astype(int)
    low, high = np.clip([ranks[0] - 1, ranks[1]], 0, len(maxima) - 1)
    ordered = np.sort(maxima).astype(float)
    return float(np.quantile(ordered, confidence)), (float(ordered[low]), float(ordered[high]))
