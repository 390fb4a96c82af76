"""The picture of perplexities: for each author under each model, right and wrong responses, their median and spread.

As Figure 6 of arXiv 2504.13837, but with quantiles: a thin line from 5 to 95 %, a bar from 25 to 75 %, a tick at the
median. The axis is logarithmic.
"""

from typing import Any

import altair as alt

from move37.analyses import Findings
from move37.analyses.perplexity import PairPerplexity
from move37.report.drawing import INK, Figure, finished, values
from move37.report.palette import series
from move37.report.perplexity_section import perplexity_stem

_ROW = 34


def perplexity_figures(findings: Findings) -> list[Figure]:
    """One for each pair of which anything was scored."""
    models = [curve.model for curve in findings.curves]
    pairs = len(findings.perplexities)
    return [
        perplexity_figure(found, models, perplexity_stem(number, pairs))
        for number, found in enumerate(findings.perplexities, start=1)
    ]


def perplexity_figure(found: PairPerplexity, models: list[str], stem: str) -> Figure:
    """`models` in the order of their colours."""
    rows = _rows(found, models)
    order = list(dict.fromkeys(row["n"] for row in rows))
    low, high = min(row["a"] for row in rows), max(row["e"] for row in rows)
    y = alt.Y("n:N", sort=order, title=None, axis=alt.Axis(ticks=False, labelLimit=260))
    scale = alt.Scale(type="log", domain=[low / 1.02, high * 1.02], nice=False)
    colour = alt.Color("c:N", scale=None, legend=None)
    base = alt.Chart(values(rows)).encode(y=y)

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", title="perplexity of a response", scale=scale)

    tips = [alt.Tooltip("n:N", title="responses"), alt.Tooltip("r:Q", title="how many")]
    tips += [alt.Tooltip(f"{f}:Q", title=t, format=".4g") for f, t in (("a", "5%"), ("c5", "median"), ("e", "95%"))]
    layers = [
        base.mark_rule(strokeWidth=1.5).encode(x=x("a"), x2=alt.X2("e:Q"), color=colour),
        base.mark_bar(height=12, opacity=0.55).encode(x=x("b"), x2=alt.X2("d:Q"), color=colour, tooltip=tips),
        base.mark_tick(color=INK, thickness=2, size=16).encode(x=x("c5")),
    ]
    words = "; ".join(f"{row['n']}: median {row['c5']:.4g}" for row in rows)
    return Figure(
        stem=stem,
        title=f"Perplexities: {found.rl} and {found.base}",
        subtitle="line: 5 to 95 %, bar: 25 to 75 %, tick: median of all responses",
        alt=f"Perplexity of responses by author, model and outcome. {words}.",
        spec=finished(layers, _ROW * len(rows) + 20),
    )


def _rows(found: PairPerplexity, models: list[str]) -> list[dict[str, Any]]:
    rows = []
    for group in found.groups:
        known = group.author in models
        if group.on != "all" or (group.outcome == "all" and known):
            continue
        a, b, c, d, e = group.quantiles.tolist()
        name = f"{group.author} under {group.model}" + (f", {group.outcome}" if known else "")
        colour = series(models.index(group.author)) if known else INK
        rows.append({"n": name, "a": a, "b": b, "c5": c, "d": d, "e": e, "c": colour, "r": group.responses})
    return rows
