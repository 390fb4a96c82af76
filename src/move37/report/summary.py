"""What may be said, in words: what is established, at which k, with what confidence, and what is not.

Every sentence is a claim (`words/claim.py`) that follows from the fields of a result object, so it cannot say more than
they do: "more" and "fewer" are said only where the whole simultaneous band lies on one side of zero, and the other ks
are named as undecided. Each comparison gets a headline, a paragraph for a reader who has never heard of pass@k, the
sizes, and a paragraph in the field's terms (`technical.py`). Where sampling stopped because of what it found, the
decision is the claim and the bands are none; what holds of several models together is what their common band
establishes. Left out: why.
"""

from dataclasses import dataclass, replace

from move37.analyses import Comparison, Findings
from move37.analyses.curves import CurveDifference, ModelCurve
from move37.analyses.decision import Decision
from move37.analyses.solvable_sets import SolvableTable
from move37.estimates.settings import BENCHMARK
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
from move37.report.words.claim import THESE, Assertion, Claim, described, joined, problems_of, texts
from move37.report.words.claims import claim_lines, claims
from move37.report.words.findings import decision_sentences, family_sentences
from move37.report.words.fragility import fragility_sentences

_SOLVED = "A problem counts as solved if at least one of the tries that are allowed is right."


@dataclass(frozen=True, slots=True)
class Summary:
    """What is said about one pair of models, or about one model where nothing is compared."""

    headline: Claim
    claims: tuple[Claim, ...]
    """Gained, lost, sharpened, not known."""
    plain: tuple[Claim, ...]
    """One paragraph in plain words: what is established and what is not."""
    sizes: tuple[Claim, ...]
    """Paragraphs with the numbers behind it."""
    technical: tuple[Claim, ...]
    """One paragraph in the field's terms."""

    @property
    def paragraphs(self) -> tuple[tuple[Claim, ...], ...]:
        """Everything that is said, claims that stand together in one tuple."""
        return ((self.headline, *self.plain), *((each,) for each in (*self.claims, *self.sizes)), self.technical)


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
        for line in (each.headline.text, *claim_lines(each.claims), joined(each.plain), *texts(each.sizes))
    ]
    return [unnamed(line) for line in (*lines, *texts(notes(findings)))]


def notes(findings: Findings) -> list[Claim]:
    """What is said once for all comparisons: where sampling ended by decision, and what holds of several together."""
    return [*(decision_sentences(findings.decision) if findings.decision else ()), *_note_on_several(findings)]


def _note_on_several(findings: Findings) -> list[Claim]:
    if findings.family is None:
        return []
    several, confidence = len(findings.comparisons), level(findings.family.confidence)
    said = family_sentences(findings.family)
    begins = f"{count(several)} comparisons are made, each with its own {confidence} confidence."
    asserts = tuple(each for claim in said for each in claim.asserts)
    terms = next((claim for claim in said if claim.established), said[0])
    return [
        Claim(
            f"{begins} {joined(said)}",
            asserts,
            target=terms.target,
            confidence=terms.confidence,
            corrected_over=terms.corrected_over,
        )
    ]


def _summary(
    comparison: Comparison, base: ModelCurve, rl: ModelCurve, decision: Decision | None, explain: bool
) -> Summary:
    difference, table = comparison.difference, comparison.solvable
    stopped = stopped_by_outcomes(decision)
    headline, said = _headline(difference), [_claim(difference), *_insecure(difference), *_unserved(difference)]
    scope = _scope(difference, base.problems)
    if decision is not None and stopped:
        headline, said, scope = _decided_headline(decision), [_decided(decision)], _scope_of_decided(decision)
    said_in_terms = [
        *technical.fixed_number_of_problems(decision),
        *technical.plans(base, rl),
        technical.band(difference, stopped),
        technical.first_loss(difference, stopped),
        *technical.landmark(difference),
        technical.four_way(table, decision),
        technical.sampling_gap(difference, comparison.sampling_gap, stopped),
    ]
    return Summary(
        headline=headline,
        claims=() if stopped else claims(comparison),
        plain=(described(_setup(base, rl)), *([described(_SOLVED)] if explain else []), *said, scope),
        sizes=(
            *fragility_sentences(comparison.fragility),
            _sizes(difference, base, rl, stopped),
            _solved_alone(table, decision),
        ),
        technical=tuple(said_in_terms),
    )


