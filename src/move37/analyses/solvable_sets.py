"""Which problems can each model solve at all in k samples, and is the difference more than luck?

Both models must get the same number of draws on a problem, or the one with more samples wins by having them. Where
they differ (some samples are unscored, or one model was sampled more), the longer one is thinned to the shorter,
problem by problem: a subset of its samples holds a success with the chance pass@k, and that is drawn with a seed.
Where they are equal that chance is 0 or 1 and nothing is drawn. A problem that was stopped early at its r-th success
counts as solved within n_max, which it would have been.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from move37.analyses.pairing import paired
from move37.counts import AnyTally, Tally
from move37.estimates.pass_at_k import checked_k
from move37.estimates.rows import correct_samples, pass_at_k_each
from move37.estimates.settings import INDEPENDENT, Design
from move37.estimates.solvable import never_solved_bound, noise_floor_pooled, noise_floor_smoothed, sign_flip_p
from move37.types import IntArray


@dataclass(frozen=True, slots=True)
class SolvableTable:
    """The four-way table at k = the samples both models have. "Solved" means at least one correct sample."""

    base: str
    rl: str
    k: int
    both: int
    base_only: int
    rl_only: int
    neither: int
    mcnemar_p: float
    """Exact two-sided McNemar test on the discordant problems; with clusters, whole clusters are flipped."""
    noise_floor: float
    """Expected rl_only (and base_only) if both models had the same chance on every problem."""
    never_solved_bound_base: float
    never_solved_bound_rl: float
    """Per-problem upper bound on the success probability of a problem never solved in n samples."""
    confidence: float
    base_only_ids: tuple[str, ...]
    rl_only_ids: tuple[str, ...]
    discordant_clusters: int | None = None
    """Clusters in which one model alone solves more problems, which is what the test counts; None without clusters."""
    mcnemar_p_adjusted: float | None = None
    """The same after Holm's correction over the RL models of the run; None where there is one."""
    corrected_over: int = 1
    """RL models that `test_p` allows for."""

    @property
    def test_p(self) -> float:
        """The p that is shown."""
        return self.mcnemar_p if self.mcnemar_p_adjusted is None else self.mcnemar_p_adjusted

    @property
    def discordant(self) -> int:
        """Independent units that the test has: problems solved by one model only, or clusters."""
        return self.base_only + self.rl_only if self.discordant_clusters is None else self.discordant_clusters


def solvable_table(
    base: AnyTally,
    rl: AnyTally,
    confidence: float = 0.95,
    seed: int = 0,
    k: int | None = None,
    design: Design = INDEPENDENT,
) -> SolvableTable:
    """The four-way table at `k` samples, or at each problem's common number of samples (its `k` is the smallest).

    Raises InputError unless both tallies cover the same problems, each with a scored sample, and for a k above what
    every problem can speak about.
    """
    base, rl = paired(base, rl)
    draws = np.minimum(base.k_limit, rl.k_limit)
    if k is not None:
        draws = np.full_like(draws, checked_k(draws, k))
    # Two streams, by problem id, so that neither the order of the problems nor the other model changes the thinning.
    base_solves, rl_solves = _solved(base, draws, seed, 0), _solved(rl, draws, seed, 1)
    base_only, rl_only = base_solves & ~rl_solves, rl_solves & ~base_solves
    clustered = _by_cluster(rl_only.astype(np.int64) - base_only, design)
    bound = never_solved_bound(int(draws.min()), 1 - confidence)
    return SolvableTable(
        base=base.model,
        rl=rl.model,
        k=int(draws.min()),
        both=int((base_solves & rl_solves).sum()),
        base_only=int(base_only.sum()),
        rl_only=int(rl_only.sum()),
        neither=int((~base_solves & ~rl_solves).sum()),
        mcnemar_p=sign_flip_p(clustered),
        noise_floor=_noise_floor(base, rl, draws),
        never_solved_bound_base=bound,
        never_solved_bound_rl=bound,
        confidence=confidence,
        base_only_ids=_ids(base, base_only),
        rl_only_ids=_ids(rl, rl_only),
        discordant_clusters=None if design.clusters is None else int(np.count_nonzero(clustered)),
    )


@dataclass(frozen=True, slots=True)
class ExpectedFourWay:
    """The four-way table to expect of k samples each of these problems, in problems."""

    base: str
    rl: str
    k: int
    both: float
    base_only: float
    rl_only: float
    neither: float
    noise_floor: float
    """Expected rl_only (and base_only) if both models had the same chance on every problem."""


def expected_four_way(base: AnyTally, rl: AnyTally, k: int) -> ExpectedFourWay:
    """Sums of products of the models' unbiased pass@k and 1 - pass@k: unbiased, whatever the plans, since the models'
    samples are independent. rl_only - base_only is M times the difference in pass@k. Raises InputError as
    `solvable_table` does.
    """
    base, rl = paired(base, rl)
    draws = np.minimum(base.k_limit, rl.k_limit)
    k = checked_k(draws, k)
    solves_base, solves_rl = (pass_at_k_each(tally, k) for tally in (base, rl))
    return ExpectedFourWay(
        base=base.model,
        rl=rl.model,
        k=k,
        both=float(solves_base @ solves_rl),
        base_only=float(solves_base @ (1 - solves_rl)),
        rl_only=float((1 - solves_base) @ solves_rl),
        neither=float((1 - solves_base) @ (1 - solves_rl)),
        noise_floor=_noise_floor(base, rl, np.full_like(draws, k)),
    )


def _by_cluster(lead: IntArray, design: Design) -> IntArray:
    """What rl alone solves less what base alone solves, per problem or summed over each cluster."""
    return np.bincount(design.unit_of(len(lead)), lead).astype(np.int64)


def _noise_floor(base: AnyTally, rl: AnyTally, draws: IntArray) -> float:
    if isinstance(base, Tally) and isinstance(rl, Tally):
        return noise_floor_pooled(base.correct, base.n, rl.correct, rl.n, draws)
    successes = correct_samples(base) + correct_samples(rl)
    return noise_floor_smoothed(successes, base.scored + rl.scored, draws)


def _solved(tally: AnyTally, draws: IntArray, seed: int, stream: int) -> NDArray[np.bool_]:
    """Whether a random `draws` of each problem's scored samples hold a correct one, shape (M,)."""
    chance = np.empty(tally.problems)
    for k in np.unique(draws):
        rows = draws == k
        chance[rows] = pass_at_k_each(tally if rows.all() else tally.select(rows), int(k))
    if ((chance == 0) | (chance == 1)).all():
        return chance == 1
    by_id = np.argsort(np.array(tally.problem_ids))
    drawn = np.empty(tally.problems)
    drawn[by_id] = np.random.default_rng([seed, stream]).random(tally.problems)
    return drawn < chance


def _ids(tally: AnyTally, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(tally.problem_ids[place] for place in np.flatnonzero(chosen))
