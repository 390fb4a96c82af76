"""How are the success probabilities of the problems distributed? The nonparametric answer, and how far data pin it down.

Given p, the outcomes of a problem have likelihood p^c (1-p)^(N-c) times a count of orders that does not depend on p,
whether N was fixed or a stopping plan chose it. So one fit takes fixed and early-stopped counts alike: `successes`
c and `trials` N, arrays of shape (M,). The fit is the nonparametric maximum-likelihood estimate (Kiefer & Wolfowitz
1956) over all distributions of p on a grid, jointly for two models on the product of two grids.

Decisions:
- The grid holds 0 and 1. It is even in arcsin(sqrt(p)), where a problem's p is known to within 1/(2 sqrt(N)), at a
  quarter of that (joint: a half) and goes on below in steps of a constant factor down to 1e-4 / N: zero and "too small
  to have shown" are different beyond n.
- The climb is Wang's constrained Newton method (2007, JRSS B 69, 185-198): add the grid points at which the
  directional derivative D(p) = sum_i L_i(p) / f_i - M peaks, solve the quadratic model over all weights by
  non-negative least squares, search along the line, drop what got no weight. It needs distinct (c, N) only.
- The result carries its own certificate: the log-likelihood of any distribution on the grid exceeds that of the
  fit by at most max_p D(p) (Lindsay 1983). That is `gap`, in nats, and a fit that does not reach its tolerance is an
  error.
- What the data do not exclude: `expectation_range` gives the least and the greatest expectation of a function of p
  over all distributions whose log-likelihood is within half a chi-square quantile (one degree of freedom) of the
  largest. Where the data determine the expectation (k <= n) this is a likelihood-ratio interval; where they do not
  (k > n) it holds all that is compatible, so it widens by itself. To lean on a function g >= 0 with weight w is to fit
  as if w more problems had been seen with likelihood g(p), so both ends come from the same climb.

Left out: a smooth density (the fit is a few atoms, whose places mean little; expectations are what it is for).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls
from scipy.special import chdtri, xlog1py, xlogy

from move37.errors import InputError, RunError
from move37.estimates.pass_at_k import checked_counts
from move37.types import FloatArray, IntArray

TOLERANCE = 1e-4
"""Nats of log-likelihood that a fit may fall short of the best distribution on its grid."""
_FEWEST_TRIALS_PER_GRID = 16
_STEPS = 300
_START_EVERY = 6
_DROP_TOLERANCE = 0.01


@dataclass(frozen=True, eq=False)
class Mixture:
    """A distribution of p: atoms `p` with `weight`, shape (A,), ascending. `gap` certifies the fit, see the module."""

    p: FloatArray
    weight: FloatArray
    log_likelihood: float
    gap: float
    problems: float
    steps: int

    def expectation(self, values: FloatArray) -> FloatArray:
        """Mean over problems of a function of p, given its values at the atoms, shape (A,) or (A, ...)."""
        return np.asarray(np.tensordot(self.weight, values, axes=1))

    def pass_at_k(self, ks: IntArray) -> FloatArray:
        """E[1 - (1-p)^k] for every k, shape (K,); any k >= 1."""
        return self.expectation(1.0 - failure(self.p, ks))

    def posterior_mean(self, values: FloatArray, successes: IntArray, trials: IntArray) -> FloatArray:
        """E[f(p) | c, N] for every problem, shape (M,), given f at the atoms, shape (A,): the fit is the prior."""
        successes, trials = checked_counts(successes, trials)
        joint = _likelihood(successes, trials, self.p)[0] * self.weight
        return (joint @ values) / joint.sum(axis=1)


@dataclass(frozen=True, eq=False)
class JointMixture:
    """A distribution of (p under base, p under RL): atoms of shape (A,) each, with `weight`."""

    base_p: FloatArray
    rl_p: FloatArray
    weight: FloatArray
    log_likelihood: float
    gap: float
    problems: float
    steps: int

    def expectation(self, values: FloatArray) -> FloatArray:
        """Mean over problems of a function of both ps, given its values at the atoms, shape (A,) or (A, ...)."""
        return np.asarray(np.tensordot(self.weight, values, axes=1))

    def difference_at_k(self, ks: IntArray) -> FloatArray:
        """E[pass@k of RL - pass@k of base], shape (K,); any k >= 1."""
        return self.expectation(failure(self.base_p, ks) - failure(self.rl_p, ks))

    def four_way(self, k: int) -> tuple[float, float, float, float]:
        """Shares of problems that both, only base, only RL, and neither solve in k fresh samples each."""
        fails_base, fails_rl = failure(self.base_p, np.array([k]))[:, 0], failure(self.rl_p, np.array([k]))[:, 0]
        neither = float(self.weight @ (fails_base * fails_rl))
        base_only = float(self.weight @ ((1 - fails_base) * fails_rl))
        rl_only = float(self.weight @ (fails_base * (1 - fails_rl)))
        return 1.0 - neither - base_only - rl_only, base_only, rl_only, neither


def failure(p: FloatArray, ks: IntArray) -> FloatArray:
    """(1-p)^k for every p and k, shape (A, K)."""
    return np.exp(xlog1py(np.asarray(ks, dtype=float)[None, :], -p[:, None]))


def probability_grid(most_trials: int, spacing: float = 0.25) -> FloatArray:
    """The grid of p for counts of at most `most_trials` samples, ascending, from 0 to 1; `spacing` as in the module."""
    n = max(most_trials, _FEWEST_TRIALS_PER_GRID)
    steps = int(np.ceil(np.pi * np.sqrt(n) / spacing))
    even = np.sin(np.linspace(0.0, np.pi / 2, steps + 1)) ** 2
    tiny = np.geomspace(1e-4 / n, even[1], 4 * int(np.ceil(np.log10(even[1] * n / 1e-4))), endpoint=False)
    return np.concatenate([[0.0], tiny, even[1:-1], [1.0]])


def fit_mixture(
    successes: IntArray,
    trials: IntArray,
    weights: FloatArray | None = None,
    grid: FloatArray | None = None,
    tolerance: float = TOLERANCE,
) -> Mixture:
    """The NPMLE of the distribution of p. `weights` (M,) count problems more than once (bootstrap); default 1 each.

    `tolerance` is the largest `gap` accepted, in nats. Raises InputError for impossible counts, RunError if the climb
    does not reach the tolerance.
    """
    outcomes = _one_model(successes, trials, weights, grid)
    return _as_mixture(outcomes, _climb(outcomes, _first_support(outcomes), tolerance))


def fit_joint_mixture(
    successes_base: IntArray,
    trials_base: IntArray,
    successes_rl: IntArray,
    trials_rl: IntArray,
    weights: FloatArray | None = None,
    grids: tuple[FloatArray, FloatArray] | None = None,
    tolerance: float = TOLERANCE,
) -> JointMixture:
    """The NPMLE of the joint distribution of both models' p on the same problems, arrays of shape (M,) in one order.

    Raises InputError for impossible counts, RunError if the climb does not reach the tolerance.
    """
    outcomes = _two_models((successes_base, trials_base), (successes_rl, trials_rl), weights, grids)
    return _as_joint(outcomes, _climb(outcomes, _first_support(outcomes), tolerance))


def expectation_range(
    successes: IntArray,
    trials: IntArray,
    function: Callable[[FloatArray], FloatArray],
    confidence: float = 0.95,
    grid: FloatArray | None = None,
) -> tuple[float, float]:
    """The least and greatest mean of a `function` of p, with values in [0, 1], that the counts do not exclude.

    `function` takes the grid, shape (G,), and returns its values there, shape (G,).
    """
    outcomes = _one_model(successes, trials, None, grid)
    best = _climb(outcomes, _first_support(outcomes), TOLERANCE)
    return _range(outcomes, best, function(outcomes.grids[0])[:, None], confidence)


def difference_range(
    successes_base: IntArray,
    trials_base: IntArray,
    successes_rl: IntArray,
    trials_rl: IntArray,
    k: int,
    confidence: float = 0.95,
    grids: tuple[FloatArray, FloatArray] | None = None,
) -> tuple[float, float]:
    """The least and greatest difference of pass@k, RL minus base, that the paired counts do not exclude."""
    outcomes = _two_models((successes_base, trials_base), (successes_rl, trials_rl), None, grids)
    best = _climb(outcomes, _first_support(outcomes), TOLERANCE)
    fails_base, fails_rl = (failure(grid, np.array([k]))[:, 0] for grid in outcomes.grids)
    low, high = _range(outcomes, best, (1.0 + fails_base[:, None] - fails_rl[None, :]) / 2.0, confidence)
    return 2.0 * low - 1.0, 2.0 * high - 1.0


def noise_floor_posterior(mixture: Mixture, successes: IntArray, trials: IntArray, k: int) -> float:
    """Expected number of problems that only a given one of two runs of this model solves, k samples each.

    sum_i E[u (1-u) | c_i, N_i], u = (1-p)^k, with the fit as prior. Unlike `noise_floor_one_model` it takes stopped
    counts and any k, at the price of a prior.
    """
    fails = failure(mixture.p, np.array([k]))[:, 0]
    return float(mixture.posterior_mean(fails * (1.0 - fails), successes, trials).sum())


@dataclass(frozen=True, eq=False)
class _Outcomes:
    """Distinct outcomes: `base` (J, G) and `rl` (J, H) hold likelihoods, scaled per row; for one model H = 1 and
    `rl` is 1. `count` (J,) are problems. `lean` (G, H) is a further outcome of weight `lean_count`, or None."""

    grids: tuple[FloatArray, FloatArray]
    base: FloatArray
    rl: FloatArray
    count: FloatArray
    log_scale: float
    lean: FloatArray | None = None
    lean_count: float = 0.0

    @property
    def weights(self) -> FloatArray:
        """Problems per outcome, the lean last, shape (J,) or (J + 1,)."""
        return self.count if self.lean is None else np.append(self.count, self.lean_count)

    def columns(self, support: IntArray) -> FloatArray:
        """Likelihood of every outcome at the supporting points (flat indices into the grid), (J or J + 1, S)."""
        i, j = np.divmod(support, self.rl.shape[1])
        columns = self.base[:, i] * self.rl[:, j]
        return columns if self.lean is None else np.vstack([columns, self.lean[i, j]])

    def scores(self, ratios: FloatArray) -> FloatArray:
        """sum_j ratios_j L_j at every point of the grid, shape (G, H)."""
        data = ratios[: len(self.count), None]
        scores = self.base.T @ (data * self.rl)
        return scores if self.lean is None else scores + ratios[-1] * self.lean


@dataclass(frozen=True, eq=False)
class _Peak:
    support: IntArray
    weight: FloatArray
    fitted: FloatArray
    gap: float
    steps: int = field(default=0)


def _climb(outcomes: _Outcomes, start: tuple[IntArray, FloatArray], tolerance: float) -> _Peak:
    """Maximise sum_j w_j log f_j over the weights of all grid points, from `start`."""
    counts = outcomes.weights
    total = counts.sum()
    support, weight = start
    columns = outcomes.columns(support)
    gap = np.inf
    for step in range(_STEPS):
        fitted = columns @ weight
        derivative = outcomes.scores(counts / fitted) - total
        gap = float(derivative.max())
        if gap <= tolerance:
            return _Peak(support, weight, fitted, gap, step)
        support, weight = _with_peaks(support, weight, derivative)
        columns = outcomes.columns(support)
        weight = _newton_step(columns, weight, counts)
        kept = weight > 0
        support, weight, columns = support[kept], weight[kept], columns[:, kept]
    raise RunError(
        f"the distribution of p was not found to within {tolerance:g} nats in {_STEPS} steps ({gap:g} are left); "
        "allow a larger tolerance"
    )


def _with_peaks(support: IntArray, weight: FloatArray, derivative: FloatArray) -> tuple[IntArray, FloatArray]:
    """The support with the local maxima of a positive derivative added, at weight 0."""
    around = np.pad(derivative, 1, constant_values=-np.inf)
    is_peak = derivative > 0
    rows, columns = derivative.shape
    for i in range(3):
        for j in range(3):
            is_peak &= derivative >= around[i : i + rows, j : j + columns]
    peaks = np.setdiff1d(np.flatnonzero(is_peak), support)
    return np.append(support, peaks), np.append(weight, np.zeros(len(peaks)))


def _newton_step(columns: FloatArray, weight: FloatArray, counts: FloatArray) -> FloatArray:
    """Weights after one step to the maximum of the quadratic model on the simplex, shortened until it ascends."""
    fitted = columns @ weight
    # min |P x|^2 + (1'x - 1)^2 over x >= 0 has the direction of the minimum of |P x|^2 on the simplex (Wang 2007).
    scaled = np.sqrt(counts / counts.sum())[:, None] * (columns / fitted[:, None] - 2.0)
    target = np.zeros(len(counts) + 1)
    target[-1] = 1.0
    solution = nnls(np.vstack([scaled, np.ones(len(weight))]), target, maxiter=30 * len(weight))[0]
    direction = solution / solution.sum() - weight
    change = (columns @ direction) / fitted
    slope = float(counts @ change)
    length = 1.0
    while length > 1e-9:
        if (1.0 + length * change > 0).all() and counts @ np.log1p(length * change) >= length * slope / 4:
            return np.maximum(weight + length * direction, 0.0)
        length /= 2
    return weight


def _first_support(outcomes: _Outcomes) -> tuple[IntArray, FloatArray]:
    """Every outcome's most likely point, rounded to a coarse grid: no outcome starts with a vanishing likelihood."""
    places = []
    for likelihood in (outcomes.base, outcomes.rl):
        last = likelihood.shape[1] - 1
        nearest = _START_EVERY * np.round(likelihood.argmax(axis=1) / _START_EVERY).astype(int)
        places.append(np.minimum(nearest, last))
    flat = places[0] * outcomes.rl.shape[1] + places[1]
    support, where = np.unique(flat, return_inverse=True)
    weight = np.bincount(where, outcomes.count)
    return support, weight / weight.sum()


