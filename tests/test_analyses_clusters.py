"""Near duplicates are one witness: writing every problem down twice under one tag must narrow no interval."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from move37.analyses import Findings
from move37.analyses.details import ModelData
from move37.analyses.findings import Facts, find
from move37.analyses.serialise import plain
from move37.counts import StoppedTally, StoppingPlan, Tally
from move37.estimates.settings import BandSettings
from move37.estimates.solvable import mcnemar_p, sign_flip_p
from move37.types import Problem

M, N = 36, 16
TAKE_EVERY_PROBLEM = {
    ("ModelCurve", "se_benchmark"),
    ("ModelDetail", "bayes"),
    ("PairDetail", "bayes"),
    ("PairDetail", "support"),
    ("Coverage", "lower_bound"),
    ("Coverage", "upper_bound"),
    ("CoverageDifference", "lower_bound"),
    ("CoverageDifference", "upper_bound"),
    ("ModelExtrapolation", "lower"),
    ("ModelExtrapolation", "upper"),
    ("ModelExtrapolation", "unseen"),
    ("DifferenceAtK", "lower"),
    ("DifferenceAtK", "upper"),
    ("PairExtrapolation", "refusals"),
}
"""What a warning of the findings names: clusters do not enter there."""
DRAWN_BY_PROBLEM = {("PairDetail", "tables")}
"""Tables at a smaller k: each problem's samples are thinned at random by its id, so a copy is not thinned alike."""
COUNTED = {
    "preserved",
    "gained",
    "lost",
    "base_counts",
    "rl_counts",
    "transition",
    "base_exactly_one",
    "rl_exactly_one",
    "never_solved",
    "problems",
    "samples",
    "both",
    "base_only",
    "rl_only",
    "neither",
    "noise_floor",
    "correct",
    "incorrect",
}
"""Numbers of problems or samples, which are twice as many."""


def tally(model: str, p: np.ndarray, seed: int) -> Tally:
    correct = np.random.default_rng(seed).binomial(N, p)
    zeros = np.zeros(len(p), dtype=np.int64)
    return Tally(model, tuple(f"p{i:03}" for i in range(len(p))), correct, N - correct, zeros, zeros)


def stopped(model: str, p: np.ndarray, seed: int) -> StoppedTally:
    plan, drawn = StoppingPlan.until(3, N), np.random.default_rng(seed).random((len(p), N)) < p[:, None]
    seen = np.cumsum(drawn, axis=1)
    trials = np.where(seen[:, -1] >= 3, np.argmax(seen >= 3, axis=1) + 1, N)
    successes, zeros = np.minimum(seen[:, -1], 3), np.zeros(len(p), dtype=np.int64)
    ids = tuple(f"p{i:03}" for i in range(len(p)))
    return StoppedTally(model, ids, successes, trials, trials - 1, zeros, zeros, zeros, plan)


def models(kind: str) -> list[Tally | StoppedTally]:
    p = np.random.default_rng(2).beta(0.5, 0.7, M)
    made = stopped if kind == "stopped" else tally
    return [made("base", p, 1), made("rl", p**0.5, 2), made("rl2", np.where(np.arange(M) % 4, p**0.8, p / 8), 3)]


def said(tallies: list[Tally | StoppedTally], copies: int) -> Findings:
    rows = np.repeat(np.arange(M), copies)
    ids = tuple(f"p{i:03}{'-copy' * copy}" for i in range(M) for copy in range(copies))
    many = [replace(each.select(rows), problem_ids=ids) for each in tallies]
    problems = [
        Problem(name, f"What is {name}?", (name,), "made", "math", {"twin": name[:4], "level": str(int(name[1:4]) % 3)})
        for name in ids
    ]
    tokens = {name: 10.0 + int(name[1:4]) % 7 for name in ids}
    facts = Facts(problems, ("level",), "twin", {"GRPO": ("rl", "rl2")}, beyond=True)
    return find([ModelData(each, tokens_by_problem=tokens) for each in many], BandSettings(draws=2000), facts)


def unlike(one: Any, two: Any, path: str = "") -> list[str]:
    """Paths of all numbers that are not the same (a count: not twice), of those that are claimed to be covered."""
    name = path.rpartition(".")[2]
    if is_dataclass(one) and not isinstance(one, type):
        left_out = {field for kind, field in TAKE_EVERY_PROBLEM | DRAWN_BY_PROBLEM if kind == type(one).__name__}
        left_out |= {"estimate"} if getattr(one, "few_problems", None) is True else set()  # its interval is the bounds'
        return [
            x
            for f in fields(one)
            if f.name not in left_out
            for x in unlike(getattr(one, f.name), getattr(two, f.name), f"{path}.{f.name}")
        ]
    if isinstance(one, tuple) and one and is_dataclass(one[0]):
        assert len(one) == len(two), path
        return [x for a, b in zip(one, two, strict=True) for x in unlike(a, b, path)]
    first, second = plain(one), plain(two)
    if isinstance(first, dict):
        first, second = list(first.values()), list(second.values())
    if isinstance(first, str) or (isinstance(first, list) and any(isinstance(x, str) for x in first)):
        return []
    expected = np.array(first, dtype=float) * (2 if name in COUNTED else 1)
    same = np.shape(first) == np.shape(second) and np.allclose(
        expected, np.array(second, dtype=float), rtol=1e-5, atol=2e-6, equal_nan=True
    )
    return [] if same else [f"{path}: {first} {second}"[:300]]


@pytest.mark.parametrize("kind", ["fixed", "stopped"])
def test_every_problem_twice_under_one_tag_changes_no_interval(kind: str):
    once, twice = (said(models(kind), copies) for copies in (1, 2))
    assert unlike(once, twice) == []


def test_copies_that_are_not_tagged_do_narrow_the_intervals():
    # Otherwise the test above would pass whatever clusters did.
    base, rl, _ = models("fixed")
    rows = np.repeat(np.arange(M), 2)
    ids = tuple(f"{i}" for i in range(2 * M))
    twice = [replace(each.select(rows), problem_ids=ids) for each in (base, rl)]
    settings = BandSettings(draws=2000)
    once, copied = (find([ModelData(each) for each in pair], settings) for pair in ([base, rl], twice))
    for one, two in (
        (once.comparisons[0].sampling_gap, copied.comparisons[0].sampling_gap),
        (once.pairs[0].differences[0].estimate, copied.pairs[0].differences[0].estimate),
    ):
        assert two.upper - two.lower == pytest.approx((one.upper - one.lower) / 2**0.5, rel=0.05)


def test_intervals_that_clusters_do_not_reach_are_named():
    (warning,) = (w for w in said(models("fixed"), 1).warnings if "'twin'" in w)
    for each in ("Bayes@N", "Cover@tau", "SRR", "Chao"):
        assert each in warning


def test_the_sign_flip_test_is_mcnemars_where_every_cluster_is_one_problem():
    assert sign_flip_p(np.array([1, 0, -1, 1, 1, 1, 1])) == mcnemar_p(1, 5)
    # Three clusters of 2, 1 and 1 problems, all won by RL: 2 of 8 sign patterns are as extreme.
    assert sign_flip_p(np.array([2, 1, 1])) == pytest.approx(2 / 8)
    # 2 and 1 against 1: sums 4, 2 (twice), 0 (twice), ...; |sum| >= 2 in 6 of 8.
    assert sign_flip_p(np.array([2, 1, -1])) == pytest.approx(6 / 8)
    assert sign_flip_p(np.array([2, 2, -2])) == mcnemar_p(1, 2)
