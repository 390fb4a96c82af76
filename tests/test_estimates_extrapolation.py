"""pass@k beyond n: methods on counts whose fit is known by hand, Chao's bound, what continued sampling could show.

Everything is seeded; where a test draws at random, the chance of a false failure under a fresh seed is stated.
"""

import json
from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pytest

from move37.counts import StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.estimates.extrapolation import (
    DEFAULT_METHOD,
    METHODS,
    BetaBinomial,
    PowerLaw,
    bootstrap,
    continued_bounds,
    counts_of,
    difference_range,
    fit,
    fit_data,
    interval,
    pass_range,
    unseen_solvable,
)

DEEPSCALER = Path(__file__).parents[2] / "shared" / "data" / "counts" / "deepscaler32k"
needs_deepscaler = pytest.mark.skipif(
    not DEEPSCALER.exists(), reason="the DeepScaleR counts are not beside the project (../shared)"
)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def tally(correct: list[int] | np.ndarray, n: int | list[int]) -> Tally:
    counts = np.array(correct, dtype=np.int64)
    none = np.zeros_like(counts)
    ids = tuple(f"p{i}" for i in range(len(counts)))
    return Tally("model", ids, counts, np.broadcast_to(np.array(n), counts.shape) - counts, none, none)


def stopped(outcomes: np.ndarray, r: int) -> StoppedTally:
    """Rows of 0 and 1 read until the r-th 1, or to the end; looks after every sample."""
    n_max = outcomes.shape[1]
    reached = outcomes.cumsum(axis=1) >= r
    trials = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, n_max)
    successes = np.array([row[:n].sum() for row, n in zip(outcomes, trials, strict=True)], dtype=np.int64)
    none = np.zeros_like(trials)
    ids = tuple(f"p{i}" for i in range(len(trials)))
    return StoppedTally("model", ids, successes, trials, trials - 1, none, none, none, StoppingPlan.until(r, n_max))


def real_counts(model: str) -> np.ndarray:
    rows = [json.loads(line) for line in (DEEPSCALER / f"{model}.jsonl").read_text(encoding="utf-8").splitlines()]
    return np.array([row["c"] for row in sorted(rows, key=lambda row: row["id"])])


# -- the methods ------------------------------------------------------------------------------------------------------


def test_a_uniform_p_has_pass_at_k_of_k_in_k_plus_one():
    # E[(1-p)^k] = 1 / (k+1) for p uniform; with a fifth of the problems at p = 0, four fifths of it.
    assert BetaBinomial(1, 1).pass_at_k(ints(1, 3, 99)) == pytest.approx([0.5, 0.75, 0.99], abs=1e-12)
    assert BetaBinomial(1, 1, 0.2).pass_at_k(ints(1, 3, 99)) == pytest.approx([0.4, 0.6, 0.792], abs=1e-12)


def test_counts_spread_evenly_are_fitted_by_a_uniform_p():
    # Under Beta(1, 1) every c of n is equally likely, and no law can beat the shares that were seen.
    fitted = fit(tally([0, 1, 2, 3, 4], 4), "beta-binomial")
    assert isinstance(fitted, BetaBinomial)
    assert (fitted.a, fitted.b, fitted.zero) == pytest.approx((1, 1, 0), abs=1e-3)


def test_zeros_on_top_of_evenly_spread_counts_are_the_share_of_zeros():
    # Ten problems: five spread evenly, five more at 0. (1-z)/5 = 1/10 gives z = 1/2, and 0 has 1/2 + 1/10 of them.
    fitted = fit(tally([0, 1, 2, 3, 4, 0, 0, 0, 0, 0], 4), "zero-inflated beta-binomial")
    assert isinstance(fitted, BetaBinomial)
    assert (fitted.a, fitted.b, fitted.zero) == pytest.approx((1, 1, 0.5), abs=2e-3)


