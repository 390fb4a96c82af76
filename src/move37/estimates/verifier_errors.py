"""What would pass@k be if the verifier did not err? Corrected curves, and the error that would undo a difference.

A verifier accepts a right sample with chance s (sensitivity) and a wrong one with chance f (false accepts), sample by
sample. With p the chance to be right, a sample is accepted with a = s p + f (1 - p), so 1 - p = ((1 - a) - (1 - s)) /
(s - f), and with U(j) unbiased for (1 - a)^j under any plan
    U_true(k) = sum_j C(k, j) U(j) (-(1 - s))^(k - j) / (s - f)^k,     for s = 1: U(k) / (1 - f)^k,
is unbiased for (1 - p)^k. It is linear in U, so corrected rows take every band and interval.

Decisions:
- For s < 1 the terms alternate. Their sum of absolute values, ((1 - a) + (1 - s))^k / (s - f)^k at most, says how many
  digits are lost; where fewer than `_DIGITS` would be left the result is NaN, not noise.
- The correction is wild where errors are frequent: with f = .01 the factor is 3.6 at k = 128. Rows are not cut off at
  [0, 1]: only means are, by those who show them.
- *Tipping*: if base's wrong samples are accepted more often than RL's (f_b > f_r = 0, s = 1), a loss D(k) < 0 vanishes
  at f = 1 - (U_b / U_r)^(1/k). Its range is Fieller's: the f for which zero lies within critical times the standard
  error of the corrected difference. An equal f never turns a sign.

Left out: errors that hang on the problem (an f per problem would need an audit of each).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from move37.errors import InputError
from move37.estimates.bands import unit_sums
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray, IntArray

_DIGITS = 1e-6
"""Relative to 1: the rounding error that a corrected value may carry."""


def corrected_failure(failure: FloatArray, sensitivity: float = 1.0, false_accepts: float = 0.0) -> FloatArray:
    """U_true(k) from observed U(k), k = 1..K along the last axis; the same shape. NaN where digits run out.

    Raises InputError unless 0 <= false_accepts < sensitivity <= 1: another verifier says nothing about right and wrong.
    """
    if not 0 <= false_accepts < sensitivity <= 1:
        raise InputError(
            f"a verifier that accepts right samples with chance {sensitivity} and wrong ones with {false_accepts} "
            "cannot be corrected for: the first must be larger, and both within [0, 1]"
        )
    k = np.arange(1, failure.shape[-1] + 1)
    with np.errstate(over="ignore"):
        scale = np.exp(-k * np.log(sensitivity - false_accepts))
    if sensitivity == 1:
        return np.where(np.isfinite(scale), failure * scale, np.nan)
    weights = _alternating(len(k), 1 - sensitivity)
    whole = np.concatenate([np.ones((*failure.shape[:-1], 1)), failure], axis=-1)
    with np.errstate(invalid="ignore", over="ignore"):
        lost = (whole @ np.abs(weights)) * scale * np.finfo(float).eps * k
        return np.where(lost < _DIGITS, (whole @ weights) * scale, np.nan)


def _alternating(k_max: int, missed: float) -> FloatArray:
    """C(k, j) (-missed)^(k-j) for j = 0..k_max (rows) and k = 1..k_max (columns), 0 where j > k."""
    j, k = np.arange(k_max + 1)[:, None], np.arange(1, k_max + 1)[None, :]
    rest = np.maximum(k - j, 0)
    log = gammaln(k + 1.0) - gammaln(np.minimum(j, k) + 1.0) - gammaln(rest + 1.0) + rest * np.log(missed)
    return np.where(j <= k, np.exp(log) * (1 - 2 * (rest % 2)), 0.0)


@dataclass(frozen=True, eq=False)
class Tipping:
    """By how much more of its wrong samples one model's verifier would have to accept to erase the difference, (K,).

    Positive where base is ahead: base's would have to be accepted more often. Negative where RL is ahead.
    """

    value: FloatArray
    lower: FloatArray
    upper: FloatArray
    """The differences at which zero is within the interval; +-1 where any would do."""


def tipping(
    base: FloatArray, rl: FloatArray, ks: IntArray, critical: FloatArray, design: Design = INDEPENDENT
) -> Tipping:
    """From observed failures U (M, K) of both models on the same problems at `ks` (K,); `critical` (K,) values.

    NaN where no problem is left unsolved by either.
    """
    one, two = design.mean(base), design.mean(rl)
    with np.errstate(divide="ignore", invalid="ignore"):
        lower, upper = _fieller(one, two, _covariances(base, rl, design), critical)
        return Tipping(_rate(one / two, ks), _rate(upper, ks), _rate(lower, ks))


def _rate(ratio: FloatArray, ks: IntArray) -> FloatArray:
    """1 - ratio^(1/k) for a ratio below 1, and the same of its inverse with a minus sign above 1."""
    log = np.log(ratio) / ks
    return -np.sign(log) * -np.expm1(-np.abs(log))


def _covariances(base: FloatArray, rl: FloatArray, design: Design) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Variances of both means over fresh problems, and their covariance, (K,) each; NaN for a single problem."""
    (one, _, variance), (two, _, _) = unit_sums(base, design), unit_sums(rl, design)
    if not variance > 0:
        nothing = np.full(base.shape[1], np.nan)
        return nothing, nothing, nothing
    scale = variance * design.problems(base) ** 2
    return (one**2).sum(axis=0) / scale, (two**2).sum(axis=0) / scale, (one * two).sum(axis=0) / scale


def _fieller(
    one: FloatArray, two: FloatArray, spread: tuple[FloatArray, FloatArray, FloatArray], critical: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The ratios x at which one - x two is within critical standard errors of zero; (0, inf) where all are."""
    of_one, of_two, together = spread
    squared = critical**2
    a = two**2 - squared * of_two
    b = one * two - squared * together
    c = one**2 - squared * of_one
    root = np.sqrt(b**2 - a * c)
    bounded = (a > 0) & np.isfinite(root)
    return np.where(bounded, np.maximum((b - root) / a, 0.0), 0.0), np.where(bounded, (b + root) / a, np.inf)
