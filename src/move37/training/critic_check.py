"""How good is the critic? Its values of a step's states against what is known of them, for the log."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from move37.analyses.learnt_values import LearntValues, learnt_values
from move37.training.batches import Batch, Rollout
from move37.training.step_values import tokens_before


def critic_figures(values_BT: Tensor, batch: Batch) -> dict[str, float]:
    """Against the reward that the response got: one draw of what the value stands for, so at best its share of it."""
    rewards_BT = batch.rewards_B[:, None].expand_as(values_BT)[batch.own_BT]
    found = learnt_values(values_BT[batch.own_BT].double().cpu().numpy(), rewards_BT.double().cpu().numpy())
    return _named("critic", found)


def oracle_figures(
    values_BT: Tensor, rollouts: Sequence[Rollout], batch: Batch, tokenizer: PreTrainedTokenizerBase
) -> dict[str, float]:
    """Against the verifier's scores of states (countdown: can the target still be reached?), where it gives any."""
    learnt, known = [], []
    for row, rollout in enumerate(rollouts):
        verdict = rollout.verdict
        if verdict.answer is None:
            continue
        begin = rollout.text.rfind(verdict.answer) - len(rollout.prefix)
        for step in (verdict.steps or ())[:-1]:
            if step.score is None or step.span is None or begin + step.span[1] <= 0:
                continue
            place = tokens_before(rollout.made.token_ids, begin + step.span[1], tokenizer)
            if place < batch.own_BT.shape[1] and bool(batch.own_BT[row, place]):
                learnt.append(float(values_BT[row, place]))
                known.append(step.score)
    return _named("critic_oracle", learnt_values(np.array(learnt), np.array(known))) if learnt else {}


def _named(name: str, found: LearntValues) -> dict[str, float]:
    """What can be said: a log holds no nan."""
    figures = {f"{name}_explained": found.explained_variance, f"{name}_bias": found.bias}
    figures[f"{name}_separation"] = found.separation
    return {key: value for key, value in figures.items() if np.isfinite(value)}
