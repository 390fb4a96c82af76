"""How good is the critic? Its values of a step's states against what is known of them, for the log."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from move37.analyses.learnt_values import LearntValues, learnt_values
from move37.engines.transformers_text import ResponseText
from move37.training.batches import Batch, Rollout
from move37.training.step_values import tokens_before


def critic_figures(values_BT: Tensor, batch: Batch) -> dict[str, float]:
    """Against the reward that the response got: one draw of what the value stands for, so at best its share of it."""
    rewards_BT = batch.rewards_B[:, None].expand_as(values_BT)[batch.own_BT]
    found = learnt_values(values_BT[batch.own_BT].double().cpu().numpy(), rewards_BT.double().cpu().numpy())
    return _named("critic", found)


class KnownState(NamedTuple):
    """A state between two steps of a response that the verifier gave a score."""

    row: int
    place: int
    """Tokens of the response before it: the next one is chosen in it."""
    text: str
    """The response up to it."""
    score: float


def known_states(rollouts: Sequence[Rollout], batch: Batch, tokenizer: PreTrainedTokenizerBase) -> Iterator[KnownState]:
    """Those in which the model goes on; none where the verifier gives no scores."""
    text = ResponseText(tokenizer)
    for row, rollout in enumerate(rollouts):
        verdict = rollout.verdict
        if verdict.answer is None:
            continue
        begin = rollout.text.rfind(verdict.answer)
        for step in (verdict.steps or ())[:-1]:
            if step.score is None or step.span is None or begin + step.span[1] <= len(rollout.prefix):
                continue
            end = begin + step.span[1]
            place = tokens_before(rollout.made, end - len(rollout.prefix), text)
            if place < batch.own_BT.shape[1] and bool(batch.own_BT[row, place]):
                yield KnownState(row, place, rollout.text[:end], step.score)


def oracle_figures(
    values_BT: Tensor,
    rollouts: Sequence[Rollout],
    batch: Batch,
    tokenizer: PreTrainedTokenizerBase,
    name: str = "critic_oracle",
) -> dict[str, float]:
    """Against the verifier's scores of states (countdown: can the target still be reached?), where it gives any."""
    states = list(known_states(rollouts, batch, tokenizer))
    if not states:
        return {}
    learnt = np.array([float(values_BT[state.row, state.place]) for state in states])
    return _named(name, learnt_values(learnt, np.array([state.score for state in states])))


def _named(name: str, found: LearntValues) -> dict[str, float]:
    """What can be said: a log holds no nan."""
    figures = {f"{name}_explained": found.explained_variance, f"{name}_bias": found.bias}
    figures[f"{name}_separation"] = found.separation
    return {key: value for key, value in figures.items() if np.isfinite(value)}
