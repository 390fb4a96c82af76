"""Claim: actors, workers and a node of a Ray cluster may be killed; no sample is lost and none is made twice. And two
verifying processes on the cluster do nearly twice the work of one.

Two nodes of real `ray start` processes on this machine, four engines (scripted ones: fakes that say so), two verifying
actors. Twenty times SIGKILL goes to one of their processes, in turn, and once to all of a node.

    python bench/cluster.py                 # both
    python bench/cluster.py --kills 20      # the first part alone
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from move37.config import ClusterConfig, VerificationConfig, parse_study
from move37.executors import EXECUTORS
from move37.pipeline import sample_run, start_run
from move37.store import RunStore
from move37.types import Problem
from move37.verification import VerifierPool
from move37.verifiers.options import make_verifier
from tests.ray_nodes import Nodes, nodes
from tests.studies import write_problems

PROBLEMS, DELAY = 6, 0.01


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


def verification(cluster: Nodes, answers: int) -> None:
    """Answers a second with one and with two verifying actors: sums that SymPy has to compare."""
    verifier, problem = make_verifier("math", VerificationConfig()), _problem()
    sums = (f"\\frac{{{3 * i}}}{{{i}}} + \\sqrt{{{i * i}}} - {i}" for i in range(1, answers + 1))
    texts = [(problem, f"\\boxed{{{each}}}", number) for number, each in enumerate(sums)]
    seconds = {}
    for size in (1, 2, 1, 2):
        settings, plain = ClusterConfig(address=cluster.address, verifiers=size), VerificationConfig()
        with VerifierPool(plain, None, partial(EXECUTORS.load("ray").workforce, plain, settings)) as pool:
            list(pool.verify(verifier, texts[: 40 * size]))  # until they have loaded what they need
            start = time.perf_counter()
            assert len(list(pool.verify(verifier, texts[80:]))) == answers - 80
            seconds[size] = min(seconds.get(size, 1e9), time.perf_counter() - start)
    print(f"verification: {seconds[1] / seconds[2]:.2f} times as fast with two actors as with one", flush=True)


def _problem() -> Problem:
    return Problem("b/1", "What is 1 + 2?", ("3",), "b", "math")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int)
    parser.add_argument("--answers", type=int)
    asked = parser.parse_args()
    both = asked.kills is None and asked.answers is None
    if both or asked.answers is not None:
        with nodes(2, cpus=4) as cluster:
            verification(cluster, asked.answers or 2000)
    if both or asked.kills is not None:
        with nodes(2, cpus=4) as cluster:
            kills(cluster, asked.kills or 20)


if __name__ == "__main__":
    main()
