"""What else can be said of a model, and of a pair, beside the curves and the four-way table?

Each part is another file's answer; here they are asked for where the data allow it, on the problems that are
analysed, and put beside each other. A part that they do not carry is None or empty: no answers, no votes; no
token counts, no budgets; no fixed n, no measure that needs one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from move37.analyses.chain_audit import AuditReading, ChainAudit, ValidFourWay, valid_four_way
from move37.analyses.chains import ChainCounts, ChainCurve
from move37.analyses.corrected_curves import CorrectedCurve
from move37.analyses.deconvolved import DeconvolvedShift, deconvolved_shift
from move37.analyses.diversity import Diversity, diversity
from move37.analyses.extrapolation import ModelExtrapolation, PairExtrapolation, extrapolate_model, extrapolate_pair
from move37.analyses.false_solves import FalseSolves
from move37.analyses.format_split import FormatDifference, FormatShare, format_difference, format_share
from move37.analyses.pairing import on_problems, paired
from move37.analyses.reliability import (
    UNDER_ANY_PLAN,
    BayesAtN,
    BayesDifference,
    Coverage,
    CoverageDifference,
    ReliabilityDifference,
    ReliabilityRow,
    bayes_at_n,
    bayes_difference,
    coverage,
    coverage_differences,
    default_ks,
    differences_under_any_plan,
    reliability,
    reliability_differences,
    under_any_plan,
)
from move37.analyses.sensitivity import (
    DifferenceBracket,
    FinishedCurve,
    UnscoredBracket,
    difference_bracket,
    finished_curve,
    unscored_bracket,
)
from move37.analyses.solvable_sets import ExpectedFourWay, SolvableTable, expected_four_way
from move37.analyses.strata import StratifiedComparison, by_stratum
from move37.analyses.support import Support, support
from move37.analyses.token_budget import TokenBudget, token_budget
from move37.analyses.tool_use import ToolUse
from move37.counts import AnyTally, Tally
from move37.estimates.majority import AnswerCounts, answers_by_problem
from move37.estimates.rows import k_limit
from move37.estimates.settings import DEFAULT_BAND, BandSettings, Design

if TYPE_CHECKING:  # tables are of runs: counts are compared without a table library
    import polars as pl

BUDGET_DRAWS = 20_000
"""Multiplier draws behind the band over token budgets: it supports no published number."""
BOOTSTRAP_DRAWS = 40
"""Bootstrap draws behind the intervals of extrapolation methods: two digits of them are shown."""


@dataclass(frozen=True, eq=False)
class ModelData:
    """All that is known of one model. Only the tally is there for imported counts.

    What needs a fixed n (votes, reliability, accuracies) is of the samples before the plan's first look, if it has
    several; for a fixed n those are all samples.
    """

    tally: AnyTally
    fixed: Tally | None = None
    """Counts over the samples before the first look; None where they are the tally itself, or not known."""
    not_truncated: Tally | None = None
    """Counts over those of them that ended by themselves."""
    with_answer: Tally | None = None
    """Counts over those in which an answer was found; None where that is not known, or none was."""
    correct_among_truncated: int | None = None
    """Samples that were cut and are correct; None where it is not known. Of those before the first look, if there are
    several, as are `reasons`."""
    ending_unknown: int = 0
    """Samples of which the import does not say how they ended."""
    reasons: Sequence[tuple[str, str, int]] = ()
    """(outcome, reason, count)."""
    flags: Sequence[tuple[str, str, int]] = ()
    """(outcome, flag, count), of `types.Flag`."""
    mean_tokens: float | None = None
    tokens_by_problem: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Mean generated tokens per sample of each problem; empty where they are not known."""
    answers: pl.DataFrame | None = None
    """Distinct answers of those that are scored: problem_id, answer (null: none), correct, count."""
    responses: pl.DataFrame | None = None
    """Distinct responses: problem_id, count."""
    agreement: Sequence[tuple[str, pl.DataFrame]] = ()
    """Other graders by label, with problem_id, index, outcome, theirs, answer of every sample judged by both."""
    first_stop: int | None = None
    """Sample index from which on n was not fixed beforehand; None where it was."""
    verifier: str = ""
    """Label of our own grader, for the agreements."""
    references: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Reference answer by problem id, shown beside disagreements."""
    audit: AuditReading | None = None
    """What readers said of chains of rarely solved problems."""
    chains: ChainCounts | None = None
    """What a judge of chains said of its right samples."""
    tools: ToolUse | None = None
    """Turns and calls of its samples; None where no environment answers its turns."""
    zero_set: Tally | None = None
    """Counts of fresh samples on the problems that base never solved."""

    def fixed_tally(self, problem_ids: Sequence[str]) -> Tally | None:
        """Counts at a fixed n on some problems, None where one of them has no scored sample there."""
        known = self.tally if isinstance(self.tally, Tally) else self.fixed
        if known is None:
            return None
        known = on_problems(known, problem_ids)
        return known if known.problems and known.n.all() else None

    @cached_property
    def votes(self) -> dict[str, AnswerCounts]:
        """Answers by problem, empty where they are not known. Kept: every pair asks for the base's."""
        if self.answers is None:
            return {}
        return answers_by_problem(self.answers.select("problem_id", "answer", "correct", "count").iter_rows())


