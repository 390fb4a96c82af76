"""Geometry to be read off a figure: lengths or angles stand in it, or are counted on squares; another one is asked.

    [figure]  ->  3=50,60:50+60=110;180-110=70$

An answer says which figure it is (its number below) and what stands in it, in reading order, and then a chain of steps,
each arithmetically right and with numbers of the figure or results of earlier steps.

    1   an outlined rectangle: how long is its edge?            2   a filled one: how large is it?
    3   a triangle with two angles: how large is the third?     4   a line with the lengths of its parts: how long?
    5   a line with its length and one part's: the other's?     6   a filled rectangle without a corner: how large?

A chain is right if it is the figure's law, whatever the numbers: `2+2=4` is not the area of a square of side 2. It is
checked by working it out for other numbers as well, which no other short chain survives. Lists of right chains are
complete for at most `MOST_STEPS` steps, and a longer chain is wrong.

Tiers: "in-pretraining" (1 to 5, numbers written), "measured" (1 and 2 on squares, to be counted) and "beyond" (4 with
three or four parts, and 6). Shown as in `shown.py`. Figures are drawn to scale.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from move37.countdown import OPERATORS, Split, choose, combine
from move37.worlds import IN_PRETRAINING, split_of
from move37.worlds.drawing import Canvas, Point, jitter
from move37.worlds.shown import DRAWINGS, IMAGE, SHOWN, SIDE, DrawnTask, find_answer

MOST_STEPS = 3
LARGEST_RESULT = 999
_OTHERS = ((1009, 607, 211, 103), (2003, 811, 401, 151), (3001, 1201, 503, 199))
"""Other numbers for a figure, by which a law is told from a coincidence."""
_DISTRACTIONS = 3
_LINE, _RECTANGLE = 52.0, 40.0
"""Pixels of the longest line, and of a rectangle's longest side."""
Value = tuple[int, ...]
"""A number of the figure, and the same one of figures with other numbers."""


@dataclass(frozen=True)
class Figure:
    """A kind of figure: its law, and what may be used for it besides the numbers that stand in it."""

    number: int
    law: Callable[[Sequence[int]], int]
    uses: int = 1
    """How often each number may be used."""
    constants: tuple[int, ...] = ()


FIGURES: Mapping[str, Figure] = {
    "perimeter": Figure(1, lambda sides: 2 * (sides[0] + sides[1]), uses=2, constants=(2, 2)),
    "area": Figure(2, lambda sides: sides[0] * sides[1]),
    "angle": Figure(3, lambda angles: 180 - angles[0] - angles[1], constants=(180,)),
    "whole": Figure(4, sum),
    "part": Figure(5, lambda lengths: lengths[0] - lengths[1]),
    "corner": Figure(6, lambda sides: sides[0] * sides[1] - sides[2] * sides[3]),
}
_SIZES = {"perimeter": (2,), "area": (2,), "angle": (2,), "whole": (2, 3, 4), "part": (2,), "corner": (4,)}
_TIERS = {
    IN_PRETRAINING: ("perimeter", "area", "angle", "whole", "part"),
    "measured": ("perimeter", "area"),
    "beyond": ("whole", "corner"),
}


@dataclass(frozen=True)
class Drawn(DrawnTask):
    """A figure with its numbers in reading order. Raises ValueError for one that there is not."""

    figure: str
    numbers: tuple[int, ...]
    drawing: int
    shown: str = IMAGE
    measured: bool = False
    """Whether lengths are to be counted on squares, and not written."""

    def __post_init__(self) -> None:
        if self.shown not in SHOWN or len(self.numbers) not in _SIZES.get(self.figure, ()):
            raise ValueError(f"no figure {self.figure!r} of {len(self.numbers)} numbers, shown as {self.shown!r}")
        if min(self.numbers) < 1 or not 1 <= self.asked <= LARGEST_RESULT:
            raise ValueError(f"no {self.figure} has the numbers {self.numbers}")

    @property
    def asked(self) -> int:
        """The number that is to be found."""
        return FIGURES[self.figure].law(self.numbers)

    @property
    def written(self) -> str:
        return f"{FIGURES[self.figure].number}={','.join(map(str, self.numbers))}"

    @property
    def key(self) -> object:
        return self.written, self.measured

    @property
    def split(self) -> Split:
        return split_of("drawn-geometry", self.written)

    @property
    def metadata(self) -> Mapping[str, Any]:
        how = {"drawing": self.drawing, "shown": self.shown, "measured": self.measured}
        return {"figure": self.figure, "numbers": list(self.numbers), **how}

    @property
    def tags(self) -> Mapping[str, str]:
        return {"figure": self.figure, "shown": self.shown, "puzzle": self.written}

    def fault_of_chain(self, chain: str) -> str | None:
        return None if chain in self.right_chains() else self._why_wrong(chain)

    def _why_wrong(self, chain: str) -> str:
        steps = [step.partition("=") for step in chain.split(";")]
        if any(str(_worked_out(term)) != result for term, _, result in steps):
            return "wrong arithmetic"
        if int(steps[-1][2]) != self.asked:
            return "differs"
        return "more steps than a right chain has" if len(steps) > MOST_STEPS else "not the law of the figure"

    def count(self) -> int:
        return len(self.right_chains())

    def right_chains(self) -> Mapping[str, None]:
        """In order of steps and text."""
        return _right_chains(self.figure, self.numbers)

    def draw(self, canvas: Canvas, rng: Random) -> None:
        if not self.measured:
            canvas.distract(_DISTRACTIONS)
        _DRAW[self.figure](canvas, self, rng)


