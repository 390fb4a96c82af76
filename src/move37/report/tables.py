"""What does a reader see of the numbers? Result objects -> tables of text, for the page and for the markdown.

Shares are percent and rounded by their errors (`number_format.py`); a number that does not exist is a dash, and the
reason stands below the table. Long curves are shown at powers of two, or at the ks that the figures draw;
`exports.py` has every number. Left out: HTML, which the templates make.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses import Comparison, Findings
from move37.analyses.accuracy_shift import AccuracyShift
from move37.analyses.agreement import Agreement
from move37.analyses.curves import CurveDifference, ModelCurve
from move37.analyses.decision import Decision
from move37.analyses.grader_errors import GraderErrors
from move37.analyses.reliability import MEASURES, ReliabilityRow
from move37.analyses.solvable_sets import SolvableTable
from move37.analyses.truncation import OutcomeAudit
from move37.estimates.settings import BENCHMARK
from move37.report.number_format import (
    Missing,
    Shown,
    count,
    counted,
    exists,
    level,
    percent,
    percent_interval,
    points,
    points_interval,
    small_share,
    widest,
)
from move37.report.words import settled, split_test, stopped_by_outcomes, unnamed
from move37.report.words.claim import problems_of
from move37.report.words.first_screen import FirstScreen
from move37.report.words.tallied import is_family

SHOWN_DISAGREEMENTS = 200
"""Longer lists go on in the CSV file."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """A value with its interval, in one cell."""

    value: Shown
    interval: Shown

    def __str__(self) -> str:
        return f"{self.value} ({self.interval})"


Cell = Shown | Estimated


@dataclass(frozen=True)
class Table:
    """`text_columns` are aligned left, the others are numbers. The first column names its row."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    csv: str
    """The file in tables/ that holds these numbers in full."""
    notes: tuple[str, ...] = ()
    text_columns: frozenset[int] = frozenset({0})

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why some cells show a dash, each reason once."""
        cells = (part for row in self.rows for cell in row for part in _parts(cell))
        return tuple(dict.fromkeys(cell.reason for cell in cells if isinstance(cell, Missing)))


def _parts(cell: Cell) -> tuple[Shown, ...]:
    return (cell.value, cell.interval) if isinstance(cell, Estimated) else (cell,)


def powers_of_two(last: int) -> list[int]:
    """1, 2, 4, ... and `last`."""
    return sorted({2**i for i in range(last.bit_length())} | {last})


def drawn_ks(k_max: int) -> list[int]:
    """1..64, then 16 per doubling, and k_max."""
    later = {round(64 * 2 ** (i / 16)) for i in range(1, 16 * 26)}
    return sorted(k for k in {*range(1, 65), *later, k_max} if k <= k_max)


def curves_table(curves: Sequence[ModelCurve], ks: Iterable[int]) -> Table:
    """pass@k of every model with its simultaneous band: a column for each, a row where there are many."""
    ks, header = tuple(ks), ("k", *(curve.model for curve in curves))
    rows = tuple((count(k), *(_curve_cell(curve, k) for curve in curves)) for k in ks)
    if is_family(len(curves)):
        header = ("model", *(f"k = {count(k)}" for k in ks))
        rows = tuple((curve.model, *(_curve_cell(curve, k) for k in ks)) for curve in curves)
    return Table(
        caption=f"pass@k with its simultaneous {level(curves[0].confidence)} band for {problems_of(curves[0].target)}",
        header=header,
        rows=rows,
        csv="curves.csv",
    )


def _curve_cell(curve: ModelCurve, k: int) -> Cell:
    if k > len(curve.k):
        return Missing(f"{curve.model} has only {count(len(curve.k))} scored samples on some problem")
    at, error = k - 1, widest(curve.se_population)
    value = percent(curve.pass_at_k[at], error)
    if error is None:
        return Estimated(value, Missing("one problem does not say how problems vary"))
    if curve.lower[at] <= 0 and curve.upper[at] >= 1:
        return Estimated(value, Missing(_no_band(curve.target)))
    return Estimated(value, percent_interval(curve.lower[at], curve.upper[at], error, "no band"))


def _no_band(target: str) -> str:
    if target == BENCHMARK:
        return "how fresh samples of these problems vary is estimated from 2k of them, and reliably up to k = n / 8"
    return "problems do not vary there, so nothing bounds it"


def difference_table(difference: CurveDifference, ks: Iterable[int]) -> Table:
    """The paired difference at `ks`, and what its band establishes."""
    return Table(
        caption=f"{difference.rl} minus {difference.base} in points, "
        f"simultaneous {level(difference.band.confidence)} band for {problems_of(difference.target)}",
        header=("k", "difference", "established"),
        rows=tuple((count(k), difference_cell(difference, k), settled(difference, k)) for k in ks),
        csv="difference.csv",
        text_columns=frozenset({0, 2}),
    )


def difference_cell(difference: CurveDifference, k: int) -> Estimated:
    """The difference at k with its band, in points."""
    at, error = k - 1, widest(difference.band.standard_error)
    lower, upper = (float(end[at]) for end in difference.reported)
    if lower <= -1 and upper >= 1:
        few = "too few problems make the difference there for an interval"
        reason = few if k in difference.few_problems else _no_band(difference.target)
        return Estimated(points(difference.band.mean[at], error), Missing(reason))
    return Estimated(points(difference.band.mean[at], error), points_interval(lower, upper, error))


@dataclass(frozen=True)
class FourWay:
    """The four-way table as two rows of two, with what belongs beside it."""

    base: str
    rl: str
    both: str
    base_only: str
    rl_only: str
    neither: str
    facts: tuple[tuple[str, str], ...]
    base_only_ids: tuple[str, ...]
    rl_only_ids: tuple[str, ...]


def four_way(table: SolvableTable, decision: Decision | None = None) -> FourWay:
    """Counts, and the test, floor and bounds without which they mean little."""
    confidence = level(table.confidence)
    bound = _bounds(table)
    test, result, _ = split_test(table, decision)
    return FourWay(
        base=table.base,
        rl=table.rl,
        both=count(table.both),
        base_only=count(table.base_only),
        rl_only=count(table.rl_only),
        neither=count(table.neither),
        facts=(
            (test, result),
            ("noise floor", f"{table.noise_floor:.1f} problems each, if both models had the same chances"),
            (
                "never solved",
                f"the chance of one try is below {bound}, not zero ({confidence} confidence for one problem that was "
                "chosen before looking)",
            ),
        ),
        base_only_ids=table.base_only_ids,
        rl_only_ids=table.rl_only_ids,
    )


def _bounds(table: SolvableTable) -> str:
    base, rl = small_share(table.never_solved_bound_base), small_share(table.never_solved_bound_rl)
    return base if base == rl else f"{base} ({table.base}) or {rl} ({table.rl})"


def four_way_table(table: SolvableTable, decision: Decision | None = None) -> Table:
    """The same as rows, for the markdown."""
    shown = four_way(table, decision)
    return Table(
        caption=f"Problems solved at least once in {counted(table.k, 'try')}",
        header=("", f"{table.rl} solves it", f"{table.rl} does not"),
        rows=(
            (f"{table.base} solves it", shown.both, shown.base_only),
            (f"{table.base} does not", shown.rl_only, shown.neither),
        ),
        csv="solvable.csv",
        notes=tuple(f"{name}: {value}" for name, value in shown.facts),
    )


def bin_labels() -> list[str]:
    """The paper's bins in percent; a bin holds its upper end, not its lower."""
    return ["0", *(f"{10 * i}–{10 * i + 10}" for i in range(10))]


