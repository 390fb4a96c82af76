"""BigCode evaluation harness: <name>_<task>.json of --save_generations, with --metric_output_path's file beside.

A file is a list of lists of programs: a list per problem, in the data set's order, without an id. A program begins with
its problem's prompt, and that tells the problem; the position does not, for runs begin anywhere (--limit_start). The
harness says pass@k alone and nothing of a single program.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from move37.errors import InputError
from move37.importers.base import About, LogImporter
from move37.importers.fields import setting_texts, text_of
from move37.importers.heads import Head, read_json_beside
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.json_stream import stream_json
from move37.rows import Row, naming, open_text

_OPENING = re.compile(r'\s*\[\s*\[\s*"')
_TASK = re.compile(r"_((?:instruct-|mbpp|human|multiple-|apps|ds1000|codex)[\w.+-]*)$")
_LARGEST_RESULTS = 1_000_000


class BigcodeImporter(LogImporter):
    format = "bigcode"

    def claims(self, head: Head) -> bool:
        # The harness writes the problems' tests in the same shape but one: a list of texts.
        try:
            with naming(head.path), open_text(head.path) as text:
                return head.is_json and _OPENING.match(text.read(200)) is not None
        except InputError:
            return False

    def about(self, file: Path) -> About:
        stem = file.name.partition(".json")[0]
        results = _results(file, stem)
        config = results.get("config", {})
        tasks = [task for task in results if task != "config" and stem.endswith(f"_{task}")]
        named = _TASK.search(stem)
        task = tasks[0] if tasks else named[1] if named else stem.rpartition("_")[2]
        settings = setting_texts(
            temperature=config.get("temperature"),
            top_p=config.get("top_p"),
            max_tokens=config.get("max_length_generation"),
        )
        said = results.get(task)
        for name, value in said.items() if isinstance(said, dict) else ():
            if isinstance(value, int | float) and not isinstance(value, bool):
                settings[f"reported {name}"] = f"{value:.4f}"
        model = config.get("model")
        return About(model if isinstance(model, str) else None, task, str(file), settings)

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        remarks.say("the harness keeps no verdict of a single program: there is none of its own to compare with")
        found = False
        with naming(file), open_text(file) as text:
            for place, (name, programs) in enumerate(stream_json(text)):
                row = Row({}, f"{file}: list {place + 1}")
                if name or not isinstance(programs, list):
                    raise row.error("expected a list of programs for each problem")
                if not programs:
                    remarks.say("problems without a program are left out: the run had not come to them")
                    continue
                texts = [text_of(row, program) for program in programs]
                found = True
                asked = Asked(key=f"list {place + 1} of {file.name}", question=None, prompt=texts[0])
                yield LogRow(asked, tuple(map(Response, texts)), row, first=0)
        if not found:
            raise InputError(f"{file}: empty, it holds no programs")


def _results(file: Path, stem: str) -> dict[str, Any]:
    """What the harness wrote of this run: pass@k by task, and its arguments under "config"."""
    for other in sorted(file.parent.glob("*.json")):
        if other == file or other.stat().st_size > _LARGEST_RESULTS:
            continue
        row = read_json_beside(other)
        config = row.values.get("config") if row is not None else None
        if row is not None and isinstance(config, dict) and stem.startswith(_stem(config.get("save_generations_path"))):
            return dict(row.values)
    return {}


def _stem(path: Any) -> str:
    """Of the name that the harness was given, to which it adds the task's; one that nothing begins with for none."""
    return Path(path).name.partition(".json")[0] if isinstance(path, str) and path else "\n"
