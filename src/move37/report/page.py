"""Findings + where they come from -> report.html, report.md, report.json, figures/ and tables/ in one folder.

The page holds all it needs: the drawing library once, a specification for each figure, styles, for readers without
scripts a drawing of each figure, and as a single file what its links hand out, so that it can be mailed. Its content
security policy forbids every request and any script but its own two, so that a prompt or a problem's id, which come
from users, stays text. Values are escaped by Jinja, and once more where they stand in a script element. The same
findings give the same bytes. Figures that an earlier report left in the folder and this one does not have are removed.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from move37.analyses import Comparison, Findings
from move37.parts import write_atomically
from move37.report import ReportContext, palette, tables
from move37.report.exports import csv_files
from move37.report.number_format import count, counted, level
from move37.report.report_json import BIBTEX, report_json
from move37.report.sections import FurtherSections, further_sections
from move37.report.summary import notes, summaries
from move37.report.words import NAME, stopped_by_outcomes, unnamed
from move37.report.words.claim import joined, problems_of
from move37.report.words.first_screen import first_screen

if TYPE_CHECKING:  # Altair and vl-convert take half a second to load: only when a report is made
    from move37.report.figures import Figure

_PICTURE_WIDTH = 720
_PICTURE_SCALE = 2.0
_STEMS = re.compile(
    r"(curves|exact|trajectory|(difference|accuracy|transition|tokens|chances|perplexity)(-\d+)?)\.(png|svg)"
)


def write_report(findings: Findings, context: ReportContext, folder: Path, single_file: bool = True) -> Path:
    """Write the whole report into `folder` and return the path of report.html. Raises StoreError (full disk).

    As a single file the page holds the pictures and tables that its links hand out; otherwise they are links into the
    folder.
    """
    from move37.report.figures import figures_of

    figures = figures_of(findings)
    written = {f"tables/{name}": text.encode() for name, text in csv_files(findings, context.settings).items()}
    names = [Path(name).name for name in written]
    for figure in figures:
        svg, png = drawn_picture(figure)
        written |= {f"figures/{figure.stem}.svg": svg.encode(), f"figures/{figure.stem}.png": png}
    written["report.json"] = report_json(findings, context)
    for name, data in written.items():
        write_atomically(folder / name, data)
    _remove_stale(folder / "figures", {figure.stem for figure in figures})
    content = content_of(findings, context, figures, names)
    content |= {"single_file": single_file, "hrefs": _hrefs(written, single_file)}
    markdown = _templates(html=False).get_template("report.md.jinja").render(content)
    write_atomically(folder / "report.md", re.sub(r"\n{3,}", "\n\n", markdown).encode())
    page = folder / "report.html"
    write_atomically(page, _html(content, figures).encode())
    return page


def write_curves_picture(findings: Findings, path: Path, dark: bool = False) -> None:
    """Only the pass@k curves, as `path`.svg and `path`.png: the picture for a README or a slide."""
    from move37.report.figures import curves_figure

    write_picture(curves_figure(findings.curves, findings.guesses), path, dark)


def curves_svg(findings: Findings) -> str:
    """The pass@k curves as SVG text, in light colours: for a notebook."""
    from move37.report.figures import curves_figure

    return drawn_picture(curves_figure(findings.curves, findings.guesses))[0]


def write_picture(figure: Figure, path: Path, dark: bool = False) -> None:
    """Draw `figure` with its title to `path`.svg and `path`.png (two pixels per unit), light or dark."""
    svg, png = drawn_picture(figure, dark)
    write_atomically(path.with_name(f"{path.name}.svg"), svg.encode())
    write_atomically(path.with_name(f"{path.name}.png"), png)


def drawn_picture(figure: Figure, dark: bool = False) -> tuple[str, bytes]:
    """A figure with its title as SVG and as PNG."""
    import vl_convert

    titled = figure.spec | {"title": {"text": figure.title, "subtitle": figure.subtitle}}
    colours = palette.DARK if dark else palette.LIGHT
    svg = palette.with_colours(_draw(figure.stem, titled | {"background": palette.variable("paper")}), colours)
    return svg, vl_convert.svg_to_png(svg, scale=_PICTURE_SCALE)


def _hrefs(written: Mapping[str, bytes], single_file: bool) -> dict[str, str]:
    """Where a link to each file leads, by its name without a folder: into the page itself, or beside it."""
    if not single_file:
        return {Path(name).name: name for name in written}
    return {
        Path(name).name: f"data:{_MEDIA[Path(name).suffix]};base64,{b64encode(data).decode()}"
        for name, data in written.items()
    }


_MEDIA = {".csv": "text/csv", ".svg": "image/svg+xml", ".png": "image/png", ".json": "application/json"}


def _draw(stem: str, spec: dict[str, Any]) -> str:
    """SVG text whose colours are still CSS variables, with ids that are its own and always the same."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(spec | {"width": _PICTURE_WIDTH})
    numbers: dict[str, int] = {}
    return re.sub(r"\bclip\d+\b", lambda m: f"{stem}-clip-{numbers.setdefault(m[0], len(numbers))}", svg)


