"""Envelopes over arms: not optimistic where arms are equal, the better arm where one is, models compared by them."""

import numpy as np
import pytest

from move37.analyses.arms import compare_arms
from move37.counts import Tally
from move37.errors import InputError
from move37.estimates.rows import pass_at_k_rows
from move37.estimates.settings import BandSettings, Design
from tests.test_analyses_gains_losses import tally

FAST = BandSettings(draws=2_000)


def arm(name: str, p: np.ndarray, seed: int, n: int = 16) -> Tally:
    return tally(name, np.random.default_rng(seed).binomial(n, p).tolist(), n)


def test_of_equal_arms_the_largest_mean_is_too_large_and_the_envelope_is_not() -> None:
    excess, optimism = [], []
    for seed in range(60):
        p = np.random.default_rng(1000 + seed).beta(1, 2, 60)
        arms = [arm(f"arm {i}", p, 10 * seed + i) for i in range(6)]
        (found,) = compare_arms([arms], FAST).envelopes
        truth = (1 - (1 - p) ** np.arange(1, 17)[:, None]).mean(axis=1)
        excess.append(found.pass_at_k - truth)
        optimism.append(found.largest - truth)
    error = np.std(excess, axis=0) / np.sqrt(60)
    assert (np.mean(excess, axis=0) <= 3 * error).all()
    assert (np.mean(optimism, axis=0) > 5 * error).all()


def test_an_arm_that_is_better_is_chosen_and_the_envelope_is_its_curve() -> None:
    p = np.random.default_rng(0).beta(1, 2, 200)
    good, bad = arm("good", p, 1), arm("bad", p / 3, 2)
    (found,) = compare_arms([[bad, good]], FAST).envelopes
    assert found.model == "bad"
    assert found.chosen[1].tolist() == [1.0] * 16
    assert found.pass_at_k == pytest.approx(pass_at_k_rows(good).mean(axis=0), abs=1e-12)


def test_which_arm_is_best_may_change_with_k() -> None:
    sure = arm("sure", np.where(np.arange(200) < 100, 0.9, 0.0), 1)
    wide = arm("wide", np.full(200, 0.25), 2)
    (found,) = compare_arms([[sure, wide]], FAST).envelopes
    assert (found.chosen[0][0], found.chosen[1][-1]) == (1.0, 1.0)
    assert found.pass_at_k[0] == pytest.approx(0.45, abs=0.02)
    assert found.pass_at_k[-1] > 0.97


def test_rl_that_only_beats_the_wrong_template_gains_nothing_over_the_envelope() -> None:
    p = np.random.default_rng(0).beta(1, 2, 200)
    base, templated, rl = arm("base", p / 3, 1), arm("base, boxed", p, 2), arm("rl", p, 3)
    alone = compare_arms([[base], [rl]], FAST).differences[0]
    fair = compare_arms([[base, templated], [rl]], FAST).differences[0]
    assert alone.gain
    assert not fair.gain
    assert (fair.base, fair.rl) == ("base", "rl")


def test_clusters_stay_together_and_copies_change_nothing_by_much() -> None:
    p = np.random.default_rng(0).beta(1, 2, 60)
    arms = [arm("one", p, 1), arm("two", p, 2)]
    design = Design(clusters=np.repeat(np.arange(60), 2))
    twice = [tally(each.model, np.repeat(each.correct, 2).tolist(), 16) for each in arms]
    once, again = compare_arms([arms], FAST).envelopes[0], compare_arms([twice], FAST, design).envelopes[0]
    assert again.pass_at_k == pytest.approx(once.pass_at_k, abs=1e-12)


def test_three_problems_are_too_few() -> None:
    with pytest.raises(InputError, match="4 of them or more"):
        compare_arms([[tally("m", [1, 2, 3], 4)]], FAST)
