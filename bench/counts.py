"""Claim: two models' counts of a million problems are compared in under 20 s of processor time and 500 MB of memory.

Counts of eight samples each, whose chances follow a beta law; every number of the analyses is made, as by
`move37 compare --json`. The process is one of its own, so that its peak memory is its own. There is no peer:
passk-inference bootstraps arrays of problems by k, of which it holds several.
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PROBLEMS, N = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, 8
MOST_SECONDS, MOST_MEGABYTES = 20.0, 500.0


def write_counts(path: Path, correct: list[int]) -> Path:
    path.write_text("".join(f'{{"id": "p{i:07d}", "c": {c}, "n": {N}}}\n' for i, c in enumerate(correct)))
    return path


def main() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 0.7, PROBLEMS)
    chances = {"base": p, "rl": np.where(p < 0.15, p / 6, np.minimum(1.0, 1.3 * p))}
    with tempfile.TemporaryDirectory() as folder:
        paths = [write_counts(Path(folder) / f"{m}.jsonl", rng.binomial(N, q).tolist()) for m, q in chances.items()]
        command = [sys.executable, "-m", "move37", "compare", *map(str, paths), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, megabytes = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(f"{PROBLEMS:,} problems, n = {N}: {seconds:.1f} s of processor time, {megabytes:,.0f} MB")
    print(json.dumps({"problems": PROBLEMS, "seconds": seconds, "megabytes": megabytes}))
    if PROBLEMS == 1_000_000 and not (seconds < MOST_SECONDS and megabytes < MOST_MEGABYTES):
        sys.exit("the claim does not hold")


if __name__ == "__main__":
    main()
