"""Requests and answers of OpenAI's protocol: what is sent for some samples of a prompt, and what came back as samples.

`completions` continue a text, or token ids; `chat` sends messages, to which the server's own template is applied.
Reasoning that a server hands back apart (`reasoning_content`, or `reasoning`) is put back in front of the answer as the
model's own template writes it, so that a verifier reads what the model wrote. Stop strings are looked for here too: a
server may take fewer than a template has.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from move37.config import SamplingConfig
from move37.endpoint import CallError, Failure
from move37.engines.metering import Usage
from move37.errors import EngineError
from move37.server_words import LIMITED, STOPPED, one_line, text_of
from move37.types import FinishReason, ImagePart, Message, Prompt, Request, Sample, Segment

SEED_BITS = 53
"""A seed is sent by its lowest bits: all whole numbers that any reader of JSON keeps exactly."""
_GIVEN_UP = ("abort", "error", "cancelled", "timeout", "insufficient_system_resource", "network_error")
"""Reasons, in small letters, of servers that gave a response up: the same sample may be made again."""
_FILTER = "content_filter"


@dataclass(frozen=True, slots=True)
class Form:
    """How requests are written: `api` is "completions" or "chat", `plain` and `extra` are sent with every request."""

    api: str
    model: str
    extra: Mapping[str, Any]
    limit_key: str
    stop_strings: int
    sends_seed: bool
    unsent: Sequence[str]
    """Settings that the server knows better than to be told."""
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
            body |= {"logprobs": 0 if self.api == "completions" else True, "return_token_ids": True}
        return {key: value for key, value in body.items() if key not in self.unsent} | dict(self.extra)


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
    """One text of an answer. `finish_reason` is in small letters."""

    text: str
    finish_reason: str | None
    token_ids: tuple[int, ...] | None
    logprobs: tuple[float, ...] | None

    @property
    def is_cut(self) -> bool:
        """Whether the server says that the limit ended it."""
        return self.finish_reason in LIMITED

    @property
    def not_its_own(self) -> str | None:
        """Why the text is not all that the model would have written, where the server says that it is not."""
        if self.finish_reason == _FILTER:
            return "the server's content filter ended it"
        if self.finish_reason in (None, "", *STOPPED, *LIMITED):
            return None
        return f"the server ended it for a reason of its own ({self.finish_reason})"


def read_answer(answer: Any, form: Form, prompt_text: str) -> tuple[list[Choice], Usage | None]:
    """The texts of an answer, and its tokens where the server counts them. Raises CallError for anything else."""
    try:
        rows = sorted(answer["choices"], key=lambda row: row.get("index") or 0)
        usage = _usage(answer.get("usage"))
        choices = [_choice(row, form, prompt_text, usage) for row in rows]
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise CallError(Failure.UNREADABLE, f"the answer is no completion: {_shown(answer)}") from error
    if not choices:
        raise CallError(Failure.UNREADABLE, "the answer holds no text")
    if any(choice.finish_reason in _GIVEN_UP or row.get("error") for choice, row in zip(choices, rows, strict=True)):
        raise CallError(Failure.CUT_OFF, "the server gave the response up")
    if usage is not None and not (usage.prompt and (usage.completion or not any(choice.text for choice in choices))):
        usage = None  # it counts nothing: every prompt takes tokens, and every text
    return choices, usage


def _shown(answer: Any) -> str:
    """What a server said, in one line, for whoever takes the key out of it."""
    return one_line(answer if isinstance(answer, str) else json.dumps(answer))


def _choice(row: Mapping[str, Any], form: Form, prompt_text: str, usage: Usage | None) -> Choice:
    ids, reason = row.get("token_ids"), row.get("finish_reason")
    kept = _logprobs(row.get("logprobs"))
    if form.api == "completions":
        text = row["text"]
    else:
        text = joined(row["message"], form.tags, prompt_text, bool(usage and usage.completion))
    if not isinstance(text, str):
        raise TypeError
    return Choice(
        text, None if reason is None else str(reason).lower(), None if ids is None else tuple(map(int, ids)), kept
    )


def _logprobs(given: Any) -> tuple[float, ...] | None:
    """Of each token: completions have a list of them, chat a list of objects."""
    if not isinstance(given, dict):
        return None
    kept = given.get("token_logprobs")
    if kept is None and isinstance(given.get("content"), list):
        kept = [each["logprob"] for each in given["content"]]
    return None if kept is None else tuple(map(float, kept))


def joined(message: Mapping[str, Any], tags: tuple[str, str], prompt_text: str, counted: bool = False) -> str:
    """The whole of what the model wrote: reasoning that was handed back apart, then the answer.

    A message without text is one where tokens were `counted`: the model wrote none, or reasons where nobody reads it.
    """
    content = message.get("content")
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    is_said = counted or message.get("refusal") or message.get("tool_calls")
    if content is None and reasoning is None and not is_said:
        raise KeyError("content")
    content = text_of(content or message.get("refusal"))
    if not reasoning:
        return content
    opening, closing = tags
    if opening.strip() and prompt_text.rstrip().endswith(opening.strip()):
        opening = ""  # the prompt has opened it
    return opening + text_of(reasoning) + (closing + content if content else "")


def _usage(counted: Any) -> Usage | None:
    """Tokens of a call; None where one of the two numbers is missing.

    Servers differ in what they leave out of which number, so each token counts where it is counted at all: reasoning
    that is in the total alone, or is more than what was made, is part of what was made, and recalled tokens beyond the
    prompt's are part of the prompt.
    """
    if not isinstance(counted, Mapping):
        return None
    prompt, completion, total = (_count(counted.get(f"{which}_tokens")) for which in ("prompt", "completion", "total"))
    if prompt is None or completion is None:
        return None
    cached = _detail(counted, "prompt_tokens_details", "cached_tokens")
    reasoning = _detail(counted, "completion_tokens_details", "reasoning_tokens")
    if total is not None:
        completion = max(completion, total - prompt - (cached if cached > prompt else 0))
    if reasoning > completion:
        completion += reasoning
    return Usage(prompt + cached if cached > prompt else prompt, completion, cached)


def _detail(counted: Mapping[str, Any], table: str, key: str) -> int:
    details = counted.get(table)
    return _count(details.get(key)) or 0 if isinstance(details, Mapping) else 0


def _count(value: Any) -> int | None:
    """A number of tokens; some write 12.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= 0 else None


