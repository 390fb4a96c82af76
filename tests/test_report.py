"""What a report says, and that it says nothing else: words, numbers, files, escaping.

Findings are made by the analyses themselves from small tallies, or bent by hand where a rare case is wanted.
"""

import csv
import gzip
import io
import json
import re
from base64 import b64decode
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import altair as alt
import numpy as np
import pytest
import vl_convert
from jsonschema import ValidationError

from move37.analyses import Comparison, Findings
from move37.analyses.agreement import Agreement, Disagreement
from move37.analyses.decision import decide, decision_plan
from move37.analyses.details import ModelData
from move37.analyses.findings import Facts, find
from move37.counts import Tally
from move37.estimates.bands import Band
from move37.estimates.settings import BandSettings
from move37.report import ReportContext, summaries, summary_sentences
from move37.report.assets import drawing_library
from move37.report.exports import csv_files
from move37.report.figures import bin_labels, curves_figure, difference_figure, figures_of
from move37.report.number_format import (
    Missing,
    counted,
    k_list,
    k_words,
    level,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
    runs,
    small_share,
)
from move37.report.page import write_curves_picture, write_report
from move37.report.palette import DARK, LIGHT, SERIES
from move37.report.sections import further_sections, section_lines
from move37.report.tables import disagreements_table, drawn_ks, outcomes_table, reliability_table
from move37.report.words import unnamed
from move37.report.words.claim import joined, texts
from move37.report.words.extrapolation import unseen_sentence
from move37.terminal import print_findings
from move37.types import Problem
from tests.undrawn import nothing_drawn

pytestmark = pytest.mark.usefixtures("kept_workers")

CONTEXT = ReportContext(
    title="A small study",
    note="Made by a test.",
    settings=(("base: engine", "scripted"), ("versions", "move37 0.1.0")),
    prompts=(("completion", "What is 1 + 1?", ("\n\n", "<|end|>")),),
    command="move37 report runs/small",
)
DRAWS = 2000


def tally(name: str, correct: list[int], n: int, unscored: int = 0) -> Tally:
    """`unscored` samples are missing from the first problem."""
    right = np.array(correct, dtype=np.int64)
    missing = np.zeros_like(right)
    missing[0] = unscored
    ids = tuple(f"problem-{i}" for i in range(len(correct)))
    return Tally(name, ids, right, n - right - missing, missing, np.zeros_like(right))


def findings_of(*tallies: Tally) -> Findings:
    return find([ModelData(each) for each in tallies], BandSettings(draws=DRAWS))


@pytest.fixture(scope="module")
def crossing() -> Findings:
    """40 problems: base is right rarely on all of them, rl nearly always on 24 and never on 16.

    So rl is ahead at k = 1 (0.57 against 0.25 on average) and behind at k = 16, where base has solved nearly all.
    """
    base = tally("base", [3, 4, 5, 4] * 10, 16)
    rl = tally("rl", [15, 16, 15, 14, 16] * 4 + [15, 16, 14, 15] + [0] * 16, 16)
    return findings_of(base, rl)


def evidence_of_everything(name: str, correct: list[int], tokens: float, unscored: int, truncated: int) -> ModelData:
    """8 samples of each problem; the first has `unscored` ones, the last `truncated` ones, which are all wrong."""
    counted_tally = tally(name, correct, 8, unscored)
    cut = np.zeros_like(counted_tally.correct)
    cut[-1] = truncated
    finished = replace(counted_tally, incorrect=counted_tally.incorrect - cut, unscored=0 * cut)
    return ModelData(
        replace(counted_tally, truncated=cut),
        not_truncated=finished if truncated else None,
        mean_tokens=tokens,
        tokens_by_problem=dict.fromkeys(counted_tally.problem_ids, tokens),
    )


@pytest.fixture(scope="module")
def everything() -> Findings:
    """24 problems in two subsets, base and two training seeds of one algorithm, with everything that can be known."""
    base = [1, 2, 0, 3, 2, 5, 1, 0, 6, 2, 1, 4] * 2
    evidence = [
        evidence_of_everything("base", base, 100.0, unscored=1, truncated=0),
        evidence_of_everything("seed 0", [min(c + 2, 8) for c in base[:-1]] + [2], 150.0, unscored=0, truncated=4),
        evidence_of_everything("seed 1", [min(c + 3, 8) for c in base[:-1]] + [1], 200.0, unscored=0, truncated=0),
    ]
    problems = [
        Problem(name, "?", (str(i % 5),), "sums", "math", tags={"subset": "even" if i % 2 == 0 else "odd"})
        for i, name in enumerate(evidence[0].tally.problem_ids)
    ]
    facts = Facts(problems=problems, strata=("subset",), runs={"GRPO": ("seed 0", "seed 1")}, beyond=True)
    return find(evidence, BandSettings(draws=DRAWS), facts=facts)


@pytest.fixture(scope="module")
def written_everything(everything: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("everything")
    with nothing_drawn():
        write_report(everything, CONTEXT, folder)
    return folder


def rows_of(findings: Findings, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_files(findings, ())[name])))


@pytest.fixture(scope="module")
def written(crossing: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(crossing, CONTEXT, folder)
    return folder


def without_scripts(page: str) -> str:
    """The page without the drawing library and our own script; specifications stay."""
    return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def bent(findings: Findings, **changes: object) -> Findings:
    """The findings with other values in the difference of their only comparison."""
    (comparison,) = findings.comparisons
    difference, names = comparison.difference, {field.name for field in fields(Band)}
    band = replace(difference.band, **{name: value for name, value in changes.items() if name in names})
    others = {name: value for name, value in changes.items() if name not in names}
    return replace(findings, comparisons=(replace(comparison, difference=replace(difference, band=band, **others)),))


def bent_table(findings: Findings, **changes: object) -> Findings:
    (comparison,) = findings.comparisons
    return replace(findings, comparisons=(replace(comparison, solvable=replace(comparison.solvable, **changes)),))


def said(findings: Findings) -> str:
    return " ".join(summary_sentences(findings))


def technical(findings: Findings) -> str:
    return unnamed(joined(summaries(findings)[0].technical))


# -- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "error", "shown"),
    [
        (0.60411, 0.0122, "60.4%"),  # error 1.22 points: two digits of it are tenths
        (0.60411, 0.0031, "60.41%"),  # 0.31 points: hundredths
        (0.60411, 0.31, "60%"),  # 31 points: units
        (0.60411, None, "60.4%"),
        (0.60411, float("nan"), "60.4%"),
        (0.60411, 0.0, "60.4%"),
        (0.5, 1e-9, "50.0000%"),  # at most four decimals
        (1.0, 0.01, "100.0%"),
    ],
)
def test_a_share_keeps_two_digits_of_its_error(share: float, error: float | None, shown: str) -> None:
    assert percent(share, error) == shown


