"""The forecast of a study: rows per plan, what cannot be shown, budgets, and the sentences."""

import json
from pathlib import Path

import numpy as np
import pytest

from move37.analyses.curves import curve_difference
from move37.analyses.planning import REFERENCE, Forecast, PlanRow, forecast
from move37.analyses.serialise import plain
from move37.counts import StoppingPlan, Tally
from move37.errors import InputError
from move37.estimates.npmle import fit_joint_mixture
from move37.estimates.planning import AssumedPair, MeanTokens
from move37.estimates.settings import BandSettings
from move37.importers.counts import load_counts
from move37.report.words.claim import texts
from move37.report.words.forecast import forecast_sentences

DEEPSCALER = Path(__file__).parents[2] / "shared" / "data" / "counts" / "deepscaler32k"
TOKENS = (MeanTokens(1000, 3000), MeanTokens(800, 3000))


def law(*kinds: tuple[float, float, float]) -> AssumedPair:
    return AssumedPair(*(np.array(column) for column in zip(*kinds, strict=True)))


def own(plan: Forecast) -> PlanRow:
    (row,) = (row for row in plan.rows if row.own)
    return row


def test_one_row_per_plan_the_fixed_n_first_and_the_studys_own_among_them() -> None:
    plan = forecast(100, StoppingPlan.until(8, 64, batch=16))
    assert [row.plan for row in plan.rows] == [
        "64 samples of every problem",
        *[f"stop at {r} correct or at 64 samples, looking every 16" for r in (1, 2, 4, 8, 16)],
    ]
    assert own(plan) is plan.rows[4]
    shares = [row.share_of_samples for row in plan.rows]
    assert shares[0] == 1
    assert shares[1:] == sorted(shares[1:])


def test_a_plan_of_its_own_kind_is_one_more_row() -> None:
    plan = forecast(100, StoppingPlan((16, 64), 4), tokens=TOKENS, token_budget=1e7)
    assert len(plan.rows) == 7
    assert own(plan).plan == "stop at 4 correct or at 64 samples, looking at 16, 64"
    assert own(plan).n_max_in_budget is None
    assert all(row.n_max_in_budget for row in plan.rows[:-1])


def test_costs_are_over_all_problems_and_models() -> None:
    # p = 1 for base and 1/2 for RL, fixed n = 4: 10 problems x 4 samples of 3 models.
    plan = forecast(10, StoppingPlan((4,), 1), law((1.0, 0.5, 1.0)), TOKENS, rl_models=2)
    row = own(plan)
    assert row.samples == pytest.approx(120)
    # 40 base samples of 1,000 tokens; 80 RL samples, half of 800 and half of 3,000.
    assert row.tokens == pytest.approx(40 * 1000 + 40 * 800 + 40 * 3000)
    assert forecast(10, StoppingPlan((4,), 1), law((1.0, 0.5, 1.0))).rows[0].tokens is None


def test_aime24_says_that_it_cannot_show_a_difference() -> None:
    # 4 of 30 problems by base only, 26 alike: all discordant problems on one side, and still nothing to find.
    plan = forecast(30, StoppingPlan((256,), 1), law((1.0, 0.0, 4 / 30), (1.0, 1.0, 19 / 30), (0.0, 0.0, 7 / 30)))
    assert plan.discordant == pytest.approx(4 / 30)
    assert plan.expected_difference == pytest.approx(-4 / 30)
    assert plan.detectable is None
    text = " ".join(texts(forecast_sentences(plan)))
    assert "no difference can be found with a chance of 80%, not even if all of them went one way" in text
    assert "a difference below 6/30 = 0.200 of problems solved at k=256" in text
    assert "The smallest significant splits are 6-0, 8-1, 10-2, 12-3; 4-0 has p = 0.125." in text


def test_five_problems_show_nothing_at_all() -> None:
    sentence = texts(forecast_sentences(forecast(5, StoppingPlan.until(8, 16))))[-1]
    assert sentence == (
        "5 problems cannot show any difference at k=16: 6 must be solved by one model only, and even 5-0 has "
        "p = 0.0625."
    )


def test_the_price_of_a_difference_is_printed() -> None:
    # A share of .04 discordant, .02 more on one side: 785 problems.
    plan = forecast(500, StoppingPlan((8,), 1), law((1.0, 0.0, 0.03), (0.0, 1.0, 0.01), (1.0, 1.0, 0.96)))
    assert dict(plan.problems_for) == {0.01: 3140, 0.02: 785}
    assert "Problems needed for a difference of 0.01: 3,140, 0.02: 785." in texts(forecast_sentences(plan))
    assert plan.rows[0].errors.difference_population[-1] == pytest.approx(((0.04 - 0.02**2) / 500) ** 0.5)


def test_a_budget_names_the_n_max_of_the_fixed_and_the_stopping_plans() -> None:
    # One token each, p = 1/2 for both, 10 problems: 10 tokens per problem, 5 per model. Fixed: 5. Until 8: 5.
    half = law((0.5, 0.5, 1.0))
    one = (MeanTokens(1, 1), MeanTokens(1, 1))
    plan = forecast(10, StoppingPlan.until(8, 64), half, one, token_budget=100)
    assert {row.stop_at: row.n_max_in_budget for row in plan.rows} == {None: 5, 1: 16_384, 2: 16_384, 4: 5, 8: 5, 16: 5}
    sentence = next(text for text in texts(forecast_sentences(plan)) if "expected to pay for" in text)
    assert sentence.startswith(
        '100 tokens are expected to pay for n_max = 5 in place of 64 for "64 samples of every problem"; n_max = 5 in '
        'place of 64 for "stop at 8 correct or at 64 samples, looking every 1". Set it before sampling'
    )
    poor = forecast(10, StoppingPlan.until(8, 64), half, one, token_budget=10)
    assert "10 tokens do not pay for one sample of every problem and model." in texts(forecast_sentences(poor))


