"""Calls that tests make whatever a program returns, read from their text: then it need not wait to be asked for each.

Most tests are a row of `assert f(...) == ...` with constants between the brackets, at the top or in `check(candidate)`.
Such calls are told to the program at once, and it makes one after the other while the tests compare: in the order in
which the tests would have asked, and only as long as what it returns is plain data, for with a thing the tests might
ask something else first. What comes behind the first statement that is anything else is asked for as it comes.
"""

import ast
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from .wire import as_message, encode

MOST_BYTES = 32 << 10
"""Of all calls' arguments, as texts: what is sent at once must find room while nobody reads."""


class Call(NamedTuple):
    """A function of the program's by its name, and the arguments, also as they cross."""

    name: str
    args: list[Any]
    encoded: list[Any]


class _UnknownError(Exception):
    """Something that might ask the program for something else."""


def calls_ahead(tests: Sequence[ast.Module], from_program: Collection[str], bound: Collection[str]) -> list[Call]:
    """The calls that the tests begin with. `from_program`: the names that they take from the program; `bound`: those
    that they bind themselves, in whatever scope."""
    found: list[Call] = []
    room = MOST_BYTES
    reader = _Reader(frozenset(from_program), frozenset(bound))
    try:
        for tree in tests:
            for call in reader.calls(tree):
                room -= len(as_message(call.encoded))
                if room < 0:
                    return found
                found.append(call)
    except (_UnknownError, RecursionError):
        pass
    return found


class _Reader:
    """Follows statements in the order in which they run. Its methods raise _UnknownError where that is not certain."""

    def __init__(self, from_program: frozenset[str], bound: frozenset[str]) -> None:
        self._from_program, self._called = from_program, {name: name for name in from_program - bound}
        self._known = (_BUILTINS - bound | _MODULES) - from_program
        self._checks: dict[str, ast.FunctionDef] = {}

    def calls(self, tree: ast.Module) -> Iterator[Call]:
        for statement in tree.body:
            match statement:
                case ast.FunctionDef(name=name) if self._only_defines(statement):
                    self._checks[name] = statement
                case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=[ast.Name(id=given)], keywords=[])):
                    yield from self._checked(name, given)
                case _:
                    yield from self._in_statement(statement)

    def _only_defines(self, function: ast.FunctionDef) -> bool:
        """Whether defining it asks the program for nothing."""
        if function.name in self._from_program or function.decorator_list:
            return False
        run = [*ast.walk(function.args), *(ast.walk(function.returns) if function.returns else ())]
        names = {node.id for node in run if isinstance(node, ast.Name)}
        return not names & self._from_program and not any(isinstance(node, ast.Call) for node in run)

    def _checked(self, name: str, given: str) -> Iterator[Call]:
        """Of `check(f)`."""
        check = self._checks.get(name)
        if check is None or given not in self._called or len(check.args.args) != 1:
            raise _UnknownError
        candidate = check.args.args[0].arg
        self._called[candidate] = given
        for statement in check.body:
            yield from self._in_statement(statement)
        del self._called[candidate]

    def _in_statement(self, statement: ast.stmt) -> Iterator[Call]:
        match statement:
            case ast.Assert(test=test, msg=said):
                yield from self._in(test)
                self._without_calls([said] if said is not None else [])  # where it fails, that comes next
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in self._from_program | {
                *self._called
            }:
                _literal(value)
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case ast.Import(names=names) if all(each.name in _MODULES for each in names):
                pass
            case _:
                raise _UnknownError

    def _in(self, node: ast.expr | None) -> Iterator[Call]:
        """The calls in an expression, all of which are made."""
        match node:
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in self._called:
                given = [_literal(each) for each in args]
                yield Call(self._called[name], given, [encode(each, _refuse) for each in given])
            case ast.Call(func=function, args=args, keywords=keywords):
                yield from self._in(function)
                for each in (*args, *(keyword.value for keyword in keywords)):
                    yield from self._in(each)
            case ast.Compare(left=left, comparators=[first, *others]):
                yield from self._in(left)
                yield from self._in(first)
                self._without_calls(others)
            case ast.BoolOp(values=[first, *others]):
                yield from self._in(first)
                self._without_calls(others)
            case ast.BinOp(left=left, right=right):
                yield from self._in(left)
                yield from self._in(right)
            case ast.UnaryOp(operand=inner) | ast.Attribute(value=inner):
                yield from self._in(inner)
            case ast.Subscript(value=value, slice=index):
                yield from self._in(value)
                yield from self._in(index)
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                for each in items:
                    yield from self._in(each)
            case ast.Name(id=name) if name in self._known:
                pass
            case ast.Constant():
                pass
            case ast.Dict():
                _literal(node)
            case _:
                raise _UnknownError

    def _without_calls(self, others: list[ast.expr]) -> None:
        for each in others:
            for _ in self._in(each):
                raise _UnknownError


_MODULES = frozenset({"math"})
_WITH_DATA = (
    "abs all any bool dict divmod enumerate float frozenset int isinstance len list max min pow range repr reversed "
    "round set sorted str sum tuple zip"
)
_BUILTINS = frozenset(_WITH_DATA.split())
"""What does nothing with plain data that the program could see."""


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError):
        raise _UnknownError from None


def _refuse(value: Any) -> Any:
    raise _UnknownError
