"""What will a study cost under each stopping plan, how sure will it be, and what can this benchmark not show?

Everything is computed from an assumed law of the problems: S kinds of problems, each with a success probability under
base and under RL and a share (`AssumedPair`). It comes from a pilot (a discrete estimate of the law, such as an NPMLE)
or from `beta_mixture` and a coupling. Given the law, costs and errors are exact for the plan, nothing is simulated.

Decisions:
- Costs. A problem with success probability p gets E[N | p] samples; by Wald's identity E[N | p] p of them are correct.
  So tokens follow from the mean length of correct and of incorrect samples, which differ: stopping early saves the
  samples of easy problems, and leaves the long failures.
- Two errors of a mean over M problems, as everywhere: fresh samples of a benchmark drawn from the law,
  sqrt(E[Var(k | p)] / M), and fresh problems as well, sqrt((E[Var(k | p)] + Var[pass@k]) / M). The two models are
  sampled independently given the problem, so their sampling variances add up in the difference.
- The test behind "detectable" is the exact McNemar test of problems solved in k_max samples by one model only. With a
  share d of such problems and a difference delta between the shares of both sides, about d (z + z')^2 / delta^2
  problems are needed (Miettinen 1968); `mcnemar_power` sums the exact binomials instead, which matters below 100
  problems.
- A token budget fixes one n_max for all problems and models before any outcome is seen: the largest whose *expected*
  tokens fit. A budget that stopped sampling when it ran out would bias every estimate.

Left out: tokens spent on samples beyond a stopping point that a batch engine has in flight.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, bdtrik, ndtri, roots_jacobi, xlog1py, xlogy

from move37.counts import StoppingPlan
from move37.errors import InputError
from move37.estimates.curtailed import design_variance, expected_samples
from move37.estimates.pass_at_k import log_choose
from move37.estimates.solvable import mcnemar_p
from move37.types import FloatArray, IntArray

LARGEST_N_MAX = 16_384
"""A token budget that pays for more samples per problem than this is reported as this."""

_WEIGHTS_TOLERANCE = 1e-6
_FIRST_N_MAX = 256
_BISECTIONS = 50


@dataclass(frozen=True, eq=False)
class AssumedPair:
    """S kinds of problems: success probabilities under both models and the share of each kind, arrays of shape (S,).

    `weight` sums to 1. Raises InputError otherwise, or for a probability outside 0 to 1.
    """

    base_p: FloatArray
    rl_p: FloatArray
    weight: FloatArray

    def __post_init__(self) -> None:
        shapes = {np.shape(values) for values in (self.base_p, self.rl_p, self.weight)}
        if len(shapes) > 1 or len(shapes.pop()) != 1 or not len(self.weight):
            raise InputError("an assumed law needs base_p, rl_p and weight of one shape (S,), S >= 1")
        for name, values in (("base_p", self.base_p), ("rl_p", self.rl_p)):
            if not ((values >= 0) & (values <= 1)).all():
                raise InputError(f"an assumed law needs {name} between 0 and 1")
        if not (self.weight >= 0).all() or abs(float(self.weight.sum()) - 1) > _WEIGHTS_TOLERANCE:
            raise InputError("an assumed law needs weights of at least 0 that sum to 1")

    def mean_pass_at_k(self, ks: IntArray) -> tuple[FloatArray, FloatArray]:
        """Expected pass@k of base and of RL, shape (K,) each."""
        return self.weight @ _pass(self.base_p, ks), self.weight @ _pass(self.rl_p, ks)

    def discordant(self, k: int) -> tuple[float, float]:
        """Expected shares of problems that base only, and that RL only, solves in k samples each."""
        base, rl = (_pass(p, np.array([k]))[:, 0] for p in (self.base_p, self.rl_p))
        return float(self.weight @ (base * (1 - rl))), float(self.weight @ (rl * (1 - base)))


@dataclass(frozen=True, slots=True)
class MeanTokens:
    """Mean generated tokens of one model's samples by their outcome."""

    correct: float
    incorrect: float

    def __post_init__(self) -> None:
        if not (self.correct > 0 and self.incorrect > 0):
            raise InputError(f"mean tokens must be above 0, not {self.correct} and {self.incorrect}")


