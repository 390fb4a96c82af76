"""Planning: costs and errors against exact sums and simulation, exact power, and budgets."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy.special import betaln

from move37.counts import StoppingPlan
from move37.errors import InputError
from move37.estimates.curtailed import expected_samples
from move37.estimates.pass_at_k import pass_at_k
from move37.estimates.planning import (
    LARGEST_N_MAX,
    AssumedPair,
    MeanTokens,
    beta_mixture,
    detectable_difference,
    largest_n_max,
    mcnemar_power,
    planned_errors,
    problems_needed,
    reference_pair,
    sampling_cost,
    sharpened,
    significant_splits,
)
from move37.estimates.solvable import mcnemar_p

ONE = MeanTokens(1.0, 1.0)


def pair(*kinds: tuple[float, float, float]) -> AssumedPair:
    return AssumedPair(*(np.array(column) for column in zip(*kinds, strict=True)))


# -- the law of the problems ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 16, 128, 1024])
def test_a_beta_mixture_has_the_mean_pass_at_k_of_its_closed_form(k: int) -> None:
    # E[(1-p)^k] under Beta(a, b) is B(a, b+k) / B(a, b).
    p, weight = beta_mixture([(0.5, 0.3, 0.4), (0.3, 2.0, 5.0)], zero=0.15, one=0.05)
    failure = 0.15 + sum(w * np.exp(betaln(a, b + k) - betaln(a, b)) for w, a, b in ((0.5, 0.3, 0.4), (0.3, 2.0, 5.0)))
    assert weight @ (1 - p) ** k == pytest.approx(failure, abs=1e-9)


def test_a_pair_knows_its_curves_and_its_discordant_share() -> None:
    # Half of the problems: base 1/2, RL 1; half: base 1/2, RL 0. At k = 2 base solves 3/4 of either.
    law = pair((0.5, 1.0, 0.5), (0.5, 0.0, 0.5))
    base, rl = law.mean_pass_at_k(np.array([1, 2]))
    assert base.tolist() == [0.5, 0.75]
    assert rl.tolist() == [0.5, 0.5]
    assert law.discordant(2) == (0.375, 0.125)


def test_sharpening_is_the_choice_among_so_many_tries_and_lost_problems_are_lost() -> None:
    law = sharpened(np.array([0.5, 0.0]), np.array([0.5, 0.5]), sharpening=2, lost=0.2)
    assert law.rl_p.tolist() == [0.75, 0.0, 0.0, 0.0]
    assert law.weight == pytest.approx([0.4, 0.4, 0.1, 0.1])


def test_the_reference_law_has_the_curves_it_names() -> None:
    # The DeepScaleR counts: base .604, .790, .847, .891 at k = 1, 8, 32, 128, RL .680, .804, .843, .871.
    base, rl = reference_pair().mean_pass_at_k(np.array([1, 8, 32, 128]))
    assert base == pytest.approx([0.604, 0.790, 0.847, 0.891], abs=0.01)
    assert rl == pytest.approx([0.680, 0.804, 0.843, 0.871], abs=0.01)


# -- costs ------------------------------------------------------------------------------------------------------------


def test_tokens_follow_from_the_lengths_of_right_and_wrong_samples() -> None:
    # r = 1, n_max = 3, p = 1/4: E[N] = 1 + 3/4 + 9/16 = 37/16, of which 37/64 correct at 10 tokens, the rest at 100.
    cost = sampling_cost(StoppingPlan.until(1, 3), np.array([0.25]), np.array([1.0]), MeanTokens(10, 100))
    assert cost.samples == pytest.approx(37 / 16)
    assert cost.tokens == pytest.approx(37 / 64 * 10 + 111 / 64 * 100)


def test_stopping_early_saves_less_of_the_tokens_than_of_the_samples_where_failures_are_long() -> None:
    p, weight = beta_mixture([(1.0, 0.4, 0.4)])
    early, fixed = (
        sampling_cost(plan, p, weight, MeanTokens(1000, 4000))
        for plan in (StoppingPlan.until(4, 64), StoppingPlan((64,), 1))
    )
    assert early.samples / fixed.samples < early.tokens / fixed.tokens < 1


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("successes", [None, 1, 8])
def test_the_largest_n_max_is_the_last_that_fits(successes: int | None, batch: int) -> None:
    law = reference_pair()
    laws = [(p, law.weight, MeanTokens(500, 1500)) for p in (law.base_p, law.rl_p)]

    def spent(n_max: int) -> float:
        plan = StoppingPlan((n_max,), 1) if successes is None else StoppingPlan.until(successes, n_max, batch)
        return sum(sampling_cost(plan, *each).tokens for each in laws)

    n_max = largest_n_max(200_000, laws, successes, batch)
    assert spent(n_max) <= 200_000 < spent(n_max + 1)


def test_a_budget_below_one_sample_gives_nothing_and_an_endless_one_is_capped() -> None:
    half = [(np.array([0.5]), np.array([1.0]), MeanTokens(100, 100))]
    assert largest_n_max(99, half) == 0
    assert largest_n_max(100, half) == 1
    assert largest_n_max(1000, half, successes=1) == LARGEST_N_MAX  # 2 samples on average, however large n_max is


def test_the_budget_counts_samples_as_the_plans_do() -> None:
    p = np.array([0.02, 0.3])
    for batch, n_max in ((1, 50), (7, 50)):
        plan = StoppingPlan.until(3, n_max, batch)
        mean = float(expected_samples(plan, p).mean())
        laws = [(p, np.array([0.5, 0.5]), ONE)]
        assert largest_n_max(mean, laws, 3, batch) == n_max
        assert largest_n_max(mean - 1e-6, laws, 3, batch) == n_max - 1


# -- errors -----------------------------------------------------------------------------------------------------------


def test_the_errors_of_a_fixed_n_are_the_binomial_ones_at_k_1() -> None:
    # Base p = 1/2 everywhere, RL 1 or 0 with equal shares; n = 4, 100 problems.
    errors = planned_errors(StoppingPlan((4,), 1), pair((0.5, 1.0, 0.5), (0.5, 0.0, 0.5)), np.array([1]), 100)
    assert errors.base_benchmark[0] == pytest.approx((0.25 / 4 / 100) ** 0.5)
    assert errors.base_population[0] == errors.base_benchmark[0]
    assert errors.rl_benchmark[0] == 0
    assert errors.rl_population[0] == pytest.approx((0.25 / 100) ** 0.5)
    assert errors.difference_benchmark[0] == pytest.approx((0.0625 / 100) ** 0.5)
    assert errors.difference_population[0] == pytest.approx(((0.0625 + 0.25) / 100) ** 0.5)


def test_at_k_max_the_error_of_a_fixed_n_is_that_of_the_discordant_share() -> None:
    law = reference_pair()
    base_only, rl_only = law.discordant(128)
    errors = planned_errors(StoppingPlan((128,), 1), law, np.array([128]), 1060)
    exact = (base_only + rl_only - (rl_only - base_only) ** 2) / 1060
    assert errors.difference_population[0] == pytest.approx(exact**0.5, rel=1e-9)


def test_the_forecast_errors_are_those_that_a_simulation_shows() -> None:
    """4,000 studies of 50 problems at fixed n = 16; a standard error is known to 1.1 %, so 5 % fails by 1e-5."""
    rng, law, ks = np.random.default_rng(5), reference_pair(), np.array([1, 4, 16])
    kinds = rng.choice(len(law.weight), size=(4000, 50), p=law.weight / law.weight.sum())
    means = []
    for p in (law.base_p, law.rl_p):
        correct = rng.binomial(16, p[kinds]).ravel()
        rows = pass_at_k(correct, np.full(correct.shape, 16))[:, ks - 1]
        means.append(rows.reshape(4000, 50, 3).mean(axis=1))
    errors = planned_errors(StoppingPlan((16,), 1), law, ks, 50)
    assert means[0].std(axis=0) == pytest.approx(errors.base_population, rel=0.05)
    assert means[1].std(axis=0) == pytest.approx(errors.rl_population, rel=0.05)
    assert (means[1] - means[0]).std(axis=0) == pytest.approx(errors.difference_population, rel=0.05)


def test_stopping_early_costs_precision_at_small_k_only() -> None:
    law, ks = reference_pair(), np.array([1, 128])
    fixed, early = (
        planned_errors(plan, law, ks, 500).difference_population
        for plan in (StoppingPlan((128,), 1), StoppingPlan.until(8, 128))
    )
    assert 1.05 < early[0] / fixed[0] < 1.2
    assert early[1] / fixed[1] == pytest.approx(1.0, abs=1e-3)


# -- detection --------------------------------------------------------------------------------------------------------


def test_the_published_price_of_a_difference() -> None:
    assert problems_needed(0.04, 0.02) == 785  # .04 (1.96 + .84)^2 / .02^2


@pytest.mark.parametrize(("problems", "discordant", "difference"), [(12, 0.5, 0.3), (20, 0.25, 0.25), (9, 1.0, 0.0)])
def test_power_is_exact(problems: int, discordant: float, difference: float) -> None:
    """Against the sum over the three-way table in rational arithmetic."""
    d, delta = Fraction(discordant), Fraction(difference)
    more, fewer = (d + delta) / 2, (d - delta) / 2
    power = Fraction(0)
    for x in range(problems + 1):
        for y in range(problems - x + 1):
            if x > y and mcnemar_p(y, x) <= 0.05:
                ways = comb(problems, x) * comb(problems - x, y)
                power += ways * more**x * fewer**y * (1 - d) ** (problems - x - y)
    assert mcnemar_power(problems, discordant, difference) == pytest.approx(float(power), abs=1e-12)


def test_power_under_no_difference_is_at_most_half_of_alpha() -> None:
    for problems in (10, 100, 1000):
        assert mcnemar_power(problems, 0.1, 0.0) <= 0.025


def test_the_approximate_number_of_problems_has_about_the_power_asked_for() -> None:
    # The exact test is conservative: .77 at the 785 problems of the normal approximation.
    assert mcnemar_power(785, 0.04, 0.02) == pytest.approx(0.77, abs=0.01)
    assert mcnemar_power(860, 0.04, 0.02) > 0.8


def test_the_detectable_difference_has_the_power_asked_for() -> None:
    difference = detectable_difference(500, 0.05, power=0.8)
    assert difference is not None
    assert mcnemar_power(500, 0.05, difference) == pytest.approx(0.8, abs=1e-6)


def test_aime24_detects_nothing_even_if_all_discordant_problems_go_one_way() -> None:
    # 4 of 30 discordant: P(Bin(30, 4/30) >= 6) = .203.
    assert detectable_difference(30, 4 / 30) is None
    assert mcnemar_power(30, 4 / 30, 4 / 30) == pytest.approx(
        sum(comb(30, j) * (4 / 30) ** j * (26 / 30) ** (30 - j) for j in range(6, 31)), abs=1e-12
    )


def test_the_smallest_significant_splits() -> None:
    # 6-0: 2/64; 8-1: 2 (1+9) / 512; 10-2: 2 (1+12+66) / 4096.
    splits = significant_splits(30)
    assert [split[:2] for split in splits] == [(6, 0), (8, 1), (10, 2), (12, 3)]
    assert [p for *_, p in splits[:3]] == pytest.approx([2 / 64, 20 / 512, 158 / 4096])
    assert significant_splits(8) == splits[:1]
    assert significant_splits(5) == ()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pair((0.5, 1.2, 1.0)), "needs rl_p between 0 and 1"),
        (lambda: pair((float("nan"), 0.2, 1.0)), "needs base_p between 0 and 1"),
        (lambda: pair((0.5, 0.2, 0.7)), "weights of at least 0 that sum to 1"),
        (lambda: AssumedPair(np.zeros(2), np.zeros(3), np.ones(1)), "of one shape"),
        (lambda: MeanTokens(0, 10), "mean tokens must be above 0"),
        (lambda: beta_mixture([(0.5, 1, 1)]), "sum to 1, not 0.5"),
        (lambda: beta_mixture([(1.0, 0, 1)]), r"Beta\(0, 1\): both parameters must be above 0"),
        (lambda: sharpened(np.ones(1), np.ones(1), 2, 1.5), "lost between 0 and 1"),
        (lambda: planned_errors(StoppingPlan((4,), 1), reference_pair(), np.array([5]), 9), "k must be 1 to 4"),
        (lambda: planned_errors(StoppingPlan((4,), 1), reference_pair(), np.array([1]), 0), "at least one problem"),
        (lambda: largest_n_max(0, []), "a token budget must be above 0"),
        (lambda: mcnemar_power(10, 0.1, 0.2), "a difference must be between 0 and the discordant share"),
        (lambda: mcnemar_power(10, 0.0, 0.0), "share of discordant problems must be above 0"),
        (lambda: detectable_difference(10, 0.1, power=1.0), "power must be between 0 and 1"),
        (lambda: problems_needed(0.1, 0.2), "a difference must be above 0 and at most"),
        (lambda: significant_splits(0), "at least one problem"),
        (lambda: significant_splits(10, alpha=0), "alpha must be between 0 and 1"),
    ],
)
def test_bad_input_is_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
