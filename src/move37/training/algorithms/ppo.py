"""PPO with a critic: Schulman et al. 2017, arXiv 1707.06347; advantages by GAE, 1506.02438, eq. 16.

    delta_t = r_t + gamma V_{t+1} - V_t,   A_t = sum (gamma lam)^l delta_{t+l},   returns = A + V,   A whitened

Assumption: a critic can tell early which responses will be right. V_t is the value before token t is chosen; behind
the last token it is 0. The critic is a model of its own with one output per token, or, with `shared_critic`, one more
output on the policy itself. Under LoRA the separate critic still trains all of its weights.
Degenerate group: there are no groups; whitening runs over all tokens of the batch, so equal rewards still move the
policy where the critic is wrong about them.
We follow verl 0.9.1: gamma = lam = 1, whitening after the returns are formed, value clip 0.5, critic learning rate ten
times the policy's. TRL dropped PPO. A truncated response counts as ended (its value behind the limit is 0).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import gae, whiten
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class PPO:
    """See the module."""

    class Options(Settings):
        gamma: float = Field(default=1.0, gt=0, le=1, description="Discount per token.")
        lam: float = Field(default=1.0, ge=0, le=1, description="GAE's lambda.")
        whiten: bool = Field(default=True, description="Whiten advantages over all tokens of the batch.")

    needs: ClassVar[Needs] = Needs(critic=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        if inputs.values_BT is None:
            raise ValueError("PPO needs the critic's values")
        settings, mask_BT = self.options, inputs.mask_BT
        advantages_BT, returns_BT = gae(
            inputs.token_rewards_BT, inputs.values_BT, mask_BT, settings.gamma, settings.lam
        )
        return Advantages(whiten(advantages_BT, mask_BT) if settings.whiten else advantages_BT, returns_BT)
