"""A verifier that errs: corrected curves, exact in rational arithmetic under plans, and what tips a sign."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from move37.errors import InputError
from move37.estimates.curtailed import stopped_failure_at_k
from move37.estimates.pass_at_k import failure_of
from move37.estimates.settings import Design
from move37.estimates.verifier_errors import corrected_failure, tipping
from tests.test_estimates_curtailed import PLANS, PS, paths_from
from tests.test_estimates_thresholds import at_points

ERRORS = [(1.0, 0.0), (1.0, 0.125), (0.875, 0.0), (0.75, 0.125)]
KS = np.arange(1, 13)


@pytest.mark.parametrize(("sensitivity", "false_accepts"), ERRORS)
@pytest.mark.parametrize("name", PLANS)
def test_the_corrected_curve_is_unbiased_under_every_plan(name: str, sensitivity: float, false_accepts: float) -> None:
    plan = PLANS[name]
    ways = paths_from(plan, 0)
    observed = stopped_failure_at_k(at_points(plan, list(ways)), 12)
    rows = corrected_failure(observed, sensitivity, false_accepts)
    for p in PS:
        accepted = Fraction(sensitivity) * p + Fraction(false_accepts) * (1 - p)
        chance = [float(way * accepted**s * (1 - accepted) ** (n - s)) for (n, s), way in ways.items()]
        assert np.array(chance) @ rows == pytest.approx([float((1 - p) ** k) for k in range(1, 13)], abs=1e-11)


def test_it_is_the_sum_written_out() -> None:
    observed = failure_of(np.array([3]), np.array([10]), 8)[0]
    s, f, k = 0.9, 0.05, 6
    u = [1.0, *observed]
    by_hand = sum(comb(k, j) * u[j] * (-(1 - s)) ** (k - j) for j in range(k + 1)) / (s - f) ** k
    assert corrected_failure(observed, s, f)[k - 1] == pytest.approx(by_hand, rel=1e-12)


def test_where_digits_run_out_there_is_no_number() -> None:
    observed = failure_of(np.array([100]), np.array([1024]), 1024)[0]
    rows = corrected_failure(observed, 0.7, 0.05)
    assert np.isfinite(rows[:8]).all()
    assert np.isnan(rows[-1])
    assert np.isfinite(corrected_failure(observed, 1.0, 0.001)).all()


@pytest.mark.parametrize(("sensitivity", "false_accepts"), [(0.5, 0.5), (0.2, 0.4), (1.1, 0.0), (0.9, -0.1)])
def test_a_verifier_that_tells_nothing_is_refused(sensitivity: float, false_accepts: float) -> None:
    with pytest.raises(InputError, match="cannot be corrected"):
        corrected_failure(np.array([0.5]), sensitivity, false_accepts)


def two_models() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    p = rng.beta(0.5, 0.7, 300)
    base, rl = rng.binomial(64, p), rng.binomial(64, np.where(p < 0.05, p / 3, np.minimum(1, 1.3 * p)))
    n = np.full(300, 64)
    return failure_of(base, n, 64), failure_of(rl, n, 64)


def test_at_the_tipping_difference_the_corrected_difference_is_zero_and_at_its_ends_a_critical_value_off() -> None:
    base, rl = two_models()
    critical = np.full(64, 2.5)
    found = tipping(base, rl, np.arange(1, 65), critical)
    for k in (1, 8, 64):
        for share, away in ((found.value, 0.0), (found.lower, 2.5), (found.upper, 2.5)):
            f = share[k - 1]
            one = base[:, k - 1] / (1 - f) ** k if f > 0 else base[:, k - 1]
            two = rl[:, k - 1] / (1 + f) ** k if f < 0 else rl[:, k - 1]
            gap = one - two
            error = gap.std(ddof=1) / np.sqrt(len(gap))
            assert abs(gap.mean()) / error == pytest.approx(away, abs=1e-6)
    assert found.value[0] < 0 < found.value[-1]


def test_doubling_every_problem_under_one_cluster_changes_nothing() -> None:
    base, rl = two_models()
    once = tipping(base, rl, np.arange(1, 65), np.full(64, 2.5))
    design = Design(clusters=np.repeat(np.arange(300), 2))
    twice = tipping(np.repeat(base, 2, axis=0), np.repeat(rl, 2, axis=0), np.arange(1, 65), np.full(64, 2.5), design)
    for name in ("value", "lower", "upper"):
        assert getattr(twice, name) == pytest.approx(getattr(once, name), rel=1e-9)


def test_an_equal_rate_never_turns_a_sign() -> None:
    base, rl = two_models()
    for f in (0.001, 0.01, 0.05):
        sign = np.sign(corrected_failure(base.mean(axis=0), 1, f) - corrected_failure(rl.mean(axis=0), 1, f))
        assert (sign == np.sign(base.mean(axis=0) - rl.mean(axis=0))).all()
