"""Unlikeliness reward: of right responses, those that the policy held unlikely earn more. He et al. 2025, 2506.02355.

    score_i = R_i (1 - penalty * rank_i / G)            rank 0: the least likely response of the group
    A_it = (score_i - mean_g) / (std_g + 1e-6)          GRPO's rule over the scores

Rank is by the mean log-probability of a response's tokens; equal ones share the mean of their ranks (the authors' sort
decides by position).
Assumption: rewards are 0 or 1, and GRPO left to itself only pushes what is likely already. The authors take two passes
over each batch (`optimizer.epochs = 2`) and a KL of .1 to the start (`loss.kl_coefficient`) along with it.
Degenerate group: all wrong gives 0. All right does not: the unlikely ones are still raised above the likely ones.
A group of one keeps its score. We follow the authors' code (AndreHe02/rewarding-unlikely-release, ray_lean_trainer.py).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import group_normalised, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs

if TYPE_CHECKING:
    from torch import Tensor


class Unlikeliness:
    """See the module."""

    class Options(Settings):
        penalty: float = Field(default=0.25, ge=0, le=1, description="What the likeliest response of a group loses.")
        epsilon: float = Field(default=1e-6, gt=0, description="Added to the standard deviation.")

    needs: ClassVar[Needs] = Needs(siblings=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        if inputs.old_logprobs_BT is None:
            raise ValueError("Unlikeliness needs the log-probabilities under which the responses were drawn")
        lengths_B = inputs.mask_BT.sum(-1).clamp(min=1)
        mean_logprobs_B = (inputs.old_logprobs_BT * inputs.mask_BT).sum(-1) / lengths_B
        scores_B = inputs.rewards_B * (1 - self.options.penalty * _share_below(mean_logprobs_B, inputs.peers_B))
        return Advantages(spread(group_normalised(scores_B, inputs.peers_B, self.options.epsilon), inputs.mask_BT))


def _share_below(values_B: "Tensor", groups_B: "Tensor") -> "Tensor":
    """The rank of a value within its group over the group's size, (B,): 0 for the smallest, ties in the middle."""
    together_BB = groups_B[:, None] == groups_B
    below_B = (together_BB & (values_B < values_B[:, None])).sum(-1)
    ties_B = (together_BB & (values_B == values_B[:, None])).sum(-1)
    return (below_B + (ties_B - 1) / 2) / together_BB.sum(-1)
