"""Small studies for the tests: real problems, files and commands, with the scripted engine in place of a model."""

import json
from pathlib import Path
from typing import Any

from move37 import pipeline
from move37.config import load_study
from move37.store import RunStore

SHARED = Path(__file__).parents[2] / "shared"


def judged_run(study: Path, folder: Path) -> RunStore:
    """The study sampled and verified, without the seconds that a report takes."""
    store = pipeline.start_run(load_study(study), folder)
    pipeline.sample_run(store)
    pipeline.verify_run(store)
    return store


def write_problems(folder: Path, count: int = 6) -> Path:
    """`count` sums as a JSONL file."""
    path = folder / "sums.jsonl"
    rows = [{"question": f"What is {7 * i} + {i + 2}?", "answer": str(8 * i + 2)} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def sums_study(
    folder: Path, n: int = 8, problems: int = 6, verifier: str = "math", stop: str = "{ successes = 0 }", **options: Any
) -> Path:
    """A study of two scripted models on sums: base right half of the time, RL nine times in ten where it can.

    n samples each, unless `stop` gives a stopping plan.
    """
    write_problems(folder, problems)
    shared = "".join(f"options.{name} = {json.dumps(value)}\n" for name, value in options.items())
    path = folder / "study.toml"
    path.write_text(
        f"""
name = "sums"
seed = 3

[problems]
benchmark = "jsonl"
path = "sums.jsonl"
verifier = "{verifier}"

[sampling]
n = {n}
stop = {stop}
temperature = 1.0
top_p = 1.0
max_new_tokens = 200
template = "completion"

[models.base]
path = "scripted base"
engine = "scripted"
options.accuracy = 0.4
options.spread = 0.4
{shared}
[models.rl]
path = "scripted RL"
engine = "scripted"
options.accuracy = 0.7
options.spread = 0.9
{shared}
[analysis]
draws = 2000
beyond = false
"""
    )
    return path