@dataclass(frozen=True, eq=False)
class ModelDetail:
    """One model beside its curve."""

    model: str
    reliability: tuple[ReliabilityRow, ...]
    coverage: tuple[Coverage, ...]
    bayes: BayesAtN | None
    unscored: UnscoredBracket | None
    """None where every sample is scored."""
    finished: FinishedCurve | None
    """None where no sample was truncated, or that is not known."""
    beyond: ModelExtrapolation | None
    audit: ChainAudit | None = None
    corrected: CorrectedCurve | None = None
    """Without the verifier's errors; None where nothing is known of them."""
    chains: ChainCurve | None = None
    """CoT-pass@k; None without a judge of chains."""
    format: FormatShare | None = None
    """How often an answer is found; None where every sample has one."""
    false_solves: FalseSolves | None = None
    """Problems that a wrong answer alone may have solved; None without a calibration, or without answers."""
    tools: ToolUse | None = None
    """Turns and calls; None without tools."""
    first: int | None = None
    """Where sampling stopped early: what needs a fixed n is of so many samples of each problem, the first ones."""


@dataclass(frozen=True, eq=False)
class PairDetail:
    """One pair beside its band and table."""

    base: str
    rl: str
    support: Support
    differences: tuple[ReliabilityDifference, ...]
    coverage: tuple[CoverageDifference, ...]
    bayes: BayesDifference | None
    tokens: TokenBudget | None
    strata: tuple[StratifiedComparison, ...]
    unscored: DifferenceBracket | None
    beyond: PairExtrapolation | None
    expected: tuple[ExpectedFourWay, ...] = ()
    """The four-way table to expect at 1, 4, 16, ... and at the largest k."""
    deconvolved: DeconvolvedShift | None = None
    """Problems by chance with the noise of the samples taken out; None with fewer than two problems or samples."""
    diversity: Diversity | None = None
    """Different answers of both models; None where answers are not known."""
    valid: ValidFourWay | None = None
    """The four-way table of problems solved with a valid chain; None unless both models were audited."""
    format: FormatDifference | None = None
    """The difference in accuracy, split into format and content; None where every sample of both has an answer."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How far to go: what all intervals depend on, tags to stratify by, whether to look beyond n."""

    band: BandSettings = DEFAULT_BAND
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    """Value of each tag by problem id."""
    beyond: bool = False
    models: int = 1
    """RL models whose statements are to hold together."""

    @property
    def side_band(self) -> BandSettings:
        """For bands that support no published number: fewer draws."""
        return BandSettings(self.band.confidence, BUDGET_DRAWS, self.band.seed, target=self.band.target)


