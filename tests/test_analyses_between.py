"""RL models against each other: one band for all pairs, in which the base cancels."""

import numpy as np
import pytest

from move37.analyses.between import MOST, between_models
from move37.analyses.curves import curve_difference
from move37.analyses.details import ModelData
from move37.analyses.findings import find
from move37.analyses.serialise import findings_json
from move37.errors import InputError
from move37.estimates.settings import BandSettings, Design
from move37.report.exports import csv_files
from move37.report.sections import section_lines
from tests.test_analyses_gains_losses import tally

FAST = BandSettings(draws=5_000)


def models(problems: int = 200, n: int = 32) -> list:
    """Base, and two RL models that are equally far from it on average, in opposite ways."""
    rng = np.random.default_rng(8)
    p = rng.beta(0.5, 0.7, problems)
    chances = {"base": p, "wide": np.minimum(1, p + 0.06), "sharp": np.where(p < 0.2, p / 8, np.minimum(1, p * 1.2))}
    return [tally(name, rng.binomial(n, chance).tolist(), n) for name, chance in chances.items()]


def test_the_difference_is_that_of_the_pair_and_the_band_a_little_wider_for_covering_all() -> None:
    _, wide, sharp = models()
    found = between_models([wide, sharp], FAST)
    (pair,) = found.pairs
    alone = curve_difference(wide, sharp, FAST)
    assert (pair.base, pair.rl) == ("wide", "sharp")
    assert pair.band.mean == pytest.approx(alone.band.mean, abs=1e-12)
    assert found.critical_value == pytest.approx(alone.band.critical_value, abs=0.1)
    assert pair.loss[-1:] == (32,)
    assert between_models(models(), FAST).critical_value > found.critical_value - 0.1


def test_a_run_with_two_rl_models_says_which_is_better_and_where() -> None:
    findings = find([ModelData(each) for each in models()], FAST)
    assert findings.between is not None
    assert [(each.base, each.rl) for each in findings.between.pairs] == [("wide", "sharp")]
    assert any("sharp against wide: " in line and "loss at k" in line for line in section_lines(findings))
    assert csv_files(findings, ())["between.csv"].startswith("model,other,k,")
    assert findings_json(findings)["between"]["pairs"][0]["rl"] == "sharp"
    assert find([ModelData(each) for each in models()[:2]], FAST).between is None


def test_doubling_every_problem_under_one_cluster_changes_no_band() -> None:
    once = between_models(models()[1:], FAST).pairs[0].band
    twice = [tally(each.model, np.repeat(each.correct, 2).tolist(), 32) for each in models()[1:]]
    again = between_models(twice, FAST, Design(clusters=np.repeat(np.arange(200), 2))).pairs[0].band
    assert again.lower == pytest.approx(once.lower, abs=3e-3)


def test_one_model_too_many_models_and_the_same_twice_are_refused() -> None:
    one = models()[1]
    for several in ([one], [one, one], [tally(f"m{i}", [1], 2) for i in range(MOST + 1)]):
        with pytest.raises(InputError, match=f"2 to {MOST} different models"):
            between_models(several, FAST)
