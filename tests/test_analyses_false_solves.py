"""Problems that a wrong answer alone may have solved: by hand, without bias, and on the page."""

import numpy as np
import polars as pl
import pytest

from move37.analyses.false_solves import expected_false, false_solves
from move37.analyses.grader_errors import grader_errors


def table(rows: list[tuple[str, str | None, bool, int]]) -> pl.DataFrame:
    schema = {"problem_id": pl.String, "answer": pl.String, "correct": pl.Boolean, "count": pl.UInt32}
    return pl.DataFrame(rows, schema, orient="row")


def errors(accepted: int, of: int = 100):
    found = grader_errors("math@1", (50, 50), (accepted, of), 8, 0.95)
    assert found is not None
    return found


def test_different_wrong_answers_count_and_not_how_often_they_were_given():
    answers = table([
        ("a", "1", False, 7), ("a", "2", False, 1), ("a", None, False, 3),  # unsolved, two answers
        ("b", "5", False, 9),  # unsolved, one
        ("c", "3", True, 1), ("c", "4", False, 10),  # solved
        ("d", None, False, 11),  # unsolved, and never an answer
    ])  # fmt: skip
    found = false_solves("m", answers, ("a", "b", "c", "d"), errors(10))
    assert found is not None
    assert (found.solved, found.unsolved, found.distinct_wrong) == (1, 3, 3)
    # f = .1: 1 / .9^2 - 1 = .2346 and 1 / .9 - 1 = .1111.
    assert found.expected == pytest.approx(0.2346 + 0.1111, abs=1e-4)
    assert found.expected < found.expected_upper <= 1


def test_no_more_than_were_solved_and_nothing_where_the_verifier_never_erred():
    assert expected_false(np.full(50, 40.0), 0.2, 3) == 3
    assert expected_false(np.full(50, 40.0), 0.0, 3) == 0
    assert expected_false(np.full(2, 4000.0), 0.9, 3) == 3  # beyond what floats hold
    assert expected_false(np.zeros(5), 1.0, 2) == 2


def test_unknown_answers_say_nothing():
    assert false_solves("m", None, ("a",), errors(3)) is None
    assert false_solves("m", table([("a", "1", False, 2)]), ("a", "b"), errors(3)) is None
    assert grader_errors("math@1", (50, 50), (0, 0), 8, 0.95) is None


def test_it_is_right_on_average():
    # 400 problems that a model cannot solve, with 0 to 12 different wrong answers, each accepted with chance f.
    rng, share = np.random.default_rng(7), 0.02
    distinct = rng.integers(0, 13, 400).astype(float)
    truth = (1 - (1 - share) ** distinct).sum()
    found = []
    for _ in range(2000):
        unsolved = rng.random(400) < (1 - share) ** distinct
        found.append(expected_false(distinct[unsolved], share, 10_000))
    # The mean of 2,000 studies is within four of its standard errors, one time in 16,000 not.
    assert np.mean(found) == pytest.approx(truth, abs=4 * np.std(found) / 2000**0.5)
