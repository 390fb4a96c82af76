"""What reads runs and counts does without what only POSIX has; what samples, judges and trains says so at once.

There is no Windows here. A stand-in for it: modules that it lacks cannot be found, its module of locks is a recorder,
and `sys.platform` says win32 from when libraries are loaded. Its file system and its terminal are not tried.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reading_runs import made_run
from tests.test_view import PROBLEMS, WRITTEN

pytest.importorskip("starlette", reason="the reading room needs: pip install 'move37[view]'")

WINDOWS = """
import sys, types
import altair, concurrent.futures, jinja2, multiprocessing.pool, numpy, polars, pydantic, rich.console, scipy.special
import starlette.applications, typer, uvicorn, vl_convert, webbrowser
from tests.undrawn import nothing_drawn
LACKING = ("fcntl", "resource", "termios", "pwd", "grp")
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in LACKING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
for name in LACKING:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
locked = []
sys.modules["msvcrt"] = types.SimpleNamespace(LK_LOCK=1, LK_NBLCK=2, locking=lambda *of: locked.append(of))
sys.platform = "win32"
from move37 import cli
with nothing_drawn():
    for arguments in ARGUMENTS:
        sys.argv = ["move37", *arguments]
        try:
            cli.main()
        except SystemExit as ended:
            print(arguments[0], "ended with", ended.code, file=sys.stderr)
print(len(locked) > 0, "locked", file=sys.stderr)
"""
READING = [
    ["compare", "base.jsonl", "rl.jsonl", "--draws", "1000"],
    ["report", "run"],
    ["show", "run", "1"],
    ["view", "run", "--export", "copy"],
    ["labels", "run", "--read", "labels.jsonl"],
    ["status", "run"],
]
REFUSED = [["sample", "run"], ["verify", "run"], ["run", "study.toml"], ["train", "recipe.toml"]]


@pytest.mark.slow
def test_reading_works_and_the_rest_is_refused_in_one_line(tmp_path: Path) -> None:
    made_run(tmp_path / "run", PROBLEMS, WRITTEN)
    for name in ("base", "rl"):
        rows = [{"id": f"problem-{i}", "c": i % 5, "n": 4} for i in range(20)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    label = {"reader": "anna", "model": "rl", "problem_id": "made/0", "index": 0, "said": "valid"}
    (tmp_path / "labels.jsonl").write_text(json.dumps(label) + "\n")
    code = WINDOWS.replace("ARGUMENTS", repr(READING + REFUSED))
    command = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": f"{Path(__file__).parents[1] / 'src'}:{Path(__file__).parents[1]}"}
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    lines = [line for line in ran.stderr.splitlines() if "ended with" in line]
    expected = [f"{name} ended with 0" for name, *_ in READING] + [f"{name} ended with 2" for name, *_ in REFUSED]
    assert lines == expected, ran.stderr
    assert "move37: move37 sample needs Linux or macOS" in ran.stderr
    assert (tmp_path / "copy" / "index.html").is_file()
    assert "True locked" in ran.stderr