class DrawnGeometry:
    """See the module."""

    name = "drawn-geometry"
    tiers = tuple(_TIERS)

    def plays(self, tier: str, split: Split, rng: Random) -> Iterator[tuple[Drawn, str]]:
        while True:
            figure = choose(list(_TIERS[tier]), rng)
            try:
                numbers = _numbers(figure, tier, rng)
                task = Drawn(figure, numbers, int(rng.random() * DRAWINGS), measured=tier == "measured")
            except ValueError:
                continue
            if task.split is split:
                yield task, task.answer(choose(list(task.right_chains()), rng))

    def task(self, metadata: Mapping[str, Any]) -> Drawn:
        numbers = tuple(int(number) for number in metadata["numbers"])
        drawing, shown = int(metadata["drawing"]), str(metadata["shown"])
        return Drawn(str(metadata["figure"]), numbers, drawing, shown, bool(metadata["measured"]))

    def find(self, text: str) -> str | None:
        return find_answer(text)


def _numbers(figure: str, tier: str, rng: Random) -> tuple[int, ...]:
    def up_to(least: int, most: int) -> int:
        return least + int(rng.random() * (most - least + 1))

    if tier == "measured":
        return up_to(2, 7), up_to(2, 7)
    if figure == "angle":
        return up_to(25, 110), up_to(25, 110)
    if figure == "whole":
        return tuple(up_to(2, 30) for _ in range(2 if tier == IN_PRETRAINING else up_to(3, 4)))
    if figure == "part":
        whole = up_to(10, 60)
        return whole, up_to(2, whole - 2)
    if figure == "corner":
        width, height = up_to(6, 20), up_to(6, 20)
        return width, height, up_to(2, width - 3), up_to(2, height - 3)
    return up_to(3, 20), up_to(3, 20)


@lru_cache(maxsize=4096)
def _right_chains(name: str, numbers: tuple[int, ...]) -> Mapping[str, None]:
    figure = FIGURES[name]
    others = [each[: len(numbers)] for each in _OTHERS]
    slots = list(zip(numbers, *others, strict=True)) * figure.uses
    constants = [(constant,) * (1 + len(others)) for constant in figure.constants]
    law = tuple(figure.law(each) for each in (numbers, *others))
    found = set(_right([*slots, *constants], law, MOST_STEPS))
    return dict.fromkeys(sorted(found, key=lambda chain: (chain.count(";"), chain)))


def _right(available: list[Value], law: Value, most: int) -> Iterator[str]:
    """The chains of at most so many steps that are the law; some more than once."""
    if not most:
        return
    for left in sorted(set(available)):
        others = list(available)
        others.remove(left)
        for right in sorted(set(others)):
            rest = list(others)
            rest.remove(right)
            for operator in OPERATORS:
                result = tuple(combine(a, operator, b) for a, b in zip(left, right, strict=True))
                if not 1 <= result[0] <= LARGEST_RESULT:
                    continue
                text = f"{left[0]}{operator}{right[0]}={result[0]}"
                if result == law:
                    yield text
                for further in _right([*rest, result], law, most - 1):
                    yield f"{text};{further}"


def _worked_out(term: str) -> int:
    operator = next(character for character in term if character in OPERATORS)
    left, _, right = term.partition(operator)
    return combine(int(left), operator, int(right))


# -- the figures -----------------------------------------------------------------------------------------------------


def _write(canvas: Canvas, number: int | str, x: float, y: float, rng: Random) -> None:
    canvas.write(str(number), (x + jitter(rng, 1), y + jitter(rng, 1)), 9 + int(rng.random() * 2), canvas.ink())


def _rectangle(canvas: Canvas, task: Drawn, rng: Random) -> None:
    if task.measured:
        _on_squares(canvas, task, rng)
        return
    width, height = task.numbers
    unit = _RECTANGLE / max(width, height)
    x, y = 19 + jitter(rng, 2), 15 + jitter(rng, 2)
    _box(canvas, task, _corners(x, y, width * unit, height * unit))
    _write(canvas, width, x + width * unit / 2, y - 8, rng)
    _write(canvas, height, x - 10, y + height * unit / 2, rng)


