"""Every command of every page: run here or by the page's own test, or, where it needs a GPU or a hub, parsed.

A block of commands without a language is run, on small runs and counts made for it. A block ```sh title="needs ..."
says what it needs and is parsed: every command, option and value in it must be one that move37 takes.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from move37.cli import app
from move37.labels import Label, Said, say
from tests.reading_runs import made_run
from tests.test_view import PROBLEMS, WRITTEN

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
HERE = ("question", "tour", "checkpoints", "templates", "cost", "report", "faq", "commands", "python")
"""Pages whose commands are run here; `tests/test_docs_*.py` run those of others."""
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
GROUP = typer.main.get_command(app)
RAN: set[tuple[str, ...]] = set()
"""What a page before has run already, in the same folder."""
STUDY = """
name = "study"
[problems]
benchmark = "jsonl"
path = "problems.jsonl"
[sampling]
n = 16
[models]
base = { path = "base", engine = "scripted" }
rl = { path = "rl", engine = "scripted" }
"""


def commands(page: Path, needing: bool) -> list[list[str]]:
    """The commands of the page's blocks, those that need something or the others."""
    found = []
    for language, block in FENCE.findall(page.read_text()):
        lines = [line for line in block.replace("\\\n", " ").splitlines() if line.startswith("move37 ")]
        assert not lines or re.fullmatch(r'(sh title="[^"]+")?', language), f"{page.name}: say what {lines[0]} needs"
        if bool(language) == needing:
            found += [shlex.split(line, comments=True) for line in lines]
    return found


def parse(arguments: list[str]) -> None:
    """Raises what a user would see where a command or an option is none of move37's, or a value cannot be."""
    name, *rest = arguments
    command = GROUP.get_command(typer.Context(GROUP), name)  # type: ignore[attr-defined]
    assert command is not None, f"no command {name}"
    command.make_context(name, rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_block_is_one_that_move37_takes(page: Path) -> None:
    for _, *arguments in commands(page, needing=True) + commands(page, needing=False):
        parse(arguments)


@pytest.mark.parametrize("name", sorted(GROUP.list_commands(typer.Context(GROUP))))  # type: ignore[attr-defined]
def test_the_help_of_every_command_has_an_example_that_it_takes(name: str) -> None:
    command = GROUP.get_command(typer.Context(GROUP), name)  # type: ignore[attr-defined]
    _, found, example = command.help.partition("For example: move37 ")
    assert found, f"{name}: no example in its help"
    arguments = shlex.split(example)
    assert arguments[0] == name
    parse(arguments)


def test_what_a_table_or_a_sentence_calls_a_command_is_one() -> None:
    names = {name for page in PAGES for name in re.findall(r"`move37 ([a-z]+)", page.read_text())}
    known = set(GROUP.list_commands(typer.Context(GROUP)))  # type: ignore[attr-defined]
    assert names - known == set()
    assert known - set(re.findall(r"`move37 ([a-z]+)", (ROOT / "docs/commands.md").read_text())) == set()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader of the pages has: a run like the demo's, counts, a study."""
    made = tmp_path_factory.mktemp("reader")
    demo = made_run(made / "runs" / "demo", PROBLEMS, WRITTEN | {"base": WRITTEN["base"][:1] + WRITTEN["rl"][:2]})
    say(demo, [Label("anna", "rl", "made/0", 0, Said.VALID), Label("ben", "rl", "made/0", 0, Said.INVALID)])
    for name, correct in (("base", [3, 4, 5, 0] * 10), ("rl", [15, 16, 0, 14] * 10)):
        rows = [{"id": f"problem-{i}", "c": c, "n": 16} for i, c in enumerate(correct)]
        (made / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (made / "problems.jsonl").write_text(
        '{"question": "1 + 1?", "answer": "2"}\n{"question": "1 + 2?", "answer": "3"}\n'
    )
    (made / "study.toml").write_text(STUDY)
    return made


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", HERE)
def test_every_command_of_the_page_runs(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    # A stand-in for the server, which would serve until Ctrl-C; tests/test_view_browser.py has the real one.
    monkeypatch.setattr("move37.view.server.serve", lambda room, *_: None)
    for _, *arguments in commands(ROOT / "docs" / f"{name}.md", needing=False):
        if tuple(arguments) in RAN:
            continue
        RAN.add(tuple(arguments))
        done = CliRunner().invoke(app, arguments)
        assert (done.exit_code, arguments) == (0, arguments), done.output


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", ["question", "python"])
def test_what_the_page_says_in_python_runs(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found = FENCE.findall((ROOT / "docs" / f"{name}.md").read_text())
    blocks = [block for language, block in found if language == "python"]
    assert blocks
    for block in blocks:
        exec(block, {})


def pages_of(nav: list[object]) -> Iterator[str]:
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from pages_of(value) if isinstance(value, list) else [str(value)]


def test_the_site_has_every_page_in_its_order() -> None:
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    assert sorted(pages_of(nav)) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


def test_pictures_are_small() -> None:
    sizes = {picture.name: picture.stat().st_size for picture in (ROOT / "docs" / "images").glob("*.png")}
    assert {name: size for name, size in sizes.items() if size > 150_000} == {}


@pytest.mark.peer
@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Links, anchors and references to the API among them. The notebook's page is scripts/docs's."""
    pytest.importorskip("zensical", reason="the site needs: pip install 'move37[docs]'")
    config = (ROOT / "zensical.toml").read_text()
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    code = shutil.ignore_patterns("__pycache__", "checkpoints", "static")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=code)
    (tmp_path / "zensical.toml").write_text(config)
    built = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    ran = subprocess.run(built, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "site" / "api" / "index.html").read_text().count("doc-object") > 10


def test_the_citation_names_this_version() -> None:
    from move37 import __version__

    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"version = {{{__version__}}}" in (ROOT / "docs" / "citing.md").read_text()
