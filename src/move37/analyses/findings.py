"""What does a run say? What is known of each model goes in, `Findings` come out: the join of the other analyses.

The first model is the base, and every other one is compared with it. Each comparison stands alone; where there are
several, one family-wise band beside them covers all together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from types import MappingProxyType
from typing import Any

import numpy as np

from move37.analyses import Comparison, Findings, compare
from move37.analyses.agreement import Agreement, agreement
from move37.analyses.arms import ARM_BAND, Arms, compare_arms
from move37.analyses.between import MOST, Between, between_models
from move37.analyses.chain_audit import chain_audit
from move37.analyses.chains import ChainErrors, chain_curve
from move37.analyses.compute_parity import ComputeParity, compute_parity
from move37.analyses.contamination import PartialQuestions, partial_questions
from move37.analyses.corrected_curves import corrected_curves
from move37.analyses.curves import model_curve, sampling_gap
from move37.analyses.decision import Decision
from move37.analyses.details import Depth, ModelData, ModelDetail, model_detail, pair_detail
from move37.analyses.entropy import EntropyMatch
from move37.analyses.exact_truth import KnownModel, exact_findings
from move37.analyses.false_solves import false_solves
from move37.analyses.families import FAMILY_BAND, family
from move37.analyses.fragility import fragility
from move37.analyses.gains_losses import gains_and_losses
from move37.analyses.grader_errors import GraderErrors, grader_errors, grader_warnings
from move37.analyses.guess_controls import GuessControl, control_baseline
from move37.analyses.guessing import GuessBaseline, guess_baselines
from move37.analyses.other_target import other_target_cautions
from move37.analyses.pairing import leave_out_unscored, name_some, on_problems, paired
from move37.analyses.perplexity import ScoredResponses, pair_perplexity
from move37.analyses.picture_readings import PictureReading, Shown, picture_reading
from move37.analyses.reliability import common_ks
from move37.analyses.training_seeds import TrainingSeeds, training_seeds
from move37.analyses.trajectory import Checkpoint, on_base, trajectory
from move37.analyses.truncation import OutcomeAudit, outcome_audit
from move37.analyses.variants import compare_variants
from move37.analyses.warnings import flaky_warnings, in_process_warnings, model_warnings
from move37.analyses.zero_set import ZeroSetFindings, zero_set_findings
from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.conditional import holm
from move37.estimates.rows import k_limit
from move37.estimates.settings import DEFAULT_BAND, POPULATION, BandSettings, Design
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
    arms: Mapping[str, Sequence[AnyTally]] = field(default_factory=lambda: MappingProxyType({}))
    """Other arms of a model, by its name: the same weights, asked in another way."""
    guess_controls: Sequence[GuessControl] = ()
    """Arms that guess: asked without the images, or for the answer alone."""
    training_tokens: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Tokens generated in training, by model."""
    uses: float | None = None
    """Problems over which these count."""
    probes: Mapping[str, Sequence[tuple[int, bool, bool | None]]] = field(default_factory=lambda: MappingProxyType({}))
    """(share, completed, answered) of every partial question, by model."""
    chain_errors: ChainErrors | None = None
    """Of the judge of chains, where it was calibrated."""
    checkpoints: Sequence[Checkpoint] = ()
    """Models on the way of trainings, behind the models that these started from."""
    entropy_matches: Sequence[EntropyMatch] = ()
    """Models that were sampled at the temperature of another one's entropy."""
    zero_set_start: int | None = None
    """How many samples of base chose the zero set; None where none was sampled."""


def find(models: Sequence[ModelData], settings: BandSettings = DEFAULT_BAND, facts: Facts | None = None) -> Findings:
    """Each model alone, then each one against the first. Raises InputError for no model, or different problems.

    Problems on which some model has no scored sample at all are left out for every model, with a warning.
    """
    if not models:
        raise InputError("no model to analyse")
    found = _findings(models, settings, facts or Facts())
    return replace(found, warnings=(*found.warnings, *other_target_cautions(found, settings.target)))


