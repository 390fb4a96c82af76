"""Near duplicates are one witness: writing every problem down twice under one tag must narrow no interval."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from move37.analyses import Findings
from move37.analyses.details import ModelData
from move37.analyses.findings import Facts, find
from move37.analyses.serialise import findings_json
from move37.counts import StoppedTally, StoppingPlan, Tally
from move37.estimates.settings import BandSettings, Target
from move37.estimates.solvable import mcnemar_p, sign_flip_p
from move37.report import ReportContext
from move37.report.page import write_report
from move37.types import Problem

M, N = 36, 16


def tally(model: str, p: np.ndarray, seed: int) -> Tally:
    rng = np.random.default_rng(seed)
    unscored = rng.integers(0, 2, len(p))
    correct = rng.binomial(N - unscored, p)
    ids = tuple(f"p{i:03}" for i in range(len(p)))
    return Tally(model, ids, correct, N - unscored - correct, unscored, np.zeros(len(p), dtype=np.int64))


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


def said(
    tallies: list[Tally | StoppedTally], copies: int, target: Target = "population", tag: str = "twin"
) -> Findings:
    rows = np.repeat(np.arange(M), copies)
    ids = tuple(f"p{i:03}{'-copy' * copy}" for i in range(M) for copy in range(copies))
    many = [replace(each.select(rows), problem_ids=ids) for each in tallies]
    problems = [
        Problem(name, f"What is {name}?", (name,), "made", "math", {"twin": name[:4], "level": str(int(name[1:4]) % 3)})
        for name in ids
    ]
    tokens = {name: 10.0 + int(name[1:4]) % 7 for name in ids}
    facts = Facts(problems, ("level",), tag or None, {"GRPO": ("rl", "rl2")}, beyond=True, zero_set_start=N)
    settings = BandSettings(draws=2000, target=target)
    data = [ModelData(each, tokens_by_problem=tokens, **further(each, many[0])) for each in many]
    return find(data, settings, facts)


def further(each: Tally | StoppedTally, base: Tally | StoppedTally) -> dict[str, Any]:
    """Answers, which samples have one, and fresh samples of what base never solved: alike for all copies."""
    if not isinstance(each, Tally):
        return {}
    counts = list(zip(each.problem_ids, each.correct.tolist(), each.incorrect.tolist(), strict=True))
    rows = [(name, "right", True, right) for name, right, _ in counts]
    rows += [(name, f"wrong {i}", False, (wrong + i) // 2) for name, _, wrong in counts for i in (0, 1)]
    never = base.select(base.successes == 0 if isinstance(base, StoppedTally) else base.correct == 0).problem_ids
    right = np.array([(int(name[1:4]) * len(each.model)) % 5 for name in never], dtype=np.int64)
    zeros = np.zeros_like(right)
    return {
        "answers": pl.DataFrame(
            [row for row in rows if row[3]], ["problem_id", "answer", "correct", "count"], orient="row"
        ),
        "with_answer": replace(each, incorrect=each.incorrect // 2),
        "zero_set": Tally(each.model, never, right, 5 - right, zeros, zeros),
    }


IS_INTERVAL = re.compile(
    r"lower|upper|_error$|^se_|critical|(^|_)p($|_)|p_adjusted|first_loss|^gain$|^loss$|still_|shown|crossing$"
    r"|few_problems|anytime|e_value|steady|confidence|noise_floor_p"
)
"""Names of numbers that say how sure one is: copies change none of them, unless they bound a number of problems."""


def unlike(one: Any, two: Any, path: str = "") -> list[str]:
    """Paths of all numbers of the JSON that the copies changed in another way than by counting every problem twice.

    Whatever says how sure one is must be the same; a bound on a number of problems may be twice that, as the number is.
    Everything else is the same or, where it counts problems or samples, twice as much: nothing is left out.
    """
    name = re.sub(r"\[.*", "", path.rpartition(".")[2])
    if type(one) is not type(two) and (isinstance(one, dict | list) or isinstance(two, dict | list)):
        return [f"{path}: {one} {two}"[:300]]  # there is one here and none there
    if isinstance(one, dict):
        assert one.keys() == two.keys(), path
        if _bounds_a_number_of_problems(one, two):
            one = {key: 2 * value if key in ("at_least", "lower") else value for key, value in one.items()}
        return [each for key in one for each in unlike(one[key], two[key], f"{path}.{key}")]
    if isinstance(one, list) and any(isinstance(each, list | dict | str) for each in [*one, *two]):
        if any(isinstance(each, str) for each in one):
            return []  # ids
        if len(one) != len(two):
            return [f"{path}: {len(one)} and {len(two)} of them"]
        return [each for i, pair in enumerate(zip(one, two, strict=True)) for each in unlike(*pair, f"{path}[{i}]")]
    if isinstance(one, str):
        return []
    first, second = (np.array(each, dtype=float) for each in (one, two))
    factors = (1,) if IS_INTERVAL.search(name) else (1, 2)
    same = first.shape == second.shape and any(
        np.allclose(factor * first, second, rtol=1e-5, atol=2e-6, equal_nan=True) for factor in factors
    )
    return [] if same else [f"{path}: {one} {two}"[:300]]


def _bounds_a_number_of_problems(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Chao's bound of solvable problems: its value is twice as much, and so is the end of its interval."""
    return "never_solved" in one and "at_least" in one and two["at_least"] == pytest.approx(2 * one["at_least"])


