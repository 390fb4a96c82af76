"""Solved by one model alone: the law by enumeration in rational arithmetic, closed testing by brute force."""

import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, product
from math import comb

import numpy as np
import pytest

from move37.counts import StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.estimates.conditional import (
    Alone,
    Counts,
    alone,
    chance_of_none,
    count_tests,
    expected_alone,
    holm,
    largest_chance,
)
from move37.estimates.curtailed import stop_tails
from tests.test_estimates_curtailed import paths_from

FIXED = StoppingPlan((6,), 1)
UNTIL_2 = StoppingPlan.until(2, 6)
PLANS = {
    "both fixed": (FIXED, StoppingPlan((5,), 1)),
    "both until 2": (UNTIL_2, UNTIL_2),
    "until 1": (StoppingPlan.until(1, 6), StoppingPlan.until(1, 6)),
    "looks every 3": (StoppingPlan.until(2, 6, batch=3), StoppingPlan.until(2, 6, batch=3)),
    "3 by 3, 2 by 5": (StoppingPlan((3, 5, 7), (3, 2)), StoppingPlan((3, 5, 7), (3, 2))),
    "one fixed, one until 2": (FIXED, UNTIL_2),
    "until 3 and until 2": (StoppingPlan.until(3, 7), UNTIL_2),
}
PS = (Fraction(1, 20), Fraction(1, 3), Fraction(2, 3), Fraction(19, 20))


def ends(plan: StoppingPlan, p: Fraction) -> Iterator[tuple[int, int, Fraction]]:
    """Every end of one problem under a plan: samples, successes, exact probability."""
    for (n, c), ways in paths_from(plan, 0).items():
        yield n, c, ways * p**c * (1 - p) ** (n - c)


def counts_of(plan: StoppingPlan, successes: int) -> Counts:
    return Counts(np.array([successes]), np.array([plan.n_max]), min(plan.thresholds, default=None))


@pytest.mark.parametrize("name", PLANS)
def test_given_its_class_a_problem_is_alone_with_at_most_the_chance_that_is_counted(name: str):
    # All pairs p_other <= p_none; in every class P(alone at c0 | class) <= chance, and for equal p the bound is the
    # chance itself in every class in which the pooled successes are known.
    none_plan, other_plan = PLANS[name]
    enough = min((t for plan in PLANS[name] for t in plan.thresholds), default=None)
    for p_none, p_other in product(PS, PS):
        if p_other > p_none:
            continue
        weight: dict[tuple[int, float], Fraction] = {}
        hits: dict[tuple[int, float], Fraction] = {}
        for (_, c, one), (_, d, two) in product(ends(none_plan, p_none), ends(other_plan, p_other)):
            found = alone(counts_of(none_plan, c), counts_of(other_plan, d))
            key = int(found.pooled[0]), float(found.chance[0])
            weight[key] = weight.get(key, Fraction(0)) + one * two
            if count_tests(found, 0.5)[1].count:
                hits[key] = hits.get(key, Fraction(0)) + one * two
        assert sum(weight.values()) == 1
        assert sum(hits.values()) == (1 - p_none) ** none_plan.n_max * (1 - (1 - p_other) ** other_plan.n_max)
        for (pooled, chance), total in weight.items():
            if pooled == 0:  # nothing is solved, so nothing is alone
                assert (pooled, chance) not in hits
                continue
            share = float(hits.get((pooled, chance), Fraction(0)) / total)
            assert share <= chance * (1 + 1e-12)
            if p_none == p_other and (enough is None or pooled < enough):
                assert share == pytest.approx(chance, rel=1e-12)


