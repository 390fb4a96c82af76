"""Trainings that go on after what they are made of was moved, renamed or edited: content decides, not its place."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from move37.errors import ConfigError  # noqa: E402
from move37.files import read_json  # noqa: E402
from move37.training.continuing import code_of  # noqa: E402
from move37.training.loop import train  # noqa: E402
from move37.training.moved import CONTENTS, relocated  # noqa: E402
from move37.training.recipe import TrainConfig  # noqa: E402
from tests.test_training_survives import letters_of, recipe_of, weights_of  # noqa: E402
from tests.tiny_models import save_model  # noqa: E402

pytestmark = pytest.mark.usefixtures("kept_workers")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path / "start", initializer_range=0.1)


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    return letters_of(tmp_path / "letters.jsonl", "abcd")


def forget_weights(run: Path) -> None:
    """As a training was left before weights were written down."""
    contents = run / CONTENTS
    kept = {key: value for key, value in json.loads(contents.read_text()).items() if key != "model.path"}
    contents.write_text(json.dumps(kept))


def of_model(place: Path, letters: Path, steps: int, **model: Any) -> TrainConfig:
    return recipe_of(place, letters, steps=steps, model={"path": str(place), "threads": 1, **model})


def test_a_renamed_start_model_is_the_same_also_where_its_weights_were_not_written_down(
    model: Path, letters: Path, tmp_path: Path
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    train(of_model(model, letters, 2), whole)
    train(of_model(model, letters, 1), run)
    forget_weights(run)
    train(of_model(model.rename(tmp_path / "renamed"), letters, 2), run)  # the state holds all that was learnt
    assert all(torch.equal(value, weights_of(run, 2)[name]) for name, value in weights_of(whole, 2).items())


def test_what_is_read_from_the_start_model_again_must_be_known_to_be_the_same(
    model: Path, letters: Path, tmp_path: Path
) -> None:
    run, adapters = tmp_path / "run", {"lora_rank": 2}
    train(of_model(model, letters, 1, **adapters), run)
    forget_weights(run)
    copied = shutil.copytree(model, tmp_path / "copied")
    train(of_model(copied, letters, 1, **adapters), run)  # the one of before is there to compare with
    assert "model.path" in json.loads((run / CONTENTS).read_text())
    forget_weights(run)
    with pytest.raises(ConfigError, match="begun with another model.path"):
        train(of_model(save_model(tmp_path / "other", seed=5), letters, 1, **adapters), run)
    copied.rename(tmp_path / "renamed")
    with pytest.raises(ConfigError, match="begun with another model.path"):
        train(of_model(tmp_path / "renamed", letters, 1, **adapters), run)


def test_a_study_knows_a_renamed_start_model_by_its_weights(model: Path, letters: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(of_model(model, letters, 1), run)
    written = json.loads((run / "recipe.json").read_text())
    now = of_model(model.rename(tmp_path / "renamed"), letters, 1)
    assert relocated(written, now, run, code_of(now)) == now
    other = of_model(save_model(tmp_path / "other", seed=5), letters, 1)
    assert relocated(written, other, run, code_of(other)).model.path == str(tmp_path / "start")


def test_a_moved_project_with_graders_and_an_algorithm_of_its_own_goes_on(letters: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    save_model(project / "start", initializer_range=0.1)
    shutil.copy(letters, project / "letters.jsonl")
    grade = "def grade(problem, text):\n    return problem.references[0] in text\n"
    (project / "graders.py").write_text(grade + "def short(problem, text):\n    return True\n")
    (project / "mine.py").write_text("from move37.training.algorithms.rloo import RLOO\nclass Mine(RLOO):\n    pass\n")

    def recipe(here: Path, steps: int) -> TrainConfig:
        return recipe_of(
            here / "start",
            here / "letters.jsonl",
            steps=steps,
            algorithm={"name": f"{here / 'mine.py'}:Mine"},
            problems={
                "benchmark": "jsonl",
                "path": str(here / "letters.jsonl"),
                "verifier": f"{here / 'graders.py'}:grade",
            },
            rewards=[{"verifier": f"{here / 'graders.py'}:short", "weight": 0.5}],
        )

    train(recipe(project, 1), project / "run")
    moved = project.rename(tmp_path / "moved")
    assert train(recipe(moved, 2), moved / "run").steps == 2
    (moved / "graders.py").write_text(grade + "def short(problem, text):\n    return False\n")
    with pytest.raises(ConfigError, match=r"begun with another content of .*graders\.py:short"):
        train(recipe(moved, 3), moved / "run")


def test_another_vocabulary_or_another_end_in_the_same_folder_is_refused(
    model: Path, letters: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(of_model(model, letters, 1), run)
    kept = shutil.copytree(model, tmp_path / "kept")
    settings = json.loads((model / "generation_config.json").read_text())
    (model / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": [7]}))
    with pytest.raises(ConfigError, match="begun with another content of the end tokens"):
        train(of_model(model, letters, 2), run)
    shutil.copy(kept / "generation_config.json", model / "generation_config.json")
    tokenizer = read_json(model / "tokenizer.json")
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["s"], vocabulary["y"] = vocabulary["y"], vocabulary["s"]
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ConfigError, match="begun with another content of the tokens of prompts"):
        train(of_model(model, letters, 2), run)


def test_a_teacher_is_known_by_its_weights(model: Path, letters: Path, tmp_path: Path) -> None:
    run, teacher = tmp_path / "run", save_model(tmp_path / "teacher", seed=7, initializer_range=0.3)

    def recipe(teacher: Path, steps: int) -> TrainConfig:
        return recipe_of(
            model, letters, steps=steps, algorithm={"name": "on_policy_distillation"}, teacher=str(teacher)
        )

    train(recipe(teacher, 1), run)
    train(recipe(teacher.rename(tmp_path / "moved"), 2), run)
    with pytest.raises(ConfigError, match="begun with another teacher"):
        train(recipe(save_model(tmp_path / "other", seed=8), 3), run)
    shutil.copy(tmp_path / "other" / "model.safetensors", tmp_path / "moved" / "model.safetensors")
    with pytest.raises(ConfigError, match="begun with another content of teacher"):
        train(recipe(tmp_path / "moved", 3), run)
