"""What may be said about k beyond the samples at hand, and where must one stop?

n is the largest k that the counts speak about (of both models, for a pair). Up to 2n there is an estimate by the
method with the smallest backtested error, the other methods beside it, and the range of values that the counts do not
exclude (the likelihood range of `estimates/npmle.py`, which assumes no method); the four-way table to expect comes from
the joint fit. Beyond 2n there is no estimate: which
model is above is not identified by any counts, since what happens there is decided by problems that neither model has
solved yet, so a claim is refused and bounds take its place.

Ranges hold for the population of problems, for each k by itself: no band, so a claim is about one k named beforehand.
It takes about a second per model and one or two per pair, and is therefore not part of `compare`.
"""

from dataclasses import dataclass

import numpy as np

from move37.analyses.pairing import paired, require_scored
from move37.counts import AnyTally, Estimate
from move37.errors import InputError
from move37.estimates.extrapolation import (
    DEFAULT_METHOD,
    FARTHEST,
    METHODS,
    UnseenSolvable,
    continued_bounds,
    counts_of,
    difference_range,
    fit,
    interval,
    pass_range,
    unseen_solvable,
)
from move37.estimates.npmle import fit_joint_mixture, fit_mixture, noise_floor_posterior
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray, IntArray

WITHIN = (1.0, 1.25, 1.5, 2.0)
"""Multiples of n at which estimates are given."""
BEYOND = (4, 8)
"""Multiples of n at which only bounds are given."""


@dataclass(frozen=True, slots=True)
class MethodRow:
    """pass@2n by one method, with a bootstrap interval that does not hold the error of the method itself."""

    method: str
    is_default: bool
    estimate: Estimate


@dataclass(frozen=True, eq=False)
class ModelExtrapolation:
    """One model beyond its samples. Arrays have shape (K,), for k from n to 2n."""

    model: str
    n: int
    k: IntArray
    pass_at_k: FloatArray
    lower: FloatArray
    upper: FloatArray
    """What the counts do not exclude, each k by itself."""
    confidence: float
    method: str
    methods: tuple[MethodRow, ...]
    """Every method at k = 2n."""
    never_solved: int
    unseen: UnseenSolvable | None
    """Lower bound of the solvable among the never-solved problems; None where the plan allows none."""
    unseen_refused: str
    """Why `unseen` is None; empty otherwise."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """In place of a claim about k beyond 2n: why there is none, and what remains possible for RL minus base."""

    k: int
    reason: str
    lower: float
    upper: float
    """Differences that the counts do not exclude: problems of a kind, all counts together."""
    lower_alone: float
    upper_alone: float
    """Differences if each never-solved problem may have any p that its own samples do not exclude."""


@dataclass(frozen=True, slots=True)
class DifferenceAtK:
    """pass@k of RL minus base at one k <= 2n, with the range that the counts do not exclude."""

    k: int
    value: float
    lower: float
    upper: float
    confidence: float
    extrapolated: bool

    @property
    def sign(self) -> int:
        """1: RL is above, -1: RL is below, 0: not established (this k by itself)."""
        return int(self.lower > 0) - int(self.upper < 0)


@dataclass(frozen=True, slots=True)
class ExpectedTable:
    """The four-way table to expect of k fresh samples each, in problems, under the joint fit of both models' p."""

    k: int
    both: float
    base_only: float
    rl_only: float
    neither: float
    noise_floor: float
    """Expected rl_only (and base_only) if both models had the same p, fitted to their pooled counts."""


@dataclass(frozen=True, eq=False)
class PairExtrapolation:
    """RL against base beyond their samples: differences up to 2n, refusals with bounds beyond."""

    base: str
    rl: str
    n: int
    differences: tuple[DifferenceAtK, ...]
    method: str
    table: ExpectedTable
    """At k = 2n."""
    refused_beyond: int
    refusals: tuple[Refusal, ...]


def extrapolate_model(
    tally: AnyTally, confidence: float = 0.95, draws: int = 100, seed: int = 0, design: Design = INDEPENDENT
) -> ModelExtrapolation:
    """One model from n to 2n. `draws` and `seed` are of the bootstrap. Raises InputError for n < 2."""
    require_scored(tally)
    n = k_limit(tally)
    ks = _multiples(n, WITHIN)
    ranges = pass_range(tally, ks, confidence, design)
    rows = tuple(
        MethodRow(
            method, method == DEFAULT_METHOD, interval(tally, FARTHEST * n, method, confidence, draws, seed, design)
        )
        for method in METHODS
    )
    try:
        unseen, refused = unseen_solvable(tally, confidence, design), ""
    except InputError as error:
        unseen, refused = None, str(error)
    return ModelExtrapolation(
        model=tally.model,
        n=n,
        k=ks,
        pass_at_k=pass_at_k_continued(tally, ks),
        lower=ranges[:, 0],
        upper=ranges[:, 1],
        confidence=confidence,
        method=DEFAULT_METHOD,
        methods=rows,
        never_solved=int((counts_of(tally)[0] == 0).sum()),
        unseen=unseen,
        unseen_refused=refused,
    )


