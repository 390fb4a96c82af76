"""BBG: prompts that large k has solved already teach nothing more. Yuan et al. 2026, arXiv 2606.15455.

With m of a prompt's n responses right, p has the posterior Beta(m+1, n-m+1) and raising it is worth (eq. 8)

    u(m) = E[k (1-p)^(k-1)] = k prod over j = 1 .. k-1 of (n - m + j) / (n + 1 + j)

    A_it = w(m) (R_i - mean_g) / (std_g + 1e-6),   w(m) = u(m) / u(1), and 0 where u(m) < tau (n + 1)      (eq. 9)

A prompt without a success (m = 0) has no spread to normalise; there every response gets -w(0) ("sign"), or nothing
("none").
Assumption: rewards are 0 or 1; `k_ref` is the k whose pass@k is to grow, far above the group's size.
Degenerate group: all right gives 0. A group of one is weighed like any other.
The weights are the paper's equations. That the zero-success prompts learn by reward signs, -1 for a wrong response, is
how we read its description; no code of the authors was found (November 2026).
"""

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar, Literal

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import by_counts, group_normalised, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class BBG:
    """See the module."""

    class Options(Settings):
        k_ref: int = Field(default=16, ge=1, description="The k whose pass@k is to grow.")
        tau: float = Field(default=0.01, ge=0, description="Prompts worth less than tau (n + 1) are skipped.")
        zero_success: Literal["sign", "none"] = Field(
            default="sign", description="What a prompt without a right response teaches: -w(0) to each, or nothing."
        )
        epsilon: float = Field(default=1e-6, gt=0, description="Added to the standard deviation.")

    needs: ClassVar[Needs] = Needs(siblings=True, binary_rewards=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        rewards_B, peers_B = inputs.rewards_B, inputs.peers_B
        plain_B = group_normalised(rewards_B, peers_B, self.options.epsilon)
        weights_B = by_counts(rewards_B, peers_B, self._either)
        if self.options.zero_success == "sign":
            plain_B = plain_B - by_counts(rewards_B, peers_B, lambda size, right: (0.0, float(right == 0)))
        return Advantages(spread(weights_B * plain_B, inputs.mask_BT))

    def _either(self, size: int, right: int) -> tuple[float, float]:
        weight = self.weight(size, right)
        return weight, weight

    def weight(self, size: int, right: int) -> float:
        """w(m) of a group."""
        worth = self.utility(size, right)
        return worth / self.utility(size, 1) if worth >= self.options.tau * (size + 1) else 0.0

    def utility(self, size: int, right: int) -> float:
        """u(m) of a group, eq. 8."""
        k = self.options.k_ref
        return k * prod((size - right + j) / (size + 1 + j) for j in range(1, k))
