"""Which problems can each model solve at all in k samples, and is the difference more than luck?

Both models must get the same number of draws on a problem, or the one with more samples wins by having them. Where
they differ (some samples are unscored, or one model was sampled more), the longer one is thinned to the shorter by a
seeded random subset of its samples, problem by problem; where they are equal nothing is thrown away.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from move37.analyses.pairing import paired
from move37.estimates.solvable import mcnemar_p, never_solved_bound, noise_floor_pooled
from move37.types import IntArray, Tally


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
    """Exact two-sided McNemar test on the discordant problems."""
    noise_floor: float
    """Expected rl_only (and base_only) if both models had the same chance on every problem."""
    never_solved_bound_base: float
    never_solved_bound_rl: float
    """Per-problem upper bound on the success probability of a problem never solved in n samples."""
    confidence: float
    base_only_ids: tuple[str, ...]
    rl_only_ids: tuple[str, ...]


def solvable_table(base: Tally, rl: Tally, confidence: float = 0.95, seed: int = 0) -> SolvableTable:
    """The four-way table at each problem's common number of samples; `k` is the smallest of those.

    Raises InputError unless both tallies cover the same problems, each with a scored sample.
    """
    base, rl = paired(base, rl)
    draws = np.minimum(base.n, rl.n)
    # Two streams, by problem id, so that neither the order of the problems nor the other model changes the thinning.
    base_solves, rl_solves = _solved(base, draws, seed, 0), _solved(rl, draws, seed, 1)
    base_only, rl_only = base_solves & ~rl_solves, rl_solves & ~base_solves
    alpha = 1 - confidence
    return SolvableTable(
        base=base.model,
        rl=rl.model,
        k=int(draws.min()),
        both=int((base_solves & rl_solves).sum()),
        base_only=int(base_only.sum()),
        rl_only=int(rl_only.sum()),
        neither=int((~base_solves & ~rl_solves).sum()),
        mcnemar_p=mcnemar_p(int(base_only.sum()), int(rl_only.sum())),
        noise_floor=noise_floor_pooled(base.correct, base.n, rl.correct, rl.n, draws),
        never_solved_bound_base=never_solved_bound(int(draws.min()), alpha),
        never_solved_bound_rl=never_solved_bound(int(draws.min()), alpha),
        confidence=confidence,
        base_only_ids=_ids(base, base_only),
        rl_only_ids=_ids(rl, rl_only),
    )


def _solved(tally: Tally, draws: IntArray, seed: int, stream: int) -> NDArray[np.bool_]:
    """Whether a random subset of `draws` of each problem's scored samples holds a correct one, shape (M,)."""
    by_id = np.argsort(np.array(tally.problem_ids))
    rng = np.random.default_rng([seed, stream])
    hits = np.empty_like(draws)
    hits[by_id] = rng.hypergeometric(tally.correct[by_id], tally.incorrect[by_id], draws[by_id])
    return hits > 0


def _ids(tally: Tally, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(problem_id for problem_id, is_in in zip(tally.problem_ids, chosen, strict=True) if is_in)
