"""What an answer can be: the types that `reading.py` reads and `equality.py` compares.

Every value keeps the text that it was read from, in the common spelling, for computer algebra.
"""

from dataclasses import dataclass, field

from move37.verifiers.constants import Real
from move37.verifiers.units import Unit


@dataclass(frozen=True, slots=True)
class Value:
    latex: str


@dataclass(frozen=True, slots=True)
class Number(Value):
    """A constant: exactly, or as a decimal with the digits that it shows; with its unit, or in percent."""

    value: Real
    decimals: int | None = None
    """Places after the point of what is written as one decimal (negative for 1.2e7); None for an exact expression."""
    significant: int = 0
    """Digits that such a decimal shows."""
    unit: Unit | None = None
    loose_unit: bool = False
    """The unit is one bare letter behind the number, which may as well be a factor."""
    noun: str = ""
    """What was counted: "apples"."""
    percent: bool = False
    digits: str = ""
    """As written in a base: "110" of 110_2."""
    approximations: "tuple[Number, ...]" = ()
    """What it is said to be about: 0.33 of 1/3 ≈ 0.33."""


@dataclass(frozen=True, slots=True)
class Ratio(Value):
    """1:3:5. One that can be a time of day, 3:45, says so."""

    parts: tuple[Value, ...]
    clock: "Clock | None" = None


@dataclass(frozen=True, slots=True)
class Clock(Value):
    """A time of day. `half` is "a" or "p" where it is stated; without it the hours go to 23."""

    hour: int
    minute: int
    second: int = 0
    half: str = ""


@dataclass(frozen=True, slots=True)
class Several(Value):
    """A set in braces, or a list without them: a multiset."""

    elements: tuple[Value, ...]
    is_set: bool = False
    decimal: Number | None = None
    """What it is if its comma is a decimal comma: 3.14 of 3,14."""


@dataclass(frozen=True, slots=True)
class Tuple(Value):
    """Ordered, in brackets: a point, a vector, or an interval."""

    opening: str
    closing: str
    elements: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Matrix(Value):
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Named(Value):
    """A value with its name: x = 5, f(x) = 2x + 3, |AB| = 10, x in {1, 2}."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Relation(Value):
    """An equation or inequality that is no name and value: `sides` with one of `signs` between each two."""

    sides: tuple[str, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetExpression(Value):
    r"""Sets joined by \cup, \cap or \setminus, and \mathbb{R}."""

    parts: tuple[Value, ...]
    signs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piecewise(Value):
    """Rows of a value and its condition."""

    rows: tuple[tuple[Value, str], ...]


@dataclass(frozen=True, slots=True)
class Dots(Value):
    """What stands for the elements left out of 1, 2, ..., n."""


@dataclass(frozen=True, slots=True)
class Formula(Value):
    """Anything with letters or functions that none of the others is: for computer algebra."""


@dataclass(frozen=True, slots=True)
class Letter(Value):
    """The letter of an option, with the value that it labels where that is stated."""

    letter: str
    labelled: Value | None = None


@dataclass(frozen=True, slots=True)
class Text(Value):
    """Words, and every statement that is not read as one of the others: "5 or more of them", "not 5"."""

    words: str = field(default="")
