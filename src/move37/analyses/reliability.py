"""How reliable is a model, beside how wide: avg@k, pass@k, pass^k, G-Pass@k, maj@k, Cover@tau, Bayes@N, areas.

A row is a mean over problems with an interval for the population of problems (Student t, per row: they do not hold
jointly); two models are compared by the same interval over the differences, problem by problem. k = 1 is one row,
avg@n, since pass@1, pass^1 and G-Pass@1 all equal it. Decisions:
- Rows of several models are comparable at equal k only: `common_ks` gives ks that all of them have.
- Everything here but the area needs exchangeable samples, hence a fixed n: of a study that stopped early, hand in the
  samples before the first look. pass@k and the areas take either (`under_any_plan`): one estimator for one name.
- The interval of Cover@tau assumes nothing about p. The estimate beside it needs p to vary smoothly over problems near
  tau; it is kept within the interval, and marked where n and n/2 samples differ on it by two standard errors.
- Bayes@N is about these problems ("benchmark"), as its paper has it, and stands beside avg@n with an interval for the
  same target: where the prior has moved the posterior by more than its own interval, it is marked as displaced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from move37.analyses.curves import mean_interval
from move37.analyses.pairing import paired, require_scored
from move37.counts import AnyTally, Estimate, Tally
from move37.errors import InputError
from move37.estimates.bands import DEGENERATE, FEW_PROBLEMS, effective_problems, population_error
from move37.estimates.majority import AnswerCounts, majority_at_ks
from move37.estimates.pass_at_k import (
    average,
    checked_k,
    g_pass_at_k,
)
from move37.estimates.reliability import (
    accuracy_posterior,
    area_under_curve,
    average_error,
    cover_bounds,
    cover_bracket,
    cover_contrast,
    cover_debiased,
    cover_plug_in,
    fewest_for_cover,
    normal_interval,
    posterior_interval,
)
from move37.estimates.rows import distinct_problems, k_limit, shared_rows
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray, IntArray

MEASURES = ("avg@n", "pass@k", "pass^k", "G-Pass@k_0.5", "maj@k", "AUC@k", "AUC_log@k")
"""What `ReliabilityRow.measure` can be. AUC: mean height of pass@k from 1 to k, over k and over ln k."""

COVER_TAUS = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Thresholds of Cover@tau, as far as n allows."""

UNDER_ANY_PLAN = ("pass@k", "AUC@k", "AUC_log@k")
"""Measures that need no fixed n."""

UNIFORM_PRIOR = (1.0, 1.0)
"""The prior of every problem in the paper on Bayes@N."""


@dataclass(frozen=True, slots=True, eq=False)
class _Values:
    """One value per problem, kept as one per pair of counts where problems share them: they are kept by the dozen."""

    distinct: FloatArray
    where: IntArray | None = None
    """Which of them is each problem's, (M,); None where each has its own."""

    def of_problems(self) -> FloatArray:
        """(M,)."""
        return self.distinct if self.where is None else self.distinct[self.where]


_Measure = tuple[str, int, _Values]
"""Measure, k, and its value on every problem."""


@dataclass(frozen=True, slots=True)
class ReliabilityRow:
    """One measure of one model at one k. maj@k needs answers, so it is absent for imported counts."""

    model: str
    measure: str
    k: int
    estimate: Estimate
    first: int | None = None
    """Where sampling stopped early: it is of so many samples of each problem, the first ones."""


@dataclass(frozen=True, slots=True)
class ReliabilityDifference:
    """One measure of `rl` minus the same of `base` on the same problems."""

    base: str
    rl: str
    measure: str
    k: int
    estimate: Estimate
    first: int | None = None
    """As in `ReliabilityRow`, where sampling of either stopped early."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Cover@tau of one model (arXiv 2510.08325): the share of problems that it solves with chance tau or more."""

    model: str
    tau: float
    estimate: Estimate
    """Its interval holds whatever the distribution of p; its value is debiased, which needs a density of p that is
    smooth near tau, and kept within the interval. The standard error is that of the debiased value."""
    plug_in: float
    """The share of problems with c/n >= tau, which is biased."""
    steady: bool | None = None
    """Whether n and n/2 samples agree on the value to within two standard errors; False: its condition does not hold.
    None where n/2 samples are too few to tell."""


