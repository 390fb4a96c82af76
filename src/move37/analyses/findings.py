"""What does a run say? What is known of each model goes in, `Findings` come out: the join of the other analyses.

The first model is the base, and every other one is compared with it. Each comparison stands alone; where there are
several, one family-wise band beside them covers all together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from types import MappingProxyType

import numpy as np

from move37.analyses import Comparison, Findings, compare
from move37.analyses.agreement import agreement
from move37.analyses.curves import model_curve
from move37.analyses.decision import Decision
from move37.analyses.details import Depth, ModelData, model_detail, pair_detail
from move37.analyses.exact_truth import KnownModel, exact_findings
from move37.analyses.families import FAMILY_BAND, family
from move37.analyses.gains_losses import gains_and_losses
from move37.analyses.grader_errors import GraderErrors, grader_errors, grader_warnings
from move37.analyses.guessing import GuessBaseline, guess_baselines
from move37.analyses.pairing import leave_out_unscored, name_some
from move37.analyses.perplexity import ScoredResponses, pair_perplexity
from move37.analyses.reliability import common_ks
from move37.analyses.training_seeds import TrainingSeeds, training_seeds
from move37.analyses.truncation import OutcomeAudit, outcome_audit
from move37.analyses.warnings import flaky_warnings, in_process_warnings, model_warnings
from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.rows import k_limit
from move37.estimates.settings import DEFAULT_BAND, BandSettings, Design
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
    exact: Sequence[KnownModel] = ()
    """Models of which the exact chances are known, base first."""
    scores: Mapping[tuple[str, str], ScoredResponses] = field(default_factory=lambda: MappingProxyType({}))
    """Responses under models, by (author, model)."""
    notices: Sequence[str] = ()
    """What is in the run and not in the findings, one sentence each: they become warnings."""


def find(models: Sequence[ModelData], settings: BandSettings = DEFAULT_BAND, facts: Facts | None = None) -> Findings:
    """Each model alone, then each one against the first. Raises InputError for no model, or different problems.

    Problems on which some model has no scored sample at all are left out for every model, with a warning.
    """
    if not models:
        raise InputError("no model to analyse")
    facts = facts or Facts()
    tallies, left_out = leave_out_unscored([each.tally for each in models])
    base, others = tallies[0], tallies[1:]
    designs = [Design(clusters=_clusters(facts, tally)) for tally in tallies]
    depth = Depth(settings, _labels(facts, base), facts.beyond)
    comparisons, pairs = [], []
    for each, rl in zip(models[1:], others, strict=True):
        comparison = compare(base, rl, settings, designs[0], stopped_by_outcomes=facts.decision is not None)
        comparisons.append(comparison)
        pairs.append(pair_detail((models[0], each), base, rl, comparison.solvable, depth, designs[0]))
    comparisons = _corrected_together(base, others, comparisons, settings, designs[0])
    fixed = [tally for each in models if (tally := each.fixed_tally(base.problem_ids)) is not None]
    ks = common_ks(fixed) if fixed else None
    errors = _grader_errors(facts, base, settings.confidence)
    curves = tuple(model_curve(*each) for each in zip(tallies, repeat(settings), designs))
    return Findings(
        curves=curves,
        audits=tuple(map(_audit, models)),
        models=tuple(
            model_detail(each, tally, ks, depth, design)
            for each, tally, design in zip(models, tallies, designs, strict=True)
        ),
        guesses=_guesses(facts, base),
        comparisons=tuple(comparisons),
        pairs=tuple(pairs),
        family=family(base, others, _of_family(settings), designs[0]) if len(others) > 1 else None,
        seeds=tuple(
            _over_seeds(base, others, algorithm, runs, settings, designs[0]) for algorithm, runs in facts.runs.items()
        ),
        agreements=tuple(
            agreement(each.tally.model, each.verifier, label, twice, each.references, each.first_stop)
            for each in models
            for label, twice in each.agreement
        ),
        grader_errors=errors,
        decision=facts.decision,
        exact=exact_findings(facts.exact, curves, base.problem_ids),
        perplexities=tuple(
            found
            for each in comparisons
            if (found := pair_perplexity(facts.scores, each.solvable, settings.confidence, settings.seed)) is not None
        ),
        warnings=(
            *facts.notices,
            *_about_decision(facts.decision),
            *_about_left_out(left_out),
            *_warnings(tallies, comparisons),
            *(warning for each in models for warning in flaky_warnings(each.tally.model, each.flags)),
            *(warning for each in models for warning in in_process_warnings(each.tally.model, each.flags)),
            *grader_warnings(errors),
            *_about_clusters(facts, len(others), bool(errors)),
        ),
    )


def _corrected_together(
    base: AnyTally, others: Sequence[AnyTally], comparisons: list[Comparison], settings: BandSettings, design: Design
) -> list[Comparison]:
    """With several RL models, gains and losses that allow for all of them."""
    if len(others) < 2 or any(each.gained is None for each in comparisons):
        return comparisons
    together = gains_and_losses(base, others, settings.confidence, design)
    return [replace(each, gained=gained, lost=lost) for each, (gained, lost) in zip(comparisons, together, strict=True)]


def _audit(of: ModelData) -> OutcomeAudit:
    known = of.tally, of.reasons, of.mean_tokens, of.not_truncated, of.fixed, of.correct_among_truncated
    return outcome_audit(*known)


def _grader_errors(facts: Facts, base: AnyTally, confidence: float) -> tuple[GraderErrors, ...]:
    """What is known of the verifiers' errors, with what it does to pass@k up to the largest k."""
    k = k_limit(base)
    found = [grader_errors(label, right, wrong, k, confidence) for label, right, wrong in facts.calibrations]
    return tuple(each for each in found if each is not None)


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
    base: AnyTally,
    others: Sequence[AnyTally],
    algorithm: str,
    runs: Sequence[str],
    settings: BandSettings,
    design: Design,
) -> TrainingSeeds:
    chosen = [tally for tally in others if tally.model in runs]
    return training_seeds(base, chosen, algorithm, BandSettings(settings.confidence, seed=settings.seed), design)


