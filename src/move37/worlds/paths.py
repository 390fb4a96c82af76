"""Paths: find a way from one node to another in one fixed graph, along its arrows and through no node twice.

    12,47:  ->  12;30;5;47$

The graph has 60 nodes with three arrows each, drawn once and for all. An answer is the nodes of the way, first and last
among them, at most six arrows; every arrow is checked. A pair of nodes has some twenty right ways, so a model can know
one or many, which is where RL collapses (arXiv 2509.22613). Plays are random ways of one to four arrows, without a
strategy. Tiers: "in-pretraining" (a way of at most four arrows leads there) and "far" (none of less than five, more
than any play has).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any

from move37.countdown import Split
from move37.worlds import IN_PRETRAINING, split_of, stripped

NODES, ARROWS, LONGEST = 60, 3, 6
"""Nodes, arrows that leave each, and the most arrows of a right way."""
PLAYED = 4
"""Arrows of a play, at most."""
_WAY = re.compile(r"(?:0|[1-9]\d{0,2})(?:;(?:0|[1-9]\d{0,2}))+")


@cache
def arrows() -> tuple[tuple[int, ...], ...]:
    """Where the arrows of each node lead, by node: the one graph of this world."""
    rng = Random(2509)
    others = [[node for node in range(NODES) if node != here] for here in range(NODES)]
    return tuple(tuple(sorted(_drawn(each, rng) for _ in range(ARROWS))) for each in others)


def _drawn(nodes: list[int], rng: Random) -> int:
    """One of them, taken out. By `random()` alone, whose stream Python promises not to change."""
    return nodes.pop(int(rng.random() * len(nodes)))


@dataclass(frozen=True, slots=True)
class Pair:
    """From `source` to `target`. Raises ValueError for what are not two nodes."""

    source: int
    target: int

    def __post_init__(self) -> None:
        if not {self.source, self.target} <= set(range(NODES)) or self.source == self.target:
            raise ValueError(f"paths: two different nodes of 0 to {NODES - 1}, not {self.source} and {self.target}")

    @property
    def question(self) -> str:
        return f"{self.source},{self.target}:"

    @property
    def key(self) -> object:
        return self.source, self.target

    @property
    def split(self) -> Split:
        return split_of("paths", self.question)

    @property
    def metadata(self) -> Mapping[str, Any]:
        return {"source": self.source, "target": self.target}

    @property
    def tags(self) -> Mapping[str, str]:
        return {"steps": str(self.fewest_arrows())}

    def fault(self, answer: str) -> str | None:
        way = [int(node) for node in answer.split(";")]
        if way[0] != self.source:
            return "begins elsewhere"
        if len(set(way)) < len(way):
            return "a node twice"
        if any(node >= NODES for node in way):
            return "a node that is not there"
        if any(there not in arrows()[here] for here, there in pairwise(way)):
            return "no such arrow"
        if len(way) > LONGEST + 1:
            return f"more than {LONGEST} arrows"
        return None if way[-1] == self.target else "ends elsewhere"

    def count(self) -> int:
        return sum(1 for _ in self.chains())

    def chains(self) -> Iterator[str]:
        for way in self._ways((self.source,)):
            yield ";".join(map(str, way))

    def _ways(self, begun: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        for node in arrows()[begun[-1]]:
            if node == self.target:
                yield (*begun, node)
            elif node not in begun and len(begun) < LONGEST:
                yield from self._ways((*begun, node))

    def fewest_arrows(self) -> int | None:
        """The length of the shortest right way, None where there is none."""
        reached, edge = {self.source}, {self.source}
        for length in range(1, LONGEST + 1):
            edge = {node for here in edge for node in arrows()[here]} - reached
            if self.target in edge:
                return length
            reached |= edge
        return None


class Paths:
    """See the module."""

    name = "paths"
    tiers = (IN_PRETRAINING, "far")

    def plays(self, tier: str, split: Split, rng: Random) -> Iterator[tuple[Pair, str]]:
        while True:
            way = [int(rng.random() * NODES)]
            far = tier != IN_PRETRAINING
            length = LONGEST if far else 1 + int(rng.random() * PLAYED)
            while len(way) <= length:
                further = [node for node in arrows()[way[-1]] if node not in way]
                if not further:
                    break
                way.append(_drawn(further, rng))
            if len(way) < 2:
                continue
            pair = Pair(way[0], way[-1])
            if pair.split is split and (not far or (pair.fewest_arrows() or 0) > PLAYED):
                yield pair, ";".join(map(str, way))

    def task(self, metadata: Mapping[str, Any]) -> Pair:
        return Pair(int(metadata["source"]), int(metadata["target"]))

    def find(self, text: str) -> str | None:
        way = stripped(text)
        return way if _WAY.fullmatch(way) else None


PATHS = Paths()