@pytest.mark.parametrize(
    ("difference", "error", "shown"),
    [(0.0760, 0.0041, "+7.60"), (-0.0198, 0.0063, "−1.98"), (0.0, 0.01, "0.0"), (-0.00001, 0.01, "0.0")],
)
def test_a_difference_has_a_sign_unless_it_is_zero(difference: float, error: float, shown: str) -> None:
    assert points(difference, error) == shown


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_number_that_does_not_exist_is_a_dash_with_its_reason(value: float | None) -> None:
    for shown in (percent(value, reason="why"), points(value, reason="why"), percent_interval(value, 1, None, "why")):
        assert shown == Missing("why")
        assert str(shown) == "–"


def test_intervals_are_rounded_like_their_value() -> None:
    assert points_interval(0.0655, 0.0864, 0.0041) == "+6.55 to +8.64"
    assert percent_interval(0.5801, 0.6281, 0.0122, "") == "58.0 to 62.8%"


@pytest.mark.parametrize(
    ("p", "shown"),
    [(0.00246, "p = 0.0025"), (0.125, "p = 0.12"), (1.0, "p = 1"), (0.5, "p = 0.5"), (3e-9, "p < 0.0001")],
)
def test_a_p_value_has_two_digits_and_no_exponent(p: float, shown: str) -> None:
    assert p_value(p) == shown


def test_small_shares_levels_and_counts() -> None:
    assert small_share(0.02313) == "2.3%"  # 1 - .05^(1/128)
    assert small_share(0.00292) == "0.29%"  # 1 - .05^(1/1024)
    assert small_share(0.1) == "10%"
    assert (level(0.95), level(0.999)) == ("95%", "99.9%")
    assert (counted(1, "problem"), counted(1060, "problem")) == ("1 problem", "1,060 problems")
    assert (counted(1, "try"), counted(5, "try")) == ("one try", "5 tries")


def test_ks_are_listed_as_runs() -> None:
    assert runs((7, 1, 2, 3)) == [(1, 3), (7, 7)]
    assert k_list((1, 2, 3, 7)) == "1–3, 7"
    assert k_list(()) == "none"
    assert k_words((1, 2, 3, 7, 9)) == "1 to 3, 7 or 9"
    assert k_words(range(1, 1025)) == "1 to 1,024"


def test_long_curves_are_thinned_and_keep_their_end() -> None:
    assert drawn_ks(64) == list(range(1, 65))
    ks = drawn_ks(1024)  # 64, then 16 for each of the four doublings up to 1024
    assert ks[:64] == list(range(1, 65))
    assert len(ks) == 64 + 64
    assert ks[-1] == 1024
    assert drawn_ks(1000)[-1] == 1000
    assert drawn_ks(1) == [1]


# -- the summary ---------------------------------------------------------------------------------------------------


def test_a_crossing_is_said_with_its_ks_and_the_undecided_ones(crossing: Findings) -> None:
    text = said(bent(crossing, gain=(1, 2), loss=tuple(range(6, 17))))
    assert text.startswith("rl is better than base with few tries and worse with many.")
    assert (
        "With 1 to 2 tries rl solves more of the problems than base; with 6 to 16 tries rl solves fewer; "
        "with 3 to 5 tries the data do not decide." in text
    )
    assert "all numbers of tries at once, with 95% confidence, for problems like the ones tried" in text


def test_the_analyses_find_that_crossing(crossing: Findings) -> None:
    difference = crossing.comparisons[0].difference
    assert difference.gain[0] == 1
    assert difference.loss[-1] == 16
    assert "better than base with few tries and worse with many" in said(crossing)


def test_a_model_that_starts_behind_and_ends_ahead_is_said_the_other_way_round(crossing: Findings) -> None:
    text = said(bent(crossing, gain=(9, 10), loss=(1, 2)))
    assert text.startswith("rl is worse than base with few tries and better with many.")


def test_several_runs_of_gain_and_loss_are_not_called_a_crossing(crossing: Findings) -> None:
    text = said(bent(crossing, gain=(1, 4), loss=(2, 9)))
    assert text.startswith("rl is better than base with some numbers of tries and worse with others.")
    assert "With 1 or 4 tries rl solves more" in text


def test_a_gain_alone_claims_no_loss_and_no_equality(crossing: Findings) -> None:
    text = said(bent(crossing, gain=(1, 2, 3), loss=()))
    assert text.startswith("rl is better than base with 1 to 3 tries, and not shown to be worse with any number.")
    assert "with 4 to 16 tries the data do not decide" in text
    assert "fewer" not in text


def test_a_loss_alone_claims_no_gain(crossing: Findings) -> None:
    text = said(bent(crossing, gain=(), loss=(15, 16)))
    assert text.startswith("rl is worse than base with 15 to 16 tries, and not shown to be better with any number.")
    assert "With 15 to 16 tries rl solves fewer of the problems than base" in text


def test_a_gain_everywhere_leaves_nothing_undecided(crossing: Findings) -> None:
    everywhere = bent(crossing, gain=tuple(range(1, 17)), loss=(), first_loss_set=(17, None))
    assert said(everywhere).startswith("rl is better than base with any number of tries up to 16.")
    assert "do not decide" not in said(everywhere)
    assert "a first loss up to k = 16 is excluded" in technical(everywhere)


def test_no_difference_shown_is_not_called_equality(crossing: Findings) -> None:
    text = said(bent(crossing, gain=(), loss=(), first_loss_set=(1, None)))
    assert text.startswith("These data do not show a difference between rl and base.")
    assert "no evidence that they are equal" in text
    (summary,) = summaries(bent(crossing, gain=(), loss=(), first_loss_set=(1, None)))
    assert "better" not in summary.headline.text + joined(summary.plain)
    assert "worse" not in summary.headline.text + joined(summary.plain)


def test_one_problem_says_nothing_about_others() -> None:
    text = said(findings_of(tally("base", [2], 8), tally("rl", [6], 8)))
    assert text.startswith("These data do not show a difference between rl and base.")
    assert "One problem says nothing about other problems." in text
    assert "95% confidence" not in text
    assert "no interval" in text


def test_problems_that_do_not_vary_give_no_interval() -> None:
    same = findings_of(tally("base", [0, 0, 8], 8), tally("rl", [0, 0, 8], 8))
    assert "The difference is the same on every problem, so nothing says how it would be on others." in said(same)
    assert "no problem was solved by one of the two alone" in said(same)
    assert "there is no band" in technical(same)
    assert "nan" not in said(same) + technical(same)


def test_where_few_problems_carry_a_k_only_the_widened_band_speaks(crossing: Findings) -> None:
    text = said(bent(crossing, gain=(1,), loss=(15, 16), few_problems=(9, 15, 16), still_gain=(), still_loss=(15,)))
    assert "With 9 or 15 to 16 tries very few problems make the difference: there the interval is widened" in text
    assert "and with 15 tries the statement stands all the same." in text
    assert "with 15 tries rl solves fewer" in text  # and not with 16, which the widened band does not establish


