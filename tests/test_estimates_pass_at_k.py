"""pass@k and its relatives: exact in rational arithmetic, unbiased by enumeration, and refused where undefined."""

from collections.abc import Callable
from fractions import Fraction
from math import comb

import numpy as np
import pytest

from move37.errors import InputError
from move37.estimates.pass_at_k import (
    average,
    failure_at_k,
    failure_variance,
    g_pass_at_k,
    pass_at_k,
    pass_hat_k,
    standard_error_benchmark,
    standard_error_population,
)

P_GRID = (Fraction(0), Fraction(1, 7), Fraction(1, 2), Fraction(9, 10), Fraction(1))


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def rational(value: float, denominator: int) -> Fraction:
    """The fraction with (a divisor of) `denominator` that `value` rounds; the float must be within 1e-13 of it."""
    exact = Fraction(round(value * denominator), denominator)
    assert abs(float(exact) - value) < 1e-13
    return exact


def expectation(n: int, p: Fraction, of: Callable[[int], Fraction]) -> Fraction:
    """E of(c) for c ~ Bin(n, p), exactly."""
    return sum((comb(n, c) * p**c * (1 - p) ** (n - c) * of(c) for c in range(n + 1)), Fraction(0))


def test_one_correct_of_four_passes_with_k_quarters():
    # k of 4 samples hold the single correct one with chance k / 4.
    assert pass_at_k(ints(1), ints(4))[0].tolist() == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=1e-15)


def test_two_correct_of_sixteen_is_two_thirds_and_a_bit_at_eight():
    # 1 - C(14,8)/C(16,8) = 1 - 3003/12870 = 23/30; resampling with replacement would give 0.656.
    assert pass_at_k(ints(2), ints(16), 8)[0, 7] == pytest.approx(23 / 30, abs=1e-15)


def test_never_correct_is_exactly_zero_and_enough_correct_is_exactly_one():
    rows = pass_at_k(ints(0, 1024, 1000), ints(1024, 1024, 1024))
    assert (rows[0] == 0.0).all()
    assert (rows[1] == 1.0).all()
    assert (rows[2, 24:] == 1.0).all()  # 24 wrong samples cannot fill 25 draws
    assert (rows[2, :24] <= 1.0).all()


@pytest.mark.parametrize("correct", [1, 2, 3, 10, 100, 511, 1000, 1023])
def test_thousand_samples_agree_with_rational_arithmetic_at_every_k(correct: int):
    n = 1024
    failure = failure_at_k(ints(correct), ints(n))[0]
    exact = [Fraction(comb(n - correct, k), comb(n, k)) for k in range(1, n + 1)]
    assert np.abs(failure - [float(value) for value in exact]).max() < 1e-14
    # Relative error of the small ones, down to where doubles end.
    assert all(abs(f / float(e) - 1) < 1e-13 for f, e in zip(failure, exact, strict=True) if e > Fraction(1, 10**290))


@pytest.mark.parametrize("p", P_GRID)
def test_pass_at_k_is_unbiased_for_every_k(p: Fraction):
    n = 8
    rows = pass_at_k(np.arange(n + 1), np.full(n + 1, n))
    for k in range(1, n + 1):
        mean = expectation(n, p, lambda c, k=k: rational(rows[c, k - 1], comb(n, k)))
        assert mean == 1 - (1 - p) ** k


@pytest.mark.parametrize("p", P_GRID)
def test_pass_hat_k_is_unbiased_for_every_k(p: Fraction):
    n = 8
    rows = pass_hat_k(np.arange(n + 1), np.full(n + 1, n))
    for k in range(1, n + 1):
        assert expectation(n, p, lambda c, k=k: rational(rows[c, k - 1], comb(n, k))) == p**k


