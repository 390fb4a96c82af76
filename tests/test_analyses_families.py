"""Several models against one base, and one pair by strata: one band that covers all statements made from it."""

from itertools import pairwise

import numpy as np
import pytest

from move37.analyses.curves import curve_difference
from move37.analyses.families import family
from move37.analyses.strata import OTHER, by_stratum
from move37.counts import StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.estimates.settings import BandSettings
from move37.report.words.claim import texts
from move37.report.words.findings import family_sentences, strata_sentences

PROBLEMS, N = 80, 16


def tally(model: str, correct: list[int] | np.ndarray, n: int = N) -> Tally:
    counts = np.array(correct, dtype=np.int64)
    none = np.zeros_like(counts)
    return Tally(model, tuple(f"p{i}" for i in range(len(counts))), counts, n - counts, none, none)


def made_models(count: int) -> list[Tally]:
    """Models whose skill rises, the first of them the base."""
    rng = np.random.default_rng(5)
    p = rng.beta(0.6, 0.8, PROBLEMS)
    return [tally(f"m{i}", rng.binomial(N, p ** (1 - 0.08 * i))) for i in range(count)]


def test_a_family_of_one_is_the_comparison_alone():
    base, rl = made_models(2)
    alone, member = curve_difference(base, rl), family(base, [rl], BandSettings(draws=100_000)).members[0]
    assert member.band.mean == pytest.approx(alone.band.mean, abs=1e-15)
    assert member.band.standard_error == pytest.approx(alone.band.standard_error, abs=1e-15)
    # Other draws and 10 of 16 ks: two quantiles with standard errors of .005.
    assert member.band.critical_value == pytest.approx(alone.band.critical_value, abs=0.03)


def test_more_models_widen_the_band_but_less_than_bonferroni():
    base, *models = made_models(7)
    criticals = [family(base, models[:size], BandSettings(draws=20_000)).critical_value for size in (1, 3, 6)]
    assert all(a < b for a, b in pairwise(criticals))
    strict = curve_difference(base, models[0], BandSettings(1 - 0.05 / 6)).band.critical_value
    assert criticals[-1] < strict


def test_every_member_has_the_family_critical_value_and_its_own_model():
    base, *models = made_models(4)
    result = family(base, models, BandSettings(draws=2000))
    assert [member.rl for member in result.members] == ["m1", "m2", "m3"]
    assert {member.band.critical_value for member in result.members} == {result.critical_value}
    assert result.draws == 2000
    assert result.simulated_ks < N


def test_models_match_by_problem_id_and_curves_end_at_the_smallest_limit():
    base, rl, other = made_models(3)
    backwards = rl.select(np.arange(PROBLEMS)[::-1])
    short = tally("short", np.minimum(other.correct, 8), n=8)
    result = family(base, [backwards, short], BandSettings(draws=500))
    assert [len(member.k) for member in result.members] == [8, 8]
    assert result.members[0].band.mean == pytest.approx(curve_difference(base, rl).band.mean[:8])


def test_a_model_that_was_stopped_early_may_be_a_member():
    base, rl = made_models(2)
    # Stopped at the first success: trials until it, here made from p = 1/2 for simplicity.
    trials = np.minimum(np.random.default_rng(1).geometric(0.5, PROBLEMS), N)
    ones, none = np.ones(PROBLEMS, dtype=np.int64), np.zeros(PROBLEMS, dtype=np.int64)
    stopped = StoppedTally(
        "stopped", base.problem_ids, ones, trials, trials - 1, none, none, none, StoppingPlan.until(1, N)
    )
    assert [len(member.k) for member in family(base, [rl, stopped], BandSettings(draws=500)).members] == [N, N]


def test_a_family_is_summed_up_by_who_is_better_worse_and_crosses():
    base = tally("base", [8] * 100)
    # Better everywhere; worse everywhere; better on 60 problems, lost on 40: crosses as k grows.
    rng = np.random.default_rng(0)
    better = tally("better", 12 + rng.integers(-1, 2, 100))
    worse = tally("worse", 4 + rng.integers(-1, 2, 100))
    crossing = tally("crossing", [16] * 70 + [0] * 30)
    result = family(base, [better, worse, crossing], BandSettings(draws=2000))
    assert result.better_somewhere == ("better", "crossing")
    assert result.worse_somewhere == ("worse", "crossing")
    assert result.crossing == ("crossing",)
    said = texts(family_sentences(result))
    assert said[0].startswith("All 3 models against base in one 95% band")
    assert "crossing: better at a smaller k and worse at a larger one." in said


