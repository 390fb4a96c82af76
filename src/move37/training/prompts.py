"""What a training asks, decided once: the texts of its prompts are written down when they are first made.

A chat template may print today's date. A run that is continued tomorrow asks what it asked today, or it would end with
other weights than one that was never stopped. The texts are in `<run>/prompts.parquet`.
"""

from collections.abc import Sequence
from pathlib import Path

from move37.engines import Trainable
from move37.prompting import Template
from move37.rollouts import render_prompts
from move37.schema import PROMPTS, prompt_of, prompt_row, read_table, write_table
from move37.types import Problem, Prompt


class AskedPrompts:
    """The prompts of one run, by problem."""

    def __init__(self, folder: Path | None, template: Template, engine: Trainable) -> None:
        """Without a folder nothing is remembered. Raises StoreError for a damaged file."""
        self._path = None if folder is None else folder / "prompts.parquet"
        self._template, self._engine = template, engine
        self._before: dict[str, Prompt] = {}
        if self._path is not None and self._path.exists():
            self._before = {p.problem_id: p for p in map(prompt_of, read_table(self._path, PROMPTS))}
        self._made: dict[str, Prompt] = {}

    def of(self, problem: Problem) -> Prompt:
        """Raises ConfigError where the model has no chat template or does not see images."""
        if problem.id not in self._made:
            before = self._before.get(problem.id)
            asked = () if before is None else (before,)
            (self._made[problem.id],) = render_prompts([problem], self._template, self._engine, asked)
        return self._made[problem.id]

    def of_all(self, problems: Sequence[Problem]) -> list[Prompt]:
        return [self.of(problem) for problem in problems]

    def keep(self) -> None:
        """Write down what a chat template wrote: other texts follow from the recipe alone."""
        rendered = {id: prompt for id, prompt in self._made.items() if prompt.rendered}
        if self._path is not None and not rendered.keys() <= self._before.keys():
            self._before |= rendered
            write_table(self._path, [prompt_row(prompt) for prompt in self._before.values()], PROMPTS)