@dataclass(frozen=True, slots=True)
class CoverageDifference:
    """Cover@tau of `rl` minus `base`, paired by problem; the fields as in `Coverage`."""

    base: str
    rl: str
    tau: float
    estimate: Estimate
    steady: bool | None = None


@dataclass(frozen=True, slots=True)
class BayesAtN:
    """Bayes@N (arXiv 2510.04265): posterior mean accuracy on these problems, with a credible interval."""

    model: str
    estimate: Estimate
    average: Estimate
    """avg@n with an interval for the same target, without a prior."""
    displaced: bool
    """avg@n lies outside of the credible interval: there the prior says more than the samples."""


@dataclass(frozen=True, slots=True)
class BayesDifference:
    """Bayes@N of `rl` minus that of `base`; the fields as in `BayesAtN`."""

    base: str
    rl: str
    estimate: Estimate
    average: Estimate
    displaced: bool


def reliability(
    tally: Tally,
    ks: Sequence[int] | None = None,
    answers: Mapping[str, AnswerCounts] | None = None,
    confidence: float = 0.95,
    design: Design = INDEPENDENT,
) -> tuple[ReliabilityRow, ...]:
    """Rows ordered by measure, then k. `ks` defaults to `default_ks`; `answers` by problem id add maj@k.

    Give every model the same ks (`common_ks`) to compare them. Raises InputError for a k above the smallest n, and for
    answers that do not add up to the tally's n.
    """
    require_scored(tally)
    smallest = int(tally.n.min())
    return tuple(
        ReliabilityRow(
            tally.model,
            measure,
            k,
            _estimate(_name(measure, k), [tally], values.of_problems(), confidence, (0.0, 1.0), design),
        )
        for measure, k, values in _measures(tally, default_ks(smallest) if ks is None else ks, answers)
    )


def reliability_differences(
    base: Tally,
    rl: Tally,
    ks: Sequence[int] | None = None,
    base_answers: Mapping[str, AnswerCounts] | None = None,
    rl_answers: Mapping[str, AnswerCounts] | None = None,
    confidence: float = 0.95,
    design: Design = INDEPENDENT,
) -> tuple[ReliabilityDifference, ...]:
    """Every measure that both models have, rl minus base, paired by problem. `ks` defaults to `common_ks`.

    Raises InputError as `reliability` does, and unless both cover the same problems.
    """
    base, rl = paired(base, rl)
    ks = common_ks([base, rl]) if ks is None else ks
    smallest = int(min(base.n.min(), rl.n.min()))
    theirs = {(name, k): values for name, k, values in _measures(rl, ks, rl_answers, smallest)}
    return tuple(
        ReliabilityDifference(
            base.model,
            rl.model,
            name,
            k,
            _estimate(
                _between(_name(name, k), base, rl),
                [base, rl],
                theirs[name, k].of_problems() - values.of_problems(),
                confidence,
                (-1.0, 1.0),
                design,
            ),
        )
        for name, k, values in _measures(base, ks, base_answers, smallest)
        if (name, k) in theirs
    )


def under_any_plan(
    tally: AnyTally, confidence: float = 0.95, design: Design = INDEPENDENT
) -> tuple[ReliabilityRow, ...]:
    """pass@k at 1 and at the `default_ks`, and the areas under it up to the largest k, under any stopping plan."""
    return tuple(
        ReliabilityRow(
            tally.model,
            name,
            k,
            _estimate(_name(name, k), [tally], values.of_problems(), confidence, (0.0, 1.0), design),
        )
        for name, k, values in _of_curve(tally, k_limit(tally))
    )


def differences_under_any_plan(
    base: AnyTally, rl: AnyTally, confidence: float = 0.95, design: Design = INDEPENDENT
) -> tuple[ReliabilityDifference, ...]:
    """The same of rl minus base, paired by problem, up to the largest k of both."""
    base, rl = paired(base, rl)
    k_max = min(k_limit(base), k_limit(rl))
    return tuple(
        ReliabilityDifference(
            base.model,
            rl.model,
            name,
            k,
            _estimate(
                _between(_name(name, k), base, rl),
                [base, rl],
                theirs.of_problems() - ours.of_problems(),
                confidence,
                (-1.0, 1.0),
                design,
            ),
        )
        for (name, k, ours), (_, _, theirs) in zip(_of_curve(base, k_max), _of_curve(rl, k_max), strict=True)
    )


