"""Calls that tests make whatever a program returns are told to it at once; nothing of a verdict depends on it."""

import ast
from collections.abc import Iterator

import pytest

from move37.verifiers.sandbox.ahead import MOST_BYTES, calls_ahead
from move37.verifiers.sandbox.host import Limits
from move37.verifiers.sandbox.names import nodes, used_and_bound
from move37.verifiers.sandbox.rooms import Sandboxes
from tests.test_attacks import needs_isolation

LIMITS = Limits(cpu_seconds=2.0, wall_seconds=20.0)


def read(*tests: str) -> list[tuple[str, list[object]]]:
    trees = [ast.parse(test) for test in tests]
    bound = used_and_bound(node for tree in trees for node in nodes(tree))[1]
    return [(call.name, call.args) for call in calls_ahead(trees, ["f", "g"], bound)]


def in_check(*lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"METADATA = {{'author': 'x'}}\ndef check(candidate):\n{body}\ncheck(f)\n"


def test_the_calls_of_rows_of_assertions_are_read_in_their_order() -> None:
    assert read("assert f(1, [2, 'a']) == g(-3)\nassert abs(g(.5) - 1) < 1e-6, 'why'", "assert f() is None") == [
        ("f", [1, [2, "a"]]),
        ("g", [-3]),
        ("g", [0.5]),
        ("f", []),
    ]
    assert read(in_check('"""Says it."""', "import math", "assert math.isclose(candidate(1), 2)")) == [("f", [1])]


@pytest.mark.parametrize(
    "statement",
    [
        "assert f(2) == 2 == f(3)",  # asked only if the first two are equal
        "assert f(2) or f(3)",
        "assert f(2) if g(1) else 0",
        "assert [f(i) for i in range(3)]",
        "assert f(f(2)) == 2",
        "assert f(x=2) == 2",
        "assert f(*[2]) == 2",
        "assert f(g) == 2",
        "assert f is f",
        "assert f(2) == 2, f(3)",
        "assert f(2) == 2, str(g(3)) + 'why'",
        "assert helper(f(2))",
        "x = f(2)",
        "for i in range(3): assert f(2)",
        "if f(2): pass",
        "try:\n    f(2)\nexcept ValueError:\n    pass",
        "f = 3",
        "import copy",
        "@g\ndef helper(): pass",
        "def helper(x=f(2)): pass",
        "def helper(x: f(2)): pass",
        "def abs(x): return f(x)",
        "check(f)",
    ],
)
def test_nothing_is_read_from_the_first_statement_on_that_is_anything_else(statement: str) -> None:
    first, behind = "assert abs(f(1)) == 1\n", "\nassert abs(f(9)) == 9"
    found = read(first + statement + behind)
    assert found == [("f", [1]), ("f", [2])][: len(found)]  # the second where its statement begins with it
    assert read(first + behind) == [("f", [1]), ("f", [9])]


def test_a_check_that_binds_its_parameter_anew_calls_something_else() -> None:
    assert read(in_check("candidate = 3", "assert candidate(1)")) == []
    assert read("def f(x): return x\nassert f(1) == 1") == []


def test_no_more_is_told_at_once_than_finds_room_while_nobody_reads() -> None:
    found = read("\n".join(f"assert f({'x' * 1000!r}, {i})" for i in range(100)))
    assert found[0][1] == ["x" * 1000, 0]
    assert 1000 * len(found) < MOST_BYTES < 1100 * (len(found) + 1)


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Sandboxes]:
    made = Sandboxes()
    yield made
    made.close()


def said(sandboxes: Sandboxes, program: str, *tests: str) -> tuple[str, str]:
    fields = {"head": "", "once": "", "setup": "", "tests": list(tests), "reference": "", "entry_point": "f"}
    examined = sandboxes.examine(fields, [program], LIMITS)
    return examined.kind, examined.reason


COUNTED = "n = 0\ndef f(x=None):\n    global n\n    n += 1\n    return n\n"


@needs_isolation
@pytest.mark.parametrize(
    ("program", "tests", "kind", "reason"),
    [
        (COUNTED, ["assert f(1) == 1\nassert f(2) == 2", "assert f(3) == 3"], "passed", ""),
        (COUNTED, ["assert f(1) == 1\nassert f(2) == 3", "assert f(3) == 3"], "failed", "differs"),
        (COUNTED, ["assert f(1) == 1\nx = 5\nassert [f(x)] == [2]\nassert f(1) == 3"], "passed", ""),
        (
            "def f(x): return 1 // x",
            ["assert f(1) == 1\nassert f(0) == 1\nassert f(2)"],
            "failed",
            "raises ZeroDivisionError",
        ),
        ("def f(x): return x", ["assert f(1) == 2, f(3)\nassert f(2) == 2"], "failed", "differs"),
        ("def f(x): return x", ["assert f(1) == 1, f(3)\nassert f(2) == 2"], "passed", ""),
        ("def f(x): raise SystemExit", ["assert f(1) == 1\nassert f(0) == 1"], "failed", "exits"),
        ("import os\ndef f(x): os._exit(0)", ["assert f(1) == 1\nassert f(0) == 1"], "failed", "ends early"),
        ("def f(x): return 'a' * (70 << 20)", ["assert f(1) == 1\nassert f(0) == 1"], "failed", "raises MemoryError"),
        ("f = 5", ["assert f(1) == 1\nassert f(2) == 2"], "failed", "differs (TypeError in the tests)"),
        ("def g(): pass", ["assert f(1) == 1\nassert f(2) == 2"], "failed", "raises NameError"),
        (COUNTED, ["assert f(1) == 2, f(1)\nassert f(2) == 2"], "failed", "differs"),
        (COUNTED, ["assert f(1) == 2, str(f(9)) + 'a'\nassert f(2) == 2", "assert f(3) == 3"], "failed", "differs"),
        ("def f(x): return 1 // x", ["assert f(2) == 1, f(1)\nassert f(0) == 1\nassert f(1)"], "failed", "differs"),
        ("1 / 0", ["assert f(1) == 1\nassert f(2) == 2"], "failed", "raises ZeroDivisionError"),
    ],
)
def test_verdicts_are_as_if_each_call_had_been_asked_for(
    program: str, tests: list[str], kind: str, reason: str, sandboxes: Sandboxes
) -> None:
    assert said(sandboxes, program, *tests) == (kind, reason)


@needs_isolation
def test_what_tests_do_with_a_thing_comes_before_the_next_call(sandboxes: Sandboxes) -> None:
    # The generator reads `n` when it is read: before the second call, if calls are made when they are asked for.
    program = "n = 0\ndef f(x):\n    global n\n    n += 1\n    return (n for _ in range(2)) if x == 1 else n\n"
    assert said(sandboxes, program, "assert list(f(1)) == [1, 1]\nassert f(2) == 2") == ("passed", "")


@needs_isolation
def test_a_program_that_lies_about_its_calls_fails(sandboxes: Sandboxes) -> None:
    lies = [b'{"loaded":[],"ahead":true}', b'{"value":{"handle":0}}', b'{"value":2}', b'{"value":2}']
    texts = [len(lie).to_bytes(4, "big") + lie for lie in lies]
    program = f"import os\nfor lie in {texts}: os.write(3, lie)\nos.read(3, 1)\n"
    assert said(sandboxes, program, "assert list(f(1)) == [1, 1]\nassert f(2) == 2")[0] == "failed"
    assert said(sandboxes, program, "for i in range(2): assert f(i) == 2") == ("failed", "sends malformed data")
