"""What can be recomputed of the reference study's tables (arXiv 2504.13837, Yue et al.), and does it come out the same?

The paper gives shares in percent and counts, no samples. From these follow, without any assumption:
- Delta_SE of every algorithm on every set, base pass@256 minus RL pass@1, beside the printed one;
- the exact test of each four-way table, the number of problems that would be needed, both models' pass@k that the
  table implies, and the 95 % bound on the chance of a problem that was never solved;
- how far a share of so many problems may lie from that of other problems like these: at most one standard error of
  sqrt(p (1 - p) / M), reached where each problem is solved always or never. Two algorithms whose Delta_SE differ by
  less than the quadrature of two of these are not told apart by these numbers; paired by problem they might be.
- what RL does to the base over k in the independent replication, and over training steps.

Left out: everything that needs samples (bands, noise floors), which nobody has published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import hypot, sqrt

from move37.estimates.solvable import fewest_discordant, mcnemar_p, never_solved_bound

SOURCE = "arXiv 2504.13837, Tables 2 and 3 (Qwen2.5-7B, percent)"
SIZES: Mapping[str, int] = {"Omni-MATH train": 2000, "Omni-MATH test": 821, "MATH500": 500}
"""Problems of each set."""
K = 256
BASE: Mapping[str, tuple[float, float]] = {
    "Omni-MATH train": (9.9, 67.2),
    "Omni-MATH test": (10.2, 69.1),
    "MATH500": (34.5, 96.2),
}
"""pass@1 and pass@256 of base."""
ALGORITHMS: Mapping[str, tuple[tuple[float, float, float], ...]] = {
    "GRPO": ((26.1, 66.3, 41.1), (25.1, 68.3, 44.0), (74.4, 97.2, 21.8)),
    "PPO": ((27.2, 65.8, 40.0), (26.8, 69.2, 42.3), (75.2, 97.2, 21.0)),
    "ReMax": ((24.4, 65.5, 42.8), (23.8, 67.5, 45.3), (73.5, 96.6, 22.7)),
    "RLOO": ((28.6, 66.4, 38.6), (28.1, 69.2, 41.0), (75.0, 97.4, 21.2)),
    "Reinforce++": ((28.2, 67.7, 39.0), (28.0, 69.7, 41.1), (75.4, 96.8, 20.8)),
    "DAPO": ((31.4, 66.1, 35.8), (26.5, 67.0, 42.6), (75.6, 96.4, 20.6)),
}
"""For each set in the order of `SIZES`: pass@1, pass@256, and the printed Delta_SE."""
STEPS: Mapping[int, tuple[tuple[float, float], ...]] = {
    150: ((26.1, 66.3), (25.1, 68.3), (74.4, 97.2)),
    300: ((33.6, 65.3), (27.1, 66.6), (75.4, 96.0)),
    450: ((42.5, 64.3), (28.3, 63.9), (76.3, 95.4)),
}
"""GRPO over training steps (Figure 1, right)."""
FOUR_WAY: Mapping[str, tuple[int | None, int, int, int, int]] = {
    "AIME24": (1024, 19, 4, 0, 7),
    "MATH500": (128, 462, 18, 5, 15),
    "LiveCodeBench (a part)": (None, 19, 4, 1, 26),
}
"""k where it is known, and problems solved by both, base only, RL only, neither."""
REPLICATION: Mapping[int, tuple[float, float]] = {1: (61.4, 77.9), 8: (86.8, 88.3), 16: (90.4, 90.2), 128: (96.2, 93.0)}
"""MATH500, SimpleRL-Zoo 7B, an independent replication with n = 128: base and RL by k, in percent."""
_ROUNDED = 0.05
"""How far a printed percentage may lie from the number behind it."""
_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Gap:
    """Delta_SE of one algorithm on one set, in percentage points."""

    algorithm: str
    problems: str
    computed: float
    printed: float
    error: float
    """At most one standard error of it, over other problems like these."""
    agrees: bool
    """As far as rounding goes."""


@dataclass(frozen=True, slots=True)
class GapOrder:
    """How many pairs of algorithms these numbers alone tell apart on one set, by two standard errors."""

    problems: str
    pairs: int
    apart: int


@dataclass(frozen=True, slots=True)
class FourWay:
    """One four-way table, and what follows from it."""

    problems: str
    k: int | None
    both: int
    base_only: int
    rl_only: int
    neither: int
    base_pass_at_k: float
    rl_pass_at_k: float
    p: float
    """Exact two-sided McNemar test."""
    fewest: int
    """Problems solved by one model only that a table needs at least to reach p < .05, all on one side."""
    never_solved_bound: float | None
    """95 % upper bound on the chance of a problem that a model never solved in k samples; None without k."""


@dataclass(frozen=True, slots=True)
class StepChange:
    """GRPO after some steps minus base, in percentage points."""

    step: int
    problems: str
    at_1: float
    at_k: float


@dataclass(frozen=True, slots=True)
class Published:
    """Everything that was recomputed."""

    source: str
    gaps: tuple[Gap, ...]
    orders: tuple[GapOrder, ...]
    four_way: tuple[FourWay, ...]
    steps: tuple[StepChange, ...]
    replication: tuple[tuple[int, float], ...]
    """k, and RL minus base in percentage points."""
    crossing: tuple[int, int]
    """ks of the replication between which RL falls behind base."""

    @property
    def exceptions(self) -> tuple[Gap, ...]:
        """Printed numbers that do not follow from the others."""
        return tuple(gap for gap in self.gaps if not gap.agrees)


def recomputed() -> Published:
    """All of it."""
    gaps = tuple(
        _gap(algorithm, problems, *row)
        for algorithm, rows in ALGORITHMS.items()
        for problems, row in zip(SIZES, rows, strict=True)
    )
    differences = [(k, rl - base) for k, (base, rl) in REPLICATION.items()]
    behind = next(i for i, (_, difference) in enumerate(differences) if difference < 0)
    return Published(
        source=SOURCE,
        gaps=gaps,
        orders=tuple(_order(problems, [gap for gap in gaps if gap.problems == problems]) for problems in SIZES),
        four_way=tuple(_four_way(problems, *row) for problems, row in FOUR_WAY.items()),
        steps=tuple(
            StepChange(step, problems, at_1 - BASE[problems][0], at_k - BASE[problems][1])
            for step, rows in STEPS.items()
            for problems, (at_1, at_k) in zip(SIZES, rows, strict=True)
        ),
        replication=tuple(differences),
        crossing=(differences[behind - 1][0], differences[behind][0]),
    )


def _gap(algorithm: str, problems: str, rl_at_1: float, rl_at_k: float, printed: float) -> Gap:
    computed = BASE[problems][1] - rl_at_1
    error = hypot(_error(BASE[problems][1], problems), _error(rl_at_1, problems))
    return Gap(algorithm, problems, computed, printed, error, abs(computed - printed) <= 3 * _ROUNDED + 1e-9)


def _error(percent: float, problems: str) -> float:
    share = percent / 100
    return 100 * sqrt(share * (1 - share) / SIZES[problems])


def _order(problems: str, gaps: list[Gap]) -> GapOrder:
    pairs = list(combinations(gaps, 2))
    # Base is common to both and cancels: what varies is pass@1 of the two.
    errors = [hypot(*(_error(BASE[problems][1] - gap.computed, problems) for gap in pair)) for pair in pairs]
    apart = sum(abs(a.computed - b.computed) > 2 * error for (a, b), error in zip(pairs, errors, strict=True))
    return GapOrder(problems, len(pairs), apart)


def _four_way(problems: str, k: int | None, both: int, base_only: int, rl_only: int, neither: int) -> FourWay:
    total = both + base_only + rl_only + neither
    return FourWay(
        problems=problems,
        k=k,
        both=both,
        base_only=base_only,
        rl_only=rl_only,
        neither=neither,
        base_pass_at_k=(both + base_only) / total,
        rl_pass_at_k=(both + rl_only) / total,
        p=mcnemar_p(base_only, rl_only),
        fewest=fewest_discordant(_ALPHA),
        never_solved_bound=None if k is None else never_solved_bound(k, _ALPHA),
    )
