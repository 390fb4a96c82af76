"""SIGKILL at ten random moments of a study that trains its models: what comes out equals an undisturbed run."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.forked_commands import Starter, starter
from tests.test_pipeline import content
from tests.test_trained_studies import RECIPE, STUDY, write_project

if not hasattr(os, "fork"):
    pytest.skip("processes cannot be forked here", allow_module_level=True)

pytestmark = pytest.mark.slow

KILLS = 10


def weights(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("model.safetensors")}


def written(run: Path) -> set[str]:
    """All names in a run that is written to. (`rglob` stumbles over a folder that is renamed meanwhile.)"""
    return {f"{folder}/{name}" for folder, folders, files in os.walk(run) for name in (*folders, *files)}


def kill(commands: Starter, rng: random.Random, run: Path, *arguments: str) -> bool:
    """Kill the command some time after it has written something new; False if it was over before."""
    before = written(run)
    process = commands.start(*arguments)
    while not commands.is_over() and written(run) <= before:
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.05))
    os.kill(process, signal.SIGKILL)
    return commands.end() == -signal.SIGKILL


def test_a_study_killed_ten_times_ends_with_the_same_weights_samples_and_verdicts(tmp_path: Path) -> None:
    study = write_project(tmp_path)
    study.write_text(STUDY.replace("[0, 2, 4]", "[0, 4, 8]").replace("grpo-0@4", "grpo-0@8"))
    (tmp_path / "rl.toml").write_text(f"{RECIPE}checkpoints.every = 1\n")
    rng, killed = random.Random(19), 0
    with starter() as commands:
        arguments = ("sample", str(study), "--out")
        for _ in range(KILLS):
            killed += kill(commands, rng, tmp_path / "killed", *arguments, str(tmp_path / "killed"))
        assert killed == KILLS
        for run in ("killed", "whole"):
            commands.finish(*arguments, str(tmp_path / run))
            commands.finish("verify", str(tmp_path / run))
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert len(weights(tmp_path / "whole")) == 4 * 2 + 1
    assert content(tmp_path / "killed") == content(tmp_path / "whole")
