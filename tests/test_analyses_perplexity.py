"""Perplexities by group, and whether re-weighting explains what RL alone solved: numbers checkable by hand."""

import numpy as np
import pytest

from move37.analyses.perplexity import ScoredResponses, pair_perplexity
from move37.analyses.solvable_sets import solvable_table
from move37.counts import Tally


def tally(model: str, correct: list[int], n: int = 4) -> Tally:
    zeros, counts = np.zeros(len(correct), dtype=np.int64), np.array(correct)
    return Tally(model, tuple(f"p{i}" for i in range(len(correct))), counts, n - counts, zeros, zeros)


def scored(author: str, model: str, rows: list[tuple[int, int, float, float, int]]) -> ScoredResponses:
    """Rows of (problem, correct, probability of each of two tokens, mass ahead, text)."""
    problems, correct, chances, ahead, texts = (np.array(column) for column in zip(*rows, strict=True))
    logprobs = 2 * np.log(chances)
    ids = tuple(f"p{i}" for i in range(3))
    return ScoredResponses(
        author, model, ids, problems, correct, np.full(len(rows), 2), logprobs, logprobs, ahead.astype(float), texts
    )


BASE_TABLE = solvable_table(tally("base", [2, 0, 0]), tally("rl", [4, 1, 0]))  # p1 is solved by rl alone, k = 4


def test_groups_are_by_outcome_and_by_who_solved_the_problem() -> None:
    rows = [(0, 1, 0.5, 0.0, 1), (0, 0, 0.25, 0.0, 2), (1, 1, 0.1, 0.99, 3), (1, 1, 0.5, 0.2, 4)]
    found = pair_perplexity({("rl", "base"): scored("rl", "base", rows)}, BASE_TABLE)
    assert found is not None
    groups = {(g.outcome, g.on): g for g in found.groups}
    # Perplexity is one over the chance of a token: 2, 4, 10, 2.
    assert groups["all", "all"].quantiles[2] == pytest.approx(3)
    assert groups["correct", "all"].quantiles[2] == pytest.approx(2)
    assert groups["incorrect", "all"].responses == 1
    assert groups["all", "solved by rl only"].quantiles[2] == pytest.approx(6)
    assert groups["all", "all"].by_problem == pytest.approx((3 + 6) / 2)
    assert ("incorrect", "solved by rl only") not in groups


def test_re_weighting_expects_base_to_miss_what_is_rare() -> None:
    # p0: one right text of chance 1/4, seen twice; p1: two, of 1/4 and 1/100. k = 4.
    rows = [(0, 1, 0.5, 0.0, 1), (0, 1, 0.5, 0.0, 1), (1, 1, 0.5, 0.0, 2), (1, 1, 0.1, 0.97, 3), (1, 0, 0.9, 0.0, 4)]
    found = pair_perplexity({("rl", "base"): scored("rl", "base", rows)}, BASE_TABLE)
    assert found is not None
    assert found.reweighting is not None
    r = found.reweighting
    misses = [0.75**4, 0.74**4]
    assert (r.k, r.solved, r.rl_only, r.solutions, r.rare_solutions, r.beyond) == (4, 2, 1, 2, 1, 0)
    assert r.expected == pytest.approx(sum(misses))
    assert r.deviation == pytest.approx(np.sqrt(sum(m * (1 - m) for m in misses)))
    assert [(each.problem_id, each.solutions, each.rare) for each in r.problems] == [("p1", 2, 1)]
    assert r.problems[0].log10_p == pytest.approx(np.log10(0.26))
    # Of four right responses three are inside the nucleus of .95.
    assert found.coverage is not None
    assert (found.coverage.responses, found.coverage.share) == (4, 0.75)


def test_nothing_is_said_of_a_pair_that_was_not_scored() -> None:
    own = {("base", "base"): scored("base", "base", [(0, 1, 0.5, 0.0, 1)])}
    assert pair_perplexity(own, BASE_TABLE) is None


@pytest.mark.slow
def test_the_interval_of_a_median_covers_at_its_level() -> None:
    """Problems with medians from a standard normal law, 20 responses each: the pooled median is 0 of the logs. Of 100
    intervals at .9 at least 80 cover with probability .998 if they keep their level."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(100):
        centres = rng.normal(size=40)
        logs = (centres[:, None] + rng.normal(size=(40, 20))).ravel()
        rows = ScoredResponses(
            "rl",
            "base",
            tuple(f"p{i}" for i in range(40)),
            np.repeat(np.arange(40), 20),
            np.ones(800, dtype=np.int64),
            np.ones(800, dtype=np.int64),
            -logs,
            -logs,
            np.zeros(800),
            np.arange(800),
        )
        table = solvable_table(tally("base", [1] * 40), tally("rl", [1] * 40))
        found = pair_perplexity({("rl", "base"): rows}, table, 0.9)
        assert found is not None
        group = found.groups[0]
        covered += group.lower <= 1 <= group.upper
    assert covered >= 80
