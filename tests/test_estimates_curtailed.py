"""Early stopping: exactness by enumeration in rational arithmetic, closed forms against path counting, coverage."""

from fractions import Fraction
from functools import cache
from math import comb

import numpy as np
import pytest
from scipy.special import betaincinv

from move37.counts import StoppedTally, StoppingPlan
from move37.errors import InputError
from move37.estimates.curtailed import (
    design_variance,
    expected_samples,
    failure_by_plan,
    stopped_failure_at_k,
    stopped_interval,
    stopped_pass_at_k,
    stopped_variance,
)
from move37.estimates.pass_at_k import failure_at_k
from move37.estimates.paths import _points_by_sample, failure_by_paths, stopping_points
from move37.stopping import CODES, UNKNOWN, apply_plan
from move37.types import Outcome

PLANS = {
    "fixed n": StoppingPlan((12,), 1),
    "1 success or 12": StoppingPlan.until(1, 12),
    "2 successes or 12": StoppingPlan.until(2, 12),
    "4 successes or 12": StoppingPlan.until(4, 12),
    "2 successes or 12 in batches of 3": StoppingPlan.until(2, 12, batch=3),
    "3 successes or 12 in batches of 5": StoppingPlan.until(3, 12, batch=5),
    "6 for all, then 12 for those below 2": StoppingPlan((6, 12), 2),
    "4 by 4, 2 by 8, else 12": StoppingPlan((4, 8, 12), (4, 2)),
    "1 by 3, 3 by 6, else 12": StoppingPlan((3, 6, 12), (1, 3)),
}
KS = (1, 2, 3, 5, 8, 12)
PS = (Fraction(1, 20), Fraction(1, 4), Fraction(1, 2), Fraction(9, 10))


def paths_from(plan: StoppingPlan, start: int) -> dict[tuple[int, int], int]:
    """Admissible paths from `start` failures to every stopping point, one sample at a time."""
    threshold = dict(zip(plan.looks, plan.thresholds, strict=False)) | {plan.n_max: 0}
    open_paths, stopped = {(start, 0): 1}, {}
    while open_paths:
        following: dict[tuple[int, int], int] = {}
        for (n, s), ways in open_paths.items():
            if n > 0 and s >= threshold.get(n, n + 1):
                stopped[n, s] = stopped.get((n, s), 0) + ways
            else:
                for step in (0, 1):
                    key = (n + 1, s + step)
                    following[key] = following.get(key, 0) + ways
        open_paths = following
    return stopped


@cache
def failure_exactly(name: str, k: int) -> dict[tuple[int, int], Fraction]:
    plan = PLANS[name]
    all_paths, from_failures = paths_from(plan, 0), paths_from(plan, k)
    return {point: Fraction(from_failures.get(point, 0), ways) for point, ways in all_paths.items()}


@pytest.mark.parametrize("name", PLANS)
def test_stopping_points_and_their_path_counts_are_all_there(name: str) -> None:
    points = stopping_points(PLANS[name])
    counted = {
        (n, s): round(np.exp(log))
        for n, s, log in zip(points.trials.tolist(), points.successes.tolist(), points.log_paths.tolist(), strict=True)
    }
    assert counted == paths_from(PLANS[name], 0)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("name", PLANS)
def test_every_plan_is_unbiased_for_every_k_and_p_in_rational_arithmetic(name: str, k: int) -> None:
    exact = failure_exactly(name, k)
    for p in PS:
        expectation = sum(
            ways * p**s * (1 - p) ** (n - s) * exact[n, s] for (n, s), ways in paths_from(PLANS[name], 0).items()
        )
        assert expectation == (1 - p) ** k


