"""A look at a training as one page that opens offline: sentences, the table, and pictures over the steps.

While the training goes on the page reloads itself; the last look writes it without that. Pictures are drawings, not
programs: the page has no script.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from move37.files import write_atomically
from move37.report.assets import style_sheet
from move37.watch.looking import Watched
from move37.watch.shown import header, is_everything, rows, sentences

PAGE = "watch.html"
_SECONDS = 15
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_page(watched: Watched, live: bool = True) -> Path:
    """Write watch.html into the run folder. Raises StoreError."""
    text = _template().render(
        title=watched.folder.name or str(watched.folder),
        folder=str(watched.folder),
        run=str(watched.run),
        seconds=_SECONDS if live else None,
        policy=_POLICY,
        style=Markup(style_sheet()),
        header=header(watched),
        rows=rows(watched),
        sentences=[each for each in sentences(watched) if each],
        notices=watched.notices,
        pictures=[Markup(svg) for svg in _pictures(watched)],
    )
    path = watched.run / PAGE
    write_atomically(path, text.encode())
    return path


@cache
def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("move37.watch", ".")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.jinja")


def _pictures(watched: Watched) -> list[str]:
    """One step is no way: pictures begin with two."""
    if len(watched.boundary.steps) < 2:
        return []
    import vl_convert

    return [vl_convert.vegalite_to_svg(spec | {"width": 620}) for spec in _specs(watched)]


def _specs(watched: Watched) -> list[dict[str, Any]]:
    from move37.report.drawing import INK, MUTED, finished

    steps = watched.boundary.steps
    specs = [finished(_differences(steps, k), 220) for k in sorted({steps[-1].k[0], steps[-1].k[-1]})]
    counts = [
        {"step": step.step, "problems": value, "what": what}
        for step in steps
        if step.against_first is not None
        for what, value in (("gained", step.against_first.gained), ("lost", step.against_first.lost))
    ]
    specs.append(finished([_lines(counts, "problems", "problems", (INK, MUTED))], 180))
    lengths = [{"step": step, "value": value, "what": watched.length_unit} for step, value in watched.length.items()]
    specs.append(finished([_lines(lengths, "value", f"mean length, {watched.length_unit}", (INK,))], 140))
    entropy = [
        {"step": step, "value": each.entropy, "what": "entropy"}
        for step, each in sorted(watched.metrics.items())
        if each.entropy is not None
    ]
    if len(entropy) > 1:
        specs.append(finished([_lines(entropy, "value", "entropy, nats per token", (INK,))], 140))
    return specs


def _differences(steps: Sequence[Any], k: int) -> list[Any]:
    """pass@k minus that of the first step, with its intervals and the line of no difference."""
    import altair as alt

    from move37.report.drawing import INK, MUTED, values

    found = [
        {"step": step.step, "d": 100 * mean, "l": 100 * low, "u": 100 * high}
        for step in steps
        if step.against_first is not None and k in step.k[: len(step.against_first.at)]
        for mean, low, high in [step.against_first.at[step.k.index(k)]]
    ]
    known = [row for row in found if not is_everything(row["l"] / 100, row["u"] / 100)]
    rule = alt.Chart(values([{"zero": 0}])).mark_rule(color=MUTED, strokeDash=[4, 4]).encode(y=alt.Y("zero:Q"))
    chart = alt.Chart(values(found)).encode(x=alt.X("step:Q", title="step", axis=alt.Axis(format="d")))
    bars = (
        alt.Chart(values(known))
        .mark_rule(color=INK)
        .encode(x=alt.X("step:Q"), y=alt.Y("l:Q", title=f"pass@{k} minus first, points"), y2=alt.Y2("u:Q"))
    )
    points = chart.mark_line(color=INK, point={"color": INK}).encode(y=alt.Y("d:Q"))
    return [rule, bars, points]


def _lines(found: list[dict[str, Any]], field: str, title: str, colours: tuple[str, ...]) -> Any:
    import altair as alt

    from move37.report.drawing import values

    names = list(dict.fromkeys(row["what"] for row in found))
    colour = alt.Color("what:N", scale=alt.Scale(domain=names, range=list(colours[: len(names)])), title=None)
    axis = alt.X("step:Q", title="step", axis=alt.Axis(format="d"))
    return (
        alt.Chart(values(found))
        .mark_line(point=True)
        .encode(x=axis, y=alt.Y(f"{field}:Q", title=title), color=colour if len(names) > 1 else alt.value(colours[0]))
    )
