"""What may be said, in words: what is established, at which k, with what confidence, and what is not.

Every sentence follows from the fields of a result object, so it cannot claim more than they do: "more" and "fewer"
are said only where the whole simultaneous band lies on one side of zero, and the other ks are named as undecided.
Each comparison gets a headline, a paragraph for a reader who has never heard of pass@k, the sizes, and a paragraph in
the field's terms (`technical.py`). Where sampling stopped because of what it found, the decision is the claim and the
bands are none; what holds of several models together is what their common band establishes. Left out: why.
"""

from dataclasses import dataclass

from move37.analyses import Comparison, Findings
from move37.analyses.curves import CurveDifference, ModelCurve
from move37.analyses.decision import Decision
from move37.analyses.solvable_sets import SolvableTable
from move37.report import technical
from move37.report.number_format import (
    count,
    counted,
    exists,
    k_list,
    level,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
    runs,
    times,
)
from move37.report.words import (
    named,
    sentence,
    split_test,
    stopped_by_outcomes,
    tries,
    undecided,
    unnamed,
    was,
)
from move37.report.words.claims import Claim, claim_lines, claims
from move37.report.words.findings import decision_sentences, family_sentences

_SOLVED = "A problem counts as solved if at least one of the tries that are allowed is right."


@dataclass(frozen=True, slots=True)
class Summary:
    """What is said about one pair of models, or about one model where nothing is compared."""

    headline: str
    claims: tuple[Claim, ...]
    """Gained, lost, sharpened, not known."""
    plain: str
    """One paragraph in plain words: what is established and what is not."""
    sizes: tuple[str, ...]
    """Paragraphs with the numbers behind it."""
    technical: str


def summaries(findings: Findings) -> tuple[Summary, ...]:
    """One summary per comparison, or one per model where nothing is compared."""
    curves = {curve.model: curve for curve in findings.curves}
    if not findings.comparisons:
        return tuple(_alone(curve) for curve in findings.curves)
    return tuple(
        _summary(each, curves[each.difference.base], curves[each.difference.rl], findings.decision, explain=number == 0)
        for number, each in enumerate(findings.comparisons)
    )


def summary_sentences(findings: Findings) -> list[str]:
    """The summaries as lines for a terminal, without the paragraphs in the field's terms."""
    lines = [
        line
        for each in summaries(findings)
        for line in (each.headline, *claim_lines(each.claims), each.plain, *each.sizes)
    ]
    return [unnamed(line) for line in (*lines, *notes(findings))]


def notes(findings: Findings) -> list[str]:
    """What is said once for all comparisons: where sampling ended by decision, and what holds of several together."""
    return [*(decision_sentences(findings.decision) if findings.decision else ()), *_note_on_several(findings)]


def _note_on_several(findings: Findings) -> list[str]:
    if findings.family is None:
        return []
    several, confidence = len(findings.comparisons), level(findings.family.confidence)
    return [
        f"{count(several)} comparisons are made, each with its own {confidence} confidence. "
        + " ".join(family_sentences(findings.family))
    ]


def _summary(
    comparison: Comparison, base: ModelCurve, rl: ModelCurve, decision: Decision | None, explain: bool
) -> Summary:
    difference, table = comparison.difference, comparison.solvable
    headline, said = _headline(difference), [_claim(difference), *_insecure(difference)]
    scope = _scope(difference, base.problems)
    if decision is not None and stopped_by_outcomes(decision):
        headline, said, scope = _decided_headline(decision), [_decided(decision)], _scope_of_decided(decision)
    said_in_terms = [
        *technical.fixed_number_of_problems(decision),
        *technical.plans(base, rl),
        technical.band(difference),
        technical.first_loss(difference),
        *technical.landmark(difference),
        technical.four_way(table, decision),
        technical.sampling_gap(difference, comparison.sampling_gap),
    ]
    return Summary(
        headline=headline,
        claims=() if stopped_by_outcomes(decision) else claims(comparison),
        plain=" ".join([_setup(base, rl), *([_SOLVED] if explain else []), *said, scope]),
        sizes=(_sizes(difference, base, rl, stopped_by_outcomes(decision)), _solved_alone(table, decision)),
        technical=" ".join(said_in_terms),
    )


