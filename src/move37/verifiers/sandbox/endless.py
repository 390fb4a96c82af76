"""Loops that provably never end, though they are never twice in one state: `while True: i += 1`.

A loop is followed with what its variables can be (sets of integers, known objects, any float) instead of what they are,
from the state in which it was met, until nothing new comes: if no path leaves it and none can raise anything, it never
ends. (Abstract interpretation: Cousot and Cousot, POPL 1977.)

What is followed are arithmetic, comparisons, branches and inner loops over plain values, and reading from collections
that nothing there changes. Everything else (a call of a function that is not known, an attribute, a changed collection,
`try`, an index that may be out of range, a divisor that may be zero) is no proof. Numbers may grow without bound, but
in a step by a few bytes only: it would take hours until memory was full.
"""

import ast
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import count
from math import inf
from typing import Any, NamedTuple

from .expressions import assumed, evaluated
from .integers import Integers
from .possible import (
    Known,
    Names,
    UnprovenError,
    Value,
    is_plain,
    item_of,
    joined_names,
    value_of,
    widened_names,
)

MOST_PASSES = 40
"""Times that a loop is followed until nothing new comes."""
EXACT_PASSES = 3
"""Passes after which what still grows counts as without bound."""


class Place(NamedTuple):
    """A statement of a loop's body, by number."""

    loop: ast.While | ast.For
    number: int


@lru_cache(maxsize=64)
def places(code: types.CodeType, sources: tuple[str, ...]) -> Mapping[int, Place]:
    """Where in a function's code a statement of a loop begins; `sources` are the program's texts."""
    function = _written(code, sources)
    found: dict[int, Place] = {}
    for loop in _loops(function.body) if function is not None else ():
        for number, statement in enumerate(loop.body):
            offset = _beginning(code, statement)
            if offset is not None:
                found[offset] = Place(loop, number)
    return found


def never_ends(place: Place, frame: Any) -> bool:
    """Whether the loop that a frame is in, about to run this statement, goes on for ever."""
    loop = place.loop
    try:
        names = _state(loop, frame)
        item = _counted(loop, names) if isinstance(loop, ast.For) else None
        walk = _Walk()
        start = joined_names(walk.block(loop.body[place.number :], names), *walk.left("continue"))
        if walk.left("break"):
            return False
        head = walk.fixed(start, lambda before: walk.once(loop, before, item))
        if walk.left("break"):
            return False
        return isinstance(loop, ast.For) or head is None or assumed(loop.test, head, False) is None
    except (UnprovenError, RecursionError):
        return False


class _Walk:
    """Follows statements. Its methods give the names behind what they follow; None where nothing gets there."""

    def __init__(self) -> None:
        self._left: dict[str, list[Names]] = {"break": [], "continue": []}

    def left(self, how: str) -> list[Names]:
        """What left the innermost loop in this way since this was last asked."""
        left, self._left[how] = self._left[how], []
        return left

    def block(self, statements: Iterable[ast.stmt], names: Names | None) -> Names | None:
        for statement in statements:
            if names is None:
                return None
            names = self._after(statement, names)
        return names

    def fixed(self, start: Names | None, once: Callable[[Names], Names | None]) -> Names | None:
        """The names at the head of a loop, in whatever round. Its `left("break")` is what breaks out in any of them."""

        def again(head: Names | None) -> Names | None:
            self.left("break")
            return joined_names(start, once(head) if head is not None else None)

        head = start
        for passes in range(MOST_PASSES):
            grown = joined_names(head, again(head))
            if grown == head:
                break
            head = grown if passes < EXACT_PASSES else widened_names(head, grown)
        else:
            raise UnprovenError
        closer = again(head)  # without what widening gave too much
        again(closer)
        return closer

    def once(self, loop: ast.While | ast.For, names: Names, item: Value | None = None) -> Names | None:
        """One round of a loop from its head; `item` is what the target of a `for` can be, else it is looked up."""
        if isinstance(loop, ast.While):
            entered = assumed(loop.test, names, True)
        else:
            item = _item(loop, names) if item is None else item
            entered = None if item is None else _bound(loop.target, item, names)
        return joined_names(self.block(loop.body, entered), *self.left("continue"))

    def _after(self, statement: ast.stmt, names: Names) -> Names | None:
        match statement:
            case ast.Pass():
                return names
            case ast.Expr(value=value):
                evaluated(value, names)
                return names
            case ast.Assign(targets=[target], value=value):
                return _assigned(target, value, names)
            case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
                return _bound(target, evaluated(value, names), names)
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                return _bound(target, evaluated(ast.BinOp(ast.Name(name, ast.Load()), op, value), names), names)
            case ast.If(test=test, body=body, orelse=orelse):
                yes = self.block(body, assumed(test, names, True))
                return joined_names(yes, self.block(orelse, assumed(test, names, False)))
            case ast.While() | ast.For():
                return self._inner(statement, names)
            case ast.Break() | ast.Continue():
                self._left["break" if isinstance(statement, ast.Break) else "continue"].append(names)
                return None
        raise UnprovenError

    def _inner(self, loop: ast.While | ast.For, names: Names) -> Names | None:
        around, self._left = self._left, {"break": [], "continue": []}
        head = self.fixed(names, lambda before: self.once(loop, before))
        broken = self.left("break")
        self._left = around
        out = assumed(loop.test, head, False) if isinstance(loop, ast.While) and head is not None else head
        return joined_names(self.block(loop.orelse, out), *broken)