def test_each_claim_says_no_more_than_its_terms(crossing: Findings) -> None:
    n, base = 64, [0] * 8 + [20] * 40
    hidden = findings_of(tally("base", base, n), tally("rl", [25] * 8 + [20] * 40, n))
    gained, lost, sharpened, unknown = summaries(hidden)[0].claims
    assert unnamed(gained.text).startswith("At least 8 of the 8 problems that rl alone solved in 64 tries are not luck")
    assert "Shown one by one: " in gained.text
    assert gained.terms == "95% confidence, for these problems, corrected over 6 tests"
    assert unnamed(lost.text) == (
        "Not seen: base alone solved 0 problems in 64 tries. That is no evidence that there are none."
    )
    assert (lost.established, lost.terms, lost.target) == (False, "", "these problems")
    assert sharpened.target == "problems like these"
    assert unnamed(unknown.text).startswith("Whether it lost any that base solves;")
    assert "whether rl gained" not in unnamed(unknown.text)
    assert summaries(decided_findings(crossing, 16))[0].claims == ()


def test_a_split_is_said_beside_what_luck_makes_and_nothing_is_concluded_from_that(crossing: Findings) -> None:
    below = bent_table(crossing, base_only=33, rl_only=12, mcnemar_p=0.00246, noise_floor=16.08)
    assert "33 problems were solved by base alone and 12 by rl alone: luck rarely makes so uneven a split" in said(
        below
    )
    assert "would show about 16.1 each." in said(below)
    assert "no sign" not in said(below)
    above = bent_table(crossing, base_only=1, rl_only=20, mcnemar_p=0.00002, noise_floor=3.0)
    assert "1 problem was solved by base alone" in said(above)
    assert "no sign" not in said(above)


def test_an_even_split_is_what_luck_can_make(crossing: Findings) -> None:
    text = said(bent_table(crossing, base_only=4, rl_only=0, mcnemar_p=0.125))
    assert "luck can make that (p = 0.12)" in text


def test_the_technical_paragraph_has_the_first_loss_set_and_its_monte_carlo_range(crossing: Findings) -> None:
    text = technical(bent(crossing, first_loss_set=(11, 61), first_loss_monte_carlo=(60, 63), point_crossing=22))
    assert "First-loss set of k, where rl first falls below base: [11, 61]; its upper end is 60 to 63" in text
    assert "cross at k = 22: a landmark, not a finding" in text
    open_end = technical(bent(crossing, first_loss_set=(11, 61), first_loss_monte_carlo=(60, None)))
    assert "its upper end is 60 to none" in open_end
    none = technical(bent(crossing, first_loss_set=(4, None)))
    assert "No k up to 16 is established at which rl is below base, and one before k = 4 is excluded." in none


def test_unequal_samples_are_said_as_at_least() -> None:
    found = findings_of(tally("base", [3, 4, 5, 4], 16, unscored=2), tally("rl", [9, 8, 7, 9], 16))
    assert "each tried 4 problems at least 14 times" in said(found)


def test_a_model_alone_is_described_and_not_compared() -> None:
    (summary,) = summaries(findings_of(tally("alone", [3, 4, 5, 4] * 10, 16)))
    assert (
        unnamed(summary.headline.text) == "alone solves 25.00% of the problems with one try and 100.0% with 16 tries."
    )
    assert "There is no second model, so nothing is compared." in joined(summary.plain)


def test_of_several_comparisons_the_common_band_says_what_holds_together(crossing: Findings) -> None:
    base = tally("base", [3, 4, 5, 4] * 10, 16)
    found = findings_of(base, tally("one", [6, 7, 8, 9] * 10, 16), tally("two", [1, 2, 3, 1] * 10, 16))
    assert len(summaries(found)) == 2
    last = summary_sentences(found)[-1]
    assert last.startswith("2 comparisons are made, each with its own 95% confidence. All 2 models against base in one")
    assert "the following holds for all of them together" in last
    assert "one: better than base at some k." in last
    assert "two: worse than base at some k." in last
    # Headline, four claims, plain, on what loss and gain hang, two paragraphs of sizes; no such note.
    assert len(summary_sentences(crossing)) == 10


def decided_findings(crossing: Findings, examined: int) -> Findings:
    """Sampling until decided: 15 problems that rl alone solves, one after the other, of 40."""
    plan = decision_plan([f"problem-{i}" for i in range(40)], k=16, block=8)
    solved = dict.fromkeys(plan.order[:examined], (False, True))
    return replace(crossing, decision=decide(plan, solved, "base", "rl"))


def test_after_sampling_until_decided_the_decision_is_the_claim(crossing: Findings) -> None:
    found = decided_findings(crossing, 16)
    text = said(found)
    assert text.startswith("rl solves more of the problems than base with 16 tries.")
    assert "This is decided (the e-value is" in text
    assert "with 95% confidence however many problems it took" in text
    assert "The curves and bands describe the 16 problems examined and establish nothing" in text
    assert "for all numbers of tries at once" not in text
    assert text.count("points, no interval") == 2
    assert "of a number of problems fixed beforehand, which this was not" in technical(found)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_after_sampling_until_decided_no_mcnemar_test_is_shown(crossing: Findings, tmp_path: Path) -> None:
    found = decided_findings(crossing, 16)
    write_report(found, CONTEXT, tmp_path)
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text()
        assert "exact McNemar" not in text
        assert "anytime-valid test" in text
        assert "do not allow for sampling having stopped at a decision" in text
    assert "anytime-valid test: e-value" in technical(found)


def test_where_nothing_was_decided_that_is_the_headline(crossing: Findings) -> None:
    plan = decision_plan([f"problem-{i}" for i in range(40)], k=16, block=8)
    found = replace(crossing, decision=decide(plan, dict.fromkeys(plan.order[:36], (True, True)), "base", "rl"))
    assert said(found).startswith("These data do not decide whether base or rl solves more with 16 tries.")
    assert "is no evidence that they are equal" in said(found)


def test_a_decision_that_took_every_problem_leaves_the_bands_as_they_are(crossing: Findings) -> None:
    plan = decision_plan([f"problem-{i}" for i in range(40)], k=16, block=40)
    found = replace(crossing, decision=decide(plan, dict.fromkeys(plan.order, (False, True)), "base", "rl"))
    assert "for all numbers of tries at once, with 95% confidence" in said(found)


# -- further sections ----------------------------------------------------------------------------------------------

OPTIONAL = (
    "What guessing would reach",
    "All models in one band",
    "RL models against each other",
    "Several training seeds of GRPO",
    "At equal tokens",
    "By subset",
    "If the unscored were right or wrong",
    "Without truncated samples",
    "Beyond the samples taken",
)
ALWAYS = (
    "Under other readings",
    "The four-way table at other k",
    "Support kept, gained, lost",
    "Measures side by side",
    "Bayes@N beside avg@n",
)
OPTIONAL_FILES = (
    "guesses.csv",
    "family.csv",
    "between.csv",
    "seeds.csv",
    "seed_runs.csv",
    "tokens.csv",
    "strata.csv",
    "unscored.csv",
    "unscored_difference.csv",
    "finished.csv",
    "beyond.csv",
    "beyond_methods.csv",
    "beyond_difference.csv",
    "beyond_refused.csv",
    "beyond_table.csv",
    "unseen.csv",
)


def headings(folder: Path) -> list[str]:
    """Of the markdown; the page must have the same."""
    found = re.findall(r"^#{2,3} (.*)$", (folder / "report.md").read_text(), flags=re.MULTILINE)
    return [re.sub(r"\\(.)", r"\1", heading) for heading in found]


