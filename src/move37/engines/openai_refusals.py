"""What a server will not do, in one line with the setting that mends it; and whether it is this prompt or every one.

Servers say it in their own words, so what they name is looked for: a limit, a model, or one of the keys that were sent.
"""

import re
from collections.abc import Collection, Sequence

from move37.endpoint import CallError
from move37.server_words import is_spent

_OF_ONE_PROMPT = (400, 403, 413, 422)
"""Statuses of a refusal that may be about what was asked, and not about who asks or where."""
_TOO_LONG = re.compile(
    r"context[ _](?:length|size|window)|maximum context|too (?:long|large)|exceeds? the (?:available|model|maximum)"
    r"|max_?(?:total|input)_?tokens|n_ctx",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model\b.*(?:not[ _](?:exist|found|available|supported)|no such)|no (?:such )?model", re.IGNORECASE
)
_NO_TEMPLATE = re.compile(r"chat[ _]template", re.IGNORECASE)
_OTHER_API = re.compile(r"not a chat model|v1/completions|chat/completions endpoint", re.IGNORECASE)
_KEYS = {
    "seed": "options.seed = false",
    "max_tokens": 'options.limit_key = "max_completion_tokens"',
    "max_completion_tokens": 'options.limit_key = "max_tokens"',
    "temperature": 'sampling.temperature = 1 with options.unsent = ["temperature"], or what the server takes',
    "top_p": 'sampling.top_p = 1 with options.unsent = ["top_p"], or what the server takes',
    "stop": "options.stop_strings to what it takes (0: none; all are looked for here)",
    "logprobs": "sampling.keep_tokens = false",
    "return_token_ids": "sampling.keep_tokens = false",
}
"""Keys of a request, and what to set where a server will not have one."""


def is_of_one_prompt(failed: CallError) -> bool:
    """Whether the server may take another prompt of the same caller."""
    return failed.status in _OF_ONE_PROMPT and not is_spent(failed.words)


def refusal(place: str, asked: str, failed: CallError, extra: Collection[str], models: Sequence[str]) -> str:
    """`asked` was refused at `place`. `extra`: keys that were sent beside those of the protocol."""
    said = f"({failed.said})"
    if is_spent(failed.words) or failed.status == 402:
        return f"{place} wants money first {said}; top up, and run the same command again"
    if failed.status in (401, 403):
        return f"{place} refuses the key {said}; set options.api_key_env to the variable that holds it"
    return f"{place} refuses {asked}: {failed.said}{_advice(failed, extra, models)}"


def _advice(failed: CallError, extra: Collection[str], models: Sequence[str]) -> str:
    words = failed.words
    if _TOO_LONG.search(words) or failed.status == 413:
        return "; lower sampling.max_new_tokens, serve the model with a longer context, or leave the problem out"
    if _NO_TEMPLATE.search(words):
        return '; set options.api = "completions", or serve the model with a chat template'
    if _OTHER_API.search(words):
        return "; set options.api to the other one (completions, chat)"
    if _NO_MODEL.search(words):
        named = f" (it lists {', '.join(models)})" if models else ""
        return f"; set options.model to a name that it serves{named}"
    if failed.status in (404, 405):
        return "; set options.base_url to the address with its /v1, or options.api to the other one (completions, chat)"
    keys = {key: re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", words) for key in (*_KEYS, *extra)}
    named = [(found.start(), key) for key, found in keys.items() if found is not None]
    if not named:
        return ""
    _, first = min(named)
    return f"; set {_KEYS[first]}" if first in _KEYS else f"; see options.request and options.server for {first}"
