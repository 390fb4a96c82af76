"""NeMo-Skills: output-rs<seed>.jsonl (or output.jsonl) per benchmark, in chunks where the job was split.

A line is one generation: problem, expected_answer, generation, and after judging symbolic_correct, judgement or
is_correct. Seeds are series, in the order of their numbers; lines are joined by the problem, never by their position.
With parse_reasoning `generation` is what comes after the thinking (nothing where it did not end), and _full_generation
is all of it, which is what counts as the response. While it runs the lines are in output-rs<seed>.jsonl-async.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from move37.importers.base import About, LogImporter
from move37.importers.fields import finish_reason, golds, problem_tags, prompt_text, text_of, tool_verdicts
from move37.importers.heads import Head
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.rows import Row, plain_name, stream_rows

_NAME = re.compile(
    r"output(?:-rs(?P<seed>\d+)|-(?P<word>\w+?))?(?:[_-]chunk[_-]?\d+)?\.jsonl(?:-async)?(?:\.gz|\.zst)?"
)
_SCORES = ("symbolic_correct", "judgement", "is_correct", "judgment")
_IDS = ("id", "problem_id", "uid", "uuid", "task_id")


class NemoSkillsImporter(LogImporter):
    format = "nemo-skills"

    def claims(self, head: Head) -> bool:
        return (
            head.is_jsonl and head.has("generation") and head.has_any("expected_answer", "symbolic_correct", "problem")
        )

    def about(self, file: Path) -> About:
        named = _NAME.fullmatch(plain_name(file))
        seed = (named["seed"] or named["word"] or "") if named else file.name
        above = file.parent
        inside = above.parent.name in ("eval-results", "tmp-eval-results")
        task = above.name if inside else None
        cut = (f"{file.name}: the run was not finished; what it had is read",) if _is_unfinished(file) else ()
        # Everything but the seed's own file is one run: its folder.
        return About(above.parent.parent.name if inside else None, task, f"{above} {seed}", notes=cut)

    def chosen(self, files: list[Path]) -> list[Path]:
        finished = {str(file) for file in files}
        return [file for file in files if not _is_unfinished(file) or str(file).removesuffix("-async") not in finished]

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        for row in stream_rows(file):
            if "generation" not in row.values:
                row.require("generation")
            yield LogRow(_asked(row), (_response(row, remarks),), row, first=0)


def _is_unfinished(file: Path) -> bool:
    return file.name.endswith("-async")


def _asked(row: Row) -> Asked:
    question = row.text("problem", "question")
    return Asked(
        key=row.identifier(*_IDS) if row.find(*_IDS) is not None else " ".join(question.split()),
        question=question,
        references=golds(row, row.find("expected_answer", "reference_answer")),
        prompt=prompt_text(row.find("prompt", "input")),
        tags=problem_tags(row),
    )


def _response(row: Row, remarks: Remarks) -> Response:
    tokens = row.find("num_generated_tokens")
    error = row.find("error")
    text = text_of(row, row.values.get("_full_generation", row.values["generation"]))
    return Response(
        text=text,
        finish_reason=finish_reason(row, row.find("finish_reason"), remarks),
        tokens=tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else None,
        scores=tool_verdicts({name: row.find(name) for name in _SCORES if row.find(name) is not None}, remarks),
        error=" ".join(str(error).split())[:200] if error and not text else None,
    )
