"""The course of a training, with what luck cannot blur beside it where chances are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from move37.analyses.exact_truth import KnownModel
from move37.analyses.trajectory import MOST_TRIES, Checkpoint, KnownPoint, on_base, trajectory
from move37.counts import Tally
from move37.estimates.settings import BandSettings
from move37.report.number_format import Missing
from move37.report.training_section import trajectory_table
from move37.report.trajectory_figure import trajectory_figure
from move37.types import FloatArray

PROBLEMS = ("p0", "p1", "p2", "p3")
N = 8


def tally(model: str, correct: list[int]) -> Tally:
    right = np.array(correct)
    none = np.zeros_like(right)
    return Tally(model, PROBLEMS, right, N - right, none, none)


def known(model: str, chances: FloatArray) -> KnownModel:
    with np.errstate(divide="ignore"):
        logs = np.log(chances)
    nothing = np.full(len(chances), -np.inf)
    chains = tuple(("1+1=2",) for _ in chances)
    zeros = np.zeros(len(chances))
    return KnownModel(model, PROBLEMS, logs, nothing, zeros, chains, tuple(logs[:, None]), 1.0, 1.0, 48)


def course(*, lacking: str = "") -> list[Checkpoint]:
    """A training of two steps that sharpens: two problems certain in the end, one a rarity, one gone."""
    told = [
        ("base", 0, [4, 2, 1, 1], [0.5, 0.25, 1e-3, 1e-5]),
        ("rl@1", 1, [7, 6, 0, 0], [0.9, 0.75, 1e-5, 1e-7]),
        ("rl@2", 2, [8, 8, 0, 0], [1.0, 1.0, 1e-7, 0.0]),
    ]
    return [
        Checkpoint(
            model=model,
            algorithm="grpo" if step else "",
            seed=0,
            step=step,
            start="base",
            tally=tally(model, correct),
            chances=None if model == lacking else known(model, np.array(chances)),
        )
        for model, step, correct, chances in told
    ]


def test_exact_pass_at_k_stands_beside_the_sampled_one_at_one_at_k_and_at_two_to_the_twenty() -> None:
    found = trajectory(course(), BandSettings())
    assert found is not None
    assert found.k == N
    start, _, end = found.points
    assert start.known is not None
    assert end.known is not None
    assert start.known.pass_at_1 == pytest.approx((0.5 + 0.25 + 1e-3 + 1e-5) / 4, rel=1e-12)
    at_k = sum(1 - (1 - p) ** N for p in (0.5, 0.25, 1e-3, 1e-5)) / 4
    assert start.known.pass_at_k == pytest.approx(at_k, rel=1e-12)
    at_most = (3 - (1 - 1e-5) ** MOST_TRIES + 1) / 4  # three are certain in a million tries, the fourth nearly
    assert start.known.pass_at_most == pytest.approx(at_most, rel=1e-12)
    near: Any = pytest.approx
    assert end.known == KnownPoint(
        0.5 + 0.25e-7, near(0.5 + N * 0.25e-7), near(0.5 + 0.25 * (1 - (1 - 1e-7) ** MOST_TRIES))
    )


def test_a_checkpoint_whose_chances_are_not_known_says_so_and_others_keep_theirs() -> None:
    found = trajectory(course(lacking="rl@1"), BandSettings())
    assert found is not None
    assert [point.known is None for point in found.points] == [False, True, False]
    table = trajectory_table(found)
    assert table.header[-3:] == ("exact pass@1", "exact pass@8", "exact pass@1,048,576")
    assert all(isinstance(cell, Missing) for cell in table.rows[1][-3:])
    assert table.rows[2][-3] == "50.00%"


def test_without_chances_the_table_and_the_figure_are_those_of_the_samples() -> None:
    found = trajectory([replace(each, chances=None) for each in course()], BandSettings())
    assert found is not None
    assert not any("exact" in name for name in trajectory_table(found).header)
    assert "computed" not in trajectory_figure(found).subtitle
    exact = trajectory(course(), BandSettings())
    assert exact is not None
    assert "dotted: pass@1,048,576, computed from chances" in trajectory_figure(exact).subtitle


def test_chances_follow_the_problems_that_are_analysed() -> None:
    base = tally("base", [4, 2, 1, 1]).select(np.array([False, True, True, False]))
    kept = on_base(course(), base)
    assert [each.chances.problem_ids for each in kept if each.chances is not None] == [("p1", "p2")] * 3
    assert kept[2].chances is not None
    assert np.exp(kept[2].chances.logprobs) == pytest.approx([1.0, 1e-7])
