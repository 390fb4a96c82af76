"""Random sequences of hostile and honest programs, for the property that none changes another's verdict.

The hostile ones try to leave something: limits, priorities, attributes, files, times, processes, messages, values that
are read slowly. Those that only take long are in tests/attacks.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

from move37.types import Outcome, Problem

HOSTILE = {
    "limits of others": "import resource as r\nfor p in range(1, 9):\n"
    "    for limit in (r.RLIMIT_NOFILE, r.RLIMIT_CPU, r.RLIMIT_NPROC, r.RLIMIT_FSIZE, r.RLIMIT_AS):\n"
    "        try: r.prlimit(p, limit, (0, 0))\n        except OSError: pass\ndef area(a, b): return 'no'",
    "priorities": "import os\nfor p in range(0, 9):\n    for call in (lambda: os.setpriority(0, p, 19), "
    "lambda: os.sched_setscheduler(p, os.SCHED_IDLE, os.sched_param(0)), lambda: os.sched_setaffinity(p, {0})):\n"
    "        try: call()\n        except OSError: pass\ndef area(a, b): return 'no'",
    "signals": "import os, signal\ndef area(a, b):\n    for p in range(-1, 9):\n        if p not in (0, os.getpid()):\n"
    "            try: os.kill(p, signal.SIGKILL)\n            except OSError: pass\n    return 'no'",
    "mode": "import os\nos.chmod('.', 0)\ndef area(a, b): return 'no'",
    "attributes": "import os\nos.setxattr('.', 'user.a', b'1')\nos.utime('.', (1, 1))\ndef area(a, b): return 'no'",
    "files": "for i in range(99): open(f'f{i}', 'w').write('x' * 10000)\ndef area(a, b): return 'no'",
    "deaf": "import signal, os\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n"
    "    except (OSError, ValueError): pass\nsignal.pthread_sigmask(0, range(1, 64))\nos.umask(0o777)\n"
    "def area(a, b): return 'no'",
    "threads": "import threading, time\nfor _ in range(9):\n"
    "    threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\ndef area(a, b): return 'no'",
    "builtins": "def area(a, b): return [eval, exec, type, area][a % 4]",
    "equal to all": "class All:\n    __eq__ = lambda *_: True\n    __hash__ = lambda _: 0\n"
    "def area(a, b): return All()",
    "long decimal": "from decimal import Decimal\ndef area(a, b): return Decimal('1e99999999')",
    "long fraction": "class Fraction:\n    numerator, denominator = 3 ** 300_000, 7 ** 300_000\n"
    "Fraction.__module__ = 'fractions'\ndef area(a, b): return Fraction()",
    "colliding keys": "def area(a, b): return {(2 ** 61 - 1) * i: 0 for i in range(3000)}",
    "deep": "def area(a, b):\n    x = []\n    for _ in range(100_000): x = [x]\n    return x",
    "exit": "import os\ndef area(a, b): os._exit(0)",
    "crash": "import ctypes\ndef area(a, b): ctypes.string_at(0)",
    "memory": "def area(a, b): return bytearray(1 << 40)",
    "patches": "import sys, json, random\njson.loads = json.dumps = lambda *_, **__: 14\nsys.modules.clear()\n"
    "random.seed = print\ndef area(a, b): return 'no'",
    "garbage": "import os\nos.write(3, b'\\xff' * 99)\ndef area(a, b): return 'no'",
}
HONEST = {
    "right": ("def area(a, b):\n    return a * b", Outcome.CORRECT),
    "right with a file": (
        "import tempfile\ndef area(a, b):\n    with tempfile.TemporaryFile() as f: f.write(b'x')\n    return a * b",
        Outcome.CORRECT,
    ),
    "right with threads": (
        "from concurrent.futures import ThreadPoolExecutor\ndef area(a, b):\n"
        "    with ThreadPoolExecutor(8) as pool: return sum(pool.map(lambda _: b, range(a)))",
        Outcome.CORRECT,
    ),
    "right with memory": ("def area(a, b):\n    return len(bytearray(1 << 27)) // (1 << 27) * a * b", Outcome.CORRECT),
    "wrong": ("def area(a, b):\n    return a + b", Outcome.INCORRECT),
    "wrong sometimes": ("def area(a, b):\n    return a * b if a < 5 else 0", Outcome.INCORRECT),
    "raises": ("def area(a, b):\n    return a / 0", Outcome.INCORRECT),
    "no Python": ("def area(a, b: return", Outcome.INCORRECT),
}
AREA = Problem(
    "made-up/area",
    "The area of a rectangle.",
    (HONEST["right"][0],),
    "made-up",
    "code",
    metadata={
        "tests": ["assert area(2, 3) == 6\nassert area(5, 1) == 5\nassert {area(0, 9)} == {0}"],
        "entry_point": "area",
    },
)


class Item(NamedTuple):
    """One program of a sequence; `wanted` is None for a hostile one."""

    name: str
    program: str
    wanted: Outcome | None


def sequences(count: int, seed: int = 0) -> Iterator[list[Item]]:
    """`count` sequences of four to nine programs, no two equal."""
    chance = random.Random(seed)
    for number in range(count):
        items = []
        for place in range(chance.randint(4, 9)):
            if chance.random() < 0.4:
                name = chance.choice(list(HOSTILE))
                program, wanted = HOSTILE[name], None
            else:
                name = chance.choice(list(HONEST))
                program, wanted = HONEST[name]
            items.append(Item(name, f"{program}\n# {seed} {number} {place}", wanted))
        yield items
