"""PPO's clipped loss: max(-A r, -A clip(r, 1 - low, 1 + high)). Schulman et al. 2017, 1707.06347, eq. 7.

With `loss.dual_clip` c, at most -A c where A < 0 (1912.09729, eq. 4). r is the ratio of a token, or of its response
(`loss.ratio`). Equals verl 0.9.1's `compute_policy_loss_vanilla`, its clamp of the log-ratio at 20 included.
"""

from typing import TYPE_CHECKING, ClassVar

from move37.config import Settings
from move37.training.losses import clipped_loss
from move37.training.policy_losses import Bounds, ChoiceInputs, TokenInputs

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Clipped:
    """See the module."""

    class Options(Settings):
        pass

    entropies: ClassVar[bool] = False
    chooses: ClassVar[bool] = False
    ranks = 0

    def __init__(self, options: Settings) -> None:
        self.options = options

    def choose(self, inputs: ChoiceInputs, bounds: Bounds, generator: "Generator") -> "Tensor":
        raise NotImplementedError("no token is chosen")

    def loss(self, tokens: TokenInputs, bounds: Bounds) -> "tuple[Tensor, Tensor]":
        return clipped_loss(tokens.log_ratio_bR, tokens.advantages_bR, *bounds)