def _assigned(target: ast.expr, value: ast.expr, names: Names) -> Names:
    if not (isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts)):
        return _bound(target, evaluated(value, names), names)
    named = [each.id for each in target.elts if isinstance(each, ast.Name)]
    if len(set(named)) < len(named):  # a, a = b, 1: Python 3.11.2 keeps the first of them, as others do not
        raise UnprovenError
    given = [evaluated(each, names) for each in value.elts]
    for each, part in zip(target.elts, given, strict=True):
        names = _bound(each, part, names)
    return names


def _bound(target: ast.expr, value: Value, names: Names) -> Names:
    if not isinstance(target, ast.Name):
        raise UnprovenError
    return {**names, target.id: value}


def _counted(loop: ast.For, names: Names) -> Value:
    """The items of a loop over `itertools.count(integer)`. Raises UnprovenError where it is over something else."""
    call = loop.iter
    if (
        not isinstance(call, ast.Call)
        or call.keywords
        or getattr(evaluated(call.func, names), "known", None) is not count
    ):
        raise UnprovenError
    start = evaluated(call.args[0], {}) if call.args else Integers.one(0)
    if len(call.args) > 1 or not isinstance(start, Integers):
        raise UnprovenError
    return Integers.of(start.low, inf) or start


def _item(loop: ast.For, names: Names) -> Value | None:
    """What the target can be, over a range or a known collection; None where there is no item."""
    call = loop.iter
    if not isinstance(call, ast.Call):
        return item_of(evaluated(call, names))
    ends = [evaluated(each, names) for each in call.args]
    if call.keywords or not _is(range, call.func, names) or len(ends) not in (1, 2):
        raise UnprovenError
    start, stop = ends if len(ends) == 2 else (Integers.one(0), ends[0])
    if not isinstance(start, Integers) or not isinstance(stop, Integers):
        raise UnprovenError
    return Integers.of(start.low, stop.high - 1)


def _is(thing: Any, name: ast.expr, names: Names) -> bool:
    value = evaluated(name, names)
    return isinstance(value, Known) and value.known is thing


# -- text and state ----------------------------------------------------------------------------------------------------


def _written(code: types.CodeType, sources: tuple[str, ...]) -> Any:
    """The text that this code was compiled from, parsed; None where that is not certain."""
    found: list[ast.AST] = []
    for source in sources:
        tree = ast.parse(source)
        if code.co_name == "<module>":
            found += [tree] if compile(source, code.co_filename, "exec", dont_inherit=True) == code else []
            continue
        found += [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            and node.name == code.co_name
            and min([node.lineno, *(each.lineno for each in node.decorator_list)]) == code.co_firstlineno
        ]
    return found[0] if len(found) == 1 else None


def _loops(statements: Iterable[ast.stmt]) -> Iterator[ast.While | ast.For]:
    """The loops among statements and inside them, but not inside functions and classes."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(statement, ast.While | ast.For):
            yield statement
        for inner in ("body", "orelse", "finalbody"):
            yield from _loops(getattr(statement, inner, ()))


def _beginning(code: types.CodeType, statement: ast.stmt) -> int | None:
    """The offset of the first instruction of a statement, which is run once whenever it is: none for what is run by
    halves, such as a `for` that takes its next item."""
    part: ast.AST = statement
    if isinstance(statement, ast.If | ast.While):
        part = statement.test
    elif isinstance(statement, ast.For):
        part = statement.iter
    elif not isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Pass):
        return None
    first = part.lineno, part.col_offset  # type: ignore[attr-defined]
    last = part.end_lineno, part.end_col_offset  # type: ignore[attr-defined]
    for number, (line, end_line, column, end_column) in enumerate(code.co_positions()):
        if line is None or end_line is None or column is None or end_column is None:
            continue
        if first <= (line, column) and (end_line, end_column) <= last:
            return 2 * number
    return None


def _state(loop: ast.While | ast.For, frame: Any) -> Names:
    """The names that a loop uses, as they are. Raises UnprovenError where binding one anew may run something, or may
    change what others see."""
    used = [node for node in ast.walk(loop) if isinstance(node, ast.Name)]
    code, names = frame.f_code, Names()
    own = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
    is_module = frame.f_locals is frame.f_globals
    for node in used:
        spaces = [frame.f_locals] if node.id in own else [frame.f_globals, frame.f_builtins]
        for space in spaces:
            if node.id in space and node.id not in names:
                names[node.id] = value_of(space[node.id])
    for node in used:
        if isinstance(node.ctx, ast.Load):
            continue
        before = names.get(node.id)
        if not (is_module or node.id in own) or (before is not None and not is_plain(before)):
            raise UnprovenError
    return names
