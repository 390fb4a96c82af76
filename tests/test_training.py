"""Training with real models of a few thousand weights: gradients, resuming, every algorithm learning, imitation."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from move37.config import ModelConfig, SamplingConfig  # noqa: E402
from move37.engines import Completion  # noqa: E402
from move37.engines.scripted import ScriptedEngine  # noqa: E402
from move37.engines.transformers import TransformersEngine  # noqa: E402
from move37.errors import (  # noqa: E402
    ConfigError,
    EngineError,
    InputError,
    MissingExtraError,
    StoreError,
    UnknownNameError,
    VerifierError,
)
from move37.evidence import RunEvidence  # noqa: E402
from move37.training import responses  # noqa: E402
from move37.training.algorithms import Advantages, Needs  # noqa: E402
from move37.training.batches import Batch, Rollout, batch_of, make_batch  # noqa: E402
from move37.training.checkpoints import RunFolder  # noqa: E402
from move37.training.curricula.uniform import Uniform  # noqa: E402
from move37.training.disjoint import check_disjoint, near_duplicates  # noqa: E402
from move37.training.loop import Trainer, train  # noqa: E402
from move37.training.micro_batches import plan, shared_states  # noqa: E402
from move37.training.policy import Metrics, Policy, UpdateBatch, learning_rate  # noqa: E402
from move37.training.recipe import TrainConfig, load_recipe, parse_recipe  # noqa: E402
from move37.training.records import Recorder, Silent, sampling_figures, why_no_update  # noqa: E402
from move37.training.responses import TokenLogprobs  # noqa: E402
from move37.types import FinishReason, Outcome, Problem, Prompt, Request, Sample, Verdict  # noqa: E402
from move37.verification import VerifierPool  # noqa: E402
from tests import plain_training  # noqa: E402
from tests.plain_training import Constants  # noqa: E402
from tests.tiny_models import VOCABULARY, save_model  # noqa: E402

pytestmark = pytest.mark.usefixtures("kept_workers", "one_thread")

SIX = ("ppo", "grpo", "reinforce_pp", "rloo", "remax", "dapo")
ROOT = Path(__file__).parents[1]
SEQUENCE = {"ratio": "sequence", "aggregation": "seq-mean-token-mean"}
OPD = {"name": "on_policy_distillation"}
MINIMAL: dict[str, Any] = {"name": "x", "model": {"path": "somewhere"}, "problems": {"benchmark": "gsm8k"}}


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
    path: Path, file: Path, algorithm: str = "grpo", options: dict[str, Any] | None = None, **changes: Any
) -> TrainConfig:
    raw: dict[str, Any] = {
        "name": "letters",
        "steps": 6,
        "algorithm": {"name": algorithm, "options": options or {}},
        "model": {"path": str(path)},
        "problems": {"benchmark": "jsonl", "path": str(file), "verifier": "exact"},
        "rollout": {"prompts": 4, "responses": 8, "max_new_tokens": 3, "template": "completion"},
        "optimizer": {"learning_rate": 5e-3},
        "verification": {"workers": 1},
    }
    if algorithm == "imitation":
        del raw["problems"]
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


def alike_batch(seed: int = 0) -> Batch:
    """Thirty responses of 1 to 7 of two tokens to three prompts: equal ones, beginnings of others, and some apart."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 8, (30,), generator=generator).tolist()
    tokens = [torch.randint(3, 5, (length,), generator=generator).tolist() for length in lengths]
    groups = [*range(3), *torch.randint(3, (27,), generator=generator).tolist()]
    return make_batch([[3, 4], [4, 4, 3, 3, 3], [3]], groups, tokens)


def update_batch_of(batch: Batch, seed: int = 1) -> UpdateBatch:
    """Random advantages; groups 1 and 3 (all right, all wrong) have none."""
    generator = torch.Generator().manual_seed(seed)
    advantages = torch.randn(batch.own_BT.shape, generator=generator) * batch.own_BT
    advantages[(batch.groups_B == 1) | (batch.groups_B == 3)] = 0
    reference = batch.behaviour_logprobs_BT + 0.1 * torch.randn(batch.own_BT.shape, generator=generator)
    return UpdateBatch(
        batch, Advantages(advantages, advantages + 0.5), batch.behaviour_logprobs_BT, reference, advantages * 0.1
    )


def gradient_of(policy: Policy, update: UpdateBatch) -> Any:
    policy.optimizer.zero_grad(set_to_none=True)
    policy.accumulate(update, torch.arange(len(update.batch), device=policy.device), Metrics())
    return plain_training.gradient_held(policy)


def plain_gradient(policy: Policy, update: UpdateBatch) -> Any:
    """Row by row through the whole model, with the formulas written out once more (tests/plain_training.py)."""
    batch, reference = update.batch, update.reference_logprobs_BT
    old, advantages, reference = (
        None if each is None else [each[row, : batch.lengths_B[row]] for row in range(len(batch))]
        for each in (update.old_logprobs_BT, update.advantages.advantages_BT, reference)
    )
    assert old is not None
    assert advantages is not None
    return plain_training.plain_gradient(policy, batch, Constants(old, advantages, reference), list(range(len(batch))))


def relative_error(made: Any, expected: Any) -> float:
    return float((made - expected).norm() / expected.norm())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "gpt2", "mistral", "bloom"])
def test_the_gradient_is_that_of_reading_every_response_alone(kind: str, tmp_path: Path, letters: Path) -> None:
    model = save_model(tmp_path, kind, initializer_range=0.1)
    loss = {"kl_coefficient": 0.05, "entropy_coefficient": 0.01}
    policy = Policy(recipe_of(model, letters, loss=loss, rollout={"temperature": 0.7}), Needs())
    update = update_batch_of(random_batch())
    near = policy.logprobs(update.batch) + (update.advantages.advantages_BT * 0.1)  # where k3 is not cut off at 10
    update = replace(update, reference_logprobs_BT=near)
    assert relative_error(gradient_of(policy, update), plain_gradient(policy, update)) < 2e-6


def test_a_trunk_that_takes_no_cache_is_refused_unless_prompts_are_read_with_every_response(
    tmp_path: Path, letters: Path
) -> None:
    model = save_model(tmp_path, "openai-gpt")
    policy = Policy(recipe_of(save_model(tmp_path / "llama"), letters), Needs())
    from transformers import AutoModelForCausalLM

    from move37.training.backbones import backbone_of

    assert backbone_of(policy.model, None).shares
    with pytest.raises(
        EngineError, match="OpenAIGPTLMHeadModel: its backbone takes no cache.*gradient_checkpointing = true"
    ):
        backbone_of(AutoModelForCausalLM.from_pretrained(model), None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "qwen3", "mistral"])  # written out, and by its own forward
def test_products_in_bfloat16_round_the_gradient_of_float32_weights_and_no_more(
    kind: str, tmp_path: Path, letters: Path
) -> None:
    """A product rounds by 2^-9 = .002; a dozen in a row and their backward by a few times that."""
    model = save_model(tmp_path, kind, initializer_range=0.1)
    exact, rounded = (
        Policy(recipe_of(model, letters, model={"path": str(model), "precision": precision}), Needs())
        for precision in ("float32", "bfloat16")
    )
    update = update_batch_of(random_batch())
    update = replace(update, batch=replace(update.batch, behaviour_logprobs_BT=exact.logprobs(update.batch)))
    update = replace(update, old_logprobs_BT=update.batch.behaviour_logprobs_BT)
    assert {parameter.dtype for parameter in rounded.model.parameters()} == {torch.float32}
    assert 1e-4 < relative_error(gradient_of(rounded, update), gradient_of(exact, update)) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("tokens_at_once", [1, 10, 20, 10_000])
