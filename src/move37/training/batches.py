"""Rollouts -> tensors of the whole batch, and the plan by which it goes through a model piece by piece.

Letters: B responses, T token positions padded at the right, P prompts. Token ids are the sampler's own; nothing is
encoded again. A `Plan` keeps prompts together with the responses that share them, sorts responses by length and cuts
them into micro-batches that hold at most a number of tokens, so little is padded. How a batch is cut changes no
result: normalisation happens over the whole batch (`losses.token_weights`).

A response whose verdict is unscored is neither right nor wrong: its reward is nan, and it enters a batch only where an
algorithm reads no rewards.
"""

import math
from collections.abc import Iterator, Sequence
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


@dataclass(frozen=True, slots=True)
class Shard:
    """Prompts that are read together, and micro-batches of the responses to them: row numbers of the batch."""

    prompts: tuple[int, ...]
    micro_batches: tuple[tuple[int, ...], ...]


def plan(batch: Batch, rows: Tensor, tokens_at_once: int) -> Iterator[Shard]:
    """Cut `rows` (row numbers) of the batch into shards and micro-batches of at most `tokens_at_once` padded tokens.

    A prompt or a response longer than that is alone in its piece. Every row is in exactly one micro-batch.
    """
    lengths = batch.lengths_B.tolist()
    by_prompt: dict[int, list[int]] = {}
    groups = batch.groups_B.tolist()
    for row in rows.tolist():
        by_prompt.setdefault(groups[row], []).append(row)
    order = sorted(by_prompt, key=lambda place: (len(batch.prompts[place]), place))
    for prompts in _packed(order, [len(batch.prompts[place]) for place in order], tokens_at_once):
        inside = sorted((row for place in prompts for row in by_prompt[place]), key=lambda row: (lengths[row], row))
        pieces = _packed(inside, [lengths[row] for row in inside], tokens_at_once)
        yield Shard(tuple(prompts), tuple(tuple(piece) for piece in pieces))


def _packed(items: Sequence[int], lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Consecutive items of rising length in pieces of which number times longest is at most `most`."""
    piece: list[int] = []
    for item, length in zip(items, lengths, strict=True):
        if piece and (len(piece) + 1) * length > most:
            yield piece
            piece = []
        piece.append(item)
    if piece:
        yield piece