@dataclass(frozen=True, slots=True)
class SamplingCost:
    """Expected cost of one problem for one model."""

    samples: float
    tokens: float


@dataclass(frozen=True, eq=False)
class PlannedErrors:
    """Standard errors of mean pass@k that a plan will give, arrays of shape (K,), for the module's two targets."""

    base_benchmark: FloatArray
    base_population: FloatArray
    rl_benchmark: FloatArray
    rl_population: FloatArray
    difference_benchmark: FloatArray
    difference_population: FloatArray


def beta_mixture(
    components: Sequence[tuple[float, float, float]], zero: float = 0.0, one: float = 0.0, nodes: int = 128
) -> tuple[FloatArray, FloatArray]:
    """Success probabilities (S,) and weights (S,) of a mixture of Beta(a, b) and masses at 0 and 1.

    `components` are (weight, a, b). Every component becomes `nodes` Gauss-Jacobi nodes, so a mean pass@k is exact for
    k < 2 `nodes` and close to it beyond. Raises InputError unless all weights are at least 0 and sum to 1.
    """
    shares = [zero, one, *(weight for weight, _, _ in components)]
    if min(shares) < 0 or abs(sum(shares) - 1) > _WEIGHTS_TOLERANCE:
        raise InputError(f"the shares of a beta mixture must be at least 0 and sum to 1, not {sum(shares):g}")
    ps, weights = [np.array([0.0, 1.0])], [np.array([zero, one])]
    for weight, a, b in components:
        if not (a > 0 and b > 0):
            raise InputError(f"Beta({a:g}, {b:g}): both parameters must be above 0")
        places, masses = roots_jacobi(nodes, b - 1, a - 1)
        ps.append(np.clip((places + 1) / 2, 0.0, 1.0))
        weights.append(weight * masses / masses.sum())
    p, weight = np.concatenate(ps), np.concatenate(weights)
    return p[weight > 0], weight[weight > 0]


def sharpened(p: FloatArray, weight: FloatArray, sharpening: float, lost: float) -> AssumedPair:
    """Base has law (p, weight); RL does as if it chose well among `sharpening` tries, 1 - (1-p)^sharpening, except on
    a share `lost` of all problems, which it does not solve any more."""
    if not (sharpening > 0 and 0 <= lost <= 1):
        raise InputError(f"sharpening must be above 0 and lost between 0 and 1, not {sharpening} and {lost}")
    gained = -np.expm1(xlog1py(sharpening, -p))
    return AssumedPair(
        np.concatenate([p, p]),
        np.concatenate([gained, np.zeros_like(p)]),
        np.concatenate([(1 - lost) * weight, lost * weight]),
    )


def reference_pair() -> AssumedPair:
    """What is assumed where nothing is known: a law whose curves are within .01 of the DeepScaleR counts' at every k
    (1,060 competition problems, arXiv 2609.22547): pass@1 .60 and .68, pass@128 .89 and .87."""
    return sharpened(*beta_mixture([(0.94, 0.38, 0.21)], zero=0.06), sharpening=2.6, lost=0.04)


def sampling_cost(plan: StoppingPlan, p: FloatArray, weight: FloatArray, tokens: MeanTokens) -> SamplingCost:
    """Expected samples and tokens of one problem drawn from the law (p, weight), each (S,)."""
    samples = expected_samples(plan, p)
    correct = samples * p
    mean_tokens = weight @ (correct * tokens.correct + (samples - correct) * tokens.incorrect)
    return SamplingCost(float(weight @ samples), float(mean_tokens))


