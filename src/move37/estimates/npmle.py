"""How are the success probabilities of the problems distributed, and how far do the counts pin that down?

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
  as if w more problems had been seen with likelihood g(p), so both ends come from the same climb. Simulated at 95 %
  with M = 30 to 1000 and n = 64, on five smooth and discrete distributions: 200 repetitions each held the truth in
  .92 to .98 of cases at k = 1 to 128, and in .95 to 1 at k = 512; for pairs (M = 30 to 300) .93 to .98 and
  .95 to .99.

Left out: a smooth density (the fit is a few atoms, whose places mean little; expectations are what it is for).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

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
_POSSIBLE = 1e-3
_STEEPEST = 1e-6 - 1
"""No step takes more of an outcome's likelihood than this."""
_LEANING_TOLERANCE = 0.02
_LEANS = 40
_LARGEST_LEAN = 1e4
"""Problems of lean per problem seen: harder than this, an expectation moves by less than 1e-3 / problems."""


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
    return _as_mixture(outcomes, _best(outcomes, tolerance))


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
    return _as_joint(outcomes, _best(outcomes, tolerance))


def expectation_range(
    successes: IntArray,
    trials: IntArray,
    function: Callable[[FloatArray], FloatArray],
    confidence: float = 0.95,
    grid: FloatArray | None = None,
    independent: float = 1.0,
) -> FloatArray:
    """The least and greatest mean of functions of p, with values in [0, 1], that the counts do not exclude.

    `function` takes the grid, shape (G,), and returns the functions' values there, shape (G, F). The result has shape
    (F, 2); each range stands by itself. `independent`: the share of the problems that count where some are near
    duplicates; log-likelihoods are multiplied by it.
    """
    outcomes = _one_model(successes, trials, np.full(len(trials), independent), grid)
    best = _best(outcomes)
    values = function(outcomes.grids[0])
    return _ranges(outcomes, best, [column[:, None] for column in values.T], confidence)


def pass_at_k_range(
    successes: IntArray, trials: IntArray, ks: IntArray, confidence: float = 0.95, independent: float = 1.0
) -> FloatArray:
    """The least and greatest pass@k that the counts do not exclude, shape (K, 2); any k >= 1."""
    return expectation_range(successes, trials, lambda p: 1.0 - failure(p, ks), confidence, independent=independent)


def difference_range(
    successes_base: IntArray,
    trials_base: IntArray,
    successes_rl: IntArray,
    trials_rl: IntArray,
    ks: IntArray,
    confidence: float = 0.95,
    grids: tuple[FloatArray, FloatArray] | None = None,
    independent: float = 1.0,
) -> FloatArray:
    """The least and greatest pass@k of RL minus base that the paired counts do not exclude, shape (K, 2); any k.
    `independent` as in `expectation_range`."""
    weights = np.full(len(trials_base), independent)
    outcomes = _two_models((successes_base, trials_base), (successes_rl, trials_rl), weights, grids)
    best = _best(outcomes)
    fails_base, fails_rl = (failure(grid, ks) for grid in outcomes.grids)
    halved = (1.0 + fails_base[:, None, :] - fails_rl[None, :, :]) / 2.0
    return 2.0 * _ranges(outcomes, best, [halved[:, :, i] for i in range(len(ks))], confidence) - 1.0


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
    steps: int


def _climb(outcomes: _Outcomes, start: tuple[IntArray, FloatArray], tolerance: float) -> _Peak:
    """Maximise sum_j w_j log f_j over the weights of all grid points, from `start`.

    Ends at a gap within the tolerance, or where rounding allows no further ascent: the peak's `gap` says which.
    """
    counts = outcomes.weights
    total = counts.sum()
    support, weight = start
    columns = outcomes.columns(support)
    steps = 0
    while True:
        fitted = columns @ weight
        derivative = outcomes.scores(counts / fitted) - total
        gap = max(float(derivative.max()), 0.0)
        if gap <= tolerance or steps == _STEPS:
            return _Peak(support, weight, fitted, gap, steps)
        wider, padded = _with_peaks(support, weight, derivative)
        columns = outcomes.columns(wider)
        ascended = _newton_step(columns, padded, counts)
        if ascended is None:
            return _Peak(support, weight, fitted, gap, steps)
        kept = ascended > 0
        support, weight, columns = wider[kept], ascended[kept], columns[:, kept]
        steps += 1


