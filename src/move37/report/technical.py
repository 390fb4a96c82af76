"""The summary in the field's terms: critical values, sets of k, tests, plans, for those who want to check it."""

from move37.analyses.curves import CurveDifference, ModelCurve, SamplingGap
from move37.analyses.decision import Decision
from move37.analyses.solvable_sets import SolvableTable
from move37.estimates.settings import BENCHMARK
from move37.report.number_format import count, counted, exists, k_list, level, points, points_interval
from move37.report.words import named, split_test, stopped_by_outcomes, undecided
from move37.report.words.claim import LIKE_THESE, THESE, Assertion, Claim, described, problems_of


def fixed_number_of_problems(decision: Decision | None) -> list[Claim]:
    """What the bands would need and do not have, where sampling stopped because of the outcomes."""
    if not stopped_by_outcomes(decision):
        return []
    return [
        described(
            "Bands, sets of k and intervals are those of a number of problems fixed beforehand, which this was not."
        )
    ]


def of_decision(decision: Decision, text: str) -> Claim:
    """A claim with the terms of an anytime-valid decision."""
    better = decision.better or decision.base
    other = decision.base if better == decision.rl else decision.rl
    return Claim(
        text,
        (Assertion("difference", (better, other), (decision.k,), 0.0, 1.0),),
        target=LIKE_THESE,
        confidence=1 - decision.alpha,
        corrected_over=f"over looking after every {decision.unit}",
    )


def band(difference: CurveDifference, stopped: bool) -> Claim:
    """The simultaneous band, its critical value, and what it establishes at which k."""
    span = k_list(difference.k.tolist())
    if not exists(difference.band.critical_value):
        what = "between problems" if difference.target != BENCHMARK else "with the samples, as far as they say"
        return described(f"pass@k at k = {span}: the difference does not vary {what}, so there is no band.")
    critical, (low, high) = difference.band.critical_value, difference.band.critical_value_monte_carlo
    text = (
        f"Simultaneous {level(difference.band.confidence)} band, for {problems_of(difference.target)}, of the paired "
        f"difference in pass@k over k = {span} "
        f"(critical value {critical:.3f}; {low:.3f} to {high:.3f} within Monte-Carlo error): gain "
        f"at k = {k_list(difference.shown_gain)}, loss at k = {k_list(difference.shown_loss)}, undetermined at "
        f"k = {k_list(undecided(difference))}.{_widened(difference)}{_unserved(difference)}"
    )
    pair = (difference.rl, difference.base)
    gains = [Assertion("difference", pair, difference.shown_gain, 0.0, 1.0)] if difference.shown_gain else []
    losses = [Assertion("difference", pair, difference.shown_loss, -1.0, 0.0)] if difference.shown_loss else []
    return _of_band(difference, text, () if stopped else (*gains, *losses))


def _of_band(difference: CurveDifference, text: str, asserts: tuple[Assertion, ...]) -> Claim:
    return Claim(
        text,
        asserts,
        target=problems_of(difference.target),
        confidence=difference.band.confidence,
        corrected_over=f"for all k up to {count(len(difference.k) - len(difference.unserved))} at once",
    )


def _widened(difference: CurveDifference) -> str:
    if not difference.few_problems:
        return ""
    return (
        f" At k = {k_list(difference.few_problems)} few problems carry the variance: there the band has Student's "
        "quantile for half as many, and is the whole range where they are fewer than ten."
    )


def _unserved(difference: CurveDifference) -> str:
    if not difference.unserved:
        return ""
    return (
        f" At k = {k_list(difference.unserved)} there is none: the variance over fresh samples of these problems is "
        "estimated from 2k of their samples, and reliably up to k = n / 8."
    )


