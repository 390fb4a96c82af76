"""Tests that need the program's process: what the program is there, and what does not pass for it."""

import time
from collections.abc import Iterator

import pytest

from move37.types import Flag, Outcome, Problem
from move37.verifiers.code import CodeVerifier
from tests.test_attacks import needs_isolation

pytestmark = [needs_isolation, pytest.mark.slow]
RIGHT, WRONG = "def solve(xs):\n    return sum(xs)\n", "def solve(xs):\n    return -1\n"
PYTEST = (
    "from solution import *\ndef test_it(capsys):\n    assert solve([1, 2]) == 3\n"
    "    assert isinstance(solve([2]), int) and len([solve([])]) == 1 and solve([]) == 0\n"
    "    assert capsys.readouterr().out == ''\n"
)
LINES = (
    "import io, sys\nsys.stdout = io.StringIO()\nassert solve([1, 2]) == 3\n"
    "def check(f):\n    assert isinstance(f([2]), int) and max(f([1]), 0) == 1 and all([f([1]) == 1])\ncheck(solve)\n"
)
UNITTEST = (
    "import logging, unittest\nfrom solution import solve\nclass Sums(unittest.TestCase):\n"
    "    def test_it(self):\n        logging.disable()\n        self.assertEqual(solve([1, 2]), 3)\n"
)
FORGED = {
    "ends at once": "import os\nos._exit(0)",
    "ends in a call": "import os\ndef solve(xs): os._exit(0)",
    "exits at once": "import sys\nsys.exit(0)",
    "exits in a call": "def solve(xs): raise SystemExit(0)",
    "exits at the end": f"import atexit, os\natexit.register(os._exit, 0)\n{WRONG}",
    "prints a report": f"print('1 passed')\nprint('{{\"passed\": \"\"}}')\n{WRONG}",
    "sends a report": 'import os\nos.write(3, b\'\\0\\0\\0\\r{"passed":""}\')\nos._exit(0)',
    "patches pytest": f"import pytest\npytest.main = lambda *a, **k: 0\npytest.raises = print\n{WRONG}",
    "patches unittest": "from unittest import TestCase\nTestCase.run = TestCase.assertEqual = lambda *a: None\n"
    + WRONG,
    "skips": "import pytest\ndef solve(xs): pytest.skip('no')",
    "expects to fail": "import pytest\ndef solve(xs): pytest.xfail('no')",
    "leaves pytest": "import pytest\ndef solve(xs): pytest.exit('no', returncode=0)",
    "marks what is imported": f"import pytest\npytestmark = pytest.mark.skip\n{WRONG}",
    "has a fixture for all": f"import pytest\n@pytest.fixture(autouse=True)\ndef fixture(): pytest.skip('no')\n{WRONG}",
    "writes a conftest": "open('conftest.py', 'w').write('def pytest_pyfunc_call(pyfuncitem): return True')\n" + WRONG,
    "writes settings": f"open('pytest.ini', 'w').write('[pytest]\\naddopts = --collect-only')\n{WRONG}",
    "sets options": f"import os\nos.environ['PYTEST_ADDOPTS'] = '--collect-only'\n{WRONG}",
    "shadows builtins": "def isinstance(*_): return True\ndef max(*_): return 1\ndef all(_): return True\n" + WRONG,
    "patches builtins": f"import builtins\nbuiltins.all = lambda _: True\nbuiltins.AssertionError = KeyError\n{WRONG}",
    "patches compile": "import builtins\nold = compile\nbuiltins.compile = lambda *_, **__: old('', '', 'exec')\n"
    + WRONG,
    "patches paths": "import pathlib\npathlib.Path.write_text = lambda *_, **__: "
    f"open('test_program.py', 'w').write('def test_it(): pass')\n{WRONG}",
}


@pytest.fixture(scope="module")
def verifier() -> Iterator[CodeVerifier]:
    made = CodeVerifier(cpu_seconds=3.0)
    yield made
    made.close()


