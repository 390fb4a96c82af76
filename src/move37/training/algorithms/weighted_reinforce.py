"""NSR, PSR and W-REINFORCE: right and wrong responses weighed apart, no baseline. Zhu et al. 2025, arXiv 2506.01347.

    A of a right response = positive,  A of a wrong one = -negative

"Negative sample reinforcement" is positive = 0 (only wrong responses teach; right ones leave the batch), "positive
sample reinforcement" negative = 0, and the paper's W-REINFORCE, the default, positive = .1 and negative = 1.
Assumption: rewards are 0 or 1. Pushing wrong responses down spreads their probability over everything else in
proportion to what the policy holds likely, so the paper expects diversity to be kept (section 4).
Degenerate group: there is none, prompts are not compared; responses to hopeless prompts move the policy like others.
We follow the authors' code (TianHongZXY/RLVR-Decomposed) but for one thing: for NSR and PSR it drops the responses of
weight 0 from the batch, while here they stay in the number of tokens that the loss is divided by, so a step is smaller
by the share of the others; AdamW's step does not depend on a factor that is the same in every step.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from move37.config import Settings
from move37.training.advantages import by_counts, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class WeightedReinforce:
    """See the module."""

    class Options(Settings):
        positive: float = Field(default=0.1, ge=0, description="Weight of right responses; 0 is NSR.")
        negative: float = Field(default=1.0, ge=0, description="Weight of wrong responses; 0 is PSR.")

        @model_validator(mode="after")
        def _consistent(self) -> "WeightedReinforce.Options":
            if self.positive == self.negative == 0:
                raise ValueError("negative: with both weights 0 nothing is learnt")
            return self

    needs: ClassVar[Needs] = Needs(binary_rewards=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        weights = self.options.positive, -self.options.negative
        advantages_B = by_counts(inputs.rewards_B, inputs.groups_B, lambda size, right: weights)
        return Advantages(spread(advantages_B, inputs.mask_BT))
