"""Beyond the samples at hand: estimates with ranges up to 2n, refusals with bounds after it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from move37.analyses.extrapolation import (
    DifferenceAtK,
    Refusal,
    difference_at_k,
    expected_table,
    extrapolate_model,
    extrapolate_pair,
    pass_at_k_continued,
)
from move37.analyses.serialise import plain
from move37.counts import StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.estimates.extrapolation import DEFAULT_METHOD, METHODS
from move37.estimates.pass_at_k import pass_at_k
from move37.report.words.extrapolation import pair_sentence

DEEPSCALER = Path(__file__).parents[2] / "shared" / "data" / "counts" / "deepscaler32k"
needs_deepscaler = pytest.mark.skipif(
    not DEEPSCALER.exists(), reason="the DeepScaleR counts are not beside the project (../shared)"
)


def tally(model: str, correct: list[int] | np.ndarray, n: int, ids: list[str] | None = None) -> Tally:
    counts = np.array(correct, dtype=np.int64)
    none = np.zeros_like(counts)
    return Tally(model, tuple(ids or [f"p{i}" for i in range(len(counts))]), counts, n - counts, none, none)


def two_strategies(problems: int, n: int, seed: int) -> tuple[Tally, Tally]:
    """Base solves half of the problems with p = .5 and the others with .02; RL with .9, and a fifth of them never."""
    rng = np.random.default_rng(seed)
    easy = np.arange(problems) % 2 == 0
    lost = np.arange(problems) % 10 == 1
    base = tally("base", rng.binomial(n, np.where(easy, 0.5, 0.02)), n)
    return base, tally("rl", rng.binomial(n, np.where(easy, 0.9, np.where(lost, 0.0, 0.02))), n)


def true_difference(k: int) -> float:
    """Of `two_strategies`: (.5^k - .1^k) / 2 gained on the easy half, (1 - .98^k) / 10 lost on the tenth."""
    return (0.5**k - 0.1**k) / 2 - (1 - 0.98**k) / 10


@pytest.fixture(scope="module")
def pair() -> tuple[Tally, Tally]:
    return two_strategies(400, 16, seed=5)


# -- one model --------------------------------------------------------------------------------------------------------


def test_a_model_is_shown_from_n_to_2n_with_every_method_beside_the_default(pair: tuple[Tally, Tally]):
    base = pair[0]
    found = extrapolate_model(base, draws=10)
    assert (found.n, found.k.tolist()) == (16, [16, 20, 24, 32])
    assert found.pass_at_k[0] == pytest.approx((base.correct > 0).mean(), abs=1e-12)
    assert (np.diff(found.pass_at_k) >= 0).all()
    assert [row.method for row in found.methods] == list(METHODS)
    assert [row.method for row in found.methods if row.is_default] == [DEFAULT_METHOD] == [found.method]
    assert {row.estimate.name for row in found.methods} == {"pass@32"}
    # The truth at k = 32: (1 - .5^32) / 2 + (1 - .98^32) / 2 = .738
    assert found.lower[-1] < 0.738 < found.upper[-1]
    assert found.lower[-1] < found.pass_at_k[-1] < found.upper[-1]


def test_a_model_counts_its_never_solved_problems_and_bounds_the_solvable_ones(pair: tuple[Tally, Tally]):
    found = extrapolate_model(pair[0], draws=5)
    assert found.never_solved == (pair[0].correct == 0).sum()
    assert found.unseen is not None
    assert 0 < found.unseen.lower < found.unseen.at_least <= found.never_solved
    assert found.unseen_refused == ""


def test_a_plan_that_stops_too_early_for_chaos_bound_says_so():
    trials = np.array([3, 16, 16, 5] * 10, dtype=np.int64)
    successes = np.array([1, 0, 0, 1] * 10, dtype=np.int64)
    none = np.zeros_like(trials)
    ids = tuple(f"p{i}" for i in range(len(trials)))
    counts = StoppedTally("m", ids, successes, trials, trials - 1, none, none, none, StoppingPlan.until(1, 16))
    found = extrapolate_model(counts, draws=5)
    assert found.unseen is None
    assert "stops at fewer than 3" in found.unseen_refused
    assert found.n == 16


def test_a_curve_is_unbiased_up_to_n_and_continued_beyond():
    counts = tally("m", [0, 1, 3, 8], 8)
    curve = pass_at_k_continued(counts, np.array([1, 8, 16]))
    assert curve[:2] == pytest.approx(pass_at_k(counts.correct, counts.n).mean(axis=0)[[0, 7]], abs=1e-12)
    assert curve[2] > curve[1]


# -- a pair -----------------------------------------------------------------------------------------------------------


def test_a_pair_is_estimated_up_to_2n_and_refused_at_4n_and_8n(pair: tuple[Tally, Tally]):
    found = extrapolate_pair(*pair)
    assert [each.k for each in found.differences] == [16, 20, 24, 32]
    assert [each.extrapolated for each in found.differences] == [False, True, True, True]
    assert found.refused_beyond == 32
    assert [each.k for each in found.refusals] == [64, 128]
    for each in found.differences:
        assert each.lower < each.value < each.upper
        assert each.lower < true_difference(each.k) < each.upper
    for each in found.refusals:
        assert each.lower_alone < each.lower < true_difference(each.k) < each.upper < each.upper_alone


def test_the_table_to_expect_at_2n_is_that_of_the_strategies(pair: tuple[Tally, Tally]):
    # 400 problems, k = 32, u = .98^32 = .5239. Easy half: both 200. Hard 160: both (1-u)^2, one only u (1-u) = .2494
    # each way, neither u^2. Lost 40: base only 1-u. Expected: both 236.3, base only 58.9, RL only 39.9, neither 64.9.
    # p of the hard problems is known to +-.0015 from 360 x 16 samples, so u to +-.024: 15 problems are four of it.
    table = extrapolate_pair(*pair).table
    assert table.k == 32
    assert table.both == pytest.approx(236.3, abs=20)
    assert table.base_only == pytest.approx(58.9, abs=20)
    assert table.rl_only == pytest.approx(39.9, abs=20)
    assert table.neither == pytest.approx(64.9, abs=20)
    assert table.both + table.base_only + table.rl_only + table.neither == pytest.approx(400, abs=1e-6)


def test_a_model_against_itself_expects_no_more_discordance_than_the_noise_floor():
    # The same counts twice: jointly p is the same for both, so one-sided solves are those of luck.
    base = tally("m", [0] * 10 + [2] * 10 + [4] * 10, 4)
    table = expected_table(base, base, 8)
    assert table.rl_only == pytest.approx(table.base_only, abs=1e-3)
    assert table.rl_only == pytest.approx(table.noise_floor, abs=0.3)


def test_no_table_is_expected_beyond_2n(pair: tuple[Tally, Tally]):
    with pytest.raises(InputError, match="k = 33: a table can be expected for k from 1 to 32, twice the samples"):
        expected_table(*pair, 33)


def test_what_is_refused_is_open_in_both_directions_problem_by_problem(pair: tuple[Tally, Tally]):
    for each in extrapolate_pair(*pair).refusals:
        assert each.lower_alone < 0 < each.upper_alone


def test_a_claim_beyond_2n_is_refused_with_the_reason_and_what_would_help(pair: tuple[Tally, Tally]):
    allowed, refused = difference_at_k(*pair, 32), difference_at_k(*pair, 33)
    assert isinstance(allowed, DifferenceAtK)
    assert isinstance(refused, Refusal)
    assert refused.reason == (
        "k = 33 is more than 2 times the 16 samples at hand: which model is above there hangs on problems that neither "
        "has solved yet; sample at least 17 per problem to say anything about it"
    )
    assert refused.lower < true_difference(33) < refused.upper


def test_the_sign_of_a_difference_is_that_of_a_range_without_zero():
    def at(lower: float, upper: float) -> int:
        return DifferenceAtK(32, (lower + upper) / 2, lower, upper, 0.95, extrapolated=True).sign

    assert (at(0.1, 0.2), at(-0.2, -0.1), at(-0.1, 0.2)) == (1, -1, 0)


def test_a_model_compared_with_itself_differs_by_nothing(pair: tuple[Tally, Tally]):
    found = extrapolate_pair(pair[0], pair[0])
    for each in found.differences:
        assert each.value == 0
        assert each.sign == 0
        assert each.lower <= 0 <= each.upper


def test_problems_are_paired_by_id():
    base, rl = two_strategies(60, 8, seed=2)
    order = np.random.default_rng(0).permutation(60)
    shuffled = tally("rl", rl.correct[order], 8, ids=[rl.problem_ids[i] for i in order])
    straight, mixed = difference_at_k(base, rl, 16), difference_at_k(base, shuffled, 16)
    assert straight == mixed


def test_the_smaller_n_of_a_pair_decides_how_far_it_goes():
    base, rl = tally("base", [0, 3, 8, 32], 32), tally("rl", [0, 1, 2, 4], 4)
    found = extrapolate_pair(base, rl)
    assert (found.n, found.refused_beyond) == (4, 8)
    assert isinstance(difference_at_k(base, rl, 9), Refusal)


def test_the_words_say_what_is_established_and_what_is_refused(pair: tuple[Tally, Tally]):
    found = extrapolate_pair(*pair)
    below = DifferenceAtK(32, -0.05, -0.08, -0.02, 0.95, extrapolated=True)
    refusal = replace(found.refusals[0], lower=-0.1, upper=0.2)
    assert pair_sentence(replace(found, differences=(below,), refusals=(refusal,))).text == (
        "Continued from n = 16 to k = 32 (local power law), rl minus base is -0.050; the counts do not exclude -0.080 "
        "to -0.020 (95%, this k by itself, for problems like these): RL is below base there. Nothing is claimed beyond "
        "k = 32: at k = 64 anything from -0.100 to +0.200 agrees with the counts."
    )
    assert "which one is above is not established" in pair_sentence(extrapolate_pair(pair[0], pair[0])).text


def test_results_are_plain_values_in_json(pair: tuple[Tally, Tally]):
    record = json.loads(json.dumps(plain(extrapolate_pair(*pair))))
    assert record["refused_beyond"] == 32
    assert set(record["refusals"][0]) == {"k", "reason", "lower", "upper", "lower_alone", "upper_alone"}
    model = json.loads(json.dumps(plain(extrapolate_model(pair[0], draws=5))))
    assert model["methods"][0]["estimate"]["name"] == "pass@32"


@pytest.mark.slow
@needs_deepscaler
def test_the_real_pair_is_below_at_2n_and_open_at_4n():
    def read(model: str) -> Tally:
        rows = [json.loads(line) for line in (DEEPSCALER / f"{model}.jsonl").read_text(encoding="utf-8").splitlines()]
        return tally(model, [row["c"] for row in rows], 128, ids=[row["id"] for row in rows])

    found = extrapolate_pair(read("base"), read("rl"))
    assert found.differences[0].value == pytest.approx(-0.0198, abs=1e-4)  # the published D(128)
    assert found.differences[-1].sign == -1  # k = 256
    assert found.refusals[0].lower < 0 < found.refusals[0].upper  # k = 512


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_impossible_requests_are_refused():
    with pytest.raises(InputError, match="beyond n needs at least 2 scored samples"):
        extrapolate_pair(tally("base", [0, 1], 1), tally("rl", [0, 1], 1))
    with pytest.raises(InputError, match="beyond n needs at least 2 scored samples"):
        extrapolate_model(tally("base", [0, 1], 1))
    with pytest.raises(InputError, match="rl lacks 1 problem"):
        extrapolate_pair(tally("base", [0, 1], 4), tally("rl", [0], 4))
    with pytest.raises(InputError, match="k must be at least 1, not 0"):
        difference_at_k(tally("base", [0, 1], 4), tally("rl", [0, 1], 4), 0)
