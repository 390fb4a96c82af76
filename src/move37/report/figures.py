"""Which pictures does a report have? Altair specifications, the same for the page and for the picture files.

Curves are drawn at every k up to 64 and then at 16 ks per doubling (`drawn_ks`), which the eye cannot tell from all;
labels that depend on the room there is are decided while drawing. `drawing.py` has what all pictures share.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import altair as alt

from move37.analyses import Comparison, Findings
from move37.analyses.curves import CurveDifference, ModelCurve
from move37.analyses.extrapolation import ModelExtrapolation
from move37.analyses.guessing import GuessBaseline
from move37.report.drawing import (
    CURVE_HEIGHT,
    INK,
    MUTED,
    PAPER,
    Figure,
    banded,
    by_model,
    finished,
    informed,
    k_axis,
    tooltip_rule,
    unchecked,
    values,
    y_of,
)
from move37.report.exact_figures import exact_figures
from move37.report.family_figure import family_curves_figure
from move37.report.family_view import colour_position
from move37.report.number_format import (
    counted,
    k_list,
    level,
    percent,
    percent_interval,
    points,
    points_interval,
    runs,
    widest,
)
from move37.report.palette import DASHES, SHAPES, series, variable
from move37.report.perplexity_figure import perplexity_figures
from move37.report.sections import token_stem
from move37.report.tables import bin_labels, drawn_ks, powers_of_two
from move37.report.token_figure import token_figure
from move37.report.trajectory_figure import trajectory_figures
from move37.report.words import settled, undecided
from move37.report.words.claim import problems_of
from move37.report.words.tallied import is_family

_LABEL_PIXELS = 15


def curves_figure(
    curves: Sequence[ModelCurve],
    guesses: Sequence[GuessBaseline] = (),
    beyond: Sequence[ModelExtrapolation | None] = (),
) -> Figure:
    """pass@k of every model with its band, over log2 k, and thin lines for what guessing would reach.

    `beyond`: the curves continued past the samples taken, dotted, in the order of the models.
    """
    last = max(len(curve.k) for curve in curves)
    continued = {i: each for i, each in enumerate(beyond) if each is not None and len(curves[i].k) == last}
    low, high = _percent_domain(curves, guesses)
    models = range(len(curves))
    x = k_axis(max([last, *(int(each.k[-1]) for each in continued.values())]))
    y = alt.Y("v:Q", title="problems solved (pass@k, %)", scale=alt.Scale(domain=[low, high], nice=False))
    colour = by_model(alt.Color, [series(i) for i in models])
    dash = by_model(alt.StrokeDash, [DASHES[i % len(DASHES)] for i in models])
    shape = by_model(alt.Shape, [SHAPES[i % len(SHAPES)] for i in models])
    drawn = alt.Chart(values([row for i in models for row in _curve_rows(i, curves[i], drawn_ks(len(curves[i].k)))]))
    marked = alt.Chart(
        values([row for i in models for row in _curve_rows(i, curves[i], powers_of_two(len(curves[i].k)))])
    )
    ends = drawn.encode(x=x, y=y_of("l", y), y2=alt.Y2("u:Q"), color=colour)
    # With one k only, an area has no width: the band is a bar.
    bands = (
        ends.mark_area(opacity=0.16, aria=False) if last > 1 else ends.mark_rule(strokeWidth=3, opacity=0.4, aria=False)
    )
    lines = drawn.mark_line(strokeWidth=2, aria=False).encode(x=x, y=y, color=colour, strokeDash=dash)
    marks = marked.mark_point(filled=True, size=42, opacity=1, aria=False).encode(x=x, y=y, color=colour, shape=shape)
    layers = [
        *_guess_lines(guesses, last, x, y),
        bands,
        lines,
        marks,
        *_dotted(continued, x, y, colour),
        _names(curves, low, high, colour, continued),
        tooltip_rule(_curve_tooltips(curves), x),
    ]
    words = "; ".join(
        f"{curve.model}: {_share(curve, 1)} at k = 1, {_share(curve, len(curve.k))} at k = {len(curve.k)}"
        for curve in curves
    )
    return Figure(
        stem="curves",
        title="pass@k",
        subtitle=f"{counted(curves[0].problems, 'problem')}, simultaneous {level(curves[0].confidence)} bands for "
        f"{problems_of(curves[0].target)}",
        alt=f"pass@k over k with bands. {words}.{_guess_words(guesses)}",
        spec=finished(layers, CURVE_HEIGHT),
    )


def difference_figure(difference: CurveDifference, position: int = 1, stem: str = "difference") -> Figure:
    """pass@k of rl minus base with its band, the named ranges of k and the first-loss set.

    `position` of rl among the models decides its colour.
    """
    last = len(difference.k)
    low, high = _points_domain(difference)
    possible = alt.Axis(labelExpr="abs(datum.value) <= 100 ? datum.label : ''")
    y = alt.Y(
        "v:Q", title="difference (percentage points)", scale=alt.Scale(domain=[low, high], nice=False), axis=possible
    )
    data = values(_difference_rows(difference))
    x = k_axis(last)
    colour = series(position)
    zero = alt.Chart(values([{"z": 0}])).mark_rule(color=INK, strokeWidth=1, aria=False).encode(y=alt.Y("z:Q"))
    band = (
        alt.Chart(data)
        .mark_area(color=colour, opacity=0.22, clip=True, aria=False)
        .encode(x=x, y=y_of("l", y), y2=alt.Y2("u:Q"))
    )
    line = alt.Chart(data).mark_line(color=colour, strokeWidth=2, clip=True, aria=False).encode(x=x, y=y)
    single = (
        alt.Chart(data).mark_rule(color=colour, strokeWidth=3, aria=False).encode(x=x, y=y_of("l", y), y2=alt.Y2("u:Q"))
    )
    point = alt.Chart(data).mark_point(color=colour, filled=True, size=60, opacity=1, aria=False).encode(x=x, y=y)
    layers = [*_ranges(difference, position), zero, band, *([single, point] if last == 1 else []), line]
    layers += _first_loss_marks(difference)
    hover = tooltip_rule(_difference_tooltips(difference), x)
    return Figure(
        stem=stem,
        title=f"{difference.rl} minus {difference.base}",
        subtitle=f"paired difference in pass@k, simultaneous {level(difference.band.confidence)} band for "
        f"{problems_of(difference.target)}",
        alt=(
            f"pass@k of {difference.rl} minus {difference.base} over k with its band. "
            f"Gain at k = {k_list(difference.shown_gain)}; loss at k = {k_list(difference.shown_loss)}; "
            f"undetermined at k = {k_list(undecided(difference))}."
        ),
        spec=finished([*layers, hover], CURVE_HEIGHT),
    )


def accuracy_figure(comparison: Comparison, position: int = 1, stem: str = "accuracy") -> Figure:
    """How many problems have which accuracy, base beside rl, in the paper's bins."""
    shift = comparison.shift
    rows = [
        {"m": m, "model": model, "b": label, "n": int(number)}
        for m, (model, counts) in enumerate(((shift.base, shift.base_counts), (shift.rl, shift.rl_counts)))
        for label, number in zip(bin_labels(), counts, strict=True)
    ]
    colours = [series(0), series(position)]
    order = bin_labels()
    base = alt.Chart(values(rows)).encode(
        x=alt.X("b:O", sort=order, title="accuracy of a problem (%, up to)", axis=_bins_axis()),
        xOffset=alt.XOffset("m:O", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("n:Q", title="problems"),
        tooltip=[
            alt.Tooltip("model:N", title="model"),
            alt.Tooltip("b:O", title="accuracy (%)"),
            alt.Tooltip("n:Q", title="problems"),
        ],
    )
    bars = base.mark_bar(strokeWidth=1.5, cornerRadiusEnd=1, aria=False).encode(
        color=by_model(alt.Color, colours),
        stroke=by_model(alt.Stroke, colours),
        fillOpacity=by_model(alt.FillOpacity, [0.25, 0.95], "O"),
    )
    # Counts above the bars only where they do not run into each other.
    roomy = {"expr": "width > 520 ? 1 : 0"}
    labels = base.mark_text(dy=-6, fontSize=10, fill=MUTED, opacity=roomy, aria=False).encode(text=alt.Text("n:Q"))
    return Figure(
        stem=stem,
        title="Problems by accuracy",
        subtitle=f"outlined: {shift.base}, filled: {shift.rl}; bins hold their upper end",
        alt=(
            f"Problems by accuracy. Never right: {shift.base} {shift.base_counts[0]}, {shift.rl} {shift.rl_counts[0]}; "
            f"above 90%: {shift.base} {shift.base_counts[-1]}, {shift.rl} {shift.rl_counts[-1]}."
        ),
        spec=finished([bars, labels], 300),
    )


def transition_figure(comparison: Comparison, stem: str = "transition") -> Figure:
    """How many problems moved from which accuracy under base to which under rl: a heat map with counts."""
    shift, order = comparison.shift, bin_labels()
    largest = int(shift.transition.max())
    rows = [
        {
            "b": order[i],
            "r": order[j],
            "n": int(shift.transition[i, j]),
            "s": bool(4 * shift.transition[i, j] > largest),
        }
        for i in range(len(order))
        for j in range(len(order))
        if shift.transition[i, j]
    ]
    across = {"sort": order, "axis": _bins_axis(), "scale": alt.Scale(domain=order)}
    up = {"sort": order[::-1], "axis": _bins_axis(), "scale": alt.Scale(domain=order[::-1])}
    x = alt.X("b:O", title=f"accuracy under {shift.base} (%, up to)", **across)
    y = alt.Y("r:O", title=f"under {shift.rl} (%, up to)", **up)
    tips = [
        alt.Tooltip("b:O", title="across (%)"),
        alt.Tooltip("r:O", title="up (%)"),
        alt.Tooltip("n:Q", title="problems"),
    ]
    data = values(rows)
    diagonal = values([{"b": label, "r": label} for label in order])
    same = alt.Chart(diagonal).mark_rect(fill=None, stroke=MUTED, strokeOpacity=0.55, aria=False).encode(x=x, y=y)
    cells = (
        alt.Chart(data)
        .mark_rect(fill=variable("heat"), cornerRadius=2, aria=False)
        .encode(
            x=x,
            y=y,
            fillOpacity=alt.FillOpacity(
                "n:Q", legend=None, scale=alt.Scale(type="sqrt", domain=[0, largest], range=[0.08, 1])
            ),
            tooltip=tips,
        )
    )
    size = {"expr": "width < 330 ? 9 : 11"}
    texts = [
        alt.Chart(data)
        .mark_text(fill=fill, fontSize=size, tooltip=None, aria=False)
        .encode(x=x, y=y, text=alt.Text("n:Q"))
        .transform_filter(f"datum.s == {str(strong).lower()}")
        for fill, strong in ((INK, False), (PAPER, True))
    ]
    return Figure(
        stem=stem,
        title="Where each problem went",
        subtitle=f"problems by accuracy under {shift.base} (across) and {shift.rl} (up); outlined: unchanged bin",
        alt=f"Heat map of problems by accuracy under {shift.base} and {shift.rl}; the counts are in the table below.",
        spec=finished([cells, same, *texts], 330),
    )


@unchecked()
def figures_of(findings: Findings) -> list[Figure]:
    """All figures: the curves, three for each comparison in order, and one for each with token counts.

    Of many models the page alone draws those of single pairs: as files they would be hundreds.
    """
    common = [first_figure(findings), *trajectory_figures(findings)]
    of_pairs = [*_pair_figures(findings), *perplexity_figures(findings)]
    exact = exact_figures(findings)
    if is_family(len(findings.curves)):
        common, of_pairs, exact = [*common, *exact[:1]], [*of_pairs, *exact[1:]], []
        of_pairs = [replace(figure, pictured=False) for figure in of_pairs]
    first, *rest = common
    return [first, *of_pairs, *rest, *exact]


def first_figure(findings: Findings) -> Figure:
    """The curves of all models."""
    curves, guesses = findings.curves, findings.guesses
    if is_family(len(curves)):
        return family_curves_figure(curves, _percent_domain(curves, guesses))
    return curves_figure(curves, guesses, [model.beyond for model in findings.models])


def _pair_figures(findings: Findings) -> list[Figure]:
    several = len(findings.comparisons) > 1
    models = [curve.model for curve in findings.curves]
    found = []
    for number, comparison in enumerate(findings.comparisons, start=1):
        suffix = f"-{number}" if several else ""
        position = colour_position(models.index(comparison.difference.rl), len(models))
        found.append(difference_figure(comparison.difference, position, f"difference{suffix}"))
        found.append(accuracy_figure(comparison, position, f"accuracy{suffix}"))
        found.append(transition_figure(comparison, f"transition{suffix}"))
    for number, pair in enumerate(findings.pairs, start=1):
        if pair.tokens is not None:
            position = colour_position(models.index(pair.rl), len(models))
            found.append(token_figure(pair.tokens, position, token_stem(number, len(findings.pairs))))
    return found


def _bins_axis() -> alt.Axis:
    """A bin by its upper end, a whole number that fits without being turned."""
    upper = "split(datum.label, '–')[1] || datum.label"
    return alt.Axis(labelAngle=0, ticks=False, labelExpr=upper)


# -- the pieces of a figure ----------------------------------------------------------------------------------------


def _curve_rows(position: int, curve: ModelCurve, ks: Sequence[int]) -> list[dict[str, Any]]:
    lower, upper = informed(curve)
    return [{"m": position, "k": k} | banded(curve.pass_at_k[k - 1], lower[k - 1], upper[k - 1]) for k in ks]


def _difference_rows(difference: CurveDifference) -> list[dict[str, Any]]:
    ends = {end for run in (*runs(difference.shown_gain), *runs(difference.shown_loss)) for end in run}
    return [
        {"k": k} | banded(difference.band.mean[k - 1], difference.reported[0][k - 1], difference.reported[1][k - 1])
        for k in sorted({*drawn_ks(len(difference.k)), *ends})
    ]


def _percent_domain(curves: Sequence[ModelCurve], guesses: Sequence[GuessBaseline]) -> tuple[float, float]:
    """The bands' and the guessers' range, out to the next multiple of 5."""
    bands = [informed(curve) for curve in curves]
    low = min(100 * float(ends.min()) for ends in (*(lower for lower, _ in bands), *(g.pass_at_k for g in guesses)))
    high = max(100 * float(upper.max()) for _, upper in bands)
    low, high = max(0, 5 * math.floor(low / 5)), min(100, 5 * math.ceil(high / 5))
    return (low, high) if low < high else (max(0, low - 5), min(100, high + 5))


def _points_domain(difference: CurveDifference) -> tuple[float, float]:
    """The band's range with room above for names and below for the first-loss set.

    ks without any information have the band [-1, 1]; they run out of the picture unless all are like that.
    """
    informed = (difference.reported[0] > -1) | (difference.reported[1] < 1)
    chosen = informed if informed.any() else slice(None)
    low = min(0.0, 100 * float(difference.reported[0][chosen].min()))
    high = max(0.0, 100 * float(difference.reported[1][chosen].max()))
    span = high - low
    return low - 0.16 * span, high + 0.14 * span


def _guess_lines(guesses: Sequence[GuessBaseline], last: int, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Thin, dashed and grey, each with its name above its right end."""
    if not guesses:
        return []
    rows = [
        {"g": g, "k": k, "v": round(100 * each.at(k), 4)}
        for g, each in enumerate(guesses)
        for k in drawn_ks(min(last, len(each.k)))
    ]
    ends = [max((row for row in rows if row["g"] == g), key=lambda row: row["k"]) for g in range(len(guesses))]
    names = [{"k": row["k"], "v": row["v"], "n": each.name} for each, row in zip(guesses, ends, strict=True)]
    lines = alt.Chart(values(rows)).mark_line(color=MUTED, strokeWidth=1, strokeDash=[2, 3], clip=True, aria=False)
    labels = alt.Chart(values(names)).mark_text(
        align="right", baseline="bottom", dx=-4, dy=-5, fontSize=11, fill=MUTED, aria=False
    )
    return [lines.encode(x=x, y=y, detail=alt.Detail("g:N")), labels.encode(x=x, y=y, text=alt.Text("n:N"))]


def _guess_words(guesses: Sequence[GuessBaseline]) -> str:
    return "".join(
        f" {each.name}: {percent(each.at(1))} at k = 1, {percent(each.at(len(each.k)))} at k = {len(each.k)}."
        for each in guesses
    )


def _dotted(continued: Mapping[int, ModelExtrapolation], x: alt.X, y: alt.Y, colour: alt.Color) -> list[alt.Chart]:
    """The curves from n to twice as many tries."""
    if not continued:
        return []
    rows = [
        {"m": i, "k": k, "v": round(100 * value, 3)}
        for i, each in continued.items()
        for k, value in zip(each.k.tolist(), each.pass_at_k.tolist(), strict=True)
    ]
    line = alt.Chart(values(rows)).mark_line(strokeWidth=2, strokeDash=[1, 4], strokeCap="round", aria=False)
    return [line.encode(x=x, y=y, color=colour)]


def _names(
    curves: Sequence[ModelCurve],
    low: float,
    high: float,
    colour: alt.Color,
    continued: Mapping[int, ModelExtrapolation],
) -> alt.Chart:
    """Each model's name beside the end of its curve, moved apart where they would overlap."""
    step = _LABEL_PIXELS * (high - low) / CURVE_HEIGHT
    ends = [
        (int(continued[i].k[-1]), float(continued[i].pass_at_k[-1]))
        if i in continued
        else (len(curve.k), float(curve.pass_at_k[-1]))
        for i, curve in enumerate(curves)
    ]
    ordered = sorted(enumerate(curves), key=lambda each: ends[each[0]][1])
    heights: list[float] = []
    for m, _ in ordered:
        wanted = 100 * ends[m][1]
        heights.append(max(wanted, heights[-1] + step) if heights else wanted)
    overflow = max(0.0, heights[-1] - high)
    rows = [
        {"m": m, "n": _short(curve.model), "k": ends[m][0], "v": round(height - overflow, 3)}
        for (m, curve), height in zip(ordered, heights, strict=True)
    ]
    # On a phone long names would take the room of the curves; the legend above names them too.
    longest = max(len(row["n"]) for row in rows)
    text = {"expr": f"containerSize()[0] < 480 && {longest} > 9 ? '' : datum.n"}
    return (
        alt.Chart(values(rows))
        .mark_text(align="left", baseline="middle", dx=9, fontSize=12, fontWeight=600, text=text, aria=False)
        .encode(x=alt.X("k:Q"), y=alt.Y("v:Q"), color=colour)
    )


def _short(name: str) -> str:
    """The end of a long name, since checkpoints of one model begin alike; the legend has it in full."""
    return name if len(name) <= 20 else f"…{name[-18:]}"


def _curve_tooltips(curves: Sequence[ModelCurve]) -> list[dict[str, Any]]:
    """One row per drawn k with every model's value in words, under the model's name."""
    # "title" and "image" are keys that the tooltip treats in its own way.
    names = [f"model {curve.model}" if curve.model in ("k", "title", "image") else curve.model for curve in curves]
    return [
        {"k": k}
        | {name: _curve_words(curve, k) for name, curve in zip(names, curves, strict=True) if k <= len(curve.k)}
        for k in drawn_ks(max(len(curve.k) for curve in curves))
    ]


def _curve_words(curve: ModelCurve, k: int) -> str:
    ends = percent_interval(curve.lower[k - 1], curve.upper[k - 1], widest(curve.se_population), "")
    return f"{_share(curve, k)} ({ends})"


def _share(curve: ModelCurve, k: int) -> str:
    return str(percent(curve.pass_at_k[k - 1], widest(curve.se_population)))


def _difference_tooltips(difference: CurveDifference) -> list[dict[str, Any]]:
    rows = []
    for row in _difference_rows(difference):
        k: int = row["k"]
        error = float(difference.band.standard_error[k - 1])
        ends = points_interval(difference.reported[0][k - 1], difference.reported[1][k - 1], error)
        rows.append(
            {
                "k": k,
                "difference": f"{points(difference.band.mean[k - 1], error)} points",
                f"{level(difference.band.confidence)} band": ends,
                "established": settled(difference, k),
            }
        )
    return rows


def _ranges(difference: CurveDifference, position: int) -> list[alt.Chart]:
    """Shaded and named: where gain and loss are established, and where neither is."""
    last = len(difference.k)
    rows = []
    for name, colour, ks in (
        ("gain", series(position), difference.shown_gain),
        ("undetermined", MUTED, undecided(difference)),
        ("loss", series(0), difference.shown_loss),
    ):
        for first, final in runs(ks):
            rows.append(_range_row(name, colour, first, final, last))
    colours = alt.Color("c:N", scale=None, legend=None)
    edges = {"x": alt.X("a:Q"), "x2": alt.X2("b:Q")}
    shade = (
        alt.Chart(values(rows))
        .mark_rect(aria=False)
        .encode(**edges, color=colours, opacity=alt.Opacity("o:Q", scale=None, legend=None))
    )
    strip = alt.Chart(values(rows)).mark_rect(height=4, aria=False).encode(**edges, y=alt.YValue(0), color=colours)
    text = {
        "expr": "datum.s * width > 7.2 * length(datum.n + datum.r) + 12 ? datum.n + ' ' + datum.r : "
        "datum.s * width > 7.2 * length(datum.n) + 4 ? datum.n : ''"
    }
    names = (
        alt.Chart(values(rows))
        .mark_text(baseline="top", dy=10, fontSize=12, fontWeight=600, text=text, aria=False)
        .encode(x=alt.X("x:Q"), y=alt.YValue(0), color=colours)
    )
    return [shade, strip, names]


def _range_row(name: str, colour: str, first: int, final: int, last: int) -> dict[str, Any]:
    if last == 1:
        left, right, share = 0.5, 2.0, 1.0
    else:
        # Borders lie half-way between ks, on a log axis: at the geometric mean.
        left = 1.0 if first == 1 else math.sqrt(first * (first - 1))
        right = float(last) if final == last else math.sqrt(final * (final + 1))
        share = math.log(right / left) / math.log(last)
    return {
        "n": name,
        "r": k_list(range(first, final + 1)),
        "c": colour,
        "o": 0.05 if name == "undetermined" else 0.13,
        "a": round(left, 4),
        "b": round(right, 4),
        "x": round(math.sqrt(left * right), 4),
        "s": round(share, 4),
    }


def _first_loss_marks(difference: CurveDifference) -> list[alt.Chart]:
    """A bracket over the ks that may be the first loss; nothing where no loss is established."""
    first, final = difference.shown_first_loss[0]
    if final is None or len(difference.k) == 1:
        return []
    row = {"a": first, "b": final, "t": f"first loss: k = {k_list(range(first, final + 1))}"}
    row["x"] = round(math.sqrt(first * final), 4)
    floor = alt.YValue(CURVE_HEIGHT - 14)
    data = values([row])
    bar = (
        alt.Chart(data)
        .mark_rule(color=INK, strokeWidth=2, aria=False)
        .encode(x=alt.X("a:Q"), x2=alt.X2("b:Q"), y=floor)
    )
    ends = [
        alt.Chart(data)
        .mark_tick(color=INK, thickness=2, size=11, orient="vertical", aria=False)
        .encode(x=alt.X(f"{end}:Q"), y=floor)
        for end in ("a", "b")
    ]
    align = {"expr": f"{math.log(row['x']) / math.log(len(difference.k)):.4f} > 0.7 ? 'right' : 'center'"}
    label = (
        alt.Chart(data)
        .mark_text(baseline="bottom", dy=-8, fontSize=12, fill=INK, align=align, aria=False)
        .encode(x=alt.X("x:Q"), y=floor, text=alt.Text("t:N"))
    )
    return [bar, *ends, label]
