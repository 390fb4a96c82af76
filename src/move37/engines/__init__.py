"""Engines continue prompts. One registry, one shape; the table is below, the contract is in tests/test_engines.py.

An engine yields exactly one Sample for every Request, in any order: the key says which is which. All randomness of
a sample comes from its request's seed. An engine never cuts a prompt or a response short on its own: the caller
(`sampling.py`) checks beforehand that prompt + max_new_tokens fits `context_length`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic import ValidationError

from move37.config import ModelConfig, SamplingConfig, Settings, describe_validation_error
from move37.errors import ConfigError
from move37.prompting import Message
from move37.registry import Registry
from move37.types import Request, Sample


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A sample with the tokens it is made of, for whoever trains on it: ids are never made again from the text.

    `logprobs` are the natural-log probabilities of `token_ids` under the law they were drawn from: the temperature is
    in them. (At temperature 0 they are the model's own, at 1.)
    """

    sample: Sample
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]


OptionsT = TypeVar("OptionsT", bound=Settings)


class Engine(Protocol):
    context_length: int | None
    """Most tokens that prompt and response may have together; None where there is no limit."""

    @classmethod
    def load(cls, model: ModelConfig) -> "Engine":
        """Open the model. Raises EngineError, or ConfigError for an option that the engine does not know."""
        ...

    def identity(self) -> Mapping[str, str]:
        """What a reader needs to load the same thing: versions, weights, dtype, device. Goes into the report."""
        ...

    def count_tokens(self, text: str) -> int:
        """Prompt length in tokens, as `generate` would see it."""
        ...

    def render_chat(self, messages: list[Message]) -> str:
        """The conversation in the model's own chat template, opened for the answer. Raises ConfigError if none."""
        ...

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        """One sample per request. Requests that share a prompt come one after another."""
        ...


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
        "scripted": "move37.engines.scripted:ScriptedEngine",
        "transformers": "move37.engines.transformers:TransformersEngine",
    },
    extras={"transformers": "local"},
    methods=("load",),
)
