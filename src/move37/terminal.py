"""What the commands show on a terminal when they are done: what was found, and a few short tables.

Results go to standard output, progress (`terminal_progress.py`) and errors to standard error. Under --json nothing is
shown but errors.
"""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table as Drawn

from move37.analyses import Comparison, Findings
from move37.analyses.curves import CurveDifference, ModelCurve
from move37.analyses.decision import Decision
from move37.analyses.planning import Forecast
from move37.console import plain_text, tell
from move37.error_rates import Calibration, ChainCalibration, Rate
from move37.report import ReportContext, summary_sentences
from move37.report.family_view import family_view
from move37.report.number_format import counted, percent, widest
from move37.report.sections import section_lines
from move37.report.tables import Table, difference_cell
from move37.report.words import settled, split_test, unnamed
from move37.report.words.claim import problems_of, texts
from move37.report.words.first_screen import first_screen
from move37.report.words.forecast import forecast_sentences
from move37.report.words.tallied import answer_lines, is_family
from move37.results import ImportedSamples, Reported, ResponsesScored, Validated, VerifiersCompared
from move37.terminal_progress import progress
from move37.types import Outcome

__all__ = ["progress"]

MOST_ROWS = 20
"""Of a table that lists single answers."""


MOST_WARNINGS = 12
"""Beside a result, which they should not push off the screen; the report has all."""


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Text that is too wide for its column goes on below: two names that were cut would be the same."""
    table = Drawn(title=title, title_justify="left")
    for position, name in enumerate(header):
        table.add_column(plain_text(name), justify="left" if position == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(plain_text(cell) for cell in row))
    Console().print(table)


def print_verdicts(judged: Mapping[str, Mapping[str, int]]) -> None:
    outcomes = [outcome.value for outcome in Outcome]
    rows = [(model, *(f"{counts.get(outcome, 0):,}" for outcome in outcomes)) for model, counts in judged.items()]
    print_table("Verdicts made", ("model", *outcomes), rows)


def print_scored(done: ResponsesScored) -> None:
    """What was scored of each pair, and what could not be."""
    rows = [
        (f"{each.author} under {each.model}", f"{each.scored:,}", f"{each.kept:,}", f"{sum(each.refused.values()):,}")
        for each in done.pairs
    ]
    print_table("Responses scored", ("pair", "now", "in all", "refused"), rows)
    for each in done.pairs:
        for reason, count in each.refused.items():
            tell(False, f"{each.author} under {each.model}: {count:,} refused: {reason}")
    tell(False, f"Next: move37 report {done.run}")


def print_reported(done: Reported, unchecked: Sequence[str] = ()) -> None:
    """What was found, in a title and a line for each answer, what its reader must know, and where the report is."""
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"\n[bold]{plain_text(done.title)}[/]")
    for line in done.answers:
        console.print(f"  {plain_text(line)}")
    cautions = (*unchecked, *done.warnings)
    more = len(cautions) - MOST_WARNINGS
    tell(False, "", cautions if more <= 1 else cautions[:MOST_WARNINGS])
    if more > 1:
        tell(False, f"{more} more warnings are in the report.")
    tell(False, f"Report: {done.report}")
    for other in done.others:
        print_reported(other)


def print_examples(context: ReportContext) -> None:
    """A prompt with a right and a wrong response to it, as the report has them."""
    for _, text, _ in context.prompts[:1]:
        tell(False, f"\nA prompt:\n{text.strip()}")
    for example in context.examples:
        tell(False, f"{example.outcome.capitalize()}, by {example.model}:\n{example.text.strip()[:600]}")


def print_findings(findings: Findings) -> None:
    """The title and the answers, the curves and the four-way tables, then the sentences of all else."""
    screen = first_screen(findings)
    tell(False, "\n".join(unnamed(line) for line in (screen.title.text, *answer_lines(screen), "")))
    tell(False, "\n".join(summary_sentences(findings)))
    _print_curves(findings.curves)
    print_table(
        "Samples",
        ("model", *(outcome.value for outcome in Outcome), "truncated", "correct among them"),
        [
            (
                audit.model,
                *map(_known, (audit.correct, audit.incorrect, audit.unscored, audit.truncated)),
                _known(audit.correct_among_truncated),
            )
            for audit in findings.audits
        ],
    )
    view = family_view(findings, screen)
    if view is not None:
        print_table("Every model, each with its own confidence; differences in points", *_without_shares(view.table))
    for comparison in findings.comparisons if view is None else ():
        _print_comparison(comparison, findings.decision)
    tell(False, "\n".join(section_lines(findings)))


def _print_curves(curves: Sequence[ModelCurve]) -> None:
    """A column for each model; a row where there are too many for columns, at every second of the ks then."""
    ks = sorted({k for curve in curves for k in _shown(len(curve.k))})
    if not is_family(len(curves)):
        rows = [(str(k), *(_percent(curve, k) for curve in curves)) for k in ks]
        print_table("pass@k", ("k", *(curve.model for curve in curves)), rows)
        return
    ks = sorted({*ks[::2], ks[-1]})
    rows = [(curve.model, *(_percent(curve, k) for k in ks)) for curve in curves]
    print_table("pass@k", ("model", *(f"k = {k}" for k in ks)), rows)


def _without_shares(table: Table) -> tuple[list[str], list[list[str]]]:
    """A family's table without the columns that the table of pass@k has; the differences are named by them instead."""
    shares = [at for at, name in enumerate(table.header) if name.startswith("pass@")]
    names = [f"{table.header[at - 1]} less base" if at - 1 in shares else name for at, name in enumerate(table.header)]
    kept = [at for at in range(len(names)) if at not in shares]
    return [names[at] for at in kept], [[str(row[at]) for at in kept] for row in table.rows]