def _best(outcomes: _Outcomes, tolerance: float = TOLERANCE) -> _Peak:
    """The fit to the data alone. Raises RunError if it does not reach the tolerance."""
    peak = _climb(outcomes, _first_support(outcomes), tolerance)
    if peak.gap > tolerance:
        raise RunError(
            f"the distribution of p was not found to within {tolerance:g} nats ({peak.gap:g} are left after "
            f"{peak.steps} steps); allow a larger tolerance"
        )
    return peak


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


def _newton_step(columns: FloatArray, weight: FloatArray, counts: FloatArray) -> FloatArray | None:
    """Weights after one step to the maximum of the quadratic model on the simplex, shortened until it ascends.

    None where no length ascends: only rounding is left.
    """
    ratios = columns / (columns @ weight)[:, None]
    # min |P x|^2 + (1'x - 1)^2 over x >= 0 has the direction of the minimum of |P x|^2 on the simplex (Wang 2007).
    scaled = np.sqrt(counts / counts.sum())[:, None] * (ratios - 2.0)
    target = np.zeros(len(counts) + 1)
    target[-1] = 1.0
    solution = nnls(np.vstack([scaled, np.ones(len(weight))]), target, maxiter=30 * len(weight))[0]
    ascended = _ascend(ratios, weight, counts, solution / solution.sum() - weight)
    # Near the maximum the solution's rounding hides the direction, so it is solved for by itself.
    return _ascend(ratios, weight, counts, _direction_within(ratios, weight, counts)) if ascended is None else ascended


def _direction_within(ratios: FloatArray, weight: FloatArray, counts: FloatArray) -> FloatArray:
    """Newton's direction among the points that have weight, cut where the first of them has none left."""
    inside = weight > 0
    within = ratios[:, inside]
    size = within.shape[1]
    system = np.ones((size + 1, size + 1))
    system[:size, :size] = (within * counts[:, None]).T @ within
    system[size, size] = 0.0
    slopes = np.append(within.T @ counts - counts.sum(), 0.0)
    direction = np.zeros(len(weight))
    direction[inside] = np.linalg.lstsq(system, slopes, rcond=None)[0][:size]
    shrinking = direction < 0
    room = (weight[shrinking] / -direction[shrinking]).min(initial=1.0)
    return direction * min(1.0, float(room))


def _ascend(ratios: FloatArray, weight: FloatArray, counts: FloatArray, direction: FloatArray) -> FloatArray | None:
    """Weights after a step along `direction`, halved until it gains a quarter of what its slope promises, or None."""
    change = ratios @ direction
    slope = float(counts @ change)
    length = 1.0
    while slope > 0 and length > 1e-9:
        if (length * change > _STEEPEST).all() and counts @ np.log1p(length * change) >= length * slope / 4:
            return np.maximum(weight + length * direction, 0.0)
        length /= 2
    return None


def _first_support(outcomes: _Outcomes) -> tuple[IntArray, FloatArray]:
    """Every outcome's most likely point, rounded to a coarse grid unless it is all but impossible there."""
    places = []
    for likelihood in (outcomes.base, outcomes.rl):
        own = likelihood.argmax(axis=1)
        coarse = np.minimum(_START_EVERY * np.round(own / _START_EVERY).astype(int), likelihood.shape[1] - 1)
        places.append(np.where(likelihood[np.arange(len(own)), coarse] > _POSSIBLE, coarse, own))
    flat = places[0] * outcomes.rl.shape[1] + places[1]
    support, where = np.unique(flat, return_inverse=True)
    weight = np.bincount(where, outcomes.count)
    return support, weight / weight.sum()


def _ranges(outcomes: _Outcomes, best: _Peak, functions: list[FloatArray], confidence: float) -> FloatArray:
    """Least and greatest expectation of each function, values (G, H) in [0, 1], that is not excluded: (F, 2)."""
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, not {confidence}")
    allowed = float(chdtri(1, 1 - confidence)) / 2
    largest = float(outcomes.count @ np.log(best.fitted))
    ranges = np.empty((len(functions), 2))
    for end in (0, 1):
        # Functions in a row are alike (neighbouring ks), so each search starts where the last one ended.
        found = None
        for i, function in enumerate(functions):
            values = function if end else 1.0 - function
            start = _first_lean(outcomes, best, values, allowed) if found is None else found
            found = _greatest(outcomes, values, largest, allowed, start)
            ranges[i, end] = found.bound if end else 1.0 - found.bound
    return ranges


@dataclass(frozen=True, eq=False)
class _Leaning:
    """A fit that leans on a function by `lean` problems, and the bound of its expectation that was found with it."""

    lean: float
    peak: _Peak
    bound: float


