"""Clip-Cov: a few of the tokens that would cost the most entropy are left out. Cui et al. 2025, arXiv 2505.22617.

    cov_t = (log pi_t - mean) (A_t - mean)      over the tokens of a mini-batch
    loss_t = 0 for a random `share` of all tokens (at least one) among those with low < cov_t < high

and PPO's clipped loss for all others. The entropy of a policy falls by the covariance of log-probability and advantage,
and few tokens carry nearly all of it.
Assumption: advantages of about unit size, as GRPO's are: the bounds 1 and 5 are in nats times advantages.
Degenerate: no token between the bounds: nothing is left out.
We follow verl 0.9.1's `compute_policy_loss_clip_cov` (from PRIME-RL/Entropy-Mechanism-of-RL); it takes the statistics
over a micro-batch, here they are over the mini-batch.
"""

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field, model_validator

from move37.config import Settings
from move37.training.losses import clipped_loss
from move37.training.policy_losses import Bounds, ChoiceInputs, TokenInputs

if TYPE_CHECKING:
    from torch import Generator, Tensor


class ClipCov:
    """See the module."""

    class Options(Settings):
        share: float = Field(default=2e-4, gt=0, le=1, description="Share of all tokens that is left out at most.")
        low: float = Field(default=1.0, description="Covariances above this may be left out.")
        high: float = Field(default=5.0, description="And below this.")

        @model_validator(mode="after")
        def _consistent(self) -> "ClipCov.Options":
            if self.low >= self.high:
                raise ValueError(f"high: must be above low ({self.low:g}), or no token is left out")
            return self

    entropies: ClassVar[bool] = False
    chooses: ClassVar[bool] = True
    ranks = 0

    def __init__(self, options: Options) -> None:
        self.options = options

    def choose(self, inputs: ChoiceInputs, bounds: Bounds, generator: "Generator") -> "Tensor":
        _, clipped_BT = clipped_loss(inputs.log_ratio_BT, inputs.advantages_BT, *bounds)
        covariance_BT = covariances(inputs)
        fits_BT = inputs.own_BT & ~clipped_BT & (covariance_BT > self.options.low) & (covariance_BT < self.options.high)
        places = fits_BT.flatten().nonzero()[:, 0]
        most = max(1, int(self.options.share * int(inputs.own_BT.sum())))
        taken = places[torch.randperm(len(places), generator=generator)[:most].to(places.device)]
        chosen = torch.zeros_like(inputs.own_BT).flatten()
        chosen[taken] = True
        return chosen.view(inputs.own_BT.shape)

    def loss(self, tokens: TokenInputs, bounds: Bounds) -> "tuple[Tensor, Tensor]":
        assert tokens.chosen_bR is not None
        loss_bR, clipped_bR = clipped_loss(tokens.log_ratio_bR, tokens.advantages_bR, *bounds)
        return loss_bR.masked_fill(tokens.chosen_bR, 0.0), clipped_bR | tokens.chosen_bR


def covariances(inputs: ChoiceInputs) -> "Tensor":
    """(log pi - mean) (A - mean) of every own token, (B, T); the means are over all own tokens."""
    count = inputs.own_BT.sum().clamp(min=1)

    def centred(values_BT: "Tensor") -> "Tensor":
        return values_BT - (values_BT * inputs.own_BT).sum() / count

    return centred(inputs.logprobs_BT) * centred(inputs.advantages_BT) * inputs.own_BT
