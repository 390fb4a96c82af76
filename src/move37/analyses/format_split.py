"""Did RL learn to solve, or to say its answer where it is looked for? Each accuracy split into format and content.

A sample counts as right if an answer is found in it and the answer is right, so on each problem p = f a, with f the
chance that an answer is found and a the chance that a found one is right. A base model that was never told how to end
its answer loses by f what it knows; RL that only teaches the format gains there.

Decisions:
- The difference of two models in p is split evenly over the two orders in which one could change f and a (Shapley):
      p_rl - p_base = (f_rl - f_base) (a_rl + a_base) / 2  +  (a_rl - a_base) (f_rl + f_base) / 2,
  problem by problem, so the parts add up to the difference in accuracy. Where a model never says an answer its a is not
  known, and is taken to be the other's: all of that difference is format.
- pass@k among the samples in which an answer was found, on the problems that have any, beside pass@k of all samples on
  the same problems: not what a better prompt would give, for samples without an answer may be the hard ones.
- All of the samples before any problem can stop, so that their number is fixed.

Left out: wrong answers that are right ones misread (`grader_errors.py`), cut-off samples (`sensitivity.py`), which have
no answer either.
"""

from dataclasses import dataclass

import numpy as np

from move37.analyses.curves import mean_interval
from move37.analyses.pairing import on_problems, paired
from move37.counts import Tally
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class FormatShare:
    """One model: how often an answer is found, and how often it is right then. Means over problems."""

    model: str
    found: float
    """Share of scored samples in which an answer was found."""
    right_when_found: float
    """Over the problems with a found answer; NaN if there is none."""
    accuracy: float
    problems_without: int
    """Problems without a single found answer."""
    k: IntArray
    among_found: FloatArray
    """pass@k among samples with an answer, (K,), on the problems that have any."""
    all_samples: FloatArray
    """pass@k of all samples on the same problems, (K,)."""
    first: int | None = None
    """Where sampling stopped early: all of it is of so many samples of each problem, the first ones."""


@dataclass(frozen=True, slots=True)
class FormatDifference:
    """rl minus base in accuracy, and its two parts with an interval each (paired, other problems too)."""

    base: str
    rl: str
    total: float
    format: float
    format_interval: tuple[float, float]
    content: float
    content_interval: tuple[float, float]
    confidence: float
    first: int | None = None
    """As in `FormatShare`, where sampling of either stopped early."""


def format_share(tally: Tally, found: Tally) -> FormatShare | None:
    """None where every sample has an answer. `found` counts the samples of `tally` in which one was found."""
    answered, right = _by_problem(tally, found)
    if (answered == tally.n).all():
        return None
    some = answered > 0
    kept = found.select(found.n > 0)
    among, whole, k = np.empty(0), np.empty(0), 0
    if kept.problems:
        among_tally, everything = paired(kept, on_problems(tally, kept.id_set))
        k = min(k_limit(among_tally), k_limit(everything))
        among, whole = (pass_at_k_rows(each, k).mean(axis=0) for each in (among_tally, everything))
    return FormatShare(
        model=tally.model,
        found=float((answered / tally.n).mean()),
        right_when_found=float((right[some] / answered[some]).mean()) if some.any() else float("nan"),
        accuracy=float((right / tally.n).mean()),
        problems_without=int((~some).sum()),
        k=np.arange(1, k + 1),
        among_found=among,
        all_samples=whole,
    )


def format_difference(
    base: tuple[Tally, Tally], rl: tuple[Tally, Tally], confidence: float = 0.95, design: Design = INDEPENDENT
) -> FormatDifference:
    """Each model's counts of all samples and of those with an answer. `design` labels the problems in base's order.

    Raises InputError unless the problems match.
    """
    one, two = paired(base[0], rl[0])
    (f_base, a_base), (f_rl, a_rl) = _shares(one, base[1]), _shares(two, rl[1])
    a_base, a_rl = np.where(np.isnan(a_base), a_rl, a_base), np.where(np.isnan(a_rl), a_base, a_rl)
    a_base, a_rl = np.nan_to_num(a_base), np.nan_to_num(a_rl)  # neither ever says an answer
    by_format = (f_rl - f_base) * (a_rl + a_base) / 2
    by_content = (a_rl - a_base) * (f_rl + f_base) / 2
    whole = (-1.0, 1.0)
    return FormatDifference(
        base=one.model,
        rl=two.model,
        total=float((by_format + by_content).mean()),
        format=float(by_format.mean()),
        format_interval=mean_interval(by_format, confidence, whole, design) or whole,
        content=float(by_content.mean()),
        content_interval=mean_interval(by_content, confidence, whole, design) or whole,
        confidence=confidence,
    )


def _shares(tally: Tally, found: Tally) -> tuple[FloatArray, FloatArray]:
    """f and a of each problem, (M,) each; a is NaN where no answer was found."""
    answered, right = _by_problem(tally, found)
    return answered / tally.n, np.where(answered > 0, right / np.maximum(answered, 1), np.nan)


def _by_problem(tally: Tally, found: Tally) -> tuple[IntArray, IntArray]:
    """Samples with an answer, and right ones, in the order of `tally`; a problem that `found` lacks has none."""
    known = {i: (n, c) for i, n, c in zip(found.problem_ids, found.n.tolist(), found.correct.tolist(), strict=True)}
    pairs = np.array([known.get(problem, (0, 0)) for problem in tally.problem_ids], dtype=np.int64)
    return pairs[:, 0], pairs[:, 1]
