"""Gained and lost: two claims, exact, corrected over all that was tested, under plans, clusters and several models."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from move37.analyses import compare
from move37.analyses.details import ModelData
from move37.analyses.findings import find
from move37.analyses.gains_losses import gains_and_losses
from move37.analyses.serialise import comparison_json, findings_json
from move37.analyses.solvable_sets import expected_four_way
from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.estimates.conditional import THRESHOLDS
from move37.estimates.rows import pass_at_k_rows
from move37.estimates.settings import BandSettings, Design
from move37.importers.counts import load_counts
from move37.stopping import apply_plan
from move37.types import IntArray

DEEPSCALER = Path(__file__).parents[2] / "shared" / "data" / "counts" / "deepscaler32k"
KEYS = [str(c0) for c0 in THRESHOLDS]


def tally(model: str, correct: Sequence[int] | IntArray, n: int) -> Tally:
    right, zeros = np.array(correct, dtype=np.int64), np.zeros(len(correct), dtype=np.int64)
    return Tally(model, tuple(f"p{i:03}" for i in range(len(right))), right, n - right, zeros, zeros)


def stopped(model: str, outcomes: np.ndarray, plan: StoppingPlan) -> StoppedTally:
    stops, zeros = apply_plan(outcomes.astype(np.int8), plan), np.zeros(len(outcomes), dtype=np.int64)
    ids = tuple(f"p{i:03}" for i in range(len(outcomes)))
    surplus = plan.n_max - stops.used
    return StoppedTally(model, ids, stops.successes, stops.trials, stops.went_on, zeros, zeros, surplus, plan)


def eight_hidden(problems: int = 500, n: int = 128) -> tuple[Tally, Tally]:
    """Equal chances on all problems but 8, of which base solves none in n samples and RL 50."""
    rng = np.random.default_rng(5)
    p = rng.beta(0.4, 0.8, problems)
    base, rl = rng.binomial(n, p), rng.binomial(n, p)
    base[:8], rl[:8] = 0, 50
    return tally("base", base, n), tally("rl", rl, n)


def test_eight_problems_that_only_rl_solves_are_found_among_five_hundred_and_named():
    base, rl = eight_hidden()
    ((gained, lost),) = gains_and_losses(base, [rl])
    assert gained.problems == tuple(f"p{i:03}" for i in range(8))
    assert gained.only >= 8
    assert gained.at_least == 8
    assert gained.p_adjusted["16"] < 1e-9
    assert (lost.shown, lost.problems, lost.at_least) == (False, (), 0)


def test_swapping_the_models_swaps_the_claims():
    base, rl = eight_hidden(60)
    ((gained, lost),) = gains_and_losses(base, [rl])
    ((mirrored, other),) = gains_and_losses(rl, [base])
    assert (gained.p, gained.problems, lost.p) == (other.p, other.problems, mirrored.p)


def test_the_published_counts_show_a_loss_and_no_gain():
    if not DEEPSCALER.is_dir():
        pytest.skip("needs the published counts")
    base, rl = (load_counts(DEEPSCALER / f"{name}.jsonl", name) for name in ("base", "rl"))
    assert isinstance(base, Tally)
    assert isinstance(rl, Tally)
    ((gained, lost),) = gains_and_losses(base, [rl])
    assert (gained.only, lost.only) == (12, 33)
    assert gained.expected == pytest.approx(16.1, abs=0.05)
    assert [gained.p[key] for key in "1234"] == pytest.approx([0.94, 0.61, 0.21, 0.14], abs=0.005)
    assert [lost.p[key] for key in "1234"] == pytest.approx([1.434e-7, 2.848e-8, 5.028e-5, 9.149e-8], rel=1e-3)
    assert lost.p_adjusted["2"] == pytest.approx(6 * lost.p["2"])
    assert (gained.at_least, lost.at_least) == (0, 10)


def test_under_a_plan_what_it_cannot_tell_is_left_out_and_the_rest_holds():
    rng = np.random.default_rng(2)
    p = rng.beta(0.5, 0.8, 200)
    better = p.copy()
    better[:20] = 0.4
    p[:20] = 0.0
    plan = StoppingPlan.until(8, 128, batch=16)
    base, rl = (stopped(name, rng.random((200, 128)) < q[:, None], plan) for name, q in (("base", p), ("rl", better)))
    ((gained, lost),) = gains_and_losses(base, [rl])
    assert np.isnan(gained.p["16"])
    assert np.isnan(gained.p_adjusted["16"])
    assert gained.corrected_over == 6  # five counts, and the problems one by one
    assert gained.at_least >= 15
    assert set(gained.problems) >= {f"p{i:03}" for i in range(18)}
    assert not lost.shown
    shown = comparison_json(compare(base, rl, BandSettings(draws=500)), *(curve(t) for t in (base, rl)))
    assert shown["gained"]["p"]["16"] is None
    json.dumps(shown, allow_nan=False)


def curve(of: AnyTally):
    return find([ModelData(of)], BandSettings(draws=500)).curves[0]


def test_compare_prints_both_claims_by_c0():
    base, rl = eight_hidden(80)
    shown = comparison_json(compare(base, rl, BandSettings(draws=500)), curve(base), curve(rl))
    for side in ("gained", "lost"):
        assert list(shown[side]) == ["only", "expected", "p", "p_adjusted", "at_least", "problems"]
        assert list(shown[side]["p"]) == list(shown[side]["p_adjusted"]) == KEYS
    assert shown["gained"]["problems"] == [f"p{i:03}" for i in range(8)]


def test_several_models_are_corrected_for_together_and_the_claims_are_in_the_findings():
    base, rl = eight_hidden(80)
    again = tally("rl2", [*rl.correct[:40].tolist(), *base.correct[40:].tolist()], 128)
    findings = find([ModelData(each) for each in (base, rl, again)], BandSettings(draws=500))
    alone = compare(base, rl, BandSettings(draws=500)).gained
    together = findings.comparisons[0].gained
    assert alone is not None
    assert together is not None
    assert together.p == alone.p
    assert (alone.corrected_over, together.corrected_over) == (6, 12)
    assert all(together.p_adjusted[key] >= alone.p_adjusted[key] for key in KEYS)
    assert findings_json(findings)["comparisons"][0]["gained"]["corrected_over"] == 12


@pytest.mark.parametrize("kind", ["fixed", "stopped"])
def test_copies_under_one_cluster_change_neither_p_nor_bound(kind: str):
    rng = np.random.default_rng(4)
    base_hits, rl_hits = rng.random((60, 32)) < 0.1, rng.random((60, 32)) < 0.15
    base_hits[:9], rl_hits[:9] = False, rng.random((9, 32)) < 0.7
    plan = StoppingPlan.until(4, 32)
    made = [
        stopped(name, hits, plan) if kind == "stopped" else tally(name, hits.sum(axis=1).tolist(), 32)
        for name, hits in (("base", base_hits), ("rl", rl_hits))
    ]
    ((once, _),) = gains_and_losses(made[0], [made[1]], design=Design(clusters=np.arange(60)))
    rows = np.repeat(np.arange(60), 3)
    ids = tuple(f"p{i:03}-{copy}" for i in range(60) for copy in range(3))
    copied = [type(each)(**{**vars_of(each.select(rows)), "problem_ids": ids}) for each in made]
    ((thrice, _),) = gains_and_losses(copied[0], [copied[1]], design=Design(clusters=rows))
    assert list(once.p.values()) == pytest.approx(list(thrice.p.values()), nan_ok=True)
    assert (once.at_least, once.only, once.expected) == (thrice.at_least, thrice.only, thrice.expected)
    assert thrice.unit == "cluster"
    assert once.at_least >= 7
    assert {name.split("-")[0] for name in thrice.problems} == set(once.problems)


def vars_of(of: AnyTally) -> dict[str, object]:
    return {name: getattr(of, name) for name in type(of).__dataclass_fields__}


def test_where_sampling_stopped_because_of_what_it_found_nothing_is_claimed():
    base, rl = eight_hidden(80)
    found = compare(base, rl, BandSettings(draws=500), stopped_by_outcomes=True)
    assert (found.gained, found.lost) == (None, None)


def test_the_table_to_expect_at_any_k_is_unbiased_and_its_difference_is_that_of_pass_at_k():
    if not DEEPSCALER.is_dir():
        pytest.skip("needs the published counts")
    base, rl = (load_counts(DEEPSCALER / f"{name}.jsonl", name) for name in ("base", "rl"))
    assert isinstance(base, Tally)
    assert isinstance(rl, Tally)
    expected = [expected_four_way(base, rl, k) for k in (1, 4, 16, 64, 128)]
    assert [(round(t.base_only, 1), round(t.rl_only, 1)) for t in expected] == [
        (45.2, 125.8),
        (28.9, 61.5),
        (27.1, 31.2),
        (31.1, 17.3),
        (33.0, 12.0),
    ]
    for t in expected:
        assert t.both + t.base_only + t.rl_only + t.neither == pytest.approx(1060)
        gap = pass_at_k_rows(rl, t.k)[:, -1].sum() - pass_at_k_rows(base, t.k)[:, -1].sum()
        assert t.rl_only - t.base_only == pytest.approx(gap)
