"""Cover@tau, Bayes@N, areas and guessing: exact where they claim to be, by rational arithmetic on small cases."""

import json
from fractions import Fraction
from itertools import pairwise
from math import comb
from pathlib import Path

import numpy as np
import pytest

from move37.errors import InputError
from move37.estimates.guessing import guess_pass_at_k, leave_one_out_chances
from move37.estimates.pass_at_k import pass_at_k
from move37.estimates.reliability import (
    accuracy_posterior,
    area_under_curve,
    cover_bounds,
    cover_bracket,
    cover_debiased,
    cover_plug_in,
    exact_share_interval,
    fewest_for_cover,
    normal_interval,
    posterior_interval,
)

DEEPSCALER = Path(__file__).parents[2] / "shared" / "data" / "counts" / "deepscaler32k" / "base.jsonl"
needs_deepscaler = pytest.mark.skipif(
    not DEEPSCALER.exists(), reason="the DeepScaleR counts are not beside the project (../shared)"
)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def every_count(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n + 1), np.full(n + 1, n)


def binomial(n: int, p: float) -> np.ndarray:
    return np.array([comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)])


# -- Cover@tau --------------------------------------------------------------------------------------------------------


def test_pass_at_k_is_the_weighted_area_under_cover():
    # Identity of arXiv 2510.08325: pass@k = integral of k (1-t)^(k-1) Cover@t. For known p, Cover is a step function
    # and the integral over [0, p] is 1 - (1-p)^k, so the mean over problems is pass@k. Here in fractions, cell by cell.
    chances = [Fraction(0), Fraction(1, 7), Fraction(1, 3), Fraction(1, 3), Fraction(9, 10), Fraction(1)]
    edges = sorted({Fraction(0), *chances})
    for k in range(1, 9):
        area = Fraction(0)
        for low, high in pairwise(edges):
            cover = Fraction(sum(p >= high for p in chances), len(chances))
            area += cover * ((1 - low) ** k - (1 - high) ** k)
        assert area == sum(1 - (1 - p) ** k for p in chances) / len(chances)


def test_the_debiased_cover_integrates_to_pass_at_k():
    # The same identity on estimates: 400 problems with p ~ Beta(2, 3), n = 64, taus in the middle of 200 cells. Both
    # sides estimate one number from the same counts; they differ by less than .005 (the ends of tau, which the
    # estimator refuses, are filled with the plug-in).
    rng = np.random.default_rng(0)
    correct, n = rng.binomial(64, rng.beta(2, 3, 400)), np.full(400, 64)
    taus = (np.arange(200) + 0.5) / 200
    cover = np.array(
        [
            (cover_debiased if fewest_for_cover(tau) <= 64 else cover_plug_in)(correct, n, tau).mean()
            for tau in taus.tolist()
        ]
    )
    passed = pass_at_k(correct, n).mean(axis=0)
    for k in (1, 2, 4, 8):
        assert (k * (1 - taus) ** (k - 1) * cover).mean() == pytest.approx(passed[k - 1], abs=0.005)


def test_plug_in_cover_compares_in_integers():
    # 7 of 10 reaches .7 although 7 / 10 < .7 cannot be told in floating point; 6 of 10 does not.
    assert cover_plug_in(ints(6, 7, 8), ints(10, 10, 10), 0.7).tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(("n", "tau"), [(4, 0.5), (6, 0.25), (8, 0.2), (16, 0.25), (17, 0.6), (64, 0.1), (64, 0.9)])
@pytest.mark.parametrize(("level", "slope"), [(1, 0), (0, 2), (2, -2), (Fraction(1, 2), 1)])
def test_debiased_cover_is_exact_for_every_linear_density(n: int, tau: float, level: Fraction, slope: Fraction):
    # p with density a + b p on [0, 1]: E over p of C(n,c) p^c (1-p)^(n-c) is a / (n+1) + b (c+1) / ((n+1) (n+2)), and
    # Cover@tau = a (1 - tau) + b (1 - tau^2) / 2.
    correct, ns = every_count(n)
    chance = np.array([float(level / (n + 1) + slope * Fraction(c + 1, (n + 1) * (n + 2))) for c in range(n + 1)])
    truth = float(level) * (1 - tau) + float(slope) * (1 - tau**2) / 2
    assert chance @ cover_debiased(correct, ns, tau) == pytest.approx(truth, abs=1e-12)


