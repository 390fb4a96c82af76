"""Tests of one's own: in which forms they may come, how they are run, and what is refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from move37.errors import InputError
from move37.program_tests import read_tests
from move37.rewards import Reward
from move37.types import Flag, Outcome, Problem
from move37.verifiers.code import CodeVerifier
from tests.own_rows import problem_of
from tests.test_attacks import needs_isolation

pytestmark = needs_isolation
HALF = "def half(n):\n    return n // 2\n"
WRONG = "def half(n):\n    return n\n"
ADDS = "print(sum(map(int, input().split())))"

FORMS: dict[str, tuple[dict[str, Any], str]] = {
    "assert lines in a list": ({"tests": ["assert half(4) == 2", "assert half(5) == 2"]}, HALF),
    "assert lines in a text": ({"tests": "for n in range(9):\n    assert half(n) * 2 in (n, n - 1)"}, HALF),
    "a check function": ({"test": "def check(f):\n    assert f(6) == 3\n", "entry_point": "half"}, HALF),
    "inputs and outputs": ({"tests": [{"input": "1 2\n", "output": "3\n"}, {"input": "5", "output": "5"}]}, ADDS),
    "inputs and outputs apart": ({"input_output": json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]})}, ADDS),
    "a function's arguments": ({"tests": {"inputs": [[8], [3]], "outputs": [4, 1], "fn_name": "half"}}, HALF),
    "a file of test functions": (
        {"tests": "from solution import half\n\ndef test_it():\n    assert half(2) == 1\n"},
        HALF,
    ),
}


@pytest.fixture(scope="module")
def verifier() -> Iterator[CodeVerifier]:
    judge = CodeVerifier(cpu_seconds=2.0)
    yield judge
    judge.close()


@pytest.mark.parametrize("form", FORMS)
def test_tests_come_in_many_forms_and_run_apart_from_the_program(
    form: str, tmp_path: Path, verifier: CodeVerifier
) -> None:
    row, right = FORMS[form]
    own = problem_of(tmp_path, row)
    verdicts = [verifier.verify(own, program) for program in (right, WRONG, "import os\nos._exit(0)")]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.CORRECT, Outcome.INCORRECT, Outcome.INCORRECT]
    assert not any(Flag.IN_PROCESS in verdict.flags for verdict in verdicts)


NEEDING_PYTEST = """\
import pytest
from solution import half

@pytest.fixture
def six():
    return 6

@pytest.mark.parametrize(("n", "wanted"), [(4, 2), (7, 3)])
def test_values(n, wanted):
    assert half(n) == wanted

class TestMore:
    def test_fixture(self, six):
        assert half(six) == 3
"""


EQUAL_TO_ALL = "class All:\n    __eq__ = lambda *_: True\ndef half(n):\n    return All()\n"


@pytest.mark.slow
def test_a_file_that_needs_pytest_runs_apart_from_the_program_too(tmp_path: Path, verifier: CodeVerifier) -> None:
    own = problem_of(tmp_path, {"tests": NEEDING_PYTEST})
    verdicts = [verifier.verify(own, program) for program in (HALF, WRONG, EQUAL_TO_ALL)]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.CORRECT, Outcome.INCORRECT, Outcome.INCORRECT]
    assert not any(Flag.IN_PROCESS in verdict.flags for verdict in verdicts)


RAISING = """\
class Odd(Exception):
    def __init__(self, n): self.n = n
def half(n):
    if n % 2: raise Odd(n)
    if n < 0: raise ValueError(f'{n} is negative')
    return n // 2
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tests", "apart"),
    [
        ("import pytest\ndef test_it():\n    with pytest.raises(ValueError, match='neg'): half(-2)", True),
        ("import pytest\nfrom solution import half as h\ndef test_it(): assert h(3 * 2) == pytest.approx(3)", True),
        (
            "import solution\nclass TestIt:\n    def setup_method(self): self.n = 4\n"
            "    def test_it(self): assert solution.half(self.n) == 2",
            True,
        ),
        (
            "import pytest\nfrom solution import Odd, half\ndef test_it():\n"
            "    with pytest.raises(Odd) as caught: half(3)\n    assert caught.value.n == 3",
            False,
        ),
        ("def test_it(capsys):\n    half(2)\n    assert capsys.readouterr().out == ''", False),
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n"
            "        self.assertEqual(half(4), 2)\n        self.assertRaises(ValueError, half, -2)",
            True,
        ),
    ],
)
def test_what_of_pytest_needs_the_programs_process(
    tests: str, apart: bool, tmp_path: Path, verifier: CodeVerifier
) -> None:
    own = problem_of(tmp_path, {"tests": tests})
    right, wrong = (
        verifier.verify(own, RAISING),
        verifier.verify(own, "def half(n):\n    print(n)\n    return 0\nOdd = KeyError"),
    )
    assert (right.outcome, Flag.IN_PROCESS not in right.flags) == (Outcome.CORRECT, apart), right
    assert wrong.outcome is Outcome.INCORRECT


