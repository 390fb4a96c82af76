"""Does a curriculum keep the contract of `move37.training.curricula.Curriculum`?"""

import json
from collections.abc import Sequence
from typing import Any

from move37.config import Settings
from move37.testing.claims import require
from move37.types import Problem

_STEPS = 6


def check_curriculum(kind: Any, problems: Sequence[Problem], **options: Any) -> None:
    """Raises AssertionError unless `kind`, made with `options` on these problems, does what its contract says.

    Checked: it takes as many problems as asked and none of its own; the same seed gives the same problems, another
    seed others; its state is JSON, and one that was loaded goes on exactly as the one that was saved.
    """
    settings = isinstance(getattr(kind, "Options", None), type) and issubclass(kind.Options, Settings)
    require(settings, "Options has to be a class of settings (move37.config.Settings)")
    known = {problem.id for problem in problems}
    whole = _walk(kind(kind.Options(**options), problems, 1), range(_STEPS))
    require(all(len(taken) == 5 for taken in whole), "take has to give as many problems as asked")
    require(
        {problem for taken in whole for problem in taken} <= known, "take has to give the problems it was made with"
    )
    again = _walk(kind(kind.Options(**options), problems, 1), range(_STEPS))
    require(again == whole, "the same seed has to give the same problems")
    other = _walk(kind(kind.Options(**options), problems, 2), range(_STEPS))
    require(len(problems) < 2 or other != whole, "another seed has to give others")

    first = kind(kind.Options(**options), problems, 1)
    begun = _walk(first, range(_STEPS // 2))
    resumed = kind(kind.Options(**options), problems, 1)
    resumed.load(json.loads(json.dumps(first.state())))
    rest = _walk(resumed, range(_STEPS // 2, _STEPS))
    require(begun + rest == whole, "one that was loaded has to go on as the one that was saved")
    require(isinstance(first.keeps(1, 2), bool), "keeps has to say True or False")
    require(first.filters or all(first.keeps(right, 4) for right in range(5)), "keeps says no, and filters is False")


def _walk(curriculum: Any, steps: Sequence[int]) -> list[list[str]]:
    """What it takes in some steps, with results that depend on the problem and the step."""
    found = []
    for step in steps:
        taken = curriculum.take(5, step)
        found.append([problem.id for problem in taken])
        counts = {problem.id: (int(problem.id.encode().hex(), 16) % (3 + step % 2), 4) for problem in taken}
        curriculum.observe(counts)
    return found
