"""Equal tokens instead of equal samples: what a budget affords, between whole ks, and what unknown mean costs add."""

import numpy as np
import pytest

from move37.analyses.curves import curve_difference
from move37.analyses.token_budget import GRID, TokenBudget, token_budget
from move37.counts import Tally
from move37.errors import InputError
from move37.estimates.settings import BandSettings
from move37.report.words.claim import texts
from move37.report.words.findings import budget_sentences

Tokens = dict[str, float]


def tally(model: str, correct: list[int] | np.ndarray, n: int) -> Tally:
    counts = np.array(correct, dtype=np.int64)
    none = np.zeros_like(counts)
    return Tally(model, tuple(f"p{i}" for i in range(len(counts))), counts, n - counts, none, none)


def pair(problems: int = 60, n: int = 16) -> tuple[Tally, Tally]:
    rng = np.random.default_rng(4)
    p = rng.beta(0.6, 0.9, problems)
    return tally("base", rng.binomial(n, p), n), tally("rl", rng.binomial(n, p**0.6), n)


def same(tokens: float, problems: int = 60) -> Tokens:
    return {f"p{i}": tokens for i in range(problems)}


def test_equal_costs_give_the_comparison_at_equal_samples():
    base, rl = pair()
    by_k = curve_difference(base, rl, BandSettings(draws=2000))
    by_tokens = token_budget(
        base, rl, same(100), same(100), settings=BandSettings(draws=2000), budgets=[100.0 * k for k in range(1, 17)]
    )
    assert by_tokens.k_rl.tolist() == pytest.approx(list(range(1, 17)))
    assert by_tokens.band.mean == pytest.approx(by_k.band.mean)
    assert by_tokens.band.lower == pytest.approx(by_k.band.lower, abs=1e-6)
    assert by_tokens.gain == tuple(100.0 * k for k in by_k.gain)


def test_a_model_with_answers_twice_as_long_gets_half_the_samples():
    base, rl = pair()
    result = token_budget(
        base, rl, same(100), same(200), settings=BandSettings(draws=500), budgets=[200.0, 400.0, 1600.0]
    )
    assert result.k_base.tolist() == pytest.approx([2, 4, 16])
    assert result.k_rl.tolist() == pytest.approx([1, 2, 8])


def test_between_whole_ks_pass_at_k_is_on_the_straight_line():
    # 2 samples, 1 right: pass@1 = .5, pass@2 = 1. k = 1.5: .75. Half a sample: .25.
    base, rl = tally("base", [1, 1], 2), tally("rl", [0, 0], 2)
    result = token_budget(base, rl, same(10, 2), same(5, 2), settings=BandSettings(draws=500), budgets=[5.0, 10.0])
    assert result.base_pass.tolist() == pytest.approx([0.25, 0.5])
    result = token_budget(base, rl, same(10, 2), same(10, 2), settings=BandSettings(draws=500), budgets=[15.0, 20.0])
    assert result.base_pass.tolist() == pytest.approx([0.75, 1.0])


def test_per_problem_budgets_give_short_problems_more_samples():
    # 60 tokens: 2 samples at 30 tokens (1 of 4 right: 1/2), 4 at 15 (2 of 4 right: all four hold one).
    base, rl = tally("base", [1, 2], 4), tally("rl", [4, 4], 4)
    costs = {"p0": 30.0, "p1": 15.0}
    result = token_budget(base, rl, costs, costs, settings=BandSettings(draws=500), budgets=[60.0], per_problem=True)
    assert result.base_pass[0] == pytest.approx((0.5 + 1.0) / 2)
    assert result.k_base[0] == pytest.approx(3)


def test_the_error_of_the_mean_cost_is_part_of_the_standard_error():
    # The jackknife, which recomputes everything without one problem at a time, needs no linearisation.
    base, rl = pair(problems=120)
    rng = np.random.default_rng(9)
    costs = [dict(zip(base.problem_ids, rng.lognormal(5, 0.8, 120).tolist(), strict=True)) for _ in range(2)]
    budget = 6.4 * float(np.mean(list(costs[0].values())))

    def compared(keep: np.ndarray) -> TokenBudget:
        chosen = base.select(keep), rl.select(keep)
        return token_budget(*chosen, costs[0], costs[1], settings=BandSettings(draws=500), budgets=[budget])

    without = [compared(np.delete(np.arange(120), i)).band.mean[0] for i in range(120)]
    jackknife = np.sqrt(119 / 120 * np.sum((np.array(without) - np.mean(without)) ** 2))
    everything = compared(np.arange(120))
    assert everything.band.standard_error[0] == pytest.approx(jackknife, rel=0.03)
    assert everything.band.mean[0] == pytest.approx(everything.rl_pass[0] - everything.base_pass[0])


def test_the_grid_runs_from_one_sample_of_the_costlier_to_all_that_both_afford():
    base, rl = pair()
    result = token_budget(base, rl, same(100), same(250), settings=BandSettings(draws=500))
    assert len(result.tokens) == GRID
    assert result.tokens[0] == pytest.approx(250)
    assert result.tokens[-1] == pytest.approx(1600)


def test_a_crossing_at_equal_tokens_lies_between_the_last_gain_and_the_first_loss():
    # RL: always right on 70 problems, never on 30; base: 8 of 16 everywhere, so all are solved in a few samples.
    base, rl = tally("base", [8] * 100, 16), tally("rl", [16] * 70 + [0] * 30, 16)
    result = token_budget(base, rl, same(10, 100), same(10, 100), settings=BandSettings(draws=2000))
    assert result.crossing is not None
    assert result.point_crossing is not None
    assert result.gain[-1] == result.crossing[0] < result.point_crossing < result.crossing[1] == result.loss[0]
    # Base's curve is .5 at k=1 and 23/30 at k=2, so the line passes .7 at k = 1 + .2/(8/30) = 1.75: about 17.5 tokens.
    assert result.point_crossing == pytest.approx(17.5, abs=0.3)
    said = texts(budget_sentences(result))
    assert said[0] == "A sample takes 10 generated tokens from base and 10 from rl."
    assert "rl is better with 10 to" in said[1]


def test_where_nothing_is_established_it_is_said():
    base = tally("base", [3, 5, 4, 2], 8)
    rl = tally("rl", [4, 4, 3, 3], 8)
    found = token_budget(base, rl, same(9, 4), same(9, 4), settings=BandSettings(draws=500))
    assert "no difference is established" in texts(budget_sentences(found))[1]


@pytest.mark.parametrize(
    ("base_tokens", "budgets", "message"),
    [
        (same(10, 59), None, r"base: no token counts for 1 problem \(p59\)"),
        (same(0), None, "mean tokens per sample must be above 0"),
        (same(float("nan")), None, "mean tokens per sample must be above 0"),
        (same(10), [20.0, 10.0], "must be positive and rise"),
        (same(10), [10.0, 200.0], "needs more samples than there are; the largest is 160"),
        (same(1), None, "no common token budget"),
    ],
)
def test_costs_and_budgets_that_cannot_be_are_refused(base_tokens: Tokens, budgets: list[float] | None, message: str):
    base, rl = pair()
    with pytest.raises(InputError, match=message) as error:
        token_budget(base, rl, base_tokens, same(20), budgets=budgets)
    assert "\n" not in str(error.value)
