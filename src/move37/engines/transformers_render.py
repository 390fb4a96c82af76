"""Prompts and ends of responses, from a tokenizer alone: which text, which tokens, which of them end a response.

Special tokens. A text that the model's own chat template wrote has all that belong there, as its author meant them, so
none is added: the tokens are those of `apply_chat_template(tokenize=True)`, and a tokenizer of which that is not true
is refused. Any other text gets what the tokenizer puts before a text (a begin token, or a longer prefix) unless it
begins with that already, and nothing of what it puts behind one: there the response goes on.

Ends. A response ends at every token that any of three names: the generation settings, the tokenizer, and the chat
template by what it writes behind an answer. Where they disagree, one of them alone would cut answers short or let a
model talk on; all samplers and trainers here take the union, and the report says who named what.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from move37.engines import refuse_images
from move37.engines.transformers_images import ImageReader
from move37.errors import ConfigError, EngineError, MissingExtraError
from move37.types import Message, Prompt

_NOW = re.compile(r"\bstrftime_now\b")
"""Where a chat template asks for the date: transformers would give it that of the moment of each call."""
_FORMATS = [f"%{flag}{kind}" for flag in ("", *"-_0^#EO") for kind in "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUvVwWxXyYzZf"]
_ANSWER = "move-thirty-seven"
"""An answer that no template writes itself."""
_DISTRIBUTION_SETTINGS = {
    "repetition_penalty": (1,),
    "top_k": (0, -1),
    "min_p": (0,),
    "typical_p": (1,),
    "no_repeat_ngram_size": (0,),
    "suppress_tokens": ([],),
}
"""Settings of a model beside temperature and top-p, and with which values each changes nothing."""


class TransformersRenderer:
    """The tokenizer and the configuration of a model, without its weights: prompts, and how long they are.

    `images` reads them; None for a model of text, an error where a package is missing.
    """

    def __init__(
        self,
        path: str,
        tokenizer: PreTrainedTokenizerBase,
        context_length: int | None,
        images: ImageReader | MissingExtraError | None = None,
    ) -> None:
        self._path, self._tokenizer, self.context_length = path, tokenizer, context_length
        self._checked, self._images = False, images
        self.asked_at = datetime.now()

    @property
    def prints_date(self) -> bool:
        """Whether the chat template asks for the date: it is given that of `asked_at` (`engines.Dated`)."""
        return _NOW.search(self._chat_template) is not None

    @property
    def _chat_template(self) -> str:
        own = self._images.template if isinstance(self._images, ImageReader) else None
        return str(own or self._tokenizer.chat_template or "")

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self._tokenizer

    def save_processor(self, folder: Path) -> None:
        """Write the files of what reads images; nothing for a model of text."""
        if isinstance(self._images, ImageReader):
            self._images.save(folder)

    def render_prompt(self, messages: Sequence[Message], **variables: Any) -> str:
        """See `engines.Renderer`. Raises ConfigError where the template's tokens are not those of its text."""
        self._refuse_unread(variables)
        if self.prints_date:
            variables = {"chat_template": _as_of(self.asked_at, self._chat_template), **variables}
        if any(message.images for message in messages):
            self.image_reader(self._path, messages)
        if isinstance(self._images, ImageReader) and self._images.template is not None:
            return self._written(self._images, messages, variables)
        refuse_images(f"{self._path}: it has no chat template for them", messages)
        if self._tokenizer.chat_template is None:
            raise ConfigError(f"sampling.template: {self._path} has no chat template; use qwen-boxed, r1 or completion")
        written = [{"role": message.role, "content": message.text} for message in messages]
        text = self._rendered(written, variables)
        if not self._checked:
            self._check_tokens(written, text, variables)
            self._checked = True
        return text

    def _refuse_unread(self, variables: Mapping[str, Any]) -> None:
        """Raises ConfigError for a variable that the chat template would pass over in silence."""
        words = re.findall(r"[A-Za-z_]\w*", self._chat_template)
        for name in variables.keys() - set(words) if words else ():
            close = get_close_matches(name, words, n=1, cutoff=0.8)
            hint = f"did you mean {close[0]!r}?" if close else "leave it out, or give this model a template without it"
            raise ConfigError(
                f"chat_template_kwargs.{name}: the chat template of {self._path} does not read it; {hint}"
            )

    def _check_tokens(self, written: list[dict[str, str]], text: str, variables: Mapping[str, Any]) -> None:
        given: Any = self._tokenizer.apply_chat_template(
            written, add_generation_prompt=True, tokenize=True, return_dict=False, **variables
        )
        if list(given) != self.encode(text, rendered=True):
            raise ConfigError(
                f"sampling.template: {self._path}: its chat template gives other tokens than its text has, so what "
                "is asked cannot be written down as text; use a template that is written out (qwen-boxed, r1)"
            )

    def image_reader(self, label: str, messages: Sequence[Message]) -> ImageReader:
        """What reads the images of these messages. Raises ConfigError, MissingExtraError where nothing does."""
        if isinstance(self._images, MissingExtraError):
            raise self._images
        if self._images is None:
            refuse_images(label, messages)
        assert self._images is not None
        return self._images

    def seen_images(self, prompt: Prompt) -> Mapping[str, Any]:
        """See `engines.Seeing`."""
        seen = self.image_reader(f"problem {prompt.problem_id}", prompt.messages).seen(prompt)
        return {"tokens": seen.tokens, "tensors": {name: list(shape) for name, shape in seen.tensors.items()}}

    def _written(self, reader: ImageReader, messages: Sequence[Message], variables: Mapping[str, Any]) -> str:
        try:
            return reader.write(messages, variables)
        except Exception as error:  # a template is a program of the model's author, and may raise anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(f"sampling.template: the chat template of {self._path} fails: {reason}") from error

    def _rendered(self, written: list[dict[str, str]], variables: Mapping[str, Any]) -> str:
        try:
            text = self._tokenizer.apply_chat_template(written, add_generation_prompt=True, tokenize=False, **variables)
        except Exception as error:  # a template is a program of the model's author, and may raise anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(f"sampling.template: the chat template of {self._path} fails: {reason}") from error
        assert isinstance(text, str)
        return text

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self.encode_prompt(prompt))

    def encode_prompt(self, prompt: Prompt) -> Sequence[int]:
        """The token ids of a prompt, with those that stand for its images: then an `ImagePrompt`.

        Raises ConfigError where the model sees no images, or its text has no place for them.
        """
        if not prompt.images:
            return self.encode(prompt.text, prompt.rendered)
        reader = self.image_reader(f"problem {prompt.problem_id}", prompt.messages)
        return reader.read(prompt, "" if prompt.rendered else str(self._tokenizer.decode(self._prefix)))

    def encode(self, text: str, rendered: bool = False) -> list[int]:
        """The token ids of a prompt, as `generate` would see it. `rendered`: the model's chat template wrote it."""
        tokens: Any = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        prefix = [] if rendered else self._prefix
        return tokens if tokens[: len(prefix)] == prefix else [*prefix, *tokens]

    @cached_property
    def _prefix(self) -> list[int]:
        """What the tokenizer puts before a text. Raises EngineError where it does not leave the text as it is."""
        plain, full = (
            list[int](self._tokenizer("a", add_special_tokens=added)["input_ids"])  # type: ignore[arg-type]
            for added in (False, True)
        )
        for start in range(len(full) - len(plain) + 1):
            if full[start : start + len(plain)] == plain:
                return full[:start]
        raise EngineError(f"{self._path}: its tokenizer cuts a text otherwise where it adds special tokens")


