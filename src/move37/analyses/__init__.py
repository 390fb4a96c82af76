"""Analyses: one question per file, tallies in, result objects out. `Findings` is what a report is made of."""

from dataclasses import dataclass

from move37.analyses.accuracy_shift import AccuracyShift
from move37.analyses.agreement import Agreement
from move37.analyses.curves import CurveDifference, ModelCurve, SamplingGap
from move37.analyses.reliability import ReliabilityRow
from move37.analyses.solvable_sets import SolvableTable
from move37.analyses.truncation import OutcomeAudit


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything that is said about one pair of models."""

    difference: CurveDifference
    solvable: SolvableTable
    shift: AccuracyShift
    sampling_gap: SamplingGap
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that is said about a run: each model alone, then each one against the base."""

    curves: tuple[ModelCurve, ...]
    audits: tuple[OutcomeAudit, ...]
    reliability: tuple[ReliabilityRow, ...]
    comparisons: tuple[Comparison, ...]
    agreements: tuple[Agreement, ...]
    warnings: tuple[str, ...]
