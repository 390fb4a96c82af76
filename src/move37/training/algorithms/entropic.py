"""Entropic credit: the best of a group above all, as sharply as one nat budget allows. TTT-Discover, 2601.16175.

    A_i = e^(beta R_i) / (mean over j != i of e^(beta R_j)) - 1

where beta of a prompt is such that the weights softmax(beta R) lie ln 2 nats from uniform (KL), found by bisection.
Assumption: the largest reward of a group is what counts, and rewards may be any numbers: the rule was made for one
problem with a score to beat. With rewards of 0 and 1 it weighs right responses like MaxRL does, by their rarity.
Degenerate group: equal rewards give 0 whatever beta is, and so does a group of one. Where more than half of a group
is best, no beta reaches ln 2: beta is then the largest that is tried, 1e6, and the others count as nothing.
We follow the authors' code (test-time-training/discover, "entropic_adaptive_beta" of tinker_cookbook/rl/train.py), its
1e-12 included.
"""

from collections.abc import Mapping
from math import log
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST_BETA = 1e6
_HALVINGS = 60


class Entropic:
    """See the module."""

    class Options(Settings):
        nats: float = Field(default=log(2), gt=0, description="How far the weights may lie from uniform (KL).")

    needs: ClassVar[Needs] = Needs(siblings=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        rewards_B, peers_B = inputs.rewards_B, inputs.peers_B
        advantages_B = rewards_B.new_zeros(rewards_B.shape)
        for group in peers_B.unique().tolist():
            rows = peers_B == group
            advantages_B[rows] = self._of_group(rewards_B[rows].double()).to(rewards_B.dtype)
        return Advantages(spread(advantages_B, inputs.mask_BT))

    def _of_group(self, rewards_G: "Tensor") -> "Tensor":
        below_G = rewards_G - rewards_G.max()
        if len(rewards_G) == 1 or not bool(below_G.any()):
            return below_G * 0
        weights_G = (self._beta(below_G) * below_G).exp()
        others_G = (weights_G.sum() - weights_G) / (len(weights_G) - 1)
        return weights_G / (others_G + 1e-12) - 1

    def _beta(self, below_G: "Tensor") -> float:
        """The beta whose weights lie `nats` from uniform; the distance grows with beta."""
        low, high = 0.0, 1.0
        while high < _LARGEST_BETA and _distance(below_G, high) < self.options.nats:
            high *= 2
        if _distance(below_G, high) < self.options.nats:
            return high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if _distance(below_G, middle) < self.options.nats else (low, middle)
        return high


def _distance(below_G: "Tensor", beta: float) -> float:
    """KL(softmax(beta R) || uniform) in nats."""
    logs_G = (beta * below_G).log_softmax(0)
    return float((logs_G.exp() * (logs_G + log(len(below_G)))).sum())