@lru_cache(maxsize=8)
def _as_of(moment: datetime, template: str) -> str:
    """The chat template behind a macro that stands for its `strftime_now`, whatever format it is given: one that is
    written there, one in a variable, one that is put together."""
    written = {"%%": "\0", **{each: moment.strftime(each) for each in _FORMATS}, "\0": "%"}
    replaced = f"{{% for each, text in {written!r}.items() %}}{{% set made.text = made.text | replace(each, text) %}}"
    macro = f"{{% macro strftime_now(format) %}}{{% set made = namespace(text=format) %}}{replaced}{{% endfor %}}"
    return macro + "{{ made.text }}{% endmacro %}{{ '' }}" + template  # behind a tag its first line would lose its end


def end_sources(settings: Any, rows: int, tokenizer: PreTrainedTokenizerBase) -> dict[str, frozenset[int]]:
    """The tokens at which a response ends, by who names them: generation_config, tokenizer, chat template.

    `settings` are the model's generation settings or None, `rows` the tokens that it may draw.
    """
    named = {
        "generation_config": _as_set(None if settings is None else settings.eos_token_id),
        "tokenizer": _as_set(tokenizer.eos_token_id),
        "template": end_of_turn(tokenizer),
    }
    return {source: frozenset(token for token in ends if token < rows) for source, ends in named.items() if ends}


def end_tokens_statement(sources: Mapping[str, frozenset[int]]) -> str:
    """ "0 (generation_config, tokenizer), 5 (template)": the line of an engine's identity."""
    by_token: dict[int, list[str]] = {}
    for source, ends in sources.items():
        for token in ends:
            by_token.setdefault(token, []).append(source)
    return ", ".join(f"{token} ({', '.join(by_token[token])})" for token in sorted(by_token)) or "none"


def ignored_statement(settings: Any) -> str:
    """ "top_k=20, repetition_penalty=1.1": what a model's generation settings recommend, and no engine here does."""
    found = {name: getattr(settings, name, None) for name in _DISTRIBUTION_SETTINGS}
    ignored = {name: value for name, value in found.items() if value not in (None, *_DISTRIBUTION_SETTINGS[name])}
    return ", ".join(f"{name}={value}" for name, value in ignored.items()) or "none"


def vocabulary_size(model: PreTrainedModel) -> int:
    head: Any = model.get_output_embeddings()
    config: PreTrainedConfig = model.config.get_text_config(decoder=True)
    return int(head.weight.shape[0]) if head is not None else int(config.vocab_size)


def _as_set(tokens: Any) -> frozenset[int]:
    return frozenset(tokens if isinstance(tokens, list | tuple) else [] if tokens is None else [tokens])


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The marker that the chat template writes behind the last answer of a conversation, if it does: a token that was
    added to the vocabulary, special or not (fine-tunes that add ChatML forget to say so).

    Behind the last one: what ends an earlier message may separate parts of one response (gpt-oss: <|end|>).
    """
    if tokenizer.chat_template is None:
        return frozenset()
    found = rest = ""
    for content in (str, lambda text: [{"type": "text", "text": text}]):  # some templates take parts alone
        turns = [{"role": "user", "content": content("a")}, {"role": "assistant", "content": content(_ANSWER)}]
        try:
            written = tokenizer.apply_chat_template(turns, tokenize=False)
        except Exception:  # a template that takes no answer names no end; what it cannot render is refused when asked
            continue
        _, found, rest = str(written).rpartition(_ANSWER)
        if found:
            break
    tokens: Any = tokenizer(rest.lstrip(), add_special_tokens=False)["input_ids"] if found else []
    return frozenset(tokens[:1]) & frozenset({*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder})
