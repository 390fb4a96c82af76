"""At which ks is an algorithm's curve above or below zero, if it was trained several times with different seeds?

D_sik is the difference at k of training seed s (S of them) on problem i (M). Model: D_sik = mu_k + a_sk + b_ik + c_sik,
all three independent with mean 0: seeds and problems are both drawn from a population and every seed meets every
problem. mu_k is what the algorithm does on average over seeds and problems, and
Var(mean) = Var(a) / S + Var(b) / M + Var(c) / (S M).

Decisions:
- V_seeds = var_s(mean over i) / S and V_problems = var_i(mean over s) / M. Their sum counts Var(c) twice. It is left
  so: with 3 seeds the difference is small and on the safe side, while subtracting an estimate of it may leave nothing.
- S is 3 to 5, so the seeds' standard error is itself hardly known. The band is
  mean_k -+ sqrt(t^2 V_seeds + critical^2 V_problems), t the Student quantile with S - 1 degrees of freedom at the
  level of the normal critical value. For independent normal levels such an interval never covers less than stated
  (Banerjee 1960, Sankhya 22), which Satterthwaite's single t does not promise: with 3 seeds and 300 problems it covered
  .91 where this covers .98 (bench/coverage.py). If the seeds agree exactly, this is the band of `bands.py`.
- The critical value is that of the multiplier process with both levels, or of the problems alone if that is larger:
  S seeds show at most S - 1 directions in which curves differ, so they alone would make the ks look more alike than
  they are.

Left out: seeds as fixed ("these three runs"); those are a family, with one `critical_value` for all of them.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr, stdtrit

from move37.errors import InputError
from move37.estimates.bands import (
    DEGENERATE,
    Spread,
    band_ends,
    critical_value,
    multiplier_factor,
    simulated_quantile,
    spread,
    unit_sums,
)
from move37.estimates.settings import DEFAULT_BAND, INDEPENDENT, POPULATION, BandSettings, Design
from move37.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class TwoLevelBand:
    """Mean and band of K columns over seeds and problems, arrays of shape (K,)."""

    mean: FloatArray
    se_seeds: FloatArray
    se_problems: FloatArray
    lower: FloatArray
    upper: FloatArray
    critical_value: float
    """On the scale of a normal: what multiplies `se_problems`."""
    critical_value_monte_carlo: tuple[float, float]
    critical_value_seeds: float
    """What multiplies `se_seeds`: the Student quantile at the same level. The band's half-width is
    sqrt((critical_value_seeds se_seeds)^2 + (critical_value se_problems)^2)."""
    draws: int
    confidence: float
    seeds: int = 0
    """0 and an empty array for a band of an analyses.json that does not say so."""
    support: tuple[float, float] = (-1.0, 1.0)
    effective_problems: FloatArray = field(default_factory=lambda: np.empty(0))
    target: str = POPULATION
    """Whether it is for other seeds and other problems ("population") or for other seeds on these ("benchmark")."""

    def at(self, critical_value: float) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends that another (normal) critical value would give."""
        error = _half_width(self.se_seeds, self.se_problems, critical_value, self.seeds)
        return band_ends(self.mean, error, 1.0, self.support)


def two_level_band(
    rows: FloatArray,
    settings: BandSettings = DEFAULT_BAND,
    design: Design = INDEPENDENT,
    support: tuple[float, float] = (-1.0, 1.0),
    *,
    simulate_at: IntArray | None = None,
    beside_seeds: Spread | None = None,
) -> TwoLevelBand:
    """Band for the mean over seeds and problems of all K columns of `rows` (S, M, K) at once.

    Other arguments as in `simultaneous_band`. `beside_seeds` takes the place of the problems as what varies beside the
    seeds: for these problems, that is the samples of the base, which all runs are compared with. Raises InputError for
    fewer than two seeds: one training run cannot say how another would differ.
    """
    if rows.ndim != 3 or not rows.size:
        raise InputError(f"a two-level band needs rows of shape (seeds, problems, ks), not {rows.shape}")
    if len(rows) < 2:
        raise InputError("one training seed cannot say how another would differ; give two or more, or compare it alone")
    problems = beside_seeds or spread(rows.mean(axis=0), design, simulate_at)
    seed_sums, se_seeds, _ = unit_sums(rows.mean(axis=1))
    # The squares of the first add up to V_seeds, those of the second to all but 1 / units of V_problems.
    seed_parts = seed_sums / np.sqrt(len(rows) * (len(rows) - 1))
    error = np.hypot(se_seeds, problems.standard_error)
    chosen = np.arange(rows.shape[2]) if simulate_at is None else simulate_at
    chosen = chosen[error[chosen] >= DEGENERATE]
    critical = critical_value([problems], settings)
    if (se_seeds[chosen] >= DEGENERATE).any():  # seeds that agree exactly leave the band over problems as it is
        share = np.nan_to_num(problems.standard_error / np.maximum(error, DEGENERATE))
        parts = np.concatenate([seed_parts / np.maximum(error, DEGENERATE), problems.parts * share])[:, chosen]
        factor = multiplier_factor(parts, (parts**2).sum(axis=0), problems.residual_variance)
        both = simulated_quantile(factor, settings)
        critical = critical if critical.value > both.value else both
    mean = rows.mean(axis=(0, 1))
    half = _half_width(se_seeds, problems.standard_error, critical.value, len(rows))
    lower, upper = band_ends(mean, half, 1.0, support)
    return TwoLevelBand(
        mean=mean,
        se_seeds=se_seeds,
        se_problems=problems.standard_error,
        lower=lower,
        upper=upper,
        critical_value=critical.value,
        critical_value_monte_carlo=critical.monte_carlo,
        critical_value_seeds=_student(critical.value, len(rows)),
        draws=critical.draws,
        confidence=settings.confidence,
        support=support,
        seeds=len(rows),
        effective_problems=problems.effective_problems,
        target=problems.target,
    )


def _half_width(se_seeds: FloatArray, se_problems: FloatArray, critical: float, seeds: int) -> FloatArray:
    return np.hypot(_student(critical, seeds) * se_seeds, critical * se_problems)


def _student(critical: float, seeds: int) -> float:
    """The Student quantile with seeds - 1 degrees of freedom that has the normal critical value's tail."""
    return float(stdtrit(seeds - 1, ndtr(critical)))
