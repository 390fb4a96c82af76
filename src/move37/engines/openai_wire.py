"""Requests and answers of OpenAI's protocol: what is sent for some samples of a prompt, and what came back as samples.

`completions` continue a text, or token ids; `chat` sends messages, to which the server's own template is applied.
Reasoning that a server hands back apart (`reasoning_content`, or `reasoning`) is put back in front of the answer as the
model's own template writes it, so that a verifier reads what the model wrote. Stop strings are looked for here too: a
server may take fewer than a template has.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from move37.config import SamplingConfig
from move37.endpoint import CallError, Failure
from move37.engines.metering import Usage
from move37.errors import EngineError
from move37.types import FinishReason, ImagePart, Message, Request, Sample, Segment

SEED_BITS = 53
"""A seed is sent by its lowest bits: all whole numbers that any reader of JSON keeps exactly."""
_STOPPED = ("stop", "stop_sequence", "end_turn", "eos", "eos_token")


@dataclass(frozen=True, slots=True)
class Form:
    """How requests are written: `api` is "completions" or "chat", `plain` and `extra` are sent with every request."""

    api: str
    model: str
    extra: Mapping[str, Any]
    limit_key: str
    stop_strings: int
    sends_seed: bool
    tags: tuple[str, str]
    """What the model's template writes before and after reasoning."""

    @property
    def path(self) -> str:
        return "/completions" if self.api == "completions" else "/chat/completions"

    def body(
        self, requests: Sequence[Request], ids: Sequence[int] | None, sampling: SamplingConfig, text: str
    ) -> dict[str, Any]:
        """For samples of one prompt in one call: its token ids, where they are known, or its text or messages."""
        prompt, seed = requests[0].prompt, requests[0].seed
        body: dict[str, Any] = {"model": self.model}
        if self.api == "completions":
            body["prompt"] = text if ids is None else list(ids)
        else:
            body["messages"] = [written(message) for message in prompt.messages] or [
                {"role": "user", "content": prompt.text}
            ]
        body |= {"temperature": sampling.temperature, "top_p": sampling.top_p, self.limit_key: sampling.max_new_tokens}
        if prompt.stop and self.stop_strings:
            body["stop"] = list(prompt.stop[: self.stop_strings])
        if self.sends_seed:
            body["seed"] = seed & (2**SEED_BITS - 1)
        if len(requests) > 1:
            body["n"] = len(requests)
        if sampling.keep_tokens:
            body |= {"logprobs": 0, "return_token_ids": True}
        return body | dict(self.extra)


def written(message: Message) -> dict[str, Any]:
    """A message as the protocol writes it: plain text, or parts where there is an image."""
    if not message.images:
        return {"role": message.role, "content": message.text}
    parts = [
        _image(part) if isinstance(part, ImagePart) else {"type": "text", "text": part.text} for part in message.content
    ]
    return {"role": message.role, "content": parts}


def _image(part: ImagePart) -> dict[str, Any]:
    data = base64.b64encode(part.read()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{part.media_type};base64,{data}"}}


@dataclass(frozen=True, slots=True)
class Choice:
    """One text of an answer. `filtered`: the server's content filter ended it."""

    text: str
    finish_reason: str | None
    token_ids: tuple[int, ...] | None
    logprobs: tuple[float, ...] | None

    @property
    def filtered(self) -> bool:
        return self.finish_reason == "content_filter"


def read_answer(answer: Any, form: Form, prompt_text: str) -> tuple[list[Choice], Usage | None]:
    """The texts of an answer, and its tokens where the server counts them. Raises CallError for anything else."""
    try:
        rows = sorted(answer["choices"], key=lambda row: row.get("index", 0))
        choices = [_choice(row, form, prompt_text) for row in rows]
        counted = answer.get("usage")
        usage = None if not counted else _usage(counted)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise CallError(Failure.UNREADABLE, "the answer is no completion") from error
    if not choices:
        raise CallError(Failure.UNREADABLE, "the answer holds no text")
    if any(choice.finish_reason in ("abort", "error") for choice in choices):
        raise CallError(Failure.CUT_OFF, "the server gave the response up")
    return choices, usage


def _choice(row: Mapping[str, Any], form: Form, prompt_text: str) -> Choice:
    logprobs = row.get("logprobs") or {}
    ids = row.get("token_ids")
    kept = logprobs.get("token_logprobs") if isinstance(logprobs, dict) else None
    text = row["text"] if form.api == "completions" else joined(row["message"], form.tags, prompt_text)
    if not isinstance(text, str):
        raise TypeError
    return Choice(
        text,
        row.get("finish_reason"),
        None if ids is None else tuple(map(int, ids)),
        None if kept is None else tuple(map(float, kept)),
    )


def joined(message: Mapping[str, Any], tags: tuple[str, str], prompt_text: str) -> str:
    """The whole of what the model wrote: reasoning that was handed back apart, then the answer."""
    content = message.get("content")
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if content is None and reasoning is None and not message.get("refusal"):
        raise KeyError("content")
    content = content or message.get("refusal") or ""
    if not isinstance(content, str):
        raise TypeError
    if not reasoning:
        return content
    opening, closing = tags
    if opening.strip() and prompt_text.rstrip().endswith(opening.strip()):
        opening = ""  # the prompt has opened it
    return opening + str(reasoning) + (closing + content if content else "")


def _usage(counted: Mapping[str, Any]) -> Usage:
    details = counted.get("prompt_tokens_details") or {}
    return Usage(
        int(counted["prompt_tokens"]), int(counted["completion_tokens"]), int(details.get("cached_tokens") or 0)
    )


def sample_of(request: Request, choice: Choice, usage: Usage | None, alone: bool, sampling: SamplingConfig) -> Sample:
    """The sample that a choice is. `alone`: the call asked for this one only, so the usage is its own.

    Raises EngineError for a response that was cut off before `max_new_tokens`, and for tokens that were asked for and
    are not there.
    """
    text, ended = _cut(choice.text, request.prompt.stop)
    tokens = len(choice.token_ids) if choice.token_ids is not None else usage.completion if usage and alone else None
    finish = _finish(choice.finish_reason, ended)
    if finish is FinishReason.LENGTH and tokens is not None and tokens < sampling.max_new_tokens:
        raise EngineError(
            f"problem {request.prompt.problem_id}: the server cut a response off after {tokens} of "
            f"{sampling.max_new_tokens} tokens: its context is too short; set sampling.max_new_tokens to {tokens} "
            "at most, or serve it with more"
        )
    error = "the server's content filter ended it" if choice.filtered else None
    segments, logprob = None, None
    if sampling.keep_tokens:
        if choice.token_ids is None or choice.logprobs is None or len(choice.token_ids) != len(choice.logprobs):
            raise EngineError(
                "sampling.keep_tokens: the server returns no token ids with their log-probabilities; set it to false, "
                "or sample with vLLM 0.10.2 or later"
            )
        logprob = sum(choice.logprobs)
        segments = (Segment("assistant", text, choice.token_ids, True, choice.logprobs),)
    key = request.prompt.problem_id, request.index
    return Sample(*key, text, finish, tokens or None, logprob, request.seed, segments, error)


def _finish(reason: str | None, ended: bool) -> FinishReason:
    if ended or reason in _STOPPED:
        return FinishReason.STOP
    return FinishReason.LENGTH if reason in ("length", "max_tokens") else FinishReason.UNKNOWN


def _cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there was one."""
    places = [place for place in (text.find(each) for each in stop) if place >= 0]
    return (text[: min(places)], True) if places else (text, False)