# -- in plain words ------------------------------------------------------------------------------------------------


def of_difference(difference: CurveDifference, text: str, *asserts: Assertion) -> Claim:
    """A claim with the terms of the band."""
    served = len(difference.k) - len(difference.unserved)
    return Claim(
        text,
        asserts,
        target=problems_of(difference.target),
        confidence=difference.band.confidence,
        corrected_over=f"for all k up to {count(served)} at once",
    )


def _gains(difference: CurveDifference) -> tuple[Assertion, ...]:
    return _signs(difference, difference.shown_gain, 0.0, 1.0)


def _losses(difference: CurveDifference) -> tuple[Assertion, ...]:
    return _signs(difference, difference.shown_loss, -1.0, 0.0)


def _signs(difference: CurveDifference, ks: tuple[int, ...], lower: float, upper: float) -> tuple[Assertion, ...]:
    return (Assertion("difference", (difference.rl, difference.base), ks, lower, upper),) if ks else ()


def _headline(difference: CurveDifference) -> Claim:
    base, rl, last = named(difference.base), named(difference.rl), len(difference.k)
    gains, losses = runs(difference.shown_gain), runs(difference.shown_loss)
    asserts = *_gains(difference), *_losses(difference)
    if not asserts:
        return of_difference(difference, f"These data do not show a difference between {rl} and {base}.")
    if len(gains) == 1 and len(losses) == 1:
        few, many = ("better", "worse") if gains < losses else ("worse", "better")
        return of_difference(difference, f"{rl} is {few} than {base} with few tries and {many} with many.", *asserts)
    if gains and losses:
        text = f"{rl} is better than {base} with some numbers of tries and worse with others."
        return of_difference(difference, text, *asserts)
    word, opposite = ("better", "worse") if gains else ("worse", "better")
    ks = difference.shown_gain or difference.shown_loss
    how_many = "one try" if last == 1 else f"any number of tries up to {count(last)}"
    if len(ks) == last:
        return of_difference(difference, f"{rl} is {word} than {base} with {how_many}.", *asserts)
    text = f"{rl} is {word} than {base} with {tries(ks)}, and not shown to be {opposite} with any number."
    return of_difference(difference, text, *asserts)


def _setup(base: ModelCurve, rl: ModelCurve) -> str:
    who = f"{named(base.model)} and {named(rl.model)} each tried {counted(base.problems, 'problem')}"
    return f"{who} {_how_often(base, rl)}."


def _claim(difference: CurveDifference) -> Claim:
    base, rl = named(difference.base), named(difference.rl)
    open_ks = undecided(difference)
    if len(open_ks) == len(difference.k):
        bounded = exists(difference.band.critical_value)
        left = ": the intervals say how large a difference remains possible" if bounded else ""
        return of_difference(
            difference,
            f"With {tries(open_ks)} the data do not decide which of them solves more. That is no evidence that they "
            f"are equal{left}.",
        )
    said = []
    if difference.shown_gain:
        said.append(f"with {tries(difference.shown_gain)} {rl} solves more of the problems than {base}")
    if difference.shown_loss:
        than = "fewer" if said else f"fewer of the problems than {base}"
        said.append(f"with {tries(difference.shown_loss)} {rl} solves {than}")
    if open_ks:
        said.append(f"with {tries(open_ks)} the data do not decide")
    return of_difference(difference, sentence("; ".join(said)), *_gains(difference), *_losses(difference))


def _insecure(difference: CurveDifference) -> list[Claim]:
    """Ks that hang on so few problems that the band is widened there."""
    few = {*difference.few_problems}
    if not few:
        return []
    stands = sorted(few & {*difference.shown_gain, *difference.shown_loss})
    if len(few) == len(difference.k) and not stands:
        text = "Very few problems make the difference, so the intervals are widened for that, and nothing stands."
        return [of_difference(difference, text)]
    what = f"with {tries(stands)} the statement stands all the same" if stands else "nothing is said of those"
    asserts = (
        *_signs(difference, tuple(k for k in stands if k in difference.shown_gain), 0.0, 1.0),
        *_signs(difference, tuple(k for k in stands if k in difference.shown_loss), -1.0, 0.0),
    )
    text = (
        f"With {tries(sorted(few))} very few problems make the difference: there the interval is widened for that, and "
        f"{what}."
    )
    return [of_difference(difference, text, *asserts)]


