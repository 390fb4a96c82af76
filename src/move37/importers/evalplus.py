"""EvalPlus: samples.jsonl ({"task_id", "solution"} or "completion"), or <samples>_eval_results.json.

The results hold every solution with its verdicts, `base` on the benchmark's own tests and `plus` on all of EvalPlus's,
so where both files are there the results are read. Before 0.2 they hold verdicts alone, {"nfiles", "base", "plus"} by
task in the order of its solutions: those are taken from the samples beside. Problems are those of humaneval-plus or
mbpp-plus.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from move37.errors import InputError
from move37.importers.base import About, LogImporter
from move37.importers.fields import text_of, tool_verdicts
from move37.importers.heads import Head
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.json_stream import stream_json
from move37.rows import Row, naming, open_text, plain_name, stream_rows

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
        if plain_name(file).endswith(".json"):
            yield from _results(file, remarks)
            return
        for row in stream_rows(file):
            text = text_of(row, row.values.get("solution", row.values.get("completion")))
            yield LogRow(_asked(row.identifier("task_id")), (Response(text),), row)


def _is_samples(file: Path) -> bool:
    return plain_name(file).endswith(".jsonl")


def _asked(task: str) -> Asked:
    return Asked(key=task, question=None)


def _results(file: Path, remarks: Remarks) -> Iterator[LogRow]:
    found, samples = False, _Samples(file)
    with naming(file), open_text(file) as text:
        for name, value in stream_json(text, into=("eval",)):
            if name == "eval" and isinstance(value, tuple):
                task, solutions = value
                row = Row({"task_id": task}, f"{file}: {task}")
                if isinstance(solutions, dict):
                    solutions = samples.with_verdicts(row, task, solutions)
                if not isinstance(solutions, list) or not all(isinstance(each, dict) for each in solutions):
                    raise row.error("expected a list of solutions")
                found = True
                responses = tuple(_judged(row, each, remarks) for each in solutions)
                yield LogRow(_asked(task), responses, row)
    if not found:
        raise InputError(f"{file}: empty, it holds no rows")


class _Samples:
    """The solutions of results that hold none: those of the samples file beside, by task."""

    def __init__(self, results: Path) -> None:
        stem = next((str(results).removesuffix(end) for end in _RESULTS if results.name.endswith(end)), "")
        self._path = Path(f"{stem}.jsonl")

    @cached_property
    def _by_task(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in stream_rows(self._path) if self._path.is_file() else ():
            text = text_of(row, row.values.get("solution", row.values.get("completion")))
            found.setdefault(row.identifier("task_id"), []).append(text)
        return found

    def with_verdicts(self, row: Row, task: str, verdicts: dict[str, Any]) -> list[dict[str, Any]]:
        """One object per solution, as later versions write them. Raises InputError where they do not fit."""
        texts = self._by_task.get(task, [])
        base, plus = ([_status(each) for each in verdicts.get(name) or []] for name in ("base", "plus"))
        if not texts:
            raise row.error(
                f"results before EvalPlus 0.2 hold no solutions; put the samples beside ({self._path.name})"
            )
        if len(base) != len(texts) or (plus and len(plus) != len(texts)):
            raise row.error(f"{len(base)} verdicts for {len(texts)} solutions in {self._path.name}")
        statuses = zip(texts, base, plus or [None] * len(texts), strict=True)
        return [{"solution": text, "base_status": one, "plus_status": other} for text, one, other in statuses]


def _status(value: Any) -> Any:
    """The word of [status, details]; "success" is what "pass" was called."""
    word = value[0] if isinstance(value, list) and value else value
    return "pass" if word == "success" else word


def _judged(row: Row, solution: dict[str, Any], remarks: Remarks) -> Response:
    base, plus = solution.get("base_status"), solution.get("plus_status")
    scores = {"base": base, "plus": None if plus is None else (base == "pass" and plus == "pass")}
    return Response(text_of(row, solution.get("solution")), scores=tool_verdicts(_words(scores), remarks))


def _words(scores: dict[str, Any]) -> dict[str, Any]:
    """Whatever is not "pass" did not pass: "fail", "timeout"."""
    return {name: value == "pass" if isinstance(value, str) else value for name, value in scores.items()}
