"""Rows as others write them: TRL's and verl's keys, chats, worked solutions as references, parts of a set."""

import json
from pathlib import Path
from typing import Any

import pytest

from move37.benchmarks.jsonl import final_answer
from move37.config import FieldMapping, ProblemsConfig
from move37.errors import ConfigError, InputError
from move37.problems import load_problems
from move37.prompting import TEMPLATES, render_prompt
from move37.types import Problem


def load(path: Path, *rows: dict[str, Any], **settings: Any) -> tuple[Problem, ...]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_problems((ProblemsConfig.model_validate({"benchmark": "jsonl", "path": str(path), **settings}),))


CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
TRL = {"prompt": "1+1?", "solution": "\\boxed{2}"}
TRL_CHAT = {"prompt": CHAT[1:], "answer": "2"}
VERL = {
    "data_source": "gsm8k",
    "prompt": CHAT[1:],
    "reward_model": {"style": "rule", "ground_truth": "2"},
    "extra_info": {"index": 0},
}


@pytest.mark.parametrize("row", [TRL, TRL_CHAT, VERL, {"question": "1+1?", "ground_truth": 2}])
def test_rows_of_trl_and_verl_are_problems_as_they_are(row: dict[str, Any], tmp_path: Path) -> None:
    (problem,) = load(tmp_path / "rows.jsonl", row)
    assert problem.question == "1+1?"
    assert problem.references in (("2",), ("\\boxed{2}",))


def test_a_key_leads_into_an_object(tmp_path: Path) -> None:
    fields = {"question": "extra.problem", "answer": "extra.gold.value", "tags": ["extra.level"]}
    row = {"extra": {"problem": "1+1?", "gold": {"value": 2}, "level": 3}}
    (problem,) = load(tmp_path / "rows.jsonl", row, fields=fields)
    assert (problem.question, problem.references, problem.tags["extra.level"]) == ("1+1?", ("2",), "3")
    assert FieldMapping.model_validate(fields).question == "extra.problem"


def test_the_message_of_the_system_is_asked_too(tmp_path: Path) -> None:
    (problem,) = load(tmp_path / "rows.jsonl", {"prompt": CHAT, "answer": "2"})
    chat = render_prompt(problem, TEMPLATES["chat-plain"], lambda turns: "|".join(f"{t.role}:{t.text}" for t in turns))
    assert chat.text == "system:Be brief.|user:1+1?"
    assert render_prompt(problem, TEMPLATES["completion"]).text == "Be brief.\n\n1+1?"
    (other,) = load(tmp_path / "other.jsonl", {"prompt": CHAT[1:], "answer": "2"})
    assert other.id != problem.id


@pytest.mark.parametrize(
    "chat",
    [[*CHAT, {"role": "assistant", "content": "2"}, CHAT[1]], [CHAT[0]], [], [{"role": "user"}]],
)
def test_a_chat_of_several_turns_is_refused(chat: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rows.jsonl:1: 'prompt': expected a text, or a chat of one user's message"):
        load(tmp_path / "rows.jsonl", {"prompt": chat, "answer": "2"})


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("She has 6 * 12 = <<6*12=72>>72 eggs.\n#### 72", "72"),
        ("#### 1,234,567", "1234567"),
        ("So it is 3.\n#### -3.5 ", "-3.5"),
        ("We see that \\boxed{3} is not it, so the answer is $\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}"),
        ("\\boxed{7}", "\\boxed{7}"),  # the verifier reads a box that is all there is
        ("(1, 2)", "(1, 2)"),
        ("#### headline\nand more", "#### headline\nand more"),
    ],
)
def test_a_worked_solution_stands_for_its_answer(written: str, answer: str) -> None:
    assert final_answer(written) == answer


def test_a_worked_solution_stays_whole_for_a_grader_that_may_read_it(tmp_path: Path) -> None:
    row = {"question": "1+1?", "answer": "One and one.\n#### 2"}
    assert load(tmp_path / "a.jsonl", row)[0].references == ("2",)
    assert load(tmp_path / "b.jsonl", row, verifier="exact")[0].references == ("One and one.\n#### 2",)


def test_a_part_of_a_set_begins_behind_what_is_skipped(tmp_path: Path) -> None:
    rows = [{"question": f"{n}+1?", "answer": n + 1} for n in range(6)]
    found = load(tmp_path / "rows.jsonl", *rows, skip=2, limit=3)
    assert [problem.question for problem in found] == ["2+1?", "3+1?", "4+1?"]


def test_the_training_part_of_gsm8k_is_known_by_its_size(tmp_path: Path) -> None:
    rows = [{"question": f"What is {n} and 1?", "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}"} for n in range(7473)]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"benchmark": "gsm8k", "path": str(path)}
    train = load_problems((ProblemsConfig.model_validate({**source, "split": "train"}),))
    assert (len(train), train[5].references) == (7473, ("6",))
    with pytest.raises(InputError, match="7473 rows, but gsm8k has 1319"):
        load_problems((ProblemsConfig.model_validate(source),))


def test_a_set_without_a_training_part_refuses_the_split() -> None:
    from move37.config import parse_study

    with pytest.raises(ConfigError, match="split: only gsm8k, math500 and geometry3k have a training part"):
        parse_study({"name": "x", "problems": {"benchmark": "aime24", "split": "train"}})


def test_a_verifier_that_has_no_verdict_on_anything_does_not_pass() -> None:
    from move37.config import VerificationConfig
    from move37.verification import validate

    # Without an entry of its task this verifier has nothing to score with, and there is no reference to fail.
    lost = [Problem(f"p/{n}", f"{n}+1?", (), "own", "reasoning-gym") for n in range(2)]
    failures = validate(lost, VerificationConfig(workers=1))
    assert [failure.problem.id for failure in failures] == ["p/0", "p/1"]
    assert "no task" in failures[0].verdict.reason
