"""Credit that minds the boundary: the gradient that each rule claims to have, enumerated, and the authors' own code."""

import json
import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from scipy.special import betaln

torch = pytest.importorskip("torch")

from move37.engines import Completion  # noqa: E402
from move37.errors import ConfigError  # noqa: E402
from move37.training.algorithms import ALGORITHMS, AdvantageInputs  # noqa: E402
from move37.training.batches import Rollout, modes_of  # noqa: E402
from move37.training.recipe import parse_recipe  # noqa: E402
from move37.types import Outcome, Problem, Verdict  # noqa: E402

CASES = json.loads((Path(__file__).parent / "golden" / "boundary.json").read_text())["cases"]
CHANCES = (0.03, 0.2, 0.5, 0.85)


def made(name: str, **options: Any) -> Any:
    kind = ALGORITHMS.load(name)
    return kind(kind.Options(**options))


def one_token(rewards: list[float], groups: list[int] | None = None, **fields: Any) -> AdvantageInputs:
    """Responses of one token, all to one prompt unless said otherwise."""
    rewards_B1 = torch.tensor(rewards, dtype=torch.float64)[:, None]
    groups_B = torch.tensor(groups or [0] * len(rewards))
    return AdvantageInputs(rewards_B1, groups_B, torch.ones(rewards_B1.shape, dtype=torch.bool), 1, **fields)


def credit(name: str, inputs: AdvantageInputs, **options: Any) -> list[float]:
    return made(name, **options).advantages(inputs).advantages_BT[:, 0].tolist()


def expected_gradient(worth: Callable[[int, int], tuple[float, float]], n: int, p: float) -> float:
    """Of a policy that is right with chance p: the mean over all groups of the sum of A times d log(chance) / dp."""
    total = 0.0
    for c in range(n + 1):
        right, wrong = worth(n, c)
        chance = math.comb(n, c) * p**c * (1 - p) ** (n - c)
        total += chance * (c * right / p - (n - c) * wrong / (1 - p))
    return total


# ---- What a rule says it climbs


@pytest.mark.parametrize("p", CHANCES)
@pytest.mark.parametrize(
    ("baseline", "n", "k"),
    [("loo_minus_one", 6, 1), ("loo_minus_one", 6, 4), ("loo_minus_one", 6, 6), ("loo", 6, 1), ("loo", 6, 5)],
)
def test_pkpo_is_the_gradient_of_pass_at_k_whatever_the_baseline(baseline: str, n: int, k: int, p: float) -> None:
    worth = made("pkpo", k=k, baseline=baseline).worth
    assert expected_gradient(worth, n, p) == pytest.approx(k * (1 - p) ** (k - 1), abs=1e-12)


@pytest.mark.parametrize("p", CHANCES)
@pytest.mark.parametrize(("order", "terms"), [(None, 6), (1, 1), (3, 3), (7, 7), (20, 7)])
def test_maxrl_is_the_gradient_of_the_sum_of_pass_at_k_over_k(order: int | None, terms: int, p: float) -> None:
    """d/dp of pass@k / k is (1 - p)^(k-1); seven responses tell six terms of them with the mean as baseline."""
    algorithm = made("maxrl", order=order, epsilon=1e-15)
    worth = algorithm.whole if order is None else algorithm.series
    of_group = expected_gradient(worth, 7, p) / 7
    assert of_group == pytest.approx(sum((1 - p) ** (k - 1) for k in range(1, terms + 1)), abs=1e-9)


@pytest.mark.parametrize("k", [1, 2, 5, 8])
def test_pass_at_k_is_the_mean_over_all_sets_of_the_sets_own_normalised_advantage(k: int) -> None:
    algorithm = made("pass_at_k", k=k, epsilon=1e-9)
    for c in range(9):
        rewards = [1.0] * c + [0.0] * (8 - c)
        sets = list(combinations(range(8), k))
        won = {each: max(rewards[i] for i in each) for each in sets}
        mean = sum(won.values()) / len(sets)
        unit = math.sqrt(mean * (1 - mean)) + 1e-9
        enumerated = [
            sum((won[each] - mean) / unit for each in sets if i in each) / math.comb(7, k - 1) for i in range(8)
        ]
        right, wrong = algorithm.worth(8, c)
        assert [right] * c + [wrong] * (8 - c) == pytest.approx(enumerated, abs=1e-6)