def accuracy_table(shift: AccuracyShift) -> Table:
    """Problems by accuracy under both models."""
    rows = [
        (label, count(base), count(rl))
        for label, base, rl in zip(bin_labels(), shift.base_counts, shift.rl_counts, strict=True)
    ]
    rows.append(("of these exactly 100", count(shift.base_exactly_one), count(shift.rl_exactly_one)))
    return Table(
        caption="Problems by accuracy",
        header=("accuracy (%)", shift.base, shift.rl),
        rows=tuple(rows),
        csv="accuracy.csv",
        notes=("A bin holds its upper end, not its lower; 0 is exactly 0.",),
    )


def transition_table(shift: AccuracyShift) -> Table:
    """Problems by accuracy under base (rows) and rl (columns)."""
    labels = bin_labels()
    return Table(
        caption=f"Problems by accuracy (%) under {shift.base} (rows) and {shift.rl} (columns)",
        header=(f"{shift.base} \\ {shift.rl}", *labels),
        rows=tuple((label, *(count(n) for n in row)) for label, row in zip(labels, shift.transition, strict=True)),
        csv="transition.csv",
    )


def reliability_table(rows: Sequence[ReliabilityRow]) -> Table:
    """One row per measure and k, one pair of columns per model."""
    models = list(dict.fromkeys(row.model for row in rows))
    by_key = {(row.model, measure_name(row.measure, row.k, row.first)): row for row in rows}
    names = {name: (MEASURES.index(row.measure), row.k) for (_, name), row in by_key.items()}
    shown = tuple(
        (name, *(_estimate_cell(by_key.get((model, name))) for model in models))
        for name in sorted(names, key=lambda name: names[name])
    )
    confidences = sorted({row.estimate.confidence for row in rows if row.estimate.confidence is not None})
    sure = f"{' or '.join(map(level, confidences))} intervals" if confidences else "Intervals"
    return Table(
        caption=f"{sure} for problems like these, each for itself: they do not hold jointly",
        header=("measure", *models),
        rows=shown,
        csv="reliability.csv",
    )


