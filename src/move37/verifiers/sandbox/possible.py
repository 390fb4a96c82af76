"""What a value can be, where `endless.py` knows it only so far, and what operations give of it.

A value is a set of integers, a known object, or a kind: any float, any truth value, anything. Known are objects as they
were when the loop was met: nothing that is followed changes one. What could raise, run code of the program's, or make
a number too long to fit in memory is `UnprovenError`.
"""

import ast
import operator
from collections.abc import Callable, Iterable
from enum import Enum
from math import gcd
from typing import Any

from .integers import Integers

MOST_ITEMS = 1000
"""Of a collection that is looked into."""
_ATOMS = (int, float, str, bool, type(None), bytes)
_COLLECTIONS = (list, tuple, set, frozenset, dict, range, str)


class UnprovenError(Exception):
    """Nothing is known of what happens here."""


class Known:
    """One object."""

    __slots__ = ("known",)

    def __init__(self, known: Any) -> None:
        self.known = known

    def __eq__(self, other: object) -> bool:
        if type(other) is not Known:
            return False
        mine, its = self.known, other.known
        return mine is its or (type(mine) is type(its) and type(mine) in _ATOMS and repr(mine) == repr(its))

    __hash__ = None  # type: ignore[assignment]


class Kind(Enum):
    """One of many objects."""

    FLOAT = "float"
    BOOL = "bool"
    ANY = "any"


Value = Integers | Known | Kind
Names = dict[str, Value]
"""The names that certainly are bound, with what they can be."""


def value_of(thing: Any) -> Value:
    return Integers.one(thing) if type(thing) is int else Known(thing)


def is_plain(value: Value) -> bool:
    """Whether letting go of it runs no code of the program's."""
    return not isinstance(value, Known) or type(value.known) in _ATOMS or _items(value) is not None


def joined(a: Value, b: Value) -> Value:
    if a == b:
        return a
    if isinstance(a, Integers) and isinstance(b, Integers):
        return a.joined(b)
    kinds = {_kind(a), _kind(b)}
    return kinds.pop() if len(kinds) == 1 else Kind.ANY


def joined_names(*ways: Names | None) -> Names | None:
    """What holds on every way that is taken; None if none is."""
    taken = [way for way in ways if way is not None]
    if not taken:
        return None
    first, *others = taken
    for other in others:
        first = {name: joined(value, other[name]) for name, value in first.items() if name in other}
    return first


def widened_names(names: Names | None, grown: Names | None) -> Names | None:
    """More than both, so that a sequence of such names comes to an end."""
    if names is None or grown is None:
        return grown
    return {
        name: before.widened(value)
        if isinstance(value, Integers) and isinstance(before := names.get(name), Integers)
        else value
        for name, value in grown.items()
    }


def _kind(value: Value) -> Kind:
    if isinstance(value, Kind):
        return value
    kind = type(value.known) if isinstance(value, Known) else int
    return {float: Kind.FLOAT, bool: Kind.BOOL}.get(kind, Kind.ANY)


def truths(value: Value) -> set[bool]:
    """How it can come out as a test."""
    if isinstance(value, Integers):
        return {True} if not value.may_equal(ZERO) else {False} if value.only == 0 else {True, False}
    if isinstance(value, Known):
        if type(value.known) in _ATOMS or type(value.known) in _COLLECTIONS:
            return {bool(value.known)}
    elif value is not Kind.ANY:
        return {True, False}
    raise UnprovenError


ZERO = Integers.one(0)


# -- operations --------------------------------------------------------------------------------------------------------


def truth_value(outcomes: set[bool]) -> Value:
    return Known(next(iter(outcomes))) if len(outcomes) == 1 else Kind.BOOL


def _as_integers(value: Value) -> Integers | None:
    if value is Kind.BOOL:
        return Integers.of(0, 1)
    if isinstance(value, Known) and type(value.known) is bool:
        return Integers.one(int(value.known))
    return value if isinstance(value, Integers) else None


