"""Log-probabilities and advantages -> the loss of every token, and the weights with which tokens enter the sum.

Letters: B responses, T token positions, padded at the right; `mask_BT` is True on the model's own tokens. All
log-probabilities are natural logs under the sampling temperature: `policy_logprobs` under the weights being trained
(the only tensor that carries a gradient here), `old_logprobs` under the weights at the start of the batch,
`reference_logprobs` under the frozen start model.

Decisions. The loss of a batch is sum(loss_BT * weights_BT): `token_weights` holds the whole normalisation and is made
once for the whole (mini-)batch, so micro-batches only add up and their size cannot matter. The policy loss is verl
0.9.1's `compute_policy_loss_vanilla`, its clamp of the log-ratio at 20 included; others are in `policy_losses/`.
"""

from typing import Literal

import torch
from torch import Tensor

Aggregation = Literal["token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm"]
KLEstimator = Literal["k1", "k2", "k3"]

LARGEST_LOG_RATIO = 20.0
"""Log-ratios are cut at this, as in verl."""


def log_ratio(policy_logprobs_BT: Tensor, old_logprobs_BT: Tensor, mask_BT: Tensor, sequence: bool = False) -> Tensor:
    """log pi - log pi_old, shape (B, T); with `sequence`, the sum over the response on each of its tokens.

    The sequence ratio with `seq-mean-token-mean` is the loss of TRL's RLOO: one ratio per response, mean over them.
    """
    _check(mask_BT, policy_logprobs_BT, old_logprobs_BT)
    difference_BT = torch.where(mask_BT, policy_logprobs_BT - old_logprobs_BT, 0.0)
    if sequence:
        difference_BT = difference_BT.sum(-1, keepdim=True).expand_as(mask_BT)
    return difference_BT


def clipped_loss(
    log_ratio_BT: Tensor, advantages_BT: Tensor, clip_low: float, clip_high: float, dual_clip: float | None = None
) -> tuple[Tensor, Tensor]:
    """max(-A r, -A clip(r, 1 - clip_low, 1 + clip_high)), and whether clipping took the gradient, both (B, T).

    Schulman et al. 2017 (1707.06347), eq. 7. `dual_clip` c > 1 bounds the loss by -A c where A < 0 (Ye et al. 2019,
    1912.09729, eq. 4). Raises ValueError for a c of at most 1.
    """
    ratio_BT = log_ratio_BT.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
    return clipped_ratio_loss(ratio_BT, advantages_BT, clip_low, clip_high, dual_clip)


def clipped_ratio_loss(
    ratio_BT: Tensor, advantages_BT: Tensor, clip_low: float, clip_high: float, dual_clip: float | None = None
) -> tuple[Tensor, Tensor]:
    """`clipped_loss` of ratios, for whoever makes them in another way."""
    if dual_clip is not None and dual_clip <= 1:
        raise ValueError("dual_clip must be larger than 1")
    plain_BT, bounded_BT = -advantages_BT * ratio_BT, -advantages_BT * ratio_BT.clamp(1 - clip_low, 1 + clip_high)
    loss_BT, clipped_BT = torch.maximum(plain_BT, bounded_BT), bounded_BT > plain_BT
    if dual_clip is not None:
        ceiling_BT = -advantages_BT * dual_clip
        clipped_BT = clipped_BT | ((advantages_BT < 0) & (loss_BT > ceiling_BT))
        loss_BT = torch.where(advantages_BT < 0, torch.minimum(ceiling_BT, loss_BT), loss_BT)
    return loss_BT, clipped_BT


def kl_estimate(policy_logprobs_BT: Tensor, reference_logprobs_BT: Tensor, estimator: KLEstimator) -> Tensor:
    """Per-token estimates of KL(policy || reference) from tokens drawn from the policy, shape (B, T).

    With d = log reference - log policy: k1 = -d, k2 = d^2 / 2, k3 = exp(d) - d - 1 (Schulman 2020, "Approximating KL
    divergence"), d of k3 clamped at +-20 and k3 at 10 as in verl. As losses only k2 has the gradient of the KL: the
    expected gradient of k1 is 0 and that of k3 is the other direction's.
    """
    if policy_logprobs_BT.shape != reference_logprobs_BT.shape:
        raise ValueError(f"log-probabilities of {policy_logprobs_BT.shape} and {reference_logprobs_BT.shape}")
    difference_BT = reference_logprobs_BT - policy_logprobs_BT
    if estimator == "k1":
        return -difference_BT
    if estimator == "k2":
        return difference_BT.square() / 2
    difference_BT = difference_BT.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)
    return (difference_BT.exp() - difference_BT - 1).clamp(-10, 10)


def value_loss(values_BT: Tensor, old_values_BT: Tensor, returns_BT: Tensor, clip: float) -> Tensor:
    """max((V - return)^2, (V clipped to within `clip` of the old V - return)^2) / 2, shape (B, T)."""
    bounded_BT = old_values_BT + (values_BT - old_values_BT).clamp(-clip, clip)
    return torch.maximum((values_BT - returns_BT).square(), (bounded_BT - returns_BT).square()) / 2


def token_weights(mask_BT: Tensor, aggregation: Aggregation, max_length: int) -> Tensor:
    """What each token's loss is multiplied by before summing over the batch, float32 of shape (B, T), 0 off the mask.

    token-mean: 1 / tokens of the batch. seq-mean-token-mean: 1 / (responses * tokens of the response), GRPO's paper.
    seq-mean-token-sum: 1 / responses. seq-mean-token-sum-norm: 1 / (responses * max_length), Dr.GRPO (2503.20783).
    Responses without a token of the model's own are not counted.
    """
    lengths_B = mask_BT.sum(-1, keepdim=True)
    responses = (lengths_B > 0).sum().clamp(min=1)
    if aggregation == "token-mean":
        return mask_BT.float() / lengths_B.sum().clamp(min=1)
    if aggregation == "seq-mean-token-mean":
        return mask_BT.float() / (responses * lengths_B.clamp(min=1))
    if aggregation == "seq-mean-token-sum":
        return mask_BT.float() / responses
    return mask_BT.float() / (responses * max_length)


def _check(mask_BT: Tensor, *values_BT: Tensor) -> None:
    shapes = [tuple(values.shape) for values in values_BT]
    if mask_BT.ndim != 2 or mask_BT.dtype != torch.bool or any(shape != tuple(mask_BT.shape) for shape in shapes):
        raise ValueError(f"expected (B, T) and a bool mask of the same shape, not {shapes} and {tuple(mask_BT.shape)}")
