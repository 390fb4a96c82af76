"""One JSON object per sample, in whatever order: the format to write when no other fits.

    "question" (or "problem")                 what was asked; its problem gets the content id
    "problem_id" (or "id")                    instead of it, an id that is used as it stands (for example move37's
                                              own); beside it, the rows of one id must agree on the question
    "response" (or "text", "completion")      what the model wrote; may be empty or null, or a list of responses
    "answer" (or "gt")                        the reference answer or a list of alternatives; needed with a question
    "index", "finish_reason", "tokens", "score", "prompt", "error"   optional; a score is true/false or a number

Fields of other names are told: `--field question=query --field response=model.output` (a dot leads into an object).
Without "index" the samples of a problem are numbered in file order. Problems may have different numbers of samples.
Files may be JSONL, a JSON list (both also gzipped) or Parquet. `move37 export samples` writes this, with "model",
"benchmark" and more beside.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from move37.importers.base import About, LogImporter
from move37.importers.fields import finish_reason, problem_tags, prompt_text, segments_of, text_of, tool_verdicts
from move37.importers.heads import Head
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.rows import Row, stream_rows
from move37.types import Segment

_NAMES = {
    "question": ("question", "problem"),
    "id": ("problem_id", "id"),
    "answer": ("answer", "gt"),
    "response": ("response", "text", "completion"),
    "index": ("index",),
    "finish_reason": ("finish_reason",),
    "tokens": ("tokens",),
    "score": ("score",),
    "prompt": ("prompt",),
    "error": ("error",),
}

_SEED = re.compile(r"(?:seed|rs|run|rollout)[-_=]?(\d+)", re.IGNORECASE)


class JsonlImporter(LogImporter):
    format = "jsonl"
    unique_questions = True

    def claims(self, head: Head) -> bool:
        has = {role: head.has_any(*_NAMES[role]) for role in ("question", "id", "response")}
        return has["response"] and (has["question"] or has["id"])

    def about(self, file: Path) -> About:
        """What exports say in every row. Files are one series, unless their names say which seed each is of."""
        first = next(stream_rows(file))
        model, benchmark = (value if isinstance(value := first.find(n), str) else None for n in ("model", "benchmark"))
        seed = _SEED.search(file.name) or _SEED.search(file.parent.name)
        return About(model, benchmark, seed[1] if seed else "")

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        names = _NAMES | {role: (field,) for role, field in reading.fields.items()}
        dotted = {field for field in reading.fields.values() if "." in field}
        indexed: bool | None = None
        known: dict[tuple[Any, Any], tuple[Any, Asked]] = {}
        for row in stream_rows(file):
            if dotted:
                row = Row({**row.values, **{field: _dig(row.values, field) for field in dotted}}, row.place)
            if indexed is None:
                indexed = row.find(*names["index"]) is not None
            elif (row.find(*names["index"]) is not None) != indexed:
                raise row.error("some rows have an 'index' and some have none; give it to all or to none")
            first = row.count(*names["index"]) if indexed else None
            yield LogRow(_known(row, names, reading, known), tuple(_responses(row, names, remarks)), row, first)


def _known(
    row: Row,
    names: Mapping[str, tuple[str, ...]],
    reading: Reading,
    known: dict[tuple[Any, Any], tuple[Any, Asked]],
) -> Asked:
    """The problem of a row; a million rows have a few thousand, which are made once each."""
    question, key = row.find(*names["question"]), row.find(*names["id"])
    if not isinstance(question, str | None) or not isinstance(key, str | int | None):
        return _asked(row, names, reading)
    rest = row.find(*names["answer"]), row.find(*names["prompt"])
    before = known.get((question, key))
    if before is not None and before[0] == rest:
        return before[1]
    asked = _asked(row, names, reading)
    known.setdefault((question, key), (rest, asked))
    return asked


def _asked(row: Row, names: Mapping[str, tuple[str, ...]], reading: Reading) -> Asked:
    question_names, id_names = names["question"], names["id"]
    has_question = row.find(*question_names) is not None
    if not has_question:
        row.require(*question_names, *id_names)
    question = row.text(*question_names) if has_question else None
    key = row.identifier(*id_names) if row.find(*id_names) is not None else " ".join((question or "").split())
    benchmark, tags = row.find("benchmark"), _object(row, "tags")
    return Asked(
        key=key,
        question=question,
        references=_references(row, names["answer"], has_question),
        prompt=prompt_text(row.find(*names["prompt"])),
        tags=problem_tags(row) if tags is None else tags,
        metadata=_object(row, "metadata") or {},
        benchmark=benchmark if isinstance(benchmark, str) and reading.benchmark is None else None,
    )


def _object(row: Row, name: str) -> dict[str, Any] | None:
    """An object, or one that is written out in a text, as in tables."""
    value = row.find(name)
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def _references(row: Row, names: tuple[str, ...], has_question: bool) -> tuple[str, ...]:
    found = row.find(*names)
    if found == [] or (found is None and (not has_question or row.find("verifier") is not None)):
        return ()  # a problem that the run has, or one that needs none (tests judge it)
    return row.answers(*names)


def _responses(row: Row, names: Mapping[str, tuple[str, ...]], remarks: Remarks) -> Iterator[Response]:
    given = [name for name in names["response"] if name in row.values]
    if not given:
        row.require(*names["response"])
    value = row.find(*names["response"])
    many = isinstance(value, list) and not any(isinstance(each, dict) for each in value)
    texts = value if many else [value]
    parallel = {role: _parallel(row, names[role], len(texts), many) for role in ("score", "finish_reason", "tokens")}
    score = next((name for name in names["score"] if name in row.values), names["score"][0])
    error = row.find(*names["error"])
    for place, text in enumerate(texts):
        tokens = parallel["tokens"][place]
        yield Response(
            text=text_of(row, text),
            finish_reason=finish_reason(row, parallel["finish_reason"][place], remarks),
            tokens=None if tokens is None else Row({"tokens": tokens}, row.place).count("tokens"),
            scores=tool_verdicts({score: parallel["score"][place]}, remarks),
            error=str(error) if error and not text else None,
            segments=None if many else _segments(row) or segments_of(text),
            logprob=None if many else _number(row, "logprob"),
            seed=None if many or row.find("seed") is None else int(row.values["seed"]),
        )


def _segments(row: Row) -> tuple[Segment, ...] | None:
    """The turns that an export wrote out."""
    value = row.find("segments")
    turns = json.loads(value) if isinstance(value, str) else value
    if not isinstance(turns, list):
        return None
    return tuple(
        Segment(
            turn["role"],
            turn["text"],
            None if turn.get("token_ids") is None else tuple(turn["token_ids"]),
            turn.get("own", True),
            None if turn.get("logprobs") is None else tuple(turn["logprobs"]),
        )
        for turn in turns
    )


def _parallel(row: Row, names: tuple[str, ...], n: int, many: bool) -> list[Any]:
    value = row.find(*names)
    if not many:
        return [value]
    if value is None:
        return [None] * n
    if not isinstance(value, list) or len(value) != n:
        raise row.error(f"{names[0]!r}: expected a list of {n}, one for each response")
    return value


def _number(row: Row, name: str) -> float | None:
    value = row.find(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _dig(values: Any, path: str) -> Any:
    """What stands at "a.b" of nested objects; None where it is not there."""
    if isinstance(values, Mapping) and path in values:
        return values[path]
    for part in path.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
