"""LiveCodeBench: <scenario>_<n>_<T>_eval_all.json, or <scenario>_<n>_<T>.json before it was judged.

A row is a problem with its responses in `output_list`, the programs in them in `code_list`, and what the harness said
in `graded_list`. The name of the folder is the model's. Problems are joined to the benchmark's tests by question_id.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from move37.importers.base import About, LogImporter
from move37.importers.fields import beside, setting_texts, text_of, tool_verdicts
from move37.importers.heads import Head
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.rows import stream_rows

_NAME = re.compile(
    r"(?:Scenario\.)?(?P<scenario>\w+?)_(?P<n>\d+)_(?P<temperature>[\d.]+?)(?P<eval>_eval(?:_all)?)?\.json"
)


class LiveCodeBenchImporter(LogImporter):
    format = "livecodebench"

    def claims(self, head: Head) -> bool:
        return head.has("question_id", "output_list") or head.has("question_id", "code_list")

    def about(self, file: Path) -> About:
        named = _NAME.match(file.name)
        temperature = float(named["temperature"]) if named else None
        return About(file.parent.name or None, "livecodebench", str(file), setting_texts(temperature=temperature))

    def chosen(self, files: list[Path]) -> list[Path]:
        judged = {str(file).replace("_eval_all", "") for file in files if "_eval_all" in file.name}
        return [file for file in files if str(file) not in judged]

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        for row in stream_rows(file):
            texts = row.find("output_list", "code_list")
            if not isinstance(texts, list) or not texts:
                raise row.error("'output_list': expected a list of responses")
            graded = beside(row, "graded_list", len(texts))
            responses = tuple(
                Response(text_of(row, text), scores=tool_verdicts({"graded": score}, remarks))
                for text, score in zip(texts, graded, strict=True)
            )
            content = row.find("question_content")
            asked = Asked(
                key=row.identifier("question_id"),
                question=content if isinstance(content, str) and content.strip() else None,
                tags=row.tags("platform", "difficulty", "contest_date"),
            )
            yield LogRow(asked, responses, row, first=0)