PAIR = """\
class Pair:
    def __init__(self, a, b): self.a, self.b = a, b
    def __add__(self, other): return Pair(self.a + other.a, self.b + other.b)
    def __eq__(self, other): return (self.a, self.b) == (other.a, other.b)
    def __hash__(self): return hash((self.a, self.b))
    def __lt__(self, other): return self.a < other.a
    def __enter__(self): return self
    def __exit__(self, *_): self.a = 0
class Odd(Exception):
    def shout(self): return str(self).upper()
def fail(): raise Odd('no')
def same(x): return x
def shout(): print('hey')
async def later(x): return x
def apply(f, x): return f(x)
noted = [0]
def note(x):
    noted.append(x)
    return noted
"""
NEEDING_OBJECTS = [
    ("assert Pair(1, 2) + Pair(1, 1) == Pair(2, 3)", "assert Pair(1, 2) + Pair(1, 1) == Pair(0, 3)"),
    ("assert isinstance(Pair(1, 2), Pair)", "assert isinstance(Pair(1, 2), tuple)"),
    ("assert sorted([Pair(2, 0), Pair(1, 0)])[0].a == 1", "assert sorted([Pair(2, 0), Pair(1, 0)])[0].a == 2"),
    ("assert len({Pair(1, 2), Pair(1, 2)}) == 1", "assert len({Pair(1, 2), Pair(1, 2)}) == 2"),
    ("x = []\nassert same(x) is x", "x = []\nassert same(x) is not x"),
    ("with Pair(1, 2) as p: pass\nassert p.a == 0", "with Pair(1, 2) as p: pass\nassert p.a == 1"),
    (
        "try:\n    fail()\nexcept Odd as e:\n    assert str(e) == 'no'",
        "try:\n    fail()\nexcept Odd as e:\n    assert 0",
    ),
    ("import asyncio\nassert asyncio.run(later(3)) == 3", "import asyncio\nassert asyncio.run(later(3)) == 4"),
    ("assert apply(lambda x: x + 1, 1) == 2", "assert apply(lambda x: x + 1, 1) == 1"),
    ("assert same(int) is int", "assert same(int) is str"),
    ("assert same(NotImplemented) is NotImplemented", "assert same(1) is NotImplemented"),
    ("noted.clear()\nassert note(1) == [1]", "noted.clear()\nassert note(1) == [0, 1]"),
    (
        "import solution\nsolution.noted.clear()\nassert solution.note(1) == [1]",
        "import solution\nsolution.noted.clear()\nassert solution.note(1) == [0, 1]",
    ),
    (
        "match Pair(1, 2):\n    case Pair(a=1, b=n): assert n == 2\n    case _: assert False",
        "match Pair(1, 2):\n    case Pair(a=1, b=n): assert n == 1\n    case _: assert False",
    ),
    (
        "import copy\np = Pair(1, 2)\nq = copy.copy(p)\nq.a = 9\nassert p.a == 1",
        "import copy\np = Pair(1, 2)\nq = copy.deepcopy(p)\nq.a = 9\nassert p.a == 9",
    ),
    (
        "try:\n    fail()\nexcept Exception as e:\n    assert e.shout() == 'NO'\nelse:\n    assert 0",
        "try:\n    fail()\nexcept Exception as e:\n    assert e.shout() == 'no'\nelse:\n    assert 0",
    ),
    (
        "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out): shout()\n"
        "assert out.getvalue() == 'hey\\n'",
        "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out): shout()\n"
        "assert out.getvalue() == ''",
    ),
]


