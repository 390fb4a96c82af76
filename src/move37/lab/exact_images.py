"""How probable each of many texts is behind a prompt with images: the trainer's own reading, without gradients.

The prompt and its images are read once for all texts. Temperature is in the probabilities; a nucleus is not, because
whole distributions are not kept.
"""

from collections.abc import Sequence
from typing import Any

import torch

from move37.config import SamplingConfig
from move37.engines import token_ids
from move37.errors import InputError
from move37.training.batches import make_batch
from move37.training.responses import ResponseReader
from move37.types import FloatArray, Prompt

_TOGETHER = 4096
"""Tokens that are read together."""


def chances_behind(
    engine: Any, prompt: Prompt, texts: Sequence[Sequence[int]], sampling: SamplingConfig
) -> tuple[FloatArray, int]:
    """Natural-log probabilities of the texts (token ids) behind the prompt, and how many tokens were read.

    Raises InputError for a nucleus, a temperature of 0, or an engine that does not hold the model itself.
    """
    if sampling.top_p != 1 or sampling.temperature <= 0 or not hasattr(engine, "model"):
        raise InputError(
            f"{prompt.problem_id}: chances behind images are computed at top_p = 1 and a temperature above 0, by the "
            "engine transformers"
        )
    ids = token_ids(engine, prompt)
    batch = make_batch([ids], [0] * len(texts), texts, device=engine.model.device)
    reader = ResponseReader(engine.model, _TOGETHER, shares_prompts=getattr(engine, "shares_prompts", True))
    head, chances_B = engine.model.get_output_embeddings(), torch.zeros(len(batch), dtype=torch.float64)
    with torch.no_grad():
        for micro_batch in reader.micro_batches(batch, torch.arange(len(batch))):
            rows, own_bR = micro_batch.rows, micro_batch.own_bR
            logprobs_NV = (head(micro_batch.hidden_ND).float() / sampling.temperature).log_softmax(-1)
            drawn_N = batch.tokens_BT[rows, : own_bR.shape[1]][own_bR]
            of_each = micro_batch.scatter(logprobs_NV.gather(1, drawn_N[:, None])[:, 0])
            chances_B[rows.cpu()] = of_each.double().sum(-1).cpu()
    return chances_B.numpy(), len(ids) + int(batch.present_BT.sum())
