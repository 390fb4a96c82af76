"""GRPO: group relative policy optimisation. Shao et al. 2024, DeepSeekMath, arXiv 2402.03300, section 4.1.2.

    A_it = (R_i - mean_g) / (std_g + 1e-6)        for every token t of response i in group g

Assumption: rewards of one prompt are comparable, so their mean is a baseline without a critic.
Degenerate group: all rewards equal gives exactly 0; a group of one keeps R (as verl). A response that is alone because
the others have no verdict is not trained on (as TRL: its advantage there is 0).
Implementations differ in the divisor of the variance and in epsilon. We follow verl 0.9.1: G - 1 and 1e-6. TRL 1.16:
G - 1 and 1e-4; OpenRLHF 0.11: 1e-9.
Aggregation: the paper takes a mean per response, then over responses (`loss.aggregation = "seq-mean-token-mean"`);
the default here is verl's and DAPO's token mean. Dr.GRPO (Liu et al. 2025, 2503.20783) is `scale = "none"` with
`loss.aggregation = "seq-mean-token-sum-norm"`. The paper's KL term is `loss.kl_coefficient = 0.04` with k3 in the loss.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from move37.config import Settings
from move37.training.advantages import group_centred, group_normalised, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class GRPO:
    """See the module."""

    class Options(Settings):
        scale: Literal["std", "none"] = Field(default="std", description="Divide by the group's standard deviation.")
        epsilon: float = Field(default=1e-6, gt=0, description="Added to the standard deviation.")
        ddof: Literal[0, 1] = Field(default=1, description="1: squares over G - 1 (verl, TRL); 0: over G.")

        @model_validator(mode="after")
        def _consistent(self) -> "GRPO.Options":
            if self.scale == "none" and (self.epsilon, self.ddof) != (1e-6, 1):
                raise ValueError('scale: "none" divides by nothing, so epsilon and ddof would change nothing')
            return self

    needs: ClassVar[Needs] = Needs(siblings=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        rewards_B, peers_B = inputs.rewards_B, inputs.peers_B
        if self.options.scale == "none":
            advantages_B = group_centred(rewards_B, peers_B)
        else:
            advantages_B = group_normalised(rewards_B, peers_B, self.options.epsilon, self.options.ddof)
        return Advantages(spread(advantages_B, inputs.mask_BT))
