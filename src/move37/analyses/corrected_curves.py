"""What would pass@k be without the verifier's errors? A curve with a bracket per model, from an audit or a calibration.

The verifier accepts right samples with chance s and wrong ones with f (`estimates/verifier_errors.py`). True pass@k
falls as s rises (fewer misses to make good) and as f rises, so over a box of (s, f) it lies between the corners
(s high, f high) and (s low, f low).

- From an *audit*, per model: f of the model's own wrong answers, s = 1 (what was rejected is not read).
- From a *calibration*, the same for all models: s from the references, f from corrupted answers. Corruptions follow
  another law than a model's wrong answers, so this is a range to think in, not a correction; it is made only where one
  verifier judged the whole run.

Curves are cut off at [0, 1]. Where digits run out (s < 1 and large k) a corner is the end of that range.
Left out: the sampling error of pass@k itself, which the model's band shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses.chain_audit import ChainAudit
from move37.counts import AnyTally
from move37.estimates.reliability import exact_share_interval
from move37.estimates.rows import pass_at_k_rows
from move37.estimates.verifier_errors import corrected_failure
from move37.types import FloatArray, IntArray

AUDIT, CALIBRATION = "audit", "calibration"


@dataclass(frozen=True, slots=True)
class ErrorBox:
    """A verifier's chances to accept a right sample and a wrong one: as found, and (lower, upper)."""

    sensitivity: float
    sensitivity_range: tuple[float, float]
    false_accepts: float
    false_accepts_range: tuple[float, float]


@dataclass(frozen=True, eq=False)
class CorrectedCurve:
    """pass@k of one model as measured, corrected at the errors found, and over their box, (K,) each."""

    model: str
    source: str
    """AUDIT or CALIBRATION."""
    box: ErrorBox
    k: IntArray
    measured: FloatArray
    corrected: FloatArray
    """NaN where digits run out."""
    lower: FloatArray
    upper: FloatArray
    confidence: float = 0.95
    """Of the range of false accepts, and of that of the sensitivity."""


def corrected_curve(tally: AnyTally, source: str, box: ErrorBox, confidence: float = 0.95) -> CorrectedCurve | None:
    """None where the box holds a verifier that tells right and wrong no better than the toss of a coin would."""
    if box.false_accepts_range[1] >= box.sensitivity_range[0]:
        return None
    failure = 1 - pass_at_k_rows(tally).mean(axis=0)
    corrected = 1 - corrected_failure(failure, box.sensitivity, box.false_accepts)
    lowest = 1 - corrected_failure(failure, box.sensitivity_range[1], box.false_accepts_range[1])
    highest = 1 - corrected_failure(failure, box.sensitivity_range[0], box.false_accepts_range[0])
    return CorrectedCurve(
        model=tally.model,
        source=source,
        box=box,
        k=np.arange(1, len(failure) + 1),
        measured=1 - failure,
        corrected=np.clip(corrected, 0.0, 1.0),
        lower=np.clip(np.nan_to_num(lowest, nan=0.0), 0.0, 1.0),
        upper=np.clip(np.nan_to_num(highest, nan=1.0), 0.0, 1.0),
        confidence=confidence,
    )


def corrected_curves(
    tallies: Sequence[AnyTally],
    audits: Sequence[ChainAudit],
    calibrations: Sequence[tuple[str, tuple[int, int], tuple[int, int]]],
    verifiers: int,
    confidence: float,
) -> tuple[CorrectedCurve, ...]:
    """One curve for each model that was audited, else from the run's calibration. `verifiers`: how many judged the run.

    `calibrations`: (label, (accepted, scored) references, (accepted, scored) corrupted answers).
    """
    audited = {each.model: each for each in audits if each.false_accepts is not None}
    general = _of_calibration(calibrations, confidence) if len(calibrations) == 1 and verifiers == 1 else None
    found = []
    for tally in tallies:
        audit = audited.get(tally.model)
        if audit is not None and audit.false_accepts is not None:
            box = ErrorBox(1.0, (1.0, 1.0), audit.false_accepts, (audit.lower, audit.upper))
            found.append(corrected_curve(tally, AUDIT, box, confidence))
        elif general is not None:
            found.append(corrected_curve(tally, CALIBRATION, general, confidence))
    return tuple(each for each in found if each is not None)


def _of_calibration(
    calibrations: Sequence[tuple[str, tuple[int, int], tuple[int, int]]], confidence: float
) -> ErrorBox | None:
    """None where nothing right, or nothing wrong, was scored."""
    ((_, right, wrong),) = calibrations
    if not right[1] or not wrong[1]:
        return None
    found = [exact_share_interval(*each, 1 - confidence) for each in (right, wrong)]
    return ErrorBox(right[0] / right[1], found[0], wrong[0] / wrong[1], found[1])
