"""Token ids -> how probable the model finds a response, under itself and under a sampling distribution.

`score` reads one text in stretches behind its cache, and asks for the logits of the response's positions alone, so that
the memory is one stretch times the vocabulary however long the text is. `score_together` reads short responses as one
forest (`transformers_forest.py`): what they have in common is computed once. Both are other ways through the model than
the decode loop's, so the three check each other.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from move37.engines import Scored
from move37.engines.forest import NOTHING, Forest, plant, rows_of
from move37.engines.transformers_draw import nucleus_mass
from move37.engines.transformers_forest import forest_logits
from move37.engines.transformers_forward import Signature, prefill
from move37.engines.transformers_images import ImagePrompt
from move37.engines.transformers_llama import can_write_out
from move37.types import FloatArray

Text = tuple[Sequence[int], Sequence[int]]

_STRETCH = 256
"""Tokens."""
_SHORT = 1024
"""Tokens of prompt and response up to which texts are read as a forest: its blocks attend to whole paths."""
_ROWS = 128
"""Rows of logits that are looked at together for a nucleus: a large vocabulary fills the memory quickly."""


def score(
    model: PreTrainedModel, prompt_ids: Sequence[int], response_ids: Sequence[int], cached: bool = True
) -> list[float]:
    """The log-probability of each of `response_ids` after `prompt_ids` (at least one) and those before it.

    `cached` says that the model goes on behind its cache by many tokens at once; otherwise texts are read whole.
    """
    own, _, _ = _score_alone(model, (prompt_ids, response_ids), None, cached)
    return own.tolist()


def score_together(
    model: PreTrainedModel, texts: Sequence[Text], temperature: float, top_p: float, cached: bool = True
) -> Iterator[Scored]:
    """What the model makes of every response, in order."""
    longest = max((len(prompt) + len(response) for prompt, response in texts), default=0)
    if can_write_out(model) and longest <= _SHORT:
        columns = _score_forest(model, texts, (temperature, top_p))
    else:
        columns = (_score_alone(model, text, (temperature, top_p), cached) for text in texts)
    yield from (Scored(*(tuple(numbers.tolist()) for numbers in each)) for each in columns)


def _score_alone(model: PreTrainedModel, text: Text, drawn_by: tuple[float, float] | None, cached: bool) -> FloatArray:
    """`drawn_by` is (temperature, top_p); without it nothing is said about a nucleus, which costs a pass over all
    logits. (3, tokens): as the fields of `Scored`."""
    if isinstance(text[0], ImagePrompt):
        return _score_behind_images(model, text[0], text[1], drawn_by)
    tokens = torch.tensor([[*text[0], *text[1]]], device=model.device)
    signature, cache = Signature(model.forward), DynamicCache(config=model.config) if cached else None
    longest = _STRETCH if cached else tokens.shape[1]
    first = len(text[0]) - 1  # the position whose logits are about the first token of the response
    found = [np.zeros((3, 0))]
    for start in range(0, tokens.shape[1] - 1, longest):
        stretch = tokens[:, start : min(start + longest, tokens.shape[1] - 1)]
        end = start + stretch.shape[1]
        asked = max(1, end - max(first, start))  # 0 would mean all of them
        given: Any = signature.accepted(cache, use_cache=cached, logits_to_keep=asked)
        with torch.inference_mode():
            logits = model(input_ids=stretch, **given).logits[0, -asked:].float()
        if end > first:
            chosen = tokens[0, end - asked + 1 : end + 1]
            found.append(_about(logits, torch.arange(len(chosen), device=logits.device), chosen, drawn_by))
    return np.concatenate(found, axis=1)


@torch.inference_mode()
def _score_behind_images(
    model: PreTrainedModel, prompt: ImagePrompt, response: Sequence[int], drawn_by: tuple[float, float] | None
) -> FloatArray:
    """As `_score_alone`: the prompt in one piece, because images may be read both ways, then the response behind it."""
    signature, cache = Signature(model.forward), DynamicCache(config=model.config)
    logits, offset = prefill(model, signature, prompt, cache)
    found, tokens = [np.zeros((3, 0))], torch.tensor([response], device=model.device)
    for end in range(1, tokens.shape[1] + _STRETCH, _STRETCH):  # the first token, then stretches
        chosen = tokens[0, max(0, end - _STRETCH) : end]
        found.append(_about(logits, torch.arange(len(chosen), device=logits.device), chosen, drawn_by))
        stretch = tokens[:, end - 1 : min(end - 1 + _STRETCH, tokens.shape[1] - 1)]
        if not stretch.shape[1]:
            break
        positions = torch.arange(stretch.shape[1], device=model.device)[None] + len(prompt) + offset + end - 1
        given: Any = signature.accepted(cache, position_ids=positions, use_cache=True)
        logits = model(input_ids=stretch, **given).logits[0].float()
    return np.concatenate(found, axis=1)


def _score_forest(model: PreTrainedModel, texts: Sequence[Text], drawn_by: tuple[float, float]) -> Iterator[FloatArray]:
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for number, (prompt, _) in enumerate(texts):
        by_prompt.setdefault(tuple(prompt), []).append(number)
    trees = [plant(prompt, rows_of([texts[i][1] for i in numbers])) for prompt, numbers in by_prompt.items()]
    forest = Forest(trees)
    edges = np.zeros((3, len(forest)))
    for nodes, logits in forest_logits(model, forest):
        children, follow = forest.following(nodes)
        rows, tokens = (torch.from_numpy(of).to(logits.device) for of in (follow, forest.tokens[children]))
        edges[:, children] = _about(logits, rows, tokens, drawn_by)
    places = {
        number: row[row != NOTHING] + start
        for tree, start, numbers in zip(trees, forest.starts, by_prompt.values(), strict=True)
        for number, row in zip(numbers, tree.places, strict=True)
    }
    yield from (edges[:, places[number]] for number in range(len(texts)))


@torch.inference_mode()
def _about(logits: Tensor, rows: Tensor, tokens: Tensor, drawn_by: tuple[float, float] | None) -> FloatArray:
    """Of each token after its row of logits: the fields of `Scored`, (3, tokens)."""
    own = (logits[rows, tokens].double() - logits.logsumexp(-1).double()[rows]).cpu()
    if drawn_by is None:
        return np.stack([own.numpy()] * 3)
    drawn, ahead, (temperature, top_p) = list[Tensor](), list[Tensor](), drawn_by
    masses = torch.cat([_mass(part, temperature, top_p) for part in logits.split(_ROWS)])
    for some, chosen in zip(rows.split(_ROWS), tokens.split(_ROWS), strict=True):
        before, chance = _ahead(logits[some], chosen, temperature)
        kept = before < top_p if top_p < 1 else torch.ones_like(before, dtype=torch.bool)  # 1 may have been rounded to
        drawn.append((chance - masses[some].log()).masked_fill_(~kept, -torch.inf))
        ahead.append(before)
    empty = torch.zeros(0, dtype=torch.float64)
    return torch.stack([own, *(torch.cat([empty, *(part.cpu() for part in of)]) for of in (drawn, ahead))]).numpy()


def _mass(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """The mass that the nucleus keeps, float64 (rows,)."""
    if temperature == 0 or top_p == 1:
        return torch.ones(len(logits), dtype=torch.float64, device=logits.device)
    return nucleus_mass((logits / temperature).softmax(-1), top_p)


def _ahead(logits: Tensor, tokens: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Of each token after its own row: the mass of what is more probable, and its own chance as a natural log."""
    own = logits.gather(1, tokens[:, None])
    behind = logits <= own
    if temperature == 0:
        first = behind.all(1).double()
        return 1 - first, first.log()
    scaled = logits if temperature == 1 else logits / temperature
    normaliser = scaled.logsumexp(-1, keepdim=True)
    ahead = (scaled - normaliser).exp().masked_fill(behind, 0.0).sum(-1, dtype=torch.float64)
    return ahead, own[:, 0].double() / temperature - normaliser[:, 0].double()
