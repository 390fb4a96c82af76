"""What may be said, in words: what is established, at which k, with what confidence, and what is not.

Every sentence follows from the fields of a result object, so it cannot claim more than they do: "more" and "fewer"
are said only where the whole simultaneous band lies on one side of zero, and the other ks are named as undecided.
Each comparison gets a headline, a paragraph for a reader who has never heard of pass@k, the sizes, and a paragraph in
the field's terms. Model names are words of the user's own ("base" is one), so they stand between the two characters
of `NAME`, which a page turns into type and a terminal drops (`unnamed`). Left out: anything about why.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from move37.analyses import Comparison, Findings
from move37.analyses.curves import CurveDifference, ModelCurve, SamplingGap
from move37.analyses.decision import decision_sentences
from move37.analyses.solvable_sets import SolvableTable
from move37.report.numerals import (
    count,
    counted,
    exists,
    k_list,
    k_words,
    level,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
    runs,
    times,
)

NAME = ("\u2068", "\u2069")
"""Around every model name in a verdict: Unicode's first strong isolate and its end."""


_SOLVED = "A problem counts as solved if at least one of the tries that are allowed is right."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said about one pair of models, or about one model where nothing is compared."""

    headline: str
    plain: str
    """One paragraph in plain words: what is established and what is not."""
    sizes: tuple[str, ...]
    """Paragraphs with the numbers behind it."""
    technical: str


def verdicts(findings: Findings) -> tuple[Verdict, ...]:
    """One verdict per comparison, or one per model where nothing is compared."""
    curves = {curve.model: curve for curve in findings.curves}
    if not findings.comparisons:
        return tuple(_alone(curve) for curve in findings.curves)
    return tuple(
        _verdict(each, curves[each.difference.base], curves[each.difference.rl], explain=number == 0)
        for number, each in enumerate(findings.comparisons)
    )


def verdict_sentences(findings: Findings) -> list[str]:
    """The verdicts as lines for a terminal, without the paragraphs in the field's terms."""
    lines = [line for each in verdicts(findings) for line in (each.headline, each.plain, *each.sizes)]
    return [unnamed(line) for line in (*lines, *notes(findings))]


def unnamed(text: str) -> str:
    """`text` without the marks around model names."""
    return text.replace(NAME[0], "").replace(NAME[1], "")


def notes(findings: Findings) -> list[str]:
    """What is said once for all comparisons: where sampling ended by decision, and that several are made."""
    return [*(decision_sentences(findings.decision) if findings.decision else ()), *_note_on_several(findings)]


def _note_on_several(findings: Findings) -> list[str]:
    several = len(findings.comparisons)
    if several < 2:
        return []
    confidence = level(findings.comparisons[0].difference.confidence)
    return [
        f"{count(several)} comparisons are made, each with its own {confidence} confidence; that all of them hold "
        "together is less certain."
    ]


def undecided(difference: CurveDifference) -> tuple[int, ...]:
    """The ks that are neither gain nor loss."""
    established = {*difference.gain, *difference.loss}
    return tuple(k for k in difference.k.tolist() if k not in established)


def settled(difference: CurveDifference, k: int) -> str:
    """What the band establishes at k: gain, loss or undetermined."""
    return "gain" if k in difference.gain else "loss" if k in difference.loss else "undetermined"


def _verdict(comparison: Comparison, base: ModelCurve, rl: ModelCurve, explain: bool) -> Verdict:
    difference = comparison.difference
    plain = [
        _setup(base, rl),
        *([_SOLVED] if explain else []),
        _claim(difference),
        *_insecure(difference),
        _scope(difference, base.problems),
    ]
    technical = [
        *_plans(base, rl),
        _band(difference),
        _first_loss(difference),
        *_landmark(difference),
        _four_way(comparison.solvable),
        _gap(difference, comparison.sampling_gap),
    ]
    return Verdict(
        headline=_headline(difference),
        plain=" ".join(plain),
        sizes=(_sizes(difference, base, rl), _solved_alone(comparison.solvable)),
        technical=" ".join(technical),
    )


