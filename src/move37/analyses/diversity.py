"""How many different answers does a model give, how many different right ones, and are they the other model's?

Counted in m samples of every problem, the same m for both models, however many were made: the expected number of
different answers in m of n samples without replacement, sum over answers of 1 - C(n - v, m) / C(n, m) for v votes
(rarefaction; Hurlbert 1971, Ecology 52, 577-586). In countdown an answer is a chain, so right ones are verified ways to
solve the puzzle; where an answer is a number there is one right answer in several spellings. Errors are over problems.

That number grows with m. What does not depend on the number of samples is the chance that two of them agree, estimated
without bias by sum over answers of v (v - 1) / (n (n - 1)) (Simpson 1949, Nature 163, 688); a sample without an answer
agrees with none. The share of the most frequent answer is counted as it is, and is too high where n is small. The same
for whole responses, equal to the letter.

Overlap of supports: the share of rl's right samples whose answer base gave as well, and the share of base's different
right answers that rl still gives, over the samples there are. Both fall short of 1 by luck alone.

Left out: unscored samples, answers that say the same in other words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln

from move37.analyses.curves import mean_interval
from move37.errors import InputError
from move37.estimates.majority import AnswerCounts
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray, IntArray

if TYPE_CHECKING:  # tables are of runs: counts are compared without a table library
    import polars as pl

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
    same: Variety | None = None
    """The chance that two samples of a problem give the same answer; None where a problem has one sample."""
    top: Variety | None = None
    """The share of a problem's samples that give its most frequent answer."""
    responses: Variety | None = None
    """Different responses; this and the next two are None where responses are not known."""
    same_response: Variety | None = None
    top_response: Variety | None = None

    @property
    def measures(self) -> tuple[Variety, ...]:
        """All that there are, in the order of a table."""
        every = self.answers, self.right, self.same, self.top, self.responses, self.same_response, self.top_response
        return tuple(each for each in every if each is not None)


def diversity(
    names: tuple[str, str],
    votes: tuple[Mapping[str, AnswerCounts], Mapping[str, AnswerCounts]],
    answers: tuple[pl.DataFrame, pl.DataFrame],
    problem_ids: Sequence[str],
    confidence: float = 0.95,
    design: Design = INDEPENDENT,
    responses: tuple[pl.DataFrame | None, pl.DataFrame | None] = (None, None),
) -> Diversity | None:
    """Of base and rl on these problems, which `design` labels; None where answers of one of them are not known.

    `responses` has problem_id and count of every distinct response. Raises InputError for no problem.
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
    settings = confidence, design
    asked = [[(of[problem].votes, of[problem].n) for problem in problem_ids] for of in votes]
    written = [None if frame is None else _counts_of(frame, problem_ids) for frame in responses]
    texts = (None, None, None) if None in written else _of_kind(written, m, "responses", settings)
    _, same, top = _of_kind(asked, m, "answer", settings)
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
        same=same,
        top=top,
        responses=texts[0],
        same_response=texts[1],
        top_response=texts[2],
    )


_Counted = list[tuple[IntArray, int]]
"""Of every problem: how many samples each distinct thing has, and how many there are."""


def _counts_of(frame: pl.DataFrame, problem_ids: Sequence[str]) -> _Counted | None:
    """None where a problem has fewer than two."""
    by_problem = {key[0]: part["count"].to_numpy().astype(np.int64) for key, part in frame.group_by("problem_id")}
    counted = [by_problem.get(problem, np.zeros(0, dtype=np.int64)) for problem in problem_ids]
    return [(each, int(each.sum())) for each in counted] if all(each.sum() > 1 for each in counted) else None


def _of_kind(
    of: Sequence[_Counted | None], m: int, kind: str, settings: tuple[float, Design]
) -> tuple[Variety | None, Variety | None, Variety | None]:
    """Different ones in m samples, the chance that two are alike, the share of the most frequent one."""
    base, rl = of
    if base is None or rl is None or min(n for counted in (base, rl) for _, n in counted) < 2:
        return None, None, None
    name = kind.removesuffix("s")
    different, same, top = (
        [np.array([function(v, n) for v, n in counted], dtype=float) for counted in (base, rl)]
        for function in (
            lambda v, n: seen(v, n, min(m, n)).sum(),
            lambda v, n: (v * (v - 1)).sum() / (n * (n - 1)),
            lambda v, n: v.max(initial=0) / n,
        )
    )
    return (
        _variety(f"different {name}s", different[0], different[1], *settings),
        _variety(f"chance that two samples give the same {name}", same[0], same[1], *settings),
        _variety(f"share of the most frequent {name}", top[0], top[1], *settings),
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
    import polars as pl  # here: tables are of runs

    wanted = pl.Series([*problem_ids], dtype=pl.String).implode()
    right = pl.col("correct") & pl.col("answer").is_not_null() & pl.col("problem_id").is_in(wanted)
    key = ["problem_id", "answer"]
    of_base, of_rl = (each.filter(right).group_by(key).agg(pl.col("count").sum()) for each in (base, rl))
    both = of_rl.join(of_base.select(key), on=key, how="inner")
    shared = None if of_rl.is_empty() else int(both["count"].sum()) / int(of_rl["count"].sum())
    return shared, None if of_base.is_empty() else both.height / of_base.height
