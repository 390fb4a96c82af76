"""Analyses: one question per file, tallies in, result objects out. `Findings` is what a report is made of."""

from dataclasses import dataclass

from move37.analyses.accuracy_shift import AccuracyShift, accuracy_shift
from move37.analyses.agreement import Agreement
from move37.analyses.arms import Arms
from move37.analyses.between import Between
from move37.analyses.compute_parity import ComputeParity
from move37.analyses.contamination import PartialQuestions
from move37.analyses.curves import CurveDifference, ModelCurve, SamplingGap, curve_difference, sampling_gap
from move37.analyses.decision import Decision
from move37.analyses.details import ModelDetail, PairDetail
from move37.analyses.entropy import EntropyMatch
from move37.analyses.exact_truth import ExactFindings
from move37.analyses.families import Family
from move37.analyses.fragility import Fragility
from move37.analyses.gains_losses import Change, gains_and_losses
from move37.analyses.grader_errors import GraderErrors
from move37.analyses.guessing import GuessBaseline
from move37.analyses.perplexity import PairPerplexity
from move37.analyses.picture_readings import PictureReading
from move37.analyses.solvable_sets import SolvableTable, solvable_table
from move37.analyses.training_seeds import TrainingSeeds
from move37.analyses.trajectory import Trajectory
from move37.analyses.truncation import OutcomeAudit
from move37.analyses.variants import Variants
from move37.analyses.warnings import comparison_warnings, model_warnings
from move37.analyses.zero_set import ZeroSetFindings
from move37.counts import AnyTally
from move37.estimates.settings import DEFAULT_BAND, INDEPENDENT, BandSettings, Design


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything that is said about one pair of models."""

    difference: CurveDifference
    solvable: SolvableTable
    shift: AccuracyShift
    sampling_gap: SamplingGap
    warnings: tuple[str, ...]
    gained: Change | None = None
    """Problems that rl alone solves. None where sampling went on until something was decided, which the tests do not
    allow for, and in findings from before there were such tests."""
    lost: Change | None = None
    """Problems that base alone solves."""
    fragility: Fragility | None = None
    """Under which other readings gains and losses stand. None as above, and where only `compare` was asked."""


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that is said about a run: each model alone, then each one against the base."""

    curves: tuple[ModelCurve, ...]
    audits: tuple[OutcomeAudit, ...]
    models: tuple[ModelDetail, ...]
    """What else is said of each model, in the order of `curves`."""
    guesses: tuple[GuessBaseline, ...]
    """What guessing would reach; empty where no answer space can be stated."""
    comparisons: tuple[Comparison, ...]
    pairs: tuple[PairDetail, ...]
    """What else is said of each pair, in the order of `comparisons`."""
    family: Family | None
    """All comparisons in one band, where there are several."""
    seeds: tuple[TrainingSeeds, ...]
    """Algorithms of which several training seeds were run."""
    agreements: tuple[Agreement, ...]
    grader_errors: tuple[GraderErrors, ...]
    """Of the verifiers that were calibrated."""
    decision: Decision | None
    """Where sampling stopped, if it went on until it was decided which model solves more."""
    warnings: tuple[str, ...]
    exact: ExactFindings | None = None
    """Where right answers can be listed and it was computed: the chances themselves."""
    perplexities: tuple[PairPerplexity, ...] = ()
    """Of the pairs of which one model's responses were scored under the other."""
    zero_set: ZeroSetFindings | None = None
    """Fresh samples on the problems that base never solved, where they were made."""
    between: Between | None = None
    """RL models against each other, where there are several and not too many."""
    arms: Arms | None = None
    """All models over several ways of asking them, where some model has any."""
    parity: tuple[ComputeParity, ...] = ()
    """RL models whose training is known in tokens, against base with more tries."""
    contamination: tuple[PartialQuestions, ...] = ()
    """What models made of partial questions, where they were probed; by model, smallest share first."""
    trajectory: Trajectory | None = None
    """The checkpoints of trainings, where some training has several."""
    entropy_matches: tuple[EntropyMatch, ...] = ()
    """Models that were sampled at the temperature of another one's entropy."""
    readings: tuple[PictureReading, ...] = ()
    """What models took pictures for, in worlds that know what stands in them."""
    variants: Variants | None = None
    """The rules of trainings beside each other, where there are several."""


def compare(
    base: AnyTally,
    rl: AnyTally,
    settings: BandSettings = DEFAULT_BAND,
    design: Design = INDEPENDENT,
    *,
    stopped_by_outcomes: bool = False,
) -> Comparison:
    """Everything about one pair. Raises InputError unless both cover the same problems, each with a scored sample.

    The seed also thins unequal samples for the four-way table. `design` labels base's problems.
    `stopped_by_outcomes`: sampling went on until something was decided, which no test here allows for.
    """
    difference = curve_difference(base, rl, settings, design)
    table = solvable_table(base, rl, settings.confidence, settings.seed, design=design)
    ((gained, lost),) = gains_and_losses(base, [rl], settings.confidence, design)
    shown = [model for model, change in ((rl.model, gained), (base.model, lost)) if change.shown]
    about_pair = comparison_warnings(base, rl, difference, table, stopped_by_outcomes, shown)
    warnings = [*model_warnings(base), *model_warnings(rl), *about_pair]
    return Comparison(
        difference=difference,
        solvable=table,
        shift=accuracy_shift(base, rl),
        sampling_gap=sampling_gap(base, rl, settings.confidence, design=design, target=settings.target),
        warnings=tuple(warnings),
        gained=None if stopped_by_outcomes else gained,
        lost=None if stopped_by_outcomes else lost,
    )
