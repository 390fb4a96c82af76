"""The simultaneous band: the same law as drawing one multiplier per problem, equal to the peer's, and covering.

All random numbers are seeded, so a pass today is a pass tomorrow; the stated chances are those of a false failure under
a fresh seed.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm
from scipy.stats import t as student

from move37.errors import InputError
from move37.estimates import bands
from move37.estimates.bands import (
    FEW_PROBLEMS,
    critical_value,
    effective_problems,
    first_loss_set,
    gain_and_loss,
    multiplier_factor,
    multiplier_maxima,
    point_crossing,
    simultaneous_band,
    spread,
    thinned_columns,
)
from move37.estimates.pass_at_k import pass_at_k
from move37.estimates.settings import BandSettings, Design
from move37.estimates.two_level import two_level_band

GOLDEN = json.loads((Path(__file__).parent / "golden" / "passk_inference.json").read_text(encoding="utf-8"))


def difference_rows(base: list[int], rl: list[int], n: list[int]) -> np.ndarray:
    return pass_at_k(np.array(rl), np.array(n)) - pass_at_k(np.array(base), np.array(n))


def golden_rows(case: int) -> np.ndarray:
    return difference_rows(**GOLDEN["cases"][case]["counts"])


def direct_maxima(rows: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """The definition, one normal multiplier per problem."""
    multipliers = np.random.default_rng(seed).standard_normal((draws, len(rows)))
    sums = multipliers @ (rows - rows.mean(axis=0))
    return np.abs(sums / (np.sqrt(len(rows)) * rows.std(axis=0, ddof=1))).max(axis=1)


@pytest.mark.parametrize("case", range(3))
def test_the_band_equals_the_peers(case: int):
    golden, rows = GOLDEN["cases"][case], golden_rows(case)
    band = simultaneous_band(rows, BandSettings(draws=GOLDEN["draws"]))
    assert band.mean == pytest.approx(np.array(golden["mean"]), abs=1e-12)
    assert band.standard_error == pytest.approx(np.array(golden["se"]), abs=1e-12)
    # Two sets of 100,000 draws: each quantile has a standard error of about .005, so .03 is four of the difference.
    assert band.critical_value == pytest.approx(golden["critical_value"], abs=0.03)
    # At the peer's critical value everything that follows is the same.
    lower, upper = band.at(golden["critical_value"])
    assert lower == pytest.approx(np.maximum(golden["lower"], -1), abs=1e-12)
    assert upper == pytest.approx(np.minimum(golden["upper"], 1), abs=1e-12)
    assert list(first_loss_set(lower, upper)) == golden["first_loss_interval"]
    gain, loss = gain_and_loss(lower, upper)
    assert list(gain) == golden["certified_positive_budgets"]
    assert list(loss) == golden["certified_negative_budgets"]


@pytest.mark.peer
def test_the_installed_peer_still_gives_the_golden_values():
    peer = pytest.importorskip("passk_inference", reason="the peers extra is not installed")
    golden = GOLDEN["cases"][0]
    counts = golden["counts"]
    result = peer.compare(counts["base"], counts["n"], counts["rl"], counts["n"], bootstrap=2000)
    band = simultaneous_band(golden_rows(0), BandSettings(draws=2000))
    assert result["base_pass_at_k"] == pytest.approx(golden["base_pass_at_k"], abs=1e-12)
    assert result["se"] == pytest.approx(list(band.standard_error), abs=1e-12)


@pytest.mark.parametrize("case", range(3))
def test_few_normals_have_the_law_of_one_multiplier_per_problem(case: int):
    # Kolmogorov-Smirnov on 20,000 against 20,000: p < .001 once in a thousand.
    rows = golden_rows(case)
    factor = multiplier_factor(spread(rows).scaled, (len(rows) - 1) / len(rows))
    few_normals = multiplier_maxima(factor, 20_000, np.random.default_rng(5))
    tested: Any = ks_2samp(few_normals, direct_maxima(rows, 20_000, 6))
    assert tested.pvalue > 0.001


def test_one_column_has_the_absolute_normals_quantile_scaled_by_root_of_m_minus_one_over_m():
    # T = |N(0, (M-1)/M)|: 1.959964 sqrt(9/10) = 1.8594 for M = 10; standard error at 400,000 draws about .0027.
    rows = np.arange(10.0)[:, None] / 10
    assert simultaneous_band(rows, BandSettings(draws=400_000)).critical_value == pytest.approx(1.8594, abs=0.012)


def test_the_order_of_problems_does_not_matter():
    rows = golden_rows(1)
    shuffled = rows[np.random.default_rng(0).permutation(len(rows))]
    one, other = (simultaneous_band(r, BandSettings(draws=5000)) for r in (rows, shuffled))
    assert one.critical_value == pytest.approx(other.critical_value, abs=1e-4)


def test_the_same_seed_gives_the_same_band_and_another_seed_another():
    rows = golden_rows(0)
    values = [simultaneous_band(rows, BandSettings(draws=1000, seed=seed)).critical_value for seed in (3, 3, 4)]
    assert values[0] == values[1] != values[2]


def test_the_monte_carlo_range_holds_the_critical_value_of_many_draws():
    # 95 % ranges: fewer than 34 of 40 would happen with probability .003.
    rows = golden_rows(1)
    reference = simultaneous_band(rows, BandSettings(draws=1_000_000, seed=99)).critical_value
    ranges = [simultaneous_band(rows, BandSettings(draws=4000, seed=s)).critical_value_monte_carlo for s in range(40)]
    assert sum(low <= reference <= high for low, high in ranges) >= 34


def test_a_column_without_variation_gets_the_whole_support():
    rows = np.column_stack([np.linspace(-0.1, 0.3, 30), np.full(30, 0.2)])
    band = simultaneous_band(rows, BandSettings(draws=500))
    assert (band.lower[1], band.upper[1]) == (-1.0, 1.0)
    assert band.effective_problems[1] == 0.0
    assert -1.0 < band.lower[0] < band.upper[0] < 1.0


def test_one_problem_supports_no_inference():
    band = simultaneous_band(np.array([[0.2, 0.4]]), BandSettings(draws=500), support=(0.0, 1.0))
    assert band.lower.tolist() == [0.0, 0.0]
    assert band.upper.tolist() == [1.0, 1.0]
    assert np.isnan(band.critical_value)


def test_bands_are_cut_off_at_the_support():
    rows = np.array([[0.0], [1.0], [1.0], [1.0]])
    assert simultaneous_band(rows, BandSettings(draws=500), support=(0.0, 1.0)).upper[0] == 1.0


def test_effective_problems_count_those_that_carry_the_variance():
    # Deviations +-1/2 on four problems: (4/4)^2 / (4/16) = 4. One of a hundred deviates: nearly 1. Tiny ones count too.
    assert effective_problems(np.array([[0.0], [0.0], [1.0], [1.0]]))[0] == pytest.approx(4)
    one = np.zeros((100, 1))
    one[0] = 1e-100
    assert effective_problems(one)[0] == pytest.approx(1.0, abs=0.03)
    assert effective_problems(np.full((5, 1), 0.3))[0] == 0.0


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        ([0.1, -0.1, -0.3], [0.3, 0.1, -0.1], (2, 3)),
        ([0.1, -0.1, 0.1], [0.3, 0.1, 0.2], (2, None)),  # a gain after the unbroken run does not extend it
        ([-0.3, -0.2], [-0.1, -0.1], (1, 1)),
        ([0.1, 0.1], [0.2, 0.2], (3, None)),
        ([-0.1, 0.0], [0.1, 0.0], (1, None)),  # touching zero is neither gain nor loss
    ],
)
def test_the_first_loss_set_runs_from_the_last_early_gain_to_the_first_loss(
    lower: list[float], upper: list[float], expected: tuple[int, int | None]
):
    assert first_loss_set(np.array(lower), np.array(upper)) == expected


def test_gain_and_loss_are_strict():
    assert gain_and_loss(np.array([0.1, 0.0, -0.2]), np.array([0.2, 0.0, -0.1])) == ((1,), (3,))


def test_the_point_crossing_needs_a_gain_before():
    assert point_crossing(np.array([-0.1, 0.2, 0.0, -0.1, -0.2])) == 4
    assert point_crossing(np.array([-0.1, -0.2, 0.1])) is None


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (np.zeros(3), {}, "shape"),
        (np.zeros((0, 3)), {}, "shape"),
        (np.array([[0.0], [np.nan]]), {}, "finite"),
        (np.zeros((3, 2)), {"confidence": 1.0}, "confidence"),
        (np.zeros((3, 2)), {"draws": 10}, "draws"),
        (np.zeros((3, 2)), {"monte_carlo_error": 0.0}, "monte_carlo_error must be above 0"),
        (np.zeros((3, 2)), {"strata": np.array([0, 1])}, r"strata must be one whole number per problem \(3\)"),
        (np.zeros((3, 2)), {"clusters": np.array([0.0, 1.0, 1.0])}, "clusters must be one whole number"),
        (np.zeros((3, 2)), {"strata": np.array([4, 4, 7])}, "stratum 7 has a single problem"),
        (
            np.zeros((4, 2)),
            {"strata": np.array([4, 4, 7, 7]), "clusters": np.array([0, 1, 2, 2])},
            "stratum 7 has a single cluster",
        ),
        (
            np.zeros((4, 2)),
            {"strata": np.array([0, 0, 1, 1]), "clusters": np.array([0, 1, 1, 2])},
            "the cluster of the problem at position 1 lies in two strata",
        ),
    ],
)
def test_impossible_input_is_refused_in_one_line(rows: np.ndarray, settings: dict, message: str):
    settings = dict(settings)
    with pytest.raises(InputError, match=message) as error:
        labels = {name: settings.pop(name) for name in ("strata", "clusters") if name in settings}
        simultaneous_band(rows, BandSettings(**settings), Design(**labels))
    assert "\n" not in str(error.value)


# -- draws until a stated Monte-Carlo error ---------------------------------------------------------------------------


def test_draws_are_doubled_until_the_monte_carlo_range_is_as_narrow_as_asked():
    rows = golden_rows(1)
    band = simultaneous_band(rows, BandSettings(draws=1000, monte_carlo_error=0.03))
    low, high = band.critical_value_monte_carlo
    assert high - low <= 0.03
    assert band.draws in {1000 * 2**i for i in range(1, 12)}
    # The earlier draws are kept: as many draws at once give the same numbers.
    at_once = simultaneous_band(rows, BandSettings(draws=band.draws))
    assert band.critical_value == pytest.approx(at_once.critical_value, abs=1e-5)
    half = simultaneous_band(rows, BandSettings(draws=band.draws // 2)).critical_value_monte_carlo
    assert half[1] - half[0] > 0.03


def test_doubling_stops_at_the_most_draws_and_reports_what_was_reached(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bands, "MOST_DRAWS", 4000)
    band = simultaneous_band(golden_rows(0), BandSettings(draws=1000, monte_carlo_error=1e-9))
    assert band.draws == 4000
    assert band.critical_value_monte_carlo[0] < band.critical_value < band.critical_value_monte_carlo[1]


def test_draws_that_are_enough_already_are_left_alone():
    rows = golden_rows(0)
    assert simultaneous_band(rows, BandSettings(draws=1000, monte_carlo_error=9.0)).critical_value == (
        simultaneous_band(rows, BandSettings(draws=1000)).critical_value
    )


# -- strata and clusters ----------------------------------------------------------------------------------------------


def test_differences_between_fixed_strata_are_not_part_of_the_error():
    # Stratum 3: 0, .2 (variance .02); stratum 8: .6, 1 (variance .08). (2 x .02 + 2 x .08) / 4^2 = .0125.
    rows = np.array([[0.0], [0.6], [0.2], [1.0]])
    band = simultaneous_band(rows, BandSettings(draws=500), Design(strata=np.array([3, 8, 3, 8])))
    assert band.mean[0] == pytest.approx(0.45)
    assert band.standard_error[0] == pytest.approx(0.0125**0.5)
    assert simultaneous_band(rows, BandSettings(draws=500)).standard_error[0] > 0.2  # sd .443 / 2


def test_the_multipliers_of_strata_have_the_variance_of_their_mean():
    # e @ scaled has variance (units - strata) / units in every column, here 4/6.
    rows = np.random.default_rng(2).random((6, 3))
    each = spread(rows, Design(strata=np.array([0, 0, 1, 1, 1, 1])))
    assert (each.scaled**2).sum(axis=0) == pytest.approx(4 / 6)
    assert each.variance == pytest.approx(4 / 6)


def test_one_stratum_is_no_stratum_and_single_clusters_are_no_clusters():
    rows = golden_rows(0)
    plain = simultaneous_band(rows, BandSettings(draws=2000))
    for design in (Design(strata=np.full(len(rows), 5)), Design(clusters=np.arange(len(rows)))):
        band = simultaneous_band(rows, BandSettings(draws=2000), design)
        assert band.standard_error == pytest.approx(plain.standard_error, rel=1e-12)
        assert band.critical_value == pytest.approx(plain.critical_value, abs=1e-5)


def test_near_duplicates_count_once():
    # Two copies of each of 0, .4, .2 are three problems: sd .2, standard error .2 / sqrt(3), not sd .179 / sqrt(6).
    rows = np.array([0.0, 0.4, 0.2])[:, None] * np.array([1.0, 0.5])
    twice = simultaneous_band(
        np.repeat(rows, 2, axis=0), BandSettings(draws=2000), Design(clusters=np.array([7, 7, 1, 1, 4, 4]))
    )
    once = simultaneous_band(rows[[1, 2, 0]], BandSettings(draws=2000))
    assert twice.standard_error == pytest.approx([0.2 / 3**0.5, 0.1 / 3**0.5])
    assert twice.mean == pytest.approx(once.mean)
    assert twice.critical_value == pytest.approx(once.critical_value, abs=1e-6)
    assert twice.effective_problems == pytest.approx(once.effective_problems)


def test_clusters_within_strata_are_centred_on_their_stratum():
    # Stratum 0: clusters {0, .2} and {.6}, mean .8/3; sums -.3333, .3333. Stratum 1: .5, .7: -.1, .1.
    # (2 (2/9) + 2 (.02)) / 5^2 = .019378.
    rows = np.array([[0.0], [0.2], [0.6], [0.5], [0.7]])
    band = simultaneous_band(
        rows, BandSettings(draws=500), Design(strata=np.array([0, 0, 0, 1, 1]), clusters=np.array([0, 0, 1, 2, 3]))
    )
    assert band.standard_error[0] == pytest.approx(((4 / 9 + 0.04) / 25) ** 0.5)


def test_a_single_cluster_supports_no_inference():
    band = simultaneous_band(np.array([[0.1], [0.3]]), BandSettings(draws=500), Design(clusters=np.array([1, 1])))
    assert (band.lower[0], band.upper[0]) == (-1.0, 1.0)


# -- several curves, thinned columns, few problems --------------------------------------------------------------------


def test_a_family_of_the_same_curve_twice_costs_nothing_and_of_unlike_curves_something():
    rows = golden_rows(1)
    one, other = spread(rows), spread(np.random.default_rng(0).permutation(rows))
    alone, same, unlike = (
        critical_value(each, BandSettings(draws=50_000)).value for each in ([one], [one, one], [one, other])
    )
    assert same == pytest.approx(alone, abs=0.03)  # another pivot order, so other draws
    # Unrelated curves: the 95 % quantile of the larger of two is the 97.5 % quantile of one, about .25 more.
    assert 0.15 < unlike - alone < 0.35


@pytest.mark.slow
def test_thinned_columns_lose_less_than_a_hundredth_of_the_critical_value():
    rng = np.random.default_rng(3)
    p = rng.beta(0.35, 0.3, 200)
    n = np.full(200, 512)
    rows = pass_at_k(rng.binomial(512, p**0.6), n) - pass_at_k(rng.binomial(512, p), n)
    thinned = thinned_columns(512)
    assert thinned[0] == 0
    assert thinned[-1] == 511
    assert len(thinned) < 30
    # Each quantile has a standard error of .0025, so .02 is the hundredth and three of their difference's.
    every = simultaneous_band(rows, BandSettings(draws=400_000)).critical_value
    some = simultaneous_band(rows, BandSettings(draws=400_000), simulate_at=thinned).critical_value
    assert abs(every - some) < 0.02


def test_the_band_holds_at_all_columns_wherever_the_maximum_was_simulated():
    rows = golden_rows(0)
    band = simultaneous_band(rows, BandSettings(draws=1000), simulate_at=np.array([0, rows.shape[1] - 1]))
    varying = band.standard_error > 1e-12
    half = (band.upper - band.lower)[varying] / 2
    assert half == pytest.approx(band.critical_value * band.standard_error[varying])


def test_the_widened_band_uses_students_quantile_and_says_nothing_below_ten_problems():
    # 20 problems at +-.1: all of them carry it, 19 degrees of freedom. One problem in the second column: no claim.
    first = np.tile([0.1, -0.1], 10)
    second = np.zeros(20)
    second[0] = 0.5
    band = simultaneous_band(np.column_stack([first, second]), BandSettings(draws=2000))
    lower, upper = band.widened()
    level = norm.cdf(band.critical_value)
    assert upper[0] - band.mean[0] == pytest.approx(student.ppf(level, 19) * band.standard_error[0])
    assert (lower[1], upper[1]) == (-1.0, 1.0)
    assert upper[0] > band.upper[0]


# -- two levels: training seeds and problems --------------------------------------------------------------------------


def test_both_levels_have_their_own_standard_error():
    # Seeds' means .1, .5: variance .08 / 2. Problems' means .2, .4: variance .02 / 2.
    band = two_level_band(np.array([[[0.0], [0.2]], [[0.4], [0.6]]]), BandSettings(draws=500))
    assert band.mean[0] == pytest.approx(0.3)
    assert band.se_seeds[0] == pytest.approx(0.2)
    assert band.se_problems[0] == pytest.approx(0.1)


def test_seeds_that_agree_leave_the_band_over_problems():
    rows = golden_rows(1)
    plain = simultaneous_band(rows, BandSettings(draws=5000))
    band = two_level_band(np.stack([rows, rows, rows]), BandSettings(draws=5000))
    assert band.critical_value == pytest.approx(plain.critical_value, abs=1e-5)
    assert band.lower == pytest.approx(plain.lower, abs=1e-7)
    assert band.upper == pytest.approx(plain.upper, abs=1e-7)


def test_the_seeds_part_is_multiplied_by_students_quantile():
    rng = np.random.default_rng(1)
    rows = rng.normal(0, 0.05, (3, 40, 2)) + rng.normal(0, 0.1, (3, 1, 1))
    band = two_level_band(rows, BandSettings(draws=2000))
    assert band.critical_value_seeds == pytest.approx(student.ppf(norm.cdf(band.critical_value), 2))
    half = np.hypot(band.critical_value_seeds * band.se_seeds, band.critical_value * band.se_problems)
    assert (band.upper - band.lower) / 2 == pytest.approx(half)
    assert band.at(band.critical_value)[0] == pytest.approx(band.lower)


@pytest.mark.slow
def test_three_seeds_do_not_make_the_band_too_narrow():
    # Normal levels, the seeds' as large as the problems'. 400 repetitions at .95 have a standard error of .011; the
    # method never covers less, so under .92 would be chance 3 in 1000. Problems alone cover far less.
    rng = np.random.default_rng(8)
    shape = np.linspace(1, 2, 4)
    both = one = 0
    for repetition in range(400):
        rows = rng.normal(0, 0.02, (3, 1, 1)) * shape + rng.normal(0, 0.1, (1, 50, 4)) + rng.normal(0, 0.02, (3, 50, 4))
        band = two_level_band(rows, BandSettings(draws=1000, seed=repetition))
        alone = simultaneous_band(rows.mean(axis=0), BandSettings(draws=1000, seed=repetition))
        both += bool(((band.lower <= 0) & (band.upper >= 0)).all())
        one += bool(((alone.lower <= 0) & (alone.upper >= 0)).all())
    assert both / 400 >= 0.92
    assert one / 400 < 0.85


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((1, 5, 2)), "one training seed cannot say how another would differ"),
        (np.zeros((5, 2)), "shape"),
        (np.full((2, 3, 1), np.nan), "finite"),
    ],
)
def test_two_levels_need_two_seeds_and_finite_rows(rows: np.ndarray, message: str):
    with pytest.raises(InputError, match=message) as error:
        two_level_band(rows, BandSettings(draws=500))
    assert "\n" not in str(error.value)


def test_two_levels_without_any_variation_give_the_whole_support():
    band = two_level_band(np.full((3, 4, 2), 0.25), BandSettings(draws=500))
    assert band.lower.tolist() == [-1.0, -1.0]
    assert np.isnan(band.critical_value)


# -- coverage: worlds of a few kinds of problems (share, p under base, p under rl), whose truth is a finite sum --------

REPETITIONS = 400
MIXED = ((0.2, 0.05, 0.3), (0.3, 0.3, 0.6), (0.15, 0.03, 0.0), (0.2, 0.7, 0.9), (0.15, 0.0, 0.0))
RARE = ((0.6, 0.0, 0.0), (0.25, 0.02, 0.06), (0.15, 0.05, 0.005))
NEARLY_DECIDED = ((0.5, 0.4, 0.5), (0.5, 0.6, 0.7))


def coverage(world: tuple, problems: int, n: int, seed: int) -> tuple[float, float, float]:
    """Share of repetitions whose band holds the truth at every k; the same over ks carried by enough problems; and the
    share that call a gain or a loss with the wrong sign."""
    rng = np.random.default_rng(seed)
    shares, p_base, p_rl = np.array(world).T
    k = np.arange(1, n + 1)[:, None]
    truth = ((1 - p_base) ** k - (1 - p_rl) ** k) @ shares
    everywhere = carried = wrong = 0
    for repetition in range(REPETITIONS):
        kind = rng.choice(len(shares), size=problems, p=shares)
        base, rl = (rng.binomial(n, p[kind]).tolist() for p in (p_base, p_rl))
        band = simultaneous_band(difference_rows(base, rl, [n] * problems), BandSettings(draws=1000, seed=repetition))
        holds = (band.lower <= truth) & (truth <= band.upper)
        everywhere += bool(holds.all())
        carried += bool(holds[band.effective_problems >= FEW_PROBLEMS].all())
        wrong += bool((((band.lower > 0) & (truth <= 0)) | ((band.upper < 0) & (truth >= 0))).any())
    return everywhere / REPETITIONS, carried / REPETITIONS, wrong / REPETITIONS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("world", "problems"),
    [(MIXED, 100), (MIXED, 300), (RARE, 300), (RARE, 1000)],
    ids=["mixed-100", "mixed-300", "rare-300", "rare-1000"],
)
def test_the_band_covers_all_ks_at_once(world: tuple, problems: int):
    # 400 repetitions at .95 have a standard error of .011; [.91, .98] is more than 2.7 of them on both sides.
    everywhere, _, wrong = coverage(world, problems, 32, seed=problems)
    assert 0.91 <= everywhere <= 0.98
    assert wrong <= 0.05


def test_where_few_problems_carry_a_k_the_band_is_too_narrow_and_says_so():
    # Almost every problem is solved by k = 20: what is left of the variance sits on a handful of unlucky ones.
    everywhere, carried, wrong = coverage(NEARLY_DECIDED, 60, 32, seed=1)
    assert everywhere < 0.8
    assert carried >= 0.91
    assert wrong <= 0.05
