"""The chance of a right chain where there are too many to list: an unbiased estimate with its standard error.

Chains are followed step by step. After each step every beginning that can still end right is worth the chance that
the model writes it; what is complete is added up, and of the rest at most `_KEPT` are followed further. Which ones is
drawn: the most probable surely, another with a probability in proportion to its worth, and it then counts for as many
as were not drawn (threshold resampling, Fearnhead and Clifford 2003, J. R. Statist. Soc. B 65, 887-899). So the sum is
unbiased whatever is left out, and exact where no step has more beginnings than are kept. `_TRIES` independent sums are
made over one reading of all beginnings that any of them keeps; their spread is the standard error.
"""

from dataclasses import dataclass
from random import Random

import numpy as np

from move37.config import SamplingConfig
from move37.countdown import END, Available, Oracle, Puzzle
from move37.engines import DistributionReader
from move37.engines.forest import Forest, plant
from move37.lab.spelling import Alphabet, edges_of
from move37.seeds import analysis_seed
from move37.types import FloatArray

_KEPT, _TRIES = 64, 8


@dataclass(frozen=True, slots=True, eq=False)
class _Beginning:
    """Some steps of a chain. `weights` are of each try, natural logs: minus infinity where it follows another."""

    text: str
    available: Available
    logprob: float
    weights: FloatArray


def estimated_chance(
    engine: DistributionReader, puzzle: Puzzle, prompt: list[int], alphabet: Alphabet, sampling: SamplingConfig
) -> tuple[float, float, int]:
    """The natural log of the chance, its standard error relative to it (0 where it is exact), and the tokens read."""
    oracle, rng = Oracle(puzzle), Random(analysis_seed(0, f"exact {puzzle.question}"))
    sums, tokens = np.full(_TRIES, -np.inf), 0
    beginnings = [_Beginning("", puzzle.available, 0.0, np.zeros(_TRIES))]
    while beginnings:
        steps = [
            (beginning, text, rest, hits, goes_on)
            for beginning in beginnings
            for text, rest, hits, goes_on in oracle.steps(beginning.available)
        ]
        complete = [(b, b.text + text) for b, text, _, hits, _ in steps if hits]
        open_ = [(b, f"{b.text}{text};", rest) for b, text, rest, _, goes_on in steps if goes_on]
        complete = [(b, text) for b, text in complete if len(text) <= sampling.max_new_tokens]
        open_ = [(b, text, rest) for b, text, rest in open_ if len(text) < sampling.max_new_tokens]
        right = [text + END * (len(text) < sampling.max_new_tokens) for _, text in complete]
        chances, read = _chances(engine, prompt, [*right, *(text for _, text, _ in open_)], alphabet, sampling)
        tokens += read
        for (beginning, _), chance in zip(complete, chances, strict=False):
            sums = np.logaddexp(sums, beginning.weights + chance)
        followed = [
            _Beginning(text, rest, chance, beginning.weights)
            for (beginning, text, rest), chance in zip(open_, chances[len(complete) :], strict=True)
        ]
        beginnings = _thinned(followed, rng)
    logprob = float(np.logaddexp.reduce(sums) - np.log(_TRIES))
    if not np.isfinite(logprob):
        return logprob, 0.0, tokens
    spread = np.exp(sums - logprob)
    return logprob, float(spread.std(ddof=1) / np.sqrt(_TRIES)), tokens


def _chances(
    engine: DistributionReader, prompt: list[int], texts: list[str], alphabet: Alphabet, sampling: SamplingConfig
) -> tuple[list[float], int]:
    """The chance that a response begins so, natural logs; an end mark stands for every end token."""
    if not texts:
        return [], 0
    found, tokens = np.full(len(texts), -np.inf), 0
    ended = np.array([text.endswith(END) for text in texts])
    for number, end in enumerate(alphabet.ends):
        tree = plant(prompt, alphabet.spell_with(texts, end))
        forest = Forest([tree])
        chances = forest.summed(edges_of(engine, forest, [len(prompt)], sampling)[0])[tree.places.max(axis=1)]
        found = np.where(ended | (number == 0), np.logaddexp(found, chances), found)
        tokens += len(forest.inner)
    return found.tolist(), tokens


def _thinned(beginnings: list[_Beginning], rng: Random) -> list[_Beginning]:
    """Every try keeps at most `_KEPT`; those that no try keeps are gone."""
    if len(beginnings) <= _KEPT:
        return beginnings
    worths = np.array([each.logprob for each in beginnings])[:, None] + np.stack([each.weights for each in beginnings])
    weights = np.stack([each.weights for each in beginnings])
    for number in range(worths.shape[1]):
        weights[:, number] -= _log_inclusion(worths[:, number], rng)
    return [
        _Beginning(each.text, each.available, each.logprob, kept)
        for each, kept in zip(beginnings, weights, strict=True)
        if np.isfinite(kept).any()
    ]


def _log_inclusion(worths: FloatArray, rng: Random) -> FloatArray:
    """Of each what its weight is divided by, as a natural log: its chance of being kept; infinity where it is not."""
    there = np.flatnonzero(np.isfinite(worths))
    found = np.full(len(worths), np.inf)
    if len(there) <= _KEPT:
        found[there] = 0.0
        return found
    shares = np.exp(worths[there] - worths[there].max())
    ordered = np.sort(shares)[::-1]
    behind = np.cumsum(ordered[::-1])[::-1]
    # The largest are kept surely: as many as are worth more than an equal share of what is behind them.
    surely = int(np.argmax(ordered[:_KEPT] * (_KEPT - np.arange(_KEPT)) <= behind[:_KEPT]))
    chance = np.minimum(1.0, shares * (_KEPT - surely) / behind[surely])
    ticks = np.floor(np.cumsum(chance) - rng.random())
    kept = np.diff(ticks, prepend=-1.0) > 0
    found[there[kept]] = np.log(chance[kept])
    return found
