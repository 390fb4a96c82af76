"""Claim: actors, workers and a node of a Ray cluster may be killed; no sample is lost and none is made twice. And two
verifying processes on the cluster do nearly twice the work of one.

Two nodes of real `ray start` processes on this machine, four engines (scripted ones: fakes that say so), two verifying
actors. Twenty times SIGKILL goes to one of their processes, in turn, and once to all of a node.

    python bench/cluster.py                     # both
    python bench/cluster.py --kills 20          # the first part alone
    python bench/cluster.py --answers 4500      # the second; with --local without Ray
    python bench/cluster.py --gpus 500          # 32 actors on 4 nodes with 8 GPUs each, which are numbers and no GPUs
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.verification import all_distinct
from move37.config import ClusterConfig, ProblemsConfig, VerificationConfig, parse_study
from move37.executors import EXECUTORS
from move37.pipeline import sample_run, start_run
from move37.problems import load_problems
from move37.store import RunStore
from move37.verification import VerifierPool
from move37.verifiers.options import make_verifier
from tests.math_pairs import BENCHMARKS, SETS
from tests.processes import family, processor_seconds
from tests.ray_nodes import Nodes, nodes
from tests.studies import write_problems

PROBLEMS, DELAY, WARMING = 6, 0.01, 4000


def killed_study(folder: Path, settings: ClusterConfig, n: int) -> RunStore:
    scripted = {"engine": "scripted", "path": "scripted", "options": {"delay_seconds": DELAY}}
    study = parse_study(
        {
            "name": "killed",
            "problems": {"benchmark": "jsonl", "path": str(write_problems(folder, PROBLEMS)), "verifier": "numeric"},
            "sampling": {"n": n, "stop": {"successes": 0}, "template": "completion", "executor": "ray"},
            "verification": {"cache": False},
            "models": {"base": scripted},
            "cluster": settings.model_dump(),
        }
    )
    return start_run(study, folder / "run")


class Killer(threading.Thread):
    """Kills so many processes of actors, one after the other, and a node in the middle; a killed one needs time."""

    def __init__(self, cluster: Nodes, kills: int) -> None:
        super().__init__(daemon=True)
        self._cluster, self._kills, self._rng = cluster, kills, random.Random(0)
        self.killed: list[str] = []
        self.ended = threading.Event()

    def run(self) -> None:
        kinds = ("ray::EngineActor", "ray::VerifierActor")
        while len(self.killed) < self._kills and not self.ended.wait(self._rng.uniform(1, 2)):
            kind = kinds[len(self.killed) % 4 == 3]
            found = self._cluster.processes(kind)
            if found:
                os.kill(self._rng.choice(found), signal.SIGKILL)
                self.killed.append(kind)
            if len(self.killed) == self._kills // 2:
                self._cluster.kill(1)
                self.killed.append("node")


def kills(cluster: Nodes, count: int) -> None:
    settings = ClusterConfig(address=cluster.address, engines=4, cpus=0.5, verifiers=2)
    # Four engines for as long as the kills take, at two seconds each and as long for every new start.
    n = int(count * 4 / DELAY * 4 / PROBLEMS)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        store = killed_study(folder, settings, n)
        killer = Killer(cluster, count)
        killer.start()
        start = time.perf_counter()
        sample_run(store, verify=True)
        seconds = time.perf_counter() - start
        killer.ended.set()
        killer.join()
        rows = pl.concat(list(store.samples("base").frames()))
        keys = sorted(rows.select("problem_id", "index").rows())
        ids = [problem.id for problem in store.problems()]
        assert keys == sorted((each, index) for each in ids for index in range(n)), "lost, or made twice"
        assert (store.outcomes("base", ids, n) >= 0).all(), "without a verdict"
    died = {kind: killer.killed.count(kind) for kind in dict.fromkeys(killer.killed)}
    print(f"killed: {died}; {len(keys):,} samples and verdicts complete, none twice, in {seconds:.0f} s", flush=True)


def verification(
    elsewhere: Callable[[int], Callable[[], Any]],
    where: str,
    answers: int,
    rounds: int,
    others: Callable[[], list[int]] = list,
) -> None:
    """Responses a second with two processes over those with one, round by round: references of six math benchmarks,
    rewritten or changed, behind 1.8 kB of reasoning, no two of them equal (`bench/verification.py`), in the order of
    their problems, as they are sampled.

    Both pools stay open and take turns to be first. Nobody's start is measured, and nobody learns: each process has
    judged WARMING answers before; nor how a round begins and ends, which long runs do once: the time counts between the
    first and the last tenth of the verdicts. Beside them the same ratio for loops in processes that have nothing to do
    with each other, and the ratio on two cores that nobody else uses: twice the processor seconds of the busiest
    process with one, over those of everything with two (this process, what it started, and `others`).
    """
    verifier, ratios, apart, undisturbed = make_verifier("math", VerificationConfig()), [], [], []
    problems = load_problems(tuple(ProblemsConfig(benchmark=name, path=BENCHMARKS) for name in SETS))
    responses = all_distinct(problems, 2 * WARMING + rounds * answers, random.Random(0))
    if len(responses) < 2 * WARMING + rounds * answers:
        sys.exit(f"there are {len(responses):,} distinct responses: take fewer --answers or --rounds")
    with ExitStack() as stack:
        pools = {}
        for size in (1, 2):
            settings = VerificationConfig.model_validate({"workers": size})
            pools[size] = stack.enter_context(VerifierPool(settings, None, elsewhere(size)))
            list(pools[size].verify(verifier, responses[: size * WARMING]))
        for number in range(rounds):
            begin, seconds, used = 2 * WARMING + number * answers, {}, {}
            texts = sorted(responses[begin : begin + answers], key=lambda response: response[0].id)
            for size in (1, 2) if number % 2 else (2, 1):
                before = used_by([*family(os.getpid()), *others()])
                at = [time.perf_counter() for _ in pools[size].verify(verifier, texts)]
                assert len(at) == len(texts)
                seconds[size] = at[len(at) * 9 // 10] - at[len(at) // 10]
                after = used_by(before)
                used[size] = [after[process] - before[process] for process in before]
            undisturbed.append(2 * max(used[1]) / sum(used[2]))
            ratios.append(seconds[1] / seconds[2])
            apart.append(2 * seconds_of_loops(1) / seconds_of_loops(2))
    load = " ".join(f"{value:.0f}" for value in os.getloadavg())
    print(f"verification, {where}: {spread(ratios)} times as fast with two as with one; load {load}")
    print(f"by processor seconds: {spread(undisturbed)} times on two cores that nobody else uses")
    print(f"loops in processes of their own: {spread(apart)} times as many with two as with one", flush=True)


def used_by(processes: Iterable[int]) -> dict[int, float]:
    """Processor seconds of each that is there."""
    found = {}
    for process in processes:
        with suppress(OSError):
            found[process] = processor_seconds(process)
    return found


def seconds_of_loops(count: int) -> float:
    """Wall seconds of so many processes that count to the same number."""
    loop = "for _ in range(20_000_000): pass"
    start = time.perf_counter()
    for process in [subprocess.Popen([sys.executable, "-S", "-c", loop]) for _ in range(count)]:
        process.wait()
    return time.perf_counter() - start


def spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})"


def on_ray(cluster: Nodes) -> Callable[[int], Callable[[], Any]]:
    plain = VerificationConfig()
    return lambda size: partial(
        EXECUTORS.load("ray").workforce, plain, ClusterConfig(address=cluster.address, verifiers=size)
    )


def many_gpus(cluster: Nodes, n: int) -> None:
    """Engines of one simulated GPU each on all nodes: which of them they stand on, and that nothing is lost."""
    with tempfile.TemporaryDirectory() as place:
        settings = ClusterConfig(address=cluster.address, gpus=1, cpus=0.1)
        store = killed_study(Path(place), settings, n)
        start = time.perf_counter()
        sample_run(store, verify=True)
        seconds = time.perf_counter() - start
        rows = pl.concat(list(store.samples("base").frames())).select("problem_id", "index").rows()
        assert len(rows) == len(set(rows)) == PROBLEMS * n, "lost, or made twice"
        log = [json.loads(line) for line in (store.folder / "log.jsonl").read_text().splitlines()]
        last = [line for line in log if line["event"] == "progress"][-1]["replicas"]
        busy = sum(replica["answered"] > 0 for replica in last)
    print(f"{len(last)} engines of a GPU each, {busy} at work: {len(rows):,} samples, none twice, in {seconds:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int)
    parser.add_argument("--answers", type=int)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--local", action="store_true", help="verification without Ray alone")
    parser.add_argument("--gpus", type=int, help="samples of each problem on 4 nodes with 8 simulated GPUs each")
    asked = parser.parse_args()
    if asked.gpus:
        with nodes(4, cpus=4, gpus=8) as cluster:
            many_gpus(cluster, asked.gpus)
        return
    answers = asked.answers or 4500
    both = asked.kills is None and asked.answers is None
    if both or asked.answers is not None:
        verification(lambda size: lambda: None, "processes of this machine", answers, asked.rounds)
    if (both or asked.answers is not None) and not asked.local:
        with nodes(1, cpus=4) as cluster:
            verification(on_ray(cluster), "Ray's actors", answers, asked.rounds, cluster.all_processes)
    if both or asked.kills is not None:
        with nodes(2, cpus=4) as cluster:
            kills(cluster, asked.kills or 20)


if __name__ == "__main__":
    main()
