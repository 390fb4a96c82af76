"""Path counting: what a bounded stopping plan can end in, how often, and what an end says about every k.

Sampling one problem is a path on (samples, successes) from (0, 0); a `StoppingPlan` closes it at its stopping points
b = (N, c). With K(b) admissible paths to b, P_p(b) = K(b) p^c (1-p)^(N-c); with K_k(b) admissible paths from (k, 0),
E[K_k(b) / K(b)] = (1-p)^k for every k <= n_max, and no other function of b has this expectation (Girshick, Mosteller
& Savage 1946). So U(k) = K_k(b) / K(b) stands for the chance that k samples hold no correct one under any plan.

Decisions: counts reach 10^300 for n = 1024, so the sums run in logarithms, or scaled to a largest entry of 1; all
terms are positive, so nothing cancels and the relative error is a few n rounding errors. Plans with one threshold
have closed forms (`curtailed.py`), which this file checks in the tests, and which also hold where unscored samples
moved the looks: here the plan is taken as written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from move37.counts import StoppingPlan
from move37.errors import InputError
from move37.estimates.pass_at_k import log_choose
from move37.types import FloatArray, IntArray

_NEVER = -1e300
_FEW = 64
"""Successes; of a plan with a larger threshold the points are found sample by sample."""


@dataclass(frozen=True, eq=False)
class StoppingPoints:
    """Every point at which a plan can stop, shape (B,): earlier looks first, then more successes first.

    In this order, whatever p is larger makes the earlier points more likely.
    """

    trials: IntArray
    successes: IntArray
    log_paths: FloatArray
    """Natural logarithm of K(b)."""

    def blocks(self, size: int = 4096) -> Iterator["StoppingPoints"]:
        """The same points, `size` at a time: a table of them by p is large where a plan is long."""
        for start in range(0, len(self.trials), size):
            rows = slice(start, start + size)
            yield StoppingPoints(self.trials[rows], self.successes[rows], self.log_paths[rows])

    def log_probability(self, p: FloatArray) -> FloatArray:
        """log P_p(b) for every success probability in `p` (P,), shape (P, B); below -1e299 where it is impossible."""
        p = np.asarray(p, dtype=float)[:, None]
        with np.errstate(divide="ignore"):  # no logarithm is infinite: 0 times it has to be 0
            right, wrong = np.maximum(np.log(p), _NEVER), np.maximum(np.log1p(-p), _NEVER)
        return self.log_paths + self.successes * right + (self.trials - self.successes) * wrong

    def probability(self, p: FloatArray) -> FloatArray:
        """P_p(b), shape (P, B); each row sums to 1."""
        return np.exp(self.log_probability(p))


@lru_cache(maxsize=8)
def stopping_points(plan: StoppingPlan) -> StoppingPoints:
    """All stopping points of `plan` with their path counts."""
    if isinstance(plan.successes, int) and (plan.is_fixed or plan.successes <= _FEW):
        return _points_of_one_threshold(plan, plan.successes)
    return _points_by_sample(plan)


def _points_of_one_threshold(plan: StoppingPlan, r: int) -> StoppingPoints:
    """With a of c successes among the first m samples, m the look before, K(b) is the sum of C(m, a) C(N-m, c-a) over
    a < r: what has too few successes at one look had too few at all before."""
    looks = np.array([0, *plan.looks])
    before, look = looks[:-1], looks[1:]
    fewest = np.where(look == plan.n_max, 0, r)
    most = np.minimum(before, r - 1) + look - before
    stops = np.maximum(most - fewest + 1, 0)
    trials, went_on = np.repeat(look, stops), np.repeat(before, stops)
    place = np.arange(len(trials)) - np.repeat(np.cumsum(stops) - stops, stops)
    successes = np.repeat(most, stops) - place
    log_paths = np.full(len(trials), -np.inf)
    for a in range(min(r, int(before[-1]) + 1)):
        rest, later = trials - went_on, successes - a
        possible = (a <= went_on) & (later >= 0) & (later <= rest)
        m, n, c = went_on[possible], rest[possible], later[possible]
        ways = log_choose(m, np.full_like(m, a)) + log_choose(n, c)
        log_paths[possible] = np.logaddexp(log_paths[possible], ways)
    return StoppingPoints(trials, successes, log_paths)


def _points_by_sample(plan: StoppingPlan) -> StoppingPoints:
    """For any plan, by one pass over the samples."""
    thresholds = _thresholds(plan)
    alive = np.array([0.0])  # log paths to (n, s), s = 0.. , that are still open
    found: list[tuple[IntArray, IntArray, FloatArray]] = []
    for n in range(1, plan.n_max + 1):
        grown = np.full(len(alive) + 1, -np.inf)
        grown[:-1] = alive
        grown[1:] = np.logaddexp(grown[1:], alive)
        enough = 0 if n == plan.n_max else thresholds[n]
        stopped = np.arange(enough, len(grown))[::-1]
        if stopped.size:
            found.append((np.full(len(stopped), n), stopped, grown[stopped]))
        alive = grown[:enough]
        if not alive.size:
            break  # every path has stopped
    trials, successes, log_paths = (np.concatenate(column) for column in zip(*found, strict=True))
    possible = np.isfinite(log_paths)
    return StoppingPoints(trials[possible], successes[possible], log_paths[possible])


def failure_by_paths(plan: StoppingPlan, trials: IntArray, successes: IntArray, k_max: int) -> FloatArray:
    """U(k) = K_k(b) / K(b) for stopping points b given as arrays (D,), for every k = 1..k_max, shape (D, K).

    Raises InputError for a k above the plan's n_max and for a point at which the plan cannot have stopped.
    """
    return np.exp(log_share_of_paths(plan, trials, successes, k_max, 0))


def log_share_of_paths(plan: StoppingPlan, trials: IntArray, successes: IntArray, k_max: int, hits: int) -> FloatArray:
    """log K_{k-hits,hits}(b) / K(b): of the paths to b, the share of those from (k - hits failures, hits successes),
    for every k = 1..k_max, shape (D, K); -inf where there is none.

    exp of it is unbiased for p^hits (1-p)^(k-hits) if no path to that point can stop before: `hits` must be below every
    threshold. Raises InputError as `failure_by_paths`.
    """
    if not 1 <= k_max <= plan.n_max:
        raise InputError(f"k={k_max} is beyond the plan ({plan}): k must be 1 to {plan.n_max}")
    thresholds = _thresholds(plan)
    states = np.arange(max(int(successes.max(initial=0)), hits) + 2)
    ways = np.zeros((len(trials), len(states)))  # admissible paths from (n, s) to b, scaled by exp(log_scale)
    log_scale = np.zeros(len(trials))
    log_from = np.full((len(trials), plan.n_max + 1), -np.inf)  # log K_{n-hits,hits}(b), and at n = 0 log K(b)
    for n in range(plan.n_max, -1, -1):
        ways[:, :-1] += ways[:, 1:]
        ways[trials == n, successes[trials == n]] = 1.0
        if 0 < n < plan.n_max:
            ways[:, thresholds[n] :][trials > n] = 0.0
        ways[:, states > n] = 0.0
        top = ways.max(axis=1)
        started = top > 0
        ways[started] /= top[started, None]
        log_scale[started] += np.log(top[started])
        with np.errstate(divide="ignore"):
            log_from[:, n] = np.where(started, np.log(ways[:, hits if n else 0]) + log_scale, -np.inf)
    impossible = ~np.isfinite(log_from[:, 0])
    if impossible.any():
        first = int(np.argmax(impossible))
        raise InputError(
            f"{successes[first]} of {trials[first]} samples correct is not where this plan stops ({plan}); "
            "were these counts made under another plan?"
        )
    return log_from[:, 1 : k_max + 1] - log_from[:, :1]


def _thresholds(plan: StoppingPlan) -> list[int]:
    """Successes at which a path stops after n samples, for n = 0..n_max - 1; out of reach where there is no look."""
    enough = [plan.n_max + 1] * plan.n_max
    for look, successes in zip(plan.looks, plan.thresholds, strict=False):
        enough[look] = successes
    return enough
