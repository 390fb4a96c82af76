"""What does a report say first? One title about moves, and four answers: better, wider, new moves, lost moves.

All of it is made from the claims of `analyses`: "yes" and "no" stand only where the simultaneous band or the exact test
establishes them, everything else is open and says so. A move is a problem that a model can solve at all: "new" is one
that RL is shown to solve more often although base solved it in none of its samples, "lost" the other way round.
Where sampling stopped because of what it found, the decision is the one answer that there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from move37.analyses import Comparison, Findings
from move37.analyses.curves import CurveDifference, ModelCurve
from move37.analyses.decision import Decision
from move37.analyses.families import Family
from move37.analyses.gains_losses import Change
from move37.report import technical
from move37.report.number_format import (
    count,
    counted,
    exists,
    k_list,
    level,
    p_value,
    percent,
    points,
    points_interval,
)
from move37.report.words import named, sentence, stopped_by_outcomes, tries, undecided
from move37.report.words.claim import LIKE_THESE, THESE, Assertion, Claim, described, problems_of

YES, NO, OPEN = "yes", "no", "open"
_NAMED = 4
"""Models up to which a title names them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the questions of the first screen. `claim` has the numbers, their interval and its terms."""

    key: str
    """"once", "many", "new" or "lost"; "decided" where sampling went on until it was decided who solves more."""
    question: str
    verdict: str
    """YES, NO or OPEN."""
    short: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class FirstScreen:
    """A title, and the answers of each comparison, in the order of the findings."""

    title: Claim
    answers: tuple[tuple[Answer, ...], ...]
    pairs: tuple[tuple[str, str], ...]
    """(rl, base) of each comparison."""
    together: Mapping[str, tuple[str, ...]]
    """By the key of an answer the models for which one band for all shows it; empty without such a band."""


def first_screen(findings: Findings) -> FirstScreen:
    """What is said first about these findings."""
    curves = {curve.model: curve for curve in findings.curves}
    answers = tuple(
        answers_of(each, curves[each.difference.base], curves[each.difference.rl], findings.decision)
        for each in findings.comparisons
    )
    pairs = tuple((each.difference.rl, each.difference.base) for each in findings.comparisons)
    return FirstScreen(_title(findings), answers, pairs, _together(findings.family))


def _together(found: Family | None) -> Mapping[str, tuple[str, ...]]:
    if found is None:
        return {}
    last = len(found.members[0].k)
    return {key: tuple(m.rl for m in found.members if k in m.shown_gain) for key, k in (("once", 1), ("many", last))}


# -- the title -----------------------------------------------------------------------------------------------------


def _title(findings: Findings) -> Claim:
    if not findings.comparisons:
        return described(" ".join(map(_alone, findings.curves)))
    decision = findings.decision
    if decision is not None and stopped_by_outcomes(decision):
        return _decided(decision)
    if len(findings.comparisons) == 1:
        return _one(findings.comparisons[0])
    return _several(findings.comparisons, findings.family)


def _alone(curve: ModelCurve) -> str:
    ks = sorted({1, len(curve.k)})
    shares = [f"{percent(curve.pass_at_k[k - 1], curve.se_population[k - 1])} with {tries([k])}" for k in ks]
    return f"{named(curve.model)} solves {' and '.join(shares)}."


def _decided(decision: Decision) -> Claim:
    k = counted(decision.k, "try")
    if decision.better is None:
        pair = f"{named(decision.base)} or {named(decision.rl)}"
        return described(f"These data do not decide whether {pair} solves more with {k}.")
    other = decision.base if decision.better == decision.rl else decision.rl
    text = f"{named(decision.better)} solves more than {named(other)} with {k}."
    return replace(technical.of_decision(decision, text), kind="title")


def _one(comparison: Comparison) -> Claim:
    difference, gained, lost = comparison.difference, comparison.gained, comparison.lost
    rl, base = named(difference.rl), named(difference.base)
    new, gone = gained is not None and gained.shown, lost is not None and lost.shown
    asserts = (*_at(difference, 1), *_better_on(gained, difference.rl, difference.base))
    asserts += _better_on(lost, difference.base, difference.rl)
    better, worse = 1 in difference.shown_gain, 1 in difference.shown_loss
    if better:
        how = f"{rl} plays known moves more often" if not new else f"{rl} is right more often, and shows new moves"
    elif worse:
        how = f"{rl} is right less often than {base}" if not new else f"{rl} is right less often, but shows new moves"
    elif new:
        how = f"{rl} shows new moves"
    else:
        how = f"{rl} is not shown to be right more often than {base}"
    if new:
        rest = " It lost some of its old ones." if gone else ""
        return _claim(f"{how}.{rest}", asserts, comparison)
    ones = "ones" if better else "moves"
    rest = f"It shows no new {ones}, and lost some." if gone else f"No new {ones} are shown, and no lost ones."
    return _claim(f"{how}. {rest}", asserts, comparison)


def _several(comparisons: Sequence[Comparison], family: Family | None) -> Claim:
    base = named(comparisons[0].difference.base)
    better = [c.difference.rl for c in comparisons if 1 in c.difference.shown_gain]
    new = [c.difference.rl for c in comparisons if c.gained is not None and c.gained.shown]
    lost = [c.difference.rl for c in comparisons if c.lost is not None and c.lost.shown]
    of, asserts = len(comparisons), []
    for each in comparisons:
        rl, own = each.difference.rl, each.difference.base
        asserts += [*_at(each.difference, 1), *_better_on(each.gained, rl, own), *_better_on(each.lost, own, rl)]
    text = (
        f"{_whom(better, of)} right more often than {base}{_at_once(better, family)}. "
        f"New moves are shown for {_which(new, of)}; moves are lost by {_which(lost, of)}."
    )
    return _claim(text, tuple(asserts), comparisons[0])


def _at_once(better: Sequence[str], family: Family | None) -> str:
    """How many of the models that are better, each with its own confidence, one band for all shows to be so."""
    if family is None or len(better) < 2:
        return ""
    sure = len({*better} & {*_together(family)["once"]})
    return "" if sure == len(better) else f" ({count(sure) if sure else 'none'} with one band for all models)"


def _whom(models: Sequence[str], of: int) -> str:
    if len(models) == 1:
        return f"{named(models[0])} alone of {count(of)} models is"
    if not models:
        return f"No model of {count(of)} is shown to be"
    return f"All {count(of)} models are" if len(models) == of else f"{count(len(models))} of {count(of)} models are"


def _which(models: Sequence[str], of: int) -> str:
    if not models:
        return "none"
    if len(models) == of:
        return f"all {count(of)}"
    return ", ".join(map(named, models)) if len(models) <= _NAMED else f"{count(len(models))} of {count(of)}"


def _claim(text: str, asserts: tuple[Assertion, ...], comparison: Comparison) -> Claim:
    """A title: what it asserts of problems like these and of these stands apart in the answers, each with its terms."""
    target = problems_of(comparison.difference.target) if any(a.quantity == "difference" for a in asserts) else THESE
    sure = comparison.difference.band.confidence
    return Claim(text, asserts, "title", target, sure, "each part as the answers beside it have it")


# -- the answers ---------------------------------------------------------------------------------------------------


def answers_of(
    comparison: Comparison, base: ModelCurve, rl: ModelCurve, decision: Decision | None = None
) -> tuple[Answer, ...]:
    """Better at one try, wider with many, new moves, lost moves; or the decision that sampling went on until."""
    difference, gained, lost = comparison.difference, comparison.gained, comparison.lost
    if decision is not None and stopped_by_outcomes(decision):
        return (_of_decision(decision),)
    last, k = len(difference.k), comparison.solvable.k
    found = [_of_curve(difference, base, rl, 1, "once", "Better at one try?")]
    if last > 1:
        found.append(_of_curve(difference, base, rl, last, "many", f"Wider with {tries([last])}?"))
    if gained is not None and lost is not None:
        found.append(_of_moves("new", "New moves?", gained, (difference.rl, difference.base), k))
        found.append(_of_moves("lost", "Lost moves?", lost, (difference.base, difference.rl), k))
    return tuple(found)


def _of_decision(decision: Decision) -> Answer:
    verdict = OPEN if decision.better is None else YES if decision.better == decision.rl else NO
    short = "Not decided" if decision.better is None else f"{named(decision.better)} does"
    found = _decided(decision)
    sure = f"{level(1 - decision.alpha)} confidence, for {LIKE_THESE}" if found.established else "not decided"
    seen = f"{decision.examined} of {counted(decision.problems, decision.unit)} examined"
    text = f"E-value {decision.largest_e_value:.3g}, {1 / decision.alpha:.3g} needed ({sure}); {seen}."
    claim = replace(found, text=text, kind="decided")
    return Answer("decided", f"Who solves more with {tries([decision.k])}?", verdict, short, claim)


def _of_curve(difference: CurveDifference, base: ModelCurve, rl: ModelCurve, k: int, key: str, question: str) -> Answer:
    at, band = k - 1, difference.band
    known = [e for e in (base.se_population[at], rl.se_population[at]) if exists(float(e)) and e > 0]
    error = float(max(known)) if known else None
    before, after = percent(base.pass_at_k[at], error), percent(rl.pass_at_k[at], error)
    verdict = YES if k in difference.shown_gain else NO if k in difference.shown_loss else OPEN
    lower, upper = (float(end[at]) for end in difference.reported)
    bounded = lower > -1 or upper < 1
    interval = points_interval(lower, upper, error) if bounded else "no interval: too few problems make the difference"
    word = {YES: "Yes", NO: "No", OPEN: "Not shown"}[verdict]
    text = f"pass@{count(k)} {points(band.mean[at], error)} points ({interval}). {_span(difference, key)}".rstrip()
    claim = Claim(
        text,
        (Assertion("difference", (difference.rl, difference.base), (k,), lower, upper),) if bounded else (),
        key,
        target=problems_of(difference.target),
        confidence=band.confidence,
        corrected_over="for all k at once",
    )
    return Answer(key, question, verdict, f"{word}: {before} → {after}", claim)


def _span(difference: CurveDifference, key: str) -> str:
    """Where else the same holds: the ks of a gain beside one try, those of a loss and the open ones beside many."""
    gain, loss, unsure = difference.shown_gain, difference.shown_loss, undecided(difference)
    if len(difference.k) == 1:
        return ""
    if key == "once":
        return f"Better for k = {k_list(gain)}." if gain else ""
    said = [f"worse for k = {k_list(loss)}"] if loss else []
    said += [f"{'all k' if len(unsure) == len(difference.k) else k_list(unsure)} undecided"] if unsure else []
    return sentence("; ".join(said)) if said else ""


def _of_moves(key: str, question: str, found: Change, models: tuple[str, str], k: int) -> Answer:
    winner, unit = models[0], found.unit
    luck = f"luck makes up to {found.expected:.1f} on average"
    p = min((p for p in found.p_adjusted.values() if exists(p)), default=1.0)
    seen = f"{counted(found.only, unit)} solved by {named(winner)} alone"
    terms = {
        "kind": key,
        "target": THESE,
        "confidence": found.confidence,
        "corrected_over": f"corrected over {counted(found.corrected_over, 'test')}",
    }
    if found.shown:
        sure = f"{level(found.confidence)} confidence, {p_value(p)}"
        every = found.at_least == found.only
        part = "all of them" if every else f"{count(found.at_least)} to {count(found.only)} of them"
        text = f"{seen}, where {luck}; {part} {'is' if found.only == 1 else 'are'} not luck ({sure})."
        claim = Claim(text, _better_on(found, *models), **terms)
        short = f"all {count(found.only)}" if every else f"at least {count(found.at_least)} of {count(found.only)}"
        return Answer(key, question, YES, f"Yes: {short}", claim)
    if not found.only:
        text = f"No {unit} was solved by {named(winner)} alone in {counted(k, 'try')}; with more there may be some."
        return Answer(key, question, OPEN, "Not seen", Claim(text, **terms))
    short = "Not beyond luck" if found.only <= found.expected else "Not shown"
    part = "it" if found.only == 1 else f"0 to {count(found.only)} of them"
    text = f"{seen}, where {luck}; {part} may be more ({p_value(p)})."
    return Answer(key, question, OPEN, short, Claim(text, **terms))


def _at(difference: CurveDifference, k: int) -> tuple[Assertion, ...]:
    """The sign at k, where it is established."""
    pair = (difference.rl, difference.base)
    if k in difference.shown_gain:
        return (Assertion("difference", pair, (k,), 0.0, 1.0),)
    return (Assertion("difference", pair, (k,), -1.0, 0.0),) if k in difference.shown_loss else ()


def _better_on(found: Change | None, winner: str, other: str) -> tuple[Assertion, ...]:
    if found is None or not found.shown:
        return ()
    quantity = "better on" if found.unit == "problem" else "better on clusters"
    return (Assertion(quantity, (winner, other), (), found.at_least, problems=found.problems),)
