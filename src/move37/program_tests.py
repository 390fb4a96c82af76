"""Tests of programs as people write them down -> what the verifier `code` needs (`benchmarks/programs.py`).

  assert lines     "assert f(1) == 2", or a list of such texts
  a check function "def check(candidate): ...", with the name of the function to check (`entry_point`)
  input and output [{"input": "1 2\\n", "output": "3\\n"}], {"inputs": [...], "outputs": [...]}, or the same in a text
                   of JSON; with "fn_name" the inputs are the arguments of that function, and the outputs its results,
                   or each in a list of its own, as in APPS and TACO
  a pytest file    functions `test_...`, which take what they test from the module `solution`

A pytest file that is no more than functions without arguments runs as assert lines do: apart from the program. One
that needs pytest itself (fixtures, parameters, classes) runs in the program's process, and its verdicts say so.
"""

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, TypeGuard

from move37.errors import InputError
from move37.faulty_tests import (
    MODULE,
    check_calls,
    check_can_fail,
    check_can_pass,
    check_fixtures,
    check_imports,
    check_names,
    names_of,
)

CONTEST_IMPORTS = """\
from string import *
from re import *
from datetime import *
from collections import *
from heapq import *
from bisect import *
from copy import *
from math import *
from random import *
from statistics import *
from itertools import *
from functools import *
from operator import *
from io import *
from sys import *
from json import *
from builtins import *
from typing import *
import string, re, datetime, collections, heapq, bisect, copy, math, random, statistics, itertools, functools
import operator, io, sys, json
sys.setrecursionlimit(50000)
"""
"""What the harnesses of LiveCodeBench, PRIME and verl put before every program."""
_BYTE_ORDER_MARK = "\ufeff"
_CASES = ("test_cases", "input_output", "cases", "tests")
"""Under which a table of cases may stand."""


def read_tests(given: Any, entry_point: str | None = None, has_solution: bool = False) -> dict[str, Any]:
    """The metadata of a problem with these tests. Raises InputError, which says what was expected.

    `has_solution`: a published one defines what they call, which may then be named like a builtin."""
    if isinstance(given, str):
        read = _json(given)
        if read is not None:
            return read_tests(read, entry_point, has_solution)
        return _read_text(given, entry_point, has_solution)
    if isinstance(given, Mapping):
        return _read_mapping(given, entry_point, has_solution)
    if isinstance(given, Sequence) and given and not isinstance(given, bytes):
        if all(isinstance(each, str) for each in given):
            return _read_text("\n".join(given), entry_point, has_solution)
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


def _read_text(text: str, entry_point: str | None, has_solution: bool) -> dict[str, Any]:
    text = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        hint = "; write examples behind >>> as assert lines" if text.lstrip().startswith(">>>") else ""
        raise InputError(f"tests: not Python ({_fault(error)}){hint}") from None
    check_imports(tree)
    check_calls(tree)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    named = {"entry_point": entry_point} if entry_point else {}
    if any(function.name == "check" for function in functions) and not _calls(tree, "check"):
        if not entry_point:
            raise InputError("tests: a check function needs 'entry_point', the name of the function to check")
        return {"tests": [f"{text}\ncheck({entry_point})\n"], **named}
    tests = [function for function in functions if _is_collected(function)]
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and _is_collected(node)]
    check_can_fail(tree, {each.name for each in (*tests, *classes)})
    check_can_pass(tree, tests)
    if not (entry_point or has_solution):
        check_names(tree)
    if tests or classes:
        return {**_read_pytest(text, tree, tests, bool(classes)), **named}
    kept = [node for node in tree.body if not _takes_the_program(node)]
    text = text if len(kept) == len(tree.body) else ast.unparse(ast.Module(kept, []))
    return {"tests": [text], **named}


def _is_collected(node: ast.stmt) -> bool:
    """Whether pytest runs it."""
    if isinstance(node, ast.ClassDef):
        return node.name.startswith("Test") or any("TestCase" in ast.unparse(base) for base in node.bases)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")


def _is_guard(node: ast.stmt) -> TypeGuard[ast.If]:
    """`if __name__ == "__main__":`, under which tests that are a script stand."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("__name__ == '__main__'", "'__main__' == __name__")


def _fault(error: Exception) -> str:
    return f"{error.msg}, line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else str(error)


def read_source(field: str, text: str) -> str:
    """A row's `prefix`, `setup` or `checker`. Raises InputError where nothing could run with it."""
    text = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        if field == "prefix":  # it may end within a function
            return text
        raise InputError(f"{field}: not Python ({_fault(error)})") from None
    check_imports(tree, field)
    if field == "checker" and "check" not in names_of(tree)[1]:
        raise InputError("checker: it defines no check(input, output, expected)")
    return text


def _calls(tree: ast.Module, name: str) -> bool:
    """Whether the tests call this function themselves, outside every function."""
    statements = [each for node in tree.body for each in (node.body if _is_guard(node) else [node])]
    return any(
        isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name) and node.value.func.id == name
        for node in statements
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
    check_fixtures(tree)
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