@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("recomputes", [True, False])
def test_the_size_of_micro_batches_skipping_and_recomputing_change_no_gradient(
    llama: Path, letters: Path, tokens_at_once: int, skips: bool, recomputes: bool
) -> None:
    update = update_batch_of(random_batch())
    expected = plain_gradient(Policy(recipe_of(llama, letters), Needs()), update)
    optimizer = {"micro_batch_tokens": tokens_at_once, "skip_zero_advantage": skips}
    changed = recipe_of(llama, letters, optimizer=optimizer, model={"gradient_checkpointing": recomputes})
    assert relative_error(gradient_of(Policy(changed, Needs()), update), expected) < 1e-6


def test_skipping_leaves_rows_out_and_a_term_for_every_token_brings_them_back(llama: Path, letters: Path) -> None:
    update = update_batch_of(random_batch())
    lengths = update.batch.lengths_B
    for loss, trained in (({}, lengths[[0, 1, 5, 6]].sum()), ({"entropy_coefficient": 0.1}, lengths.sum())):
        policy, metrics = Policy(recipe_of(llama, letters, loss=loss), Needs()), Metrics()
        policy.accumulate(update, torch.arange(9), metrics)
        assert metrics.figures()["trained_tokens"] == int(trained)


@pytest.mark.slow
@pytest.mark.parametrize("tokens_at_once", [1, 12, 10_000])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_responses_that_begin_alike_have_the_gradient_of_each_alone(
    kind: str, tokens_at_once: int, tmp_path: Path, letters: Path
) -> None:
    model = save_model(tmp_path, kind, initializer_range=0.1)
    policy = Policy(recipe_of(model, letters, optimizer={"micro_batch_tokens": tokens_at_once}), Needs())
    batch = alike_batch()
    batch = replace(batch, behaviour_logprobs_BT=policy.logprobs(batch))
    update = update_batch_of(batch)
    for row in range(len(batch)):  # scored together as if each were alone
        own = make_batch(
            [batch.prompts[batch.groups_B[row]]], [0], [batch.tokens_BT[row, : batch.lengths_B[row]].tolist()]
        )
        alone = policy.logprobs(own)[0]
        torch.testing.assert_close(alone, batch.behaviour_logprobs_BT[row, : len(alone)], rtol=0, atol=1e-6)
    assert relative_error(gradient_of(policy, update), plain_gradient(policy, update)) < 2e-6


@pytest.mark.parametrize("seed", range(5))
def test_a_state_is_shared_with_the_row_before_exactly_where_prompt_and_tokens_agree(seed: int) -> None:
    batch = alike_batch(seed)
    (group,) = plan(batch, torch.arange(30), 10_000, shares=True)
    (rows,) = group.micro_batches
    order = torch.tensor(rows)
    groups, tokens, mask = batch.groups_B[order], batch.tokens_BT[order], batch.present_BT[order]
    places, first, again = shared_states(groups, tokens, mask)
    behind: dict[tuple[int, ...], int] = {}
    for row, column in torch.nonzero(mask[:, 1:]).tolist():
        text = (int(groups[row]), *tokens[row, : column + 1].tolist())
        assert behind.setdefault(text, int(places[row, column])) == int(places[row, column])
    assert len(behind) == len(first) < int(mask[:, 1:].sum())  # sorted, so nothing is computed twice
    assert places.flatten()[first].tolist() == list(range(len(first)))
    assert sorted([*first.tolist(), *again.tolist()]) == mask[:, 1:].flatten().nonzero()[:, 0].tolist()


def test_a_shared_plan_has_every_row_once_and_counts_what_is_computed() -> None:
    batch = alike_batch()
    for most in (1, 9, 16, 1000):
        micro_batches = [
            rows for group in plan(batch, torch.arange(30), most, shares=True) for rows in group.micro_batches
        ]
        assert sorted(row for rows in micro_batches for row in rows) == list(range(30))
        for rows in map(list, micro_batches):
            groups, tokens, mask = batch.groups_B[rows], batch.tokens_BT[rows], batch.present_BT[rows]
            assert len(rows) == 1 or len(shared_states(groups, tokens, mask).first_M) <= most
    whole = sum(len(group.micro_batches) for group in plan(batch, torch.arange(30), 40, shares=True))
    assert whole < sum(len(group.micro_batches) for group in plan(batch, torch.arange(30), 40, shares=False))


@pytest.mark.parametrize("shares", [True, False])
def test_short_responses_to_a_long_prompt_are_not_all_read_at_once(shares: bool) -> None:
    """Each has a copy of the prompt's keys and values: 8 * 64 columns hold five rows of 99 + 2, 8 * 26 two."""
    prompts = [list(range(99)), [1] * 98]
    batch = make_batch(prompts, [row % 2 for row in range(40)], [[3, 3]] * 39 + [[4]])
    for most, rows in ((64, 5), (26, 2), (8, 1)):
        micro_batches = [rows for group in plan(batch, torch.arange(40), most, shares) for rows in group.micro_batches]
        assert sorted(row for rows in micro_batches for row in rows) == list(range(40))
        assert max(map(len, micro_batches)) == rows


def test_a_plan_has_every_row_once_and_little_padding() -> None:
    batch = random_batch()
    for most in (1, 9, 16, 1000):
        groups = list(plan(batch, torch.arange(9), most, shares=False))
        rows = [row for group in groups for micro_batch in group.micro_batches for row in micro_batch]
        assert sorted(rows) == list(range(9))
        for group in groups:
            for micro_batch in group.micro_batches:
                longest = max(int(batch.lengths_B[row]) for row in micro_batch)
                assert len(micro_batch) == 1 or len(micro_batch) * longest <= most
                assert {int(batch.groups_B[row]) for row in micro_batch} <= set(group.prompts)


