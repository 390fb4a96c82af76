"""Several training runs of one algorithm: what is said of the algorithm needs variance from seeds and from problems."""

import numpy as np
import pytest

from move37.analyses.curves import curve_difference
from move37.analyses.training_seeds import training_seeds
from move37.counts import StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.estimates.settings import BandSettings
from move37.report.words.claim import texts
from move37.report.words.findings import seeds_sentences


def tally(model: str, correct: list[int] | np.ndarray, n: int = 8) -> Tally:
    counts = np.array(correct, dtype=np.int64)
    none = np.zeros_like(counts)
    return Tally(model, tuple(f"p{i}" for i in range(len(counts))), counts, n - counts, none, none)


def runs(problems: int, apart: float, count: int = 3) -> tuple[Tally, list[Tally]]:
    """A base and runs that solve more; `apart` spreads the runs' skill."""
    rng = np.random.default_rng(2)
    p = rng.beta(2, 3, problems)
    skills = 0.15 + apart * np.linspace(-1, 1, count)
    return tally("base", rng.binomial(8, p)), [
        tally(f"seed{i}", rng.binomial(8, np.clip(p + skill, 0, 1))) for i, skill in enumerate(skills)
    ]


def test_the_mean_and_both_errors_are_those_of_the_two_way_table():
    # pass@1 minus base's, in eighths. Seed a: 2, 0, 4 (mean 2); seed b: 6, 4, 2 (mean 4). Mean 3; between seeds
    # sd sqrt(2), over sqrt(2): 1. Problems' means 4, 2, 3: sd 1, over sqrt(3): .577.
    result = training_seeds(
        tally("base", [1, 1, 1]), [tally("a", [3, 1, 5]), tally("b", [7, 5, 3])], "PPO", BandSettings(draws=500)
    )
    assert result.band.mean[0] * 8 == pytest.approx(3)
    assert (result.by_seed[:, 0] * 8).tolist() == pytest.approx([2, 4])
    assert result.between_seeds[0] * 8 == pytest.approx(2**0.5)
    assert result.band.se_seeds[0] * 8 == pytest.approx(1)
    assert result.band.se_problems[0] * 8 == pytest.approx(3**-0.5)
    assert result.seed_share[0] == pytest.approx(1 / (1 + 1 / 3))
    assert result.runs == ("a", "b")


def test_runs_that_agree_say_as_much_as_one_and_runs_apart_say_less():
    base, together = runs(300, 0.0)
    alike = training_seeds(
        base, [tally(f"copy{i}", together[0].correct) for i in range(3)], settings=BandSettings(draws=2000)
    )
    alone = curve_difference(base, together[0], BandSettings(draws=2000))
    # The critical value is the larger of two simulated ones: at 2,000 draws each is known to about .03.
    assert alike.band.lower == pytest.approx(alone.band.lower, abs=0.06 * float(alone.band.standard_error.max()))
    assert alike.gain == alone.gain == tuple(range(1, 9))
    apart = training_seeds(*runs(300, 0.1), settings=BandSettings(draws=2000))
    assert apart.band.mean[0] > 0.1
    assert apart.gain == ()  # runs gain .05, .15 and .25: another one might gain nothing
    assert apart.seed_share[0] > 0.7


def test_more_seeds_establish_what_three_leave_open():
    assert training_seeds(*runs(300, 0.06, count=3), settings=BandSettings(draws=2000)).gain == ()
    assert training_seeds(*runs(300, 0.06, count=8), settings=BandSettings(draws=2000)).gain != ()


def test_runs_that_were_stopped_early_are_taken_as_they_are():
    base, (first, *_) = runs(40, 0.0)
    trials = np.minimum(np.random.default_rng(1).geometric(0.5, 40), 8)
    successes, none = np.ones(40, dtype=np.int64), np.zeros(40, dtype=np.int64)
    stopped = StoppedTally(
        "stopped", base.problem_ids, successes, trials, trials - 1, none, none, none, StoppingPlan.until(1, 8)
    )
    assert len(training_seeds(base, [first, stopped], settings=BandSettings(draws=500)).k) == 8


def test_what_is_said_names_the_algorithm_the_seeds_and_the_confidence():
    said = texts(seeds_sentences(training_seeds(*runs(300, 0.0), "GRPO", settings=BandSettings(draws=2000))))
    assert said[0].startswith("GRPO, over 3 training seeds and 300 problems, is better than base at k=1")
    assert "95% confidence for other seeds and other problems" in said[0]
    nothing = texts(seeds_sentences(training_seeds(*runs(300, 0.1), "GRPO", settings=BandSettings(draws=2000))))
    assert "not shown to differ from base at any k up to 8" in nothing[0]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "at least two runs"),
        (["a", "a"], "must be different"),
        (["a", "base"], "must be different"),
    ],
)
def test_one_run_or_the_same_run_twice_is_refused(names: list[str], message: str):
    with pytest.raises(InputError, match=message) as error:
        training_seeds(tally("base", [1, 2]), [tally(name, [1, 2]) for name in names])
    assert "\n" not in str(error.value)


def test_runs_on_other_problems_are_refused():
    with pytest.raises(InputError, match="b lacks 1 problem"):
        training_seeds(tally("base", [1, 2, 3]), [tally("a", [1, 2, 3]), tally("b", [1, 2])])
