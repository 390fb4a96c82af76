"""Under which other readings do gains and losses stand? Published counts, constructed worlds, plans, clusters."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from move37.analyses import Findings
from move37.analyses.curves import curve_difference, model_curve
from move37.analyses.details import ModelData
from move37.analyses.findings import find
from move37.analyses.fragility import LEFT_OUT, Fragility, fragility, looked_at
from move37.analyses.serialise import plain
from move37.counts import StoppingPlan, Tally
from move37.estimates import rows
from move37.estimates.bands import simultaneous_band
from move37.estimates.rows import alike_problems, pass_at_k_rows
from move37.estimates.settings import BandSettings, Design
from move37.importers.counts import load_counts
from move37.report.sections import section_lines
from move37.report.summary import summary_sentences
from move37.report.words import unnamed
from move37.report.words.claim import joined, texts
from move37.report.words.fragility import fragility_sentences
from tests.test_analyses_gains_losses import DEEPSCALER, stopped, tally

FAST = BandSettings(draws=5_000)


def found_in(base: Tally, rl: Tally, *finished: Tally, design: Design | None = None) -> Fragility:
    design = design or Design()
    known = (finished[0], finished[1]) if finished else (None, None)
    return fragility(base, rl, curve_difference(base, rl, FAST, design), known, FAST, design)


def crossing(problems: int = 300, n: int = 64, seed: int = 2) -> tuple[Tally, Tally]:
    """RL is better where base is often right and worse where it is rarely right."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 0.7, problems)
    rl = np.where(p < 0.15, p / 6, np.minimum(1, 1.3 * p))
    return tally("base", rng.binomial(n, p).tolist(), n), tally("rl", rng.binomial(n, rl).tolist(), n)


@pytest.fixture(scope="module")
def published() -> Findings:
    if not DEEPSCALER.is_dir():
        pytest.skip("needs the published counts")
    each = [load_counts(DEEPSCALER / f"{name}.jsonl", name) for name in ("base", "rl")]
    return find([ModelData(counts) for counts in each], BandSettings(draws=20_000))


def test_the_published_loss_hangs_on_problems_solved_once(published: Findings) -> None:
    found = published.comparisons[0].fragility
    assert found is not None
    by_t = {each.threshold: each for each in (found.measured, *found.thresholds)}
    assert by_t[1].loss
    assert by_t[1].first_loss_set[0] == 11
    assert by_t[2].loss == ()
    assert by_t[2].difference[-1] == pytest.approx(-0.0142, abs=5e-5)
    assert by_t[4].difference[-1] == pytest.approx(+0.0066, abs=5e-5)
    assert (found.largest_t_loss, found.largest_t_gain) == (1, 5)
    assert found.tipping.value[127] == pytest.approx(0.0013, abs=5e-5)
    assert found.tipping.value[31] == pytest.approx(0.0009, abs=5e-5)
    assert found.tipping.lower[127] > 0 > found.tipping.lower[31]


def test_the_sentence_of_the_published_loss(published: Findings) -> None:
    loss, gain = map(unnamed, texts(fragility_sentences(published.comparisons[0].fragility)))
    assert loss.startswith("The loss (k = 6")
    assert "falls if 2 to 5 right tries are asked for in place of one" in loss
    assert re.search(
        r"0\.0[23]\d? points more of the wrong samples of base than of those of rl \(0\.1\d points erase", loss
    )
    assert gain.startswith("The gain (k = 1–10) stands if 2 to 5 right tries are asked for in place of one, whichever")
    assert loss in summary_sentences(published)
    assert any(line.startswith("Under other readings: ") for line in section_lines(published))


def test_no_claim_no_sentence_and_no_influence() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(0.5, 0.7, 100)
    base, rl = tally("base", rng.binomial(16, p).tolist(), 16), tally("rl", rng.binomial(16, p).tolist(), 16)
    found = found_in(base, rl)
    assert (found.measured.gain, found.measured.loss, found.influence) == ((), (), ())
    assert fragility_sentences(found) == []


def test_readings_of_thresholds_keep_to_what_a_plan_allows() -> None:
    rng = np.random.default_rng(7)
    p = rng.beta(0.5, 0.7, 60)
    plan = StoppingPlan.until(3, 32, 8)
    base, rl = (stopped(name, rng.random((60, 32)) < p[:, None], plan) for name in ("base", "rl"))
    found = fragility(base, rl, curve_difference(base, rl, FAST), settings=FAST)
    assert [each.threshold for each in found.thresholds] == [2, 3]
    assert found.most_successes == 3


def test_a_crossing_that_single_problems_do_not_carry_and_one_that_they_do() -> None:
    firm = found_in(*crossing(600))
    (loss,) = (each for each in firm.influence if each.claim == "loss")
    assert loss.overturned_by_one == 0
    assert loss.overturned_by is not None
    assert loss.overturned_by > LEFT_OUT
    assert loss.without_them.loss
    assert loss.without_them.problems == 600 - LEFT_OUT

    base, rl = (each.correct.copy() for each in crossing(600))
    rng = np.random.default_rng(5)
    p = rng.beta(0.5, 0.7, 400)
    base, rl = rng.binomial(64, p), rng.binomial(64, p)
    lost = np.argsort(p)[:16]
    base[lost], rl[lost] = 3, 0
    shaky = found_in(tally("base", base.tolist(), 64), tally("rl", rl.tolist(), 64))
    if not shaky.measured.loss:
        pytest.fail("the constructed loss is not established")
    (loss,) = (each for each in shaky.influence if each.claim == "loss")
    assert loss.overturned_by is not None
    assert loss.overturned_by < 16
    assert "carry it most" in fragility_sentences(shaky)[0].text


