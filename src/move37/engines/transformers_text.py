"""Token ids -> the text of a response, and back: where it stops, and what of it a reader sees.

The text of a response is what it adds to its prompt: many tokenizers write a space before a word unless nothing stands
before it, so tokens that are decoded alone lose the space that they begin with. A few of the prompt's last tokens
(`Before`) are decoded with them and taken off again.

A stop string may span tokens, be a special token that plain decoding would hide, or stand around one that is hidden, so
it is looked for in the text with special tokens written out and in the one without. What is kept is the text before the
first stop string, without special tokens.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

_SLACK = 8
_BROKEN = "\N{REPLACEMENT CHARACTER}"


class Before(NamedTuple):
    """What stands before a response, as far as the response's text depends on it: tokens, and their text."""

    tokens: tuple[int, ...]
    text: str


NOTHING_BEFORE = Before((), "")


class ResponseText:
    """Reads responses of one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        plain = getattr(type(tokenizer), "_decode", None) is PreTrainedTokenizerFast._decode
        wrapped: Any = tokenizer
        self._backend: Any = wrapped.backend_tokenizer if plain else None
        added = tokenizer.added_tokens_decoder
        self._special = {*tokenizer.all_special_ids, *(index for index, token in added.items() if token.special)}

    def before(self, prompt: Sequence[int]) -> Before:
        """The shortest end of a prompt that is text by itself: some of it to be seen, and no half character."""
        shown = [token for token in prompt if token not in self._special]
        count = 1
        while count < len(shown):
            text = self._decode(shown[-count:])
            if text.strip() and _BROKEN not in text:
                return Before(tuple(shown[-count:]), text)
            count *= 2
        return Before(tuple(shown), self._decode(shown))

    def stops(
        self, tokens: Sequence[int] | NDArray[np.integer], stop: tuple[str, ...], before: Before = NOTHING_BEFORE
    ) -> bool:
        """Whether the newest token completed a stop string. Looks at the tail alone, so it may be asked every token."""
        if not stop:
            return False
        # A token decodes to at least one byte, so a stop string cannot be spread over more tokens than its bytes.
        longest = max(len(string.encode()) for string in stop) + _SLACK
        tail = [int(token) for token in tokens[-longest:]]
        shown = [token for token in tail if token not in self._special]
        whole = before if len(tokens) <= longest else NOTHING_BEFORE
        texts = [self._added(tail, whole), *([self._added(shown, whole)] if len(shown) < len(tail) else [])]
        return any(string in text for text in texts for string in stop)

    def visible(self, tokens: list[int], stop: tuple[str, ...], before: Before = NOTHING_BEFORE) -> str:
        """The text before the first stop string, special tokens left out."""
        shown = [token for token in tokens if token not in self._special]
        text = self._added(shown, before)
        if stop and len(shown) < len(tokens):
            written = self._added(tokens, before)
            room = _first(written, stop)
            if room < len(written):
                text = text[: self._shown_of(room, tokens, before)]
        return text[: _first(text, stop)]

    def written(self, tokens: Sequence[int], before: Before = NOTHING_BEFORE) -> str:
        """The whole text, special tokens written out."""
        return self._added(tokens, before)

    def encode(self, text: str, before: Before = NOTHING_BEFORE) -> list[int]:
        """Tokens that leave `text` behind a prompt. Where none do, those of the text alone: it holds special tokens."""
        alone = self._encode(text)
        if self.visible(alone, (), before) == text:
            return alone
        for tokens in self._encoded_behind(text, before):
            if self.visible(tokens, (), before) == text:
                return tokens
        return alone

    def _encoded_behind(self, text: str, before: Before) -> Iterator[list[int]]:
        """The text as it is cut behind others: the end of the prompt, and characters that little joins with."""
        for start in (before.text, "\n", "\x01", "a"):
            beginning = self._encode(start)
            whole = self._encode(start + text)
            if start and whole[: len(beginning)] == beginning:
                yield whole[len(beginning) :]

    def _shown_of(self, room: int, tokens: list[int], before: Before) -> int:
        """How much is shown of the first `room` characters of a text with special tokens written out."""
        made: list[int] = []
        shown: list[int] = []
        written_then = shown_then = 0
        for special, run in groupby(tokens, self._special.__contains__):
            made += (these := list(run))
            written = len(self._added(made, before))
            if not special:
                shown += these
            if written > room:
                return shown_then + (0 if special else max(0, room - written_then))
            written_then = written
            shown_then = shown_then if special else len(self._added(shown, before))
        return shown_then

    def _added(self, tokens: Sequence[int], before: Before) -> str:
        """The text that tokens add to what stands before."""
        if not before.tokens:
            return self._decode(tokens)
        whole = self._decode([*before.tokens, *tokens])
        # Half a character at the beginning spoils some decoders' text before it; it begins with no space to lose.
        return whole[len(before.text) :] if whole.startswith(before.text) else self._decode(tokens)

    def _encode(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[return-value]

    def _decode(self, tokens: Sequence[int]) -> str:
        if self._backend is not None:  # what the wrapper calls, without 60 us of its own per call
            return self._backend.decode(list(tokens), skip_special_tokens=False)
        text = self._tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        assert isinstance(text, str)
        return text


def _first(text: str, stop: tuple[str, ...]) -> int:
    """Where the first stop string begins; the length of the text where there is none."""
    return min((at for string in stop if (at := text.find(string)) >= 0), default=len(text))