@pytest.mark.parametrize(("kept", "chunk"), [(2**25, 2**23), (0, 7 * 3), (2**25, 7 * 3)])
def test_log_probabilities_and_entropies_have_the_gradient_of_log_softmax(
    kept: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "_KEPT_LOGITS", kept)
    monkeypatch.setattr(responses, "_CHUNK_LOGITS", {"cpu": chunk})
    torch.manual_seed(0)
    hidden, weight, bias = (torch.randn(*shape, dtype=torch.float64) for shape in ((10, 4), (7, 4), (7,)))
    tokens, g, h = torch.randint(7, (10,)), torch.randn(10).double(), torch.randn(10).double()
    leaves = [tensor.requires_grad_() for tensor in (hidden, weight, bias)]
    distribution = ((hidden @ weight.T + bias) / 0.6).log_softmax(-1)
    entropy = -(distribution.exp() * distribution).sum(-1)
    expected = torch.autograd.grad((distribution[torch.arange(10), tokens] * g).sum() + (entropy * h).sum(), leaves)
    logprobs, entropies = TokenLogprobs.apply(*leaves, tokens, 0.6, True)  # type: ignore[misc]
    made = torch.autograd.grad((logprobs * g).sum() + (entropies * h).sum(), leaves)
    torch.testing.assert_close(logprobs.double(), distribution[torch.arange(10), tokens], rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(made, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)  # logits are float32 inside


def test_a_shared_and_a_separate_critic_learn_the_same_values_from_the_same_start(llama: Path, letters: Path) -> None:
    made = []
    for shared in (True, False):
        recipe = recipe_of(llama, letters, "ppo", optimizer={"shared_critic": shared})
        policy, metrics = Policy(recipe, Needs(critic=True)), Metrics()
        update = update_batch_of(random_batch())
        assert policy.values(update.batch).abs().max() == 0
        policy.accumulate(update, torch.arange(9), metrics)
        assert policy.critic is not None
        made.append(policy.critic.output.weight.grad)
    torch.testing.assert_close(made[0], made[1], rtol=1e-5, atol=1e-7)


def test_the_trainer_gives_the_samplers_tokens_the_samplers_log_probabilities(llama: Path, letters: Path) -> None:
    engine = TransformersEngine.load(ModelConfig(path=str(llama), options={"packed": False}))
    sampling = SamplingConfig(n=4, temperature=0.7, top_p=1.0, max_new_tokens=20)
    requests = [Request(Prompt(q, q, (), "completion"), i, 10 * i + len(q)) for q in ("ab", "say d:") for i in range(4)]
    made = sorted(engine.completions(requests, sampling), key=lambda t: (t.sample.problem_id, t.sample.index))
    prompts = [engine.encode("ab"), engine.encode("say d:")]
    groups = [0] * 4 + [1] * 4
    batch = make_batch(prompts, groups, [t.token_ids for t in made], [t.logprobs for t in made])
    scored = Policy(recipe_of(llama, letters, rollout={"temperature": 0.7}), Needs()).logprobs(batch)
    torch.testing.assert_close(scored, batch.behaviour_logprobs_BT, rtol=0, atol=2e-5)


def test_a_sampler_that_is_another_model_is_an_error(llama: Path, letters: Path) -> None:
    update = update_batch_of(random_batch())  # its behaviour log-probabilities are made up
    with pytest.raises(EngineError, match="sampler and trainer disagree") as caught:
        Policy(recipe_of(llama, letters), Needs()).update(update, 0)
    assert "\n" not in str(caught.value)


def test_a_log_probability_that_is_no_number_is_a_disagreement_too(llama: Path, letters: Path) -> None:
    policy, update = Policy(recipe_of(llama, letters), Needs()), update_batch_of(random_batch())
    behaviour = policy.logprobs(update.batch)
    behaviour[6, 2] = float("nan")  # a row with an advantage
    update = replace(update, batch=replace(update.batch, behaviour_logprobs_BT=behaviour), old_logprobs_BT=behaviour)
    with pytest.raises(EngineError, match="disagree by nan"):
        policy.update(update, 0)


def test_a_gradient_that_is_not_finite_ends_the_run_with_one_line(llama: Path, letters: Path) -> None:
    policy = Policy(recipe_of(llama, letters), Needs())
    next(policy.model.parameters()).grad = torch.full_like(next(policy.model.parameters()), float("inf"))
    before = {name: value.clone() for name, value in policy.model.state_dict().items()}
    with pytest.raises(EngineError, match="gradient of the policy is not finite: training has diverged") as caught:
        policy.step(Metrics())
    assert "\n" not in str(caught.value)
    assert same(before, policy.model.state_dict())


def test_several_updates_use_the_ratio_to_the_start_of_the_step(llama: Path, letters: Path) -> None:
    optimizer = {"epochs": 2, "mini_batches": 2, "max_logprob_gap": 100.0, "learning_rate": 0.05}
    policy = Policy(recipe_of(llama, letters, optimizer=optimizer), Needs())
    update = update_batch_of(random_batch())
    update = UpdateBatch(update.batch, update.advantages, policy.logprobs(update.batch))
    figures = policy.update(update, 0)
    assert figures["clip_share"] > 0  # in the first of four updates the ratio is 1; later it is not
    assert figures["trained_tokens"] == 2 * int(update.batch.lengths_B[[0, 1, 5, 6]].sum())


def test_learning_rates_at_the_corners() -> None:
    def rate(schedule: str, step: int) -> float:
        raw = {"learning_rate": 8.0, "schedule": schedule, "warmup_steps": 4}
        return learning_rate(parse_recipe(MINIMAL | {"optimizer": raw}).optimizer, step, 12)

    assert [rate("constant", s) for s in (0, 3, 4, 11)] == [2.0, 8.0, 8.0, 8.0]
    assert [rate("linear", s) for s in (4, 8, 10)] == [8.0, 4.0, 2.0]
    assert [rate("cosine", s) for s in (4, 8)] == pytest.approx([8.0, 4.0])


# ---- Learning


@pytest.mark.slow
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


def load(text: str, folder: Path) -> TrainConfig:
    (folder / "recipe.toml").write_text(text)
    return load_recipe(folder / "recipe.toml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stepz": 3}, "did you mean 'steps'"),
        ({"rollout": {"temperature": 0}}, "rollout.temperature"),
        ({"problems": []}, "nothing to train on"),
        ({"loss": {"ratio": "sequence"}}, "seq-mean-token-mean"),
        ({"loss": {"kl_coefficient": 0.1, "kl_estimator": "k1"}}, "no gradient on average"),
        ({"algorithm": {"name": "grpo", "options": {"epsilonn": 1}}}, "did you mean 'epsilon'"),
        ({"algorithm": {"name": "imitation"}}, "[imitation] table"),
        ({"algorithm": {"name": "on_policy_distillation"}}, "needs a teacher"),
        ({"teacher": "x"}, "nothing else takes one"),
        ({"evaluation": {"problems": {"benchmark": "gsm8k"}, "n": 4}}, "at least 8 samples"),
        ({"evaluation": {"problems": {"benchmark": "gsm8k"}, "k": [0]}}, "evaluation.k"),
        ({"optimizer": {"betas": [0.9, 1.0]}}, "optimizer.betas"),
        ({"algorithm": {"name": "dapo"}, "rollout": {"responses": 1}}, "needs a right and a wrong response"),
        ({"algorithm": {"name": "ppo"}, "loss": SEQUENCE}, "ppo credits every token"),
        ({"algorithm": OPD, "teacher": "x", "loss": SEQUENCE}, "on_policy_distillation credits every token"),
        ({"algorithm": OPD, "teacher": "x", "loss": {"kl_coefficient": 1, "kl_in": "reward"}}, "reads no rewards"),
        ({"algorithm": {"name": "imitation"}, "imitation": {"file": "x"}}, "imitation samples none"),
        ({"algorithm": {"name": "reinforce_pp", "options": {"baseline": True, "gamma": 0.9}}}, "nothing is discounted"),
        ({"algorithm": {"name": "grpo", "options": {"scale": "none", "ddof": 0}}}, "divides by nothing"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_key(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match="recipe: ") as caught:
        parse_recipe(MINIMAL | changes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


IMITATES: dict[str, Any] = {"problems": [], "algorithm": {"name": "imitation"}, "imitation": {"file": "x"}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"path": "x", "lora_alpha": 8}}, "model.lora_alpha would change nothing, as there are no adapters"),
        ({"loss": {"kl_in": "reward"}}, "loss.kl_in would change nothing, as the KL has no weight"),
        ({"loss": {"kl_estimator": "k2"}}, "loss.kl_estimator would change nothing"),
        ({"optimizer": {"shared_critic": True}}, "grpo has no critic (ppo has)"),
        ({"optimizer": {"critic_learning_rate": 1e-5}}, "grpo has no critic"),
        ({"loss": {"value_clip": 0.2}}, "grpo has no critic"),
        ({"algorithm": {"name": "ppo"}, "loss": {"value_coefficient": 0.5}}, "(optimizer.shared_critic)"),
        ({"rollout": {"refill_rounds": 3}}, "grpo refills no groups (dapo does)"),
        ({"evaluation": {"n": 16}}, "evaluation.n would change nothing, as there is nothing to evaluate on"),
        (IMITATES | {"loss": {"clip_high": 0.3}}, "loss.clip_high would change nothing, as imitation samples nothing"),
        (IMITATES | {"optimizer": {"epochs": 2}}, "optimizer.epochs would change nothing"),
        (IMITATES | {"records": {"kl_every": 5}}, "records.kl_every would change nothing"),
    ],
)
def test_a_setting_that_nothing_would_read_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match="^recipe: ") as caught:
        parse_recipe(MINIMAL | changes)
    assert words in str(caught.value)
    assert str(caught.value).endswith("; leave it out")


