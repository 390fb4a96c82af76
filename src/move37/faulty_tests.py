"""What is wrong with tests that a person wrote, told before any program runs.

Nothing in them can fail, or something in them fails whatever the program does: then every program would be correct, or
every one incorrect, for a fault that is none of theirs. Each check raises InputError with a line that says what to do.
"""

import ast
import builtins
import sys
from collections.abc import Collection, Iterable, Iterator
from importlib.util import find_spec

from move37.errors import InputError

MODULE = "solution"
"""By which tests import the program."""
PACKAGES = (
    *("numpy", "scipy", "pandas", "sympy", "mpmath", "sortedcontainers", "networkx", "typing_extensions"),
    *("dateutil", "pytz", "six", "pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments"),
)
"""Packages that programs and tests find beside the standard library, where they are installed: what LiveCodeBench's
environment has, what that needs, and pytest."""
_FAILS = ("fail", "raises", "warns", "deprecated_call", "exit")
"""Functions that fail, beside those whose names begin with "assert"."""
_ANYTHING = frozenset(("globals", "locals", "eval", "exec", "getattr", "vars"))
"""With which tests may call functions that they do not name."""
_OF_PYTEST = (
    "capfd capfdbinary caplog capsys capsysbinary doctest_namespace monkeypatch pytestconfig record_property "
    "record_testsuite_property record_xml_attribute recwarn request subtests tmp_path tmp_path_factory tmpdir "
    "tmpdir_factory"
)
_FIXTURES = frozenset(_OF_PYTEST.split())
_BEYOND_THE_SANDBOX = (
    "subprocess.run subprocess.Popen subprocess.call subprocess.check_call subprocess.check_output "
    "subprocess.getoutput subprocess.getstatusoutput os.system os.popen os.fork socket.socket socket.create_server "
    "socket.create_connection urllib.request.urlopen"
)
_PROCESSES = frozenset(_BEYOND_THE_SANDBOX.split())
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def check_imports(tree: ast.Module, field: str = "tests") -> None:
    """They import what is not here, or is not seen in the sandbox: no program could pass."""
    for node in ast.walk(tree):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in (each.partition(".")[0] for each in names):
            if name == MODULE or name in sys.stdlib_module_names:
                continue
            imports = f"{'they import' if field == 'tests' else 'it imports'} {name}"
            if find_spec(name) is None:
                raise InputError(f"{field}: {imports}, which is not installed")
            if name not in PACKAGES:
                seen = ", ".join(PACKAGES[:8])
                raise InputError(f"{field}: {imports}, which programs cannot see in their sandbox; it shows {seen}")


def check_calls(tree: ast.Module) -> None:
    """They start a process or use the network themselves, which nothing in the sandbox may."""
    members = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            spelled = ast.unparse(node.func)
            called = members.get(spelled, spelled)
            if called in _PROCESSES:
                raise InputError(
                    f"tests: they call {called} (line {node.lineno}): no other process and no network is there; "
                    "call the program's functions, or patch it"
                )


def check_can_fail(tree: ast.Module, begins: Collection[str] = ()) -> None:
    """Nothing that runs can fail. `begins`: functions and classes that pytest runs."""
    reached = list(_reached(tree, begins))
    for node in reached:
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Tuple) and node.test.elts:
            raise InputError(f"tests: line {node.lineno} asserts a tuple, which is always true; drop the brackets")
    caught = {id(inner) for node in reached if isinstance(node, ast.Try) for inner in _caught(node)}
    if not any(_can_fail(node) and id(node) not in caught for node in reached):
        raise InputError("tests: nothing in them can fail; write assert lines, or functions test_... that assert")


def _can_fail(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert | ast.Raise):
        return True
    called = node.func if isinstance(node, ast.Call) else None
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return name.lstrip("_").startswith("assert") or name in _FAILS


def _caught(node: ast.Try) -> Iterator[ast.AST]:
    """What fails in it for nothing: the failure is caught, and nothing follows from that."""
    for handler in node.handlers:
        kinds = {each.id for each in ast.walk(handler.type) if isinstance(each, ast.Name)} if handler.type else set()
        takes_all = handler.type is None or kinds & {"AssertionError", "Exception", "BaseException"}
        if takes_all and not any(map(_can_fail, ast.walk(handler))):
            yield from (inner for statement in node.body for inner in ast.walk(statement))


