"""Brackets for unscored samples and curves of finished ones: by hand, and against a replay of the stopping plan."""

from collections.abc import Sequence

import numpy as np
import pytest

from move37.analyses.curves import model_curve
from move37.analyses.sensitivity import difference_bracket, finished_curve, unscored_bracket
from move37.counts import StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.estimates.rows import pass_at_k_rows
from move37.estimates.settings import BandSettings
from move37.stopping import CODES, apply_plan
from move37.types import Outcome


def ints(values: Sequence[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def tally(correct: Sequence[int], incorrect: Sequence[int], unscored: Sequence[int], model: str = "m") -> Tally:
    ids = tuple(f"p{i}" for i in range(len(correct)))
    return Tally(model, ids, ints(correct), ints(incorrect), ints(unscored), ints([0] * len(ids)))


def stopped(outcomes: np.ndarray, plan: StoppingPlan) -> StoppedTally:
    stops = apply_plan(outcomes, plan)
    assert stops.stopped.all()
    ids = tuple(f"p{i}" for i in range(len(outcomes)))
    zeros = np.zeros_like(stops.trials)
    return StoppedTally("m", ids, stops.successes, stops.trials, stops.went_on, stops.unscored, zeros, zeros, plan=plan)


# -- unscored ---------------------------------------------------------------------------------------------------------


def test_the_bracket_counts_unscored_samples_wrong_and_right():
    found = unscored_bracket(tally([1, 2], [1, 2], [2, 0]))
    # Of four samples each: 1 or 3 right, and 2 either way. pass@2: 1 - 3/6 = 1/2 or 1, and 5/6.
    assert found.k.tolist() == [1, 2, 3, 4]
    assert found.if_wrong[:2] == pytest.approx([(1 / 4 + 1 / 2) / 2, (1 / 2 + 5 / 6) / 2])
    assert found.if_right[:2] == pytest.approx([(3 / 4 + 1 / 2) / 2, (1 + 5 / 6) / 2])
    assert (found.unscored, found.problems_with_unscored, found.right_is_exact) == (2, 1, True)


def test_whatever_the_lost_verdicts_were_the_full_curve_lies_between():
    rng = np.random.default_rng(0)
    outcomes = rng.random((40, 12)) < rng.random((40, 1))
    lost = rng.random((40, 12)) < 0.2
    correct, wrong = (outcomes & ~lost).sum(axis=1), (~outcomes & ~lost).sum(axis=1)
    found = unscored_bracket(tally(correct.tolist(), wrong.tolist(), lost.sum(axis=1).tolist()))
    whole = pass_at_k_rows(tally(outcomes.sum(axis=1).tolist(), (~outcomes).sum(axis=1).tolist(), [0] * 40))
    assert (found.if_wrong <= whole.mean(axis=0) + 1e-12).all()
    assert (found.if_right >= whole.mean(axis=0) - 1e-12).all()


def test_a_problem_that_nobody_scored_is_in_the_bracket():
    found = unscored_bracket(tally([0, 1], [0, 1], [2, 0]))
    assert found.if_wrong.tolist() == pytest.approx([0.25, 0.5])
    assert found.if_right.tolist() == pytest.approx([0.75, 1.0])


@pytest.mark.parametrize("batch", [1, 4])
def test_early_stopped_brackets_equal_a_replay_of_the_plan(batch: int):
    # Outcomes of 60 problems x 24, a tenth unscored. All wrong and all right are the plan applied to changed outcomes.
    rng = np.random.default_rng(1)
    plan = StoppingPlan.until(2, 24, batch)
    outcomes = (rng.random((60, 24)) < rng.beta(0.5, 1, (60, 1))).astype(np.int8)
    outcomes[rng.random((60, 24)) < 0.1] = CODES[Outcome.UNSCORED]
    unscored = outcomes == CODES[Outcome.UNSCORED]
    wrong = np.where(unscored, np.int8(CODES[Outcome.INCORRECT]), outcomes)
    right = stopped(np.where(unscored, np.int8(CODES[Outcome.CORRECT]), outcomes), plan)
    found = unscored_bracket(stopped(outcomes, plan), right)
    assert found.right_is_exact
    assert len(found.k) == 24
    assert found.if_wrong == pytest.approx(pass_at_k_rows(stopped(wrong, plan)).mean(axis=0), abs=1e-14)
    assert found.if_right == pytest.approx(pass_at_k_rows(right).mean(axis=0), abs=1e-14)
    # Without the replay, the upper line is only a bound, and says so.
    bounded = unscored_bracket(stopped(outcomes, plan))
    assert not bounded.right_is_exact
    assert (bounded.if_right >= found.if_right - 1e-14).all()
    assert (bounded.if_wrong == found.if_wrong).all()


def test_without_unscored_samples_the_bracket_is_the_curve():
    plan = StoppingPlan.until(1, 4)
    outcomes = np.array([[1, 0, 0, 0], [0, 0, 0, 1]], dtype=np.int8)
    found = unscored_bracket(stopped(outcomes, plan))
    assert found.right_is_exact
    assert found.if_wrong.tolist() == found.if_right.tolist()
    assert found.if_wrong == pytest.approx(pass_at_k_rows(stopped(outcomes, plan)).mean(axis=0))


def test_every_sample_of_every_problem_unscored_leaves_the_whole_range():
    plan = StoppingPlan.until(1, 2)
    found = unscored_bracket(stopped(np.full((2, 2), CODES[Outcome.UNSCORED], dtype=np.int8), plan))
    assert found.if_wrong.tolist() == [0.0, 0.0]
    assert found.if_right.tolist() == [1.0, 1.0]


def test_the_difference_is_bracketed_by_the_worst_and_the_best_for_rl():
    found = difference_bracket(tally([1], [1], [2], "base"), tally([2], [1], [1], "rl"))
    # pass@1: base 1/4 to 3/4, rl 2/4 to 3/4.
    assert (found.base, found.rl) == ("base", "rl")
    assert (found.lower[0], found.upper[0]) == pytest.approx((-0.25, 0.5))
    assert len(found.k) == 4


def test_a_bracket_carries_the_band_of_its_ends():
    rng = np.random.default_rng(2)
    p = rng.beta(0.5, 0.7, 80)
    right = rng.binomial(12, p)
    unscored = rng.integers(0, 4, 80)
    one = tally(right.tolist(), (12 - right).tolist(), unscored.tolist(), "base")
    found = unscored_bracket(one, settings=BandSettings(draws=2000))
    assert (found.lower <= found.if_wrong).all()
    assert (found.if_right <= found.upper).all()
    # The lower end is that of the curve with all of them wrong.
    wrong = tally(right.tolist(), (12 - right + unscored).tolist(), [0] * 80, "base")
    assert found.lower == pytest.approx(model_curve(wrong, BandSettings(draws=2000)).lower, abs=0.01)
    both = difference_bracket(one, one, BandSettings(draws=2000))
    assert (both.band_lower <= both.lower).all()
    assert (both.upper <= both.band_upper).all()


def test_a_bracket_holds_the_curve_whatever_the_unscored_are():
    # Wrong answers go unscored half of the time: pass@1 of the scored is .6 or so where the truth is .43.
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(100):
        p = rng.beta(0.6, 0.8, 60)
        right = rng.binomial(8, p)
        unscored = rng.binomial(8 - right, 0.5)
        counts = tally(right.tolist(), (8 - right - unscored).tolist(), unscored.tolist())
        kept = counts.select(counts.n > 0)
        found = unscored_bracket(kept, settings=BandSettings(draws=500))
        held += bool(found.lower[0] <= 0.6 / 1.4 <= found.upper[0])
    assert held >= 90


def test_a_problem_without_samples_and_a_foreign_replay_are_refused():
    with pytest.raises(InputError, match="1 problems have no samples"):
        unscored_bracket(tally([1, 0], [1, 0], [0, 0]))
    with pytest.raises(InputError, match="replay is not of the same problems"):
        unscored_bracket(tally([1, 1], [1, 1], [0, 0]), tally([1], [1], [0]))


# -- truncated --------------------------------------------------------------------------------------------------------


def test_the_finished_curve_stands_beside_all_samples_of_the_same_problems():
    # p0: 1 of 2 finished and 1 of 4 in all; p1 has nothing finished; p2: 3 of 3 and 3 of 4.
    everything = tally([1, 0, 3], [3, 4, 1], [0, 0, 0])
    found = finished_curve(everything, tally([1, 0, 3], [1, 0, 0], [0, 0, 0]))
    assert found is not None
    assert found.left_out == ("p1",)
    assert found.finished == pytest.approx([(1 / 2 + 1) / 2, (1 + 1) / 2])
    assert found.all_samples == pytest.approx([(1 / 4 + 3 / 4) / 2, (1 / 2 + 1) / 2])
    assert found.k.tolist() == [1, 2]


def test_nothing_finished_is_no_curve():
    assert finished_curve(tally([1], [1], [0]), tally([0], [0], [0])) is None


def test_finished_samples_of_other_problems_are_refused():
    with pytest.raises(InputError, match="m lacks 1 problem"):
        finished_curve(tally([1], [1], [0]), tally([1, 1], [1, 1], [0, 0]))