def measure_name(measure: str, k: int, first: int | None = None) -> str:
    """ "pass@16"; "avg@n" as it is, so that models with different n share its row; of the first samples it says so."""
    name = measure if measure == "avg@n" else measure.replace("@k", f"@{k}").replace("^k", f"^{k}")
    return f"{name}{first_samples(first)}"


def _estimate_cell(row: ReliabilityRow | None) -> Cell:
    if row is None:
        return Missing("not known for this model: too few samples, or no answers to vote with")
    estimate = row.estimate
    why = "the value does not vary between problems, so it has no interval"
    return Estimated(
        percent(estimate.value, estimate.standard_error),
        percent_interval(estimate.lower, estimate.upper, estimate.standard_error, why),
    )


def gap_table(comparison: Comparison) -> Table:
    """Delta_SE (arXiv 2504.13837)."""
    gap, difference = comparison.sampling_gap, comparison.difference
    interval: Shown = points_interval(gap.lower, gap.upper, None)
    if gap.lower <= -1 and gap.upper >= 1:
        interval = Missing("problems do not say how the gap varies")
    row = (
        f"{difference.base} pass@{count(gap.k)} − {difference.rl} pass@1",
        Estimated(points(gap.value), interval),
    )
    over = "" if gap.corrected_over == 1 else f", {count(gap.corrected_over)} models together"
    caption = f"Δ_SE in points, {level(gap.confidence)} interval for {problems_of(gap.target)}{over}"
    return Table(caption, ("gap", "Δ_SE"), (row,), "sampling_gap.csv")


