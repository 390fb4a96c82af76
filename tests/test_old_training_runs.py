"""A training run that move37 wrote before (commit ee66617: PPO, two steps of four) goes on as it did there.

`training_of_ee66617/` has the start model, the run after two steps and what that code made of steps 3 and 4.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from move37.training.loop import train  # noqa: E402
from move37.training.recipe import parse_recipe  # noqa: E402

BEFORE = Path(__file__).parent / "training_of_ee66617"


def timeless(log: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in log.read_text().splitlines()]
    return [{name: value for name, value in each.items() if not name.startswith("seconds_")} for each in records]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of the run, its recipe with the paths of here."""
    folder = shutil.copytree(BEFORE / "run", tmp_path / "run")
    recipe = folder / "recipe.json"
    recipe.write_text(recipe.read_text().replace("HERE", str(BEFORE)))
    return folder


def test_a_state_and_a_log_of_before_are_gone_on_from(run: Path) -> None:
    state = torch.load(run / "state" / "step-000002" / "state.pt", weights_only=True)
    assert any(name.startswith("trunk.") for name in state["critic"]), "the names of before"
    written = (run / "log.jsonl").read_text()

    made = train(parse_recipe(json.loads((run / "recipe.json").read_text()) | {"steps": 4}), run)

    assert (run / "log.jsonl").read_text().startswith(written), "what was logged stays to the letter"
    records, expected = timeless(run / "log.jsonl"), timeless(BEFORE / "end" / "log.jsonl")
    assert all(record.keys() >= other.keys() for record, other in zip(records, expected, strict=True))
    since = {name for record, other in zip(records, expected, strict=True) for name in record.keys() - other.keys()}
    assert since == {"critic_explained", "critic_bias", "critic_separation"}, "figures that are written since"
    for record, other in zip(records, expected, strict=True):
        for name, value in other.items():
            assert record[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-4, abs=1e-5)), name
    weights, end = (load_file(folder / "model.safetensors") for folder in (made.model, BEFORE / "end"))
    assert weights.keys() == end.keys()
    for name, value in end.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-5)