def _unserved(difference: CurveDifference) -> list[Claim]:
    """Ks at which fresh samples of these problems have no interval."""
    if not difference.unserved:
        return []
    last = len(difference.k) - len(difference.unserved)
    upto = f"only up to {counted(last, 'try')}" if last else "nowhere"
    return [
        described(
            f"How much fresh samples of these problems would differ can be told {upto}: it takes about eight times as "
            "many samples."
        )
    ]


def _decided_headline(decision: Decision) -> Claim:
    if decision.better is None:
        return described(
            f"These data do not decide whether {named(decision.base)} or {named(decision.rl)} solves more with "
            f"{counted(decision.k, 'try')}."
        )
    other = decision.base if decision.better == decision.rl else decision.rl
    text = (
        f"{named(decision.better)} solves more of the problems than {named(other)} with {counted(decision.k, 'try')}."
    )
    return technical.of_decision(decision, text)


def _decided(decision: Decision) -> Claim:
    reached = f"the e-value is {decision.largest_e_value:.3g} and {1 / decision.alpha:.3g} is needed"
    if decision.better is None:
        return described(f"Which of them solves more is open: {reached}. That is no evidence that they are equal.")
    text = (
        f"This is decided ({reached}; {p_value(decision.anytime_p)}), with {level(1 - decision.alpha)} confidence "
        f"however many {decision.unit}s it took, for problems like these."
    )
    return technical.of_decision(decision, text)


def _scope_of_decided(decision: Decision) -> Claim:
    return described(
        f"The curves and bands describe the {counted(decision.examined, decision.unit)} examined and establish "
        "nothing: sampling stopped because of what it found, which overstates a difference."
    )


def _scope(difference: CurveDifference, problems: int) -> Claim:
    if problems == 1 and difference.target != BENCHMARK:
        return described("One problem says nothing about other problems.")
    if not exists(difference.band.critical_value):
        varied = "The difference is the same on every problem, so nothing says how it would be on others."
        if difference.target == BENCHMARK:
            varied = "Nothing says how much fresh samples of these problems would differ."
        return described(varied)
    what = "This holds" if difference.shown_gain or difference.shown_loss else "The intervals hold"
    served = len(difference.k) - len(difference.unserved)
    every = f" for 1 to {count(served)} tries at once" if difference.unserved else " for all numbers of tries at once"
    jointly = every if served > 1 else ""
    of = f"fresh samples of {THESE}" if difference.target == BENCHMARK else "problems like the ones tried"
    return described(f"{what}{jointly}, with {level(difference.band.confidence)} confidence, for {of}.")


def _sizes(difference: CurveDifference, base: ModelCurve, rl: ModelCurve, stopped: bool) -> Claim:
    """Sizes at both ends of the curves; intervals would not hold where sampling stopped because of the outcomes."""
    ks = sorted({1, len(difference.k)})
    found = [_size(difference, base, rl, k, stopped) for k in ks]
    asserts = tuple(bounds for _, bounds in found if bounds is not None)
    text = sentence("; ".join(text for text, _ in found))
    if asserts:
        sure = f"{level(difference.band.confidence)} confidence for {problems_of(difference.target)}"
        text = f"{text} {'The intervals hold together' if len(asserts) > 1 else 'The interval holds'} with {sure}."
    return of_difference(difference, text, *asserts)