def test_settings_that_are_read_and_those_at_their_defaults_are_accepted() -> None:
    critic = {"shared_critic": True, "critic_learning_rate": 1e-5}
    loss = {"value_clip": 0.2, "value_coefficient": 0.5, "kl_coefficient": 0.1, "kl_in": "reward"}
    parse_recipe(MINIMAL | {"algorithm": {"name": "ppo"}, "optimizer": critic, "loss": loss})
    parse_recipe(MINIMAL | {"algorithm": {"name": "dapo"}, "rollout": {"refill_rounds": 3}})
    parse_recipe(MINIMAL | {"rollout": {"refill_rounds": 8}})  # as recipe.json writes every default out
    parse_recipe(IMITATES | {"name": "x", "model": {"path": "x", "lora_rank": 2, "lora_alpha": 3}})


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'grpo'.*ppo, grpo, reinforce_pp, rloo, remax, dapo"):
        parse_recipe(MINIMAL | {"algorithm": {"name": "grop"}})
    with pytest.raises(UnknownNameError, match="unknown environment 'tools' .known: single_turn, calculator, python."):
        parse_recipe(MINIMAL | {"rollout": {"environment": "tools"}})


def test_dapo_brings_its_own_loss_unless_the_recipe_says_otherwise() -> None:
    dapo = {"algorithm": {"name": "dapo"}}
    assert parse_recipe(MINIMAL | dapo).loss.clip_high == 0.28
    assert parse_recipe(MINIMAL | dapo | {"loss": {"clip_high": 0.3}}).loss.clip_high == 0.3
    assert parse_recipe(MINIMAL).loss.clip_high == 0.2
    assert parse_recipe(MINIMAL).loss.dual_clip is None


def test_paths_in_a_recipe_are_relative_to_it_and_must_be_there(tmp_path: Path, letters: Path) -> None:
    text = 'name = "x"\nmodel.path = "./nowhere"\nproblems = {benchmark = "gsm8k"}'
    with pytest.raises(ConfigError, match=r"model\.path: no such file or folder"):
        load(text, tmp_path)
    (tmp_path / "nowhere").mkdir()
    assert load(text, tmp_path).model.path == str(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="no such recipe"):
        load_recipe(tmp_path / "other.toml")


# ---- A run


def weights_of(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    newest = max((folder / "checkpoints").iterdir())
    return load_file(newest / "model.safetensors")


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", SIX)
def test_a_run_that_was_stopped_after_a_step_ends_with_the_same_weights(
    algorithm: str, llama: Path, letters: Path, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {
        "steps": 5,
        "checkpoints": {"every": 2},
        "rollout": {"max_new_tokens": 1, **({"refill_rounds": 2} if algorithm == "dapo" else {})},
        "loss": {"kl_coefficient": 0.01, "kl_in": "reward"},
    }
    stopped: dict[str, Any] = changes | {"steps": 1 + SIX.index(algorithm) % 4}
    train(recipe_of(llama, letters, algorithm, **changes), tmp_path / "whole")
    train(recipe_of(llama, letters, algorithm, **stopped), tmp_path / "stopped")
    (tmp_path / "stopped" / "log.jsonl").open("a").write('{"kind": "step", "step": 99')  # killed while it wrote
    train(recipe_of(llama, letters, algorithm, **changes), tmp_path / "stopped")
    assert same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "stopped"))
    timeless = [
        [{k: v for k, v in record.items() if not k.startswith("seconds")} for record in records(tmp_path / name)]
        for name in ("whole", "stopped")
    ]
    assert timeless[0] == timeless[1]
    assert not same(weights_of(tmp_path / "whole"), {k: v + 1 for k, v in weights_of(tmp_path / "whole").items()})


@pytest.mark.slow
def test_a_run_folder_of_another_recipe_is_refused(llama: Path, letters: Path, tmp_path: Path) -> None:
    train(recipe_of(llama, letters, steps=1), tmp_path)
    with pytest.raises(ConfigError, match="begun with another seed"):
        train(recipe_of(llama, letters, steps=2, seed=1), tmp_path)
    assert train(recipe_of(llama, letters, steps=2), tmp_path).steps == 2
    with pytest.raises(ConfigError, match="begun with another verification"):
        train(recipe_of(llama, letters, steps=2, verification={"timeout_seconds": 5}), tmp_path)
    assert train(recipe_of(llama, letters, steps=2, verification={"workers": 2}), tmp_path).steps == 2


