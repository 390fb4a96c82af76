"""How good are learnt values? A critic, or any value network, against values that are known.

Known is what the exhaustive solver says (can the target still be reached?), or the share of right ones among many fresh
responses from a state. Explained variance is 1 - Var(known - learnt) / Var(known): 1 for a perfect critic, 0 for one as
good as a constant, below 0 for a worse one. Calibration: states in groups of equal size by their learnt value, with the
mean of both in each; a critic is calibrated where they are equal. `separation` is the chance that of two states, one
known to be worth more, the critic says so too (ties count half): 1/2 says nothing. Left out: where values come from.
"""

from dataclasses import dataclass

import numpy as np

from move37.errors import InputError
from move37.types import FloatArray, IntArray

_PAIRED = 1_000
"""States up to which all pairs are compared."""


@dataclass(frozen=True, eq=False)
class LearntValues:
    """Arrays are (groups,)."""

    states: int
    explained_variance: float
    """nan where all known values are one."""
    bias: float
    """Mean of learnt - known."""
    root_mean_square: float
    separation: float
    """nan as explained_variance."""
    mean_learnt: FloatArray
    mean_known: FloatArray
    sizes: IntArray


def learnt_values(learnt: FloatArray, known: FloatArray, groups: int = 10) -> LearntValues:
    """Compare values of the same states, both (states,). Raises InputError for none, or for unequal shapes."""
    if learnt.ndim != 1 or learnt.shape != known.shape or not len(learnt):
        raise InputError(f"learnt and known values: one of each for every state, not {learnt.shape} and {known.shape}")
    error, spread = learnt - known, float(np.var(known))
    parts = np.array_split(np.argsort(learnt, kind="stable"), min(groups, len(learnt)))
    return LearntValues(
        states=len(learnt),
        explained_variance=1 - float(np.var(error)) / spread if spread > 0 else float("nan"),
        bias=float(error.mean()),
        root_mean_square=float(np.sqrt((error**2).mean())),
        separation=_separation(learnt, known),
        mean_learnt=np.array([learnt[part].mean() for part in parts]),
        mean_known=np.array([known[part].mean() for part in parts]),
        sizes=np.array([len(part) for part in parts]),
    )


def _separation(learnt: FloatArray, known: FloatArray) -> float:
    """Over all pairs of states that are known to differ; of very many states, over those of an even share of them."""
    taken = np.linspace(0, len(known) - 1, min(len(known), _PAIRED)).astype(np.int64)
    learnt, known = learnt[taken], known[taken]
    better = known[:, None] > known
    if not better.any():
        return float("nan")
    return float(((learnt[:, None] > learnt) + 0.5 * (learnt[:, None] == learnt))[better].mean())
