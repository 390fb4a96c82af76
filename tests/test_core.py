"""What `pip install move37` can do without an extra: compare counts. Everything else names the extra that it needs."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from move37 import errors

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OTHERS = ("polars", "altair", "vl_convert", "math_verify", "sympy", "torch", "transformers", "openai", "starlette")
# A stand-in for an environment without the extras: these packages cannot be found.
WITHOUT = f"""
import sys
from importlib import metadata
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OTHERS}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.split(".")[0])
sys.meta_path.insert(0, Absent())
known = metadata.distribution
def distribution(name):
    if name in ("polars", "math-verify"):
        raise metadata.PackageNotFoundError(name)
    return known(name)
metadata.distribution = distribution
import json
from move37 import cli
def said(*arguments):
    sys.argv = ["move37", *arguments]
    try:
        cli.main()
    except SystemExit as ended:
        print("ended with", ended.code)
"""
SCRIPT = """
said("compare", "base.jsonl", "rl.jsonl", "--json")
said("compare", "base.jsonl", "rl.jsonl", "--out", "report")
said("report", "runs/none")
import move37 as m
found = m.compare("base.jsonl", "rl.jsonl", draws=1000)
print(found.title)
for call in (found.curves, lambda: m.open_run("runs/none")):
    try:
        call()
    except ImportError as error:
        print(type(error).__name__, error)
import move37.doctor, move37.terminal_status  # what `move37 doctor` loads
print(m.plan(problems=30, n=64).forecast.problems, "problems planned")
"""


@pytest.mark.slow
def test_counts_are_compared_without_any_extra_and_all_else_names_its_own(tmp_path: Path) -> None:
    for name, correct in (("base", [3, 4, 5, 0] * 10), ("rl", [15, 16, 0, 14] * 10)):
        rows = [{"id": f"problem-{i}", "c": c, "n": 16} for i, c in enumerate(correct)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = subprocess.run([sys.executable, "-c", WITHOUT + SCRIPT], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    compared, ended, *rest = ran.stdout.splitlines()
    assert json.loads(compared)["problems"] == 40
    assert [ended, *rest] == [
        "ended with 0",
        "ended with 2",
        "ended with 2",
        "rl is right more often, and shows new moves. It lost some of its old ones.",
        "MissingExtraError tables and runs need Polars: pip install 'move37[runs]'",
        "MissingExtraError tables and runs need Polars: pip install 'move37[runs]'",
        "30 problems planned",
    ]
    drawing, runs = ran.stderr.splitlines()[-2:]
    assert drawing == "move37: drawing a report needs the package altair: pip install 'move37[report]'"
    assert runs == "move37: a run folder needs the package polars: pip install 'move37[runs]'"


def extras_asked_for() -> set[str]:
    """Names in every `move37[...]` of the sources, the scripts and the documentation."""
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/*.md"), *ROOT.glob("scripts/*"), ROOT / "README.md"]
    asked = re.findall(r"move37\[([a-z,]+)\]", "".join(path.read_text() for path in [*files, ROOT / "pyproject.toml"]))
    return {name for names in asked for name in names.split(",")}


def test_every_extra_that_is_named_is_there() -> None:
    names = {"extra"}  # in an f-string of the registry
    assert extras_asked_for() - PROJECT["optional-dependencies"].keys() - names == set()
    assert {extra for extra, _ in errors._EXTRAS.values()} <= PROJECT["optional-dependencies"].keys()


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else_and_is_small(tmp_path: Path) -> None:
    pytest.importorskip("hatch_fancy_pypi_readme", reason="the wheel needs: pip install hatch-fancy-pypi-readme")
    built = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(built, cwd=ROOT, check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    package = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*") if path.is_file()}
    package = {name for name in package if "__pycache__" not in name}
    assert {name for name in names if ".dist-info/" not in name} == package
    assert "move37/py.typed" in package
    assert wheel.stat().st_size < 12e6
    assert re.findall(r"\]\((?!https?://)[^)]*\)|src(?:set)?=\"(?!https?://)", metadata) == []