def test_a_section_is_there_where_its_finding_is(written_everything: Path) -> None:
    page = (written_everything / "report.html").read_text()
    for heading in (*ALWAYS, *OPTIONAL):
        assert heading in headings(written_everything), heading
        assert re.search(rf"<h[23][^>]*>{re.escape(heading)}</h[23]>", page), heading
    for name in OPTIONAL_FILES:
        assert (written_everything / "tables" / name).stat().st_size, name


def test_a_section_is_absent_where_its_finding_is(written: Path) -> None:
    page = (written / "report.html").read_text()
    for heading in ALWAYS:
        assert heading in headings(written), heading
    for heading in OPTIONAL:
        assert heading not in headings(written), heading
        assert heading not in without_scripts(page), heading
    for name in OPTIONAL_FILES:
        assert not (written / "tables" / name).exists(), name


def test_everything_at_once_is_a_sound_page(written_everything: Path) -> None:
    for path in [*written_everything.glob("*.md"), *(written_everything / "tables").glob("*.csv")]:
        assert not re.search(r"\bnan\b|NaN|\bNone\b|\binf\b", path.read_text()), path.name
    page = (written_everything / "report.html").read_text()
    assert not re.search(r"\bnan\b|NaN|\bNone\b|undefined", without_scripts(page))
    structure = Structure(page)
    assert all(after - before <= 1 for before, after in zip(structure.levels, structure.levels[1:], strict=False))
    tags = [tag for tag, _ in structure.tags]
    assert tags.count("table") == tags.count("caption")
    identifiers = [attributes["id"] for _, attributes in structure.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    targets = {attributes["href"] for tag, attributes in structure.tags if tag == "a" and "href" in attributes}
    assert {target[1:] for target in targets if target and target.startswith("#")} <= set(identifiers)
    for name in (target for target in targets if target and not target.startswith(("#", "data:"))):
        assert name == "analyses.json" or (written_everything / name).is_file(), name


def test_the_terminal_says_what_the_sections_say(everything: Findings, written_everything: Path) -> None:
    lines = section_lines(everything)
    for heading in (*ALWAYS, *OPTIONAL):
        assert any(heading in line for line in lines), heading
    markdown = re.sub(r"\\(.)", r"\1", (written_everything / "report.md").read_text())
    for sections in further_sections(everything).pairs:
        for sentence in (sentence for section in sections for sentence in texts(section.sentences)):
            assert sentence in markdown


def test_analyse_prints_the_sections_after_its_tables(
    everything: Findings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_findings(everything)
    out = capsys.readouterr().out
    for line in section_lines(everything):
        assert line in out
    assert "truncated" in out[: out.index("band over all k")]
    assert "correct among them" in out
    assert out.index("exact McNemar test") < out.index("Support kept, gained, lost")


def test_analyse_prints_the_valid_test_after_a_decision(
    crossing: Findings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_findings(decided_findings(crossing, 16))
    out = capsys.readouterr().out
    assert "anytime-valid test" in out
    assert "exact McNemar" not in out


def test_support_is_what_the_four_way_table_holds(crossing: Findings) -> None:
    # base solves all 40 in 16 tries, rl 24 of them and no other: SRR = 24/40, NDR = 0/24, NSCR = -16/40.
    (sections,) = further_sections(crossing).pairs
    (section,) = (each for each in sections if each.heading == "Support kept, gained, lost")
    assert tuple(texts(section.sentences)) == (
        "Of the 40 problems that base solves in 16 tries, rl keeps 24 and loses 16; it gains 0 that base does not "
        "solve.",
    )
    (table,) = section.tables
    assert [str(row[1]).partition(" ")[0] for row in table.rows] == ["60.0%", "0.0%", "0.0%", "−40.0"]
    rows = rows_of(crossing, "support.csv")
    measures = crossing.pairs[0].support.measures
    assert [float(row["value"]) for row in rows] == [m.value for m in measures]
    assert [float(row["by_luck"]) for row in rows] == [m.by_luck for m in measures]


def test_the_four_way_table_is_shown_at_every_k_that_was_found(crossing: Findings) -> None:
    (sections,) = further_sections(crossing).pairs
    (section,) = (each for each in sections if each.heading == "The four-way table at other k")
    (table,) = section.tables
    assert [row[0] for row in table.rows] == ["1", "4", "16"]
    assert table.rows[-1][1:5] == ("24.0", "16.0", "0.0", "0.0")
    found = crossing.pairs[0].expected
    rows = rows_of(crossing, "solvable_by_k.csv")
    assert [(float(r["both"]), float(r["base_only"]), float(r["rl_only"])) for r in rows] == [
        (t.both, t.base_only, t.rl_only) for t in found
    ]


def test_measures_side_by_side_are_those_of_both_models_and_their_difference(everything: Findings) -> None:
    pair, rows = everything.pairs[0], rows_of(everything, "measures.csv")
    ours = [row for row in rows if row["rl"] == "seed 0"]
    estimates = [row.estimate for row in (*pair.differences, *pair.coverage)]
    assert pair.bayes is not None
    estimates += [pair.bayes.estimate, pair.bayes.average]
    assert [float(row["value"]) for row in ours] == [estimate.value for estimate in estimates]
    (section,) = (s for s in further_sections(everything).pairs[0] if s.heading == "Measures side by side")
    table = dict(section.folded).get("As a table") or section.tables[0]
    first = table.rows[0]
    base, rl = (model.reliability[0].estimate for model in everything.models[:2])
    assert first[:3] == (
        "avg@n",
        percent(base.value, base.standard_error),
        percent(rl.value, rl.standard_error),
    )
    names = [str(row[0]) for row in table.rows]
    assert "Bayes@N, these problems" in names
    assert any(name.startswith("AUC_log@") for name in names)
    assert any(name.startswith("Cover@") for name in names)


def test_all_models_in_one_band_have_the_familys_intervals(everything: Findings) -> None:
    assert everything.family is not None
    rows = rows_of(everything, "family.csv")
    for member in everything.family.members:
        ours = [row for row in rows if row["rl"] == member.rl]
        assert [float(row["lower"]) for row in ours] == member.band.lower.tolist()
        assert {int(row["k"]) for row in ours if row["established"] == "gain"} == set(member.gain)
    section = further_sections(everything).together[0]
    assert [row[0] for row in section.tables[0].rows] == ["seed 0", "seed 1"]


def test_training_seeds_have_each_run_and_the_band_of_their_mean(everything: Findings) -> None:
    (seeds,) = everything.seeds
    rows = rows_of(everything, "seeds.csv")
    assert [float(row["upper"]) for row in rows] == seeds.band.upper.tolist()
    runs_shown = [float(r["difference"]) for r in rows_of(everything, "seed_runs.csv") if r["run"] == "seed 1"]
    assert runs_shown == seeds.by_seed[1].tolist()
    (section,) = (each for each in further_sections(everything).together if each.heading.endswith("GRPO"))
    assert section.sentences[0].text.startswith("GRPO, over 2 training seeds and 24 problems, is ")
    assert [row[0] for row in section.tables[0].rows[:2]] == ["seed 0", "seed 1"]


def test_equal_tokens_have_a_figure_and_every_budget(everything: Findings, written_everything: Path) -> None:
    budget = everything.pairs[1].tokens
    assert budget is not None
    rows = [row for row in rows_of(everything, "tokens.csv") if row["rl"] == "seed 1"]
    assert [float(row["tokens"]) for row in rows] == budget.tokens.tolist()
    assert [float(row["mean"]) for row in rows] == budget.band.mean.tolist()
    assert {float(row["tokens"]) for row in rows if row["established"] == "loss"} == set(budget.loss)
    page = (written_everything / "report.html").read_text()
    assert "A sample takes 100 generated tokens from base and 200 from seed 1." in page
    for stem in ("tokens-1", "tokens-2"):
        ElementTree.fromstring((written_everything / "figures" / f"{stem}.svg").read_text())


def test_subsets_have_a_row_each_and_the_total(everything: Findings) -> None:
    (section,) = (s for s in further_sections(everything).pairs[0] if s.heading == "By subset")
    assert [row[:2] for row in section.tables[0].rows] == [
        ("even", "12"),
        ("odd", "12"),
        ("all, strata held fixed", "24"),
    ]
    (found,) = everything.pairs[0].strata
    rows = [r for r in rows_of(everything, "strata.csv") if r["rl"] == "seed 0" and r["stratum"] == "odd"]
    assert [float(row["mean"]) for row in rows] == found.strata[1].difference.band.mean.tolist()
    total = [r for r in rows_of(everything, "strata.csv") if r["rl"] == "seed 0" and not r["stratum"]]
    assert [float(row["lower"]) for row in total] == found.total.band.lower.tolist()


def test_unscored_and_truncated_samples_have_their_brackets(everything: Findings) -> None:
    unscored, finished = further_sections(everything).outcomes
    # 24 problems; base is right (1+2+0+3+2+5+1+0+6+2+1+4) * 2 = 54 times of 192: 28.1% and, with one more, 28.6%.
    assert tuple(texts(unscored.sentences)) == (
        "1 sample of base on 1 problem is unscored: pass@1 would be 28.1% with all of them wrong and 28.6% with all "
        "right.",
        unscored.sentences[1].text,
    )
    # 24 problems, fewer than 15 of which carry it: the band is widened, and one end of it is all there is.
    bracket = everything.models[0].unscored
    assert bracket is not None
    ends = f"{100 * bracket.lower[0]:.1f} to {100 * bracket.upper[0]:.1f}%"
    assert unscored.sentences[1].text.startswith(f"Whatever they are, base solves {ends} of problems like these")
    assert "95% confidence, for all k at once" in unscored.sentences[1].text
    bracket = everything.models[0].unscored
    assert bracket is not None
    assert [float(row["if_right"]) for row in rows_of(everything, "unscored.csv")] == bracket.if_right.tolist()
    assert finished.sentences[0].text.startswith(
        "4 samples of seed 0 were cut off; among those that ended by themselves"
    )
    curve = everything.models[1].finished
    assert curve is not None
    assert [float(row["finished"]) for row in rows_of(everything, "finished.csv")] == curve.finished.tolist()


def test_beyond_the_samples_there_are_estimates_to_2n_and_refusals_after(everything: Findings) -> None:
    (section,) = further_sections(everything).extrapolation
    first = everything.pairs[0].beyond
    assert first is not None
    assert f"Nothing is claimed beyond k = {first.refused_beyond}" in section.sentences[0].text
    assert any("Chao's lower bound" in sentence for sentence in texts(section.sentences))
    rows = [row for row in rows_of(everything, "beyond_difference.csv") if row["rl"] == "seed 0"]
    assert [(int(r["k"]), float(r["value"])) for r in rows] == [(d.k, d.value) for d in first.differences]
    refused = [row for row in rows_of(everything, "beyond_refused.csv") if row["rl"] == "seed 0"]
    assert [(int(r["k"]), float(r["lower_alone"])) for r in refused] == [(r.k, r.lower_alone) for r in first.refusals]
    captions = [table.caption for _, table in section.folded]
    assert any("No claim is made here" in caption for caption in captions)
    model = everything.models[0].beyond
    assert model is not None
    methods = [row for row in rows_of(everything, "beyond_methods.csv") if row["model"] == "base"]
    assert [float(row["value"]) for row in methods] == [row.estimate.value for row in model.methods]
    assert [row["fit"] for row in methods if row["used"] == "yes"] == [model.method]


def test_what_is_known_of_never_solved_problems_is_said_or_refused(everything: Findings) -> None:
    model = everything.models[0].beyond
    assert model is not None
    assert model.unseen is not None
    found = replace(model.unseen, at_least=2.34, lower=0.81, never_solved=4, solved_once=6, solved_twice=6)
    assert unseen_sentence(replace(model, never_solved=4, unseen=found, n=7)).text == (
        "Of the 4 problems that base never solved in its 7 samples, an estimated 2.3 or more can be solved (Chao's "
        "lower bound, from 6 solved once and 6 twice); with 95% confidence at least 0.8, on average over problems like "
        "these."
    )
    nothing = replace(found, at_least=0.0, lower=0.0)
    assert unseen_sentence(replace(model, never_solved=1, unseen=nothing, n=7)).text.startswith(
        "Nothing says that any of the 1 problem that base never solved in its 7 samples can be solved"
    )
    assert "has solved every problem" in unseen_sentence(replace(model, never_solved=0, unseen=nothing)).text
    assert unseen_sentence(replace(model, unseen=None, unseen_refused="the plan stops too soon")).text == (
        "the plan stops too soon."
    )


def test_guessing_is_a_dashed_line_with_its_name_in_the_curves(everything: Findings, crossing: Findings) -> None:
    figure = curves_figure(everything.curves, everything.guesses)
    names = [guess.name for guess in everything.guesses]
    # References 0 to 4 are one digit: the uniform guesser takes one of 10.
    assert names == ["uniform guessing", "answer prior"]
    assert "uniform guessing: 10.0% at k = 1" in figure.alt
    spec = json.dumps(figure.spec)
    assert '"strokeDash": [2, 3]' in spec
    assert all(name in spec for name in names)
    assert "guess" not in json.dumps(curves_figure(crossing.curves).spec)
    rows = [row for row in rows_of(everything, "guesses.csv") if row["name"] == "uniform guessing"]
    assert [float(row["pass_at_k"]) for row in rows] == everything.guesses[0].pass_at_k.tolist()


# -- tables and CSV ------------------------------------------------------------------------------------------------


def test_csv_files_hold_every_k_in_full(crossing: Findings) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_files(crossing, ())["curves.csv"])))
    assert [int(row["k"]) for row in rows if row["model"] == "base"] == list(range(1, 17))
    # 3 + 4 + 5 + 4 = 16 of 64 are right, so avg@1 is exactly 1/4.
    assert float(rows[0]["pass_at_k"]) == 0.25
    assert rows[15]["se_benchmark"] == ""  # needs 2k <= n: empty, not nan
    differences = list(csv.DictReader(io.StringIO(csv_files(crossing, ())["difference.csv"])))
    assert {row["established"] for row in differences} == {"gain", "loss", "undetermined"}
    exact = crossing.comparisons[0].difference.band.mean
    assert [float(row["mean"]) for row in differences] == exact.tolist()


