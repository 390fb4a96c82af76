"""The picture of a comparison at equal tokens: which model solves more for the same number of generated tokens?

The difference with its band over the budget, as the difference over k is drawn; the budgets at which a gain or a loss
is established are shaded. All values are percentage points.
"""

from itertools import pairwise
from typing import Any

import altair as alt

from move37.analyses.token_budget import TokenBudget
from move37.report.details import budget_shown
from move37.report.drawing import CURVE_HEIGHT, INK, Figure, banded, finished, tooltip_rule, values, y_of
from move37.report.number_format import count, level, percent, points, points_interval
from move37.report.palette import series

_ALONE = 1.5
"""Factor of room on either side of a single budget."""


def token_figure(found: TokenBudget, position: int, stem: str) -> Figure:
    """pass@ budget of rl minus base with its band. `position` of rl among the models decides its colour."""
    budgets = found.tokens.tolist()
    x, y = _axes(found)
    data = values([_row(found, i) for i in range(len(budgets))])
    colour = series(position)
    zero = alt.Chart(values([{"z": 0}])).mark_rule(color=INK, strokeWidth=1, aria=False).encode(y=alt.Y("z:Q"))
    if len(budgets) > 1:
        band = alt.Chart(data).mark_area(color=colour, opacity=0.22, clip=True, aria=False)
        line = alt.Chart(data).mark_line(color=colour, strokeWidth=2, clip=True, aria=False)
    else:
        band = alt.Chart(data).mark_rule(color=colour, strokeWidth=3, clip=True, aria=False)
        line = alt.Chart(data).mark_point(color=colour, filled=True, size=60, opacity=1, aria=False)
    layers = [
        _established(found, position),
        zero,
        band.encode(x=x, y=y_of("l", y), y2=alt.Y2("u:Q")),
        line.encode(x=x, y=y),
    ]
    return Figure(
        stem=stem,
        title=f"{found.rl} minus {found.base} at equal tokens",
        subtitle=f"difference in problems solved, simultaneous {level(found.band.confidence)} band",
        alt=(
            f"Problems solved by {found.rl} minus {found.base} at equal generated tokens with its band. "
            f"Gain at {_span(found.shown_gain)}; loss at {_span(found.shown_loss)}."
        ),
        spec=finished([*layers, tooltip_rule(_tooltips(found), x, "tokens")], CURVE_HEIGHT),
    )


def _axes(found: TokenBudget) -> tuple[alt.X, alt.Y]:
    first, last = float(found.tokens[0]), float(found.tokens[-1])
    ends = [first, last] if first < last else [first / _ALONE, first * _ALONE]
    lower, upper = found.reported
    low, high = min(0.0, 100 * float(lower.min())), max(0.0, 100 * float(upper.max()))
    room = 0.1 * (high - low)
    x = alt.X(
        "tokens:Q",
        title="generated tokens per problem",
        scale=alt.Scale(type="log", base=2, domain=ends, nice=False),
        axis=alt.Axis(format=",d", tickCount=8, labelOverlap="parity", labelSeparation=8, labelFlush=True),
    )
    y = alt.Y(
        "v:Q",
        title="difference (percentage points)",
        scale=alt.Scale(domain=[max(-100.0, low - room), min(100.0, high + room)], nice=False),
    )
    return x, y


def _row(found: TokenBudget, i: int) -> dict[str, Any]:
    lower, upper = found.reported
    return {"tokens": round(float(found.tokens[i]), 2)} | banded(found.band.mean[i], lower[i], upper[i])


def _established(found: TokenBudget, position: int) -> alt.Chart:
    """A strip at the top over every budget, in the colour of the model that is ahead there."""
    colours = {"gain": series(position), "loss": series(0)}
    budgets = found.tokens.tolist()
    edges = [budgets[0], *((a * b) ** 0.5 for a, b in pairwise(budgets)), budgets[-1]]
    rows = [
        {"a": round(left, 2), "b": round(right, 2), "c": colours[settled]}
        for budget, left, right in zip(budgets, edges, edges[1:], strict=False)
        if (settled := budget_shown(found, budget)) in colours
    ]
    return (
        alt.Chart(values(rows))
        .mark_rect(height=4, aria=False)
        .encode(x=alt.X("a:Q"), x2=alt.X2("b:Q"), y=alt.YValue(0), color=alt.Color("c:N", scale=None, legend=None))
    )


def _tooltips(found: TokenBudget) -> list[dict[str, Any]]:
    """One row per budget, in words. "tokens" is what the axis and the pointer share, so it is a number."""
    rows, band, (lower, upper) = [], found.band, found.reported
    for i, budget in enumerate(found.tokens.tolist()):
        error = float(band.standard_error[i])
        rows.append(
            {
                "tokens": round(budget),
                "difference": f"{points(band.mean[i], error)} points",
                f"{level(band.confidence)} band": points_interval(lower[i], upper[i], error),
                "solved by base": f"{percent(found.base_pass[i], error)} at k = {found.k_base[i]:,.1f}",
                "solved by RL": f"{percent(found.rl_pass[i], error)} at k = {found.k_rl[i]:,.1f}",
                "established": budget_shown(found, budget),
            }
        )
    return rows


def _span(budgets: tuple[float, ...]) -> str:
    return f"{count(budgets[0])} to {count(budgets[-1])} tokens" if budgets else "no budget"
