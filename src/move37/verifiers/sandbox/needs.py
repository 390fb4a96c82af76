"""What tests need, read from their text: names of the program, and what they cannot have of a program elsewhere."""

import ast
import builtins
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from .names import defined_and_imported, nodes, used_and_bound

_BEHIND_VALUES = "globals locals vars eval exec type id dir callable setattr nan asyncio inspect pickle"
_OF_DATACLASSES = " asdict astuple fields is_dataclass"
_REFLECTION = frozenset((_BEHIND_VALUES + _OF_DATACLASSES).split())
"""Names with which tests look behind values: without the program's process they may fail for nothing."""
_INTO_PROCESSES = (
    "patch mock monkeypatch capsys capfd caplog redirect_stdout redirect_stderr gc weakref logging warnings "
    "threading concurrent multiprocessing importlib runpy tempfile shutil read_text write_text read_bytes write_bytes "
    "tmp_path tmp_path_factory tmpdir recwarn warns deprecated_call capsysbinary capfdbinary "
    "assertLogs assertNoLogs assertWarns assertWarnsRegex"
)
_TOGETHER = frozenset(_INTO_PROCESSES.split())
"""Names with which tests look into the process that they are in: in one of their own they may pass for nothing."""
_OF_MODULES = (
    "open exists isfile isdir listdir scandir getcwd chdir mkdir makedirs remove unlink rename environ getenv putenv "
    "stdin modules setrecursionlimit getcontext setcontext localcontext setlocale is_file is_dir iterdir touch glob "
    "seed"
)
_SHARED = frozenset(_OF_MODULES.split())
"""The same, where it is a module's (or a path's): files of the working folder, and what a process has one of."""
_OF_RANDOM = (
    "random randint randrange choice choices sample shuffle uniform gauss getrandbits randbytes triangular "
    "random_sample rand randn normal permutation integers poisson binomial exponential standard_normal"
)
_DRAWS = frozenset(_OF_RANDOM.split())
_WITHOUT_STATE = "math cmath copy typing collections itertools functools operator string re fractions random"
_PURE = frozenset(_WITHOUT_STATE.split())
"""Modules with nothing to change: random numbers start anew for every program."""


_BUILTINS = frozenset(dir(builtins))
_PLAIN = (ast.Constant, ast.List, ast.Tuple, ast.Assert, ast.Call, ast.UnaryOp, ast.BinOp, ast.Expr)
"""Of which most tests consist, and which say nothing by themselves."""


class Needs(NamedTuple):
    """`together`: they compare identities, or watch the process that they are in. `pure`: they import nothing that
    could keep what they do to it. `reflection`: what they use that another process may falsify, "" if nothing.
    `exceptions`: names in them that are exceptions which they may expect."""

    together: bool
    pure: bool
    reflection: str
    exceptions: frozenset[str]

    @classmethod
    def of(cls, tests: Iterable[ast.AST]) -> Self:
        """`tests`: all nodes of their trees."""
        tests = list(tests)
        found = [node for node in tests if not isinstance(node, _PLAIN)]
        taken = (node for node in found if isinstance(node, ast.ImportFrom))
        members = _imported(node for node in taken if node.module != "solution")
        imported = members | _imported(node for node in found if isinstance(node, ast.Import))
        reflection = next((what for node in found for what in _reflection(node)), "")
        shared = {name for node in found for name in _shared(node, imported, members)}
        if "seed" in shared and shared & _DRAWS:  # for what the tests draw themselves, or also for the program
            shared.discard("seed")
            reflection = reflection or ("seed" if sum("seed" in _words(node) for node in found) > 1 else "")
        names = {node.id for node in found if isinstance(node, ast.Name)}
        exceptions = {name for name in names if _is_exception(name)}
        looks = (_compares_identities, _matches_class, _looks_into)
        together = bool(shared - _DRAWS) or any(map(_names_method, tests)) or _hands_on_module(found)
        together = together or any(look(node) for node in found for look in looks)
        return cls(together, all(map(_is_pure, found)), reflection, frozenset(exceptions))


def _matches_class(node: ast.AST) -> bool:
    """Whether it matches a pattern of a class that is no builtin."""
    return isinstance(node, ast.MatchClass) and not hasattr(builtins, ast.unparse(node.cls))


def _looks_into(node: ast.AST) -> bool:
    """Whether it is of the process that it is in, of which another has no equal."""
    if isinstance(node, ast.Attribute) and node.attr in ("__doc__", "__module__"):
        return True
    return bool(_TOGETHER & _words(node))


def _imported(found: Iterable[ast.AST]) -> frozenset[str]:
    """Names that these imports bind."""
    aliases = (alias for node in found for alias in getattr(node, "names", ()))
    return frozenset((alias.asname or alias.name).partition(".")[0] for alias in aliases)


def _shared(node: ast.AST, imported: frozenset[str], members: frozenset[str]) -> Iterator[str]:
    """What it uses or changes of what both share in one process: files, and what modules keep."""
    if isinstance(node, ast.Name) and (node.id == "open" or node.id in members & (_SHARED | _DRAWS)):
        yield node.id
    elif isinstance(node, ast.Attribute | ast.Subscript) and _root(node) in imported:
        if not isinstance(node.ctx, ast.Load):
            yield "a module's"
        elif isinstance(node, ast.Attribute) and node.attr in _SHARED | _DRAWS and not _is_module(node):
            yield node.attr


def _hands_on_module(found: Iterable[ast.AST]) -> bool:
    """Whether they do more with the program's module than to take names from it."""
    found = list(found)
    called = _modules(found)
    used = sum(isinstance(node, ast.Name) and node.id in called for node in found)
    return used > sum(isinstance(node, ast.Attribute) and _is_name(node.value, called) for node in found)


