"""What a report says of perplexities: every group's distribution, rl's solutions that base would hardly write, CSV."""

from collections.abc import Iterator

from move37.analyses import Findings
from move37.analyses.perplexity import QUANTILES, PairPerplexity, PerplexityGroup, Reweighting
from move37.report.number_format import Missing, Shown, count, level
from move37.report.tables import Cell, Estimated, Table

_SHOWN_ON = "all"
Row = tuple[object, ...]


def perplexity_stem(number: int, pairs: int) -> str:
    """The name of a pair's figure."""
    return f"perplexity-{number}" if pairs > 1 else "perplexity"


def groups_table(found: PairPerplexity) -> Table:
    """Medians with their intervals, and the middle nine tenths."""
    confidence = found.groups[0].confidence
    rows = [
        (
            f"{group.author} under {group.model}",
            group.outcome,
            group.on,
            count(group.responses),
            Estimated(_number(group.quantiles[2]), _interval(group.lower, group.upper)),
            Estimated(_number(group.by_problem), _interval(group.by_problem_lower, group.by_problem_upper)),
            f"{_number(group.quantiles[0])} to {_number(group.quantiles[-1])}",
        )
        for group in found.groups
    ]
    return Table(
        caption=f"Perplexity of responses, medians with {level(confidence)} intervals for problems like these",
        header=("responses of", "outcome", "problems", "responses", "median", "median of problems", "5 to 95%"),
        rows=tuple(rows),
        csv="perplexity.csv",
        text_columns=frozenset({0, 1, 2}),
    )


def rare_tables(found: PairPerplexity) -> list[tuple[str, Table]]:
    """The problems that rl alone solved, with what base thinks of the solutions; nothing where there are none."""
    known = found.reweighting
    if known is None or not known.problems:
        return []
    rows = [
        (each.problem_id, _power(each.log10_p, found.base), count(each.solutions), count(each.rare))
        for each in known.problems
    ]
    table = Table(
        caption=f"Problems that {found.rl} alone solved",
        header=("problem", f"log10 of their chance under {found.base}", "solutions seen", f"each below 1/{known.k}"),
        rows=tuple(rows),
        csv="reweighting.csv",
    )
    return [(f"What {found.base} thinks of the problems that {found.rl} alone solved", table)]


def _power(log10: float | None, base: str) -> Cell:
    return Missing(f"never drawn by {base}") if log10 is None else f"{log10:.2f}"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _interval(lower: float, upper: float) -> Shown:
    return f"{_number(lower)} to {_number(upper)}" if lower == lower else Missing("one problem has no interval")


# -- CSV -----------------------------------------------------------------------------------------------------------


def perplexity_rows(findings: Findings) -> Iterator[Row]:
    """A row for each group."""
    for found in findings.perplexities:
        for group in found.groups:
            yield found.base, found.rl, *_group_row(group)


def _group_row(g: PerplexityGroup) -> Row:
    by_problem = (g.by_problem, g.by_problem_lower, g.by_problem_upper)
    sizes = (g.responses, g.problems)
    return (
        g.author,
        g.model,
        g.outcome,
        g.on,
        *sizes,
        *g.quantiles.tolist(),
        g.lower,
        g.upper,
        *by_problem,
        g.confidence,
    )


def reweighting_rows(findings: Findings) -> Iterator[Row]:
    """A row for each problem that rl alone solved."""
    for found in findings.perplexities:
        known: Reweighting | None = found.reweighting
        for each in known.problems if known is not None else ():
            yield (
                found.base,
                found.rl,
                known.k if known else None,
                each.problem_id,
                each.solutions,
                each.log10_p,
                each.rare,
            )


def null_rows(findings: Findings) -> Iterator[Row]:
    """A row for each pair: the expected number under re-weighting, and the coverage."""
    for found in findings.perplexities:
        null: Row = (None,) * 8
        if (r := found.reweighting) is not None:
            null = (r.k, r.solved, r.rl_only, r.expected, r.deviation, r.beyond, r.solutions, r.rare_solutions)
        c = found.coverage
        cover = (None,) * 5 if c is None else (c.top_p, c.responses, c.share, c.lower, c.upper)
        yield found.base, found.rl, *null, *cover


_QUANTILES = ",".join(f"q{100 * q:g}" for q in QUANTILES)
PERPLEXITY_FILES = {
    "perplexity.csv": (
        f"base,rl,author,model,outcome,problems_on,responses,problems,{_QUANTILES},median_lower,median_upper,by_problem,"
        "by_problem_lower,by_problem_upper,confidence",
        perplexity_rows,
    ),
    "reweighting.csv": ("base,rl,k,problem_id,solutions,log10_p,rare", reweighting_rows),
    "reweighting_null.csv": (
        "base,rl,k,solved,rl_only,expected,deviation,beyond,solutions,rare_solutions,top_p,right_responses,coverage,"
        "coverage_lower,coverage_upper",
        null_rows,
    ),
}
"""As `further_csv.FILES`."""
