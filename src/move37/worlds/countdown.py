"""Countdown in the shape of a world; its rules are `move37.countdown`'s."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from move37 import countdown
from move37.countdown import TIERS, Oracle, Puzzle, Split, find_chain, find_fault


class PuzzleTask(Oracle):
    """A puzzle with everything that is known of it."""

    @property
    def question(self) -> str:
        return self.puzzle.question

    @property
    def key(self) -> object:
        return self.puzzle.available, self.puzzle.target

    @property
    def split(self) -> Split:
        return self.puzzle.split

    @property
    def metadata(self) -> Mapping[str, Any]:
        return {"numbers": list(self.puzzle.numbers), "target": self.puzzle.target}

    @property
    def tags(self) -> Mapping[str, str]:
        return {"steps": str(self.fewest_steps())}

    def fault(self, answer: str) -> str | None:
        found = find_fault(self.puzzle, answer)
        return None if found is None else found.value


class Countdown:
    """See the module."""

    name = "countdown"
    tiers = tuple(TIERS)

    def plays(self, tier: str, split: Split, rng: Random) -> Iterator[tuple[PuzzleTask, str]]:
        for puzzle, chain in countdown.plays(TIERS[tier], split, rng):
            yield PuzzleTask(puzzle), chain

    def task(self, metadata: Mapping[str, Any]) -> PuzzleTask:
        return PuzzleTask(Puzzle.of(metadata))

    def find(self, text: str) -> str | None:
        return find_chain(text)


COUNTDOWN = Countdown()