# -- in plain words ------------------------------------------------------------------------------------------------


def _headline(difference: CurveDifference) -> str:
    base, rl, last = named(difference.base), named(difference.rl), len(difference.k)
    gains, losses = runs(difference.shown_gain), runs(difference.shown_loss)
    if not gains and not losses:
        return f"These data do not show a difference between {rl} and {base}."
    if len(gains) == 1 and len(losses) == 1:
        few, many = ("better", "worse") if gains < losses else ("worse", "better")
        return f"{rl} is {few} than {base} with few tries and {many} with many."
    if gains and losses:
        return f"{rl} is better than {base} with some numbers of tries and worse with others."
    word, opposite = ("better", "worse") if gains else ("worse", "better")
    ks = difference.shown_gain or difference.shown_loss
    if len(ks) == last:
        return (
            f"{rl} is {word} than {base} with {'one try' if last == 1 else f'any number of tries up to {count(last)}'}."
        )
    return f"{rl} is {word} than {base} with {tries(ks)}, and not shown to be {opposite} with any number."


def _setup(base: ModelCurve, rl: ModelCurve) -> str:
    who = f"{named(base.model)} and {named(rl.model)} each tried {counted(base.problems, 'problem')}"
    return f"{who} {_how_often(base, rl)}."


def _claim(difference: CurveDifference) -> str:
    base, rl = named(difference.base), named(difference.rl)
    open_ks = undecided(difference)
    if len(open_ks) == len(difference.k):
        bounded = exists(difference.band.critical_value)
        left = ": the intervals say how large a difference remains possible" if bounded else ""
        return (
            f"With {tries(open_ks)} the data do not decide which of them solves more. That is no evidence that they "
            f"are equal{left}."
        )
    claims = []
    if difference.shown_gain:
        claims.append(f"with {tries(difference.shown_gain)} {rl} solves more of the problems than {base}")
    if difference.shown_loss:
        than = "fewer" if claims else f"fewer of the problems than {base}"
        claims.append(f"with {tries(difference.shown_loss)} {rl} solves {than}")
    if open_ks:
        claims.append(f"with {tries(open_ks)} the data do not decide")
    return sentence("; ".join(claims))


def _insecure(difference: CurveDifference) -> list[str]:
    """Ks that hang on so few problems that the band is widened there."""
    few = {*difference.few_problems}
    if not few:
        return []
    stands = sorted(few & {*difference.shown_gain, *difference.shown_loss})
    if len(few) == len(difference.k) and not stands:
        return ["Very few problems make the difference, so the intervals are widened for that, and nothing stands."]
    what = f"with {tries(stands)} the statement stands all the same" if stands else "nothing is said of those"
    return [
        f"With {tries(sorted(few))} very few problems make the difference: there the interval is widened for that, and "
        f"{what}."
    ]


def _decided_headline(decision: Decision) -> str:
    if decision.better is None:
        return (
            f"These data do not decide whether {named(decision.base)} or {named(decision.rl)} solves more with "
            f"{counted(decision.k, 'try')}."
        )
    other = decision.base if decision.better == decision.rl else decision.rl
    return (
        f"{named(decision.better)} solves more of the problems than {named(other)} with {counted(decision.k, 'try')}."
    )


def _decided(decision: Decision) -> str:
    reached = f"the e-value is {decision.largest_e_value:.3g} and {1 / decision.alpha:.3g} is needed"
    if decision.better is None:
        return f"Which of them solves more is open: {reached}. That is no evidence that they are equal."
    return (
        f"This is decided ({reached}; {p_value(decision.anytime_p)}), with {level(1 - decision.alpha)} confidence "
        "however many problems it took."
    )


def _scope_of_decided(decision: Decision) -> str:
    return (
        f"The curves and bands describe the {counted(decision.examined, 'problem')} examined and establish nothing: "
        "sampling stopped because of what it found, which overstates a difference."
    )


