"""The four-way table's test and noise floor: published p-values, and exact unbiasedness under the null."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from move37.errors import InputError
from move37.estimates import solvable
from move37.estimates.solvable import (
    fewest_discordant,
    mcnemar_p,
    never_solved_bound,
    noise_floor_one_model,
    noise_floor_pooled,
)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def probability(n: int, c: int, p: Fraction) -> Fraction:
    return comb(n, c) * p**c * (1 - p) ** (n - c)


@pytest.mark.parametrize(
    ("base_only", "rl_only", "p"),
    [
        (4, 0, Fraction(1, 8)),  # AIME24 19/4/0/7: 2 / 2^4
        (0, 0, Fraction(1)),
        (3, 3, Fraction(1)),
        (5, 1, Fraction(14, 64)),  # 2 (1 + 6) / 2^6
    ],
)
def test_mcnemar_counts_coin_flips(base_only: int, rl_only: int, p: Fraction):
    assert mcnemar_p(base_only, rl_only) == pytest.approx(float(p), abs=1e-14)
    assert mcnemar_p(rl_only, base_only) == mcnemar_p(base_only, rl_only)


def test_mcnemar_gives_the_published_p_values():
    assert round(mcnemar_p(18, 5), 3) == 0.011  # MATH500
    assert round(mcnemar_p(33, 12), 4) == 0.0025  # DeepScaleR counts


def test_six_discordant_problems_are_needed_at_five_percent():
    # 2 / 2^5 = .0625 and 2 / 2^6 = .03125.
    assert fewest_discordant(0.05) == 6
    assert fewest_discordant(0.01) == 8


@pytest.mark.parametrize("p", [Fraction(1, 5), Fraction(1, 2), Fraction(0), Fraction(1)])
def test_one_models_noise_floor_is_unbiased_up_to_half_of_n(p: Fraction):
    n = 6
    for k in (1, 2, 3):
        denominator = comb(n, k) * comb(n, 2 * k)
        mean = Fraction(0)
        for c in range(n + 1):
            value = noise_floor_one_model(ints(c), ints(n), k)
            mean += probability(n, c, p) * Fraction(round(value * denominator), denominator)
        u = (1 - p) ** k
        assert mean == u * (1 - u)


@pytest.mark.parametrize("p", [Fraction(1, 5), Fraction(1, 2), Fraction(0), Fraction(1)])
@pytest.mark.parametrize(("n_base", "n_rl", "k"), [(4, 4, 4), (4, 4, 2), (5, 3, 3)])
def test_the_pooled_noise_floor_is_unbiased_under_equal_chances_up_to_k_equal_n(
    p: Fraction, n_base: int, n_rl: int, k: int
):
    denominator = comb(n_base + n_rl, k) * comb(n_base + n_rl, 2 * k)
    mean = Fraction(0)
    for c_base in range(n_base + 1):
        for c_rl in range(n_rl + 1):
            value = noise_floor_pooled(ints(c_base), ints(n_base), ints(c_rl), ints(n_rl), ints(k))
            exact = Fraction(round(value * denominator), denominator)
            assert abs(float(exact) - value) < 1e-12
            mean += probability(n_base, c_base, p) * probability(n_rl, c_rl, p) * exact
    u = (1 - p) ** k
    assert mean == u * (1 - u)


def test_the_noise_floor_by_hand():
    # One success in 2 + 2 samples: k = 2 draws each; rl holds it with chance 1/2, and then base holds none.
    assert noise_floor_pooled(ints(1), ints(2), ints(0), ints(2), ints(2)) == pytest.approx(0.5, abs=1e-14)
    # Nobody or everybody solves it: no discordance by luck.
    assert noise_floor_pooled(ints(0, 2), ints(2, 2), ints(0, 2), ints(2, 2), ints(2, 2)) == pytest.approx(0, abs=1e-14)


def test_never_solved_excludes_three_over_n():
    assert never_solved_bound(128, 0.05) == pytest.approx(0.0231, abs=5e-5)
    assert never_solved_bound(1024, 0.05) == pytest.approx(0.0029, abs=5e-5)
    # At the bound, no success in n has exactly the chance alpha.
    assert (1 - never_solved_bound(10, 0.05)) ** 10 == pytest.approx(0.05, abs=1e-14)


def test_impossible_input_is_refused():
    with pytest.raises(InputError, match="cannot be negative"):
        mcnemar_p(-1, 2)
    with pytest.raises(InputError, match="k=4 needs 4 scored samples"):
        noise_floor_one_model(ints(1), ints(3), 2)
    with pytest.raises(InputError, match="same problems"):
        noise_floor_pooled(ints(1), ints(2), ints(1), ints(2), ints(3))
    with pytest.raises(InputError, match="alpha"):
        never_solved_bound(10, 1.0)
    with pytest.raises(InputError, match="n must be at least 1"):
        never_solved_bound(0, 0.05)


def test_the_noise_floor_of_many_problems_is_the_sum_over_kinds_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    n_base, n_rl = rng.integers(4, 7, 300), rng.integers(4, 9, 300)
    counts = rng.integers(0, n_base + 1), n_base, rng.integers(0, n_rl + 1), n_rl, rng.integers(1, 5, 300)
    each = noise_floor_pooled(*counts)
    monkeypatch.setattr(solvable, "_MANY", 1)
    assert noise_floor_pooled(*counts) == pytest.approx(each, rel=1e-12)
