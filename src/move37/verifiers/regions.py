r"""Sets of real numbers with constant ends: intervals, unions, inequalities in one letter, \mathbb{R} without points.

A region is known by what it does at the points where it changes and between them, so that (1, 3) \cup (2, 5) is (1, 5),
x < 4 is (-\infty, 4), and |x| < 1 is -1 < x < 1. Ends are compared by proof (`constants.py`); where two cannot be
told apart there is no region (None). An inequality is read where both sides are linear in one letter, or one is the
absolute value of that.
Left out: inequalities of higher degree, ends with letters (None).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from move37.verifiers.closed_forms import constant, value_at
from move37.verifiers.constants import Real, sign_of_difference
from move37.verifiers.enclosures import NotReadError
from move37.verifiers.values import Named, Number, Relation, SetExpression, Several, Tuple, Value


class _NotOrderedError(Exception):
    """Two ends cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Region:
    """`at[i]` says whether `points[i]` belongs to it, `between[i]` what lies before it; one more at the end."""

    points: tuple[Real, ...]
    at: tuple[bool, ...]
    between: tuple[bool, ...]


_NONE, _ALL = Region((), (), (False,)), Region((), (), (True,))
_PROBES = (Fraction(0), Fraction(1), Fraction(-1), Fraction(7, 3), Fraction(-1_000_003), Fraction(2_000_029, 7))
_LETTERS = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_ABSOLUTE = re.compile(r"\s*\|([^|]*)\|\s*")
_TURNED = {"<": ">", ">": "<", "\\leq": "\\geq", "\\geq": "\\leq", "\\neq": "\\neq", "=": "="}


def region_of(value: Value) -> Region | None:
    """The set that `value` is, or None where it is none of these."""
    try:
        return _region(value)
    except (_NotOrderedError, NotReadError):
        return None


def same_region(a: Region, b: Region) -> bool | None:
    try:
        points = [_compared(x, y) == 0 for x, y in zip(a.points, b.points, strict=False)]
    except _NotOrderedError:
        return None
    return len(a.points) == len(b.points) and all(points) and (a.at, a.between) == (b.at, b.between)


def variable_of(value: Value) -> str | None:
    """The letter of an inequality."""
    if not isinstance(value, Relation):
        return value.name if isinstance(value, Named) else None
    letters = {letter for side in value.sides for letter in _LETTERS.findall(side)} - {"e"}
    return letters.pop() if len(letters) == 1 else None


def _region(value: Value) -> Region | None:
    if isinstance(value, Named):
        return None if isinstance(value.value, (Number, Several)) else _region(value.value)
    if isinstance(value, Tuple):
        return _interval(value)
    if isinstance(value, Several):
        if not value.is_set or not all(isinstance(each, Number) for each in value.elements):
            return None
        return _joined([_point(each.value) for each in value.elements if isinstance(each, Number)], any)
    if isinstance(value, SetExpression):
        return _expression(value)
    return _relation(value) if isinstance(value, Relation) else None


def _point(value: Real) -> Region:
    return Region((value,), (True,), (False, False))


def _interval(value: Tuple) -> Region | None:
    if len(value.elements) != 2:
        return None
    low, high = value.elements
    if not isinstance(low, Number) or not isinstance(high, Number) or low.unit or high.unit:
        return None
    if _compared(low.value, high.value) >= 0:
        return None
    above = _half_line(low.value, True, value.opening == "[")
    return _combined(above, _half_line(high.value, False, value.closing == "]"), all)


def _half_line(end: Real, above: bool, closed: bool) -> Region:
    if end.is_infinite:
        return _ALL
    return Region((end,), (closed,), (not above, above))


def _expression(value: SetExpression) -> Region | None:
    if not value.parts:
        return _ALL
    regions = [_region(part) for part in value.parts]
    total = regions[0]
    for sign, region in zip(value.signs, regions[1:], strict=True):
        if total is None or region is None:
            return None
        if sign == "\\setminus":
            total = _combined(total, _complement(region), all)
        else:
            total = _combined(total, region, any if sign == "\\cup" else all)
    return total


