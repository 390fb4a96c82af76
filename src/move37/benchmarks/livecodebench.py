"""LiveCodeBench (arXiv 2403.07974): contest problems by date, so that a model can be asked what it cannot have seen.

Options: `grading`, how outputs and results are compared: "strict" (the default; as contests do: a float may be off by
1e-5, each test has a `Solution` of its own) or "official" (exactly as the authors' harness does: floats are equal to
the last bit, a tuple is a list at the top alone, all tests share one `Solution`); the tag `grading` says which. Where
several outputs are right the harness has no checker; `several_answers.py` has. And `release` ("v1" to "v6"; each holds
the ones before), and `from` and `until` (contest dates, both included). The reference study uses release v5 from
2024-08-01 to 2025-01-31: 279 problems. Files are those of livecodebench/code_generation_lite; `path` is a folder with
test.jsonl, test2.jsonl, ... or one file of rows, of which no release is known and none may be asked for. A release is
known by its count before the dates select.

A problem is either a function to write (in a class `Solution`), whose tests become assertions on data, or a script that
reads standard input. There are no published solutions, so `references` is empty. Private tests are packed as zlib and
pickle; they are unpacked by a reader that knows texts and nothing else.
Left out: the hub (the data set there is a script that `datasets` no longer runs), the other scenarios.
"""

import base64
import binascii
import io
import json
import pickle
import zlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from move37.benchmarks.several_answers import CHECKERS, IN_ANY_ORDER
from move37.config import ProblemsConfig
from move37.errors import ConfigError, InputError
from move37.identity import content_id, number_repeats
from move37.program_tests import CONTEST_IMPORTS
from move37.rows import Row, read_rows
from move37.types import Problem

GRADINGS = ("strict", "official")
RELEASES = {"v1": 400, "v2": 511, "v3": 612, "v4": 713, "v5": 880, "v6": 1055}
"""Problems in each release; v3 is the first three files."""
CASE_SECONDS = 6.0
"""Seconds for one test, as in the authors' harness."""
FUNCTION_SECONDS = 30.0
"""CPU seconds for all tests of a function together."""

_ONCE = """\
class Close(float):
    def __eq__(self, other):
        return isinstance(other, (int, float)) and abs(float(self) - other) <= 1e-5

    def __ne__(self, other):
        return not self == other


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return Close(value) if isinstance(value, float) else value
"""
_OFFICIAL_ONCE = """\
def plain(value):
    return list(value) if isinstance(value, tuple) else value
"""
_OFFICIAL_FIRST = "_solution = Solution()\n"


class LiveCodeBench:
    name = "livecodebench"
    verifier = "code"
    expected_counts: Mapping[int, str] = {}

    def load(self, source: ProblemsConfig) -> tuple[Problem, ...]:
        """The problems of a release within the dates. Raises ConfigError for an option, InputError for a file."""
        release, first, last = _options(source.options)
        grading = source.options.get("grading", GRADINGS[0])
        if grading not in GRADINGS:
            raise ConfigError(f"problems.options.grading: {grading!r} is none of {', '.join(GRADINGS)}")
        if source.path is None:
            raise ConfigError(
                "problems.path: livecodebench is read from a folder; "
                "hf download livecodebench/code_generation_lite --repo-type dataset --local-dir FOLDER"
            )
        rows = _rows(source.path, release)
        chosen = [row for row in rows if first <= _contest_date(row) <= last]
        if not chosen:
            dates = sorted(map(_contest_date, rows))
            raise InputError(
                f"{source.path}: no problem from {first} to {last}; its contests are from {dates[0]} to {dates[-1]}"
            )
        return number_repeats(self._problem(row, grading) for row in chosen)

    def _problem(self, row: Row, grading: str) -> Problem:
        starter = row.find("starter_code") or ""
        question = row.text("question_content").strip()
        tests = [*_public(row), *_private(row)]
        function = _json(row, "metadata").get("func_name") if row.find("metadata") else None
        how = (
            f"Complete this code:\n\n{starter.strip()}"
            if starter.strip()
            else "Read the input from standard input and write the answer to standard output."
        )
        return Problem(
            id=content_id(self.name, f"{row.identifier('question_id')} {question}"),
            question=f"{question}\n\n{how}",
            references=(),
            benchmark=self.name,
            verifier=self.verifier,
            tags={
                "contest_date": _contest_date(row).isoformat(),
                "grading": grading,
                **row.tags("platform", "difficulty"),
            },
            metadata={
                "task_id": row.identifier("question_id"),
                "prefix": CONTEST_IMPORTS,
                "setup": "",
                **(_function_tests(row, grading, function, tests) if function else _script_tests(row, grading, tests)),
            },
        )


