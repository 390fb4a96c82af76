"""OpenCompass: predictions/<model>/<dataset>.json, in parts <dataset>_0.json, ... where the job was split.

A file is an object of predictions by position: {"0": {origin_prompt, prediction, gold}, ...}. Repeats stand behind the
whole data set again, or are a list in `prediction`; both are told by the prompt, which names the problem, and never by
the position. Verdicts are in results/<model>/<dataset>.json, where details were kept: one for each prediction, or, of
repeats, a list for each problem. While it runs the predictions are lines of tmp_<dataset>.jsonl.
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
from move37.rows import Row, naming, open_text, plain_name, stream_rows

_PART = re.compile(r"_\d+$")
_UNFINISHED = "tmp_"
_VERDICTS = ("correct", "is_correct", "cascade_correct")


class OpenCompassImporter(LogImporter):
    format = "opencompass"

    def claims(self, head: Head) -> bool:
        first = head.first if head.is_jsonl else next(iter(head.members.values()), None)
        return isinstance(first, Mapping) and "prediction" in first and "origin_prompt" in first

    def about(self, file: Path) -> About:
        model = file.parent.name if file.parent.parent.name == "predictions" else None
        cut = (f"{file.name}: the run was not finished; what it had is read",) if _is_unfinished(file) else ()
        return About(model, _dataset(file), str(file.parent), notes=cut)

    def chosen(self, files: list[Path]) -> list[Path]:
        finished = {file.with_name(f"{_UNFINISHED}{_stem(file)}.jsonl") for file in files if not _is_unfinished(file)}
        return [file for file in files if file not in finished]

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        details = _details(file)
        found = False
        for position, row in _predictions(file):
            if "prediction" not in row.values:
                raise row.error("expected predictions by position, each with origin_prompt and prediction")
            found = True
            yield LogRow(_asked(row), tuple(_responses(row, details, position, remarks)), row)
        if not found:
            raise InputError(f"{file}: empty, it holds no rows")


def _predictions(file: Path) -> Iterator[tuple[str, Row]]:
    """The position and the prediction of each row."""
    if _is_unfinished(file):
        yield from ((str(row.values.get("idx", "")), row) for row in stream_rows(file))
        return
    with naming(file), open_text(file) as text:
        for position, value in stream_json(text):
            yield (
                position,
                Row(value if isinstance(value, dict) and position else {}, f"{file}: {position or 'a list'}"),
            )


def _is_unfinished(file: Path) -> bool:
    return plain_name(file).endswith(".jsonl")


def _stem(file: Path) -> str:
    return file.name.partition(".json")[0]


def _dataset(file: Path) -> str:
    """The data set's name, without the number of a part where the first part is there."""
    stem = _stem(file).removeprefix(_UNFINISHED) if _is_unfinished(file) else _stem(file)
    whole = _PART.sub("", stem)
    return whole if whole != stem and (file.parent / f"{whole}_0.json").exists() else stem


def _details(file: Path) -> list[Any]:
    """What the evaluation said of each prediction, or of each problem; nothing where it was not kept."""
    if file.parent.parent.name != "predictions":
        return []
    row = read_json_beside(file.parent.parent.parent / "results" / file.parent.name / f"{_dataset(file)}.json")
    details = row.values.get("details") if row is not None else None
    if isinstance(details, dict):
        places = sorted((key for key in details if key.isdecimal()), key=int)
        details = [details[key] for key in places] if places == [str(i) for i in range(len(places))] else []
    # Of a data set in parts the details are numbered through: they are of the whole.
    return details if isinstance(details, list) and _dataset(file) == _stem(file) else []


def _asked(row: Row) -> Asked:
    prompt = row.require("origin_prompt")
    text = prompt_text(prompt)
    question = question_in(prompt)
    if not text or not question:
        raise row.error("'origin_prompt': expected a text or a list of messages")
    return Asked(text, question, golds(row, row.find("gold", "refr", "reference")), text)


def _responses(row: Row, details: list[Any], position: str, remarks: Remarks) -> Iterator[Response]:
    given = row.values["prediction"]
    texts = given if isinstance(given, list) else [given]
    repeat, problem = divmod(int(position), len(details)) if details and position.isdecimal() else (0, 0)
    detail = details[problem] if details and isinstance(details[problem], dict) else {}
    verdicts = next((detail[name] for name in _VERDICTS if name in detail), None)
    if isinstance(verdicts, list) and not isinstance(given, list):
        verdicts = verdicts[repeat] if repeat < len(verdicts) else None  # of a problem, a verdict for each repeat
    parallel = verdicts if isinstance(verdicts, list) and len(verdicts) == len(texts) else None
    for place, text in enumerate(texts):
        verdict = parallel[place] if parallel else (verdicts if len(texts) == 1 else None)
        yield Response(text_of(row, text), scores=tool_verdicts({"correct": verdict}, remarks))
