"""Findings + where they come from -> report.html, report.md, report.json, figures/ and tables/ in one folder.

The page holds all it needs: the drawing library once, a specification for each figure, styles, for readers without
scripts a drawing of each figure, and as a single file what its links hand out, so that it can be mailed. Its content
security policy forbids every request and any script but its own two, so that a prompt or a problem's id, which come
from users, stays text. Values are escaped by Jinja, and once more where they stand in a script element. The same
findings give the same bytes. Figures that an earlier report left in the folder and this one does not have are removed.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from move37.analyses import Comparison, Findings
from move37.files import write_atomically
from move37.report import ReportContext, palette, tables
from move37.report.assets import asset, drawing_library, json_in_script, policy, style_sheet
from move37.report.exports import csv_files
from move37.report.family_view import colour_position, family_view
from move37.report.handouts import Handouts
from move37.report.number_format import count, counted, level
from move37.report.pictures import coloured, drawing, remove_stale, write_picture
from move37.report.report_json import BIBTEX, report_json
from move37.report.sections import FurtherSections, further_sections
from move37.report.summary import notes, summaries
from move37.report.words import NAME, stopped_by_outcomes, unnamed
from move37.report.words.claim import joined, problems_of
from move37.report.words.first_screen import first_screen
from move37.report.words.tallied import is_family

if TYPE_CHECKING:  # Altair and vl-convert take half a second to load: only when a report is made
    from move37.report.figures import Figure


def write_report(findings: Findings, context: ReportContext, folder: Path, single_file: bool = True) -> Path:
    """Write the whole report into `folder` and return the path of report.html. Raises StoreError (full disk).

    As a single file the page holds the pictures and tables that its links hand out; otherwise they are links into the
    folder.
    """
    from move37.report.figures import figures_of

    figures = figures_of(findings)
    written = {f"tables/{name}": text.encode() for name, text in csv_files(findings, context.settings).items()}
    names = [Path(name).name for name in written]
    drawings = {figure.stem: drawing(figure) for figure in figures if figure.pictured}
    for stem, drawn in drawings.items():
        svg, png = coloured(drawn)
        written |= {f"figures/{stem}.svg": svg.encode(), f"figures/{stem}.png": png}
    written["report.json"] = report_json(findings, context)
    for name, data in written.items():
        write_atomically(folder / name, data)
    remove_stale(folder / "figures", drawings)
    content = content_of(findings, context, figures, names) | {"handouts": Handouts(written, single_file)}
    markdown = _templates(html=False).get_template("report.md.jinja").render(content)
    write_atomically(folder / "report.md", re.sub(r"\n{3,}", "\n\n", markdown).encode())
    page = folder / "report.html"
    write_atomically(page, _html(content, figures, drawings).encode())
    return page


def write_curves_picture(findings: Findings, path: Path, dark: bool = False) -> None:
    """Only the pass@k curves, as `path`.svg and `path`.png: the picture for a README or a slide."""
    from move37.report.figures import curves_figure

    write_picture(curves_figure(findings.curves, findings.guesses), path, dark)


def curves_svg(findings: Findings) -> str:
    """The pass@k curves as SVG text, in light colours: for a notebook."""
    from move37.report.figures import curves_figure

    return coloured(drawing(curves_figure(findings.curves, findings.guesses)))[0]


def content_of(
    findings: Findings, context: ReportContext, figures: list[Figure], csv_names: list[str]
) -> dict[str, Any]:
    """What the templates show; the same for HTML and markdown."""
    longest = max(len(curve.k) for curve in findings.curves)
    drawn = {figure.stem: figure for figure in figures}
    further, screen = further_sections(findings), first_screen(findings)
    models = [curve.model for curve in findings.curves]
    reliability = tuple(row for model in findings.models for row in model.reliability)
    return {
        "context": context,
        "pictured": _pictured(context),
        "screen": screen,
        "answers_table": tables.answers_table(screen),
        "continued": any(model.beyond is not None for model in findings.models),
        "more": _more(findings, further, bool(context.readers)),
        "bibtex": BIBTEX,
        "findings": findings,
        "summaries": summaries(findings),
        "notes": notes(findings),
        "figures": drawn,
        "curves_table": tables.curves_table(findings.curves, tables.powers_of_two(longest)),
        "family": family_view(findings, screen),
        "legend": _legend(findings),
        "comparisons": [
            _comparison(findings, each, number)
            | {"further": further.pairs[number - 1], "variety": further.variety[number - 1]}
            for number, each in enumerate(findings.comparisons, 1)
        ],
        "further": further,
        "reliability": tables.reliability_table(reliability) if reliability else None,
        "outcomes": tables.outcomes_table(findings.audits),
        "reasons": tables.reasons_table(findings.audits) if tables.has_reasons(findings) else None,
        "agreement": tables.agreement_table(findings.agreements) if findings.agreements else None,
        "grader_errors": tables.grader_errors_table(findings.grader_errors) if findings.grader_errors else None,
        "disagreements": _disagreements(findings),
        "settings": tables.settings_tables(context.settings, models),
        "prompts": [
            (name, text, [json.dumps(s, ensure_ascii=False) for s in stop]) for name, text, stop in context.prompts
        ],
        "csv_names": csv_names,
        "sizes": _sizes(findings, context.title),
        "confidence": level(findings.curves[0].confidence),
        "target": problems_of(findings.curves[0].target),
    }


def _pictured(context: ReportContext) -> dict[str, list[int]]:
    """Which of the thumbnails each problem has, by number."""
    found: dict[str, list[int]] = {}
    for number, each in enumerate(context.thumbnails):
        found.setdefault(each.problem_id, []).append(number)
    return found


def _disagreements(findings: Findings) -> tables.Table | None:
    table = tables.disagreements_table(findings.agreements)
    return table if table.rows else None


def _comparison(findings: Findings, comparison: Comparison, number: int) -> dict[str, Any]:
    """One comparison's tables and the names of its figures."""
    suffix = f"-{number}" if len(findings.comparisons) > 1 else ""
    difference, k_max = comparison.difference, len(comparison.difference.k)
    curves = {curve.model: curve for curve in findings.curves}
    models = [curve.model for curve in findings.curves]
    return {
        "anchor": f"comparison-{number}",
        "stopped": stopped_by_outcomes(findings.decision),
        "base": difference.base,
        "rl": difference.rl,
        "colour": palette.series(colour_position(models.index(difference.rl), len(models))),
        "stems": {name: f"{name}{suffix}" for name in ("difference", "accuracy", "transition")},
        "key_figures": tables.key_figures(
            comparison, curves[difference.base], curves[difference.rl], findings.decision
        ),
        "difference": tables.difference_table(difference, tables.powers_of_two(k_max)),
        "at_k": tables.at_k_table(difference, curves[difference.base], curves[difference.rl]),
        "curves_drawn": tables.curves_table([curves[difference.base], curves[difference.rl]], tables.drawn_ks(k_max)),
        "difference_drawn": tables.difference_table(difference, tables.drawn_ks(k_max)),
        "four_way": tables.four_way(comparison.solvable, findings.decision),
        "four_way_table": tables.four_way_table(comparison.solvable, findings.decision),
        "accuracy": tables.accuracy_table(comparison.shift),
        "transition": tables.transition_table(comparison.shift),
        "gap": tables.gap_table(comparison),
    }


