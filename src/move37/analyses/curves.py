"""How wide is each model at every k, and where is one above the other?

One-model bands and the difference band hold at all k at once, for the target that the settings name: problems like
these, or fresh samples of these problems, which serves the smaller k only (`targets.py`). K is the largest k that every
problem (under both models) can speak about, the smallest n or the plan's n_max, so every k is averaged over all
problems. Tallies that were stopped early go in as they are: their rows are unbiased as well. The difference is always
paired by problem: two marginal bands are never compared. Left out: any k beyond K.

Where every problem's pass@k is 1 (or 0) nothing varies, but the curve is not known without error: among M problems
drawn alike, all are solved with the chance of at most mean^M, so the mean is at least (alpha / 2)^(1 / M), as in the
exact interval of Clopper and Pearson; .964 for 100 problems. That holds at all such k together, for curves rise with k.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import ndtri, stdtrit

from move37.analyses.pairing import paired, require_scored
from move37.analyses.targets import curve_spread, difference_spreads, largest_k, share, with_alike_together
from move37.counts import AnyTally, StoppedTally
from move37.errors import InputError
from move37.estimates.bands import (
    DEGENERATE,
    Band,
    band_from,
    carried_by_few,
    critical_value,
    first_loss_set,
    gain_and_loss,
    point_crossing,
    population_error,
    thinned_columns,
)
from move37.estimates.benchmark import benchmark_error_at
from move37.estimates.reliability import exact_share_interval
from move37.estimates.rows import k_limit, pass_at_k_each, pass_at_k_rows, shared_rows
from move37.estimates.settings import (
    BENCHMARK,
    DEFAULT_BAND,
    INDEPENDENT,
    POPULATION,
    BandSettings,
    Design,
    Target,
)
from move37.types import FloatArray, IntArray

CURVE_DRAWS = 20_000
"""Enough for a model's own curve, which decides nothing: the critical value is known to about .02."""
EVERY_K_UP_TO = 256
"""Up to this K the maximum is simulated over every k, beyond it over `thinned_columns`; bands are at every k."""


@dataclass(frozen=True, eq=False)
class ModelCurve:
    """pass@k of one model for k = 1..K, as arrays of shape (K,). NaN where a standard error does not exist."""

    model: str
    k: IntArray
    pass_at_k: FloatArray
    se_benchmark: FloatArray
    """Standard error over fresh samples of these problems; unbiased variance needs 2k <= n, NaN beyond."""
    se_population: FloatArray
    """Standard error over fresh problems as well."""
    lower: FloatArray
    upper: FloatArray
    """Simultaneous band for the curve of the target, widened where few problems carry it (`Band.reported`)."""
    confidence: float
    problems: int
    n: tuple[int, int]
    """Smallest and largest number of scored samples per problem."""
    samples: int
    """Scored samples in all that the estimates use."""
    plan: str
    """How n came about."""
    stopped_early: bool
    """Whether n depended on the outcomes; the curve then reaches the plan's last look all the same."""
    target: str = POPULATION
    """Whether the band is for problems like these ("population") or fresh samples of these ("benchmark")."""


