"""The load-balancing loss of mixtures: transformers' own function over the same states, however they are read."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func  # noqa: E402

from move37.errors import ConfigError  # noqa: E402
from move37.training.algorithms import Advantages, Needs  # noqa: E402
from move37.training.batches import make_batch  # noqa: E402
from move37.training.policy import Metrics, Policy  # noqa: E402
from move37.training.recipe import parse_recipe  # noqa: E402
from move37.training.updates import UpdateBatch  # noqa: E402
from tests.architectures import save_architecture  # noqa: E402

COEFFICIENT = 0.7
PROMPTS = ((5, 6, 7), (8, 9))
RESPONSES = ((3, 4, 5, 6), (3, 4), (7,), (9, 8, 7))
GROUPS = (0, 0, 1, 1)


def policy_of(folder: Path, coefficient: float, tokens: int, checkpointing: bool = False) -> Policy:
    recipe = {
        "name": "x",
        "model": {"path": str(folder), "gradient_checkpointing": checkpointing},
        "problems": {"benchmark": "gsm8k"},
        "loss": {"balance_coefficient": coefficient} if coefficient else {},
        "optimizer": {"micro_batch_tokens": tokens, "max_logprob_gap": 1e9},
    }
    return Policy(parse_recipe(recipe), Needs())


def gradients(policy: Policy) -> tuple[dict[str, Any], dict[str, float]]:
    """Of an update in which no response has an advantage, and its figures."""
    batch = make_batch(PROMPTS, GROUPS, RESPONSES, [[-1.0] * len(each) for each in RESPONSES])
    none = torch.zeros_like(batch.behaviour_logprobs_BT)
    update = UpdateBatch(batch, Advantages(none), batch.behaviour_logprobs_BT)
    metrics = Metrics()
    policy.accumulate(update, torch.arange(len(batch)), metrics)
    metrics.add("balance_loss", 0.0)
    return {name: each.grad for name, each in policy.model.named_parameters()}, metrics.figures()


def plain(policy: Policy) -> tuple[Any, dict[str, Any]]:
    """The loss and its gradients: each response read with its prompt, the states that chose its tokens kept."""
    model: Any = policy.model
    model.zero_grad(set_to_none=True)
    chosen: list[list[Any]] = []
    for group, response in zip(GROUPS, RESPONSES, strict=True):
        prompt = PROMPTS[group]
        output = model(input_ids=torch.tensor([[*prompt, *response]]), output_router_logits=True)
        chosen.append([each[len(prompt) - 1 : -1] for each in output.router_logits])
    logits = tuple(torch.cat(layer) for layer in zip(*chosen, strict=True))
    config = model.config
    loss: Any = COEFFICIENT * load_balancing_loss_func(logits, logits[0].shape[-1], config.num_experts_per_tok)
    loss.backward()
    return loss, {name: each.grad for name, each in model.named_parameters()}


@pytest.mark.parametrize("kind", ["mixtral", "qwen3_moe", "granitemoe"])
@pytest.mark.parametrize(("tokens", "checkpointing"), [(1000, False), (4, False), (4, True)])
def test_it_is_transformers_own_whatever_the_micro_batches(
    kind: str, tokens: int, checkpointing: bool, tmp_path: Path
) -> None:
    save_architecture(tmp_path, kind)
    policy = policy_of(tmp_path, COEFFICIENT, tokens, checkpointing)
    found, figures = gradients(policy)
    loss, expected = plain(policy)
    assert figures["balance_loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    difference, size, routers = 0.0, 0.0, 0.0
    for name, gradient in expected.items():
        if gradient is not None:
            difference += float((found[name] - gradient).square().sum())
            size += float(gradient.square().sum())
            routers += float(gradient.square().sum()) if "gate" in name or "router" in name else 0.0
    assert difference**0.5 < 2e-5 * size**0.5
    assert routers > 0


def test_without_it_the_routers_stay_where_they_are(tmp_path: Path) -> None:
    save_architecture(tmp_path, "mixtral")
    found, figures = gradients(policy_of(tmp_path, 0.0, 1000))
    assert all(each is None or not each.any() for each in found.values())
    assert "balance_loss" not in figures or figures["balance_loss"] == 0


def test_a_model_without_such_a_loss_is_refused(tmp_path: Path) -> None:
    save_architecture(tmp_path, "llama")
    with pytest.raises(ConfigError, match="loss.balance_coefficient: LlamaForCausalLM has no load-balancing loss"):
        policy_of(tmp_path, 0.1, 1000)
