"""Engines continue prompts. One registry, a protocol by capability; the contract is `move37.testing.check_engine`.

    Renderer    messages -> the text that is continued, and the length of a prompt; needs no weights
    Dated       a Renderer that is told which day it is
    Generator   prompts -> samples
    Scorer      a prompt's and a response's token ids -> log-probabilities
    BatchScorer many of them together, with what a nucleus would have kept
    DistributionReader   texts that begin alike -> the whole sampling distribution after each beginning
    Trainable   what the trainer needs: the weights themselves, and samples with what they are made of
    Metered, Replicated, Unsure   cost, copies of the model, and what it cannot know (`metering.py`)

Every member is a Renderer and a Generator (`Engine`); the others are asked for with `isinstance` where they are needed.
An engine yields exactly one Sample for every Request, in any order: the key says which is which. All randomness of
a sample comes from its request's seed, and `seed_reproduces_sample` says whether the same seed then gives the same
sample. An engine never cuts a prompt or a response short on its own: the caller (`rollouts.py`) checks beforehand that
prompt + max_new_tokens fits `context_length`. An engine that reads text only refuses messages and prompts with images.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar, runtime_checkable

from pydantic import ValidationError

from move37.config import ModelConfig, SamplingConfig, Settings, describe_validation_error
from move37.engines.forest import Forest
from move37.errors import ConfigError, EngineError
from move37.registry import Registry
from move37.types import FloatArray, IntArray, Message, Prompt, Request, Sample


@dataclass(frozen=True, slots=True)
class Completion:
    """A sample with the tokens it is made of, for whoever trains on it: ids are never made again from the text.

    `logprobs` are the natural-log probabilities of `token_ids` under the sampling distribution: the temperature is in
    them. (At temperature 0 they are the model's own, at 1.) `own` says of every token whether the model wrote it; None
    says that it wrote all of them.
    """

    sample: Sample
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    own: tuple[bool, ...] | None = None


OptionsT = TypeVar("OptionsT", bound=Settings)


class Renderer(Protocol):
    context_length: int | None
    """Most tokens that prompt and response may have together; None where there is no limit."""

    def render_prompt(self, messages: Sequence[Message], **variables: Any) -> str:
        """The conversation in the model's own chat template, opened for the answer.

        `variables` are the template's own (`enable_thinking`); they are given only where a study sets some. Raises
        ConfigError where the model has no chat template, or does not see the images of the messages.
        """
        ...

    def count_tokens(self, prompt: Prompt) -> int | None:
        """The prompt's length in tokens, as `generate` would see it, images included; None where it is not known."""
        ...


@runtime_checkable
class Dated(Protocol):
    """A renderer whose chat template may print the date: all models of a run are asked as of one moment."""

    asked_at: datetime
    """What the template takes for now, in local time."""

    @property
    def prints_date(self) -> bool: ...


class Generator(Protocol):
    seed_reproduces_sample: bool
    """Whether a request made again, alone or in other company, gives the same sample."""

    def identity(self) -> Mapping[str, str]:
        """What a reader needs to load the same thing: versions, weights, dtype, device. Goes into the report."""
        ...

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        """One sample per request. Requests that share a prompt come one after another.

        With `sampling.keep_tokens` each has its token ids and log-probabilities.
        """
        ...

    def close(self) -> None:
        """Let go of the weights. A second call does nothing; any other call after it is the caller's mistake."""
        ...


class Engine(Renderer, Generator, Protocol):
    @classmethod
    def load(cls, model: ModelConfig) -> "Engine":
        """Open the model. Raises EngineError, or ConfigError for an option that the engine does not know."""
        ...


@runtime_checkable
class Scorer(Protocol):
    def score(self, prompt_ids: Sequence[int], response_ids: Sequence[int]) -> list[float]:
        """The natural-log probability of every token of the response under the model itself (temperature 1).

        In memory that the length of the text bounds, not its length times the vocabulary. Raises EngineError where
        both do not fit the context, or the prompt is empty.
        """
        ...


@dataclass(frozen=True, slots=True)
class Scored:
    """A response under a model, in natural logs.

    `logprobs` are of its tokens under the model itself (temperature 1, no top-p). `drawn` are those under the sampling
    distribution that was asked for: minus infinity for what it never draws. `mass_ahead` is, for each token, the
    probability at that temperature of all that is more probable: sampling can make a token if its top_p is larger.
    None is what an engine cannot know.
    """

    logprobs: tuple[float, ...]
    drawn: tuple[float, ...] | None
    mass_ahead: tuple[float, ...] | None


@runtime_checkable
class BatchScorer(Scorer, Protocol):
    def encode(self, text: str, rendered: bool = False) -> list[int]:
        """The token ids of a prompt, as `generate` would see it. `rendered`: as `Prompt.rendered`."""
        ...

    @property
    def end_tokens(self) -> frozenset[int]:
        """The tokens at which a response ends."""
        ...

    def score_together(
        self, texts: Sequence[tuple[Sequence[int], Sequence[int]]], sampling: SamplingConfig
    ) -> Iterator[Scored]:
        """(prompt ids, response ids) -> what the model makes of each response, in order; raises as `score`."""
        ...

    def read_back(self, prompt_ids: Sequence[int], token_ids: Sequence[int], stop: tuple[str, ...]) -> str:
        """The text of the response that these tokens are behind the prompt, as `generate` would have given it."""
        ...


@runtime_checkable
class DistributionReader(Protocol):
    """For worlds in which all right texts can be listed (`lab/exact.py`)."""

    context_length: int | None

    def encode(self, text: str, rendered: bool = False) -> list[int]: ...

    @property
    def end_tokens(self) -> frozenset[int]: ...

    @property
    def vocabulary_size(self) -> int: ...

    def shown(self, token: int) -> str:
        """What one token leaves in the text of a response."""
        ...

    def distribution(self, forest: Forest, sampling: SamplingConfig) -> Iterator[tuple[IntArray, FloatArray]]:
        """Inner nodes, and the natural-log probabilities of every next token after each, (nodes, vocabulary).

        Of the distribution that samples are drawn from: temperature and top-p are in it.
        """
        ...


@runtime_checkable
class Trainable(Protocol):
    """`model` and `tokenizer` are those of transformers: this module must not import it.

    One whose state a prompt's responses cannot share says so by `shares_prompts = False`.
    """

    context_length: int | None

    @classmethod
    def load_to_train(cls, path: str, settings: "TrainableSettings") -> "Trainable":
        """Open the model in this precision, plain layers and all. Raises EngineError, ConfigError."""
        ...

    def identity(self) -> Mapping[str, str]:
        """As every engine's: by its "weights" a resumed training knows what it started from."""
        ...

    @property
    def model(self) -> Any: ...

    @property
    def tokenizer(self) -> Any: ...

    @property
    def end_tokens(self) -> frozenset[int]:
        """The tokens at which a response ends."""
        ...

    def encode(self, text: str, rendered: bool = False) -> list[int]:
        """The token ids of a prompt, as `generate` would see it. `rendered`: as `Prompt.rendered`."""
        ...

    def render_prompt(self, messages: Sequence[Message], **variables: Any) -> str: ...

    def count_tokens(self, prompt: Prompt) -> int: ...

    def completions(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Completion]:
        """`generate` with what the samples are made of. Raises ConfigError unless top_p is 1."""
        ...

    def sampling_layout(self, rows: int) -> AbstractContextManager[object]:
        """Weights in the layout that samples `rows` at once fastest, in this block; they must not change in it."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TrainableSettings:
    """How weights that learn are opened. `rows`: samples decoded together, None for the engine's choice."""

    device: str
    dtype: str
    threads: int | None
    trust_remote_code: bool
    rows: int | None


@runtime_checkable
class Seeing(Protocol):
    """Reads prompts with images."""

    def encode_prompt(self, prompt: Prompt) -> Sequence[int]:
        """The token ids of a prompt, those for its images among them, with all else that is read beside them."""
        ...

    def seen_images(self, prompt: Prompt) -> Mapping[str, Any]:
        """What was made of a prompt's images, for the record: "tokens" that stand for them, shapes of "tensors"."""
        ...


def token_ids(engine: BatchScorer | Trainable, prompt: Prompt) -> Sequence[int]:
    """The tokens of a prompt, as the engine reads it. Raises ConfigError for images that it does not see."""
    if prompt.images:
        if isinstance(engine, Seeing):
            return engine.encode_prompt(prompt)
        refuse_images(f"problem {prompt.problem_id}", prompt.messages)
    return engine.encode(prompt.text, rendered=True) if prompt.rendered else engine.encode(prompt.text)


def seeds_statement(engine: Generator) -> dict[str, str]:
    """The line of an engine's identity that says whether a seed reproduces a sample."""
    return {"seeds": "reproduce" if engine.seed_reproduces_sample else "do not reproduce"}


def refuse_images(label: str, messages: Iterable[Message]) -> None:
    """For engines that read text only. Raises ConfigError."""
    if any(message.images for message in messages):
        raise ConfigError(
            f"{label}: the engine reads text only, and the prompt has an image; use a model and an engine that see "
            "images, or leave such problems out"
        )


def check_room(
    request: Request, prompt_tokens: int, max_new_tokens: int, context: int | None, label: str, otherwise: str = ""
) -> None:
    """Raises EngineError for an empty prompt, or one that leaves too little of a known `context` for the response."""
    what = f"problem {request.prompt.problem_id}"
    if prompt_tokens == 0:
        raise EngineError(f"{what}: its prompt is empty for this tokenizer")
    if context is not None and prompt_tokens + max_new_tokens > context:
        raise EngineError(
            f"{what}: {prompt_tokens} prompt tokens and max_new_tokens = {max_new_tokens} exceed the context of "
            f"{context} tokens of {label}; set max_new_tokens to at most {context - prompt_tokens}{otherwise}"
        )


def parse_options(model: ModelConfig, options: type[OptionsT]) -> OptionsT:
    """The engine's own options out of the model's table. Raises ConfigError with one line that names the key."""
    try:
        return options.model_validate(model.options)
    except ValidationError as error:
        reason = describe_validation_error(error, options)
        raise ConfigError(f"model {model.path!r} (engine {model.engine!r}): options.{reason}") from None


ENGINES = Registry(
    "engine",
    {
        "openai": "move37.engines.openai:OpenAIEngine",
        "scripted": "move37.engines.scripted:ScriptedEngine",
        "transformers": "move37.engines.transformers:TransformersEngine",
        "vllm": "move37.engines.vllm:VLLMEngine",
    },
    extras={"openai": "server", "transformers": "local", "vllm": "local"},
    methods=("load",),
)


@contextmanager
def opened(model: ModelConfig) -> Iterator[Engine]:
    """The model with its weights, closed when the block is left. Raises as the registry and the engine do."""
    engine: Engine = ENGINES.load(model.engine).load(model)
    try:
        yield engine
    finally:
        engine.close()
