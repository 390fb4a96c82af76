"""Own prefixes: where a problem fails, start from an own success; where it is easy, from an own failure. 2605.05112.

Each problem has a share s in [-`most`, `most`], 0 at first. Above 0, its responses start from the first s of a right
response that the policy wrote before; below 0, from the first -s of a wrong one. After a step

    s rises by `move` where at most `low` of its responses were right, and falls by it where at least `high` were

so that the solve rate is drawn to the middle, where a group tells most. Without such a response there is no start.
Assumption: a failure can still be mended from its beginning. Where it cannot, all of its responses fail and the share
goes back by itself. Problems come up more than once: what is learnt about one serves its next time.
Degenerate: a problem that was never solved starts afresh, and its share waits at 0.
The paper draws lengths to a pass rate of one half by a schedule of its own; the rule here is ours. Own text is kept as
text and read again, so a tokenizer may cut it differently where it was cut off.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from numpy.random import Generator
from pydantic import Field, model_validator

from move37.training.explorers import Attempt, FixedRow, State
from move37.training.explorers.fresh import Fresh
from move37.types import Problem


class OwnPrefixes(Fresh):
    """See the module."""

    class Options(Fresh.Options):
        move: float = Field(default=0.25, gt=0, le=1, description="By how much a share changes in a step.")
        most: float = Field(default=0.9, gt=0, lt=1, description="Largest share of a response to start from.")
        low: float = Field(default=0.25, ge=0, lt=1, description="Solved so often or less: more help.")
        high: float = Field(default=0.75, gt=0, le=1, description="Solved so often or more: less help.")

        @model_validator(mode="after")
        def _consistent(self) -> "OwnPrefixes.Options":
            if self.low >= self.high:
                raise ValueError(f"high: must be above low ({self.low:g})")
            return self

    adds_rows: ClassVar[bool] = False

    def __init__(self, options: Options, problems: Sequence[Problem]) -> None:
        self.options = options
        self.known: dict[str, dict[str, Any]] = {}
        """By problem: its share, and its newest right and wrong responses."""

    def starts(self, problems: Sequence[Problem], generator: Generator) -> list[str]:
        return [self._start(problem.id) for problem in problems]

    def _start(self, problem: str) -> str:
        known = self.known.get(problem, {})
        share = known.get("share", 0.0)
        text = known.get("right" if share > 0 else "wrong")
        return text[: round(abs(share) * len(text))] if share and text else ""

    def rows(self, generator: Generator) -> list[FixedRow]:
        return []

    def observe(self, attempts: Sequence[Attempt]) -> None:
        by_problem: dict[str, list[Attempt]] = {}
        for attempt in attempts:
            if attempt.right is not None:
                by_problem.setdefault(attempt.problem.id, []).append(attempt)
        for problem, seen in by_problem.items():
            known = self.known.setdefault(problem, {"share": 0.0})
            for attempt in seen:
                known["right" if attempt.right else "wrong"] = attempt.whole
            rate = sum(bool(attempt.right) for attempt in seen) / len(seen)
            way = int(rate <= self.options.low) - int(rate >= self.options.high)
            share = min(self.options.most, max(-self.options.most, known["share"] + way * self.options.move))
            known["share"] = share if "right" in known or share < 0 else 0.0

    def state(self) -> State:
        return {"known": self.known}

    def load(self, state: State) -> None:
        self.known = state["known"]
