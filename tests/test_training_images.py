"""Training with images: gradients are those of a plain computation, six algorithms run, a killed run ends the same."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from move37.engines import token_ids
from move37.errors import ConfigError
from move37.training.algorithms import Advantages, Needs
from move37.training.batches import make_batch
from move37.training.loop import train
from move37.training.policy import Metrics, Policy, merged_weights
from move37.training.recipe import parse_recipe
from move37.training.updates import UpdateBatch
from move37.types import Message, Prompt, TextPart
from tests.tiny_models import save_model
from tests.tiny_vision import picture, save_vision_model

PROBLEMS = {"benchmark": "visual-countdown", "size": 8, "options": {"split": "training"}}
SHOWN = ((40, 24), (24, 40))
"""Sizes of the images of two prompts; the third has none."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vision_model(tmp_path_factory.mktemp("tiny"))


def recipe(folder: Path, **tables: Any) -> Any:
    found: dict[str, Any] = {
        "name": "images",
        "steps": 2,
        "model": {"path": str(folder), "device": "cpu"},
        "problems": PROBLEMS,
        "rollout": {"prompts": 2, "responses": 2, "max_new_tokens": 4, "template": "chat-plain", "refill_rounds": 1},
        "optimizer": {"learning_rate": 1e-3},
    }
    for key, value in tables.items():
        found[key] = {**found[key], **value} if isinstance(found.get(key), dict) and key != "problems" else value
    if found.get("algorithm", {}).get("name") != "dapo":
        found["rollout"].pop("refill_rounds", None)
    return parse_recipe(found)


