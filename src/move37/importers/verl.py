"""verl: <step>.jsonl of trainer.validation_data_dir or trainer.rollout_data_dir, one file per step.

A line is one response: input (the prompt as the chat template wrote it), output, gts, score, step, and what the reward
function said beside. Responses to one prompt are its samples, in the order of the file. Each step is a model of its
own, the checkpoint of that step: "step-0" is the base.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from move37.importers.base import About, LogImporter
from move37.importers.fields import golds, prompt_text, question_in, text_of, tool_verdicts
from move37.importers.heads import Head
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.rows import Row, stream_rows
from move37.types import Outcome

_STEP = re.compile(r"(?:step_|val_|test_|train_)?(?P<step>\d+)\.jsonl(?:\.gz|\.zst)?")
_SCORES = ("acc", "score", "reward", "correct")
"""The verdict before the reward, which may hold penalties too."""


class VerlImporter(LogImporter):
    format = "verl"

    def claims(self, head: Head) -> bool:
        return head.is_jsonl and head.has("input", "output") and head.has_any("score", "gts", "step")

    def about(self, file: Path) -> About:
        named = _STEP.fullmatch(file.name)
        step: Any = named["step"] if named else next(stream_rows(file)).find("step")
        sources = next(stream_rows(file)).find("data_source")
        task = str(sources).rpartition("/")[2] if isinstance(sources, str) else None
        return About(None if step is None else f"step-{step}", task, str(file))

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        for row in stream_rows(file):
            prompt = row.require("input")
            if "output" not in row.values:
                row.require("output")
            text = prompt_text(prompt)
            question = question_in(prompt)
            if not text or not question:
                raise row.error("'input': expected a prompt")
            scores = _scores(row, remarks)
            response = Response(text_of(row, row.values["output"]), scores=scores)
            references = _golds(row)
            if not references:
                remarks.say("the dumps hold no reference answers (gts)")
            yield LogRow(Asked(text, question, references, text), (response,), row)


def _scores(row: Row, remarks: Remarks) -> Mapping[str, Outcome]:
    """What the reward function said; where it says that it has no verdict (`unscored`), its number is none."""
    if row.find("unscored"):
        return dict.fromkeys(_SCORES[:2], Outcome.UNSCORED)
    return tool_verdicts({name: row.find(name) for name in _SCORES}, remarks)


def _golds(row: Row) -> tuple[str, ...]:
    return golds(row, row.find("gts", "gt", "ground_truth"))