@pytest.mark.parametrize(("n", "tau"), [(4, 0.5), (18, 0.1), (64, 0.9)])
def test_problems_that_are_never_or_always_solved_do_not_disturb_cover(n: int, tau: float):
    assert cover_debiased(ints(0, n), ints(n, n), tau).tolist() == [0.0, 1.0]


def test_debiased_cover_by_hand():
    # n = 4, tau = 1/2. At m = 4 the threshold is 2.5: (P(c >= 2) + P(c >= 3)) / 2, for c = 3: 1.
    # At m = 2 of c = 3 of 4: threshold 1.5, P(>= 1) = 1, P(>= 2) = 3/6: 3/4.
    # v_4 = (6.25 + 2.5 + .25) / 30 - .25 = .05, v_2 = (2.25 + 1.5 + .25) / 12 - .25 = 1/12: weight 2.5.
    assert cover_debiased(ints(3), ints(4), 0.5)[0] == pytest.approx(2.5 * 1 - 1.5 * 0.75, abs=1e-12)


def test_debiasing_removes_most_of_the_bias_of_the_plug_in():
    # Beta(2, 5) at n = 16: biases computed exactly by summing the beta-binomial law. P(p >= .5) = 7 / 64.
    def ascending(x: int, c: int) -> int:
        return int(np.prod([x + i for i in range(c)], dtype=object)) if c else 1

    n = 16
    law = np.array([comb(n, c) * ascending(2, c) * ascending(5, n - c) / ascending(7, n) for c in range(n + 1)])
    correct, ns = every_count(n)
    plug_in = law @ cover_plug_in(correct, ns, 0.5) - 7 / 64
    debiased = law @ cover_debiased(correct, ns, 0.5) - 7 / 64
    assert plug_in == pytest.approx(0.0688, abs=1e-4)
    assert debiased == pytest.approx(0.0040, abs=1e-4)


@needs_deepscaler
@pytest.mark.parametrize(("n", "tau"), [(8, 0.25), (8, 0.5), (8, 0.75), (16, 0.5), (16, 0.75)])
def test_on_real_counts_a_few_samples_foretell_cover_at_128_samples(n: int, tau: float):
    # Thinned 40 times to n of the 128 samples: the debiased estimate misses that of all samples by .007 to .011 (rmse),
    # the plug-in by .014 to .029; the ratio was .29 to .57.
    correct = np.array([json.loads(line)["c"] for line in DEEPSCALER.read_text().splitlines()])
    whole = cover_debiased(correct, np.full_like(correct, 128), tau).mean()
    thinned = np.random.default_rng(4).hypergeometric(correct, 128 - correct, n, (40, len(correct)))
    rmse = [
        float(np.sqrt(((cover(*every_count(n), tau)[thinned].mean(axis=1) - whole) ** 2).mean()))
        for cover in (cover_debiased, cover_plug_in)
    ]
    assert rmse[0] < 0.015
    assert rmse[0] < 0.7 * rmse[1]


def test_the_interval_of_the_debiased_cover_holds_and_that_of_the_plug_in_does_not():
    # 1000 simulated benchmarks of 300 problems, p ~ Beta(2, 5), n = 16, truth 7/64. A nominal 95 % interval (normal
    # quantile) covers in .936 to .964 of 1000 (two standard errors); the plug-in's is displaced by four of its own.
    rng = np.random.default_rng(1)
    correct = rng.binomial(16, rng.beta(2, 5, (1000, 300)))
    for cover, low, high in ((cover_debiased, 0.925, 0.975), (cover_plug_in, 0.0, 0.2)):
        values = cover(np.arange(17), np.full(17, 16), 0.5)[correct]
        error = values.std(axis=1, ddof=1) / np.sqrt(300)
        held = (np.abs(values.mean(axis=1) - 7 / 64) <= 1.96 * error).mean()
        assert low <= held <= high


