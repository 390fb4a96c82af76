"""The distribution of p: hand-made optima, the certificate against brute force, ranges against exact likelihood ratios.

Everything is seeded; where a test draws at random, the chance of a false failure under a fresh seed is stated.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.special import xlogy

from move37.errors import InputError, RunError
from move37.estimates.npmle import (
    TOLERANCE,
    difference_range,
    expectation_range,
    failure,
    fit_joint_mixture,
    fit_mixture,
    noise_floor_posterior,
    pass_at_k_range,
    probability_grid,
)
from move37.estimates.solvable import noise_floor_one_model

DEEPSCALER = Path(__file__).parents[2] / "shared" / "data" / "counts" / "deepscaler32k"
needs_deepscaler = pytest.mark.skipif(
    not DEEPSCALER.exists(), reason="the DeepScaleR counts are not beside the project (../shared)"
)
ENDS = np.array([0.0, 1.0])
QUARTERS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
HALF_CHI_SQUARE = 1.920729410347062
"""Half the .95 quantile of chi-square with one degree of freedom, 1.959964^2 / 2."""


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def full(n: int, like: np.ndarray) -> np.ndarray:
    return np.full(len(like), n, dtype=np.int64)


def log_likelihood(weight: np.ndarray, p: np.ndarray, successes: np.ndarray, trials: np.ndarray) -> float:
    mass = p[None, :] ** successes[:, None] * (1 - p[None, :]) ** (trials - successes)[:, None]
    return float(np.log(mass @ weight).sum())


def made_counts(problems: int = 80, n: int = 16, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.4, 0.5, problems)
    return rng.binomial(n, p), np.full(problems, n)


def real_counts(model: str) -> np.ndarray:
    rows = [json.loads(line) for line in (DEEPSCALER / f"{model}.jsonl").read_text(encoding="utf-8").splitlines()]
    return np.array([row["c"] for row in sorted(rows, key=lambda row: row["id"])])


# -- the grid ---------------------------------------------------------------------------------------------------------


def test_the_grid_rises_from_zero_to_one_and_is_logarithmic_near_zero():
    grid = probability_grid(100)
    assert grid[0] == 0
    assert grid[-1] == 1
    assert (np.diff(grid) > 0).all()
    assert grid[1] == pytest.approx(1e-6)  # 1e-4 / 100
    # Elsewhere a quarter of a standard deviation apart: arcsin sqrt p is known to within 1 / (2 sqrt 100) = .05.
    angles = np.arcsin(np.sqrt(grid[grid > 0.01]))
    assert np.diff(angles).max() <= 0.05 / 4 + 1e-12


# -- one model --------------------------------------------------------------------------------------------------------


def test_a_single_problem_is_fitted_by_its_own_share():
    fit = fit_mixture(ints(1), ints(4), grid=QUARTERS)
    assert fit.p.tolist() == [0.25]
    assert fit.weight.tolist() == [1.0]
    # 1/4 x (3/4)^3 = 27/256
    assert fit.log_likelihood == pytest.approx(np.log(27 / 256), abs=1e-12)


def test_problems_always_and_never_solved_have_p_one_and_zero():
    fit = fit_mixture(ints(0, 0, 0, 8), ints(8, 8, 8, 8))
    assert fit.p.tolist() == [0.0, 1.0]
    assert fit.weight == pytest.approx([0.75, 0.25], abs=1e-4)
    assert fit.log_likelihood == pytest.approx(3 * np.log(0.75) + np.log(0.25), abs=TOLERANCE)
    assert fit.pass_at_k(ints(1, 1000)) == pytest.approx([0.25, 0.25], abs=1e-4)


def test_two_samples_with_one_success_each_cannot_tell_a_coin_from_nothing_else():
    # c = 0, 1, 2 of 2 with shares 1/4, 1/2, 1/4 are those of p = 1/2, which no distribution can beat.
    fit = fit_mixture(ints(0, 1, 1, 2), ints(2, 2, 2, 2), grid=QUARTERS)
    assert fit.expectation(fit.p) == pytest.approx(0.5, abs=1e-4)
    assert fit.expectation(fit.p**2) == pytest.approx(0.25, abs=1e-4)  # no variance: p is 1/2 everywhere
    # 2 log(1/4) + 2 log(1/4): one order of the two samples where c = 1.
    assert fit.log_likelihood == pytest.approx(4 * np.log(0.25), abs=TOLERANCE)


def test_the_gap_bounds_what_any_other_distribution_gains():
    successes, trials = made_counts()
    grid = probability_grid(16, spacing=1.0)
    fit = fit_mixture(successes, trials, grid=grid)
    assert 0 <= fit.gap <= TOLERANCE
    rng = np.random.default_rng(0)
    for concentration in (0.02, 0.2, 2.0):
        for weight in rng.dirichlet(np.full(len(grid), concentration), 100):
            mixed = np.maximum(weight, 1e-12) / np.maximum(weight, 1e-12).sum()
            assert log_likelihood(mixed, grid, successes, trials) <= fit.log_likelihood + fit.gap + 1e-9


def test_the_fit_is_the_one_that_many_em_steps_creep_up_to():
    successes, trials = made_counts()
    grid = probability_grid(16, spacing=1.0)
    mass = grid[None, :] ** successes[:, None] * (1 - grid[None, :]) ** (trials - successes)[:, None]
    weight = np.full(len(grid), 1 / len(grid))
    for _ in range(20_000):
        posterior = mass * weight
        weight = (posterior / posterior.sum(axis=1, keepdims=True)).mean(axis=0)
    fit = fit_mixture(successes, trials, grid=grid)
    crept = log_likelihood(weight, grid, successes, trials)
    assert crept <= fit.log_likelihood + fit.gap
    assert fit.log_likelihood - crept < 0.01
    ks = np.arange(1, 33)
    assert fit.pass_at_k(ks) == pytest.approx(1 - weight @ failure(grid, ks), abs=2e-3)


def test_the_mean_posterior_is_the_fit_itself():
    # At the maximum, weight_g = mean_i P(g | c_i): EM stands still.
    successes, trials = made_counts()
    fit = fit_mixture(successes, trials)
    for values in (fit.p, (1 - fit.p) ** 40):
        posterior = fit.posterior_mean(values, successes, trials)
        assert posterior.mean() == pytest.approx(float(fit.expectation(values)), abs=1e-5)
    # More successes, larger p.
    order = np.argsort(successes)
    assert (np.diff(fit.posterior_mean(fit.p, successes, trials)[order]) >= -1e-12).all()


def test_a_finer_grid_gains_next_to_nothing():
    successes, trials = made_counts(problems=1000, n=64)
    coarse, fine = (fit_mixture(successes, trials, grid=probability_grid(64, s)) for s in (0.25, 0.05))
    assert fine.log_likelihood - coarse.log_likelihood < 0.2
    ks = ints(1, 16, 64, 128)
    assert coarse.pass_at_k(ks) == pytest.approx(fine.pass_at_k(ks), abs=1e-3)


def test_many_problems_of_few_kinds_are_fitted_to_the_same_tolerance():
    # Their optima have weights of 1e-5 and less, which rounding hides from a solver that looks for the whole weights.
    rng = np.random.default_rng(0)
    for n in (64, 512):
        for problems in (3000, 30_000):
            successes = rng.binomial(n, rng.choice([0, 0.005, 0.3, 0.9], problems, p=[0.1, 0.2, 0.3, 0.4]))
            assert fit_mixture(successes, full(n, successes)).gap <= TOLERANCE


def test_weights_count_a_problem_as_often_as_they_say():
    twice = fit_mixture(ints(0, 0, 3, 5), ints(5, 5, 5, 5))
    weighted = fit_mixture(ints(0, 3, 5, 1), ints(5, 5, 5, 5), weights=np.array([2.0, 1.0, 1.0, 0.0]))
    assert weighted.problems == 4
    assert weighted.log_likelihood == pytest.approx(twice.log_likelihood, abs=2 * TOLERANCE)
    assert weighted.pass_at_k(ints(1, 8)) == pytest.approx(twice.pass_at_k(ints(1, 8)), abs=1e-3)


def test_stopped_counts_give_the_distribution_back():
    # p = .04 or .5, half each, stopped at the second success or at 64: the mean number of samples is far below 64, and
    # c / N of the stopped ones is biased upwards. 4,000 problems: sd of the share of hard ones .008, so .04 is five.
    rng = np.random.default_rng(11)
    p = np.where(rng.random(4000) < 0.5, 0.04, 0.5)
    outcomes = rng.random((4000, 64)) < p[:, None]
    reached = outcomes.cumsum(axis=1) >= 2
    trials = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, 64)
    successes = np.array([row[:n].sum() for row, n in zip(outcomes, trials, strict=True)])
    assert trials.mean() < 28
    fit = fit_mixture(successes, trials)
    assert float(fit.weight[fit.p < 0.2].sum()) == pytest.approx(0.5, abs=0.04)
    # (1 - .96^k) / 2 + (1 - .5^k) / 2: .270 at k = 1, .7399 at 16, .9634 at 64.
    assert fit.pass_at_k(ints(1, 16, 64)) == pytest.approx([0.27, 0.7398, 0.9634], abs=0.03)


@needs_deepscaler
def test_the_real_counts_are_fitted_to_the_share_solved():
    for model, solved in (("base", 0.8906), ("rl", 0.8708)):
        successes = real_counts(model)
        fit = fit_mixture(successes, full(128, successes))
        assert fit.pass_at_k(ints(128))[0] == pytest.approx(solved, abs=1e-3)
        assert fit.gap <= TOLERANCE


# -- noise floor ------------------------------------------------------------------------------------------------------


def test_the_noise_floor_of_coins_by_hand():
    # All four problems are coins: u = 1/2 at k = 1, u (1-u) = 1/4 each; at k = 2 u = 1/4, 3/16 each.
    successes, trials = ints(1, 1, 0, 2), ints(2, 2, 2, 2)
    fit = fit_mixture(successes, trials, grid=QUARTERS)
    assert noise_floor_posterior(fit, successes, trials, 1) == pytest.approx(1.0, abs=1e-3)
    assert noise_floor_posterior(fit, successes, trials, 2) == pytest.approx(0.75, abs=1e-3)


def test_the_noise_floor_agrees_with_the_unbiased_one_where_that_exists():
    successes, trials = made_counts(problems=2000, n=32)
    fit = fit_mixture(successes, trials)
    for k in (1, 4, 16):
        unbiased = noise_floor_one_model(successes, trials, k)
        assert noise_floor_posterior(fit, successes, trials, k) == pytest.approx(unbiased, rel=0.05)


# -- two models -------------------------------------------------------------------------------------------------------


def test_the_joint_fit_of_decided_problems_is_their_four_way_table():
    base, rl = ints(8, 8, 8, 0, 0, 0, 0, 0), ints(8, 8, 0, 8, 0, 0, 0, 0)
    fit = fit_joint_mixture(base, full(8, base), rl, full(8, rl))
    # both 2, base only 1, RL only 1, neither 4 of 8, at every k
    for k in (1, 100):
        assert fit.four_way(k) == pytest.approx((0.25, 0.125, 0.125, 0.5), abs=1e-4)
    assert fit.difference_at_k(ints(1, 100)) == pytest.approx([0, 0], abs=1e-4)


def test_the_four_way_shares_say_which_model_alone_solves_a_problem():
    base, rl = ints(8, 8, 8, 0, 0, 0, 0, 0), ints(8, 0, 0, 8, 0, 0, 0, 0)
    fit = fit_joint_mixture(base, full(8, base), rl, full(8, rl))
    assert fit.four_way(1) == pytest.approx((1 / 8, 2 / 8, 1 / 8, 4 / 8), abs=1e-4)


def test_the_joint_fit_sees_that_two_models_solve_the_same_problems():
    # Both have p = 0 or 1/2 on the same problems, so nothing is discordant at k = 64; independent models would be on
    # half of the problems. 400 problems: the share of p = 0 has a standard deviation of .025.
    rng = np.random.default_rng(2)
    p = np.repeat([0.0, 0.5], 200)
    base, rl = rng.binomial(16, p), rng.binomial(16, p)
    fit = fit_joint_mixture(base, full(16, base), rl, full(16, rl))
    both, base_only, rl_only, neither = fit.four_way(64)
    assert both == pytest.approx(0.5, abs=0.02)
    assert neither == pytest.approx(0.5, abs=0.02)
    assert base_only + rl_only < 0.02
    assert both + base_only + rl_only + neither == pytest.approx(1, abs=1e-12)


def test_the_joint_certificate_holds_against_the_product_of_single_fits():
    base, n = made_counts(problems=300, seed=5)
    rl, _ = made_counts(problems=300, seed=6)
    joint = fit_joint_mixture(base, n, rl, n)
    assert joint.gap <= TOLERANCE
    grid = probability_grid(16, 0.5)
    alone = [fit_mixture(each, n, grid=grid).log_likelihood for each in (base, rl)]
    assert joint.log_likelihood >= sum(alone) - TOLERANCE


# -- ranges -----------------------------------------------------------------------------------------------------------


def binomial_range(successes: int, problems: int) -> tuple[float, float]:
    """The likelihood-ratio interval of one share."""

    def excess(theta: float) -> float:
        peak = xlogy(successes, successes / problems) + xlogy(problems - successes, 1 - successes / problems)
        here = successes * np.log(theta) + (problems - successes) * np.log1p(-theta)
        return peak - here - HALF_CHI_SQUARE

    share = successes / problems
    ends: Any = brentq(excess, 1e-9, share), brentq(excess, share, 1 - 1e-9)
    return ends


def test_the_range_of_a_share_is_the_binomial_likelihood_ratio_interval():
    # One sample per problem and p in {0, 1}: 30 of 100 solved.
    successes = np.repeat([1, 0], [30, 70])
    low, high = expectation_range(successes, full(1, successes), lambda p: p[:, None], grid=ENDS)[0]
    exact_low, exact_high = binomial_range(30, 100)  # .2161 and .3937
    half = (exact_high - exact_low) / 2
    # The bounds are never too narrow, and too wide by 1 % of half the range at most.
    assert exact_low - 0.01 * half <= low <= exact_low + 1e-6
    assert exact_high - 1e-6 <= high <= exact_high + 0.01 * half


def test_the_range_of_pass_at_1_is_that_share_whatever_the_grid_if_problems_are_sampled_once():
    # One sample tells of E[p] alone, whatever the distribution: the same interval on the fine grid.
    successes = np.repeat([1, 0], [30, 70])
    found = pass_at_k_range(successes, full(1, successes), ints(1))[0]
    assert found == pytest.approx(binomial_range(30, 100), abs=1e-3)


def test_the_range_of_a_difference_is_the_likelihood_ratio_interval_of_discordant_shares():
    # One sample each and p in {0, 1}: 12 base only, 30 RL only, 58 concordant of 100.
    base, rl = np.repeat([1, 0, 0], [12, 30, 58]), np.repeat([0, 1, 0], [12, 30, 58])

    def profile(delta: float) -> float:
        """Largest log-likelihood with (RL only) - (base only) = delta."""

        def loss(share: float) -> float:
            return -(xlogy(12, share) + xlogy(30, share + delta) + xlogy(58, 1 - 2 * share - delta))

        lowest = max(0.0, -delta)
        return -minimize_scalar(loss, bounds=(lowest, (1 - delta) / 2), method="bounded", options={"xatol": 1e-12}).fun

    peak = 12 * np.log(0.12) + 30 * np.log(0.3) + 58 * np.log(0.58)
    exact = [brentq(lambda d: peak - profile(d) - HALF_CHI_SQUARE, a, b) for a, b in ((-0.3, 0.18), (0.18, 0.6))]
    found = difference_range(base, full(1, base), rl, full(1, rl), ints(1, 7), grids=(ENDS, ENDS))
    for row in found:  # p in {0, 1}: the same at every k
        assert row == pytest.approx(exact, abs=0.002)


@pytest.mark.slow
def test_ranges_hold_the_truth_as_often_as_they_say_at_n_and_beyond():
    # p ~ Beta(.3, .22): pass@k = 1 - B(.3, .22+k) / B(.3, .22). 120 repetitions at 95 %: fewer than .88 happens with
    # a chance of about .001 per k.
    rng = np.random.default_rng(7)
    n, ks, repetitions = 16, ints(16, 32), 120
    truth = 1 - np.array([np.prod((0.22 + np.arange(k)) / (0.52 + np.arange(k))) for k in ks])
    held = np.zeros(len(ks))
    for _ in range(repetitions):
        successes = rng.binomial(n, rng.beta(0.3, 0.22, 100))
        found = pass_at_k_range(successes, full(n, successes), ks)
        held += (found[:, 0] <= truth) & (truth <= found[:, 1])
    assert (held / repetitions >= 0.88).all()


def test_beyond_n_a_range_widens_until_never_solved_problems_may_be_anything():
    # 60 coins and 40 never solved in 16: at k = 100,000 those may have p = 0 or a p that solves them for certain.
    successes = np.concatenate([np.random.default_rng(1).binomial(16, 0.5, 60), np.zeros(40, dtype=np.int64)])
    found = pass_at_k_range(successes, full(16, successes), ints(16, 64, 128, 100_000))
    assert (np.diff(found[:, 1] - found[:, 0]) > 0).all()
    assert found[-1, 0] == pytest.approx(binomial_range(60, 100)[0], abs=0.01)
    assert found[-1, 1] > 0.99


def test_a_wider_confidence_gives_a_wider_range():
    successes, trials = made_counts()
    narrow, wide = (pass_at_k_range(successes, trials, ints(8), confidence=c)[0] for c in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_impossible_input_is_refused():
    with pytest.raises(InputError, match="impossible counts: c > n"):
        fit_mixture(ints(5), ints(4))
    with pytest.raises(InputError, match="weights must be one number >= 0 per problem"):
        fit_mixture(ints(1, 2), ints(4, 4), weights=np.array([1.0]))
    with pytest.raises(InputError, match="weights must be one number >= 0 per problem"):
        fit_mixture(ints(1, 2), ints(4, 4), weights=np.zeros(2))
    with pytest.raises(InputError, match="a grid of p must rise from 0 to 1"):
        fit_mixture(ints(1), ints(4), grid=np.array([0.1, 0.9]))
    with pytest.raises(InputError, match="both models need the same problems: 1 against 2"):
        fit_joint_mixture(ints(1), ints(4), ints(1, 2), ints(4, 4))
    with pytest.raises(InputError, match="confidence must be between 0 and 1, not 95"):
        pass_at_k_range(ints(1, 2), ints(4, 4), ints(2), confidence=95)


def test_a_tolerance_out_of_reach_is_an_error_that_says_what_is_left():
    successes, trials = made_counts()
    with pytest.raises(RunError, match=r"not found to within -1 nats .* allow a larger tolerance"):
        fit_mixture(successes, trials, tolerance=-1.0)
