"""What a study will be allowed to say: whole studies drawn from a law and analysed as the report would."""

import numpy as np
import pytest

from move37.analyses.planning import forecast
from move37.analyses.power import CLAIMS, chances, cheapest, draw_stops
from move37.counts import StoppingPlan
from move37.errors import InputError
from move37.estimates.paths import stopping_points
from move37.estimates.planning import AssumedPair, problems_needed
from move37.report.words.claim import texts
from move37.report.words.forecast import forecast_sentences

FIXED = StoppingPlan((16,), 1)


def law(*kinds: tuple[float, float, float]) -> AssumedPair:
    return AssumedPair(*(np.array(column) for column in zip(*kinds, strict=True)))


EQUAL = law((0.1, 0.1, 0.5), (0.6, 0.6, 0.5))
LOST = law((0.5, 0.9, 0.7), (0.2, 0.0, 0.3))
"""Better with one try on seven problems of ten, and three of ten are lost: the curves cross."""


@pytest.mark.parametrize(
    "plan", [FIXED, StoppingPlan.until(2, 8), StoppingPlan.until(3, 24, 8), StoppingPlan((4, 9), 2)]
)
def test_stops_are_drawn_as_often_as_the_plan_has_them(plan: StoppingPlan):
    # 20,000 problems at p = .3: each stopping point within four standard errors of its chance.
    trials, successes, went_on = draw_stops(plan, np.full(20_000, 0.3), np.random.default_rng(0))
    points = stopping_points(plan)
    expected = points.probability(np.array([0.3]))[0]
    for n, c, chance in zip(points.trials.tolist(), points.successes.tolist(), expected.tolist(), strict=True):
        seen = ((trials == n) & (successes == c)).mean()
        assert abs(seen - chance) < 4 * (chance / 20_000) ** 0.5 + 1e-4
    looks = [0, *plan.looks]
    assert {looks[looks.index(int(n)) - 1] for n in np.unique(trials)} == set(np.unique(went_on).tolist())


def test_equal_models_are_hardly_ever_said_to_differ():
    found = chances(FIXED, EQUAL, 100, 100)
    # At .05 more than 12 of 100 come about with a chance of 1e-3.
    assert max(found.better, found.worse, found.gained, found.lost) <= 0.12
    assert found.crossing <= found.better
    assert found.standard_error == pytest.approx(0.05)


def test_a_crossing_and_a_loss_that_are_there_are_found_with_enough_problems():
    few, many = (chances(FIXED, LOST, problems, 40) for problems in (12, 200))
    assert many.crossing == many.lost == many.better == many.worse == 1.0
    assert many.gained <= 0.2
    assert few.crossing < 0.5
    assert 1.96 < many.critical_value < 3


@pytest.mark.slow
def test_the_cheapest_plan_is_the_first_that_reaches_the_power():
    asked: list[str] = []

    def cost(plan: StoppingPlan) -> tuple[float, float | None]:
        asked.append(str(plan))
        return float(plan.n_max), None

    found = {each.claim: each for each in cheapest(FIXED, LOST, 120, 20, cost)}
    assert set(found) <= set(CLAIMS)
    assert len(asked) == len(set(asked))
    assert found["crossing"].samples == 8.0
    assert found["crossing"].chance >= 0.8
    assert "gained" not in found


@pytest.mark.slow
def test_the_forecast_says_what_headlines_could_say():
    plan = forecast(120, FIXED, LOST, studies=20)
    assert plan.chances is not None
    text = " ".join(texts(forecast_sentences(plan)))
    assert (
        "In 20 studies simulated under the study's own plan, the report says: better with some number of tries 100%"
        in text
    )
    assert "better with few tries and worse with many with " in text
    assert "No plan looked at reaches 80% for: a problem gained." in text
    # McNemar's price and the band's stand beside each other.
    critical = plan.chances.critical_value
    assert dict(plan.problems_for_headline)[0.02] == problems_needed(plan.discordant, 0.02, critical=critical)
    assert dict(plan.problems_for_headline)[0.02] > dict(plan.problems_for)[0.02]
    assert f"with its critical value of {critical:.2f}, it takes" in text
    assert forecast(120, FIXED, LOST).chances is None


def test_the_price_at_a_simultaneous_critical_value():
    # .04 (2.55 + .8416)^2 / .02^2 = 1150.3, against 785 at 1.96.
    assert problems_needed(0.04, 0.02) == 785
    assert problems_needed(0.04, 0.02, critical=2.55) == 1151


def test_models_that_never_differ_have_no_critical_value():
    found = forecast(30, FIXED, law((1.0, 1.0, 1.0)), studies=3)
    assert found.chances is not None
    assert np.isnan(found.chances.critical_value)
    assert len(found.headline_power) == 0
    assert forecast_sentences(found)


def test_no_study_is_refused():
    with pytest.raises(InputError, match="at least one simulated study"):
        chances(FIXED, EQUAL, 10, 0)
