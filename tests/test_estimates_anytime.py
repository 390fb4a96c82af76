"""The e-value: the published values, an exact martingale in rational arithmetic, and the stopping rule."""

from fractions import Fraction
from math import factorial

import numpy as np
import pytest

from move37.errors import InputError
from move37.estimates.anytime import (
    BASE_ONLY,
    CONCORDANT,
    RL_ONLY,
    Status,
    anytime_p,
    e_process,
    e_value,
    fewest_to_decide,
    largest_reachable,
    log_e_value,
    standing,
)


def exact_e(b: int, c: int) -> Fraction:
    """2^(b+c) (1/2)_b (1/2)_c / (b+c)! with rising factorials: the same as with Beta functions, without them."""
    rising = {0: Fraction(1)}
    for i in range(max(b, c)):
        rising[i + 1] = rising[i] * (Fraction(1, 2) + i)
    return 2 ** (b + c) * rising[b] * rising[c] / factorial(b + c)


def stream(text: str) -> np.ndarray:
    """One study: b base only, r RL only, . both or neither."""
    return np.array([[{"b": BASE_ONLY, "r": RL_ONLY, ".": CONCORDANT}[c] for c in text]])


@pytest.mark.parametrize(
    ("base_only", "rl_only", "e"), [(0, 0, 1.0), (4, 0, 4.375), (18, 5, 8.1), (19, 3, 109.0), (33, 12, 19.3)]
)
def test_the_e_value_has_its_published_values(base_only: int, rl_only: int, e: float) -> None:
    # 4-0: 2^4 (1/2)(3/2)(5/2)(7/2) / 4! = 105 / 24 = 4.375.
    assert e_value(base_only, rl_only) == pytest.approx(e, rel=6e-3)
    assert e_value(rl_only, base_only) == e_value(base_only, rl_only)


def test_the_code_gives_the_rational_numbers() -> None:
    for b in range(30):
        for c in range(30):
            assert e_value(b, c) == pytest.approx(float(exact_e(b, c)), rel=1e-12)


@pytest.mark.slow
def test_the_e_value_is_a_martingale_under_a_fair_coin_in_rational_arithmetic() -> None:
    for b in range(40):
        for c in range(40):
            assert (exact_e(b + 1, c) + exact_e(b, c + 1)) / 2 == exact_e(b, c)


def test_the_mean_stays_one_over_problems_of_different_chances_if_both_models_share_them() -> None:
    # Three problems, solved with chances 1/10, 1/2, 9/10 by either model: base only and RL only have u(1-u) each.
    law: dict[tuple[int, int], Fraction] = {(0, 0): Fraction(1)}
    for solve in (Fraction(1, 10), Fraction(1, 2), Fraction(9, 10)):
        one_way = solve * (1 - solve)
        following: dict[tuple[int, int], Fraction] = {}
        for (b, c), chance in law.items():
            for step, share in (((1, 0), one_way), ((0, 1), one_way), ((0, 0), 1 - 2 * one_way)):
                key = (b + step[0], c + step[1])
                following[key] = following.get(key, Fraction(0)) + chance * share
        law = following
        assert sum(chance * exact_e(*split) for split, chance in law.items()) == 1


@pytest.mark.slow
def test_the_chance_to_ever_decide_under_the_null_is_below_alpha_in_rational_arithmetic() -> None:
    """100 discordant problems, a look after each; Ville's inequality allows 1/20."""
    going, decided = {(0, 0): Fraction(1)}, Fraction(0)
    for _ in range(100):
        following: dict[tuple[int, int], Fraction] = {}
        for (b, c), chance in going.items():
            for key in ((b + 1, c), (b, c + 1)):
                if exact_e(*key) >= 20:
                    decided += chance / 2
                else:
                    following[key] = following.get(key, Fraction(0)) + chance / 2
        going = following
    assert Fraction(1, 50) < decided < Fraction(1, 20)


@pytest.mark.parametrize("rl_share", [0.45, 0.3, 0.1])
def test_the_wrong_direction_is_rarer_than_alpha_where_the_shares_differ(rl_share: float) -> None:
    # Exact recursion over 300 discordant problems: the chance to be decided for RL though base solves more.
    going, wrong = np.array([1.0]), 0.0  # chance of c = 0..d RL-only problems, not decided so far
    for d in range(1, 301):
        grown = np.concatenate([going * (1 - rl_share), [0.0]]) + np.concatenate([[0.0], going * rl_share])
        c = np.arange(d + 1)
        crossed = log_e_value(d - c, c) >= np.log(20)
        wrong += grown[crossed & (2 * c > d)].sum()
        going = np.where(crossed, 0.0, grown)
    assert wrong < 0.025