def posed(tests: str) -> Problem:
    kind = {"pytest": tests} if "def test_" in tests else {"tests": [tests]}
    return Problem(f"own/{tests}", "?", (), "own", "code", metadata=kind)


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_tried_first_does_not_forge_a_verdict(forged: str, verifier: CodeVerifier) -> None:
    for tests in (PYTEST, LINES, UNITTEST):
        verdict = verifier.verify(posed(tests), FORGED[forged])
        assert (verdict.outcome, Flag.IN_PROCESS in verdict.flags) == (Outcome.INCORRECT, True), verdict


def test_an_honest_program_passes_there(verifier: CodeVerifier) -> None:
    for tests in (PYTEST, LINES, UNITTEST):
        verdict = verifier.verify(posed(tests), RIGHT)
        assert (verdict.outcome, Flag.IN_PROCESS in verdict.flags) == (Outcome.CORRECT, True), verdict


REPEATS = (
    "state = []\ndef solve(n):\n    return 0 if n == 0 else n + solve(n - 1)\n"
    "if __name__ == '__main__':\n    print(9)\n"
)
LOOPS = "state = [1]\ndef solve(n):\n    for i in range(n): n += i\n    return n\n"


@pytest.mark.parametrize(
    "tests",
    [
        "import inspect\nassert 'for' not in inspect.getsource(solve)",
        "import importlib, solution\nsolution.state.append(1)\nimportlib.reload(solution)\nassert solution.state == []",
        "import sys, importlib\nsys.modules.pop('solution')\nassert importlib.import_module('solution').state == []",
        "import runpy\ndef test_it(capsys):\n    runpy.run_module('solution', run_name='__main__')\n"
        "    assert capsys.readouterr().out == '9\\n'",
    ],
)
def test_the_program_is_a_module_that_can_be_read_and_imported_again(tests: str, verifier: CodeVerifier) -> None:
    outcomes = [verifier.verify(posed(tests), program).outcome for program in (REPEATS, LOOPS)]
    assert outcomes == [Outcome.CORRECT, Outcome.INCORRECT]


@pytest.mark.parametrize(
    ("tests", "program", "passes"),
    [
        (
            "import pytest\n@pytest.mark.asyncio\nasync def test_it():\n    assert await f(2) == 4",
            "async def f(x): return 2 * x",
            True,
        ),
        (
            "import pytest\n@pytest.mark.asyncio\nasync def test_it():\n    assert await f(2) == 4",
            "async def f(x): return x",
            False,
        ),
        (
            "import io, sys\nsys.stdout = io.StringIO()\nf()\nassert n == 1",
            "n = 0\ndef f():\n    global n\n    n += 1",
            True,
        ),
        (
            "import io, sys\nsys.stdout = io.StringIO()\nclass Node: pass\nassert isinstance(f(), Node)",
            "def f(): return Node()",
            True,
        ),
        (
            "import weakref\nclass A: pass\na = A()\nf(a)\ndel a\nassert not seen",
            "import weakref\nseen = weakref.WeakSet()\nf = seen.add",
            True,
        ),
        (
            "import io, sys\nsys.stdout = io.StringIO()\nclass B(A):\n    two = one() + 1\nassert B.two == 2",
            "class A: pass\ndef one(): return 1",
            True,
        ),
    ],
)
def test_names_are_shared_as_in_one_file(tests: str, program: str, passes: bool, verifier: CodeVerifier) -> None:
    assert (verifier.verify(posed(tests), program).outcome is Outcome.CORRECT) is passes


@pytest.mark.parametrize("goes_on", ["time.sleep(99)", "\n    while True: os.write(3, b' '), time.sleep(0.05)"])
def test_a_message_that_never_ends_is_waiting(goes_on: str, verifier: CodeVerifier) -> None:
    program = f"import os, time\ndef solve(xs):\n    os.write(3, b'\\0\\x10\\0\\0'); {goes_on}\n"
    program = program.replace("; \n", "\n")
    began = time.monotonic()
    verdict = verifier.verify(posed(LINES), program)
    assert (verdict.outcome, verdict.reason) == (Outcome.INCORRECT, "waits without end")
    assert time.monotonic() - began < 20
