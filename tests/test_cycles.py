# ruff: noqa: E501  (a program a line)
"""Programs that provably never end are ended early, and no program that ends is."""

import time
from collections.abc import Iterator

import pytest

from move37.types import Outcome, Problem
from move37.verifiers.code import CodeVerifier
from tests.test_attacks import needs_isolation

pytestmark = [pytest.mark.slow, needs_isolation]
NUMBER = Problem("made-up/n", "?", (), "made-up", "code", metadata={"tests": ["assert f(12) == 7"], "entry_point": "f"})
ENDLESS = [
    "def f(n):\n    i = 0\n    while True: i += 1",
    "def f(n):\n    i, xs = 0, list(range(5000))\n    while i < len(xs):\n        n += 1\n    return 7",
    "def even(k): return k % 2 == 0\ndef f(n):\n    while n > 0 or even(n):\n        n += 2\n    return 7",
    "import random\ndef f(n):\n    n = random.randint(1, 9)\n    while n: n += 3\n    return 7",
]
"""By their text, though they are never twice in one state."""
REPEATING = [
    "def f(n):\n    while True: pass",
    "def f(n):\n    while n > 1:\n        if n % 5 == 7:\n            n -= 1\n    return 7",
    "def f(n):\n    i, xs = 0, [3, 1, 2]\n    while i < len(xs):\n        if xs[i] > 5:\n            i += 1\n    return 7",
    "def f(n):\n    n = 0\n    while n % 2 == 0:\n        n //= 2\n    return 7",
    "def odd(k): return k % 2 == 1\ndef f(n):\n    while not odd(n):\n        n = n + 2 if n < 50 else 12\n    return 7",
    "def f(n):\n    for i in range(3):\n        while i < 2:\n            xs = sorted([i, n])\n    return 7",
    "class C:\n    def __init__(s): s.k = 0\n    def step(s): s.k = (s.k + 1) % 3\ndef f(n):\n    c = C()\n"
    "    while c.k < 5: c.step()\n    return 7",
]
ENDING = {
    "an iterator that nobody sees": "def f(n):\n    k = 0\n    for _ in [None] * 3_000_000:\n        k = 1\n    return 7",
    "an inner loop that comes again": "def f(n):\n    for _ in [None] * 300_000:\n        k = 0\n        while k < 3: k += 1\n    return 7",
    "time": "import time\ndef f(n):\n    end = time.process_time() + 1\n    while time.process_time() < end: k = 1\n    return 7",
    "chance": "import random\ndef f(n):\n    while random.random() > 1e-6: k = 1\n    return 7",
    "a generator": "def g():\n    for i in range(2_000_000): yield None\n    yield 1\nG = g()\ndef f(n):\n"
    "    while next(G) is None: k = 1\n    return 7",
    "a default that keeps": "def step(seen=[0]):\n    seen[0] += 1\n    return seen[0] > 1_500_000\ndef f(n):\n"
    "    while not step(): k = 1\n    return 7",
    "a closure that keeps": "def make():\n    k = 0\n    def step():\n        nonlocal k\n        k += 1\n        return k > 1_500_000\n"
    "    return step\nSTEP = make()\ndef f(n):\n    while not STEP(): j = 1\n    return 7",
    "a thread": "import threading\nflag = []\ndef f(n):\n    threading.Timer(1.0, flag.append, [1]).start()\n"
    "    while not flag: k = 1\n    return 7",
    "a signal": "import signal\nflag = []\nsignal.signal(signal.SIGALRM, lambda *_: flag.append(1))\ndef f(n):\n"
    "    signal.alarm(1)\n    while not flag: k = 1\n    return 7",
    "a global that counts": "count = 0\ndef step():\n    global count\n    count += 1\ndef f(n):\n    while count < 1_500_000: step()\n    return 7",
    "an attribute that counts": "class C: count = 0\ndef f(n):\n    while C.count < 2_000_000: C.count += 1\n    return 7",
    "an object that counts": "class C:\n    def __init__(s): s.k = 0\n    def more(s):\n        s.k += 1\n        return s.k < 1_500_000\n"
    "def f(n):\n    c = C()\n    while c.more(): pass\n    return 7",
    "a list that grows": "def f(n):\n    xs = []\n    while len(xs) < 2_000_000: xs.append(None)\n    return 7",
    "who is the same as whom": "def f(n):\n    a, b, k = [0], [0], 0\n    while k < 1_500_000:\n        k += 1\n        a, b = b, a\n    return 7",
    "an iterator in a variable": "def f(n):\n    it = iter([0] * 1_500_000 + [1])\n    while not next(it): k = 1\n    return 7",
    "a method that keeps": "import collections\ndef f(n):\n    c = collections.deque([0] * 1_500_000)\n    pop = c.pop\n"
    "    while c: pop()\n    return 7",
}


@pytest.fixture(scope="module")
def verifier() -> Iterator[CodeVerifier]:
    judge = CodeVerifier(cpu_seconds=6.0)
    yield judge
    judge.close()


@pytest.mark.parametrize("program", REPEATING + ENDLESS)
def test_a_program_that_provably_never_ends_is_ended(program: str, verifier: CodeVerifier) -> None:
    began = time.process_time()
    verdict = verifier.verify(NUMBER, program)
    assert (verdict.outcome, verdict.reason) == (Outcome.INCORRECT, "provably never ends")
    assert time.process_time() - began < 1


@pytest.mark.parametrize("why", ENDING)
def test_a_program_that_ends_by_what_nobody_sees_is_left_alone(why: str, verifier: CodeVerifier) -> None:
    verdict = verifier.verify(NUMBER, ENDING[why])
    assert (verdict.outcome, verdict.reason.split(" with ")[0]) == (Outcome.CORRECT, "passes")


def test_a_script_that_repeats_itself_is_ended_too(verifier: CodeVerifier) -> None:
    cases = [{"input": "3\n", "output": "3\n"}]
    script = Problem("made-up/s", "?", (), "made-up", "code", metadata={"cases": cases})
    verdict = verifier.verify(script, "n = int(input())\nwhile n > 0:\n    if n > 5:\n        n -= 1\nprint(n)")
    assert verdict.reason == "provably never ends"
