"""Did RL gain a problem, and did it lose one? Exact one-sided tests of "solved by one model alone", these problems.

"Alone at c0" is a problem on which one model (`none`) has no correct sample and the other has c0 or more. The null is
composite: the other is better on no problem, whatever the chances are. Problems are fixed; only the samples are random.

Fixed n. Given the pooled successes C of n_none + n_other samples, equal chances make every split equally likely, so
    P(none has no success | C) = pi(C) = C(n_other, C) / C(n_none + n_other, C),
and where the other is worse the split is tilted by odds^c with c the successes of `none`, which is least at c = 0: the
chance is at most pi(C). So X(c0), the number of problems alone at c0, is stochastically at most a sum of independent
Bernoulli variables with these chances over the problems with C >= c0 (Poisson binomial).

Stopping plans. The counts are those of the complete experiment, censored: a model that stopped early has at least
`enough` successes (the plan's smallest threshold), and one that did not has all its samples. Two facts of the complete
experiment are therefore always known for c0 <= enough: whether a problem is alone at c0, and in which class it is,
    C = 0, 1, ..., enough - 1      (the chance is pi(C), as above)
    both have `enough` or more     (it cannot be alone: 0)
    C >= enough, not both          (the rest, in which C itself may be unknown).
In the rest the chance given C is pi(C) / P(not both | C), so it is at most the largest of these over C >= enough; the
tilt is least at c = 0 there too. Nothing is approximated; the price is that in the rest a problem with many successes
counts as one with `enough`. One could condition on (successes, failures), which is sufficient: exact as well, and
without power, because how early a model stopped then gives away that one of the two did (the chance would be 1/2).

A single problem's p is pi(C) at a fixed n. Under a plan it is the largest chance, over all p, that `none` fails in all
its samples and the other stops at least as early and successful as it did (`curtailed.stop_tails`).

Left out: problems that both models solve, however differently; what is asked of unseen problems (`bands.py`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from move37.errors import InputError
from move37.estimates.pass_at_k import log_choose
from move37.types import FloatArray, IntArray

THRESHOLDS = (1, 2, 3, 4, 8, 16)
"""The c0 at which problems are counted; all of them are tested, and corrected for together."""
_LEAST_CHANCE = 1e-30
"""Smaller chances are raised to it: a p is never made too small, and chances that differ stay few."""
_NOTHING = 1e-300
_REFINEMENTS = 30


@dataclass(frozen=True, eq=False)
class Counts:
    """One model's successes and its samples in the complete experiment, int64 (M,) each.

    `enough`: successes at which its sampling may have stopped early; None where every sample was made.
    """

    successes: IntArray
    complete_n: IntArray
    enough: int | None = None


@dataclass(frozen=True, eq=False)
class Alone:
    """What luck can do to each of U units (problems, or clusters of them). `none` has no success where `is_none`."""

    is_none: IntArray
    """1 where the one model has no success at all, int64 (U,)."""
    other: IntArray
    """The other model's successes, int64 (U,)."""
    pooled: IntArray
    """Successes of both, at most `enough`: what is conditioned on."""
    chance: FloatArray
    """The largest chance of `is_none` given `pooled` if the other model is not better, (U,)."""
    enough: int | None


@dataclass(frozen=True, slots=True)
class CountTest:
    """One c0. Where a plan cannot tell X(c0), p is NaN and nothing is shown."""

    count: int
    """X(c0)."""
    p: float
    """P(a sum of Bernoulli variables with the units' chances >= X(c0))."""
    at_least: int
    """Of the X(c0), how many the other model is truly better on, at least, at the test's error."""


def alone(none: Counts, other: Counts, clusters: IntArray | None = None) -> Alone:
    """What is known of each problem, or of each cluster: `none` solves no member and the other one or more.

    Copies of a problem are one witness, however their samples hang together: a cluster's chance is the least of its
    members'. Raises InputError for arrays that do not fit, and models without samples.
    """
    shape = none.successes.shape
    if any(a.shape != shape for a in (none.complete_n, other.successes, other.complete_n)) or len(shape) != 1:
        raise InputError("gains and losses: both models need the same problems")
    if (none.complete_n < 1).any() or (other.complete_n < 1).any():
        raise InputError("gains and losses: every problem needs a scored sample of both models")
    limits = [each.enough for each in (none, other) if each.enough is not None]
    enough = min(limits) if limits else None
    total = none.successes + other.successes
    chance = chance_of_none(total, none.complete_n, other.complete_n)
    if enough is not None:
        both = (none.successes >= enough) & (other.successes >= enough)
        rest = (total >= enough) & ~both
        chance[both] = 0.0
        chance[rest] = _chance_in_the_rest(none.complete_n[rest], other.complete_n[rest], enough)
        total = np.minimum(total, enough)
    found = Alone((none.successes == 0).astype(np.int64), other.successes, total, chance, enough)
    return found if clusters is None else _by_cluster(found, clusters)


