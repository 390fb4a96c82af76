"""Evolution: an archive of beginnings of every problem, the next one chosen by PUCT. TTT-Discover, arXiv 2601.16175.

    score_i = Q_i + c scale P_i sqrt(1 + T) / (1 + n_i)

Q_i is the best value reached from state i (its own before it was tried), scale the range of the values, P_i falls with
its rank, n_i counts how often it or what came from it was tried, T all tries. Slots of one problem in one step get
states of different lineages as far as there are any. The empty beginning is the first state and never leaves.

A state is a beginning of a response; its value is that of the response it was cut from: 1 where it is right, else half
the share of it that is sound, where the verifier judges steps (`Attempt.sound`), or 0. Children are made by continuing
(a response, cut at a place that is drawn) and by repairing (a response whose steps are judged, cut before its first
wrong one). Of a step's responses to one state the best `children` enter. With `recombine`, that share of a problem's
slots starts from two states put together, the best first, where the world says how (`worlds/recombining.py`); such a
child is of both lineages and has the better value of the two.
Assumption: a beginning is worth as much as what was once made of it, and can be continued differently.
Degenerate: a problem that nothing is known of starts afresh.
The choice is the authors' (test-time-training/discover, `PUCTSampler` of tinker_cookbook/recipes/ttt/sampler.py, whose
group size is 1 as there). There, states are whole programs in the prompt; beginnings behind the prompt are ours.
Imitating what evolution finds is another thing (`replay`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import ClassVar

import numpy as np
from numpy.random import Generator
from pydantic import Field

from move37.training.explorers import Attempt, State
from move37.training.explorers.fresh import Fresh
from move37.types import Problem
from move37.worlds.recombining import recombined

_PAIRS = 16
"""Pairs of states that are tried for one slot."""


@dataclass(slots=True)
class Node:
    """A state: where a response may start."""

    text: str
    value: float
    parents: list[int] = field(default_factory=list)
    """Its ancestors' numbers, the nearest first."""
    tries: int = 0
    best: float | None = None
    """Best value of what was made from it."""


@dataclass(slots=True)
class Archive:
    """The states of one problem, by number; number 0 is the empty beginning."""

    nodes: dict[int, Node] = field(default_factory=lambda: {0: Node("", 0.0)})
    tries: int = 0
    made: int = 1

    def pick(self, count: int, c: float) -> list[int]:
        """The states of the highest scores, of different lineages as far as possible."""
        numbers = list(self.nodes)
        order = sorted(range(len(numbers)), key=self._scores(c).__getitem__, reverse=True)
        picked: list[int] = []
        blocked: set[int] = set()
        for place in order:
            if numbers[place] not in blocked and len(picked) < count:
                picked.append(numbers[place])
                blocked |= self._lineage(numbers[place])
        return [picked[place % len(picked)] for place in range(count)]

    def _scores(self, c: float) -> list[tuple[float, float]]:
        values = np.array([node.value for node in self.nodes.values()])
        grown = values[1:] if len(values) > 1 else values
        scale = max(float(grown.max() - grown.min()), 1e-6)
        ranks = np.argsort(np.argsort(-values))
        priors = (len(values) - ranks) / (len(values) * (len(values) + 1) / 2)
        scores = []
        for node, prior in zip(self.nodes.values(), priors.tolist(), strict=True):
            best = node.value if node.best is None or not node.tries else node.best
            scores.append((best + c * scale * prior * sqrt(1 + self.tries) / (1 + node.tries), node.value))
        return scores

    def _lineage(self, number: int) -> set[int]:
        """The state, its ancestors, and all that came from it."""
        return {number, *self.nodes[number].parents} | {n for n, node in self.nodes.items() if number in node.parents}

    def tried(self, number: int, best: float) -> None:
        """Responses were made from a state, the best of this value."""
        node = self.nodes[number]
        node.best = best if node.best is None else max(node.best, best)
        for each in (number, *node.parents):
            if each in self.nodes:
                self.nodes[each].tries += 1
        self.tries += 1

    def add(self, parent: int, text: str, value: float, other: int | None = None) -> None:
        """A child, of another state too where one is given, unless the same beginning is there."""
        if any(node.text == text for node in self.nodes.values()):
            return
        of = [parent] if other is None else [parent, other]
        ancestors = [*of, *(each for number in of for each in self.nodes[number].parents)]
        self.nodes[self.made] = Node(text, value, list(dict.fromkeys(ancestors)))
        self.made += 1

    def cross(self, problem: Problem, c: float, generator: Generator) -> str | None:
        """A beginning put together from two states, which enters the archive; None where no two can be."""
        picked = [number for number in dict.fromkeys(self.pick(len(self.nodes), c)) if self.nodes[number].text]
        pairs = [(one, other) for one in picked for other in picked if one != other]
        for place in generator.permutation(len(pairs))[:_PAIRS].tolist():
            one, other = pairs[place]
            text = recombined(problem, self.nodes[one].text, self.nodes[other].text)
            if text is not None and all(node.text != text for node in self.nodes.values()):
                self.add(one, text, max(self.nodes[one].value, self.nodes[other].value), other)
                return text
        return None

    def shrink(self, most: int) -> None:
        """Keep the empty beginning and the best others."""
        order = sorted(self.nodes, key=lambda number: (number > 0, -self.nodes[number].value, -number))
        self.nodes = {number: self.nodes[number] for number in sorted(order[:most])}


