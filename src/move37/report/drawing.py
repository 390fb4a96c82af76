"""What do all pictures share? Type, colours of the frame, the axis of k, one look for each model, and the tooltip.

Widths follow the container, heights are fixed. Colours are CSS variables (`palette.py`). All values are percent. A
user's text (model names) is data or a plain title, never part of an expression: no tooltip title, no sort order, no
description of a mark holds it. Left out: titles, which the page has as headings and picture files get from `Figure`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import altair as alt
import numpy as np
from altair.utils.schemapi import debug_mode

from move37.analyses.curves import ModelCurve
from move37.report.palette import variable
from move37.types import FloatArray

INK, MUTED, GRID, PAPER, RULE = (variable(name) for name in ("ink", "muted", "grid", "paper", "rule"))
CURVE_HEIGHT = 340
unchecked = partial(debug_mode, False)
"""For what draws: to check every piece against the schema as it is made takes a quarter of the time. The whole is
checked by tests/test_report.py."""


@dataclass(frozen=True, eq=False)
class Figure:
    """`stem` names its files, `alt` says in words what it shows, `spec` is Vega-Lite.

    One that is not `pictured` is drawn by the page alone, and no picture file is made of it.
    """

    stem: str
    title: str
    subtitle: str
    alt: str
    spec: dict[str, Any]
    pictured: bool = True


def finished(layers: list[Any], height: int) -> dict[str, Any]:
    chart = alt.layer(*layers).properties(
        width="container",
        height=height,
        padding={"left": 4, "right": 10, "top": 8, "bottom": 4},
        background="transparent",
    )
    # Checking it against the schema takes half of a figure's time, and is done by tests/test_report.py.
    spec = chart.configure(**_CONFIG).to_dict(validate=False)
    del spec["$schema"]  # an address that nobody has to visit
    return spec


_CONFIG: dict[str, Any] = {
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "gridColor": GRID,
        "domainColor": RULE,
        "tickColor": RULE,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "axisY": {"domain": False, "ticks": False, "labelPadding": 6},
    "axisX": {"grid": False},
    "title": {
        "color": INK,
        "subtitleColor": MUTED,
        "anchor": "start",
        "offset": 12,
        "fontSize": 15,
        "subtitleFontSize": 12,
    },
}


def values(rows: list[dict[str, Any]]) -> alt.InlineData:
    with unchecked():
        return alt.InlineData(values=tuple(rows))  # a list would be copied whole with every layer


def y_of(field: str, like: alt.Y) -> alt.Y:
    copied = like.copy()
    copied.shorthand = f"{field}:Q"
    return copied


def k_axis(last: int) -> alt.X:
    """log2 k from 1 to `last`, with a tick at every power of two."""
    domain = [1, last] if last > 1 else [0.5, 2]
    ticks = [2**i for i in range(int(math.log2(last)) + 1)]
    return alt.X(
        "k:Q",
        title="tries per problem (k)",
        scale=alt.Scale(type="log", base=2, domain=domain, nice=False),
        axis=alt.Axis(values=ticks, format=",d", labelOverlap="parity", labelSeparation=8, labelFlush=False),
    )


def by_model(channel: Any, values: Sequence[Any], kind: str = "N") -> Any:
    """An encoding that gives the model at position "m" its own value; no legend, the page has one with full names.

    Vega-Lite complains in the console about an opacity that is not ordinal ("O") and a shape that is.
    """
    return channel(f"m:{kind}", legend=None, scale=alt.Scale(domain=list(range(len(values))), range=list(values)))


def informed(curve: ModelCurve) -> tuple[FloatArray, FloatArray]:
    """The band, of no width where it is the whole range: that says nothing, and would fill the picture."""
    says_nothing = (curve.lower <= 0) & (curve.upper >= 1)
    lower, upper = (np.where(says_nothing, curve.pass_at_k, ends) for ends in (curve.lower, curve.upper))
    return lower, upper


def banded(value: float, lower: float, upper: float) -> dict[str, float]:
    """A value with its band, in percent."""
    return {name: round(100 * float(share), 3) for name, share in (("v", value), ("l", lower), ("u", upper))}


def tooltip_rule(rows: list[dict[str, Any]], x: alt.X, field: str = "k") -> alt.Chart:
    """A rule at the nearest `field`, which `x` encodes, with a tooltip of its whole row.

    The row is the tooltip's content because Vega-Lite 6.4 shows "undefined" for single text fields under `nearest`.
    """
    hover = alt.selection_point(
        name="hover", fields=[field], nearest=True, on="pointerover", clear="pointerout", empty=False
    )
    return (
        alt.Chart(values(rows))
        .mark_rule(color=MUTED, aria=False, tooltip=alt.TooltipContent("data"))
        .encode(x=x, opacity=alt.OpacityValue(**alt.condition(hover, alt.value(0.7), alt.value(0))))
        .add_params(hover)
    )
