"""How a model's tokens spell the countdown world, and how probable each of many texts is after its prompt.

A model that does not read and write the world character by character is refused: it can write a chain in several ways,
and the sum over one of them would be too small.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.config import SamplingConfig
from move37.countdown import END, OPERATORS
from move37.engines import DistributionReader
from move37.engines.forest import NOTHING, Forest
from move37.errors import InputError
from move37.types import FloatArray, IntArray

_WRITTEN = "0123456789" + OPERATORS + "=;"
"""The characters of chains."""
_READ = ",:"
"""Those of what is said of a picture."""
_LARGEST_VOCABULARY = 4096


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The tokens of a model of the world."""

    token_of: IntArray
    """By character code, (256,); `NOTHING` for what no chain holds."""
    ends: tuple[int, ...]
    blanks: IntArray
    """Tokens that leave nothing, or white space, in the text, and end no response."""

    @classmethod
    def of(cls, engine: DistributionReader, label: str) -> "Alphabet":
        """Raises InputError for a model of something else."""
        found = cls.find(engine)
        if found is None:
            raise InputError(
                f"{label}: no model of the countdown world (it does not write digits, operators, '=' and ';' as one "
                f"token each and end with {END!r}), so the chance of a right chain cannot be summed; sample it"
            )
        return found

    @classmethod
    def find(cls, engine: DistributionReader) -> "Alphabet | None":
        """None for a model of something else."""
        size = engine.vocabulary_size
        shown = [engine.shown(token) for token in range(size)] if size <= _LARGEST_VOCABULARY else []
        written = {text: token for token, text in enumerate(shown) if text and text in _WRITTEN}
        read = {text: token for token, text in enumerate(shown) if text and text in _READ}
        several = [text for text in shown if len(text) > 1 and set(text) <= set(_WRITTEN)]
        token_of = np.full(256, NOTHING, dtype=np.int64)
        for character, token in (written | read).items():
            token_of[ord(character[0])] = token
        spelt = set(written) == set(_WRITTEN) and len(written) == sum(text in written for text in shown)
        if several or not spelt or set(engine.encode(END)) != set(engine.end_tokens):
            return None
        ends = tuple(sorted(engine.end_tokens))
        blanks = [token for token, text in enumerate(shown) if not text.strip() and token not in ends]
        return cls(token_of, ends, np.array(blanks, dtype=np.int64))

    def spell(self, chains: Sequence[str]) -> IntArray:
        """Token ids, (chains, longest)."""
        return self._looked_up(chains, self.token_of)

    def spell_with(self, texts: Sequence[str], end: int) -> IntArray:
        """The same, with this end token for the end mark."""
        token_of = self.token_of.copy()
        token_of[ord(END)] = end
        return self._looked_up(texts, token_of)

    @staticmethod
    def _looked_up(texts: Sequence[str], token_of: IntArray) -> IntArray:
        letters = np.array(texts, dtype=np.bytes_)
        return token_of[letters.view(np.uint8).reshape(len(texts), -1)]


def edges_of(
    engine: DistributionReader,
    forest: Forest,
    prompts: Sequence[int],
    sampling: SamplingConfig,
    blanks: IntArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Of every node: the natural-log probability of its token after those before it, and of a blank token after it.

    `prompts` has the length of each tree's prompt, whose own tokens are given: 0 for each. Both (nodes,).
    """
    edges, blank = np.zeros(len(forest)), np.full(len(forest), -np.inf)
    for nodes, distribution in engine.distribution(forest, sampling):
        children, rows = forest.following(nodes)
        edges[children] = distribution[rows, forest.tokens[children]]
        if blanks is not None and len(blanks):
            blank[nodes] = np.logaddexp.reduce(distribution[:, blanks], axis=1)
    for start, length in zip(forest.starts, prompts, strict=True):
        edges[start : start + length] = 0.0
    return edges, blank
