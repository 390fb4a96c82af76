"""Where did RL move the problems' accuracies: towards 1, or also to 0?"""

from dataclasses import dataclass

from move37.types import IntArray

BINS = ("0", *(f"({low / 10:g}, {(low + 1) / 10:g}]" for low in range(10)))
"""The paper's bins: exactly 0, then tenths open below and closed above."""


@dataclass(frozen=True, eq=False)
class AccuracyShift:
    """Problems by accuracy bin. `transition[i, j]` counts problems in bin i under base and bin j under rl."""

    base: str
    rl: str
    base_counts: IntArray
    rl_counts: IntArray
    transition: IntArray
    base_exactly_one: int
    rl_exactly_one: int