def outcomes_table(audits: Sequence[OutcomeAudit]) -> Table:
    """What became of the samples of each model, and how far pass@1 could move: a column for each, a row where there are
    many."""
    early = [audit for audit in audits if audit.stopped_early]
    of = counted_samples(audits)
    lines = (
        ("samples", lambda a: count(a.samples)),
        (f"correct{of}", lambda a: _part(a, "correct")),
        (f"incorrect{of}", lambda a: _part(a, "incorrect")),
        (f"unscored{of}", lambda a: _part(a, "unscored")),
        (f"truncated at the token limit{of}", lambda a: _part(a, "truncated")),
        (f"… of these correct{of}", _cut_and_correct),
        ("tokens per sample, mean", _tokens),
        ("pass@1", lambda a: percent(a.accuracy, None, "no sample was scored")),
        ("pass@1 if unscored were all wrong", lambda a: percent(a.accuracy_if_unscored_wrong, None, _NO_UNSCORED)),
        ("pass@1 if unscored were all right", lambda a: percent(a.accuracy_if_unscored_right, None, _NO_UNSCORED)),
        (
            f"correct share of samples not truncated{of}",
            lambda a: percent(a.accuracy_not_truncated, None, "it is not known which samples were truncated"),
        ),
    )
    stopped = (
        "Sampling stopped early where enough was right, so hard problems have more samples than easy ones: a share of "
        "all samples would compare problems, not models.",
    )
    header = ("", *(audit.model for audit in audits))
    rows = tuple((name, *(cell(audit) for audit in audits)) for name, cell in lines)
    if is_family(len(audits)):
        none = all(audit.unscored == 0 for audit in audits)  # then pass@1 could not move
        kept = [each for each in lines if not (none and each[0].startswith("pass@1 if"))]
        header = ("model", *(name for name, _ in kept))
        rows = tuple((audit.model, *(cell(audit) for _, cell in kept)) for audit in audits)
    return Table(
        caption="Samples by outcome, and how far pass@1 could move",
        header=header,
        rows=rows,
        csv="outcomes.csv",
        notes=(
            "Unscored: the instrument failed, not the model; such samples are left out of pass@1, and the two lines "
            "after it say how much they could change. Truncated samples count as they were judged.",
            *(stopped if early else ()),
        ),
    )


def counted_samples(audits: Sequence[OutcomeAudit]) -> str:
    """Of which samples shares are, behind a name: empty where they are of all."""
    firsts = {audit.first for audit in audits if audit.stopped_early}
    if not firsts:
        return ""
    (first, *others) = firsts
    if first is None or others or not all(audit.stopped_early for audit in audits):
        return ", the same number of samples of each problem"
    return first_samples(first)


def first_samples(first: int | None) -> str:
    """ ", first 32 samples", behind the name of what is of those alone; empty for None."""
    return "" if first is None else f", first {counted(first, 'sample')}"


_NO_UNSCORED = "the counts do not say how many samples went unscored"
_UNSAID = {"unscored": _NO_UNSCORED, "truncated": "the import does not say how a sample ended"}


def _part(audit: OutcomeAudit, name: str) -> Cell:
    """Some of the samples, as a share with its count."""
    whole = audit.comparable
    if whole is None:
        return Missing("sampling stopped early and only counts are known, so no share of them is comparable")
    number: int | None = getattr(whole, name)
    if number is None:
        return Missing(_UNSAID[name])
    of = count(number) if audit.first is None else f"{count(number)} of {count(whole.samples)}"
    if name == "truncated" and audit.ending_unknown:
        of = f"{of}, {count(audit.ending_unknown)} not known"
    return Estimated(percent(number / whole.samples), of)


def _cut_and_correct(audit: OutcomeAudit) -> Shown:
    if audit.correct_among_truncated is None:
        return Missing("it is not known which samples were truncated")
    return count(audit.correct_among_truncated)


def _tokens(audit: OutcomeAudit) -> Shown:
    if not exists(audit.mean_tokens):
        return Missing("the import does not say how many tokens a sample has")
    return f"{audit.mean_tokens:,.1f}"


def reasons_table(audits: Sequence[OutcomeAudit]) -> Table:
    """Why samples were judged as they were."""
    rows = []
    for audit in audits:
        total = sum(number for _, _, number in audit.reasons)
        rows += [(audit.model, *why, count(number), percent(number / total)) for *why, number in audit.reasons]
    return Table(
        caption=f"Reasons of the verdicts{counted_samples(audits)}",
        header=("model", "outcome", "reason", "samples", "share"),
        rows=tuple(rows),
        csv="reasons.csv",
        text_columns=frozenset({0, 1, 2}),
    )


