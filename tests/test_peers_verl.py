"""Live against verl where it is installed: fresh random inputs through its functions and through ours."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip(
    "verl",
    reason="verl 0.9.1 asks for transformers below 5.11, on which the engine does not run: it needs an environment of "
    "its own (pip install verl==0.9.1, then transformers); the golden vectors stand in",
)

from move37.training.losses import kl_estimate, token_weights, value_loss  # noqa: E402
from tests.golden import make_training_golden as peers  # noqa: E402
from tests.test_advantages import advantage_inputs, advantages_of  # noqa: E402
from tests.test_losses import mask_of, policy_loss  # noqa: E402

pytestmark = pytest.mark.peer

SEEDS = range(100, 120)
ADVANTAGES = {
    "ppo": ("ppo", {"gamma": 0.95, "lam": 0.9}),
    "grpo": ("grpo", {}),
    "dr_grpo": ("grpo", {"scale": "none"}),
    "rloo": ("rloo", {}),
    "reinforce_pp": ("reinforce_pp", {"gamma": 0.9}),
    "reinforce_pp_baseline": ("reinforce_pp", {"baseline": True}),
    "remax": ("remax", {}),
    "dapo": ("dapo", {"buffer_share": 3 / 7, "penalty": 0.5}),
}


@pytest.mark.parametrize("seed", SEEDS)
def test_advantages_are_verls(seed: int) -> None:
    inputs = peers.make_inputs(seed, binary=seed % 2 == 0)
    theirs = peers.verl_advantages(inputs)
    for name, (algorithm, options) in ADVANTAGES.items():
        ours = advantages_of(algorithm, advantage_inputs(inputs), **options).advantages_BT
        torch.testing.assert_close(ours, torch.tensor(theirs[name]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_losses_and_gradients_are_verls(seed: int) -> None:
    inputs = peers.make_inputs(seed, binary=True)
    for case in peers.verl_losses(inputs):
        loss, gradient = policy_loss(
            inputs,
            torch.tensor(inputs["advantages"]),
            case["aggregation"],
            clip_low=case["clip_low"],
            clip_high=case["clip_high"],
            dual_clip=case["dual_clip"] if case["dual_clip"] < 1e9 else None,
        )
        torch.testing.assert_close(loss, torch.tensor(case["loss"]), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(gradient, torch.tensor(case["gradient"]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_penalties_are_verls(seed: int) -> None:
    inputs = peers.make_inputs(seed, binary=True)
    weights = token_weights(mask_of(inputs["lengths"]), "token-mean", 7)
    for name, case in peers.verl_penalties(inputs).items():
        learnt = torch.tensor(inputs["new_values" if name == "value" else "policy"])
        if name == "value":
            loss = value_loss(learnt, torch.tensor(inputs["values"]), torch.tensor(inputs["advantages"]), 0.5)
        else:
            loss = kl_estimate(learnt, torch.tensor(inputs["reference"]), name)  # type: ignore[arg-type]
        torch.testing.assert_close((loss * weights).sum(), torch.tensor(case["loss"]), rtol=1e-6, atol=1e-6)