def chance_of_none(pooled: IntArray, n_none: IntArray, n_other: IntArray) -> FloatArray:
    """pi(C): the chance that all of `pooled` successes fall among the other model's samples, (M,)."""
    possible = pooled <= n_other
    chosen = np.where(possible, pooled, 0)
    return np.where(possible, np.exp(log_choose(n_other, chosen) - log_choose(n_none + n_other, chosen)), 0.0)


def expected_alone(found: Alone, threshold: int = 1) -> float:
    """The most that luck makes of X(c0) on average: the sum of the chances."""
    return float(found.chance[found.pooled >= threshold].sum())


def count_tests(found: Alone, share: float) -> dict[int, CountTest]:
    """The test of every c0, each with its own error `share`.

    The chances are put together once, from the largest c0 to the smallest: what can be alone at 16 can be at 8.
    """
    if not 0 < share < 1:
        raise InputError(f"an error probability must be between 0 and 1, not {share}")
    law, below, tests = _Law.of_nothing(), np.inf, {}
    for threshold in sorted(THRESHOLDS, reverse=True):
        hit = (found.is_none > 0) & (found.other >= threshold)
        came = found.chance[(found.is_none == 0) & (found.pooled >= threshold) & (found.pooled < below)]
        for chance, count in _distinct(np.maximum(came, _LEAST_CHANCE)):
            law = law.plus(count, chance)
        below = threshold
        if found.enough is not None and threshold > found.enough:
            tests[threshold] = CountTest(int(hit.sum()), float("nan"), 0)
        else:
            tests[threshold] = _count_test(law, found.chance[hit], share)
    return {threshold: tests[threshold] for threshold in THRESHOLDS}


def _count_test(law: "_Law", hits: FloatArray, share: float) -> CountTest:
    """`law`: of the number alone among units that were not; `hits`: the chances of those that were.

    By closing the tests of all sets of units: m of the hits are what would have to be taken out, those first that luck
    makes least likely, until the rest is not rejected (any other choice would leave a smaller p). With every further
    hit among the rest p falls: P(S + B > left) is at most P(S >= left).
    """
    p, left, accepted = 1.0, 0, 0
    for chance, count in _distinct(hits)[::-1]:
        with_all = law.plus(count, chance)
        p = with_all.tail(left + count)
        if p > share:
            accepted = left + count
        elif accepted == left:
            accepted += _most_accepted(law, chance, count, left, share)
        law, left = with_all, left + count
    return CountTest(len(hits), p, len(hits) - accepted)


def _most_accepted(law: "_Law", chance: float, count: int, left: int, share: float) -> int:
    """The most of `count` hits of this chance that may join the `left` before them with a p above `share`."""
    low, high = 0, count  # all of them are too many
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if law.plus(middle, chance).tail(left + middle) > share else (low, middle)
    return low


@dataclass(frozen=True, eq=False)
class _Law:
    """The law of a sum of independent Bernoulli variables: P(start), P(start + 1), ...; elsewhere it is below 1e-300.

    All terms are positive, so small tails keep their digits.
    """

    start: int
    chances: FloatArray

    @classmethod
    def of_nothing(cls) -> "_Law":
        return cls(0, np.ones(1))

    def plus(self, count: int, chance: float) -> "_Law":
        """The law after `count` more variables with this chance have come to the sum: one binomial."""
        other = _binomial(count, chance)
        return _trimmed(self.start + other.start, np.convolve(self.chances, other.chances))

    def tail(self, least: int) -> float:
        """The chance of `least` or more."""
        return float(min(1.0, self.chances[max(0, least - self.start) :].sum()))


def _trimmed(start: int, chances: FloatArray) -> _Law:
    known = np.flatnonzero(chances >= _NOTHING)
    return _Law(start + int(known[0]), chances[known[0] : known[-1] + 1])