def model_detail(
    data: ModelData, tally: AnyTally, ks: Sequence[int] | None, depth: Depth, design: Design
) -> ModelDetail:
    """`tally` is the data's on the problems that are analysed, `design` labels these; `ks` are those of the
    reliability measures."""
    fixed, confidence = data.fixed_tally(tally.problem_ids), depth.band.confidence
    in_order = design if fixed is None else _as_in(fixed, tally, design)
    unscored = unscored_bracket(tally, None, depth.side_band, design) if tally.unscored.any() else None
    finished = None
    if data.not_truncated is not None and tally.truncated.any():
        finished = finished_curve(tally, on_problems(data.not_truncated, tally.problem_ids))
    return ModelDetail(
        model=tally.model,
        reliability=_reliability((fixed, in_order), (tally, design), data, ks, confidence),
        coverage=() if fixed is None else coverage(fixed, confidence=confidence, design=in_order),
        bayes=None if fixed is None else bayes_at_n(fixed, confidence=confidence, design=in_order),
        unscored=unscored,
        finished=finished,
        beyond=(
            extrapolate_model(tally, confidence, BOOTSTRAP_DRAWS, depth.band.seed, design)
            if _far(depth, tally)
            else None
        ),
        format=_format_of(data, fixed),
        tools=data.tools,
        first=data.first_stop,
    )


def pair_detail(
    data: tuple[ModelData, ModelData],
    base: AnyTally,
    rl: AnyTally,
    table: SolvableTable,
    depth: Depth,
    design: Design,
) -> PairDetail:
    """`base` and `rl` are the data's tallies on the problems that are analysed, `table` their four-way table;
    `design` labels the base's problems."""
    base, rl = paired(base, rl)
    confidence = depth.band.confidence
    of_base, of_rl = data
    fixed_base, fixed_rl = (each.fixed_tally(base.problem_ids) for each in data)
    differences: tuple[ReliabilityDifference, ...] = ()
    shares, posterior = (), None
    if fixed_base is not None and fixed_rl is not None:
        votes = of_base.votes, of_rl.votes
        in_order = _as_in(fixed_base, base, design)
        differences = reliability_differences(fixed_base, fixed_rl, None, *votes, confidence, in_order)
        shares = coverage_differences(fixed_base, fixed_rl, None, confidence, in_order)
        posterior = bayes_difference(fixed_base, fixed_rl, confidence=confidence, design=in_order)
    smaller = sorted({1, *default_ks(table.k)} - {table.k})
    first = of_base.first_stop or of_rl.first_stop
    if not (fixed_base is base and fixed_rl is rl):
        own = (replace(row, first=first) for row in differences if row.measure not in UNDER_ANY_PLAN)
        differences = (*own, *differences_under_any_plan(base, rl, confidence, design))
    return PairDetail(
        base=base.model,
        rl=rl.model,
        support=support(table, design.effective_problems(base.problems) / base.problems),
        differences=differences,
        coverage=shares,
        bayes=posterior,
        tokens=_tokens(of_base, of_rl, base, rl, depth, design),
        strata=tuple(
            by_stratum(base, rl, labels, tag, depth.side_band, design, depth.models)
            for tag, labels in depth.tags.items()
        ),
        unscored=difference_bracket(base, rl, depth.side_band, design) if _any_unscored(base, rl) else None,
        beyond=extrapolate_pair(base, rl, confidence, design) if _far(depth, base, rl) else None,
        expected=tuple(expected_four_way(base, rl, k) for k in (*smaller, table.k)),
        deconvolved=deconvolved_shift(base, rl, confidence, design) if _far(depth, base, rl) else None,
        diversity=_diversity(of_base, of_rl, base, rl, confidence, design),
        format=_format(of_base, of_rl, fixed_base, fixed_rl, confidence, design, base),
        valid=valid_four_way(base, rl, of_base.audit, of_rl.audit) if of_base.audit and of_rl.audit else None,
    )