@pytest.mark.parametrize(("passing", "failing"), NEEDING_OBJECTS)
def test_tests_of_real_objects_run_in_one_process_and_the_verdict_says_so(
    passing: str, failing: str, verifier: CodeVerifier
) -> None:
    for tests, outcome in ((passing, Outcome.CORRECT), (failing, Outcome.INCORRECT)):
        own = Problem("own/1", "?", (), "own", "code", metadata={"tests": [tests]})
        verdict = verifier.verify(own, PAIR)
        assert (verdict.outcome, Flag.IN_PROCESS in verdict.flags) == (outcome, True), verdict


@pytest.mark.parametrize(
    ("tests", "passes"),
    [
        ("assert f({'a': 1}).keys() == {'a'}", True),
        ("from itertools import islice\nassert list(islice(count(), 3)) == [0, 1, 2]", True),
        ("g = count()\nassert [next(g), next(g)] == [0, 1]\nassert next(g) == 2", True),
        ("assert point().x == 1 and point() == (1, 2)", True),
        ("xs = [[3], [1]]\nfirst = xs[0]\ngrow(xs)\nassert first == [3, 0]", True),
        ("xs = [[3], [1]]\nfirst = xs[0]\nturn(xs)\nassert (first, xs) == ([3], [[1], [3]])", True),
        ("tick()\ntick()\nassert ticks == 2", True),
        ("for n in SIZES: assert n > 1\nassert SIZES[0] == 5 and f(SIZES) == [5, 3]", True),
        ("assert note(4) == [4]\nassert noted == [4] and note(5) == noted", True),
        ("try:\n    f.missing\nexcept AttributeError:\n    pass\nelse:\n    assert False", True),
        ("try:\n    bad()\nexcept ValueError as e:\n    assert e.args == ('a', 3)\nelse:\n    assert False", True),
        ("try:\n    limp()\nexcept ValueError as e:\n    assert e.code == [7]\nelse:\n    assert False", True),
        ("try:\n    limp()\nexcept ValueError as e:\n    assert e.code == 7\nelse:\n    assert False", False),
        ("try:\n    leave()\nexcept SystemExit:\n    pass\nelse:\n    assert False", True),
        ("from pathlib import Path\nassert path() == Path('a/b')", True),
        ("assert table()['no'] == 0", True),
        ("xs = []\nfor _ in range(900): xs = [xs]\nassert nested(900) == xs", True),
        ("assert nested(9000) == 1", False),
        ("assert of_site() == ('solution.py', 1, True)", True),
        ("assert thing() == 4", False),
        ("assert 4 in [thing()]", False),
        ("assert thing() in (4, None, 'x')", False),
    ],
)
def test_what_data_can_say_runs_apart_from_the_program(tests: str, passes: bool, verifier: CodeVerifier) -> None:
    program = (
        "from collections import namedtuple\nfrom pathlib import Path\nimport sys, itertools\n"
        "def f(d): return d\ndef count(): return itertools.count()\n"
        "def point(): return namedtuple('P', 'x y')(1, 2)\n"
        "def grow(xs): xs[0].append(0)\ndef turn(xs): xs.reverse()\n"
        "SIZES = [5, 3]\nnoted = []\ndef note(x):\n    noted.append(x)\n    return noted\n"
        "ticks = 0\ndef tick():\n    global ticks\n    ticks += 1\n"
        "class Limp(ValueError):\n    def __init__(self, code): self.code = code\ndef limp(): raise Limp([7])\n"
        "def bad(): raise ValueError('a', 3)\ndef leave(): sys.exit(3)\ndef path(): return Path('a') / 'b'\n"
        "def of_site():\n    known = (exit, quit, help, copyright, credits, license)\n"
        "    return __file__, len(sys.argv), all(map(callable, known))\n"
        "from collections import defaultdict\ndef table(): return defaultdict(int)\n"
        "def nested(n):\n    xs = []\n    for _ in range(n): xs = [xs]\n    return xs\n"
        "class Thing:\n    __eq__ = lambda *_: True\n    __hash__ = lambda _: hash(4)\ndef thing(): return Thing()\n"
    )
    verdict = verifier.verify(Problem("own/1", "?", (), "own", "code", metadata={"tests": [tests]}), program)
    assert (verdict.outcome is Outcome.CORRECT, Flag.IN_PROCESS in verdict.flags) == (passes, False), verdict


