"""SELF: only prompts that the model gets wrong at its best try teach. Nguyen et al. 2025, arXiv 2510.02230.

    A_it = (R_i - mean_g) / (std_g + 1e-6), times `solved_weight` (0) where the prompt's greedy response is right

Assumption: what greedy decoding solves is solved; training on it takes probability from other prompts.
Degenerate group: as GRPO, 0; a group of one keeps R. A prompt whose greedy response is unscored leaves the batch.
The paper adds a forward KL to the start model (`loss.kl_coefficient` here is the reverse one); the selection is all
that stands here. Costs one greedy response per prompt, as ReMax.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import group_normalised, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class UnsolvedOnly:
    """See the module."""

    class Options(Settings):
        solved_weight: float = Field(default=0.0, ge=0, le=1, description="Weight of prompts that greedy gets right.")
        epsilon: float = Field(default=1e-6, gt=0, description="Added to the standard deviation.")

    needs: ClassVar[Needs] = Needs(siblings=True, greedy_response=True, binary_rewards=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        if inputs.greedy_rewards_B is None:
            raise ValueError("UnsolvedOnly needs the reward of a greedy response for every response")
        solved_B = inputs.greedy_rewards_B > 0
        plain_B = group_normalised(inputs.rewards_B, inputs.peers_B, self.options.epsilon)
        return Advantages(spread(plain_B.where(~solved_B, plain_B * self.options.solved_weight), inputs.mask_BT))