@pytest.mark.parametrize(("n", "tau"), [(1, 0.5), (5, 0.3), (16, 0.1), (32, 0.9), (64, 0.5)])
def test_the_bracket_lies_on_either_side_of_the_step_for_every_p(n: int, tau: float):
    low, high = cover_bracket(*every_count(n), tau)
    for p in [*np.linspace(0, 1, 101).tolist(), tau, tau - 1e-9]:
        law = binomial(n, p)
        assert law @ low <= (p >= tau) + 1e-12
        assert law @ high >= (p >= tau) - 1e-12


def test_the_bounds_hold_where_every_problem_sits_on_the_threshold():
    # All p exactly tau: Cover = 1 while c/n >= tau only half of the time. And just below it Cover = 0. At most 2.5 % of
    # repetitions may miss on the side in question: more than 20 of 300 has a chance below 1e-4.
    rng = np.random.default_rng(2)
    n = np.full(100, 32)
    for p, truth in ((0.5, 1.0), (0.5 - 1e-9, 0.0)):
        bounds = np.array([cover_bounds(rng.binomial(32, p, 100), n, 0.5) for _ in range(300)])
        assert ((bounds[:, 0] > truth) | (bounds[:, 1] < truth)).sum() <= 20


def test_the_bounds_by_hand():
    # n = 1, tau = .99: one success could come from any p, so nothing is surely covered; above 0 successes is possibly
    # covered, since P(0 | .99) = .01. 2 of 4 succeed: upper = Clopper-Pearson(2 of 4) / .99 = .9324 / .99.
    lower, upper = cover_bounds(ints(0, 0, 1, 1), ints(1, 1, 1, 1), 0.99)
    assert lower == 0.0
    assert upper == pytest.approx(0.9324 / 0.99, abs=1e-4)


def test_unequal_n_is_taken_problem_by_problem():
    together = cover_debiased(ints(3, 9), ints(4, 16), 0.5)
    assert together.tolist() == [*cover_debiased(ints(3), ints(4), 0.5), *cover_debiased(ints(9), ints(16), 0.5)]