def test_a_solution_that_passes_with_data_only_keeps_every_program_there(verifier: CodeVerifier) -> None:
    own = Problem(
        "own/2", "?", ("def f(): return 2.0",), "own", "code", metadata={"tests": ["assert abs(f() - 2) < 1"]}
    )
    forged = (
        "class F(float):\n    __sub__ = lambda *_: 0\ndef f():\n    class G: __sub__ = lambda *_: 0\n    return G()"
    )
    verdict = verifier.verify(own, forged)
    assert (verdict.outcome, verdict.flags) == (Outcome.INCORRECT, frozenset())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "x"}, "no 'tests' or 'test'"),
        ({"tests": "x = 1"}, "nothing in them can fail"),
        ({"tests": "def f(:"}, "not Python"),
        ({"tests": []}, "expected assert lines"),
        ({"tests": [{"input": "1"}]}, "case 1 has no 'input' or no 'output'"),
        ({"tests": "def check(f): assert f()"}, "needs 'entry_point'"),
        ({"tests": {"inputs": ["1"], "outputs": []}}, "lists of the same length"),
        ({"tests": {"inputs": [[1]], "outputs": [[float("nan")]], "fn_name": "f"}}, "not a finite number"),
        ({"tests": "assert sum([1, 2]) == 3"}, "they use no name of the program's"),
        ({"tests": "assert f(1)", "setup": "import ("}, "setup: not Python"),
        ({"tests": [{"input": "1", "output": "1"}], "checker": "x = 1"}, "checker: it defines no check"),
    ],
)
def test_a_row_without_tests_that_can_be_run_is_refused_with_its_place(
    row: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        problem_of(tmp_path, row)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'own.jsonl'}:1: ")
    assert "\n" not in str(caught.value)


def test_a_checker_says_which_of_several_outputs_are_right(tmp_path: Path, verifier: CodeVerifier) -> None:
    checker = "def check(given, output, expected):\n    return int(output) % 2 == int(expected) % 2\n"
    own = problem_of(tmp_path, {"tests": [{"input": "3", "output": "5"}], "checker": checker})
    outcomes = [verifier.verify(own, program).outcome for program in ("print(7)", "print(5)", "print(6)", "print('x')")]
    assert outcomes == [Outcome.CORRECT, Outcome.CORRECT, Outcome.INCORRECT, Outcome.INCORRECT]


@pytest.mark.slow
def test_the_reward_takes_the_same_tests() -> None:
    with Reward("code", correct=1.0, incorrect=-1.0) as reward:
        texts = [f"```python\n{HALF}```", f"```python\n{WRONG}```", "no"]
        assert reward(["?"] * 3, texts, tests=[["assert half(9) == 4"]] * 3) == [1.0, -1.0, -1.0]
        cases = json.dumps({"inputs": ["1 2\n"], "outputs": ["3\n"]})
        assert reward.compute_score("code", f"```python\n{ADDS}\n```", cases)["score"] == 1.0
        with pytest.raises(InputError, match="tests: "):
            reward(["?"], ["x"], tests=["nothing in here can fail"])


def test_cases_of_functions_become_assertions() -> None:
    read = read_tests(
        [{"fn_name": "f", "input": "[1]\n2", "output": "3"}, {"fn_name": "f", "input": "1", "output": "4"}]
    )
    assert (read["tests"], read["entry_point"]) == (["assert f(*[[1], 2]) == 3\nassert f(*[1]) == 4"], "f")


def rows_of_calls(inputs: list[Any], outputs: list[Any], name: str = "f") -> dict[str, Any]:
    return {"tests": {"inputs": inputs, "outputs": outputs, "fn_name": name}}


