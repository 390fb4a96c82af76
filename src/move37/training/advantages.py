"""Rewards -> advantages: the formulas of credit assignment, as pure functions that check shapes first.

Letters: B responses of the batch (all groups together), T token positions of a response, padded at the right.
`groups_B` says which prompt a response answers: int64, any numbers, groups may differ in size. `mask_BT` is True on
the model's own tokens, the end token included. Every result is 0 off the mask, float, and carries no gradient.

Decisions. Where implementations differ the names say what is done (`ddof`, `epsilon`), with verl 0.9.1 as default; a
group of one keeps its reward as it stands, as there. The statistics of `whiten` run over the tokens of the whole
batch, so a caller must not pass a micro-batch. Settings, logging and the choice of formula are left out.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def group_centred(rewards_B: Tensor, groups_B: Tensor) -> Tensor:
    """R - mean of the group, shape (B,). A group whose rewards are all equal gets exactly 0; a group of one keeps R."""
    mean_B, _, sizes_B = _group_statistics(rewards_B, groups_B, 0)
    return torch.where(sizes_B > 1, rewards_B - mean_B, rewards_B)


def group_normalised(rewards_B: Tensor, groups_B: Tensor, epsilon: float = 1e-6, ddof: int = 1) -> Tensor:
    """(R - mean) / (standard deviation of the group + epsilon), shape (B,). Shao et al. 2024 (2402.03300), 4.1.2.

    `ddof` 1 divides the squares by G - 1 (verl, TRL), 0 by G: a factor sqrt(G / (G-1)). A group of one keeps R / (1 +
    epsilon).
    """
    mean_B, deviation_B, sizes_B = _group_statistics(rewards_B, groups_B, ddof)
    alone_B = sizes_B == 1
    zero, one = torch.zeros_like(mean_B), torch.ones_like(mean_B)
    return (rewards_B - torch.where(alone_B, zero, mean_B)) / (torch.where(alone_B, one, deviation_B) + epsilon)


def leave_one_out(rewards_B: Tensor, groups_B: Tensor) -> Tensor:
    """R - mean of the other responses of the group = G/(G-1) (R - mean), shape (B,). 2402.14740, eq. 7.

    A group of one has no others and keeps R.
    """
    _, _, sizes_B = _group_statistics(rewards_B, groups_B, 0)
    return group_centred(rewards_B, groups_B) * torch.where(sizes_B > 1, sizes_B / (sizes_B - 1).clamp(min=1), 1.0)


def by_counts(rewards_B: Tensor, groups_B: Tensor, worth: Callable[[int, int], tuple[float, float]]) -> Tensor:
    """What a right and a wrong response are worth, where that depends on a group's counts alone; shape (B,).

    `worth` takes the size of a group and how many of it are right (reward 1), and gives both values. Raises ValueError
    for a reward that is neither 0 nor 1.
    """
    right_B = rewards_B == 1
    if not bool((right_B | (rewards_B == 0)).all()):
        raise ValueError("rewards of 0 and 1 are counted here; another reward is neither right nor wrong")
    inverse_B, count = _numbered(rewards_B, groups_B)
    sizes = torch.bincount(inverse_B, minlength=count).tolist()
    rights = torch.bincount(inverse_B, weights=right_B.double(), minlength=count).long().tolist()
    table_G2 = torch.tensor(
        [worth(size, right) for size, right in zip(sizes, rights, strict=True)], dtype=torch.float64
    )
    values_B2 = table_G2.to(rewards_B)[inverse_B]
    return torch.where(right_B, values_B2[:, 0], values_B2[:, 1])


def spread(values_B: Tensor, mask_BT: Tensor) -> Tensor:
    """One number per response -> the same number on each of its tokens, shape (B, T)."""
    _check_rows(values_B, mask_BT)
    return values_B[:, None] * mask_BT


def rewards_to_go(rewards_BT: Tensor, mask_BT: Tensor, gamma: float = 1.0) -> Tensor:
    """Discounted sum of the rewards from a token on, shape (B, T). Tokens off the mask pass it through undiscounted."""
    _check_tokens(rewards_BT, mask_BT)
    returns_BT = torch.zeros_like(rewards_BT)
    ahead_B = torch.zeros_like(rewards_BT[:, 0])
    for t in reversed(range(rewards_BT.shape[1])):
        ahead_B = torch.where(mask_BT[:, t], rewards_BT[:, t] + gamma * ahead_B, ahead_B)
        returns_BT[:, t] = ahead_B * mask_BT[:, t]
    return returns_BT


def gae(rewards_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalised advantages and the returns A + V, both (B, T). Schulman et al. 2015 (1506.02438), eq. 16.

    `values_BT` is V of the state in which the token is chosen; behind the last token it is 0.
    """
    _check_tokens(rewards_BT, mask_BT)
    _check_tokens(values_BT, mask_BT)
    advantages_BT = torch.zeros_like(rewards_BT)
    ahead_B = next_value_B = torch.zeros_like(rewards_BT[:, 0])
    for t in reversed(range(rewards_BT.shape[1])):
        on_B = mask_BT[:, t]
        delta_B = rewards_BT[:, t] + gamma * next_value_B - values_BT[:, t]
        ahead_B = torch.where(on_B, delta_B + gamma * lam * ahead_B, ahead_B)
        next_value_B = torch.where(on_B, values_BT[:, t], next_value_B)
        advantages_BT[:, t] = ahead_B * on_B
    return advantages_BT, (advantages_BT + values_BT) * mask_BT


