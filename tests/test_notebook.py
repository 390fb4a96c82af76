"""docs/notebook.ipynb executed from top to bottom: what it says now is what it says in the documentation."""

from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need: pip install 'move37[docs]'")
nbclient = pytest.importorskip("nbclient", reason="notebooks need: pip install 'move37[docs]'")
pytest.importorskip("ipykernel", reason="notebooks need: pip install 'move37[docs]'")

pytestmark = [pytest.mark.slow, pytest.mark.peer]

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"


def said(notebook: Any) -> list[list[str]]:
    """Of each cell what it printed and showed, as text; of a picture that it is there. Warnings are other packages'."""
    return [
        [_text(output) for output in cell.get("outputs", []) if output.get("name") != "stderr"]
        for cell in notebook.cells
    ]


def _text(output: Any) -> str:
    data = output.get("data", {})
    return output.get("text") or data["text/plain"] + (" and a picture" if "<svg" in data.get("text/html", "") else "")


def test_the_notebook_says_again_what_it_says(tmp_path: Path) -> None:
    kept = nbformat.read(NOTEBOOK, 4)
    made = nbformat.from_dict(kept)
    for cell in made.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    nbclient.NotebookClient(
        made, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert said(made) == said(kept)
    assert any("and a picture" in text for texts in said(made) for text in texts)