def test_where_pooled_successes_are_censored_the_bound_is_that_of_the_smallest_total():
    # 6 samples each, until 2: pooled 2 of 12 all on one side: C(6,2)/C(12,2) = 15/66, over all totals the largest.
    found = alone(counts_of(UNTIL_2, 0), counts_of(UNTIL_2, 2))
    assert found.chance[0] == pytest.approx(15 / 66)
    # Both have 2 or more: it cannot be alone.
    assert alone(counts_of(UNTIL_2, 2), counts_of(UNTIL_2, 2)).chance[0] == 0
    # Until 1 both ways this is the sign test: one of the two solves it, either is as likely.
    once = StoppingPlan.until(1, 6)
    assert alone(counts_of(once, 1), counts_of(once, 0)).chance[0] == pytest.approx(0.5)


def test_a_plan_cannot_tell_more_successes_than_it_stops_at():
    found = alone(counts_of(UNTIL_2, 0), counts_of(UNTIL_2, 2))
    tests = count_tests(found, 0.5)
    assert tests[2].p == pytest.approx(15 / 66)
    assert tests[2].at_least == 1
    assert np.isnan(tests[3].p)
    assert tests[3].at_least == 0


def test_the_chance_is_the_hypergeometric_one():
    # 128 samples each, 50 successes, all of RL: C(128, 50) / C(256, 50).
    exact = float(Fraction(comb(128, 50), comb(256, 50)))
    found = chance_of_none(np.array([50, 0, 129]), np.array([128] * 3), np.array([128] * 3))
    assert found == pytest.approx([exact, 1.0, 0.0], rel=1e-10)
    assert exact < 1e-16


def exact_tail(chances: list[Fraction], at: int) -> Fraction:
    law = [Fraction(1)]
    for p in chances:
        law = [(law[i] if i < len(law) else 0) * (1 - p) + (law[i - 1] if i else 0) * p for i in range(len(law) + 1)]
    return sum(law[at:], Fraction(0))


def test_the_p_of_a_count_is_exact_down_to_small_ones():
    # 30 problems of 16 samples each, in Fractions; the p of every c0, some of them far below rounding of 1 - p.
    rng = np.random.default_rng(3)
    none, other = rng.integers(0, 3, 30) * (rng.random(30) < 0.5), rng.integers(0, 12, 30)
    found = alone(Counts(none, np.full(30, 16)), Counts(other, np.full(30, 16)))
    pooled = (none + other).tolist()
    tests = count_tests(found, 0.05)
    for c0 in (1, 2, 4, 8):
        chances = [Fraction(comb(16, c), comb(32, c)) if c <= 16 else Fraction(0) for c in pooled if c >= c0]
        count = sum(int(a == 0 and b >= c0) for a, b in zip(none, other, strict=True))
        assert tests[c0].count == count
        assert tests[c0].p == pytest.approx(float(exact_tail(chances, count)), rel=1e-9)
    assert tests[8].p < 1e-12


def test_the_number_that_is_shown_is_that_of_closed_testing_over_all_subsets():
    # 9 problems, 4 of them alone. Brute force: the fewest problems whose removal leaves nothing to reject.
    rng = np.random.default_rng(8)
    none = rng.integers(0, 3, 9) * (rng.random(9) < 0.6)
    other = rng.integers(1, 9, 9)
    found = alone(Counts(none, np.full(9, 12)), Counts(other, np.full(9, 12)))
    for alpha, c0 in product((0.001, 0.05, 0.3), (1, 2)):
        fewest = next(
            m
            for m in range(10)
            for taken in combinations(range(9), m)
            if count_tests(subset(found, [i for i in range(9) if i not in taken]), alpha)[c0].p > alpha
        )
        assert count_tests(found, alpha)[c0].at_least == fewest


