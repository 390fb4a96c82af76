"""Before anything is spent: what will this study cost under each stopping plan, what can it show, and what not?

The numbers are those of `estimates/planning.py` for an assumed law of the problems, from a pilot or from the reference
counts; every sentence that depends on it says so. A row per plan: the study's own, a fixed n, and stopping at 1, 2, 4,
8 or 16 correct samples, at one n_max.

The test of problems solved by one model only, at one k, is what textbooks price. A headline needs more: a simultaneous
band, whose critical value is about 2.55 and not 1.96, or an exact test of gained and lost problems. With `studies`
whole studies are simulated (`power.py`): how likely each claim is under the study's own plan, and the cheapest plan
that makes it with the wanted power.

Left out: seconds and money (tokens are what a machine's speed is quoted for), and several RL models' joint error
(each is one more comparison; give each alpha / m).
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import ndtr

from move37.analyses.power import Chances, Cheapest, chances, cheapest
from move37.counts import StoppingPlan
from move37.errors import InputError
from move37.estimates.planning import (
    AssumedPair,
    MeanTokens,
    PlannedErrors,
    SamplingCost,
    detectable_difference,
    largest_n_max,
    mcnemar_power,
    planned_errors,
    problems_needed,
    reference_pair,
    sampling_cost,
    significant_splits,
)
from move37.estimates.solvable import fewest_discordant
from move37.types import FloatArray, IntArray

STOP_AT = (1, 2, 4, 8, 16)
"""Numbers of correct samples whose plans are compared."""
DEFAULT_STOP = 8
"""The one of them that the budget is spelled out for; all are in the table."""
DELTAS = (0.01, 0.02, 0.05)
"""Differences whose price in problems is printed."""
REFERENCE = "a law shaped like the DeepScaleR counts (1,060 competition problems)"
_ONE_TOKEN = MeanTokens(1.0, 1.0)


@dataclass(frozen=True, eq=False)
class PlanRow:
    """One stopping plan: expected cost, and the errors at `Forecast.k`."""

    plan: str
    stop_at: int | None
    """Correct samples at which a problem stops; None for a fixed n and for plans with several thresholds."""
    own: bool
    """Whether this is the study's own plan."""
    samples_per_problem_base: float
    samples_per_problem_rl: float
    samples: float
    """All problems, base and every RL model."""
    tokens: float | None
    """As `samples`; None where nothing is known of the length of samples."""
    share_of_samples: float
    """Of what the fixed n costs."""
    share_of_tokens: float | None
    errors: PlannedErrors
    n_max_in_budget: int | None
    """Largest n_max whose expected tokens fit the budget; None without a budget, 0 if not one sample each does."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a study will cost and show, if the problems are as assumed."""

    problems: int
    base: str
    rl: str
    rl_models: int
    n_max: int
    k: IntArray
    """ks of the errors and of the assumed curves, shape (K,)."""
    assumed: str
    """Where the law of the problems comes from, in words."""
    pilot_n: int | None
    """Samples per problem behind that law; beyond them it is extrapolated. None: not a pilot's, or not said."""
    base_pass_at_k: FloatArray
    rl_pass_at_k: FloatArray
    rows: tuple[PlanRow, ...]
    """The fixed n first."""
    token_budget: float | None
    alpha: float
    power: float
    discordant: float
    """Expected share of problems that one model only solves in n_max samples."""
    expected_difference: float
    """RL only minus base only, expected shares."""
    chance_to_find_it: float
    """Exact power of the McNemar test for `expected_difference` on these problems."""
    detectable: float | None
    """Smallest difference found with chance `power`; None if there is none."""
    problems_for: tuple[tuple[float, int], ...]
    """(difference, problems that McNemar's test would need), for differences that the discordant share allows."""
    splits: tuple[tuple[int, int, float], ...]
    """(larger side, smaller side, p): the smallest significant splits; empty if this benchmark has none."""
    fewest_discordant: int
    chances: Chances | None = None
    """Of each claim under the study's own plan; None where no study was simulated."""
    headline_power: FloatArray = field(default_factory=lambda: np.empty(0))
    """Chance that the simultaneous band excludes zero at each of `k`, in the direction that is assumed, (K,); empty
    where no critical value is known."""
    problems_for_headline: tuple[tuple[float, int], ...] = ()
    """As `problems_for`, at the simultaneous critical value."""
    cheapest: tuple[Cheapest, ...] = ()
    """For each claim that some compared plan makes with the wanted power, the cheapest such plan."""


