"""Uniqueness: right responses share their credit by how rare their way is. Cue-GRPO 2026, arXiv 2608.03467, eq. 3.

GRPO's advantage, and for the N right responses of a group, whose modes (equal answers) have C_i members,

    w_i = N |C_i|^-alpha / sum over right j of |C_j|^-alpha, cut to [clip_low, clip_high], then scaled to a mean of 1

Wrong responses keep their advantage. What is given to right responses as a whole is what GRPO gives; who of them gets
it changes. DARLING (2509.02534) multiplies rewards by a diversity instead, which changes the total as well.
Assumption: responses with the same verified answer are one way (in the lab's worlds the answer is the whole chain; for
a number as answer this does nothing, as there is one right number).
Degenerate group: as GRPO. One right response, or all of one mode: GRPO exactly.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import group_normalised, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs

if TYPE_CHECKING:
    from torch import Tensor


class Uniqueness:
    """See the module."""

    class Options(Settings):
        alpha: float = Field(default=0.8, ge=0, description="Weights fall with the size of a mode to this power.")
        clip_low: float = Field(default=0.3, gt=0, le=1, description="Smallest weight, before scaling.")
        clip_high: float = Field(default=3.0, ge=1, description="Largest weight, before scaling.")
        epsilon: float = Field(default=1e-6, gt=0, description="Added to the standard deviation.")

    needs: ClassVar[Needs] = Needs(siblings=True, binary_rewards=True, modes=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        if inputs.modes_B is None:
            raise ValueError("Uniqueness needs the mode of every response")
        plain_B = group_normalised(inputs.rewards_B, inputs.peers_B, self.options.epsilon)
        right_B = inputs.rewards_B == 1
        together_BB = (inputs.peers_B[:, None] == inputs.peers_B) & right_B & right_B[:, None]
        sizes_B = (together_BB & (inputs.modes_B[:, None] == inputs.modes_B)).sum(-1).clamp(min=1)
        rarity_B = sizes_B.to(plain_B) ** -self.options.alpha
        cut_B = _over_mean(rarity_B, together_BB).clamp(self.options.clip_low, self.options.clip_high)
        return Advantages(spread(plain_B.where(~right_B, plain_B * _over_mean(cut_B, together_BB)), inputs.mask_BT))


def _over_mean(values_B: "Tensor", together_BB: "Tensor") -> "Tensor":
    """Values over their mean among the right responses of their group."""
    number_B = together_BB.sum(-1).clamp(min=1)
    mean_B = (together_BB * values_B).sum(-1) / number_B
    return values_B / mean_B.where(mean_B > 0, 1.0)