@pytest.mark.parametrize("seed", range(8))
def test_the_number_that_is_shown_is_the_first_whose_rest_is_not_rejected(seed: int):
    # Hit by hit, from the one that luck makes most likely, as it is defined; chances that repeat, and some alone.
    rng = np.random.default_rng(seed)
    chances = np.concatenate([rng.choice([0.5, 0.25, 0.1, 0.02], 300), rng.random(20) ** 3])
    is_none = (rng.random(320) < chances + 0.1).astype(np.int64)
    test = count_tests(Alone(is_none, np.ones(320, np.int64), np.ones(320, np.int64), chances, None), 0.01)[1]
    law, ps = np.ones(1), [1.0]
    for chance in chances[is_none == 0]:
        law = np.convolve(law, [1 - chance, chance])
    for left, chance in enumerate(np.sort(chances[is_none > 0])[::-1], start=1):
        law = np.convolve(law, [1 - chance, chance])
        ps.append(float(law[left:].sum()))
    assert test.p == pytest.approx(ps[-1], rel=1e-10)
    assert test.at_least == test.count - max(left for left, p in enumerate(ps) if p > 0.01)
    assert 0 < test.at_least < test.count


def test_a_hundred_thousand_problems_take_less_than_a_second():
    rng = np.random.default_rng(0)
    none, other = rng.binomial(16, rng.beta(0.5, 2, 100_000)), rng.binomial(16, rng.beta(1, 2, 100_000))
    sides = [Counts(each.astype(np.int64), np.full(100_000, 16)) for each in (none, other)]
    found = alone(sides[0], sides[1])
    begin = time.process_time()
    test = count_tests(found, 0.01)[1]
    assert time.process_time() - begin < 1
    assert 0 < test.at_least < test.count


def subset(found: Alone, rows: list[int]) -> Alone:
    return Alone(found.is_none[rows], found.other[rows], found.pooled[rows], found.chance[rows], found.enough)


def test_holm_multiplies_the_smallest_by_all_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, float("nan"), 0.01])[::2] == pytest.approx([0.5, 0.02])
    assert np.isnan(holm([float("nan")])[0])


def test_a_single_problem_under_a_plan_has_the_largest_chance_over_all_p():
    # Base 0 of 6; RL its first 2 of 2: (1-p)^6 p^2 is largest at p = 1/4.
    zeros = np.zeros(1, dtype=np.int64)
    rl = StoppedTally("rl", ("a",), zeros + 2, zeros + 2, zeros + 1, zeros, zeros, zeros, UNTIL_2)
    assert largest_chance(np.array([6]), stop_tails(rl))[0] == pytest.approx(0.75**6 * 0.25**2, rel=1e-9)
    # At a fixed n: 1 or more of 6, (1-p)^6 (1 - (1-p)^6), at (1-p)^6 = 1/2.
    fixed = Tally("rl", ("a",), zeros + 1, zeros + 5, zeros, zeros)
    assert largest_chance(np.array([6]), stop_tails(fixed))[0] == pytest.approx(0.25, rel=1e-9)


def test_a_cluster_is_alone_where_no_member_is_solved_by_the_one_and_some_by_the_other():
    none, other, n = np.array([0, 0, 0, 1]), np.array([0, 3, 2, 4]), np.full(4, 8)
    found = alone(Counts(none, n), Counts(other, n), np.array([7, 7, 5, 5]))
    assert count_tests(found, 0.05)[1].count == 1  # the second cluster has a member that `none` solves
    assert count_tests(found, 0.05)[3].count == 1
    assert expected_alone(found) == pytest.approx(float(found.chance.sum()))
    # Copies change nothing.
    twice = alone(Counts(none.repeat(2), n.repeat(2)), Counts(other.repeat(2), n.repeat(2)), np.arange(4).repeat(2))
    once = alone(Counts(none, n), Counts(other, n))
    assert count_tests(twice, 0.05)[1] == count_tests(once, 0.05)[1]


def test_counts_that_do_not_fit_are_refused():
    one = Counts(np.array([1]), np.array([2]))
    with pytest.raises(InputError, match="same problems"):
        alone(one, Counts(np.array([1, 1]), np.array([2, 2])))
    with pytest.raises(InputError, match="scored sample"):
        alone(one, Counts(np.array([0]), np.array([0])))