def agreement_table(agreements: Sequence[Agreement]) -> Table:
    """How often two graders of the same samples say the same."""
    rows = tuple(
        (
            a.model,
            a.verifier,
            a.other,
            count(a.samples),
            count(len(a.disagreements)),
            _under_both(a.pass_at_1),
            _under_both(a.pass_at_k),
            str(a.k),
        )
        for a in agreements
    )
    return Table(
        caption="Agreement of graders, and pass@k under ours and under theirs",
        header=("model", "ours", "theirs", "samples", "differ", "ours and theirs at k = 1", "at the last k", "last k"),
        rows=rows,
        csv="agreement.csv",
        notes=(
            "pass@k of the samples that both have scored, before any problem could stop; the last k is how many of "
            "them every problem has.",
        ),
        text_columns=frozenset({0, 1, 2, 5, 6}),
    )


def _under_both(values: tuple[float, float] | None) -> Shown:
    return Missing("no sample was scored by both") if values is None else " / ".join(map(str, map(percent, values)))


def grader_errors_table(errors: Sequence[GraderErrors]) -> Table:
    """What calibrated verifiers did with answers whose truth is known."""
    rows = tuple(
        (
            e.verifier,
            f"{count(e.references_accepted)} of {count(e.references)}",
            f"{count(e.corrupted_accepted)} of {count(e.corrupted)}",
            f"{small_share(e.lower)} to {small_share(e.upper)}",
            count(e.k),
            f"{percent(e.floor)}, up to {percent(e.floor_upper)}",
        )
        for e in errors
    )
    return Table(
        caption="Answers whose truth is known, before the grader of this run",
        header=(
            "grader",
            "references accepted",
            "corrupted answers accepted",
            f"share ({level(errors[0].confidence)} interval for answers corrupted like these)",
            "k",
            "pass@k of a model that is always wrong",
        ),
        rows=rows,
        csv="grader_errors.csv",
        notes=("If its wrong answers all differ. Equal answers are judged once and share their verdict.",),
        text_columns=frozenset({0, 1, 2, 3, 5}),
    )


def disagreements_table(agreements: Sequence[Agreement]) -> Table:
    """The samples on which two graders differ, up to `SHOWN_DISAGREEMENTS`."""
    rows = [
        (a.model, d.problem_id, str(d.index), d.ours, d.theirs, _answer(d.answer), d.reference)
        for a in agreements
        for d in a.disagreements
    ]
    more = len(rows) - SHOWN_DISAGREEMENTS
    return Table(
        caption="Samples on which the graders differ",
        header=("model", "problem", "sample", "ours", "theirs", "answer", "reference"),
        rows=tuple(rows[:SHOWN_DISAGREEMENTS]),
        csv="disagreements.csv",
        notes=(f"{count(more)} more are in the CSV file.",) if more > 0 else (),
        text_columns=frozenset({0, 1, 3, 4, 5, 6}),
    )


def _answer(answer: str | None) -> Shown:
    return Missing("no answer was found in the text") if answer is None else answer


def settings_tables(settings: Sequence[tuple[str, str]], models: Sequence[str]) -> list[Table]:
    """What each model was asked with, side by side and differences marked; then problems, verifiers, versions."""
    own: dict[str, dict[str, str]] = {}
    rest = []
    for name, value in settings:
        model = next((each for each in models if name.startswith(f"{each}: ")), None)
        if model is None:
            rest.append((name, value))
        else:
            own.setdefault(name.removeprefix(f"{model}: "), {})[model] = value
    found = _of_many(own, models) if own and is_family(len(models)) else []
    if own and not found:
        lacking = Missing("not known of this model")
        rows = []
        for name, values in own.items():
            alike = len(set(values.values())) == 1 and len(values) == len(models)
            rows.append((name if alike else f"≠ {name}", *(values.get(model, lacking) for model in models)))
        text, marked = frozenset(range(len(models) + 1)), ("≠: the models differ in it.",)
        notes = marked if any(name.startswith("≠") for name, *_ in rows) else ()
        found.append(Table("How each model was asked", ("setting", *models), tuple(rows), "settings.csv", notes, text))
    if rest:
        caption = "What the numbers were made with"
        found.append(Table(caption, ("setting", "value"), tuple(rest), "settings.csv", (), frozenset({0, 1})))
    return found


