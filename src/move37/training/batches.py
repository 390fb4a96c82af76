"""Rollouts -> tensors of the whole batch. How it is cut on its way through a model is `micro_batches.py`'s.

Letters: B responses, T token positions padded at the right, P prompts. Token ids are the sampler's own; nothing is
encoded again.

A response may hold tokens that the model did not write (what a tool returned, say). They are part of the text, so they
are read and attended to; nothing is learnt from them, and nothing about them enters a ratio, a KL, an entropy or an
advantage. Two masks keep the two questions apart: `present_BT` (is there a token?) and `own_BT` (did the model write
it?).

A response whose verdict is unscored is neither right nor wrong: its reward is nan, and it enters a batch only where an
algorithm reads no rewards. A response without any token of the model's own has nothing to learn from, and its reward
says nothing about what the policy earns, so it is no part of a group's baseline either (`AdvantageInputs.peers_B`).
verl 0.9.1 and TRL 1.16 count the reward of a response that is masked out whole; what is masked there is the policy's
own (cut at the limit, say).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from move37.engines import Completion
from move37.types import FinishReason, Outcome, Problem, Verdict


@dataclass(frozen=True, slots=True)
class Branch:
    """A response's place in its tree (`forks.py`)."""

    number: int
    """Of the response, in its step."""
    at: int = 0
    """Tokens that it has in common with the response that it left."""
    left: "Branch | None" = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """One response of one step with its verdict. `group` numbers the prompts of the step."""

    problem: Problem
    group: int
    made: Completion
    verdict: Verdict
    further: float = 0.0
    """What further verifiers add to the reward (`rewards` of the recipe)."""
    prefix: str = ""
    """What it started from behind its prompt: judged with it, no part of `made`."""
    branch: Branch | None = None
    """Where it left another response, where trees are grown."""

    @property
    def reward(self) -> float:
        """1 for correct, 0 for incorrect, or the verdict's score, and what further verifiers add.

        An unscored response has no reward: ask `is_scored` first.
        """
        if not self.is_scored:
            raise ValueError(f"{self.problem.id}: an unscored response has no reward ({self.verdict.reason})")
        return (float(self.is_correct) if self.verdict.score is None else self.verdict.score) + self.further

    def without_score(self) -> "Rollout":
        """The same, right or wrong: for algorithms that count."""
        return self if self.verdict.score is None else replace(self, verdict=replace(self.verdict, score=None))

    @property
    def text(self) -> str:
        """The response as it was judged."""
        return self.prefix + self.made.sample.text

    @property
    def is_correct(self) -> bool:
        return self.verdict.outcome is Outcome.CORRECT

    @property
    def is_truncated(self) -> bool:
        return self.made.sample.finish_reason is FinishReason.LENGTH

    @property
    def is_scored(self) -> bool:
        return self.verdict.outcome is not Outcome.UNSCORED

    @property
    def is_fork(self) -> bool:
        """Whether it left another response within it."""
        return self.branch is not None and self.branch.left is not None

    @property
    def has_own_tokens(self) -> bool:
        """Whether the model wrote any of it."""
        return self.made.own is None or any(self.made.own)


@dataclass(frozen=True, slots=True)
class Batch:
    """B responses to P prompts, all tensors on one device.

    (B, T) ones are 0 or False off the responses, and log-probabilities are 0 off the own tokens.
    """

    prompts: tuple[tuple[int, ...], ...]
    """Token ids of the P prompts; of those with images, with what is read beside them (`ImagePrompt`)."""
    groups_B: Tensor
    """int64: the place of a response's prompt in `prompts`."""
    tokens_BT: Tensor
    present_BT: Tensor
    """bool: not padding. What is read and attended to."""
    own_BT: Tensor
    """bool: the model's own tokens, the end token included. What is learnt from."""
    behaviour_logprobs_BT: Tensor
    """Log-probabilities under which the tokens were drawn, temperature included."""
    rewards_B: Tensor
    """nan where there is no verdict."""

    def __len__(self) -> int:
        return len(self.tokens_BT)

    @property
    def lengths_B(self) -> Tensor:
        """Tokens of each response, whoever wrote them."""
        return self.present_BT.sum(-1)

    @property
    def own_lengths_B(self) -> Tensor:
        """Tokens of each response that the model wrote."""
        return self.own_BT.sum(-1)

    @property
    def token_rewards_BT(self) -> Tensor:
        """The reward on the last own token of each response, shape (B, T). Without an own token there is none."""
        places = torch.arange(self.own_BT.shape[1], device=self.own_BT.device)
        last_B = torch.where(self.own_BT, places, -1).amax(-1, keepdim=True)
        return torch.where(self.own_BT & (places == last_B), self.rewards_B[:, None], 0.0)


