"""OpenCompass: predictions/<model>/<dataset>.json, in parts <dataset>_0.json, ... where the job was split.

A file is an object of predictions by position: {"0": {origin_prompt, prediction, gold}, ...}. Repeats stand behind the
whole data set again, or are a list in `prediction`; both are told by the prompt, which names the problem, and never by
the position. Verdicts are in results/<model>/<dataset>.json, where details were kept.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from move37.errors import InputError
from move37.importers.base import About, LogImporter
from move37.importers.fields import golds, prompt_text, question_in, text_of, tool_verdicts
from move37.importers.heads import Head, read_json_beside
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.json_stream import stream_json
from move37.rows import Row, naming, open_text

_PART = re.compile(r"_\d+$")


class OpenCompassImporter(LogImporter):
    format = "opencompass"

    def claims(self, head: Head) -> bool:
        first = next(iter(head.members.values()), None)
        return head.is_json and isinstance(first, dict) and "prediction" in first and "origin_prompt" in first

    def about(self, file: Path) -> About:
        model = file.parent.name if file.parent.parent.name == "predictions" else None
        return About(model, _dataset(file), str(file.parent))

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        details = _details(file)
        found = False
        with naming(file), open_text(file) as text:
            for position, value in stream_json(text):
                row = Row(value if isinstance(value, dict) else {}, f"{file}: {position or 'a list'}")
                if not position or "prediction" not in row.values:
                    raise row.error("expected predictions by position, each with origin_prompt and prediction")
                found = True
                yield LogRow(_asked(row), tuple(_responses(row, details.get(position), remarks)), row)
        if not found:
            raise InputError(f"{file}: empty, it holds no rows")


def _dataset(file: Path) -> str:
    """The data set's name, without the number of a part where the first part is there."""
    stem = file.name.partition(".json")[0]
    whole = _PART.sub("", stem)
    return whole if whole != stem and (file.parent / f"{whole}_0.json").exists() else stem


def _details(file: Path) -> Mapping[str, Any]:
    """What the evaluation said of each prediction; nothing where it was not kept."""
    if file.parent.parent.name != "predictions":
        return {}
    row = read_json_beside(file.parent.parent.parent / "results" / file.parent.name / f"{_dataset(file)}.json")
    details = row.values.get("details") if row is not None else None
    if isinstance(details, list):
        details = {str(place): each for place, each in enumerate(details)}
    # Of a data set in parts the details are numbered through: they are of the whole.
    return details if isinstance(details, dict) and _dataset(file) == file.name.partition(".json")[0] else {}


def _asked(row: Row) -> Asked:
    prompt = row.require("origin_prompt")
    text = prompt_text(prompt)
    question = question_in(prompt)
    if not text or not question:
        raise row.error("'origin_prompt': expected a text or a list of messages")
    return Asked(text, question, golds(row, row.find("gold", "refr", "reference")), text)


def _responses(row: Row, detail: Any, remarks: Remarks) -> Iterator[Response]:
    given = row.values["prediction"]
    texts = given if isinstance(given, list) else [given]
    verdicts = detail.get("correct") if isinstance(detail, dict) else None
    parallel = verdicts if isinstance(verdicts, list) and len(verdicts) == len(texts) else None
    for place, text in enumerate(texts):
        verdict = parallel[place] if parallel else (verdicts if len(texts) == 1 else None)
        verdict = verdict[0] if isinstance(verdict, list) and len(verdict) == 1 else verdict
        yield Response(text_of(row, text), scores=tool_verdicts({"correct": verdict}, remarks))
