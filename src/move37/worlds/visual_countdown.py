"""Countdown whose puzzle is drawn: numbers in the cells of a picture, the target in a frame below them.

    [picture]  ->  7,2,4,11=11:7+4=11;11*2=22;22-11=11$

An answer says what stands in the picture, in reading order and with the target behind "=", and then a chain by
countdown's rules. Both are checked, so a wrong answer is either a failure of seeing or one of reasoning, and which it
is can be read off. The picture is a function of the puzzle and a number, `drawing`: fonts, sizes, places, shades and
faint lines that mean nothing vary with it.

Shown as text (`shown.py`) it is countdown's own question. Tiers and halves are countdown's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

from move37 import countdown
from move37.countdown import TIERS, Oracle, Puzzle, Split, find_fault
from move37.worlds.drawing import Canvas, jitter
from move37.worlds.shown import DRAWINGS, IMAGE, SHOWN, SIDE, DrawnTask, find_answer

_COLUMNS, _ROWS = 2, 3
_CELL = SIDE // _COLUMNS, SIDE // (_ROWS + 1)
_MIDDLE = 12
"""Of a number in its cell, from the left: within the first half, wherever jitter moves it, so that a model that looks
at halves is told the same of equal pictures."""
_DISTRACTIONS = 4


@dataclass(frozen=True)
class DrawnPuzzle(DrawnTask):
    """A puzzle, how it is drawn, and how it is shown. Raises ValueError for another way of showing it."""

    puzzle: Puzzle
    drawing: int
    shown: str = IMAGE

    def __post_init__(self) -> None:
        if len(self.puzzle.numbers) > _COLUMNS * _ROWS:
            raise ValueError(f"a picture holds {_COLUMNS * _ROWS} numbers, not {self.puzzle.numbers}")
        if self.shown not in SHOWN:
            raise ValueError(f"a puzzle is shown as one of {', '.join(SHOWN)}, not {self.shown!r}")

    @property
    def written(self) -> str:
        return self.puzzle.question.removesuffix(":")

    @property
    def key(self) -> object:
        return self.puzzle.available, self.puzzle.target

    @property
    def split(self) -> Split:
        return self.puzzle.split

    @property
    def metadata(self) -> Mapping[str, Any]:
        puzzle = self.puzzle
        shown = {"drawing": self.drawing, "shown": self.shown}
        return {"numbers": list(puzzle.numbers), "target": puzzle.target, **shown}

    @property
    def tags(self) -> Mapping[str, str]:
        return {"steps": str(self._oracle.fewest_steps()), "shown": self.shown, "puzzle": self.written}

    @cached_property
    def _oracle(self) -> Oracle:
        return Oracle(self.puzzle)

    def fault_of_chain(self, chain: str) -> str | None:
        broken = find_fault(self.puzzle, chain)
        return None if broken is None else broken.value

    def count(self) -> int:
        return self._oracle.count()

    def right_chains(self) -> Iterator[str]:
        return self._oracle.chains()

    def draw(self, canvas: Canvas, rng: Random) -> None:
        canvas.distract(_DISTRACTIONS)
        rows = -(-len(self.puzzle.numbers) // _COLUMNS)
        first = int(rng.random() * (_ROWS - rows + 1))
        for place, number in enumerate(self.puzzle.numbers):
            row, column = first + place // _COLUMNS, place % _COLUMNS
            _write(canvas, number, column * _CELL[0] + _MIDDLE, (row + 0.5) * _CELL[1], rng)
        x, y = SIDE / 2 + jitter(rng, 14), (_ROWS + 0.5) * _CELL[1]
        _write(canvas, self.puzzle.target, x, y, rng, sway=0)
        left, right, top, bottom = x - 12, x + 12, y - 7, y + 7
        frame = [(left, top), (right, top), (right, bottom), (left, bottom)]
        canvas.outline(frame, canvas.ink())


class VisualCountdown:
    """See the module."""

    name = "visual-countdown"
    tiers = tuple(TIERS)

    def plays(self, tier: str, split: Split, rng: Random) -> Iterator[tuple[DrawnPuzzle, str]]:
        for puzzle, chain in countdown.plays(TIERS[tier], split, rng):
            task = DrawnPuzzle(puzzle, int(rng.random() * DRAWINGS))
            yield task, task.answer(chain)

    def task(self, metadata: Mapping[str, Any]) -> DrawnPuzzle:
        return DrawnPuzzle(Puzzle.of(metadata), int(metadata["drawing"]), str(metadata["shown"]))

    def find(self, text: str) -> str | None:
        return find_answer(text)


def _write(canvas: Canvas, number: int, x: float, y: float, rng: Random, sway: float = 3.5) -> None:
    height = 10 + int(rng.random() * 3)
    canvas.write(str(number), (x + jitter(rng, sway), y + jitter(rng, 1.5)), height, canvas.ink())


VISUAL_COUNTDOWN = VisualCountdown()
