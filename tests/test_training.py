"""Training with real models of a few thousand weights: gradients, resuming, every algorithm learning, imitation."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from move37.config import ModelConfig, SamplingConfig  # noqa: E402
from move37.engines.transformers import TransformersEngine  # noqa: E402
from move37.errors import ConfigError, EngineError, InputError, UnknownNameError  # noqa: E402
from move37.training import responses  # noqa: E402
from move37.training.algorithms import ALGORITHMS, Credit, Evidence, Needs  # noqa: E402
from move37.training.batches import Batch, make_batch, plan  # noqa: E402
from move37.training.disjoint import check_disjoint, near_duplicates  # noqa: E402
from move37.training.loop import Order, train  # noqa: E402
from move37.training.policy import Means, Policy, Turn, learning_rate  # noqa: E402
from move37.training.recipe import TrainConfig, load_recipe, parse_recipe  # noqa: E402
from move37.training.responses import Piece, TokenLogprobs  # noqa: E402
from move37.types import Problem, Prompt, Request  # noqa: E402
from tests.tiny_models import VOCABULARY, save_model  # noqa: E402

SIX = ("ppo", "grpo", "reinforce_pp", "rloo", "remax", "dapo")
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights small enough that the first answers are nearly uniform over the alphabet."""
    return save_model(tmp_path_factory.mktemp("policy"), initializer_range=0.1)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Problems whose answer is the letter that is named."""
    path = tmp_path_factory.mktemp("problems") / "letters.jsonl"
    path.write_text("".join(json.dumps({"question": f"say {c}:", "answer": c}) + "\n" for c in "abcd"))
    return path


def recipe_of(
    path: Path, problems: Path, algorithm: str = "grpo", options: dict[str, Any] | None = None, **changes: Any
) -> TrainConfig:
    raw: dict[str, Any] = {
        "name": "letters",
        "steps": 6,
        "algorithm": {"name": algorithm, "options": options or {}},
        "model": {"path": str(path)},
        "problems": {"benchmark": "jsonl", "path": str(problems), "verifier": "exact"},
        "rollout": {"prompts": 4, "responses": 8, "max_new_tokens": 3, "template": "completion"},
        "optimizer": {"learning_rate": 5e-3},
        "verification": {"workers": 1},
    }
    for key, value in changes.items():
        raw[key] = {**raw[key], **value} if isinstance(value, dict) and isinstance(raw.get(key), dict) else value
    return parse_recipe(raw)


def records(folder: Path, kind: str = "step") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


# ---- One gradient, however it is computed


def random_batch(seed: int = 0) -> Batch:
    """Nine responses of 1 to 9 tokens to four prompts of 2 to 6 tokens, with behaviour log-probabilities."""
    generator = torch.Generator().manual_seed(seed)

    def ids(count: int) -> list[int]:
        return torch.randint(3, VOCABULARY, (count,), generator=generator).tolist()

    prompts, groups, lengths = [ids(n) for n in (2, 6, 4, 4)], [0, 0, 1, 1, 1, 2, 2, 3, 3], (1, 9, 3, 5, 5, 2, 8, 4, 4)
    tokens = [ids(n) for n in lengths]
    logprobs = [(-torch.rand(n, generator=generator) - 3).tolist() for n in lengths]
    return make_batch(prompts, groups, tokens, logprobs, [1, 0, 1, 1, 1, 0, 1, 0, 0])


def turn_of(batch: Batch, seed: int = 1) -> Turn:
    """Random credit; groups 1 and 3 (all right, all wrong) have none."""
    generator = torch.Generator().manual_seed(seed)
    advantages = torch.randn(batch.mask_BT.shape, generator=generator) * batch.mask_BT
    advantages[(batch.groups_B == 1) | (batch.groups_B == 3)] = 0
    reference = batch.behaviour_logprobs_BT + 0.1 * torch.randn(batch.mask_BT.shape, generator=generator)
    return Turn(batch, Credit(advantages, advantages + 0.5), batch.behaviour_logprobs_BT, reference, advantages * 0.1)


def gradient_of(policy: Policy, turn: Turn) -> Any:
    policy.optimizer.zero_grad(set_to_none=True)
    policy.accumulate(turn, torch.arange(len(turn.batch)), Means())
    return torch.cat([p.grad.flatten() for p in policy.model.parameters() if p.grad is not None])


def plain_gradient(policy: Policy, turn: Turn) -> Any:
    """Row by row through the whole model, with the formulas written out once more."""
    batch, settings, temperature = turn.batch, policy.recipe.loss, policy.recipe.rollout.temperature
    tokens = int(batch.mask_BT.sum())
    total = torch.zeros(())
    for row in range(len(batch)):
        prompt, length = list(batch.prompts[batch.groups_B[row]]), int(batch.lengths_B[row])
        response = batch.tokens_BT[row, :length]
        logits = policy.model(torch.tensor([prompt + response.tolist()])).logits[0, len(prompt) - 1 : -1] / temperature
        law = logits.log_softmax(-1)
        logprobs = law[torch.arange(length), response]
        ratio = (logprobs - turn.old_logprobs_BT[row, :length]).exp()
        credit = turn.credit.advantages_BT[row, :length]
        loss = -torch.minimum(credit * ratio, credit * ratio.clamp(0.8, 1.2))
        if settings.kl_coefficient:
            assert turn.reference_logprobs_BT is not None
            d = turn.reference_logprobs_BT[row, :length] - logprobs
            loss = loss + settings.kl_coefficient * (d.exp() - d - 1)
        loss = loss + settings.entropy_coefficient * (law.exp() * law).sum(-1)
        total = total + loss.sum() / tokens
    policy.model.zero_grad()
    total.backward()
    return torch.cat([p.grad.flatten() for p in policy.model.parameters() if p.grad is not None])


def relative_error(made: Any, expected: Any) -> float:
    return float((made - expected).norm() / expected.norm())


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral", "bloom"])
def test_the_gradient_is_that_of_reading_every_response_alone(kind: str, tmp_path: Path, letters: Path) -> None:
    model = save_model(tmp_path, kind, initializer_range=0.1)
    loss = {"kl_coefficient": 0.05, "entropy_coefficient": 0.01}
    policy = Policy(recipe_of(model, letters, loss=loss, rollout={"temperature": 0.7}), Needs())
    turn = turn_of(random_batch())
    near = policy.logprobs(turn.batch) + (turn.credit.advantages_BT * 0.1)  # where k3 is not cut off at 10
    turn = replace(turn, reference_logprobs_BT=near)
    assert relative_error(gradient_of(policy, turn), plain_gradient(policy, turn)) < 2e-6


@pytest.mark.parametrize("tokens_at_once", [1, 10, 20, 10_000])
@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("recomputes", [True, False])
def test_the_size_of_micro_batches_skipping_and_recomputing_change_no_gradient(
    llama: Path, letters: Path, tokens_at_once: int, skips: bool, recomputes: bool
) -> None:
    turn = turn_of(random_batch())
    expected = plain_gradient(Policy(recipe_of(llama, letters), Needs()), turn)
    optimizer = {"micro_batch_tokens": tokens_at_once, "skip_zero_advantage": skips}
    changed = recipe_of(llama, letters, optimizer=optimizer, model={"gradient_checkpointing": recomputes})
    assert relative_error(gradient_of(Policy(changed, Needs()), turn), expected) < 1e-6


def test_skipping_leaves_rows_out_and_a_term_for_every_token_brings_them_back(llama: Path, letters: Path) -> None:
    turn = turn_of(random_batch())
    lengths = turn.batch.lengths_B
    for loss, trained in (({}, lengths[[0, 1, 5, 6]].sum()), ({"entropy_coefficient": 0.1}, lengths.sum())):
        policy, means = Policy(recipe_of(llama, letters, loss=loss), Needs()), Means()
        policy.accumulate(turn, torch.arange(9), means)
        assert means.figures()["trained_tokens"] == int(trained)


def test_a_plan_has_every_row_once_and_little_padding() -> None:
    batch = random_batch()
    for most in (1, 9, 16, 1000):
        shards = list(plan(batch, torch.arange(9), most))
        rows = [row for shard in shards for piece in shard.micro_batches for row in piece]
        assert sorted(rows) == list(range(9))
        for shard in shards:
            for piece in shard.micro_batches:
                longest = max(int(batch.lengths_B[row]) for row in piece)
                assert len(piece) == 1 or len(piece) * longest <= most
                assert {int(batch.groups_B[row]) for row in piece} <= set(shard.prompts)


@pytest.mark.parametrize(("kept", "chunk"), [(2**25, 2**23), (0, 7 * 3), (2**25, 7 * 3)])
def test_log_probabilities_and_entropies_have_the_gradient_of_log_softmax(
    kept: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "_KEPT_LOGITS", kept)
    monkeypatch.setattr(responses, "_CHUNK_LOGITS", chunk)
    torch.manual_seed(0)
    hidden, weight, bias = (torch.randn(*shape, dtype=torch.float64) for shape in ((10, 4), (7, 4), (7,)))
    tokens, g, h = torch.randint(7, (10,)), torch.randn(10).double(), torch.randn(10).double()
    leaves = [tensor.requires_grad_() for tensor in (hidden, weight, bias)]
    law = ((hidden @ weight.T + bias) / 0.6).log_softmax(-1)
    entropy = -(law.exp() * law).sum(-1)
    expected = torch.autograd.grad((law[torch.arange(10), tokens] * g).sum() + (entropy * h).sum(), leaves)
    logprobs, entropies = TokenLogprobs.apply(*leaves, tokens, 0.6, True)  # type: ignore[misc]
    made = torch.autograd.grad((logprobs * g).sum() + (entropies * h).sum(), leaves)
    torch.testing.assert_close(logprobs.double(), law[torch.arange(10), tokens], rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(made, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)  # logits are float32 inside


def test_a_shared_and_a_separate_critic_learn_the_same_values_from_the_same_start(llama: Path, letters: Path) -> None:
    made = []
    for shared in (True, False):
        recipe = recipe_of(llama, letters, "ppo", optimizer={"shared_critic": shared})
        policy, means = Policy(recipe, Needs(critic=True)), Means()
        turn = turn_of(random_batch())
        assert policy.values(turn.batch).abs().max() == 0
        policy.accumulate(turn, torch.arange(9), means)
        assert policy.critic is not None
        made.append(policy.critic.output.weight.grad)
    torch.testing.assert_close(made[0], made[1], rtol=1e-5, atol=1e-7)


def test_the_trainer_gives_the_samplers_tokens_the_samplers_log_probabilities(llama: Path, letters: Path) -> None:
    engine = TransformersEngine.load(ModelConfig(path=str(llama), options={"packed": False}))
    sampling = SamplingConfig(n=4, temperature=0.7, top_p=1.0, max_new_tokens=20)
    requests = [Request(Prompt(q, q, (), "completion"), i, 10 * i + len(q)) for q in ("ab", "say d:") for i in range(4)]
    made = sorted(engine.trajectories(requests, sampling), key=lambda t: (t.sample.problem_id, t.sample.index))
    prompts = [engine.encode("ab"), engine.encode("say d:")]
    groups = [0] * 4 + [1] * 4
    batch = make_batch(prompts, groups, [t.token_ids for t in made], [t.logprobs for t in made])
    scored = Policy(recipe_of(llama, letters, rollout={"temperature": 0.7}), Needs()).logprobs(batch)
    torch.testing.assert_close(scored, batch.behaviour_logprobs_BT, rtol=0, atol=2e-5)


def test_a_sampler_that_is_another_model_is_an_error(llama: Path, letters: Path) -> None:
    turn = turn_of(random_batch())  # its behaviour log-probabilities are made up
    with pytest.raises(EngineError, match="sampler and trainer disagree") as caught:
        Policy(recipe_of(llama, letters), Needs()).update(turn, 0)
    assert "\n" not in str(caught.value)


def test_several_updates_use_the_ratio_to_the_start_of_the_step(llama: Path, letters: Path) -> None:
    optimizer = {"epochs": 2, "mini_batches": 2, "max_logprob_gap": 100.0, "learning_rate": 0.05}
    policy = Policy(recipe_of(llama, letters, optimizer=optimizer), Needs())
    turn = turn_of(random_batch())
    turn = Turn(turn.batch, turn.credit, policy.logprobs(turn.batch))
    figures = policy.update(turn, 0)
    assert figures["clip_share"] > 0  # in the first of four updates the ratio is 1; later it is not
    assert figures["trained_tokens"] == 2 * int(turn.batch.lengths_B[[0, 1, 5, 6]].sum())


def test_learning_rates_at_the_corners() -> None:
    def rate(schedule: str, step: int) -> float:
        raw = {"learning_rate": 8.0, "schedule": schedule, "warmup_steps": 4}
        return learning_rate(parse_recipe(MINIMAL | {"optimizer": raw}).optimizer, step, 12)

    assert [rate("constant", s) for s in (0, 3, 4, 11)] == [2.0, 8.0, 8.0, 8.0]
    assert [rate("linear", s) for s in (4, 8, 10)] == [8.0, 4.0, 2.0]
    assert [rate("cosine", s) for s in (4, 8)] == pytest.approx([8.0, 4.0])


# ---- Learning


@pytest.mark.parametrize("algorithm", SIX)
def test_every_algorithm_learns_to_say_the_letter_that_it_is_asked_for(
    algorithm: str, llama: Path, letters: Path, tmp_path: Path
) -> None:
    # A guess is right once in 43; the last steps must be right half of the time (64 responses: chance 1e-30).
    changes: dict[str, Any] = {"rollout": {"responses": 32, "max_new_tokens": 1}, "steps": 50}
    changes["optimizer"] = {"learning_rate": 3e-3}
    options = {"buffer_share": 0.0} if algorithm == "dapo" else {}
    train(recipe_of(llama, letters, algorithm, options=options, **changes), tmp_path)
    accuracy = [record["accuracy"] for record in records(tmp_path)]
    assert sum(accuracy[:2]) / 2 < 0.15
    assert sum(accuracy[-3:]) / 3 > 0.5


# ---- Recipes


MINIMAL: dict[str, Any] = {
    "name": "x",
    "model": {"path": "somewhere"},
    "problems": {"benchmark": "gsm8k"},
}
