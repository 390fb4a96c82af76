"""Hints: responses start from the beginning of somebody's solution, as long as the problem needs.

A level in [0, `most`] says how much of a solution is given, one for each value of the tag `by` (a tier, say), `start`
at first. A slot's share is drawn between `spread` of its level and the level. After a step

    the level rises by `move` where at most `low` of the responses were right, and falls by it above `high`

Solutions come from the problems' references, from a world's exhaustive solver ("shortest", or "any" of all right
answers), or from a file of a stronger model's responses. They are cut at any character: cut between steps only, a hint
that is one step shorter may ask for two unknown things at once, and the level stalls there (docs/beyond.md).
Assumption: the policy can learn the rest from behind a beginning that it would not have written.
Degenerate: a problem without a solution starts afresh.
Facts of the idea: QuestA (2507.13266) gives half, then a quarter; Scaf-GRPO (2510.19807) gives the weakest hint that
helps a group that is all wrong; POPE (2601.18779) finds that at p = 0 nothing but a prefix helps. The level is ours.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import ClassVar, Literal

from numpy.random import Generator
from pydantic import Field, model_validator

from move37.countdown import choose
from move37.errors import InputError
from move37.rows import read_rows
from move37.seeds import generation_seed
from move37.training.explorers import Attempt, State
from move37.training.explorers.fresh import Fresh
from move37.types import Problem
from move37.worlds.known import task_of


class Hints(Fresh):
    """See the module."""

    class Options(Fresh.Options):
        source: Literal["reference", "shortest", "any", "file"] = Field(
            default="reference", description="Whose solutions: references, a world's solver, or a file of responses."
        )
        file: Path | None = Field(default=None, description='JSONL rows {"question", "response"}, of a stronger model.')
        by: str = Field(default="tier", description="The tag whose values have a level each.")
        start: float = Field(default=0.0, ge=0, le=1, description="Level at first: 0 grows, large ones fade.")
        most: float = Field(default=0.95, gt=0, le=1, description="Largest level.")
        move: float = Field(default=0.05, gt=0, le=1, description="By how much a level changes in a step.")
        spread: float = Field(default=0.5, ge=0, le=1, description="Smallest share of a level that a slot may get.")
        low: float = Field(default=0.1, ge=0, lt=1, description="Solved so often or less: longer hints.")
        high: float = Field(default=0.25, gt=0, le=1, description="Solved more often: shorter hints.")

        @model_validator(mode="after")
        def _consistent(self) -> "Hints.Options":
            if self.low >= self.high:
                raise ValueError(f"high: must be above low ({self.low:g})")
            if (self.source == "file") != (self.file is not None):
                raise ValueError('file: goes with source = "file"')
            if self.start > self.most:
                raise ValueError(f"start: must be at most most ({self.most:g})")
            return self

    adds_rows: ClassVar[bool] = False

    def __init__(self, options: Options, problems: Sequence[Problem]) -> None:
        self.options = options
        self._solutions = _solutions(options, problems)
        if not self._solutions:
            raise InputError(f"explorer.options: none of the {len(problems)} problems has a solution to hint at")
        self.levels: dict[str, float] = {}

    def starts(self, problems: Sequence[Problem], generator: Generator) -> list[str]:
        return [self._start(problem, generator.random()) for problem in problems]

    def _start(self, problem: Problem, drawn: float) -> str:
        solution = self._solution(problem)
        level = self.levels.get(self._tier(problem), self.options.start)
        share = level * (self.options.spread + (1 - self.options.spread) * drawn)
        return solution[: round(share * len(solution))]

    def _solution(self, problem: Problem) -> str:
        """Of a world's solver they are looked for when they are first needed: one puzzle may have thousands."""
        found = self._solutions.get(problem.id, "")
        if found is None:
            found = self._solutions[problem.id] = _solved(problem, self.options.source)
        return found

    def _tier(self, problem: Problem) -> str:
        return problem.tags.get(self.options.by, "")

    def observe(self, attempts: Sequence[Attempt]) -> None:
        rates: dict[str, list[bool]] = {}
        for attempt in attempts:
            if attempt.right is not None:
                rates.setdefault(self._tier(attempt.problem), []).append(attempt.right)
        for tier, right in rates.items():
            rate, level = sum(right) / len(right), self.levels.get(tier, self.options.start)
            way = int(rate <= self.options.low) - int(rate > self.options.high)
            self.levels[tier] = min(self.options.most, max(0.0, level + way * self.options.move))

    def state(self) -> State:
        return {"levels": self.levels}

    def load(self, state: State) -> None:
        self.levels = state["levels"]


def _solutions(options: Hints.Options, problems: Sequence[Problem]) -> dict[str, str | None]:
    """By problem id; None where a solver will be asked. Raises InputError for a damaged file."""
    if options.source == "file":
        assert options.file is not None
        written = {row.text("question"): row.text("response") for row in read_rows(options.file)}
        return {problem.id: written[problem.question] for problem in problems if problem.question in written}
    if options.source == "reference":
        return {problem.id: problem.references[0] for problem in problems if problem.references}
    return {problem.id: None for problem in problems if task_of(problem) is not None}


def _solved(problem: Problem, source: str) -> str:
    """A right answer of a world's problem: one of the shortest, or any. "" where there is none."""
    task = task_of(problem)
    chains = [] if task is None else list(task.chains())
    if source == "shortest":
        fewest = min((chain.count(";") for chain in chains), default=0)
        chains = [chain for chain in chains if chain.count(";") == fewest]
    return choose(chains, Random(generation_seed(0, f"hint for {problem.id}"))) if chains else ""
