"""Rollouts in this process, in the order in which they were handed over. All requests of one call are one shard: an
engine that batches decides better than we could which of them go together.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic

from move37.executors import Generate, Lost, MadeT
from move37.types import Request


class LocalExecutor(Generic[MadeT]):
    """Nothing is ever `Lost` here: an error of `generate` is raised as it is."""

    def __init__(self, generate: Generate[MadeT]) -> None:
        self._generate = generate
        self._shards: deque[Sequence[Request]] = deque()

    def submit(self, requests: Sequence[Request]) -> None:
        if requests:
            self._shards.append(requests)

    def results(self) -> Iterator[MadeT | Lost]:
        while self._shards:
            yield from self._generate(self._shards.popleft())

    def close(self) -> None:
        self._shards.clear()
