"""A real Ray cluster of two nodes on this machine: engines and verifying processes as actors, and their deaths."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from move37.config import ClusterConfig, ModelConfig, SamplingConfig, VerificationConfig, parse_study
from move37.engines import ENGINES
from move37.engines.scripted import ScriptedEngine
from move37.errors import ConfigError, EngineError
from move37.executors import EXECUTORS
from move37.pipeline import sample_run, start_run, verify_run
from move37.rollouts import requests_for
from move37.store import RunStore
from move37.testing import check_engine, check_executor
from move37.types import Outcome, Problem, Prompt
from move37.verification import VerifierPool
from tests.ray_nodes import Nodes, nodes
from tests.studies import write_problems
from tests.worker_verifiers import Obedient

ray = pytest.importorskip("ray", reason="the [ray] extra is not installed")
from move37.cluster import connection  # noqa: E402
from move37.cluster.connection import refuse_dead  # noqa: E402

PROBLEM = Problem("p", "Which?", ("gold",), "made-up", "exact")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray"), pytest.mark.own_workers]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    with nodes(2, cpus=4) as started:
        yield started


@pytest.fixture(scope="module")
def settings(cluster: Nodes) -> ClusterConfig:
    return ClusterConfig(address=cluster.address, engines=2, cpus=0.25, verifiers=2)


def scripted(**options: Any) -> ModelConfig:
    return ModelConfig(path="a label", engine="scripted", options=options)


@pytest.fixture(scope="module")
def engine(settings: ClusterConfig) -> Iterator[Any]:
    opened = EXECUTORS.load("ray").open(scripted(), settings)
    yield opened
    opened.close()


def study(folder: Path, cluster: ClusterConfig, n: int, **options: Any) -> Any:
    return parse_study(
        {
            "name": "s",
            "problems": {"benchmark": "jsonl", "path": str(write_problems(folder)), "verifier": "numeric"},
            "sampling": {"n": n, "template": "completion", "max_new_tokens": 64, "executor": "ray"}
            | {"stop": {"successes": 0}},
            "models": {"base": scripted(**options).model_dump()},
            "cluster": cluster.model_dump(),
        }
    )


def rows(store: RunStore) -> pl.DataFrame:
    return pl.concat(list(store.samples("base").frames())).sort("problem_id", "index")


def test_the_executor_keeps_its_contract() -> None:
    check_executor(EXECUTORS.load("ray"))


def test_the_actors_are_one_engine(engine: Any) -> None:
    check_engine_of_actors(engine)
    assert engine.identity()["cluster"].endswith("2 engines")
    prompt = Prompt("a", "What is 1 + 1?", (), "completion")
    asked, sampling = requests_for(prompt, range(300), 0, "m"), SamplingConfig(max_new_tokens=64)
    alone = ENGINES.load("scripted").load(scripted())
    made = sorted(engine.generate(asked, sampling), key=lambda sample: sample.index)
    assert made == list(alone.generate(asked, sampling))
    assert sum(replica.answered for replica in engine.replicas()) > 300


def check_engine_of_actors(engine: Any) -> None:
    """The contract of engines, but for `load`, which this one does not have."""

    class Loaded(type(engine)):
        load = ScriptedEngine.load

    engine.__class__ = Loaded
    check_engine(engine)


def test_a_run_on_it_is_the_run_of_this_machine(settings: ClusterConfig, tmp_path: Path) -> None:
    there = start_run(study(tmp_path, settings, 60), tmp_path / "there")
    assert sample_run(there, verify=True).verified["base"].total() == 360
    local = study(tmp_path, settings, 60).model_copy(update={"sampling": there.study().sampling.model_copy(
        update={"executor": "local"})})  # fmt: skip
    here = start_run(local, tmp_path / "here")
    sample_run(here, verify=True)
    assert rows(there).equals(rows(here))
    ids = [problem.id for problem in here.problems()]
    assert (there.outcomes("base", ids, 60) == here.outcomes("base", ids, 60)).all()


def workforce(settings: ClusterConfig, timeout_seconds: float = 10.0) -> Any:
    return lambda: EXECUTORS.load("ray").workforce(VerificationConfig(timeout_seconds=timeout_seconds), settings)


def test_a_slow_answer_holds_up_no_others_verdict(settings: ClusterConfig) -> None:
    texts = ["sleep", *(f"lead {i}" for i in range(500)), "gold"]
    with VerifierPool(None, None, workforce(settings, 1.0)) as pool:
        list(pool.verify(Obedient(), [(PROBLEM, "warm", 0)]))
        start = time.monotonic()
        at = {key: time.monotonic() - start for key, _ in pool.verify(Obedient(), [(PROBLEM, t, t) for t in texts])}
    assert len(at) == 502
    assert at["sleep"] > 9
    assert sorted(at.values())[400] < 7  # all but those that its own worker had been given


def test_what_is_abandoned_on_the_nodes_delays_nothing(settings: ClusterConfig) -> None:
    with VerifierPool(None, None, workforce(settings, 1.0)) as pool:
        list(pool.verify(Obedient(), [(PROBLEM, "warm", 0)]))
        texts = ("gold", "sleep 1", "sleep 2", "sleep 3")
        unfinished: Any = pool.verify(Obedient(), [(PROBLEM, t, t) for t in texts])
        assert next(unfinished)[0] == "gold"
        unfinished.close()
        start = time.monotonic()
        [(_, verdict)] = pool.verify(Obedient(), [(PROBLEM, "gold again", 0)])
        assert verdict.outcome is Outcome.INCORRECT
        assert time.monotonic() - start < 8  # a sleep alone takes ten


def test_verifying_actors_that_are_killed_lose_no_answer(settings: ClusterConfig, cluster: Nodes) -> None:
    texts = [f"burn {i}" for i in range(60)]  # three seconds of two actors
    killed: list[int] = []

    def kill() -> None:
        until = time.monotonic() + 60
        while len(killed) < 3 and time.monotonic() < until:
            time.sleep(0.8)
            for pid in cluster.processes("ray::VerifierActor")[:1]:  # none while both are started again
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    with VerifierPool(None, None, workforce(settings)) as pool:
        list(pool.verify(Obedient(), [(PROBLEM, "warm", 0)]))
        killer = threading.Thread(target=kill)
        killer.start()
        found = list(pool.verify(Obedient(), [(PROBLEM, text, text) for text in texts]))
        killer.join()
    assert len(killed) == 3
    assert sorted(key for key, _ in found) == sorted(texts)
    assert {verdict.outcome for _, verdict in found} == {Outcome.INCORRECT}


def test_what_an_engine_raises_is_raised_here(settings: ClusterConfig) -> None:
    with pytest.raises(ConfigError, match="no_such_option"):
        EXECUTORS.load("ray").open(scripted(no_such_option=1), settings)
    with pytest.raises(ConfigError, match="executor = 'local'"):
        EXECUTORS.load("ray").open(ModelConfig(path="m", engine="openai"), settings)
    short = ClusterConfig(address=settings.address, cpus=64, patience_seconds=2)
    with pytest.raises(EngineError, match="no node had room"):
        EXECUTORS.load("ray").open(scripted(), short)


def test_a_laptop_outside_the_cluster_runs_a_study_on_it_while_actors_die(
    settings: ClusterConfig, cluster: Nodes, tmp_path: Path
) -> None:
    outside = settings.model_copy(update={"address": cluster.client_address})
    store = start_run(study(tmp_path, outside, 300, delay_seconds=0.01), tmp_path / "run")
    script = "import sys, pathlib; from move37 import pipeline, store; "
    script += "pipeline.sample_run(store.RunStore.open(pathlib.Path(sys.argv[1])), verify=True)"
    command = [sys.executable, "-c", script, str(store.folder)]
    laptop = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    killed = 0
    while laptop.poll() is None:
        if killed < 2 and list(store.folder.rglob("samples/base/part-*")):
            for pid in cluster.processes(("ray::EngineActor", "ray::VerifierActor")[killed])[:1]:
                os.kill(pid, signal.SIGKILL)
                killed += 1
        time.sleep(0.2)
    said, _ = laptop.communicate()
    assert laptop.returncode == 0, said
    assert killed == 2
    made = RunStore.open(tmp_path / "run")
    ids = [problem.id for problem in made.problems()]
    assert sorted(rows(made).select("problem_id", "index").rows()) == sorted((i, k) for i in ids for k in range(300))
    assert (made.outcomes("base", ids, 300) >= 0).all()


TWICE_REFUSED = """
import sys
from ray.util.client import worker
from move37.cluster.connection import connected
from move37.config import ClusterConfig
begin, asked = worker.Worker._server_init, []
def refuse_twice(self, *arguments):
    asked.append(1)
    if len(asked) < 3:
        raise ConnectionAbortedError("Initialization failure from server: not there in time")
    return begin(self, *arguments)
