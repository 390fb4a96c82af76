# ruff: noqa: E501  (a program a line)
"""Loops are called endless only if they are: by hand, and for random programs that are run for a while."""

import random
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from move37.verifiers.sandbox.endless import never_ends, places
from move37.verifiers.sandbox.integers import Integers

MOST_LINES = 3000
ENDLESS = [
    "def f(n):\n    i = 0\n    while True: i += 1",
    "def f(n):\n    while n > 0:\n        n += 1\n    return 7",
    "def f(n):\n    while n != 1:\n        n += 2\n    return 7",
    "def f(n):\n    x = 1\n    while x % 2 == 1:\n        x += 2\n    return 7",
    "def f(n):\n    i, xs = 0, [3, 1, 2]\n    while i < len(xs):\n        if xs[i] > 5:\n            i += 1\n        n += 1\n    return 7",
    "def f(n):\n    total = 0\n    while n > 1:\n        for j in range(3):\n            total += j\n        n += total\n    return 7",
    "from itertools import count\ndef f(n):\n    s = 0\n    for i in count(1):\n        s += i\n        if s < 0: return 7",
    "def f(n):\n    c = 0\n    while True:\n        n = n * 2 if n % 2 == 0 else 3 * n + 1\n        c += 1\n        if n == 1: break\n    return 7",
    "def f(n):\n    a, b = 0, 1\n    while b != -1:\n        a, b = b, a + b\n    return 7",
    "def f(n):\n    p, k = 2.0, 1\n    while k < 100:\n        p = p + 0.5\n    return p",
    "def f(n):\n    k = n\n    while not (k % 5 == 3 and k < 0):\n        k += 1\n    return 7",
    "def f(n):\n    try:\n        while -9 <= 0 <= n: n += 1\n    except Exception: return 7",
    "def f(n):\n    seen, word = {1: 'a', 2: 'b'}, 'b'\n    while word in 'abc' and n in (11, 12):\n        k = seen[2]\n        m = abs(-n) // 2\n    return 7",
    "def f(n):\n    for a in [1, 2]:\n        while a:\n            n -= 1\n            if n == 0: continue\n    return 7",
]
ENDING = [
    "def f(n):\n    i = 0\n    while True:\n        i += 1\n        if i == 50: return 7",
    "def f(n):\n    while n != 0:\n        n -= 2\n    return 7",
    "def f(n):\n    i = 0\n    while i < 3:\n        i += 1\n        for j in range(100):\n            n += j\n    return 7",
    "def f(n):\n    while True:\n        n += 1\n        1 / (n - 40)",
    "def f(n):\n    b = 0\n    while True:\n        b = b * b + 2\n        if b > 10**50: return 7",
    "def f(n):\n    x = 1\n    while x % 7 != 0:\n        x += 3\n    return 7",
    "def f(n):\n    x = 5\n    while x & 63:\n        x += 1\n    return 7",
    "def f(n):\n    xs = [1, 2, 3]\n    while True:\n        n += 1\n        xs[n - 13]",
    "def f(n):\n    xs = [1]\n    while xs:\n        n += 1\n        if n > 40: xs.pop()\n    return 7",
    "class End:\n    def __del__(self): print(end='')\n    def __bool__(self): return True\ndef f(n):\n    x = End()\n    while x:\n        n += 1\n        x = n < 40\n    return 7",
    "class Grows:\n    k = 0\n    def __len__(self):\n        self.k += 1\n        return self.k\ndef f(n):\n    g = Grows()\n    while len(g) < 50: n += 1\n    return 7",
    "def f(n):\n    while n:\n        n = n // 2\n        if n == 0: n = 1 / n",
    "def f(n):\n    while True:\n        try:\n            n -= 1\n            1 // n\n        except ZeroDivisionError: return 7",
    "def f(n):\n    x = 1.0\n    while x > 0: x = x / 2.0\n    return 7",
    "def f(n):\n    while n < 10**9:\n        n = n << n % 5 + 1\n    return 7",
    "import itertools\ndef f(n):\n    for i in itertools.count(2):\n        n -= i\n        if n < -100: break\n    return 7",
    "def f(n):\n    k = 0\n    def more():\n        nonlocal k\n        k += 1\n        return k < 40\n    while more(): n += 1\n    return 7",
]