@dataclass(frozen=True, eq=False)
class CurveDifference:
    """pass@k of `rl` minus `base` on the same problems, with a band that holds at all k at once."""

    base: str
    rl: str
    k: IntArray
    band: Band
    gain: tuple[int, ...]
    """ks at which the whole band is above zero."""
    loss: tuple[int, ...]
    """ks at which the whole band is below zero."""
    first_loss_set: tuple[int, int | None]
    """Confidence set of the first k at which rl is below base; None: no such k is established."""
    first_loss_monte_carlo: tuple[int | None, int | None]
    """Range of its upper end over the Monte-Carlo error of the critical value."""
    point_crossing: int | None
    """First k at which the point estimate is negative after having been positive: not a claim, a landmark."""
    few_problems: tuple[int, ...] = ()
    """ks at which fewer than `FEW_PROBLEMS` carry the variance of the difference: the band is too narrow there."""
    still_gain: tuple[int, ...] = ()
    """ks that are gains even in the band that is widened where few problems carry a k (`Band.widened`)."""
    still_loss: tuple[int, ...] = ()

    @property
    def target(self) -> str:
        """Whether the band is for problems like these ("population") or fresh samples of these ("benchmark")."""
        return self.band.target

    @cached_property
    def unserved(self) -> tuple[int, ...]:
        """The ks at which fresh samples of these problems have no interval: they need more samples than there are."""
        if self.target != BENCHMARK:
            return ()
        return tuple(self.k[np.isnan(self.band.standard_error)].tolist())

    @cached_property
    def taken_back(self) -> tuple[int, ...]:
        """The ks at which the band excludes zero and the band that is shown, which is wider there, does not."""
        lower, upper = self.reported
        excluded = (self.band.lower > 0) | (self.band.upper < 0)
        return tuple(self.k[excluded & (lower <= 0) & (upper >= 0)].tolist())

    @cached_property
    def reported(self) -> tuple[FloatArray, FloatArray]:
        """The ends of the band that is shown, (K,) each: widened at the ks that few problems carry."""
        return self.band.reported

    @property
    def shown_first_loss(self) -> tuple[tuple[int, int | None], tuple[int | None, int | None]]:
        """`first_loss_set` and its Monte-Carlo range in the band that is shown."""
        if not self.few_problems and not self.taken_back:
            return self.first_loss_set, self.first_loss_monte_carlo
        low, high = (first_loss_set(*_shown_at(self.band, each))[1] for each in self.band.critical_value_monte_carlo)
        return first_loss_set(*self.reported), (low, high)

    @property
    def shown_gain(self) -> tuple[int, ...]:
        """The gains that are claimed: where few problems carry a k, only what the widened band establishes."""
        return self._secure(self.gain, self.still_gain)

    @property
    def shown_loss(self) -> tuple[int, ...]:
        return self._secure(self.loss, self.still_loss)

    def _secure(self, found: tuple[int, ...], still: tuple[int, ...]) -> tuple[int, ...]:
        shaky = {*self.few_problems, *self.taken_back}
        return tuple(k for k in found if k not in shaky or k in still)


@dataclass(frozen=True, slots=True)
class SamplingGap:
    """Delta_SE = base pass@k - rl pass@1 (arXiv 2504.13837): what RL left on the table. Lower is better."""

    k: int
    value: float
    lower: float
    upper: float
    confidence: float
    target: str = POPULATION
    corrected_over: int = 1
    """RL models whose gaps hold together with this confidence."""


def model_curve(tally: AnyTally, settings: BandSettings = DEFAULT_BAND, design: Design = INDEPENDENT) -> ModelCurve:
    """pass@k of one model for every k = 1..K. Raises InputError for a problem without scored samples."""
    require_scored(tally)
    k_max = k_limit(tally)
    few = replace(settings, draws=min(settings.draws, CURVE_DRAWS), monte_carlo_error=None)
    found = curve_spread(tally, settings.target, design, simulated_columns(k_max))
    band = band_from(found, critical_value([found], few), settings.confidence, (0.0, 1.0))
    lower, upper = _where_all_alike(band, tally, design) if settings.target == POPULATION else band.reported
    return ModelCurve(
        model=tally.model,
        k=np.arange(1, k_max + 1),
        pass_at_k=band.mean,
        se_benchmark=benchmark_error_at(tally, k_max, design),
        se_population=found.standard_error if settings.target == POPULATION else _of_others(tally, design),
        lower=lower,
        upper=upper,
        confidence=settings.confidence,
        problems=tally.problems,
        n=(int(tally.scored.min()), int(tally.scored.max())),
        samples=int(tally.scored.sum()),
        plan=str(tally.plan),
        stopped_early=isinstance(tally, StoppedTally),
        target=settings.target,
    )


def _of_others(tally: AnyTally, design: Design) -> FloatArray:
    """The standard error over fresh problems, for k = 1..K."""
    (few,), design, _ = with_alike_together([tally], design)
    return population_error(pass_at_k_rows(few), design)


def _where_all_alike(band: Band, tally: AnyTally, design: Design) -> tuple[FloatArray, FloatArray]:
    """The band, with exact ends at the ks at which every problem's pass@k is 1, or 0."""
    rows, _ = shared_rows(tally)
    units, largest = design.units(tally.problems), float(design.copies(tally.problems).max())
    _, missed = exact_share_interval(0, units, 1 - band.confidence)
    missed = min(1.0, missed * largest * units / tally.problems)  # a large cluster holds more of the problems
    one, none = (rows == 1).all(axis=0), (rows == 0).all(axis=0)
    lower, upper = band.reported
    return np.where(one, 1 - missed, lower), np.where(none, missed, upper)


