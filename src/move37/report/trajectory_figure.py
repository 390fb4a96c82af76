"""The picture of trainings: pass@1 and pass@k over the steps, every seed thin, the mean over seeds thick.

Where chances are known, what 2^20 tries would find is drawn dotted: computed, not sampled.
"""

from collections import defaultdict
from statistics import fmean
from typing import Any

import altair as alt

from move37.analyses import Findings
from move37.analyses.trajectory import MOST_TRIES, Point, Trajectory
from move37.report.drawing import CURVE_HEIGHT, Figure, finished, values
from move37.report.number_format import count, percent
from move37.report.palette import DASHES, SERIES, series
from move37.report.training_section import STEM


def trajectory_figures(findings: Findings) -> list[Figure]:
    """The one, or none."""
    return [] if findings.trajectory is None else [trajectory_figure(findings.trajectory)]


def trajectory_figure(found: Trajectory) -> Figure:
    """Colours by algorithm, base's left out; solid: one try, dashed: k tries. Names stand at the ends of the lines."""
    algorithms = list(found.algorithms)
    colours = [series(1 + i % (len(SERIES) - 1)) for i in range(len(algorithms))]
    seeds = [row for point in found.points for row in _rows(point, algorithms, found.k)]
    means = _means(seeds)
    last = max(row["s"] for row in means)
    x = alt.X("s:Q", title="training steps", scale=alt.Scale(domain=[0, last * 1.18 or 1], nice=False))
    y = alt.Y("v:Q", title="problems solved (%)", scale=alt.Scale(domain=[0, 100], nice=False))
    colour = alt.Color("a:N", legend=None, scale=alt.Scale(domain=list(range(len(algorithms))), range=colours))
    tries = sorted({row["k"] for row in means})
    dash = alt.StrokeDash("k:N", legend=None, scale=alt.Scale(domain=tries, range=[[1, 0], DASHES[0], DASHES[3]]))
    tips = [alt.Tooltip("n:N", title="training"), alt.Tooltip("s:Q", title="step")]
    tips += [alt.Tooltip("k:Q", title="tries"), alt.Tooltip("v:Q", title="solved, %", format=".1f")]
    each = alt.Chart(values(seeds)).mark_line(strokeWidth=1, opacity=0.35, aria=False)
    mean = alt.Chart(values(means))
    ends = alt.Chart(values([row for row in means if row["k"] == 1 and row["s"] == _end(means, row["a"])]))
    layers = [
        each.encode(x=x, y=y, color=colour, strokeDash=dash, detail=[alt.Detail("e:N")]),
        mean.mark_line(strokeWidth=2.5, aria=False).encode(x=x, y=y, color=colour, strokeDash=dash),
        mean.mark_point(filled=True, size=36, opacity=1).encode(x=x, y=y, color=colour, tooltip=tips),
        ends.mark_text(align="left", dx=6, fontSize=11, aria=False).encode(
            x=x, y=y, text=alt.Text("n:N"), color=colour
        ),
    ]
    words = "; ".join(
        f"{algorithms[a]}: pass@1 {percent(first[1])} to {percent(after[1])}, pass@{count(found.k)} "
        f"{percent(first[found.k])} to {percent(after[found.k])}"
        for a in range(len(algorithms))
        for first, after in [(_at(means, a, 0), _at(means, a, _end(means, a)))]
    )
    exact = f", dotted: pass@{count(MOST_TRIES)}, computed from chances" if MOST_TRIES in tries else ""
    return Figure(
        stem=STEM,
        title="Over the course of training",
        subtitle=f"solid: pass@1, dashed: pass@{count(found.k)}{exact}; thin: single seeds, thick: their mean",
        alt=f"pass@1 and pass@{count(found.k)} over training steps. {words}.",
        spec=finished(layers, CURVE_HEIGHT),
    )


def _rows(point: Point, algorithms: list[str], k: int) -> list[dict[str, Any]]:
    a = algorithms.index(point.algorithm)
    about = {"a": a, "n": point.algorithm, "e": f"{a} {point.seed}", "s": point.step}
    ends = [(1, point.pass_at_1), (k, point.pass_at_k)]
    if point.known is not None:
        ends.append((MOST_TRIES, point.known.pass_at_most))
    return [about | {"k": tries, "v": round(100 * value, 3)} for tries, value in ends]


def _means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[tuple[int, str, int, int], list[float]] = defaultdict(list)
    for row in rows:
        groups[row["a"], row["n"], row["s"], row["k"]].append(row["v"])
    return [
        {"a": a, "n": name, "s": step, "k": k, "v": round(fmean(group), 3)}
        for (a, name, step, k), group in sorted(groups.items())
    ]


def _end(means: list[dict[str, Any]], algorithm: int) -> int:
    return max(row["s"] for row in means if row["a"] == algorithm)


def _at(means: list[dict[str, Any]], algorithm: int, step: int) -> dict[int, float]:
    """Shares by k."""
    return {row["k"]: row["v"] / 100 for row in means if (row["a"], row["s"]) == (algorithm, step)}