def test_every_csv_file_has_rows_as_wide_as_its_header_and_no_name_twice(everything: Findings) -> None:
    for name, text in csv_files(everything, ()).items():
        header, *rows = csv.reader(io.StringIO(text))
        assert len(header) == len(set(header)), name
        assert rows, name
        assert {len(row) for row in rows} == {len(header)}, name


def test_no_file_says_nan(written: Path) -> None:
    for path in [*written.glob("*.md"), *(written / "tables").glob("*.csv"), *(written / "figures").glob("*.svg")]:
        assert not re.search(r"\bnan\b|NaN|\bNone\b|\binf\b", path.read_text()), path.name
    page = without_scripts((written / "report.html").read_text())
    assert not re.search(r"\bnan\b|NaN|\bNone\b|undefined", page)


def test_the_ids_of_discordant_problems_are_exported(crossing: Findings) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_files(crossing, ())["solvable_problems.csv"])))
    assert [row["problem_id"] for row in rows] == [f"problem-{i}" for i in range(24, 40)]
    assert {row["solved_only_by"] for row in rows} == {"base"}


def test_the_transition_matrix_is_exported_whole(crossing: Findings) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_files(crossing, ())["transition.csv"])))
    assert len(rows) == 11 * 11
    assert sum(int(row["problems"]) for row in rows) == 40
    # base 3/16 = .1875 and 4/16 = .25; the 16 problems that rl never solves hold 4 each of 3, 4, 5 and 4 right.
    lost = {row["base_bin"]: int(row["problems"]) for row in rows if row["rl_bin"] == "0" and row["problems"] != "0"}
    assert lost == {"(0.1, 0.2]": 4, "(0.2, 0.3]": 8, "(0.3, 0.4]": 4}