def _on_squares(canvas: Canvas, task: Drawn, rng: Random) -> None:
    """Squares of eight pixels, and the rectangle on their lines."""
    for place in range(0, SIDE + 1, 8):
        for line in ([(place, 0), (place, SIDE)], [(0, place), (SIDE, place)]):
            canvas.outline([(float(x), float(y)) for x, y in line], canvas.faint(), closed=False)
    width, height = task.numbers
    left, top = (int(rng.random() * (SIDE // 8 - side + 1)) * 8 for side in (width, height))
    _box(canvas, task, _corners(left, top, width * 8, height * 8))


def _box(canvas: Canvas, task: Drawn, corners: list[Point]) -> None:
    """Filled where the area is asked."""
    if task.figure == "area":
        canvas.fill(corners, canvas.faint() - 30)
    canvas.outline(corners, canvas.ink(), 1.5)


def _corners(x: float, y: float, width: float, height: float) -> list[Point]:
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def _triangle(canvas: Canvas, task: Drawn, rng: Random) -> None:
    """The asked angle at any corner; the given ones in reading order."""
    hidden = int(rng.random() * 3)
    given = list(task.numbers)
    angles: list[int | str] = [*given[:hidden], "?", *given[hidden:]]
    top, left, right = (math.radians(task.asked if angle == "?" else int(angle)) for angle in angles)
    # The base from (0, 0) to (1, 0); the top where the sides meet.
    side = math.sin(right) / math.sin(top)
    peak = side * math.cos(left), side * math.sin(left)
    xs = [peak[0], 0.0, 1.0]
    scale = min(44 / (max(xs) - min(xs)), 30 / peak[1])
    shift = (SIDE - scale * (max(xs) + min(xs))) / 2 + jitter(rng, 1)
    ground = 48 + jitter(rng, 1)
    points = [(shift + scale * x, ground - scale * y) for x, y in (peak, (0.0, 0.0), (1.0, 0.0))]
    canvas.outline(points, canvas.ink(), 1.5)
    (x, y), (first, _), (second, _) = points
    _write(canvas, angles[0], min(max(x, 11), 53), y - 7, rng)
    middle = (first + second) / 2
    _write(canvas, angles[1], min(max(first, 11), middle - 12), ground + 9, rng)
    _write(canvas, angles[2], max(min(second, 53), middle + 12), ground + 9, rng)


def _line(canvas: Canvas, task: Drawn, rng: Random) -> None:
    """Parts below the line between marks; the whole above it."""
    parts: Sequence[int | str]
    if task.figure == "part":
        whole, known = task.numbers
        lengths, above = [known, whole - known], str(whole)
        parts = [known, "?"] if rng.random() < 0.5 else ["?", known]
        lengths = lengths if parts[1] == "?" else lengths[::-1]
    else:
        lengths, parts, above = list(task.numbers), task.numbers, "?"
    y, left = 30 + jitter(rng, 3), (SIDE - _LINE) / 2
    _write(canvas, above, SIDE / 2, y - 12, rng)
    ink, unit, x = canvas.ink(), _LINE / sum(lengths), left
    canvas.outline([(left, y), (left + _LINE, y)], ink, 1.5, closed=False)
    canvas.outline([(left, y - 3), (left, y + 3)], ink, closed=False)
    for place, (length, label) in enumerate(zip(lengths, parts, strict=True)):
        # Labels of neighbours alternate in height: short parts leave no room side by side.
        _write(canvas, label, x + length * unit / 2, y + (10 if place % 2 == 0 else 21), rng)
        x += length * unit
        canvas.outline([(x, y - 3), (x, y + 3)], ink, closed=False)


def _without_corner(canvas: Canvas, task: Drawn, rng: Random) -> None:
    """Width above, height at the left, then width and height of the corner that is missing, at the bottom right."""
    width, height, across, down = task.numbers
    unit = 34 / max(width, height)
    x, y = 17 + jitter(rng, 1), 14 + jitter(rng, 1)
    right, bottom = x + width * unit, y + height * unit
    inner = right - across * unit, bottom - down * unit
    outline = [(x, y), (right, y), (right, inner[1]), inner, (inner[0], bottom), (x, bottom)]
    canvas.fill(outline, canvas.faint() - 30)
    canvas.outline(outline, canvas.ink(), 1.5)
    _write(canvas, width, (x + right) / 2, y - 7, rng)
    _write(canvas, height, x - 9, (y + bottom) / 2, rng)
    _write(canvas, across, (inner[0] + right) / 2, bottom + 7, rng)
    _write(canvas, down, right + 8, (inner[1] + bottom) / 2, rng)


_DRAW: Mapping[str, Callable[[Canvas, Drawn, Random], None]] = {
    "perimeter": _rectangle,
    "area": _rectangle,
    "angle": _triangle,
    "whole": _line,
    "part": _line,
    "corner": _without_corner,
}
DRAWN_GEOMETRY = DrawnGeometry()