def test_adding_samples_to_the_same_problems_is_no_martingale() -> None:
    # One problem solved by each model: e = 4 (1/2)(1/2) / 2! = 1/2. More samples solve both for both: e = 1.
    assert exact_e(1, 1) == Fraction(1, 2)
    assert exact_e(0, 0) == 1


def test_the_anytime_p_value_remembers_the_largest_e_value() -> None:
    directions = stream("bbbb.rr")[0]
    # e: 1, 1.5, 2.5, 4.375, then the same, then lower.
    assert e_process(directions)[:5] == pytest.approx([1.0, 1.5, 2.5, 4.375, 4.375])
    assert e_process(directions)[-1] < 4.375
    assert anytime_p(directions) == pytest.approx([1, 1 / 1.5, 1 / 2.5, *[1 / 4.375] * 4])


def test_seven_discordant_problems_are_needed_at_five_percent() -> None:
    # e(d, 0) = C(2d, d) / 2^d: 924 / 64 = 14.4 for 6, 3432 / 128 = 26.8 for 7.
    assert fewest_to_decide(0.05) == 7
    assert e_value(6, 0) == pytest.approx(924 / 64)
    assert e_value(7, 0) == pytest.approx(3432 / 128)


def test_a_crossing_decides_with_the_direction_of_that_moment() -> None:
    stand = standing(stream("r.rrrr.rr" + "b" * 20), problems=100, alpha=0.05)
    assert stand.status() is Status.DECIDED
    assert stand.decided[0] == RL_ONLY
    assert stand.stopped_at[0] == 9  # the seventh RL-only problem; what comes later does not undo it


def test_an_e_value_of_exactly_one_over_alpha_decides() -> None:
    assert standing(stream("bbbb"), problems=50, alpha=8 / 35).status() is Status.DECIDED  # 4.375 = 35 / 8


def test_futility_is_exact() -> None:
    # After 3-0 with 3 problems left at most 6-0 is reached, e = 14.4; with 4 left 7-0 is, e = 26.8.
    assert standing(stream("bbb"), problems=6, alpha=0.05).status() is Status.UNDECIDABLE
    assert standing(stream("bbb"), problems=7, alpha=0.05).status() is Status.OPEN
    assert largest_reachable(3, 0, 3) == pytest.approx(924 / 64)
    assert standing(stream("")[:, :0].astype(np.int64), problems=6, alpha=0.05).status() is Status.UNDECIDABLE


def test_no_continuation_beats_the_futility_bound() -> None:
    for b, c, left in ((0, 0, 8), (3, 1, 6), (2, 5, 7)):
        best = max(exact_e(b + i, c + j) for i in range(left + 1) for j in range(left + 1 - i))
        bound = largest_reachable(b, c, left)
        assert bound == pytest.approx(float(max(exact_e(b + left, c), exact_e(b, c + left))), rel=1e-12)
        assert float(best) <= max(bound, float(exact_e(b, c))) * (1 + 1e-12)


def test_many_studies_at_once_are_as_each_alone() -> None:
    rng = np.random.default_rng(0)
    directions = rng.choice([-1, 0, 1], size=(50, 80), p=[0.3, 0.6, 0.1])
    together = standing(directions, 80, 0.05)
    for study in range(50):
        alone = standing(directions[study : study + 1], 80, 0.05)
        assert (alone.decided[0], alone.futile[0], alone.stopped_at[0]) == (
            together.decided[study],
            together.futile[study],
            together.stopped_at[study],
        )


def test_a_thousand_problems_going_one_way_stay_finite() -> None:
    assert np.isfinite(e_value(0, 5000))
    assert np.isfinite(e_process(np.full(5000, RL_ONLY))).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: e_value(-1, 2), "discordant problems cannot be negative"),
        (lambda: e_value(1, 2, a=0.0), "needs a > 0"),
        (lambda: e_process(np.array([2])), "directions must be -1"),
        (lambda: fewest_to_decide(0.0), "alpha must be between 0 and 1"),
        (lambda: standing(stream("bb"), 1, 0.05), "2 problems examined, but there are only 1"),
    ],
)
def test_bad_input_is_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