def whiten(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """(x - mean) / sqrt(variance + 1e-8) over all tokens of the batch, unbiased variance, shape (B, T).

    OpenRLHF 0.11 divides the squares by N instead of N - 1. Fewer than two tokens have no variance: they come out as 0.
    """
    _check_tokens(values_BT, mask_BT)
    tokens = int(mask_BT.sum())
    if tokens < 2:
        return torch.zeros_like(values_BT)
    mean = (values_BT * mask_BT).sum() / tokens
    centred_BT = (values_BT - mean) * mask_BT
    return centred_BT * torch.rsqrt(centred_BT.square().sum() / (tokens - 1) + 1e-8)


def overlong_penalty(lengths_B: Tensor, limit: int, buffer: int, factor: float = 1.0) -> Tensor:
    """min(0, -(length - (limit - buffer)) / buffer * factor), shape (B,). Yu et al. 2025 (2503.14476), eq. 13.

    Nothing up to limit - buffer tokens, then linearly down to -factor at the limit. Raises ValueError unless
    1 <= buffer <= limit.
    """
    if not 1 <= buffer <= limit:
        raise ValueError(f"the over-length buffer must be between 1 and the limit of {limit} tokens, not {buffer}")
    return ((limit - buffer - lengths_B) / buffer * factor).clamp(max=0.0)


def _group_statistics(rewards_B: Tensor, groups_B: Tensor, ddof: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, standard deviation and size of each response's group, all (B,). Equal rewards: R and 0, exactly."""
    inverse_B, count = _numbered(rewards_B, groups_B)
    sizes = torch.bincount(inverse_B, minlength=count)
    # Summing the differences from one member keeps equal rewards exact, whatever their value.
    first = torch.full((count,), len(rewards_B), dtype=torch.int64, device=rewards_B.device)
    places = torch.arange(len(rewards_B), device=rewards_B.device)
    first = first.scatter_reduce(0, inverse_B, places, "amin")
    base_B = rewards_B[first][inverse_B]
    shift = rewards_B.new_zeros(count).index_add(0, inverse_B, rewards_B - base_B) / sizes
    centred_B = rewards_B - base_B - shift[inverse_B]
    squares = rewards_B.new_zeros(count).index_add(0, inverse_B, centred_B.square())
    deviation = (squares / (sizes - ddof).clamp(min=1)).sqrt()
    return base_B + shift[inverse_B], deviation[inverse_B], sizes[inverse_B]


def _numbered(rewards_B: Tensor, groups_B: Tensor) -> tuple[Tensor, int]:
    if rewards_B.ndim != 1 or rewards_B.shape != groups_B.shape:
        raise ValueError(f"rewards and groups: one of each per response, not {rewards_B.shape} and {groups_B.shape}")
    values, inverse_B = torch.unique(groups_B, return_inverse=True)
    return inverse_B, len(values)


def _check_tokens(values_BT: Tensor, mask_BT: Tensor) -> None:
    if values_BT.ndim != 2 or values_BT.shape != mask_BT.shape or mask_BT.dtype != torch.bool:
        raise ValueError(f"expected (B, T) and a bool mask of the same shape, not {values_BT.shape}, {mask_BT.shape}")


def _check_rows(values_B: Tensor, mask_BT: Tensor) -> None:
    if values_B.ndim != 1 or mask_BT.ndim != 2 or len(values_B) != len(mask_BT) or mask_BT.dtype != torch.bool:
        raise ValueError(f"expected (B,) and a bool mask (B, T), not {values_B.shape}, {mask_BT.shape}")
