"""inspect_ai: .eval (a zip whose entries are compressed with zstd) and .json logs.

A sample is known by its id and its epoch (from 1). One that has an error has no output: the call failed, so it is
unscored. A log that was killed has no header; what was finished is read, and said. A run that was retried holds the
samples of the run before again: those are the same task id, and count once.
zstd within zip is in Python's library from 3.14 on; before, the package backports.zstd reads it.
Left out: transcripts and events, and images in messages.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from move37.errors import InputError, MissingExtraError
from move37.importers.base import About, LogImporter
from move37.importers.fields import (
    content_text,
    finish_reason,
    golds,
    last_of,
    messages_of,
    prompt_text,
    segments_of,
    setting_texts,
    tool_verdicts,
)
from move37.importers.heads import Head
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.json_stream import stream_json
from move37.rows import Row, brief, naming, open_text
from move37.types import FinishReason

_ATTACHMENT = "attachment://"
_BEFORE_SAMPLES = ("version", "status", "eval", "plan", "results", "stats", "error", "invalidated", "tags", "metadata")
_TAGS = ("level", "subject", "type", "source", "difficulty", "category", "split")


class InspectImporter(LogImporter):
    format = "inspect"

    def claims(self, head: Head) -> bool:
        return head.name.endswith(".eval") or (
            head.is_json and isinstance(head.members.get("eval"), Mapping | tuple) and "plan" in head.members
        )

    def about(self, file: Path) -> About:
        header = _header(file, file.stat().st_mtime_ns if file.is_file() else 0)
        evaluation, plan = _object(header, "eval"), _object(header, "plan")
        asked = _object(evaluation, "model_generate_config") | _object(plan, "config")
        known = ("temperature", "top_p", "top_k", "max_tokens", "reasoning_effort")
        config = _object(evaluation, "config")
        settings = setting_texts(**{name: asked.get(name) for name in known}, limit=config.get("limit"))
        # A retried run has the task id of the first; runs of their own are series of their own.
        series = str(evaluation.get("task_id") or file)
        created = str(evaluation.get("created") or "")
        notes = _standing(header, evaluation, config)
        settings |= _printed(header)
        model, task = (str(evaluation[name]) if evaluation.get(name) else None for name in ("model", "task"))
        return About(model, task and task.rpartition("/")[2], f"{created} {series}", settings, notes)

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        for row in _samples(file):
            epoch = row.count("epoch", least=1) if row.find("epoch") is not None else 1
            yield LogRow(_asked(row), (_response(row, remarks),), row, first=epoch - 1)


def _zipfile() -> Any:
    """The module `zipfile`, one that can read zstd where there is one: older logs are compressed otherwise."""
    if sys.version_info >= (3, 14):
        return import_module("zipfile")
    try:
        return import_module("backports.zstd.zipfile")
    except ModuleNotFoundError:
        return import_module("zipfile")


def _opened(file: Path) -> Any:
    zipfile = _zipfile()
    with naming(file):
        if file.is_file() and not file.stat().st_size:
            raise InputError(f"{file}: empty, it holds no rows")
        try:
            return zipfile.ZipFile(file)
        except zipfile.BadZipFile:
            raise InputError(f"{file}: not a whole .eval file, it was cut short or is something else") from None


def _entry(file: Path, archive: Any, name: str) -> Any:
    try:
        return json.loads(archive.read(name))
    except NotImplementedError:
        raise MissingExtraError(
            f"{file}: compressed with zstd, which needs the package 'backports.zstd': pip install 'move37[logs]'"
        ) from None
    except Exception as error:  # a torn entry: zip, zstd and JSON each have their own ways to say it
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{file}: entry {name} cannot be read ({said}); the file is damaged") from None


@lru_cache(maxsize=64)
def _header(file: Path, stamp: int) -> Mapping[str, Any]:
    """What the log says before its samples. A log without a header was killed: its journal says how it began."""
    if file.name.endswith(".eval"):
        with _opened(file) as archive:
            names = set(archive.namelist())
            if "header.json" in names:
                return _entry(file, archive, "header.json")
            if "_journal/start.json" in names:
                finished = sum(name.startswith("samples/") for name in names)
                return _entry(file, archive, "_journal/start.json") | {"status": "started", "finished": finished}
        raise InputError(f"{file}: neither a header nor a journal in it; not a log of inspect_ai")
    found: dict[str, Any] = {}
    with naming(file), open_text(file) as text:
        for name, value in stream_json(text, into=("samples",)):
            if name == "samples":
                break  # they come last but for summaries of them
            if name in _BEFORE_SAMPLES:
                found[name] = value
    return found


def _samples(file: Path) -> Iterator[Row]:
    found = False
    if file.name.endswith(".eval"):
        with _opened(file) as archive:
            for name in archive.namelist():
                if name.startswith("samples/") and name.endswith(".json"):
                    found = True
                    yield _row(_entry(file, archive, name), f"{file}: {name}")
    else:
        with naming(file), open_text(file) as text:
            number = 0
            for name, value in stream_json(text, into=("samples",)):
                if name == "samples":
                    number, found = number + 1, True
                    yield _row(value, f"{file} sample {number}")
    if not found:
        raise InputError(f"{file}: no samples in it (logged with log_samples=False, or stopped before the first)")


def _row(value: Any, place: str) -> Row:
    if not isinstance(value, dict):
        raise InputError(f"{place}: expected a sample, found {brief(value)}")
    return Row(value, place)


def _object(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _standing(header: Mapping[str, Any], evaluation: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[str, ...]:
    status = header.get("status", "success")
    if status == "success":
        return ()
    dataset = _object(evaluation, "dataset")
    size, epochs = len(dataset.get("sample_ids") or ()) or dataset.get("samples"), config.get("epochs") or 1
    whole = f" of {size * epochs:,}" if isinstance(size, int) else ""
    finished = header.get("finished", _object(header, "results").get("completed_samples"))
    known = f": {finished:,}{whole} samples were finished" if isinstance(finished, int) else ""
    return (f"the log is not finished (status {status!r}){known}; it is read as far as it goes",)


def _printed(header: Mapping[str, Any]) -> dict[str, str]:
    """The scores that the tool printed."""
    found = {}
    scores = _object(header, "results").get("scores")
    for score in scores if isinstance(scores, list) else ():
        score = score if isinstance(score, dict) else {}
        for name, metric in _object(score, "metrics").items():
            value = metric.get("value") if isinstance(metric, dict) else None
            if isinstance(value, int | float):
                reducer = f" {score['reducer']}" if score.get("reducer") else ""
                found[f"reported {score.get('name', 'score')} {name}{reducer}"] = f"{value:.4f}"
    return found


def _asked(row: Row) -> Asked:
    prompt = row.require("input")
    if isinstance(prompt, list):
        prompt = [
            message | {"content": _whole(row, content_text(message.get("content")))}
            for message in prompt
            if isinstance(message, dict)
        ]
        question = last_of(messages_of(prompt), "user") or ""
    else:
        question = prompt = _whole(row, row.text("input"))
    if not question.strip():
        raise row.error("'input': no message of the user in it")
    choices = row.find("choices")
    if isinstance(choices, list):
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        question += "\n\n" + "\n".join(f"{letter}. {text}" for letter, text in zip(letters, choices, strict=False))
    metadata = Row(_object(row.values, "metadata"), row.place)
    return Asked(
        key=row.identifier("id"),
        question=question,
        references=golds(row, row.find("target")),
        prompt=prompt_text(prompt),
        tags=metadata.tags(*_TAGS),
    )


def _response(row: Row, remarks: Remarks) -> Response:
    output = _object(row.values, "output")
    choices = output.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    error = row.find("error")
    if error is not None and not choice:
        said = error.get("message") if isinstance(error, dict) else error
        return Response("", error=" ".join(str(said).split())[:200])
    text = content_text(_object(choice, "message").get("content")) or output.get("completion") or ""
    usage = _object(output, "usage")
    tokens = usage.get("output_tokens")
    reason = finish_reason(row, choice.get("stop_reason"), remarks)
    if row.find("limit") is not None:
        reason = FinishReason.LENGTH
    turns = messages_of(row.find("messages"))
    behind = next((i for i, each in enumerate(turns) if each["role"] == "assistant"), len(turns))
    return Response(
        text=_whole(row, text),
        finish_reason=reason,
        tokens=tokens if isinstance(tokens, int) else None,
        scores=tool_verdicts(dict(_scores(row)), remarks),
        error=None if error is None else " ".join(str(_message(error)).split())[:200],
        segments=segments_of(turns[behind:]),
    )


def _message(error: Any) -> Any:
    return error.get("message") if isinstance(error, dict) else error


def _scores(row: Row) -> Iterator[tuple[str, Any]]:
    """Each scorer's value; a scorer that gives several gives one for each."""
    scores = _object(row.values, "scores")
    if not scores and isinstance(row.find("score"), dict):  # older logs have one
        scores = {"score": row.values["score"]}
    for scorer, score in scores.items():
        value = score.get("value") if isinstance(score, dict) else score
        if isinstance(value, dict):
            for name, each in value.items():
                yield f"{scorer}.{name}", each
        elif not isinstance(value, list):
            yield scorer, value


def _whole(row: Row, text: str) -> str:
    """A text that may stand elsewhere in the sample."""
    if not text.startswith(_ATTACHMENT):
        return text
    found = _object(row.values, "attachments").get(text.removeprefix(_ATTACHMENT))
    if not isinstance(found, str):
        raise row.error(f"the text {text[:60]} is not among the sample's attachments")
    return found
