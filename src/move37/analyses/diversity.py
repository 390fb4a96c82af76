"""How many different answers does a model give, how many different right ones, and are they the other model's?

Counted in m samples of every problem, the same m for both models, however many were made: the expected number of
different answers in m of n samples without replacement, sum over answers of 1 - C(n - v, m) / C(n, m) for v votes
(rarefaction; Hurlbert 1971, Ecology 52, 577-586). In countdown an answer is a chain, so right ones are verified ways to
solve the puzzle; where an answer is a number there is one right answer in several spellings. Errors are over problems.

Overlap of supports: the share of rl's right samples whose answer base gave as well, and the share of base's different
right answers that rl still gives, over the samples there are. Both fall short of 1 by luck alone.

Left out: unscored samples, answers that say the same in other words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import gammaln

from move37.analyses.curves import mean_interval
from move37.errors import InputError
from move37.estimates.majority import AnswerCounts
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray, IntArray

MOST = 64
"""Samples in which answers are counted, at most."""


@dataclass(frozen=True, slots=True)
class Variety:
    """A mean over problems for both models, and their paired difference with its interval."""

    measure: str
    base: float
    rl: float
    difference: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Diversity:
    """Different answers of both models in `samples` samples of each problem."""

    base: str
    rl: str
    samples: int
    problems: int
    confidence: float
    answers: Variety
    right: Variety
    shared_by_rl: float | None
    """Share of rl's right samples whose answer base gave too; None without a right one."""
    kept_of_base: float | None
    """Share of base's different right answers that rl gave too; None without one."""


def diversity(
    names: tuple[str, str],
    votes: tuple[Mapping[str, AnswerCounts], Mapping[str, AnswerCounts]],
    answers: tuple[pl.DataFrame, pl.DataFrame],
    problem_ids: Sequence[str],
    confidence: float = 0.95,
    design: Design = INDEPENDENT,
) -> Diversity | None:
    """Of base and rl on these problems, which `design` labels; None where answers of one of them are not known.

    Raises InputError for no problem.
    """
    if not problem_ids:
        raise InputError("diversity needs problems")
    if any(problem not in of for of in votes for problem in problem_ids):
        return None
    m = min(MOST, *(of[problem].n for of in votes for problem in problem_ids))
    if m < 1:
        return None
    every, right = (
        [np.array([_different(of[problem], m, only_right) for problem in problem_ids]) for of in votes]
        for only_right in (False, True)
    )
    shared, kept = _overlap(*answers, problem_ids)
    return Diversity(
        base=names[0],
        rl=names[1],
        samples=m,
        problems=len(problem_ids),
        confidence=confidence,
        answers=_variety("different answers", every[0], every[1], confidence, design),
        right=_variety("different right answers", right[0], right[1], confidence, design),
        shared_by_rl=shared,
        kept_of_base=kept,
    )


def _different(counts: AnswerCounts, m: int, only_right: bool) -> float:
    """Expected number of different answers in m of the n samples."""
    return float(seen(counts.votes[counts.correct] if only_right else counts.votes, counts.n, m).sum())


def seen(votes: IntArray, n: int, m: int) -> FloatArray:
    """The chance that an answer with so many of n votes is among m of them drawn without replacement."""
    rest = n - votes
    possible = rest >= m
    with np.errstate(invalid="ignore"):
        missed = gammaln(rest + 1.0) - gammaln(np.maximum(rest - m, 0) + 1.0) + gammaln(n - m + 1.0) - gammaln(n + 1.0)
    return 1.0 - np.where(possible, np.exp(missed), 0.0)


def _variety(measure: str, base: FloatArray, rl: FloatArray, confidence: float, design: Design) -> Variety:
    """Without bounds where the difference does not vary between problems."""
    whole = (-np.inf, np.inf)
    lower, upper = mean_interval(rl - base, confidence, whole, design) or whole
    return Variety(measure, float(base.mean()), float(rl.mean()), float((rl - base).mean()), lower, upper)


def _overlap(base: pl.DataFrame, rl: pl.DataFrame, problem_ids: Sequence[str]) -> tuple[float | None, float | None]:
    wanted = pl.Series([*problem_ids], dtype=pl.String).implode()
    right = pl.col("correct") & pl.col("answer").is_not_null() & pl.col("problem_id").is_in(wanted)
    key = ["problem_id", "answer"]
    of_base, of_rl = (each.filter(right).group_by(key).agg(pl.col("count").sum()) for each in (base, rl))
    both = of_rl.join(of_base.select(key), on=key, how="inner")
    shared = None if of_rl.is_empty() else int(both["count"].sum()) / int(of_rl["count"].sum())
    return shared, None if of_base.is_empty() else both.height / of_base.height
