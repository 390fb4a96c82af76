"""PRIME: a reward for every token from a model that is learnt online from outcomes. Cui et al. 2025, arXiv 2502.01456.

    r_it = log pi_phi(t) - log pi_ref(t)                                         (`training/implicit_rewards.py`)
    A_it = whitened over the batch:   sum_{s >= t} n/(n-1) (r'_is - mean_g mean_t r')  +  n/(n-1) (R_i - mean_g)

r' is r over the largest |sum of r from a token on| in the batch (`scale` = "batch"), so that process and outcome have
one size. Each source has a baseline of its own, leave-one-out: for the process the mean over responses of a response's
mean token. `process` weighs it.
Assumption: the log-ratio that tells right responses from wrong ones tells tokens apart too. Outcomes are 1 or 0.
Cost: a second model that learns, and one more pass of a third that does not.
Degenerate group: equal outcomes leave the process reward; a group of one keeps both as they are.
We follow the authors' code (PRIME-RL/PRIME, `compute_rloo_returns`, `compute_ce_dpo_loss_rm`, `dp_prime.py`): its
defaults of run_prime_main.sh are ours. There `rm_coef` 5 reaches a logged sum alone, not the returns. Their filter of
prompts (.2 to .8 right) is a curriculum here (`edge_filter`).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from move37.config import Settings
from move37.training.advantages import group_centred, leave_one_out, rewards_to_go, spread, whiten
from move37.training.algorithms import AdvantageInputs, Advantages, ImplicitReward, Needs


class Prime:
    """See the module."""

    class Options(Settings):
        beta: float = Field(default=0.05, gt=0, description="Log-odds of success per unit of log-ratio.")
        process: float = Field(default=1.0, ge=0, description="Weight of the process reward; the outcome's is 1.")
        scale: Literal["batch", "none"] = Field(default="batch", description="What rewards of tokens are divided by.")
        update: Literal["after", "before"] = Field(default="after", description="Learn after or before scoring.")
        reference: Literal["start", "policy"] = Field(
            default="start", description="The log-ratio is to the start model, or to the policy that sampled."
        )
        learning_rate: float | None = Field(default=None, gt=0, description="Default: twice the policy's.")
        gradient_norm: float = Field(default=10.0, gt=0, description="The reward model's gradients are scaled to it.")

    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options
        of = options
        learnt = ImplicitReward(of.beta, of.update, of.reference, of.learning_rate, of.gradient_norm)
        self.needs = Needs(siblings=True, binary_rewards=True, implicit_reward=learnt)

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        if inputs.implicit_rewards_BT is None:
            raise ValueError("PRIME needs an implicit reward for every token")
        mask_BT = inputs.mask_BT
        rewards_BT = torch.where(mask_BT, inputs.implicit_rewards_BT, 0.0)
        if self.options.scale == "batch":
            rewards_BT = rewards_BT / (rewards_to_go(rewards_BT, mask_BT).abs().max() + 1e-6)
        process_BT = rewards_to_go(_against_siblings(rewards_BT, inputs.peers_B, mask_BT), mask_BT)
        outcome_BT = spread(leave_one_out(inputs.rewards_B, inputs.peers_B), mask_BT)
        return Advantages(whiten(self.options.process * process_BT + outcome_BT, mask_BT))


def _against_siblings(rewards_BT: Tensor, groups_B: Tensor, mask_BT: Tensor) -> Tensor:
    """n/(n-1) (r - the group's mean of each response's mean), (B, T); a group of one keeps r."""
    means_B = (rewards_BT * mask_BT).sum(-1) / mask_BT.sum(-1).clamp(min=1)
    _, inverse_B, sizes = torch.unique(groups_B, return_inverse=True, return_counts=True)
    sizes_B = sizes[inverse_B]
    baseline_B = means_B - group_centred(means_B, groups_B)
    factor_B = torch.where(sizes_B > 1, sizes_B / (sizes_B - 1).clamp(min=1), 1.0)
    return factor_B[:, None] * (rewards_BT - baseline_B[:, None]) * mask_BT
