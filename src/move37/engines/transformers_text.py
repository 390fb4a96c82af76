"""Token ids -> the text of a response: where it stops, and what of it a reader sees.

A stop string may span tokens, be a special token that plain decoding would hide, or stand around one that is hidden, so
it is looked for in the text with special tokens written out and in the one without. What is kept is the text before the
first stop string, without special tokens.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

_SLACK = 8


class ResponseText:
    """Reads responses of one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        plain = getattr(type(tokenizer), "_decode", None) is PreTrainedTokenizerFast._decode
        wrapped: Any = tokenizer
        self._backend: Any = wrapped.backend_tokenizer if plain else None
        added = tokenizer.added_tokens_decoder
        self._special = {*tokenizer.all_special_ids, *(index for index, token in added.items() if token.special)}

    def stops(self, tokens: Sequence[int] | NDArray[np.integer], stop: tuple[str, ...]) -> bool:
        """Whether the newest token completed a stop string. Looks at the tail alone, so it may be asked every token."""
        if not stop:
            return False
        # A token decodes to at least one byte, so a stop string cannot be spread over more tokens than its bytes.
        longest = max(len(string.encode()) for string in stop) + _SLACK
        tail = [int(token) for token in tokens[-longest:]]
        shown = [token for token in tail if token not in self._special]
        texts = [self._decode(tail), *([self._decode(shown)] if len(shown) < len(tail) else [])]
        return any(string in text for text in texts for string in stop)

    def visible(self, tokens: list[int], stop: tuple[str, ...]) -> str:
        """The text before the first stop string, special tokens left out."""
        pieces = [(special, self._decode(list(run))) for special, run in groupby(tokens, self._special.__contains__)]
        written = "".join(text for _, text in pieces)
        room = _first(written, stop)
        shown = []
        for special, text in pieces:
            if not special:
                shown.append(text[: max(0, room)])
            room -= len(text)
        text = "".join(shown)
        return text[: _first(text, stop)]

    def _decode(self, tokens: list[int]) -> str:
        if self._backend is not None:  # what the wrapper calls, without 60 us of its own per call
            return self._backend.decode(tokens, skip_special_tokens=False)
        text = self._tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        assert isinstance(text, str)
        return text


def _first(text: str, stop: tuple[str, ...]) -> int:
    """Where the first stop string begins; the length of the text where there is none."""
    return min((at for string in stop if (at := text.find(string)) >= 0), default=len(text))