def _diversity(
    of_base: ModelData, of_rl: ModelData, base: AnyTally, rl: AnyTally, confidence: float, design: Design
) -> Diversity | None:
    if of_base.answers is None or of_rl.answers is None:
        return None
    names, votes = (base.model, rl.model), (of_base.votes, of_rl.votes)
    answers, responses = (of_base.answers, of_rl.answers), (of_base.responses, of_rl.responses)
    return diversity(names, votes, answers, base.problem_ids, confidence, design, responses)


def _reliability(
    known: tuple[Tally | None, Design],
    whole: tuple[AnyTally, Design],
    data: ModelData,
    ks: Sequence[int] | None,
    confidence: float,
) -> tuple[ReliabilityRow, ...]:
    """Rows at a fixed n where one is known; what needs none is of all samples."""
    (fixed, in_order), (tally, design) = known, whole
    rows = () if fixed is None else reliability(fixed, ks, data.votes, confidence, in_order)
    if fixed is tally:
        return rows
    own = (replace(row, first=data.first_stop) for row in rows if row.measure not in UNDER_ANY_PLAN)
    return (*own, *under_any_plan(tally, confidence, design))


def _tokens(
    of_base: ModelData, of_rl: ModelData, base: AnyTally, rl: AnyTally, depth: Depth, design: Design
) -> TokenBudget | None:
    known = of_base.tokens_by_problem, of_rl.tokens_by_problem
    if not all(base.id_set <= tokens.keys() for tokens in known):
        return None
    costs = [np.mean([tokens[problem] for problem in base.problem_ids]) for tokens in known]
    most = min(cost * k_limit(tally) for cost, tally in zip(costs, (base, rl), strict=True))
    if min(costs) <= 0 or max(costs) > most:
        return None  # what one sample of the one costs is more than all samples of the other
    return token_budget(base, rl, *known, settings=depth.side_band, design=design)


def _of(data: ModelData, fixed: Tally) -> Tally:
    """The counts of samples with an answer, on the problems of `fixed`."""
    assert data.with_answer is not None
    return on_problems(data.with_answer, fixed.problem_ids)


def _format_of(data: ModelData, fixed: Tally | None) -> FormatShare | None:
    if fixed is None or data.with_answer is None:
        return None
    found = format_share(fixed, _of(data, fixed))
    return None if found is None else replace(found, first=data.first_stop)


def _format(
    of_base: ModelData,
    of_rl: ModelData,
    base: Tally | None,
    rl: Tally | None,
    confidence: float,
    design: Design,
    order: AnyTally,
) -> FormatDifference | None:
    """None where that is not known of both, or every sample of both has an answer."""
    if base is None or rl is None or of_base.with_answer is None or of_rl.with_answer is None:
        return None
    known = (base, _of(of_base, base)), (rl, _of(of_rl, rl))
    if all(int(found.n.sum()) == int(each.n.sum()) for each, found in known):
        return None
    found = format_difference(*known, confidence, _as_in(base, order, design))
    return replace(found, first=of_base.first_stop or of_rl.first_stop)


def _as_in(fixed: Tally, tally: AnyTally, design: Design) -> Design:
    """The design in the order of `fixed`, which has the problems of `tally`."""
    if fixed.problem_ids == tally.problem_ids:
        return design
    place = {problem: i for i, problem in enumerate(tally.problem_ids)}
    return design.select(np.array([place[problem] for problem in fixed.problem_ids]))


def _any_unscored(*tallies: AnyTally) -> bool:
    return any(tally.unscored.any() for tally in tallies)


def _far(depth: Depth, *tallies: AnyTally) -> bool:
    return depth.beyond and min(k_limit(tally) for tally in tallies) >= 2 and tallies[0].problems >= 2
