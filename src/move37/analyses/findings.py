"""What does a run say? Evidence about each model goes in, `Findings` come out: the join of the other analyses.

The first model is the base, and every other one is compared with it. Each comparison stands alone; where there are
several, one family-wise band beside them covers all together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from move37.analyses import Comparison, Findings, compare
from move37.analyses.agreement import agreement
from move37.analyses.cautions import flaky_cautions, model_cautions
from move37.analyses.curves import model_curve
from move37.analyses.decision import Decision
from move37.analyses.details import Depth, Evidence, model_detail, pair_detail
from move37.analyses.families import family
from move37.analyses.grader_errors import grader_cautions, grader_errors
from move37.analyses.guessing import GuessBaseline, guess_baselines
from move37.analyses.pairing import leave_out_unscored, name_some
from move37.analyses.reliability import common_ks
from move37.analyses.training_seeds import TrainingSeeds, training_seeds
from move37.analyses.truncation import outcome_audit
from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.rows import k_limit
from move37.types import IntArray, Problem


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the study itself."""

    problems: Sequence[Problem] = ()
    strata: Sequence[str] = ()
    """Tags to stratify by."""
    clusters: str | None = None
    """Tag whose equal values mark near duplicates; a problem without it stands alone."""
    runs: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))
    """Models that are runs of one algorithm with different training seeds, by algorithm."""
    decision: Decision | None = None
    calibrations: Sequence[tuple[str, tuple[int, int], tuple[int, int]]] = ()
    """Of the run's verifiers by label: (accepted, scored) of the references and of corrupted answers."""
    beyond: bool = False
    """Whether to continue the curves beyond n, which takes a second or two for each model and pair."""
    monte_carlo_error: float | None = None
    """Width of the critical values' Monte-Carlo range up to which multiplier draws are doubled."""
    notices: Sequence[str] = ()
    """What is in the run and not in the findings, one sentence each: they become warnings."""


def find(
    evidence: Sequence[Evidence],
    confidence: float = 0.95,
    draws: int = 100_000,
    seed: int = 0,
    facts: Facts | None = None,
) -> Findings:
    """Each model alone, then each one against the first. Raises InputError for no model, or different problems.

    Problems on which some model has no scored sample at all are left out for every model, with a warning.
    """
    if not evidence:
        raise InputError("no model to analyse")
    facts = facts or Facts()
    tallies, left_out = leave_out_unscored([each.tally for each in evidence])
    base, others = tallies[0], tallies[1:]
    clusters, error = _clusters(facts, base), facts.monte_carlo_error
    depth = Depth(confidence, seed, _labels(facts, base), facts.beyond)
    comparisons, pairs = [], []
    for each, rl in zip(evidence[1:], others, strict=True):
        comparison = compare(
            base,
            rl,
            confidence,
            draws,
            seed,
            clusters=clusters,
            monte_carlo_error=error,
            stopped_by_outcomes=facts.decision is not None,
        )
        comparisons.append(comparison)
        pairs.append(pair_detail((evidence[0], each), base, rl, comparison.solvable, depth))
    fixed = [tally for each in evidence if (tally := each.fixed_tally(base.problem_ids)) is not None]
    ks = common_ks(fixed) if fixed else None
    errors = tuple(
        found
        for label, references, corrupted in facts.calibrations
        if (found := grader_errors(label, references, corrupted, k_limit(base), confidence)) is not None
    )
    return Findings(
        curves=tuple(model_curve(tally, confidence, draws, seed) for tally in tallies),
        audits=tuple(
            outcome_audit(each.tally, each.reasons, each.mean_tokens, each.not_truncated, each.fixed)
            for each in evidence
        ),
        models=tuple(model_detail(each, tally, ks, depth) for each, tally in zip(evidence, tallies, strict=True)),
        guesses=_guesses(facts, base),
        comparisons=tuple(comparisons),
        pairs=tuple(pairs),
        family=family(base, others, confidence, seed=seed, clusters=clusters) if len(others) > 1 else None,
        seeds=tuple(_over_seeds(base, others, algorithm, runs, depth) for algorithm, runs in facts.runs.items()),
        agreements=tuple(
            agreement(each.tally.model, each.verifier, label, twice, each.references, each.first_stop)
            for each in evidence
            for label, twice in each.agreement
        ),
        grader_errors=errors,
        decision=facts.decision,
        warnings=(
            *facts.notices,
            *_about_decision(facts.decision),
            *_about_left_out(left_out),
            *_warnings(tallies, comparisons),
            *(caution for each in evidence for caution in flaky_cautions(each.tally.model, each.reasons)),
            *grader_cautions(errors),
        ),
    )


def _labels(facts: Facts, base: AnyTally) -> dict[str, dict[str, str]]:
    """For each tag to stratify by, its value on every problem that is analysed. Raises InputError for a lacking one."""
    by_id = {problem.id: problem.tags for problem in facts.problems}
    for tag in facts.strata:
        lacking = [problem for problem in base.problem_ids if tag not in by_id.get(problem, {})]
        if lacking:
            raise InputError(f"analysis.strata: {name_some(lacking)} without the tag {tag!r}")
    return {tag: {problem: by_id[problem][tag] for problem in base.problem_ids} for tag in facts.strata}


def _clusters(facts: Facts, base: AnyTally) -> IntArray | None:
    """The cluster of every problem that is analysed, int (M,); None without a tag that says so."""
    if facts.clusters is None:
        return None
    by_id = {problem.id: problem.tags for problem in facts.problems}
    names = [by_id.get(problem, {}).get(facts.clusters, f"alone: {problem}") for problem in base.problem_ids]
    return np.unique(names, return_inverse=True)[1]


def _guesses(facts: Facts, base: AnyTally) -> tuple[GuessBaseline, ...]:
    kept = set(base.problem_ids)
    problems = [problem for problem in facts.problems if problem.id in kept]
    return guess_baselines(problems, k_limit(base)) if problems else ()


def _over_seeds(
    base: AnyTally, others: Sequence[AnyTally], algorithm: str, runs: Sequence[str], depth: Depth
) -> TrainingSeeds:
    chosen = [tally for tally in others if tally.model in runs]
    return training_seeds(base, chosen, algorithm, depth.confidence, seed=depth.seed)


def _about_decision(decision: Decision | None) -> list[str]:
    if decision is None:
        return []
    return [
        "sampled until it was decided which model solves more: "
        f"{decision.examined} of {decision.problems} problems, in random order. The e-value allows for that stop; the "
        "curves, bands and tables of the problems examined do not"
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
