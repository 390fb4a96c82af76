"""Does an explorer keep the contract of `move37.training.explorers.Explorer`?"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from move37.config import Settings
from move37.testing.claims import require
from move37.training.explorers import Attempt
from move37.types import Problem

_STEPS, _SLOTS = 6, 5


def check_explorer(kind: Any, problems: Sequence[Problem], **options: Any) -> None:
    """Raises AssertionError unless `kind`, made with `options` on these problems, does what its contract says.

    Checked: a prefix for each problem; rows only where `adds_rows` says so, of its own problems and with a text; all
    randomness comes from the generators; its state is JSON, and one that was loaded goes on exactly as the one that
    was saved.
    """
    settings = isinstance(getattr(kind, "Options", None), type) and issubclass(kind.Options, Settings)
    require(settings, "Options has to be a class of settings (move37.config.Settings)")
    whole = _walk(kind(kind.Options(**options), problems), problems, range(_STEPS))
    require(_walk(kind(kind.Options(**options), problems), problems, range(_STEPS)) == whole, "a second walk differs")
    known = {problem.id for problem in problems}
    for starts, rows in whole:
        require(len(starts) == _SLOTS, "starts has to give a prefix for each problem")
        require(all(isinstance(start, str) for start in starts), "a prefix has to be a text")
        require(not rows or kind.adds_rows, "rows gives some, and adds_rows is False")
        require(all(problem in known and text for problem, text, _ in rows), "a row has to be a text to its problem")
        require(all(np.isfinite(credit) for _, _, credit in rows), "a credit has to be finite")
    first = kind(kind.Options(**options), problems)
    begun = _walk(first, problems, range(_STEPS // 2))
    resumed = kind(kind.Options(**options), problems)
    resumed.load(json.loads(json.dumps(first.state())))
    rest = _walk(resumed, problems, range(_STEPS // 2, _STEPS))
    require(begun + rest == whole, "one that was loaded has to go on as the one that was saved")


def _walk(explorer: Any, problems: Sequence[Problem], steps: Sequence[int]) -> list[Any]:
    """Starts and rows of some steps, with results that depend on the problem, the start and the step."""
    found = []
    for step in steps:
        taken = [problems[(step * 3 + place) % len(problems)] for place in range(_SLOTS)]
        starts = explorer.starts(taken, np.random.default_rng([step, 0]))
        rows = explorer.rows(np.random.default_rng([step, 1]))
        found.append((starts, [(row.problem.id, row.text, row.credit) for row in rows]))
        attempts = [
            Attempt(problem, start, f"way {(number * 7 + step) % 4};x", (number + step + len(start)) % 3 == 0, True)
            for problem, start in zip(taken, starts, strict=True)
            for number in range(4)
        ]
        explorer.observe(attempts)
    return found