def _reached(tree: ast.Module, begins: Collection[str]) -> Iterator[ast.AST]:
    """All that runs: statements of the module, and those functions and classes that are named by what runs."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    known = {node.name: node for node in tree.body if isinstance(node, kinds)}
    left: list[ast.AST] = [node for node in tree.body if not isinstance(node, kinds)]
    left += [node for name, node in known.items() if name in begins or node.decorator_list]
    known = {name: node for name, node in known.items() if node not in left}
    while left:
        for node in ast.walk(left.pop()):
            yield node
            named = _named_by(node)
            if named in _ANYTHING:
                left += known.values()
                known = {}
            elif named in known:
                left.append(known.pop(named))


def _named_by(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)):
            return name
    return ""


def check_names(tree: ast.Module) -> None:
    """They ask the program for nothing: then every program passes, or none."""
    used, bound = names_of(tree)
    taken = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == MODULE
        for alias in node.names
    }
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    if not any(isinstance(node, ast.alias) and node.name == "*" for node in ast.walk(tree)):
        _check_bound(used - bound, taken)
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    if "*" in taken or taken & used or MODULE in modules or any(text.startswith(MODULE) for text in texts):
        return
    if not used - bound - set(dir(builtins)) and "__import__" not in used:
        raise InputError(
            "tests: they use no name of the program's; if its function is named like a builtin, "
            "give the name as 'entry_point'"
        )


def _check_bound(free: set[str], taken: set[str]) -> None:
    """Tests that say what they take from the program must say where all of their names come from."""
    missing = sorted(name for name in free - set(dir(builtins)) if not name.startswith("__"))
    if missing and taken and not free & _ANYTHING:
        raise InputError(f"tests: {missing[0]} is neither defined in them nor imported from {MODULE}")


def names_of(tree: ast.AST) -> tuple[set[str], set[str]]:
    """The names that are used somewhere, and those that are bound somewhere."""
    used, bound = set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.alias(name=name, asname=asname):
                bound.add(asname or name.partition(".")[0])
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound.add(name)
            case ast.MatchMapping(rest=str(name)):
                bound.add(name)
    return used, bound


def check_can_pass(tree: ast.Module, tests: Iterable[_Function] = ()) -> None:
    """A line that always runs fails always. `tests`: functions that pytest runs."""
    for test in tests:
        leaves = any(isinstance(node, ast.Return | ast.Yield) or _may_leave(node) for node in ast.walk(test))
        if not leaves and not test.decorator_list:
            _check_lines(test.body)
    if not any(_may_leave(node) for node in ast.walk(tree)):
        _check_lines(tree.body)


def _may_leave(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _named_by(node.func) in ("skip", "xfail", "importorskip", "exit", "_exit")


def _check_lines(body: list[ast.stmt]) -> None:
    for statement in body:
        if isinstance(statement, ast.Raise) or (isinstance(statement, ast.Assert) and _is_false(statement.test)):
            raise InputError(f"tests: line {statement.lineno} fails whatever the program does")


def _is_false(test: ast.expr) -> bool:
    """Whether it is false for certain: a constant, or constants that are equal or are not."""
    try:
        match test:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                return ast.literal_eval(left) != ast.literal_eval(right)
            case ast.Compare(left=left, ops=[ast.NotEq()], comparators=[right]):
                return ast.literal_eval(left) == ast.literal_eval(right)
        return not ast.literal_eval(test)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False


def check_fixtures(tree: ast.Module) -> None:
    """A test asks for a fixture that is nowhere: pytest would stop there for every program."""
    functions = [node for node in ast.walk(tree) if isinstance(node, _Function)]
    known = set[str](_FIXTURES)
    for node in ast.walk(tree):
        if isinstance(node, _Function) and _is_fixture(node):
            known.add(node.name)
        elif isinstance(node, ast.keyword) and node.arg == "name" and isinstance(node.value, ast.Constant):
            known.add(str(node.value.value))
        elif isinstance(node, ast.Call) and _named_by(node.func) == "parametrize":
            named = _parametrized(node)
            if named is None:
                return
            known |= named
        elif isinstance(node, ast.Name) and node.id == "pytest_generate_tests":
            return
    if any(function.name == "pytest_generate_tests" for function in functions):
        return
    for function, is_method in _collected(tree):
        if _is_wrapped(function) or not (function.name.startswith("test") or _is_fixture(function)):
            continue
        for name in _asked_for(function, is_method):
            if name not in known:
                raise InputError(
                    f"tests: {function.name} asks for the fixture {name!r}, which neither they nor pytest define; "
                    "no conftest.py and no plugin is read: define it in the tests"
                )


def _decorators(function: _Function) -> list[str]:
    return [ast.unparse(each) for each in function.decorator_list]


def _is_fixture(function: _Function) -> bool:
    return any("fixture" in each for each in _decorators(function))


def _is_wrapped(function: _Function) -> bool:
    """Whether it has a decorator that is not pytest's, which may give it arguments."""
    return any(
        "mark." not in each and "fixture" not in each and each != "staticmethod" for each in _decorators(function)
    )


def _parametrized(call: ast.Call) -> set[str] | None:
    """The arguments that a mark gives; None where that is not seen."""
    given = call.args[0] if call.args else next((each.value for each in call.keywords if each.arg == "argnames"), None)
    try:
        named = ast.literal_eval(given) if given is not None else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    if isinstance(named, str):
        named = named.split(",")
    return {str(name).strip() for name in named} if isinstance(named, list | tuple) else None


def _collected(tree: ast.Module) -> Iterator[tuple[_Function, bool]]:
    """Functions that pytest may call, and whether each is a method of one of pytest's own classes."""
    for node in tree.body:
        if isinstance(node, _Function):
            yield node, False
        elif isinstance(node, ast.ClassDef) and not node.bases:
            yield from ((each, True) for each in node.body if isinstance(each, _Function))


def _asked_for(function: _Function, is_method: bool) -> list[str]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args]
    without = named[: len(named) - len(arguments.defaults)]
    names = [each.arg for each in without[1 if is_method and "staticmethod" not in _decorators(function) else 0 :]]
    defaults = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return names + [each.arg for each, default in defaults if default is None]
