"""May one look after every problem, and stop when it is clear which model solves more? The e-value.

Problems are examined one after another, in a random order fixed beforehand, each with the same k samples of both
models. After b problems solved by base only and c by RL only,
    e(b, c) = 2^(b+c) B(a+b, a+c) / B(a, a),   a = 1/2,
is the likelihood of their order under a share of RL-only problems drawn from Beta(a, a), over that under a fair coin.

The null hypothesis: given what was seen before, a discordant problem is equally likely to go either way. It holds
- if both models have the same p_i on every problem of a fixed benchmark, whatever the p_i are and in any order;
- if problems are independent draws from a population in which base alone and RL alone solve equal shares (pass@k is
  the same on average, however different on single problems); a random order makes a benchmark such a sample.
Then e is a martingale that starts at 1, so P(e ever reaches 1/alpha) <= alpha (Ville 1939), whenever and why ever one
stops. On a fixed benchmark with different p_i that only balance out, the past tells what is left, and the bound is
not exact; `bench/decided.py` measures it there.

Decisions:
- "Decided" is a crossing of 1/alpha, with the direction of that moment. The wrong direction has chance <= alpha even
  where the shares differ: moving them apart only makes it rarer.
- Futility is exact: if even all problems left, going the way that leads, would not reach 1/alpha, looking on is idle.
  Stopping for it costs no validity.

Not covered: looking again at the same problems with more samples. That revises outcomes instead of adding new ones
(a discordant problem becomes one that both solve), and e may then be expected to rise under the null: from b = c = 1,
e = 1/2, to both problems solved by both, e = 1. So k is fixed beforehand, and only problems are added.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import betaln

from move37.errors import InputError
from move37.types import FloatArray, IntArray

BASE_ONLY, CONCORDANT, RL_ONLY = -1, 0, 1
"""How one problem enters: `directions` are int arrays of these, in the order in which problems are examined."""

_PRIOR = 0.5
_LARGEST_LOG = 700.0
_ROUNDING = 1e-12


class Status(StrEnum):
    """Where a comparison stands. `UNDECIDABLE`: no outcome of the problems left could decide it."""

    DECIDED = "decided"
    UNDECIDABLE = "cannot be decided"
    OPEN = "go on"


@dataclass(frozen=True, eq=False)
class Standing:
    """Where S comparisons stand, arrays of shape (S,)."""

    decided: IntArray
    """BASE_ONLY or RL_ONLY: which model solves more. CONCORDANT: not decided."""
    futile: IntArray
    """1 where no outcome of the problems left can decide it."""
    stopped_at: IntArray
    """Problems examined when it was decided or became futile; all that were examined where it is open."""

    def status(self, study: int = 0) -> Status:
        if self.decided[study] != CONCORDANT:
            return Status.DECIDED
        return Status.UNDECIDABLE if self.futile[study] else Status.OPEN


def e_value(base_only: int, rl_only: int, a: float = _PRIOR) -> float:
    """e(b, c), cut off at e^700. Raises InputError for negative counts."""
    return float(_finite_exp(log_e_value(np.array(base_only), np.array(rl_only), a)))


def log_e_value(base_only: IntArray, rl_only: IntArray, a: float = _PRIOR) -> FloatArray:
    """Natural logarithm of e(b, c), elementwise."""
    if not a > 0:
        raise InputError(f"the prior of the e-value needs a > 0, not {a}")
    if (base_only < 0).any() or (rl_only < 0).any():
        raise InputError("discordant problems cannot be negative")
    discordant = base_only + rl_only
    return discordant * np.log(2.0) + betaln(a + base_only, a + rl_only) - betaln(a, a)


def e_process(directions: IntArray) -> FloatArray:
    """e after every problem, shape as `directions` (..., t)."""
    return _finite_exp(log_e_value(*_counts(directions)))


def anytime_p(directions: IntArray) -> FloatArray:
    """min(1, 1 / largest e so far) after every problem, shape as `directions` (..., t): valid whenever one stops."""
    largest = np.maximum.accumulate(log_e_value(*_counts(directions)), axis=-1)
    return np.exp(-np.maximum(largest, 0.0))


def largest_reachable(base_only: int, rl_only: int, left: int) -> float:
    """The largest e that `left` more problems could lead to: all of them discordant, on the side that leads."""
    return float(_finite_exp(_log_reachable(np.array(base_only), np.array(rl_only), np.array(left))))


def fewest_to_decide(alpha: float) -> int:
    """Discordant problems without which e cannot reach 1/alpha, even if all go one way (7 for .05)."""
    threshold = _log_threshold(alpha)
    return next(d for d in range(1, 5000) if log_e_value(np.array(0), np.array(d)) >= threshold)


def standing(directions: IntArray, problems: int, alpha: float) -> Standing:
    """Apply the stopping rule to the first t of `problems` problems, `directions` of shape (S, t).

    The rule is applied after every single problem, so how many are sampled together changes nothing. Raises
    InputError for an impossible alpha or more outcomes than problems.
    """
    threshold = _log_threshold(alpha)
    studies, seen = directions.shape
    if seen > problems:
        raise InputError(f"{seen} problems examined, but there are only {problems}")
    base_only, rl_only = _counts(np.concatenate([np.zeros((studies, 1), dtype=np.int64), directions], axis=1))
    crossed = log_e_value(base_only, rl_only) >= threshold
    left = problems - np.arange(seen + 1)
    futile = ~crossed & (_log_reachable(base_only, rl_only, left) < threshold)
    stops = crossed | futile
    stopped = stops.any(axis=1)
    at = np.where(stopped, np.argmax(stops, axis=1), seen)
    rows = np.arange(studies)
    lead = np.sign(rl_only - base_only)[rows, at]
    return Standing(
        decided=np.where(crossed[rows, at], lead, CONCORDANT),
        futile=futile[rows, at].astype(np.int64),
        stopped_at=at,
    )


def _counts(directions: IntArray) -> tuple[IntArray, IntArray]:
    """Base-only and RL-only problems up to every problem, each of the shape of `directions`."""
    if not np.isin(directions, (BASE_ONLY, CONCORDANT, RL_ONLY)).all():
        raise InputError("directions must be -1 (base only), 0 (both or neither) or 1 (RL only)")
    return np.cumsum(directions == BASE_ONLY, axis=-1), np.cumsum(directions == RL_ONLY, axis=-1)


def _log_reachable(base_only: IntArray, rl_only: IntArray, left: IntArray) -> FloatArray:
    """log e(b, c) grows with the lead at a given sum, and with the larger count alone."""
    return log_e_value(np.minimum(base_only, rl_only), np.maximum(base_only, rl_only) + left)


def _log_threshold(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise InputError(f"alpha must be between 0 and 1, not {alpha}")
    return -float(np.log(alpha)) - _ROUNDING  # e = 1/alpha exactly is a crossing, whatever the rounding


def _finite_exp(log_values: FloatArray) -> FloatArray:
    return np.exp(np.minimum(log_values, _LARGEST_LOG))
