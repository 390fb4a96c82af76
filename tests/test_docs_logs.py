"""docs/logs.md from top to bottom: every command on the page, on logs in the tools' formats."""

import json
import re
import shlex
from pathlib import Path

import pytest

from move37.cli import app
from move37.exporters import EXPORTERS
from move37.importers import IMPORTERS
from tests import log_files
from tests.log_files import GOLDS, QUESTIONS, TEXTS

PAGE = (Path(__file__).parents[1] / "docs" / "logs.md").read_text()
COMMANDS = [line for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines() if line]


def write_logs(folder: Path) -> None:
    """What the page's commands read."""
    for model in ("base", "rl"):
        log_files.lm_eval(folder / "logs", f"org/{model}")
        log_files.lm_eval(folder / f"{model}-logs", f"org/{model}")
    log_files.lm_eval(folder / "hotter-logs", "org/rl", temperature=1.0)
    log_files.verifiers(folder / "verifiers-logs")
    rows = [{"query": QUESTIONS[i], "gold": GOLDS[i], "model": {"output": text}} for i in (0, 1) for text in TEXTS[i]]
    log_files.lines(folder / "mine.jsonl", rows)
    problem = {"task_id": "HumanEval/0", "prompt": "def one():\n", "entry_point": "one"}
    problem |= {"canonical_solution": "    return 1\n", "test": "def check(f):\n    assert f() == 1\n"}
    log_files.lines(folder / "HumanEval.jsonl", [problem])
    log_files.lines(folder / "samples.jsonl", [{"task_id": "HumanEval/0", "completion": "    return 1\n"}])
    for model, correct in (("base", 1), ("rl", 2)):
        (folder / f"{model}.csv").write_text(f"id,c,n\np1,{correct},4\np2,0,4\n")


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_every_command_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_logs(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) > 20
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        assert program == "move37"
        app(arguments, standalone_mode=False)
    for run in ("logs", "pair", "reported", "counts", "hotter"):
        assert (tmp_path / "runs" / run / "report.html").is_file()
    page = (tmp_path / "runs" / "hotter" / "report.md").read_text()
    assert "temperature is 0.6 for base and 1 for rl; compared all the same: the card of the RL model" in page
    # The tool's own scores stand in the report beside ours, with the disagreements.
    graders = (tmp_path / "runs" / "pair" / "tables" / "agreement.csv").read_text()
    assert "reported@lm-eval:exact_match,strict,all-repeats" in graders
    assert "Agreement of graders" in (tmp_path / "runs" / "pair" / "report.md").read_text()
    assert "recognised lm-eval" in capsys.readouterr().out


def test_the_tables_of_the_page_name_every_format() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGE, flags=re.MULTILINE)
    assert sorted(rows) == sorted([*IMPORTERS.names, *EXPORTERS.names])


def test_json_says_what_was_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_files.lm_eval(tmp_path / "logs")
    app(["import", "auto", str(tmp_path / "logs"), "--out", str(tmp_path / "run"), "--json"], standalone_mode=False)
    (log,) = json.loads(capsys.readouterr().out)["logs"]
    assert (log["format"], log["model"], log["samples"]) == ("lm-eval", "tiny", 4)
