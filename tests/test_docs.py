"""The documentation describes what is there: the map, and the rows of docs/extending.md."""

import re
import tomllib
from pathlib import Path
from pydoc import locate

import pytest

from move37.cli import REGISTRIES, members
from move37.config import parse_study
from move37.model_table import one_table_each
from move37.training.recipe import parse_recipe
from tests import settings_page

ROOT = Path(__file__).parents[1]


def section(name: str) -> str:
    parts = re.split(r"^## ", (ROOT / "docs" / "extending.md").read_text(), flags=re.MULTILINE)
    return next(part for part in parts if part.lower().startswith(name.replace("_", " ")))


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_member_of_a_registry_has_a_row_and_every_row_a_member(registry: str) -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|", section(registry), flags=re.MULTILINE)
    assert sorted(rows) == sorted(members(registry).names)


def test_the_map_names_every_file_and_folder_of_the_package() -> None:
    page = (ROOT / "docs" / "map.md").read_text()
    tree = page[page.index("```") + 3 :]
    tree = tree[: tree.index("```")]
    named = set(re.findall(r"^  ([\w]+(?:\.py|/))", tree, flags=re.MULTILINE))
    package = ROOT / "src" / "move37"
    there = {f"{p.name}/" if p.is_dir() else p.name for p in package.iterdir() if p.name != "__pycache__"}
    assert named == there - {"__init__.py", "__init__.pyi", "__main__.py", "py.typed"}


def test_every_name_of_the_glossary_is_in_the_code() -> None:
    pytest.importorskip("torch")
    page = (ROOT / "docs" / "glossary.md").read_text()
    names = re.findall(r"^\| [^|]+ \| .+ \| `([\w.]+)` \|$", page, flags=re.MULTILINE)
    assert len(names) > 40
    assert [name for name in names if locate(f"move37.{name}") is None] == []


@pytest.mark.parametrize("path", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_links_in_the_documentation_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()) + re.findall(
        r'src="([^"]+)"', path.read_text()
    )
    made = {"notebook.html"}  # by scripts/docs, beside the page
    assert [target for target in targets if target not in made and not (path.parent / target).exists()] == []


def test_the_page_of_the_settings_says_what_the_settings_are() -> None:
    pytest.importorskip("torch")  # the engine's options stand beside the engine
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page.page()


PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
WRITTEN = [
    (page.name, text) for page in PAGES for text in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
]


@pytest.mark.parametrize(("page", "text"), WRITTEN, ids=[f"{page}-{i}" for i, (page, _) in enumerate(WRITTEN)])
def test_what_the_documentation_writes_in_toml_is_taken(page: str, text: str, tmp_path: Path) -> None:
    """Whole studies and recipes as they are; parts of a study beside what else it needs."""
    raw = tomllib.loads(text)
    if "build-system" in raw or "stages" in raw:
        return  # a package's: tests/test_extending.py builds it; a method's: tests/test_bench.py trains it
    if "steps" in raw:
        parse_recipe(raw)
    else:
        (tmp_path / "checkpoints" / "step-20").mkdir(parents=True)
        part = {"name": "part", "problems": {"benchmark": "aime24"}} | raw
        parse_study(one_table_each(part, tmp_path, "study"))
