"""Claim: `import move37` takes under 0.3 s and loads no torch, and `move37 --help` is there before a person waits.

The peers are the same two moments of TRL's and lm-eval-harness's main dependency: `import transformers` and `import
torch`. Every run is a fresh interpreter; runs alternate.
"""

import json
import statistics
import subprocess
import sys
import time

ROUNDS = 7
STATEMENTS = {
    "import move37": "import move37",
    "move37 --help": "import sys; sys.argv = ['move37', '--help']; from move37.cli import main; main()",
    "import transformers": "import transformers",
    "import torch": "import torch",
}


def seconds(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def loads_torch(statement: str) -> bool:
    code = f"{statement}; import sys; print('torch' in sys.modules)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in ("nothing", *STATEMENTS)}
    for _ in range(ROUNDS + 1):
        for name in times:
            times[name].append(seconds(STATEMENTS.get(name, "pass")))
    print(f"{'a fresh interpreter, s':24} {'median':>8} {'min':>8} {'max':>8}")
    for name, values in times.items():
        counted = values[1:]  # the first round reads files into the cache
        print(f"{name:24} {statistics.median(counted):8.3f} {min(counted):8.3f} {max(counted):8.3f}")
    medians = {name: round(statistics.median(values[1:]), 4) for name, values in times.items()}
    torch = loads_torch(STATEMENTS["import move37"])
    print(f"torch in sys.modules after import move37: {torch}")
    print(json.dumps({"bench": "startup", "seconds": medians, "loads_torch": torch}))


if __name__ == "__main__":
    main()
