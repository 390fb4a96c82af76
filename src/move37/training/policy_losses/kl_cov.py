"""KL-Cov: the tokens that would cost the most entropy pay for moving. Cui et al. 2025, arXiv 2505.22617.

    loss_t = -A_t r_t,   + coefficient |log pi_t - log pi_old_t| for the `share` of tokens with the largest
                         cov_t = (log pi_t - mean) (A_t - mean), at least one

No ratio is clipped. With one update per batch nothing has moved yet when the gradient is taken: |x| has the gradient 0
at 0 in torch, so KL-Cov acts from the second update of a step on (`optimizer.epochs` or `mini_batches` above 1).
Assumption: as Clip-Cov's. Degenerate: none, there always is a largest covariance.
We follow verl 0.9.1's `compute_policy_loss_kl_cov` (from PRIME-RL/Entropy-Mechanism-of-RL); its statistics
are over a micro-batch, here they are over the mini-batch.
"""

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field

from move37.config import Settings
from move37.training.losses import LARGEST_LOG_RATIO
from move37.training.policy_losses import Bounds, ChoiceInputs, TokenInputs
from move37.training.policy_losses.clip_cov import covariances

if TYPE_CHECKING:
    from torch import Generator, Tensor


class KLCov:
    """See the module."""

    class Options(Settings):
        share: float = Field(default=2e-4, gt=0, le=1, description="Share of all tokens that pay.")
        coefficient: float = Field(default=1.0, ge=0, description="Weight of their distance.")

    entropies: ClassVar[bool] = False
    chooses: ClassVar[bool] = True
    ranks = 0

    def __init__(self, options: Options) -> None:
        self.options = options

    def choose(self, inputs: ChoiceInputs, bounds: Bounds, generator: "Generator") -> "Tensor":
        places = inputs.own_BT.flatten().nonzero()[:, 0]
        chosen = torch.zeros_like(inputs.own_BT).flatten()
        if len(places):
            count = max(1, int(self.options.share * len(places)))
            chosen[places[covariances(inputs).flatten()[places].topk(count).indices]] = True
        return chosen.view(inputs.own_BT.shape)

    def loss(self, tokens: TokenInputs, bounds: Bounds) -> "tuple[Tensor, Tensor]":
        assert tokens.chosen_bR is not None
        ratio_bR = tokens.log_ratio_bR.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
        distance_bR = tokens.log_ratio_bR.abs() * tokens.chosen_bR
        loss_bR = -tokens.advantages_bR * ratio_bR + self.options.coefficient * distance_bR
        return loss_bR, torch.zeros_like(tokens.chosen_bR)
