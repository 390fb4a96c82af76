"""DARLING: a reward is multiplied by how different its response is. Li et al. 2025, arXiv 2509.02534.

    R'_i = R_i max(d_i, `least`),   d_i = (G - |mode of i|) / (G - 1)      the share of the others that went another way
    A_it = R'_i - mean_g            divided by std_g + 1e-6 with scale = "std"

Modes are those of all responses of the group, right or wrong; equal verified answers are one mode (in the lab's worlds
the answer is the whole chain). The paper asks a classifier whether two responses are the same.
Assumption: rewards are not negative. For a number as answer all right responses are one mode, so the rule then pays
less where more are right and says nothing about ways.
Degenerate group: all wrong gives 0. All right does not where modes differ in size. A group of one keeps R.
We follow the authors' code (facebookresearch/darling, `partition` of verl/utils/reward_score, `multiplicative` of
ray_trainer.py), its floor of .1 included; the paper leaves out the standard deviation, their trainer's default divides.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import group_centred, group_normalised, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class Darling:
    """See the module."""

    class Options(Settings):
        least: float = Field(default=0.1, ge=0, le=1, description="Smallest diversity, for a group that is one mode.")
        scale: Literal["none", "std"] = Field(default="none", description="Divide by the group's standard deviation.")

    needs: ClassVar[Needs] = Needs(siblings=True, modes=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        if inputs.modes_B is None:
            raise ValueError("DARLING needs the mode of every response")
        peers_B = inputs.peers_B
        together_BB = peers_B[:, None] == peers_B
        sizes_B = together_BB.sum(-1)
        others_B = sizes_B - (together_BB & (inputs.modes_B[:, None] == inputs.modes_B)).sum(-1)
        diversity_B = (others_B / (sizes_B - 1).clamp(min=1)).clamp(min=self.options.least)
        rewards_B = inputs.rewards_B * diversity_B.where(sizes_B > 1, 1.0)
        centre = group_centred if self.options.scale == "none" else group_normalised
        return Advantages(spread(centre(rewards_B, peers_B), inputs.mask_BT))