def _of_curve(tally: AnyTally, k_max: int) -> list[_Measure]:
    passed, place = shared_rows(tally)
    rows: list[_Measure] = [("pass@k", k, _Values(passed[:, k - 1], place)) for k in sorted({1, *default_ks(k_max)})]
    return [*rows, *(_areas(tally, k_max) if k_max > 1 else ())]


def coverage(
    tally: Tally, taus: Sequence[float] | None = None, confidence: float = 0.95, design: Design = INDEPENDENT
) -> tuple[Coverage, ...]:
    """Cover@tau at every tau, by default at those of COVER_TAUS that n allows. Raises InputError for any other tau that
    needs more samples."""
    require_scored(tally)
    return tuple(_coverage(tally, tau, confidence, design) for tau in _taus([tally], taus))


def coverage_differences(
    base: Tally,
    rl: Tally,
    taus: Sequence[float] | None = None,
    confidence: float = 0.95,
    design: Design = INDEPENDENT,
) -> tuple[CoverageDifference, ...]:
    """Cover@tau of rl minus base at every tau, paired by problem."""
    base, rl = paired(base, rl)
    return tuple(_coverage_difference(base, rl, tau, confidence, design) for tau in _taus([base, rl], taus))


def bayes_at_n(
    tally: Tally,
    prior: tuple[float, float] = UNIFORM_PRIOR,
    confidence: float = 0.95,
    design: Design = INDEPENDENT,
) -> BayesAtN:
    """Bayes@N of one model. `prior` is the beta law of every problem's p."""
    require_scored(tally)
    copies = design.copies(tally.problems)
    mean, deviation = accuracy_posterior(tally.correct, tally.n, prior, copies)
    interval = posterior_interval(mean, deviation, confidence)
    average_, error = float(average(tally.correct, tally.n).mean()), average_error(tally.correct, tally.n, copies)
    return BayesAtN(
        model=tally.model,
        estimate=_on_benchmark("Bayes", [tally], (mean, deviation), interval, _under(prior), confidence),
        average=_on_benchmark(
            "avg",
            [tally],
            (average_, error),
            posterior_interval(average_, error, confidence) if error > DEGENERATE else None,
            "mean over problems, beta law of its moments",
            confidence,
        ),
        displaced=not interval[0] <= average_ <= interval[1],
    )


def bayes_difference(
    base: Tally,
    rl: Tally,
    prior: tuple[float, float] = UNIFORM_PRIOR,
    confidence: float = 0.95,
    design: Design = INDEPENDENT,
) -> BayesDifference:
    """Bayes@N of rl minus base on the problems of both.

    Given the problems the two models' samples are independent, so variances add; the law is taken as normal.
    """
    base, rl = paired(base, rl)
    copies = design.copies(base.problems)
    (base_mean, base_deviation), (mean, deviation) = (
        accuracy_posterior(t.correct, t.n, prior, copies) for t in (base, rl)
    )
    moments = (mean - base_mean, float(np.hypot(deviation, base_deviation)))
    interval = normal_interval(*moments, confidence)
    shift = float((average(rl.correct, rl.n) - average(base.correct, base.n)).mean())
    error = float(np.linalg.norm([average_error(t.correct, t.n, copies) for t in (rl, base)]))
    return BayesDifference(
        base=base.model,
        rl=rl.model,
        estimate=_on_benchmark("Bayes", [base, rl], moments, interval, _under(prior), confidence),
        average=_on_benchmark(
            "avg",
            [base, rl],
            (shift, error),
            normal_interval(shift, error, confidence) if error > DEGENERATE else None,
            "mean over problems, normal law",
            confidence,
        ),
        displaced=not interval[0] <= shift <= interval[1],
    )


def default_ks(k_max: int) -> list[int]:
    """4, 16, 64, ... below k_max, and k_max itself; none for k_max = 1."""
    return [k for k in (4**i for i in range(1, 32)) if k < k_max] + [k_max] * (k_max > 1)


def common_ks(tallies: Sequence[AnyTally]) -> list[int]:
    """The `default_ks` up to the largest k that every model has on every problem."""
    if not tallies:
        raise InputError("no model to choose ks for")
    return default_ks(min(k_limit(tally) for tally in tallies))