def test_thresholds_near_the_ends_need_more_samples():
    # Half of the samples, h, must give tau (h + 1) >= 1: h = 9 for .1 and .9, so n = 18.
    assert [fewest_for_cover(tau) for tau in (0.5, 0.25, 0.1, 0.9)] == [4, 6, 18, 18]
    with pytest.raises(InputError, match=r"Cover@0.1 needs at least 18 .* one has 16; sample more") as error:
        cover_debiased(ints(3, 3), ints(16, 32), 0.1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("tau", [0.0, 1.0, -0.1, float("nan")])
def test_a_threshold_outside_of_the_open_interval_is_refused(tau: float):
    with pytest.raises(InputError, match="tau must be above 0 and below 1"):
        cover_plug_in(ints(1), ints(2), tau)


def test_an_exact_share_interval_at_its_ends():
    # 0 of 5: upper end 1 - (alpha / 2)^(1/5); 5 of 5: lower end (alpha / 2)^(1/5).
    assert exact_share_interval(0, 5, 0.05) == (0.0, pytest.approx(1 - 0.025**0.2))
    assert exact_share_interval(5, 5, 0.05) == (pytest.approx(0.025**0.2), 1.0)
    assert exact_share_interval(0, 0, 0.05) == (0.0, 1.0)


# -- Bayes@N ----------------------------------------------------------------------------------------------------------


def test_the_posterior_by_hand():
    # Uniform prior, 1 of 2 and 4 of 4: Beta(2, 2) and Beta(5, 1), means 1/2 and 5/6, variances 1/20 and 5/252.
    mean, deviation = accuracy_posterior(ints(1, 4), ints(2, 4))
    assert mean == pytest.approx((1 / 2 + 5 / 6) / 2)
    assert deviation == pytest.approx((1 / 20 + 5 / 252) ** 0.5 / 2)


def test_one_problem_has_the_exact_beta_interval():
    # 0 of 8: Beta(1, 9), quantile q = 1 - (1 - q)^(1/9).
    mean, deviation = accuracy_posterior(ints(0), ints(8))
    lower, upper = posterior_interval(mean, deviation)
    assert lower == pytest.approx(1 - 0.975 ** (1 / 9), rel=1e-9)
    assert upper == pytest.approx(1 - 0.025 ** (1 / 9), rel=1e-9)


def test_the_moment_interval_matches_the_posterior_of_a_mean():
    # Mean of five different betas, 200,000 draws: the Monte-Carlo error of a quantile is about 4e-4.
    correct, n = ints(0, 1, 3, 8, 8), np.full(5, 8)
    draws = np.random.default_rng(3).beta(correct + 1, n - correct + 1, (200_000, 5)).mean(axis=1)
    interval = posterior_interval(*accuracy_posterior(correct, n))
    assert interval == pytest.approx(np.quantile(draws, [0.025, 0.975]).tolist(), abs=0.002)


def test_the_prior_draws_towards_a_half_and_earlier_samples_enter_through_it():
    # Equal n: the posterior mean is (n avg + 1) / (n + 2).
    assert accuracy_posterior(ints(0, 4), ints(8, 8))[0] == pytest.approx((8 * 0.25 + 1) / 10)
    # Two earlier samples, one correct: Beta(2, 2) prior is the same as two more samples under the uniform one.
    assert accuracy_posterior(ints(3), ints(8), (2.0, 2.0)) == accuracy_posterior(ints(4), ints(10))


@pytest.mark.parametrize("prior", [(0.0, 1.0), (1.0, -1.0), (float("nan"), 1.0), (1.0, float("inf"))])
def test_an_improper_prior_is_refused(prior: tuple[float, float]):
    with pytest.raises(InputError, match="two positive numbers"):
        accuracy_posterior(ints(1), ints(2), prior)


def test_a_confidence_outside_of_the_open_interval_is_refused():
    for confidence in (0.0, 1.0):
        with pytest.raises(InputError, match="confidence must be between 0 and 1"):
            normal_interval(0.0, 1.0, confidence)
    assert normal_interval(1.0, 2.0) == pytest.approx((1 - 3.91993, 1 + 3.91993), abs=1e-5)


# -- areas ------------------------------------------------------------------------------------------------------------


def test_areas_by_hand():
    # pass@k = 0, 1, 1: over k (.5 + 1) / 2; over ln k (.5 ln 2 + ln 1.5) / ln 3.
    rows = np.array([[0.0, 1.0, 1.0], [0.3, 0.3, 0.3]])
    assert area_under_curve(rows).tolist() == pytest.approx([0.75, 0.3])
    expected = (0.5 * np.log(2) + np.log(1.5)) / np.log(3)
    assert area_under_curve(rows, over_log_k=True).tolist() == pytest.approx([expected, 0.3])


def test_one_k_has_no_area():
    with pytest.raises(InputError, match="at least two ks"):
        area_under_curve(np.ones((3, 1)))


# -- guessing ---------------------------------------------------------------------------------------------------------


def test_guessing_among_a_thousand_answers_reaches_the_published_figures():
    curve = guess_pass_at_k(np.full(30, 1 / 1000), ints(1, 128, 1024))
    assert curve[0] == pytest.approx(0.001, abs=1e-15)
    assert curve[1:].round(3).tolist() == [0.120, 0.641]
    # Four options, 16 guesses: 1 - .75^16.
    assert guess_pass_at_k(np.array([0.25]), ints(16))[0] == pytest.approx(1 - 0.75**16)


def test_problems_that_no_guess_or_every_guess_solves():
    assert guess_pass_at_k(np.array([0.0, 1.0]), ints(1, 5)).tolist() == [0.5, 0.5]


def test_a_problems_own_answer_is_not_in_the_hat():
    # 7, 7, 3, and one that accepts 8, 3 and 7 and would say 8. Right for each among the other three: 1, 1, 0 and 3.
    chances = leave_one_out_chances([["7"], ["7"], ["3"], ["8", "3", "7"]])
    assert chances.tolist() == pytest.approx([1 / 3, 1 / 3, 0.0, 1.0])


def test_guessing_refuses_what_is_no_chance_and_a_hat_with_one_answer():
    with pytest.raises(InputError, match="between 0 and 1"):
        guess_pass_at_k(np.array([1.5]), ints(1))
    with pytest.raises(InputError, match="at least two problems"):
        leave_one_out_chances([["7"]])
