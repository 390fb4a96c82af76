"""Losses that tell tokens apart, and DARLING: the authors' own code, and the gradient through a model, plainly."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from move37.errors import ConfigError  # noqa: E402
from move37.testing import check_policy_loss  # noqa: E402
from move37.training.algorithms import ALGORITHMS, AdvantageInputs, Advantages, Needs  # noqa: E402
from move37.training.batches import make_batch  # noqa: E402
from move37.training.policy import Metrics, Policy  # noqa: E402
from move37.training.policy_losses import POLICY_LOSSES, Bounds, ChoiceInputs, TokenInputs  # noqa: E402
from move37.training.recipe import TrainConfig, parse_recipe  # noqa: E402
from move37.training.updates import UpdateBatch  # noqa: E402
from tests.plain_training import gradient_held, parameters_of, texts_of  # noqa: E402
from tests.tiny_models import save_model  # noqa: E402

CASES = json.loads((Path(__file__).parent / "golden" / "policy_losses.json").read_text())["cases"]


def made(name: str, **options: Any) -> Any:
    kind = POLICY_LOSSES.load(name)
    return kind(kind.Options(**options))


@pytest.mark.parametrize("name", POLICY_LOSSES.names)
def test_every_policy_loss_keeps_the_contract(name: str) -> None:
    check_policy_loss(POLICY_LOSSES.load(name))


def test_a_loss_that_looks_at_other_responses_is_found_out() -> None:
    kind = POLICY_LOSSES.load("clipped")

    class Nosy(kind):
        def loss(self, tokens: TokenInputs, bounds: Bounds) -> Any:
            loss, clipped = super().loss(tokens, bounds)
            return loss - loss.mean(), clipped

    with pytest.raises(AssertionError, match="depends on"):
        check_policy_loss(Nosy)


# ---- Against the authors' code


@pytest.mark.parametrize("case", CASES, ids=["first", "second"])
@pytest.mark.parametrize(
    ("name", "options", "bounds"),
    [
        ("simko", {"share": 0.1, "tau": 0.6}, Bounds(0.2, 0.2)),
        ("clip_cov", {"share": 0.9, "low": 0.3, "high": 2.0}, Bounds(0.2, 0.28)),
        ("kl_cov", {"share": 0.15, "coefficient": 0.7}, Bounds(0.2, 0.28)),
    ],
)
def test_value_and_gradient_are_those_of_the_authors_code(
    case: dict[str, Any], name: str, options: dict[str, Any], bounds: Bounds
) -> None:
    given, theirs = case["inputs"], case["theirs"][name]
    rule = made(name, **options)
    logits = torch.tensor(given["logits"], requires_grad=True)
    chosen_tokens = torch.tensor(given["tokens"])[..., None]
    every = logits.log_softmax(-1)
    logprobs = every.gather(-1, chosen_tokens)[..., 0]
    old = torch.tensor(given["old_logits"]).log_softmax(-1).gather(-1, chosen_tokens)[..., 0]
    own = torch.arange(logprobs.shape[1]) < torch.tensor(given["lengths"])[:, None]
    advantages = torch.tensor(given["advantages"])[:, None] * own
    ratio = torch.where(own, logprobs - old, 0.0)
    chosen = None
    if rule.chooses:
        seen = ChoiceInputs(logprobs.detach() * own, ratio.detach(), advantages, own)
        chosen = rule.choose(seen, bounds, torch.Generator().manual_seed(0))
        assert 0 < int(chosen.sum()) < int(own.sum())
    tokens = TokenInputs(
        log_ratio_bR=ratio,
        advantages_bR=advantages,
        own_bR=own,
        right_b=torch.tensor(given["right"]) == 1,
        chosen_bR=chosen,
        entropies_bR=-(every.exp() * every).sum(-1).detach(),
        likeliest_bR=every.argmax(-1) == chosen_tokens[..., 0],
        top_logprobs=lambda places: every[places].topk(3, -1).values,
    )
    loss = rule.loss(tokens, bounds)[0][own].mean()
    loss.backward()
    assert loss.item() == pytest.approx(theirs["loss"], rel=1e-5)
    torch.testing.assert_close(logits.grad, torch.tensor(theirs["gradient"]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=["first", "second"])
@pytest.mark.parametrize("scale", ["none", "std"])
def test_darling_multiplies_rewards_as_its_authors_do(case: dict[str, Any], scale: str) -> None:
    given = case["inputs"]
    rewards, groups = torch.tensor(given["right"]), torch.tensor(given["groups"])
    mask = torch.ones(len(rewards), 1, dtype=torch.bool)
    fields = {"groups_B": groups, "mask_BT": mask, "max_length": 1}
    kind = ALGORITHMS.load("darling")
    inputs = AdvantageInputs(rewards[:, None], modes_B=torch.tensor(given["modes"]), **fields)
    found = kind(kind.Options(scale=scale)).advantages(inputs).advantages_BT
    multiplied = rewards * torch.tensor(case["theirs"]["darling"])
    grpo = ALGORITHMS.load("grpo")
    expected = grpo(grpo.Options(scale=scale)).advantages(AdvantageInputs(multiplied[:, None], **fields)).advantages_BT
    torch.testing.assert_close(found, expected)


def test_darling_needs_modes_and_pays_rare_ways_more() -> None:
    kind = ALGORITHMS.load("darling")
    fields = {"groups_B": torch.zeros(4, dtype=torch.int64), "mask_BT": torch.ones(4, 1, dtype=torch.bool)}
    rewards = torch.ones(4, 1)
    with pytest.raises(ValueError, match="needs the mode"):
        kind(kind.Options()).advantages(AdvantageInputs(rewards, max_length=1, **fields))
    inputs = AdvantageInputs(rewards, max_length=1, modes_B=torch.tensor([1, 1, 1, 2]), **fields)
    # Diversities 1/3, 1/3, 1/3 and 1 with mean 1/2.
    expected = pytest.approx([-1 / 6, -1 / 6, -1 / 6, 0.5])
    assert kind(kind.Options()).advantages(inputs).advantages_BT[:, 0].tolist() == expected


# ---- What is chosen


def test_clip_cov_leaves_out_no_more_than_its_share_and_nothing_that_is_clipped() -> None:
    own = torch.ones(10, 10, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    logprobs, advantages = -torch.rand(10, 10, generator=generator) * 4, torch.randn(10, 10, generator=generator) * 2
    still = torch.zeros(10, 10)
    rule = made("clip_cov", share=0.05, low=0.5, high=50)
    one = rule.choose(ChoiceInputs(logprobs, still, advantages, own), Bounds(0.2, 0.2), generator)
    other = rule.choose(ChoiceInputs(logprobs, still, advantages, own), Bounds(0.2, 0.2), generator)
    assert int(one.sum()) == int(other.sum()) == 5
    assert not torch.equal(one, other)
    moved = torch.full((10, 10), 0.5)  # above the range: clipped where the advantage is positive
    free = rule.choose(ChoiceInputs(logprobs, moved, advantages, own), Bounds(0.2, 0.2), generator)
    assert bool((advantages[free] < 0).all())


def test_kl_cov_chooses_at_least_one_token_and_the_largest() -> None:
    own = torch.tensor([[True, True, True, False]])
    logprobs, advantages = torch.tensor([[-1.0, -2.0, -6.0, 0.0]]), torch.tensor([[1.0, 0.0, -1.0, 9.0]])
    inputs = ChoiceInputs(logprobs, torch.zeros(1, 4), advantages, own)
    assert made("kl_cov").choose(inputs, Bounds(0.2, 0.2), torch.Generator()).tolist() == [[False, False, True, False]]


# ---- Through a model


def recipe(folder: Path, loss: dict[str, Any], **changes: Any) -> TrainConfig:
    raw = {
        "name": "r",
        "model": {"path": str(save_model(folder, initializer_range=0.1)), "device": "cpu", "threads": 1},
        "problems": {"benchmark": "countdown", "size": 4},
        "rollout": {"temperature": 0.7},
        "optimizer": {"micro_batch_tokens": 20, "max_logprob_gap": 50},
        "loss": loss,
    }
    return parse_recipe(raw | changes)


def batch_and_update(policy: Policy) -> UpdateBatch:
    generator = torch.Generator().manual_seed(0)
    lengths = [1, 8, 5, 7, 6, 3]
    tokens = [torch.randint(3, 9, (length,), generator=generator).tolist() for length in lengths]
    own = [[(place + row) % 4 > 0 for place in range(length)] for row, length in enumerate(lengths)]
    rewards = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    groups = [0, 0, 1, 1, 2, 2]
    batch = make_batch([[3, 4], [4, 4, 3, 3, 3], [3]], groups, tokens, None, rewards, own=own)
    now = policy.logprobs(batch)
    advantages = torch.tensor(rewards)[:, None].mul(2).sub(1) * batch.own_BT
    noise = torch.randn(now.shape, generator=generator) * 0.1 * batch.own_BT
    return UpdateBatch(batch, Advantages(advantages), now + noise)


def test_the_gradient_of_simko_is_that_of_the_formula_read_response_by_response(tmp_path: Path) -> None:
    """A loop over responses and tokens, each read whole, every log-probability from the model's own logits."""
    options = {"k": 4, "share": 0.2, "tau": 0.5, "penalty": 1.5}
    policy = Policy(recipe(tmp_path, {"policy": {"name": "simko", "options": options}}), Needs())
    update = batch_and_update(policy)
    total, count = torch.zeros(()), int(update.batch.own_BT.sum())
    for row, (prompt, response, own) in enumerate(texts_of(update.batch)):
        if not own:
            continue
        ids = torch.tensor([prompt + response])
        before = [len(prompt) + place - 1 for place in own]
        every = (policy.model(input_ids=ids).logits[0, before] / 0.7).log_softmax(-1)
        entropies = -(every.exp() * every).sum(-1).detach()
        for place, token in enumerate(own):
            right = float(update.batch.rewards_B[row]) == 1
            advantage = float(update.advantages.advantages_BT[row, token])
            ratio = (every[place, response[token]] - update.old_logprobs_BT[row, token]).exp()
            if entropies[place] > entropies.quantile(0.5):
                favourite, best = every[place].topk(4).indices, int(every[place].argmax())
                if right:
                    shared = sum(ratio.detach() * (every[place, k] - every[place, k].detach()).exp() for k in favourite)
                    ratio = 0.8 * ratio + 0.2 / 4 * shared
                elif best == response[token]:
                    advantage *= 1.5
            total = total - torch.minimum(advantage * ratio, advantage * ratio.clamp(0.8, 1.2)) / count
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(total, parameters_of(policy))])
    policy.optimizer.zero_grad(set_to_none=True)
    policy.accumulate(update, torch.arange(6), Metrics())
    found = gradient_held(policy)
    assert float((found - expected).norm() / expected.norm()) < 1e-5


