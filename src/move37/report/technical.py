"""The summary in the field's terms: critical values, sets of k, tests, plans, for those who want to check it."""

from move37.analyses.curves import CurveDifference, ModelCurve, SamplingGap
from move37.analyses.decision import Decision
from move37.analyses.solvable_sets import SolvableTable
from move37.report.number_format import count, exists, k_list, level, points, points_interval
from move37.report.words import named, split_test, stopped_by_outcomes, undecided


def fixed_number_of_problems(decision: Decision | None) -> list[str]:
    """What the bands would need and do not have, where sampling stopped because of the outcomes."""
    if not stopped_by_outcomes(decision):
        return []
    return ["Bands, sets of k and intervals are those of a number of problems fixed beforehand, which this was not."]


def band(difference: CurveDifference) -> str:
    """The simultaneous band, its critical value, and what it establishes at which k."""
    span = k_list(difference.k.tolist())
    if not exists(difference.band.critical_value):
        return f"pass@k at k = {span}: the difference does not vary between problems, so there is no band."
    critical, (low, high) = difference.band.critical_value, difference.band.critical_value_monte_carlo
    return (
        f"Simultaneous {level(difference.band.confidence)} band for the paired difference in pass@k over k = {span} "
        f"(critical value {critical:.3f}; {low:.3f} to {high:.3f} within Monte-Carlo error): gain "
        f"at k = {k_list(difference.shown_gain)}, loss at k = {k_list(difference.shown_loss)}, undetermined at "
        f"k = {k_list(undecided(difference))}.{_widened(difference)}"
    )


def _widened(difference: CurveDifference) -> str:
    if not difference.few_problems:
        return ""
    return (
        f" At k = {k_list(difference.few_problems)} few problems carry the variance: there the band has Student's "
        "quantile for as many, and is the whole range where they are fewer than ten."
    )


def first_loss(difference: CurveDifference) -> str:
    """The confidence set of the first k at which rl is below base."""
    first, last = difference.first_loss_set
    base, rl, largest = named(difference.base), named(difference.rl), count(len(difference.k))
    if last is not None:
        low, high = difference.first_loss_monte_carlo
        range_of_end = f"; its upper end is {_end(low)} to {_end(high)} within Monte-Carlo error" if low != high else ""
        return (
            f"First-loss set of k, where {rl} first falls below {base}: [{count(first)}, {count(last)}]{range_of_end}."
        )
    if first > len(difference.k):
        return f"The whole band is above zero at every k, so a first loss up to k = {largest} is excluded."
    excluded = f", and one before k = {count(first)} is excluded" if first > 1 else ""
    return f"No k up to {largest} is established at which {rl} is below {base}{excluded}."


def _end(k: int | None) -> str:
    return "none" if k is None else count(k)


def landmark(difference: CurveDifference) -> list[str]:
    """Where the point estimates cross, if they do."""
    if difference.point_crossing is None:
        return []
    return [f"The point estimates cross at k = {count(difference.point_crossing)}: a landmark, not a finding."]


def four_way(table: SolvableTable, decision: Decision | None) -> str:
    """The four-way table with the test that is valid for it and its noise floor."""
    base, rl = named(table.base), named(table.rl)
    test, result, _ = split_test(table, decision)
    return (
        f"Solved at k = {count(table.k)}: both {count(table.both)}, {base} only {count(table.base_only)}, "
        f"{rl} only {count(table.rl_only)}, neither {count(table.neither)} ({test}: {result}; noise floor "
        f"{table.noise_floor:.1f} each)."
    )


def sampling_gap(difference: CurveDifference, gap: SamplingGap) -> str:
    """Delta_SE with its interval."""
    bounded = f"{level(gap.confidence)} interval {points_interval(gap.lower, gap.upper, None)}"
    if gap.lower <= -1 and gap.upper >= 1:
        bounded = "no interval"
    return (
        f"Δ_SE = {named(difference.base)} pass@{count(gap.k)} − {named(difference.rl)} pass@1 = {points(gap.value)} "
        f"points ({bounded})."
    )


def plans(*curves: ModelCurve) -> list[str]:
    """How sampling was stopped and what that saved, where it was."""
    return [
        f"{named(curve.model)} was sampled under a plan: {curve.plan}. The estimates are exact for it and use "
        f"{count(curve.samples)} samples, {curve.samples / (curve.problems * len(curve.k)):.0%} of a fixed n."
        for curve in curves
        if curve.stopped_early
    ]
