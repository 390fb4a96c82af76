"""What does a run say? Evidence about each model goes in, `Findings` come out: the join of the other analyses.

The first model is the base, and every other one is compared with it. Each comparison stands alone: its confidence is
not corrected for how many models are compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import polars as pl

from move37.analyses import Comparison, Findings, compare
from move37.analyses.agreement import Agreement, Disagreement, agreement
from move37.analyses.cautions import model_cautions
from move37.analyses.curves import model_curve
from move37.analyses.decision import Decision
from move37.analyses.pairing import leave_out_unscored, name_some
from move37.analyses.reliability import ReliabilityRow, reliability
from move37.analyses.truncation import outcome_audit
from move37.errors import InputError
from move37.estimates.majority import AnswerCounts, answers_by_problem
from move37.types import AnyTally, Tally


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that is known of one model. Only the tally is there for imported counts.

    What needs a fixed n (votes, reliability, accuracies) is of the samples before the plan's first look, if it has
    several; for a fixed n those are all samples.
    """

    tally: AnyTally
    fixed: Tally | None = None
    """Counts over the samples before the first look; None where they are the tally itself, or not known."""
    not_truncated: Tally | None = None
    """Counts over those of them that ended by themselves."""
    reasons: Sequence[tuple[str, str, int]] = ()
    """(outcome, reason, count)."""
    mean_tokens: float | None = None
    answers: pl.DataFrame | None = None
    """Distinct answers of those that are scored: problem_id, answer (null: none), correct, count."""
    agreement: Sequence[tuple[str, pl.DataFrame]] = ()
    """Other graders by label, with problem_id, index, outcome, theirs, answer of every sample judged by both."""
    verifier: str = ""
    """Label of our own grader, for the agreements."""
    references: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Reference answer by problem id, shown beside disagreements."""

    @property
    def fixed_tally(self) -> Tally | None:
        return self.tally if isinstance(self.tally, Tally) else self.fixed


def find(
    evidence: Sequence[Evidence],
    confidence: float = 0.95,
    draws: int = 100_000,
    seed: int = 0,
    decision: Decision | None = None,
) -> Findings:
    """Each model alone, then each one against the first. Raises InputError for no model, or different problems.

    Problems on which some model has no scored sample at all are left out for every model, with a warning.
    """
    if not evidence:
        raise InputError("no model to analyse")
    tallies, left_out = leave_out_unscored([each.tally for each in evidence])
    curves = tuple(model_curve(tally, confidence, draws, seed) for tally in tallies)
    comparisons = tuple(compare(tallies[0], rl, confidence, draws, seed) for rl in tallies[1:])
    return Findings(
        curves=curves,
        audits=tuple(
            outcome_audit(each.tally, each.reasons, each.mean_tokens, each.not_truncated, each.fixed)
            for each in evidence
        ),
        reliability=tuple(row for each in evidence for row in _reliability(each, tallies[0].problem_ids, confidence)),
        comparisons=comparisons,
        agreements=tuple(_agreement(each, label, frame) for each in evidence for label, frame in each.agreement),
        decision=decision,
        warnings=(*_about_decision(decision), *_about_left_out(left_out), *_warnings(tallies, comparisons)),
    )


def _reliability(evidence: Evidence, problem_ids: Sequence[str], confidence: float) -> tuple[ReliabilityRow, ...]:
    """The rows of one model on the problems that are analysed, where a fixed n is known."""
    fixed, kept = evidence.fixed_tally, set(problem_ids)
    if fixed is None:
        return ()
    fixed = fixed.select(np.array([problem in kept for problem in fixed.problem_ids], dtype=bool))
    if not fixed.problems or not fixed.n.all():
        return ()  # before the first look, every sample of some problem is unscored
    return reliability(fixed, answers=_votes(evidence), confidence=confidence)


def _votes(evidence: Evidence) -> dict[str, AnswerCounts]:
    if evidence.answers is None:
        return {}
    return answers_by_problem(evidence.answers.select("problem_id", "answer", "correct", "count").iter_rows())


def _agreement(evidence: Evidence, label: str, judged: pl.DataFrame) -> Agreement:
    rows = judged.select("problem_id", "index", "outcome", "theirs", "answer").rows() if len(judged) else []
    model = evidence.tally.model
    twice = (
        Disagreement(problem_id, index, ours, theirs, answer, evidence.references.get(problem_id, ""))
        for problem_id, index, ours, theirs, answer in rows
    )
    return agreement(model, evidence.verifier, label, twice)


def _about_decision(decision: Decision | None) -> list[str]:
    if decision is None:
        return []
    return [
        "sampled until it was decided which model solves more: "
        f"{decision.examined} of {decision.problems} problems, in random order. The e-value allows for that stop; the curves, bands and tables of the problems examined do not"
    ]


def _about_left_out(problem_ids: Sequence[str]) -> list[str]:
    if not problem_ids:
        return []
    return [
        f"{name_some(problem_ids)} left out for every model: some model has no scored sample there (the instrument "
        "failed on all of them); nothing here is about those problems"
    ]


def _warnings(tallies: Sequence[AnyTally], comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """Every caution once; those of a pair name their models where there are several pairs."""
    alone = [caution for tally in tallies for caution in model_cautions(tally)]
    together = [
        f"{comparison.difference.rl} against {comparison.difference.base}: {caution}"
        if len(comparisons) > 1
        else caution
        for comparison in comparisons
        for caution in comparison.warnings
        if caution not in alone
    ]
    return (*alone, *together)
