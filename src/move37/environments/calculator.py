"""A calculator: `<calc>3*(4+5)/2</calc>` gives `<result>13.5</result>`.

+ - * / // % ** and brackets over decimal numbers, as Python reads them. Integers are exact; everything else has 12
significant digits. Names, calls and anything else are refused, and so are results of more than 1,000 digits.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import ClassVar

from move37.environments.tools import ToolEnvironment, ToolError

_LONGEST = 500
_MOST_DIGITS = 1_000
Number = int | float
_BINARY: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Number], Number]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


class Calculator(ToolEnvironment):
    """See the module."""

    opens: ClassVar[str] = "<calc>"
    closes: ClassVar[str] = "</calc>"

    def call(self, argument: str) -> str:
        if len(argument) > _LONGEST:
            raise ToolError(f"an expression of more than {_LONGEST} characters")
        try:
            value = _value(ast.parse(argument.strip(), mode="eval").body)
            if isinstance(value, int):
                return str(value)
            if not math.isfinite(value):
                raise ToolError("the result is not finite")
        except ZeroDivisionError:
            raise ToolError("division by zero") from None
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ToolError("this is no expression of numbers and + - * / // % **") from None
        except OverflowError:
            raise ToolError("the result is too large") from None
        return f"{value:.12g}"


def _value(node: ast.expr) -> Number:
    """Raises ToolError, and what arithmetic raises."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return _bounded(node.value)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_value(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Pow) and _digits(left) * abs(right) > _MOST_DIGITS:
            raise ToolError("the result is too large")
        found = _BINARY[type(node.op)](left, right)
        if not isinstance(found, int | float):
            raise ToolError("the result is no real number")
        return _bounded(found)
    raise ToolError("this is no expression of numbers and + - * / // % **")


def _bounded(value: Number) -> Number:
    if isinstance(value, int) and _digits(value) > _MOST_DIGITS:
        raise ToolError("the result is too large")
    return value


def _digits(value: Number) -> float:
    """About how many digits it has before its point."""
    if isinstance(value, int):
        return value.bit_length() * 0.302
    return math.log10(abs(value)) if abs(value) > 1 else 0.0
