"""How wide is each model at every k, and where is one above the other?"""

from dataclasses import dataclass

from move37.types import FloatArray, IntArray


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


@dataclass(frozen=True, eq=False)
class CurveDifference:
    """pass@k of `rl` minus `base` on the same problems, with a band that holds at all k at once."""

    base: str
    rl: str
    k: IntArray
    mean: FloatArray
    standard_error: FloatArray
    lower: FloatArray
    upper: FloatArray
    critical_value: float
    critical_value_monte_carlo: tuple[float, float]
    """Where the critical value would lie with other multiplier draws (95 %)."""
    draws: int
    confidence: float
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


@dataclass(frozen=True, slots=True)
class SamplingGap:
    """Delta_SE = base pass@k - rl pass@1 (arXiv 2504.13837): what RL left on the table. Lower is better."""

    k: int
    value: float
    lower: float
    upper: float
    confidence: float
