"""REINFORCE++: a global baseline instead of a group's. Hu et al. 2025, arXiv 2501.03262.

    A_it = whiten over all tokens of the batch ( sum of rewards from token t on )

With `baseline`, the group's mean is subtracted from the reward first (the paper's variant for several responses per
prompt), and the whole response shares the result.
Assumption: prompts are alike enough for one mean and one variance; without `baseline` an easy prompt's responses are
all above it.
Degenerate group: equal rewards of a group still move the policy. With `baseline` they do so by little: whitening takes
off the mean over tokens, which is 0 only where length does not go with reward; and a response that is alone because the
others have no verdict is not trained on. A batch of equal rewards gives 0 (gamma 1, no KL in the reward).
We follow verl 0.9.1: unbiased variance, epsilon 1e-8 inside the root. OpenRLHF 0.11 divides by N (a factor
sqrt(N/(N-1))). KL belongs in the reward in the paper: `loss.kl_in = "reward"` with `loss.kl_estimator = "k1"`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from move37.config import Settings
from move37.training.advantages import group_centred, rewards_to_go, spread, whiten
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class ReinforcePP:
    """See the module."""

    class Options(Settings):
        baseline: bool = Field(default=False, description="Subtract the group's mean reward first.")
        gamma: float = Field(default=1.0, gt=0, le=1, description="Discount per token; not with baseline.")

        @model_validator(mode="after")
        def _consistent(self) -> "ReinforcePP.Options":
            if self.baseline and self.gamma != 1:
                raise ValueError("gamma: with baseline the whole response shares one value, so nothing is discounted")
            return self

    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options
        self.needs = Needs(siblings=options.baseline)

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        if self.options.baseline:
            returns_BT = spread(group_centred(inputs.rewards_B, inputs.peers_B), inputs.mask_BT)
        else:
            returns_BT = rewards_to_go(inputs.token_rewards_BT, inputs.mask_BT, self.options.gamma)
        return Advantages(whiten(returns_BT, inputs.mask_BT))
