"""The first chart of a report of many models: base with its band, every other model as a thin line that is named when
it is pointed at. Which model is where, the small drawings and the table beside it say."""

from collections.abc import Sequence

import altair as alt

from move37.analyses.curves import ModelCurve
from move37.report.drawing import CURVE_HEIGHT, Figure, banded, finished, informed, k_axis, values, y_of
from move37.report.family_view import sparse_ks
from move37.report.number_format import count, counted, level, percent, widest
from move37.report.palette import series
from move37.report.words.claim import problems_of


def family_curves_figure(curves: Sequence[ModelCurve], domain: tuple[float, float]) -> Figure:
    """pass@k of base and of all models, over log2 k. `domain` is the vertical range in percent; base comes first."""
    base, *others = curves
    last = max(len(curve.k) for curve in curves)
    x = k_axis(last)
    y = alt.Y("v:Q", title="problems solved (pass@k, %)", scale=alt.Scale(domain=list(domain), nice=False))
    hover = alt.selection_point(
        name="hover", fields=["m"], nearest=True, on="pointerover", clear="pointerout", empty=False
    )
    rows = [
        {"m": m, "k": k, "v": round(100 * float(curve.pass_at_k[k - 1]), 2)}
        for m, curve in enumerate(others, 1)
        for k in sparse_ks(len(curve.k))
    ]
    points = [{**row, "model": curves[row["m"]].model, "solved": _words(curves[row["m"]], row["k"])} for row in rows]
    shared = alt.Chart(values(rows))
    thin = shared.mark_line(color=series(1), clip=True, aria=False).encode(
        x=x,
        y=y,
        detail=alt.Detail("m:N"),
        opacity=alt.OpacityValue(**alt.condition(hover, alt.value(1), alt.value(0.6))),
        strokeWidth=alt.StrokeWidthValue(**alt.condition(hover, alt.value(3), alt.value(1.2))),
    )
    pointed = (
        alt.Chart(values(points))
        .mark_point(color=series(1), filled=True, size=60, aria=False, tooltip=alt.TooltipContent("data"))
        .encode(x=x, y=y, opacity=alt.OpacityValue(**alt.condition(hover, alt.value(0.01), alt.value(0))))
        .add_params(hover)
    )
    lower, upper = informed(base)
    known = [{"k": k} | banded(base.pass_at_k[k - 1], lower[k - 1], upper[k - 1]) for k in sparse_ks(last)]
    own = alt.Chart(values(known))
    band = own.mark_area(color=series(0), opacity=0.18, clip=True, aria=False).encode(
        x=x, y=y_of("l", y), y2=alt.Y2("u:Q")
    )
    line = own.mark_line(color=series(0), strokeWidth=3, strokeDash=[6, 3], clip=True, aria=False).encode(x=x, y=y)
    at_ends = (f"k = {k}: {_range(others, k)}, {base.model} {_words(base, k)}" for k in sorted({1, last}))
    return Figure(
        stem="curves",
        title="pass@k",
        subtitle=f"{base.model} dashed, with its {level(base.confidence)} band for {problems_of(base.target)}; "
        f"{count(len(others))} models; {counted(base.problems, 'problem')}",
        alt=f"pass@k over k of {count(len(curves))} models. {'; '.join(at_ends)}.",
        spec=finished([band, thin, line, pointed] if last > 1 else [thin, line, pointed], CURVE_HEIGHT),
    )


def _words(curve: ModelCurve, k: int) -> str:
    return str(percent(curve.pass_at_k[k - 1], widest(curve.se_population)))


def _range(curves: Sequence[ModelCurve], k: int) -> str:
    known = sorted((float(curve.pass_at_k[k - 1]), _words(curve, k)) for curve in curves if len(curve.k) >= k)
    return f"{known[0][1]} to {known[-1][1]}" if known else "not known"