def test_pass_at_one_is_grpo_with_squares_over_the_whole_group() -> None:
    inputs = one_token([1, 0, 0, 1, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 3, 3, 3, 3])
    assert credit("pass_at_k", inputs, k=1) == pytest.approx(credit("grpo", inputs, ddof=0), abs=1e-9)


def test_bbg_weighs_by_the_posterior_mean_of_what_pass_at_k_would_gain() -> None:
    algorithm = made("bbg", k_ref=12)
    for n, m in ((4, 0), (4, 3), (16, 1), (16, 9)):  # E k (1-p)^(k-1) under Beta(m+1, n-m+1)
        expected = 12 * math.exp(betaln(m + 1, n - m + 12) - betaln(m + 1, n - m + 1))
        assert algorithm.utility(n, m) == pytest.approx(expected)
    assert algorithm.weight(16, 1) == 1
    assert algorithm.weight(16, 16) == 0  # worth less than .01 (n + 1)


def test_bbg_without_a_success_pushes_all_responses_or_none() -> None:
    inputs = one_token([0, 0, 1, 0], [5, 5, 2, 2])
    algorithm = made("bbg")
    lone = algorithm.weight(2, 1) * math.sqrt(0.5)  # GRPO's advantage of one right of two
    assert credit("bbg", inputs) == pytest.approx([-algorithm.weight(2, 0)] * 2 + [lone, -lone], abs=1e-5)
    assert credit("bbg", inputs, zero_success="none")[:2] == [0, 0]


def test_unlikeliness_pays_less_for_what_was_likely_and_shares_the_rank_of_equals() -> None:
    # Mean log-probabilities -3, -1, -2, -1: ranks 0, 2.5, 1, 2.5 of 4; scores 1, 1 - .25 * 2.5 / 4 (wrong: 0), ...
    logprobs = torch.tensor([[-3.0], [-1.0], [-2.0], [-1.0]], dtype=torch.float64)
    found = credit("unlikeliness", one_token([1, 1, 0, 1], old_logprobs_BT=logprobs))
    scores = torch.tensor([1, 1 - 0.25 * 2.5 / 4, 0, 1 - 0.25 * 2.5 / 4], dtype=torch.float64)
    expected = (scores - scores.mean()) / (scores.std() + 1e-6)
    assert found == pytest.approx(expected.tolist(), abs=1e-9)
    with pytest.raises(ValueError, match="needs the log-probabilities"):
        credit("unlikeliness", one_token([1, 0]))


def test_entropic_credit_spends_the_nats_that_it_was_given() -> None:
    rewards = torch.tensor([0.1, 0.4, 0.9, 0.2, 0.85, -3.0], dtype=torch.float64)
    found = torch.tensor(credit("entropic", one_token(rewards.tolist()), nats=0.5), dtype=torch.float64)
    # A + 1 = w_i / mean of the others, so w_i is proportional to (A + 1) / (A + 1 + G - 1).
    weights = (found + 1) / (found + len(rewards))
    weights = weights / weights.sum()
    assert float((weights * (weights * len(rewards)).log()).sum()) == pytest.approx(0.5, abs=1e-9)
    slopes = weights.log().diff() / rewards.diff()
    assert slopes.tolist() == pytest.approx([float(slopes[0])] * 5)  # log w is linear in the reward: a softmax
    assert credit("entropic", one_token([0.3, 0.3, 0.3, 7], [0, 0, 0, 1])) == [0, 0, 0, 0]


def test_uniqueness_moves_credit_to_rare_ways_and_keeps_the_total() -> None:
    inputs = one_token([1, 1, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0], modes_B=torch.tensor([4, 4, 9, 4, 1, 4]))
    plain = credit("grpo", inputs)
    found = credit("uniqueness", inputs, alpha=1.0, clip_low=0.01, clip_high=100.0)
    # Modes of 3 and of 1 right ones: rarities 1/3, 1/3, 1, 1/3 with mean 1/2, so weights 2/3 and 2.
    weights = [2 / 3, 2 / 3, 2, 1, 1, 2 / 3]
    assert found == pytest.approx([w * a for w, a in zip(weights, plain, strict=True)])
    assert sum(found) == pytest.approx(sum(plain), abs=1e-9)
    cut = credit("uniqueness", inputs, alpha=1.0, clip_high=1.5)
    assert cut[2] / cut[0] == pytest.approx(1.5 / (2 / 3))


