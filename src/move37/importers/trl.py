"""TRL: completions/completions_<step>.parquet (log_completions=True of GRPOTrainer, RLOOTrainer and others).

A row is one completion: step, prompt, completion, one column per reward function, advantage, and what a reward function
logged beside. Each step is a model of its own ("step-10"). The reference answers are in the log only where somebody
logged them (a column answer, solution or ground_truth): else give the benchmark's file (--problems).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from move37.importers.base import About, LogImporter
from move37.importers.fields import golds, prompt_text, question_in, segments_of, text_of, tool_verdicts
from move37.importers.heads import Head
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.rows import Row, stream_rows

_STEP = re.compile(r"completions_(\d+)")
_NO_REWARDS = ("step", "advantage", "advantages", "index", "__index_level_0__")
_ANSWERS = ("answer", "solution", "ground_truth", "target", "label")


class TrlImporter(LogImporter):
    format = "trl"

    def claims(self, head: Head) -> bool:
        return head.has("prompt", "completion", "step") and (head.is_jsonl or head.name.endswith(".parquet"))

    def about(self, file: Path) -> About:
        named = _STEP.match(file.name)
        step: Any = int(named[1]) if named else next(stream_rows(file)).find("step")
        return About(None if step is None else f"step-{step}", None, str(file))

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        for row in stream_rows(file):
            prompt = row.require("prompt")
            if "completion" not in row.values:
                row.require("completion")
            text, question = prompt_text(prompt), question_in(prompt)
            if not text or not question:
                raise row.error("'prompt': expected a text or a list of messages")
            rewards = {name: value for name, value in row.values.items() if _is_reward(name, value)}
            completion = row.values["completion"]
            response = Response(
                text=text_of(row, completion),
                scores=tool_verdicts(rewards, remarks),
                segments=segments_of(completion),
            )
            yield LogRow(Asked(text, question, _golds(row), text), (response,), row)


def _golds(row: Row) -> tuple[str, ...]:
    return golds(row, row.find(*_ANSWERS))


def _is_reward(name: str, value: Any) -> bool:
    """Whether a column is what a reward function gave."""
    is_number = isinstance(value, bool | int | float)
    return is_number and name not in _NO_REWARDS and name not in _ANSWERS
