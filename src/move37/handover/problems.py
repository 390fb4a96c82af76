"""Problems in a file beside a trainer: all that a verifier reads, one JSON object a line, found again by id."""

import json
from collections.abc import Iterable
from pathlib import Path

from move37.errors import InputError
from move37.exporters.written import write_rows
from move37.rows import read_rows
from move37.types import Problem

FILE = "problems.jsonl"


def write_problems(path: Path, problems: Iterable[Problem]) -> Path:
    """Raises InputError for problems with images, which no trainer here is handed."""
    return write_rows(path, ({**_plain(problem)} for problem in problems))


def read_problems(path: Path) -> dict[str, Problem]:
    """By id. Raises InputError where a row is not one that `write_problems` wrote."""
    found = {}
    for row in read_rows(path):
        values = {name: row.require(name) for name in ("id", "question", "benchmark", "verifier")}
        references = tuple(map(str, row.values.get("answer") or ()))
        found[values["id"]] = Problem(**values, references=references, metadata=row.values.get("metadata") or {})
    return found


def ground_truth(problem: Problem) -> str:
    """The reference as trainers carry it along in one text: as it is, or several as JSON."""
    return problem.references[0] if len(problem.references) == 1 else json.dumps(problem.references)


def _plain(problem: Problem) -> dict[str, object]:
    if problem.images:
        raise InputError(f"{problem.id}: has images, which are not handed over")
    return {
        "id": problem.id,
        "question": problem.question,
        "answer": list(problem.references),
        "benchmark": problem.benchmark,
        "verifier": problem.verifier,
        "metadata": dict(problem.metadata),
    }