def _distinct(chances: FloatArray) -> list[tuple[float, int]]:
    """Distinct chances, rising, and how often each is there."""
    values, counts = np.unique(chances, return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values of Holm (1979), in the order given; NaN stays NaN and does not count."""
    return holm_adjusted(np.array(p, dtype=float)).tolist()


def holm_adjusted(p: FloatArray) -> FloatArray:
    """The same of many, (T,)."""
    values = p.copy()
    order = np.argsort(values, kind="stable")[: int((values == values).sum())]  # NaN comes last
    factors = np.arange(len(order), 0, -1)
    values[order] = np.maximum.accumulate(np.minimum(1.0, factors * values[order]))
    return values


def largest_chance(n_none: IntArray, tail: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """sup over p of (1-p)^n_none tail(p), (D,): the p of single problems under a plan.

    `tail` gives, for a p (D,), the chance that the other model does at least so well; it rises with p.
    """

    failures = n_none.astype(float)

    def log_joint(p: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            return failures * np.log1p(-p) + np.log(tail(p))

    odds = np.linspace(-20.0, 20.0, 81)
    grid = 1 / (1 + np.exp(-odds))
    values = np.stack([log_joint(np.full(len(n_none), p)) for p in grid])
    best = np.clip(values.argmax(axis=0), 1, len(grid) - 2)
    low, high = odds[best - 1], odds[best + 1]
    for _ in range(_REFINEMENTS):  # the logarithm has one peak: thirds are enough
        one, two = low + (high - low) / 3, high - (high - low) / 3
        rises = log_joint(1 / (1 + np.exp(-one))) < log_joint(1 / (1 + np.exp(-two)))
        low, high = np.where(rises, one, low), np.where(rises, high, two)
    peak = log_joint(1 / (1 + np.exp(-(low + high) / 2)))
    return np.exp(np.maximum(peak, values.max(axis=0)))


def _by_cluster(found: Alone, clusters: IntArray) -> Alone:
    """A cluster has no success of the one model where no member has, and the other's best count."""
    labels = np.unique(clusters, return_inverse=True)[1]
    units = int(labels.max(initial=-1)) + 1
    is_none, chance = np.ones(units, dtype=np.int64), np.ones(units)
    other, pooled = np.zeros(units, dtype=np.int64), np.zeros(units, dtype=np.int64)
    np.minimum.at(is_none, labels, found.is_none)
    np.minimum.at(chance, labels, found.chance)
    np.maximum.at(other, labels, found.other)
    np.maximum.at(pooled, labels, found.pooled)
    return Alone(is_none, other, pooled, chance, found.enough)


def _chance_in_the_rest(n_none: IntArray, n_other: IntArray, enough: int) -> FloatArray:
    """max over C >= enough of pi(C) / P(not both have `enough` | C), for each problem's two n, (M,)."""
    pairs, where = np.unique(np.stack([n_none, n_other]), axis=1, return_inverse=True)
    worst = [_largest_in_the_rest(int(a), int(b), enough) for a, b in pairs.T]
    return np.array(worst, dtype=np.float64)[where.reshape(-1)]


def _largest_in_the_rest(n_none: int, n_other: int, enough: int) -> float:
    pooled = np.arange(enough, n_other + 1)
    if not len(pooled):
        return 0.0
    few = np.arange(enough)
    not_both = _hypergeometric(few, pooled, n_none, n_other) + _hypergeometric(few, pooled, n_other, n_none)
    not_both = np.where(pooled < 2 * enough, 1.0, not_both)
    none = chance_of_none(pooled, np.full_like(pooled, n_none), np.full_like(pooled, n_other))
    return float(np.max(np.divide(none, not_both, out=np.zeros_like(none), where=not_both > 0)))


def _hypergeometric(few: IntArray, pooled: IntArray, n_one: int, n_other: int) -> FloatArray:
    """P(successes among n_one are one of `few`), given `pooled` successes of n_one + n_other, (len(pooled),)."""
    j, c = few[None, :], pooled[:, None]
    possible = (j <= n_one) & (c - j >= 0) & (c - j <= n_other)
    one, other = np.where(possible, j, 0), np.where(possible, c - j, 0)
    logs = log_choose(np.full_like(one, n_one), one) + log_choose(np.full_like(other, n_other), other)
    logs -= log_choose(np.full_like(pooled, n_one + n_other), pooled)[:, None]
    return np.where(possible, np.exp(logs), 0.0).sum(axis=1)


def _binomial(count: int, chance: float) -> _Law:
    """Bin(count, chance)."""
    if chance <= 0 or chance >= 1:
        return _Law(count if chance >= 1 else 0, np.ones(1))
    # By Bernstein's inequality what is further away has less than 1e-323 together.
    mean, reach = count * chance, 39 * math.sqrt(count * chance * (1 - chance)) + 500
    first, last = max(0, int(mean - reach)), min(count, int(mean + reach) + 1)
    heads = np.arange(first, last + 1)
    choose = log_choose(np.full_like(heads, count), heads)
    return _trimmed(first, np.exp(choose + heads * np.log(chance) + (count - heads) * np.log1p(-chance)))