def planned_errors(plan: StoppingPlan, pair: AssumedPair, ks: IntArray, problems: int) -> PlannedErrors:
    """Standard errors that `problems` problems sampled under `plan` will give at `ks` <= n_max."""
    if problems < 1:
        raise InputError(f"a study needs at least one problem, not {problems}")
    if not ks.size or ks.min() < 1 or ks.max() > plan.n_max:
        raise InputError(f"k must be 1 to {plan.n_max}, what the plan can speak about ({plan})")
    distinct, where = np.unique(np.concatenate([pair.base_p, pair.rl_p]), return_inverse=True)
    design = design_variance(plan, distinct, ks)[where].reshape(2, len(pair.weight), len(ks))
    base, rl = (pair.weight @ variance for variance in design)
    true_base, true_rl = _pass(pair.base_p, ks), _pass(pair.rl_p, ks)

    def error(variance: FloatArray) -> FloatArray:
        return np.sqrt(variance / problems)

    return PlannedErrors(
        base_benchmark=error(base),
        base_population=error(base + _variance(true_base, pair.weight)),
        rl_benchmark=error(rl),
        rl_population=error(rl + _variance(true_rl, pair.weight)),
        difference_benchmark=error(base + rl),
        difference_population=error(base + rl + _variance(true_rl - true_base, pair.weight)),
    )


def largest_n_max(
    tokens_per_problem: float,
    laws: Sequence[tuple[FloatArray, FloatArray, MeanTokens]],
    successes: int | None = None,
    batch: int = 1,
) -> int:
    """The largest n_max whose expected tokens per problem, all models together, fit; 0 if one sample does not.

    `laws` holds (p, weight, tokens) of every model. `successes` None is a fixed n, otherwise the plan is
    `StoppingPlan.until(successes, n_max, batch)`. At most LARGEST_N_MAX.
    """
    if not tokens_per_problem > 0:
        raise InputError(f"a token budget must be above 0, not {tokens_per_problem:g} per problem")
    n_max = _FIRST_N_MAX
    while True:
        spent = sum(_tokens_by_sample(law, successes, batch, n_max) for law in laws)
        fits = int(np.searchsorted(np.cumsum(spent), tokens_per_problem * (1 + 1e-12), side="right"))
        if fits < n_max or n_max >= LARGEST_N_MAX:
            return fits
        n_max *= 4


def mcnemar_power(problems: int, discordant: float, difference: float, alpha: float = 0.05) -> float:
    """Chance that the exact two-sided McNemar test finds a difference, in its right direction, on `problems` problems.

    `discordant` is the expected share of problems solved by one model only, `difference` that of the one side minus
    that of the other. Exact: discordant problems are binomial, and so is the share of each side among them.
    """
    _check_test(problems, discordant, alpha)
    if not 0 <= difference <= discordant:
        raise InputError(f"a difference must be between 0 and the discordant share {discordant:g}, not {difference:g}")
    return _power_by_difference(problems, discordant, alpha)(difference)


