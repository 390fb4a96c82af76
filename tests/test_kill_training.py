"""SIGKILL of `move37 train` at a random moment, for each algorithm: the run that goes on ends bit for bit the same.

The command runs in processes forked from one that has loaded torch and started no thread, so a run costs no start.
The kill comes from outside: when a random step is in the log, after a random part of a step's time more, so it may
fall into sampling, verifying, updating or saving. Seeds are fixed and shown by a failure; how far a run has come when
the signal reaches it still differs from time to time, which is the point.
"""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tests.forked_commands import Starter, starter  # noqa: E402
from tests.tiny_models import save_model  # noqa: E402

if not hasattr(os, "fork"):
    pytest.skip("processes cannot be forked here", allow_module_level=True)

pytestmark = pytest.mark.slow

SIX = ("ppo", "grpo", "reinforce_pp", "rloo", "remax", "dapo")
STEPS, SAVED_EVERY = 8, 2
ATTEMPTS = 6
"""Runs that are over before the signal reaches them prove nothing; so many may be."""
WAIT_SECONDS = 120.0


@pytest.fixture(scope="module")
def commands() -> Iterator[Starter]:
    with starter() as started:
        yield started


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("policy"), initializer_range=0.1)


def write_recipe(folder: Path, model: Path, algorithm: str) -> Path:
    """A recipe whose groups are mixed often enough that nearly every step moves the weights."""
    letters = [{"question": f"say {letter}:", "answer": letter, "response": letter} for letter in "abcd"]
    (folder / "letters.jsonl").write_text("".join(json.dumps(row) + "\n" for row in letters))
    rollout, updates = "prompts = 4, responses = 16, ", "epochs = 2, mini_batches = 2, "
    if algorithm == "dapo":
        rollout += "refill_rounds = 3, "
    source = 'problems = {benchmark = "jsonl", path = "letters.jsonl", verifier = "exact"}'
    if algorithm == "imitation":
        source, rollout, updates = 'imitation = {file = "letters.jsonl", examples = 3}', "", ""
    recipe = folder / "recipe.toml"
    recipe.write_text(f"""
        name = "killed"
        steps = {STEPS}
        algorithm.name = "{algorithm}"
        {source}
        model = {{path = "{model}", threads = 1}}
        rollout = {{{rollout}max_new_tokens = 2, template = "completion"}}
        optimizer = {{{updates}learning_rate = 5e-3}}
        checkpoints.every = {SAVED_EVERY}
        verification.workers = 1
    """)
    return recipe


def steps_of(folder: Path) -> list[dict[str, Any]]:
    """The steps in the log; a last line that is not whole yet is left out."""
    log = folder / "log.jsonl"
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    return [record for record in records if record["kind"] == "step"]


def kill_at(commands: Starter, recipe: Path, folder: Path, step: int, part: float) -> bool:
    """Kill a run once `step` steps and this part of one more are done; False if it was over before."""
    process = commands.start("train", str(recipe), "--out", str(folder))
    deadline = time.monotonic() + WAIT_SECONDS
    while len(steps := steps_of(folder)) < step:
        assert time.monotonic() < deadline, f"step {step} was not reached"
        time.sleep(0.01)
    time.sleep(part * sum(value for name, value in steps[-1].items() if name.startswith("seconds_")))
    os.kill(process, signal.SIGKILL)
    return commands.end() == -signal.SIGKILL


def tensors_of(folder: Path) -> dict[str, Any]:
    """Every tensor of the newest state by its place: weights, critic, and the optimizer's averages."""
    newest = max((folder / "state").glob("step-*"))
    found: dict[str, Any] = {}

    def collect(place: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                collect(f"{place}/{key}", inner)
        elif isinstance(value, list | tuple):
            collect(place, dict(enumerate(value)))
        else:
            found[place] = value

    collect(newest.name, torch.load(newest / "state.pt", weights_only=True))
    return found


def same(one: Any, other: Any) -> bool:
    return torch.equal(one, other) if torch.is_tensor(one) else one == other


def timeless(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in each.items() if not name.startswith("seconds_")} for each in records]


@pytest.mark.parametrize("algorithm", [*SIX, "imitation"])
def test_a_training_run_killed_at_random_moments_goes_on_to_the_same_weights_bit_for_bit(
    algorithm: str, commands: Starter, model: Path, tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path, model, algorithm)
    whole = tmp_path / "whole"
    commands.finish("train", str(recipe), "--out", str(whole))

    kills, rng = 2 if algorithm == "grpo" else 1, random.Random(algorithm)
    for attempt in range(ATTEMPTS):
        killed = tmp_path / f"killed-{attempt}"
        step = rng.randint(1, 4) if kills == 1 else rng.randint(1, 2)
        moments = [(step, rng.random()), (rng.randint(3, 5), rng.random())][:kills]
        if all(kill_at(commands, recipe, killed, *moment) for moment in moments):
            break
    else:
        pytest.fail(f"{ATTEMPTS} runs were over before they could be killed")
    when = f"killed at {moments} (after a step, part of the next), with {len(steps_of(killed))} steps in the log"
    assert not (killed / "checkpoints").exists(), when
    commands.finish("train", str(recipe), "--out", str(killed))

    expected, made = tensors_of(whole), tensors_of(killed)
    assert expected.keys() == made.keys(), when
    assert [place for place in expected if not same(expected[place], made[place])] == [], when
    weights = [(folder / "checkpoints" / f"step-{STEPS:06d}" / "model.safetensors") for folder in (whole, killed)]
    assert weights[0].read_bytes() == weights[1].read_bytes(), when
    assert timeless(steps_of(whole)) == timeless(steps_of(killed)), when
    # Equality would say little about steps that move nothing: most of those after the kill had a gradient.
    moved = [record.get("gradient_norm", 0.0) > 0 for record in steps_of(killed)[step:]]
    assert sum(moved) > len(moved) / 2
    assert any(place.endswith("exp_avg") for place in expected)
    assert any("/critic/" in place for place in expected) == (algorithm == "ppo")
