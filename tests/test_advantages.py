"""Advantages: numbers checkable by hand, then every algorithm against vectors that verl 0.9.1 made."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from move37.training.advantages import (  # noqa: E402
    gae,
    group_centred,
    group_normalised,
    leave_one_out,
    overlong_penalty,
    rewards_to_go,
    spread,
    whiten,
)
from move37.training.algorithms import ALGORITHMS, AdvantageInputs, Advantages  # noqa: E402

CASES = json.loads((Path(__file__).parent / "golden" / "training.json").read_text())["cases"]


def floats(*values: float) -> Any:
    return torch.tensor(values, dtype=torch.float64)


def groups(*values: int) -> Any:
    return torch.tensor(values)


def mask_of(lengths: list[int], width: int) -> Any:
    return torch.arange(width)[None] < torch.tensor(lengths)[:, None]


def advantage_inputs(inputs: dict[str, Any], **changes: Any) -> AdvantageInputs:
    mask = mask_of(inputs["lengths"], len(inputs["old"][0]))
    last = torch.tensor(inputs["lengths"])[:, None] - 1
    rewards = torch.zeros(mask.shape).scatter(1, last, torch.tensor(inputs["rewards"])[:, None])
    made = {
        "token_rewards_BT": rewards,
        "groups_B": torch.tensor(inputs["groups"]),
        "mask_BT": mask,
        "max_length": 7,
        "values_BT": torch.tensor(inputs["values"]),
        "greedy_rewards_B": torch.tensor(inputs["greedy"]),
    }
    return AdvantageInputs(**{**made, **changes})


def advantages_of(algorithm: str, inputs: AdvantageInputs, **options: Any) -> Advantages:
    kind = ALGORITHMS.load(algorithm)
    return kind(kind.Options(**options)).advantages(inputs)


# ---- By hand


def test_one_right_of_four_stands_out_by_three_halves() -> None:
    # Mean 1/4, squares 9/16 + 3/16 = 12/16, over 3: 1/4, deviation 1/2. (3/4) / (1/2 + 1e-6) = 1.499997.
    made = group_normalised(floats(1, 0, 0, 0), groups(7, 7, 7, 7))
    assert made.tolist() == pytest.approx([1.499997, -0.499999, -0.499999, -0.499999], abs=1e-9)


def test_the_divisor_g_instead_of_g_minus_one_is_a_factor_of_root_four_thirds() -> None:
    one, zero = (group_normalised(floats(1, 0, 0, 0), groups(0, 0, 0, 0), 1e-12, ddof) for ddof in (1, 0))
    assert (zero / one).tolist() == pytest.approx([math.sqrt(4 / 3)] * 4)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e8 / 3])
def test_a_group_of_equal_rewards_gets_exactly_nothing_whatever_the_value(value: float) -> None:
    rewards, same = torch.full((7,), value), torch.zeros(7, dtype=torch.int64)
    for made in (group_centred(rewards, same), group_normalised(rewards, same), leave_one_out(rewards, same)):
        assert made.tolist() == [0.0] * 7


def test_leave_one_out_subtracts_the_mean_of_the_others() -> None:
    # Group a: 3 - (0 + 6)/2 = 0, 0 - 4.5, 6 - 1.5. Group b has one member and keeps its reward.
    made = leave_one_out(floats(3, 5, 0, 6), groups(1, 9, 1, 1))
    assert made.tolist() == [0.0, 5.0, -4.5, 4.5]


def test_a_group_of_one_keeps_its_reward() -> None:
    assert group_centred(floats(0.25), groups(0)).tolist() == [0.25]
    assert group_normalised(floats(0.25), groups(0)).tolist() == pytest.approx([0.25 / (1 + 1e-6)], abs=1e-12)


def test_groups_may_be_interleaved_and_of_any_size() -> None:
    made = group_centred(floats(1, 10, 3, 20, 30), groups(4, 2, 4, 2, 2))
    assert made.tolist() == [-1.0, -10.0, 1.0, 0.0, 10.0]


def test_rewards_to_go_add_up_from_behind_and_stop_at_the_end_of_the_response() -> None:
    rewards = torch.tensor([[1.0, 0.0, 2.0, 9.0]], dtype=torch.float64)
    made = rewards_to_go(rewards, mask_of([3], 4), gamma=0.5)
    # 2; 0 + 1; 1 + 1/2; the fourth position is no token.
    assert made.tolist() == [[1.5, 1.0, 2.0, 0.0]]


def test_rewards_pass_through_tokens_that_are_not_the_models_own() -> None:
    rewards = torch.tensor([[0.0, 7.0, 1.0]])
    made = rewards_to_go(rewards, torch.tensor([[True, False, True]]), gamma=0.5)
    assert made.tolist() == [[0.5, 0.0, 1.0]]


def test_gae_with_gamma_and_lambda_one_is_the_reward_to_go_less_the_value() -> None:
    rewards, values = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.25, 0.5, 0.75]])
    advantages, returns = gae(rewards, values, mask_of([3], 3), 1.0, 1.0)
    assert advantages.tolist() == [[0.75, 0.5, 0.25]]
    assert returns.tolist() == [[1.0, 1.0, 1.0]]


def test_gae_with_lambda_zero_is_the_one_step_error() -> None:
    rewards, values = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.25, 0.5, 0.75]])
    advantages, _ = gae(rewards, values, mask_of([3], 3), 0.5, 0.0)
    # 0.5 * 0.5 - 0.25 = 0; 0.5 * 0.75 - 0.5 = -0.125; 1 - 0.75 = 0.25
    assert advantages.tolist() == [[0.0, -0.125, 0.25]]


def test_whitening_has_mean_zero_and_unbiased_variance_one_over_the_tokens_alone() -> None:
    values = torch.tensor([[1.0, 2.0, 100.0], [3.0, 50.0, 60.0]], dtype=torch.float64)
    made = whiten(values, mask_of([2, 1], 3))
    # 1, 2, 3: mean 2, variance (1 + 0 + 1) / 2 = 1.
    assert made.tolist() == [[pytest.approx(-1), 0.0, 0.0], [pytest.approx(1), 0.0, 0.0]]


def test_whitening_one_token_gives_zero_and_no_error() -> None:
    assert whiten(torch.tensor([[5.0, 1.0]]), mask_of([1], 2)).tolist() == [[0.0, 0.0]]


def test_the_over_length_penalty_is_linear_in_the_buffer() -> None:
    # Limit 20, buffer 4: free up to 16, then a quarter per token.
    made = overlong_penalty(groups(1, 16, 17, 20), 20, 4)
    assert made.tolist() == [0.0, 0.0, -0.25, -1.0]


def test_shapes_that_do_not_fit_are_refused_in_one_line() -> None:
    wrong = [
        lambda: group_centred(floats(1, 2), groups(0)),
        lambda: spread(floats(1, 2), mask_of([1], 3)),
        lambda: whiten(torch.ones(2, 3), mask_of([1], 3)),
        lambda: rewards_to_go(torch.ones(1, 3), torch.ones(1, 3)),
        lambda: overlong_penalty(groups(1), 10, 11),
    ]
    for call in wrong:
        with pytest.raises(ValueError, match="expected|one of each|buffer") as caught:
            call()
        assert "\n" not in str(caught.value)


# ---- Against verl 0.9.1


@pytest.mark.parametrize("case", CASES, ids=["binary", "real", "binary again"])
@pytest.mark.parametrize(
    ("name", "algorithm", "options"),
    [
        ("ppo", "ppo", {"gamma": 0.95, "lam": 0.9}),
        ("grpo", "grpo", {}),
        ("dr_grpo", "grpo", {"scale": "none"}),
        ("rloo", "rloo", {}),
        ("reinforce_pp", "reinforce_pp", {"gamma": 0.9}),
        ("reinforce_pp_baseline", "reinforce_pp", {"baseline": True}),
        ("remax", "remax", {}),
        ("dapo", "dapo", {"buffer_share": 3 / 7, "penalty": 0.5}),
    ],
)
def test_every_algorithm_agrees_with_verl(
    case: dict[str, Any], name: str, algorithm: str, options: dict[str, Any]
) -> None:
    made = advantages_of(algorithm, advantage_inputs(case["inputs"]), **options)
    theirs = torch.tensor(case["verl_advantages"][name])
    torch.testing.assert_close(made.advantages_BT, theirs, rtol=1e-6, atol=1e-6)
    if made.returns_BT is not None:
        returns = torch.tensor(case["verl_advantages"]["ppo_returns"])
        torch.testing.assert_close(made.returns_BT, returns, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("algorithm", ["ppo", "grpo", "reinforce_pp", "rloo", "remax", "dapo"])
def test_no_algorithm_credits_a_position_that_is_no_token(algorithm: str) -> None:
    inputs = advantage_inputs(CASES[1]["inputs"])
    made = advantages_of(algorithm, inputs)
    assert made.advantages_BT[~inputs.mask_BT].abs().max() == 0


@pytest.mark.parametrize("algorithm", ["grpo", "rloo", "dapo"])
def test_group_methods_learn_nothing_from_equal_rewards(algorithm: str) -> None:
    inputs = CASES[0]["inputs"] | {"rewards": [1.0] * 10, "groups": [0] * 5 + [1] * 5, "lengths": [3] * 10}
    assert advantages_of(algorithm, advantage_inputs(inputs)).advantages_BT.abs().max() == 0


def test_the_over_length_penalty_has_at_least_one_token_unless_its_share_is_zero() -> None:
    # Limit 7, share 0.05: 0.35 tokens, so one: a response of 7 pays 1, one of 6 nothing. Rewards are all 0.1.
    inputs = CASES[0]["inputs"] | {
        "rewards": [0.1] * 2,
        "groups": [0, 0],
        "lengths": [6, 7],
        "values": [],
        "greedy": [],
    }
    made = advantages_of("dapo", advantage_inputs(inputs), buffer_share=0.05).advantages_BT[:, 0]
    assert made.tolist() == pytest.approx([math.sqrt(0.5), -math.sqrt(0.5)], abs=1e-5)
    assert advantages_of("dapo", advantage_inputs(inputs), buffer_share=0.0).advantages_BT.abs().max() == 0


def test_whitening_moves_equal_groups_too_where_length_goes_with_reward() -> None:
    # Group 0: 1 (one token) and 0 (three tokens), less 1/2; group 1: equal. Over six tokens the mean is (1/2 - 3/2)/6.
    inputs = CASES[0]["inputs"] | {"rewards": [1.0, 0.0, 1.0, 1.0], "groups": [0, 0, 1, 1], "lengths": [1, 3, 1, 1]}
    made = advantages_of(
        "reinforce_pp", advantage_inputs(inputs | {"values": [], "greedy": []}), baseline=True
    ).advantages_BT
    # Squares: (2/3)^2 + 3 (1/3)^2 + 2 (1/6)^2 = 5/6, over 5: 1/6. (1/6) / sqrt(1/6) = sqrt(1/6).
    assert made[2:, 0].tolist() == pytest.approx([math.sqrt(1 / 6)] * 2, abs=1e-6)


def test_what_an_algorithm_needs_and_does_not_get_is_said() -> None:
    for algorithm, missing, words in (("ppo", "values_BT", "critic"), ("remax", "greedy_rewards_B", "greedy")):
        with pytest.raises(ValueError, match=words):
            advantages_of(algorithm, advantage_inputs(CASES[0]["inputs"], **{missing: None}))


def test_an_algorithm_written_with_the_names_of_before_is_told_the_new_ones() -> None:
    import move37.training.algorithms as module

    for old, new in (("Evidence", AdvantageInputs), ("Credit", Advantages)):
        with pytest.warns(FutureWarning, match=rf"\.{old} is called {new.__name__} now; please rename it"):
            assert getattr(module, old) is new
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        module.Nothing  # noqa: B018


# ---- Responses that the model did not write


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [("grpo", {}), ("grpo", {"scale": "none"}), ("rloo", {}), ("dapo", {}), ("reinforce_pp", {"baseline": True})],
)
def test_a_response_without_an_own_token_is_no_part_of_its_groups_baseline(
    algorithm: str, options: dict[str, Any]
) -> None:
    """Groups of four (0, 1, 1, 0) and of three: as if rows 1 and 5 were not there, whatever their reward was."""
    rewards, numbers = torch.tensor([0.0, 1, 1, 0, 1, 1, 0]), groups(3, 3, 3, 3, 8, 8, 8)
    mask = torch.ones(7, 2, dtype=torch.bool)
    mask[[1, 5]] = False
    placed = torch.stack([torch.zeros(7), rewards], 1)
    inputs = AdvantageInputs(placed, numbers, mask, max_length=7)
    written = mask.any(-1)
    without = AdvantageInputs(placed[written], numbers[written], mask[written], max_length=7)
    made = advantages_of(algorithm, inputs, **options).advantages_BT
    expected = advantages_of(algorithm, without, **options).advantages_BT
    torch.testing.assert_close(made[written], expected, rtol=1e-6, atol=1e-7)
    assert made[~written].abs().max() == 0
    if algorithm == "rloo":  # by hand: 0 - (1 + 0) / 2, 1 - 0, 0 - 1 / 2; then 1 - 0 and 0 - 1
        assert made[written][:, 0].tolist() == pytest.approx([-0.5, 1.0, -0.5, 1.0, -1.0])
