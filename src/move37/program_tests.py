"""Tests of programs as people write them down -> what the verifier `code` needs (`benchmarks/programs.py`).

  assert lines     "assert f(1) == 2", or a list of such texts
  a check function "def check(candidate): ...", with the name of the function to check (`entry_point`)
  input and output [{"input": "1 2\\n", "output": "3\\n"}], {"inputs": [...], "outputs": [...]}, or the same in a text
                   of JSON; with "fn_name" the inputs are the arguments of that function, and the outputs its results
  a pytest file    functions `test_...`, which take what they test from the module `solution`

A pytest file that is no more than functions without arguments runs as assert lines do: apart from the program. One
that needs pytest itself (fixtures, parameters, classes) runs in the program's process, and its verdicts say so.
"""

import ast
import json
import math
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from move37.errors import InputError

MODULE = "solution"
"""By which a pytest file imports the program."""
_CASES = ("test_cases", "input_output", "cases", "tests")
"""Under which a table of cases may stand."""


def read_tests(given: Any, entry_point: str | None = None) -> dict[str, Any]:
    """The metadata of a problem with these tests. Raises InputError, which says what was expected."""
    if isinstance(given, str):
        read = _json(given)
        return _read_text(given, entry_point) if read is None else read_tests(read, entry_point)
    if isinstance(given, Mapping):
        return _read_mapping(given, entry_point)
    if isinstance(given, Sequence) and given and not isinstance(given, bytes):
        if all(isinstance(each, str) for each in given):
            return _read_text("\n".join(given), entry_point)
        if all(isinstance(each, Mapping) for each in given):
            return _read_cases(given, entry_point)
    raise InputError("tests: expected assert lines, a check function, inputs with outputs, or a pytest file")


def _json(text: str) -> Any:
    """What a text holds as JSON, where that is a table."""
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        read = json.loads(text)
    except ValueError:
        return None
    return read if isinstance(read, list | dict) else None


# -- Python ------------------------------------------------------------------------------------------------------------


def _read_text(text: str, entry_point: str | None) -> dict[str, Any]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise InputError(f"tests: not Python ({error})") from None
    _check_imports(tree)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    named = {"entry_point": entry_point} if entry_point else {}
    if any(function.name == "check" for function in functions) and not _calls(tree, "check"):
        if not entry_point:
            raise InputError("tests: a check function needs 'entry_point', the name of the function to check")
        return {"tests": [f"{text}\ncheck({entry_point})\n"], **named}
    tests = [function for function in functions if function.name.startswith("test")]
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and _is_collected(node)]
    if tests or classes:
        return {**_read_pytest(text, tree, tests, bool(classes)), **named}
    if not any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(tree)):
        raise InputError("tests: nothing in them can fail; write assert lines")
    kept = [node for node in tree.body if not _takes_the_program(node)]
    text = text if len(kept) == len(tree.body) else ast.unparse(ast.Module(kept, []))
    return {"tests": [text], **named}


def _is_collected(node: ast.ClassDef) -> bool:
    return node.name.startswith("Test") or any("TestCase" in ast.unparse(base) for base in node.bases)


def _check_imports(tree: ast.Module) -> None:
    """Raises InputError where the tests import what is not here: no program could pass them."""
    for node in ast.walk(tree):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in (each.partition(".")[0] for each in names):
            if name != MODULE and name not in sys.stdlib_module_names and find_spec(name) is None:
                raise InputError(f"tests: they import {name}, which is not installed")


def _calls(tree: ast.Module, name: str) -> bool:
    """Whether the tests call this function themselves, outside every function."""
    return any(
        isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name) and node.value.func.id == name
        for node in tree.body
        if isinstance(node, ast.Expr)
    )


def _read_pytest(
    text: str, tree: ast.Module, tests: Sequence[ast.FunctionDef | ast.AsyncFunctionDef], has_classes: bool
) -> dict[str, Any]:
    plain = not has_classes and all(map(_is_plain, tests)) and not _imports_beyond(tree) and not _sets_up(tree)
    if plain:
        kept = [node for node in tree.body if not _takes_the_program(node)]
        calls = "\n".join(f"{test.name}()" for test in tests)
        return {"tests": [f"{ast.unparse(ast.Module(kept, []))}\n{calls}\n"]}
    if find_spec("pytest") is None:
        raise InputError("tests: this file needs pytest (fixtures, parameters or classes): pip install pytest")
    return {"pytest": text}


def _is_plain(test: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = test.args
    takes = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
    return isinstance(test, ast.FunctionDef) and not test.decorator_list and not any(takes)


def _sets_up(tree: ast.Module) -> bool:
    """Whether the file has functions that pytest calls before or after tests."""
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return any(name.endswith(("_module", "_function")) and name.startswith(("setup", "teardown")) for name in names)


def _imports_beyond(tree: ast.Module) -> bool:
    """Whether the file imports pytest, or the program as a module: then it needs what only one process has."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name in ("pytest", "unittest", MODULE) for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and (
            node.module in ("pytest", "unittest")
            or (node.module == MODULE and any(alias.asname or alias.name == "*" for alias in node.names))
        ):
            return True
    return False


def _takes_the_program(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == MODULE


# -- cases -------------------------------------------------------------------------------------------------------------


def _read_mapping(given: Mapping[str, Any], entry_point: str | None) -> dict[str, Any]:
    if "inputs" in given and "outputs" in given:
        inputs, outputs = given["inputs"], given["outputs"]
        if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
            raise InputError("tests: 'inputs' and 'outputs' must be lists of the same length")
        cases = [{"input": i, "output": o} for i, o in zip(inputs, outputs, strict=True)]
        return _read_cases(cases, given.get("fn_name") or entry_point if given.get("fn_name") else None)
    found = next((given[name] for name in _CASES if name in given), None)
    if found is None:
        raise InputError(f"tests: expected 'inputs' and 'outputs', found {', '.join(map(str, given)) or 'nothing'}")
    return read_tests(found, given.get("fn_name") or given.get("entry_point") or entry_point)


def _read_cases(cases: Sequence[Mapping[str, Any]], entry_point: str | None) -> dict[str, Any]:
    if not cases:
        raise InputError("tests: an empty list of cases")
    for place, case in enumerate(cases, start=1):
        if case.get("input") is None or case.get("output") is None:
            raise InputError(f"tests: case {place} has no 'input' or no 'output'")
    function = cases[0].get("fn_name") or entry_point
    if not function:
        return {"cases": [{"input": _as_text(case["input"]), "output": _as_text(case["output"])} for case in cases]}
    if not str(function).isidentifier():
        raise InputError(f"tests: 'fn_name' {str(function)[:40]!r} is no name")
    asserts = "\n".join(_as_assertion(str(function), case) for case in cases)
    return {"tests": [asserts], "entry_point": str(function)}


def _as_text(value: Any) -> str:
    """Standard input or output: a text, or its lines."""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _as_assertion(function: str, case: Mapping[str, Any]) -> str:
    arguments, result = case["input"], case["output"]
    if isinstance(arguments, str):  # one JSON value a line, as LiveCodeBench writes them
        try:
            arguments = [json.loads(line) for line in arguments.split("\n") if line.strip()]
            result = json.loads(result) if isinstance(result, str) else result
        except ValueError:
            raise InputError("tests: a case of a function whose input or output is no JSON") from None
    if not isinstance(arguments, list):
        raise InputError("tests: the input of a function's case must be the list of its arguments")
    if isinstance(result, float) and not math.isfinite(result):
        raise InputError("tests: an output that is not a finite number")
    return f"assert {function}(*{arguments!r}) == {result!r}"
