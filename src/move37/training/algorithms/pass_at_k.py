"""Pass@k training: the reward of a set of k responses is whether one of them is right. Chen et al. 2025, 2508.10751.

With c of a prompt's G responses right, R = 1 - C(G-c, k) / C(G, k) (the mean reward of all sets of k) and
s = sqrt(R (1 - R)):

    A of a right response = (1 - R) / (s + 1e-6)
    A of a wrong response = (1 - R - C(G-c-1, k-1) / C(G-1, k-1)) / (s + 1e-6)

the mean, over all sets that hold the response, of the set's normalised advantage (section 2.3, "analytical").
Assumption: rewards are 0 or 1, and k samples are drawn at test time.
Degenerate group: nothing right gives 0, and so does a group in which every set of k has a right one (G - c < k): that
is where pass@k training stops pushing. A group smaller than k is read with k = its size.
We follow the authors' code (RUCAIBox/Passk_Training, passk_adv.py). k = 1 is GRPO with squares over G.
"""

from collections.abc import Mapping
from math import comb, sqrt
from typing import Any, ClassVar

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import by_counts, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class PassAtK:
    """See the module."""

    class Options(Settings):
        k: int = Field(default=8, ge=1, description="Responses of a set that is rewarded together.")
        epsilon: float = Field(default=1e-6, gt=0, description="Added to the standard deviation.")

    needs: ClassVar[Needs] = Needs(siblings=True, binary_rewards=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        return Advantages(spread(by_counts(inputs.rewards_B, inputs.peers_B, self.worth), inputs.mask_BT))

    def worth(self, size: int, right: int) -> tuple[float, float]:
        """Advantage of a right and of a wrong response of a group of `size`."""
        k = min(self.options.k, size)
        none_right = comb(size - right, k) / comb(size, k)
        unit = sqrt(none_right * (1 - none_right)) + self.options.epsilon
        without = comb(size - right - 1, k - 1) / comb(size - 1, k - 1) if right < size else 0.0
        return none_right / unit, (none_right - without) / unit