@pytest.mark.parametrize("tau", [0.25, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("p", P_GRID)
def test_g_pass_is_unbiased_for_the_binomial_tail(p: Fraction, tau: float):
    n, k = 9, 5
    at_least = {0.25: 2, 0.5: 3, 0.7: 4, 1.0: 5}[tau]
    values = g_pass_at_k(np.arange(n + 1), np.full(n + 1, n), k, tau)
    tail = sum(comb(k, j) * p**j * (1 - p) ** (k - j) for j in range(at_least, k + 1))
    assert expectation(n, p, lambda c: rational(values[c], comb(n, k))) == tail


def test_g_pass_takes_the_exact_ceiling_of_tau_k():
    # 0.7 * 10 is 7.000000000000001 in floating point, but 7 of 10 are enough.
    assert g_pass_at_k(ints(7), ints(10), 10, 0.7)[0] == 1.0
    assert g_pass_at_k(ints(6), ints(10), 10, 0.7)[0] == 0.0


def test_g_pass_joins_pass_at_k_and_pass_hat_k():
    correct, n = np.arange(0, 129, 4), np.full(33, 128)
    for k in (1, 7, 64, 128):
        assert g_pass_at_k(correct, n, k, 1 / k) == pytest.approx(pass_at_k(correct, n, k)[:, -1], abs=1e-12)
        assert g_pass_at_k(correct, n, k, 1.0) == pytest.approx(pass_hat_k(correct, n, k)[:, -1], abs=1e-12)


def test_average_of_n_is_pass_at_one():
    correct, n = ints(0, 3, 7), ints(5, 9, 7)
    assert average(correct, n) == pytest.approx(pass_at_k(correct, n)[:, 0], abs=1e-15)


@pytest.mark.parametrize("p", P_GRID)
def test_the_variance_estimate_is_unbiased_wherever_it_exists(p: Fraction):
    # Var U(k) = E U(k)^2 - (q^k)^2, enumerated; the estimate is U(k)^2 - U(2k).
    n = 8
    failure = failure_at_k(np.arange(n + 1), np.full(n + 1, n))
    variance = failure_variance(np.arange(n + 1), np.full(n + 1, n))
    for k in range(1, n // 2 + 1):
        square = expectation(n, p, lambda c, k=k: rational(failure[c, k - 1], comb(n, k)) ** 2)
        denominator = comb(n, k) ** 2 * comb(n, 2 * k)
        estimate = expectation(n, p, lambda c, k=k, d=denominator: rational(variance[c, k - 1], d))
        assert estimate == square - (1 - p) ** (2 * k)
    assert np.isnan(variance[:, n // 2 :]).all()


def test_variance_ends_at_each_problems_own_half():
    known = ~np.isnan(failure_variance(ints(1, 1), ints(3, 6)))
    assert known.tolist() == [[True, False, False], [True, True, True]]
    assert np.isnan(standard_error_benchmark(ints(1, 1), ints(3, 6))).tolist() == [False, True, True]


def test_benchmark_error_of_four_coin_flips():
    # c=1 of n=2: U(1)^2 - U(2) = 1/4 - 0 per problem; sqrt(4/4) / 4 = 1/4.
    assert standard_error_benchmark(ints(1, 1, 1, 1), ints(2, 2, 2, 2))[0] == pytest.approx(0.25, abs=1e-15)


def test_population_error_is_sd_over_root_m_and_unknown_for_one_problem():
    # Rows 0, 0, 1, 1: variance 1/3, over 4 problems sqrt(1/12).
    assert standard_error_population(np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx((1 / 12) ** 0.5)
    assert np.isnan(standard_error_population(np.array([[0.5, 0.7]]))).all()


def test_unequal_n_uses_each_problems_own_n():
    rows = pass_at_k(ints(1, 1), ints(2, 4))
    assert rows.tolist() == [[0.5, 1.0], [0.25, 0.5]]


@pytest.mark.parametrize(
    ("correct", "n", "k", "message"),
    [
        ([], [], 1, "no problems"),
        ([3], [2], 1, "c > n"),
        ([-1], [2], 1, "c < 0"),
        ([0, 0], [2, 0], 1, "no scored sample at position 1"),
        ([float("nan")], [2], 1, "whole numbers"),
        ([0.5], [2], 1, "whole numbers"),
        ([True], [2], 1, "whole numbers"),
        ([1], [2, 2], 1, "one number per problem"),
        ([[1]], [[2]], 1, "one number per problem"),
        ([1, 1], [4, 2], 3, "1 of 2 have fewer"),
        ([1], [2], 0, "at least 1"),
    ],
)
def test_impossible_input_is_refused_in_one_line(correct: list, n: list, k: int, message: str):
    for estimate in (pass_at_k, failure_at_k, pass_hat_k, failure_variance):
        with pytest.raises(InputError, match=message) as error:
            estimate(np.array(correct), np.array(n), k)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("tau", [0.0, -0.5, 1.01, float("nan")])
def test_a_share_outside_zero_to_one_is_refused(tau: float):
    with pytest.raises(InputError, match="tau"):
        g_pass_at_k(ints(1), ints(2), 1, tau)


def test_whole_numbers_held_as_floats_are_taken():
    assert pass_at_k(np.array([1.0]), np.array([2.0]))[0].tolist() == [0.5, 1.0]
