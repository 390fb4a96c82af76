"""How many problems that base never solved can each model solve? From samples made after they were chosen.

The problems are those with no correct one among base's first n samples. Counting base's successes on them is counting
what they were chosen by; here all counts are of fresh samples, the same number for every model (`zero_set.py`), so
that nothing has to be corrected for the choice: base gets a fair second chance, and RL is measured against that.
On a benchmark on which base fails everywhere the share that a model solves in k samples is its expansion rate
(MATH-Beyond, arXiv 2510.11653).

- *Solved in N*: share of the problems, Clopper-Pearson, for problems like these (unsolved by base in n samples); near
  duplicates count as the independent problems that would say as much.
- *Gained*, *lost*: the exact conditional tests of `gains_losses.py` on the fresh samples, over all models together.

Left out: problems that base solved; what share of a benchmark the zero set is says nothing about others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses.gains_losses import Change, gains_and_losses
from move37.counts import Tally
from move37.estimates.reliability import exact_share_interval
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class ZeroSetModel:
    """One model on the zero set. `pass_at_k` is of fresh samples, at `k` (K,)."""

    model: str
    k: IntArray
    pass_at_k: FloatArray
    solved: int
    """Problems with a correct fresh sample."""
    lower: float
    upper: float
    """Interval of the share of solved problems."""
    gained: Change | None
    """Against base; None for base itself."""
    lost: Change | None


@dataclass(frozen=True, eq=False)
class ZeroSetFindings:
    """All models on the problems that base did not solve in its first `start` samples, `n` fresh samples each."""

    base: str
    start: int
    n: int
    problems: int
    """Those on which every model has fresh samples with a verdict."""
    confidence: float
    models: tuple[ZeroSetModel, ...]


def zero_set_findings(
    base: Tally, others: Sequence[Tally], start: int, confidence: float = 0.95, design: Design = INDEPENDENT
) -> ZeroSetFindings:
    """From counts of the fresh samples on the same problems, in one order; `design` labels them. Raises InputError."""
    changes = ((None, None), *gains_and_losses(base, others, confidence, design)) if others else ((None, None),)
    n = min(k_limit(tally) for tally in (base, *others))
    return ZeroSetFindings(
        base=base.model,
        start=start,
        n=n,
        problems=base.problems,
        confidence=confidence,
        models=tuple(
            _model(tally, n, confidence, design, *change)
            for tally, change in zip((base, *others), changes, strict=True)
        ),
    )


def _model(
    tally: Tally, n: int, confidence: float, design: Design, gained: Change | None, lost: Change | None
) -> ZeroSetModel:
    solved = int((tally.correct > 0).sum())
    independent = design.effective_problems(tally.problems) / tally.problems
    return ZeroSetModel(
        tally.model,
        np.arange(1, n + 1),
        pass_at_k_rows(tally, n).mean(axis=0),
        solved,
        *exact_share_interval(independent * solved, independent * tally.problems, 1 - confidence),
        gained,
        lost,
    )
