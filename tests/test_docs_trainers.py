"""docs/trainers.md from top to bottom: every command on the page, with the lab's base as the model."""

import json
import re
import runpy
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("trl") is None:
    pytest.skip("TRL is not installed: pip install 'move37[peers]'", allow_module_level=True)

from move37.cli import app
from move37.lab import checkpoint_folder
from tests import dumps

pytestmark = [pytest.mark.peer, pytest.mark.slow]

PAGE = (Path(__file__).parents[1] / "docs" / "trainers.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [line for language, block in BLOCKS if not language for line in block.splitlines() if line]
RECIPE = next(block for language, block in BLOCKS if language == "toml")
CHAT = """
name = "chat"
model = { path = "base" }
problems = { benchmark = "jsonl", path = "sums.jsonl" }
rollout = { prompts = 2, responses = 2, template = "chat", max_new_tokens = 8 }
"""
STUDY = """
name = "checkpoints"
problems = { benchmark = "countdown", size = 12 }
models = { base = { path = "base" } }

[sampling]
n = 4
temperature = 1.0
top_p = 1.0
max_new_tokens = 48
template = "completion"
stop = { successes = 0 }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user of the page has: a recipe, a model, a study, and a training that verl and another trainer wrote."""
    made = tmp_path_factory.mktemp("trainers")
    (made / "base").symlink_to(checkpoint_folder("countdown-base"))
    for name, text in (("recipe.toml", RECIPE), ("chat.toml", CHAT), ("study.toml", STUDY)):
        (made / name).write_text(text)
    rows = [{"question": f"{i}+1?", "answer": str(i + 1)} for i in range(3)]
    (made / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (made / "checkpoints").mkdir()
    (made / "checkpoints" / "checkpoint-20").symlink_to(checkpoint_folder("countdown-base"))
    return made


def test_every_command_of_the_page_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "400")  # tables and sentences on one line each
    assert len(COMMANDS) >= 9
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        if program == "python":
            monkeypatch.setattr(sys, "argv", arguments)
            runpy.run_path(arguments[0], run_name="__main__")
            continue
        assert program == "move37"
        app(arguments, standalone_mode=False)
        if arguments[:2] == ["export", "verl"]:
            dumps.verl_validation(folder / "verl" / "validation")
    shown = capsys.readouterr().out
    assert "verl's best@8" in shown
    assert "TRL logs the mean reward" in shown
    assert (folder / "runs" / "watched" / "watch.html").is_file()
    assert (folder / "runs" / "watched" / "report.html").is_file()


def test_what_the_page_says_in_python_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for text in (block for language, block in BLOCKS if language == "python"):
        exec(text, {})