def _known(count: int | None) -> str:
    return "not known" if count is None else f"{count:,}"


def print_imported(found: ImportedSamples) -> None:
    """What came in from which log, and what its reader should know."""
    for notice in found.notices:
        tell(False, notice)
    for log in found.logs:
        where = log.files[0] + (f" and {len(log.files) - 1} more" if len(log.files) > 1 else "")
        new = "" if log.new == log.samples else f" ({log.new:,} of them new)"
        tell(
            False,
            f"{log.format}: {log.model} on {log.benchmark}: {counted(log.samples, 'sample')} of "
            f"{counted(log.problems, 'problem')}{new}, from {where}",
        )
        for label in log.scores:
            tell(False, f"  the tool's own score is kept beside ours: {label}")
        for notice in log.notices:
            tell(False, f"  {notice}")
    samples, problems = counted(found.samples, "sample"), counted(found.problems, "problem")
    tell(False, f"Imported {samples} of {problems} into {found.run}.")


def print_validation(found: Validated) -> None:
    """The references that do not pass, and how many do."""
    if found.failures:
        print_table(
            "References that do not pass",
            ("problem", "reference", "outcome", "reason"),
            [(f.problem, f.reference, f.outcome.value, f.reason) for f in found.failures],
        )
    passed = found.references - len(found.failures)
    tell(False, f"{found.benchmark}: {passed:,} of {found.references:,} reference answers pass.")


def print_disagreements(found: VerifiersCompared) -> None:
    """Where two verifiers differ, and the curves under each."""
    first, second = found.verifiers
    print_table(
        f"{first} against {second}",
        ("model", "samples", "differ", "pass@1", "pass@k", "k"),
        [
            (
                model,
                f"{each.samples:,}",
                f"{len(each.disagreements):,}",
                " / ".join(f"{value:.4f}" for value in each.pass_at_1 or ()),
                " / ".join(f"{value:.4f}" for value in each.pass_at_k or ()),
                str(each.k),
            )
            for model, each in found.models.items()
        ],
    )
    for model, each in found.models.items():
        print_table(
            f"{model}: where they differ",
            ("problem", "index", "answer", first, second),
            [
                (row.problem_id, str(row.index), str(row.answer)[:60], row.ours, row.theirs)
                for row in each.disagreements[:MOST_ROWS]
            ],
        )


def _accepted(rate: Rate) -> tuple[str, ...]:
    share = "–" if rate.share is None else f"{rate.share:.4f}"
    bounds = f"{rate.lower:.4f} to {rate.upper:.4f}"
    return rate.kind, f"{rate.accepted:,}", f"{rate.scored:,}", share, bounds, f"{rate.unscored:,}"


