"""Responses of a fixed credit (`explorers/`) -> rows that are learnt from beside what was sampled.

Such a row stands alone: no group, verdict or baseline decides what it is worth. Its ratio starts at the policy as it is
when the step begins, like that of a sampled response.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from move37.engines.transformers_text import ResponseText
from move37.errors import InputError
from move37.training.algorithms import Advantages
from move37.training.batches import Batch, joined, make_batch, stack
from move37.training.distillation import closing_token
from move37.training.explorers import FixedRow
from move37.training.policy import Policy
from move37.training.prompts import AskedPrompts
from move37.training.updates import UpdateBatch


def with_fixed_rows(
    update: UpdateBatch | None, rows: Sequence[FixedRow], policy: Policy, prompts: AskedPrompts, needs_reference: bool
) -> UpdateBatch:
    """The update with these rows behind its own; without one, of the rows alone.

    Raises InputError for a response that does not fit the model's context.
    """
    batch = _encoded(rows, policy, prompts)
    credit_B = torch.tensor([row.credit for row in rows], device=policy.device)
    old_BT = policy.logprobs(batch)
    batch = replace(batch, behaviour_logprobs_BT=old_BT)
    reference_BT = policy.reference_logprobs(batch) if needs_reference else None
    fixed = UpdateBatch(batch, Advantages(credit_B[:, None] * batch.own_BT), old_BT, reference_BT)
    return fixed if update is None else _beside(update, fixed)


def _encoded(rows: Sequence[FixedRow], policy: Policy, prompts: AskedPrompts) -> Batch:
    engine, text = policy.engine, ResponseText(policy.engine.tokenizer)
    places: dict[tuple[int, ...], int] = {}
    groups, responses = [], []
    for row in rows:
        prompt = prompts.of(row.problem)
        ids = engine.encode(prompt.text, rendered=True) if prompt.rendered else engine.encode(prompt.text)
        end = closing_token(engine, prompt.rendered)
        response = [*text.encode(row.text, text.before(ids)), *([] if end is None else [end])]
        if engine.context_length is not None and len(ids) + len(response) > engine.context_length:
            raise InputError(
                f"explorer: a response to {row.problem.id} and its prompt are {len(ids) + len(response)} tokens, more "
                f"than the model's context of {engine.context_length}; leave it out"
            )
        groups.append(places.setdefault(tuple(ids), len(places)))
        responses.append(response)
    return make_batch(list(places), groups, responses, None, [row.credit for row in rows], policy.device)


def _beside(one: UpdateBatch, other: UpdateBatch) -> UpdateBatch:
    """Both as one update. A critic has nothing to say about rows of a fixed credit: recipes of both are refused."""

    def stacked(upper: Tensor | None, lower: Tensor | None) -> Tensor | None:
        return None if upper is None or lower is None else stack(upper, lower)

    advantages_BT = stack(one.advantages.advantages_BT, other.advantages.advantages_BT)
    old_BT = stack(one.old_logprobs_BT, other.old_logprobs_BT)
    reference_BT = stacked(one.reference_logprobs_BT, other.reference_logprobs_BT)
    return UpdateBatch(joined(one.batch, other.batch), Advantages(advantages_BT), old_BT, reference_BT)
