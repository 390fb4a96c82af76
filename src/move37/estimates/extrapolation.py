"""What would pass@k be beyond the samples at hand, and what can nobody know?

Several methods with one interface (`fit` gives something with `pass_at_k(ks)`), for fixed and stopped counts alike:
- "NPMLE": the distribution of p with the largest likelihood (`npmle.py`);
- "beta-binomial": p from a Beta distribution, fitted by maximum likelihood;
- "zero-inflated beta-binomial": the same, with a share of problems at p = 0;
- "power law": log(1 - pass@k) a straight line in log k, by least squares through every k <= n;
- "local power law": the slope of that line through n/4 <= k <= n only, started at the unbiased pass@n, so that the
  curve goes on from where it is, and never below.

Decisions:
- `DEFAULT_METHOD` is the one with the smallest error when 64 and 32 of the 128 real samples are made to predict
  pass@128 (bench/extrapolation.py, which fails if another one becomes better). NPMLE is right on average but
  scatters more, the beta-binomial is confident and biased upwards. Two models on one benchmark have chosen it, and its
  window was chosen on the same counts (from n/8 to n/2 the error changes by a sixth), so the error measured there
  flatters it. A power law never levels off: it is wrong where many problems cannot be solved at all and k is far
  beyond n.
- `interval` is a bootstrap over problems: it holds the error of sampling, not that of the method. `pass_range` and
  `difference_range` need no method: all values that the counts do not exclude, in the likelihood sense of `npmle.py`.
- The sign of a difference is not identified far beyond n, so nothing is claimed beyond `FARTHEST` times n; there are
  only bounds. `continued_bounds` are the crudest ones: a problem never solved may have any p up to what its own
  samples exclude.

Left out: extrapolation of anything but solving (maj@k, pass^k).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, ndtri, psi

from move37.counts import AnyTally, Estimate, StoppedTally
from move37.errors import InputError
from move37.estimates import npmle
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray, IntArray

FARTHEST = 2
"""Nothing is claimed about k beyond this many times the samples at hand."""
_LOG_SHAPE_LIMIT = 10.0
_LARGEST_ZERO_SHARE = 0.999


class Extrapolation(Protocol):
    """A fitted method."""

    def pass_at_k(self, ks: IntArray, /) -> FloatArray:
        """pass@k at every k, shape (K,); any k >= 1."""
        ...


@dataclass(frozen=True, slots=True)
class BetaBinomial:
    """p = 0 for a share `zero` of the problems, p ~ Beta(a, b) for the others."""

    a: float
    b: float
    zero: float = 0.0

    def pass_at_k(self, ks: IntArray) -> FloatArray:
        """(1 - zero) (1 - B(a, b+k) / B(a, b))."""
        ks = np.asarray(ks, dtype=float)
        return -(1.0 - self.zero) * np.expm1(betaln(self.a, self.b + ks) - betaln(self.a, self.b))


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """1 - pass@k = scale k^-exponent; scale 0 where every problem was solved."""

    scale: float
    exponent: float

    def pass_at_k(self, ks: IntArray) -> FloatArray:
        """1 - scale k^-exponent, at least 0."""
        return np.maximum(1.0 - self.scale * np.asarray(ks, dtype=float) ** -self.exponent, 0.0)


@dataclass(frozen=True, eq=False)
class FitData:
    """What the methods see of a tally: distinct counts (J,), which of them is each problem's, and rows (M, n)."""

    successes: IntArray
    trials: IntArray
    where: IntArray
    failures: FloatArray
    """1 - pass@k per problem, unbiased, for k = 1..n."""

    @property
    def n(self) -> int:
        return self.failures.shape[1]

    @property
    def problems(self) -> int:
        return len(self.where)


def counts_of(tally: AnyTally) -> tuple[IntArray, IntArray]:
    """Correct and scored samples per problem, (M,) each. A likelihood may take them whatever the plan was."""
    if isinstance(tally, StoppedTally):
        return tally.successes, tally.trials
    return tally.correct, tally.n


