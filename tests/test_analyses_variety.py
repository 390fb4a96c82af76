"""Chances with the noise of the samples taken out, and different answers: against exhaustion and known worlds."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl
import pytest

from move37.analyses.curves import mean_interval
from move37.analyses.deconvolved import deconvolved_shift
from move37.analyses.diversity import diversity, seen
from move37.counts import Tally
from move37.estimates.majority import answers_by_problem


def tally(model: str, correct: np.ndarray, n: int) -> Tally:
    zeros = np.zeros(len(correct), dtype=np.int64)
    return Tally(model, tuple(f"p{i}" for i in range(len(correct))), correct, n - correct, zeros, zeros)


def test_two_kinds_of_problems_are_told_apart_where_the_histogram_blurs_them() -> None:
    """Half of 400 problems at p = .05, half at .55 under base; rl moves the first kind to 0 and the second to .97.

    In 16 samples each the raw histogram fills many bins; the fit puts nine tenths and more where they belong."""
    rng, n, half = np.random.default_rng(0), 16, 200
    base = tally("base", rng.binomial(n, np.repeat([0.05, 0.55], half)), n)
    rl = tally("rl", rng.binomial(n, np.repeat([0.0, 0.97], half)), n)
    found = deconvolved_shift(base, rl)
    assert found.transition.sum() == pytest.approx(400)
    # p = .05 is at most 1/16; .55 is in (.5, .6], the sixth of the tenths.
    assert found.base_problems[:2].sum() == pytest.approx(half, abs=20)
    assert found.base_problems[5:8].sum() == pytest.approx(half, abs=30)
    assert found.rl_problems[0] == pytest.approx(half, abs=2)
    assert found.rl_problems[-1] == pytest.approx(half, abs=20)
    assert found.rl_rarely[0] <= 0.5 <= found.rl_rarely[1]
    assert found.rl_nearly_always[0] <= 0.5 <= found.rl_nearly_always[1]
    assert found.base_nearly_always[0] == pytest.approx(0, abs=0.01)


def test_different_answers_in_m_samples_are_counted_without_replacement() -> None:
    votes, n = np.array([3, 1, 1]), 6  # and one sample without an answer
    pool = [0, 0, 0, 1, 2, None]
    for m in range(1, n + 1):
        picks = [{each for each in pick if each is not None} for pick in combinations(pool, m)]
        assert seen(votes, n, m).sum() == pytest.approx(np.mean([len(pick) for pick in picks]))


def frame(rows: Sequence[tuple[str, str | None, bool, int]]) -> pl.DataFrame:
    schema = {"problem_id": pl.String, "answer": pl.String, "correct": pl.Boolean, "count": pl.UInt32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_supports_overlap_by_answers() -> None:
    base = frame(
        [("a", "x", True, 2), ("a", "y", True, 1), ("a", "z", False, 1), ("b", "u", True, 1), ("b", None, False, 3)]
    )
    rl = frame([("a", "x", True, 3), ("a", "v", True, 1), ("b", "w", False, 4)])
    votes = answers_by_problem(base.iter_rows()), answers_by_problem(rl.iter_rows())
    found = diversity(("base", "rl"), votes, (base, rl), ("a", "b"))
    assert found is not None
    # All four samples of each problem: base 3 and 1 different answers, rl 2 and 1; right ones 2 and 1, rl 2 and 0.
    assert (found.samples, found.answers.base, found.answers.rl) == (4, 2.0, 1.5)
    assert (found.right.base, found.right.rl) == (1.5, 1.0)
    assert found.right.lower < found.right.difference == -0.5 < found.right.upper
    # Of rl's four right samples three are x; of base's right answers x, y, u one is rl's.
    assert found.shared_by_rl == 0.75
    assert found.kept_of_base == pytest.approx(1 / 3)
    assert diversity(("base", "rl"), ({}, {}), (base, rl), ("a",)) is None
    # Pairs that agree: base 1 of 6 (x) and none, rl 3 of 6 (x) and all. Most frequent: base 2/4 and 1/4, rl 3/4 and 1.
    assert found.same is not None
    assert found.top is not None
    assert (found.same.base, found.same.rl) == (pytest.approx(1 / 12), 0.75)
    assert (found.top.base, found.top.rl) == (0.375, 0.875)
    assert found.responses is None


def test_the_chance_that_two_samples_agree_does_not_depend_on_how_many_there_are() -> None:
    """200 problems with answers at .5, .3, .2: two agree with .38, in 4 samples as in 64; their number does depend."""
    rng, ids = np.random.default_rng(5), [f"p{i}" for i in range(200)]
    found = {}
    for n in (4, 64):
        counts = rng.multinomial(n, [0.5, 0.3, 0.2], size=200)
        rows = [(p, "xyz"[a], a == 0, int(c)) for p, of in zip(ids, counts, strict=True) for a, c in enumerate(of) if c]
        one = frame(rows)
        votes = answers_by_problem(one.iter_rows())
        texts = one.select("problem_id", "count")
        found[n] = diversity(("base", "rl"), (votes, votes), (one, one), ids, responses=(texts, texts))
    four, many = found[4], found[64]
    assert four is not None
    assert many is not None
    assert four.same is not None
    assert many.same is not None
    # The error of a mean of 200 is .02 at n = 4: five of them.
    assert four.same.base == pytest.approx(0.38, abs=0.1)
    assert many.same.base == pytest.approx(0.38, abs=0.02)
    assert four.answers.base < 2.4 < many.answers.base
    assert many.same_response is not None
    assert many.same_response.base == many.same.base  # here a response is its answer


def different_answers(law: np.ndarray, problems: int, rng: np.random.Generator) -> np.ndarray:
    """rl's different answers minus base's in 32 samples, (problems,). Kinds (share, base, RL); 4 wrong answers each."""
    _, *chances = law.T
    kinds = rng.choice(len(law), problems, p=law[:, 0])
    found = []
    for chance in chances:
        right = rng.binomial(32, chance[kinds])
        wrong = rng.multinomial(32 - right, [0.25] * 4)
        found.append((right > 0) + (wrong > 0).sum(axis=1))
    return (found[1] - found[0]).astype(float)


@pytest.mark.parametrize(
    "kinds",
    [((0.6, 0.15, 0.6), (0.3, 0.3, 0.0), (0.1, 0.0, 0.0)), ((0.4, 0, 0.2), (0.2, 0.02, 0.02), (0.4, 0.1, 0.4))],
    ids=["crossing", "rare"],
)
def test_the_interval_of_different_answers_is_false_as_rarely_as_it_says(kinds: tuple[tuple[float, ...], ...]) -> None:
    law, rng, studies, false = np.array(kinds), np.random.default_rng(20), 2000, 0
    share, base, rl = law.T
    one = [1 - (1 - p) ** 32 + 4 * (1 - (1 - (1 - p) / 4) ** 32) for p in (base, rl)]  # one study, known chances
    truth = float(share @ (one[1] - one[0]))
    for _ in range(studies):
        ends = mean_interval(different_answers(law, 90, rng), 0.95, (-np.inf, np.inf))
        assert ends is not None
        false += not ends[0] <= truth <= ends[1]
    # .05 of 2,000 are 100, standard error 9.7: beyond three of them once in 370 times. Seeded.
    assert 71 <= false <= 129
