"""What an expression can be, and what is left of its names where a test comes out one way (`endless.py`)."""

import ast
from math import inf
from typing import Any

from .integers import Integers
from .possible import (
    Known,
    Names,
    UnprovenError,
    Value,
    binary,
    called,
    compared,
    exactly,
    item,
    joined,
    joined_names,
    truth_value,
    truths,
    unary,
    value_of,
)


def evaluated(expression: ast.expr, names: Names) -> Value:
    """What it can be. Raises UnprovenError where it may raise, or may do anything else."""
    match expression:
        case ast.Constant(value=value):
            return value_of(value)
        case ast.Name(id=name):
            if name not in names:
                raise UnprovenError
            return names[name]
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            exact = [exactly(evaluated(each, names)) for each in parts]
            if None in exact:
                raise UnprovenError
            return Known(tuple(each[0] for each in exact if each is not None))
        case ast.UnaryOp(op=op, operand=operand):
            return unary(op, evaluated(operand, names))
        case ast.BinOp(left=left, op=op, right=right):
            return binary(op, evaluated(left, names), evaluated(right, names))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return truth_value(compared(op, evaluated(left, names), evaluated(right, names)))
        case ast.Compare():
            return evaluated(_pairs(expression), names)
        case ast.BoolOp() | ast.IfExp():
            return _by_parts(expression, names)
        case ast.Call(func=function, args=args, keywords=[]):
            return called(evaluated(function, names), [evaluated(each, names) for each in args])
        case ast.Subscript(value=collection, slice=index):
            return item(evaluated(collection, names), evaluated(index, names))
    raise UnprovenError


def assumed(test: ast.expr, names: Names, wanted: bool) -> Names | None:
    """The names where a test comes out as wanted; None if it cannot. Raises UnprovenError as `evaluated`."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return assumed(operand, names, not wanted)
        case ast.BoolOp(op=op, values=values):
            return _assumed_all(values, isinstance(op, ast.And), names, wanted)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            a, b = evaluated(left, names), evaluated(right, names)
            if wanted not in compared(op, a, b):
                return None
            how = type(op) if wanted else _OPPOSITE.get(type(op))
            narrowed = _narrowed(left, how, a, b, names)
            return None if narrowed is None else _narrowed(right, _MIRRORED.get(how), b, a, narrowed)
        case ast.Compare():
            return assumed(_pairs(test), names, wanted)
        case ast.Name(id=name):
            value = evaluated(test, names)
            if wanted not in truths(value):
                return None
            if not isinstance(value, Integers):
                return names
            left = value.without(0) if wanted else Integers.one(0)
            return None if left is None else {**names, name: left}
    return names if wanted in truths(evaluated(test, names)) else None


def _assumed_all(values: list[ast.expr], all_of: bool, names: Names, wanted: bool) -> Names | None:
    """`and` (`all_of`) or `or` of these. What decides early is the first that is not as the others must be."""
    early: Names | None = None
    rest: Names | None = names
    for value in values:
        if rest is None:
            break
        if wanted is not all_of:
            early = joined_names(early, assumed(value, rest, wanted))
        rest = assumed(value, rest, all_of)
    return rest if wanted is all_of else early


def _pairs(chain: ast.Compare) -> ast.BoolOp:
    """`a < b < c` as `a < b and b < c`: looking at b twice changes nothing."""
    sides = [chain.left, *chain.comparators]
    pairs = [ast.Compare(a, [op], [b]) for op, a, b in zip(chain.ops, sides, sides[1:], strict=False)]
    return ast.BoolOp(ast.And(), list[ast.expr](pairs))


def _by_parts(expression: ast.expr, names: Names) -> Value:
    found: list[Value] = []
    match expression:
        case ast.BoolOp(op=op, values=values):
            rest: Names | None = names
            for value in values:
                if rest is not None:
                    found.append(evaluated(value, rest))
                    rest = assumed(value, rest, isinstance(op, ast.And))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            for wanted, branch in ((True, body), (False, orelse)):
                taken = assumed(test, names, wanted)
                if taken is not None:
                    found.append(evaluated(branch, taken))
    value = found[0]
    for each in found[1:]:
        value = joined(value, each)
    return value


_OPPOSITE: dict[Any, Any] = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq
}  # fmt: skip
_MIRRORED: dict[Any, Any] = {
    ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq
}  # fmt: skip


def _narrowed(name: ast.expr, how: Any, a: Value, b: Value, names: Names) -> Names | None:
    """The names where the first of two sides, if it is a name, compares so with the other; None if it cannot."""
    if not (isinstance(name, ast.Name) and isinstance(a, Integers) and isinstance(b, Integers)):
        return names
    left: Integers | None = a
    if how is ast.Lt:
        left = a.within(-inf, b.high - 1)
    elif how is ast.LtE:
        left = a.within(-inf, b.high)
    elif how is ast.Gt:
        left = a.within(b.low + 1, inf)
    elif how is ast.GtE:
        left = a.within(b.low, inf)
    elif how is ast.Eq:
        left = b if b.only is not None else a.within(b.low, b.high)
    elif how is ast.NotEq and b.only is not None:
        left = a.without(b.only)
    return None if left is None else {**names, name.id: left}
