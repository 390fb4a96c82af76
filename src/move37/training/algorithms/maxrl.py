"""MaxRL: the gradient of log p instead of p, as far as a group can tell. Tajwar et al. 2026, arXiv 2602.02710.

    A_it = (R_i - mean_g) / (mean_g + 1e-6)        for every token t of response i in group g

In expectation that is the gradient of sum over k < G of pass@k / k, which tends to that of log p as G grows: a prompt
solved once in a hundred tries pulls a hundred times as hard as under the mean reward.
`order` T stops the series at pass@T: a right response has 1 and a wrong one - sum over k = 2 .. min(T, f) of
C(f-1, k-1) / C(G-1, k-1), f being the wrong ones of the group (the paper's failure series, without a baseline).
Assumption: rewards are 0 or 1, and groups are wide (the paper takes 128 where it can).
Degenerate group: all right or all wrong gives 0, and so does a group of one; with `order` those that are all wrong
push, those that are all right pull.
We follow the authors' code (tajwarfahim/maxrl, verl/trainer/ppo/core_algos.py and maclaurin.py), times G where the
latter's unit is 1/G.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import by_counts, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class MaxRL:
    """See the module."""

    class Options(Settings):
        epsilon: float = Field(default=1e-6, gt=0, description="Added to the group's mean.")
        order: int | None = Field(default=None, ge=1, description="The series stops at pass@order; default: at G - 1.")

    needs: ClassVar[Needs] = Needs(siblings=True, binary_rewards=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        worth = self.whole if self.options.order is None else self.series
        return Advantages(spread(by_counts(inputs.rewards_B, inputs.peers_B, worth), inputs.mask_BT))

    def whole(self, size: int, right: int) -> tuple[float, float]:
        """Advantage of a right and of a wrong response of a group of `size`."""
        mean = right / size
        unit = mean + self.options.epsilon
        return ((1 - mean) / unit, -mean / unit) if size > 1 else (0.0, 0.0)

    def series(self, size: int, right: int) -> tuple[float, float]:
        """The same, up to pass@order."""
        wrong = size - right
        share, total = 1.0, 0.0
        for k in range(2, min(self.options.order or size, wrong) + 1):
            share *= (wrong - k + 1) / (size - k + 1)
            total += share
        return 1.0, -total