def _of_many(own: Mapping[str, Mapping[str, str]], models: Sequence[str]) -> list[Table]:
    """What all models were asked with, once; and where they differ a row for each."""
    lacking = Missing("not known of this model")
    alike = {name: set(each.values()) for name, each in own.items() if len(each) == len(models)}
    shared = tuple((name, *values) for name, values in alike.items() if len(values) == 1)
    apart = [name for name in own if len(alike.get(name, ())) != 1]
    rows = tuple((model, *(own[name].get(model, lacking) for name in apart)) for model in models)
    text = frozenset(range(len(apart) + 1))
    found = [Table("How all models were asked", ("setting", "value"), shared, "settings.csv", (), frozenset({0, 1}))]
    differing = Table("In what the models differ", ("model", *apart), rows, "settings.csv", (), text)
    return (found if shared else []) + ([differing] if apart else [])


def answers_table(screen: FirstScreen) -> Table:
    """The answers of every comparison, one row each."""
    questions = [unnamed(each.question) for each in screen.answers[0]] if screen.answers else []
    rows = [
        (rl, *(Estimated(unnamed(each.short), unnamed(each.claim.text)) for each in answers))
        for (rl, _), answers in zip(screen.pairs, screen.answers, strict=True)
    ]
    text = frozenset(range(len(questions) + 1))
    return Table("Each comparison for itself", ("model", *questions), tuple(rows), "gains_losses.csv", (), text)


def at_k_table(difference: CurveDifference, base: ModelCurve, rl: ModelCurve) -> Table:
    """pass@k of both models and their paired difference with its band, at powers of two."""
    last = len(difference.k)
    error = widest(np.concatenate([base.se_population[:last], rl.se_population[:last]]))
    rows = []
    for k in powers_of_two(last):
        gap = difference_cell(difference, k)
        shares = (percent(curve.pass_at_k[k - 1], error) for curve in (base, rl))
        rows.append((count(k), *shares, gap, settled(difference, k)))
    return Table(
        caption=f"pass@k, and {difference.rl} minus {difference.base} in points with its simultaneous "
        f"{level(difference.band.confidence)} band for {problems_of(difference.target)}",
        header=("k", difference.base, difference.rl, "difference", "established"),
        rows=tuple(rows),
        csv="difference.csv",
        text_columns=frozenset({0, 4}),
    )


def key_figures(
    comparison: Comparison, base: ModelCurve, rl: ModelCurve, decision: Decision | None = None
) -> list[tuple[str, str, str]]:
    """(name, value, remark) of what a hurried reader wants from a comparison."""
    difference, table = comparison.difference, comparison.solvable
    found, stopped = [], stopped_by_outcomes(decision)
    for k in sorted({1, len(difference.k)}):
        error = widest(np.array([base.se_population[k - 1], rl.se_population[k - 1]]))
        before, after = percent(base.pass_at_k[k - 1], error), percent(rl.pass_at_k[k - 1], error)
        gap = difference_cell(difference, k)
        bounded = "no interval" if stopped or isinstance(gap.interval, Missing) else gap.interval
        found.append((f"pass@{count(k)}", f"{before} → {after}", f"{gap.value} points ({bounded})"))
    first, last = difference.shown_first_loss[0]
    crossing = "not established"
    if last is not None and not stopped:
        crossing = f"k = {count(first)}" if last == first else f"k = {count(first)}–{count(last)}"
    found.append(("first loss", crossing, f"where {difference.rl} first falls below {difference.base}"))
    found.append(
        (
            "solved by one only",
            f"{count(table.base_only)} : {count(table.rl_only)}",
            f"{table.base} : {table.rl}, {split_test(table, decision)[1]}, about {table.noise_floor:.1f} each by luck",
        )
    )
    return found


def has_reasons(findings: Findings) -> bool:
    return any(audit.reasons for audit in findings.audits)
