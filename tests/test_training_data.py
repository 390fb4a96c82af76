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
from move37.schema import problem_of, problem_row
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


PARTS = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "1+1?", "index": None}]}]


@pytest.mark.parametrize(
    ("chat", "question"),
    [
        (json.dumps(CHAT), "1+1?"),  # of a table that went through CSV
        (str(CHAT), "1+1?"),  # and through pandas
        ([{"role": "user", "content": [{"type": "text", "text": "1+"}, {"type": "text", "text": "1?"}]}], "1+1?"),
        (PARTS, "<image>1+1?"),
        ("[1, 2] and [{3}]: which is longer?", "[1, 2] and [{3}]: which is longer?"),
    ],
)
def test_a_chat_is_one_in_every_form_that_files_have_it_in(chat: Any, question: str, tmp_path: Path) -> None:
    (problem,) = load(tmp_path / "rows.jsonl", {"prompt": chat, "answer": "2"})
    assert problem.question == question
    assert problem.metadata == ({"system": "Be brief."} if "Be brief." in str(chat) else {})


def test_a_chat_that_cannot_be_read_is_no_question(tmp_path: Path) -> None:
    for text in ("[{'role': 'user', 'content': 1+1?}]", '[{"role": "user", "con'):
        with pytest.raises(InputError, match=r"rows.jsonl:1: 'prompt': a chat written down as text"):
            load(tmp_path / "rows.jsonl", {"prompt": text, "answer": "2"})
    held = [{"role": "user", "content": [{"type": "image", "url": "a.png"}]}]
    with pytest.raises(InputError, match="for each of the row's 'images'"):
        load(tmp_path / "rows.jsonl", {"prompt": held, "answer": "2"})


def test_an_empty_message_of_the_system_stays_one(tmp_path: Path) -> None:
    silent = [{"role": "system", "content": ""}, CHAT[1]]
    (problem,) = load(tmp_path / "rows.jsonl", {"prompt": silent, "answer": "2"})
    chat = render_prompt(problem, TEMPLATES["chat-plain"], lambda turns: "|".join(f"{t.role}:{t.text}" for t in turns))
    assert chat.text == "system:|user:1+1?"
    assert render_prompt(problem, TEMPLATES["completion"]).text == "1+1?"


def test_programs_and_choices_are_asked_with_their_message_of_the_system(tmp_path: Path) -> None:
    tests = json.dumps({"inputs": ["1 1\n"], "outputs": ["2\n"]})
    code = {"prompt": CHAT, "reward_model": {"style": "rule", "ground_truth": tests}}
    (program,) = load(tmp_path / "code.jsonl", code, verifier="code")
    assert program.references == ()
    stored = problem_of(problem_row(program))
    (choice,) = load(tmp_path / "choice.jsonl", {"prompt": CHAT, "options": ["1", "2"], "answer": "B"})
    for problem in (program, stored, choice):
        asked = render_prompt(problem, TEMPLATES["chat-plain"], lambda turns: "|".join(t.role for t in turns))
        assert asked.text == "system|user"
    (plain,) = load(tmp_path / "plain.jsonl", {**code, "prompt": "1+1?"}, verifier="code")
    assert problem_of(problem_row(plain)).metadata.get("system") is None


def test_an_object_may_be_written_down_as_json(tmp_path: Path) -> None:
    row = {"prompt": "1+1?", "reward_model": json.dumps({"ground_truth": "2"})}
    assert load(tmp_path / "rows.jsonl", row)[0].references == ("2",)
    with pytest.raises(InputError, match="no 'answer'"):
        load(tmp_path / "rows.jsonl", {"prompt": "1+1?", "reward_model": "{torn"})


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
        ("6 * 12 = 72.\n#### 72\n\nThat is a lot.", "72"),
        ("#### 1\nWe see that it is \\boxed{5}, as asked.", "5"),
        ("<think>3?</think><answer> 2 </answer>\n", "2"),
        ("<answer>So \\boxed{7}.</answer>", "7"),
        ("<answer></answer>", "<answer></answer>"),
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


@pytest.mark.slow
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
