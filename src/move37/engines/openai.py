"""Models behind any server that speaks OpenAI's protocol: vLLM, SGLang, llama.cpp, TGI, a provider.

Decisions. One call asks for one sample, with its own seed (`samples_per_call` asks for more: cheaper where a provider
charges for prompts, and then only the first sample's seed is sent). Where the model's tokenizer is known (`tokenizer`,
or `path` where it is a folder) prompts are written and counted here and sent as token ids, the same as the engine
`transformers` would continue; otherwise as text, which the server may put a beginning-of-text token before. With `api =
"chat"` messages are sent and the server's own template writes the prompt. Answers come whole, not streamed: a sample
that breaks off is made again, and `timeout_seconds` is how long one may take.

The calls are `openai_calls.py`'s, their wording `openai_wire.py`'s, the servers' peculiarities `openai_servers.py`'s,
repeated responses `openai_repeats.py`'s, money `metering.py`'s; the client is `endpoint.py`'s, shared with the judge.
A server does not promise that a seed gives the same sample in other company, and the weights are the server's word.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from openai import __version__ as client_version
from pydantic import Field, field_validator, model_validator

from move37.config import ModelConfig, SamplingConfig, Settings
from move37.endpoint import CallError, Connection, Endpoint, Failure, LoopThread
from move37.engines import ENGINES, parse_options, refuse_images, seeds_statement
from move37.engines.metering import Price, PromptTokens, Replica, Spending, Usage
from move37.engines.openai_calls import Dispatcher, Policy
from move37.engines.openai_refusals import refusal
from move37.engines.openai_repeats import RepeatGuard
from move37.engines.openai_servers import GIVES_TOKENS, PLAIN, TAKES_IDS, Server, describe, token_counter
from move37.engines.openai_wire import Form, written
from move37.errors import ConfigError, EngineError
from move37.types import Message, Prompt, Request, Sample

_THINKING = ("<think>\n", "\n</think>\n\n")
_OWN_KEYS = frozenset(
    {"model", "prompt", "messages", "n", "seed", "stop", "stream", "temperature", "top_p", "max_tokens", "logprobs"}
    | {"max_completion_tokens", "best_of", "echo", "suffix"}
)
_TRIES_TO_OPEN = 3
_LONGEST_WAIT = 1e6
"""Seconds that a server may ask for: what is more than the patience ends the run, with what it asked for."""
_LONGEST_PAUSE = 60.0
"""Seconds that a server may ask for before it is opened."""
_MOST_NAMES = 10
"""Models of a server that a message names."""
_BEGINNING, _TEMPLATE, _IMAGE = 8, 256, 4096
"""Tokens that may be added to a text, to messages by a template, and for an image, at most."""


class Options(Settings):
    base_url: str | tuple[str, ...] = Field(
        description="Address of the server, with its /v1; several of one model share the work."
    )
    api: Literal["completions", "chat"] = Field(default="completions", description="Continue text, or send messages.")
    model: str | None = Field(default=None, description="Name under which the server has the model; default: its path.")
    api_key_env: str | None = Field(default=None, description="Environment variable that holds the key.")
    tokenizer: str | None = Field(
        default=None,
        description="Folder or hub name of the tokenizer; default: the model's path where that is a folder.",
    )
    context_length: int | None = Field(default=None, ge=1, description="Context of the server, where it does not say.")
    server: Literal["vllm", "sglang", "llama.cpp", "tgi", "transformers", "unknown"] | None = Field(
        default=None, description="Kind of server; default: what it says."
    )
    concurrency: int = Field(default=256, ge=1, le=100_000, description="Most calls in flight, of each server.")
    timeout_seconds: float = Field(default=600.0, gt=0, le=1_000_000, description="Longest time for one call.")
    retries: int = Field(default=8, ge=0, le=1000, description="Failures after which one call is left for later.")
    patience_seconds: float = Field(
        default=600.0, ge=0, description="How long no server may answer before the run ends."
    )
    samples_per_call: int = Field(default=1, ge=1, le=1024, description="Samples that one call asks for (n).")
    prompt_price: float = Field(default=0.0, ge=0, description="Of a million tokens of prompts, in any currency.")
    completion_price: float = Field(default=0.0, ge=0, description="Of a million tokens that the model makes.")
    cached_prompt_price: float | None = Field(
        default=None,
        ge=0,
        description="Of a million tokens of prompts that the server recalled; default: prompt_price.",
    )
    budget: float | None = Field(
        default=None, gt=0, description="What all samples of the model may cost, in that currency."
    )
    limit_key: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens", description="What the server calls the most tokens of a response."
    )
    stop_strings: int = Field(
        default=16, ge=0, description="Most stop strings that it takes (OpenAI: 4); all are looked for."
    )
    seed: bool = Field(default=True, description="Send seeds; off for servers that refuse them.")
    unsent: tuple[Literal["temperature", "top_p"], ...] = Field(
        default=(), description="Settings that the server refuses to be told; each has to be 1 in the study."
    )
    reasoning_tags: tuple[str, str] | None = Field(
        default=None,
        description="What stands around reasoning that is handed back apart; default: as the model's template.",
    )
    images: bool = Field(default=False, description="The model sees images (api = 'chat').")
    request: dict[str, Any] = Field(default={}, description="Further keys of every request, as the server takes them.")

    @field_validator("base_url")
    @classmethod
    def _addresses(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        found = (value,) if isinstance(value, str) else value
        if not found:
            raise ValueError("needs an address")
        return found

    @model_validator(mode="after")
    def _consistent(self) -> "Options":
        if self.budget is not None and not self.is_priced:
            raise ValueError("budget: needs prompt_price and completion_price, for a million tokens each")
        if taken := sorted(self.request.keys() & _OWN_KEYS):
            raise ValueError(f"request: {', '.join(taken)}: the engine's own; see [sampling] and the other options")
        if self.images and self.api != "chat":
            raise ValueError("images: are sent in messages; set api = 'chat'")
        return self

    @property
    def is_priced(self) -> bool:
        return bool(self.prompt_price or self.completion_price)

    @property
    def price(self) -> Price:
        return Price(self.prompt_price, self.completion_price, self.cached_prompt_price)

    def connections(self) -> list[Connection]:
        """Raises ConfigError for an address or a key that cannot be."""
        made = []
        for address in self.base_url:
            connection = Connection(
                address, self.api_key_env, self.timeout_seconds, self.concurrency, longest_wait=_LONGEST_WAIT
            )
            try:
                _refuse_what_cannot_be(connection)
            except LookupError as error:
                name = error.args[0]
                raise ConfigError(
                    f"options.api_key_env: the environment variable {name} is not set; export {name}=<the key>"
                ) from None
            made.append(connection)
        return made


def _refuse_what_cannot_be(connection: Connection) -> None:
    """Raises ConfigError, or LookupError with the name of a variable that is not set."""
    try:
        connection.refuse_what_cannot_be()
    except ValueError as error:
        raise ConfigError(f"options.{error}") from None


class OpenAIEngine:
    """See the module."""

    seed_reproduces_sample = False

    def __init__(
        self,
        name: str,
        options: Options,
        endpoints: Sequence[Endpoint],
        server: Server,
        loop: LoopThread,
        renderer: Any,
    ) -> None:
        self._name, self._options, self._endpoints, self._server = name, options, endpoints, server
        self._loop, self._renderer = loop, renderer
        self.context_length = options.context_length or server.context_length
        if self.context_length is None and renderer is not None:
            self.context_length = renderer.context_length
        self.spending = Spending(options.price, options.budget) if options.is_priced else None
        self._guard = RepeatGuard()
        self.answered_as: str | None = None
        """See `metering.Named`."""
        self._lengths: dict[tuple[str, ...], int | None] = {}
        extra = {**PLAIN[server.kind], **options.request}
        tags = options.reasoning_tags or _tags_of(renderer)
        self._form = Form(
            options.api, name, extra, options.limit_key, options.stop_strings, options.seed, options.unsent, tags
        )
        self._prompt_tokens = PromptTokens(self._bound, options.api == "completions")

    @staticmethod
    def check(model: ModelConfig) -> None:
        """Raises ConfigError for options that cannot be, before they are written into a run folder: a key among them.

        A variable that is not set is no such thing: it may be set where the model is sampled.
        """
        for address in (options := parse_options(model, Options)).base_url:
            connection = Connection(address, options.api_key_env)
            with suppress(LookupError):
                _refuse_what_cannot_be(connection)
            if connection.is_told_in(json.dumps(model.options, default=str)):
                raise ConfigError(f"options: hold the key of {options.api_key_env}; name the variable alone")

    @classmethod
    def load(cls, model: ModelConfig) -> "OpenAIEngine":
        """Raises ConfigError for an option or a model that the server does not know, EngineError where none answers."""
        options = parse_options(model, Options)
        name, loop = options.model or model.path, LoopThread()
        connections = options.connections()
        endpoints = [Endpoint(connection, loop) for connection in connections]
        try:
            servers = [loop.start(_opened(each, name, options.server)).result() for each in endpoints]
            for endpoint, server in zip(endpoints, servers, strict=True):
                if server.models and name not in server.models:
                    raise ConfigError(
                        f"model {name!r}: {endpoint.connection.shown} serves {_listed(server.models, name)}; set "
                        "options.model to one of them"
                    )
            server = _common(servers)
            folder = Path(model.path)
            tokenizer = options.tokenizer or (model.path if (folder / "tokenizer_config.json").is_file() else None)
            renderer = None
            if tokenizer is not None:
                renderer = ENGINES.load("transformers").renderer(ModelConfig(path=tokenizer))
        except BaseException:
            loop.close()
            raise
        return cls(name, options, endpoints, server, loop, renderer)

    def identity(self) -> Mapping[str, str]:
        kind, version = self._server.kind, self._server.version
        served = "a server of unknown kind" if kind == "unknown" else f"{kind} {version or 'of unknown version'}"
        ids = self._sends_ids
        prompts = "messages, written by the server's template" if self._options.api == "chat" else "token ids"
        known = {
            "engine": f"{served}, client openai {client_version}",
            "model": self._name,
            "server": ", ".join(endpoint.connection.shown for endpoint in self._endpoints),
            "weights": "what the server has under that name",
            "api": self._options.api,
            "prompts": prompts if ids or self._options.api == "chat" else "text",
            "request": json.dumps(self._form.extra, sort_keys=True),
            "context_length": str(self.context_length or "unknown"),
        }
        if self._options.unsent:
            known["unsent"] = f"{' and '.join(self._options.unsent)}: 1 is what the protocol takes without"
        if not PLAIN[kind]:
            known["defaults"] = "the server's own sampling defaults beside temperature and top-p are not known"
        if self._options.samples_per_call > 1:
            known["notes"] = f"up to {self._options.samples_per_call} samples a call: only the first one's seed is sent"
        if unchecked := self.unchecked():
            known["room"] = "not checked: " + "; ".join(unchecked)
        return {**known, **seeds_statement(self)}

    def unchecked(self) -> list[str]:
        """See `metering.Unsure`."""
        said = []
        if self._renderer is None and not self._server.counts_tokens:
            said.append("the tokenizer is not known (options.tokenizer)")
        if self.context_length is None:
            said.append("the server does not say its context length (options.context_length)")
        elif not (self._options.context_length or self._server.context_length):
            said.append(f"the server does not say its context length; {self.context_length} is the model's own")
        return said

    def render_prompt(self, messages: Sequence[Message]) -> str:
        """Where the tokenizer is not known and the server writes the prompt: the turns, for people to read."""
        if not self._options.images:
            refuse_images(self._name, messages)
        if self._renderer is not None and not any(message.images for message in messages):
            return self._renderer.render_prompt(messages)
        if self._options.api == "completions":
            raise ConfigError(
                f"sampling.template: a chat template needs the tokenizer of {self._name!r} (options.tokenizer), or a "
                "server that applies it (options.api = 'chat')"
            )
        return "".join(f"{message.role}: {message.text}\n" for message in messages)

    def count_tokens(self, prompt: Prompt) -> int | None:
        """None where neither the tokenizer nor the server is there to ask."""
        if prompt.content not in self._lengths:
            self._lengths[prompt.content] = self._counted(prompt)
        return self._lengths[prompt.content]

    def _counted(self, prompt: Prompt) -> int | None:
        if not self._options.images:
            refuse_images(self._name, prompt.messages)
        if self._renderer is not None:
            renderer = self._renderer
            return renderer.count_tokens(prompt) if prompt.images else len(renderer.encode(prompt.text))
        if not self._server.counts_tokens:
            return None
        count = token_counter(self._endpoints[0], self._server, self._name)
        said: Any = prompt.text if self._options.api == "completions" else list(map(written, prompt.messages))
        return self._loop.start(count(said)).result() if said else None

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        """One sample per request, as they end.

        Raises EngineError where servers refuse, stay away or repeat themselves, RunError where the budget is used up.
        """
        requests = list(requests)
        for key in self._options.unsent:
            if getattr(sampling, key) != 1:
                raise ConfigError(f"options.unsent: {key} is {getattr(sampling, key):g}: set sampling.{key} = 1")
        for prompt in {request.prompt.content: request.prompt for request in requests}.values():
            self._refuse(prompt)
        if sampling.keep_tokens and self._server.kind not in GIVES_TOKENS:
            raise ConfigError(
                f"sampling.keep_tokens: a server of kind {self._server.kind!r} returns no token ids with their "
                f"log-probabilities ({', '.join(GIVES_TOKENS)} does)"
            )
        made: SimpleQueue[Sample | None] = SimpleQueue()
        options, spending = self._options, self.spending or Spending(self._options.price)
        policy = Policy(options.samples_per_call, options.retries, options.patience_seconds)
        dispatcher = Dispatcher(
            self._endpoints,
            self._form,
            sampling,
            policy,
            spending,
            self._guard,
            self._encode,
            self._prompt_tokens,
            self._server.models[:_MOST_NAMES],
            self._refuse_another,
            made.put,
            made.qsize,
        )
        work = self._loop.start(dispatcher.run(requests))
        work.add_done_callback(lambda _: made.put(None))
        try:
            while (sample := made.get()) is not None:
                yield sample
            work.result()
        finally:
            work.cancel()

    def replicas(self) -> list[Replica]:
        """See `metering.Replicated`."""
        return [
            Replica(each.connection.shown, each.in_flight, int(each.limit.value), each.answered, dict(each.failures))
            for each in self._endpoints
        ]

    def close(self) -> None:
        if self._loop.is_running:
            self._loop.start(_disconnected(self._endpoints)).result()
            self._loop.close()

    @property
    def _sends_ids(self) -> bool:
        return self._options.api == "completions" and self._renderer is not None and self._server.kind in TAKES_IDS

    def _encode(self, prompt: Prompt) -> Sequence[int] | None:
        return self._renderer.encode(prompt.text) if self._sends_ids else None

    def _bound(self, prompt: Prompt) -> int:
        """What a prompt can cost at most: no tokenizer makes more tokens than bytes, and a few to begin with.

        What a server's own template adds, and how it counts images, is a guess (`PromptTokens`).
        """
        counted = self._lengths.get(prompt.content)
        written_here = self._options.api == "completions"
        if counted is not None and (written_here or self._renderer is None):
            return counted
        added = _BEGINNING if written_here else _TEMPLATE
        return len(prompt.text.encode()) + added + _IMAGE * len(prompt.images)

    @property
    def _place(self) -> str:
        return ", ".join(endpoint.connection.shown for endpoint in self._endpoints)

    def _refuse_another(self, prompt: Prompt, named: str | None, usage: Usage | None) -> None:
        """Raises EngineError for an answer of another model than those before, or to a prompt that was cut short."""
        self.answered_as = self.answered_as or named
        if named and named != self.answered_as:
            raise EngineError(
                f"{self._place}: answers came from {self.answered_as!r}, and now from {named!r}: samples of two models "
                "would be one model's; set options.model to a name that stays (with its date), in another --out folder"
            )
        counted = self._lengths.get(prompt.content)
        written_here = self._options.api == "completions" and not prompt.images
        # Of a text that the server cuts into tokens itself it may know another beginning.
        exact = self._sends_ids or self._renderer is None
        fewest = 0 if counted is None else counted - (0 if exact else _BEGINNING)
        if usage is not None and written_here and usage.prompt + usage.cached < fewest:  # some count these apart
            raise EngineError(
                f"{self._place}: read {usage.prompt} of the {counted} tokens of the prompt of {prompt.problem_id}: it "
                "cuts prompts short; serve the model with a longer context"
            )

    def _refuse(self, prompt: Prompt) -> None:
        """Raises ConfigError for a prompt that cannot be sent as it is written."""
        if not self._options.images:
            refuse_images(self._name, prompt.messages)
        if self._options.api == "completions" or not prompt.messages:
            return
        said = "".join(message.text for message in prompt.messages)
        if prompt.text not in (said, self.render_prompt(prompt.messages)):
            raise ConfigError(
                f"sampling.template: {prompt.template!r} writes the whole text of a prompt, and options.api = 'chat' "
                "sends messages; use template = 'chat', or api = 'completions'"
            )


async def _opened(endpoint: Endpoint, model: str, kind: str | None) -> Server:
    """What the server is. Raises EngineError where it does not answer, ConfigError where it refuses the key."""
    place = endpoint.connection.shown
    for tried in range(_TRIES_TO_OPEN):
        try:
            found = await describe(endpoint, model, kind)
            endpoint.forget_calls()
            return found
        except CallError as failed:
            if failed.kind is Failure.REFUSED:
                raise ConfigError(refusal(place, "to list its models", failed, (), ())) from None
            if tried == _TRIES_TO_OPEN - 1 or endpoint.pause > _LONGEST_PAUSE:
                said = failed.said if failed.kind is Failure.UNREACHABLE else f"does not open ({failed.said})"
                raise EngineError(f"{place} {said}; start the server, or mend options.base_url") from None
            await asyncio.sleep(endpoint.pause + 0.5 * 2**tried)
    raise AssertionError("the last try returns or raises")


def _listed(models: Sequence[str], name: str) -> str:
    """The names that a server has, or, of many, how many they are and those most like `name`."""
    if len(models) <= _MOST_NAMES:
        return ", ".join(models)
    short = {each.rpartition("/")[2].lower(): each for each in models}
    close = [short[each] for each in get_close_matches(name.rpartition("/")[2].lower(), short, _MOST_NAMES, 0.4)]
    return f"{len(models):,} models" + (f", among them {', '.join(close)}" if close else ", none with such a name")


async def _disconnected(endpoints: Sequence[Endpoint]) -> None:
    for endpoint in endpoints:
        await endpoint.disconnect()


def _common(servers: Sequence[Server]) -> Server:
    """What several servers of one model have in common. Raises ConfigError unless they are of one kind."""
    first = servers[0]
    if any((each.kind, each.version) != (first.kind, first.version) for each in servers):
        kinds = ", ".join(f"{each.kind} {each.version or ''}".strip() for each in servers)
        raise ConfigError(
            f"options.base_url: servers of several kinds make one model's samples ({kinds}); use one kind"
        )
    lengths = [each.context_length for each in servers]
    shortest = None if None in lengths else min(length for length in lengths if length is not None)
    return Server(first.kind, first.version, first.models, shortest)


def _tags_of(renderer: Any) -> tuple[str, str]:
    """What the model's chat template writes before and after reasoning; the usual marks where it writes none."""
    tokenizer: Any = getattr(renderer, "tokenizer", None)
    if tokenizer is None or tokenizer.chat_template is None:
        return _THINKING
    asked = [{"role": "user", "content": "?"}]
    reply = {"role": "assistant", "content": "\x01", "reasoning_content": "\x02"}
    opened = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template([*asked, reply], tokenize=False)
    before, found, after = whole.partition("\x02")
    closing, answered, _ = after.partition("\x01")
    if not found or not answered or not before.startswith(opened):
        return _THINKING
    return before[len(opened) :], closing
