"""Where do two graders of the same samples differ, and what does that do to the curves?

For imported samples the other grader is the tool's that wrote them; otherwise any verifier that has judged them too.
Only samples that both have judged are compared; unscored is an outcome like the others, so it disagrees with both. The
curves are of the samples that both have scored, so that nothing but the grader differs between them; where sampling was
stopped early, of those before the first look, because what came later depended on one grader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from move37.estimates.pass_at_k import pass_at_k
from move37.types import Outcome

if TYPE_CHECKING:  # tables are of runs: counts are compared without a table library
    import polars as pl


@dataclass(frozen=True, slots=True)
class Disagreement:
    problem_id: str
    index: int
    ours: str
    theirs: str
    answer: str | None
    reference: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of samples by the two outcomes, every sample on which they differ, and pass@k under both."""

    model: str
    verifier: str
    other: str
    samples: int
    agree: int
    disagreements: tuple[Disagreement, ...]
    k: int
    """Most samples of a problem that both have scored, on every problem; 0 where there is none."""
    pass_at_1: tuple[float, float] | None
    """Under our grader and under the other; None where k is 0."""
    pass_at_k: tuple[float, float] | None


def agreement(
    model: str,
    verifier: str,
    other: str,
    judged_twice: pl.DataFrame,
    references: Mapping[str, str],
    first_stop: int | None = None,
) -> Agreement:
    """Compare two graders on `judged_twice`: problem_id, index, outcome (ours), theirs, answer; one row per sample.

    `references` holds the reference answer by problem. `first_stop` is the index from which on n was not fixed.
    """
    import polars as pl  # here: tables are of runs

    if judged_twice.is_empty():
        return Agreement(model, verifier, other, 0, 0, (), 0, None, None)
    differ = judged_twice.filter(pl.col("outcome").cast(pl.String) != pl.col("theirs").cast(pl.String))
    listed = tuple(
        Disagreement(problem_id, index, ours, theirs, answer, references.get(problem_id, ""))
        for problem_id, index, ours, theirs, answer in differ.select(
            "problem_id", "index", "outcome", "theirs", "answer"
        ).rows()
    )
    samples = judged_twice.height
    return Agreement(
        model, verifier, other, samples, samples - len(listed), listed, *_curve_ends(judged_twice, first_stop)
    )


def _curve_ends(
    judged_twice: pl.DataFrame, first_stop: int | None
) -> tuple[int, tuple[float, float] | None, tuple[float, float] | None]:
    """The largest common k, and pass@1 and pass@k at it under both graders."""
    import polars as pl  # here: tables are of runs

    unscored = Outcome.UNSCORED.value
    kept = pl.lit(True) if first_stop is None else pl.col("index") < first_stop
    right = {name: (pl.col(name) == Outcome.CORRECT.value).sum().alias(name) for name in ("outcome", "theirs")}
    counts = (
        judged_twice.filter(kept & (pl.col("outcome") != unscored) & (pl.col("theirs") != unscored))
        .group_by("problem_id")
        .agg(pl.len().alias("n"), *right.values())
    )
    if counts.is_empty():
        return 0, None, None
    n = counts["n"].to_numpy().astype(np.int64)
    ours, theirs = (pass_at_k(counts[name].to_numpy().astype(np.int64), n).mean(axis=0) for name in right)
    return len(ours), (float(ours[0]), float(theirs[0])), (float(ours[-1]), float(theirs[-1]))
