"""The verifiers as rewards, called the way TRL and verl call theirs."""

import inspect
import pickle
from collections.abc import Iterator

import pytest

from move37.errors import InputError
from move37.rewards import Reward
from move37.types import Problem
from move37.verifiers.math import MathVerifier


class Failing(MathVerifier):
    name = "failing"

    def extract(self, problem: Problem, text: str) -> str | None:
        raise RuntimeError("broken")


@pytest.fixture(scope="module")
def reward() -> Iterator[Reward]:
    with Reward(correct=1.0, incorrect=-1.0) as made:
        yield made


def test_trl_gets_one_reward_per_completion_of_texts_and_of_chats(reward: Reward) -> None:
    # GRPOTrainer calls f(prompts=..., completions=..., completion_ids=..., trainer_state=..., **columns).
    texts = ["so \\boxed{4}", "\\boxed{5}", "no idea"]
    assert reward(
        prompts=["2+2?"] * 3,
        completions=texts,
        completion_ids=[[1], [2], [3]],
        answer=["4", "4", "4"],
        trainer_state=[],
    ) == [1.0, -1.0, -1.0]
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    asked = [[{"role": "user", "content": "2+2?"}]] * 3
    assert reward(prompts=asked, completions=chats, answer=["4", "4", "4"]) == [1.0, -1.0, -1.0]
    assert reward.__name__ == "move37_math"


def test_verl_gets_a_score_per_response_by_position_and_by_name(reward: Reward) -> None:
    # verl's managers call compute_score(data_source=, solution_str=, ground_truth=, extra_info=).
    right = reward.compute_score("math500", "\\boxed{\\frac{1}{2}}", "0.5", {"question": "half?"})
    assert (right["score"], right["acc"], right["unscored"]) == (1.0, 1.0, 0.0)
    assert reward.compute_score(data_source="x", solution_str="", ground_truth="7")["score"] == -1.0
    assert list(inspect.signature(reward.compute_score).parameters) == [
        "data_source",
        "solution_str",
        "ground_truth",
        "extra_info",
    ]


def test_any_of_several_references_is_right(reward: Reward) -> None:
    assert reward(prompts=["p"], completions=["\\boxed{3}"], answer=[["2", "3"]]) == [1.0]


def test_what_the_instrument_cannot_decide_is_no_reward_and_not_a_wrong_answer() -> None:
    with Reward(incorrect=0.0) as made:
        made._verifier = Failing()
        assert made(prompts=["p"], completions=["x"], answer=["1"]) == [None]
        assert made.compute_score("d", "x", "1")["unscored"] == 1.0


def test_a_missing_column_is_named(reward: Reward) -> None:
    with pytest.raises(InputError, match=r"in a column 'answer' \(columns: solution\)"):
        reward(prompts=["p"], completions=["x"], solution=["1"])


def test_unequal_lengths_are_refused(reward: Reward) -> None:
    with pytest.raises(InputError, match="2 prompts, 1 completions and 1 answers"):
        reward(prompts=["p", "q"], completions=["x"], answer=["1"])


def test_a_pickled_reward_starts_its_own_workers(reward: Reward) -> None:
    with pickle.loads(pickle.dumps(reward)) as copy:
        assert copy(prompts=["p"], completions=["\\boxed{1}"], answer=["1"]) == [1.0]
