"""maj@k: equal to enumeration in rational arithmetic on small cases, to closed forms at n = 1024."""

from collections import Counter
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.errors import InputError
from move37.estimates.majority import AnswerCounts, answers_by_problem, majority_at_k, majority_at_ks


def counts(votes: list[int], correct: list[bool], unanswered: int = 0) -> AnswerCounts:
    return AnswerCounts(np.array(votes, dtype=np.int64), np.array(correct, dtype=bool), unanswered)


def enumerated(votes: list[int], correct: list[bool], unanswered: int, k: int) -> Fraction:
    samples = [a for a, v in enumerate(votes) for _ in range(v)] + [None] * unanswered
    total = Fraction(0)
    for drawn in combinations(samples, k):
        tally = Counter(answer for answer in drawn if answer is not None)
        top = [a for a in tally if tally[a] == max(tally.values())]
        total += Fraction(sum(correct[a] for a in top), len(top)) if top else 0
    return total / comb(len(samples), k)


def test_two_right_against_one_wrong_with_two_draws():
    # {A,A} is right, {A,B} twice is a tie: (1 + 1/2 + 1/2) / 3.
    assert majority_at_k(counts([2, 1], [True, False]), 2) == pytest.approx(2 / 3, abs=1e-14)


def test_samples_without_an_answer_use_up_draws_but_never_vote():
    # One A and two blanks, two draws: {A,blank} twice is right, {blank,blank} has no vote and is wrong: 2/3.
    assert majority_at_k(counts([1], [True], unanswered=2), 2) == pytest.approx(2 / 3, abs=1e-14)


def test_all_samples_drawn_is_the_mode_with_ties_shared():
    assert majority_at_k(counts([3, 3, 1], [True, False, True]), 7) == 0.5
    assert majority_at_k(counts([2, 3], [True, False]), 5) == 0.0


def test_one_draw_is_the_share_of_correct_samples():
    assert majority_at_k(counts([3, 4], [True, False], unanswered=1), 1) == pytest.approx(3 / 8, abs=1e-14)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    answers=st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=5),
    unanswered=st.integers(0, 2),
)
def test_small_cases_equal_enumeration(answers: list[tuple[int, bool]], unanswered: int):
    votes, correct = [v for v, _ in answers], [c for _, c in answers]
    n = sum(votes) + unanswered
    if n > 12:
        return
    for k in range(1, n + 1):
        exact = enumerated(votes, correct, unanswered, k)
        assert majority_at_k(counts(votes, correct, unanswered), k) == pytest.approx(float(exact), abs=1e-13)


@pytest.mark.parametrize("right", [400, 512, 530, 700])
@pytest.mark.parametrize("k", [16, 65, 256, 1000])
def test_two_answers_at_a_thousand_samples_equal_the_hypergeometric_tail(right: int, k: int):
    n = 1024
    ways = [comb(right, j) * comb(n - right, k - j) for j in range(k + 1)]
    won = sum(way for j, way in enumerate(ways) if 2 * j > k)
    tied = ways[k // 2] if k % 2 == 0 else 0
    exact = (Fraction(won) + Fraction(tied, 2)) / comb(n, k)
    value = majority_at_k(counts([right, n - right], [True, False]), k)
    assert value == pytest.approx(float(exact), abs=1e-12)


@pytest.mark.parametrize("k", [4, 64, 1000])
def test_a_thousand_different_answers_share_every_vote(k: int):
    # All tie, so each of the 1024 answers wins 1/1024 of the time by symmetry.
    value = majority_at_k(counts([1] * 1024, [True] * 3 + [False] * 1021), k)
    assert value == pytest.approx(3 / 1024, abs=1e-13)


def test_many_sizes_sum_to_one_over_who_is_called_correct():
    # 45 answers with 1..45 votes: someone always wins, so the chances of all of them add up to one.
    votes = list(range(1, 46))
    chances = [majority_at_k(counts(votes, [i == j for j in range(45)]), 40) for i in range(45)]
    assert sum(chances) == pytest.approx(1.0, abs=1e-12)
    assert chances == sorted(chances)


def test_rows_are_collected_by_problem_and_answer():
    rows = [
        ("p", "1", True, 2),
        ("q", None, False, 4),
        ("p", "2", False, 1),
        ("p", "1", True, 3),
        ("p", None, False, 1),
    ]
    collected = answers_by_problem(rows)
    assert collected["p"].votes.tolist() == [5, 1]
    assert collected["p"].correct.tolist() == [True, False]
    assert (collected["p"].n, collected["q"].n) == (7, 4)
    assert majority_at_k(collected["q"], 2) == 0.0


@pytest.mark.parametrize("k", [0, 4])
def test_more_draws_than_samples_are_refused(k: int):
    with pytest.raises(InputError, match="between 1 and the 3 scored samples"):
        majority_at_k(counts([3], [True]), k)


def test_answers_without_votes_are_refused():
    with pytest.raises(InputError, match="at least one vote"):
        counts([0], [True])
    with pytest.raises(InputError, match="equally long"):
        counts([1, 2], [True])


def test_many_problems_and_ks_at_once_are_the_same_numbers():
    # The last two have the same votes in another order.
    problems = [
        counts([5, 2, 2, 1], [False, True, False, False], 2),
        counts([4, 4, 4], [True, False, True]),
        counts([1, 2, 9], [True, False, False]),
        counts([9, 1, 2], [False, True, False]),
    ]
    ks = [1, 2, 5, 12]
    together = majority_at_ks(problems, ks)
    assert together.shape == (4, 4)
    assert together.tolist() == [[majority_at_k(each, k) for k in ks] for each in problems]
    assert together[2].tolist() == together[3].tolist()


def test_the_shortest_problem_is_named_when_k_is_too_large():
    with pytest.raises(InputError, match="maj@4: k must be between 1 and the 3 scored samples"):
        majority_at_ks([counts([5], [True]), counts([3], [True])], [2, 4])


def test_three_answers_and_blanks_at_a_thousand_samples_equal_exact_counting():
    # 300 right, 280 and 200 wrong, 244 without an answer: every (right, wrong, wrong) is counted in integers.
    sizes, k = (300, 280, 200), 48
    ways = [[comb(size, i) for i in range(k + 1)] for size in sizes]
    blank = [comb(244, i) for i in range(k + 1)]
    won = Fraction(0)
    for a in range(1, k + 1):
        for b in range(min(a, k - a) + 1):
            for c in range(min(a, k - a - b) + 1):
                share = Fraction(1, 1 + (a == b) + (a == c))
                won += share * (ways[0][a] * ways[1][b] * ways[2][c] * blank[k - a - b - c])
    exact = float(won / comb(1024, k))
    value = majority_at_k(counts(list(sizes), [True, False, False], 244), k)
    assert value == pytest.approx(exact, abs=1e-14)