def print_calibration(found: Calibration) -> None:
    """What a verifier did with right and with corrupted answers, what that means for pass@k, and where it was wrong."""
    print_table(
        found.verifier,
        ("answers", "accepted", "of scored", "share", f"{found.confidence:.0%} interval", "unscored"),
        [
            _accepted(rate)
            for rate in (
                found.references,
                *found.by_rendering,
                found.renderings,
                *found.by_kind,
                found.corrupted,
            )
            if rate.scored or rate.unscored
        ],
    )
    last = found.floor[-1]
    if last.value is not None:
        tell(
            False,
            f"A model that is always wrong, each time in another way, would reach pass@{last.k} = {last.value:.3f} "
            f"under this verifier (up to {last.upper:.3f}). To show at most 0.05 takes {found.answers_needed:,} "
            "corruptions of which none is accepted.",
        )
    if found.ceiling is not None:
        tell(
            False,
            f"A model that is always right, each time in other words, would have pass@1 = {found.ceiling:.3f} "
            f"(from {found.renderings.lower:.3f} to {found.renderings.upper:.3f}).",
        )
    if found.surprises:
        print_table(
            "Judged against expectation, or not at all",
            ("problem", "kind", "answer", "references", "outcome", "reason"),
            [
                (
                    each.problem,
                    each.kind,
                    each.answer[:60],
                    " or ".join(each.references)[:60],
                    each.outcome.value,
                    each.reason,
                )
                for each in found.surprises[:MOST_ROWS]
            ],
        )


def print_chain_calibration(found: ChainCalibration) -> None:
    """What a judge of reasoning did with chains as they were written, and with corrupted ones."""
    print_table(
        found.verifier,
        ("chains", "accepted", "of judged", "share", f"{found.confidence:.0%} interval", "unscored"),
        [_accepted(rate) for rate in (found.clean, *found.by_kind, found.corrupted)],
    )


def print_forecast(planned: Forecast) -> None:
    """What is to be expected in words, then cost and error of each plan."""
    tell(False, "\n".join(texts(forecast_sentences(planned))))
    budget = planned.token_budget is not None
    print_table(
        f"{planned.problems} problems, n_max {planned.n_max}",
        ("plan", "samples", "tokens", "of fixed n", f"error at k={planned.n_max}", *(["n_max in budget"] * budget)),
        [
            (
                f"{row.plan if row.stop_at is None else f'stop at {row.stop_at}'}{' (the study)' if row.own else ''}",
                f"{row.samples:,.0f}",
                "–" if row.tokens is None else f"{row.tokens:,.0f}",
                f"{row.share_of_samples:.0%}",
                f"{row.errors.difference_population[-1]:.4f}",
                *([str(row.n_max_in_budget)] * budget),
            )
            for row in planned.rows
        ],
    )


def _print_comparison(comparison: Comparison, decision: Decision | None) -> None:
    difference, table = comparison.difference, comparison.solvable
    rows = [
        (
            str(k),
            *_points(difference, k),
            settled(difference, k),
        )
        for k in _shown(len(difference.k))
    ]
    band = f"{difference.band.confidence:.0%} band over all k, {problems_of(difference.target)}"
    title = f"{difference.rl} minus {difference.base}, percentage points"
    print_table(title, ("k", "difference", band, ""), rows)
    test, result, _ = split_test(table, decision)
    print_table(
        f"Solved at least once in {table.k} samples",
        ("both", f"{table.base} only", f"{table.rl} only", "neither", test, "noise floor"),
        [
            (
                *(str(count) for count in (table.both, table.base_only, table.rl_only, table.neither)),
                result,
                f"{table.noise_floor:.1f}",
            )
        ],
    )


def _percent(curve: ModelCurve, k: int) -> str:
    """As on the page: one unit, and one number of digits in a column."""
    return str(percent(curve.pass_at_k[k - 1], widest(curve.se_population))) if k <= len(curve.k) else "–"


def _points(difference: CurveDifference, k: int) -> tuple[str, str]:
    cell = difference_cell(difference, k)
    return str(cell.value), str(cell.interval)


def _shown(last: int) -> list[int]:
    """Powers of two up to `last`, and `last`."""
    return sorted({2**power for power in range(last.bit_length())} | {last})