def forecast(
    problems: int,
    plan: StoppingPlan,
    pair: AssumedPair | None = None,
    tokens: tuple[MeanTokens, MeanTokens] | None = None,
    *,
    base: str = "base",
    rl: str = "rl",
    rl_models: int = 1,
    assumed: str = "",
    pilot_n: int | None = None,
    token_budget: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    studies: int = 0,
) -> Forecast:
    """Forecast a study of `problems` problems at the n_max of its own `plan`.

    `pair` is the law of a pilot of at most `pilot_n` samples per problem, described by `assumed`; without it the
    reference counts' law stands in. `tokens` are the mean lengths of base's and RL's samples. The compared plans look
    as often as the study's own, or after every sample where that has a fixed n. `rl_models` = 0 plans a study of base
    alone. `studies` are simulated for each plan that is considered, none by default. Raises InputError.
    """
    _check(problems, rl_models, token_budget, tokens)
    assumed = REFERENCE if pair is None else (assumed or "the given law")
    pair = pair or reference_pair()
    n_max, ks = plan.n_max, _powers_of_two(plan.n_max)
    base_only, rl_only = pair.discordant(n_max)
    discordant, difference = base_only + rl_only, rl_only - base_only
    testable = discordant > 0
    base_curve, rl_curve = pair.mean_pass_at_k(ks)
    costing = _Costing(problems, pair, tokens, rl_models)
    found = Forecast(
        problems=problems,
        base=base,
        rl=rl,
        rl_models=rl_models,
        n_max=n_max,
        k=ks,
        assumed=assumed,
        pilot_n=pilot_n,
        base_pass_at_k=base_curve,
        rl_pass_at_k=rl_curve,
        rows=_rows(plan, costing, token_budget, ks),
        token_budget=token_budget,
        alpha=alpha,
        power=power,
        discordant=discordant,
        expected_difference=difference,
        chance_to_find_it=mcnemar_power(problems, discordant, abs(difference), alpha) if testable else 0.0,
        detectable=detectable_difference(problems, discordant, power, alpha) if testable else None,
        problems_for=tuple(
            (delta, problems_needed(discordant, delta, power, alpha)) for delta in DELTAS if delta <= discordant
        ),
        splits=significant_splits(problems, alpha),
        fewest_discordant=fewest_discordant(alpha),
    )
    return found if not studies or not rl_models else _with_chances(found, plan, costing, studies)


def _check(problems: int, rl_models: int, token_budget: float | None, tokens: object) -> None:
    if problems < 1 or rl_models < 0:
        raise InputError(f"a study needs problems, and models to plan, not {problems} and {1 + rl_models}")
    if token_budget is not None and tokens is None:
        raise InputError("a token budget needs the mean tokens per sample: give a pilot, or the tokens")


def _powers_of_two(n_max: int) -> IntArray:
    """1, 2, 4, ... and n_max."""
    return np.unique(np.append(2 ** np.arange(n_max.bit_length()), n_max).clip(max=n_max))


