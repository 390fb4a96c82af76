"""Claim: what is ours costs the same for each sample whatever their number, in under 2 GB of memory.

A run of two scripted models (a fake that says so; responses of 300 words) on 500 problems is sampled and verified as it
goes, tallied and compared, with 10^5 and 10^6 samples, or as many as are given (10^7 take 20 GB of disk for a while):

    python bench/scale.py --samples 100000 1000000 10000000

Each size runs in a process of its own, so that its peak memory is its own. Processor time is what is compared: of the
process and of those that verify. What grows with the number of samples shows in the last column.
"""

import argparse
import json
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from move37.config import parse_study
from move37.evidence import RunEvidence
from move37.pipeline import findings_of, sample_run, start_run

PROBLEMS, WORDS = 500, 300
SIZES = (100_000, 1_000_000)
GIGABYTE = 2**30


def study(folder: Path, n: int) -> Any:
    rows = [{"question": f"What is {17 * i} + {i + 4}?", "answer": str(18 * i + 4)} for i in range(PROBLEMS)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plain = {"engine": "scripted", "path": "scripted"}
    options = {"length": WORDS, "spread": 0.4, "truncated": 0.02}
    return parse_study(
        {
            "name": "scale",
            "problems": {"benchmark": "jsonl", "path": str(folder / "sums.jsonl"), "verifier": "numeric"},
            "sampling": {"n": n, "stop": {"successes": 0}, "template": "completion", "max_new_tokens": 2 * WORDS},
            "verification": {"cache": False},
            "models": {
                "base": plain | {"options": options | {"accuracy": 0.3}},
                "rl": plain | {"options": options | {"accuracy": 0.5}},
            },
        }
    )


def processor_seconds() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, who))


@contextmanager
def timed(stage: str, figures: dict[str, float]) -> Iterator[None]:
    wall, processor = time.perf_counter(), processor_seconds()
    yield
    figures[f"{stage}_seconds"] = time.perf_counter() - wall
    figures[f"{stage}_processor_seconds"] = processor_seconds() - processor


def run(samples: int, folder: Path) -> dict[str, float]:
    """One size, in the folder, which is there and empty."""
    figures: dict[str, float] = {"samples": samples}
    n = samples // (2 * PROBLEMS)
    with timed("start", figures):
        store = start_run(study(folder, n), folder / "run")
    with timed("sample", figures):
        made = sample_run(store, verify=True)
    assert sum(made.sampled.values()) == samples
    assert sum(counts.total() for counts in made.verified.values()) == samples
    with timed("owed", figures):
        again = sample_run(store, verify=True)
    assert not again.sampled
    evidence = RunEvidence(store)
    with timed("tally", figures):
        assert sum(int(evidence.tally(model).scored.sum()) for model in store.models()) == samples
    with timed("compare", figures):
        findings_of(store)
    files = [path for path in (folder / "run").rglob("*") if path.is_file()]
    figures["bytes"] = sum(path.stat().st_size for path in files)
    figures["parts"] = sum(path.suffix == ".parquet" for path in files)
    figures["peak_gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIGABYTE
    return figures


def alone(work: Callable[[int, Path], dict[str, float]], samples: int) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp())
    try:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(_unbound, (work, samples, folder))
    finally:
        shutil.rmtree(folder)


def _unbound(work: Callable[[int, Path], dict[str, float]], samples: int, folder: Path) -> dict[str, float]:
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]  # it has children
    return work(samples, folder)


STAGES = ("sample", "owed", "tally", "compare")


def row_of(figures: dict[str, float]) -> str:
    each = {stage: 1e6 * figures[f"{stage}_processor_seconds"] / figures["samples"] for stage in STAGES}
    return (
        f"{figures['samples']:11,.0f} {figures['samples'] / figures['sample_seconds']:10,.0f} "
        f"{figures['peak_gigabytes']:8.2f} {figures['bytes'] / GIGABYTE:7.2f} {figures['parts']:6.0f}  "
        + "  ".join(f"{stage} {value:.1f}" for stage, value in each.items())
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    columns = f"{'samples':>11} {'samples/s':>10} {'peak GB':>8} {'GB':>7} {'parts':>6}"
    print(f"{columns}  microseconds of processor a sample", flush=True)
    found = []
    for samples in asked.samples:
        found.append(alone(run, samples))
        print(row_of(found[-1]), flush=True)
    if asked.out is not None:
        asked.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
