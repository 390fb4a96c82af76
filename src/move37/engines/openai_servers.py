"""What an OpenAI-compatible server is: its kind, its models, its context, and how its own sampling defaults are undone.

Servers add settings of their own to a request that says nothing of them (vLLM and SGLang those of the model's
generation_config, llama.cpp top_k = 40 and min_p = 0.05). What is known to undo them is sent with every request; of a
server of another kind the identity says that its defaults are not known.
Sources: vLLM 0.32's protocol, SGLang's and llama.cpp's server documentation, TGI's /info.
"""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from move37.endpoint import CallError, Endpoint, Failure

_PENALTIES = {"presence_penalty": 0.0, "frequency_penalty": 0.0}
PLAIN: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "vllm": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, **_PENALTIES},
        "sglang": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, **_PENALTIES},
        "llama.cpp": {"top_k": 0, "min_p": 0.0, "typical_p": 1.0, "repeat_penalty": 1.0, **_PENALTIES},
        "tgi": {},
        "transformers": {},
        "unknown": {},
    }
)
"""By kind of server: the settings under which nothing but temperature and top-p shapes the distribution."""
TAKES_IDS = ("vllm", "sglang", "llama.cpp")
"""Kinds whose completions continue token ids."""
GIVES_TOKENS = ("vllm",)
"""Kinds that return token ids with their log-probabilities under the model itself."""


_CONTEXT = ("max_model_len", "context_length", "context_window", "max_context_length")
"""Keys under which servers list the context of a model."""


@dataclass(frozen=True, slots=True)
class Server:
    """`models` are the names that it serves; `context_length` is None where it does not say."""

    kind: str
    version: str | None
    models: tuple[str, ...]
    context_length: int | None

    @property
    def counts_tokens(self) -> bool:
        return self.kind in ("vllm", "sglang", "llama.cpp")


async def describe(endpoint: Endpoint, model: str, kind: str | None = None) -> Server:
    """What is served there. `kind` is the caller's word where it is given. Raises CallError where nobody answers."""
    listed: Any = None
    try:
        listed = await endpoint.call("/models")
    except CallError as failed:
        if failed.kind is not Failure.REFUSED or failed.status in (401, 403):
            raise
    rows = [row for row in _rows(listed) if isinstance(row.get("id"), str)]
    row = next((row for row in rows if row["id"] == model), rows[0] if len(rows) == 1 else {})
    root = endpoint.connection.root
    asked = _Asker(endpoint, root)
    found = kind or _kind_of(row)
    info: Mapping[str, Any] = {}
    if found is None:
        info = await asked.get("/info")
        found = "tgi" if "max_total_tokens" in info else "unknown"
    version, context = None, next((row[key] for key in _CONTEXT if isinstance(row.get(key), int)), None)
    if found == "vllm":
        version = (await asked.get("/version")).get("version")
    elif found == "sglang":
        about = await asked.get("/get_server_info")
        version, context = about.get("version"), context or about.get("context_length")
    elif found == "llama.cpp":
        about = await asked.get("/props")
        version = about.get("build_info")
        context = _mapping(about.get("default_generation_settings")).get("n_ctx") or context
    elif found == "tgi":
        info = info or await asked.get("/info")
        version, context = info.get("version"), info.get("max_total_tokens")
    length = context if isinstance(context, int) and context > 0 else None
    # A list that goes on, on another page, is no list of all that there is.
    names = () if _mapping(listed).get("has_more") else tuple(row["id"] for row in rows)
    return Server(found, None if version is None else str(version), names, length)


def token_counter(
    endpoint: Endpoint, server: Server, model: str
) -> Callable[[str | list[Mapping[str, Any]]], Coroutine[Any, Any, int | None]]:
    """Asks the server for the length of a text, or of a conversation opened for the answer; None where it won't say."""

    async def count(prompt: str | list[Mapping[str, Any]]) -> int | None:
        if isinstance(prompt, str):
            body = {"content": prompt} if server.kind == "llama.cpp" else {"model": model, "prompt": prompt}
        elif server.kind == "vllm":
            body = {"model": model, "messages": prompt, "add_generation_prompt": True}
        else:
            return None
        answer: Mapping[str, Any] = {}
        with suppress(CallError):
            answer = _mapping(await endpoint.call(f"{endpoint.connection.root}/tokenize", body))
        tokens = answer.get("tokens")
        found = answer.get("count", len(tokens) if isinstance(tokens, list) else None)
        return found if isinstance(found, int) and found > 0 else None

    return count


class _Asker:
    """Questions that a server may not know: an answer that is no object counts as none."""

    def __init__(self, endpoint: Endpoint, root: str) -> None:
        self._endpoint, self._root = endpoint, root

    async def get(self, path: str) -> Mapping[str, Any]:
        with suppress(CallError):
            return _mapping(await self._endpoint.call(f"{self._root}{path}"))
        return {}


def _kind_of(row: Mapping[str, Any]) -> str | None:
    owner = str(row.get("owned_by", "")).lower()
    known = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llama.cpp", "llama.cpp": "llama.cpp"}
    return known.get(owner)


def _rows(listed: Any) -> list[dict[str, Any]]:
    data = listed.get("data") if isinstance(listed, dict) else listed
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
