"""On how many problems may a model count as solving what it only had accepted wrongly? From a calibration.

A verifier errs answer by answer: equal answers are judged once and share their verdict. So what counts is how many
*different* wrong answers a model gave. With f the chance that a wrong answer is accepted, a problem on which a model
gave d different wrong answers and no right one stays unsolved with the chance (1 - f)^d. Only those that stayed so are
seen; the sum over them of (1 - f)^-d - 1 is unbiased for the number of problems that are solved by a wrong answer alone
(Horvitz-Thompson: each of them stands for itself and for what was lost with it), if answers are accepted independently.

A model whose wrong answers are all the same hardly gains by trying more; 1 - (1 - f)^k (`grader_errors.py`) is the
other end, where no two are the same. Decisions:
- f is that of corrupted answers, and the model's own may tempt a verifier more or less: a figure to think with, no
  correction. An audit (`chain_audit.py`) counts them.
- Answers of the samples before any problem could stop, all of which were taken; a sample without an answer has none.

Left out: runs that several verifiers judged, as it is not known whose answers were whose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from move37.analyses.grader_errors import GraderErrors
from move37.types import FloatArray

if TYPE_CHECKING:  # tables are of runs: counts are compared without a table library
    import polars as pl


@dataclass(frozen=True, slots=True)
class FalseSolves:
    """One model: problems to be expected among its solved ones that no right answer solved."""

    model: str
    verifier: str
    solved: int
    """Problems with an accepted answer, in the samples before any problem could stop."""
    unsolved: int
    distinct_wrong: int
    """Different answers on the unsolved problems."""
    false_accepts: float
    """Share of corrupted answers that the verifier accepted."""
    false_accepts_upper: float
    """The upper limit of it, at the calibration's confidence."""
    expected: float
    expected_upper: float
    """The same at the upper limit."""


def false_solves(
    model: str, answers: pl.DataFrame | None, problem_ids: Sequence[str], errors: GraderErrors
) -> FalseSolves | None:
    """From distinct answers (problem_id, answer, correct); None where they are not known of these problems."""
    if answers is None:
        return None
    import polars as pl  # here: tables are of runs

    here = answers.filter(pl.col("problem_id").is_in(pl.Series([*problem_ids], dtype=pl.String).implode()))
    by_problem = here.group_by("problem_id").agg(
        solved=pl.col("correct").any(), distinct=pl.col("answer").drop_nulls().n_unique()
    )
    if by_problem.height < len(problem_ids):
        return None
    wrong = by_problem.filter(~pl.col("solved"))["distinct"].to_numpy().astype(float)
    solved = by_problem.height - len(wrong)
    return FalseSolves(
        model=model,
        verifier=errors.verifier,
        solved=solved,
        unsolved=len(wrong),
        distinct_wrong=int(wrong.sum()),
        false_accepts=errors.corrupted_accepted / errors.corrupted,
        false_accepts_upper=errors.upper,
        expected=expected_false(wrong, errors.corrupted_accepted / errors.corrupted, solved),
        expected_upper=expected_false(wrong, errors.upper, solved),
    )


def expected_false(distinct: FloatArray, share: float, solved: int) -> float:
    """Of `solved` problems, those solved by a wrong answer alone, from how many different wrong answers the unsolved
    ones have, (U,), each accepted with the chance `share`; never more than `solved`."""
    if not share:
        return 0.0
    if share >= 1:
        return float(solved)
    with np.errstate(over="ignore"):
        return float(min(np.expm1(-distinct * np.log1p(-share)).sum(), solved))
