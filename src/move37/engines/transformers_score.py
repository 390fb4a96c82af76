"""Token ids -> how probable the model finds a response: natural-log probabilities, temperature 1.

A text is read in stretches behind its cache, and logits are asked for the response's positions alone, so that the
memory is one stretch times the vocabulary however long the text is. Another way through the model than the decode
loop's, so the two check each other.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel

from move37.engines.transformers_forward import Signature

_STRETCH = 256
"""Tokens."""


@torch.inference_mode()
def score(model: PreTrainedModel, prompt_ids: Sequence[int], response_ids: Sequence[int]) -> list[float]:
    """The log-probability of each of `response_ids` after `prompt_ids` (at least one) and those before it."""
    tokens = torch.tensor([[*prompt_ids, *response_ids]], device=model.device)
    signature, cache = Signature(model.forward), DynamicCache(config=model.config)
    first = len(prompt_ids) - 1  # the position whose logits are about the first token of the response
    found: list[float] = []
    for start in range(0, tokens.shape[1] - 1, _STRETCH):
        stretch = tokens[:, start : min(start + _STRETCH, tokens.shape[1] - 1)]
        end = start + stretch.shape[1]
        asked = max(1, end - max(first, start))  # 0 would mean all of them
        given: Any = signature.accepted(cache, use_cache=True, logits_to_keep=asked)
        logits = model(input_ids=stretch, **given).logits[0, -asked:].float()
        if end > first:
            chosen = tokens[0, end - asked + 1 : end + 1, None]
            found += (logits.gather(1, chosen)[:, 0].double() - logits.logsumexp(-1).double()).tolist()
    return found
