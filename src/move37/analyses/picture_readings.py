"""Is a failure one of seeing or of reasoning? In drawn worlds an answer says what it took the picture for.

A drawn task knows what stands in its picture, so the beginning of every answer can be held against it: the share of
digits that are right (number by number in their order, digits from the last one; a number or a digit too many is none
that is right), the share of answers that read everything rightly, and the share of those that go on to be right. An
answer that is right was read rightly, so pass@1 is the product of the last two.

A response that says nothing of the picture read nothing. An arm that was asked without the pictures (`guess =
"blind"`) guesses the digits, which is the line below which a reading says nothing. Means over problems; the intervals
are for problems like these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from move37.analyses.curves import mean_interval
from move37.types import FloatArray, Problem
from move37.worlds.known import task_of
from move37.worlds.shown import IMAGE, DrawnTask, parted

if TYPE_CHECKING:  # tables are of runs: counts are compared without a table library
    import polars as pl


Shown = Literal["image", "nothing"]
"""Whether a model saw the pictures."""


@dataclass(frozen=True, slots=True)
class PictureReading:
    """What one model took the pictures for."""

    model: str
    shown: Shown
    """A blind arm, which is shown nothing, guesses."""
    problems: int
    digits: float
    digits_interval: tuple[float, float]
    read: float
    """Share of samples that read everything rightly."""
    read_interval: tuple[float, float]
    right_when_read: float | None
    """Share of those that are right; None where none read everything."""
    wrong_though_read: float
    """Share of all samples that read everything and went wrong afterwards: reasoning."""
    confidence: float


def picture_reading(
    model: str,
    answers: pl.DataFrame,
    problems: Sequence[Problem],
    confidence: float = 0.95,
    shown: Shown = "image",
) -> PictureReading | None:
    """None where no problem is drawn. `answers` as in `ModelData.answers`; `shown` says whether pictures were seen."""
    tasks = {problem.id: task for problem in problems if isinstance(task := task_of(problem), DrawnTask)}
    shares = [
        _of_problem(task.written, rows)
        for (problem,), rows in answers.group_by("problem_id", maintain_order=True)
        if (task := tasks.get(str(problem))) is not None and task.shown == IMAGE
    ]
    return _reading(model, shown, np.array(shares), confidence) if shares else None


def digits_right(written: str, read: str | None) -> float:
    """The share of the digits of what is written that stand in what was read."""
    numbers = written.replace("=", ",").split(",")
    found = [] if read is None else read.replace("=", ",").split(",")
    found += [""] * (len(numbers) - len(found))
    pairs = zip(numbers, found, strict=False)
    right = sum(a == b for one, two in pairs for a, b in zip(reversed(one), reversed(two), strict=False))
    return right / max(sum(map(len, numbers)), 1)


def _of_problem(written: str, rows: pl.DataFrame) -> tuple[float, float, float]:
    """Shares of a problem's samples: digits that are right, all read, right."""
    total = digits = read = right = 0.0
    for answer, correct, count in rows.select("answer", "correct", "count").iter_rows():
        said = None if answer is None else parted(answer)[0]
        total += count
        digits += count * digits_right(written, said)
        read += count * (said == written)
        right += count * correct
    return digits / total, read / total, right / total


def _reading(model: str, shown: Shown, shares_M3: FloatArray, confidence: float) -> PictureReading:
    digits, read, right = shares_M3.mean(0).tolist()
    return PictureReading(
        model=model,
        shown=shown,
        problems=len(shares_M3),
        digits=digits,
        digits_interval=_interval(shares_M3[:, 0], confidence),
        read=read,
        read_interval=_interval(shares_M3[:, 1], confidence),
        right_when_read=right / read if read else None,
        wrong_though_read=read - right,
        confidence=confidence,
    )


def _interval(shares_M: FloatArray, confidence: float) -> tuple[float, float]:
    whole = (0.0, 1.0)
    return mean_interval(shares_M, confidence, whole) or whole
