"""What is shown before a weight is loaded, and what was sampled in a training, on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from typer.testing import CliRunner

from move37.cli import app
from move37.training.algorithms import Needs
from move37.training.memory import memory_of
from move37.training.policy import Policy
from move37.training.recipe import build_algorithm, parse_recipe
from tests.tiny_models import save_model


def run(*words: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dry")
    save_model(folder / "model", initializer_range=0.1)
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps({"question": f"say {word}:", "answer": word}) + "\n" for word in ("a", "bcd"))
    )
    return folder


PROBLEMS = '[problems]\nbenchmark = "jsonl"\npath = "rows.jsonl"\nverifier = "exact"\n'
OWN = '[templates.own]\nchat = true\ntext = "{{ question }} go"\nsystem = "be brief"\n'


def test_a_study_shows_the_prompt_of_each_model_and_samples_nothing(folder: Path) -> None:
    study = folder / "study.toml"
    models = '[models.base]\npath = "model"\n[models.rl]\npath = "model"\ntemplate = "completion"\n'
    settings = '[sampling]\nn = 2\nmax_new_tokens = 9\ntemplate = "own"\n'
    study.write_text('name = "x"\n' + PROBLEMS + settings + models + OWN)
    base, rl = run("sample", str(study), "--dry-run", "--token-ids")["prompts"]
    assert base["text"] == "<s>system: be brief\nuser: say a: go\nassistant: "
    assert (base["tokens"], base["longest"], base["prompts"]) == (len(base["token_ids"]), base["tokens"] + 2, 2)
    assert base["token_ids"].count(0) == 1  # the begin token that the template wrote
    assert (rl["text"], rl["tokens"]) == ("say a:", 7)  # one token per character, behind the begin token
    assert not (folder / "runs").exists()


def test_a_recipe_shows_its_prompt_and_its_memory(folder: Path) -> None:
    recipe = folder / "recipe.toml"
    recipe.write_text('name = "x"\n[model]\npath = "model"\n' + PROBLEMS + '[rollout]\ntemplate = "chat-plain"\n')
    recipe.write_text(recipe.read_text() + "max_new_tokens = 9\n")
    shown = run("train", str(recipe), "--dry-run")
    assert shown["prompts"][0]["text"] == "<s>user: say a:\nassistant: "
    assert shown["prompts"][0]["token_ids"] is None
    assert shown["memory"]["cuda"]["parts"]["weights"] == 4 * shown["memory"]["cuda"]["parameters"]


def test_templates_are_listed_with_their_texts() -> None:
    listed = run("list", "templates")["templates"]
    assert {"qwen-boxed", "chat", "completion"} <= {each["name"] for each in listed}
    assert all("{{ question }}" in each["text"] for each in listed)


CASES: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": {"model": {"precision": "bfloat16"}},
    "a KL to the start": {"loss": {"kl_coefficient": 0.1}},
    "a critic": {"algorithm": {"name": "ppo"}},
    "adapters": {"model": {"lora_rank": 4}},
    "adapters in bfloat16": {"model": {"lora_rank": 4, "precision": "bfloat16"}},
}


@pytest.mark.parametrize("case", CASES)
def test_the_memory_of_weights_and_optimizer_is_what_their_tensors_weigh(case: str, folder: Path) -> None:
    import torch

    if "adapters" in case:
        pytest.importorskip("peft")
    raw: dict[str, Any] = {"name": "x", "model": {"path": str(folder / "model")}, "problems": {"benchmark": "gsm8k"}}
    for key, value in CASES[case].items():
        raw[key] = {**raw.get(key, {}), **value}
    recipe = parse_recipe(raw)
    needs: Needs = build_algorithm(recipe).needs
    policy = Policy(recipe, needs)
    for parameter in [each for group in policy.optimizer.param_groups for each in group["params"]]:
        parameter.grad = torch.zeros_like(parameter)
    policy.optimizer.step()
    models = [policy.model, *([policy.engine.model] if policy.engine.model is not policy.model else [])]
    weighed = [each for model in models for each in model.parameters()]
    if policy._reference is not None:
        weighed += list(policy._reference._model.parameters())
    weighed += [each for part in (policy.critic,) if part is not None for each in part.parameters()]
    weighed += [each.grad for each in weighed if each.grad is not None]
    weighed += [v for state in policy.optimizer.state.values() for name, v in state.items() if name != "step"]
    found = sum(tensor.numel() * tensor.element_size() for tensor in {id(t): t for t in weighed}.values())
    memory = memory_of(recipe, 10)
    expected = sum(size for name, size in memory.parts.items() if name not in ("keys and values", "activations"))
    # A critic has a number in place of each token's logits, so the formula is above it by its head.
    head: Any = policy.model.get_output_embeddings()
    width, vocabulary = head.weight.shape[::-1]
    larger = 16 * (vocabulary * width - width - 1) if policy.critic is not None else 0
    assert found == expected - larger


def test_the_responses_of_a_training_are_shown_by_step(folder: Path, tmp_path: Path) -> None:
    import polars as pl

    from move37.training.samples import COLUMNS, FOLDER

    (tmp_path / FOLDER).mkdir()
    (tmp_path / "recipe.json").write_text("{}")
    row = (
        10,
        0,
        "p/1",
        "say a:",
        ["a"],
        0,
        "A bad\x1b[2J answer",
        0,
        "length",
        3,
        -1.5,
        "incorrect",
        "differs",
        "A",
        0.0,
        -0.7,
    )
    other = (10, 0, "p/1", "say a:", ["a"], 1, "a", 0, "stop", 2, -0.5, "correct", "matches", "a", 1.0, 0.7)
    pl.DataFrame([row, other], schema=dict(COLUMNS), orient="row").write_parquet(
        tmp_path / FOLDER / "step-000010.parquet"
    )
    (step,) = run("show", str(tmp_path))["steps"]
    assert step == {"step": 10, "responses": 2, "prompts": 1, "correct": 1, "unscored": 0, "truncated": 1}
    assert [each["text"] for each in run("show", str(tmp_path), "10", "--outcome", "correct")["samples"]] == ["a"]
    assert len(run("show", str(tmp_path), "10", "--grep", "BAD")["samples"]) == 1
    printed = CliRunner().invoke(app, ["show", str(tmp_path), "10"]).stdout
    assert "advantage -0.7" in printed
    assert "\x1b[2J" not in printed
    refused = CliRunner().invoke(app, ["show", str(tmp_path), "11"])
    assert "no samples of step 11 are kept (steps: 10)" in str(refused.exception)