def test_bins_in_percent_match_the_papers() -> None:
    assert bin_labels()[:3] == ["0", "0–10", "10–20"]
    assert bin_labels()[-1] == "90–100"


def test_what_a_table_lacks_is_explained_below_it(crossing: Findings) -> None:
    table = outcomes_table(crossing.audits)
    row = next(row for row in table.rows if row[0] == "tokens per sample, mean")
    assert str(row[1]) == "–"
    assert "the import does not say how many tokens a sample has" in table.reasons


def test_a_measure_that_one_model_lacks_is_a_dash(crossing: Findings) -> None:
    every_row = [row for model in crossing.models for row in model.reliability]
    rows = tuple(row for row in every_row if (row.model, row.measure) != ("rl", "pass^k"))
    table = reliability_table(rows)
    lacking = next(row for row in table.rows if row[0] == "pass^4")
    assert str(lacking[2]) == "–"
    assert "not known for this model: too few samples, or no answers to vote with" in table.reasons


def test_long_lists_of_disagreements_go_on_in_the_csv() -> None:
    many = tuple(Disagreement(f"p{i}", 0, "correct", "incorrect", None, "1") for i in range(201))
    agreement = Agreement("base", "math@1", "reported@x", 500, 299, many, 0, None, None)
    table = disagreements_table((agreement,))
    assert len(table.rows) == 200
    assert table.notes == ("1 more are in the CSV file.",)
    assert "no answer was found in the text" in table.reasons


# -- figures -------------------------------------------------------------------------------------------------------


def test_every_colour_of_a_figure_is_named_in_both_schemes(crossing: Findings) -> None:
    for figure in figures_of(crossing):
        used = set(re.findall(r"var\(--([a-z0-9-]+)\)", json.dumps(figure.spec)))
        assert used
        assert used <= LIGHT.keys()
    assert LIGHT.keys() == DARK.keys()


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_can_be_read_in_both_schemes(colours: dict[str, str]) -> None:
    for name in ("ink", "muted", "accent", "warn"):
        for background in ("paper", "panel", "warn-panel"):
            assert contrast(colours[name], colours[background]) >= 4.5, (name, background)
    for colour in SERIES:
        assert contrast(colour, colours["paper"]) >= 3


def test_base_and_rl_differ_in_colour_dash_and_shape(crossing: Findings) -> None:
    spec = json.dumps(curves_figure(crossing.curves).spec)
    assert '"domain": [0, 1], "range": ["var(--model-0)", "var(--model-1)"]' in spec
    assert '"range": [[6, 3], [1, 0]]' in spec
    assert '"range": ["square", "circle"]' in spec


def test_a_figure_says_in_words_what_it_shows(crossing: Findings) -> None:
    curves, difference, accuracy, transition = figures_of(crossing)
    assert "base: 25.0% at k = 1, 100.0% at k = 16" in curves.alt
    assert "loss at k =" in difference.alt
    assert "Never right: base 0, rl 16; above 90%: base 0, rl 19" in accuracy.alt  # 14/16 = .875 is not above 90%
    assert "Heat map" in transition.alt


def test_ks_without_information_do_not_flatten_the_picture(crossing: Findings) -> None:
    difference = crossing.comparisons[0].difference
    lower, upper = difference.band.lower.copy(), difference.band.upper.copy()
    lower[-1], upper[-1] = -1.0, 1.0  # the last k only: its band is the whole range
    flat = replace(difference, band=replace(difference.band, lower=lower, upper=upper))
    (axis,) = {
        json.dumps(layer["encoding"]["y"]["scale"]["domain"])
        for layer in difference_figure(flat).spec["layer"]
        if "scale" in layer.get("encoding", {}).get("y", {})
    }
    low, high = json.loads(axis)
    assert -80 < low < high < 80


def test_the_figure_of_a_thousand_ks_stays_small() -> None:
    rng = np.random.default_rng(0)
    chances = rng.beta(0.4, 0.8, 60)
    found = findings_of(*(tally(name, rng.binomial(1024, chances).tolist(), 1024) for name in ("base", "rl")))
    assert len(json.dumps(curves_figure(found.curves).spec)) < 60_000


# -- the files -----------------------------------------------------------------------------------------------------


