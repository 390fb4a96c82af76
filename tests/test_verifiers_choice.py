"""Choice questions: options in a file, their shuffling, and answers given as a letter or as an option's text."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from move37.config import ProblemsConfig
from move37.errors import ConfigError, InputError
from move37.problems import load_problems
from move37.types import Outcome, Problem, Verdict
from move37.verifiers.choice import ChoiceVerifier

CORRECT, INCORRECT, UNSCORED = Outcome.CORRECT, Outcome.INCORRECT, Outcome.UNSCORED
CITIES = ["Berlin", "Paris", "Rome", "Madrid"]


def load(folder: Path, *rows: dict[str, Any], **keys: Any) -> tuple[Problem, ...]:
    path = folder / "set.jsonl"
    path.write_text("".join(json.dumps({"question": f"Which? {i}"} | row) + "\n" for i, row in enumerate(rows)))
    return load_problems([ProblemsConfig.model_validate({"benchmark": "jsonl", "path": path} | keys)])


def refusal(folder: Path, row: dict[str, Any], **keys: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(folder, row, **keys)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder / 'set.jsonl'}:1: ")


def judge(problem: Problem, text: str) -> Verdict:
    answer = ChoiceVerifier().extract(problem, text)
    return Verdict(INCORRECT, "no answer") if answer is None else ChoiceVerifier().verify(problem, answer)


# -- rows ----------------------------------------------------------------------------------------------------------


def test_options_are_shown_with_letters_and_the_reference_is_one(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, {"question": "Capital of France?", "options": CITIES, "answer": "Paris"})
    assert problem.question == "Capital of France?\n\nA. Berlin\nB. Paris\nC. Rome\nD. Madrid"
    assert (problem.references, problem.verifier) == (("B",), "choice")
    assert problem.metadata == {"options": CITIES, "order": [0, 1, 2, 3]}


@pytest.mark.parametrize(
    ("options", "answer", "letters"),
    [
        (CITIES, "B", ("B",)),
        (CITIES, "(b)", ("B",)),
        (CITIES, 1, ("B",)),
        (CITIES, 1.0, ("B",)),
        (CITIES, " paris", ("B",)),
        (CITIES, ["A", "Rome"], ("A", "C")),
        ({"A": "Berlin", "B": "Paris"}, "B", ("B",)),
        ({"1": "Berlin", "2": "Paris"}, "1", ("A",)),  # the row's own labels count, here from 1
        ({"text": ["Berlin", "Paris"], "label": ["1", "2"]}, 2, ("B",)),
        ([3, 5, 8], "5", ("B",)),
        ([3, 5, 8], 2, ("C",)),
        ([1, 2, 3], "2", ("B",)),
        (["A", "B"], "A", ("A",)),
    ],
)
def test_the_answer_is_a_letter_a_number_from_0_or_the_options_text(
    tmp_path: Path, options: Any, answer: Any, letters: tuple[str, ...]
) -> None:
    (problem,) = load(tmp_path, {"choices": options, "answer": answer})
    assert problem.references == letters


def test_the_key_of_the_options_may_be_named(tmp_path: Path) -> None:
    row = {"q": "Which?", "alternatives": ["x", "y"], "gold": 0}
    (problem,) = load(tmp_path, row, fields={"question": "q", "answer": "gold", "options": "alternatives"})
    assert problem.references == ("A",)


def test_rows_without_options_are_what_they_were(tmp_path: Path) -> None:
    (problem,) = load(tmp_path, {"question": "1+1?", "answer": "2", "options": "none"})
    assert (problem.question, problem.references, problem.verifier, problem.metadata) == ("1+1?", ("2",), "math", {})


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (
            {"options": CITIES, "answer": "London"},
            "'answer': 'London' is none of the 4 options; give a letter from A to D",
        ),
        ({"options": CITIES, "answer": "E"}, "'answer': 'E' is none of the 4 options"),
        (
            {"options": CITIES, "answer": 4},
            "'answer': '4' is none of the 4 options; give a letter from A to D, a number",
        ),
        ({"options": CITIES, "answer": -1}, "'answer': '-1' is none of the 4 options"),
        ({"options": CITIES}, "no 'answer' (fields here: question, options)"),
        (
            {"options": [2, 1, 0], "answer": 2},
            "'answer': '2' may be option C, counted from 0 or the option that says '2'",
        ),
        (
            {"options": ["B", "A"], "answer": "A"},
            "'answer': 'A' may be option A or the option that says 'A'; write the",
        ),
        (
            {"options": ["x", "y", "X "], "answer": 1},
            "'options': two options say 'x'; nobody could choose between them",
        ),
        ({"options": ["x"], "answer": 0}, "'options': 1 options; a choice question has 2 to 26"),
        ({"options": list(range(27)), "answer": "A"}, "'options': 27 options; a choice question has 2 to 26"),
        ({"options": ["x", " "], "answer": 0}, "'options': expected an answer (a text or a finite number), found ' '"),
        ({"options": ["x", None], "answer": 0}, "'options': an option is null"),
        ({"options": {"text": ["x", "y"], "label": ["A"]}, "answer": "A"}, "'options': 1 labels for 2 options"),
        ({"options": {"text": "xy", "label": ["A"]}, "answer": "A"}, "'options': expected a list of options"),
    ],
)
def test_a_row_that_does_not_say_what_is_right_is_one_line(tmp_path: Path, row: dict[str, Any], line: str) -> None:
    assert refusal(tmp_path, row).startswith(line)


def test_options_that_a_mapping_names_have_to_be_there(tmp_path: Path) -> None:
    line = refusal(tmp_path, {"answer": "A"}, fields={"options": "alternatives"})
    assert line == "no 'alternatives' (fields here: question, answer)"


# -- shuffling -----------------------------------------------------------------------------------------------------


def test_shuffling_moves_the_reference_along_and_can_be_undone(tmp_path: Path) -> None:
    rows = [{"options": CITIES, "answer": "Paris"} for _ in range(200)]
    plain, shuffled = load(tmp_path, *rows), load(tmp_path, *rows, shuffle_options=True)
    assert [p.id for p in plain] == [p.id for p in shuffled]
    for problem in shuffled:
        shown, order = problem.metadata["options"], problem.metadata["order"]
        assert [CITIES[place] for place in order] == shown
        assert shown["ABCD".index(problem.references[0])] == "Paris"
        assert f"\n{problem.references[0]}. Paris" in problem.question
    # Each of 4 letters is right 50 times in 200 on average; below 25 has probability 3e-6 for each of them.
    counts = Counter(problem.references[0] for problem in shuffled)
    assert min(counts[letter] for letter in "ABCD") >= 25


def test_the_order_depends_on_the_seed_and_the_problem_alone(tmp_path: Path) -> None:
    rows = [{"question": f"Which {i}?", "options": CITIES, "answer": 1} for i in range(20)]
    first = load(tmp_path, *rows, shuffle_options=True)
    assert load(tmp_path, *reversed(rows), shuffle_options=True) == tuple(reversed(first))
    other = load(tmp_path, *rows, shuffle_options=True, seed=1)
    assert [p.id for p in first] == [p.id for p in other]
    assert [p.metadata["order"] for p in first] != [p.metadata["order"] for p in other]  # equal: (1/24)^20


def test_the_same_question_with_other_options_is_another_problem_and_in_another_order_the_same(tmp_path: Path) -> None:
    rows = [{"question": "Which?", "options": options, "answer": "Paris"} for options in (CITIES, CITIES[:3])]
    assert len({problem.id for problem in load(tmp_path, *rows)}) == 2
    again = {"question": "Which?", "options": CITIES[::-1], "answer": "Paris"}
    with pytest.raises(InputError, match="the same question as"):
        load(tmp_path, rows[0], again)


def test_options_at_the_end_that_speak_of_those_above_stay_there(tmp_path: Path) -> None:
    options = ["one", "two", "three", "All of the above", "None of these"]
    orders = [
        problem.metadata["order"]
        for problem in load(tmp_path, *[{"options": options, "answer": 0}] * 50, shuffle_options=True)
    ]
    assert {tuple(order[3:]) for order in orders} == {(3, 4)}
    assert len({tuple(order) for order in orders}) > 1


@pytest.mark.parametrize(
    "options",
    [
        ["one", "two", "Both A and B"],
        ["one", "two", "A, B"],
        ["one", "two", "(A) or (B)"],
        ["one", "two", "only option A"],
        ["one", "two", "A only"],
        ["C", "A", "B"],
        ["one", "None of the above", "two"],
    ],
)
def test_a_question_whose_options_name_places_keeps_its_order(tmp_path: Path, options: list[str]) -> None:
    # Otherwise 20 problems would all keep their order with probability (1/6)^20.
    rows = [
        {"options": options, "answer": [options[1]]} if options[0] != "C" else {"options": options, "answer": 0}
    ] * 20
    for problem in load(tmp_path, *rows, shuffle_options=True):
        assert problem.metadata["order"] == [0, 1, 2]


def test_only_choice_questions_of_ones_own_are_shuffled() -> None:
    with pytest.raises(ValueError, match="shuffle_options: only benchmark = 'jsonl' has choice questions"):
        ProblemsConfig(benchmark="gsm8k", shuffle_options=True)
    with pytest.raises(ValueError, match="seed: only generated problems"):
        ProblemsConfig(benchmark="jsonl", path=Path("x"), seed=3)
    with pytest.raises(ConfigError, match="needs the path"):
        load_problems([ProblemsConfig.model_construct(benchmark="jsonl", path=None, limit=None, verifier=None)])


# -- answers -------------------------------------------------------------------------------------------------------


def asked(*options: str, right: str = "B") -> Problem:
    return Problem("p", "Which?", (right,), "b", "choice", metadata={"options": list(options)})


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("\\boxed{B}", CORRECT),
        ("\\boxed{Paris}", CORRECT),
        ("\\boxed{\\text{paris}}", CORRECT),
        ("The answer is **Paris**.", CORRECT),
        ("<answer>B. Paris</answer>", CORRECT),
        ("It has the Louvre.\nParis", CORRECT),
        ("\\boxed{Rome}", INCORRECT),
        ("\\boxed{C}", INCORRECT),
        ("\\boxed{F}", INCORRECT),
        ("\\boxed{Par}", INCORRECT),
        ("Paris or Rome", INCORRECT),
        ("\\boxed{B. Rome}", CORRECT),  # the letter counts
    ],
)
def test_an_answer_is_a_letter_or_the_whole_text_of_one_option(text: str, outcome: Outcome) -> None:
    assert judge(asked(*CITIES), text).outcome is outcome


def test_a_letter_that_is_another_options_text_is_unscored() -> None:
    assert judge(asked("B", "A"), "\\boxed{A}") == Verdict(UNSCORED, "a letter, and another option's text")
    assert judge(asked("A", "B"), "\\boxed{B}").outcome is CORRECT


def test_the_text_of_an_option_is_not_taken_for_a_letter() -> None:
    assert judge(asked("S. aureus", "E. coli"), "\\boxed{E. coli}").outcome is CORRECT
    assert judge(asked("A dog", "A cat"), "\\boxed{A cat}").outcome is CORRECT
    assert judge(asked("A dog", "A cat"), "\\boxed{A}").outcome is INCORRECT


def test_a_number_among_the_options_is_read_as_their_text() -> None:
    assert judge(asked("7", "8"), "\\boxed{8}").outcome is CORRECT
    assert judge(asked("$x$", "$y$"), "\\boxed{y}").outcome is CORRECT  # there is no option Y
    assert judge(asked("$3$", "$\\frac{1}{2}$"), "so \\boxed{\\frac{1}{2}}").outcome is CORRECT
    assert judge(asked("3", "5"), "\\boxed{3}").outcome is INCORRECT
    assert judge(asked("3", "5"), "\\boxed{4}") == Verdict(INCORRECT, "no answer")
