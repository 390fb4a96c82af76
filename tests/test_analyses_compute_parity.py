"""Training against more tries: break-even by hand, parity at a number of uses, and what is not known."""

import numpy as np
import pytest

from move37.analyses.compute_parity import compute_parity
from move37.errors import InputError
from move37.estimates.rows import pass_at_k_rows
from tests.test_analyses_gains_losses import tally


def pair(problems: int = 100, n: int = 16):
    rng = np.random.default_rng(1)
    p = rng.beta(1, 2, problems)
    return tally("base", rng.binomial(n, p).tolist(), n), tally(
        "rl", rng.binomial(n, np.minimum(1, 1.5 * p)).tolist(), n
    )


def test_the_extra_tries_are_where_the_curve_of_base_reaches_that_of_rl() -> None:
    base, rl = pair()
    found = compute_parity(base, rl, 1e6, 100)
    curve, other = (pass_at_k_rows(each).mean(axis=0) for each in (base, rl))
    row = found.rows[0]
    assert row.k == 1
    assert row.extra_tries is not None
    at = 1 + row.extra_tries
    assert np.interp(at, np.arange(1, 17), curve) == pytest.approx(other[0])
    assert row.break_even == pytest.approx(1e4 / row.extra_tries)
    assert (row.base_tries, row.difference) == (None, None)
    assert [each.k for each in found.rows] == [1, 2, 4, 8, 16]


def test_where_base_does_not_get_there_the_uses_are_a_bound() -> None:
    base, rl = tally("base", [0, 1] * 10, 16), tally("rl", [8] * 20, 16)
    rows = {row.k: row for row in compute_parity(base, rl, 1600, 1).rows}
    assert rows[8].extra_tries is None
    assert rows[8].break_even == 1600 / 8
    assert (rows[16].extra_tries, rows[16].break_even) == (None, None)


def test_where_base_is_as_good_training_never_pays() -> None:
    rl, base = pair()
    assert all(row.break_even is None and row.extra_tries == 0 for row in compute_parity(base, rl, 1e6, 100).rows)


def test_at_a_number_of_uses_the_difference_is_of_base_with_more_tries() -> None:
    base, rl = pair()
    found = compute_parity(base, rl, 1e5, 100, uses=400)  # 2.5 tries more
    row = found.rows[1]
    rows, other = pass_at_k_rows(base), pass_at_k_rows(rl)
    assert row.base_tries == 4.5
    gap = other[:, 1] - (rows[:, 3] + rows[:, 4]) / 2
    assert row.difference == pytest.approx(gap.mean())
    assert row.lower is not None
    assert row.upper is not None
    assert row.lower < gap.mean() < row.upper
    assert found.rows[-1].difference is None  # base has not so many samples
    whole = compute_parity(base, rl, 1e5, 100, uses=1e12).rows[0]
    assert whole.difference == pytest.approx((other[:, 0] - rows[:, 0]).mean(), abs=1e-6)


@pytest.mark.parametrize("numbers", [(0, 1, None), (1, 0, None), (1, 1, 0)])
def test_nothing_is_free(numbers: tuple[float, float, float | None]) -> None:
    with pytest.raises(InputError, match="above 0"):
        compute_parity(*pair(), *numbers)
