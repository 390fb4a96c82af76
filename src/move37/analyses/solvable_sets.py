"""Which problems can each model solve at all in k samples, and is the difference more than luck?"""

from dataclasses import dataclass


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