def _is_number(value: Value) -> bool:
    """Whether it is a float or becomes one beside a float."""
    integers = _as_integers(value)
    return integers.is_bounded if integers is not None else _kind(value) is Kind.FLOAT


def unary(op: ast.unaryop, value: Value) -> Value:
    if isinstance(op, ast.Not):
        return truth_value({not each for each in truths(value)})
    integers = _as_integers(value)
    if integers is not None:
        negative = integers.negated()
        if isinstance(op, ast.Invert):
            return negative.plus(Integers.one(-1))
        return negative if isinstance(op, ast.USub) else integers
    if _is_number(value) and not isinstance(op, ast.Invert):
        return Kind.FLOAT
    raise UnprovenError


def binary(op: ast.operator, a: Value, b: Value) -> Value:
    x, y = _as_integers(a), _as_integers(b)
    if x is not None and y is not None:
        return _of_integers(op, x, y)
    if _is_number(a) and _is_number(b):
        if isinstance(op, ast.Add | ast.Sub | ast.Mult):
            return Kind.FLOAT
        divides = isinstance(op, ast.Div | ast.FloorDiv | ast.Mod)
        if divides and (not y.may_equal(ZERO) if y is not None else isinstance(b, Known) and b.known != 0):
            return Kind.FLOAT
    raise UnprovenError


def _of_integers(op: ast.operator, x: Integers, y: Integers) -> Value:
    match op:
        case ast.Add():
            return x.plus(y)
        case ast.Sub():
            return x.plus(y.negated())
        case ast.Mult() if x.is_factor or y.is_factor:
            return x.times(y)
        case ast.Pow() if y.only == 2 and x.is_factor:
            return x.times(x)
        case ast.Pow() if x.only is not None and x.is_factor and y.only in range(65):
            return Integers.one(x.only ** (y.only or 0))
        case ast.Div() if not y.may_equal(ZERO) and x.is_bounded and y.is_bounded:
            return Kind.FLOAT
        case ast.FloorDiv() if y.low > 0:
            return x.over(y)
        case ast.Mod() if y.low > 0:
            return x.modulo(y)
        case ast.BitAnd() if x.low >= 0 or y.low >= 0:
            most = min(side.high for side in (x, y) if side.low >= 0)
            return Integers.of(0, most) or ZERO
        case ast.BitAnd() | ast.BitOr() | ast.BitXor():
            return Integers(0) if x.low >= 0 and y.low >= 0 else Integers()
        case ast.LShift() if y.only in range(65):
            return x.times(Integers.one(1 << (y.only or 0)))
        case ast.RShift() if y.only in range(65):
            return x.over(Integers.one(1 << (y.only or 0)))
    raise UnprovenError


_EXACTLY: dict[Any, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip


def compared(op: ast.cmpop, a: Value, b: Value) -> set[bool]:
    """How a comparison can come out."""
    x, y = _as_integers(a), _as_integers(b)
    if isinstance(op, ast.Is | ast.IsNot):
        return _identical(op, a, b)
    if isinstance(op, ast.In | ast.NotIn):
        return _contained(op, a, b)
    if x is not None and y is not None and (x.only is None or y.only is None):
        return _ordered(op, x, y)
    mine, its = exactly(a), exactly(b)
    if mine is not None and its is not None:
        try:
            return {_EXACTLY[type(op)](mine[0], its[0])}
        except TypeError:
            raise UnprovenError from None
    if _comparable(a) and _comparable(b):
        return {True, False}
    raise UnprovenError


def _comparable(value: Value) -> bool:
    return _as_integers(value) is not None or _kind(value) is Kind.FLOAT


def exactly(value: Value) -> tuple[Any] | None:
    """The one plain value that it is, if it is."""
    if isinstance(value, Integers):
        return None if value.only is None else (value.only,)
    return (value.known,) if isinstance(value, Known) and type(value.known) in _ATOMS else None


def _identical(op: ast.cmpop, a: Value, b: Value) -> set[bool]:
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Known) and one.known is None and other is not Kind.ANY:
            same = isinstance(other, Known) and other.known is None
            return {same is isinstance(op, ast.Is)}
    raise UnprovenError


