"""Where does a problem stop, and what is owed next? Plans applied to outcomes, in the order of the sample indices.

Samples finish out of order, short ones first; a rule that looked at them as they finish would favour short answers.
So only the prefix counts: indices 0, 1, 2, ... as far as every outcome is known. What lies beyond the stopping point
is surplus: kept, never used. Unscored samples are part of the prefix and count towards no threshold.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from move37.counts import StoppingPlan
from move37.types import IntArray, Outcome

UNKNOWN = -1
CODES = {Outcome.INCORRECT: 0, Outcome.CORRECT: 1, Outcome.UNSCORED: 2}
"""How an outcome stands in an outcome table: int8 of shape (M, n_max), UNKNOWN where there is no verdict yet."""


@dataclass(frozen=True, eq=False)
class Stops:
    """Where M problems stand under a plan, arrays of shape (M,). Counts are of the prefix up to the stopping point;
    they are 0 for a problem that has not reached one. `next_look` is how many samples its next decision takes, 0
    where it has stopped."""

    stopped: NDArray[np.bool_]
    successes: IntArray
    trials: IntArray
    went_on: IntArray
    """Scored samples at the last look at which the problem went on."""
    unscored: IntArray
    used: IntArray
    """Samples up to the stopping point, scored or not."""
    next_look: IntArray


def apply_plan(outcomes: NDArray[np.int8], plan: StoppingPlan) -> Stops:
    """Apply `plan` to an outcome table of shape (M, at least n_max); columns beyond n_max are not looked at."""
    looks = np.array(plan.looks)
    prefix = outcomes[:, : plan.n_max]
    correct = _at_looks(prefix == CODES[Outcome.CORRECT], looks)
    unscored = _at_looks(prefix == CODES[Outcome.UNSCORED], looks)
    known = _at_looks(prefix != UNKNOWN, looks) == looks
    enough = correct >= np.array([*plan.thresholds, 0])
    stops = known & enough
    stopped = stops.any(axis=1)
    at = np.argmax(stops, axis=1)
    rows = np.arange(len(outcomes))
    scored = looks - unscored

    def there(table: IntArray) -> IntArray:
        return np.where(stopped, table[rows, at], 0)

    return Stops(
        stopped=stopped,
        successes=there(correct),
        trials=there(scored),
        went_on=np.where(stopped & (at > 0), scored[rows, at - 1], 0),
        unscored=there(unscored),
        used=np.where(stopped, looks[at], 0),
        next_look=np.where(stopped, 0, looks[np.argmax(~known, axis=1)]),
    )


def expected_left(outcomes: NDArray[np.int8], plan: StoppingPlan) -> float | None:
    """How many samples the problems of an outcome table still take under `plan`, by the share of each that was right.

    A problem's share is drawn towards that of all of them by the weight of one sample. None where nothing is known.
    """
    stops = apply_plan(outcomes, plan)
    prefix = outcomes[~stops.stopped, : plan.n_max]
    looks, next_look = np.array(plan.looks), stops.next_look[~stops.stopped, None]
    begun = np.where(looks < next_look, looks, 0).max(axis=1, keepdims=True)
    known = np.arange(plan.n_max) < begun
    right = ((prefix == CODES[Outcome.CORRECT]) & known).sum(axis=1, keepdims=True)
    if not (outcomes != UNKNOWN).any():
        return None
    share = (right + (outcomes == CODES[Outcome.CORRECT]).sum() / (outcomes != UNKNOWN).sum()) / (begun + 1)
    more, still = looks - begun, np.array([*plan.thresholds, 0]) - 1 - right
    still = np.minimum(still, more)
    goes_on = np.where(looks < next_look, 1.0, np.where(still < 0, 0.0, bdtr(still.clip(0), more.clip(0), share)))
    before = np.concatenate([np.ones_like(share), goes_on[:, :-1]], axis=1)
    step = np.diff(looks, prepend=0)
    return float((np.where(looks < next_look, 0, step) * before).sum())


def _at_looks(marks: NDArray[np.bool_], looks: IntArray) -> IntArray:
    """How many of the first `look` marks are set, for every look, shape (M, looks)."""
    starts = np.concatenate([[0], looks[:-1]])
    return np.cumsum(np.add.reduceat(marks, starts, axis=1, dtype=np.int64), axis=1)