def _greatest(outcomes: _Outcomes, values: FloatArray, largest: float, allowed: float, start: _Leaning) -> _Leaning:
    """Greatest expectation of `values` at `allowed` nats below the `largest` log-likelihood, or at fewer.

    At the peak with `lean` problems of likelihood g, let e be the expectation, l the loss of log-likelihood, and `gap`
    what is left to climb. By duality log E[g] <= log e + (allowed - l + gap) / lean for every distribution allowed.
    The least of the bounds found on the way counts; with l within a sixth of `allowed` it is too wide by 1 % of half
    the range at most.
    """
    hardest = _LARGEST_LEAN * float(outcomes.count.sum())
    lean, peak, bound = min(start.lean, hardest), start.peak, np.inf
    tried: list[tuple[float, float]] = []
    for _ in range(_LEANS):
        leaning = replace(outcomes, lean=values, lean_count=lean)
        peak = _climb(leaning, _with_a_little_at_the_top(peak, values), _LEANING_TOLERANCE)
        loss = largest - float(outcomes.count @ np.log(peak.fitted[: len(outcomes.count)]))
        bound = min(bound, float(np.log(peak.fitted[-1])) + (allowed - loss + peak.gap) / lean)
        if abs(loss - allowed) <= allowed / 6 or (loss < allowed and lean >= hardest):
            break
        tried.append((lean, loss / allowed))
        lean = min(_next_lean(tried), hardest)
    return _Leaning(lean, peak, min(float(np.exp(bound)), float(values.max())))


def _next_lean(tried: list[tuple[float, float]]) -> float:
    """A lean that may lose what is allowed, given (lean, loss as a share of it) so far; the loss grows with it."""
    softer = max((each for each in tried if each[1] < 1), default=None)
    harder = min((each for each in tried if each[1] >= 1), default=None)
    if softer is None or harder is None:
        # The loss grows about as the lean to the power 1.5.
        last_lean, last_loss = tried[-1]
        return last_lean * float(np.clip(max(last_loss, 1e-12) ** (-1 / 1.5), 0.05, 20.0))
    share = float(np.clip((1 - softer[1]) / (harder[1] - softer[1]), 0.1, 0.9))
    return float(softer[0] ** (1 - share) * harder[0] ** share)


def _first_lean(outcomes: _Outcomes, best: _Peak, values: FloatArray, allowed: float) -> _Leaning:
    """Four tenths of the lean that would lose `allowed` nats if every problem's posterior mean of `values` were seen.

    A guess: the values are seen less well than that, so a softer lean loses as much.
    """
    at_support = values.ravel()[best.support]
    means = (outcomes.columns(best.support) * best.weight) @ at_support / best.fitted
    problems, mean = float(outcomes.count.sum()), float(best.weight @ at_support)
    spread = float(np.sqrt(outcomes.count @ (means - mean) ** 2 / problems))
    return _Leaning(0.4 * max(mean, 1e-3) * float(np.sqrt(2 * allowed * problems)) / max(spread, 1e-3), best, np.inf)


def _with_a_little_at_the_top(peak: _Peak, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """A start on which the lean has a likelihood: nearly all of the last fit, and a little where `values` peaks."""
    top = int(values.argmax())
    return np.append(peak.support, top), np.append(peak.weight * 0.999, 0.001)


def _one_model(successes: IntArray, trials: IntArray, weights: FloatArray | None, grid: FloatArray | None) -> _Outcomes:
    successes, trials = checked_counts(successes, trials)
    grid = probability_grid(int(trials.max())) if grid is None else _checked_grid(grid)
    (c, n), where = _distinct(successes, trials)
    likelihood, scale = _likelihood(c, n, grid)
    count = np.bincount(where, _checked_weights(weights, len(trials)), minlength=len(c)).astype(float)
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
    count = np.bincount(where, _checked_weights(weights, len(where)), minlength=len(i)).astype(float)
    seen = count > 0
    scale = float(count @ (base_scale[i] + rl_scale[j]))
    return _Outcomes(grids, base_likelihood[i[seen]], rl_likelihood[j[seen]], count[seen], scale)


def _as_mixture(outcomes: _Outcomes, peak: _Peak) -> Mixture:
    order = np.argsort(peak.support)
    return Mixture(outcomes.grids[0][peak.support[order]], peak.weight[order], *_summary(outcomes, peak))


def _as_joint(outcomes: _Outcomes, peak: _Peak) -> JointMixture:
    order = np.argsort(peak.support)
    i, j = np.divmod(peak.support[order], outcomes.rl.shape[1])
    return JointMixture(outcomes.grids[0][i], outcomes.grids[1][j], peak.weight[order], *_summary(outcomes, peak))


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