def _of_family(settings: BandSettings) -> BandSettings:
    return replace(settings, draws=FAMILY_BAND.draws, monte_carlo_error=None)


def _about_decision(decision: Decision | None) -> list[str]:
    if decision is None:
        return []
    return [
        "sampled until it was decided which model solves more: "
        f"{decision.examined} of {decision.problems} problems, in random order. The e-value allows for that stop; the "
        "curves, bands and tables of the problems examined do not"
    ]


def _about_clusters(facts: Facts, others: int, calibrated: bool) -> list[str]:
    """Names the intervals that take every problem as one of its own although some are near duplicates."""
    if facts.clusters is None:
        return []
    alone = [
        "standard errors and intervals over fresh samples of these problems (se_benchmark, Bayes@N, avg@n beside it)"
    ]
    alone.append("the bounds of Cover@tau that assume nothing (its interval where few problems carry it)")
    alone += ["SRR, NDR, SDS and NSCR"] if others else []
    alone += ["what the counts do not exclude beyond n, and Chao's bound"] if facts.beyond else []
    alone += ["the e-value"] if facts.decision is not None else []
    alone += ["shares of calibrated answers"] if calibrated else []
    return [
        f"problems with the same {facts.clusters!r} are drawn together in every other interval and test; these take "
        f"each problem as one of its own and are too narrow where near duplicates weigh: {'; '.join(alone)}"
    ]


def _about_left_out(problem_ids: Sequence[str]) -> list[str]:
    if not problem_ids:
        return []
    return [
        f"{name_some(problem_ids)} left out for every model: some model has no scored sample there (the instrument "
        "failed on all of them); nothing here is about those problems"
    ]


def _warnings(tallies: Sequence[AnyTally], comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """Every warning once; those of a pair name their models where there are several pairs."""
    alone = [warning for tally in tallies for warning in model_warnings(tally)]
    together = [
        f"{comparison.difference.rl} against {comparison.difference.base}: {warning}"
        if len(comparisons) > 1
        else warning
        for comparison in comparisons
        for warning in comparison.warnings
        if warning not in alone
    ]
    return (*alone, *together)
