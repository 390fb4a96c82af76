"""What may be said, in words: what is established, at which k, with what confidence, and what is not.

Every sentence follows from the fields of a result object, so it cannot claim more than they do: "better" and "worse"
are used only where the whole simultaneous band lies on one side of zero, and the other ks are named as undecided.
Each comparison gets a headline, a paragraph for a reader who has never heard of pass@k, and one in the field's terms.
Left out: anything about why.
"""

from dataclasses import dataclass

from move37.analyses import Comparison, Findings
from move37.analyses.curves import CurveDifference, ModelCurve
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
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said about one pair of models, or about one model where there is no pair (`rl` is then None)."""

    base: str
    rl: str | None
    headline: str
    plain: str
    technical: str


def verdicts(findings: Findings) -> tuple[Verdict, ...]:
    """One verdict per comparison, or one per model where nothing is compared."""
    curves = {curve.model: curve for curve in findings.curves}
    if not findings.comparisons:
        return tuple(_alone(curve) for curve in findings.curves)
    return tuple(
        _verdict(each, curves[each.difference.base], curves[each.difference.rl]) for each in findings.comparisons
    )


def verdict_sentences(findings: Findings) -> list[str]:
    """The verdicts as plain lines, for a terminal: headline, then the paragraph, for each; then what holds for all."""
    lines = [line for each in verdicts(findings) for line in (each.headline, each.plain)]
    return [*lines, *note_on_several(findings)]


def note_on_several(findings: Findings) -> list[str]:
    """One sentence where several comparisons are made, none otherwise."""
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
    settled = {*difference.gain, *difference.loss}
    return tuple(k for k in difference.k.tolist() if k not in settled)


def settled(difference: CurveDifference, k: int) -> str:
    """What the band establishes at k: gain, loss or undetermined."""
    return "gain" if k in difference.gain else "loss" if k in difference.loss else "undetermined"


def _verdict(comparison: Comparison, base: ModelCurve, rl: ModelCurve) -> Verdict:
    difference = comparison.difference
    plain = [
        _setup(difference, base, rl),
        _claim(difference),
        *_insecure(difference),
        _sizes(difference, base, rl),
        _scope(difference, base.problems),
        _solved_alone(comparison.solvable),
    ]
    technical = [
        _bands(difference),
        _first_loss(difference),
        *_landmark(difference),
        _four_way(comparison.solvable),
        _gap(comparison),
    ]
    return Verdict(difference.base, difference.rl, _headline(difference), " ".join(plain), " ".join(technical))


def _headline(difference: CurveDifference) -> str:
    base, rl, last = difference.base, difference.rl, len(difference.k)
    gains, losses = runs(difference.gain), runs(difference.loss)
    if not gains and not losses:
        return f"These data do not show a difference between {rl} and {base}."
    if gains and losses:
        if len(gains) > 1 or len(losses) > 1:
            return f"{rl} is better than {base} at some numbers of tries and worse at others."
        few, many = ("better", "worse") if gains[0] < losses[0] else ("worse", "better")
        return f"{rl} is {few} than {base} with few tries and {many} with many."
    word, other, found = ("better", "worse", gains) if gains else ("worse", "better", losses)
    if found == [(1, last)]:
        return f"{rl} is {word} than {base} at {_every(last)}."
    return f"{rl} is {word} than {base} with {_tries(k for a, b in found for k in range(a, b + 1))}, and not shown to be {other} with any other number."


def _every(last: int) -> str:
    return "the one number of tries that was measured" if last == 1 else f"every number of tries up to {count(last)}"


def _setup(difference: CurveDifference, base: ModelCurve, rl: ModelCurve) -> str:
    fewest, most = min(base.n[0], rl.n[0]), max(base.n[1], rl.n[1])
    times = "once" if most == 1 else f"{count(fewest)} times" if fewest == most else f"at least {counted_times(fewest)}"
    return (
        f"{difference.base} and {difference.rl} each tried {counted(base.problems, 'problem')} {times}; "
        "a problem counts as solved if at least one of the allowed tries is right."
    )


def counted_times(number: int) -> str:
    return "once" if number == 1 else f"{count(number)} times"


def _claim(difference: CurveDifference) -> str:
    base, rl = difference.base, difference.rl
    open_ks = undecided(difference)
    rest = f"; with {_tries(open_ks)} the data do not decide" if open_ks else ""
    if difference.gain and difference.loss:
        return (
            f"{rl} solves more of the problems than {base} with {_tries(difference.gain)} and fewer with "
            f"{_tries(difference.loss)}{rest}."
        )
    if difference.gain:
        return f"{rl} solves more of the problems than {base} with {_tries(difference.gain)}{rest}."
    if difference.loss:
        return f"{rl} solves fewer of the problems than {base} with {_tries(difference.loss)}{rest}."
    return (
        f"With {_tries(open_ks)} the data do not decide which of them solves more. That is not evidence that they are "
        "equal: the intervals below say how large a difference remains possible."
    )


def _insecure(difference: CurveDifference) -> list[str]:
    """Established ks that hang on so few problems that the band is likely too narrow."""
    shaky = sorted({*difference.gain, *difference.loss} & set(difference.few_problems))
    if not shaky:
        return []
    return [
        f"With {_tries(shaky)} this rests on fewer than ten problems and is not secure: the band is likely too narrow."
    ]


def _sizes(difference: CurveDifference, base: ModelCurve, rl: ModelCurve) -> str:
    parts = [_size(difference, base, rl, k) for k in sorted({1, len(difference.k)})]
    return f"{'; '.join(parts)}."


def _size(difference: CurveDifference, base: ModelCurve, rl: ModelCurve, k: int) -> str:
    at = k - 1
    error = float(difference.standard_error[at])
    gap, ends = points(difference.mean[at], error), points_interval(difference.lower[at], difference.upper[at], error)
    lead = "With one try" if k == 1 else f"with {count(k)} tries"
    return (
        f"{lead}, {rl.model} solves {percent(rl.pass_at_k[at], rl.se_population[at])} of them and {base.model} "
        f"{percent(base.pass_at_k[at], base.se_population[at])} ({gap} points, interval {ends})"
    )


def _scope(difference: CurveDifference, problems: int) -> str:
    if problems == 1:
        return "With one problem, nothing can be said about other problems."
    return (
        f"These statements hold together, for every number of tries at once, with {level(difference.confidence)} "
        "confidence, and are about problems like the ones tried."
    )


def _solved_alone(table: SolvableTable) -> str:
    tries = "the one try" if table.k == 1 else f"{count(table.k)} tries"
    text = (
        f"In {tries}, {counted(table.base_only, 'problem')} were solved by {table.base} alone and "
        f"{count(table.rl_only)} by {table.rl} alone"
    )
    text = text.replace("1 problem were", "1 problem was")
    if table.base_only + table.rl_only == 0:
        return f"{text}."
    even = "an uneven split that luck rarely makes" if table.mcnemar_p < 1 - table.confidence else "a split that luck can make"
    text = f"{text}, {even} ({p_value(table.mcnemar_p)})"
    if 0 < table.rl_only <= table.noise_floor:
        return (
            f"{text}; two models with equal chances would show about {table.noise_floor:.1f} each, so this is no sign "
            f"of problems that only {table.rl} can solve."
        )
    return f"{text}."


def _bands(difference: CurveDifference) -> str:
    span = k_list(difference.k.tolist())
    if not exists(difference.critical_value):
        return f"pass@k at k = {span}: the difference does not vary between problems, so there is no band."
    low, high = difference.critical_value_monte_carlo
    return (
        f"Simultaneous {level(difference.confidence)} band for the paired difference in pass@k over k = {span} "
        f"(critical value {difference.critical_value:.3f}, {low:.3f} to {high:.3f} with other multiplier draws): gain at "
        f"k = {k_list(difference.gain)}; loss at k = {k_list(difference.loss)}; undetermined at "
        f"k = {k_list(undecided(difference))}."
    )


def _first_loss(difference: CurveDifference) -> str:
    first, last = difference.first_loss_set
    largest = len(difference.k)
    if last is None:
        if first > largest:
            return f"{difference.rl} is above {difference.base} at every k, so there is no first loss up to {count(largest)}."
        return f"No k is established at which {difference.rl} is below {difference.base}; a first loss before k = {count(first)} is excluded." if first > 1 else f"No k is established at which {difference.rl} is below {difference.base}."
    low, high = difference.first_loss_monte_carlo
    range_text = "" if (low, high) == (last, last) else f"; its upper end is {_end(low)} to {_end(high)} with other multiplier draws"
    return (
        f"First-loss set: the first k at which {difference.rl} is below {difference.base} lies in "
        f"[{count(first)}, {count(last)}]{range_text}."
    )


def _end(k: int | None) -> str:
    return "none" if k is None else count(k)


def _landmark(difference: CurveDifference) -> list[str]:
    if difference.point_crossing is None:
        return []
    return [f"The point estimates cross at k = {count(difference.point_crossing)}: a landmark, not a finding."]


def _four_way(table: SolvableTable) -> str:
    return (
        f"Solved at k = {count(table.k)}: both {count(table.both)}, {table.base} only {count(table.base_only)}, "
        f"{table.rl} only {count(table.rl_only)}, neither {count(table.neither)} (exact McNemar "
        f"{p_value(table.mcnemar_p)}; noise floor {table.noise_floor:.1f} each)."
    )


def _gap(comparison: Comparison) -> str:
    gap, difference = comparison.sampling_gap, comparison.difference
    return (
        f"Delta_SE = {difference.base} pass@{gap.k} − {difference.rl} pass@1 = {points(gap.value)} points "
        f"({level(gap.confidence)} interval {points_interval(gap.lower, gap.upper, None)})."
    )


def _alone(curve: ModelCurve) -> Verdict:
    last = len(curve.k)
    one, many = (percent(curve.pass_at_k[at], curve.se_population[at]) for at in (0, last - 1))
    headline = f"{curve.model} solves {one} of the problems with one try" + (
        f" and {many} with {count(last)}." if last > 1 else "."
    )
    ends = [
        f"{percent_interval(curve.lower[at], curve.upper[at], curve.se_population[at], '')} with {counted(at + 1, 'try')}"
        for at in sorted({0, last - 1})
    ]
    plain = (
        f"{curve.model} tried {counted(curve.problems, 'problem')}; a problem counts as solved if at least one of the "
        f"allowed tries is right. For problems like these, with {level(curve.confidence)} confidence at all numbers of "
        f"tries together, the share lies at {' and '.join(ends)}. Nothing is compared: there is one model only."
    )
    if curve.problems == 1:
        plain = f"{curve.model} tried one problem, which says nothing about other problems. Nothing is compared."
    technical = f"pass@k at k = {k_list(curve.k.tolist())}, simultaneous {level(curve.confidence)} band."
    return Verdict(curve.model, None, headline, plain, technical)


def _tries(ks: object) -> str:
    found = tuple(ks)  # type: ignore[arg-type]
    return "one try" if found == (1,) else f"{k_words(found)} tries"