def detectable_difference(problems: int, discordant: float, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """The smallest difference that `mcnemar_power` finds with chance `power`. None: not even if all discordant
    problems are expected to go one way."""
    _check_test(problems, discordant, alpha)
    _check_power(power)
    power_of = _power_by_difference(problems, discordant, alpha)
    if power_of(discordant) < power:
        return None
    low, high = 0.0, discordant
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return high


def problems_needed(
    discordant: float, difference: float, power: float = 0.8, alpha: float = 0.05, critical: float | None = None
) -> int:
    """About d (z_{1-alpha/2} + z_power)^2 / delta^2 problems (785 for d = .04, delta = .02).

    `critical` takes the place of z_{1-alpha/2}: a simultaneous band needs 1,151 at 2.55.
    """
    _check_test(1, discordant, alpha)
    _check_power(power)
    if not 0 < difference <= discordant:
        raise InputError(f"a difference must be above 0 and at most the discordant share {discordant:g}")
    z = float((ndtri(1 - alpha / 2) if critical is None else critical) + ndtri(power))
    return int(np.ceil(discordant * z**2 / difference**2))


def significant_splits(problems: int, alpha: float = 0.05, rows: int = 4) -> tuple[tuple[int, int, float], ...]:
    """For 0, 1, 2, ... problems solved by the weaker side only: (fewest by the other side only to reach alpha, those
    0, 1, 2, ..., p). At most `rows`; empty if `problems` problems cannot show a difference at all."""
    _check_test(problems, 0.5, alpha)
    splits = []
    for smaller in range(min(rows, problems)):
        larger = next((x for x in range(smaller + 1, problems - smaller + 1) if mcnemar_p(smaller, x) <= alpha), None)
        if larger is None:
            break
        splits.append((larger, smaller, mcnemar_p(smaller, larger)))
    return tuple(splits)


def _pass(p: FloatArray, ks: IntArray) -> FloatArray:
    """1 - (1-p)^k, shape (S, K)."""
    return -np.expm1(xlog1py(ks[None, :].astype(float), -p[:, None]))


def _variance(rows: FloatArray, weight: FloatArray) -> FloatArray:
    """Variance over kinds of problems, shape (K,)."""
    return weight @ (rows - weight @ rows) ** 2


def _tokens_by_sample(
    law: tuple[FloatArray, FloatArray, MeanTokens], successes: int | None, batch: int, n_max: int
) -> FloatArray:
    """Expected tokens of the 1st, 2nd, ..., n_max-th sample of a problem, shape (n_max,)."""
    p, where = np.unique(law[0], return_inverse=True)
    weight, tokens = np.bincount(where, law[1]), law[2]
    each = weight * (p * tokens.correct + (1 - p) * tokens.incorrect)
    if successes is None:
        return np.full(n_max, each.sum())
    looks = np.arange(0, n_max, batch)  # the sample after a look is drawn if there were too few successes at it
    goes_on = np.ones((len(p), len(looks)))
    enough = looks >= successes
    goes_on[:, enough] = bdtr(successes - 1, looks[enough], p[:, None])
    return np.repeat(each @ goes_on, batch)[:n_max]


def _power_by_difference(problems: int, discordant: float, alpha: float) -> Callable[[float], float]:
    """`mcnemar_power` as a function of the difference."""
    counts = np.arange(problems + 1)
    law, most = _binomial(problems, discordant), _largest_minority(counts, alpha)

    def power(difference: float) -> float:
        minority = (1 - difference / discordant) / 2
        return float(law @ np.where(most >= 0, bdtr(np.maximum(most, 0), counts, minority), 0.0))

    return power


def _largest_minority(discordant: IntArray, alpha: float) -> IntArray:
    """The most problems on the smaller side at which McNemar's p is <= alpha, -1 where none is; shape as given."""
    with np.errstate(invalid="ignore"):
        place = bdtrik(alpha / 2, discordant, 0.5)
    guess = np.where(np.isfinite(place), place, -1.0).round().astype(np.int64)
    best = np.full_like(discordant, -1)
    for candidate in (guess - 1, guess, guess + 1):  # an inverse of a step function may be off by one
        inside = np.clip(candidate, 0, discordant)
        reaches = (candidate >= 0) & (candidate <= discordant) & (2 * bdtr(inside, discordant, 0.5) <= alpha)
        best = np.where(reaches, np.maximum(best, candidate), best)
    return best


def _binomial(n: int, p: float) -> FloatArray:
    """P(Bin(n, p) = 0..n), shape (n + 1,)."""
    hits = np.arange(n + 1)
    return np.exp(log_choose(np.full(n + 1, n), hits) + xlogy(hits, p) + xlog1py(n - hits, -p))


def _check_test(problems: int, discordant: float, alpha: float) -> None:
    if problems < 1:
        raise InputError(f"a study needs at least one problem, not {problems}")
    if not 0 < discordant <= 1:
        raise InputError(f"the share of discordant problems must be above 0 and at most 1, not {discordant:g}")
    if not 0 < alpha < 1:
        raise InputError(f"alpha must be between 0 and 1, not {alpha}")


def _check_power(power: float) -> None:
    if not 0 < power < 1:
        raise InputError(f"power must be between 0 and 1, not {power}")
