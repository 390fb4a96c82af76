"""CoT-pass@k with a judge that errs: the formula in rationals, its expectation over all outcomes, and its limits."""

from fractions import Fraction
from itertools import product
from math import comb, factorial

import numpy as np
import pytest

from move37.errors import InputError
from move37.estimates.chains import chain_failure_at_k
from move37.estimates.pass_at_k import failure_of

BOX = [(Fraction(1), Fraction(0)), (Fraction(1), Fraction(1, 4)), (Fraction(7, 8), Fraction(1, 8))]


def falling(n: int, k: int) -> int:
    return factorial(n) // factorial(n - k) if k <= n else 0


def by_formula(n0: int, n1: int, n2: int, k: int, s: Fraction, f: Fraction) -> Fraction:
    a1, a2 = s / (s - f), (s - 1) / (s - f)
    total = Fraction(0)
    for i in range(k + 1):
        for j in range(k - i + 1):
            rest = k - i - j
            ways = factorial(k) // (factorial(i) * factorial(j) * factorial(rest))
            total += ways * a1**j * a2**rest * falling(n0, i) * falling(n1, j) * falling(n2, rest)
    return total / falling(n0 + n1 + n2, k)


@pytest.mark.parametrize(("s", "f"), BOX)
def test_the_estimate_is_the_formula(s: Fraction, f: Fraction) -> None:
    n = 7
    for n0, n1 in product(range(n + 1), range(n + 1)):
        if n0 + n1 > n:
            continue
        counts = np.array([[n0], [n1], [n - n0 - n1]])
        rows = chain_failure_at_k(counts, n, float(s), float(f))[0]
        assert rows == pytest.approx([float(by_formula(n0, n1, n - n0 - n1, k, s, f)) for k in range(1, n + 1)])


@pytest.mark.parametrize(("s", "f"), BOX)
def test_the_formula_is_unbiased_in_rational_arithmetic(s: Fraction, f: Fraction) -> None:
    """Over all outcomes of 5 samples: right with chance 2/3, and of the right ones valid with chance 1/2."""
    n, right, valid = 5, Fraction(2, 3), Fraction(1, 2)
    accept = valid * s + (1 - valid) * f
    p0, p1, p2 = 1 - right, right * (1 - accept), right * accept
    for k in range(1, n + 1):
        mean = sum(
            comb(n, n0) * comb(n - n0, n1) * p0**n0 * p1**n1 * p2 ** (n - n0 - n1)
            * by_formula(n0, n1, n - n0 - n1, k, s, f)
            for n0 in range(n + 1) for n1 in range(n - n0 + 1)
        )  # fmt: skip
        assert mean == (1 - right * valid) ** k


def test_a_judge_that_never_errs_gives_pass_at_k_of_the_accepted() -> None:
    rng = np.random.default_rng(0)
    parts = rng.multinomial(40, [0.5, 0.2, 0.3], 30).T
    rows = chain_failure_at_k(parts, 40, 1.0, 0.0)
    assert rows == pytest.approx(failure_of(parts[2], np.full(30, 40), 40), abs=1e-12)


def test_large_counts_stay_finite_or_say_nothing() -> None:
    counts = np.array([[900], [60], [64]])
    assert np.isfinite(chain_failure_at_k(counts, 1024, 1.0, 0.1)).all()
    rows = chain_failure_at_k(counts, 1024, 0.6, 0.3)[0]
    assert np.isfinite(rows[:8]).all()


def test_what_cannot_be_is_refused() -> None:
    ones = np.ones((3, 1), dtype=np.int64)
    with pytest.raises(InputError, match="k=4"):
        chain_failure_at_k(ones, 4, 1.0, 0.0)
    with pytest.raises(InputError, match="tells nothing"):
        chain_failure_at_k(ones, 2, 0.3, 0.3)
