"""Texts that begin alike as one forest: every different beginning is a node, so that a model reads it once.

A tree is one prompt and all texts that continue it; a forest is several trees. Nodes stand in depth-first order, each
before everything that continues it, so the subtree of a node is a range of nodes, and of two nodes of one range the
earlier one is an ancestor of the later one exactly where the later one lies in its subtree. Attention needs no more
than that (`transformers_forest.py`). Arrays of numpy; no model is known here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from move37.types import IntArray

NOTHING = -1
"""Beyond the end of a row of tokens; the parent of a first token."""


@dataclass(frozen=True, eq=False)
class Tree:
    """The continuations of one prompt. Every array of nodes has the shape (nodes,)."""

    tokens: IntArray
    parents: IntArray
    depths: IntArray
    """Tokens before this one, which is its position."""
    places: IntArray
    """The node of every token of every continuation, (continuations, longest); `NOTHING` beyond its end."""


def plant(prompt: Sequence[int], rows_RL: IntArray) -> Tree:
    """The tree of a prompt (at least one token) and its continuations, (continuations, longest) token ids.

    `NOTHING` stands beyond the end of a continuation. They may come in any order, and more than once.
    """
    if not prompt:
        raise ValueError("a tree grows from a prompt of at least one token")
    order = np.lexsort(rows_RL.T[::-1]) if rows_RL.shape[1] else np.arange(len(rows_RL))
    rows = rows_RL[order]
    present, columns = rows != NOTHING, np.arange(rows.shape[1])
    differs = np.pad(rows[1:] != rows[:-1], ((1, 0), (0, 1)), constant_values=True)
    shared = np.argmax(differs, axis=1)  # columns that a row has in common with the one before
    shared[:1] = 0
    new = present & (columns >= shared[:, None])
    numbers = len(prompt) - 1 + np.cumsum(new).reshape(new.shape)
    nodes = np.maximum.accumulate(np.where(new, numbers, NOTHING), axis=0)
    before = np.column_stack([np.full(len(rows), len(prompt) - 1, dtype=np.int64), nodes[:, :-1]])
    places = np.empty_like(nodes)
    places[order] = np.where(present, nodes, NOTHING)
    first = np.arange(len(prompt))
    depths = np.broadcast_to(len(prompt) + columns, rows.shape)
    return Tree(
        tokens=np.concatenate([np.asarray(prompt, dtype=np.int64), rows[new]]),
        parents=np.concatenate([first - 1, before[new]]),
        depths=np.concatenate([first, depths[new]]),
        places=places,
    )


def rows_of(texts: Sequence[Sequence[int]]) -> IntArray:
    """Token ids of several lengths as one array, (texts, longest), `NOTHING` beyond their ends."""
    rows = np.full((len(texts), max(map(len, texts), default=0)), NOTHING, dtype=np.int64)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = text
    return rows


class Stretch(NamedTuple):
    """Nodes that are read together: first the ancestors of the first own one, which were read before, then the own."""

    nodes: IntArray
    ancestors: int


class Forest:
    """Several trees in one order. Leaves are not read: nothing follows them."""

    def __init__(self, trees: Sequence[Tree]) -> None:
        sizes = [len(tree.tokens) for tree in trees]
        self.starts: list[int] = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int).tolist() if trees else []
        """Where each tree begins: what is added to its node numbers."""
        self.tokens, self.depths = (
            np.concatenate([getattr(tree, name) for tree in trees] or [np.zeros(0, dtype=np.int64)])
            for name in ("tokens", "depths")
        )
        moved = [
            np.where(tree.parents == NOTHING, NOTHING, tree.parents + start)
            for tree, start in zip(trees, self.starts, strict=True)
        ]
        self.parents = np.concatenate(moved or [np.zeros(0, dtype=np.int64)])

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def ends(self) -> IntArray:
        """The first node after the subtree of each."""
        ends, by_depth = np.arange(1, len(self) + 1), self._by_depth
        for level in reversed(by_depth[1:]):
            np.maximum.at(ends, self.parents[level], ends[level])
        return ends

    @cached_property
    def inner(self) -> IntArray:
        """The nodes that something follows, in order."""
        has_child = np.zeros(len(self), dtype=np.bool_)
        has_child[self.parents[self.parents != NOTHING]] = True
        return np.flatnonzero(has_child)

    @cached_property
    def _by_depth(self) -> list[IntArray]:
        order = np.argsort(self.depths, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.depths))[:-1]) if len(self) else []

    @cached_property
    def _by_parent(self) -> tuple[IntArray, IntArray]:
        """Nodes by their parent, and the parents in that order."""
        order = np.argsort(self.parents, kind="stable")
        return order, self.parents[order]

    def following(self, nodes: IntArray) -> tuple[IntArray, IntArray]:
        """The nodes that follow those of a stretch (its own, in order), and the row of `nodes` that each follows."""
        order, parents = self._by_parent
        first, last = np.searchsorted(parents, nodes[0]), np.searchsorted(parents, nodes[-1], side="right")
        children = order[first:last]
        return children, np.searchsorted(nodes, self.parents[children])

    def summed(self, edges_N: np.ndarray) -> np.ndarray:
        """The sum of `edges_N` over the path from the root to every node, (nodes,)."""
        sums = np.array(edges_N, dtype=np.float64)
        for level in self._by_depth[1:]:
            sums[level] += sums[self.parents[level]]
        return sums

    def path(self, node: int) -> list[int]:
        """The ancestors of a node, from the root on."""
        found, parent = [], int(self.parents[node])
        while parent != NOTHING:
            found.append(parent)
            parent = int(self.parents[parent])
        return found[::-1]

    def stretches(self, size: int) -> Iterator[Stretch]:
        """The inner nodes, `size` at a time, each stretch with what it needs of those before."""
        for start in range(0, len(self.inner), size):
            own = self.inner[start : start + size]
            path = self.path(int(own[0]))
            yield Stretch(np.concatenate([np.array(path, dtype=np.int64), own]), len(path))
