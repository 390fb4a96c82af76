"""docs/reading.md from top to bottom: every command on the page, on runs made for it."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from move37.cli import app
from move37.labels import Label, Said, say
from tests.reading_runs import made_run
from tests.test_view import PROBLEMS, WRITTEN

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reading.md").read_text()
COMMANDS = [line for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines() if line]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_every_command_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOVE37_CACHE", str(tmp_path / "cache"))
    demo = made_run(tmp_path / "runs" / "demo", PROBLEMS, WRITTEN | {"base": WRITTEN["base"][:1] + WRITTEN["rl"][:2]})
    made_run(tmp_path / "runs" / "later", PROBLEMS, WRITTEN)
    say(demo, [Label("anna", "rl", "made/0", 0, Said.VALID), Label("ben", "rl", "made/0", 0, Said.INVALID)])
    served = []
    # A stand-in for the server, which would serve until Ctrl-C; tests/test_view_browser.py has the real one.
    monkeypatch.setattr("move37.view.server.serve", lambda room, *_: served.append(room.overview()["runs"]))
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        if program == "move37":
            done = CliRunner().invoke(app, arguments)
            assert (done.exit_code, command) == (0, command), done.output
    assert served == [["demo"], ["demo", "later"]]
    assert "Krippendorff's alpha" in CliRunner().invoke(app, ["labels", "runs/demo"]).stdout
    page = (tmp_path / "runs" / "demo" / "report.html").read_text()
    assert '<a href="view/index.html#p=made/' in page
    assert '<a href="view/index.html#m=base,rl&amp;f=both">' in page


def test_the_page_names_the_keys_of_the_reading_room() -> None:
    script = (ROOT / "src" / "move37" / "view" / "static" / "main.js").read_text()
    rows = re.findall(r"^\| (`.*`) \| (.+) \|$", PAGE, flags=re.MULTILINE)
    assert len(rows) > 10
    for keys, _ in rows:
        for key in re.findall(r"`(.)`", keys):
            assert re.search(rf"\b{re.escape(key)}: |\"{re.escape(key)}\": |\[1-5\]", script), key