def fit_data(tally: AnyTally) -> FitData:
    """Raises InputError for fewer than 2 scored samples of a problem: one k is no curve to continue."""
    n = k_limit(tally)
    if n < 2:
        raise InputError(f"{tally.model}: beyond n needs at least 2 scored samples of every problem, not {n}")
    successes, trials = counts_of(tally)
    codes, where = np.unique(trials * (trials.max() + 1) + successes, return_inverse=True)
    distinct_trials, distinct_successes = np.divmod(codes, trials.max() + 1)
    return FitData(distinct_successes, distinct_trials, where, 1.0 - pass_at_k_rows(tally, n))


def fit(tally: AnyTally, method: str | None = None) -> Extrapolation:
    """The `method` (one of METHODS; default DEFAULT_METHOD) fitted to all problems. Raises InputError."""
    data = fit_data(tally)
    return _fitter(method)(data, np.ones(data.problems))


def bootstrap(
    tally: AnyTally,
    ks: IntArray,
    method: str | None = None,
    draws: int = 200,
    seed: int = 0,
    design: Design = INDEPENDENT,
) -> FloatArray:
    """pass@k of the method refitted to problems, or clusters of them, drawn with replacement, shape (draws, K)."""
    if draws < 2:
        raise InputError(f"draws must be at least 2, not {draws}")
    data, fitter = fit_data(tally), _fitter(method)
    rng = np.random.default_rng(seed)
    units = design.units(data.problems)
    resamples = rng.multinomial(units, np.full(units, 1.0 / units), size=draws).astype(float)
    if design.clusters is not None:
        resamples = resamples[:, design.unit_of(data.problems)]
    return np.array([fitter(data, weights).pass_at_k(ks) for weights in resamples])


def interval(
    tally: AnyTally,
    k: int,
    method: str | None = None,
    confidence: float = 0.95,
    draws: int = 200,
    seed: int = 0,
    design: Design = INDEPENDENT,
) -> Estimate:
    """pass@k by `method`, with a bootstrap interval for the population of problems (estimate -+ z sd, within [0, 1]).

    It holds the error of sampling problems and answers, not that of the method being wrong.
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, not {confidence}")
    ks = _checked_ks(np.array([k]))
    value = float(fit(tally, method).pass_at_k(ks)[0])
    error = float(bootstrap(tally, ks, method, draws, seed, design).std(ddof=1))
    half = float(ndtri((1 + confidence) / 2)) * error
    trials = counts_of(tally)[1]
    return Estimate(
        name=f"pass@{k}",
        value=value,
        standard_error=error,
        lower=max(0.0, value - half),
        upper=min(1.0, value + half),
        confidence=confidence,
        method=f"{method or DEFAULT_METHOD}, bootstrap over problems",
        target="population",
        problems=tally.problems,
        n=(int(trials.min()), int(trials.max())),
    )


def pass_range(tally: AnyTally, ks: IntArray, confidence: float = 0.95, design: Design = INDEPENDENT) -> FloatArray:
    """Least and greatest pass@k over problems like these that the counts do not exclude, shape (K, 2).

    Any k, no method; each k by itself.
    """
    independent = design.effective_problems(tally.problems) / tally.problems
    return npmle.pass_at_k_range(*counts_of(tally), _checked_ks(ks), confidence, independent)


def difference_range(
    base: AnyTally, rl: AnyTally, ks: IntArray, confidence: float = 0.95, design: Design = INDEPENDENT
) -> FloatArray:
    """Least and greatest pass@k of RL minus base that the paired counts do not exclude, shape (K, 2).

    Any k, no method; each k by itself. Both tallies hold the same problems in the same order, labelled by `design`.
    """
    independent = design.effective_problems(base.problems) / base.problems
    counts = *counts_of(base), *counts_of(rl)
    return npmle.difference_range(*counts, _checked_ks(ks), confidence, independent=independent)


def continued_bounds(tally: AnyTally, k: int, alpha: float = 0.05) -> tuple[float, float]:
    """Least and greatest expected share of these problems solved if sampling went on to k samples each.

    What is solved stays solved. A problem never solved in N samples may have any p in [0, 1 - alpha^(1/N)], each
    by itself, so it is solved by the k - N further ones with a chance in [0, 1 - alpha^((k-N)/N)].
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha must be between 0 and 1, not {alpha}")
    successes, trials = counts_of(tally)
    never = trials[successes == 0].astype(float)
    solved = 1.0 - len(never) / tally.problems
    hope = -np.expm1(np.log(alpha) * np.maximum(_checked_ks(np.array([k])) - never, 0.0) / never)
    return solved, solved + float(hope.sum()) / tally.problems


