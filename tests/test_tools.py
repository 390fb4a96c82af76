"""Tools: what a call gives, episodes of several turns, and that what a tool wrote is read and not learnt from."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from move37.engines import Completion
from move37.environments import ENVIRONMENTS
from move37.environments.calculator import Calculator
from move37.environments.tools import FAILED, ToolEnvironment, ToolError, tool_use
from move37.rollouts import Where, roll_out
from move37.testing import check_environment
from move37.types import FinishReason, Prompt, Request, Sample, Segment

PROMPT = Prompt("p", "What is 12 times 7? ", ("\n",), "completion")


class Spelling(ToolEnvironment):
    """A tool that a random model calls often: at every "a" it gets a fixed text."""

    opens: ClassVar[str] = ""
    closes: ClassVar[str] = "a"
    most_calls: ClassVar[int] = 2

    def after(self, prompt: Prompt, sample: Sample) -> tuple[Segment, ...] | None:
        called = sum(not segment.own for segment in sample.trajectory.segments)
        if called >= self.most_calls or sample.finish_reason is FinishReason.LENGTH:
            return None
        return (Segment("tool", "abc ", own=False),)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("12*7", "84"),
        (" 3*(4+5)/2 ", "13.5"),
        ("2**10 - 1", "1023"),
        ("-7 // 2", "-4"),
        ("1/3", "0.333333333333"),
        ("10**30", "1" + "0" * 30),
    ],
)
def test_the_calculator_calculates(expression: str, result: str) -> None:
    assert Calculator().call(expression) == result


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("1/0", "division by zero"),
        ("9**9**9", "too large"),
        ("(-8)**0.5", "no real number"),
        ("10.0**400", "too large"),
        ("import os", "no expression"),
        ("__import__('os')", "no expression"),
        ("x+1", "no expression"),
        ("True+1", "no expression"),
        ("", "no expression"),
        ("1+" * 400 + "1", "more than 500 characters"),
        ("(" * 240 + ")" * 240, "no expression"),
        ("1e999", "not finite"),
    ],
)
def test_what_the_calculator_cannot_do_it_says(expression: str, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        Calculator().call(expression)


def said(text: str, finish: FinishReason = FinishReason.STOP, segments: Any = None) -> Sample:
    return Sample("p", 0, text, finish, 3, -1.0, 0, segments)


def result_of(tool: ToolEnvironment, text: str) -> Segment:
    added = tool.after(PROMPT, said(text))
    assert added is not None
    (result,) = added
    return result


def test_a_call_is_answered_and_everything_else_ends_the_episode() -> None:
    calculator = Calculator()
    answer = result_of(calculator, "I need <calc>12*7")
    assert (answer.role, answer.text, answer.own) == ("tool", "</calc><result>84</result>", False)
    failure = result_of(calculator, "<calc>12/0")
    assert (failure.role, failure.text) == (FAILED, "</calc><result>error: division by zero</result>")
    assert calculator.after(PROMPT, said("the answer is 84")) is None
    assert calculator.after(PROMPT, said("<calc>12*7", FinishReason.LENGTH)) is None
    turns = (Segment("assistant", "<calc>1"), answer) * calculator.most_calls
    assert calculator.after(PROMPT, said("<calc>1+1", segments=(*turns, Segment("assistant", "<calc>1+1")))) is None

    class Talkative(Calculator):
        most_characters = 5

        def call(self, argument: str) -> str:
            return "x" * 50

    assert result_of(Talkative(), "<calc>1").text == "</calc><result>xxxxx ...</result>"


@pytest.mark.parametrize("name", ["calculator"])
def test_tools_keep_the_contract(name: str) -> None:
    check_environment(ENVIRONMENTS.load(name)())


def scripted(turns: Sequence[str], seen: list[Request]) -> Any:
    """A model that says these turns, whatever it is asked."""

    def generate(asked: Sequence[Request]) -> Iterator[Sample]:
        for request in asked:
            number = request.prompt.text.count("<result>")
            seen.append(request)
            yield Sample(request.prompt.problem_id, request.index, turns[number], FinishReason.STOP, 3, -1.0)

    return generate


def test_an_episode_with_a_calculator_stops_at_its_tags_and_is_counted() -> None:
    seen: list[Request] = []
    turns = ("<calc>12*7", "then <calc>84/0", "it is 84")
    (made,) = roll_out(scripted(turns, seen), [Request(PROMPT, 0, 1)], "base", Where("calculator"))
    assert {request.prompt.stop for request in seen} == {("\n", "</calc>")}
    assert seen[-1].prompt.text == (
        PROMPT.text
        + "<calc>12*7</calc><result>84</result>then <calc>84/0</calc><result>error: division by zero</result>"
    )
    assert (made.text, made.tokens, made.logprob) == ("it is 84", 9, -3.0)
    assert tool_use(made) == (3, 2, 1)


def test_an_episode_without_room_for_its_next_turn_ends_as_cut() -> None:
    where = Where("calculator", has_room=lambda prompt: len(prompt.text) < 60)
    turns = ("<calc>12*7", "then <calc>84+1", "it is 85")
    (made,) = roll_out(scripted(turns, []), [Request(PROMPT, 0, 1)], "base", where)
    assert made.finish_reason is FinishReason.LENGTH
    assert made.text == "then <calc>84+1"
    assert tool_use(made) == (2, 1, 0)


def test_turns_become_one_completion_whose_own_tokens_are_those_that_were_drawn() -> None:
    ids = {"<calc>1+1": (5, 6), "2": (7,)}

    def turn(prompt_ids: tuple[int, ...], text: str) -> Completion:
        logprobs = tuple(-0.5 * token for token in ids[text])
        return Completion(said(text), prompt_ids, ids[text], logprobs)

    def completions(second_prompt: tuple[int, ...]) -> Any:
        def generate(asked: Sequence[Request]) -> Iterator[Completion]:
            for request in asked:
                first = "<result>" not in request.prompt.text
                yield turn((1, 2), "<calc>1+1") if first else turn(second_prompt, "2")

        return generate

    (made,) = roll_out(completions((1, 2, 5, 6, 9, 9)), [Request(PROMPT, 0, 1)], "base", Where("calculator"))
    assert made.prompt_ids == (1, 2)
    assert made.token_ids == (5, 6, 9, 9, 7)
    assert made.own == (True, True, False, False, True)
    assert made.logprobs == (-2.5, -3.0, 0.0, 0.0, -3.5)
    assert made.sample.text == "2"
    (made,) = roll_out(completions((1, 2, 5, 9, 9)), [Request(PROMPT, 0, 1)], "base", Where("calculator"))
    assert (made.token_ids, made.own) == ((5, 9, 9, 7), (True, False, False, True))  # 6 was its end token
    # Read again, the first turn is cut into other tokens: they are attended to, and nothing is learnt from them.
    (made,) = roll_out(completions((1, 2, 4, 4, 4, 9)), [Request(PROMPT, 0, 1)], "base", Where("calculator"))
    assert made.own == (False, False, False, False, True)
    assert made.token_ids == (4, 4, 4, 9, 7)
    assert made.logprobs == (0.0, 0.0, 0.0, 0.0, -3.5)


@pytest.mark.slow
def test_the_gradient_of_episodes_is_that_of_the_models_own_tokens_read_with_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real model samples turns between which a tool writes; each episode is then read whole, plainly."""
    torch = pytest.importorskip("torch")
    import json

    from move37.training.loop import Trainer
    from move37.training.policy import Metrics
    from move37.training.recipe import parse_recipe
    from move37.training.records import Clock, Silent, sampling_figures
    from move37.verification import VerifierPool
    from tests.plain_training import gradient_held
    from tests.tiny_models import save_model

    monkeypatch.setitem(ENVIRONMENTS.table, "spelling", "tests.test_tools:Spelling")  # type: ignore[arg-type]
    rows = [{"question": f"say {letter}:", "answer": letter} for letter in "bcd"]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = parse_recipe(
        {
            "name": "tools",
            "algorithm": {"name": "weighted_reinforce"},
            "model": {"path": str(save_model(tmp_path / "m", initializer_range=0.1)), "device": "cpu", "threads": 1},
            "problems": {"benchmark": "jsonl", "path": str(tmp_path / "rows.jsonl"), "verifier": "exact"},
            "rollout": {
                "prompts": 3,
                "responses": 4,
                "max_new_tokens": 30,
                "template": "completion",
                "environment": "spelling",
            },
        }
    )
    with VerifierPool(asked.verification) as pool:
        trainer = Trainer(asked, tmp_path / "run", pool, Silent())
        rollouts = trainer._collect(Clock())
        update = trainer._credit(rollouts, {})
    assert update is not None
    figures = sampling_figures(rollouts.everything)
    assert 1 < figures["turns"] <= 3
    assert figures["tool_calls"] == pytest.approx(figures["turns"] - 1)
    policy, total, count, as_drawn = trainer.policy, torch.zeros(()), 0, []
    for row, rollout in enumerate(rollouts.kept):
        made, own = rollout.made, rollout.made.own or (True,) * len(rollout.made.token_ids)
        written = policy.tokenizer.decode([t for t, mine in zip(made.token_ids, own, strict=True) if not mine])
        # The tool's "a" is the model's own, which wrote it, unless its turn ended with an end token.
        as_drawn.append(written.replace("abc", "bc").replace(" ", "") == "bc" * (tool_use(made.sample).turns - 1))
        logits = policy.model(input_ids=torch.tensor([[*made.prompt_ids, *made.token_ids]])).logits
        every = logits[0, len(made.prompt_ids) - 1 : -1].log_softmax(-1)
        for place, (token, mine) in enumerate(zip(made.token_ids, own, strict=True)):
            if mine:
                assert float(every[place, token]) == pytest.approx(made.logprobs[place], abs=1e-4)
                total = total - float(update.advantages.advantages_BT[row, place]) * every[place, token]
                count += 1
    # A random model also draws special tokens within a turn, which no text keeps: such turns are not learnt from.
    assert any(as_drawn)
    parameters = [p for p in policy.model.parameters() if p.requires_grad]
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(total / count, parameters)])
    policy.optimizer.zero_grad(set_to_none=True)
    policy.accumulate(update, torch.arange(len(update.batch)), Metrics(), is_first=True)
    assert float((gradient_held(policy) - expected).norm() / expected.norm()) < 1e-4


@pytest.mark.slow
def test_the_interpreter_runs_programs_in_the_sandbox() -> None:
    from move37.environments.python import Python

    python = Python()
    assert python.call("print(6*7)") == "42"
    with pytest.raises(ToolError, match="raised an exception"):
        python.call("1/0")
    with pytest.raises(ToolError, match="raised an exception"):
        python.call("import socket; socket.create_connection(('127.0.0.1', 9))")
