"""Whatever a study or a recipe says under any of its keys: done, or one line that says what is wrong with it.

The keys are those of the settings themselves, so a new one is tried without being named here. What a command would
then do is left out (a fake takes the place of sampling and training): a million samples are a fair wish.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from move37 import pipeline
from move37.cli import main
from move37.config import StudyConfig
from move37.results import Sampled
from move37.training.recipe import TrainConfig
from move37.training.result import Trained
from tests.studies import sums_study

RECIPE = """
name = "letters"
steps = 2
algorithm = {name = "grpo"}
model = {path = "no/such-model"}
problems = {benchmark = "jsonl", path = "sums.jsonl", verifier = "exact"}
evaluation = {problems = {benchmark = "jsonl", path = "sums.jsonl", verifier = "exact"}}
rollout = {prompts = 2, responses = 2}
loss = {}
optimizer = {}
verification = {}
"""

ODD = (
    *("-1", "0", "1", "3.5", "1e308", "1e-320", "nan", "-inf", "9223372036854775808", "1" + "0" * 400, "true"),
    *('""', '"\\u0000"', '"a\\u0000b"', '"~nobody-here/x"', '"loop"', '"pipe"', '"/dev/zero"', '"../../../.."'),
    *('"a:b"', '":"', '"json:json"', '"sys:exit"', '"~nobody-here/x.py:Y"', '"sums.jsonl"', '"é"', "2000-01-01"),
    *("[]", "[[]]", "[1, 2]", "{}", "{a = 1}", f'"{"a" * 5000}"'),
)


def keys(model: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key, those of nested tables too."""
    for name, field in model.model_fields.items():
        yield (*at, name)
        waiting = [field.annotation]
        while waiting:
            kind: Any = waiting.pop()
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys(kind, (*at, name))
                break
            waiting += get_args(kind)


def written(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


def with_odd(text: str, key: tuple[str, ...], value: str) -> str:
    """The file with an odd value under one key; the first model stands for all."""
    raw = node = tomllib.loads(text)
    for part in key[:-1]:
        node = node.setdefault(part, {})
        node = node.setdefault("base", {}) if part == "models" else node
    node[key[-1]] = tomllib.loads(f"odd = {value}")["odd"]
    return "".join(f"{json.dumps(name)} = {written(each)}\n" for name, each in raw.items())


def ended(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and the one JSON object of a command."""
    out = io.StringIO()
    argv = mock.patch.object(sys, "argv", ["move37", *arguments, "--json"])
    with contextlib.redirect_stdout(out), argv, pytest.raises(SystemExit) as exit:
        main()
    return int(exit.value.code or 0), json.loads(out.getvalue())


def accepted_or_one_line(code: int, answer: dict[str, Any]) -> None:
    if answer["ok"]:
        assert code == 0
        return
    assert code in (1, 2), answer
    assert "defect" not in answer["error"], answer
    assert "\n" not in answer["error"]


@contextlib.contextmanager
def folder_of_traps() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "loop").symlink_to("loop")
        os.mkfifo(folder / "pipe")
        yield folder


# Every pair would take minutes; these are the same in every process and run.
@pytest.mark.slow
@settings(max_examples=120, derandomize=True, deadline=None, database=None)
@given(key=st.sampled_from(sorted(keys(StudyConfig))), value=st.sampled_from(ODD))
def test_any_value_under_any_key_of_a_study(key: tuple[str, ...], value: str) -> None:
    with folder_of_traps() as folder:
        study = sums_study(folder, n=2)
        study.write_text(with_odd(study.read_text(), key, value))
        accepted_or_one_line(*ended("plan", str(study)))
        nothing = Sampled(folder / "run", 0, {}, "", {})
        with mock.patch.object(pipeline, "sample_run", return_value=nothing):
            accepted_or_one_line(*ended("sample", str(study), "--out", str(folder / "run")))


@pytest.mark.slow
@settings(max_examples=120, derandomize=True, deadline=None, database=None)
@given(key=st.sampled_from(sorted(keys(TrainConfig))), value=st.sampled_from(ODD))
def test_any_value_under_any_key_of_a_recipe(key: tuple[str, ...], value: str) -> None:
    with folder_of_traps() as folder:
        sums_study(folder)
        recipe = folder / "recipe.toml"
        recipe.write_text(with_odd(RECIPE, key, value))
        done = Trained(folder, folder, 0)
        with mock.patch.object(pipeline, "train_model", return_value=done):
            accepted_or_one_line(*ended("train", str(recipe), "--out", str(folder / "run")))


# Each of these was called a defect, or had no end.
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (("problems", "path"), '"a\\u0000b"', "problems.0.path: 'a\\x00b' cannot be a path: "),
        (("problems", "path"), '"~nobody-here/x"', "problems.0.path: '~nobody-here/x' cannot be a path: "),
        (("problems", "path"), '"loop"', "problems.0.path: 'loop' cannot be a path: "),
        (("problems", "path"), '"pipe"', "not a file"),
        (("problems", "verifier"), '"~nobody-here/x.py:Y"', "problems.0.verifier: '~nobody-here/x.py' cannot be"),
        (("models", "path"), '"a\\u0000b"', "models.base.path: 'a\\x00b' cannot be a path: "),
        (("analysis", "draws"), "9223372036854775808", "analysis.draws: input should be less than or"),
        (("verification", "workers"), "1000000", "verification.workers: input should be less than or equal to 1024"),
        (("verification", "timeout_seconds"), "1e308", "verification.timeout_seconds: input should be less than or"),
    ],
)
def test_what_cannot_be_is_named_with_its_key(key: tuple[str, ...], value: str, said: str) -> None:
    with folder_of_traps() as folder:
        study = sums_study(folder)
        study.write_text(with_odd(study.read_text(), key, value))
        code, answer = ended("plan", str(study))
        assert code == 2
        assert said in answer["error"]


def test_a_study_that_is_a_pipe_is_refused() -> None:
    with folder_of_traps() as folder:
        code, answer = ended("plan", str(folder / "pipe"))
        assert (code, answer["error"]) == (2, f"{folder / 'pipe'}: not a file")