def _remove_stale(folder: Path, stems: set[str]) -> None:
    """Remove what an earlier report drew and this one has not."""
    for path in folder.iterdir():
        if _STEMS.fullmatch(path.name) and path.stem not in stems:
            path.unlink()


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
        "screen": screen,
        "answers_table": tables.answers_table(screen),
        "continued": any(model.beyond is not None for model in findings.models),
        "more": _more(findings, further),
        "bibtex": BIBTEX,
        "findings": findings,
        "summaries": summaries(findings),
        "notes": notes(findings),
        "figures": drawn,
        "curves_table": tables.curves_table(findings.curves, tables.powers_of_two(longest)),
        "curves_drawn": tables.curves_table(findings.curves, tables.drawn_ks(longest)),
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
        "colour": palette.series(models.index(difference.rl)),
        "stems": {name: f"{name}{suffix}" for name in ("difference", "accuracy", "transition")},
        "key_figures": tables.key_figures(
            comparison, curves[difference.base], curves[difference.rl], findings.decision
        ),
        "difference": tables.difference_table(difference, tables.powers_of_two(k_max)),
        "at_k": tables.at_k_table(difference, curves[difference.base], curves[difference.rl]),
        "difference_drawn": tables.difference_table(difference, tables.drawn_ks(k_max)),
        "four_way": tables.four_way(comparison.solvable, findings.decision),
        "four_way_table": tables.four_way_table(comparison.solvable, findings.decision),
        "accuracy": tables.accuracy_table(comparison.shift),
        "transition": tables.transition_table(comparison.shift),
        "gap": tables.gap_table(comparison),
    }


def _more(findings: Findings, further: FurtherSections) -> list[str]:
    """What is in the fold of what few need."""
    graders = findings.agreements or findings.grader_errors or further.graders
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
    who = f"{', '.join(each.model for each in findings.curves[1:])} against {first.model}"
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


def _html(content: dict[str, Any], figures: list[Figure]) -> str:
    scripts = [_drawing_library(), _asset("page.js")]
    return (
        _templates(html=True)
        .get_template("page.html.jinja")
        .render(
            content,
            scripts=[Markup(script) for script in scripts],
            policy=_policy(scripts),
            style=Markup(style_sheet()),
            specs={figure.stem: _json_in_script(figure.spec) for figure in figures},
            still={figure.stem: Markup(_draw(figure.stem, figure.spec)) for figure in figures},
        )
    )


@cache
def _drawing_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert

    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(scripts: list[str]) -> str:
    """No request at all, no script but these."""
    digests = (b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}; base-uri 'none'; form-action 'none'"


def style_sheet() -> str:
    light, dark = palette.declarations(palette.LIGHT), palette.declarations(palette.DARK)
    return (
        f":root {{ color-scheme: light dark; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n" + _asset("page.css")
    )


def _json_in_script(value: dict[str, Any]) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _asset(name: str) -> str:
    return files("move37.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _templates(html: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
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
