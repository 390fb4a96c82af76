"""Replay: what the policy solved before is imitated again, one row for a way, each with the fixed credit `credit`.

Every problem has a bank of the right responses that were made without a prefix, each text once. A step draws `rows` of
them: a problem, each alike, then one of its ways, each alike, so that a way found once weighs what a common one does.
The loss of a row is -credit log p of each token where the policy has not moved since the step began.

    first_steps = 5                 responses of the first steps alone: the policy was still near its start, so this is
                                    the forward KL to the start model on what it solved (DPH-RL, 2509.07430)
    file                            the start model's own responses from a file: the same without the nearness
    neither                         all that the policy finds (Re:Dr and Re:Max of remax-rl 0.1.1): verified replay

Assumption: what was right once is worth keeping. Rows count in the loss's mean like other responses.
Degenerate: while nothing is solved there are no rows. Beyond `ways` of a problem the oldest go.
DPH-RL weighs its divergence by a coefficient beside the RL loss, remax-rl takes means over a bank's modes of the mean
log-probability of a response; here both are rows of the batch, under the recipe's aggregation.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from numpy.random import Generator
from pydantic import Field, model_validator

from move37.errors import InputError
from move37.rows import read_rows
from move37.training.explorers import Attempt, FixedRow, State
from move37.training.explorers.fresh import Fresh
from move37.types import Problem


class Replay(Fresh):
    """See the module."""

    class Options(Fresh.Options):
        per_step: int = Field(default=96, ge=1, description="Responses that a step imitates.")
        credit: float = Field(default=1.0, gt=0, description="Advantage of their tokens.")
        first_steps: int | None = Field(
            default=None, ge=1, description="Only responses of so many first steps are kept; default: of all."
        )
        file: Path | None = Field(default=None, description='JSONL rows {"question", "response"} instead of own ones.')
        ways: int = Field(default=16, ge=1, description="Different responses that are kept of a problem.")

        @model_validator(mode="after")
        def _consistent(self) -> "Replay.Options":
            if self.file is not None and self.first_steps is not None:
                raise ValueError("first_steps: own responses are not kept where a file is given")
            return self

    adds_rows: ClassVar[bool] = True

    def __init__(self, options: Options, problems: Sequence[Problem]) -> None:
        self.options = options
        self._problems = {problem.id: problem for problem in problems}
        self.steps = 0
        self.bank: dict[str, list[str]] = {}
        if options.file is not None:
            self._fill(options.file)

    def _fill(self, file: Path) -> None:
        by_question = {problem.question: problem.id for problem in self._problems.values()}
        for row in read_rows(file):
            if row.text("question") in by_question:
                self._keep(by_question[row.text("question")], row.text("response"))
        if not self.bank:
            raise InputError(f"explorer.options.file: {file} has no response to any of the problems")

    def rows(self, generator: Generator) -> list[FixedRow]:
        solved = list(self.bank)
        made = []
        for _ in range(self.options.per_step if solved else 0):
            problem = solved[int(generator.integers(len(solved)))]
            ways = self.bank[problem]
            way = ways[int(generator.integers(len(ways)))]
            made.append(FixedRow(self._problems[problem], way, self.options.credit))
        return made

    def observe(self, attempts: Sequence[Attempt]) -> None:
        self.steps += 1
        if self.options.file is not None or (self.options.first_steps or self.steps) < self.steps:
            return
        for attempt in attempts:
            if attempt.right and attempt.ended and attempt.text and not attempt.prefix:
                self._keep(attempt.problem.id, attempt.text)

    def _keep(self, problem: str, text: str) -> None:
        ways = self.bank.setdefault(problem, [])
        if text not in ways:
            ways.append(text)
            del ways[: -self.options.ways]

    def state(self) -> State:
        return {"steps": self.steps, "bank": self.bank}

    def load(self, state: State) -> None:
        self.steps, self.bank = state["steps"], state["bank"]