@pytest.mark.slow
def test_an_algorithm_in_a_file_is_known_by_its_content(llama: Path, letters: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    code = "from move37.training.algorithms.rloo import RLOO\n\nclass Mine(RLOO):\n    pass\n"
    file.write_text(code)
    recipe = recipe_of(llama, letters, f"{file}:Mine", steps=1)
    train(recipe, tmp_path / "run")
    file.write_text(code + "\n# Another idea.\n")
    with pytest.raises(ConfigError, match=r"another content of the file that algorithm\.name names; continue"):
        train(recipe.model_copy(update={"steps": 2}), tmp_path / "run")
    file.write_text(code)
    assert train(recipe.model_copy(update={"steps": 2}), tmp_path / "run").steps == 2


@pytest.mark.slow
def test_fewer_steps_than_were_done_give_the_model_of_those_that_were_done(
    llama: Path, letters: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"checkpoints": {"every": 2}}
    train(recipe_of(llama, letters, steps=4, **settings), tmp_path)
    (tmp_path / "checkpoints").rename(tmp_path / "gone")  # as if killed after the state of step 4 of more was saved
    made = train(recipe_of(llama, letters, steps=3, **settings), tmp_path)
    assert made.steps == 4
    assert same(weights_of_folder(made.model), weights_of_folder(tmp_path / "gone" / "step-000004"))


def test_a_file_where_the_run_folder_should_be_is_named(llama: Path, letters: Path) -> None:
    with pytest.raises(StoreError, match="a file, not a folder"):
        train(recipe_of(llama, letters), letters)


def test_every_checkpoint_is_a_folder_that_the_engine_loads_and_samples_as_training_did(
    llama: Path, letters: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(llama, letters, steps=4, checkpoints={"every": 2, "keep_every": 2})
    done = train(recipe, tmp_path)
    folders = sorted((tmp_path / "checkpoints").iterdir())
    assert [folder.name for folder in folders] == ["step-000002", "step-000004"]
    assert done.model == folders[-1]
    assert len(list((tmp_path / "state").iterdir())) == 1
    about = json.loads((folders[0] / "move37.json").read_text())
    assert about == {"step": 2, "algorithm": "grpo", "seed": 0, "start": str(llama)}
    engine = TransformersEngine.load(ModelConfig(path=str(folders[-1])))
    sampling = SamplingConfig(n=2, temperature=1.0, top_p=1.0, max_new_tokens=5)
    assert len(list(engine.generate([Request(Prompt("p", "say a:", (), "x"), i, i) for i in range(2)], sampling))) == 2


def test_a_step_records_what_a_reader_of_the_log_needs(llama: Path, letters: Path, tmp_path: Path) -> None:
    evaluation = {"problems": {"benchmark": "jsonl", "path": str(other_letters(tmp_path)), "verifier": "exact"}}
    changes: dict[str, Any] = {
        "records": {"kl_every": 1},
        "rollout": {"responses": 32, "max_new_tokens": 1},
        "evaluation": {**evaluation, "every": 2, "n": 4, "k": [1, 4]},
    }
    train(recipe_of(llama, letters, steps=3, **changes), tmp_path / "run")
    first, *_, last = records(tmp_path / "run")
    assert first["kl_to_start"] < 1e-6 < last["kl_to_start"]
    assert first["groups_right"] + first["groups_wrong"] + first["groups_mixed"] == pytest.approx(1)
    assert first["sampled_tokens"] == first["responses"] * first["length_mean"]
    assert 3.0 < first["entropy"] < 4.0  # nearly uniform over 43 tokens: ln 43 = 3.76
    assert max(record["logprob_gap_max"] for record in (first, last) if record["groups_mixed"]) < 1e-4
    assert {f"seconds_{phase}" for phase in ("sample", "verify", "credit", "update", "sync")} <= first.keys()
    evaluations = records(tmp_path / "run", "evaluation")
    assert [record["step"] for record in evaluations] == [0, 2, 3]
    assert all(0 <= record["pass@1"] <= record["pass@4"] <= 1 for record in evaluations)


def other_letters(folder: Path) -> Path:
    path = folder / "held-out.jsonl"
    path.write_text("".join(json.dumps({"question": f"say {c}:", "answer": c}) + "\n" for c in "efg"))
    return path


def test_a_step_without_a_mixed_group_is_explained_and_changes_no_weight(
    llama: Path, tmp_path: Path, letters: Path
) -> None:
    path = tmp_path / "impossible.jsonl"
    path.write_text(json.dumps({"question": "say it:", "answer": "what no model says"}) + "\n")
    recipe = recipe_of(llama, path, steps=2, rollout={"prompts": 1})
    train(recipe, tmp_path / "run")
    assert "every response is wrong" in records(tmp_path / "run")[0]["note"]
    start, end = weights_of(tmp_path / "run"), Policy(recipe, Needs()).model.state_dict()
    assert all(torch.equal(start[name], end[name]) for name in start)


@pytest.mark.slow
def test_refilling_goes_on_until_there_are_enough_mixed_groups(llama: Path, letters: Path, tmp_path: Path) -> None:
    rollout = {"prompts": 6, "responses": 8, "max_new_tokens": 1, "refill_rounds": 40}
    train(recipe_of(llama, letters, "dapo", steps=2, rollout=rollout), tmp_path)
    for record in records(tmp_path):
        # 6 groups of 8 with one token each, and every one of them has a gradient.
        assert record["trained_tokens"] == 48
        assert record["responses"] > 48
        assert 0 < record["groups_mixed"] < 1


@pytest.mark.slow
def test_a_first_step_without_any_verdict_stops_with_the_reason(llama: Path, letters: Path, tmp_path: Path) -> None:
    path = tmp_path / "no-reference.jsonl"
    path.write_text(json.dumps({"question": "say it:", "answer": "x"}) + "\n")
    # reasoning-gym's verifier has no scorer for these problems: every verdict is unscored.
    recipe = recipe_of(llama, path, steps=1, problems={"verifier": "reasoning-gym"}, rollout={"prompts": 1})
    reason = "none of the 8 responses of the first step has a verdict (8 times: no task, options and entry in the"
    with pytest.raises(VerifierError, match=re.escape(reason)):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "log.jsonl").exists()


def rollout(group: int, outcome: Outcome, own: tuple[bool, ...] | None = None) -> Rollout:
    sample = Sample(f"x/{group}", 0, "a", FinishReason.STOP, seed=0)
    made = Completion(sample, (2, 3), (5,) * len(own or (True,)), (-1.0,) * len(own or (True,)), own)
    return Rollout(problem(f"question {group}"), group, made, Verdict(outcome, ""))


@pytest.mark.parametrize(
    ("algorithm", "options", "trained"),
    [
        ("grpo", {}, [0, 0, 1, 1]),
        ("rloo", {}, [0, 0, 1, 1]),
        ("reinforce_pp", {"baseline": True}, [0, 0, 1, 1]),
        ("reinforce_pp", {}, [0, 0, 1, 1, 2]),
        ("dapo", {}, [0, 0]),
        ("on_policy_distillation", {}, [0, 0, 0, 1, 1, 2, 2, 3]),
    ],
)
def test_a_response_that_is_alone_because_others_have_no_verdict_has_no_baseline(
    algorithm: str, options: dict[str, Any], trained: list[int], llama: Path, letters: Path, tmp_path: Path
) -> None:
    # Three responses to prompt 0, a right, a wrong and an unscored one; two right ones to 1; one right to 2; none to 3.
    right, wrong, none = Outcome.CORRECT, Outcome.INCORRECT, Outcome.UNSCORED
    outcomes = [(0, right), (0, wrong), (0, none), (1, right), (1, right), (2, right), (2, none), (3, none)]
    made = [rollout(group, outcome) for group, outcome in outcomes]
    teacher = {"teacher": str(llama)} if algorithm == "on_policy_distillation" else {}
    recipe = recipe_of(llama, letters, algorithm, options, **teacher)
    with VerifierPool(recipe.verification) as pool:
        trainer = Trainer(recipe, tmp_path, pool, Silent())
        assert [each.group for each in trainer._trainable(made)] == trained
    if algorithm == "grpo":  # one response per prompt is what the recipe asks for: it keeps its reward
        with VerifierPool(recipe.verification) as pool:
            alone = recipe_of(llama, letters, rollout={"responses": 1})
            assert len(Trainer(alone, tmp_path, pool, Silent())._trainable([made[0], made[5]])) == 2


@pytest.mark.parametrize(
    ("algorithm", "trained"),
    [("grpo", [0, 0]), ("rloo", [0, 0]), ("dapo", []), ("reinforce_pp", [0, 0, 1, 2]), ("ppo", [0, 0, 1, 2])],
)
def test_a_response_that_the_model_wrote_nothing_of_is_not_trained_on_and_nobodys_baseline(
    algorithm: str, trained: list[int], llama: Path, letters: Path, tmp_path: Path
) -> None:
    right, wrong, others = Outcome.CORRECT, Outcome.INCORRECT, (False, False)
    made = [rollout(0, right), rollout(0, right, (True, False)), rollout(0, wrong, others)]
    made += [rollout(1, right), rollout(1, wrong, others), rollout(2, wrong), rollout(2, right, others)]
    recipe = recipe_of(llama, letters, algorithm)
    with VerifierPool(recipe.verification) as pool:
        trainer = Trainer(recipe, tmp_path, pool, Silent())
        kept = trainer._trainable(made)
        assert [each.group for each in kept] == trained
    if kept:
        batch = batch_of(kept)
        assert batch.own_BT[:2].tolist() == [[True, False], [True, False]]
        assert batch.present_BT[:2].tolist() == [[True, False], [True, True]]
    figures = sampling_figures([rollout(0, right, (True, False)), rollout(0, wrong, others)])
    assert figures["entropy"] == 1.0
    assert sampling_figures([rollout(0, wrong, others)])["entropy"] is None


def test_a_step_whose_responses_have_no_one_to_be_compared_with_says_so() -> None:
    right = {"accuracy": 1.0, "groups_right": 1.0, "groups_wrong": 0.0, "groups_mixed": 0.0}
    assert "too few responses have a verdict" in (why_no_update(right | {"unscored": 0.9}) or "")
    assert "too easy" in (why_no_update(right | {"unscored": 0.0, "advantage_max": 0.0}) or "")
    wrong = {**right, "unscored": 0.0, "groups_right": 0.0, "groups_wrong": 1.0, "truncated": 1.0}
    assert "100% were cut at rollout.max_new_tokens: raise it" in (why_no_update(wrong) or "")
    assert "too hard" in (why_no_update(wrong | {"truncated": 0.1}) or "")
    assert why_no_update({"accuracy": None, "unscored": 1.0, "advantage_max": 0.3}) is None


def test_prompts_that_are_too_long_are_refused_by_id(llama: Path, letters: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"problems: 4 prompts are longer than 5 tokens \(jsonl/") as caught:
        train(recipe_of(llama, letters, rollout={"max_prompt_tokens": 5}), tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="longer than 2 tokens"):
        train(recipe_of(llama, letters, rollout={"max_new_tokens": 510}), tmp_path)
    with pytest.raises(ConfigError, match=r"max_new_tokens: 512 leaves no room for a prompt in .* context of 512"):
        train(recipe_of(llama, letters, rollout={"max_new_tokens": 512}), tmp_path)


def test_a_gguf_file_can_only_be_sampled(letters: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can only be sampled; train a folder"):
        train(recipe_of(tmp_path / "m.gguf", letters), tmp_path / "run")


def test_a_torn_state_is_named(llama: Path, letters: Path, tmp_path: Path) -> None:
    train(recipe_of(llama, letters, steps=1), tmp_path)
    state = tmp_path / "state" / "step-000001"
    whole = {name: (state / name).read_bytes() for name in ("state.pt", "state.json")}
    torn = [("state.pt", cut) for cut in (b"", b"P", b"half of it", whole["state.pt"][:-100])]
    torn += [("state.json", text) for text in (b"[]", b'{"step": 1}', b'{"step": null, "drawn": 4}', b"null")]
    unreadable = [("state.json", text) for text in (b"", b'{"step": 1, "dra', b"\xff\xfe", b"[" * 10_000)]
    unfit = r"step-000001: cannot be continued from: .+; remove this folder, and the run begins again$"
    lines = [(case, unfit) for case in torn]
    lines += [(case, r"state\.json: not valid JSON \(.+\); remove .+: the run begins again$") for case in unreadable]
    policy = Policy(recipe_of(llama, letters), Needs())
    for (name, content), line in lines:
        (state / name).write_bytes(content)
        with pytest.raises(StoreError, match=line) as caught:
            RunFolder(tmp_path).load_state(policy)
        assert "\n" not in str(caught.value)
        (state / name).write_bytes(whole[name])
    assert RunFolder(tmp_path).load_state(policy) == {"step": 1, "drawn": 4}


def test_a_damaged_recipe_of_a_run_is_named_and_nothing_is_written_over_it(
    llama: Path, letters: Path, tmp_path: Path
) -> None:
    recipe, folder = recipe_of(llama, letters), RunFolder(tmp_path)
    for content in (b"", b"\xff\xfe", b'{"name": "x"', b"[" * 10_000):
        (tmp_path / "recipe.json").write_bytes(content)
        with pytest.raises(
            StoreError, match=r"recipe\.json: not valid JSON \(.+\); restore it, or start in a new folder"
        ):
            folder.adopt(recipe)
        assert (tmp_path / "recipe.json").read_bytes() == content
    for content in (b"null", b"[]", b"3"):
        (tmp_path / "recipe.json").write_bytes(content)
        with pytest.raises(StoreError, match=r"recipe\.json: holds no recipe; restore it, or start in a new folder"):
            folder.adopt(recipe)
    (tmp_path / "recipe.json").write_bytes(b'{"name": "x", "of_tomorrow": 1}')
    with pytest.raises(ConfigError, match=r"recipe\.json: of_tomorrow"):
        folder.adopt(recipe)


def test_a_log_loses_what_is_done_again_and_a_torn_last_line_and_nothing_else(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.rewind_log(3)  # there is none yet
    lines = [f'{{"kind": "step", "step": {step}}}\n' for step in range(1, 6)]
    for tail in ("", '{"kind": "step", "st', '{"kind": "step", "step": 6}'):
        folder.log.write_text("".join(lines) + tail)
        folder.rewind_log(3)
        assert folder.log.read_text() == "".join(lines[:3])
    folder.log.write_text("".join(lines).rstrip("\n"))  # whole, without an end of the line
    folder.rewind_log(9)
    assert folder.log.read_text() == "".join(lines)
    damaged = [("{\n", "log.jsonl:2: not valid JSON"), ("[1]\n", "log.jsonl:2: a JSON object was expected")]
    damaged += [('{"kind": "step"}\n', "record 2 has no step"), ("\x00\n", "log.jsonl:2: not valid JSON")]
    for line, words in damaged:
        folder.log.write_text(lines[0] + line + "".join(lines[2:]))
        before = folder.log.read_bytes()
        with pytest.raises(StoreError, match=f"{words}.*; restore the line, or remove it$") as caught:
            folder.rewind_log(3)
        assert "\n" not in str(caught.value)
        assert folder.log.read_bytes() == before


class Sampling(ScriptedEngine):
    """Opens, and has nothing of what a trainer asks for after that."""

    @classmethod
    def load_to_train(cls, path: str, settings: Any) -> "Sampling":
        return cls.load(ModelConfig(path=path, engine="scripted"))


@pytest.mark.parametrize(
    ("engine", "missing"),
    [
        ("scripted", r"it has no load_to_train\)"),
        (
            "tests.test_training:Sampling",
            r"it has no model, tokenizer, end_tokens, encode, completions, sampling_layout\)",
        ),
    ],
)
def test_an_engine_that_is_not_trainable_is_refused_with_the_capability(
    engine: str, missing: str, llama: Path, letters: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigError, match=f"model.engine: '{engine}' can sample and is not Trainable .{missing}"
    ) as caught:
        train(recipe_of(llama, letters, model={"engine": engine}), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_state_that_cannot_be_written_is_named_and_the_one_before_stays(
    llama: Path, letters: Path, tmp_path: Path
) -> None:
    import resource

    policy, folder = Policy(recipe_of(llama, letters), Needs()), RunFolder(tmp_path)
    folder.save_state(policy, 1, {"drawn": 4})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))  # as a full disk: the state has 140 kB
    try:
        with pytest.raises(StoreError, match=r"step-000002: cannot be written .*is there room on the disk") as caught:
            folder.save_state(policy, 2, {"drawn": 8})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert folder.load_state(policy) == {"step": 1, "drawn": 4}


def test_a_model_that_changes_its_logits_behind_the_head_is_refused(letters: Path, tmp_path: Path) -> None:
    shape = {"num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 64, "initializer_range": 0.3}
    model = save_model(tmp_path / "m", "gemma2", **shape, final_logit_softcapping=0.5)
    with pytest.raises(EngineError, match="behind the head"):
        Policy(recipe_of(model, letters), Needs())


def problem(question: str, name: str = "x") -> Problem:
    return Problem(f"{name}/{question}", question, ("1",), name, "exact")


def test_a_problem_in_both_sets_is_refused_and_a_near_duplicate_is_reported() -> None:
    shop = "Mia buys 3 pens and 4 books for 27 dollars in all and one pen costs 5 dollars less"
    with pytest.raises(InputError, match="1 problems are in the training set and in the evaluation set"):
        check_disjoint([problem(shop)], [problem(shop.replace(" ", "  "), "other")])
    # Nineteen words make 17 sequences of three; with another last word 16 are shared, of 18 in all.
    [(_, _, overlap)] = near_duplicates([problem(shop)], [problem(shop.replace("less", "more"))])
    assert overlap == 16 / 18
    assert "nearly repeat" in check_disjoint([problem(shop)], [problem(shop.upper().replace("LESS", "more"))])[0]
    assert check_disjoint([problem("What is 2 + 3?")], [problem("What is 2 + 4?")]) == []
    shuffled = [replace(problem("Which?"), question=f"Which?\n\nA. {one}\nB. {two}") for one, two in ("ab", "ba")]
    with pytest.raises(InputError, match="1 problems are in the training set"):
        check_disjoint(shuffled[:1], shuffled[1:])


def test_problems_come_pass_by_pass_each_once() -> None:
    problems = [problem(f"question number {i}") for i in range(5)]
    whole, parts, resumed = (Uniform(Uniform.Options(), problems, 3) for _ in range(3))
    drawn = whole.take(15, 0)
    assert parts.take(7, 0) + parts.take(8, 1) == drawn
    for start in (0, 5, 10):
        assert {p.id for p in drawn[start : start + 5]} == {p.id for p in problems}
    resumed.load({"drawn": 7})
    assert resumed.take(8, 1) == drawn[7:]


# ---- Imitation and distillation


@pytest.mark.slow
def test_imitating_an_oracle_teaches_its_answers(llama: Path, letters: Path, tmp_path: Path) -> None:
    file = tmp_path / "oracle.jsonl"
    file.write_text("".join(json.dumps({"question": f"say {c}:", "response": c}) + "\n" for c in "abcd"))
    changes: dict[str, Any] = {"imitation": {"file": str(file), "examples": 4}, "steps": 40}
    made = train(recipe_of(llama, letters, "imitation", **changes), tmp_path / "run")
    assert [greedy(folder) == list("abcd") for folder in (str(llama), str(made.model))] == [False, True]
    loss = [record["loss"] for record in records(tmp_path / "run")]
    assert loss[-1] < 0.2 < 3 < loss[0]  # ln 43 = 3.76


def greedy(folder: str) -> list[str]:
    """What the model says if asked for each letter."""
    engine = TransformersEngine.load(ModelConfig(path=folder))
    requests = [Request(Prompt(c, f"say {c}:", (), "completion"), 0, 0) for c in "abcd"]
    made = engine.generate(requests, SamplingConfig(n=1, temperature=0.0, top_p=1.0, max_new_tokens=3))
    return [sample.text for sample in sorted(made, key=lambda sample: sample.problem_id)]


def test_the_loss_of_imitation_is_the_mean_of_minus_log_p_over_response_or_all_tokens(
    llama: Path, letters: Path, tmp_path: Path
) -> None:
    from move37.training.distillation import example_batch, learn

    examples = [([0, 5, 6], [7, 8]), ([0, 5], [9, 1, 4])]
    for on_prompt in (False, True):
        recipe = recipe_of(llama, letters, rollout={"temperature": 0.5})
        policy = Policy(recipe, Needs())
        total, count = 0.0, 0
        for prompt, response in examples:
            distribution = policy.model(torch.tensor([prompt + response])).logits[0].log_softmax(-1)
            first = 1 if on_prompt else len(prompt)
            total -= sum(
                distribution[i - 1, (prompt + response)[i]].item() for i in range(first, len(prompt + response))
            )
            count += len(prompt + response) - first
        made = learn(policy, example_batch(examples, on_prompt, policy.device), 0)
        assert made["loss"] == pytest.approx(total / count, rel=1e-6)
        assert made["trained_tokens"] == count


@pytest.mark.slow
def test_the_verified_samples_of_a_run_can_be_imitated(llama: Path, letters: Path, tmp_path: Path) -> None:
    from move37.config import parse_study
    from move37.pipeline import sample_run, start_run, verify_run

    study = {
        "name": "teacher",
        "problems": {"benchmark": "jsonl", "path": str(letters), "verifier": "exact"},
        "sampling": {"n": 60, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 1, "template": "completion"},
        "models": {"m": {"path": str(llama)}},
    }
    store = start_run(parse_study(study), tmp_path / "study")
    sample_run(store)
    settings: dict[str, Any] = {"imitation": {"run": str(tmp_path / "study"), "examples": 8}, "steps": 2}
    other = {**settings, "imitation": {**settings["imitation"], "model": "other"}}
    verify_run(store)
    with pytest.raises(InputError, match="other has no verdicts; run `move37 verify"):
        train(recipe_of(llama, letters, "imitation", **other), tmp_path / "early")
    train(recipe_of(llama, letters, "imitation", **settings), tmp_path / "run")
    # The answer is one letter, so each problem with a correct sample gives one distinct text; cut off, so no end token.
    solved = len({row["problem_id"] for row in RunEvidence(store).answers("m").iter_rows(named=True) if row["correct"]})
    assert records(tmp_path / "run")[0]["trained_tokens"] == solved > 0


@pytest.mark.slow
def test_a_teacher_needs_no_verdicts(llama: Path, tmp_path: Path) -> None:
    path = tmp_path / "no-reference.jsonl"
    path.write_text(json.dumps({"question": "say it:", "answer": "x"}) + "\n")
    teacher = save_model(tmp_path / "teacher", initializer_range=0.1, seed=5)
    unscored = {"problems": {"verifier": "reasoning-gym"}, "rollout": {"prompts": 1}, "teacher": str(teacher)}
    train(recipe_of(llama, path, "on_policy_distillation", steps=1, **unscored), tmp_path / "run")
    [record] = records(tmp_path / "run")
    assert record["unscored"] == 1
    assert record["gradient_norm"] > 0
    assert not {"note", "reward"} & record.keys()


def test_a_step_of_more_responses_than_there_are_is_a_pass_over_all(llama: Path, letters: Path, tmp_path: Path) -> None:
    file = tmp_path / "oracle.jsonl"
    lengths = (1, 2, 4, 8, 16)  # sums tell which were taken; each has its end token
    file.write_text("".join(json.dumps({"question": f"{n}", "response": "b" * n}) + "\n" for n in lengths))
    recipe = recipe_of(llama, letters, "imitation", imitation={"file": str(file), "examples": 8}, steps=3)
    train(recipe, tmp_path / "run")
    assert [record["trained_tokens"] for record in records(tmp_path / "run")] == [31 + 5] * 3
    recipe = recipe_of(llama, letters, "imitation", imitation={"file": str(file), "examples": 2}, steps=5)
    train(recipe, tmp_path / "pairs")
    assert sum(record["trained_tokens"] for record in records(tmp_path / "pairs")) == 2 * (31 + 5)


def test_what_is_imitated_is_not_evaluated_on_and_has_room(llama: Path, letters: Path, tmp_path: Path) -> None:
    file = tmp_path / "oracle.jsonl"
    file.write_text(json.dumps({"question": "say a:", "response": "a"}) + "\n")
    evaluation = {"problems": {"benchmark": "jsonl", "path": str(letters), "verifier": "exact"}}
    with pytest.raises(InputError, match="1 problems are in the training set and in the evaluation set"):
        train(
            recipe_of(llama, letters, "imitation", imitation={"file": str(file)}, evaluation=evaluation), tmp_path / "r"
        )
    file.write_text(json.dumps({"question": "a", "response": "b" * 512}) + "\n")  # and two tokens of the prompt
    with pytest.raises(InputError, match=r"1 prompts with their responses are longer than .* 512 tokens") as caught:
        train(recipe_of(llama, letters, "imitation", imitation={"file": str(file)}), tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_a_response_ends_with_the_tokenizers_own_end_token(tmp_path: Path) -> None:
    from transformers import GenerationConfig

    from move37.training.distillation import Example, encode

    folder = save_model(tmp_path)
    GenerationConfig(eos_token_id=[0, 1]).save_pretrained(folder)  # as chat models: two end tokens, the second usual
    engine = TransformersEngine.load(ModelConfig(path=str(folder)))
    assert engine.end_tokens == {0, 1}
    prompt = Prompt("q", "a", (), "completion")
    assert encode(Example(problem("q"), prompt, "bc", True), [3], engine) == [4, 5, 1]
    assert encode(Example(problem("q"), prompt, "bc", False), [3], engine) == [4, 5]


@pytest.mark.slow
def test_on_policy_distillation_moves_the_student_to_the_teacher(llama: Path, letters: Path, tmp_path: Path) -> None:
    teacher = save_model(tmp_path / "teacher", initializer_range=0.1, seed=5)
    changes: dict[str, Any] = {"teacher": str(teacher), "steps": 30, "rollout": {"responses": 32}}
    train(recipe_of(llama, letters, "on_policy_distillation", **changes), tmp_path / "run")
    # The mean advantage is minus the KL to the teacher: it starts well below 0 and ends near it.
    means = [record["advantage_mean"] for record in records(tmp_path / "run")]
    assert means[0] < -0.1
    assert means[-1] > 0.5 * means[0]


# ---- What is shipped and shown


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", SIX)
def test_the_smoke_recipe_of_every_algorithm_runs(algorithm: str, llama: Path, tmp_path: Path) -> None:
    smoke = ROOT / "studies" / "smoke"
    for name in (f"{algorithm}.toml", "letters.jsonl"):
        (tmp_path / name).write_bytes((smoke / name).read_bytes())
    (tmp_path / "model").symlink_to(llama)
    recipe = load_recipe(tmp_path / f"{algorithm}.toml")
    assert recipe.algorithm.name == algorithm
    assert train(recipe, tmp_path / "run").steps == 4
    assert [record["step"] for record in records(tmp_path / "run")] == [1, 2, 3, 4]


def test_a_terminal_shows_accuracy_evaluation_and_why_nothing_is_learnt() -> None:
    from rich.console import Console

    from move37.training.view import TerminalView, sparkline

    assert sparkline([0.0, 1.0, 0.5], 10) == "▁█▅"
    assert sparkline([1.0, 3.0, 5.0, 7.0], 2) == "▁█"
    assert sparkline([2.0, 2.0], 5) == "▁▁"
    console = Console(record=True, width=100, force_terminal=True, file=open(os.devnull, "w"))  # noqa: SIM115
    view = TerminalView(console)
    view.begin("letters: grpo", 0, 10)
    view.show({"kind": "evaluation", "step": 0, "pass@1": 0.25, "pass@8": None})
    view.show({"kind": "step", "step": 3, "accuracy": 0.5, "loss": 1e-9, "seconds_sample": 1.5})
    view.show({"kind": "step", "step": 4, "accuracy": 0.75, "note": "every response is wrong"})
    with view.track("sampling: step 4", 1024, "samples") as advance:
        advance(7)
        view._live.refresh()
    assert "sampling: step 4: 7 of 1,024 samples" in console.export_text(clear=True)
    view.end()
    text = console.export_text()
    assert "1,024" not in text.rpartition("step 4 of 10")[2]
    for words in ("letters: grpo, step 4 of 10", "75.0%", "pass@1 25.0%", "every response is wrong"):
        assert words in text


def test_reading_the_settings_of_a_recipe_loads_no_torch() -> None:
    code = "import sys, move37.training.recipe, move37.training.algorithms; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_the_six_algorithm_files_are_short_and_no_function_of_the_loop_is_longer_than_a_screen() -> None:
    import ast

    folder = ROOT / "src" / "move37" / "training"
    assert sum(len((folder / "algorithms" / f"{name}.py").read_text().splitlines()) for name in SIX) < 400
    tree = ast.parse((folder / "loop.py").read_text())
    lengths = {
        n.name: n.end_lineno - n.lineno for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.end_lineno
    }
    assert max(lengths.values()) < 45
    words = re.findall(r"\w+", (folder / "loop.py").read_text().lower())
    assert not set(words) & {*SIX, "reinforce", "reinforcepp"}


# ---- With packages that an extra installs


def test_a_critic_beside_adapters_is_a_whole_model_without_any(llama: Path, letters: Path) -> None:
    pytest.importorskip("peft", reason="peft is not installed: pip install 'move37[lora]'")
    policy = Policy(recipe_of(llama, letters, "ppo", model={"lora_rank": 2}), Needs(critic=True))
    assert policy.critic is not None
    names = [name for name, weight in policy.critic.named_parameters() if weight.requires_grad]
    assert not [name for name in names if "lora" in name]
    assert "backbone.layers.0.mlp.up_proj.weight" in names
    assert all("lora" in name for name in policy._trained())


@pytest.mark.slow
def test_lora_trains_adapters_alone_and_saves_a_plain_model(llama: Path, letters: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="peft is not installed: pip install 'move37[lora]'")
    changes: dict[str, Any] = {
        "model": {"lora_rank": 8},
        "steps": 25,
        "rollout": {"responses": 32, "max_new_tokens": 1},
        "optimizer": {"learning_rate": 2e-2},
        "records": {"kl_every": 5},
    }
    stopped: dict[str, Any] = changes | {"steps": 10}
    recipe = recipe_of(llama, letters, **changes)
    train(recipe, tmp_path / "whole")
    train(recipe_of(llama, letters, **stopped), tmp_path / "stopped")
    train(recipe, tmp_path / "stopped")
    assert same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "stopped"))
    first, *_, last = (record["accuracy"] for record in records(tmp_path / "whole"))
    assert first < 0.1 < 0.17 < last  # a guess is right once in 43: 22 of 128 by chance has probability 1e-12
    kl = [record["kl_to_start"] for record in records(tmp_path / "whole") if "kl_to_start" in record]
    assert kl[0] == pytest.approx(0, abs=1e-6) != kl[-1]
    # The saved folder is the start's shape, and gives the log-probabilities of the model with its adapters.
    start = weights_of_folder(llama)
    saved = weights_of(tmp_path / "whole")
    assert start.keys() == saved.keys()
    changed = {name for name in start if not torch.equal(start[name], saved[name])}
    assert changed
    assert all("_proj" in name for name in changed)


def weights_of_folder(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_without_peft_the_extra_is_named(llama: Path, letters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'move37\[lora\]'"):
        Policy(recipe_of(llama, letters, model={"lora_rank": 4}), Needs())


def test_numbers_go_to_tensorboard_if_asked(llama: Path, letters: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install 'move37[track]'")
    train(recipe_of(llama, letters, steps=2, records={"to": ["tensorboard"]}), tmp_path)
    assert list((tmp_path / "tensorboard").glob("events*"))


@pytest.mark.slow
def test_numbers_go_to_weights_and_biases_if_asked(
    llama: Path, letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed: pip install 'move37[track]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for folder in ("one", "two"):
        train(recipe_of(llama, letters, steps=2, records={"to": ["wandb"]}), tmp_path / folder)
    shown = dict(wandb.run.summary)
    wandb.finish()
    assert shown["step/gradient_norm"] == records(tmp_path / "two")[-1]["gradient_norm"]
    first, second = (next((tmp_path / name).rglob("*.wandb")) for name in ("one", "two"))
    assert first.stem != second.stem  # each folder is a run of its own


@pytest.mark.parametrize("package", ["tensorboard", "wandb"])
def test_without_the_package_the_extra_is_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'move37\[track\]'"):
        Recorder(tmp_path / "log.jsonl", [package], "run", Silent())


@pytest.mark.slow
def test_bfloat16_samples_from_a_copy_that_follows_and_saves_in_that_precision(
    llama: Path, letters: Path, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"rollout": {"responses": 32, "max_new_tokens": 1}, "steps": 40}
    recipe = recipe_of(llama, letters, model={"precision": "bfloat16"}, optimizer={"learning_rate": 3e-3}, **changes)
    train(recipe, tmp_path)
    accuracy = [record["accuracy"] for record in records(tmp_path)]
    assert accuracy[0] < 0.15 < 0.4 < accuracy[-1]
    assert {value.dtype for value in weights_of(tmp_path).values()} == {torch.bfloat16}