SQUARES = rows_of_calls([[1], [2], [3]], [[1], [4], [9]])
"""As APPS and TACO write them: each result in a list of its own."""
RANGES = rows_of_calls([[0], [1], [2]], [[], [0], [0, 1]])
SWAPS = rows_of_calls([[{"1": 2}], [{"3": 4, "5": 6}]], [{"2": 1}, {"4": 3, "6": 5}])
CALLS = [
    (SQUARES, "def f(x): return x * x", True),
    (SQUARES, "def f(x): return [x * x]", True),
    (SQUARES, "def f(x): return (x * x,)", True),
    (SQUARES, "def f(x): return x * x if x < 3 else [x * x]", False),
    (SQUARES, "def f(x): return x", False),
    (RANGES, "def f(n): return list(range(n))", True),
    (RANGES, "def f(n): return tuple(range(n))", True),
    (RANGES, "def f(n): return list(range(n)) if n != 1 else 0", False),
    (rows_of_calls([[1], [2]], [[1, 2], [2, 3]]), "def f(x): return x", False),
    (rows_of_calls([[1], [2]], [None, 1]), "def f(x): return x - 1 or None", True),
    (rows_of_calls([[[float("inf"), 1]]], [1]), "def f(x): return min(x)", True),
    (SWAPS, "def f(table): return {value: key for key, value in table.items()}", True),
    (SWAPS, "def f(table): return table", False),
    (SQUARES, "class Solution:\n    def f(self, x): return x * x", True),
    (SQUARES, "class Solution:\n    def f(self, x): return x", False),
    (RANGES, "class Solution:\n    def f(self, n: int) -> List[int]: return list(range(n))", True),
    (rows_of_calls([[4], [9]], [2, 3]), "def f(x): return isqrt(x)", True),
    (rows_of_calls([[4], [9]], [2, 3], "isqrt"), "x = missing", False),
    (rows_of_calls([[4], [9]], [2, 3], "isqrt"), "def root(x): return isqrt(x)", False),
    (rows_of_calls([[[1, 2]], [[3]]], [3, 3], "sum"), "def sum(xs): return 0", False),
    (SQUARES, "def f(x): return x * x\nclass Solution:\n    def f(self, x): return f(x)", True),
    (SQUARES, "def f(x, k): return x * x * k\nclass Solution:\n    def f(self, x): return f(x, 1)", True),
    (SQUARES, "class Solution:\n    def f(self, x): return x * x if x < 3 else f(2) + 5", False),
    (SQUARES, "class Solution:\n    def f(self, x): return x * self.f(x - 1) if x > 9 else x * x", True),
    (
        SQUARES,
        "class Solution:\n    def __init__(self): self.sum = 0\n"
        "    def f(self, x):\n        self.sum += x * x\n        return self.sum",
        True,
    ),
    (
        SQUARES,
        "kept = [0]\nclass Solution:\n    def f(self, x):\n        kept[0] += x * x\n        return kept[0]",
        False,
    ),
    (rows_of_calls([[1], [3]], [0.3, 0.9]), "def f(x): return x * (0.1 + 0.2)", True),
    (rows_of_calls([[1], [3]], [[0.3], [0.9]]), "def f(x): return x * (0.1 + 0.2)", True),
    (rows_of_calls([[1], [3]], [{"a": [0.3]}, {"a": [0.9]}]), "def f(x): return {'a': (x * (0.1 + 0.2),)}", True),
    (rows_of_calls([[1], [3]], [0.3, 0.9]), "def f(x): return x * 0.301", False),
    (rows_of_calls([[1], [3]], [0.3, 0.9]), "def f(x): return 'x'", False),
    (rows_of_calls([[1], [3]], [1, 3]), "def f(x): return x + 1e-7", False),
    (rows_of_calls([[3], [9000]], [3, 9000]), "def f(n): return n and 1 + f(n - 1)", True),
    (rows_of_calls([[4]], [2]), "class Two:\n    __eq__ = lambda *_: True\ndef f(x): return Two()", False),
]


@pytest.mark.parametrize(("row", "program", "passes"), CALLS)
def test_calls_are_judged_by_the_rule_on_which_harnesses_agree(
    row: dict[str, Any], program: str, passes: bool, tmp_path: Path, verifier: CodeVerifier
) -> None:
    own = problem_of(tmp_path, row)
    text = verifier.extract(own, f"So:\n```python\n{program}\n```\nas in\n```python\nprint(3)\n```")
    verdict = verifier.verify(own, text or "")
    assert (verdict.outcome is Outcome.CORRECT, verdict.flags) == (passes, frozenset()), verdict


LARGE = 70_000_000
"""Characters: more than crosses between a program and its tests."""
GIVES_LARGE = f"def fill(n):\n    return 'x' * n * {LARGE}\n"