def _measures(
    tally: Tally, ks: Sequence[int], answers: Mapping[str, AnswerCounts] | None, smallest: int | None = None
) -> list[_Measure]:
    """Every measure at every k > 1, ordered by measure, then k. `smallest` names the row of avg@n."""
    ks = [checked_k(tally.n, k) for k in ks if k > 1]
    smallest = int(tally.n.min()) if smallest is None else smallest
    rows: list[_Measure] = [("avg@n", smallest, _Values(average(tally.correct, tally.n)))]
    if not ks:
        return rows
    rows += _counted_measures(tally, tuple(ks))
    if answers:
        voted = majority_at_ks(_answers_in_order(tally, answers), ks)
        rows += [("maj@k", k, _Values(voted[:, i])) for i, k in enumerate(ks)]
    return rows + list(_areas(tally, max(ks)))


@lru_cache(maxsize=4)
def _counted_measures(tally: Tally, ks: tuple[int, ...]) -> tuple[_Measure, ...]:
    """What counts alone give, at every k. Kept, since a base is measured against every other model."""
    rows, place = shared_rows(tally)
    each = distinct_problems(tally)
    return (
        *(("pass@k", k, _Values(rows[:, k - 1], place)) for k in ks),
        *(("pass^k", k, _Values(g_pass_at_k(each.correct, each.n, k, 1.0), each.where)) for k in ks),
        *(("G-Pass@k_0.5", k, _Values(g_pass_at_k(each.correct, each.n, k, 0.5), each.where)) for k in ks),
    )


@lru_cache(maxsize=4)
def _areas(tally: AnyTally, k_max: int) -> tuple[_Measure, ...]:
    rows, place = shared_rows(tally)
    passed = rows[:, :k_max]
    return (
        ("AUC@k", k_max, _Values(area_under_curve(passed), place)),
        ("AUC_log@k", k_max, _Values(area_under_curve(passed, over_log_k=True), place)),
    )


def _answers_in_order(tally: Tally, answers: Mapping[str, AnswerCounts]) -> list[AnswerCounts]:
    for problem_id, n in zip(tally.problem_ids, tally.n, strict=True):
        found = answers[problem_id].n if problem_id in answers else 0
        if found != n:
            raise InputError(f"{tally.model}: problem {problem_id} has {n} scored samples but {found} answers to vote")
    return [answers[problem_id] for problem_id in tally.problem_ids]


def _taus(tallies: Sequence[Tally], taus: Sequence[float] | None) -> list[float]:
    if taus is not None:
        return list(taus)
    smallest = min(int(tally.n.min()) for tally in tallies)
    return [tau for tau in COVER_TAUS if fewest_for_cover(tau) <= smallest]


@lru_cache(maxsize=16)
def _cover(tally: Tally, tau: float) -> _Values:
    """Kept, as are the next two, since a base is measured against every other model."""
    each = distinct_problems(tally)
    return _Values(cover_debiased(each.correct, each.n, tau), each.where)


@lru_cache(maxsize=16)
def _contrast(tally: Tally, tau: float) -> _Values | None:
    each = distinct_problems(tally)
    contrast = cover_contrast(each.correct, each.n, tau)
    return None if contrast is None else _Values(contrast, each.where)


@lru_cache(maxsize=16)
def _bracket(tally: Tally, tau: float) -> tuple[_Values, _Values]:
    each = distinct_problems(tally)
    low, high = cover_bracket(each.correct, each.n, tau)
    return _Values(low, each.where), _Values(high, each.where)


def _coverage(tally: Tally, tau: float, confidence: float, design: Design) -> Coverage:
    bounds = cover_bounds(tally.correct, tally.n, tau, confidence, design.effective_problems(tally.problems))
    estimate = _estimate(f"Cover@{tau:g}", [tally], _cover(tally, tau).of_problems(), confidence, (0.0, 1.0), design)
    return Coverage(
        model=tally.model,
        tau=tau,
        estimate=_bounded(estimate, bounds, confidence),
        plug_in=float(cover_plug_in(tally.correct, tally.n, tau).mean()),
        steady=_steady(_contrast(tally, tau), design),
    )


def _coverage_difference(base: Tally, rl: Tally, tau: float, confidence: float, design: Design) -> CoverageDifference:
    name = _between(f"Cover@{tau:g}", base, rl)
    values = _cover(rl, tau).of_problems() - _cover(base, tau).of_problems()
    estimate = _estimate(name, [base, rl], values, confidence, (-1.0, 1.0), design)
    steady = [_steady(_contrast(tally, tau), design) for tally in (base, rl)]
    return CoverageDifference(
        base=base.model,
        rl=rl.model,
        tau=tau,
        estimate=_bounded(estimate, _difference_bounds(base, rl, tau, confidence, design), confidence),
        steady=None if None in steady else all(steady),
    )