def _size(
    difference: CurveDifference, base: ModelCurve, rl: ModelCurve, k: int, stopped: bool
) -> tuple[str, Assertion | None]:
    at = k - 1
    error = float(difference.band.standard_error[at])
    level_error = max(float(base.se_population[at]), float(rl.se_population[at]))
    lower, upper = (float(end[at]) for end in difference.reported)
    bounded = (lower > -1 or upper < 1) and not stopped
    interval = f"interval {points_interval(lower, upper, error)}" if bounded else "no interval"
    text = (
        f"with {counted(k, 'try')} {named(rl.model)} solves {percent(rl.pass_at_k[at], level_error)} of the problems "
        f"and {named(base.model)} {percent(base.pass_at_k[at], level_error)} "
        f"({points(difference.band.mean[at], error)} points, {interval})"
    )
    return text, Assertion("difference", (rl.model, base.model), (k,), lower, upper) if bounded else None


def _solved_alone(table: SolvableTable, decision: Decision | None) -> Claim:
    base, rl = named(table.base), named(table.rl)
    if not table.base_only + table.rl_only:
        return described(f"In {counted(table.k, 'try')}, no problem was solved by one of the two alone.")
    _, result, excluded = split_test(table, decision)
    text = (
        f"In {counted(table.k, 'try')}, {counted(table.base_only, 'problem')} {was(table.base_only)} solved by {base} "
        f"alone and {count(table.rl_only)} by {rl} alone: "
        f"{'luck rarely makes so uneven a split' if excluded else 'luck can make that'} ({result})"
    )
    text = f"{text}. Two models with the same chances would show about {table.noise_floor:.1f} each."
    if not excluded:
        return described(text)
    claim = technical.of_split(table, decision, "")
    sure = level(claim.confidence or 0.0)
    return replace(claim, text=f"{text} That they differ on some of {THESE} holds with {sure} confidence.")


# -- one model -----------------------------------------------------------------------------------------------------


def _alone(curve: ModelCurve) -> Summary:
    last, model = len(curve.k), named(curve.model)
    one, *more = (percent(curve.pass_at_k[k - 1], curve.se_population[k - 1]) for k in sorted({1, last}))
    shares = [f"{one} of the problems with one try", *(f"{share} with {counted(last, 'try')}" for share in more)]
    in_terms = (
        f"pass@k at k = {k_list(curve.k.tolist())} with a simultaneous {level(curve.confidence)} band for "
        f"{problems_of(curve.target)}."
    )
    return Summary(
        headline=described(f"{model} solves {' and '.join(shares)}."),
        claims=(),
        plain=(
            described(f"{model} tried {counted(curve.problems, 'problem')} {_how_often(curve)}."),
            described(_SOLVED),
            _levels(curve),
            described("There is no second model, so nothing is compared."),
        ),
        sizes=(),
        technical=(*technical.plans(curve), described(in_terms)),
    )


def _levels(curve: ModelCurve) -> Claim:
    """What one model solves, with the intervals at both ends of its curve that there are."""
    ks = [k for k in sorted({1, len(curve.k)}) if curve.lower[k - 1] > 0 or curve.upper[k - 1] < 1]
    if not ks:
        one = curve.problems == 1 and curve.target != BENCHMARK
        return described(
            "One problem says nothing about other problems."
            if one
            else f"Nothing says how much it would differ on {problems_of(curve.target)}."
        )
    intervals = [
        f"{percent_interval(curve.lower[k - 1], curve.upper[k - 1], curve.se_population[k - 1], '')} with "
        f"{counted(k, 'try')}"
        for k in ks
    ]
    text = (
        f"Of {problems_of(curve.target)} it solves {' and '.join(intervals)}, with {level(curve.confidence)} "
        "confidence for all numbers of tries at once."
    )
    asserts = [Assertion("pass@k", (curve.model,), (k,), curve.lower[k - 1], curve.upper[k - 1]) for k in ks]
    return Claim(
        text,
        tuple(asserts),
        target=problems_of(curve.target),
        confidence=curve.confidence,
        corrected_over="for all k at once",
    )


def _how_often(*curves: ModelCurve) -> str:
    """How many tries a problem got."""
    if any(curve.stopped_early for curve in curves):
        last = max(len(curve.k) for curve in curves)
        return f"up to {times(last)}, and fewer where enough tries were right before (which the numbers allow for)"
    fewest, most = min(curve.n[0] for curve in curves), max(curve.n[1] for curve in curves)
    return times(fewest) if fewest == most else f"at least {times(fewest)}"
