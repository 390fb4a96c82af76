"""Does an algorithm keep the contract of `move37.training.algorithms.Algorithm`? Needs torch: move37[local]."""

from typing import Any

from pydantic import ValidationError

from move37.config import Settings
from move37.testing.claims import require
from move37.training.algorithms import AdvantageInputs, Advantages, Algorithm, Needs
from move37.training.recipe import LossConfig

WIDTH, TOKENS = 8, 6
"""Responses and token positions of the batch that an algorithm is tried on: two prompts of four responses."""


def check_algorithm(kind: Any, **options: Any) -> None:
    """Raises AssertionError unless `kind`, made with `options`, gives advantages as its contract says.

    Checked: it says what it needs, and `loss_defaults` are keys of a recipe's [loss] that can be together; advantages
    are finite, of the batch's shape, zero off the mask, without gradient; they depend neither on what stands off the
    mask, nor on the order of the responses, nor on the numbers of the groups; the inputs stay as they were; there are
    returns exactly where it needs a critic.
    """
    import torch  # heavy, and only needed here

    algorithm = _made(kind, options)
    inputs = _batch(torch, torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in _tensors(torch, inputs).items()}
    found = _checked_shapes(torch, algorithm.advantages(inputs), inputs, algorithm.needs)
    for name, value in _tensors(torch, inputs).items():
        require(torch.equal(value, before[name]), f"{name} was changed in place")

    noisy = {name: _with_noise(torch, value, inputs.mask_BT) for name, value in before.items()}
    noisy["token_rewards_BT"] = before["token_rewards_BT"]
    elsewhere = algorithm.advantages(AdvantageInputs(**noisy, max_length=TOKENS)).advantages_BT
    require(_near(torch, elsewhere, found), "advantages depend on what stands off the mask")

    order = torch.randperm(WIDTH, generator=torch.Generator().manual_seed(1))
    shuffled = AdvantageInputs(**{name: value[order] for name, value in before.items()}, max_length=TOKENS)
    moved = algorithm.advantages(shuffled).advantages_BT
    require(_near(torch, moved, found[order]), "advantages depend on the order of the responses")

    renamed = AdvantageInputs(**before | {"groups_B": 70 - 3 * before["groups_B"]}, max_length=TOKENS)
    same = _near(torch, algorithm.advantages(renamed).advantages_BT, found)
    require(same, "advantages depend on the numbers of the groups")


def _made(kind: Any, options: dict[str, Any]) -> Algorithm:
    """A member with these options, if it says what it needs."""
    settings = isinstance(getattr(kind, "Options", None), type) and issubclass(kind.Options, Settings)
    require(settings, "Options has to be a class of settings (move37.config.Settings)")
    algorithm = kind(kind.Options(**options))
    require(isinstance(getattr(algorithm, "needs", None), Needs), "needs has to be a Needs")
    unknown = set(kind.loss_defaults) - set(LossConfig.model_fields)
    require(not unknown, f"loss_defaults has keys that [loss] does not know: {sorted(unknown)}")
    try:
        LossConfig.model_validate(dict(kind.loss_defaults))
    except ValidationError as error:
        raise AssertionError(f"loss_defaults cannot be together: {error.errors()[0]['msg']}") from None
    return algorithm


def _batch(torch: Any, generator: Any) -> AdvantageInputs:
    """Mixed rewards in both groups, responses of several lengths, everything that an algorithm may need."""
    lengths_B = torch.tensor([6, 3, 4, 6, 2, 5, 1, 6])
    mask_BT = torch.arange(TOKENS) < lengths_B[:, None]
    rewards_B = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    token_rewards_BT = torch.zeros(WIDTH, TOKENS)
    token_rewards_BT[torch.arange(WIDTH), lengths_B - 1] = rewards_B

    def noise() -> Any:
        return torch.randn(WIDTH, TOKENS, generator=generator) * mask_BT

    return AdvantageInputs(
        token_rewards_BT=token_rewards_BT,
        groups_B=torch.tensor([0, 1, 0, 1, 0, 1, 0, 1]),
        mask_BT=mask_BT,
        max_length=TOKENS,
        values_BT=noise(),
        greedy_rewards_B=torch.tensor([1.0, 0.0] * 4),
        old_logprobs_BT=-noise().abs(),
        teacher_logprobs_BT=-noise().abs(),
        step_gains_BT=noise(),
        implicit_rewards_BT=noise(),
        tree_paths_BD=torch.tensor([[0, 1], [2, 3], [0, 4], [2, 5], [6, -1], [7, -1], [8, -1], [9, -1]]),
        tree_depths_BT=((torch.arange(TOKENS) > 0) & (torch.arange(WIDTH)[:, None] < 4)).long() * mask_BT,
        modes_B=torch.tensor([0, 1, 2, 1, 0, 3, 4, 5]),
    )


def _tensors(torch: Any, inputs: AdvantageInputs) -> dict[str, Any]:
    fields = {name: getattr(inputs, name) for name in AdvantageInputs.__slots__}
    return {name: value for name, value in fields.items() if isinstance(value, torch.Tensor)}


def _checked_shapes(torch: Any, given: Any, inputs: AdvantageInputs, needs: Needs) -> Any:
    """The advantages, if they and the returns are of the right kind."""
    require(isinstance(given, Advantages), f"advantages has to return an Advantages, not {type(given).__name__}")
    require(
        (given.returns_BT is not None) == needs.critic, "there have to be returns exactly where needs.critic is set"
    )
    for name, value in (("advantages_BT", given.advantages_BT), ("returns_BT", given.returns_BT)):
        if value is None:
            continue
        require(
            value.shape == inputs.mask_BT.shape, f"{name} has the shape {tuple(value.shape)}, not {(WIDTH, TOKENS)}"
        )
        require(bool(torch.isfinite(value).all()), f"{name} is not finite")
        require(not value.requires_grad, f"{name} has a gradient")
    found = given.advantages_BT
    require(not bool(found[~inputs.mask_BT].any()), "advantages have to be 0 off the mask")
    return found


def _with_noise(torch: Any, value: Any, mask_BT: Any) -> Any:
    """`value` with something else where no token of the model's own stands."""
    if value.shape != mask_BT.shape or value.dtype is torch.bool:
        return value
    return torch.where(mask_BT, value, torch.full_like(value, 7.0))


def _near(torch: Any, one: Any, other: Any) -> bool:
    return bool(torch.allclose(one, other, rtol=1e-5, atol=1e-6))