def _steady(contrast: _Values | None, design: Design) -> bool | None:
    """Whether a contrast that should be 0 on average is, to within two standard errors."""
    if contrast is None:
        return None
    values = contrast.of_problems()
    error = float(population_error(values[:, None], design)[0])
    return not (error > DEGENERATE and abs(float(values.mean())) > 2 * error)


def _difference_bounds(base: Tally, rl: Tally, tau: float, confidence: float, design: Design) -> tuple[float, float]:
    """Whatever p is: Student t over the paired brackets; the two models' own bounds where few problems carry those."""
    (base_low, base_high), (low, high) = (_bracket(tally, tau) for tally in (base, rl))
    least = low.of_problems() - base_high.of_problems()
    most = high.of_problems() - base_low.of_problems()
    at_least, at_most = (mean_interval(each, confidence, (-1.0, 1.0), design) for each in (least, most))
    if at_least and at_most and not _few(least, design) and not _few(most, design):
        return at_least[0], at_most[1]
    # Each at half of the error, so that both hold together.
    effective = design.effective_problems(base.problems)
    base_bounds, rl_bounds = (cover_bounds(t.correct, t.n, tau, (1 + confidence) / 2, effective) for t in (base, rl))
    return rl_bounds[0] - base_bounds[1], rl_bounds[1] - base_bounds[0]


def _bounded(estimate: Estimate, bounds: tuple[float, float], confidence: float) -> Estimate:
    """The estimate with an interval that assumes nothing, and its value within that."""
    return replace(
        estimate,
        value=min(max(estimate.value, bounds[0]), bounds[1]),
        lower=bounds[0],
        upper=bounds[1],
        confidence=confidence,
        method="debiased from n and n/2; bounds that assume nothing about p",
    )


def _few(values: FloatArray, design: Design) -> bool:
    """Whether fewer than FEW_PROBLEMS problems carry the variance."""
    return bool(effective_problems(values[:, None], design)[0] < FEW_PROBLEMS)


def _estimate(
    name: str,
    tallies: Sequence[AnyTally],
    values: FloatArray,
    confidence: float,
    support: tuple[float, float],
    design: Design,
) -> Estimate:
    error = float(population_error(values[:, None], design)[0])
    lower, upper = mean_interval(values, confidence, support, design) or (None, None)
    return Estimate(
        name=name,
        value=float(values.mean()),
        standard_error=None if np.isnan(error) else error,
        lower=lower,
        upper=upper,
        confidence=None if lower is None else confidence,
        method="mean over problems, Student t" if len(tallies) == 1 else "paired by problem, Student t",
        target="population",
        problems=len(values),
        n=_n(tallies),
    )


def _on_benchmark(
    measure: str,
    tallies: Sequence[Tally],
    moments: tuple[float, float],
    interval: tuple[float, float] | None,
    method: str,
    confidence: float,
) -> Estimate:
    """An estimate for these problems and fresh samples; `moments` are the value and its standard error or NaN."""
    name = f"{measure}@{_n(tallies)[0]}"
    return Estimate(
        name=name if len(tallies) == 1 else _between(name, *tallies),
        value=moments[0],
        standard_error=None if np.isnan(moments[1]) else moments[1],
        lower=interval[0] if interval else None,
        upper=interval[1] if interval else None,
        confidence=confidence if interval else None,
        method=method,
        target="benchmark",
        problems=tallies[0].problems,
        n=_n(tallies),
    )


def _under(prior: tuple[float, float]) -> str:
    return f"posterior under a Beta({prior[0]:g}, {prior[1]:g}) prior for every problem"


def _n(tallies: Sequence[AnyTally]) -> tuple[int, int]:
    return min(int(tally.scored.min()) for tally in tallies), max(int(tally.scored.max()) for tally in tallies)


def _name(measure: str, k: int) -> str:
    """ "pass@16" for "pass@k" at k = 16."""
    return measure.replace("@k", f"@{k}").replace("^k", f"^{k}").replace("@n", f"@{k}")


def _between(name: str, base: AnyTally, rl: AnyTally) -> str:
    return f"{name}, {rl.model} minus {base.model}"
