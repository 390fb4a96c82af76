"""The loss of training written out plainly: a loop over responses, each read whole with its prompt, no cache, no masks.

It reads every key of `recipe.loss`, and shares no formula with `move37.training`.
"""

from dataclasses import dataclass
from typing import Any

import torch

from move37.training.batches import Batch
from move37.training.policy import Policy


@dataclass
class Constants:
    """What is fixed before the first update of a step, one list of own tokens' numbers per response."""

    old: list[Any]
    advantages: list[Any]
    reference: list[Any] | None = None
    old_values: list[Any] | None = None
    returns: list[Any] | None = None


def texts_of(batch: Batch) -> list[tuple[list[int], list[int], list[int]]]:
    """Prompt, response and the places of the own tokens, of every response."""
    made = []
    for row in range(len(batch)):
        length = sum(batch.present_BT[row].tolist())
        own = [place for place in range(length) if batch.own_BT[row, place]]
        made.append((list(batch.prompts[int(batch.groups_B[row])]), batch.tokens_BT[row, :length].tolist(), own))
    return made


def read(policy: Policy, prompt: list[int], response: list[int], own: list[int]) -> tuple[Any, Any, Any]:
    """Log-probabilities, entropies and values (None without a critic) of the own tokens of one response."""
    ids = torch.tensor([prompt + response], device=policy.device)
    before = [len(prompt) + place - 1 for place in own]
    logits = policy.model(input_ids=ids).logits[0, before] / policy.recipe.rollout.temperature
    every = logits.log_softmax(-1)
    chosen = every[torch.arange(len(own)), torch.tensor([response[place] for place in own], dtype=torch.int64)]
    values = None
    if policy.critic is not None:
        backbone: Any = policy.model.base_model if policy.recipe.optimizer.shared_critic else critic_backbone(policy)
        values = policy.critic.output(backbone(input_ids=ids).last_hidden_state[0, before])[:, 0]
    return chosen, -(every.exp() * every).sum(-1), values


def critic_backbone(policy: Policy) -> Any:
    assert policy.critic is not None
    return next(module for name, module in policy.critic.named_children() if name != "output")


def kl(policy_logprob: Any, reference: Any, estimator: str) -> Any:
    d = reference - policy_logprob
    if estimator == "k1":
        return -d
    return d * d / 2 if estimator == "k2" else (d.exp() - 1 - d).clamp(max=10)


def plain_loss(policy: Policy, batch: Batch, fixed: Constants, rows: list[int]) -> Any:
    """The loss of a mini-batch; a critic of its own adds its loss (its weights see nothing else)."""
    settings, texts = policy.recipe.loss, texts_of(batch)
    counts = [len(texts[row][2]) for row in rows]
    spoken, longest = sum(count > 0 for count in counts), policy.recipe.rollout.max_new_tokens
    total = torch.zeros((), device=policy.device)
    for row, count in zip(rows, counts, strict=True):
        if not count:
            continue
        weight = {
            "token-mean": 1 / sum(counts),
            "seq-mean-token-mean": 1 / (spoken * count),
            "seq-mean-token-sum": 1 / spoken,
            "seq-mean-token-sum-norm": 1 / (spoken * longest),
        }[settings.aggregation]
        logprobs, entropies, values = read(policy, *texts[row])
        difference = logprobs - fixed.old[row]
        for place in range(count):
            log_ratio = difference.sum() if settings.ratio == "sequence" else difference[place]
            ratio, advantage = log_ratio.exp(), fixed.advantages[row][place]
            loss = -advantage * ratio
            if advantage >= 0 and ratio > 1 + settings.clip_high:
                loss = -advantage * (1 + settings.clip_high)
            if advantage < 0 and ratio < 1 - settings.clip_low:
                loss = -advantage * (1 - settings.clip_low)
            if settings.dual_clip is not None and advantage < 0 and ratio > settings.dual_clip:
                loss = -advantage * settings.dual_clip
            if settings.kl_coefficient and settings.kl_in == "loss":
                assert fixed.reference is not None
                estimate = kl(logprobs[place], fixed.reference[row][place], settings.kl_estimator)
                loss = loss + settings.kl_coefficient * estimate
            loss = loss - settings.entropy_coefficient * entropies[place]
            if values is not None:
                assert fixed.old_values is not None
                assert fixed.returns is not None
                old, goal = fixed.old_values[row][place], fixed.returns[row][place]
                near = old + (values[place] - old).clamp(-settings.value_clip, settings.value_clip)
                error = torch.maximum((values[place] - goal) ** 2, (near - goal) ** 2) / 2
                loss = loss + error * (settings.value_coefficient if policy.recipe.optimizer.shared_critic else 1)
            total = total + weight * loss
    return total


def parameters_of(policy: Policy) -> list[Any]:
    extra = [] if policy.critic is None else list(policy.critic.parameters())
    return [p for p in (*policy.model.parameters(), *extra) if p.requires_grad]


def plain_gradient(policy: Policy, batch: Batch, fixed: Constants, rows: list[int]) -> Any:
    loss = plain_loss(policy, batch, fixed, rows)
    parameters = parameters_of(policy)
    if not loss.requires_grad:
        return torch.cat([torch.zeros_like(p).flatten() for p in parameters])
    made = torch.autograd.grad(loss, parameters, allow_unused=True)
    pairs = zip(made, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])


def gradient_held(policy: Policy) -> Any:
    """What has been accumulated on the parameters."""
    held = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters_of(policy)]
    return torch.cat([gradient.flatten() for gradient in held])
