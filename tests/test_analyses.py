"""Tallies in, result objects out: pairing, hand-made tables, warnings, JSON, and the published comparison."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from move37.analyses import Comparison, compare
from move37.analyses.accuracy_shift import BINS, accuracy_shift
from move37.analyses.agreement import Disagreement, agreement
from move37.analyses.curves import curve_difference, mean_interval, model_curve, sampling_gap
from move37.analyses.details import ModelData
from move37.analyses.findings import Facts, find
from move37.analyses.pairing import paired
from move37.analyses.reliability import MEASURES, default_ks, reliability
from move37.analyses.serialise import comparison_json, findings_json, plain
from move37.analyses.solvable_sets import solvable_table
from move37.analyses.truncation import outcome_audit
from move37.counts import Tally
from move37.errors import InputError
from move37.estimates.majority import answers_by_problem
from move37.estimates.pass_at_k import failure_variance
from move37.estimates.settings import BandSettings, Design

SHARED = Path(__file__).parents[2] / "shared"
DEEPSCALER = SHARED / "data" / "counts" / "deepscaler32k"
needs_deepscaler = pytest.mark.skipif(
    not DEEPSCALER.exists(), reason="the DeepScaleR counts are not beside the project (../shared)"
)


def tally(
    model: str,
    correct: list[int],
    n: int | list[int],
    *,
    ids: list[str] | None = None,
    unscored: list[int] | None = None,
    truncated: list[int] | None = None,
) -> Tally:
    correct_, zeros = np.array(correct, dtype=np.int64), np.zeros(len(correct), dtype=np.int64)
    return Tally(
        model,
        tuple(ids or [f"p{i}" for i in range(len(correct))]),
        correct_,
        np.broadcast_to(np.array(n, dtype=np.int64), correct_.shape) - correct_,
        zeros if unscored is None else np.array(unscored, dtype=np.int64),
        zeros if truncated is None else np.array(truncated, dtype=np.int64),
    )


def made_pair(problems: int = 60, n: int = 16) -> tuple[Tally, Tally]:
    rng = np.random.default_rng(4)
    base = rng.beta(0.5, 0.7, problems)
    rl = np.where(rng.random(problems) < 0.2, base / 10, base**0.5)
    return tally("base", rng.binomial(n, base).tolist(), n), tally("rl", rng.binomial(n, rl).tolist(), n)


# -- pairing ----------------------------------------------------------------------------------------------------------


def test_problems_are_matched_by_id_not_by_position():
    base = tally("base", [1, 2, 3], 4, ids=["a", "b", "c"])
    rl = tally("rl", [30, 10, 20], 40, ids=["c", "a", "b"])
    assert paired(base, rl)[1].correct.tolist() == [10, 20, 30]
    assert paired(base, rl)[1].problem_ids == ("a", "b", "c")


def test_different_problem_sets_are_refused_and_named():
    base, rl = tally("base", [0] * 6, 4), tally("rl", [0], 4, ids=["p3"])
    for one, other in ((base, rl), (rl, base)):
        with pytest.raises(InputError, match=r"rl lacks 5 problems \(p0, p1, p2, \.\.\.\) of base's 6") as error:
            compare(one, other)
        assert "\n" not in str(error.value)


def test_a_problem_given_twice_is_refused():
    with pytest.raises(InputError, match=r"base: 1 problem \(a\) more than once"):
        model_curve(tally("base", [1, 2], 4, ids=["a", "a"]))


def test_a_problem_without_scored_samples_is_refused_by_a_curve():
    with pytest.raises(InputError, match=r"rl: 1 problem \(p1\) without a single scored sample"):
        model_curve(tally("rl", [1, 0], [4, 0], unscored=[0, 4]))


def test_no_problems_are_refused():
    with pytest.raises(InputError, match="base: no problems"):
        model_curve(tally("base", [], []))


def test_a_problem_that_nobody_scored_leaves_every_model_with_a_warning():
    base, rl = tally("base", [1, 2, 4], 4), tally("rl", [2, 0, 4], [4, 0, 4], unscored=[0, 4, 0])
    findings = find([ModelData(base), ModelData(rl)], BandSettings(draws=1000))
    assert [curve.problems for curve in findings.curves] == [2, 2]
    assert findings.warnings[0].startswith("1 problem (p1) left out for every model")
    assert [audit.samples for audit in findings.audits] == [12, 12]  # the audit still counts all of them


def test_where_no_problem_is_left_the_models_that_nobody_scored_are_named():
    none = tally("broken", [0, 0, 0], [0, 0, 0], unscored=[4, 4, 4])
    with pytest.raises(InputError, match=r"^no problem on which every model .*: broken on 3 of 3 have none; find out"):
        find([ModelData(tally("base", [1, 2, 4], 4)), ModelData(none)], BandSettings(draws=1000))


# -- curves -----------------------------------------------------------------------------------------------------------


def test_a_curve_ends_at_the_smallest_n():
    curve = model_curve(tally("m", [1, 1], [2, 4]), BandSettings(draws=1000))
    # (1/2 + 1/4) / 2 and (1 + 1/2) / 2.
    assert curve.pass_at_k == pytest.approx([0.375, 0.75])
    assert curve.n == (2, 4)
    assert np.isnan(curve.se_benchmark[1])
    assert (curve.lower >= 0).all()
    assert (curve.upper <= 1).all()


def test_the_difference_is_rl_minus_base_per_problem():
    difference = curve_difference(tally("base", [0, 1, 2], 2), tally("rl", [1, 1, 2], 2), BandSettings(draws=1000))
    # Only p0 differs: pass@1 by 1/2, pass@2 by 1.
    assert difference.band.mean == pytest.approx([1 / 6, 1 / 3])
    assert difference.few_problems == (1, 2)


def test_swapping_the_models_mirrors_everything_that_is_said():
    base, rl = made_pair()
    one, other = (
        curve_difference(base, rl, BandSettings(draws=2000)),
        curve_difference(rl, base, BandSettings(draws=2000)),
    )
    assert one.band.mean == pytest.approx(-other.band.mean, abs=1e-15)
    assert one.band.lower == pytest.approx(-other.band.upper, abs=1e-6)
    assert (one.gain, one.loss) == (other.loss, other.gain)


def test_delta_se_is_base_at_k_minus_rl_at_one_with_a_paired_interval():
    # Gaps: 1 - 1/2, 0 - 0, 1 - 1 -> 1/2, 0, 0: mean 1/6, sd sqrt(1/12), t(.975, 2) = 4.3027.
    gap = sampling_gap(tally("base", [1, 0, 2], 2), tally("rl", [1, 0, 2], 2))
    half = 4.3027 * (1 / 12) ** 0.5 / 3**0.5
    assert (gap.k, gap.value) == (2, pytest.approx(1 / 6))
    assert (gap.lower, gap.upper) == (pytest.approx(1 / 6 - half, abs=1e-4), pytest.approx(1 / 6 + half, abs=1e-4))


def test_delta_se_takes_the_papers_256_where_there_are_more_samples():
    base, rl = tally("base", [100, 0], 300), tally("rl", [250, 3], 300)
    assert sampling_gap(base, rl).k == 256
    assert sampling_gap(base, rl, k=64).k == 64
    with pytest.raises(InputError, match="k=512 needs 512"):
        sampling_gap(base, rl, k=512)


def test_values_that_do_not_vary_give_no_interval():
    assert mean_interval(np.full(9, 0.3), 0.95, (0.0, 1.0)) is None
    assert mean_interval(np.array([0.3]), 0.95, (0.0, 1.0)) is None
    gap = sampling_gap(tally("base", [1], 2), tally("rl", [1], 2))
    assert (gap.lower, gap.upper) == (-1.0, 1.0)


# -- the four-way table ----------------------------------------------------------------------------------------------


def test_the_four_way_table_counts_at_least_one_correct():
    table = solvable_table(tally("base", [1, 4, 0, 0, 2], 4), tally("rl", [3, 0, 1, 0, 0], 4))
    assert (table.both, table.base_only, table.rl_only, table.neither, table.k) == (1, 2, 1, 1, 4)
    assert table.base_only_ids == ("p1", "p4")
    assert table.rl_only_ids == ("p2",)
    assert table.mcnemar_p == 1.0
    # 1 - .05^(1/4)
    assert table.never_solved_bound_base == pytest.approx(0.5271, abs=1e-4)


def test_the_noise_floor_of_one_success_in_two_and_two():
    # Whoever has the success solves alone: rl with chance 1/2, per problem.
    assert solvable_table(tally("base", [1, 0], 2), tally("rl", [0, 1], 2)).noise_floor == pytest.approx(1.0)


def test_the_model_with_more_samples_does_not_win_by_having_them():
    # Both models have p = 2 %; base has 1024 samples, rl 16. Untouched, base would solve nearly all 500 problems. With
    # equal draws the two counts differ by luck: the exact test falls below .001 once in a thousand.
    rng = np.random.default_rng(0)
    base = tally("base", rng.binomial(1024, 0.02, 500).tolist(), 1024)
    rl = tally("rl", rng.binomial(16, 0.02, 500).tolist(), 16)
    table = solvable_table(base, rl)
    assert table.k == 16
    assert table.mcnemar_p > 0.001
    # .98^16 = .724, so about 500 (1 - .724) = 138 solved by each; standard deviation 10.
    assert abs(table.both + table.base_only - 138) < 40


def test_equal_samples_of_a_problem_are_never_thinned():
    # n differs between problems but not between models: every success counts, whatever the seed.
    base, rl = tally("base", [1, 1], [3, 500]), tally("rl", [1, 0], [3, 500])
    for seed in range(20):
        table = solvable_table(base, rl, seed=seed)
        assert (table.both, table.base_only) == (1, 1)


def test_thinning_does_not_depend_on_the_order_of_problems():
    rng = np.random.default_rng(1)
    correct = rng.integers(0, 3, 50)
    base, rl = tally("base", correct.tolist(), 64), tally("rl", [1] * 50, 8)
    backwards = tally("base", correct[::-1].tolist(), 64, ids=[f"p{i}" for i in reversed(range(50))])
    assert set(solvable_table(base, rl).base_only_ids) == set(solvable_table(backwards, rl).base_only_ids)
    assert solvable_table(base, rl).both == solvable_table(backwards, rl).both


def test_the_two_models_are_thinned_independently_of_each_other():
    # One of two samples is right, so a draw of one finds it half of the time. With one stream for both models they
    # would find it on the same problems, and no problem would be discordant: 250 are expected, with sd 14.
    base, rl = tally("base", [1] * 1000, 2), tally("rl", [1] * 1000, 2)
    table = solvable_table(base, rl, k=1)
    assert 180 < table.base_only < 320
    assert 180 < table.rl_only < 320


# -- accuracy shift --------------------------------------------------------------------------------------------------


def test_an_accuracy_on_a_bin_edge_belongs_to_the_bin_below():
    # 0, 1/10 -> (0, 0.1], 3/10 -> (0.2, 0.3] (0.1 * 3 > 0.3 in floating point), 7/10, 10/10.
    base = tally("base", [0, 1, 3, 7, 10], 10)
    rl = tally("rl", [0, 1, 30, 70, 99], [10, 100, 100, 100, 100])
    shift = accuracy_shift(base, rl)
    assert [BINS[i] for i in np.flatnonzero(shift.base_counts)] == [
        "0",
        "(0, 0.1]",
        "(0.2, 0.3]",
        "(0.6, 0.7]",
        "(0.9, 1]",
    ]
    assert shift.base_counts.tolist() == [1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 1]
    assert shift.rl_counts.tolist() == [1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 1]
    assert (shift.base_exactly_one, shift.rl_exactly_one) == (1, 0)


def test_every_edge_of_every_n_is_placed_in_integers():
    for n in range(1, 200):
        counts = list(range(n + 1))
        bins = accuracy_shift(tally("b", counts, n), tally("r", counts, n)).base_counts
        expected = [1] + [sum(10 * c > n * j and 10 * c <= n * (j + 1) for c in counts) for j in range(10)]
        assert bins.tolist() == expected


def test_the_transition_matrix_has_base_in_rows():
    shift = accuracy_shift(tally("base", [0, 0, 5], 10), tally("rl", [10, 0, 0], 10))
    assert (shift.transition[0, 10], shift.transition[0, 0], shift.transition[5, 0]) == (1, 1, 1)
    assert shift.transition.sum() == 3


# -- audit, agreement, reliability -----------------------------------------------------------------------------------


def test_the_audit_brackets_unscored_samples():
    audited = outcome_audit(
        tally("m", [1, 2], [2, 3], unscored=[2, 1], truncated=[1, 0]),
        reasons=[("incorrect", "no answer", 2), ("correct", "equal", 3), ("unscored", "timeout", 3)],
        mean_tokens=12.5,
        not_truncated=tally("m", [1, 2], [1, 3], unscored=[2, 1]),
    )
    assert (audited.samples, audited.correct, audited.incorrect, audited.unscored, audited.truncated) == (8, 3, 2, 3, 1)
    assert audited.accuracy == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert audited.accuracy_if_unscored_wrong == pytest.approx((1 / 4 + 2 / 4) / 2)
    assert audited.accuracy_if_unscored_right == pytest.approx((3 / 4 + 3 / 4) / 2)
    assert audited.accuracy_not_truncated == pytest.approx((1 + 2 / 3) / 2)
    assert [count for *_, count in audited.reasons] == [3, 3, 2]


def test_the_audit_survives_problems_that_nobody_scored():
    audited = outcome_audit(tally("m", [1, 0], [2, 0], unscored=[0, 2]))
    assert audited.accuracy == 0.5
    assert (audited.accuracy_if_unscored_wrong, audited.accuracy_if_unscored_right) == (0.25, 0.75)
    assert audited.accuracy_not_truncated is None
    unknown = outcome_audit(tally("m", [0], [0], unscored=[2])).accuracy
    assert unknown is not None
    assert np.isnan(unknown)


def test_the_audit_refuses_problems_without_samples():
    with pytest.raises(InputError, match="1 of 2 problems have no samples"):
        outcome_audit(tally("m", [1, 0], [2, 0]))


def test_programs_that_ended_in_two_ways_are_a_warning():
    flags = [("correct", "unsandboxed", 90), ("correct", "rerun_alone", 2), ("incorrect", "rerun_alone", 1)]
    (warning,) = find([ModelData(tally("m", [1, 0], 2), flags=flags)], BandSettings(draws=1000)).warnings
    assert warning.startswith("m: 3 samples ran out of time or were killed and ended otherwise")
    assert "2 correct and 1 incorrect" in warning
    # A reason is for people: whatever a grader writes there is no warning.
    reasons = [("correct", "passes alone, ran out of time before", 2)]
    unflagged = ModelData(tally("m", [1, 0], 2), reasons=reasons, flags=flags[:1])
    assert find([unflagged], BandSettings(draws=1000)).warnings == ()


def test_programs_that_shared_a_process_with_their_tests_are_a_warning():
    flags = [("correct", "in_process", 2), ("incorrect", "in_process", 1), ("correct", "unsandboxed", 5)]
    (warning,) = find([ModelData(tally("m", [1, 0], 2), flags=flags)], BandSettings(draws=1000)).warnings
    assert warning.startswith("m: 3 samples had tests that need real objects")
    assert "2 of them count as correct" in warning


def test_a_grader_that_errs_is_a_warning_with_what_it_makes_of_pass_at_k():
    facts = Facts(
        calibrations=[("judge@1", (9, 10), (1, 100)), ("math@1", (10, 10), (0, 100)), ("code@1", (1, 1), (0, 0))]
    )
    findings = find([ModelData(tally("m", [1, 0], 2))], BandSettings(draws=1000), facts=facts)
    judge, math = findings.grader_errors  # nothing corrupted was scored under code@1
    # Always wrong, accepted one time in a hundred: 1 - .99^2 = .0199 in two tries.
    assert (judge.k, judge.floor) == (2, pytest.approx(0.0199))
    # Clopper-Pearson's upper limit of 0 of 100 at 95 %: 1 - .025^(1/100).
    assert math.upper == pytest.approx(1 - 0.025**0.01)
    assert [w.partition(" ")[0] for w in findings.warnings] == ["judge@1", "judge@1"]
    assert "rejects 1 of 10 reference answers" in findings.warnings[0]
    assert "accepts 1 of 100 corrupted answers" in findings.warnings[1]
    assert "pass@2 = 0.020" in findings.warnings[1]


def test_agreement_lists_what_differs():
    rows = [
        ("p", 0, "correct", "correct", "3"),
        ("p", 1, "correct", "incorrect", "3.0"),
        ("q", 0, "unscored", "incorrect", None),
        ("q", 1, "incorrect", "correct", "5"),
        ("q", 2, "incorrect", "incorrect", "6"),
    ]
    judged = pl.DataFrame(rows, schema=["problem_id", "index", "outcome", "theirs", "answer"], orient="row")
    found = agreement("m", "math@1", "reported", judged, {"p": "3", "q": "4"})
    assert (found.samples, found.agree) == (5, 2)
    assert found.disagreements[1] == Disagreement("q", 0, "unscored", "incorrect", None, "4")
    # Scored by both: p 2 of 2 and q 0 of 2 under ours, 1 of 2 each under theirs; pass@2 is 1 wherever one is right.
    assert (found.k, found.pass_at_1, found.pass_at_k) == (2, (0.5, 0.5), (0.5, 1.0))
    # Before the stop at index 1 only p has a sample that both have scored.
    early = agreement("m", "math@1", "reported", judged, {}, first_stop=1)
    assert (early.samples, early.k, early.pass_at_1, early.pass_at_k) == (5, 1, (1.0, 1.0), (1.0, 1.0))
    nobody = agreement("m", "math@1", "reported", judged[2:3], {})
    assert (nobody.samples, nobody.k, nobody.pass_at_1) == (1, 0, None)


def test_findings_join_the_evidence_of_a_run():
    answers = pl.DataFrame(
        {
            "problem_id": ["p0", "p0", "p1"],
            "answer": ["7", None, "2"],
            "correct": [True, False, False],
            "count": [1, 1, 2],
        }
    )
    judged = pl.DataFrame(
        {
            "problem_id": ["p0", "p0"],
            "index": [0, 1],
            "outcome": ["correct", "incorrect"],
            "answer": ["7", None],
            "theirs": ["correct", "correct"],
        }
    )
    evidence = ModelData(
        tally("m", [1, 0], 2),
        answers=answers,
        agreement=[("reported@x", judged)],
        verifier="math@1",
        references={"p0": "7"},
    )
    findings = find([evidence], BandSettings(draws=1000))
    # p0: {7, blank} drawn together -> 7 wins; p1: always wrong. maj@2 = 1/2.
    votes = [row for row in findings.models[0].reliability if row.measure == "maj@k"]
    assert [(row.k, row.estimate.value) for row in votes] == [(2, 0.5)]
    assert findings.agreements[0].disagreements == (Disagreement("p0", 1, "incorrect", "correct", None, "7"),)
    assert findings.comparisons == ()


def test_reliability_by_hand():
    rows = {(row.measure, row.k): row.estimate for row in reliability(tally("m", [1, 4], 4), ks=[2])}
    # c=1 and c=4 of n=4, k=2: pass 1/2 and 1; both right 0 and 1; at least one of two (tau .5) as pass.
    assert rows["avg@n", 4].value == pytest.approx(0.625)
    assert rows["pass@k", 2].value == pytest.approx(0.75)
    assert rows["pass^k", 2].value == pytest.approx(0.5)
    assert rows["G-Pass@k_0.5", 2].value == pytest.approx(0.75)
    assert {measure for measure, _ in rows} == set(MEASURES) - {"maj@k"}
    pass_at_two = rows["pass@k", 2]
    # Values 1/2 and 1: sd .35355, / sqrt 2 = .25; t(.975, 1) = 12.7: cut off at 0 and 1.
    assert pass_at_two.standard_error == pytest.approx(0.25)
    assert (pass_at_two.lower, pass_at_two.upper) == (0.0, 1.0)
    assert (pass_at_two.target, pass_at_two.problems, pass_at_two.n) == ("population", 2, (4, 4))
    assert rows["G-Pass@k_0.5", 2].name == "G-Pass@2_0.5"


def test_one_problem_has_no_error_over_problems():
    estimate = reliability(tally("m", [1], 2))[0].estimate
    assert (estimate.standard_error, estimate.lower, estimate.confidence) == (None, None, None)
    assert str(estimate) == "avg@2 = 0.5"


def test_reliability_shows_a_few_ks_up_to_n():
    assert default_ks(128) == [4, 16, 64, 128]
    assert default_ks(16) == [4, 16]
    assert default_ks(2) == [2]
    assert default_ks(1) == []
    assert [row.measure for row in reliability(tally("m", [1, 0], 1))] == ["avg@n"]


def test_votes_must_add_up_to_the_scored_samples():
    votes = answers_by_problem([("p0", "1", True, 3)])
    with pytest.raises(InputError, match="p0 has 4 scored samples but 3 answers"):
        reliability(tally("m", [3], 4), answers=votes)


def test_a_k_beyond_n_is_refused():
    with pytest.raises(InputError, match="k=8 needs 8"):
        reliability(tally("m", [3], 4), ks=[8])


# -- warnings --------------------------------------------------------------------------------------------------------


def warnings_of(base: Tally, rl: Tally) -> str:
    return " | ".join(compare(base, rl, BandSettings(draws=1000)).warnings)


def test_a_pair_without_trouble_warns_of_nothing():
    base, rl = made_pair(400, 8)
    assert compare(base, rl, BandSettings(draws=1000)).warnings == ()


def test_too_few_discordant_problems_are_announced():
    said = warnings_of(tally("base", [9] * 19 + [2] * 4 + [0] * 7, 16), tally("rl", [12] * 19 + [0] * 11, 16))
    assert "4 problems solved by one model only; the exact test needs at least 6 to reach p < 0.05" in said


def test_where_outcomes_ended_the_sampling_no_warning_points_to_a_test_that_does_not_allow_for_it():
    pair = tally("base", [9] * 19 + [2] * 4 + [0] * 7, 16), tally("rl", [12] * 19 + [0] * 11, 16)
    fixed = " | ".join(compare(*pair, settings=BandSettings(draws=1000)).warnings)
    decided = " | ".join(compare(*pair, settings=BandSettings(draws=1000), stopped_by_outcomes=True).warnings)
    assert "exact test" in fixed
    assert "exact test" not in decided
    assert "rely on the e-value" in decided


def test_a_count_below_the_noise_floor_is_announced():
    # 20 problems with 1 success in 8 + 8: either model alone solves them by luck, 10 expected each.
    base, rl = tally("base", [1] * 14 + [0] * 6 + [8] * 20, 8), tally("rl", [0] * 14 + [1] * 6 + [8] * 20, 8)
    assert "6 problems solved by rl only are no more than luck makes on average (10.0 if" in warnings_of(base, rl)


def test_unscored_samples_and_unequal_n_are_announced():
    base = tally("base", [4] * 30, 8)
    rl = tally("rl", [2] * 30, [8] * 29 + [6], unscored=[0] * 29 + [2])
    said = warnings_of(base, rl)
    assert "rl: 2 of 240 samples are unscored" in said
    assert "rl: 1 of 30 problems have fewer scored samples than the others' 8; curves end at k=6" in said
    assert "base has n=8 and rl has n=6-8: compared up to k=6" in said


def test_ks_that_few_problems_carry_are_announced():
    base, rl = tally("base", [4] * 29 + [8], 8), tally("rl", [4] * 29 + [0], 8)
    assert "k=1-8: fewer than 15 problems carry the difference" in warnings_of(base, rl)


@pytest.mark.parametrize(
    ("better", "said"),
    [
        # 6 of 40 problems: (1 - 3pq)/pq = 4.84 with p = .15, so 40/4.84 = 8.3 carry it. 8 of 40: 40/3.25 = 12.3.
        # Beyond k = 4 the base solves all: 4 of 8 samples are wrong.
        (6, "widened for that, it establishes nothing at them; rely on"),
        (8, "widened for that, it still establishes k=1-4; rely on"),
    ],
)
def test_a_gain_that_few_problems_carry_is_judged_again_with_a_wider_band(better: int, said: str):
    base, rl = tally("base", [4] * 40, 8), tally("rl", [8] * better + [4] * (40 - better), 8)
    assert curve_difference(base, rl, BandSettings(draws=2000)).gain
    assert said in warnings_of(base, rl)


def test_strata_clusters_and_the_monte_carlo_error_reach_the_band():
    base, rl = made_pair()
    plain = curve_difference(base, rl, BandSettings(draws=1000))
    twice = curve_difference(base, rl, BandSettings(draws=1000), Design(clusters=np.arange(60) // 2))
    assert twice.band.mean == pytest.approx(plain.band.mean)
    assert twice.band.standard_error[0] != plain.band.standard_error[0]
    fixed = curve_difference(
        base, rl, BandSettings(draws=1000, monte_carlo_error=0.1), Design(strata=np.arange(60) % 3)
    )
    assert fixed.band.draws > 1000
    low, high = fixed.band.critical_value_monte_carlo
    assert high - low <= 0.1


def test_ks_without_any_difference_are_announced():
    assert "k=1-4: the difference is the same on every problem" in warnings_of(
        tally("b", [2, 4], 4), tally("r", [2, 4], 4)
    )


def test_one_problem_alone_is_announced():
    assert "one problem only" in warnings_of(tally("b", [2], 4), tally("r", [3], 4))


def test_several_pairs_name_themselves_in_the_warnings_of_a_run():
    one, same, other = tally("base", [2, 4], 4), tally("rl1", [2, 4], 4), tally("rl2", [4, 2], 4)
    warnings = find([ModelData(one), ModelData(same), ModelData(other)], BandSettings(draws=1000)).warnings
    assert any(w.startswith("rl1 against base: k=1-4") for w in warnings)
    assert all("\n" not in w for w in warnings)


# -- JSON ------------------------------------------------------------------------------------------------------------


def test_the_json_of_a_comparison_has_the_promised_keys():
    base, rl = made_pair()
    findings = find([ModelData(base), ModelData(rl)], BandSettings(draws=1000))
    found = comparison_json(findings.comparisons[0], *findings.curves)
    shape = {key: sorted(value) if isinstance(value, dict) else type(value).__name__ for key, value in found.items()}
    assert shape == {
        "problems": "int",
        "n": ["base", "rl"],
        "curves": ["base", "k", "rl"],
        "difference": ["confidence", "critical_value", "draws", "lower", "mean", "upper"],
        "gain": "list",
        "loss": "list",
        "first_loss_set": "list",
        "first_loss_monte_carlo": ["last_high", "last_low"],
        "solvable": ["base_only", "both", "k", "mcnemar_p", "neither", "noise_floor", "rl_only"],
        "gained": ["at_least", "expected", "only", "p", "p_adjusted", "problems"],
        "lost": ["at_least", "expected", "only", "p", "p_adjusted", "problems"],
        "fragility": ["influence", "largest_t", "readings", "tipping"],
        "delta_se": ["k", "lower", "upper", "value"],
        "warnings": "list",
    }
    assert found["n"] == {"base": [16, 16], "rl": [16, 16]}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_curves_of_unequal_length_end_together_in_the_json():
    base, rl = tally("base", [3, 1, 0], 8), tally("rl", [2, 2, 1], 4)
    findings = find([ModelData(base), ModelData(rl)], BandSettings(draws=1000))
    found = comparison_json(findings.comparisons[0], *findings.curves)
    assert {len(found["curves"][key]) for key in ("k", "base", "rl")} == {4}
    assert found["n"] == {"base": [8, 8], "rl": [4, 4]}


def test_findings_are_json_with_null_for_what_does_not_exist():
    base, rl = made_pair()
    recorded = findings_json(find([ModelData(base), ModelData(rl)], BandSettings(draws=1000)))
    assert json.loads(json.dumps(recorded, allow_nan=False)) == recorded
    errors = recorded["curves"][0]["se_benchmark"]
    assert None not in errors[:8]
    assert errors[8:] == [None] * 8  # 2k > n


def test_plain_values_keep_their_kind():
    value = {"a": (np.int64(3), np.float64("nan"), None, True), "b": np.array([[1.5, np.inf]])}
    assert plain(value) == {"a": [3, None, None, True], "b": [[1.5, None]]}


# -- the published comparison ----------------------------------------------------------------------------------------


def deepscaler(model: str) -> Tally:
    lines = (DEEPSCALER / f"{model}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return tally(model, [row["c"] for row in rows], [row["n"] for row in rows], ids=[row["id"] for row in rows])


@pytest.fixture(scope="module")
def published() -> Comparison:
    return compare(deepscaler("base"), deepscaler("rl"))


@needs_deepscaler
def test_the_published_curves_are_met_to_every_printed_digit(published: Comparison):
    expected = json.loads((DEEPSCALER / "expected.json").read_text(encoding="utf-8"))
    for model in ("base", "rl"):
        curve = model_curve(deepscaler(model), BandSettings(draws=1000))
        assert curve.pass_at_k == pytest.approx(np.array(expected[f"{model}_pass_at_k"]), abs=1e-12)
        shown = [f"{curve.pass_at_k[k - 1]:.5f}" for k in (1, 8, 16, 32, 64, 128)]
        assert (
            shown
            == {
                "base": ["0.60411", "0.78953", "0.82149", "0.84721", "0.87035", "0.89057"],
                "rl": ["0.68006", "0.80402", "0.82528", "0.84274", "0.85736", "0.87075"],
            }[model]
        )
    assert published.difference.band.mean == pytest.approx(np.array(expected["mean"]), abs=1e-12)
    assert published.difference.band.standard_error == pytest.approx(np.array(expected["se"]), abs=1e-12)


@needs_deepscaler
def test_the_published_band_and_first_loss_set_are_met(published: Comparison):
    difference = published.difference
    assert difference.band.critical_value == pytest.approx(2.557, abs=0.02)
    low, high = difference.band.critical_value_monte_carlo
    assert low < difference.band.critical_value < high < low + 0.03
    last = [f"{values[127]:.4f}" for values in (difference.band.mean, difference.band.lower, difference.band.upper)]
    assert last == ["-0.0198", "-0.0359", "-0.0037"]
    assert difference.gain == tuple(range(1, 11))
    assert difference.loss == tuple(range(difference.loss[0], 129))
    assert abs(difference.loss[0] - 61) <= 2
    assert difference.first_loss_set == (11, difference.loss[0])
    assert difference.first_loss_monte_carlo[0] in (60, 61)
    assert difference.first_loss_monte_carlo[1] in (61, 62, 63)
    assert difference.point_crossing == 22
    assert difference.few_problems == ()


@needs_deepscaler
def test_the_upper_end_of_the_first_loss_set_moves_with_few_draws_as_published():
    base, rl = deepscaler("base"), deepscaler("rl")
    ends = [curve_difference(base, rl, BandSettings(draws=4000, seed=seed)).first_loss_set for seed in range(40)]
    assert {first for first, _ in ends} == {11}
    # Published: 60 to 63 over 40 seeds. The critical value is 2.554 with a standard error of .025 at 4000 draws; 59
    # needs one below 2.497, which 2 of 200 other seeds gave, so it is allowed too.
    assert {last for _, last in ends} <= {59, 60, 61, 62, 63}
    assert len({last for _, last in ends}) > 1


@needs_deepscaler
def test_the_published_four_way_table_is_met(published: Comparison):
    table = published.solvable
    assert (table.both, table.base_only, table.rl_only, table.neither) == (911, 33, 12, 104)
    assert round(table.mcnemar_p, 4) == 0.0025
    assert table.never_solved_bound_base == pytest.approx(2.3e-2, abs=5e-4)
    # Sum over problems of C(256-c,128)/C(256,128) - [c = 0] with c pooled: luck alone makes more than rl's 12.
    assert table.noise_floor == pytest.approx(16.13, abs=0.005)


@needs_deepscaler
def test_the_two_standard_errors_of_the_difference_stand_in_the_published_ratio(published: Comparison):
    base, rl = paired(deepscaler("base"), deepscaler("rl"))
    variance = failure_variance(base.correct, base.n) + failure_variance(rl.correct, rl.n)
    benchmark = np.sqrt(variance.sum(axis=0)) / base.problems
    ratio = benchmark / published.difference.band.standard_error
    assert [round(ratio[k - 1], 2) for k in (1, 8, 32, 64)] == [0.25, 0.40, 0.60, 0.73]


# -- several models, and curves without error --------------------------------------------------------------------------


def test_a_curve_that_every_problem_has_solved_is_not_known_without_error():
    # 100 problems, all solved in every sample: pass@k = 1, and the exact interval begins at .025^(1/100) = .9638.
    curve = model_curve(tally("m", [8] * 100, 8), BandSettings(draws=500))
    assert curve.lower == pytest.approx(np.full(8, 0.025**0.01))
    assert (curve.upper == 1).all()
    none = model_curve(tally("m", [0] * 100, 8), BandSettings(draws=500))
    assert none.upper == pytest.approx(np.full(8, 1 - 0.025**0.01))
    # From k = 5 on all are solved: before, the band; from there on, the exact end.
    mixed = model_curve(tally("m", [4] * 50 + [8] * 50, 8), BandSettings(draws=500))
    assert mixed.pass_at_k[4] == 1
    assert mixed.lower[4:] == pytest.approx(np.full(4, 0.025**0.01))
    assert mixed.lower[0] < 0.75 < mixed.upper[0] < 1


def test_what_is_solved_by_all_is_held_in_simulation():
    # Two problems in a hundred are hopeless: by chance a study of 100 sees none of them in .13 of cases.
    rng = np.random.default_rng(9)
    held = 0
    for _ in range(300):
        correct = np.where(rng.random(100) < 0.02, 0, 8).tolist()
        curve = model_curve(tally("m", correct, 8), BandSettings(draws=200))
        held += bool(curve.lower[0] <= 0.98 <= curve.upper[0])
    assert held >= 275


def test_clusters_of_one_size_leave_as_many_problems_as_clusters():
    curve = model_curve(tally("m", [8] * 100, 8), BandSettings(draws=200), Design(clusters=np.repeat(np.arange(50), 2)))
    assert curve.lower[0] == pytest.approx(0.025 ** (1 / 50))


def test_p_values_and_gaps_of_several_models_allow_for_all_of_them():
    base = tally("base", [0] * 14 + [4] * 26, 8)
    better = tally("better", [4] * 7 + [0] * 7 + [4] * 26, 8)
    same = tally("same", [0] * 14 + [4] * 26, 8)
    third = tally("third", [4] * 6 + [0] * 8 + [4] * 26, 8)
    found = find([ModelData(each) for each in (base, better, same, third)], BandSettings(draws=500))
    tables = [each.solvable for each in found.comparisons]
    # McNemar 7-0: 2/128; 6-0: 2/64; none: 1. Holm over three: 3 * 2/128 and 2 * 2/64.
    assert [table.mcnemar_p for table in tables] == pytest.approx([2 / 128, 1.0, 2 / 64])
    assert [table.test_p for table in tables] == pytest.approx([6 / 128, 1.0, 4 / 64])
    assert {table.corrected_over for table in tables} == {3}
    alone = sampling_gap(base, better)
    together = found.comparisons[0].sampling_gap
    assert (together.corrected_over, together.confidence, together.value) == (3, 0.95, alone.value)
    assert together.upper - together.lower > alone.upper - alone.lower
    # One model: nothing to correct.
    (one,) = find([ModelData(each) for each in (base, better)], BandSettings(draws=500)).comparisons
    assert (one.solvable.mcnemar_p_adjusted, one.solvable.test_p) == (None, one.solvable.mcnemar_p)