@pytest.mark.slow
def test_a_value_too_large_to_cross_is_judged_in_one_process_if_the_published_solution_gives_such_a_one(
    tmp_path: Path, verifier: CodeVerifier
) -> None:
    row = {"tests": [f"assert fill(1) == 'x' * {LARGE}", "assert fill(0) == ''"], "answer": GIVES_LARGE}
    own = replace(problem_of(tmp_path, row), references=(GIVES_LARGE,))
    right, wrong = (verifier.verify(own, program) for program in (GIVES_LARGE, GIVES_LARGE.replace("'x'", "'y'")))
    assert (right.outcome, wrong.outcome) == (Outcome.CORRECT, Outcome.INCORRECT)
    assert Flag.IN_PROCESS in right.flags & wrong.flags
    # Where the solution's values do cross, a program that gives too large ones chose that.
    small = "def fill(n):\n    return 'x' * n\n"
    own = replace(problem_of(tmp_path, {"tests": ["assert fill(3) == 'xxx'"]}), references=(small,))
    verdict = verifier.verify(own, GIVES_LARGE)
    assert (verdict.outcome, verdict.reason) == (Outcome.INCORRECT, "out of memory")
    assert Flag.IN_PROCESS not in verdict.flags


def test_a_value_nested_too_deeply_to_cross_is_judged_as_the_published_solutions_is(verifier: CodeVerifier) -> None:
    tests = "xs, deep = nested(9000), 0\nwhile xs:\n    xs, deep = xs[0], deep + 1\nassert deep == 9000"
    solution = "def nested(n):\n    xs = []\n    for _ in range(n): xs = [xs]\n    return xs"
    own = Problem("own/deep", "?", (solution,), "own", "code", metadata={"tests": [tests]})
    right, wrong = (verifier.verify(own, f"{program}\n") for program in (solution, solution.replace("range(n)", "[1]")))
    assert (right.outcome, right.flags) == (Outcome.CORRECT, frozenset({Flag.IN_PROCESS}))
    assert wrong.outcome is Outcome.INCORRECT


@pytest.mark.slow
@pytest.mark.parametrize(
    "tests",
    [
        "import pytest\n@pytest.mark.parametrize('n', [4])\ndef test_it(n): assert half(n) == 2",
        "def test_it():\n    from solution import half\n    assert half(4) == 2",
        "from solution import half\nassert half(4) == 2",
        "import solution\nassert solution.half(4) == 2",
        "import unittest\nclass HalfTests(unittest.TestCase):\n    def test_it(self): self.assertEqual(half(4), 2)",
        "N = {}\ndef setup_module(): N['n'] = 4\ndef test_it(): assert half(N['n']) == 2",
        "if __name__ == '__main__':\n    assert half(4) == 2\n    print('ok')",
        "def check(f): assert f(4) == 2\nif '__main__' == __name__:\n    check(half)",
    ],
)
def test_tests_take_the_program_from_its_module_or_from_nowhere(
    tests: str, tmp_path: Path, verifier: CodeVerifier
) -> None:
    own = problem_of(tmp_path, {"tests": tests})
    outcomes = [verifier.verify(own, program).outcome for program in (HALF, WRONG)]
    assert outcomes == [Outcome.CORRECT, Outcome.INCORRECT]


@pytest.mark.parametrize(
    ("tests", "right", "wrong"),
    [
        (
            "from dataclasses import asdict\nassert asdict(P(1)) == {'x': 1}",
            "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int",
            "class P:\n    def __init__(self, x): self.x = x",
        ),
        (
            "import dataclasses\ntry:\n    P(1).x = 2\nexcept dataclasses.FrozenInstanceError:\n    pass\nelse:\n"
            "    assert False",
            "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass P:\n    x: int",
            "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int",
        ),
        ("if __name__ == '__main__':\n    assert half(4) == 2", HALF, WRONG),
        (
            "import io, sys\nsys.stdout = io.StringIO()\nif __name__ == '__main__':\n    assert half(4) == 2",
            HALF,
            WRONG,
        ),
        ("assert half.__doc__", "def half(n):\n    'Half.'\n    return n // 2", HALF),
    ],
)
def test_what_another_process_would_falsify_is_asked_in_one(
    tests: str, right: str, wrong: str, verifier: CodeVerifier
) -> None:
    own = Problem("own/1", "?", (), "own", "code", metadata={"tests": [tests]})
    outcomes = [verifier.verify(own, program).outcome for program in (right, wrong)]
    assert outcomes == [Outcome.CORRECT, Outcome.INCORRECT]