def curve_difference(
    base: AnyTally,
    rl: AnyTally,
    settings: BandSettings = DEFAULT_BAND,
    design: Design = INDEPENDENT,
) -> CurveDifference:
    """pass@k of rl minus base for k = 1..K. Raises InputError unless problems match.

    `design` labels the base's problems.
    """
    base, rl = paired(base, rl)
    k_max = _common_k(base, rl)
    (found,) = difference_spreads(base, [rl], k_max, settings.target, design, simulated_columns(k_max))
    band = band_from(found, critical_value([found], settings), settings.confidence, (-1.0, 1.0))
    return difference_of(base.model, rl.model, band)


def difference_of(base: str, rl: str, band: Band) -> CurveDifference:
    """What a band of rl minus base, columns k = 1..K, establishes."""
    gain, loss = gain_and_loss(band.lower, band.upper)
    still_gain, still_loss = gain_and_loss(*band.widened())
    # NaN (no column varies) gives the whole support at both ends, so the range is that of the set itself.
    last_low, last_high = (first_loss_set(*band.at(critical))[1] for critical in band.critical_value_monte_carlo)
    return CurveDifference(
        base=base,
        rl=rl,
        k=np.arange(1, len(band.mean) + 1),
        band=band,
        gain=gain,
        loss=loss,
        first_loss_set=first_loss_set(band.lower, band.upper),
        first_loss_monte_carlo=(last_low, last_high),
        point_crossing=point_crossing(band.mean),
        few_problems=carried_by_few(band.effective_problems),
        still_gain=still_gain,
        still_loss=still_loss,
    )


def _shown_at(band: Band, critical: float) -> tuple[FloatArray, FloatArray]:
    """What would be shown at another critical value."""
    lower, upper = band.at(critical)
    return replace(band, critical_value=critical, lower=lower, upper=upper).reported


def simulated_columns(k_max: int) -> IntArray | None:
    """The positions over which a curve's maximum is simulated; None: all."""
    return thinned_columns(k_max) if k_max > EVERY_K_UP_TO else None


def sampling_gap(
    base: AnyTally,
    rl: AnyTally,
    confidence: float = 0.95,
    k: int | None = None,
    design: Design = INDEPENDENT,
    target: Target = POPULATION,
    models: int = 1,
) -> SamplingGap:
    """Delta_SE with a paired interval: Student t over the per-problem gaps, or a normal one for these problems.

    `k` defaults to the paper's 256, or to the largest that the target serves where that is less. `models` gaps are to
    hold together. A single problem, or no variation, gives the interval [-1, 1].
    """
    base, rl = paired(base, rl)
    k = max(1, min(256, largest_k(target, base, rl))) if k is None else k
    gaps = pass_at_k_each(base, k) - pass_at_k_each(rl, 1)
    each = share(confidence, models)
    if target == BENCHMARK:
        ends = _gap_interval(float(gaps.mean()), base, rl, k, each, design)
    else:
        ends = mean_interval(gaps, each, (-1.0, 1.0), design)
    lower, upper = ends or (-1.0, 1.0)
    return SamplingGap(k, float(gaps.mean()), lower, upper, confidence, target, models)


def _gap_interval(
    value: float, base: AnyTally, rl: AnyTally, k: int, confidence: float, design: Design
) -> tuple[float, float] | None:
    """For fresh samples of these problems; None without a variance."""
    error = float(np.hypot(benchmark_error_at(base, k, design)[-1], benchmark_error_at(rl, 1, design)[0]))
    half = float(ndtri((1 + confidence) / 2)) * error
    return (max(-1.0, value - half), min(1.0, value + half)) if error > DEGENERATE else None


def mean_interval(
    values: FloatArray, confidence: float, support: tuple[float, float], design: Design = INDEPENDENT
) -> tuple[float, float] | None:
    """Student t interval for the mean of `values`, one per problem, cut off at `support`.

    Degrees of freedom are the independent units less one: problems, or clusters of them.

    None where the values do not vary (or there is one): they say nothing about other problems.
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, not {confidence}")
    error = float(population_error(values[:, None], design)[0])
    if not error > DEGENERATE:
        return None
    half = float(stdtrit(design.units(len(values)) - 1, (1 + confidence) / 2)) * error
    mean = float(values.mean())
    return max(support[0], mean - half), min(support[1], mean + half)


def _common_k(base: AnyTally, rl: AnyTally) -> int:
    return min(k_limit(base), k_limit(rl))