def test_a_report_is_a_page_pictures_tables_and_markdown(written: Path) -> None:
    assert (written / "report.html").stat().st_size < 2_500_000
    for stem in ("curves", "difference", "accuracy", "transition"):
        assert (written / "figures" / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
        svg = (written / "figures" / f"{stem}.svg").read_text()
        ElementTree.fromstring(svg)
        assert "var(--" not in svg
    assert {path.name for path in (written / "tables").iterdir()} == {
        "accuracy.csv",
        "fragility.csv",
        "influence.csv",
        "tipping.csv",
        "bayes.csv",
        "coverage.csv",
        "curves.csv",
        "difference.csv",
        "measures.csv",
        "outcomes.csv",
        "reliability.csv",
        "sampling_gap.csv",
        "settings.csv",
        "solvable.csv",
        "solvable_by_k.csv",
        "gains_losses.csv",
        "solvable_problems.csv",
        "support.csv",
        "transition.csv",
    }


def test_every_relative_link_of_the_report_leads_to_a_file(written: Path) -> None:
    page, markdown = (written / "report.html").read_text(), (written / "report.md").read_text()
    # The page can be mailed: what its links hand out is in it, whole.
    handed_out = re.findall(r'id="([^"]*)" href="data:[^;]*;base64,([^"]*)" download="([^"]*)"', page)
    names = [name.removesuffix(".gz") for _, _, name in handed_out]
    assert {"curves.png", "curves.svg", "curves.csv", "report.json"} <= {*names}
    assert len(names) == len({*names})  # each is held once, however many links lead to it
    for _, data, name in handed_out:
        (same,) = [path for path in written.rglob(name.removesuffix(".gz")) if path.is_file()]
        content = b64decode(data)
        assert (gzip.decompress(content) if name.endswith(".gz") else content) == same.read_bytes()
    others = re.findall(r'href="#(file-[^"]*)"', page)
    assert others
    assert {*others} <= {place for place, _, _ in handed_out}
    assert not re.findall(r'href="(?!data:|#)', page)
    linked = set(re.findall(r"\]\(([^)]+)\)", markdown))
    assert linked
    for target in linked:
        assert (written / target).is_file(), target


@pytest.mark.usefixtures("undrawn")
def test_ids_and_cells_lead_into_a_copy_of_the_samples(crossing: Findings, tmp_path: Path) -> None:
    write_report(crossing, replace(CONTEXT, samples="view/index.html"), tmp_path)
    page = (tmp_path / "report.html").read_text()
    shift = crossing.comparisons[0].shift
    names = quote(shift.base, safe=""), quote(shift.rl, safe="")
    cells = re.findall(rf'href="view/index.html#m={names[0]},{names[1]}&amp;c=([\d-]+),([\d-]+)">([\d,]+)</a>', page)
    assert sum(int(number) for *_, number in cells) == shift.transition.sum()
    assert len(cells) == (shift.transition > 0).sum()
    assert f'data-cells="view/index.html#m={names[0]},{names[1]}&amp;c="' in page


@pytest.mark.slow
def test_a_report_of_several_files_links_to_those_beside_it(crossing: Findings, tmp_path: Path) -> None:
    write_report(crossing, CONTEXT, tmp_path, single_file=False)
    page = (tmp_path / "report.html").read_text()
    assert "data:" not in without_scripts(page)
    linked = set(re.findall(r'href="([^"#][^"]*)"', page))
    assert {"figures/curves.png", "tables/curves.csv", "report.json"} <= linked
    for target in linked:
        assert (tmp_path / target).is_file(), target


def test_the_page_holds_one_drawing_library_and_asks_for_nothing(written: Path) -> None:
    page = (written / "report.html").read_text()
    assert len(re.findall(r"window\.vegaEmbed ?= ?\S", page)) == 1
    assert not re.search(r"<(link|img|iframe|script)[^>]*\b(src|href)=", without_scripts(page))
    (policy,) = (a["content"] for tag, a in Structure(page).tags if tag == "meta" and "http-equiv" in a)
    assert policy
    assert policy.startswith("default-src 'none'; ")
    assert policy.count("'sha256-") == 2
    assert "unsafe-eval" not in policy


def test_the_drawing_library_is_kept_and_one_that_was_changed_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVE37_CACHE", str(tmp_path))
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda snippet: f"/*</script*/{snippet}")
    made = drawing_library.__wrapped__()
    assert made == "/*<\\/script*/window.vegaEmbed = vegaEmbed;"
    (kept,) = tmp_path.iterdir()
    monkeypatch.delattr(vl_convert, "javascript_bundle")
    assert drawing_library.__wrapped__() == made
    kept.write_text(kept.read_text()[:-3])
    with pytest.raises(AttributeError):  # it is asked for again
        drawing_library.__wrapped__()
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda snippet: snippet, raising=False)
    monkeypatch.setenv("MOVE37_CACHE", str(kept / "no folder"))
    assert drawing_library.__wrapped__() == "window.vegaEmbed = vegaEmbed;"


@pytest.mark.slow
def test_every_figure_keeps_to_the_schema_of_vega_lite(everything: Findings) -> None:
    figures = figures_of(everything)
    assert len(figures) > 6
    for figure in figures:
        alt.LayerChart.from_dict(json.loads(json.dumps(figure.spec)), validate=True)  # as the page has it
    with pytest.raises(ValidationError, match="tall"):
        alt.LayerChart.from_dict(json.loads(json.dumps(figures[0].spec)) | {"height": "tall"}, validate=True)


@pytest.mark.slow
def test_the_same_findings_give_the_same_bytes(crossing: Findings, written: Path, tmp_path: Path) -> None:
    write_report(crossing, CONTEXT, tmp_path)
    for path in written.rglob("*.*"):
        assert (tmp_path / path.relative_to(written)).read_bytes() == path.read_bytes(), path.name


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_pictures_of_an_earlier_report_are_removed_and_other_files_are_left(crossing: Findings, tmp_path: Path) -> None:
    base = tally("base", [3, 4, 5, 4] * 5, 16)
    several = findings_of(base, tally("one", [9, 8, 7, 6] * 5, 16), tally("two", [5, 6, 7, 8] * 5, 16))
    write_report(several, CONTEXT, tmp_path)
    assert (tmp_path / "figures" / "difference-2.png").exists()
    (tmp_path / "figures" / "my-own.png").write_bytes(b"mine")
    write_report(crossing, CONTEXT, tmp_path)
    assert not (tmp_path / "figures" / "difference-2.png").exists()
    assert (tmp_path / "figures" / "difference.png").exists()
    assert (tmp_path / "figures" / "my-own.png").read_bytes() == b"mine"


@pytest.mark.slow
def test_the_curves_can_be_drawn_alone_for_light_and_dark(crossing: Findings, tmp_path: Path) -> None:
    write_curves_picture(crossing, tmp_path / "light")
    write_curves_picture(crossing, tmp_path / "dark", dark=True)
    assert LIGHT["paper"] in (tmp_path / "light.svg").read_text()
    assert DARK["paper"] in (tmp_path / "dark.svg").read_text()
    assert (tmp_path / "dark.png").exists()


