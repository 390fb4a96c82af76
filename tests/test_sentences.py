"""Every sentence of reports and terminal over a grid of constructed runs, each against the truth it was built from.

The runs and what is true of them are `constructed_runs.py`. Every claim has its terms; what it asserts has to be true;
what asserts nothing must not sound as if it did. A claim may be false in one study of twenty, so the grid is counted,
not only walked. Warnings and captions are walked as well: what they say of level and target is what the tables hold.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from move37.analyses.details import ModelData
from move37.analyses.extrapolation import difference_at_k
from move37.analyses.findings import find
from move37.counts import StoppingPlan
from move37.estimates.rows import correct_samples
from move37.estimates.settings import BandSettings
from move37.importers.counts import load_counts
from move37.report import summaries, tables
from move37.report.number_format import Missing, level
from move37.report.sections import Section, further_sections
from move37.report.summary import notes
from move37.report.tables import Estimated, Table
from move37.report.words import unnamed
from move37.report.words.claim import LIKE_THESE, THESE, Assertion, Claim, joined
from move37.report.words.extrapolation import at_k_sentence
from move37.report.words.first_screen import first_screen
from tests.constructed_runs import AUDITED, EQUAL, Kinds, N, Study, World, is_true, study


def with_kind(share: float, base: float, rl: float) -> Kinds:
    """Equal models, but for one kind of problems."""
    return (*(((1 - share) * part, p, p) for part, p in EQUAL), (share, base, rl))


NONE: Kinds = tuple((share, p, p) for share, p in EQUAL)
GAIN, LOSS = with_kind(0.25, 0.0, 0.4), with_kind(0.25, 0.4, 0.0)
BOTH: Kinds = tuple((0.5 * share, base, rl) for share, base, rl in (*GAIN, *LOSS))
CROSSING = ((0.6, 0.15, 0.6), (0.3, 0.3, 0.0), (0.1, 0.0, 0.0))
RARE: Kinds = ((0.4, 0.0, 0.2), (0.2, 0.02, 0.02), (0.2, 0.1, 0.4), (0.2, 0.6, 0.7))
GRID = {
    "none": World(NONE, expect={"gained": False, "lost": False, "sharpened": False}),
    "gain only": World(GAIN, beyond=True, expect={"gained": True, "lost": False}),
    "loss only": World(LOSS, expect={"gained": False, "lost": True}),
    "both": World(BOTH, expect={"gained": True, "lost": True}),
    "crossing": World(CROSSING, expect={"lost": True, "sharpened": True}),
    "1 problem": World(CROSSING, problems=1, expect={"sharpened": False}),
    "30 problems": World(CROSSING, problems=30, beyond=True),
    "clusters": World(BOTH, problems=120, copies=4),
    "clusters of none": World(NONE, problems=120, copies=4, expect={"gained": False, "lost": False}),
    "plan": World(CROSSING, plan=StoppingPlan.until(4, N, 8), expect={"lost": True}),
    "plan of none": World(NONE, plan=StoppingPlan.until(2, N)),
    "flagged": World(((0.93, 0.95, 0.95), (0.07, 0.9, 0.05))),
    "unscored": World(CROSSING, unscored=0.1),
    "three models": World(CROSSING, models=3, beyond=True),
    "three models, none": World(NONE, models=3),
    "these problems": World(CROSSING, target="benchmark", expect={"lost": True, "sharpened": True}),
    "these problems, none": World(NONE, target="benchmark", models=2),
    "these 30": World(CROSSING, problems=30, target="benchmark"),
    "this problem": World(CROSSING, problems=1, target="benchmark"),
    "these, plan": World(BOTH, target="benchmark", plan=StoppingPlan.until(4, N, 8), copies=2),
    "decided": World(LOSS, decided=True),
    "zero set": World(RARE, problems=92, fresh=24, expect={"gained": True}),
    "zero set of none": World(NONE, fresh=24, problems=300),
    "zero set of clusters": World(RARE, fresh=24, problems=120, copies=4),
    "false accepts": World(RARE, problems=92, false_accepts=0.004),
    "false accepts under a plan": World(RARE, problems=92, false_accepts=0.004, plan=StoppingPlan.until(4, N, 8)),
    "calibrated": World(CROSSING, corrupted=0.03),
    "judge of chains": World(CROSSING, judge=(0.9, 0.2)),
    "judge that tells little": World(CROSSING, judge=(0.6, 0.55)),
    "format": World(CROSSING, answered=(0.2, 0.9)),
    "format of none": World(NONE, answered=(0.5, 0.5)),
    "arms": World(CROSSING, arm=1.5),
    "at 99%": World(BOTH, confidence=0.99, beyond=True, models=2),
    "at 99%, all that is read": World(
        RARE,
        problems=92,
        confidence=0.99,
        unscored=0.05,
        fresh=24,
        corrupted=0.03,
        judge=(0.9, 0.2),
        answered=(0.2, 0.9),
        arm=1.5,
    ),
}


@cache
def of_grid(name: str) -> Study:
    return study(GRID[name], seed=1)


# -- what is said --------------------------------------------------------------------------------------------------


def every_section(made: Study) -> Iterator[Section]:
    found = further_sections(made.findings)
    rest = (found.reliability, found.outcomes, found.graders, found.extrapolation)
    for where in (found.guessing, found.together, *found.variety, *found.pairs, *rest):
        yield from where


def paragraphs(made: Study) -> Iterator[tuple[Claim, ...]]:
    """Every sentence of the page and of the terminal; those that are read together in one tuple."""
    found = made.findings
    screen = first_screen(found)
    yield from ((claim,) for claim in (screen.title, *(each.claim for of in screen.answers for each in of)))
    for summary in summaries(found):
        yield from summary.paragraphs
    yield tuple(notes(found))
    yield from (section.sentences for section in every_section(made))
    if made.world.beyond:
        base, rl = made.tallies[:2]
        for k in (N, 2 * N, 5 * N):
            at = difference_at_k(base, rl, k, made.world.confidence)
            yield (at_k_sentence(at, (rl.model, "base")),)


SOUNDS_LIKE_A_CLAIM = re.compile(
    r"solves (more|fewer)|\bis (better|worse|above|below)\b|not luck|at least \d+ of|rarely makes|whole band is above"
)
SAYS_THAT_IT_IS_OPEN = re.compile(
    r"(?i)not decide|not shown|no evidence|whether|is open|which (of them|one)|No k up to|not established"
    r"|No model|No claim"
)
NEVER_SAID = re.compile(r"no sign|proves? that there (is|are) no|have? the same|did not (gain|lose)|\bnan\b|None|inf\b")


def check_words(claim: Claim, together: str) -> None:
    text = unnamed(claim.text)
    assert text.strip(), together
    assert text[-1] in ".:", text
    assert not NEVER_SAID.search(text), text
    if not claim.established:
        sounds = SOUNDS_LIKE_A_CLAIM.search(text)
        assert not sounds or SAYS_THAT_IT_IS_OPEN.search(text), text
        return
    assert claim.target in (THESE, LIKE_THESE) or claim.target.endswith("corrupted like these"), text
    assert claim.confidence is not None, text
    assert 0 < claim.confidence < 1, text
    assert claim.corrected_over, text
    shown = f"{together} {claim.terms if claim.kind else ''}"
    assert level(claim.confidence) in shown, shown
    of = {THESE: "these problems|Of the [0-9,]+ problem", LIKE_THESE: "problems like (these|the ones)"}
    assert (
        claim.kind or re.search(of.get(claim.target, claim.target), shown) or re.search("McNemar|anytime-valid", text)
    ), shown
    for bounds in claim.asserts:
        assert bounds.lower > -np.inf or bounds.upper < np.inf, text


def every_table(made: Study) -> Iterator[Table]:
    found = made.findings
    for section in every_section(made):
        yield from section.tables
        yield from (table for _, table in section.folded)
    yield tables.curves_table(found.curves, (1,))
    yield tables.reliability_table([row for model in found.models for row in model.reliability])
    for comparison in found.comparisons:
        yield tables.difference_table(comparison.difference, (1,))
        yield tables.gap_table(comparison)
    if found.grader_errors:
        yield tables.grader_errors_table(found.grader_errors)


OF_WHAT = re.compile(
    r"(these|same) problems|problems like these|corrupted like these|judge's errors|range; how the samples vary"
    r"|all that is unread"
)


def check_caption(table: Table, confidence: float) -> None:
    """Whatever holds an interval says at which level, and of which problems (answers, chains) it speaks."""
    cells = [cell for row in table.rows for cell in row]
    said = " ".join((table.caption, *table.header, *table.notes))
    bounded = any(isinstance(cell, Estimated) and not isinstance(cell.interval, Missing) for cell in cells)
    if bounded or re.search(r"\bintervals?\b|\bband\b", said):
        assert level(confidence) in said, said
        assert OF_WHAT.search(said), said
    assert not NEVER_SAID.search(said), said


def check_warning(made: Study, text: str) -> None:
    """A warning asserts nothing but what a widened band establishes, and that is true."""
    assert not NEVER_SAID.search(text), text
    assert not SOUNDS_LIKE_A_CLAIM.search(text.replace("decided which model solves more", "")), text
    stands = re.search(r"still establishes k=([0-9, -]+)", text)
    if stands is None:
        assert "establishes" not in text or "nothing" in text, text
        return
    ks = {k for first, _, last in (run.partition("-") for run in stands[1].rstrip(", ").split(", "))
          for k in range(int(first), int(last or first) + 1)}  # fmt: skip
    comparisons = [each.difference for each in made.findings.comparisons if text in each.warnings]
    assert len(comparisons) == 1, text
    found = comparisons[0]
    claims = [Assertion("difference", (found.rl, found.base), tuple(ks & {*found.shown_gain}), 0.0)]
    claims += [Assertion("difference", (found.rl, found.base), tuple(ks & {*found.shown_loss}), upper=0.0)]
    assert ks == {*claims[0].ks, *claims[1].ks}, text
    assert is_true(made, Claim(text, tuple(claims), target=THESE if found.target == "benchmark" else LIKE_THESE))


@pytest.mark.slow
@pytest.mark.parametrize("name", GRID)
def test_every_sentence_has_its_terms_and_is_true(name: str):
    made = of_grid(name)
    for table in every_table(made):
        check_caption(table, GRID[name].confidence)
    for warning in made.findings.warnings:
        check_warning(made, warning)
    groups = list(paragraphs(made))
    assert len(groups) > 4
    for group in groups:
        together = unnamed(joined(group))
        for claim in group:
            check_words(claim, together)
            assert is_true(made, claim), claim
    said = " ".join(claim.text for group in groups for claim in group)
    assert GRID[name].confidence == 0.95 or "95%" not in said
    for kind, expected in GRID[name].expect.items():
        (claim,) = (each for each in summaries(made.findings)[0].claims if each.kind == kind)
        assert claim.established == expected, claim


LEAST_TRUE = {
    **dict.fromkeys(("none", "clusters of none", "plan of none", "30 problems", "these problems"), 25),
    **dict.fromkeys(("zero set of none", "false accepts", "calibrated", "judge of chains", "format"), 12),
}
"""Worlds in which sentences are likeliest to be false, and studies of each."""


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAST_TRUE)
def test_false_sentences_are_as_rare_as_they_say(name: str):
    # A band, a test or an interval errs in one study of twenty, and each kind of claim is counted by itself.
    false: dict[str, int] = {}
    for seed in range(LEAST_TRUE[name]):
        made = study(replace(GRID[name], beyond=False), seed=100 + seed)
        wrong = {each.asserts[0].quantity for group in paragraphs(made) for each in group if not is_true(made, each)}
        for quantity in wrong:
            false[quantity] = false.get(quantity, 0) + 1
    # At .05 more than 6 of 25 come about with a chance of 2e-4, more than 5 of 12 with 3e-5; "difference" holds claims
    # of three methods.
    assert all(count <= (6 if LEAST_TRUE[name] == 25 else 5) for count in false.values()), false


def test_what_readers_said_is_counted_as_it_was_read():
    # Readers are never wrong here, so the bracket of problems solved with a valid chain holds their number.
    made = study(GRID["false accepts"], seed=3)
    for detail, tally in zip(made.findings.models, made.tallies, strict=True):
        found = detail.audit
        assert found is not None
        few = [name for name, c in zip(tally.problem_ids, correct_samples(tally), strict=True) if 1 <= c <= AUDITED]
        assert (found.audited, found.with_valid + found.without_valid + found.open) == (len(few), len(few))
        assert found.solved_validly[0] == found.solved - found.without_valid - found.open
        assert found.with_valid > 0
    assert any(detail.audit and detail.audit.without_valid for detail in made.findings.models)


@pytest.mark.slow
def test_the_kinds_of_sentences_that_the_grid_is_there_for_are_said():
    said = {
        each.asserts[0].quantity.split(",")[0]
        for name in ("crossing", "zero set", "false accepts", "calibrated", "judge of chains", "format", "arms")
        for group in paragraphs(of_grid(name))
        for each in group
        if each.asserts
    }
    assert {
        *("zero set", "better on", "false accepts", "clean accepted", "difference by format", "different answers"),
        *("difference of best arms", "difference"),
    } <= said
    fragile = [each for group in paragraphs(of_grid("crossing")) for each in group if "falls" in each.text]
    assert any(said.quantity == "difference, 2 right" for each in fragile for said in each.asserts)


def test_a_sentence_that_claims_too_much_is_noticed():
    # The walk itself must be able to fail.
    made = of_grid("none")
    bold = Claim("rl solves more.", (Assertion("difference", ("rl", "base"), (1,), 0.1, 1.0),), "", THESE, 0.95, "x")
    assert not is_true(made, bold)
    with pytest.raises(AssertionError):
        check_words(Claim("rl solves more than base."), "")
    with pytest.raises(AssertionError):
        check_words(replace(bold, corrected_over=""), "95% these problems")
    with pytest.raises(AssertionError):
        check_warning(made, "k=1: it still establishes k=1; rely on the test")
    bare = Table("Differences", ("k", "difference"), (("1", Estimated("+1", "+0.5 to +1.5")),), "d.csv")
    with pytest.raises(AssertionError):
        check_caption(bare, 0.95)
    check_caption(replace(bare, caption="Differences, 95% interval for problems like these"), 0.95)


@pytest.mark.slow
def test_nothing_is_said_in_sections_but_claims():
    made = of_grid("three models")
    sections = further_sections(made.findings)
    every = (
        *sections.together,
        *sections.reliability,
        *sections.extrapolation,
        *(s for p in sections.pairs for s in p),
    )
    assert all(isinstance(section, Section) for section in every)
    assert all(isinstance(sentence, Claim) for section in every for sentence in section.sentences)


SHARED = Path(__file__).parents[2] / "shared" / "data" / "counts" / "deepscaler32k"


@pytest.mark.skipif(not SHARED.exists(), reason="the DeepScaleR counts are not beside the project (../shared)")
def test_the_readme_says_of_the_published_counts_what_the_claims_say():
    tallies = [load_counts(SHARED / f"{model}.jsonl", model) for model in ("base", "rl")]
    found = find([ModelData(each) for each in tallies], BandSettings())
    gained, lost, sharpened, _ = summaries(found)[0].claims
    readme = " ".join((Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8").split())
    difference, change = found.comparisons[0].difference, found.comparisons[0].lost
    assert change is not None
    gains, losses = difference.shown_gain, difference.shown_loss
    assert f"RL is better for k = {gains[0]} to {gains[-1]} and worse for k = {losses[0]} to {losses[-1]}" in readme
    assert f"Of the {change.only} problems that base alone solved at least {change.at_least} are a loss" in readme
    assert (gained.established, lost.established, sharpened.established) == (False, True, True)
    assert lost.asserts[0].lower == change.at_least
