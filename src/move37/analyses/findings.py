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
from move37.analyses.curves import model_curve, sampling_gap
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
from move37.estimates.conditional import holm
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
    depth = Depth(settings, _labels(facts, base), facts.beyond, len(others))
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
            *_about_clusters(facts, bool(errors)),
        ),
    )


def _corrected_together(
    base: AnyTally, others: Sequence[AnyTally], comparisons: list[Comparison], settings: BandSettings, design: Design
) -> list[Comparison]:
    """With several RL models, what is said of each by a p or an interval of its own allows for all of them."""
    if len(others) < 2:
        return comparisons
    adjusted = holm([each.solvable.mcnemar_p for each in comparisons])
    comparisons = [
        replace(
            each,
            solvable=replace(each.solvable, mcnemar_p_adjusted=p, corrected_over=len(others)),
            sampling_gap=sampling_gap(base, rl, settings.confidence, None, design, settings.target, len(others)),
        )
        for each, rl, p in zip(comparisons, others, adjusted, strict=True)
    ]
    if any(each.gained is None for each in comparisons):
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


def cluster_labels(problems: Sequence[Problem], tag: str | None) -> dict[str, str] | None:
    """The value of the tag by problem id, where a problem has it; None without a tag that marks near duplicates."""
    return None if tag is None else {problem.id: problem.tags[tag] for problem in problems if tag in problem.tags}


def _clusters(facts: Facts, base: AnyTally) -> IntArray | None:
    """The cluster of every problem that is analysed, int (M,); None without a tag that says so."""
    labels = cluster_labels(facts.problems, facts.clusters)
    if labels is None:
        return None
    names = [f"tag: {labels[each]}" if each in labels else f"alone: {each}" for each in base.problem_ids]
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
    own = BandSettings(settings.confidence, seed=settings.seed, target=settings.target)
    return training_seeds(base, chosen, algorithm, own, design)


def _of_family(settings: BandSettings) -> BandSettings:
    return replace(settings, draws=FAMILY_BAND.draws, monte_carlo_error=None)


def _about_decision(decision: Decision | None) -> list[str]:
    if decision is None:
        return []
    return [
        "sampled until it was decided which model solves more: "
        f"{decision.examined} of {decision.problems} {decision.unit}s, in random order. The e-value allows for that "
        "stop; the curves, bands and tables of the problems examined do not"
    ]


def _about_clusters(facts: Facts, calibrated: bool) -> list[str]:
    """Names what takes every answer as one of its own although some problems are near duplicates."""
    if facts.clusters is None or not calibrated:
        return []
    return [
        f"problems with the same {facts.clusters!r} are one witness in every interval and test but one: the shares of "
        "calibrated answers take each answer as one of its own"
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