def _findings(models: Sequence[ModelData], settings: BandSettings, facts: Facts) -> Findings:
    tallies, left_out = leave_out_unscored([each.tally for each in models])
    base, others = tallies[0], tallies[1:]
    designs = [Design(clusters=_clusters(facts, tally)) for tally in tallies]
    depth = Depth(settings, _labels(facts, base), facts.beyond, len(others))
    comparisons, pairs = [], []
    for each, rl in zip(models[1:], others, strict=True):
        comparison = compare(base, rl, settings, designs[0], stopped_by_outcomes=facts.decision is not None)
        comparisons.append(_with_fragility(comparison, (models[0], each), base, rl, settings, designs[0]))
        pairs.append(pair_detail((models[0], each), base, rl, comparison.solvable, depth, designs[0]))
    comparisons = _corrected_together(base, others, comparisons, settings, designs[0])
    fixed = [tally for each in models if (tally := each.fixed_tally(base.problem_ids)) is not None]
    ks = common_ks(fixed) if fixed else None
    errors = _grader_errors(facts, base, settings.confidence)
    curves = tuple(model_curve(*each) for each in zip(tallies, repeat(settings), designs))
    return Findings(
        curves=curves,
        audits=tuple(map(_audit, models, tallies)),
        models=_models(models, tallies, ks, depth, designs, facts, errors),
        guesses=_guesses(facts, base),
        comparisons=tuple(comparisons),
        pairs=tuple(pairs),
        family=family(base, others, _of_family(settings), designs[0]) if len(others) > 1 else None,
        seeds=tuple(
            _over_seeds(base, others, algorithm, runs, settings, designs[0]) for algorithm, runs in facts.runs.items()
        ),
        agreements=_agreements(models),
        grader_errors=errors,
        decision=facts.decision,
        exact=exact_findings(facts.exact, curves, base.problem_ids),
        perplexities=tuple(
            found
            for each in comparisons
            if (found := pair_perplexity(facts.scores, each.solvable, settings.confidence, settings.seed)) is not None
        ),
        zero_set=_zero_set(facts, models, settings.confidence),
        between=_between(facts, others, settings, designs[0], base),
        arms=_arms(facts, tallies, settings, designs[0]),
        contamination=_contamination(facts, settings.confidence),
        parity=_parity(facts, models, tallies, settings.confidence, designs[0]),
        entropy_matches=tuple(facts.entropy_matches),
        readings=_readings(facts, models, settings.confidence),
        **_trainings(facts, base, settings, designs[0]),
        warnings=(
            *facts.notices,
            *_about_decision(facts.decision),
            *_about_left_out(left_out),
            *_warnings(tallies, comparisons),
            *(warning for each in models for warning in flaky_warnings(each.tally.model, each.flags)),
            *(warning for each in models for warning in in_process_warnings(each.tally.model, each.flags)),
            *grader_warnings(errors),
            *_about_clusters(facts),
        ),
    )


def _with_fragility(
    comparison: Comparison,
    data: tuple[ModelData, ModelData],
    base: AnyTally,
    rl: AnyTally,
    settings: BandSettings,
    design: Design,
) -> Comparison:
    """With the readings under which the band's claims stand or fall. Without, where the bands establish nothing, and
    for these problems alone: the readings are for others too."""
    if comparison.gained is None or settings.target != POPULATION:
        return comparison
    finished = data[0].not_truncated, data[1].not_truncated
    found = fragility(base, rl, comparison.difference, finished, settings, design)
    return replace(comparison, fragility=found)