@pytest.mark.slow
@pytest.mark.parametrize("target", ["population", "benchmark"])
@pytest.mark.parametrize("kind", ["fixed", "stopped"])
def test_every_problem_twice_under_one_tag_changes_no_interval(kind: str, target: Target):
    once, twice = (findings_json(said(models(kind), copies, target)) for copies in (1, 2))
    assert unlike(once, twice) == []


@pytest.mark.slow
def test_the_walk_sees_every_interval():
    # Copies that are not tagged narrow intervals of every part of the findings; the walk has to name each part.
    once, twice = (findings_json(said(models("fixed"), copies, tag="")) for copies in (1, 2))
    seen = {re.sub(r"\[\d+\]", "", each.split(":")[0]) for each in unlike(once, twice)}
    for part in (
        ".curves.lower",
        ".curves.se_benchmark",
        ".models.reliability.estimate.upper",
        ".models.coverage.estimate.lower",
        ".models.bayes.estimate.upper",
        ".models.unscored.lower",
        ".models.beyond.lower",
        ".comparisons.difference.lower",
        ".comparisons.sampling_gap.lower",
        ".comparisons.solvable.mcnemar_p",
        ".pairs.support.retention.lower",
        ".pairs.support.net_change.upper",
        ".pairs.coverage.estimate.upper",
        ".pairs.tokens.upper",
        ".pairs.strata.total.upper",
        ".pairs.unscored.band_lower",
        ".pairs.diversity.answers.lower",
        ".pairs.format.content_interval",
        ".zero_set.models.lower",
        ".pairs.beyond.differences.lower",
        ".family.members.lower",
        ".seeds.se_problems",
    ):
        assert part in seen, sorted(seen)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_numbers_of_the_page_are_those_of_half_as_many_problems(tmp_path: Path):
    context = ReportContext("made", "", (), (), "move37 report made")
    pages = []
    for copies in (1, 2):
        write_report(said(models("fixed"), copies), context, tmp_path / str(copies))
        pages.append((tmp_path / str(copies) / "report.md").read_text())
    intervals = [re.findall(r"\(([^()]* to [^()]*%?)\)|interval ([^,()]*)", page) for page in pages]
    assert len(intervals[0]) > 100
    assert intervals[0] == intervals[1]


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
        assert one.lower is not None
        assert one.upper is not None
        assert two.lower is not None
        assert two.upper is not None
        assert two.upper - two.lower == pytest.approx((one.upper - one.lower) / 2**0.5, rel=0.05)


def test_the_sign_flip_test_is_mcnemars_where_every_cluster_is_one_problem():
    assert sign_flip_p(np.array([1, 0, -1, 1, 1, 1, 1])) == mcnemar_p(1, 5)
    # Three clusters of 2, 1 and 1 problems, all won by RL: 2 of 8 sign patterns are as extreme.
    assert sign_flip_p(np.array([2, 1, 1])) == pytest.approx(2 / 8)
    # 2 and 1 against 1: sums 4, 2 (twice), 0 (twice), ...; |sum| >= 2 in 6 of 8.
    assert sign_flip_p(np.array([2, 1, -1])) == pytest.approx(6 / 8)
    assert sign_flip_p(np.array([2, 2, -2])) == mcnemar_p(1, 2)