# -- in plain words ------------------------------------------------------------------------------------------------


def _headline(difference: CurveDifference) -> str:
    base, rl, last = _named(difference.base), _named(difference.rl), len(difference.k)
    gains, losses = runs(difference.gain), runs(difference.loss)
    if not gains and not losses:
        return f"These data do not show a difference between {rl} and {base}."
    if len(gains) == 1 and len(losses) == 1:
        few, many = ("better", "worse") if gains < losses else ("worse", "better")
        return f"{rl} is {few} than {base} with few tries and {many} with many."
    if gains and losses:
        return f"{rl} is better than {base} with some numbers of tries and worse with others."
    word, opposite, ks = ("better", "worse", difference.gain) if gains else ("worse", "better", difference.loss)
    if len(ks) == last:
        return (
            f"{rl} is {word} than {base} with {'one try' if last == 1 else f'any number of tries up to {count(last)}'}."
        )
    return f"{rl} is {word} than {base} with {_tries(ks)}, and not shown to be {opposite} with any number."


def _setup(base: ModelCurve, rl: ModelCurve) -> str:
    who = f"{_named(base.model)} and {_named(rl.model)} each tried {counted(base.problems, 'problem')}"
    return f"{who} {_how_often(base, rl)}."


def _claim(difference: CurveDifference) -> str:
    base, rl = _named(difference.base), _named(difference.rl)
    open_ks = undecided(difference)
    if len(open_ks) == len(difference.k):
        left = (
            ": the intervals say how large a difference remains possible" if exists(difference.critical_value) else ""
        )
        return (
            f"With {_tries(open_ks)} the data do not decide which of them solves more. That is no evidence that they "
            f"are equal{left}."
        )
    claims = []
    if difference.gain:
        claims.append(f"with {_tries(difference.gain)} {rl} solves more of the problems than {base}")
    if difference.loss:
        than = "fewer" if claims else f"fewer of the problems than {base}"
        claims.append(f"with {_tries(difference.loss)} {rl} solves {than}")
    if open_ks:
        claims.append(f"with {_tries(open_ks)} the data do not decide")
    return _sentence("; ".join(claims))


def _insecure(difference: CurveDifference) -> list[str]:
    """Established ks that hang on so few problems that the band is likely too narrow."""
    shaky = sorted({*difference.gain, *difference.loss} & set(difference.few_problems))
    if not shaky:
        return []
    return [f"With {_tries(shaky)} very few problems make the difference, so there the statement is not secure."]


def _scope(difference: CurveDifference, problems: int) -> str:
    if problems == 1:
        return "One problem says nothing about other problems."
    if not exists(difference.critical_value):
        return "The difference is the same on every problem, so nothing says how it would be on others."
    what = "This holds" if difference.gain or difference.loss else "The intervals hold"
    jointly = " for all numbers of tries at once" if len(difference.k) > 1 else ""
    return f"{what}{jointly}, with {level(difference.confidence)} confidence, for problems like the ones tried."


def _sizes(difference: CurveDifference, base: ModelCurve, rl: ModelCurve) -> str:
    text = "; ".join(_size(difference, base, rl, k) for k in sorted({1, len(difference.k)}))
    return _sentence(text)


def _size(difference: CurveDifference, base: ModelCurve, rl: ModelCurve, k: int) -> str:
    at = k - 1
    error = float(difference.standard_error[at])
    level_error = max(float(base.se_population[at]), float(rl.se_population[at]))
    lower, upper = difference.lower[at], difference.upper[at]
    bounded = f"interval {points_interval(lower, upper, error)}" if lower > -1 or upper < 1 else "no interval"
    return (
        f"with {counted(k, 'try')} {_named(rl.model)} solves {percent(rl.pass_at_k[at], level_error)} of the problems "
        f"and {_named(base.model)} {percent(base.pass_at_k[at], level_error)} "
        f"({points(difference.mean[at], error)} points, {bounded})"
    )


