"""Rows, paired differences, coverage and posteriors: small tallies whose numbers can be checked by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from move37.analyses.reliability import (
    COVER_TAUS,
    MEASURES,
    bayes_at_n,
    bayes_difference,
    common_ks,
    coverage,
    coverage_differences,
    differences_under_any_plan,
    reliability,
    reliability_differences,
    under_any_plan,
)
from move37.counts import StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.estimates.majority import answers_by_problem
from move37.types import IntArray


def tally(
    model: str, correct: Sequence[int] | IntArray, n: int | Sequence[int], ids: Sequence[str] | None = None
) -> Tally:
    right = np.array(correct, dtype=np.int64)
    zeros = np.zeros_like(right)
    names = tuple(ids or [f"p{i}" for i in range(len(right))])
    return Tally(model, names, right, np.broadcast_to(np.array(n), right.shape) - right, zeros, zeros)


def stopped(model: str, successes: Sequence[int], trials: Sequence[int], plan: StoppingPlan) -> StoppedTally:
    right, n = np.array(successes, dtype=np.int64), np.array(trials, dtype=np.int64)
    zeros = np.zeros_like(right)
    return StoppedTally(model, tuple(f"p{i}" for i in range(len(n))), right, n, n - 1, zeros, zeros, zeros, plan)


# -- one model --------------------------------------------------------------------------------------------------------


def test_areas_stand_beside_the_other_measures():
    rows = {(row.measure, row.k): row.estimate for row in reliability(tally("m", [1, 4], 4), ks=[2])}
    # pass@1 = 1/4 and 1, pass@2 = 1/2 and 1: mean height 3/8 and 1, over k and over ln k alike.
    assert rows["AUC@k", 2].value == rows["AUC_log@k", 2].value == pytest.approx((3 / 8 + 1) / 2)
    assert rows["AUC@k", 2].name == "AUC@2"
    assert [measure for measure, _ in rows] == [measure for measure in MEASURES if measure != "maj@k"]


def test_models_with_different_n_get_ks_that_all_of_them_have():
    tallies = [tally("a", [1, 2], 128), tally("b", [1, 2], [64, 70])]
    assert common_ks(tallies) == [4, 16, 64]
    assert common_ks([*tallies, stopped("c", [1, 0], [1, 16], StoppingPlan.until(1, 16))]) == [4, 16]
    with pytest.raises(InputError, match="no model"):
        common_ks([])
    rows = [row for each in tallies for row in reliability(each, ks=common_ks(tallies))]
    assert {row.k for row in rows if row.measure == "pass@k"} == {4, 16, 64}


def test_the_area_of_an_early_stopped_tally_is_that_of_its_curve():
    # Stop at 1 correct or 4 samples. Stopped at the first trial: pass@k = 1; never solved: 0. Means 1/2 at every k.
    *passed, over_k, over_log_k = under_any_plan(stopped("m", [1, 0], [1, 4], StoppingPlan.until(1, 4)))
    assert [(row.measure, row.k, row.estimate.value) for row in passed] == [("pass@k", 1, 0.5), ("pass@k", 4, 0.5)]
    assert (over_k.measure, over_k.k, over_log_k.measure) == ("AUC@k", 4, "AUC_log@k")
    assert (over_k.estimate.value, over_log_k.estimate.value) == pytest.approx((0.5, 0.5))
    # pass@1 = (1/2 + 1) / 2 and pass@2 = 1: the mean height is 7/8.
    assert under_any_plan(tally("m", [1, 2], 2))[-2].estimate.value == pytest.approx(7 / 8)


# -- two models -------------------------------------------------------------------------------------------------------


def test_differences_are_paired_by_problem():
    base, rl = tally("base", [1, 2, 0], 4), tally("rl", [4, 2, 3], 4, ids=["p2", "p1", "p0"])
    rows = {(row.measure, row.k): row for row in reliability_differences(base, rl, ks=[2])}
    average = rows["avg@n", 4]
    # rl minus base on p0, p1, p2: 3/4 - 1/4, 2/4 - 2/4, 4/4 - 0 = 1/2, 0, 1. Mean 1/2, sd 1/2, se .5 / sqrt 3;
    # t(.975, 2) = 4.3027, so the interval is cut off at -.742 and 1.
    assert average.estimate.value == pytest.approx(0.5)
    assert average.estimate.standard_error == pytest.approx(0.5 / 3**0.5)
    assert average.estimate.lower == pytest.approx(0.5 - 4.3027 * 0.5 / 3**0.5, abs=1e-4)
    assert average.estimate.upper == 1.0
    assert average.estimate.name == "avg@4, rl minus base"
    assert average.estimate.method == "paired by problem, Student t"
    # pass@2: 1 - 3/6 = 1/2 and 5/6 and 0 for base, 1 and 5/6 and 1 for rl.
    assert rows["pass@k", 2].estimate.value == pytest.approx((0.5 + 0 + 1) / 3)
    assert {measure for measure, _ in rows} == set(MEASURES) - {"maj@k"}


def test_equal_models_differ_by_nothing_and_have_no_interval():
    one = tally("a", [1, 3], 4)
    for row in reliability_differences(one, tally("b", [1, 3], 4)):
        assert (row.estimate.value, row.estimate.lower, row.estimate.confidence) == (0.0, None, None)


def test_majority_is_compared_only_where_both_models_have_answers():
    base, rl = tally("base", [2], 3), tally("rl", [1], 3)
    base_answers = answers_by_problem([("p0", "7", True, 2), ("p0", "8", False, 1)])
    rl_answers = answers_by_problem([("p0", "7", True, 1), ("p0", "8", False, 2)])
    both = reliability_differences(base, rl, [3], base_answers, rl_answers)
    # At k = 3 the mode decides: right for base, wrong for rl.
    assert [row.estimate.value for row in both if row.measure == "maj@k"] == [-1.0]
    assert not [row for row in reliability_differences(base, rl, [3], base_answers) if row.measure == "maj@k"]


def test_models_with_different_n_are_compared_at_common_ks():
    rows = reliability_differences(tally("base", [1, 2], 128), tally("rl", [1, 2], 20))
    assert {row.k for row in rows if row.measure == "pass@k"} == {4, 16, 20}
    assert [row.k for row in rows if row.measure == "avg@n"] == [20]


def test_differences_of_areas_take_every_stopping_plan():
    base = stopped("base", [1, 0], [1, 4], StoppingPlan.until(1, 4))
    *_, over_k, over_log_k = differences_under_any_plan(base, tally("rl", [8, 8], 8))
    # rl solves all, base half of it.
    assert (over_k.k, over_k.estimate.value, over_log_k.estimate.value) == (4, pytest.approx(0.5), pytest.approx(0.5))


def test_different_problems_are_refused():
    with pytest.raises(InputError, match="rl lacks 1 problem"):
        reliability_differences(tally("base", [1, 1], 4), tally("rl", [1], 4))


# -- Cover@tau --------------------------------------------------------------------------------------------------------


def test_the_interval_of_coverage_assumes_nothing_and_the_estimate_stands_beside_it():
    rng = np.random.default_rng(0)
    found = coverage(tally("m", rng.binomial(64, rng.beta(0.5, 0.7, 400)), 64))
    assert tuple(each.tau for each in found) == COVER_TAUS
    for each in found:
        assert each.estimate.lower is not None
        assert each.estimate.upper is not None
        assert 0 <= each.estimate.lower < each.estimate.value < each.estimate.upper <= 1
        assert abs(each.estimate.value - each.plug_in) < 0.03
        assert each.steady is not False
    assert found[0].estimate.name == "Cover@0.1"
    assert found[0].estimate.method == "debiased from n and n/2; bounds that assume nothing about p"


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.45, 0.5, 0.55])
def test_problems_of_one_difficulty_are_covered_by_the_interval(p: float):
    # 500 problems with one p at n = 16, the default plan's first look. Student's interval around the estimate covers
    # the truth in .05 to .08 of studies; 190 of 200 come about at .95 with a chance of .6, fewer than 180 of 1e-3.
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(200):
        estimate = coverage(tally("m", rng.binomial(16, np.full(500, p)), 16), [0.5])[0].estimate
        assert estimate.lower is not None
        assert estimate.upper is not None
        held += estimate.lower <= float(p >= 0.5) <= estimate.upper
    assert held >= 185


def test_a_share_is_never_outside_of_0_and_1():
    # One difficulty just below the threshold: the debiased value overshoots, -.19 and 1.19 before it is kept in.
    for correct in ([7] * 500, [9] * 500, [0] * 500, [16] * 500, [15] * 500):
        estimate = coverage(tally("m", correct, 16), [0.5])[0].estimate
        assert estimate.lower is not None
        assert estimate.upper is not None
        assert 0 <= estimate.lower <= estimate.value <= estimate.upper <= 1


def test_it_is_marked_where_n_and_half_of_it_disagree():
    rng = np.random.default_rng(12)
    peak = tally("peak", rng.binomial(64, np.full(500, 0.47)), 64)
    smooth = tally("smooth", rng.binomial(64, rng.beta(0.8, 0.9, 500)), 64)
    assert coverage(peak, [0.5])[0].steady is False
    assert coverage(smooth, [0.5])[0].steady is True
    assert coverage_differences(smooth, peak, [0.5])[0].steady is False
    # 4 samples cannot be halved twice.
    assert coverage(tally("few", [1, 2, 3, 2], 4), [0.5])[0].steady is None


def test_few_samples_leave_the_outer_thresholds_out_unless_they_are_asked_for():
    few = tally("m", [1, 4, 2], 8)
    assert [each.tau for each in coverage(few)] == [0.25, 0.5, 0.75]
    assert coverage(tally("m", [1], 2)) == ()
    with pytest.raises(InputError, match="Cover@0.1 needs at least 18"):
        coverage(few, taus=[0.1])


@pytest.mark.slow
def test_the_interval_of_cover_holds_where_hardly_any_problem_is_covered():
    # p ~ Beta(2, 5), n = 16: P(p >= .75) = 19 / 4096. Student t alone holds it in .86 of repetitions.
    truth = 19 / 4096
    rng = np.random.default_rng(8)
    held = 0
    for _ in range(300):
        estimate = coverage(tally("m", rng.binomial(16, rng.beta(2, 5, 500)), 16), [0.75])[0].estimate
        assert estimate.lower is not None
        assert estimate.upper is not None
        held += estimate.lower <= truth <= estimate.upper
    assert held >= 285


def test_coverage_differences_are_paired_and_bounded():
    rng = np.random.default_rng(5)
    p = rng.beta(0.5, 0.7, 600)
    better = np.minimum(1, p + 0.3 * (rng.random(600) < 0.5))
    base, rl = tally("base", rng.binomial(64, p), 64), tally("rl", rng.binomial(64, better), 64)
    found = coverage_differences(base, rl, [0.5])[0]
    truth = (better >= 0.5).mean() - (p >= 0.5).mean()
    # The standard error over fresh problems is larger than that of this truth; 4 of them miss once in 10,000.
    assert found.estimate.standard_error is not None
    assert abs(found.estimate.value - truth) < 4 * found.estimate.standard_error
    assert found.estimate.lower is not None
    assert found.estimate.upper is not None
    assert found.estimate.lower < truth < found.estimate.upper
    one, other = coverage(base, [0.5])[0], coverage(rl, [0.5])[0]
    assert found.estimate.value == pytest.approx(other.estimate.value - one.estimate.value)
    # Paired, it is narrower than two independent intervals together.
    assert one.estimate.standard_error is not None
    assert other.estimate.standard_error is not None
    assert found.estimate.standard_error < np.hypot(one.estimate.standard_error, other.estimate.standard_error)


def test_models_that_never_solve_anything_differ_within_their_own_bounds():
    # 200 problems never solved in 16 by either: at 97.5 % each, Cover@.5 is at most Clopper-Pearson's end for 0 of 200,
    # 1 - .0125^(1/200) = .0217, over P(more than 3 of 16 | .5) = 1 - .0106: the difference is within +-.022.
    found = coverage_differences(tally("a", [0] * 200, 16), tally("b", [0] * 200, 16), [0.5])[0]
    assert found.estimate.value == 0.0
    assert found.estimate.upper == pytest.approx((1 - 0.0125 ** (1 / 200)) / (1 - 697 / 65536), abs=1e-6)
    assert found.estimate.upper is not None
    assert found.estimate.lower == pytest.approx(-found.estimate.upper)


# -- Bayes@N ----------------------------------------------------------------------------------------------------------


def test_the_posterior_is_about_the_benchmark_and_names_its_prior():
    found = bayes_at_n(tally("m", [1, 3], [2, 4]))
    estimate = found.estimate
    assert estimate.value == pytest.approx((1 / 2 + 4 / 6) / 2)
    assert estimate.target == found.average.target == "benchmark"
    assert (estimate.name, found.average.name, estimate.n) == ("Bayes@2", "avg@2", (2, 4))
    assert estimate.method == "posterior under a Beta(1, 1) prior for every problem"
    assert estimate.lower is not None
    assert estimate.upper is not None
    assert 0 < estimate.lower < estimate.value < estimate.upper < 1
    # avg: (1/2 + 3/4) / 2; variances 1 * 1 / (4 * 1) and 3 * 1 / (16 * 3).
    assert found.average.value == pytest.approx(0.625)
    assert found.average.standard_error == pytest.approx((1 / 4 + 1 / 16) ** 0.5 / 2)
    assert not found.displaced


def test_a_posterior_that_its_prior_has_displaced_says_so():
    # 400 problems never solved in 8: the posterior mean is .1, and .1 +- .01 does not hold the 0 that was seen.
    found = bayes_at_n(tally("m", [0] * 400, 8))
    assert found.displaced
    assert found.estimate.value == pytest.approx(0.1)
    assert (found.average.value, found.average.lower) == (0.0, None)
    assert bayes_at_n(tally("m", [0] * 400, 8), prior=(0.01, 1.0)).estimate.value < 0.002


def test_single_samples_leave_the_average_without_an_interval():
    found = bayes_at_n(tally("m", [1, 0], 1))
    assert (found.average.value, found.average.standard_error, found.average.lower) == (0.5, None, None)


def test_the_difference_of_posteriors_adds_their_variances():
    # Beta(2, 2) against Beta(3, 1): means 1/2 and 3/4, variances 1/20 and 3/80.
    found = bayes_difference(tally("base", [1], 2), tally("rl", [2], 2))
    estimate = found.estimate
    assert estimate.value == pytest.approx(0.25)
    assert estimate.standard_error == pytest.approx((1 / 20 + 3 / 80) ** 0.5)
    assert estimate.name == "Bayes@2, rl minus base"
    assert estimate.lower is not None
    assert estimate.value - estimate.lower == pytest.approx(1.95996 * (1 / 20 + 3 / 80) ** 0.5, abs=1e-4)
    # avg: 1 - 1/2, standard error sqrt(1 * 1 / (4 * 1) + 0).
    assert (found.average.value, found.average.standard_error) == pytest.approx((0.5, 0.5))
    assert not found.displaced


def test_the_interval_of_the_average_holds_on_these_problems():
    # 500 fixed problems with p ~ Beta(.5, .7), n = 8, 1000 runs: nominal .95, so .93 to .97 is three standard errors.
    rng = np.random.default_rng(6)
    p = rng.beta(0.5, 0.7, 500)
    held, posterior_held = 0, 0
    for correct in rng.binomial(8, p, (1000, 500)):
        found = bayes_at_n(tally("m", correct, 8))
        assert found.average.lower is not None
        assert found.average.upper is not None
        held += found.average.lower <= p.mean() <= found.average.upper
        posterior_held += found.estimate.lower <= p.mean() <= found.estimate.upper  # type: ignore[operator]
    assert 930 <= held <= 970
    assert posterior_held < 300  # the reason why the two stand side by side
