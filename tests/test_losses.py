"""Losses: numbers checkable by hand, then value and gradient against vectors that verl 0.9.1 and TRL 1.16 made."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from move37.training.losses import (  # noqa: E402
    Aggregation,
    clipped_loss,
    kl_estimate,
    log_ratio,
    token_weights,
    value_loss,
)

CASES = json.loads((Path(__file__).parent / "golden" / "training.json").read_text())["cases"]
TOLERANCE = {"rtol": 1e-6, "atol": 1e-7}


def mask_of(lengths: list[int], width: int = 7) -> Any:
    return torch.arange(width)[None] < torch.tensor(lengths)[:, None]


def policy_loss(inputs: dict[str, Any], advantages: Any, aggregation: Aggregation, **settings: Any) -> tuple[Any, Any]:
    """The batch's loss and its gradient with respect to the policy's log-probabilities."""
    mask = mask_of(inputs["lengths"])
    policy = torch.tensor(inputs["policy"]).requires_grad_()
    sequence = settings.pop("sequence", False)
    kl = settings.pop("kl", 0.0)
    loss_BT, _ = clipped_loss(log_ratio(policy, torch.tensor(inputs["old"]), mask, sequence), advantages, **settings)
    if kl:
        loss_BT = loss_BT + kl * kl_estimate(policy, torch.tensor(inputs["reference"]), "k3")
    loss = (loss_BT * token_weights(mask, aggregation, 7)).sum()
    loss.backward()
    return loss.detach(), policy.grad


# ---- By hand


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "clipped"),
    [
        (1.5, 2.0, -2.4, True),  # max(-3, -2 * 1.2)
        (1.5, -2.0, 3.0, False),  # max(3, 2.4)
        (0.5, 2.0, -1.0, False),  # max(-1, -2 * 0.8)
        (0.5, -2.0, 1.6, True),  # max(1, 1.6)
        (1.1, 2.0, -2.2, False),
    ],
)
def test_clipping_takes_the_worse_of_two(ratio: float, advantage: float, loss: float, clipped: bool) -> None:
    ratios = torch.tensor([[math.log(ratio)]], dtype=torch.float64)
    made, was = clipped_loss(ratios, torch.full_like(ratios, advantage), 0.2, 0.2)
    assert made.item() == pytest.approx(loss)
    assert was.item() is clipped


def test_the_upper_bound_can_be_wider_than_the_lower() -> None:
    ratios = torch.tensor([[math.log(1.5)]], dtype=torch.float64)
    assert clipped_loss(ratios, torch.ones_like(ratios), 0.2, 0.28)[0].item() == pytest.approx(-1.28)


def test_the_dual_clip_bounds_the_loss_of_a_bad_response_alone() -> None:
    ratios = torch.full((1, 2), math.log(5.0), dtype=torch.float64)
    made, _ = clipped_loss(ratios, torch.tensor([[-1.0, 1.0]], dtype=torch.float64), 0.2, 0.2, dual_clip=3.0)
    assert made.tolist() == [[pytest.approx(3.0), pytest.approx(-1.2)]]  # 5 without it; max(-5, -1.2)


def test_a_dual_clip_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="larger than 1"):
        clipped_loss(torch.zeros(1, 1), torch.zeros(1, 1), 0.2, 0.2, dual_clip=1.0)


def test_an_absurd_ratio_and_no_advantage_give_zero_and_not_nan() -> None:
    policy = torch.full((1, 1), 500.0, requires_grad=True)
    made, _ = clipped_loss(
        log_ratio(policy, torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool)), torch.zeros(1, 1), 0.2, 0.2
    )
    made.sum().backward()
    assert made.item() == 0
    assert policy.grad is not None
    assert policy.grad.item() == 0


def test_the_sequence_ratio_is_the_sum_over_the_response() -> None:
    policy, old = torch.tensor([[0.1, 0.2, 9.0]]), torch.tensor([[0.0, 0.1, 0.0]])
    made = log_ratio(policy, old, mask_of([2], 3), sequence=True)
    assert made[0].tolist() == pytest.approx([0.2, 0.2, 0.2])


def test_kl_estimates_at_a_ratio_of_two() -> None:
    policy, reference = torch.zeros(1, 1, dtype=torch.float64), torch.full((1, 1), math.log(2), dtype=torch.float64)
    made = [kl_estimate(policy, reference, kind).item() for kind in ("k1", "k2", "k3")]  # type: ignore[arg-type]
    assert made == pytest.approx([-math.log(2), math.log(2) ** 2 / 2, 2 - math.log(2) - 1])


def test_k3_is_unbiased_for_the_kl_and_never_negative() -> None:
    # Two tokens, policy (3/4, 1/4), reference (1/2, 1/2): KL = 3/4 ln 3/2 + 1/4 ln 1/2.
    p, q = torch.tensor([[0.75, 0.25]]).double(), torch.tensor([[0.5, 0.5]]).double()
    for kind in ("k1", "k3"):
        expected = (p * kl_estimate(p.log(), q.log(), kind)).sum().item()  # type: ignore[arg-type]
        assert expected == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert (kl_estimate(p.log(), q.log(), "k3") >= 0).all()


def test_the_value_is_clipped_around_the_old_one() -> None:
    # Return 1. V went from 0 to 2: (2 - 1)^2 = 1 against (0.5 - 1)^2 = 0.25. V = 0.9: 0.01 against 0.25.
    made = value_loss(torch.tensor([[2.0, 0.9]]), torch.zeros(1, 2), torch.ones(1, 2), 0.5)
    assert made[0].tolist() == pytest.approx([0.5, 0.125])


def test_weights_of_two_responses_of_one_and_three_tokens() -> None:
    mask = mask_of([1, 3], 3)
    rows = {name: token_weights(mask, name, 10) for name in ("token-mean", "seq-mean-token-mean")}  # type: ignore[arg-type]
    assert rows["token-mean"].tolist() == [[0.25, 0, 0], [0.25, 0.25, 0.25]]
    assert rows["seq-mean-token-mean"][0].tolist() == [0.5, 0, 0]
    assert rows["seq-mean-token-mean"][1].tolist() == pytest.approx([1 / 6] * 3)
    assert token_weights(mask, "seq-mean-token-sum", 10)[1].tolist() == [0.5, 0.5, 0.5]
    assert token_weights(mask, "seq-mean-token-sum-norm", 10)[1].tolist() == pytest.approx([0.05] * 3)


def test_a_response_without_a_token_is_not_counted() -> None:
    mask = mask_of([0, 2], 2)
    assert token_weights(mask, "seq-mean-token-mean", 2).tolist() == [[0, 0], [0.5, 0.5]]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        log_ratio(torch.zeros(1, 2), torch.zeros(1, 3), mask_of([1], 2))


# ---- Against verl 0.9.1 and TRL 1.16


@pytest.mark.parametrize("case", CASES, ids=["first", "second", "third"])
def test_loss_and_gradient_agree_with_verl(case: dict[str, Any]) -> None:
    inputs = case["inputs"]
    for theirs in case["verl_losses"]:
        dual = theirs["dual_clip"] if theirs["dual_clip"] < 1e9 else None
        loss, gradient = policy_loss(
            inputs,
            torch.tensor(inputs["advantages"]),
            theirs["aggregation"],
            clip_low=theirs["clip_low"],
            clip_high=theirs["clip_high"],
            dual_clip=dual,
        )
        torch.testing.assert_close(loss, torch.tensor(theirs["loss"]), **TOLERANCE)
        torch.testing.assert_close(gradient, torch.tensor(theirs["gradient"]), **TOLERANCE)


@pytest.mark.parametrize("case", CASES, ids=["first", "second", "third"])
def test_penalties_and_value_loss_agree_with_verl(case: dict[str, Any]) -> None:
    inputs, mask = case["inputs"], mask_of(case["inputs"]["lengths"])
    weights = token_weights(mask, "token-mean", 7)
    for name, theirs in case["verl_penalties"].items():
        learnt = torch.tensor(inputs["new_values" if name == "value" else "policy"]).requires_grad_()
        if name == "value":
            loss_BT = value_loss(learnt, torch.tensor(inputs["values"]), torch.tensor(inputs["advantages"]), 0.5)
        else:
            loss_BT = kl_estimate(learnt, torch.tensor(inputs["reference"]), name)  # type: ignore[arg-type]
        loss = (loss_BT * weights).sum()
        loss.backward()
        torch.testing.assert_close(loss.detach(), torch.tensor(theirs["loss"]), **TOLERANCE)
        torch.testing.assert_close(learnt.grad, torch.tensor(theirs["gradient"]), **TOLERANCE)


TRL: dict[str, Aggregation] = {
    "grpo": "seq-mean-token-mean",
    "bnpo": "token-mean",
    "dapo": "token-mean",
    "dr_grpo": "seq-mean-token-sum-norm",
    "rloo": "seq-mean-token-mean",
}


@pytest.mark.parametrize("case", CASES, ids=["first", "second", "third"])
def test_loss_and_gradient_agree_with_trl(case: dict[str, Any]) -> None:
    inputs = case["inputs"]
    for theirs in case["trl_losses"]:
        rloo = theirs["kind"] == "rloo"
        advantages = torch.tensor(inputs["advantages"])[:, :1].expand(-1, 7)
        loss, gradient = policy_loss(
            inputs,
            advantages,
            TRL[theirs["kind"]],
            clip_low=0.2,
            clip_high=0.28,
            dual_clip=theirs["delta"],
            sequence=rloo,
            kl=0.0 if rloo else 0.04,
        )
        torch.testing.assert_close(loss, torch.tensor(theirs["loss"]), **TOLERANCE)
        torch.testing.assert_close(gradient, torch.tensor(theirs["gradient"]), **TOLERANCE)
