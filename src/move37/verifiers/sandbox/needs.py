"""What tests need, read from their text: names of the program, and what they cannot have of a program elsewhere."""

import ast
import builtins
import sys
from collections.abc import Iterator
from typing import NamedTuple, Self

_BEHIND_VALUES = "globals locals vars eval exec type id dir callable setattr nan asyncio inspect threading pickle"
_REFLECTION = frozenset(_BEHIND_VALUES.split())
"""Names with which tests look behind values: without the program's process they may fail for nothing."""
_INTO_PROCESSES = (
    "patch mock monkeypatch capsys capfd caplog redirect_stdout redirect_stderr gc weakref logging warnings"
)
_TOGETHER = frozenset(_INTO_PROCESSES.split())
"""Names with which tests look into the process that they are in: in one of their own they may pass for nothing."""
_WITHOUT_STATE = "math cmath copy typing collections itertools functools operator string re fractions random"
_PURE = frozenset(_WITHOUT_STATE.split())
"""Modules with nothing to change: random numbers start anew for every program."""
_CONSTANTS = frozenset({"NotImplemented", "Ellipsis"})


class Needs(NamedTuple):
    """`together`: they compare identities, or watch the process that they are in. `pure`: they import nothing that
    could keep what they do to it. `reflection`: what they use that another process may falsify, "" if nothing.
    `exceptions`: names in them that are exceptions which they may expect."""

    together: bool
    pure: bool
    reflection: str
    exceptions: frozenset[str]

    @classmethod
    def of(cls, tests: list[str]) -> Self:
        """Raises SyntaxError."""
        nodes = [node for test in tests for node in ast.walk(ast.parse(test))]
        reflection = next((what for node in nodes for what in _reflection(node)), "")
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        exceptions = {name for name in names if _is_exception(name)}
        together = any(_compares_identities(node) or _TOGETHER & _words(node) for node in nodes)
        return cls(together, all(map(_is_pure, nodes)), reflection, frozenset(exceptions))


def _is_pure(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module in _PURE
    return not isinstance(node, ast.Import) or all(alias.name in _PURE for alias in node.names)


def _is_exception(name: str) -> bool:
    value = getattr(builtins, name, None)
    return isinstance(value, type) and issubclass(value, BaseException)


def _compares_identities(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare):
        return False
    operands = [node.left, *node.comparators]
    return any(
        isinstance(how, ast.Is | ast.IsNot) and not _is_constant(before) and not _is_constant(after)
        for how, before, after in zip(node.ops, operands, operands[1:], strict=False)
    )


def _is_constant(node: ast.expr) -> bool:
    """What is itself on both sides: None, True, a builtin type."""
    if isinstance(node, ast.Name):
        return node.id in _CONSTANTS or isinstance(getattr(builtins, node.id, None), type)
    return isinstance(node, ast.Constant)


def _words(node: ast.AST) -> set[str]:
    """The names that a piece of a program uses, of whatever sort."""
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
            return {name}
        case ast.alias(name=name):
            return set(name.split("."))
        case ast.ImportFrom(module=str(name)):
            return set(name.split("."))
    return set()


def _reflection(node: ast.AST) -> Iterator[str]:
    yield from sorted(_REFLECTION & _words(node))
    if isinstance(node, ast.Attribute) and node.attr.startswith("__") and node.attr.endswith("__"):
        yield node.attr
    elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
        yield "await"
    elif isinstance(node, ast.ExceptHandler) and node.type is not None:
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        if any(isinstance(each, ast.Name) and not hasattr(builtins, each.id) for each in caught):
            yield "exceptions of the program's"


def names_from_program(tests: list[str], head: str, reference: str, entry_point: str) -> tuple[list[str], list[str]]:
    """Names that the tests take from the program, and standard modules that they take from nowhere."""
    used, bound = _used_and_bound("\n".join(tests))
    defined, imported = defined_and_imported(head)
    own = (defined | imported) - {entry_point}
    solution, modules = defined_and_imported(reference)
    free = used - bound - set(dir(builtins)) - own
    standard = (free & modules & sys.stdlib_module_names) - solution
    shadowing = solution & used - own  # a solution may be called `sum`
    return sorted((free | shadowing) - standard), sorted(standard)


def _used_and_bound(source: str) -> tuple[set[str], set[str]]:
    used, bound = set[str](), set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return used, bound


def defined_and_imported(source: str) -> tuple[set[str], set[str]]:
    """Names that a program defines at its top level, and those that it imports."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return set(), set()
    defined, imported = set[str](), set[str]()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imported |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            defined |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return defined, imported