def make_batch(
    prompts: Sequence[Sequence[int]],
    groups: Sequence[int],
    tokens: Sequence[Sequence[int]],
    logprobs: Sequence[Sequence[float]] | None = None,
    rewards: Sequence[float] | None = None,
    device: torch.device | str = "cpu",
    own: Sequence[Sequence[bool]] | None = None,
) -> Batch:
    """A batch from lists. `own` says of every token whether the model wrote it; without it, all are.

    Raises ValueError for an empty batch, prompt or response, and for rows that are not as long as their responses.
    """
    if not tokens or min(map(len, tokens)) == 0 or min(map(len, prompts)) == 0:
        raise ValueError("a batch needs at least one response, and no empty prompt or response")
    for name, rows in (("logprobs", logprobs), ("own", own)):
        if rows is not None and list(map(len, rows)) != list(map(len, tokens)):
            raise ValueError(f"{name}: a batch needs one row per response, and one value per token of it")
    lengths = torch.tensor([len(ids) for ids in tokens])
    present_BT = torch.arange(int(lengths.max()))[None] < lengths[:, None]
    tokens_BT = torch.zeros(present_BT.shape, dtype=torch.int64)
    tokens_BT[present_BT] = torch.tensor([i for ids in tokens for i in ids])
    own_BT = present_BT.clone()
    if own is not None:
        own_BT[present_BT] = torch.tensor([bool(value) for row in own for value in row])
    logprobs_BT = torch.zeros(present_BT.shape)
    if logprobs is not None:
        logprobs_BT[present_BT] = torch.tensor([value for row in logprobs for value in row], dtype=torch.float32)
        logprobs_BT = torch.where(own_BT, logprobs_BT, 0.0)
    rewards_B = torch.tensor(rewards if rewards is not None else [0.0] * len(tokens), dtype=torch.float32)
    tensors = (torch.tensor(groups, dtype=torch.int64), tokens_BT, present_BT, own_BT, logprobs_BT, rewards_B)
    kept = tuple(ids if isinstance(ids, tuple) else tuple(ids) for ids in prompts)  # one with images stays what it is
    return Batch(kept, *(tensor.to(device) for tensor in tensors))


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
        [r.made.own or [True] * len(r.made.token_ids) for r in rollouts],
    )


def joined(one: Batch, other: Batch) -> Batch:
    """The rows of both, those of `other` behind; its prompts are others, even where they are the same."""
    names = ("tokens_BT", "present_BT", "own_BT", "behaviour_logprobs_BT")
    wide = {name: stack(getattr(one, name), getattr(other, name)) for name in names}
    groups_B = torch.cat([one.groups_B, other.groups_B + len(one.prompts)])
    rewards_B = torch.cat([one.rewards_B, other.rewards_B])
    return Batch(prompts=one.prompts + other.prompts, groups_B=groups_B, rewards_B=rewards_B, **wide)


def stack(upper_BT: Tensor, lower_BT: Tensor) -> Tensor:
    """Rows under rows, padded with 0 at the right."""
    width = max(upper_BT.shape[1], lower_BT.shape[1])
    return torch.cat([torch.nn.functional.pad(each, (0, width - each.shape[1])) for each in (upper_BT, lower_BT)])


def modes_of(rollouts: Sequence[Rollout], device: torch.device | str = "cpu") -> Tensor:
    """A number for every different answer, int64 (B,). A response whose answer was not found is a mode of its own."""
    numbers: dict[str | int, int] = {}
    answers = [r.verdict.answer if r.verdict.answer is not None else place for place, r in enumerate(rollouts)]
    return torch.tensor([numbers.setdefault(answer, len(numbers)) for answer in answers], device=device)
