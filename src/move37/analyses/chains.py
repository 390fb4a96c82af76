"""CoT-pass@k: at least one of k samples is right and has a valid chain, as a judge of chains says, and its errors.

A judge that errs makes the curve (`estimates/chains.py`): with errors (s, f) from a calibration on corrupted chains
(`corrupted_chains.py`) it is corrected, and shown over the box of both intervals. Judges accept corrupted chains nearly
as often as clean ones (arXiv 2609.32622): then the box is wide, and says so.

Counts are of the samples before any problem can stop. A right sample on which the judge gave no verdict is a bracket:
rejected, and accepted. A wrong one needs no verdict.
Left out: chains of wrong answers; which chains were rejected (the verdicts are in the run).
"""

from dataclasses import dataclass

import numpy as np

from move37.estimates.chains import chain_failure_at_k
from move37.estimates.reliability import exact_share_interval
from move37.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class ChainErrors:
    """(accepted, judged) clean chains, and corrupted ones, under one judge."""

    judge: str
    clean: tuple[int, int]
    corrupted: tuple[int, int]


@dataclass(frozen=True, eq=False)
class ChainCounts:
    """One model's samples by problem, int64 (3, M): wrong; right and rejected; right and accepted by the judge."""

    judge: str
    """Its label."""
    counts: IntArray
    unjudged: IntArray
    """Right samples without a verdict of the judge, (M,)."""


@dataclass(frozen=True, eq=False)
class ChainCurve:
    """One model, arrays of shape (K,). What is corrected is NaN, and its range all of [0, 1], where digits run out."""

    model: str
    judge: str
    problems: int
    k: IntArray
    answers: FloatArray
    """pass@k by answers alone."""
    accepted: FloatArray
    """At least one right answer with an accepted chain: the judge taken at its word, what it left unjudged rejected."""
    accepted_upper: FloatArray
    """The same with what it left unjudged accepted."""
    unjudged: int
    sensitivity: tuple[float, float, float] | None
    """Share of clean chains accepted, its lower and upper limit; None without a calibration."""
    false_accepts: tuple[float, float, float] | None
    corrected: FloatArray | None
    lower: FloatArray | None
    upper: FloatArray | None
    note: str = ""
    """Why nothing is corrected, where a calibration is known and does not allow it."""
    confidence: float = 0.95
    """Of the limits of both shares, each."""


def chain_curve(
    model: str, found: ChainCounts, errors: ChainErrors | None = None, confidence: float = 0.95
) -> ChainCurve | None:
    """None where some problem has no sample left. `errors` are used if they are of the same judge."""
    none = np.zeros_like(found.unjudged)
    counts = found.counts + np.stack([none, found.unjudged, none])
    most = found.counts + np.stack([none, none, found.unjudged])
    n = counts.sum(axis=0)
    if not n.size or not n.all():
        return None
    k = int(n.min())

    def curve(values: IntArray, s: float = 1.0, f: float = 0.0) -> FloatArray:
        return 1 - chain_failure_at_k(values, k, s, f).mean(axis=0)

    by_answers = np.stack([counts[0], np.zeros_like(n), counts[1] + counts[2]])
    known = errors is not None and errors.judge == found.judge and errors.clean[1] > 0 and errors.corrupted[1] > 0
    s = f = corrected = lower = upper = None
    note = ""
    if known and errors is not None:
        s, f = (_with_limits(share, confidence) for share in (errors.clean, errors.corrupted))
        if s[1] > f[2]:
            corrected = np.clip(curve(counts, s[0], f[0]), 0.0, 1.0)
            lower = np.clip(np.nan_to_num(curve(counts, s[2], f[2]), nan=0.0), 0.0, 1.0)
            upper = np.clip(np.nan_to_num(curve(most, s[1], f[1]), nan=1.0), 0.0, 1.0)
        else:
            note = "the judge may accept corrupted chains as often as clean ones, so its verdicts bound nothing"
    return ChainCurve(
        model=model,
        judge=found.judge,
        problems=len(n),
        k=np.arange(1, k + 1),
        answers=curve(by_answers),
        accepted=curve(counts),
        accepted_upper=curve(most),
        unjudged=int(found.unjudged.sum()),
        sensitivity=s,
        false_accepts=f,
        corrected=corrected,
        lower=lower,
        upper=upper,
        note=note,
        confidence=confidence,
    )


def _with_limits(share: tuple[int, int], confidence: float) -> tuple[float, float, float]:
    lower, upper = exact_share_interval(*share, 1 - confidence)
    return share[0] / share[1], lower, upper