def _with_chances(found: Forecast, plan: StoppingPlan, costing: "_Costing", studies: int) -> Forecast:
    """What headlines will be able to say, simulated."""
    own = chances(plan, costing.pair, found.problems, studies, found.alpha)
    if not np.isfinite(own.critical_value):
        return replace(found, chances=own)
    (errors,) = (row.errors.difference_population for row in found.rows if row.own)
    size = np.abs(found.rl_pass_at_k - found.base_pass_at_k)
    standardised = np.divide(size, errors, out=np.zeros_like(size), where=errors > 0)

    def cost(each: StoppingPlan) -> tuple[float, float | None]:
        samples, spent = costing.totals(costing.per_problem(each))
        return samples, spent if costing.lengths else None

    return replace(
        found,
        chances=own,
        headline_power=ndtr(standardised - own.critical_value),
        problems_for_headline=tuple(
            (delta, problems_needed(found.discordant, delta, found.power, found.alpha, own.critical_value))
            for delta, _ in found.problems_for
        ),
        cheapest=cheapest(plan, costing.pair, found.problems, studies, cost, found.power, found.alpha),
    )


def _rows(own: StoppingPlan, costing: "_Costing", token_budget: float | None, ks: IntArray) -> tuple[PlanRow, ...]:
    """The fixed n, then stopping at STOP_AT, then the study's own plan unless it is one of them."""
    fixed = StoppingPlan((own.n_max,), 1)
    batch = own.looks[0] if not own.is_fixed and _looks_evenly(own) else 1
    stopping = [StoppingPlan.until(r, own.n_max, batch) for r in STOP_AT]
    plans = {str(plan): plan for plan in (fixed, *stopping, own)}
    all_samples, all_tokens = costing.totals(costing.per_problem(fixed))
    rows = []
    for name, plan in plans.items():
        per_problem = costing.per_problem(plan)
        samples, tokens = costing.totals(per_problem)
        rows.append(
            PlanRow(
                plan=name,
                stop_at=None if plan.is_fixed or isinstance(plan.successes, tuple) else plan.successes,
                own=name == str(own),
                samples_per_problem_base=per_problem[0].samples,
                samples_per_problem_rl=per_problem[1].samples,
                samples=samples,
                tokens=tokens if costing.lengths else None,
                share_of_samples=samples / all_samples,
                share_of_tokens=tokens / all_tokens if costing.lengths else None,
                errors=planned_errors(plan, costing.pair, ks, costing.problems),
                n_max_in_budget=None if token_budget is None else costing.n_max_for(token_budget, plan),
            )
        )
    return tuple(rows)


def _looks_evenly(plan: StoppingPlan) -> bool:
    """Whether looks come every so many samples, up to n_max."""
    return plan.looks == StoppingPlan.until(1, plan.n_max, plan.looks[0]).looks


@dataclass(frozen=True, slots=True)
class _Costing:
    """What the cost of any plan depends on."""

    problems: int
    pair: AssumedPair
    lengths: tuple[MeanTokens, MeanTokens] | None
    rl_models: int

    def per_problem(self, plan: StoppingPlan) -> tuple[SamplingCost, SamplingCost]:
        """One problem for base, and for one RL model."""
        base, rl = self._laws()
        return sampling_cost(plan, *base), sampling_cost(plan, *rl)

    def totals(self, per_problem: tuple[SamplingCost, SamplingCost]) -> tuple[float, float]:
        """Samples and tokens of all problems and models."""
        base, rl = per_problem
        return (
            self.problems * (base.samples + self.rl_models * rl.samples),
            self.problems * (base.tokens + self.rl_models * rl.tokens),
        )

    def n_max_for(self, token_budget: float, plan: StoppingPlan) -> int | None:
        """The largest n_max of a plan of this kind within the budget; None for a plan that is not one of a kind."""
        base, rl = self._laws()
        laws, budget = [base, *[rl] * self.rl_models], token_budget / self.problems
        if plan.is_fixed:
            return largest_n_max(budget, laws)
        if isinstance(plan.successes, int) and _looks_evenly(plan):
            return largest_n_max(budget, laws, plan.successes, plan.looks[0])
        return None

    def _laws(self) -> list[tuple[FloatArray, FloatArray, MeanTokens]]:
        base, rl = self.lengths or (_ONE_TOKEN, _ONE_TOKEN)
        return [(self.pair.base_p, self.pair.weight, base), (self.pair.rl_p, self.pair.weight, rl)]
