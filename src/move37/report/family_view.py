"""Many models on one page: small drawings side by side, one table that can be sorted, and how many models do what.

From the number of models on that one chart's colours cannot tell apart, each model has a small drawing of its own (its
curve and base's on common axes), a row of the table, and a fold with what a report of one pair shows. Left out: the
folds' content, which is the same as for few models.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses import Comparison, Findings
from move37.analyses.curves import CurveDifference, ModelCurve
from move37.report.number_format import count, k_list, percent, runs, widest
from move37.report.tables import Cell, Table, difference_cell
from move37.report.words.first_screen import FirstScreen
from move37.report.words.tallied import Tallied, is_family, tallied

WIDTH, HEIGHT = 180.0, 96.0
"""Of a small drawing, in its own units."""


def colour_position(position: int, models: int) -> int:
    """Which colour the model at `position` has: among many there is base's and one for all others."""
    return min(position, 1) if is_family(models) else position


@dataclass(frozen=True)
class Panel:
    """One model's curve and its base's as paths of an SVG; ranges (x, width) in which gain or loss is established."""

    base: str
    model: str
    band: str
    gains: tuple[tuple[float, float], ...]
    losses: tuple[tuple[float, float], ...]
    alt: str


@dataclass(frozen=True)
class FamilyRow:
    """A model of the table. `cells` come with the number by which their column is sorted."""

    anchor: str
    model: str
    cells: tuple[tuple[Cell, float], ...]
    panel: Panel


@dataclass(frozen=True)
class FamilyView:
    header: tuple[str, ...]
    rows: tuple[FamilyRow, ...]
    answers: tuple[Tallied, ...]
    low: str
    high: str
    """The ends of the common vertical axis."""
    last: int
    """The largest k."""

    @property
    def table(self) -> Table:
        """The same rows without their drawings."""
        return Table(
            caption="Every model, each with its own confidence; differences in points",
            header=("model", *self.header),
            rows=tuple((row.model, *(cell for cell, _ in row.cells)) for row in self.rows),
            csv="difference.csv",
        )


def family_view(findings: Findings, screen: FirstScreen) -> FamilyView | None:
    """None for fewer models, of which one chart shows all."""
    if not is_family(len(findings.curves)):
        return None
    curves = {curve.model: curve for curve in findings.curves}
    low, high = _axis(findings.curves)
    last = min(len(each.difference.k) for each in findings.comparisons)
    moves = all(each.gained is not None and each.lost is not None for each in findings.comparisons)
    rows = tuple(
        FamilyRow(
            f"comparison-{number}",
            each.difference.rl,
            _cells(each, curves[each.difference.rl], last, moves),
            _panel(each.difference, curves[each.difference.base], curves[each.difference.rl], (low, high)),
        )
        for number, each in enumerate(findings.comparisons, 1)
    )
    header = ("pass@1", "minus base", *((f"pass@{count(last)}", "minus base") if last > 1 else ()))
    header += ("better at k", "worse at k", *(("new moves", "lost moves") if moves else ()))
    ends = f"{100 * low:.0f}%", f"{100 * high:.0f}%"
    return FamilyView(header, rows, tallied(screen), *ends, last)


def _cells(comparison: Comparison, curve: ModelCurve, last: int, moves: bool) -> tuple[tuple[Cell, float], ...]:
    difference = comparison.difference
    cells: list[tuple[Cell, float]] = []
    for k in sorted({1, last}):
        share = float(curve.pass_at_k[k - 1])
        cells.append((percent(share, widest(curve.se_population)), share))
        cells.append((difference_cell(difference, k), float(difference.band.mean[k - 1])))
    for ks in (difference.shown_gain, difference.shown_loss):
        cells.append((k_list(ks) if ks else "none shown", float(len(ks))))
    for change in (comparison.gained, comparison.lost) if moves else ():
        assert change is not None
        shown = f"{count(change.at_least)} or more" if change.shown else f"none shown of {count(change.only)}"
        cells.append((shown, change.at_least + change.only / 1e6))
    return tuple(cells)


# -- the small drawings ------------------------------------------------------------------------------------------------


def _axis(curves: Sequence[ModelCurve]) -> tuple[float, float]:
    """The range of all curves, out to the next multiples of 5 %."""
    low = min(float(curve.pass_at_k.min()) for curve in curves)
    high = max(float(curve.pass_at_k.max()) for curve in curves)
    return max(0.0, math.floor(20 * low) / 20), max(min(1.0, math.ceil(20 * high) / 20), 0.05)


def sparse_ks(last: int) -> list[int]:
    """Two ks per doubling, and `last`: enough for a drawing the size of a stamp."""
    return sorted({round(2 ** (i / 2)) for i in range(2 * last.bit_length()) if 2 ** (i / 2) <= last} | {last})


def _panel(difference: CurveDifference, base: ModelCurve, rl: ModelCurve, ends: tuple[float, float]) -> Panel:
    last = len(difference.k)
    ks = sparse_ks(last)
    says_nothing = (rl.lower <= 0) & (rl.upper >= 1)  # no width there: it would fill the drawing
    bounds = (np.where(says_nothing, rl.pass_at_k, end) for end in (rl.lower, rl.upper))
    lower, upper = (_path(ks, np.clip(end, *ends), ends, last) for end in bounds)
    gain, loss = k_list(difference.shown_gain) or "none", k_list(difference.shown_loss) or "none"
    return Panel(
        base=f"M{_path(ks, base.pass_at_k, ends, last)}",
        model=f"M{_path(ks, rl.pass_at_k, ends, last)}",
        band=f"M{upper}L{' '.join(reversed(lower.split()))}Z",
        gains=_ranges(difference.shown_gain, last),
        losses=_ranges(difference.shown_loss, last),
        alt=f"pass@k of {rl.model} and {base.model}. Better at k: {gain}; worse at k: {loss}.",
    )


def _path(ks: Sequence[int], shares: Sequence[float] | np.ndarray, ends: tuple[float, float], last: int) -> str:
    low, high = ends
    height = [HEIGHT * (1 - (float(shares[k - 1]) - low) / (high - low)) for k in ks]
    return " ".join(f"{_x(k, last):.1f},{y:.1f}" for k, y in zip(ks, height, strict=True))


def _x(k: float, last: int) -> float:
    return WIDTH * math.log(k) / math.log(last) if last > 1 else WIDTH / 2


def _ranges(ks: tuple[int, ...], last: int) -> tuple[tuple[float, float], ...]:
    """Borders lie half-way between ks, on a log axis."""
    found = []
    for first, final in runs(ks):
        left = _x(max(1.0, math.sqrt(first * (first - 1))), last)
        right = _x(min(float(last), math.sqrt(final * (final + 1))), last)
        found.append((round(left, 1), round(max(right - left, 1.0), 1)))
    return tuple(found)