def _scope(difference: CurveDifference, problems: int) -> str:
    if problems == 1:
        return "One problem says nothing about other problems."
    if not exists(difference.band.critical_value):
        return "The difference is the same on every problem, so nothing says how it would be on others."
    what = "This holds" if difference.shown_gain or difference.shown_loss else "The intervals hold"
    jointly = " for all numbers of tries at once" if len(difference.k) > 1 else ""
    return f"{what}{jointly}, with {level(difference.band.confidence)} confidence, for problems like the ones tried."


def _sizes(difference: CurveDifference, base: ModelCurve, rl: ModelCurve, stopped: bool) -> str:
    """Sizes at both ends of the curves; intervals would not hold where sampling stopped because of the outcomes."""
    text = "; ".join(_size(difference, base, rl, k, stopped) for k in sorted({1, len(difference.k)}))
    return sentence(text)


def _size(difference: CurveDifference, base: ModelCurve, rl: ModelCurve, k: int, stopped: bool) -> str:
    at = k - 1
    error = float(difference.band.standard_error[at])
    level_error = max(float(base.se_population[at]), float(rl.se_population[at]))
    lower, upper = (float(end[at]) for end in difference.reported)
    bounded = (lower > -1 or upper < 1) and not stopped
    interval = f"interval {points_interval(lower, upper, error)}" if bounded else "no interval"
    return (
        f"with {counted(k, 'try')} {named(rl.model)} solves {percent(rl.pass_at_k[at], level_error)} of the problems "
        f"and {named(base.model)} {percent(base.pass_at_k[at], level_error)} "
        f"({points(difference.band.mean[at], error)} points, {interval})"
    )


def _solved_alone(table: SolvableTable, decision: Decision | None) -> str:
    base, rl = named(table.base), named(table.rl)
    if not table.base_only + table.rl_only:
        return f"In {counted(table.k, 'try')}, no problem was solved by one of the two alone."
    _, result, excluded = split_test(table, decision)
    text = (
        f"In {counted(table.k, 'try')}, {counted(table.base_only, 'problem')} {was(table.base_only)} solved by {base} "
        f"alone and {count(table.rl_only)} by {rl} alone: "
        f"{'luck rarely makes so uneven a split' if excluded else 'luck can make that'} ({result})"
    )
    return f"{text}. Two models with the same chances would show about {table.noise_floor:.1f} each."


# -- one model -----------------------------------------------------------------------------------------------------


def _alone(curve: ModelCurve) -> Summary:
    last, model = len(curve.k), named(curve.model)
    one, *more = (percent(curve.pass_at_k[k - 1], curve.se_population[k - 1]) for k in sorted({1, last}))
    shares = [f"{one} of the problems with one try", *(f"{share} with {counted(last, 'try')}" for share in more)]
    intervals = [
        f"{percent_interval(curve.lower[k - 1], curve.upper[k - 1], curve.se_population[k - 1], '')} with "
        f"{counted(k, 'try')}"
        for k in sorted({1, last})
    ]
    scope = (
        "One problem says nothing about other problems."
        if curve.problems == 1
        else f"Of problems like these it solves {' and '.join(intervals)}, with {level(curve.confidence)} confidence "
        "for all numbers of tries at once."
    )
    return Summary(
        headline=f"{model} solves {' and '.join(shares)}.",
        claims=(),
        plain=(
            f"{model} tried {counted(curve.problems, 'problem')} {_how_often(curve)}. {_SOLVED} {scope} "
            "There is no second model, so nothing is compared."
        ),
        sizes=(),
        technical=" ".join(
            [
                *technical.plans(curve),
                f"pass@k at k = {k_list(curve.k.tolist())} with a simultaneous {level(curve.confidence)} band.",
            ]
        ),
    )


def _how_often(*curves: ModelCurve) -> str:
    """How many tries a problem got."""
    if any(curve.stopped_early for curve in curves):
        last = max(len(curve.k) for curve in curves)
        return f"up to {times(last)}, and fewer where enough tries were right before (which the numbers allow for)"
    fewest, most = min(curve.n[0] for curve in curves), max(curve.n[1] for curve in curves)
    return times(fewest) if fewest == most else f"at least {times(fewest)}"
