"""The package that docs/extending.md shows is built from that page, installed, checked and used."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("setuptools", minversion="70.1", reason="nothing here builds a wheel")

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the page's package is installed from a wheel, without a network."""
    source, site = tmp_path_factory.mktemp("fruit"), tmp_path_factory.mktemp("site")
    for name, text in re.findall(r"<!-- fruit/(\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL):
        (source / name).write_text(text)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *offline, "--wheel-dir", str(source), str(source)], check=True)
    [wheel] = source.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)], check=True)
    (site / "check.py").write_text((source / "check.py").read_text())
    return site


def ran(site: Path, *command: str, folder: Path | None = None) -> str:
    """The standard output of Python with the package on its path."""
    paths = os.pathsep.join([str(site), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, *command], env=environment, cwd=folder or site, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_it_passes_the_contract_test(site: Path) -> None:
    ran(site, "check.py")


@pytest.mark.slow
def test_it_is_listed(site: Path) -> None:
    assert "fruit" in json.loads(ran(site, "-m", "move37", "list", "verifiers", "--json"))["verifiers"]


@pytest.mark.slow
def test_a_benchmark_is_validated_by_it(site: Path, tmp_path: Path) -> None:
    (tmp_path / "fruit.jsonl").write_text(json.dumps({"question": "What fell?", "answer": "apple"}) + "\n")
    command = ("-m", "move37", "validate", "jsonl", "--path", "fruit.jsonl", "--verifier", "fruit", "--json")
    figures = json.loads(ran(site, *command, folder=tmp_path))
    assert (figures["references"], figures["failures"]) == (1, [])


@pytest.mark.slow
def test_the_contract_tests_are_light() -> None:
    code = "import sys, move37.testing; sys.exit('torch' in sys.modules or 'pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