def watched(text: str, most_lines: int = MOST_LINES) -> tuple[bool, bool]:
    """Whether a loop of `f(12)` was called endless, and whether the call ended within so many lines."""

    class TooLongError(BaseException):
        pass

    names: dict[str, Any] = {}
    exec(compile(text, "solution.py", "exec", dont_inherit=True), names)
    tried, endless, lines = set[Any](), False, 0

    def trace(frame: Any, event: str, arg: Any) -> Callable[..., Any] | None:
        nonlocal endless, lines
        if frame.f_code.co_filename != "solution.py":
            return None
        if event == "line":
            lines += 1
            if lines > most_lines:
                raise TooLongError
            place = places(frame.f_code, (text,)).get(frame.f_lasti)
            if place is not None and (frame.f_lasti, lines // 50) not in tried:
                tried.add((frame.f_lasti, lines // 50))
                endless = endless or never_ends(place, frame)
        return trace

    sys.settrace(trace)
    try:
        names["f"](12)
    except TooLongError:
        return endless, False
    except (Exception, SystemExit) as error:
        if traceback.extract_tb(error.__traceback__)[-1].filename != "solution.py":
            raise  # no end of the program: something else interrupted it
    finally:
        sys.settrace(None)
    return endless, True


@pytest.mark.parametrize("text", ENDLESS)
def test_a_loop_that_nothing_leaves_is_endless(text: str) -> None:
    assert watched(text) == (True, False)


@pytest.mark.parametrize("text", ENDING)
def test_a_loop_that_ends_or_may_end_is_not(text: str) -> None:
    endless, _ = watched(text)
    assert not endless


class _Writer:
    """Random loops over three integers and a list."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def program(self) -> str:
        starts = ", ".join(str(self._random.randint(-4, 9)) for _ in range(2))
        body = "\n".join(self._block(2, depth=1))
        return f"def f(c):\n    a, b = {starts}\n    xs = [3, 1, 2]\n    while {self._test()}:\n{body}\n    return a\n"

    def _block(self, indent: int, depth: int) -> list[str]:
        lines: list[str] = []
        for _ in range(self._random.randint(1, 3)):
            lines += self._statement(indent, depth)
        return lines

    def _statement(self, indent: int, depth: int) -> list[str]:
        space, kind = "    " * indent, self._random.random()
        if kind < 0.6 or depth > 3:
            form = self._random.choice(["{0} += {1}", "{0} = {1}", "{0} -= {1}", "{0}, {2} = {2}, {1}"])
            return [space + form.format(self._name(), self._value(), self._name())]
        if kind < 0.8:
            lines = [f"{space}if {self._test()}:", *self._block(indent + 1, depth + 1)]
            return lines if kind < 0.7 else [*lines, f"{space}else:", *self._block(indent + 1, depth + 1)]
        if kind < 0.86:
            return [f"{space}if {self._test()}: {self._random.choice(['break', 'continue', 'return 1'])}"]
        head = f"while {self._test()}:" if kind < 0.93 else f"for {self._name()} in {self._items()}:"
        return [space + head, *self._block(indent + 1, depth + 1)]

    def _name(self) -> str:
        return self._random.choice("abc")

    def _items(self) -> str:
        return self._random.choice(["range(3)", "xs", f"range({self._name()})", f"range(1, {self._value()})"])

    def _value(self) -> str:
        small = self._random.choice([1, 1, 2, 3, 5, -1, 7])
        a, b = self._name(), self._name()
        forms = ["{s}", "{s}", "{a}", "{a} + {s}", "{a} - {b}", "{a} * {s}", "{a} // {p}", "{a} % {p}", "{a} % {b}"]
        forms += ["xs[{a} % 3]", "abs({a})", "max({a}, {s})", "min({a}, {b})", "-{a}", "{a} & {p}", "({a} % 9) ** 2"]
        forms += [
            "{a} if {t} else {b}",
            "len(xs)",
            "{a} // {b}",
            "xs[{a}]",
            "{a} << 1",
            "{a} >> 1",
            "~{a}",
            "{a} | {b}",
        ]
        form = self._random.choice(forms)
        return form.format(s=small, p=abs(small) + 1, a=a, b=b, t=self._test(simple=True) if "{t}" in form else "")

    def _test(self, simple: bool = False) -> str:
        compared = f"{self._name()} {self._random.choice(['<', '>', '<=', '>=', '==', '!='])} "
        compared += self._random.choice([self._name(), str(self._random.randint(-3, 12))])
        forms = [compared, compared, "True", self._name(), f"{self._name()} % {self._random.randint(2, 5)} == 1"]
        forms += [f"{self._name()} in (1, 2, 3)", f"0 <= {self._name()} < {self._name()}", f"not {self._name()}"]
        test = self._random.choice(forms)
        if simple or self._random.random() < 0.7:
            return test
        return f"{test} {self._random.choice(['and', 'or'])} {self._test(simple=True)}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_no_random_loop_that_is_called_endless_ends(seed: int) -> None:
    endless = ending = 0
    for number in range(250):
        text = _Writer(1000 * seed + number).program()
        called, ended = watched(text, most_lines=1500)
        assert not (called and ended), text
        endless, ending = endless + called, ending + ended
    assert endless > 25
    assert ending > 25


def test_sets_of_integers_hold_what_arithmetic_gives() -> None:
    chance = random.Random(0)
    sets = [(Integers.of(low, low + span, step, rest), low, span, step, rest) for low in (-7, 0, 3) for span in (0, 4, 11)
            for step in (1, 2, 5) for rest in range(step)]  # fmt: skip
    known = [
        (made, [x for x in range(low, low + span + 1) if (x - rest) % step == 0])
        for made, low, span, step, rest in sets
    ]
    for made, members in known:
        assert (made is None) == (members == [])
    known = [(made, members) for made, members in known if made is not None]
    for _ in range(4000):
        (a, xs), (b, ys) = chance.choice(known), chance.choice(known)
        x, y = chance.choice(xs), chance.choice(ys)
        for found, value in (
            (a.plus(b), x + y),
            (a.times(b), x * y),
            (a.negated(), -x),
            (a.joined(b), x),
            (a.widened(b), y),
        ):
            assert value in _as_range(found)
        if b.low > 0:
            assert x // y in _as_range(a.over(b))
            assert x % y in _as_range(a.modulo(b))
        assert a.may_equal(b) or x != y


class _as_range:  # noqa: N801
    """Membership in a set of integers."""

    def __init__(self, made: Integers) -> None:
        self._made = made

    def __contains__(self, value: int) -> bool:
        made = self._made
        congruent = value == made.rest if made.step == 0 else (value - made.rest) % made.step == 0
        return made.low <= value <= made.high and congruent
