"""At least t of k right: exact by enumeration in rational arithmetic under nine plans, closed forms against paths."""

from fractions import Fraction
from functools import cache
from math import comb

import numpy as np
import pytest

from move37.counts import StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.estimates.pass_at_k import g_pass_at_k
from move37.estimates.rows import pass_at_k_rows
from move37.estimates.thresholds import at_least_rows, largest_threshold
from move37.stopping import CODES, apply_plan
from move37.types import Outcome
from tests.test_estimates_curtailed import KS, PLANS, PS, paths_from

THRESHOLDS = (1, 2, 3, 4)


def fixed(correct: list[int], n: int) -> Tally:
    right, zeros = np.array(correct, dtype=np.int64), np.zeros(len(correct), dtype=np.int64)
    return Tally("m", tuple(f"p{i}" for i in range(len(right))), right, n - right, zeros, zeros)


def at_points(plan: StoppingPlan, points: list[tuple[int, int]]) -> StoppedTally:
    """A tally that holds each stopping point once."""
    trials, successes = (np.array(column, dtype=np.int64) for column in zip(*points, strict=True))
    looks = np.array([0, *plan.looks])
    went_on = looks[np.searchsorted(looks, trials) - 1]
    zeros, ids = np.zeros_like(trials), tuple(map(str, range(len(points))))
    return StoppedTally("m", ids, successes, trials, went_on, zeros, zeros, zeros, plan)


@cache
def ways(name: str) -> dict[tuple[int, int], int]:
    return paths_from(PLANS[name], 0)


ALLOWED = [(name, t) for name, plan in PLANS.items() for t in THRESHOLDS if t <= min(plan.thresholds, default=12)]


@pytest.mark.parametrize(("name", "t"), ALLOWED)
def test_every_plan_is_unbiased_for_every_k_and_p_in_rational_arithmetic(name: str, t: int) -> None:
    plan = PLANS[name]
    points = list(ways(name))
    rows = at_least_rows(at_points(plan, points), t, np.arange(1, 13))
    for p in PS:
        chance = [ways(name)[n, s] * p**s * (1 - p) ** (n - s) for n, s in points]
        assert sum(chance) == 1
        for k in KS:
            truth = 1 - sum(comb(k, j) * p**j * (1 - p) ** (k - j) for j in range(min(t, k + 1)))
            mean = sum(c * Fraction(float(row)) for c, row in zip(chance, rows[:, k - 1], strict=True))
            assert float(mean) == pytest.approx(float(truth), abs=1e-12)


@pytest.mark.parametrize("t", THRESHOLDS)
@pytest.mark.parametrize("batch", [1, 3, 5, 12])
def test_the_closed_form_is_path_counting(batch: int, t: int) -> None:
    plan = StoppingPlan.until(5, 30, batch)
    written_out = StoppingPlan(tuple(plan.looks), plan.thresholds)
    points = list(paths_from(plan, 0))
    ks = np.arange(1, 31)
    rows = at_least_rows(at_points(plan, points), t, ks)
    assert rows == pytest.approx(at_least_rows(at_points(written_out, points), t, ks), abs=1e-12)


def test_at_a_fixed_n_it_is_hypergeometric_and_one_of_k_is_pass_at_k() -> None:
    counts = fixed([0, 1, 2, 5, 19, 20], 20)
    for t in (1, 2, 3, 5):
        rows = at_least_rows(counts, t, np.arange(1, 21))
        for k in range(t, 21):
            assert rows[:, k - 1] == pytest.approx(g_pass_at_k(counts.correct, counts.n, k, t / k), abs=1e-12)
        assert not rows[:, : t - 1].any()
    assert at_least_rows(counts, 1, np.arange(1, 21)) == pytest.approx(pass_at_k_rows(counts), abs=1e-12)


def test_unscored_samples_that_moved_the_looks_do_no_harm() -> None:
    """The mean over replays in which samples go unscored whatever they are; its standard error is .001."""
    rng = np.random.default_rng(4)
    plan, p, k, t = StoppingPlan.until(3, 20, 5), 0.3, 8, 3
    outcomes = (rng.random((200_000, 20)) < p).astype(np.int8)
    outcomes[rng.random(outcomes.shape) < 0.2] = CODES[Outcome.UNSCORED]
    stops, zeros = apply_plan(outcomes, plan), np.zeros(len(outcomes), dtype=np.int64)
    ids = tuple(map(str, range(len(outcomes))))
    tally = StoppedTally("m", ids, stops.successes, stops.trials, stops.went_on, stops.unscored, zeros, zeros, plan)
    reach = tally.k_limit >= k
    assert reach.mean() > 0.9999
    truth = 1 - sum(comb(k, j) * p**j * (1 - p) ** (k - j) for j in range(t))
    assert at_least_rows(tally.select(reach), t, np.array([k])).mean() == pytest.approx(truth, abs=0.004)


def test_where_every_problem_stopped_early_the_rows_are_those_of_each_problem_alone() -> None:
    plan = PLANS[next(name for name, plan in PLANS.items() if plan.successes == 4)]
    stopped = [(n, s) for n, s in paths_from(plan, 0) if s >= 4 and n > plan.looks[0]]
    ks = np.arange(1, 13)
    assert len(stopped) > 1
    together = at_least_rows(at_points(plan, stopped), 2, ks)
    alone = [at_least_rows(at_points(plan, [point]), 2, ks)[0] for point in stopped]
    assert together == pytest.approx(np.array(alone))


def test_what_the_counts_cannot_say_is_refused() -> None:
    plan = StoppingPlan.until(2, 12)
    stopped = at_points(plan, list(paths_from(plan, 0)))
    assert (largest_threshold(stopped), largest_threshold(fixed([1], 4))) == (2, None)
    with pytest.raises(InputError, match="at most 2"):
        at_least_rows(stopped, 3, np.array([4]))
    with pytest.raises(InputError, match="at least 1"):
        at_least_rows(stopped, 0, np.array([4]))
    with pytest.raises(InputError, match="k=9"):
        at_least_rows(fixed([1, 2], 8), 2, np.array([2, 9]))
