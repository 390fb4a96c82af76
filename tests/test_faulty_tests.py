"""Tests of one's own that are wrong themselves: refused where they are read, or unscored; never the program's fault."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from move37.errors import InputError
from move37.program_tests import read_tests
from move37.types import Outcome
from move37.verifiers.code import CodeVerifier
from tests.own_rows import problem_of
from tests.test_attacks import needs_isolation

ADDS, SUBTRACTS = "def add(a, b):\n    return a + b\n", "def add(a, b):\n    return a - b\n"
IMPORT = "from solution import add\n"
MARKED = f"import pytest\n{IMPORT}@pytest.mark.parametrize('a', [1])\n"


@pytest.fixture(scope="module")
def verifier() -> Iterator[CodeVerifier]:
    made = CodeVerifier(cpu_seconds=3.0)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ("def test_it():\n    pass", "nothing in them can fail"),
        (f"{IMPORT}def helper():\n    assert add(1, 2) == 3", "nothing in them can fail"),
        ("class AddTests:\n    def test_it(self):\n        assert add(1, 2) == 3", "nothing in them can fail"),
        ("print('yes' if add(1, 2) == 3 else 'no')", "nothing in them can fail"),
        ("try:\n    assert add(1, 2) == 3\nexcept AssertionError:\n    print('no')", "nothing in them can fail"),
        ("assert (add(1, 2) == 3, 'no')", "line 1 asserts a tuple, which is always true"),
        ("assert add(1, 2) == 3\nassert False", "line 2 fails whatever the program does"),
        ("assert add(1, 2) == 3\nassert 1 == 2", "line 2 fails whatever the program does"),
        (f"{IMPORT}def test_it():\n    add(1, 2)\n    raise ValueError", "line 4 fails whatever the program does"),
        (f"{IMPORT}def test_it():\n    assert 1 + 1 == 2", "they use no name of the program's"),
        (f"{IMPORT}def test_it():\n    assert add(1, 2) == three", "three is neither defined in them nor imported"),
        (f"{IMPORT}def test_it(three):\n    assert add(1, 2) == three", "the fixture 'three', which neither they nor"),
        (f"{MARKED}def test_it(a, b):\n    assert add(a, b)", "the fixture 'b', which neither they nor pytest define"),
        ("class TestIt:\n    def test_it(self, mocker):\n        assert add(1, 2)", "the fixture 'mocker'"),
        ("import subprocess\nassert add(1, int(subprocess.run(['x'])))", r"they call subprocess.run \(line 2\)"),
        ("from os import system\nassert add(1, system('x'))", "they call os.system"),
        (">>> add(1, 2)\n3", "write examples behind >>> as assert lines"),
        ("assert add(1, 2) ==", r"not Python \(invalid syntax, line 1\)"),
        ([{"input": {"a": 1}, "output": 3}], "case 1: a script's is text; for a function give 'fn_name'"),
    ],
)
def test_tests_that_nothing_or_everything_passes_are_refused(tests: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_tests(tests)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "tests",
    [
        "import numpy as np\nnp.testing.assert_allclose(add(1, 2), 3)",
        "import sys\nif add(1, 2) != 3:\n    sys.exit(1)",
        "def helper():\n    assert add(1, 2) == 3\nhelper()",
        "def helper():\n    assert add(1, 2) == 3\nglobals()['helper']()",
        "def test_it():\n    try:\n        add(1, 'x')\n    except TypeError:\n        return\n    assert False",
        "import pytest\ndef test_it():\n    if add(1, 2) != 3:\n        pytest.fail()",
        f"{MARKED}def test_it(a, capsys):\n    assert add(a, 2) == 3",
        f"import pytest\n{IMPORT}@pytest.fixture(name='b')\ndef two():\n    return 2\n"
        "class TestIt:\n    @pytest.fixture\n    def a(self, b):\n        return b\n"
        "    def test_it(self, a, b=3):\n        assert add(a, b)",
        "from unittest.mock import patch\n@patch('subprocess.run')\ndef test_it(run):\n    assert add(1, 2)",
        "\ufeffassert add(1, 2) == 3",
        f"{IMPORT}match add(1, 2):\n    case [a, *b] as c:\n        assert a == b == c\n    case n:\n        assert n",
        f"from math import *\n{IMPORT}assert add(1, 2) == sqrt(9)",
        "try:\n    assert add(1, 2) == 3\nexcept Exception as e:\n    raise SystemExit(1) from e",
        "try:\n    add(1, 'x')\n    assert False\nexcept TypeError:\n    pass",
        "def check(f):\n    assert f(1, 2) == 3\nif __name__ == '__main__':\n    check(add)",
        f"{IMPORT}assert (n := add(1, 2)) == 3 and [m for m in [n]] and (lambda k: k)(n)",
    ],
)
def test_tests_that_can_fail_and_can_pass_are_taken(tests: str) -> None:
    assert read_tests(tests)


@needs_isolation
@pytest.mark.slow
@pytest.mark.parametrize(
    "row",
    [
        {"tests": "x = 1 + 'a'\nassert add(1, 2) == 3"},
        {"tests": f"{IMPORT}K = 1 / 0\ndef test_it():\n    assert add(1, 2) == 3"},
        {
            "tests": f"import pytest\n{IMPORT}@pytest.fixture\ndef f():\n    return 1 / 0\n"
            "def test_it(f):\n    assert add(1, 2) == 3"
        },
        {
            "tests": f"import pytest\n{IMPORT}@pytest.mark.parametrize('a,b', [(1, 2, 3)])\n"
            "def test_it(a, b):\n    assert add(a, b)"
        },
        {"tests": "assert add(1, 2) == 4", "answer": ADDS},
        {"tests": [{"input": "1", "output": "2"}], "answer": "print(1)"},
        {"tests": "import io, sys\nsys.stdout = io.StringIO()\nassert add(1, 2) == 4", "answer": ADDS},
    ],
)
def test_tests_that_fail_before_they_ask_or_with_their_own_solution_leave_every_program_unscored(
    row: dict[str, Any], tmp_path: Path, verifier: CodeVerifier
) -> None:
    problem = problem_of(tmp_path, row)
    verdicts = [verifier.verify(problem, program) for program in (ADDS, SUBTRACTS)]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.UNSCORED] * 2, verdicts


@needs_isolation
@pytest.mark.parametrize("answer", ["3", "yes", "x = 3", "import math", "lambda a, b: a", "the sum of both"])
def test_an_answer_that_is_no_solution_says_nothing_of_the_tests(
    answer: str, tmp_path: Path, verifier: CodeVerifier
) -> None:
    problem = problem_of(tmp_path, {"tests": "assert add(1, 2) == 3", "answer": answer})
    verdicts = [verifier.verify(problem, program) for program in (ADDS, SUBTRACTS)]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.CORRECT, Outcome.INCORRECT]


@needs_isolation
@pytest.mark.parametrize("program", ["import os\nos._exit(0)", "x = 1 + 'a'", "raise SystemExit", "", "add = None"])
def test_a_program_cannot_make_tests_look_broken(program: str, tmp_path: Path, verifier: CodeVerifier) -> None:
    for row in ({"tests": "assert add(1, 2) == 3"}, {"tests": "assert add(1, 2) == 3", "answer": ADDS}):
        assert verifier.verify(problem_of(tmp_path, row), program).outcome is Outcome.INCORRECT


@needs_isolation
@pytest.mark.parametrize(
    "row",
    [
        {
            "test_list": ["assert add(TWO, sqrt(1)) == 3"],
            "test_setup_code": "TWO = 2",
            "test_imports": ["from math import sqrt"],
        },
        {"tests": [{"input": [1, 2], "output": 3}], "fn_name": "add"},
        {"tests": "from solution import add\nassert add(1, TWO) == 3", "setup": "TWO = 2"},
        {"input_output": {"inputs": [[1, 2]], "outputs": [3]}, "fn_name": "add"},
    ],
)
def test_what_other_sets_put_beside_their_tests_is_read(
    row: dict[str, Any], tmp_path: Path, verifier: CodeVerifier
) -> None:
    problem = problem_of(tmp_path, row)
    outcomes = [verifier.verify(problem, program).outcome for program in (ADDS, SUBTRACTS)]
    assert outcomes == [Outcome.CORRECT, Outcome.INCORRECT]