def first_loss(difference: CurveDifference, stopped: bool) -> Claim:
    """The confidence set of the first k at which rl is below base, in the band that is shown."""
    (first, last), (low, high) = difference.shown_first_loss
    base, rl, largest = named(difference.base), named(difference.rl), count(len(difference.k))
    pair, before = (difference.rl, difference.base), tuple(range(1, first))
    asserts = [Assertion("difference", pair, before, 0.0, 1.0)] if before else []
    if last is not None:
        range_of_end = f"; its upper end is {_end(low)} to {_end(high)} within Monte-Carlo error" if low != high else ""
        asserts.append(Assertion("difference", pair, (last,), -1.0, 0.0))
        text = (
            f"First-loss set of k, where {rl} first falls below {base}: [{count(first)}, {count(last)}]{range_of_end}."
        )
    elif first > len(difference.k):
        text = f"The whole band is above zero at every k, so a first loss up to k = {largest} is excluded."
    else:
        excluded = f", and one before k = {count(first)} is excluded" if first > 1 else ""
        text = f"No k up to {largest} is established at which {rl} is below {base}{excluded}."
    return _of_band(difference, text, () if stopped else tuple(asserts))


def _end(k: int | None) -> str:
    return "none" if k is None else count(k)


def landmark(difference: CurveDifference) -> list[Claim]:
    """Where the point estimates cross, if they do."""
    if difference.point_crossing is None:
        return []
    return [
        described(f"The point estimates cross at k = {count(difference.point_crossing)}: a landmark, not a finding.")
    ]


def four_way(table: SolvableTable, decision: Decision | None) -> Claim:
    """The four-way table with the test that is valid for it and its noise floor."""
    base, rl = named(table.base), named(table.rl)
    test, result, excluded = split_test(table, decision)
    text = (
        f"Solved at k = {count(table.k)}: both {count(table.both)}, {base} only {count(table.base_only)}, "
        f"{rl} only {count(table.rl_only)}, neither {count(table.neither)} ({test}: {result}; noise floor "
        f"{table.noise_floor:.1f} each)."
    )
    return of_split(table, decision, text) if excluded else described(text)


def of_split(table: SolvableTable, decision: Decision | None, text: str) -> Claim:
    """A claim that the two models do not have the same chances, with the terms of the test of the split."""
    tested = counted(table.corrected_over, "RL model")
    return Claim(
        text,
        (Assertion("different chances", (table.rl, table.base), (), 1.0),),
        target=THESE,
        confidence=table.confidence if decision is None else 1 - decision.alpha,
        corrected_over=f"over {tested}" if decision is None else f"over looking after every {decision.unit}",
    )


def sampling_gap(difference: CurveDifference, gap: SamplingGap, stopped: bool) -> Claim:
    """Delta_SE with its interval."""
    over = "" if gap.corrected_over == 1 else f", {count(gap.corrected_over)} models together"
    of = f"for {problems_of(gap.target)}{over}"
    bounded = f"{level(gap.confidence)} interval {points_interval(gap.lower, gap.upper, None)} {of}"
    unbounded = (gap.lower <= -1 and gap.upper >= 1) or stopped
    text = (
        f"Δ_SE = {named(difference.base)} pass@{count(gap.k)} − {named(difference.rl)} pass@1 = {points(gap.value)} "
        f"points ({'no interval' if unbounded else bounded})."
    )
    return Claim(
        text,
        () if unbounded else (Assertion("gap", (difference.base, difference.rl), (gap.k,), gap.lower, gap.upper),),
        target=problems_of(gap.target),
        confidence=gap.confidence,
        corrected_over=f"over {counted(gap.corrected_over, 'RL model')}",
    )


def plans(*curves: ModelCurve) -> list[Claim]:
    """How sampling was stopped and what that saved, where it was."""
    return [
        described(
            f"{named(curve.model)} was sampled under a plan: {curve.plan}. The estimates are exact for it and use "
            f"{count(curve.samples)} samples, {curve.samples / (curve.problems * len(curve.k)):.0%} of a fixed n."
        )
        for curve in curves
        if curve.stopped_early
    ]