def _options(options: Mapping[str, Any]) -> tuple[str | None, date, date]:
    for key in options:
        if key not in ("grading", "release", "from", "until"):
            raise ConfigError(f"problems.options.{key}: livecodebench knows grading, release, from and until")
    release = options.get("release")
    if release is not None and release not in RELEASES:
        raise ConfigError(f"problems.options.release: {release!r} is none of {', '.join(RELEASES)}")
    first, last = _date(options, "from", date.min), _date(options, "until", date.max)
    if first > last:
        raise ConfigError(f"problems.options.from: {first} is after until = {last}")
    return release, first, last


def _date(options: Mapping[str, Any], key: str, default: date) -> date:
    try:
        return date.fromisoformat(str(options[key])) if key in options else default
    except ValueError:
        raise ConfigError(
            f"problems.options.{key}: expected a date such as 2024-08-01, found {options[key]!r}"
        ) from None


def _rows(path: Path, release: str | None) -> list[Row]:
    """The rows of one file, or of a folder's files up to the release (the newest that is whole, if none is asked)."""
    if not path.is_dir():
        if release is not None:
            raise ConfigError(f"problems.options.release: {path.name} is one file; a release needs the folder")
        return read_rows(path)
    names = ["test.jsonl", *(f"test{i}.jsonl" for i in range(2, len(RELEASES) + 1))]
    there = [name for name in names if (path / name).is_file()]
    wanted = names[: int(release[1:])] if release else names[: max(1, len(there))]
    for name in wanted:
        if not (path / name).is_file():
            raise InputError(f"{path}: no {name}, which {'release ' + release if release else 'livecodebench'} needs")
    rows = [row for name in wanted for row in read_rows(path / name)]
    expected = RELEASES[f"v{len(wanted)}"]
    if len(rows) != expected:
        raise InputError(f"{path}: {len(rows)} rows in {len(wanted)} files, but release v{len(wanted)} has {expected}")
    return rows


def _contest_date(row: Row) -> date:
    text = row.text("contest_date")
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise row.error(f"'contest_date': expected a date, found {text[:40]!r}") from None


def _public(row: Row) -> list[dict[str, str]]:
    return _checked(row, "public_test_cases", _json(row, "public_test_cases"))


def _private(row: Row) -> list[dict[str, str]]:
    """Plain JSON, or JSON in a pickled text in zlib in base64."""
    text = row.text("private_test_cases")
    if not text.lstrip().startswith("["):
        try:
            text = _TextsOnly(io.BytesIO(zlib.decompress(base64.b64decode(text)))).load()
        except (binascii.Error, zlib.error, pickle.UnpicklingError, EOFError) as error:
            raise row.error(f"'private_test_cases': cannot be unpacked ({type(error).__name__})") from None
    try:
        return _checked(row, "private_test_cases", json.loads(text))
    except (TypeError, json.JSONDecodeError):
        raise row.error("'private_test_cases': no JSON in it") from None


class _TextsOnly(pickle.Unpickler):
    """A reader of pickles that hold no objects: those could run code."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        raise pickle.UnpicklingError(f"{module_name}.{global_name}")


def _json(row: Row, field: str) -> Any:
    try:
        return json.loads(row.text(field))
    except json.JSONDecodeError:
        raise row.error(f"{field!r}: no JSON") from None


def _checked(row: Row, field: str, tests: Any) -> list[dict[str, str]]:
    if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
        raise row.error(f"{field!r}: expected a list of tests")
    try:
        return [{"input": str(test["input"]), "output": str(test["output"])} for test in tests]
    except KeyError as error:
        raise row.error(f"{field!r}: a test without {error}") from None


def _script_tests(row: Row, grading: str, tests: list[dict[str, str]]) -> dict[str, Any]:
    checker = CHECKERS.get(row.identifier("question_id")) if grading == GRADINGS[0] else None
    return {
        "cases": tests,
        "cpu_seconds": CASE_SECONDS,
        "comparison": grading,
        **({"checker": checker} if checker else {}),
    }


def _function_tests(row: Row, grading: str, function: str, tests: list[dict[str, str]]) -> dict[str, Any]:
    """Assertions: an input has one JSON value per line, each an argument."""
    if not function.isidentifier():
        raise row.error(f"'metadata': func_name {function[:40]!r} is no name")
    is_strict = grading == GRADINGS[0]
    asserts, solution = [], "Solution()" if is_strict else "_solution"
    for test in tests:
        try:
            arguments = [json.loads(line) for line in test["input"].split("\n") if line.strip()]
            output = json.loads(test["output"])
        except json.JSONDecodeError:
            raise row.error("a test of a function whose input or output is no JSON") from None
        found = f"plain({solution}.{function}(*{arguments!r}))"
        if is_strict and row.identifier("question_id") in IN_ANY_ORDER:
            found, output = f"sorted({found})", sorted(output)
        asserts.append(f"assert {found} == {output!r}")
    return {
        "once": _ONCE if is_strict else _OFFICIAL_ONCE,
        "tests": [("" if is_strict else _OFFICIAL_FIRST) + "\n".join(asserts)],
        "entry_point": "Solution",
        "cpu_seconds": FUNCTION_SECONDS,
        "data_only": True,
    }


LIVECODEBENCH = LiveCodeBench()