@dataclass(frozen=True, slots=True)
class UnseenSolvable:
    """How many of the never-solved problems can be solved, at least: Chao's lower bound, as a number of problems."""

    at_least: float
    """Estimate of a lower bound of the number of problems with p > 0 among the `never_solved`."""
    lower: float
    """Where a one-sided interval for it begins."""
    confidence: float
    never_solved: int
    solved_once: int
    solved_twice: int


def unseen_solvable(tally: AnyTally, confidence: float = 0.95, design: Design = INDEPENDENT) -> UnseenSolvable:
    """Chao2's lower bound (Chao 1987), bias-corrected: ((n-1)/n) f1 (f1-1) / (2 (f2+1)), at most f0.

    f_j are problems with exactly j correct samples. By Cauchy-Schwarz it holds for every distribution of p, and for
    unequal n with the smallest one. A stopping plan that never stops at 1 or 2 correct leaves f0, f1, f2 as they
    would be at its n_max; any other is refused (InputError). The interval is log-normal (Chao 1987, section 3), with
    the variance of f1 and f2 and of f0 given them. Near duplicates: f1 and f2 are the numbers of independent problems
    that would say as much, and the bound is the same share of the problems as of those.
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, not {confidence}")
    successes, trials = counts_of(tally)
    if isinstance(tally, StoppedTally):
        if min(tally.plan.thresholds, default=3) < 3:
            raise InputError(
                f"{tally.model}: Chao's bound counts problems with 1 and 2 correct of n samples, but the plan "
                f"({tally.plan}) stops at fewer than 3; sample with a plan that stops at 3 or more"
            )
        trials = trials[successes <= 2] if (successes <= 2).any() else trials
    n = int(trials.min())
    counted = [int((successes == j).sum()) for j in range(3)]
    independent = design.effective_problems(tally.problems) / tally.problems
    f0, f1, f2 = (independent * number for number in counted)
    shrink = (n - 1) / n
    value = shrink * f1 * max(f1 - 1, 0.0) / (2 * (f2 + 1))
    variance = (
        value
        + shrink**2 * f1 * (2 * f1 - 1) ** 2 / (4 * (f2 + 1) ** 2)
        + shrink**2 * f2 * f1**2 * (f1 - 1) ** 2 / (4 * (f2 + 1) ** 4)
    )
    spread = np.exp(float(ndtri(confidence)) * np.sqrt(np.log1p(variance / value**2))) if value > 0 else 1.0
    at_least, lower = (float(min(each, f0)) / independent for each in (value, value / float(spread)))
    return UnseenSolvable(at_least, lower, confidence, *counted)


def _fit_npmle(data: FitData, weights: FloatArray) -> Extrapolation:
    return npmle.fit_mixture(data.successes, data.trials, _per_outcome(data, weights))


def _fit_beta(data: FitData, weights: FloatArray) -> Extrapolation:
    return _beta_binomial(data, weights, zero_inflated=False)


def _fit_zero_inflated(data: FitData, weights: FloatArray) -> Extrapolation:
    return _beta_binomial(data, weights, zero_inflated=True)


def _fit_power_law(data: FitData, weights: FloatArray) -> Extrapolation:
    return _power_law(data, weights, first_k=1)


def _fit_local_power_law(data: FitData, weights: FloatArray) -> Extrapolation:
    line = _power_law(data, weights, first_k=max(1, data.n // 4))
    last_failure = max(float(weights @ data.failures[:, -1] / weights.sum()), 0.0)
    return PowerLaw(last_failure * data.n**line.exponent, line.exponent)


_Fitter = Callable[[FitData, FloatArray], Extrapolation]
_FITTERS: dict[str, _Fitter] = {
    "local power law": _fit_local_power_law,
    "power law": _fit_power_law,
    "NPMLE": _fit_npmle,
    "zero-inflated beta-binomial": _fit_zero_inflated,
    "beta-binomial": _fit_beta,
}
METHODS = tuple(_FITTERS)
DEFAULT_METHOD = "local power law"


def _fitter(method: str | None) -> _Fitter:
    method = DEFAULT_METHOD if method is None else method
    if method not in _FITTERS:
        raise InputError(f"no method {method!r} to extrapolate with; there are {', '.join(METHODS)}")
    return _FITTERS[method]


def _power_law(data: FitData, weights: FloatArray, first_k: int) -> PowerLaw:
    """Least squares of log failure on log k over first_k..n, unless every problem (weighted) is solved by n."""
    failure = weights @ data.failures[:, first_k - 1 :] / weights.sum()
    if failure[-1] <= 0:
        return PowerLaw(0.0, 0.0)
    log_k, log_failure = np.log(np.arange(first_k, data.n + 1)), np.log(failure)
    centred = log_k - log_k.mean()
    slope = float(centred @ log_failure / (centred @ centred))
    return PowerLaw(float(np.exp(log_failure.mean() - slope * log_k.mean())), max(-slope, 0.0))


def _beta_binomial(data: FitData, weights: FloatArray, zero_inflated: bool) -> BetaBinomial:
    """Maximum likelihood over log a, log b and the share of zeros, by a quasi-Newton method with the exact gradient."""
    counts = _per_outcome(data, weights)
    counts = counts / counts.sum()
    c, n = data.successes.astype(float), data.trials.astype(float)
    none = data.successes == 0
    limits = [(-_LOG_SHAPE_LIMIT, _LOG_SHAPE_LIMIT)] * 2 + [(0.0, _LARGEST_ZERO_SHARE)]

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        a, b = np.exp(parameters[:2])
        zero = parameters[2]
        log_mass = betaln(c + a, n - c + b) - betaln(a, b)
        both = psi(a + b) - psi(n + a + b)
        slopes = np.stack([a * (psi(c + a) - psi(a) + both), b * (psi(n - c + b) - psi(b) + both)])
        mass = np.where(none, np.exp(log_mass), 1.0)
        total = np.where(none, zero + (1 - zero) * mass, 1.0 - zero)
        value = np.log(total) + np.where(none, 0.0, log_mass)
        by_shape = slopes * (1 - zero) * mass / total
        by_zero = np.where(none, 1.0 - mass, -1.0) / total
        return -float(counts @ value), -np.append(by_shape @ counts, by_zero @ counts)

    start = np.array([-0.5, -0.5, 0.5 * float(counts[none].sum()) if zero_inflated else 0.0])
    if not zero_inflated:
        limits[2] = (0.0, 0.0)
    found = minimize(loss, start, jac=True, bounds=limits, method="L-BFGS-B", options={"ftol": 1e-12, "gtol": 1e-7})
    return BetaBinomial(float(np.exp(found.x[0])), float(np.exp(found.x[1])), float(found.x[2]))


def _per_outcome(data: FitData, weights: FloatArray) -> FloatArray:
    return np.bincount(data.where, weights, minlength=len(data.trials)).astype(float)


def _checked_ks(ks: IntArray) -> IntArray:
    if (ks < 1).any():
        raise InputError(f"k must be at least 1, not {ks.min()}")
    return ks
