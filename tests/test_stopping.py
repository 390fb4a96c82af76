"""A plan applied to outcome tables small enough to read: where each problem stops, and what counts."""

import numpy as np
import polars as pl
import pytest

from move37.counts import StoppedTally, StoppingPlan
from move37.errors import InputError
from move37.stopping import CODES, UNKNOWN, Stops, apply_plan, expected_left
from move37.tallies import counted_tally, counts_frame, stopped_tally
from move37.types import Outcome

PLAN = StoppingPlan((2, 4, 6), 2)
MARKS = {"+": CODES[Outcome.CORRECT], "-": CODES[Outcome.INCORRECT], "?": CODES[Outcome.UNSCORED], ".": UNKNOWN}


def stops(*rows: str, plan: StoppingPlan = PLAN) -> Stops:
    """Where problems stand whose samples are right (+), wrong (-), unscored (?) or not there (.)."""
    return apply_plan(np.array([[MARKS[mark] for mark in row] for row in rows], dtype=np.int8), plan)


def verdicts(*rows: str, truncated: str = "") -> pl.DataFrame:
    """The rows of problems a, b, ...; the marks of the samples in `truncated` stand for cut ones."""
    outcomes = {"+": "correct", "-": "incorrect", "?": "unscored"}
    table = [
        (problem, index, outcomes[mark.lower()], index in map(int, truncated))
        for problem, row in zip("abcdef", rows, strict=False)
        for index, mark in enumerate(row)
        if mark != "."
    ]
    return pl.DataFrame(table, schema=["problem_id", "index", "outcome", "truncated"], orient="row")


@pytest.mark.parametrize(
    ("row", "used", "successes", "went_on"),
    [
        ("++----", 2, 2, 0),
        ("+-+---", 4, 2, 2),
        ("++++++", 2, 2, 0),
        ("--++--", 4, 2, 2),
        ("+---+-", 6, 2, 4),
        ("------", 6, 0, 4),
        ("-+-+..", 4, 2, 2),
    ],
)
def test_a_problem_stops_at_the_first_look_that_finds_enough(row: str, used: int, successes: int, went_on: int) -> None:
    found = stops(row)
    assert found.stopped.tolist() == [True]
    assert (found.used[0], found.successes[0], found.trials[0]) == (used, successes, used)
    assert found.went_on[0] == went_on
    assert found.next_look[0] == 0


@pytest.mark.parametrize(
    ("row", "next_look"),
    [("......", 2), ("+.....", 2), ("+-....", 4), ("--+...", 4), ("-+--..", 6), ("-+---.", 6)],
)
def test_the_next_decision_takes_the_samples_up_to_the_next_look(row: str, next_look: int) -> None:
    found = stops(row)
    assert not found.stopped[0]
    assert found.next_look[0] == next_look
    assert [found.used[0], found.successes[0], found.trials[0], found.went_on[0]] == [0, 0, 0, 0]


def test_what_lies_behind_a_gap_decides_nothing() -> None:
    # Short answers come first: two right ones behind a sample that is not there yet must not stop the problem.
    found = stops(".+++..", "-.++++")
    assert found.stopped.tolist() == [False, False]
    assert found.next_look.tolist() == [2, 2]


def test_unscored_samples_use_up_the_look_and_are_neither_trials_nor_successes() -> None:
    found = stops("??+-++", "+?+---", "??????")
    assert found.used.tolist() == [6, 4, 6]
    assert found.trials.tolist() == [4, 3, 0]
    assert found.successes.tolist() == [3, 2, 0]
    assert found.unscored.tolist() == [2, 1, 6]
    assert found.went_on.tolist() == [2, 1, 0]  # scored ones at the look before


def test_every_look_has_its_own_threshold_and_the_last_has_none() -> None:
    plan = StoppingPlan((2, 4, 6), (1, 3))
    found = stops("+-....", "-----+", "--+++-", "--++--", plan=plan)
    assert found.used.tolist() == [2, 6, 6, 6]
    found = stops("--++..", "--+-..", plan=StoppingPlan((2, 4, 6), (1, 2)))
    assert found.stopped.tolist() == [True, False]


def test_surplus_and_cut_samples_beyond_the_stopping_point_are_counted_apart() -> None:
    # a stops at 2 of 8, b at 6 of 6; samples 1, 3 and 7 were cut: one of a's counts, two of b's.
    tally = stopped_tally("m", [verdicts("++-+-+--", "------", truncated="137")], ["a", "b", "c"], PLAN, "go on")
    assert tally.problem_ids == ("a", "b")
    assert tally.surplus.tolist() == [6, 0]
    assert tally.truncated.tolist() == [1, 2]
    assert tally.trials.tolist() == [2, 6]
    assert tally.went_on.tolist() == [0, 4]


def test_an_unfinished_problem_is_refused_with_the_advice() -> None:
    with pytest.raises(InputError, match=r"1 of 2 problems have not reached .* go on"):
        stopped_tally("m", [verdicts("++", "+-")], ["a", "b"], PLAN, "go on")


def test_stopped_counts_come_back_from_their_rows_as_they_were() -> None:
    tally = stopped_tally("m", [verdicts("+-+---", "?-+--+", "++")], ["a", "b", "c"], PLAN, "go on")
    back = counted_tally("m", counts_frame(tally), PLAN)
    assert isinstance(back, StoppedTally)
    for name in ("successes", "trials", "went_on", "unscored", "truncated"):
        assert getattr(back, name).tolist() == getattr(tally, name).tolist()
    assert back.went_on.tolist() == [2, 3, 0]


def test_what_a_plan_still_takes_is_what_it_takes_on_average() -> None:
    generator, plan = np.random.default_rng(37), StoppingPlan((16, 32, 48, 64), 4)
    share = np.repeat(generator.beta(0.6, 1.2, 60), 200)
    outcomes = (generator.random((len(share), 64)) < share[:, None]).astype(np.int8)
    whole = apply_plan(outcomes, plan)
    begun = outcomes.copy()
    begun[:, 16:] = UNKNOWN
    left = expected_left(begun, plan)
    assert left == pytest.approx((whole.used - 16).clip(0).sum(), rel=0.1)
    assert expected_left(np.full((3, 64), UNKNOWN, dtype=np.int8), plan) is None
    assert expected_left(outcomes, plan) == 0


def test_what_only_the_last_look_can_decide_is_owed_in_full() -> None:
    rows = np.array([[MARKS[mark] for mark in row] for row in ("--....", "----..")], dtype=np.int8)
    assert expected_left(rows, PLAN) == 4 + 2
