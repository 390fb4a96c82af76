"""VinePPO: a step is worth what it adds to the chance of success. Kazemnejad et al. 2024, arXiv 2410.01679.

    A_it = V(state behind the step of t) - V(state before it) + `outcome` (R_i - mean_g) / (std_g + 1e-6)

V of a state is the share of right ones among `rollouts` fresh responses that go on from there, so nothing is learnt and
nothing biased; V of the whole response is its reward, that of the prompt is the mean of its responses. With `outcome`
0, the paper's; a step ends behind `separator`.
With rollouts = 0 the values are the verifier's verdicts on steps (scores, else right or wrong as 1 or 0), and that of
the prompt is 1. Of countdown's "values" (is the target still reachable?) that is the exact advantage of the best play:
0 for a step that loses nothing, -1 for the one that loses the game; give `outcome` a weight, or nothing is pulled up.
Assumption: responses have steps. Cost: `rollouts` responses for every state, equal ones asked once.
Degenerate group: as its steps; where no response of a prompt is right, all values are 0, and so are the advantages.
The formula is the paper's (section 4.1); their code was not run.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import group_normalised, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs, StepValues


class VinePPO:
    """See the module."""

    class Options(Settings):
        rollouts: int = Field(default=9, ge=0, description="Fresh responses from every state; 0: verdicts on steps.")
        separator: str = Field(default="\n", min_length=1, description="A step ends behind it.")
        outcome: float = Field(default=0.0, ge=0, description="Weight of GRPO's advantage beside the steps'.")

    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options
        self.needs = Needs(step_values=StepValues(options.rollouts, options.separator))

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        if inputs.step_gains_BT is None:
            raise ValueError("VinePPO needs the values of states between steps")
        advantages_BT = inputs.step_gains_BT * inputs.mask_BT
        if self.options.outcome:
            whole_B = group_normalised(inputs.rewards_B, inputs.peers_B)
            advantages_BT = advantages_BT + self.options.outcome * spread(whole_B, inputs.mask_BT)
        return Advantages(advantages_BT)