def prompts(policy: Policy) -> list[Any]:
    asked = []
    for number, size in enumerate((*SHOWN, None)):
        content: tuple[Any, ...] = () if size is None else (picture(*size, seed=number),)
        message = Message("user", (*content, TextPart("ab")))
        asked.append(Prompt(str(number), policy.engine.render_prompt([message]), (), "chat", (message,), rendered=True))
    return [(prompt, token_ids(policy.engine, prompt)) for prompt in asked]


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def plain_gradients(
    folder: Path, asked: list[Any], responses: list[list[int]], weights: list[float]
) -> Mapping[str, Any]:
    """Of minus the weighted log-probabilities per token, a response at a time, by model and processor as they are."""
    model: Any = AutoModelForImageTextToText.from_pretrained(folder)
    processor: Any = AutoProcessor.from_pretrained(folder)
    tokens = sum(map(len, responses))
    for place, (response, weight) in enumerate(zip(responses, weights, strict=True)):
        prompt = asked[place // 2][0]
        shown = [Image.open(BytesIO(image.read())) for image in prompt.images]
        given = processor(
            text=[prompt.text], images=[shown] if shown else None, add_special_tokens=False, return_tensors="pt"
        )
        ids = torch.cat([given.pop("input_ids"), torch.tensor([response])], dim=1)
        given.pop("attention_mask")
        logprobs = model(input_ids=ids, **given).logits[0, -len(response) - 1 : -1].log_softmax(-1)
        chosen = logprobs.gather(1, torch.tensor(response)[:, None]).sum()
        (-weight * chosen / tokens).backward()
    return gradients(model)


@pytest.mark.parametrize(("micro_batch_tokens", "recomputed"), [(8, False), (1024, False), (1024, True), (8, True)])
def test_gradients_are_those_of_a_plain_computation(folder: Path, micro_batch_tokens: int, recomputed: bool) -> None:
    """Also with gradient checkpointing, where a response is read with its prompt and its images."""
    settings = {"gradient_checkpointing": recomputed}
    policy = Policy(recipe(folder, optimizer={"micro_batch_tokens": micro_batch_tokens}, model=settings), Needs())
    asked = prompts(policy)
    responses = [[50, 51, 52], [50, 53], [54], [50, 51, 1], [55, 56], [57, 58, 59, 1]]
    weights = [1.0, -0.5, 2.0, 0.7, -1.2, 0.4]
    batch = make_batch([ids for _, ids in asked], [0, 0, 1, 1, 2, 2], responses)
    old_BT = policy.logprobs(batch)
    batch = make_batch(
        batch.prompts,
        [0, 0, 1, 1, 2, 2],
        responses,
        [row[: len(r)].tolist() for row, r in zip(old_BT, responses, strict=True)],
    )
    advantages_BT = torch.tensor(weights)[:, None] * batch.own_BT
    policy.accumulate(UpdateBatch(batch, Advantages(advantages_BT), old_BT), torch.arange(6), Metrics(), is_first=True)
    ours, plain = gradients(policy.model), plain_gradients(folder, asked, responses, weights)
    assert any("vision_model" in name for name in ours)
    assert plain.keys() <= ours.keys()
    for name, wanted in plain.items():
        assert torch.allclose(ours[name], wanted, atol=1e-6, rtol=1e-4), name


def test_other_images_have_other_probabilities(folder: Path) -> None:
    policy = Policy(recipe(folder), Needs())
    message = [Message("user", (picture(32, 32, seed), TextPart("a"))) for seed in (1, 2)]
    asked = [
        Prompt(str(i), policy.engine.render_prompt([m]), (), "chat", (m,), rendered=True) for i, m in enumerate(message)
    ]
    ids = [token_ids(policy.engine, prompt) for prompt in asked]
    assert tuple(ids[0]) == tuple(ids[1])
    one, two = policy.logprobs(make_batch(ids, [0, 1], [[50, 51]] * 2))
    assert (one - two).abs().max() > 1e-4


ALGORITHMS = ("grpo", "ppo", "reinforce_pp", "rloo", "remax", "dapo")


@pytest.mark.slow
@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_trains_on_images(folder: Path, tmp_path: Path, name: str) -> None:
    trained = train(
        recipe(folder, algorithm={"name": name}, steps=1, loss={"kl_coefficient": 0.1} if name == "grpo" else {}),
        tmp_path / "run",
    )
    model = AutoModelForImageTextToText.from_pretrained(trained.model)
    assert model.num_parameters() > 0
    assert AutoProcessor.from_pretrained(trained.model).image_processor.size["longest_edge"] == 32


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_with_the_same_weights(folder: Path, tmp_path: Path) -> None:
    """With a reward that moves the weights: any response of an even length is right."""
    own = {"verifier": f"{_grader(tmp_path)}:even"}
    asked = recipe(folder, problems={**PROBLEMS, **own}, steps=3, checkpoints={"every": 1})
    whole = train(asked, tmp_path / "whole")
    short = recipe(folder, problems={**PROBLEMS, **own}, steps=1, checkpoints={"every": 1})
    train(short, tmp_path / "stopped")
    again = train(asked, tmp_path / "stopped")
    one, two = ((each.model / "model.safetensors").read_bytes() for each in (whole, again))
    assert one == two
    assert one != (folder / "model.safetensors").read_bytes()
    steps = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert any(step.get("gradient_norm", 0) > 0 for step in steps)


def _grader(tmp_path: Path) -> Path:
    file = tmp_path / "even.py"
    file.write_text("def even(problem, answer):\n    return len(answer) % 2 == 0\n")
    return file


@pytest.mark.slow
def test_a_frozen_tower_stays_and_the_rest_learns(folder: Path, tmp_path: Path) -> None:
    for settings in ({"freeze_vision": True}, {"freeze_vision": True, "lora_rank": 2}, {"lora_rank": 2}):
        policy = Policy(recipe(folder, model=settings), Needs())
        asked = prompts(policy)
        batch = make_batch([ids for _, ids in asked], [0, 1, 2], [[50, 51], [52], [53, 54]])
        before = {name: each.clone() for name, each in merged_weights(policy.model, policy.recipe.model).items()}
        update = UpdateBatch(
            batch, Advantages(torch.ones_like(policy.logprobs(batch)) * batch.own_BT), policy.logprobs(batch)
        )
        policy.optimizer.zero_grad()
        policy.accumulate(update, torch.arange(3), Metrics())
        for _ in range(2):  # the first step of an adapter moves half of it
            policy.step(Metrics())
        after = merged_weights(policy.model, policy.recipe.model)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert any("text_model" in name for name in moved)
        assert any("vision_model" in name for name in moved) == ("freeze_vision" not in settings), settings
        policy.save(tmp_path / "kept")
        policy.save_tokenizer(tmp_path / "kept")
        assert AutoModelForImageTextToText.from_pretrained(tmp_path / "kept").num_parameters() > 0


@pytest.mark.slow
def test_right_answers_to_pictures_are_imitated_and_learnt(folder: Path, tmp_path: Path) -> None:
    found = recipe(folder).model_dump(mode="json", exclude_unset=True)
    found |= {
        "algorithm": {"name": "imitation"},
        "imitation": {"problems": {**found.pop("problems")[0], "size": 4}, "examples": 4},
        "steps": 3,
        "optimizer": {"learning_rate": 1e-2},
    }
    train(parse_recipe(found), tmp_path / "run")
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0]


def test_what_cannot_be_done_with_images_is_refused(folder: Path, tmp_path: Path) -> None:
    policy = Policy(recipe(folder, model={"gradient_checkpointing": True}), Needs())
    ids, mark = prompts(policy)[0][1], policy.model.config.image_token_id
    with pytest.raises(ConfigError, match=r"model\.gradient_checkpointing: a response holds the model's own mark"):
        policy.logprobs(make_batch([ids], [0], [[50, mark, 51]]))
    with pytest.raises(ConfigError, match=r"model\.freeze_vision: the model has no vision tower"):
        Policy(recipe(save_model(tmp_path), model={"freeze_vision": True}), Needs())
