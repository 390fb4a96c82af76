"""What does a reader see beyond the samples taken? Estimates up to twice n, and in place of a claim, bounds.

The sentences are `words/extrapolation.py`; here are the tables.
"""

from collections.abc import Sequence

from move37.analyses.extrapolation import DifferenceAtK, ModelExtrapolation, PairExtrapolation
from move37.report.number_format import (
    Missing,
    count,
    level,
    percent,
    percent_interval,
    points,
    points_interval,
)
from move37.report.tables import Cell, Estimated, Table

_SIGNS = {1: "gain", 0: "undetermined", -1: "loss"}


def differences_table(pairs: Sequence[PairExtrapolation]) -> Table:
    """RL minus base from n to 2n, with the range that the counts do not exclude."""
    confidence = level(pairs[0].differences[0].confidence)
    rows = [
        (
            f"{pair.rl} minus {pair.base}",
            count(each.k),
            Estimated(points(each.value), points_interval(each.lower, each.upper, None)),
            f"{_SIGNS[each.sign]}{_continued(each)}",
        )
        for pair in pairs
        for each in pair.differences
    ]
    return Table(
        caption=f"Difference in points and what the counts do not exclude ({confidence}), each k by itself, for "
        "problems like these",
        header=("comparison", "k", "difference", "established"),
        rows=tuple(rows),
        csv="beyond_difference.csv",
        text_columns=frozenset({0, 3}),
    )


def _continued(found: DifferenceAtK) -> str:
    return ", continued" if found.extrapolated else ""


def refusals_table(pairs: Sequence[PairExtrapolation]) -> Table:
    """What remains possible where nothing is claimed."""
    rows = [
        (
            f"{pair.rl} minus {pair.base}",
            count(each.k),
            points_interval(each.lower, each.upper, None),
            points_interval(each.lower_alone, each.upper_alone, None),
        )
        for pair in pairs
        for each in pair.refusals
    ]
    reasons = dict.fromkeys(f"{each.reason}." for pair in pairs for each in pair.refusals)
    return Table(
        caption="No claim is made here: differences in points that the counts do not exclude",
        header=("comparison", "k", "all counts together", "each never-solved problem alone"),
        rows=tuple(rows),
        csv="beyond_refused.csv",
        notes=tuple(reasons),
    )


def expected_tables_table(pairs: Sequence[PairExtrapolation]) -> Table:
    """The four-way table to expect of 2n fresh samples."""
    rows = [
        (
            f"{pair.rl} against {pair.base}",
            count(pair.table.k),
            *(
                f"{number:,.1f}"
                for number in (
                    pair.table.both,
                    pair.table.base_only,
                    pair.table.rl_only,
                    pair.table.neither,
                    pair.table.noise_floor,
                )
            ),
        )
        for pair in pairs
    ]
    return Table(
        caption="Problems to expect in the four-way table of as many fresh samples",
        header=("comparison", "k", "both", "base only", "RL only", "neither", "by luck, each"),
        rows=tuple(rows),
        csv="beyond_table.csv",
    )


def curves_table(models: Sequence[ModelExtrapolation]) -> Table:
    """pass@k from n to 2n."""
    rows = [
        (model.model, count(k), Estimated(percent(value), percent_interval(low, high, None, "not known")))
        for model in models
        for k, value, low, high in zip(
            *(column.tolist() for column in (model.k, model.pass_at_k, model.lower, model.upper)), strict=True
        )
    ]
    return Table(
        caption=f"pass@k continued ({models[0].method}) and what the counts do not exclude "
        f"({level(models[0].confidence)}), each k by itself, for problems like these",
        header=("model", "k", "pass@k"),
        rows=tuple(rows),
        csv="beyond.csv",
    )


def methods_table(models: Sequence[ModelExtrapolation]) -> Table:
    """Every method at 2n, the one that is used first."""
    names = {row.method: row.is_default for model in models for row in model.methods}
    by_key = {(model.model, row.method): row.estimate for model in models for row in model.methods}
    rows: list[tuple[Cell, ...]] = []
    for name in sorted(names, key=lambda name: not names[name]):
        cells = []
        for model in models:
            estimate = by_key.get((model.model, name))
            if estimate is None:
                cells.append(Missing("not fitted to this model"))
                continue
            interval = percent_interval(estimate.lower, estimate.upper, estimate.standard_error, "no interval")
            cells.append(Estimated(percent(estimate.value, estimate.standard_error), interval))
        rows.append((f"{name} (used)" if names[name] else name, *cells))
    return Table(
        caption=f"pass@2n by method, with the error of resampling problems ({_levels(models)}, problems like "
        "these) but not of the method itself",
        header=("method", *(f"{model.model}, k = {count(2 * model.n)}" for model in models)),
        rows=tuple(rows),
        csv="beyond_methods.csv",
    )


def _levels(models: Sequence[ModelExtrapolation]) -> str:
    known = sorted({row.estimate.confidence for model in models for row in model.methods if row.estimate.confidence})
    return " or ".join(map(level, known)) or "no interval"
