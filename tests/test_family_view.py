"""A report of many models: one drawing, row and fold for each, and a page that can still be mailed."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from move37.analyses import Findings
from move37.analyses.details import ModelData
from move37.analyses.findings import Facts, find
from move37.counts import Tally
from move37.estimates.settings import BandSettings
from move37.report import ReportContext
from move37.report.assets import asset
from move37.report.family_figure import family_curves_figure
from move37.report.family_view import family_view, sparse_ks
from move37.report.handouts import Handouts
from move37.report.page import write_report
from move37.report.tables import curves_table, outcomes_table, settings_tables
from move37.report.words.first_screen import first_screen
from move37.report.words.tallied import answer_lines
from move37.terminal import print_findings
from tests.undrawn import nothing_drawn

CONTEXT = ReportContext(title="a family", note="", settings=(), prompts=(), command="move37 compare ...")


def found(
    models: int, problems: int = 40, n: int = 16, names: Sequence[str] = (), powers: Sequence[float] = ()
) -> Findings:
    rng = np.random.default_rng(0)
    chances = rng.beta(0.4, 0.6, problems)
    none = np.zeros(problems, dtype=np.int64)
    known, ids = [], tuple(map(str, range(problems)))
    for i in range(models):
        correct = rng.binomial(n, chances ** (powers[i] if powers else 0.4 + 0.2 * i))
        name = names[i] if names else f"m<{i}>"
        known.append(ModelData(Tally(name, ids, correct, n - correct, none, none)))
    return find(known, BandSettings(draws=200), Facts(beyond=False))


@pytest.fixture(scope="module")
def family() -> Findings:
    return found(8)


def test_as_many_models_as_there_are_colours_share_one_chart() -> None:
    few = found(3)
    assert family_view(few, first_screen(few)) is None


def test_no_curve_or_band_of_the_common_chart_leaves_its_axes(family: Findings) -> None:
    low, high = 0.3, 0.9
    curve = family.curves[0]
    whole = replace(curve, lower=np.zeros_like(curve.lower), upper=np.ones_like(curve.upper))
    spec = family_curves_figure([whole, *family.curves[1:]], (100 * low, 100 * high)).spec
    marks = {layer["mark"]["type"]: layer["mark"] for layer in spec["layer"]}
    assert marks["area"]["clip"]
    assert marks["line"]["clip"]
    band = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "area")
    rows = spec["datasets"][band["data"]["name"]] if "name" in band["data"] else band["data"]["values"]
    assert all(row["l"] == row["u"] for row in rows)  # a band that is the whole range says nothing


def test_rows_drawings_and_answers_are_of_every_model(family: Findings) -> None:
    view = family_view(family, first_screen(family))
    assert view is not None
    assert [row.model for row in view.rows] == [curve.model for curve in family.curves[1:]]
    assert {len(row.cells) for row in view.rows} == {len(view.header)}
    for row, comparison in zip(view.rows, family.comparisons, strict=True):
        assert row.cells[1][1] == comparison.difference.band.mean[0]
        assert bool(row.panel.gains) == bool(comparison.difference.shown_gain)
    assert view.answers[0].short == f"{sum(1 in c.difference.shown_gain for c in family.comparisons)} of 7 models"
    assert sparse_ks(16) == [1, 2, 3, 4, 6, 8, 11, 16]


@pytest.mark.slow
def test_the_page_folds_each_pair_and_draws_no_pictures_of_them(family: Findings, tmp_path: Path) -> None:
    with nothing_drawn():
        write_report(family, CONTEXT, tmp_path)
    page = re.sub("<script>.*?</script>", "", (tmp_path / "report.html").read_text(), flags=re.DOTALL)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"curves.png", "curves.svg"}
    assert page.count('<details class="fold"') == page.count('<a class="panel"') == 7
    assert "m&lt;3&gt; against m&lt;0&gt;" in page
    assert "m<3>" not in page.replace('"m<3>"', "")
    places = re.findall(r'\bid="([^"]*)"', page)
    assert len(places) == len({*places})
    assert {*re.findall(r'href="#([^"]*)"', page)} <= {*places}
    assert "figures/difference" not in (tmp_path / "report.md").read_text()


def test_a_page_holds_small_files_first_and_names_the_others() -> None:
    numbers = np.random.default_rng(0).random(700_000).tobytes()
    links = Handouts({"tables/big.csv": numbers, "tables/small.csv": b"k\n1\n"}, single_file=True)
    assert 'download="small.csv"' in links.link("small.csv", "CSV")
    assert links.link("small.csv", "CSV") == '<a href="#file-small.csv" data-file="small.csv">CSV</a>'
    assert links.link("big.csv", "CSV") == "CSV (in the folder of this page: tables/big.csv)"
    assert Handouts({"tables/big.csv": numbers}, single_file=False).link("big.csv", "CSV") == (
        '<a href="tables/big.csv">CSV</a>'
    )


def test_no_two_models_go_by_the_same_name_in_anything_that_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"a-training-with-a-long-name-of-its-own-at-step-{step}" for step in range(8)]
    family = found(8, names=names)
    monkeypatch.setenv("COLUMNS", "80")
    print_findings(family)
    shown = capsys.readouterr().out
    for title in ("pass@k", "Samples", "Every model, each with its own confidence"):
        table = shown[shown.index(f"\n{title}") :].split("└", 1)[0]
        rows = "".join(line.split("│")[1].strip() for line in table.splitlines() if line.startswith("│"))
        assert all(name in rows for name in names[title.startswith("Every") :]), title
        assert "…" not in table
    css = asset("page.css")
    assert "text-overflow" not in css[css.index(".panel .model") : css.index(".panel svg")]


def test_the_answers_of_many_models_are_tallied_with_what_holds_of_all_at_once() -> None:
    family = found(12, problems=150, powers=[1.0, *(0.97 - 0.02 * i for i in range(11))])
    screen = first_screen(family)
    lines = answer_lines(screen)
    assert len(lines) == len(screen.answers[0])
    assert family.family is not None
    at_once = sum(1 in member.shown_gain for member in family.family.members)
    alone = sum(1 in each.difference.shown_gain for each in family.comparisons)
    assert 0 < at_once < alone < 11
    assert f"{alone} of 11 models" in lines[0]
    assert f"with one band for all: {at_once}." in lines[0]
    assert f"{alone} of 11 models are right more often" in screen.title.text
    assert f" ({at_once} with one band for all models). New moves" in screen.title.text


def test_a_warning_that_several_models_share_is_said_once_and_names_all(family: Findings) -> None:
    said = [warning.partition(" against m<0>: ") for warning in family.warnings]
    texts = [text for _, found, text in said if found]
    assert len(texts) == len({*texts})
    about = {(model, text) for models, found, text in said if found for model in models.split(", ")}
    assert about >= {
        (each.difference.rl, warning) for each in family.comparisons for warning in each.warnings if warning in texts
    }
    assert {text for _, text in about} == {*texts}


def test_the_table_of_curves_has_a_row_for_each_of_many_models(family: Findings) -> None:
    table = curves_table(family.curves, (1, 16))
    assert table.header == ("model", "k = 1", "k = 16")
    assert [row[0] for row in table.rows] == [curve.model for curve in family.curves]


def test_what_became_of_the_samples_of_many_models_has_a_row_for_each(family: Findings) -> None:
    table = outcomes_table(family.audits)
    assert table.header[:3] == ("model", "samples", "correct")
    assert [row[0] for row in table.rows] == [audit.model for audit in family.audits]
    assert not any(name.startswith("pass@1 if") for name in table.header)  # no sample is unscored
    some = (*family.audits[1:], replace(family.audits[0], unscored=3))
    assert "pass@1 if unscored were all wrong" in outcomes_table(some).header
    few = outcomes_table(family.audits[:2])
    assert few.header == ("", "m<0>", "m<1>")


def test_what_many_models_were_asked_alike_is_said_once_and_the_rest_in_a_row_for_each() -> None:
    models = [f"m{i}" for i in range(9)]
    settings = [(f"{model}: {key}", value) for model in models for key, value in (("sampling", "t"), ("source", model))]
    alike, apart, other = settings_tables([*settings, ("m3: dtype", "bfloat16"), ("bands", "95%")], models)
    assert alike.rows == (("sampling", "t"),)
    assert apart.header == ("model", "source", "dtype")
    assert [tuple(map(str, row)) for row in apart.rows[2:5]] == [
        ("m2", "m2", "–"),
        ("m3", "m3", "bfloat16"),
        ("m4", "m4", "–"),
    ]
    assert other.rows == (("bands", "95%"),)
    side_by_side = settings_tables(settings, models[:3])[0]
    assert side_by_side.header == ("setting", "m0", "m1", "m2")
