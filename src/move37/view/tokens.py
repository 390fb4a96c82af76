"""How likely each token of a response was, where the run kept its tokens: for shading the text.

A run keeps the ids of tokens and not their texts, so the model's own tokenizer is asked, from the place where the model
was loaded. Where it is not there any more, or its engine has none, one line says so.
"""

from collections.abc import Mapping
from typing import Any

from move37.config import ModelConfig
from move37.console import visible
from move37.engines import ENGINES
from move37.errors import InputError, Move37Error
from move37.types import Problem
from move37.view.responses import ModelFiles

MOST = 20_000
"""Tokens that are shaded."""


def shaded_tokens(files: ModelFiles, problem: Problem, index: int) -> list[list[Any]]:
    """[text, natural-log probability] of the response's own tokens, in order. Raises InputError where it cannot."""
    rows = files.samples.of_problem(problem.id, ["segments"]).to_dicts()
    segments = next((row["segments"] for row in rows if row["index"] == index), None)
    known = [each for each in segments or () if each["own"] and each["token_ids"] and each["logprobs"]]
    if not known:
        raise InputError("the run kept no tokens of this response; sampling.keep_tokens = true keeps them")
    model = files.store.study().models[files.model]
    ids = [token for each in known for token in each["token_ids"]][:MOST]
    logprobs = [value for each in known for value in each["logprobs"]][:MOST]
    return [[visible(text), value] for text, value in zip(_texts(model, ids), logprobs, strict=True)]


def _texts(model: ModelConfig, ids: list[int]) -> list[str]:
    try:
        engine = ENGINES.load(model.engine)
        renderer = getattr(engine, "renderer", None)
        if renderer is None:
            raise InputError(f"engine {model.engine!r} has no tokenizer to read tokens with")
        tokenizer = renderer(model).tokenizer
    except Move37Error as error:
        raise InputError(f"tokens cannot be read: {error}") from error
    texts: Mapping[int, str] = {token: tokenizer.decode([token]) for token in set(ids)}
    return [texts[token] for token in ids]
