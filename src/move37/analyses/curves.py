"""How wide is each model at every k, and where is one above the other?

One-model bands and the difference band both hold for the population of problems, all k at once; K is the largest k
that every problem (under both models) can speak about, the smallest n or the plan's n_max, so every k is averaged over
all problems. Tallies that were stopped early go in as they are: their rows are unbiased as well. The difference is
always paired by problem: two marginal bands are never compared. Left out: any k beyond K.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import stdtrit

from move37.analyses.pairing import paired, require_scored
from move37.counts import AnyTally, StoppedTally
from move37.errors import InputError
from move37.estimates.bands import (
    DEGENERATE,
    Band,
    carried_by_few,
    first_loss_set,
    gain_and_loss,
    point_crossing,
    population_error,
    simultaneous_band,
    thinned_columns,
)
from move37.estimates.rows import benchmark_error, k_limit, pass_at_k_rows
from move37.estimates.settings import DEFAULT_BAND, INDEPENDENT, BandSettings, Design
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
    """Standard error over fresh problems as well; what the band shows."""
    lower: FloatArray
    upper: FloatArray
    """Simultaneous band for the population curve."""
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

    @cached_property
    def reported(self) -> tuple[FloatArray, FloatArray]:
        """The ends of the band that is shown, (K,) each: widened at the ks that few problems carry."""
        few = np.isin(self.k, self.few_problems)
        if not few.any() or not self.band.effective_problems.size:
            return self.band.lower, self.band.upper
        lower, upper = self.band.widened()
        return np.where(few, lower, self.band.lower), np.where(few, upper, self.band.upper)

    @property
    def shown_gain(self) -> tuple[int, ...]:
        """The gains that are claimed: where few problems carry a k, only what the widened band establishes."""
        return _where_secure(self.gain, self.few_problems, self.still_gain)

    @property
    def shown_loss(self) -> tuple[int, ...]:
        return _where_secure(self.loss, self.few_problems, self.still_loss)


@dataclass(frozen=True, slots=True)
class SamplingGap:
    """Delta_SE = base pass@k - rl pass@1 (arXiv 2504.13837): what RL left on the table. Lower is better."""

    k: int
    value: float
    lower: float
    upper: float
    confidence: float


def model_curve(tally: AnyTally, settings: BandSettings = DEFAULT_BAND, design: Design = INDEPENDENT) -> ModelCurve:
    """pass@k of one model for every k = 1..K. Raises InputError for a problem without scored samples."""
    require_scored(tally)
    rows = pass_at_k_rows(tally)
    simulated = simulated_columns(rows.shape[1])
    few = replace(settings, draws=min(settings.draws, CURVE_DRAWS), monte_carlo_error=None)
    band = simultaneous_band(rows, few, design, support=(0.0, 1.0), simulate_at=simulated)
    return ModelCurve(
        model=tally.model,
        k=np.arange(1, rows.shape[1] + 1),
        pass_at_k=band.mean,
        se_benchmark=benchmark_error(tally),
        se_population=band.standard_error,
        lower=band.lower,
        upper=band.upper,
        confidence=settings.confidence,
        problems=tally.problems,
        n=(int(tally.scored.min()), int(tally.scored.max())),
        samples=int(tally.scored.sum()),
        plan=str(tally.plan),
        stopped_early=isinstance(tally, StoppedTally),
    )


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
    rows = pass_at_k_rows(rl, k_max) - pass_at_k_rows(base, k_max)
    band = simultaneous_band(rows, settings, design, simulate_at=simulated_columns(k_max))
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


def _where_secure(found: tuple[int, ...], few: tuple[int, ...], still: tuple[int, ...]) -> tuple[int, ...]:
    shaky = set(few)
    return tuple(k for k in found if k not in shaky or k in still)


def simulated_columns(k_max: int) -> IntArray | None:
    """The positions over which a curve's maximum is simulated; None: all."""
    return thinned_columns(k_max) if k_max > EVERY_K_UP_TO else None


def sampling_gap(
    base: AnyTally, rl: AnyTally, confidence: float = 0.95, k: int | None = None, design: Design = INDEPENDENT
) -> SamplingGap:
    """Delta_SE with a paired interval for the population of problems (Student t over the per-problem gaps).

    `k` defaults to the paper's 256, or to K where that is less. A single problem, or no variation
    between problems, gives the interval [-1, 1].
    """
    base, rl = paired(base, rl)
    k = min(256, _common_k(base, rl)) if k is None else k
    gaps = pass_at_k_rows(base, k)[:, -1] - pass_at_k_rows(rl, 1)[:, 0]
    lower, upper = mean_interval(gaps, confidence, (-1.0, 1.0), design) or (-1.0, 1.0)
    return SamplingGap(k, float(gaps.mean()), lower, upper, confidence)


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
