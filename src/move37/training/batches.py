"""Rollouts -> tensors of the whole batch. How it goes through a model piece by piece is `micro_batches.py`'s.

Letters: B responses, T token positions padded at the right, P prompts. Token ids are the sampler's own; nothing is
encoded again.

A response whose verdict is unscored is neither right nor wrong: its reward is nan, and it enters a batch only where an
algorithm reads no rewards.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from move37.engines import Trajectory
from move37.types import Outcome, Problem, Verdict


@dataclass(frozen=True, slots=True)
class Rollout:
    """One response of one step with its verdict. `group` numbers the prompts of the step."""

    problem: Problem
    group: int
    made: Trajectory
    verdict: Verdict

    @property
    def reward(self) -> float:
        """1 for correct, 0 for incorrect. An unscored response has no reward: ask `is_scored` first."""
        if not self.is_scored:
            raise ValueError(f"{self.problem.id}: an unscored response has no reward ({self.verdict.reason})")
        return float(self.verdict.outcome is Outcome.CORRECT)

    @property
    def is_scored(self) -> bool:
        return self.verdict.outcome is not Outcome.UNSCORED


@dataclass(frozen=True, slots=True)
class Batch:
    """B responses to P prompts. All tensors are on one device; (B, T) ones are 0 or False off the responses."""

    prompts: tuple[tuple[int, ...], ...]
    """Token ids of the P prompts."""
    groups_B: Tensor
    """int64: the place of a response's prompt in `prompts`."""
    tokens_BT: Tensor
    mask_BT: Tensor
    """bool: the model's own tokens, the end token included."""
    behaviour_logprobs_BT: Tensor
    """Log-probabilities under which the tokens were drawn, temperature included."""
    rewards_B: Tensor
    """nan where there is no verdict."""

    def __len__(self) -> int:
        return len(self.tokens_BT)

    @property
    def lengths_B(self) -> Tensor:
        return self.mask_BT.sum(-1)

    @property
    def token_rewards_BT(self) -> Tensor:
        """The reward on the last token of each response, shape (B, T)."""
        rewards_BT = torch.zeros_like(self.behaviour_logprobs_BT)
        return rewards_BT.scatter(1, (self.lengths_B - 1).clamp(min=0)[:, None], self.rewards_B[:, None])


def make_batch(
    prompts: Sequence[Sequence[int]],
    groups: Sequence[int],
    tokens: Sequence[Sequence[int]],
    logprobs: Sequence[Sequence[float]] | None = None,
    rewards: Sequence[float] | None = None,
    device: torch.device | str = "cpu",
) -> Batch:
    """A batch from lists. Raises ValueError for an empty batch, prompt or response."""
    if not tokens or min(map(len, tokens)) == 0 or min(map(len, prompts)) == 0:
        raise ValueError("a batch needs at least one response, and no empty prompt or response")
    lengths = torch.tensor([len(ids) for ids in tokens])
    mask_BT = torch.arange(int(lengths.max()))[None] < lengths[:, None]
    tokens_BT = torch.zeros(mask_BT.shape, dtype=torch.int64)
    tokens_BT[mask_BT] = torch.tensor([i for ids in tokens for i in ids])
    logprobs_BT = torch.zeros(mask_BT.shape)
    if logprobs is not None:
        logprobs_BT[mask_BT] = torch.tensor([value for row in logprobs for value in row], dtype=torch.float32)
    rewards_B = torch.tensor(rewards if rewards is not None else [0.0] * len(tokens), dtype=torch.float32)
    tensors = (torch.tensor(groups, dtype=torch.int64), tokens_BT, mask_BT, logprobs_BT, rewards_B)
    return Batch(tuple(tuple(ids) for ids in prompts), *(tensor.to(device) for tensor in tensors))


def batch_of(rollouts: Sequence[Rollout], device: torch.device | str = "cpu") -> Batch:
    """The batch of rollouts, in their order. Raises ValueError where there is none."""
    numbers = {group: place for place, group in enumerate(dict.fromkeys(r.group for r in rollouts))}
    prompts = {numbers[r.group]: r.made.prompt_ids for r in rollouts}
    return make_batch(
        [prompts[place] for place in range(len(prompts))],
        [numbers[r.group] for r in rollouts],
        [r.made.token_ids for r in rollouts],
        [r.made.logprobs for r in rollouts],
        [r.reward if r.is_scored else math.nan for r in rollouts],
        device,
    )