def _modules(found: Iterable[ast.AST]) -> set[str]:
    """What tests call the program's module."""
    imported = (alias for node in found if isinstance(node, ast.Import) for alias in node.names)
    return {alias.asname or alias.name for alias in imported if alias.name == "solution"}


def _is_name(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _is_module(node: ast.Attribute) -> bool:
    """`numpy.random`, whose functions draw, is not `random.random`, which does."""
    return node.attr == "random" and _words(node.value) != {"random"}


def _root(node: ast.expr) -> str:
    """The name that a chain of attributes, items and calls begins with."""
    while True:
        match node:
            case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Call(func=value):
                node = value
            case _:
                return node.id if isinstance(node, ast.Name) else ""


def _names_method(node: ast.AST) -> bool:
    """Whether it is the name of a special method as a text: all of them are there in what stands for an object."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or not node.value.startswith("__"):
        return False
    return node.value.endswith("__") and node.value[2:-2].isidentifier() and node.value != "__main__"


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
        isinstance(how, ast.Is | ast.IsNot)
        and not (_is_constant(before) or _is_constant(after) or _types(before, after))
        for how, before, after in zip(node.ops, operands, operands[1:], strict=False)
    )


def _is_constant(node: ast.expr) -> bool:
    """What is itself on both sides."""
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id == "Ellipsis")


def _types(*nodes: ast.expr) -> bool:
    """Whether one asks for a value's type, and the other is a builtin one: here both are what they are there."""
    asked = any(isinstance(node, ast.Call) and ast.unparse(node.func) == "type" for node in nodes)
    return asked and any(isinstance(getattr(builtins, ast.unparse(node), None), type) for node in nodes)


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
        if any(not isinstance(each, ast.Name) or not hasattr(builtins, each.id) for each in caught):
            yield "exceptions of the program's"


def need_objects(texts: Iterable[str], head: str, entry_point: str) -> bool:
    """Whether it is certain that tests (texts) need the program's process, whatever program it is: they ask for its
    classes by name, catch its exceptions, enter or await what it gives, or compute with its objects."""
    found = [node for text in texts for node in nodes(_parsed(text))]
    bound = used_and_bound(found)[1] - imported_from_program(found)
    own = frozenset(names_from_program(found, head, "", entry_point)[0]) - bound
    objects = {
        target.id
        for node in found
        if isinstance(node, ast.Assign) and _is_object(node.value, own, frozenset())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return any(_needs_object(node, own, frozenset(objects)) for node in found)


def _needs_object(node: ast.AST, own: frozenset[str], objects: frozenset[str]) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, kinds]):
            return _names(kinds, own)
        case ast.Call(func=ast.Name(id=how) | ast.Attribute(attr=how), args=[kinds, *_]) if how in _EXPECTING:
            return _names(kinds, own)
        case ast.ExceptHandler(type=ast.expr() as kinds):
            return _names(kinds, own)
        case ast.ClassDef(bases=bases):
            return any(_names(base, own) for base in bases)
        case ast.withitem(context_expr=entered) | ast.Await(value=entered):
            return _is_call(entered, own) or _is_object(entered, own, objects)
        case ast.BinOp(left=left, right=right):
            return _is_object(left, own, objects) or _is_object(right, own, objects)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
            return _is_object(left, own, objects) and _is_object(right, own, objects)
        case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE()], comparators=[right]):
            return _is_object(left, own, objects) or _is_object(right, own, objects)
    return False


_EXPECTING = frozenset({"raises", "assertRaises", "assertRaisesRegex"})


def _names(kinds: ast.expr, own: frozenset[str]) -> bool:
    """Whether a class, or a tuple of classes, is or has one of the program's."""
    named = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
    return any(isinstance(each, ast.Name) and each.id in own for each in named)


def _is_call(node: ast.expr, own: frozenset[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in own


def _is_object(node: ast.expr, own: frozenset[str], objects: frozenset[str]) -> bool:
    """Whether it is an object of a class of the program's, by the way in which classes are spelled."""
    if isinstance(node, ast.Name):
        return node.id in objects
    return _is_call(node, own) and node.func.id[:1].isupper()  # type: ignore[attr-defined]


def names_from_program(
    tests: Iterable[ast.AST], head: str, reference: str, entry_point: str
) -> tuple[list[str], list[str]]:
    """Names that the tests (all nodes of their trees) take from the program, and standard modules that they take from
    nowhere."""
    tests = list(tests)
    used, bound = used_and_bound(tests)
    imported = imported_from_program(tests)
    bound -= imported
    own = {name for names in defined_and_imported(_parsed(head)) for name in names} - {entry_point}
    solution, modules = defined_and_imported(_parsed(reference))
    free = used - bound - _BUILTINS - own
    standard = (free & modules & sys.stdlib_module_names) - solution
    shadowing = (solution | {entry_point}) & used - own  # a solution may be called `sum`
    return sorted((free | shadowing | imported) - standard), sorted(standard)


def imported_from_program(tests: Iterable[ast.AST]) -> set[str]:
    """Names that tests import from it, or take from its module."""
    tests = list(tests)
    called = _modules(tests)
    taken = (node for node in tests if isinstance(node, ast.ImportFrom) and node.module == "solution")
    named = {alias.name for node in taken for alias in node.names if alias.name != "*"}
    return named | {node.attr for node in tests if isinstance(node, ast.Attribute) and _is_name(node.value, called)}


def _parsed(text: str) -> ast.Module:
    """Nothing where it cannot be parsed: a head may end in the middle of a function, and a solution may need it."""
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.Module([], [])
