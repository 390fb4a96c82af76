"""A row with tests of programs of one's own, read from a file as a user's is."""

import json
from pathlib import Path
from typing import Any

from move37.config import ProblemsConfig
from move37.problems import load_problems
from move37.types import Problem


def problem_of(folder: Path, row: dict[str, Any]) -> Problem:
    """The problem that the row is, in the file own.jsonl of the folder. Raises what reading it raises."""
    path = folder / "own.jsonl"
    path.write_text(json.dumps({"question": "Do it.", **row}))
    [problem] = load_problems((ProblemsConfig(benchmark="jsonl", path=path, verifier="code"),))
    return problem
