"""The chance that a model solves a countdown puzzle, computed and not sampled: no error, and any k.

Every right chain of a puzzle can be listed (`countdown.Oracle`, and any task of `move37.worlds`), so the chance is a
sum over them of the probability that the model writes the chain, under the very distribution that samples are drawn
from (temperature and top-p are in it). What is summed is what the sampler and the verifier call a right response of at
most `max_new_tokens` tokens:

    a right chain and an end token, which together are not longer than that
    a right chain of exactly that many tokens, which is cut there: the verifier accepts it without its end

Left out are right responses with a token that leaves no trace in the text (`<pad>`, `<unk>`): their text is a right
chain too. No model of the lab has seen one. The first such token stands behind a beginning of a right chain, so their
mass is at most the sum, over these beginnings, of the chance of the beginning and of any such token after it: computed
from the same probabilities, and returned (`unlisted`).

All chains of a puzzle are one tree, and several puzzles are read together (`engines/forest.py`). A model that does not
read the world character by character is refused: it can write a chain in several ways. Float32 as the engine has it;
sums are in double precision and in logarithms. Puzzles with very many right chains are `exact_bounds.py`'s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from move37.config import SamplingConfig
from move37.countdown import Oracle, Puzzle
from move37.engines import DistributionReader
from move37.engines.forest import NOTHING, Forest, Tree, plant
from move37.errors import InputError
from move37.lab.exact_bounds import estimated_chance
from move37.lab.spelling import Alphabet, edges_of
from move37.types import FloatArray, IntArray, Prompt

_TOGETHER = 16_384
"""Nodes of trees that are read together."""
MOST_LISTED = 20_000
"""Right chains of a puzzle up to which all are listed."""


class RightAnswers(Protocol):
    """A task of a world (`move37.worlds`), as far as it is asked here."""

    def count(self) -> int: ...

    def chains(self) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class PuzzleTruth:
    """What a model does with one puzzle. Probabilities are natural logs; minus infinity is what it never does."""

    logprob: float
    """Of a right response."""
    unlisted: float
    """At most this much is missing in it; nan where it is not known."""
    chains: tuple[str, ...]
    """The right chains, in the order of their texts; none where they are too many to list."""
    chain_logprobs: FloatArray
    """Of each being the response, (chains,)."""
    tokens: int
    """Tokens that were read."""
    padded_tokens: int
    """What a row for each chain, with its prompt and padded to the longest, would have taken."""
    standard_error: float = 0.0
    """Of the chance, relative to it, where it is estimated (`exact_bounds.py`); 0 where all chains were summed."""

    @property
    def entropy(self) -> float:
        """Of the distribution over right chains, given that the response is right, in nats; nan where it never is."""
        if not np.isfinite(self.logprob):
            return float("nan")
        shares = self.chain_logprobs - np.logaddexp.reduce(self.chain_logprobs)
        return float(-(np.exp(shares) * np.where(np.isfinite(shares), shares, 0.0)).sum())


def puzzle_truths(
    engine: DistributionReader, asked: Sequence[tuple[RightAnswers, Prompt]], sampling: SamplingConfig, label: str
) -> Iterator[PuzzleTruth]:
    """What the model does with every puzzle, given as what lists its right chains, with its prompt.

    Raises InputError for a model of another world, and for one of too many right answers but countdown's; EngineError
    where a chain does not fit the context.
    """
    alphabet = Alphabet.of(engine, label)
    waiting: list[_Listed] = []
    for task, shown in asked:
        prompt = shown.text
        if shown.images:
            yield from _read(engine, waiting, alphabet, sampling)
            waiting = []
            yield shown_truth(engine, task, shown, alphabet, sampling)
            continue
        if task.count() > MOST_LISTED:
            if not isinstance(task, Oracle):
                raise InputError(f"{prompt}: has more than {MOST_LISTED:,} right answers, too many to list")
            yield from _read(engine, waiting, alphabet, sampling)
            waiting = []
            yield _estimated(engine, task.puzzle, engine.encode(prompt, shown.rendered), alphabet, sampling)
            continue
        ids = engine.encode(prompt, shown.rendered)
        waiting.append(_listed(sorted(task.chains()), ids, alphabet, sampling))
        if sum(len(each.tree.tokens) for each in waiting) >= _TOGETHER:
            yield from _read(engine, waiting, alphabet, sampling)
            waiting = []
    yield from _read(engine, waiting, alphabet, sampling)


def _estimated(
    engine: DistributionReader, puzzle: Puzzle, prompt: list[int], alphabet: Alphabet, sampling: SamplingConfig
) -> PuzzleTruth:
    logprob, error, tokens = estimated_chance(engine, puzzle, prompt, alphabet, sampling)
    return PuzzleTruth(logprob, float("nan"), (), np.zeros(0), tokens, tokens, error)


def shown_truth(
    engine: DistributionReader, task: RightAnswers, prompt: Prompt, alphabet: Alphabet, sampling: SamplingConfig
) -> PuzzleTruth:
    """The same for a prompt with images: each right chain is read as a row of its own behind the prompt.

    What a token without a trace may add is not bounded there. Raises InputError for too many right answers.
    """
    if task.count() > MOST_LISTED:
        raise InputError(f"{prompt.problem_id}: has more than {MOST_LISTED:,} right answers, too many to read each")
    chains = [chain for chain in sorted(task.chains()) if len(chain) <= sampling.max_new_tokens]
    about, rows = list[int](), list[list[int]]()
    for place, chain in enumerate(chains):
        spelt = alphabet.spell([chain])[0].tolist()
        ends = [[end] for end in alphabet.ends] if len(chain) < sampling.max_new_tokens else [[]]
        rows += [[*spelt, *end] for end in ends]
        about += [place] * len(ends)
    chances, tokens = np.full(len(chains), -np.inf), 0
    if rows:
        from move37.lab.exact_images import chances_behind

        logprobs, tokens = chances_behind(engine, prompt, rows, sampling)
        np.logaddexp.at(chances, about, logprobs)
    longest = max(map(len, rows), default=0)
    whole = float(np.logaddexp.reduce(chances)) if chains else -np.inf
    return PuzzleTruth(whole, float("nan"), tuple(chains), chances, tokens, tokens and len(rows) * longest)


@dataclass(frozen=True, slots=True, eq=False)
class _Listed:
    """The right responses of one puzzle as a tree; row i of it is a response whose text is chain `about[i]`."""

    chains: tuple[str, ...]
    tree: Tree
    about: IntArray
    prompt: int


def _listed(chains: list[str], prompt: list[int], alphabet: Alphabet, sampling: SamplingConfig) -> _Listed:
    lengths = np.array([len(chain) for chain in chains], dtype=np.int64)
    fits = lengths <= sampling.max_new_tokens
    kept = [chain for chain, fit in zip(chains, fits.tolist(), strict=True) if fit]
    ended, cut = np.flatnonzero(lengths < sampling.max_new_tokens), np.flatnonzero(lengths == sampling.max_new_tokens)
    spelt = alphabet.spell(chains) if chains else np.zeros((0, 0), dtype=np.int64)
    spelt = np.pad(spelt, ((0, 0), (0, 1)), constant_values=NOTHING)
    rows, about = [spelt[cut]], [cut]
    for end in alphabet.ends:
        with_end = spelt[ended]
        with_end[np.arange(len(ended)), lengths[ended]] = end
        rows.append(with_end)
        about.append(ended)
    place = np.cumsum(fits) - 1
    return _Listed(tuple(kept), plant(prompt, np.concatenate(rows)), place[np.concatenate(about)], len(prompt))


def _read(
    engine: DistributionReader, listed: Sequence[_Listed], alphabet: Alphabet, sampling: SamplingConfig
) -> Iterator[PuzzleTruth]:
    forest = Forest([each.tree for each in listed])
    edges, blank = edges_of(engine, forest, [each.prompt for each in listed], sampling, alphabet.blanks)
    sums = forest.summed(edges)
    for each, start in zip(listed, forest.starts, strict=True):
        yield _truth(each, sums[start : start + len(each.tree.tokens)], blank[start : start + len(each.tree.tokens)])


def _truth(listed: _Listed, sums: FloatArray, blank: FloatArray) -> PuzzleTruth:
    """`sums` and `blank` are of the nodes of the tree: the chance of each, and of a blank token after it."""
    places = listed.tree.places
    lasts = places.max(axis=1) if places.size else np.zeros(0, dtype=np.int64)
    chances = np.full(len(listed.chains), -np.inf)
    np.logaddexp.at(chances, listed.about, sums[lasts])
    behind = slice(listed.prompt - 1, None)
    longest = max(map(len, listed.chains), default=0) + 1
    return PuzzleTruth(
        logprob=float(np.logaddexp.reduce(chances)),
        unlisted=float(np.logaddexp.reduce(sums[behind] + blank[behind])),
        chains=listed.chains,
        chain_logprobs=chances,
        tokens=int((np.bincount(listed.tree.parents + 1, minlength=1)[1:] > 0).sum()),
        padded_tokens=len(listed.chains) * (listed.prompt + longest),
    )
