"""What is imitated of problems themselves: references, or right answers of a world, listed and drawn."""

import pytest

pytest.importorskip("torch")

from move37.config import ProblemsConfig, from_options
from move37.errors import ConfigError, InputError
from move37.lab import checkpoint_folder
from move37.problems import load_problems
from move37.training.distillation import find_examples, solutions
from move37.training.recipe import ImitationConfig, parse_recipe
from move37.worlds.known import task_of

PUZZLES = {"benchmark": "countdown", "size": 5, "options": {"split": "training"}}


def imitation(**settings: object) -> ImitationConfig:
    return ImitationConfig.model_validate({"problems": PUZZLES, **settings})


def test_references_and_listed_answers_are_right_and_as_many_as_asked_for() -> None:
    for problem in load_problems((from_options(ProblemsConfig, **PUZZLES),)):
        task = task_of(problem)
        assert task is not None
        chains = set(task.chains())
        fewest = min(chain.count(";") for chain in chains)
        assert list(solutions(problem, imitation())) == list(problem.references)
        anyone = list(solutions(problem, imitation(solutions="any", per_problem=20)))
        assert len(anyone) == 20
        assert set(anyone) <= chains
        shortest = list(solutions(problem, imitation(solutions="shortest")))
        assert len(shortest) == 8
        assert {chain.count(";") for chain in shortest} == {fewest}
        assert shortest == list(solutions(problem, imitation(solutions="shortest")))


def test_examples_stand_behind_the_prompt_as_text() -> None:
    class Prompts:
        @staticmethod
        def of(problem: object) -> object:
            return type("Prompt", (), {"text": "asked", "rendered": True})

    found = list(find_examples(imitation(solutions="any", per_problem=2), Prompts))  # type: ignore[arg-type]
    assert len(found) == 10
    assert {(example.prompt.text, example.prompt.rendered, example.ended) for example in found} == {
        ("asked", True, True)
    }


def test_answers_that_cannot_be_listed_and_two_sources_are_refused() -> None:
    (problem,) = load_problems((from_options(ProblemsConfig, benchmark="countdown", size=1),))
    other = type(problem)(problem.id, problem.question, problem.references, "gsm8k", "math")
    with pytest.raises(InputError, match=r"imitation\.solutions: .* cannot be listed"):
        list(solutions(other, imitation(solutions="any")))
    raw = {
        "name": "x",
        "algorithm": {"name": "imitation"},
        "model": {"path": str(checkpoint_folder("countdown-base"))},
        "imitation": {"problems": PUZZLES, "file": "there.jsonl"},
    }
    with pytest.raises(ConfigError, match="give either run"):
        parse_recipe(raw)
