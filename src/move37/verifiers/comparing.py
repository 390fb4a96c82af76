"""What the rules of equality (`equality.py`) share: whom they ask about parts, and what several verdicts come to."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from move37.verifiers.regions import region_of, same_region
from move37.verifiers.values import Number, Value

FUNCTION_NAME = re.compile(r"[A-Za-z](?:_\w)?\(([a-z])\)|y")

Close = Callable[[Number, Number], bool | None]
"""What is close enough, of two bare numbers."""


class Comparer(Protocol):
    """What a rule may ask about the parts of its two values."""

    @property
    def asks_percent(self) -> bool:
        """Whether the question asks for a percentage."""
        ...

    @property
    def close(self) -> Close | None: ...

    def formulas(self, expected: str, given: str) -> bool | None:
        """Of two formulas or equations in LaTeX, by computer algebra."""
        ...

    def equal(self, expected: Value, given: Value) -> bool | None:
        """Of a reference and an answer, in this order."""
        ...


def any_of(verdicts: Sequence[bool | None]) -> bool | None:
    return True if True in verdicts else None if None in verdicts else False


def in_order(by: Comparer, expected: Sequence[Value], given: Sequence[Value]) -> bool | None:
    """Element by element, in order."""
    if len(expected) != len(given):
        return False
    verdicts: list[bool | None] = []
    for a, b in zip(expected, given, strict=True):
        verdicts.append(by.equal(a, b))
        if verdicts[-1] is False:
            return False
    return None if None in verdicts else True


def by_algebra(by: Comparer, expected: Value, given: Value) -> bool | None:
    if without_spaces(expected.latex) == without_spaces(given.latex):
        return True
    return by.formulas(expected.latex, given.latex)


def without_spaces(latex: str) -> str:
    tight = re.sub(r"([_^])\{(\w)\}", r"\1\2", latex)
    return "".join(re.sub(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])", "\\1\x00", tight).split())


def same_set(expected: Value, given: Value) -> Any:
    """Whether two sets of real numbers are the same; NotImplemented where one is no such set."""
    a, b = region_of(expected), region_of(given)
    return NotImplemented if a is None or b is None else same_region(a, b)
