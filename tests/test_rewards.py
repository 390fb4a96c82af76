"""The verifiers as rewards, called the way TRL and verl call theirs."""

import inspect
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
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


def test_references_come_in_whatever_a_column_holds(reward: Reward) -> None:
    golds = [np.array(["2", "3"]), np.array("3"), np.float64(3), 3, ("3",), None]
    rewards = reward(prompts=["p"] * 6, completions=["\\boxed{3}"] * 6, answer=golds)
    assert rewards == [1.0, 1.0, 1.0, 1.0, 1.0, None]  # no reference: this reward says nothing


def test_a_message_may_hold_parts_or_no_text(reward: Reward) -> None:
    parts = [{"type": "text", "text": "so \\boxed{"}, {"type": "image"}, {"type": "text", "text": "4}"}]
    chats = [[{"role": "assistant", "content": content}] for content in (parts, None)]
    assert reward(prompts=["p"] * 3, completions=[*chats, []], answer=["4", "4", "None"]) == [1.0, -1.0, -1.0]


def test_threads_may_call_it_at_the_same_time(reward: Reward) -> None:
    # as verl's reward loop does: compute_score in the threads of an executor
    with ThreadPoolExecutor(8) as threads:
        scores = threads.map(lambda i: reward.compute_score("d", f"\\boxed{{{i}}}", str(i - i % 2))["acc"], range(40))
    assert list(scores) == [1.0, 0.0] * 20


@pytest.mark.slow
def test_a_forked_process_starts_its_own_workers(reward: Reward) -> None:
    assert reward(prompts=["p"], completions=["\\boxed{1}"], answer=["1"]) == [1.0]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with reward:
                found = reward(prompts=["p"] * 2, completions=["\\boxed{71}", "\\boxed{72}"], answer=["71", "71"])
            os.write(writing, repr(found).encode())
        finally:
            os._exit(0)
    os.close(writing)
    assert os.read(reading, 100) == b"[1.0, -1.0]"
    os.waitpid(child, 0)
    assert reward(prompts=["p"], completions=["\\boxed{73}"], answer=["73"]) == [1.0]


def test_what_the_instrument_cannot_decide_is_no_reward_and_not_a_wrong_answer() -> None:
    with Reward(correct=2.0, incorrect=-1.0) as made:
        made._verifier = Failing()
        assert made(prompts=["p"], completions=["x"], answer=["1"]) == [None]
        scored = made.compute_score("d", "x", "1")
        # verl wants a number: the lower one, marked, and in no accuracy.
        assert (scored["score"], scored["acc"], scored["unscored"]) == (-1.0, 0.0, 1.0)
        assert scored["reason"] == "verifier crashed: RuntimeError"


def test_a_missing_column_is_named(reward: Reward) -> None:
    with pytest.raises(InputError, match=r"in a column 'answer' \(columns: solution\)"):
        reward(prompts=["p"], completions=["x"], solution=["1"])


def test_unequal_lengths_are_refused(reward: Reward) -> None:
    with pytest.raises(InputError, match="2 prompts, 1 completions and 1 answers"):
        reward(prompts=["p", "q"], completions=["x"], answer=["1"])


@pytest.mark.slow
def test_a_pickled_reward_starts_its_own_workers(reward: Reward) -> None:
    with pickle.loads(pickle.dumps(reward)) as copy:
        assert copy(prompts=["p"], completions=["\\boxed{1}"], answer=["1"]) == [1.0]


def test_a_score_is_a_reward_between_the_two_and_no_verdict_is_none() -> None:
    from move37.rewards import value_of, verl_score
    from move37.types import Outcome, Verdict

    values = {Outcome.CORRECT: 1.0, Outcome.INCORRECT: -1.0}
    partly = Verdict(Outcome.INCORRECT, "score 0.75", score=0.75)
    assert value_of(partly, values) == 0.5  # three quarters of the way from -1 to 1
    assert value_of(Verdict(Outcome.CORRECT, ""), values) == 1.0
    assert value_of(Verdict(Outcome.UNSCORED, "", score=0.75), values) is None
    assert (verl_score(partly, values)["score"], verl_score(partly, values)["acc"]) == (0.5, 0.0)