def test_tests_that_import_what_is_not_installed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="they import no_such_package, which is not installed"):
        problem_of(tmp_path, {"tests": "import no_such_package\nassert half(4) == 2"})


@pytest.mark.parametrize("field", ["tests", "setup", "prefix", "checker"])
def test_what_is_installed_and_cannot_be_seen_in_the_sandbox_is_refused(field: str, tmp_path: Path) -> None:
    text = "import pydantic\nassert half(4) == 2\ndef check(given, output, expected): return True"
    row = {"tests": "assert half(4) == 2", field: text, "entry_point": "half"}
    with pytest.raises(InputError, match=f"{field}: .* pydantic, which programs cannot see in their sandbox"):
        problem_of(tmp_path, row)


OWN_CLASSES = """\
from collections import defaultdict, namedtuple
from enum import IntEnum
from typing import NamedTuple
class Stack(list):
    def push(self, x): self.append(x)
class Color(IntEnum):
    RED = 1
    BLUE = 2
class Point(NamedTuple):
    x: int
    y: int
    def norm(self): return abs(self.x) + abs(self.y)
    def __neg__(self): return Point(-self.x, -self.y)
class Folded(dict):
    def __getitem__(self, key): return dict.__getitem__(self, key.lower())
class Money(int):
    def __str__(self): return f'${int(self)}'
class Missing(ValueError):
    def __init__(self, n):
        super().__init__('missing')
        self.n = n
    def __str__(self): return f'{self.n} missing'
def paint(): return Color.BLUE
def sevens(): return defaultdict(lambda: 7)
def get(table, key): return table[key]
def plain(): return namedtuple('Plain', 'a b')(1, 2)
def lose(n): raise Missing(n)
def read(): open('no such file')
def named(target, self=0, operation=0): return target + self + operation
table = {'a': [1]}
def part(): return slice(1, 2)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tests", "failing"),
    [
        ("s = Stack()\ns.push(1)\nassert s == [1] and s.pop() == 1", "s = Stack()\ns.push(1)\nassert s == [2]"),
        ("assert paint().name == 'BLUE'", "assert paint().name == 'RED'"),
        ("assert Point(3, -4).norm() == 7", "assert Point(3, -4).norm() == 8"),
        ("assert -Point(1, 2) == (-1, -2)", "assert -Point(1, 2) == (1, 2)"),
        ("assert Folded(a=1)['A'] == 1", "assert Folded(a=1)['A'] == 2"),
        ("assert str(Money(5)) == '$5'", "assert str(Money(5)) == '$6'"),
        ("assert sevens()['x'] == 7", "assert sevens()['x'] == 0"),
        (
            "from collections import defaultdict\nassert get(defaultdict(lambda: 2), 1) == 2",
            "from collections import defaultdict\nassert get(defaultdict(lambda: 2), 1) == 3",
        ),
        ("assert plain()._replace(a=5) == (5, 2)", "assert plain()._replace(a=5) == (1, 2)"),
        (
            "try:\n    lose(3)\nexcept ValueError as e:\n    assert e.n == 3",
            "try:\n    lose(3)\nexcept ValueError as e:\n    assert e.n == 4",
        ),
        (
            "try:\n    lose(3)\nexcept ValueError as e:\n    assert str(e) == '3 missing'",
            "try:\n    lose(3)\nexcept ValueError as e:\n    assert str(e) == 'missing'",
        ),
        (
            "try:\n    read()\nexcept OSError as e:\n    assert e.filename == 'no such file'",
            "try:\n    read()\nexcept OSError as e:\n    assert e.filename is None",
        ),
        ("assert named(target=1, self=2, operation=3) == 6", "assert named(target=1, self=2, operation=3) == 5"),
        ("assert table == {'a': [1]}", "assert table == {'a': [2]}"),
        ("assert part() == slice(1, 2)", "assert part() == slice(1, 3)"),
    ],
)
def test_what_a_value_can_do_beyond_its_data_fails_no_right_program(
    tests: str, failing: str, verifier: CodeVerifier
) -> None:
    for text, outcome in ((tests, Outcome.CORRECT), (failing, Outcome.INCORRECT)):
        own = Problem("own/1", "?", (), "own", "code", metadata={"tests": [text]})
        assert verifier.verify(own, OWN_CLASSES).outcome is outcome, text


def test_a_subclass_that_equals_everything_is_still_its_base(verifier: CodeVerifier) -> None:
    forged = (
        "class F(int):\n    __eq__ = lambda *_: True\n    __hash__ = int.__hash__\n    __lt__ = __eq__\n"
        "def half(n):\n    return F(0)\n"
    )
    for name in ("half", "F"):
        own = Problem("own/1", "?", (), "own", "code", metadata={"tests": ["assert half(8) == 4"]})
        verdict = verifier.verify(own, forged.replace("F", name) if name == "half" else forged)
        assert (verdict.outcome, verdict.flags) == (Outcome.INCORRECT, frozenset()), verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tests", "right", "wrong"),
    [
        (
            "import time\nslept = []\ntime.sleep = slept.append\nwait()\nassert slept == [9]",
            "import time\ndef wait(): time.sleep(9)",
            "def wait(): pass",
        ),
        (
            "import os\nos.environ['LEVEL'] = '9'\nassert level() == '9'",
            "import os\ndef level(): return os.environ['LEVEL']",
            "def level(): return '1'",
        ),
        (
            "open('in.txt', 'w').write('7')\nassert read('in.txt') == '7'",
            "def read(name): return open(name).read()",
            "def read(name): return name",
        ),
        (
            "import threading\nts = [threading.Thread(target=add) for _ in range(4)]\n"
            "[t.start() for t in ts], [t.join() for t in ts]\nassert count() == 4",
            "n = []\ndef add(): n.append(1)\ndef count(): return len(n)",
            "def add(): pass\ndef count(): return 0",
        ),
        (
            "import random\nrandom.seed(42)\nassert roll() == 6",
            "import random\ndef roll(): return random.randint(1, 6)",
            "def roll(): return 1",
        ),
        (
            "import sys\nsys.setrecursionlimit(20_000)\nassert deep(5000) == 5000",
            "def deep(n): return n and 1 + deep(n - 1)",
            "def deep(n): return 0",
        ),
    ],
)
def test_what_tests_change_of_their_process_the_program_sees(
    tests: str, right: str, wrong: str, verifier: CodeVerifier
) -> None:
    own = Problem("own/1", "?", (), "own", "code", metadata={"tests": [tests]})
    outcomes = [verifier.verify(own, program).outcome for program in (right, wrong)]
    assert outcomes == [Outcome.CORRECT, Outcome.INCORRECT]


def test_random_numbers_of_the_tests_alone_keep_them_apart(verifier: CodeVerifier) -> None:
    tests = (
        "import random\nrandom.seed(1)\nfor _ in range(9):\n    n = random.randint(0, 9)\n    assert half(2 * n) == n"
    )
    own = Problem("own/1", "?", (), "own", "code", metadata={"tests": [tests]})
    verdicts = [verifier.verify(own, program) for program in (HALF, WRONG)]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.CORRECT, Outcome.INCORRECT]
    assert not any(verdict.flags for verdict in verdicts)


USES = [
    "print(half(4))",
    "import pytest\nfrom solution import half\n\ndef test_half():\n    assert half(4) == 2",
    "class TestHalf:\n    def test_it(self):\n        assert half(4) == 2",
    "def other(x):\n    return x",
]


@pytest.mark.parametrize(
    "tests",
    [
        "import pytest\nfrom solution import half\n@pytest.mark.parametrize('n', [4])\ndef test_it(n): assert half(n)",
        "import pytest\n@pytest.mark.parametrize('n', [4])\ndef test_it(n): assert half(n) == 2",
        "import solution\ndef test_it(): assert solution.half(4) == 2",
        "for f in (half,):\n    assert f(4) == 2",
    ],
)
def test_a_programs_own_tests_and_uses_behind_it_are_not_the_program(tests: str, verifier: CodeVerifier) -> None:
    own = Problem("own/1", "?", (), "own", "code", metadata=read_tests(tests))
    for use in USES:
        for text in (
            f"```python\n{HALF}```\nAs in\n```python\n{use}\n```",
            f"```python\n{use}\n```\n```python\n{HALF}```",
        ):
            assert "return n // 2" in (verifier.extract(own, text) or ""), text
