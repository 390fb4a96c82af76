"""The pictures of the exact truth: computed curves over sampled bands, and the chance of every problem."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from move37.analyses import Findings
from move37.analyses.curves import ModelCurve
from move37.analyses.exact_truth import ExactFindings, ExactModel, ExactPair
from move37.report.drawing import (
    CURVE_HEIGHT,
    INK,
    Figure,
    banded,
    by_model,
    finished,
    k_axis,
    tooltip_rule,
    values,
    y_of,
)
from move37.report.exact_section import CURVES_STEM, FEW, chances_stem
from move37.report.number_format import count, percent
from move37.report.palette import DASHES, SHAPES, series
from move37.report.tables import drawn_ks

_SQUARE = 380


def exact_figures(findings: Findings) -> list[Figure]:
    """The curves, and one of the chances for each pair; none where nothing is known."""
    found = findings.exact
    if found is None:
        return []
    order, (base, *others) = [curve.model for curve in findings.curves], found.models
    figures = [exact_curves_figure(found, findings.curves, CURVES_STEM)]
    for number, (pair, rl) in enumerate(zip(found.pairs, others, strict=True), start=1):
        figures.append(chances_figure(pair, base, rl, order.index(rl.model), chances_stem(number, len(found.pairs))))
    return figures


def exact_curves_figure(found: ExactFindings, curves: Sequence[ModelCurve], stem: str) -> Figure:
    """Computed pass@k of every model up to 2^20; of a few models with the bands of the samples, of many in thin lines
    around base's thick one.
    """
    order = [curve.model for curve in curves]
    models = sorted(found.models, key=lambda model: order.index(model.model))
    last = int(models[0].k[-1])
    x = k_axis(last)
    y = alt.Y("v:Q", title="problems solved (pass@k, %)", scale=alt.Scale(domain=[0, 100], nice=False))
    colour = by_model(alt.Color, [series(order.index(model.model)) for model in models])
    dash = by_model(alt.StrokeDash, [DASHES[order.index(model.model) % len(DASHES)] for model in models])
    computed = [
        {"m": m, "k": k, "v": round(100 * value, 4)}
        for m, model in enumerate(models)
        for k, value in zip(model.k.tolist(), model.pass_at_k.tolist(), strict=True)
    ]
    few = len(models) <= FEW
    marks = [alt.Chart(values(computed)).mark_line(strokeWidth=2 if few else 1, aria=False)]
    if not few:
        marks.append(alt.Chart(values([row for row in computed if row["m"] == 0])).mark_line(strokeWidth=3, aria=False))
    lines = [mark.encode(x=x, y=y, color=colour, strokeDash=dash) for mark in marks]
    bands = [_bands(models, curves).encode(x=x, y=y_of("l", y), y2=alt.Y2("u:Q"), color=colour)] if few else []
    layers = [*bands, *lines, tooltip_rule(_curve_tooltips(models), x)]
    words = "; ".join(
        f"{model.model}: {percent(model.pass_at_k[0])} at k = 1, {percent(model.pass_at_k[-1])} at k = {count(last)}"
        for model in models
    )
    bands_or_base = "bands: sampled" if few else f"thick: {models[0].model}"
    return Figure(
        stem=stem,
        title="pass@k, computed",
        subtitle=f"lines: computed from the chance of every right chain; {bands_or_base}",
        alt=f"Computed pass@k over k up to {count(last)}. {words}.",
        spec=finished(layers, CURVE_HEIGHT),
    )


def _bands(models: Sequence[ExactModel], curves: Sequence[ModelCurve]) -> alt.Chart:
    by_name = {curve.model: curve for curve in curves}
    sampled = [
        {"m": m, "k": k} | banded(curve.pass_at_k[k - 1], curve.lower[k - 1], curve.upper[k - 1])
        for m, model in enumerate(models)
        for curve in [by_name[model.model]]
        for k in drawn_ks(len(curve.k))
    ]
    return alt.Chart(values(sampled)).mark_area(opacity=0.2, aria=False)


def _curve_tooltips(models: Sequence[ExactModel]) -> list[dict[str, Any]]:
    return [
        {"k": k} | {f"{model.model}, computed": str(percent(model.pass_at_k[i], 1e-3)) for model in models}
        for i, k in enumerate(models[0].k.tolist())
    ]


def chances_figure(pair: ExactPair, base: ExactModel, rl: ExactModel, position: int, stem: str) -> Figure:
    """log10 p of every problem under both models; above the diagonal rl is more likely to solve it."""
    rows = [
        {"b": round(before, 3), "r": round(after, 3), "p": problem}
        for before, after, problem in zip(base.log10_p.tolist(), rl.log10_p.tolist(), base.problem_ids, strict=True)
        if abs(before) < float("inf") and abs(after) < float("inf")
    ]
    low = min((min(row["b"], row["r"]) for row in rows), default=-1.0)
    scale = alt.Scale(domain=[low - 0.3, 0], nice=False)
    x = alt.X("b:Q", title=f"log10 of the chance under {pair.base}", scale=scale)
    y = alt.Y("r:Q", title=f"log10 of the chance under {pair.rl}", scale=scale)
    ends = values([{"b": low - 0.3, "r": low - 0.3}, {"b": 0, "r": 0}])
    diagonal = alt.Chart(ends).mark_line(color=INK, strokeWidth=1, aria=False).encode(x=x, y=y)
    points = (
        alt.Chart(values(rows))
        .mark_point(color=series(position), shape=SHAPES[position % len(SHAPES)], filled=True, size=36, opacity=0.7)
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("p:N", title="problem"),
                alt.Tooltip("b:Q", title="base, log10"),
                alt.Tooltip("r:Q", title="RL, log10"),
            ],
        )
    )
    return Figure(
        stem=stem,
        title=f"The chance of every problem: {pair.rl} against {pair.base}",
        subtitle="powers of ten; above the line RL made it likelier, below it rarer",
        alt=f"Chance of each problem under both models: {pair.likelier} likelier, {pair.rarer} rarer under {pair.rl}.",
        spec=finished([diagonal, points], _SQUARE),
    )