def test_where_few_problems_carry_a_k_only_what_the_widened_band_shows_is_said():
    base = tally("base", [8] * 40)
    lucky = tally("lucky", [8] * 34 + [16] * 6)
    said = texts(family_sentences(family(base, [lucky], BandSettings(draws=500))))
    assert said[-1] == "Few problems carry some ks for lucky: the band is widened there."
    # Six problems: the band alone would call it better, the widened one says nothing below ten.
    assert said[1] == "No model: better than base at some k."


@pytest.mark.parametrize(
    ("names", "message"),
    [([], "no model to compare with base"), (["a", "a"], "different models"), (["base"], "different models")],
)
def test_a_family_needs_different_models(names: list[str], message: str):
    with pytest.raises(InputError, match=message) as error:
        family(tally("base", [1, 2]), [tally(name, [1, 2]) for name in names])
    assert "\n" not in str(error.value)


def test_a_member_with_other_problems_is_refused():
    with pytest.raises(InputError, match="rl lacks 1 problem"):
        family(tally("base", [1, 2, 3]), [tally("rl", [1, 2])])


# -- strata -----------------------------------------------------------------------------------------------------------


def labelled(sizes: dict[str, int]) -> dict[str, str]:
    names = [name for name, size in sizes.items() for _ in range(size)]
    return {f"p{i}": name for i, name in enumerate(names)}


def test_each_stratum_is_compared_alone_and_the_total_holds_the_strata_fixed():
    base, rl = made_models(2)
    result = by_stratum(base, rl, labelled({"easy": 30, "hard": 50}), "level", BandSettings(draws=2000))
    assert [(each.name, each.problems) for each in result.strata] == [("easy", 30), ("hard", 50)]
    first = curve_difference(base.select(np.arange(30)), rl.select(np.arange(30)), BandSettings(draws=2000))
    assert result.strata[0].difference.band.mean == pytest.approx(first.band.mean)
    # Sidak: .95^(1/2) each, so that both hold with .95.
    assert result.strata[0].difference.band.confidence == pytest.approx(0.95**0.5)
    weighted = (30 * result.strata[0].difference.band.mean + 50 * result.strata[1].difference.band.mean) / 80
    assert result.total.band.mean == pytest.approx(weighted)
    variance = sum(each.problems**2 * each.difference.band.standard_error**2 for each in result.strata) / 80**2
    assert result.total.band.standard_error == pytest.approx(variance**0.5)


def test_problems_that_are_alone_in_their_stratum_are_put_together():
    base, rl = made_models(2)
    two_alone = by_stratum(base, rl, labelled({"a": 1, "b": 1, "c": 78}), settings=BandSettings(draws=500))
    assert [(each.name, each.problems) for each in two_alone.strata] == [(OTHER, 2), ("c", 78)]
    one_alone = by_stratum(base, rl, labelled({"a": 1, "b": 20, "c": 59}), settings=BandSettings(draws=500))
    assert [(each.name, each.problems) for each in one_alone.strata] == [(OTHER, 21), ("c", 59)]


def test_strata_are_told_one_by_one_and_then_over_all():
    base, rl = made_models(2)
    found = by_stratum(base, rl, labelled({"easy": 30, "hard": 50}), "level", BandSettings(draws=500))
    said = texts(strata_sentences(found))
    assert said[0] == "By level, all 2 strata together at 95% confidence for problems like these:"
    assert said[1].startswith("easy (30 problems): ")
    assert said[-1].startswith("Over all problems, strata held fixed, at 95% confidence for problems like these: m1 ")


def test_the_strata_of_several_models_hold_together():
    base, rl = made_models(2)
    labels = labelled({"easy": 30, "hard": 50})
    alone, of_three = (by_stratum(base, rl, labels, settings=BandSettings(draws=2000), models=m) for m in (1, 3))
    # Sidak over two strata and three models, and over three models for the total.
    assert of_three.strata[0].difference.band.confidence == pytest.approx(0.95 ** (1 / 6))
    assert of_three.total.band.confidence == pytest.approx(0.95 ** (1 / 3))
    assert of_three.total.band.critical_value > alone.total.band.critical_value
    assert "and 3 models together" in texts(strata_sentences(of_three))[0]


def test_a_problem_without_a_label_is_named():
    base, rl = made_models(2)
    with pytest.raises(InputError, match=r"1 problem \(p79\) without the tag 'level'"):
        by_stratum(base, rl, labelled({"easy": 79}), "level")