def test_what_is_chosen_is_chosen_once_for_a_mini_batch_whatever_its_micro_batches(tmp_path: Path) -> None:
    gradients = []
    for tokens in (12, 4096):
        loss = {"policy": {"name": "clip_cov", "options": {"low": 0.05, "high": 9.0, "share": 0.1}}}
        optimizer = {"micro_batch_tokens": tokens, "max_logprob_gap": 50, "mini_batches": 2, "gradient_norm": 1e9}
        policy = Policy(recipe(tmp_path, loss, optimizer=optimizer), Needs())
        policy.update(batch_and_update(policy), 0)
        gradients.append(gradient_held(policy))
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 1e-5


# ---- ProRL's reference reset


def test_after_a_reset_the_reference_is_the_policy_and_the_optimizer_is_new(tmp_path: Path) -> None:
    loss = {"kl_coefficient": 0.1, "reference_reset_every": 2}
    policy = Policy(recipe(tmp_path, loss), Needs())
    update = batch_and_update(policy)
    batch = update.batch
    update = UpdateBatch(batch, update.advantages, update.old_logprobs_BT, policy.reference_logprobs(batch))
    policy.update(update, 0)
    before = policy.state()["reference"]["lm_head.weight"].clone()
    assert not torch.equal(policy.logprobs(batch), policy.reference_logprobs(batch))
    policy.reset_reference()
    assert torch.equal(policy.logprobs(batch), policy.reference_logprobs(batch))
    assert not policy.optimizer.state
    policy.update(update, 1)
    again = Policy(recipe(tmp_path, loss), Needs())
    again.load(policy.state())
    assert torch.equal(again.reference_logprobs(batch), policy.reference_logprobs(batch))
    assert not torch.equal(before, policy.state()["reference"]["lm_head.weight"])


def test_settings_that_cannot_be_are_refused_in_one_line(tmp_path: Path) -> None:
    for loss, words in (
        (
            {"policy": {"name": "simko"}, "ratio": "sequence", "aggregation": "seq-mean-token-mean"},
            "tells tokens apart",
        ),
        ({"policy": {"name": "kl_cov"}, "dual_clip": 3.0}, "kl_cov clips nothing"),
        ({"policy": {"name": "clip_cov", "options": {"low": 5.0}}}, "loss.policy.options.high: .*above low"),
        ({"policy": {"name": "sim"}}, "unknown policy_loss 'sim'"),
        ({"reference_reset_every": 5}, "reference_reset_every would change nothing, as the KL has no weight"),
    ):
        with pytest.raises(Exception, match=words) as caught:
            recipe(tmp_path, loss)
        assert isinstance(caught.value, ConfigError) or "unknown" in words
        assert "\n" not in str(caught.value)
    lora = {"path": "m", "lora_rank": 2}
    with pytest.raises(ConfigError, match="reference of adapters"):
        recipe(tmp_path, {"kl_coefficient": 0.1, "reference_reset_every": 5}, model=lora)