class Structure(HTMLParser):
    """Headings, tags and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))


def test_the_page_can_be_read_by_structure(written: Path) -> None:
    page = Structure((written / "report.html").read_text())
    assert page.levels[0] == 1
    assert page.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.levels, page.levels[1:], strict=False))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption")
    plots = [attributes for tag, attributes in page.tags if tag == "div" and attributes.get("class") == "plot"]
    assert len(plots) == 4
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in plots)
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {attributes.get("scope") for tag, attributes in page.tags if tag == "th"} == {"row", "col"}


def test_a_reader_without_scripts_finds_a_drawing_of_each_figure(written: Path) -> None:
    page = (written / "report.html").read_text()
    drawings = re.findall(r"<noscript><div[^>]*>(<svg.*?</svg>)</div></noscript>", page, flags=re.DOTALL)
    assert len(drawings) == 4
    for drawing in drawings:
        ElementTree.fromstring(drawing)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_page_holds_prompts_stop_strings_settings_warnings_and_the_command(
    crossing: Findings, tmp_path: Path
) -> None:
    write_report(replace(crossing, warnings=("Mind the gap",)), CONTEXT, tmp_path)
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text()
        for part in ("What is 1 + 1?", "scripted", "Mind the gap", "move37 report runs/small", "Made by a test."):
            assert part in text, (name, part)
    assert "&#34;\\n\\n&#34;" in (tmp_path / "report.html").read_text()  # the stop string, with its line breaks seen


@pytest.mark.usefixtures("undrawn")
def test_a_report_without_prompts_or_a_second_model_says_so(tmp_path: Path) -> None:
    found = findings_of(tally("alone", [3, 4, 5, 4], 16))
    write_report(found, replace(CONTEXT, prompts=(), note=""), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "Not known: the samples or counts were made elsewhere." in page
    assert "nothing is compared" in page
    assert not (tmp_path / "figures" / "difference.png").exists()


HOSTILE = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 1'>\u2028"


def hostile_findings() -> Findings:
    """The hostile text wherever a user's text can stand: ids, model names, tags, reasons, answers, warnings."""
    ids = tuple(f"{HOSTILE}{i}" for i in range(12))
    zeros = np.zeros(12, dtype=np.int64)
    one = np.array([0] * 6 + [4] * 6, dtype=np.int64)
    models = [
        Tally(f"base {HOSTILE}", ids, one, 8 - one, zeros, zeros),
        Tally(f"rl {HOSTILE}", ids, one[::-1].copy(), 8 - one[::-1], zeros, zeros),
    ]
    tokens = dict.fromkeys(ids, 10.0)
    evidence = [ModelData(each, reasons=[("incorrect", HOSTILE, 3)], tokens_by_problem=tokens) for each in models]
    tags = [{HOSTILE: f"{HOSTILE}{i % 2}"} for i in range(12)]
    problems = [Problem(id, HOSTILE, (HOSTILE,), HOSTILE, "math", tags=tag) for id, tag in zip(ids, tags, strict=True)]
    found = find(evidence, BandSettings(draws=DRAWS), facts=Facts(problems=problems, strata=(HOSTILE,), beyond=True))
    wrong = Disagreement(ids[0], 0, "correct", "incorrect", HOSTILE, HOSTILE)
    return replace(
        found, warnings=(HOSTILE,), agreements=(Agreement(HOSTILE, HOSTILE, HOSTILE, 2, 1, (wrong,), 0, None, None),)
    )


def hostile_context() -> ReportContext:
    return ReportContext(HOSTILE, HOSTILE, ((HOSTILE, HOSTILE),), ((HOSTILE, HOSTILE, (HOSTILE,)),), HOSTILE)


@pytest.mark.slow
def test_a_users_text_stays_text(tmp_path: Path) -> None:
    write_report(hostile_findings(), hostile_context(), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<script>") == 2  # the drawing library and our own
    assert "<img" not in without_scripts(page)
    tags = [tag for tag, _ in Structure(page).tags]
    assert "img" not in tags
    specs = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, flags=re.DOTALL)
    assert len(specs) == 5
    assert all("<" not in spec and "\u2028" not in spec for spec in specs)
    assert f"base {HOSTILE}" in json.dumps(json.loads(specs[0]), ensure_ascii=False)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_users_text_does_not_break_the_markdown(tmp_path: Path) -> None:
    prompt = "Look:\n```\ncode | here\n````\nend"
    found = findings_of(tally("a|b", [3, 4, 5, 4], 16), tally("*rl* [x](y)", [9, 8, 7, 6], 16))
    write_report(found, replace(CONTEXT, prompts=(("own", prompt, ()),)), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert f"`````text\n{prompt}\n`````" in text  # one backtick more than the prompt's longest run
    assert r"| k | a\|b | \*rl\* \[x\](y) |" in text


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_comparisons_have_their_own_figures_and_tables(tmp_path: Path) -> None:
    base = tally("base", [3, 4, 5, 4] * 5, 16)
    found = findings_of(base, tally("one", [9, 8, 7, 6] * 5, 16), tally("two", [5, 6, 7, 8] * 5, 16))
    write_report(found, CONTEXT, tmp_path)
    page = (tmp_path / "report.html").read_text()
    for part in ("one against base", "two against base", "difference-1.png", "transition-2.svg"):
        assert part in page
    rows = list(csv.DictReader(io.StringIO((tmp_path / "tables" / "difference.csv").read_text())))
    assert {row["rl"] for row in rows} == {"one", "two"}


def comparison_of(findings: Findings) -> Comparison:
    return findings.comparisons[0]


@pytest.mark.slow
@pytest.mark.parametrize("correct", [[2], [0, 0, 0], [4, 4, 4], [1, 0, 3]], ids=["one", "none", "all", "some"])
def test_degenerate_runs_with_tokens_subsets_and_guessers_still_give_a_report(
    correct: list[int], tmp_path: Path
) -> None:
    tallies = [tally("base", correct, 4), tally("rl", correct[::-1], 4)]
    ids = tallies[0].problem_ids
    problems = [Problem(name, "?", ("A",), "letters", "choice", tags={"subset": "only"}) for name in ids]
    facts = Facts(problems=problems, strata=("subset",) if len(ids) > 1 else (), beyond=True)
    found = find(
        [ModelData(each, tokens_by_problem=dict.fromkeys(ids, 4.0)) for each in tallies],
        BandSettings(draws=DRAWS),
        facts=facts,
    )
    write_report(found, CONTEXT, tmp_path)
    for path in [tmp_path / "report.md", *(tmp_path / "tables").glob("*.csv")]:
        assert not re.search(r"\bnan\b|NaN|\bNone\b|\binf\b", path.read_text()), path.name
    assert "At equal tokens" in headings(tmp_path)


def test_a_single_token_budget_is_drawn_as_a_bar() -> None:
    # One sample of rl takes 40 tokens, and that is all that 4 samples of base can spend.
    tallies = [tally("base", [1, 0, 3, 2], 4), tally("rl", [2, 1, 4, 2], 4)]
    found = find(
        [
            ModelData(each, tokens_by_problem=dict.fromkeys(each.problem_ids, cost))
            for each, cost in zip(tallies, (10.0, 40.0), strict=True)
        ],
        BandSettings(draws=DRAWS),
    )
    budget = found.pairs[0].tokens
    assert budget is not None
    assert budget.tokens.tolist() == [40.0]
    figure = figures_of(found)[-1]
    assert figure.stem == "tokens"
    assert "rule" in json.dumps(figure.spec)
    assert '"type": "area"' not in json.dumps(figure.spec)


@pytest.mark.slow
@pytest.mark.parametrize("correct", [[1], [0, 0, 0], [1, 1, 1], [1, 0, 1]], ids=["one", "none", "all", "some"])
def test_degenerate_runs_still_give_a_report(correct: list[int], tmp_path: Path) -> None:
    """One sample per problem, one problem, nobody ever right, everybody always right."""
    found = findings_of(tally("base", correct, 1), tally("rl", correct, 1))
    assert len(comparison_of(found).difference.k) == 1
    page = write_report(found, CONTEXT, tmp_path).read_text()
    assert "These data do not show a difference between" in page