def _range(outcomes: _Outcomes, best: _Peak, values: FloatArray, confidence: float) -> tuple[float, float]:
    """Least and greatest expectation of `values` (G, H) in [0, 1] among distributions the counts do not exclude."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, not {confidence}")
    allowed = float(chdtri(1, 1 - confidence)) / 2
    return 1.0 - _greatest(outcomes, best, 1.0 - values, allowed), _greatest(outcomes, best, values, allowed)


def _greatest(outcomes: _Outcomes, best: _Peak, values: FloatArray, allowed: float) -> float:
    """Greatest expectation of `values` at a loss of `allowed` nats, found by leaning on it harder or less hard."""
    problems = float(outcomes.count.sum())
    largest = float(outcomes.count @ np.log(best.fitted))
    low, high = 0.0, np.inf
    lean, peak = np.sqrt(2 * allowed * problems), best
    expectation = float(values.ravel()[best.support] @ best.weight)
    for _ in range(40):
        leaning = _Outcomes(
            outcomes.grids, outcomes.base, outcomes.rl, outcomes.count, outcomes.log_scale, values, lean
        )
        start = _mixed_with_peak(peak, values)
        peak = _climb(leaning, start, TOLERANCE)
        expectation = float(peak.fitted[-1])
        loss = largest - float(outcomes.count @ np.log(peak.fitted[:-1]))
        if abs(loss - allowed) <= _DROP_TOLERANCE * allowed or lean > 1e6 * problems:
            break
        low, high = (lean, high) if loss < allowed else (low, lean)
        guess = lean * np.clip(np.sqrt(allowed / max(loss, 1e-12)), 0.05, 20.0)
        lean = float(guess if low < guess < high else np.sqrt(max(low, high * 1e-3) * high))
    return expectation


def _mixed_with_peak(peak: _Peak, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """A start on which the lean has a likelihood: nearly all of the last fit, and a little where `values` peaks."""
    top = int(values.argmax())
    return np.append(peak.support, top), np.append(peak.weight * 0.999, 0.001)


def _one_model(
    successes: IntArray, trials: IntArray, weights: FloatArray | None, grid: FloatArray | None
) -> _Outcomes:
    successes, trials = checked_counts(successes, trials)
    grid = probability_grid(int(trials.max())) if grid is None else _checked_grid(grid)
    (c, n), where = _distinct(successes, trials)
    likelihood, scale = _likelihood(c, n, grid)
    count = np.bincount(where, _checked_weights(weights, len(trials)), minlength=len(c))
    seen = count > 0
    ones = np.ones((int(seen.sum()), 1))
    return _Outcomes((grid, np.zeros(1)), likelihood[seen], ones, count[seen], float(count @ scale))


def _two_models(
    base: tuple[IntArray, IntArray],
    rl: tuple[IntArray, IntArray],
    weights: FloatArray | None,
    grids: tuple[FloatArray, FloatArray] | None,
) -> _Outcomes:
    base, rl = checked_counts(*base), checked_counts(*rl)
    if base[0].shape != rl[0].shape:
        raise InputError(f"both models need the same problems: {len(base[0])} against {len(rl[0])}")
    if grids is None:
        grids = (probability_grid(int(base[1].max()), 0.5), probability_grid(int(rl[1].max()), 0.5))
    grids = (_checked_grid(grids[0]), _checked_grid(grids[1]))
    (base_c, base_n), base_where = _distinct(*base)
    (rl_c, rl_n), rl_where = _distinct(*rl)
    (i, j), where = _distinct(base_where, rl_where)
    base_likelihood, base_scale = _likelihood(base_c, base_n, grids[0])
    rl_likelihood, rl_scale = _likelihood(rl_c, rl_n, grids[1])
    count = np.bincount(where, _checked_weights(weights, len(where)), minlength=len(i))
    seen = count > 0
    scale = float(count @ (base_scale[i] + rl_scale[j]))
    return _Outcomes(grids, base_likelihood[i[seen]], rl_likelihood[j[seen]], count[seen], scale)


def _as_mixture(outcomes: _Outcomes, peak: _Peak) -> Mixture:
    order = np.argsort(peak.support)
    return Mixture(outcomes.grids[0][peak.support[order]], peak.weight[order], *_summary(outcomes, peak))


def _as_joint(outcomes: _Outcomes, peak: _Peak) -> JointMixture:
    order = np.argsort(peak.support)
    i, j = np.divmod(peak.support[order], outcomes.rl.shape[1])
    return JointMixture(
        outcomes.grids[0][i], outcomes.grids[1][j], peak.weight[order], *_summary(outcomes, peak)
    )


def _summary(outcomes: _Outcomes, peak: _Peak) -> tuple[float, float, float, int]:
    log_likelihood = float(outcomes.count @ np.log(peak.fitted)) + outcomes.log_scale
    return log_likelihood, peak.gap, float(outcomes.count.sum()), peak.steps


def _likelihood(successes: IntArray, trials: IntArray, p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """p^c (1-p)^(N-c), divided by its largest value over `p`, shape (J, G), and the logarithms of those, (J,)."""
    c, n = successes[:, None].astype(float), trials[:, None].astype(float)
    logarithm = xlogy(c, p[None, :]) + xlog1py(n - c, -p[None, :])
    scale = logarithm.max(axis=1)
    return np.exp(logarithm - scale[:, None]), scale


def _distinct(first: IntArray, second: IntArray) -> tuple[tuple[IntArray, IntArray], IntArray]:
    """The distinct pairs, and for each position which of them is its own."""
    codes, where = np.unique(first * (second.max() + 1) + second, return_inverse=True)
    i, j = np.divmod(codes, second.max() + 1)
    return (i, j), where


def _checked_weights(weights: FloatArray | None, problems: int) -> FloatArray:
    if weights is None:
        return np.ones(problems)
    weights = np.asarray(weights, dtype=float)
    if weights.shape != (problems,) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise InputError(f"weights must be one number >= 0 per problem ({problems}), not all zero")
    return weights


def _checked_grid(grid: FloatArray) -> FloatArray:
    grid = np.asarray(grid, dtype=float)
    if grid.ndim != 1 or len(grid) < 2 or grid[0] != 0 or grid[-1] != 1 or not (np.diff(grid) > 0).all():
        raise InputError("a grid of p must rise from 0 to 1")
    return grid
