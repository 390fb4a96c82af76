"""Imports of logs: a million samples in bounded memory, and a pair of lm-eval logs to a finished report.

    python bench/logs.py                 both
    python bench/logs.py --samples N     the first with N samples instead of 1,000,000

Each import runs in a process of its own, whose peak memory is printed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROBLEMS = 1000
TEXT = "Let us compute this carefully, step by step, and then say it. " * 4


def response(problem: int, sample: int) -> str:
    return f"{TEXT}\\boxed{{{problem + sample % 3}}}"


def jsonl(folder: Path, samples: int) -> list[str]:
    """One row per sample."""
    with (folder / "samples.jsonl").open("w") as file:
        for i in range(samples):
            problem, sample = i % PROBLEMS, i // PROBLEMS
            row = {"question": f"What is {problem}?", "answer": str(problem), "response": response(problem, sample)}
            file.write(json.dumps(row | {"index": sample, "score": int(sample % 3 == 0)}) + "\n")
    return ["jsonl", str(folder / "samples.jsonl"), "--benchmark", "sums"]


def lm_eval(folder: Path, samples: int, filters: int = 2) -> list[str]:
    """One row per document and filter, all repeats in it."""
    repeats = samples // PROBLEMS
    with (folder / "samples_sums_2026-11-29T00-00-00.000000.jsonl").open("w") as file:
        for name in range(filters):
            for problem in range(PROBLEMS):
                row = {
                    "doc_id": problem,
                    "doc": {"question": f"What is {problem}?"},
                    "target": str(problem),
                    "arguments": {"gen_args_0": {"arg_0": f"What is {problem}?", "arg_1": {"temperature": 0.6}}},
                    "resps": [[response(problem, sample) for sample in range(repeats)]],
                    "filtered_resps": [str(problem)],
                    "filter": f"filter{name}",
                    "metrics": ["exact_match"],
                    "doc_hash": str(problem),
                    "exact_match": 1.0,
                }
                file.write(json.dumps(row) + "\n")
    return ["lm-eval", str(folder)]


def verl(folder: Path, samples: int) -> list[str]:
    """One row per sample, without an index."""
    with (folder / "0.jsonl").open("w") as file:
        for i in range(samples):
            problem, sample = i % PROBLEMS, i // PROBLEMS
            row = {"input": f"user\nWhat is {problem}?\nassistant\n", "output": response(problem, sample)}
            file.write(json.dumps(row | {"gts": str(problem), "score": float(sample % 3 == 0), "step": 0}) + "\n")
    return ["verl", str(folder), "--benchmark", "sums"]


def move37(*arguments: str) -> tuple[float, float, str]:
    """Run a command; wall seconds, peak memory in MB, and what it printed."""
    begun = time.perf_counter()
    code = "import resource, sys; from move37.cli import app; app(sys.argv[1:], standalone_mode=False); "
    code += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    lines = done.stdout.strip().splitlines()
    return time.perf_counter() - begun, float(lines[-1]), "\n".join(lines[:-1])


def million(write: Callable[[Path, int], list[str]], samples: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "logs"
        folder.mkdir()
        arguments = write(folder, samples)
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        seconds, peak, _ = move37("import", *arguments, "--model", "base", "--out", str(Path(place) / "run"))
        print(
            f"{write.__name__}: {samples:,} samples ({size:,.0f} MB): {seconds:.1f} s, peak {peak:,.0f} MB", flush=True
        )


def pair(samples: int) -> None:
    """A base and an RL model of `samples` samples together, to a finished report in one command."""
    with tempfile.TemporaryDirectory() as place:
        paths = []
        for model in ("base", "rl"):
            folder = Path(place) / model
            folder.mkdir()
            lm_eval(folder, max(samples // 2, PROBLEMS))
            paths.append(str(folder))
        names = ["--model", "base", "--model", "rl", "--out", str(Path(place) / "run"), "--report"]
        seconds, peak, _ = move37("import", "auto", *paths, *names)
        print(f"a pair of lm-eval logs, {samples:,} samples, to a report: {seconds:.1f} s, peak {peak:,.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    samples = parser.parse_args().samples
    pair(10_000)
    for write in (lm_eval, jsonl, verl):
        million(write, samples)


if __name__ == "__main__":
    main()