def test_what_greedy_solves_is_left_alone() -> None:
    inputs = one_token([1, 0, 1, 0], [0, 0, 1, 1], greedy_rewards_B=torch.tensor([1.0, 1.0, 0.0, 0.0]))
    assert credit("unsolved_only", inputs)[:2] == [0, 0]
    assert credit("unsolved_only", inputs)[2:] == credit("grpo", inputs)[2:]
    assert credit("unsolved_only", inputs, solved_weight=1.0) == credit("grpo", inputs)


@pytest.mark.parametrize("name", ["pass_at_k", "pkpo", "maxrl", "entropic", "uniqueness"])
def test_prompts_that_say_nothing_get_nothing(name: str) -> None:
    inputs = one_token([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1], modes_B=torch.tensor([0, 1, 2, 3, 4, 3]))
    assert max(map(abs, credit(name, inputs))) < 1e-9


def test_a_reward_that_is_neither_right_nor_wrong_is_refused_where_they_are_counted() -> None:
    with pytest.raises(ValueError, match="neither right nor wrong"):
        credit("pass_at_k", one_token([1, 0.5, 0]))
    for name in ("pass_at_k", "maxrl"):
        raw = {"algorithm": {"name": name}, "loss": {"kl_coefficient": 0.1, "kl_in": "reward"}}
        with pytest.raises(ConfigError, match=f'loss.kl_in: {name} counts right and wrong responses; use "loss"'):
            parse_recipe(raw | {"name": "r", "model": {"path": "m"}, "problems": {"benchmark": "countdown", "size": 4}})


def test_both_weights_zero_would_teach_nothing() -> None:
    with pytest.raises(ValueError, match="nothing is learnt"):
        made("weighted_reinforce", positive=0, negative=0)


# ---- Against the authors' code


@pytest.mark.parametrize("case", CASES, ids=["first", "second"])
@pytest.mark.parametrize(
    ("theirs", "name", "options"),
    [
        ("pass_at_k 1", "pass_at_k", {"k": 1}),
        ("pass_at_k 4", "pass_at_k", {"k": 4}),
        ("pass_at_k 8", "pass_at_k", {"k": 8}),
        ("maxrl", "maxrl", {}),
        ("maxrl order 1", "maxrl", {"order": 1}),
        ("maxrl order 3", "maxrl", {"order": 3}),
        ("maxrl order 8", "maxrl", {"order": 8}),
        ("weighted_reinforce positive", "weighted_reinforce", {"positive": 1.0, "negative": 0.0}),
        ("weighted_reinforce negative", "weighted_reinforce", {"positive": 0.0}),
        ("weighted_reinforce weighted", "weighted_reinforce", {}),
        ("unlikeliness", "unlikeliness", {}),
        ("entropic", "entropic", {}),
    ],
)
def test_every_rule_agrees_with_its_authors_code(
    case: dict[str, Any], theirs: str, name: str, options: dict[str, Any]
) -> None:
    given = case["inputs"]
    lengths = torch.tensor(given["lengths"])
    mask = torch.arange(len(given["old"][0]))[None] < lengths[:, None]
    rewards = torch.zeros(mask.shape).scatter(1, lengths[:, None] - 1, torch.tensor(given["rewards"])[:, None])
    inputs = AdvantageInputs(
        rewards, torch.tensor(given["groups"]), mask, 5, old_logprobs_BT=torch.tensor(given["old"])
    )
    found = made(name, **options).advantages(inputs).advantages_BT
    expected = torch.tensor(case["advantages"][theirs])[:, None] * mask
    torch.testing.assert_close(found, expected, rtol=2e-5, atol=2e-6)


# ---- Which responses went the same way


def test_responses_with_one_answer_are_one_mode_and_unread_answers_are_their_own() -> None:
    problem = Problem("p", "q", ("a",), "own", "math")
    verdicts = [Verdict(Outcome.CORRECT, "", answer) for answer in ("2+2=4", None, "4+0=4", "2+2=4", None)]
    made_by = Completion.__new__(Completion)
    rollouts = [Rollout(problem, 0, made_by, verdict) for verdict in verdicts]
    assert modes_of(rollouts).tolist() == [0, 1, 2, 0, 3]