def _models(
    models: Sequence[ModelData],
    tallies: Sequence[AnyTally],
    ks: Sequence[int] | None,
    depth: Depth,
    designs: Sequence[Design],
    facts: Facts,
    errors: Sequence[GraderErrors],
) -> tuple[ModelDetail, ...]:
    """Each model, with what an audit found, its curve without the verifier's errors, and what these may have solved."""
    confidence, data = depth.band.confidence, list(zip(models, tallies, strict=True))
    audits = {tally.model: chain_audit(tally, each.audit, confidence) for each, tally in data if each.audit is not None}
    verifiers = len({each.verifier for each in models if each.verifier})
    only = errors[0] if len(errors) == 1 and verifiers == 1 else None
    curves = corrected_curves(tallies, tuple(audits.values()), facts.calibrations, verifiers, confidence)
    by_model = {curve.model: curve for curve in curves}
    details = [model_detail(*each, ks, depth, design) for each, design in zip(data, designs, strict=True)]
    return tuple(
        replace(
            each,
            audit=audits.get(each.model),
            corrected=by_model.get(each.model),
            chains=chain_curve(each.model, known.chains, facts.chain_errors, confidence) if known.chains else None,
            false_solves=false_solves(each.model, known.answers, tallies[0].problem_ids, only) if only else None,
        )
        for each, known in zip(details, models, strict=True)
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


def _between(
    facts: Facts, others: Sequence[AnyTally], settings: BandSettings, design: Design, base: AnyTally
) -> Between | None:
    """The RL models against each other; None where there are too few or too many, or the bands establish nothing."""
    if facts.decision is not None or not 2 <= len(others) <= MOST:
        return None
    ordered = [paired(base, other)[1] for other in others]  # in base's order, as the design's labels are
    return between_models(ordered, _of_family(settings), design)


def _arms(facts: Facts, tallies: Sequence[AnyTally], settings: BandSettings, design: Design) -> Arms | None:
    """All models over their arms, on the problems that are analysed; None without arms, or with too few problems."""
    if not facts.arms or facts.decision is not None or tallies[0].problems < 4:
        return None
    kept = tallies[0].id_set
    models = [[t, *(on_problems(arm, kept) for arm in facts.arms.get(t.model, ()))] for t in tallies]
    return compare_arms(models, replace(ARM_BAND, confidence=settings.confidence, seed=settings.seed), design)


def _parity(
    facts: Facts, models: Sequence[ModelData], tallies: Sequence[AnyTally], confidence: float, design: Design
) -> tuple[ComputeParity, ...]:
    """Every RL model whose training is known in tokens; a try of base takes its mean over problems."""
    base, lengths = tallies[0], models[0].tokens_by_problem
    if facts.decision is not None or not base.id_set <= lengths.keys():
        return ()
    tries = float(np.mean([lengths[problem] for problem in base.problem_ids]))
    return tuple(
        compute_parity(base, rl, facts.training_tokens[rl.model], tries, facts.uses, confidence, design)
        for rl in tallies[1:]
        if rl.model in facts.training_tokens and tries > 0
    )


def _zero_set(facts: Facts, models: Sequence[ModelData], confidence: float) -> ZeroSetFindings | None:
    """Over the problems on which base and every model with fresh samples have scored ones; None if there are none."""
    tallies = [each.zero_set for each in models if each.zero_set is not None]
    if facts.zero_set_start is None or not tallies or tallies[0].model != models[0].tally.model:
        return None
    kept = frozenset.intersection(*(frozenset(t.select(t.n > 0).problem_ids) for t in tallies))
    base, *others = (on_problems(tally, kept) for tally in tallies)
    if not base.problems:
        return None
    design = Design(clusters=_clusters(facts, base))
    return zero_set_findings(base, others, facts.zero_set_start, confidence, design)


def _trainings(facts: Facts, base: AnyTally, settings: BandSettings, design: Design) -> dict[str, Any]:
    """The course of trainings, and their rules beside each other; nothing where the bands establish nothing."""
    if not facts.checkpoints or facts.decision is not None or settings.target != POPULATION or base.problems < 2:
        return {}
    checkpoints = on_base(facts.checkpoints, base)
    trained = [each for each in checkpoints if each.step > 0]
    return {
        "trajectory": trajectory(checkpoints, settings, design),
        "variants": compare_variants(base, trained, settings, design),
    }


def _contamination(facts: Facts, confidence: float) -> tuple[PartialQuestions, ...]:
    return tuple(each for model, seen in facts.probes.items() for each in partial_questions(model, seen, confidence))


def _readings(facts: Facts, models: Sequence[ModelData], confidence: float) -> tuple[PictureReading, ...]:
    blind = [each for each in facts.guess_controls if each.kind == "blind"]
    seen: list[tuple[str, Any, Shown]] = [(each.tally.model, each.answers, "image") for each in models]
    seen.extend((each.model, each.answers, "nothing") for each in blind)
    found = (
        picture_reading(model, answers, facts.problems, confidence, shown)
        for model, answers, shown in seen
        if answers is not None
    )
    return tuple(each for each in found if each is not None)


def _agreements(models: Sequence[ModelData]) -> tuple[Agreement, ...]:
    return tuple(
        agreement(each.tally.model, each.verifier, label, twice, each.references, each.first_stop)
        for each in models
        for label, twice in each.agreement
    )


def _audit(of: ModelData, analysed: AnyTally) -> OutcomeAudit:
    first = None if of.fixed is None or of.first_stop is None else (of.first_stop, of.fixed)
    known = of.tally, of.reasons, of.mean_tokens, of.not_truncated, first, of.correct_among_truncated, of.ending_unknown
    return outcome_audit(*known, analysed)


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
    problems = [problem for problem in facts.problems if problem.id in base.id_set]
    stated = guess_baselines(problems, k_limit(base)) if problems else ()
    asked = (control_baseline(each, base.id_set) for each in facts.guess_controls)
    return (*stated, *(each for each in asked if each is not None))


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


def _about_clusters(facts: Facts) -> list[str]:
    """Names what takes every answer or problem as one of its own although some problems are near duplicates."""
    parts = {
        "shares of calibrated answers": facts.calibrations,
        "shares of judged chains": facts.chain_errors,
        "shares of partial questions": facts.probes,
        "perplexities": facts.scores,
    }
    named = [part for part, is_there in parts.items() if is_there]
    if facts.clusters is None or not named:
        return []
    return [
        f"problems with the same {facts.clusters!r} are one witness in every interval and test but these, which take "
        f"each as one of its own: {', '.join(named)}"
    ]


def _about_left_out(problem_ids: Sequence[str]) -> list[str]:
    if not problem_ids:
        return []
    return [
        f"{name_some(problem_ids)} left out for every model: some model has no scored sample there (the instrument "
        "failed on all of them); nothing here is about those problems"
    ]


def _warnings(tallies: Sequence[AnyTally], comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """Every warning once; those of a pair name their models where there are several pairs, all that one is about."""
    alone = [warning for tally in tallies for warning in model_warnings(tally)]
    about: dict[tuple[str, str], list[str]] = {}
    for comparison in comparisons:
        for warning in comparison.warnings:
            if warning not in alone:
                about.setdefault((comparison.difference.base, warning), []).append(comparison.difference.rl)
    together = [
        f"{', '.join(models)} against {base}: {warning}" if len(comparisons) > 1 else warning
        for (base, warning), models in about.items()
    ]
    return (*alone, *together)