def test_what_is_assumed_is_said_first() -> None:
    assert texts(forecast_sentences(forecast(50, StoppingPlan.until(8, 64))))[0].startswith(
        f"Assumed: {REFERENCE}; pass@64 0.8"
    )
    pilot = forecast(50, StoppingPlan((4,), 1), law((0.5, 0.5, 1.0)), assumed="the pilot in runs/pilot (100 problems)")
    assert texts(forecast_sentences(pilot))[0].startswith(
        "Assumed: the pilot in runs/pilot (100 problems); pass@4 0.938 (base)"
    )


def test_a_pilot_with_fewer_samples_than_the_study_says_so() -> None:
    half = law((0.5, 0.5, 1.0))
    sentences = tuple(
        texts(forecast_sentences(forecast(50, StoppingPlan((64,), 1), half, assumed="a pilot", pilot_n=16)))
    )
    assert sentences[1] == (
        "The pilot has 16 samples per problem and the study up to 64: what is said of larger k rests on problems that "
        "the pilot never saw solved."
    )
    assert len(texts(forecast_sentences(forecast(50, StoppingPlan((64,), 1), half, pilot_n=64)))) == len(sentences) - 1


@pytest.mark.skipif(not DEEPSCALER.exists(), reason="the DeepScaleR counts are not beside the project (../shared)")
def test_the_forecast_from_published_counts_is_what_a_replay_and_the_data_show() -> None:
    # 200 replays of `bench/replay.py`: 28.5 % of the samples at r = 8, 22.9 % at r = 4.
    base, rl = (load_counts(DEEPSCALER / f"{model}.jsonl", model) for model in ("base", "rl"))
    assert isinstance(base, Tally)
    assert isinstance(rl, Tally)
    fitted = fit_joint_mixture(base.correct, base.n, rl.correct, rl.n)
    plan = forecast(1060, StoppingPlan.until(8, 128), AssumedPair(fitted.base_p, fitted.rl_p, fitted.weight))
    shares = {row.stop_at: row.share_of_samples for row in plan.rows}
    assert shares[8] == pytest.approx(0.285, abs=0.002)
    assert shares[4] == pytest.approx(0.229, abs=0.002)
    seen = curve_difference(base, rl, BandSettings(draws=1000)).band.standard_error[plan.k - 1]
    assert plan.rows[0].errors.difference_population == pytest.approx(seen, rel=0.05)


def test_the_own_plans_saving_is_said_in_samples_and_tokens() -> None:
    plan = forecast(100, StoppingPlan.until(1, 64), law((1.0, 1.0, 0.5), (0.0, 0.0, 0.5)), TOKENS, base="b", rl="r")
    # Half of the problems take 1 sample, half 64: 65 / 128 of the samples.
    assert own(plan).share_of_samples == pytest.approx(65 / 128)
    sentence = texts(forecast_sentences(plan))[2]
    assert "is expected to take 6,500 samples" in sentence
    # Tokens per problem: base 500 + 96,000, RL 400 + 96,000, against 32,000 + 96,000 and 25,600 + 96,000.
    assert "51% and 77% of that" in sentence


def test_a_study_of_one_model_says_nothing_of_differences() -> None:
    sentences = texts(forecast_sentences(forecast(100, StoppingPlan((4,), 1), rl_models=0)))
    assert len(sentences) == 2
    assert sentences[1] == "100 problems, 1 model, 4 samples of each: 400 samples."


def test_one_sample_per_problem_can_be_planned() -> None:
    plan = forecast(100, StoppingPlan((1,), 1))
    assert plan.k.tolist() == [1]
    assert len(plan.rows) == 1


def test_identical_models_have_nothing_to_find() -> None:
    plan = forecast(100, StoppingPlan((4,), 1), law((1.0, 1.0, 0.5), (0.0, 0.0, 0.5)))
    assert (plan.discordant, plan.chance_to_find_it, plan.detectable, plan.problems_for) == (0.0, 0.0, None, ())
    assert texts(forecast_sentences(plan))


def test_the_forecast_goes_through_json_unchanged() -> None:
    record = plain(forecast(100, StoppingPlan.until(8, 64), tokens=TOKENS, token_budget=1e6))
    assert json.loads(json.dumps(record, allow_nan=False))["rows"][4]["plan"].startswith("stop at 8")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: forecast(0, StoppingPlan((4,), 1)), "a study needs problems"),
        (lambda: forecast(9, StoppingPlan((4,), 1), token_budget=1e6), "a token budget needs the mean tokens"),
        (lambda: forecast(9, StoppingPlan((4,), 1), tokens=TOKENS, token_budget=0), "a token budget must be above 0"),
        (lambda: forecast(9, StoppingPlan((4,), 1), power=1.5), "power must be between 0 and 1"),
    ],
)
def test_bad_input_is_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
