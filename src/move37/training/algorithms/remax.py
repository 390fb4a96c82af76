"""ReMax: the greedy response is the baseline. Li et al. 2023, arXiv 2310.10505, algorithm 1.

    A_it = sum of rewards from token t on - R(greedy response to the same prompt)

Assumption: the reward of the most probable response is close to the expected one; it does not depend on the sampled
response, so the gradient is unbiased. Costs one more response per prompt, shared by all samples of the prompt.
Degenerate group: responses that do as the greedy one did get 0. There is no normalisation, so the step shrinks as
rewards settle.
We follow verl 0.9.1 (a greedy response at temperature 0, verified like any other). A prompt whose greedy response is
unscored leaves the batch: without a baseline there is no advantage.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from move37.config import Settings
from move37.training.advantages import rewards_to_go, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class ReMax:
    """See the module."""

    class Options(Settings):
        pass

    needs: ClassVar[Needs] = Needs(greedy_response=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        if inputs.greedy_rewards_B is None:
            raise ValueError("ReMax needs the reward of a greedy response for every response")
        returns_BT = rewards_to_go(inputs.token_rewards_BT, inputs.mask_BT)
        return Advantages(returns_BT - spread(inputs.greedy_rewards_B, inputs.mask_BT))