def extrapolate_pair(
    base: AnyTally, rl: AnyTally, confidence: float = 0.95, design: Design = INDEPENDENT
) -> PairExtrapolation:
    """RL minus base from n to 2n, and the refusals for 4n and 8n. Raises InputError unless the problems match."""
    base, rl = paired(base, rl)
    n = _common_n(base, rl)
    ks, farther = _multiples(n, WITHIN), n * np.array(BEYOND)
    ranges = difference_range(base, rl, np.append(ks, farther), confidence, design)
    values = pass_at_k_continued(rl, ks) - pass_at_k_continued(base, ks)
    return PairExtrapolation(
        base=base.model,
        rl=rl.model,
        n=n,
        differences=tuple(
            DifferenceAtK(int(k), float(value), float(low), float(high), confidence, extrapolated=bool(k > n))
            for k, value, (low, high) in zip(ks, values, ranges, strict=False)
        ),
        method=DEFAULT_METHOD,
        table=expected_table(base, rl, FARTHEST * n),
        refused_beyond=FARTHEST * n,
        refusals=tuple(
            _refusal(base, rl, n, int(k), found, confidence)
            for k, found in zip(farther, ranges[len(ks) :], strict=True)
        ),
    )


def difference_at_k(base: AnyTally, rl: AnyTally, k: int, confidence: float = 0.95) -> DifferenceAtK | Refusal:
    """RL minus base at any one k: an estimate with its range up to 2n, a refusal with bounds beyond it."""
    base, rl = paired(base, rl)
    n, ks = _common_n(base, rl), np.array([k])
    found = difference_range(base, rl, ks, confidence)[0]
    if k > FARTHEST * n:
        return _refusal(base, rl, n, k, found, confidence)
    value = float((pass_at_k_continued(rl, ks) - pass_at_k_continued(base, ks))[0])
    return DifferenceAtK(k, value, float(found[0]), float(found[1]), confidence, extrapolated=k > n)


def expected_table(base: AnyTally, rl: AnyTally, k: int) -> ExpectedTable:
    """The four-way table to expect at k <= 2n. Raises InputError beyond it, where nothing is to be expected."""
    base, rl = paired(base, rl)
    n = _common_n(base, rl)
    if not 1 <= k <= FARTHEST * n:
        raise InputError(f"k = {k}: a table can be expected for k from 1 to {FARTHEST * n}, twice the samples at hand")
    (base_successes, base_trials), (rl_successes, rl_trials) = counts_of(base), counts_of(rl)
    shares = np.array(fit_joint_mixture(base_successes, base_trials, rl_successes, rl_trials).four_way(k))
    both, base_only, rl_only, neither = (shares * base.problems).tolist()
    pooled = (base_successes + rl_successes, base_trials + rl_trials)
    floor = noise_floor_posterior(fit_mixture(*pooled), *pooled, k)
    return ExpectedTable(k, both, base_only, rl_only, neither, floor)


def pass_at_k_continued(tally: AnyTally, ks: IntArray) -> FloatArray:
    """Mean pass@k, shape (K,): the unbiased estimate up to the tally's own n, the default method beyond."""
    limit = k_limit(tally)
    within = np.minimum(ks, limit)
    known = pass_at_k_rows(tally, int(within.max())).mean(axis=0)[within - 1]
    return known if (ks <= limit).all() else np.where(ks <= limit, known, fit(tally).pass_at_k(ks))


def _refusal(base: AnyTally, rl: AnyTally, n: int, k: int, found: FloatArray, confidence: float) -> Refusal:
    (base_low, base_high), (rl_low, rl_high) = (continued_bounds(tally, k, 1 - confidence) for tally in (base, rl))
    reason = (
        f"k = {k} is more than {FARTHEST} times the {n} samples at hand: which model is above there hangs on problems "
        f"that neither has solved yet; sample at least {-(-k // FARTHEST)} per problem to say anything about it"
    )
    return Refusal(k, reason, float(found[0]), float(found[1]), rl_low - base_high, rl_high - base_low)


def _common_n(base: AnyTally, rl: AnyTally) -> int:
    n = min(k_limit(base), k_limit(rl))
    if n < 2:
        raise InputError(f"{base.model} and {rl.model}: beyond n needs at least 2 scored samples of every problem")
    return n


def _multiples(n: int, factors: tuple[float, ...]) -> IntArray:
    """Distinct ks at these multiples of n, rounded up."""
    return np.unique(np.ceil(n * np.array(factors)).astype(np.int64))
