"""The visual sets: rows in the hub's own field names, from a folder and from the hub's client; choices; real images."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from move37.benchmarks import BENCHMARKS
from move37.benchmarks.published import HubSet
from move37.benchmarks.visual_sets import VisualSet
from move37.config import VISUAL, ProblemsConfig
from move37.errors import InputError
from move37.pipeline import validate_benchmark
from move37.types import Problem
from tests.tiny_vision import picture

SHARED = Path(__file__).parents[2] / "shared" / "data" / "benchmarks" / "mathvision_testmini"
A, B = "images/0.png", "images/1.png"
ROWS: dict[str, list[dict[str, Any]]] = {
    "mathvista": [
        {"pid": "1", "question": "How wide?", "image": A, "choices": None, "unit": "cm", "precision": 1.0,
         "answer": "2.5", "question_type": "free_form", "answer_type": "float", "metadata": {"task": "geometry"}},
        {"pid": "2", "question": "Which?", "image": B, "choices": ["red", "blue", "green"], "unit": None,
         "precision": None, "answer": "blue", "question_type": "multi_choice", "answer_type": "text", "metadata": {}},
    ],
    "mathvision": [
        {"id": "1", "question": "How many dots?\n<image1>", "options": [], "image": A, "answer": "7", "level": 2,
         "subject": "counting", "solution": None},
        {"id": "2", "question": "<image1> Which?", "options": ["red", "blue", "green"], "image": B, "answer": "B",
         "level": 3, "subject": "logic", "solution": None},
    ],
    "geometry3k": [
        {"images": [A], "problem": "<image>Find $x$.", "answer": "2 \\sqrt { 3 }", "choices": ["1", "2"], "id": 0},
        {"images": [B], "problem": "<image>Find $y$.", "answer": "58", "choices": [], "id": 1},
    ],
    "mmmu": [
        {"id": "a_1", "question": "<image 1> is how many volts more than <image 2>?", "options": "[]", "answer":
         "['5', '5.0']", "image_1": A, "image_2": B, "image_3": None, "question_type": "open", "subfield": "circuits"},
        {"id": "a_2", "question": "Which is <image 1>?", "options": "['a cat', '<image 2>']", "answer": "A",
         "image_1": B, "image_2": A, "question_type": "multiple-choice", "subfield": "animals"},
    ],
}  # fmt: skip
ROWS["mathvision-testmini"] = ROWS["mathvision"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(2):
        (tmp_path / "images" / f"{number}.png").write_bytes(picture(20 + number, 10, number).data or b"")
    for name, rows in ROWS.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def of_two_rows(name: str) -> VisualSet:
    return replace(BENCHMARKS.load(name), expected_counts={2: "made here"}, free_counts=())


def load(name: str, path: Path | None, **keys: Any) -> tuple[Problem, ...]:
    return of_two_rows(name).load(ProblemsConfig(benchmark=name, path=path, **keys))


@pytest.mark.parametrize("name", VISUAL)
def test_rows_become_problems_with_free_answers(name: str, folder: Path) -> None:
    problems = load(name, folder)
    assert len(problems) == (2 if name == "geometry3k" else 1)
    assert all(problem.verifier == "math" and problem.images and problem.benchmark == name for problem in problems)
    assert problems[0].images[0] == picture(20, 10, 0)
    assert load(name, folder) == problems


def test_what_belongs_to_the_answer(folder: Path) -> None:
    (vista,), (mmmu,) = load("mathvista", folder), load("mmmu", folder)
    assert vista.question == "How wide? (Unit: cm) (Answer to one decimal place.)"
    assert dict(vista.metadata) == {"pid": "1", "unit": "cm", "precision": "1"}
    assert dict(vista.tags) == {"answer_type": "float", "task": "geometry"}
    assert (mmmu.references, len(mmmu.images)) == (("5", "5.0"), 2)
    assert load("geometry3k", folder)[0].references == ("2 \\sqrt { 3 }",)


@pytest.mark.parametrize("name", [name for name in VISUAL if name != "geometry3k"])
def test_choices_are_kept_when_asked_for(name: str, folder: Path) -> None:
    orders = set()
    for seed in range(12):
        free, choice = load(name, folder, multiple_choice=True, seed=seed)
        assert (free.verifier, choice.verifier) == ("math", "choice")
        shown, order = choice.metadata["options"], choice.metadata["order"]
        right = "blue" if name != "mmmu" else "a cat"
        assert shown["ABC".index(choice.references[0])] == right
        assert f"{choice.references[0]}. {right}" in choice.question
        orders.add((choice.id, tuple(order)))
    assert len({problem_id for problem_id, _ in orders}) == 1
    assert len(orders) > 1


def test_options_that_are_letters_keep_their_order(folder: Path) -> None:
    rows = [row | {"options": ["$b$", "$a$", "neither"], "answer": "A"} for row in ROWS["mathvision"]]
    rows[1] |= {"options": list("ABCDE"), "answer": "D"}
    (folder / "mathvision.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for seed in range(5):
        named, drawn = load("mathvision", folder, multiple_choice=True, seed=seed)
        assert (named.metadata["order"], drawn.metadata["order"]) == ([0, 1, 2], [0, 1, 2, 3, 4])
        assert (drawn.references, "A to E" in drawn.question) == (("D",), True)


def test_bad_rows_are_named(folder: Path) -> None:
    for change, said in (
        ({"answer": "Z"}, "mathvision.jsonl:2: 'answer': 'Z' is the letter of none of the options"),
        ({"image": "gone.png"}, "mathvision.jsonl:2: image .* cannot be read"),
        ({"options": ["one"], "answer": "A"}, "mathvision.jsonl:2: the answer 'one' is not one of the 1 options"),
    ):
        rows = [ROWS["mathvision"][0], ROWS["mathvision"][1] | change]
        (folder / "mathvision.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        with pytest.raises(InputError, match=said):
            load("mathvision", folder, multiple_choice=True)
    with pytest.raises(InputError, match="1 of 2 rows have a free answer, but mathvision has 7"):
        replace(of_two_rows("mathvision"), free_counts=(7,)).load(
            ProblemsConfig(benchmark="mathvision", path=folder / "mathvision-testmini.jsonl")
        )


def test_rows_of_the_hubs_client_become_the_same_problems(folder: Path) -> None:
    """A data set with an Image column and a list of images, read by the client from a folder as from a hub name."""
    datasets = pytest.importorskip("datasets", reason="the [hub] extra is not installed")
    rows = [
        {"images": [picture(20, 10, 0).data], "problem": "<image>Find $x$.", "answer": "2 \\sqrt { 3 }"},
        {"images": [picture(21, 10, 1).data], "problem": "<image>Find $y$.", "answer": "58"},
    ]
    held = [row | {"images": [{"bytes": data, "path": None} for data in row["images"]]} for row in rows]
    images = datasets.List(datasets.Image()) if hasattr(datasets, "List") else [datasets.Image()]
    text = datasets.Value("string")
    features = datasets.Features({"images": images, "problem": text, "answer": text})
    (folder / "hub").mkdir()
    datasets.Dataset.from_list(held, features=features).to_parquet(folder / "hub" / "test.parquet")
    from_hub = replace(of_two_rows("geometry3k"), hub=HubSet(str(folder / "hub"), "test"))
    assert from_hub.load(ProblemsConfig(benchmark="geometry3k")) == load("geometry3k", folder)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared benchmark files are not beside the project")
def test_mathvision_testmini_is_whole_and_passes_its_verifiers() -> None:
    source = ProblemsConfig(benchmark="mathvision-testmini", path=SHARED, multiple_choice=True)
    everything = validate_benchmark(source)
    assert (everything.problems, everything.failures) == (304, ())
    free = BENCHMARKS.load("mathvision-testmini").load(source.model_copy(update={"multiple_choice": False}))
    assert len(free) == len({problem.id for problem in free}) == 114
