"""What a problem's tests need of a program, known before any runs: its process, real objects, imports."""

from collections.abc import Iterator
from typing import Any

import pytest

from move37.types import Flag, Outcome, Problem
from move37.verifiers.code import CodeVerifier
from move37.verifiers.program_runs import ProgramRuns
from move37.verifiers.sandbox.needs import need_objects
from tests.test_attacks import needs_isolation


def posed(*tests: str, **metadata: Any) -> Problem:
    return Problem("made-up/1", "?", (), "made-up", "code", metadata={"tests": list(tests), **metadata})


@pytest.fixture(scope="module")
def verifier() -> Iterator[CodeVerifier]:
    made = CodeVerifier()
    yield made
    made.close()


@pytest.mark.parametrize(
    "tests",
    [
        "p = Point(1, 2)\nassert p + p == Point(2, 4)",
        "assert Point(1, 2) == Point(1, 2)",
        "assert Point(1, 2) < Point(2, 1)",
        "assert isinstance(make(1), Point)",
        "assert isinstance(make(1), (int, Point))",
        "try:\n    make(1)\nexcept BadPoint:\n    pass",
        "import pytest\nwith pytest.raises(BadPoint):\n    make(1)",
        "with opened(1) as f:\n    assert f",
        "import asyncio\nasync def run(): return await make(1)\nassert asyncio.run(run()) == 1",
        "class Mine(Point): pass\nassert Mine(1)",
    ],
)
def test_tests_that_need_real_objects_say_so_in_their_text(tests: str) -> None:
    assert need_objects([tests], "", "")


@pytest.mark.parametrize(
    "tests",
    [
        "assert area(Point(1, 2)) == 2",
        "p = Point(1, 2)\nassert p.x == 1 and p.x + p.y == 3",
        "assert make(1) == 2 and make(1) + make(2) == 3",
        "assert Point(1, 2) == (1, 2)",  # a named tuple crosses
        "try:\n    make(1)\nexcept ValueError:\n    pass",
        "class Point: pass\nassert isinstance(Point(), Point)",
        "def check(candidate):\n    assert candidate(1) == 2\ncheck(make)",
        "not Python",
    ],
)
def test_what_is_not_certain_is_tried_with_data_first(tests: str) -> None:
    assert not need_objects([tests], "", "")


def test_a_class_of_the_heads_is_the_tests_own() -> None:
    assert not need_objects(["assert isinstance(make(1), Point)"], "class Point: pass\n", "make")


POINT = (
    "class Point:\n    def __init__(self, x, y): self.x, self.y = x, y\n"
    "    def __add__(self, other): return Point(self.x + other.x, self.y + other.y)\n"
    "    def __eq__(self, other): return (self.x, self.y) == (other.x, other.y)\n"
)


@needs_isolation
def test_programs_whose_tests_need_their_process_are_not_run_apart_first(
    monkeypatch: pytest.MonkeyPatch, verifier: CodeVerifier
) -> None:
    monkeypatch.setattr(ProgramRuns, "_examined", lambda *_: pytest.fail("was run apart"))
    problem = posed("p = Point(1, 2)\nassert p + p == Point(2, 4)")
    verdicts = [verifier.verify(problem, text) for text in (POINT, POINT.replace("self.x + other.x", "self.x"))]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.CORRECT, Outcome.INCORRECT]
    assert all(verdict.flags == {Flag.IN_PROCESS} for verdict in verdicts)


@needs_isolation
@pytest.mark.parametrize(
    ("test", "returned", "outcome"),
    [
        ("assert f() is True", "np.bool_(True)", Outcome.INCORRECT),
        ("assert f() is not True", "np.bool_(True)", Outcome.CORRECT),
        ("assert f() is True", "bool(np.bool_(True))", Outcome.CORRECT),
        ("assert f() == True and f()", "np.bool_(True)", Outcome.CORRECT),
        ("assert isinstance(f(), int)", "np.int64(3)", Outcome.INCORRECT),
        ("assert isinstance(f(), float)", "np.float64(3)", Outcome.CORRECT),
        ("assert f() == 3 and [f()] == [3] and {f(): 1}[3]", "np.int64(3)", Outcome.CORRECT),
        ("assert abs(f() - 3) < 1e-9 and round(f(), 2) == 3", "np.float32(3)", Outcome.CORRECT),
        ("assert f() == {'a': [1, 2]}", "{'a': list(np.arange(1, 3))}", Outcome.CORRECT),
        ("assert f() == 1 + 2j", "np.complex128(1 + 2j)", Outcome.CORRECT),
    ],
)
def test_a_number_of_numpys_is_to_tests_what_it_is_in_python(
    test: str, returned: str, outcome: Outcome, verifier: CodeVerifier
) -> None:
    program = f"import numpy as np\ndef f():\n    return {returned}\n"
    assert verifier.verify(posed(test), program).outcome is outcome


SQUARE_ROOTS = [{"input": "16\n", "output": "4\n"}, {"input": "25\n", "output": "5\n"}]


@needs_isolation
@pytest.mark.parametrize(
    ("program", "head", "outcome"),
    [
        ("print(int(sqrt(int(input()))))", "", Outcome.CORRECT),
        ("def main():\n    print(isqrt(int(input())))\nmain()", "", Outcome.CORRECT),
        ("print(root(int(input())))", "", Outcome.INCORRECT),
        ("def pow(x): return sqrt(x)\nprint(int(pow(int(input()))))", "", Outcome.CORRECT),
        ("n = int(input())\nprint(m)\nm = 1", "", Outcome.INCORRECT),
        ("print(int(sqrt(int(input()))))", "import os\n", Outcome.INCORRECT),
    ],
)
def test_a_script_of_ones_own_that_lacks_an_import_has_those_of_every_contest(
    program: str, head: str, outcome: Outcome, verifier: CodeVerifier
) -> None:
    metadata = {"cases": SQUARE_ROOTS, **({"prefix": head} if head else {})}
    problem = Problem("made-up/2", "?", (), "made-up", "code", metadata=metadata)
    assert verifier.verify(problem, program).outcome is outcome