def _solved_alone(table: SolvableTable) -> str:
    base, rl = _named(table.base), _named(table.rl)
    if not table.base_only + table.rl_only:
        return f"In {counted(table.k, 'try')}, no problem was solved by one of the two alone."
    text = (
        f"In {counted(table.k, 'try')}, {counted(table.base_only, 'problem')} {_was(table.base_only)} solved by {base} "
        f"alone and {count(table.rl_only)} by {rl} alone"
    )
    verdict = "luck rarely makes so uneven a split" if table.mcnemar_p < 1 - table.confidence else "luck can make that"
    text = f"{text}: {verdict} ({p_value(table.mcnemar_p)})"
    if 0 < table.rl_only <= table.noise_floor:
        return (
            f"{text}. Two models with the same chances would show about {table.noise_floor:.1f} each, so the "
            f"{count(table.rl_only)} are no sign of problems that only {rl} can solve."
        )
    return f"{text}. Two models with the same chances would show about {table.noise_floor:.1f} each."


# -- in the field's terms ------------------------------------------------------------------------------------------


def _band(difference: CurveDifference) -> str:
    span = k_list(difference.k.tolist())
    if not exists(difference.critical_value):
        return f"pass@k at k = {span}: the difference does not vary between problems, so there is no band."
    low, high = difference.critical_value_monte_carlo
    return (
        f"Simultaneous {level(difference.confidence)} band for the paired difference in pass@k over k = {span} "
        f"(critical value {difference.critical_value:.3f}; {low:.3f} to {high:.3f} within Monte-Carlo error): gain at "
        f"k = {k_list(difference.gain)}, loss at k = {k_list(difference.loss)}, undetermined at "
        f"k = {k_list(undecided(difference))}."
    )


def _first_loss(difference: CurveDifference) -> str:
    first, last = difference.first_loss_set
    base, rl, largest = _named(difference.base), _named(difference.rl), count(len(difference.k))
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


def _landmark(difference: CurveDifference) -> list[str]:
    if difference.point_crossing is None:
        return []
    return [f"The point estimates cross at k = {count(difference.point_crossing)}: a landmark, not a finding."]


def _four_way(table: SolvableTable) -> str:
    base, rl = _named(table.base), _named(table.rl)
    return (
        f"Solved at k = {count(table.k)}: both {count(table.both)}, {base} only {count(table.base_only)}, "
        f"{rl} only {count(table.rl_only)}, neither {count(table.neither)} (exact McNemar "
        f"{p_value(table.mcnemar_p)}, noise floor {table.noise_floor:.1f} each)."
    )


def _gap(difference: CurveDifference, gap: SamplingGap) -> str:
    bounded = f"{level(gap.confidence)} interval {points_interval(gap.lower, gap.upper, None)}"
    if gap.lower <= -1 and gap.upper >= 1:
        bounded = "no interval"
    return (
        f"Δ_SE = {_named(difference.base)} pass@{count(gap.k)} − {_named(difference.rl)} pass@1 = {points(gap.value)} "
        f"points ({bounded})."
    )


# -- one model -----------------------------------------------------------------------------------------------------


def _alone(curve: ModelCurve) -> Verdict:
    last, model = len(curve.k), _named(curve.model)
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
    return Verdict(
        headline=f"{model} solves {' and '.join(shares)}.",
        plain=(
            f"{model} tried {counted(curve.problems, 'problem')} {_how_often(curve)}. {_SOLVED} {scope} "
            "There is no second model, so nothing is compared."
        ),
        sizes=(),
        technical=" ".join(
            [
                *_plans(curve),
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


def _plans(*curves: ModelCurve) -> list[str]:
    """How sampling was stopped and what that saved, where it was."""
    return [
        f"{_named(curve.model)} was sampled under a plan: {curve.plan}. The estimates are exact for it and use "
        f"{count(curve.samples)} samples, {curve.samples / (curve.problems * len(curve.k)):.0%} of a fixed n."
        for curve in curves
        if curve.stopped_early
    ]


def _named(model: str) -> str:
    return f"{NAME[0]}{model}{NAME[1]}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _tries(ks: Iterable[int]) -> str:
    found = tuple(ks)
    return "one try" if found == (1,) else f"{k_words(found)} tries"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
