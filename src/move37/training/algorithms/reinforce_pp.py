"""REINFORCE++: a global baseline instead of a group's. Hu et al. 2025, arXiv 2501.03262.

    A_it = whiten over all tokens of the batch ( sum of rewards from token t on )

With `baseline`, the group's mean is subtracted from the reward first (the paper's variant for several responses per
prompt), and the whole response shares the result.
Assumption: prompts are alike enough for one mean and one variance; without `baseline` an easy prompt's responses are
all above it.
Degenerate group: equal rewards of a group still move the policy, unless `baseline` is set. A batch of equal rewards
and no KL in the reward gives 0.
We follow verl 0.9.1: unbiased variance, epsilon 1e-8 inside the root. OpenRLHF 0.11 divides by N (a factor
sqrt(N/(N-1))). KL belongs in the reward in the paper: `loss.kl_in = "reward"` with `loss.kl_estimator = "k1"`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import group_centred, rewards_to_go, spread, whiten
from move37.training.algorithms import Credit, Evidence, Needs


class ReinforcePP:
    """See the module."""

    class Options(Settings):
        baseline: bool = Field(default=False, description="Subtract the group's mean reward first.")
        gamma: float = Field(default=1.0, gt=0, le=1, description="Discount per token; not with baseline.")

    needs: ClassVar[Needs] = Needs()
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, evidence: Evidence) -> Credit:
        if self.options.baseline:
            returns_BT = spread(group_centred(evidence.rewards_B, evidence.groups_B), evidence.mask_BT)
        else:
            returns_BT = rewards_to_go(evidence.token_rewards_BT, evidence.mask_BT, self.options.gamma)
        return Credit(whiten(returns_BT, evidence.mask_BT))
