"""EvalPlus: samples.jsonl ({"task_id", "solution"} or "completion"), or <samples>_eval_results.json.

The results hold every solution with its verdicts, `base` on the benchmark's own tests and `plus` on all of EvalPlus's,
so where both files are there the results are read. Problems are those of humaneval-plus or mbpp-plus.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from move37.errors import InputError
from move37.importers.base import About, LogImporter
from move37.importers.fields import text_of, tool_verdicts
from move37.importers.heads import Head
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.json_stream import stream_json
from move37.rows import Row, naming, open_text, stream_rows

_RESULTS = ("_eval_results.json", ".eval_results.json", "_eval_results.json.gz")


class EvalplusImporter(LogImporter):
    format = "evalplus"

    def claims(self, head: Head) -> bool:
        tasks = head.members.get("eval")
        if head.is_json and isinstance(tasks, tuple):
            return isinstance(tasks[1], dict | list) and "plan" not in head.members
        return head.is_jsonl and head.has("task_id", "solution")

    def about(self, file: Path) -> About:
        first = next(iter(self.rows(file, Reading(), Remarks()))).asked.key
        task = "mbpp-plus" if first.lower().startswith("mbpp") else "humaneval-plus"
        return About(None, task, str(file))

    def chosen(self, files: list[Path]) -> list[Path]:
        judged = {str(file).removesuffix(end) for file in files for end in _RESULTS if file.name.endswith(end)}
        return [file for file in files if str(file).partition(".jsonl")[0] not in judged or not _is_samples(file)]

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        if file.name.endswith((".json", ".json.gz")):
            yield from _results(file, remarks)
            return
        for row in stream_rows(file):
            text = text_of(row, row.values.get("solution", row.values.get("completion")))
            yield LogRow(_asked(row.identifier("task_id")), (Response(text),), row)


def _is_samples(file: Path) -> bool:
    return file.name.endswith((".jsonl", ".jsonl.gz"))


def _asked(task: str) -> Asked:
    return Asked(key=task, question=None)


def _results(file: Path, remarks: Remarks) -> Iterator[LogRow]:
    found = False
    with naming(file), open_text(file) as text:
        for name, value in stream_json(text, into=("eval",)):
            if name == "eval" and isinstance(value, tuple):
                task, solutions = value
                row = Row({"task_id": task}, f"{file}: {task}")
                if not isinstance(solutions, list) or not all(isinstance(each, dict) for each in solutions):
                    raise row.error("no list of solutions; results before EvalPlus 0.2 hold none, import its samples")
                found = True
                responses = tuple(_judged(row, each, remarks) for each in solutions)
                yield LogRow(_asked(task), responses, row)
    if not found:
        raise InputError(f"{file}: empty, it holds no rows")


def _judged(row: Row, solution: dict[str, Any], remarks: Remarks) -> Response:
    base, plus = solution.get("base_status"), solution.get("plus_status")
    scores = {"base": base, "plus": None if plus is None else (base == "pass" and plus == "pass")}
    return Response(text_of(row, solution.get("solution")), scores=tool_verdicts(_words(scores), remarks))


def _words(scores: dict[str, Any]) -> dict[str, Any]:
    """Whatever is not "pass" did not pass: "fail", "timeout"."""
    return {name: value == "pass" if isinstance(value, str) else value for name, value in scores.items()}