@pytest.mark.parametrize("name", PLANS)
def test_the_code_gives_the_rational_numbers(name: str) -> None:
    plan = PLANS[name]
    points = stopping_points(plan)
    by_plan = failure_by_plan(plan, points.trials, points.successes, 12)
    by_paths = failure_by_paths(plan, points.trials, points.successes, 12)
    for k in range(1, 13):
        exact = failure_exactly(name, k)
        wanted = [float(exact[n, s]) for n, s in zip(points.trials.tolist(), points.successes.tolist(), strict=True)]
        np.testing.assert_allclose(by_plan[:, k - 1], wanted, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(by_paths[:, k - 1], wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("plan", [StoppingPlan.until(3, 12), StoppingPlan.until(2, 12, batch=5), StoppingPlan((9,), 1)])
def test_points_of_one_threshold_are_those_that_counting_sample_by_sample_finds(plan: StoppingPlan) -> None:
    counted, points = _points_by_sample(plan), stopping_points(plan)
    assert (points.trials.tolist(), points.successes.tolist()) == (counted.trials.tolist(), counted.successes.tolist())
    np.testing.assert_allclose(points.log_paths, counted.log_paths, rtol=1e-12, atol=1e-12)
    in_blocks = [block.successes.tolist() for block in points.blocks(size=4)]
    assert [each for block in in_blocks for each in block] == points.successes.tolist()
    assert max(map(len, in_blocks)) <= 4


def test_plans_of_many_samples_are_priced_at_the_ks_that_are_asked_for() -> None:
    """A table of all k for all stopping points would take 3 GB. Of n samples U(n) is 1 where none is right, else 0: its
    variance is q^n - q^2n, with q^n = .13533 for p = .0001 and n = 20,000."""
    n, p = 20_000, np.array([1e-4, 0.0])
    variance = design_variance(StoppingPlan((n,), 1), p, np.array([1, n]))
    assert variance[0] == pytest.approx([1e-4 * (1 - 1e-4) / n, 0.13532 - 0.13532**2], rel=1e-4)
    assert variance[1] == pytest.approx([0, 0], abs=1e-9)
    assert expected_samples(StoppingPlan.until(1, n), p) == pytest.approx([(1 - 0.13532) / 1e-4, n], rel=1e-4)


def test_looking_after_every_sample_has_the_published_closed_form() -> None:
    # Stopped at trial N = 10 by the 3rd success, k = 4: 1 - C(5, 2) / C(9, 2) = 1 - 10 / 36. Capped at 12 with 1.
    tally = stopped_tally([3, 1], [10, 12], [9, 11], StoppingPlan.until(3, 12))
    rows = stopped_pass_at_k(tally)
    assert rows.shape == (2, 12)
    assert rows[0, 3] == pytest.approx(1 - comb(5, 2) / comb(9, 2), abs=1e-14)
    assert rows[1, 3] == pytest.approx(1 - comb(8, 1) / comb(12, 1), abs=1e-14)
    assert rows[0, 7:].tolist() == [1.0] * 5  # N - k - 1 < r - 1: k samples always hold a success


def test_closed_form_and_path_counting_agree_at_the_size_of_a_study() -> None:
    plan = StoppingPlan.until(8, 1024, batch=16)
    points = stopping_points(plan)
    closed = failure_by_plan(plan, points.trials, points.successes, 1024)
    counted = failure_by_paths(plan, points.trials, points.successes, 1024)
    np.testing.assert_allclose(closed, counted, rtol=1e-9, atol=1e-200)
    p = np.array([0.001, 0.02, 0.5])
    unbiased = points.probability(p) @ closed
    np.testing.assert_allclose(unbiased, (1 - p[:, None]) ** np.arange(1, 1025), rtol=1e-9, atol=1e-13)


def test_the_fixed_n_formula_on_stopped_counts_is_wrong_by_what_the_reference_says() -> None:
    # p = .05, k = 16, n_max = 64: truth .560; (N, c) of curtailed runs in the fixed formula: .793, .690, .591.
    for r, wrong in ((1, 0.793), (2, 0.690), (4, 0.591)):
        plan = StoppingPlan.until(r, 64)
        points = stopping_points(plan)
        chance = points.probability(np.array([0.05]))[0]
        stopped_at_all = points.trials >= 16
        naive = np.ones(len(chance))
        naive[stopped_at_all] = (
            1 - failure_at_k(points.successes[stopped_at_all], points.trials[stopped_at_all], 16)[:, 15]
        )
        assert chance @ naive == pytest.approx(wrong, abs=6e-4)
        ours = 1 - failure_by_plan(plan, points.trials, points.successes, 16)[:, 15]
        assert chance @ ours == pytest.approx(1 - 0.95**16, abs=1e-12)


@pytest.mark.parametrize("name", PLANS)
def test_the_variance_estimate_is_unbiased_under_every_plan(name: str) -> None:
    plan, k = PLANS[name], 3
    points = stopping_points(plan)
    tally = tally_at(plan, points.trials, points.successes)
    estimate = stopped_variance(tally)[:, k - 1]
    for p in (0.1, 0.6):
        chance = points.probability(np.array([p]))[0]
        true = chance @ stopped_failure_at_k(tally)[:, k - 1] ** 2 - (1 - p) ** (2 * k)
        assert chance @ estimate == pytest.approx(true, abs=1e-13)
        assert design_variance(plan, np.array([p]), np.array([k]))[0, 0] == pytest.approx(true, abs=1e-13)


def test_a_variance_beyond_half_the_samples_does_not_exist() -> None:
    tally = stopped_tally([1], [12], [11], StoppingPlan.until(3, 12))
    assert np.isnan(stopped_variance(tally)[0]).tolist() == [False] * 6 + [True] * 6


@pytest.mark.parametrize(
    "plan",
    [
        StoppingPlan.until(2, 128),
        StoppingPlan.until(4, 128),
        StoppingPlan.until(8, 256),
        StoppingPlan.until(8, 256, batch=16),
        StoppingPlan((32, 128), 4),
        StoppingPlan((16, 64, 128), (8, 2)),
    ],
    ids=str,
)
def test_the_interval_of_one_problem_covers_at_every_p(plan: StoppingPlan) -> None:
    # Exact: the probability of the stopping points whose interval holds p, on a grid of 400 ps.
    points = stopping_points(plan)
    lower, upper = stopped_interval(tally_at(plan, points.trials, points.successes))
    grid = np.concatenate([np.geomspace(1e-4, 0.05, 150), np.linspace(0.05, 0.999, 250)])
    holds = (lower <= grid[:, None]) & (grid[:, None] <= upper)
    coverage = (points.probability(grid) * holds).sum(axis=1)
    assert coverage.min() >= 0.95 - 1e-12


def test_the_interval_after_an_r_stop_is_made_of_beta_quantiles() -> None:
    lower, upper = stopped_interval(stopped_tally([8, 3], [40, 128], [39, 127], StoppingPlan.until(8, 128)))
    assert lower[0] == pytest.approx(betaincinv(8, 33, 0.025), abs=1e-12)
    assert upper[0] == pytest.approx(betaincinv(8, 32, 0.975), abs=1e-12)
    assert lower[1] == pytest.approx(betaincinv(3, 126, 0.025), abs=1e-12)  # Clopper-Pearson at the last look
    assert upper[1] == pytest.approx(betaincinv(4, 125, 0.975), abs=1e-12)


def test_mean_samples_of_a_plan_are_exact() -> None:
    # r = 1, n_max = 3: sum of q^i for i < 3.
    p = np.array([0.25, 1.0])
    assert expected_samples(StoppingPlan.until(1, 3), p) == pytest.approx([1 + 0.75 + 0.5625, 1.0])


def test_unscored_samples_move_the_looks_and_nothing_else() -> None:
    """p = .3; a fifth of the samples unscored whatever their outcome; 40,000 problems under 2 or 12 in threes.

    The standard error of the mean is below .0025 at every k, so a miss of .012 has a chance below 1e-5.
    """
    rng = np.random.default_rng(3)
    plan = StoppingPlan.until(2, 12, batch=3)
    outcomes = np.where(rng.random((40_000, 12)) < 0.2, CODES[Outcome.UNSCORED], rng.random((40_000, 12)) < 0.3)
    stops = apply_plan(outcomes.astype(np.int8), plan)
    kept = (stops.trials >= 1) & ((stops.used < 12) | (stops.trials >= 6))
    assert kept.mean() > 0.99
    tally = StoppedTally(
        "m",
        tuple(map(str, range(40_000))),
        stops.successes,
        stops.trials,
        stops.went_on,
        stops.unscored,
        np.zeros(40_000, dtype=np.int64),
        np.zeros(40_000, dtype=np.int64),
        plan,
    )
    rows = stopped_pass_at_k(tally.select(kept), 6)
    np.testing.assert_allclose(rows.mean(axis=0), 1 - 0.7 ** np.arange(1, 7), atol=0.012)


def test_a_k_beyond_the_plan_is_refused_with_the_plan() -> None:
    tally = stopped_tally([3], [10], [9], StoppingPlan.until(3, 12))
    with pytest.raises(InputError, match=r"k=13 is outside 1 to 12.*stop at 3 correct or at 12 samples"):
        stopped_pass_at_k(tally, 13)


def test_counts_that_the_plan_cannot_have_made_are_refused() -> None:
    with pytest.raises(InputError, match="5 of 6 samples correct is not where this plan stops"):
        failure_by_paths(StoppingPlan.until(3, 12), np.array([6]), np.array([5]), 4)


def test_a_stopped_tally_has_nothing_that_a_fixed_n_estimator_could_take() -> None:
    tally = stopped_tally([3], [10], [9], StoppingPlan.until(3, 12))
    assert not hasattr(tally, "n")
    assert not hasattr(tally, "correct")


def test_different_thresholds_with_unscored_samples_are_refused() -> None:
    plan = StoppingPlan((4, 8, 12), (4, 2))
    successes, trials, went_on, unscored, truncated, surplus = (np.array([x]) for x in (2, 7, 3, 1, 0, 0))
    tally = StoppedTally("m", ("a",), successes, trials, went_on, unscored, truncated, surplus, plan)
    with pytest.raises(InputError, match="needs every sample scored, and 1 are not"):
        stopped_pass_at_k(tally, 4)


# -- the prefix rule -----------------------------------------------------------------------------------------------


def test_the_prefix_of_indices_decides_and_not_what_finished_first() -> None:
    # Looks at 2, 4, 6; 2 successes suffice. x: no verdict yet; u: unscored.
    table = outcome_table("110000", "0111x1", "01x111", "uu0101", "x11111")
    stops = apply_plan(table, StoppingPlan.until(2, 6, batch=2))
    assert stops.stopped.tolist() == [True, True, False, True, False]
    assert stops.successes.tolist() == [2, 3, 0, 2, 0]
    assert stops.trials.tolist() == [2, 4, 0, 4, 0]
    assert stops.went_on.tolist() == [0, 2, 0, 2, 0]
    assert stops.used.tolist() == [2, 4, 0, 6, 0]
    assert stops.unscored.tolist() == [0, 0, 0, 2, 0]
    assert stops.next_look.tolist() == [0, 0, 4, 0, 2]


def test_a_plan_in_batches_looks_at_n_max_too() -> None:
    assert StoppingPlan.until(2, 7, batch=3).looks == (3, 6, 7)
    assert StoppingPlan.until(8, 4, batch=16).looks == (4,)
    assert StoppingPlan.until(8, 4, batch=16).is_fixed


@pytest.mark.parametrize(
    ("looks", "successes", "message"),
    [
        ((), 1, "looks that rise"),
        ((3, 3), 1, "looks that rise"),
        ((0, 3), 1, "looks that rise"),
        ((2, 3), (1, 1), "2 looks need 1 thresholds"),
        ((2, 3), 0, "at least 1"),
    ],
)
def test_impossible_plans_are_refused(looks: tuple[int, ...], successes: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StoppingPlan(looks, successes)


def outcome_table(*rows: str) -> np.ndarray:
    codes = {"0": 0, "1": 1, "u": CODES[Outcome.UNSCORED], "x": UNKNOWN}
    return np.array([[codes[c] for c in row] for row in rows], dtype=np.int8)


def stopped_tally(successes: list[int], trials: list[int], went_on: list[int], plan: StoppingPlan) -> StoppedTally:
    zeros = np.zeros(len(trials), dtype=np.int64)
    ids = tuple(f"p{i}" for i in range(len(trials)))
    return StoppedTally("m", ids, np.array(successes), np.array(trials), np.array(went_on), zeros, zeros, zeros, plan)


def tally_at(plan: StoppingPlan, trials: np.ndarray, successes: np.ndarray) -> StoppedTally:
    looks = np.array([0, *plan.looks])
    went_on = looks[np.searchsorted(looks, trials) - 1]
    return stopped_tally(successes.tolist(), trials.tolist(), went_on.tolist(), plan)