def _contained(op: ast.cmpop, a: Value, b: Value) -> set[bool]:
    items, mine = _items(b), exactly(a)
    if items is None or (isinstance(b, Known) and type(b.known) is str and not isinstance(getattr(a, "known", 0), str)):
        raise UnprovenError
    if mine is not None and isinstance(b, Known):
        return {_EXACTLY[type(op)](mine[0], b.known)}
    if _comparable(a):
        return {True, False}
    raise UnprovenError


def _ordered(op: ast.cmpop, x: Integers, y: Integers) -> set[bool]:
    if isinstance(op, ast.Eq | ast.NotEq):
        return {True, False} if x.may_equal(y) else {isinstance(op, ast.NotEq)}
    if isinstance(op, ast.Gt | ast.GtE):
        x, y, op = y, x, ast.Lt() if isinstance(op, ast.Gt) else ast.LtE()
    strictly = isinstance(op, ast.Lt)
    surely = x.high < y.low if strictly else x.high <= y.low
    never = x.low >= y.high if strictly else x.low > y.high
    return {True} if surely else {False} if never else {True, False}


def _items(value: Value) -> Iterable[Any] | None:
    """The items of a known collection of plain values, keys of a dictionary; None for anything else."""
    collection: Any = value.known if isinstance(value, Known) else None
    if type(collection) not in _COLLECTIONS or len(collection) > MOST_ITEMS:
        return None
    plain = all(type(each) in _ATOMS for each in collection)
    if type(collection) is dict:
        plain = plain and all(type(each) in _ATOMS for each in collection.values())
    return collection if plain else None


def item_of(value: Value) -> Value | None:
    """What the items of a collection can be; None if there are none."""
    items = _items(value)
    if items is None:
        raise UnprovenError
    found: Value | None = None
    for each in items:
        found = value_of(each) if found is None else joined(found, value_of(each))
    return found


def item(collection: Value, index: Value) -> Value:
    items, exact = _items(collection), exactly(index)
    if items is None or not isinstance(collection, Known) or isinstance(items, set | frozenset):
        raise UnprovenError
    if isinstance(items, dict):
        if exact is None or exact[0] not in items:
            raise UnprovenError
        return value_of(items[exact[0]])
    places, size = _as_integers(index), len(collection.known)
    if places is None or not (-size <= places.low and places.high < size):
        raise UnprovenError
    step = places.step or 1
    return item_of(Known([collection.known[i] for i in range(int(places.low), int(places.high) + 1, step)])) or ZERO


def called(function: Value, args: list[Value]) -> Value:
    builtin: Any = function.known if isinstance(function, Known) else None
    numbers = [_as_integers(each) for each in args]
    if builtin is len and len(args) == 1 and isinstance(args[0], Known) and type(args[0].known) in _COLLECTIONS:
        return Integers.one(len(args[0].known))
    if builtin is bool and len(args) == 1:
        return truth_value(truths(args[0]))
    if (builtin is min or builtin is max) and len(args) > 1 and None not in numbers:
        sets = [each for each in numbers if each is not None]
        step = gcd(*(each.step for each in sets), *(each.rest - sets[0].rest for each in sets))
        return Integers.of(builtin(s.low for s in sets), builtin(s.high for s in sets), step, sets[0].rest) or ZERO
    if (builtin is abs or builtin is int) and len(args) == 1 and numbers[0] is not None:
        value = numbers[0]
        if builtin is int or value.low >= 0:
            return value
        return value.negated() if value.high <= 0 else Integers.of(0, max(-value.low, value.high)) or ZERO
    raise UnprovenError