@pytest.mark.parametrize("method", ["power law", "local power law"])
def test_a_power_law_through_two_points_by_hand(method: str):
    # n = 2, c = 0, 0, 1, 2: failure 1, 1, 1/2, 0 at k = 1, so .625; 1, 1, 0, 0 at k = 2, so .5.
    # Doubling k multiplies failure by .8: .4 at k = 4, .32 at k = 8.
    fitted = fit(tally([0, 0, 1, 2], 2), method)
    assert isinstance(fitted, PowerLaw)
    assert fitted.pass_at_k(ints(1, 2, 4, 8)) == pytest.approx([0.375, 0.5, 0.6, 0.68], abs=1e-12)


def test_the_local_power_law_goes_on_from_the_unbiased_estimate():
    counts = tally(np.random.default_rng(0).binomial(32, np.random.default_rng(1).beta(0.3, 0.4, 200)), 32)
    solved = float((counts.correct > 0).mean())
    curve = fit(counts, "local power law").pass_at_k(np.arange(32, 200))
    assert curve[0] == pytest.approx(solved, abs=1e-12)
    assert (np.diff(curve) > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_rises_with_k_and_stays_within_zero_and_one(method: str):
    rng = np.random.default_rng(4)
    curve = fit(tally(rng.binomial(16, rng.beta(0.4, 0.6, 150)), 16), method).pass_at_k(ints(1, 4, 16, 32, 64, 10_000))
    assert (np.diff(curve) > -1e-9).all()
    assert curve[0] >= 0
    assert curve[-1] <= 1


@pytest.mark.parametrize("method", METHODS)
def test_models_that_solve_everything_or_nothing_go_on_doing_so(method: str):
    everything, nothing = fit(tally([8, 8, 8], 8), method), fit(tally([0, 0, 0], 8), method)
    assert everything.pass_at_k(ints(16))[0] == pytest.approx(1, abs=1e-3)
    assert nothing.pass_at_k(ints(16))[0] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_stopped_counts_are_continued_like_fixed_ones(method: str):
    # p ~ Beta(.4, .4), stopped at the fourth success or at 32. Both fits see the same problems, so they differ by what
    # stopping leaves out: a standard deviation of about .01 at k = 64 (20 seeds), of which .05 is five.
    rng = np.random.default_rng(9)
    p = rng.beta(0.4, 0.4, 600)
    outcomes = (rng.random((600, 32)) < p[:, None]).astype(np.int64)
    early = stopped(outcomes, 4)
    assert early.trials.sum() < 0.6 * outcomes.size
    fixed = fit(tally(outcomes.sum(axis=1), 32), method).pass_at_k(ints(64))[0]
    assert fit(early, method).pass_at_k(ints(64))[0] == pytest.approx(fixed, abs=0.05)


def test_unequal_n_is_continued_from_the_smallest():
    data = fit_data(tally([3, 0, 8], [4, 8, 16]))
    assert data.n == 4
    assert data.failures.shape == (3, 4)
    assert [each.tolist() for each in counts_of(tally([3, 0, 8], [4, 8, 16]))] == [[3, 0, 8], [4, 8, 16]]


@needs_deepscaler
def test_half_of_the_real_samples_predict_the_whole_as_the_reference_says():
    # Mean of ten thinnings to 64, pass@128; standard error below .002. Published for one thinning: beta-binomial
    # .905/.892, NPMLE .889/.870, zero-inflated .883/.866; truth .8906/.8708.
    rng = np.random.default_rng(0)
    found = {}
    for model in ("base", "rl"):
        counts = real_counts(model)
        thinned = [tally(rng.hypergeometric(counts, 128 - counts, 64), 64) for _ in range(10)]
        for method in METHODS:
            found[model, method] = np.mean([fit(each, method).pass_at_k(ints(128))[0] for each in thinned])
    assert found["base", "beta-binomial"] == pytest.approx(0.905, abs=0.005)
    assert found["rl", "beta-binomial"] == pytest.approx(0.892, abs=0.005)
    assert found["base", "NPMLE"] == pytest.approx(0.889, abs=0.007)
    assert found["rl", "NPMLE"] == pytest.approx(0.870, abs=0.007)
    assert found["base", "zero-inflated beta-binomial"] == pytest.approx(0.883, abs=0.006)
    assert found["rl", "zero-inflated beta-binomial"] == pytest.approx(0.866, abs=0.006)
    assert found["base", DEFAULT_METHOD] == pytest.approx(0.8906, abs=0.006)
    assert found["rl", DEFAULT_METHOD] == pytest.approx(0.8708, abs=0.006)


# -- intervals --------------------------------------------------------------------------------------------------------


def test_the_bootstrap_redraws_problems_and_repeats_itself():
    counts = tally([0, 1, 2, 8, 8, 5], 8)
    once, again = (bootstrap(counts, ints(8, 16), draws=20, seed=3) for _ in range(2))
    assert once.shape == (20, 2)
    assert (once == again).all()
    assert (bootstrap(counts, ints(16), draws=20, seed=4) != once[:, 1:]).any()


def test_an_interval_at_n_is_that_of_a_share():
    # At k = n the local power law is the share solved, 60 of 100: sd sqrt(.6 x .4 / 100) = .049, seen by 400 draws to
    # within 3.5 %, so 15 % is four of them.
    estimate = interval(tally([0] * 40 + [3] * 60, 8), 8, "local power law", draws=400)
    assert estimate.value == pytest.approx(0.6, abs=1e-12)
    assert estimate.standard_error == pytest.approx(0.049, rel=0.15)
    assert estimate.lower is not None
    assert estimate.standard_error is not None
    assert estimate.lower == pytest.approx(0.6 - 1.959964 * estimate.standard_error, abs=1e-6)
    assert estimate.method == "local power law, bootstrap over problems"
    assert (estimate.problems, estimate.n, estimate.target) == (100, (8, 8), "population")


def test_the_likelihood_range_holds_the_estimates_of_methods_that_the_counts_allow():
    rng = np.random.default_rng(4)
    counts = tally(rng.binomial(16, rng.beta(0.4, 0.6, 150)), 16)
    low, high = pass_range(counts, ints(32))[0]
    for method in METHODS:
        assert low <= fit(counts, method).pass_at_k(ints(32))[0] <= high


def test_the_range_of_a_difference_changes_sign_with_its_models():
    rng = np.random.default_rng(6)
    p = rng.beta(0.4, 0.6, 60)
    one, other = tally(rng.binomial(8, p), 8), tally(rng.binomial(8, np.sqrt(p)), 8)
    forth, back = difference_range(one, other, ints(4, 16)), difference_range(other, one, ints(4, 16))
    assert forth == pytest.approx(-back[:, ::-1], abs=0.004)


# -- what nobody has seen ---------------------------------------------------------------------------------------------


def test_continued_sampling_can_only_add_what_no_sample_excludes():
    # Of 4 problems one was never solved in 10: p < 1 - .05^(1/10), so 10 more solve it with a chance below
    # 1 - .05^(10/10) = .95: from .75 to .75 + .95/4 = .9875. At k = n nothing is open.
    counts = tally([0, 1, 5, 10], 10)
    assert continued_bounds(counts, 20) == pytest.approx((0.75, 0.9875), abs=1e-12)
    assert continued_bounds(counts, 10) == pytest.approx((0.75, 0.75), abs=1e-12)
    # 40 samples in all: 1 - .05^3 = .999875
    assert continued_bounds(counts, 40)[1] == pytest.approx(0.75 + 0.999875 / 4, abs=1e-12)


def test_continued_bounds_use_each_problems_own_n():
    # Never solved in 10 and in 20, k = 20: the first has 10 to go, the second none. (0 + .95) / 2
    assert continued_bounds(tally([0, 0], [10, 20]), 20) == pytest.approx((0, 0.475), abs=1e-12)


def test_chaos_bound_by_hand():
    # n = 10, f0 = 5, f1 = 4, f2 = 1: (9/10) 4 x 3 / (2 x 2) = 2.7
    found = unseen_solvable(tally([0] * 5 + [1] * 4 + [2] + [7] * 3, 10))
    assert found.at_least == pytest.approx(2.7, abs=1e-12)
    assert (found.never_solved, found.solved_once, found.solved_twice) == (5, 4, 1)
    assert 0 < found.lower < 2.7


def test_chaos_bound_is_never_more_than_the_never_solved():
    assert unseen_solvable(tally([0] + [1] * 9, 10)).at_least == 1  # (9/10) 9 x 8 / 2 = 32.4
    none = unseen_solvable(tally([5, 5], 10))
    assert (none.at_least, none.lower, none.never_solved) == (0, 0, 0)


@pytest.mark.parametrize("p", [Fraction(1, 50), Fraction(1, 10)])
def test_chaos_bound_is_an_equality_for_problems_of_one_kind(p: Fraction):
    # With E[f_j] = C(n, j) p^j q^(n-j): ((n-1)/n) E[f1]^2 / (2 E[f2]) = E[f0], and less for any other mixture.
    n, q = 20, 1 - p

    def expected(j: int, chance: Fraction) -> Fraction:
        return comb(n, j) * chance**j * (1 - chance) ** (n - j)

    bound = Fraction(n - 1, n) * expected(1, p) ** 2 / (2 * expected(2, p))
    assert bound == expected(0, p) == q**n
    mixed = [(expected(j, p) + expected(j, 2 * p)) / 2 for j in range(3)]
    assert Fraction(n - 1, n) * mixed[1] ** 2 / (2 * mixed[2]) < mixed[0]


def test_chaos_bound_rarely_claims_too_many():
    # 300 problems with p = .02 and 100 that cannot be solved, n = 32: about 157 solvable ones stay unseen, and the
    # bound is an equality on average. Its one-sided 95 % limit is above the truth in 5 % of 400 repetitions: more than
    # 9 % has a chance below .001.
    rng = np.random.default_rng(12)
    too_many = 0
    for _ in range(400):
        solvable = rng.binomial(32, 0.02, 300)
        found = unseen_solvable(tally(np.concatenate([solvable, np.zeros(100, dtype=np.int64)]), 32))
        too_many += found.lower > int((solvable == 0).sum())
    assert too_many <= 36


def test_stopping_at_three_or_more_leaves_chaos_bound_as_it_is():
    rng = np.random.default_rng(3)
    outcomes = (rng.random((300, 24)) < rng.beta(0.3, 1.0, 300)[:, None]).astype(np.int64)
    assert unseen_solvable(stopped(outcomes, 3)) == unseen_solvable(tally(outcomes.sum(axis=1), 24))
    with pytest.raises(InputError, match="stops at fewer than 3; sample with a plan that stops at 3 or more"):
        unseen_solvable(stopped(outcomes, 2))


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_impossible_requests_are_refused():
    counts = tally([0, 1, 4], 4)
    with pytest.raises(InputError, match="no method 'spline' to extrapolate with; there are local power law, "):
        fit(counts, "spline")
    with pytest.raises(InputError, match="beyond n needs at least 2 scored samples of every problem, not 1"):
        fit(tally([0, 1], 1))
    with pytest.raises(InputError, match="draws must be at least 2, not 1"):
        bootstrap(counts, ints(8), draws=1)
    with pytest.raises(InputError, match="k must be at least 1, not 0"):
        interval(counts, 0)
    with pytest.raises(InputError, match="k must be at least 1, not -3"):
        pass_range(counts, ints(2, -3))
    with pytest.raises(InputError, match="confidence must be between 0 and 1, not 2"):
        interval(counts, 8, confidence=2)
    with pytest.raises(InputError, match="confidence must be between 0 and 1, not 0"):
        unseen_solvable(counts, confidence=0)
    with pytest.raises(InputError, match="alpha must be between 0 and 1, not 1"):
        continued_bounds(counts, 8, alpha=1)
