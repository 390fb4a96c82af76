"""The plan by which a batch goes through a model in micro-batches, and which states the responses of one share.

A plan keeps prompts together with their responses and cuts these into micro-batches of at most a number of tokens. How
a batch is cut changes no result: normalisation happens over the whole batch (`losses.token_weights`).

Responses to one prompt often begin alike, and some are equal:

    row 0    3 + 4 = 7          states 0 1 2 3 4
    row 1    3 + 4 * 2 = 8             . . . 5 6 7 8       new where row 1 leaves row 0
    row 2    3 - 1                     . 9 10

The state behind a token is a function of the prompt and the tokens so far, so a backbone that shares computes equal
beginnings once and the gradients of all who follow meet there: nothing is approximated. Responses are sorted by text
for such a backbone, and a row is compared with the row before it only. A backbone that does not share gets them sorted
by length, so that little is padded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from move37.training.batches import Batch

_SEEN = 8
"""Tokens that attention sees in a micro-batch, of prompts and responses with their padding, are at most so many times
those computed at once: a row has a copy of its prompt's keys and values."""


@dataclass(frozen=True, slots=True)
class PromptGroup:
    """Prompts that are read together, and micro-batches of the responses to them: row numbers of the batch."""

    prompts: tuple[int, ...]
    micro_batches: tuple[tuple[int, ...], ...]


def plan(batch: Batch, rows: Tensor, tokens_at_once: int, shares: bool) -> Iterator[PromptGroup]:
    """Cut `rows` (row numbers) of the batch into prompt groups and micro-batches of at most `tokens_at_once` tokens.

    Tokens count with padding, or, where equal beginnings are shared, once; what attention sees is bounded as well. A
    prompt or a response longer than that is alone. Every row is in exactly one micro-batch.
    """
    by_prompt: dict[int, list[int]] = {}
    groups = batch.groups_B.tolist()
    for row in rows.tolist():
        by_prompt.setdefault(groups[row], []).append(row)
    order = sorted(by_prompt, key=lambda place: (len(batch.prompts[place]), place))
    cut = _by_text if shares else _by_length
    for prompts in _packed(order, [len(batch.prompts[place]) for place in order], tokens_at_once):
        prompt_tokens = len(batch.prompts[prompts[-1]])  # the longest
        cuts = cut(batch, [row for place in prompts for row in by_prompt[place]], tokens_at_once, prompt_tokens)
        yield PromptGroup(tuple(prompts), tuple(map(tuple, cuts)))


def _by_length(batch: Batch, rows: list[int], most: int, prompt_tokens: int) -> Iterator[list[int]]:
    lengths = batch.lengths_B.tolist()
    rows = sorted(rows, key=lambda row: (lengths[row], row))
    return _packed(rows, [lengths[row] for row in rows], most, prompt_tokens)


def _packed(items: Sequence[int], lengths: Sequence[int], most: int, prompt_tokens: int = 0) -> Iterator[list[int]]:
    """Consecutive items of rising length, cut where number times longest would exceed `most`; see `_SEEN`."""
    together: list[int] = []
    for item, length in zip(items, lengths, strict=True):
        number = len(together) + 1
        if together and (number * length > most or number * (prompt_tokens + length) > _SEEN * most):
            yield together
            together = []
        together.append(item)
    if together:
        yield together


def _by_text(batch: Batch, rows: list[int], most: int, prompt_tokens: int) -> Iterator[list[int]]:
    together: list[int] = []
    computed = longest = 0
    for row, length, common in _sorted_by_text(batch, rows):
        new, longest = length - common, max(longest, length)
        if together and (computed + new > most or (len(together) + 1) * (prompt_tokens + longest) > _SEEN * most):
            yield together
            together, computed, new, longest = [], 0, length, length
        together.append(row)
        computed += new
    if together:
        yield together


def _sorted_by_text(batch: Batch, rows: list[int]) -> Iterator[tuple[int, int, int]]:
    """Rows by prompt and text, with their lengths and how many tokens each has in common with the one before."""
    tokens = torch.where(batch.present_BT[rows], batch.tokens_BT[rows], -1).cpu().numpy()
    groups, lengths = batch.groups_B[rows].cpu().numpy(), batch.lengths_B[rows].cpu().numpy()
    order = np.lexsort((*tokens.T[::-1], groups))
    tokens, groups, lengths = tokens[order], groups[order], lengths[order]
    common = np.zeros_like(lengths)
    differ = np.pad(tokens[1:] != tokens[:-1], ((0, 0), (0, 1)), constant_values=True)
    common[1:] = np.where(groups[1:] == groups[:-1], np.minimum(differ.argmax(1), lengths[1:]), 0)
    return zip((rows[place] for place in order.tolist()), lengths.tolist(), common.tolist(), strict=True)


class Shared(NamedTuple):
    """The distinct states of b rows of I inputs, M of them."""

    places_bI: Tensor
    """Number of the state behind every input, int64; of no meaning behind padding."""
    first_M: Tensor
    """Where every state comes first, int64 in the flattened (b * I)."""
    again_A: Tensor
    """Where a state comes again, likewise; there is no padding among them."""


def shared_states(groups_b: Tensor, tokens_bR: Tensor, present_bR: Tensor) -> Shared:
    """The states behind all tokens but the last of each row. `groups_b` has the prompt of every row."""
    inputs_bI = present_bR[:, 1:]
    same = (tokens_bR[1:, :-1] == tokens_bR[:-1, :-1]) & inputs_bI[1:] & inputs_bI[:-1]
    shared = (same & (groups_b[1:] == groups_b[:-1])[:, None]).int().cumprod(1).bool()
    new_bI = inputs_bI.clone()
    new_bI[1:] &= ~shared
    numbers_bI = new_bI.flatten().cumsum(0).view(new_bI.shape) - 1
    places_bI = torch.where(new_bI, numbers_bI, 0).cummax(0).values  # what is not new is what stands above
    again_bI = inputs_bI & ~new_bI
    return Shared(places_bI, new_bI.flatten().nonzero()[:, 0], again_bI.flatten().nonzero()[:, 0])