_CALLS = """\
from math import inf, isclose, nan


def _as_json(value):
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        named = {str(key) if type(key) is int else key: _as_json(item) for key, item in value.items()}
        return named if len(named) == len(value) else value
    return value


def _near(found, wanted):
    if found == wanted:
        return True
    if isinstance(wanted, float):
        return isinstance(found, (int, float)) and isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-5)
    if isinstance(wanted, dict):
        same = isinstance(found, dict) and found.keys() == wanted.keys()
        return same and all(_near(found[key], wanted[key]) for key in wanted)
    if not (isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted)):
        return False
    return all(_near(*pair) for pair in zip(found, wanted))


def _agrees(found, wanted, ways):
    found = _as_json(found)
    ways -= {way for way in ways if not _near(found, wanted[0] if way == "wrapped" else wanted)}
    return bool(ways)
"""
"""JSON has lists for tuples, and texts for the keys of dictionaries. A float may be off as far as such contests grant
it. A row whose outputs are all lists of one item has wrapped them, or its function returns such lists: harnesses take
either, here it has to be the same in all cases."""
_WHOLE_NUMBER = re.compile(r"-?[0-9]+")


def _read_mapping(given: Mapping[str, Any], entry_point: str | None, has_solution: bool) -> dict[str, Any]:
    if "inputs" in given and "outputs" in given:
        inputs, outputs = given["inputs"], given["outputs"]
        if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
            raise InputError("tests: 'inputs' and 'outputs' must be lists of the same length")
        cases = [{"input": i, "output": o} for i, o in zip(inputs, outputs, strict=True)]
        return _read_cases(cases, given.get("fn_name") or entry_point if given.get("fn_name") else None)
    found = next((given[name] for name in _CASES if name in given), None)
    if found is None:
        raise InputError(f"tests: expected 'inputs' and 'outputs', found {', '.join(map(str, given)) or 'nothing'}")
    name = given.get("fn_name") or given.get("entry_point") or entry_point
    return read_tests(found, name, has_solution)


def _read_cases(cases: Sequence[Mapping[str, Any]], entry_point: str | None) -> dict[str, Any]:
    if not cases:
        raise InputError("tests: an empty list of cases")
    function = cases[0].get("fn_name") or entry_point
    for place, case in enumerate(cases, start=1):
        if case.get("input") is None or "output" not in case or (case["output"] is None and not function):
            raise InputError(f"tests: case {place} has no 'input' or no 'output'")
        if not function and any(isinstance(case[each], Mapping) for each in ("input", "output")):
            raise InputError(f"tests: case {place}: a script's is text; for a function give 'fn_name'")
    if not function:
        return {"cases": [{"input": _as_text(case["input"]), "output": _as_text(case["output"])} for case in cases]}
    if not str(function).isidentifier():
        raise InputError(f"tests: 'fn_name' {str(function)[:40]!r} is no name")
    return _read_calls(str(function), list(map(_call, cases)))


def _as_text(value: Any) -> str:
    """Standard input or output: a text, or its lines."""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _call(case: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """The arguments and the result."""
    arguments, result = case["input"], case["output"]
    if isinstance(arguments, str):  # one JSON value a line, as LiveCodeBench writes them
        try:
            arguments = [json.loads(line) for line in arguments.split("\n") if line.strip()]
            result = json.loads(result) if isinstance(result, str) else result
        except ValueError:
            raise InputError("tests: a case of a function whose input or output is no JSON") from None
    if not isinstance(arguments, list):
        raise InputError("tests: the input of a function's case must be the list of its arguments")
    if not _is_finite(result):
        raise InputError("tests: an output that is not a finite number")
    match arguments:
        case [dict() as table] if table and all(map(_WHOLE_NUMBER.fullmatch, table)):
            arguments = [{int(key): value for key, value in table.items()}]  # as APPS and verl read it
    return arguments, result


def _is_finite(value: Any) -> bool:
    if isinstance(value, list | dict):
        return all(map(_is_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def _has_float(value: Any) -> bool:
    if isinstance(value, list | dict):
        return any(map(_has_float, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float)


def _read_calls(function: str, calls: Sequence[tuple[list[Any], Any]]) -> dict[str, Any]:
    """Assertions on data; `call_based` programs may have a method of a class `Solution`, and use `CONTEST_IMPORTS`."""
    is_wrapped = all(isinstance(result, list) and len(result) == 1 for _, result in calls)
    lines = ['_ways = {"whole", "wrapped"}'] if is_wrapped else []
    for arguments, result in calls:
        call = f"{function}(*{arguments!r})"
        if is_wrapped:
            lines.append(f"assert _agrees({call}, {result!r}, _ways)")
        elif _has_float(result):
            lines.append(f"assert _near(_as_json({call}), {result!r})")
        else:
            found = f"_as_json({call})" if isinstance(result, list | dict) else call
            lines.append(f"assert {found} == {result!r}")
    return {
        "once": _CALLS,
        "tests": ["\n".join(lines)],
        "entry_point": function,
        "data_only": True,
        "call_based": True,
    }