def refuse_other_limits(
    prompt: Prompt, choices: Sequence[Choice], usage: Usage | None, form: Form, sampling: SamplingConfig
) -> None:
    """Raises EngineError where the server cut responses off before `max_new_tokens`, or let them go on beyond it.

    Of several texts in one answer the sum may be known alone: those that were cut off have reached the limit each.
    """
    limit = sampling.max_new_tokens
    cut = [choice.is_cut and not _cut(choice.text, prompt.stop)[1] for choice in choices]
    known = [(len(each.token_ids), 1, is_cut) for each, is_cut in zip(choices, cut, strict=True) if each.token_ids]
    if len(known) < len(choices):
        known = [] if usage is None else [(usage.completion, len(choices), sum(cut))]
    for tokens, texts, at_limit in known:
        if tokens > texts * (limit + 1):  # some count the token that ends a text
            raise EngineError(
                f"problem {prompt.problem_id}: the server made {tokens} tokens where {form.limit_key} = {limit} was "
                "asked for: it reads another key; set options.limit_key, or options.request to what it takes"
            )
        if tokens < at_limit * limit:
            reached = tokens // texts
            raise EngineError(
                f"problem {prompt.problem_id}: the server cut a response off after {reached} of {limit} tokens: its "
                f"context is too short; set sampling.max_new_tokens to {reached} at most, or serve it with more"
            )


def sample_of(request: Request, choice: Choice, usage: Usage | None, alone: bool, sampling: SamplingConfig) -> Sample:
    """The sample that a choice is. `alone`: the answer holds this one only, so the usage is its own.

    Raises EngineError for tokens that were asked for and are not there.
    """
    text, ended = _cut(choice.text, request.prompt.stop)
    tokens = len(choice.token_ids) if choice.token_ids is not None else usage.completion if usage and alone else None
    finish = _finish(choice.finish_reason, ended)
    error = None if ended else choice.not_its_own
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
    if ended or reason in STOPPED:
        return FinishReason.STOP
    return FinishReason.LENGTH if reason in LIMITED else FinishReason.UNKNOWN


def _cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there was one."""
    places = [place for place in (text.find(each) for each in stop) if place >= 0]
    return (text[: min(places)], True) if places else (text, False)