worker.Worker._server_init = refuse_twice
print(len(asked) if connected(ClusterConfig(address=sys.argv[1])).nodes() else None)
"""


def test_a_busy_head_is_asked_again(cluster: Nodes) -> None:
    """It says so itself where it is slow; here a fake says it."""
    command = [sys.executable, "-c", TWICE_REFUSED, cluster.client_address]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "3\n"


def test_a_scheduler_that_ends_the_run_gets_its_line_and_loses_nothing_finished(
    settings: ClusterConfig, tmp_path: Path
) -> None:
    run = start_run(study(tmp_path, settings, 2000, delay_seconds=0.01), tmp_path / "run")
    script = "import sys; from move37 import cli, pipeline; pipeline.verify_run = lambda store, *_, **__: "
    script += "pipeline.sample_run(store, verify=True); sys.argv = ['move37', *sys.argv[1:]]; cli.main()"
    command = [sys.executable, "-c", script, "verify", str(run.folder)]
    ended = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not list(run.folder.rglob("samples/base/part-*")):
        assert ended.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)
    ended.send_signal(signal.SIGTERM)
    _, said = ended.communicate()
    assert ended.returncode == 143
    assert said.splitlines()[-1] == "move37: terminated; what was finished is kept, the same command continues"
    assert "SIGTERM received" not in said


def test_verifiers_that_would_hold_what_copies_wait_for_are_refused(settings: ClusterConfig) -> None:
    crowd = ClusterConfig(address=settings.address, verifiers=1000)
    with pytest.raises(
        ConfigError, match=r"1000 verifiers and 2 copies of a model take 1002 CPUs, and the cluster has"
    ):
        EXECUTORS.load("ray").open(scripted(), crowd)


def test_what_is_waited_for_is_said_once(
    settings: ClusterConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ClusterConfig(address=settings.address, cpus=64, engines=1, patience_seconds=4)
    with pytest.raises(EngineError, match="no node had room"):
        EXECUTORS.load("ray").open(scripted(), short)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("move37: waiting for room for a copy of 'a label' (0 GPUs, 64 CPUs): 2 nodes, ")


def test_a_cluster_whose_head_is_gone_is_said_before_ray_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    head, clock = socket.create_server(("127.0.0.1", 0)), [1000.0]
    there = type("Context", (), {"gcs_address": f"127.0.0.1:{head.getsockname()[1]}"})
    monkeypatch.setattr(connection.ray, "get_runtime_context", there)
    monkeypatch.setattr(connection.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(connection._Head, "looked_at", 0.0)
    monkeypatch.setattr(connection._Head, "reached_at", 0.0)
    for _ in range(10):
        clock[0] += 5
        connection.refuse_gone()
    head.close()
    for _ in range(4):
        clock[0] += 5
        connection.refuse_gone()
    clock[0] += 5
    with pytest.raises(
        EngineError, match=r"the Ray cluster at 127\.0\.0\.1:\d+ is gone \(.*\); what was finished is kept"
    ):
        connection.refuse_gone()


def test_a_head_that_a_client_lost_is_one_line(settings: ClusterConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = EXECUTORS.load("ray").open(scripted(), settings)
    requests = requests_for(Prompt("a", "What is 1 + 1?", (), "completion"), range(4), 0, "m")

    def lost(*_: object, **__: object) -> None:
        raise ConnectionError("Client is shutting down.")

    with monkeypatch.context() as patch:
        patch.setattr(ray, "wait", lost)
        with pytest.raises(EngineError, match=r"cannot be reached any more \(Client is shutting down\.\); what was"):
            list(opened.generate(requests, SamplingConfig(n=4)))
        patch.setattr(ray, "kill", lost)
        members = list(opened._members)
        opened.close()
    for member in members:
        ray.kill(member.handle)


def test_why_an_actor_died_is_one_line() -> None:
    page = "The actor died.\n  Traceback ...\nModuleNotFoundError: No module named 'move37'\nSee logs.\n"
    assert connection.why_dead(RuntimeError(page)).startswith("No module named 'move37' on its node: install the same")
    assert connection.why_dead(RuntimeError("The actor died.\n  Its node was out of memory.\n\n")) == (
        "Its node was out of memory."
    )
    assert connection.why_dead(RuntimeError()) == "RuntimeError"


def test_killed_actors_and_a_killed_node_lose_what_was_in_flight_and_nothing_else(
    settings: ClusterConfig, cluster: Nodes, tmp_path: Path
) -> None:
    """The last test: it ends a node. Six problems with 200 samples at 10 ms each: six seconds for two actors."""
    store = start_run(study(tmp_path, settings, 200, delay_seconds=0.01), tmp_path / "run")
    killed: list[int] = []
    is_over = threading.Event()

    def kill() -> None:
        while len(killed) < 2 and not is_over.wait(0.5):
            if list(store.folder.rglob("samples/base/part-*")):
                for pid in cluster.processes("ray::EngineActor", "ray::VerifierActor")[:1]:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
        cluster.kill(1)

    killer = threading.Thread(target=kill)
    killer.start()
    sample_run(store, verify=True)
    is_over.set()
    killer.join()
    verify_run(store)
    assert len(killed) == 2
    made = rows(store)
    keys = made.select("problem_id", "index").rows()
    assert sorted(keys) == sorted((problem.id, index) for problem in store.problems() for index in range(200))
    ids = [problem.id for problem in store.problems()]
    assert (store.outcomes("base", ids, 200) >= 0).all()


def test_an_address_at_which_nobody_listens_is_refused_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
            with pytest.raises(EngineError, match=rf"no Ray cluster at {address}: .*ray start --head"):
                refuse_dead(address)
    refuse_dead("auto")
    refuse_dead(None)


def test_what_listens_at_an_address_and_is_not_ray_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        answering = threading.Thread(target=lambda: other.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        answering.start()
        with pytest.raises(EngineError, match="something listens there that is not Ray"):
            refuse_dead(f"127.0.0.1:{other.getsockname()[1]}")
        answering.join()
