"""SimKO: right responses raise the likeliest alternatives too, wrong ones lower the favourite more. 2510.14807.

At tokens whose entropy lies above the `tau` quantile of their response's,

    right response     ratio -> (1 - a) ratio + a / K sum over the K likeliest tokens k of ratio_k,
                       where ratio_k has the value of the token's own ratio and the gradient of log pi(k)
    wrong response     A -> `penalty` A where the token was the likeliest one (A summed over the response below 0)

and then PPO's clipped loss. What would go to one token is shared among K, so that the runners-up stay alive.
Assumption: collapse comes from the few undecided tokens of a response. K likeliest tokens are those of the policy as it
is now. A response is right where it has the whole reward (1).
Degenerate: a response whose entropies are all equal has no token above the quantile: the clipped loss.
We follow the authors' code (CLR-Lab/SimKO, `compute_policy_loss_simko` of verl/trainer/ppo/core_algos.py) but for its
1e-8 beside the old ratio of an alternative, whose value cancels.
"""

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field

from move37.config import Settings
from move37.training.losses import LARGEST_LOG_RATIO, clipped_ratio_loss
from move37.training.policy_losses import Bounds, ChoiceInputs, TokenInputs

if TYPE_CHECKING:
    from torch import Generator, Tensor


class SimKO:
    """See the module."""

    class Options(Settings):
        k: int = Field(default=3, ge=1, description="Likeliest tokens that share what a right token gets.")
        share: float = Field(default=0.01, ge=0, le=1, description="How much of it they share (a).")
        tau: float = Field(
            default=0.8, ge=0, le=1, description="It acts above this quantile of a response's entropies."
        )
        penalty: float = Field(default=1.1, ge=1, description="Weight of a wrong response's likeliest tokens.")

    entropies: ClassVar[bool] = True
    chooses: ClassVar[bool] = False

    def __init__(self, options: Options) -> None:
        self.options = options

    @property
    def ranks(self) -> int:
        return self.options.k

    def choose(self, inputs: ChoiceInputs, bounds: Bounds, generator: "Generator") -> "Tensor":
        raise NotImplementedError("no token is chosen beforehand")

    def loss(self, tokens: TokenInputs, bounds: Bounds) -> "tuple[Tensor, Tensor]":
        if tokens.entropies_bR is None or tokens.likeliest_bR is None or tokens.top_logprobs is None:
            raise ValueError("SimKO needs entropies and the likeliest tokens")
        undecided_bR = tokens.own_bR & (tokens.entropies_bR > _quantiles(tokens, self.options.tau)[:, None])
        ratio_bR = tokens.log_ratio_bR.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
        shared_bR = undecided_bR & tokens.right_b[:, None]
        if self.options.share and bool(shared_bR.any()):
            top_nK = tokens.top_logprobs(shared_bR)
            others_n = ratio_bR[shared_bR].detach() * (top_nK - top_nK.detach()).exp().mean(-1)
            mixed_n = (1 - self.options.share) * ratio_bR[shared_bR] + self.options.share * others_n
            ratio_bR = ratio_bR.masked_scatter(shared_bR, mixed_n)
        pressed_bR = undecided_bR & tokens.likeliest_bR & (tokens.advantages_bR.sum(-1) < 0)[:, None]
        advantages_bR = tokens.advantages_bR * torch.where(pressed_bR, self.options.penalty, 1.0)
        return clipped_ratio_loss(ratio_bR, advantages_bR, *bounds)


def _quantiles(tokens: TokenInputs, tau: float) -> "Tensor":
    """Of the entropies of each response's own tokens, (b,)."""
    assert tokens.entropies_bR is not None
    hidden_bR = tokens.entropies_bR.masked_fill(~tokens.own_bR, torch.nan)
    return torch.nanquantile(hidden_bR, tau, dim=-1)
