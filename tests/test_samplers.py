"""Who samples for a training: several processes give the rollouts of one, with the weights of every step."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from move37.errors import ConfigError, EngineError  # noqa: E402
from move37.lab import checkpoint_folder  # noqa: E402
from move37.training import samplers  # noqa: E402
from move37.training.algorithms import Needs  # noqa: E402
from move37.training.loop import train  # noqa: E402
from move37.training.policy import Policy  # noqa: E402
from move37.training.recipe import TrainConfig, parse_recipe  # noqa: E402
from move37.training.samples import read_samples  # noqa: E402
from tests.test_engine_vllm import HOT, requests  # noqa: E402

pytestmark = pytest.mark.usefixtures("kept_workers")


def recipe_of(learning_rate: float = 1e-3, **rollout: Any) -> TrainConfig:
    """Two steps of eight puzzles with eight responses, of which one or two are right. Weights move by .001 a step."""
    plain = {"prompts": 8, "responses": 8, "max_new_tokens": 48, "template": "completion"}
    return parse_recipe(
        {
            "name": "two",
            "steps": 2,
            "algorithm": {"name": "reinforce_pp"},
            "model": {"path": str(checkpoint_folder("countdown-base")), "device": "cpu", "threads": 1},
            "problems": {"benchmark": "countdown:edge", "size": 16, "options": {"split": "training"}},
            "rollout": plain | rollout,
            "optimizer": {"learning_rate": learning_rate, "skip_zero_advantage": False},
            "records": {"samples_every": 1},
            "verification": {"workers": 1},
        }
    )


def figures(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "step"]


@pytest.fixture(scope="module")
def kept_processes() -> Iterator[None]:
    """The same two processes sample for every training here: each loads torch and transformers when it starts."""
    kind, made = samplers._Processes, []

    def processes(recipe: TrainConfig, weights: Callable[[], Any]) -> Any:
        if not made:
            made.append(kind(recipe, weights))
        made[0]._weights = weights
        return made[0]

    with pytest.MonkeyPatch.context() as patch:
        close = kind.close
        patch.setattr(samplers, "_Processes", processes)
        patch.setattr(kind, "close", lambda self: None)
        yield
        for each in made:
            close(each)


@pytest.mark.slow
@pytest.mark.usefixtures("kept_processes")
def test_two_processes_give_the_rollouts_of_one_with_the_weights_of_every_step(tmp_path: Path) -> None:
    for number in (1, 2):
        train(recipe_of(samplers=number), tmp_path / str(number))
    for step in (1, 2):
        one, two = (read_samples(tmp_path / name, step) for name in "12")
        columns = [name for name in one.columns if name not in ("advantage", "logprob")]
        assert one.select(columns).equals(two.select(columns))
    for mine, theirs in zip(figures(tmp_path / "1"), figures(tmp_path / "2"), strict=True):
        assert theirs["logprob_gap_max"] < 1e-3
        assert theirs["reward"] == mine["reward"]
        assert theirs["loss"] == pytest.approx(mine["loss"], abs=1e-4)


def test_settings_that_cannot_go_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="data_parallel_size"):
        recipe_of(engine="vllm", samplers=2)
    with pytest.raises(ConfigError, match="engine_options"):
        recipe_of(engine_options={"dtype": "float32"})


@pytest.mark.slow
@pytest.mark.usefixtures("kept_processes")
def test_a_sampler_that_is_killed_ends_the_training_with_its_reason() -> None:
    """The last test: it ends the processes."""
    import os
    import signal

    policy = Policy(recipe_of(samplers=2), Needs())
    engine: Any = policy.engine
    processes = engine._elsewhere._processes
    try:
        assert len(list(policy.engine.completions(requests(8), HOT))) == 24
        begun = policy.engine.completions(requests(64), HOT)
        next(begun)
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="SIGKILL"):
            list(begun)
    finally:
        policy.close()