@pytest.mark.slow
def test_leaving_out_one_by_one_finds_the_sets_of_bands_made_anew() -> None:
    base, rl = crossing(200)
    found = found_in(base, rl)
    difference = pass_at_k_rows(rl) - pass_at_k_rows(base)
    lasts = []
    for i in range(200):
        band = simultaneous_band(np.delete(difference, i, axis=0), FAST)
        losses = np.flatnonzero(band.upper < 0)
        lasts.append(int(losses[0]) + 1 if losses.size else None)
    each = found.influence[-1]
    known = [last for last in lasts if last is not None]
    assert each.claim == "loss"
    assert each.overturned_by_one == pytest.approx(lasts.count(None), abs=2)
    assert each.last[0] == pytest.approx(min(known), abs=2)


def test_doubling_every_problem_under_one_cluster_changes_no_reading() -> None:
    base, rl = crossing(120)
    once = found_in(base, rl)
    twice = [replace(t, problem_ids=tuple(f"{i}{c}" for i in t.problem_ids for c in "ab"),
                     **{n: np.repeat(getattr(t, n), 2) for n in ("correct", "incorrect", "unscored", "truncated")})
             for t in (base, rl)]  # fmt: skip
    again = found_in(*twice, design=Design(clusters=np.repeat(np.arange(120), 2)))
    for one, two in zip((once.measured, *once.thresholds), (again.measured, *again.thresholds), strict=True):
        assert two.difference == pytest.approx(one.difference, abs=1e-12)
        assert two.upper == pytest.approx(one.upper, abs=2e-3)
    assert again.tipping.lower == pytest.approx(once.tipping.lower, abs=2e-3)
    for one, two in zip(once.influence, again.influence, strict=True):
        assert (two.unit, two.units, len(two.most_telling)) == ("cluster", 120, 2 * LEFT_OUT)
        assert two.overturned_by == pytest.approx(one.overturned_by, abs=1)


def test_unscored_and_truncated_samples_at_their_worst() -> None:
    base, rl = crossing(200)
    cut = np.minimum(rl.incorrect, 6)
    with_cut = replace(rl, truncated=cut, unscored=np.full(200, 2, dtype=np.int64))
    ended = replace(rl, incorrect=rl.incorrect - cut)
    found = found_in(base, with_cut, base, ended)
    assert [each.kind for each in found.unscored] == ["unscored_for_base", "unscored_for_rl"]
    worst, best = found.unscored
    assert (worst.difference <= found.measured.difference + 1e-12).all()
    assert (best.difference >= found.measured.difference - 1e-12).all()
    kinds = {each.kind: each for each in found.truncated}
    assert set(kinds) == {"cut_right_for_base", "cut_right_for_rl", "finished"}
    by_hand = tally("rl", (rl.correct + cut).tolist(), 64)
    expected = (pass_at_k_rows(by_hand) - pass_at_k_rows(base)).mean(axis=0)
    assert kinds["cut_right_for_rl"].difference == pytest.approx(expected[:64], abs=1e-12)
    assert kinds["cut_right_for_base"].difference == pytest.approx(found.measured.difference, abs=1e-12)
    said = unnamed(joined(fragility_sentences(found)))
    assert "if the unscored samples are right for rl and wrong for base" in said
    assert "if the samples of rl that were cut off were right" in said
    assert "among the samples that were not cut off" in said


def test_every_k_is_looked_at_up_to_256_and_steps_beyond() -> None:
    assert looked_at(256).tolist() == list(range(1, 257))
    beyond = looked_at(1024)
    assert (beyond[0], beyond[-1]) == (1, 1024)
    assert len(beyond) < 120


def test_problems_that_are_alike_are_taken_together_and_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    base, rl = crossing(problems=400, n=6)
    curve = model_curve(base, FAST)
    alone = found_in(base, rl)
    monkeypatch.setattr(rows, "_LARGE", 0)
    assert alike_problems((base, rl)) is None  # what was kept before is known by its tallies
    base, rl = replace(base), replace(rl)
    kinds = alike_problems((base, rl))
    assert kinds is not None
    assert len(kinds.first) < 50
    together = found_in(base, rl)
    assert_alike(plain(curve), plain(model_curve(base, FAST)))
    assert alone.influence
    assert_alike(plain(alone), plain(together))


def assert_alike(one: Any, other: Any) -> None:
    """Equal but for rounding."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_alike(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_alike(*pair)
    else:
        assert other == (pytest.approx(one, rel=1e-5, abs=1e-9, nan_ok=True) if isinstance(one, float) else one)
