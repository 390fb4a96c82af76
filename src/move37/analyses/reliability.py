"""How reliable is a model, beside how wide: avg@k, pass@k, pass^k, G-Pass@k and maj@k at a few ks.

Every row is a mean over problems with an interval for the population of problems (Student t, per row: they do not
hold jointly). k = 1 is one row, avg@n, since pass@1, pass^1 and G-Pass@1 all equal it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses.curves import mean_interval
from move37.analyses.pairing import require_scored
from move37.errors import InputError
from move37.estimates.majority import AnswerCounts, majority_at_k
from move37.estimates.pass_at_k import (
    average,
    checked_k,
    g_pass_at_k,
    pass_at_k,
    pass_hat_k,
    standard_error_population,
)
from move37.types import Estimate, FloatArray, Tally

MEASURES = ("avg@n", "pass@k", "pass^k", "G-Pass@k_0.5", "maj@k")
"""What `ReliabilityRow.measure` can be."""


@dataclass(frozen=True, slots=True)
class ReliabilityRow:
    """One measure of one model at one k. maj@k needs answers, so it is absent for imported counts."""

    model: str
    measure: str
    k: int
    estimate: Estimate


def reliability(
    tally: Tally,
    ks: Sequence[int] | None = None,
    answers: Mapping[str, AnswerCounts] | None = None,
    confidence: float = 0.95,
) -> tuple[ReliabilityRow, ...]:
    """Rows ordered by measure, then k. `ks` defaults to `default_ks`; `answers` by problem id add maj@k.

    Raises InputError for a k above the smallest n, and for answers that do not add up to the tally's n.
    """
    require_scored(tally)
    smallest = int(tally.n.min())
    ks = default_ks(smallest) if ks is None else [checked_k(tally.n, k) for k in ks if k > 1]
    correct, n = tally.correct, tally.n
    per_problem = [("avg@n", smallest, average(correct, n))]
    if ks:
        passed, all_correct = pass_at_k(correct, n, max(ks)), pass_hat_k(correct, n, max(ks))
        per_problem += [("pass@k", k, passed[:, k - 1]) for k in ks]
        per_problem += [("pass^k", k, all_correct[:, k - 1]) for k in ks]
        per_problem += [("G-Pass@k_0.5", k, g_pass_at_k(correct, n, k, 0.5)) for k in ks]
    if answers:
        ordered = _answers_in_order(tally, answers)
        per_problem += [("maj@k", k, np.array([majority_at_k(each, k) for each in ordered])) for k in ks]
    return tuple(
        ReliabilityRow(tally.model, measure, k, _estimate(tally, measure, k, values, confidence))
        for measure, k, values in per_problem
    )


def default_ks(k_max: int) -> list[int]:
    """4, 16, 64, ... below k_max, and k_max itself; none for k_max = 1."""
    return [k for k in (4**i for i in range(1, 32)) if k < k_max] + [k_max] * (k_max > 1)


def _answers_in_order(tally: Tally, answers: Mapping[str, AnswerCounts]) -> list[AnswerCounts]:
    for problem_id, n in zip(tally.problem_ids, tally.n, strict=True):
        found = answers[problem_id].n if problem_id in answers else 0
        if found != n:
            raise InputError(f"{tally.model}: problem {problem_id} has {n} scored samples but {found} answers to vote")
    return [answers[problem_id] for problem_id in tally.problem_ids]


def _estimate(tally: Tally, measure: str, k: int, values: FloatArray, confidence: float) -> Estimate:
    error = float(standard_error_population(values))
    lower, upper = mean_interval(values, confidence, (0.0, 1.0)) or (None, None)
    return Estimate(
        name=measure.replace("@k", f"@{k}").replace("^k", f"^{k}").replace("@n", f"@{k}"),
        value=float(values.mean()),
        standard_error=None if np.isnan(error) else error,
        lower=lower,
        upper=upper,
        confidence=None if lower is None else confidence,
        method="mean over problems, Student t",
        target="population",
        problems=tally.problems,
        n=(int(tally.n.min()), int(tally.n.max())),
    )
