"""The fixed-benchmark band: its covariance by enumeration in rationals, its coverage by simulation, its words."""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest

from move37.analyses.curves import curve_difference, model_curve, sampling_gap
from move37.analyses.families import family
from move37.analyses.strata import by_stratum
from move37.analyses.training_seeds import training_seeds
from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.estimates.benchmark import difference_spreads, failure_covariance, served
from move37.estimates.paths import failure_by_paths, stopping_points
from move37.estimates.settings import BENCHMARK, BandSettings, Design

HERE = BandSettings(draws=2000, target=BENCHMARK)


def tally(model: str, correct: list[int] | np.ndarray, n: int) -> Tally:
    right = np.array(correct, dtype=np.int64)
    zeros = np.zeros_like(right)
    return Tally(model, tuple(f"p{i}" for i in range(len(right))), right, n - right, zeros, zeros)


def failure(c: int, n: int, k: int) -> Fraction:
    return Fraction(comb(n - c, k), comb(n, k))


@pytest.mark.parametrize("n", [2, 5, 8])
@pytest.mark.parametrize("p", [Fraction(1, 10), Fraction(1, 2), Fraction(5, 6)])
def test_the_covariance_is_unbiased_at_a_fixed_n_in_rationals(n: int, p: Fraction):
    law = [comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
    for k, m in product(range(1, n // 2 + 1), repeat=2):
        mean_k, mean_m = (sum(w * failure(c, n, each) for c, w in enumerate(law)) for each in (k, m))
        true = sum(w * failure(c, n, k) * failure(c, n, m) for c, w in enumerate(law)) - mean_k * mean_m
        estimates = (failure(c, n, k) * failure(c, n, m) - failure(c, n, k + m) for c in range(n + 1))
        assert sum(w * each for w, each in zip(law, estimates, strict=True)) == true


@pytest.mark.parametrize("plan", [StoppingPlan.until(1, 6), StoppingPlan.until(2, 8, batch=2), StoppingPlan((3, 8), 2)])
def test_the_covariance_is_unbiased_under_a_plan(plan: StoppingPlan):
    points, p = stopping_points(plan), 0.3
    weight = points.probability(np.array([p]))[0]
    failures = failure_by_paths(plan, points.trials, points.successes, plan.n_max)
    looks = np.array([0, *plan.looks])
    went_on = looks[np.searchsorted(looks, points.trials) - 1]
    ks = np.arange(1, plan.n_max // 2 + 1)
    expected = np.zeros((len(ks), len(ks)))
    for i, w in enumerate(weight):
        zeros = np.zeros(1, dtype=np.int64)
        counts = (points.successes[i : i + 1], points.trials[i : i + 1], went_on[i : i + 1])
        one = StoppedTally("m", ("p",), *counts, zeros, zeros, zeros, plan)
        expected += w * failure_covariance(one, ks)
    centred = failures[:, ks - 1] - weight @ failures[:, ks - 1]
    assert expected == pytest.approx((centred * weight[:, None]).T @ centred, abs=1e-13)


def test_the_code_is_the_formula():
    found = failure_covariance(tally("m", [1, 3, 0], 6), np.array([1, 3]))
    for i, k in enumerate((1, 3)):
        for j, m in enumerate((1, 3)):
            terms = (failure(c, 6, k) * failure(c, 6, m) - failure(c, 6, k + m) for c in (1, 3, 0))
            assert found[i, j] == pytest.approx(float(sum(terms)) / 9)


def test_k_beyond_half_of_the_samples_is_refused_and_an_eighth_is_served():
    with pytest.raises(InputError, match="needs 2k samples of each; k may be 1 to 3"):
        failure_covariance(tally("m", [1], 6), np.array([4]))
    assert [served(n) for n in (1, 2, 7, 16, 1024)] == [0, 1, 1, 2, 128]


def test_the_band_ends_where_the_samples_do_not_say_more():
    rng = np.random.default_rng(1)
    p = rng.beta(0.5, 0.7, 60)
    found = curve_difference(tally("base", rng.binomial(64, p), 64), tally("rl", rng.binomial(64, p**0.3), 64), HERE)
    assert found.target == "benchmark"
    assert found.unserved == tuple(range(9, 65))
    assert found.gain[:2] == (1, 2)
    assert set(found.gain) | set(found.loss) <= set(range(1, 9))
    assert (found.reported[0][8:] == -1).all()
    assert (found.reported[1][8:] == 1).all()
    # The difference itself is known at every k.
    assert np.isfinite(found.band.mean).all()


def test_one_sample_has_no_interval_for_these_problems():
    found = curve_difference(tally("base", [0, 1, 1], 1), tally("rl", [1, 1, 0], 1), HERE)
    assert (found.gain, found.loss, found.unserved) == ((), (), (1,))


def covered(make, truth: np.ndarray, studies: int, last: int) -> float:
    """Share of studies whose reported band holds the truth at every served k."""
    held = 0
    for seed in range(studies):
        lower, upper = make(np.random.default_rng(seed)).reported
        held += bool(((lower <= truth) & (truth <= upper))[:last].all())
    return held / studies


@pytest.mark.parametrize(("problems", "n"), [(30, 256), (200, 64)])
def test_it_holds_what_fresh_samples_of_these_problems_would_show(problems: int, n: int):
    # 200 studies of the same problems: at .95 fewer than 180 come about with a chance of 1e-3.
    p = np.random.default_rng(5).beta(0.4, 0.6, problems)
    better = p**0.6
    k = np.arange(1, n + 1)[:, None]
    truth = ((1 - p) ** k - (1 - better) ** k).mean(axis=1)

    def study(rng: np.random.Generator):
        base, rl = (tally(name, rng.binomial(n, each), n) for name, each in (("base", p), ("rl", better)))
        return curve_difference(base, rl, BandSettings(draws=500, target=BENCHMARK))

    assert covered(study, truth, 200, n // 8) >= 0.9


def test_it_is_narrower_than_the_band_for_other_problems():
    rng = np.random.default_rng(3)
    p = rng.beta(0.5, 0.7, 100)
    pair = tally("base", rng.binomial(128, p), 128), tally("rl", rng.binomial(128, np.sqrt(p)), 128)
    here, anywhere = (
        curve_difference(*pair, BandSettings(draws=1000, target=each)) for each in ("benchmark", "population")
    )
    assert here.band.standard_error[0] < 0.6 * anywhere.band.standard_error[0]


def test_every_difference_follows_the_target():
    rng = np.random.default_rng(4)
    p = rng.beta(0.5, 0.7, 40)
    base = tally("base", rng.binomial(32, p), 32)
    runs = [tally(name, rng.binomial(32, p**0.6), 32) for name in ("a", "b", "c")]
    together = family(base, runs, HERE)
    assert {member.target for member in together.members} == {"benchmark"}
    # Three models in one band, with the base's samples common to all: wider than each alone, narrower than Bonferroni.
    alone = curve_difference(base, runs[0], HERE)
    assert alone.band.critical_value < together.critical_value < 3.3
    labels = {name: str(int(name[1:]) % 2) for name in base.problem_ids}
    strata = by_stratum(base, runs[0], labels, settings=HERE)
    assert {each.difference.target for each in strata.strata} | {strata.total.target} == {"benchmark"}
    assert strata.total.band.standard_error[0] == pytest.approx(alone.band.standard_error[0])
    seeds = training_seeds(base, runs, "A", HERE)
    assert seeds.band.target == "benchmark"
    assert np.isnan(seeds.band.se_problems[4:]).all()
    assert model_curve(base, HERE).target == "benchmark"
    gap = sampling_gap(base, runs[0], target=BENCHMARK)
    assert (gap.k, gap.target) == (4, "benchmark")
    assert gap.lower < gap.value < gap.upper


def test_the_base_is_common_to_all_models():
    rng = np.random.default_rng(6)
    p = rng.beta(0.5, 0.7, 50)
    base, one, two = (tally(name, rng.binomial(64, p), 64) for name in ("base", "one", "two"))
    spreads = difference_spreads(base, [one, two], 64)
    across = spreads[0].scaled.T @ spreads[1].scaled  # correlation of the two differences
    assert across[0, 0] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("make", ["fixed", "stopped"])
def test_copies_that_are_named_change_nothing(make: str):
    rng = np.random.default_rng(7)
    p = rng.beta(0.5, 0.7, 30)

    def sampled(name: str, chance: np.ndarray) -> AnyTally:
        if make == "fixed":
            return tally(name, rng.binomial(16, chance), 16)
        drawn = rng.random((30, 16)) < chance[:, None]
        seen = np.cumsum(drawn, axis=1)
        trials = np.where(seen[:, -1] >= 2, np.argmax(seen >= 2, axis=1) + 1, 16)
        zeros = np.zeros(30, dtype=np.int64)
        ids, hits = tuple(f"p{i}" for i in range(30)), np.minimum(seen[:, -1], 2)
        return StoppedTally(name, ids, hits, trials, trials - 1, zeros, zeros, zeros, StoppingPlan.until(2, 16))

    pair = sampled("base", p), sampled("rl", np.sqrt(p))
    once = curve_difference(*pair, HERE)
    rows, ids = np.repeat(np.arange(30), 2), tuple(f"q{i}" for i in range(60))
    base, rl = (replace(each.select(rows), problem_ids=ids) for each in pair)
    found = curve_difference(base, rl, HERE, Design(clusters=rows))
    assert found.reported[0] == pytest.approx(once.reported[0], abs=1e-6)
    assert found.reported[1] == pytest.approx(once.reported[1], abs=1e-6)