def _more(findings: Findings, further: FurtherSections, readers: bool) -> list[str]:
    """What is in the fold of what few need."""
    graders = findings.agreements or findings.grader_errors or further.graders or readers
    found = [
        ("guessing", further.guessing),
        ("all models together", further.together),
        ("further measures", findings.comparisons),
        ("reliability", any(model.reliability for model in findings.models)),
        ("other readings of the samples", further.outcomes),
        ("beyond the samples taken", further.extrapolation),
        ("graders", graders),
    ]
    return [name for name, there in found if there]


def _sizes(findings: Findings, title: str) -> str:
    """ "rl against base · 1,060 problems, 128 scored samples each · bands hold for all k at once (95%)"."""
    first = findings.curves[0]
    others = [each.model for each in findings.curves[1:]]
    known = f"{count(len(others))} models" if is_family(len(findings.curves)) else ", ".join(others)
    who = f"{known} against {first.model}"
    parts = [who] if findings.comparisons and who != title else []
    low, high = min(curve.n[0] for curve in findings.curves), max(curve.n[1] for curve in findings.curves)
    samples = counted(low, "scored sample") if low == high else f"{count(low)} to {count(high)} scored samples"
    if any(curve.stopped_early for curve in findings.curves):
        samples = f"up to {counted(max(len(curve.k) for curve in findings.curves), 'scored sample')}"
        early = ", stopped early"
    else:
        early = ""
    parts.append(f"{counted(first.problems, 'problem')}, {samples} each{early}")
    return " · ".join([*parts, f"bands hold for all k at once ({level(first.confidence)})"])


def _legend(findings: Findings) -> list[dict[str, Any]]:
    """How each model is drawn."""
    return [
        {
            "model": curve.model,
            "colour": palette.series(i),
            "dash": " ".join(map(str, palette.DASHES[i % len(palette.DASHES)])),
            "outline": palette.OUTLINES[palette.SHAPES[i % len(palette.SHAPES)]],
        }
        for i, curve in enumerate(findings.curves)
    ]


# -- the page itself -----------------------------------------------------------------------------------------------


def _html(content: dict[str, Any], figures: list[Figure], drawings: dict[str, str]) -> str:
    scripts = [drawing_library(), asset("page.js")]
    return (
        _templates(html=True)
        .get_template("page.html.jinja")
        .render(
            content,
            scripts=[Markup(script) for script in scripts],
            policy=policy(scripts, bool(content["pictured"])),
            style=Markup(style_sheet()),
            specs={figure.stem: json_in_script(figure.spec) for figure in figures},
            still={stem: Markup(drawn) for stem, drawn in drawings.items()},
        )
    )


@cache
def _templates(html: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(asset),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["named"] = _named
    environment.filters["unnamed"] = unnamed
    environment.filters["joined"] = joined
    environment.filters["cell"] = _markdown_cell
    environment.filters["fence"] = _markdown_fence
    return environment


def _named(text: str) -> Markup:
    """A summary's text with the models' names set apart and no line break within "k = 61"."""
    unbroken = re.sub(r"\b([kp]) ([=<]) ", "\\1\u00a0\\2\u00a0", text)
    unbroken = re.sub(r"(?<=\d)–(?=\d)", "\u2060–\u2060", unbroken)
    return Markup(str(escape(unbroken)).replace(NAME[0], '<b class="model">').replace(NAME[1], "</b>"))


def _markdown_cell(value: Any) -> str:
    """Text that stays text, on one line, in a markdown table or paragraph."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", " ".join(str(value).split()))


def _markdown_fence(text: str) -> str:
    """A code block around `text`, with a fence that does not occur in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"