def _relation(value: Relation) -> Region | None:
    letter = variable_of(value)
    if letter is None or not set(value.signs) <= set(_TURNED) or set(value.signs) == {"="}:
        return None
    regions = [
        _comparison(left, sign, right, letter)
        for left, sign, right in zip(value.sides, value.signs, value.sides[1:], strict=False)
    ]
    found = [region for region in regions if region is not None]
    return _joined(found, all) if len(found) == len(regions) else None


def _comparison(left: str, sign: str, right: str, letter: str) -> Region | None:
    if _ABSOLUTE.fullmatch(right):
        left, sign, right = right, _TURNED[sign], left
    absolute = _ABSOLUTE.fullmatch(left)
    if absolute:
        return _of_absolute(absolute[1], sign, right, letter)
    if "|" in left + right or "\\l" in re.sub(r"\\(?:left|leq|ln|log)", "", left + right):
        return None
    line = _line(f"({left})-({right})", letter)
    if line is None:
        return None
    slope, start = line
    end = -start * slope.inverse()
    rises = _compared(slope, Real({})) > 0
    if sign == "\\neq":
        return _complement(_point(end))
    if sign == "=":
        return _point(end)
    return _half_line(end, (sign in (">", "\\geq")) == rises, sign in ("\\leq", "\\geq"))


def _of_absolute(inner: str, sign: str, right: str, letter: str) -> Region | None:
    bound = constant(right)
    if bound is None or _compared(bound, Real({})) <= 0 or "|" in inner:
        return None
    if sign in ("<", "\\leq"):
        sides = [_comparison(f"-({right})", sign, inner, letter), _comparison(inner, sign, right, letter)]
    else:
        sides = [_comparison(inner, sign, right, letter), _comparison(f"-({right})", sign, inner, letter)]
    joined = [region for region in sides if region is not None]
    return _joined(joined, all if sign in ("<", "\\leq") else any) if len(joined) == 2 else None


def _line(latex: str, letter: str) -> tuple[Real, Real] | None:
    """Slope and value at 0 of what is linear in the letter."""
    values = [value_at(latex, {letter: Real.rational(probe)}) for probe in _PROBES]
    start, one = values[0], values[1]
    if start is None or one is None:
        return None
    slope = one + -start
    for probe, value in zip(_PROBES, values, strict=True):
        if value is None or sign_of_difference(start + slope * Real.rational(probe), value) != 0:
            return None
    return (slope, start) if sign_of_difference(slope, Real({})) else None


def _compared(a: Real, b: Real) -> int:
    sign = sign_of_difference(a, b)
    if sign is None:
        raise _NotOrderedError
    return sign


def _complement(region: Region) -> Region:
    return Region(region.points, tuple(not each for each in region.at), tuple(not each for each in region.between))


def _joined(regions: Sequence[Region], by: Callable[[Sequence[bool]], bool]) -> Region:
    total = _NONE if by is any else _ALL
    for region in regions:
        total = _combined(total, region, by)
    return total


def _combined(a: Region, b: Region, by: Callable[[Sequence[bool]], bool]) -> Region:
    points: list[Real] = []
    at: list[bool] = []
    between = [by((a.between[0], b.between[0]))]
    i = j = 0
    while i < len(a.points) or j < len(b.points):
        order = 1 if i == len(a.points) else -1 if j == len(b.points) else _compared(a.points[i], b.points[j])
        here = by((a.at[i] if order <= 0 else a.between[i], b.at[j] if order >= 0 else b.between[j]))
        point = a.points[i] if order <= 0 else b.points[j]
        i, j = i + (order <= 0), j + (order >= 0)
        after = by((a.between[i], b.between[j]))
        if not here == after == between[-1]:
            points.append(point)
            at.append(here)
            between.append(after)
    return Region(tuple(points), tuple(at), tuple(between))