class Evolution(Fresh):
    """See the module."""

    class Options(Fresh.Options):
        c: float = Field(default=1.0, ge=0, description="Weight of what was tried little.")
        children: int = Field(default=2, ge=1, description="Best responses to a state whose beginnings enter.")
        size: int = Field(default=64, ge=2, description="States that are kept of a problem.")
        recombine: float = Field(default=0.0, ge=0, le=1, description="Share of slots from two states put together.")

    adds_rows: ClassVar[bool] = False

    def __init__(self, options: Options, problems: Sequence[Problem]) -> None:
        self.options = options
        self.archives: dict[str, Archive] = {}

    def starts(self, problems: Sequence[Problem], generator: Generator) -> list[str]:
        asked = [problem.id for problem in problems]
        picked = {problem: iter(self._picked(problem, asked.count(problem))) for problem in dict.fromkeys(asked)}
        starts = [next(picked[problem]) for problem in asked]
        crossed = generator.random(len(starts)) < self.options.recombine
        for place in np.flatnonzero(crossed).tolist():
            archive = self.archives.get(asked[place], Archive())
            starts[place] = archive.cross(problems[place], self.options.c, generator) or starts[place]
        return starts

    def _picked(self, problem: str, count: int) -> list[str]:
        archive = self.archives.get(problem, Archive())
        return [archive.nodes[number].text for number in archive.pick(count, self.options.c)]

    def observe(self, attempts: Sequence[Attempt]) -> None:
        by_start: dict[tuple[str, str], list[Attempt]] = {}
        for attempt in attempts:
            if attempt.right is not None:
                by_start.setdefault((attempt.problem.id, attempt.prefix), []).append(attempt)
        for (problem, prefix), seen in by_start.items():
            archive = self.archives.setdefault(problem, Archive())
            number = next((n for n, node in archive.nodes.items() if node.text == prefix), None)
            if number is None:  # the prefix was cut, for the lack of room
                continue
            ordered = sorted(seen, key=_value, reverse=True)
            archive.tried(number, _value(ordered[0]))
            for place, attempt in enumerate(ordered[: self.options.children]):
                archive.add(number, _beginning(attempt, archive.made + place), _value(attempt))
            archive.shrink(self.options.size)

    def state(self) -> State:
        return {"archives": {problem: asdict(archive) for problem, archive in self.archives.items()}}

    def load(self, state: State) -> None:
        self.archives = {
            problem: Archive(
                {int(number): Node(**node) for number, node in kept["nodes"].items()}, kept["tries"], kept["made"]
            )
            for problem, kept in state["archives"].items()
        }


def _value(attempt: Attempt) -> float:
    if attempt.right:
        return 1.0
    return 0.5 * attempt.sound / max(1, len(attempt.whole)) if attempt.sound is not None else 0.0


def _beginning(attempt: Attempt, salt: int) -> str:
    """Where a child starts: before the first wrong step, or a place within what the model wrote.

    The place follows from the response alone, so that nothing random has to be remembered.
    """
    whole = attempt.whole
    if not attempt.right and attempt.sound is not None and attempt.sound > len(attempt.prefix):
        return whole[: attempt.sound]
    drawn = np.random.default_rng([salt, len(whole), *whole.encode()[:256]]).random()
    return whole[: len(attempt.prefix) + max(1, round(drawn * (len(attempt.text) - 1)))]
