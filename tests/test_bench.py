"""`move37 bench`: methods trained, known and judged; resumed; several stages; a method of an installed package."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

from move37.cli import app
from move37.errors import ConfigError
from move37.lab import checkpoint_folder, model_folder
from move37.methods import BenchSettings, load_contender, run_bench
from move37.terminal_board import board_page

pytestmark = pytest.mark.slow

BASE = checkpoint_folder("countdown-base")
ASKED = ["--tiers", "in-pretraining", "--problems", "4", "--seeds", "2", "--steps", "1"]


def recipe(folder: Path, name: str, algorithm: str = "grpo", path: Any = BASE, options: str = "{}") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(
        f'name = "{name}"\nsteps = 2\nalgorithm = {{ name = "{algorithm}", options = {options} }}\n'
        f'model.path = "{path}"\nmodel.threads = 1\n'
        'problems = { benchmark = "countdown", size = 8, options = { split = "training" } }\n'
        'rollout = { prompts = 4, responses = 4, max_new_tokens = 48, template = "completion" }\n'
        "optimizer.learning_rate = 3e-4\n"
    )
    return file


OUTSIDE = '''"""A method of somebody else's: everything right is worth one."""
from move37.training.advantages import spread
from move37.training.algorithms.rloo import RLOO
from move37.training.algorithms import Advantages


class OnlyRight(RLOO):
    def advantages(self, inputs):
        return Advantages(spread(inputs.rewards_B, inputs.mask_BT))
'''


def install(folder: Path) -> None:
    """Somebody's package with one algorithm, as pip leaves it: a module and what its distribution says of itself."""
    about = folder / "move37_only_right-0.1.dist-info"
    about.mkdir(parents=True)
    (folder / "move37_only_right.py").write_text(OUTSIDE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: move37-only-right\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text("[move37.algorithms]\nonly-right = move37_only_right:OnlyRight\n")


@pytest.fixture(scope="module")
def benched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any], list[Path]]]:
    """A bench of three methods: one of ours, one of two stages, and one of an installed package, whose recipe names
    another base."""
    folder = tmp_path_factory.mktemp("bench")
    install(folder / "site-packages")
    sys.path.insert(0, str(folder / "site-packages"))
    grpo = recipe(folder, "grpo")
    outside = recipe(folder, "outside", "only-right", path="somebody/model")
    (folder / "twice.toml").write_text('name = "outside, then grpo"\nstages = ["outside.toml", "grpo.toml"]\n')
    files = [grpo, folder / "twice.toml", outside]
    from_one = ["--base", "countdown-base", "--out", str(folder / "out")]
    result = CliRunner().invoke(app, ["bench", *map(str, files), *from_one, *ASKED, "--json"])
    assert result.exit_code == 0, result.output
    yield folder, json.loads(result.stdout.splitlines()[-1]), files
    sys.path.remove(str(folder / "site-packages"))


def test_every_method_is_on_the_board_against_the_base_and_its_own_start(benched: Any) -> None:
    folder, printed, _ = benched
    rows = [(row["method"], row["against"], row["seeds"], row["puzzles"]) for row in printed["rows"]]
    assert rows == [
        ("grpo", "base", 2, 4),
        ("outside, then grpo", "base", 2, 4),
        ("outside, then grpo", "its start", 2, 4),
        ("outside", "base", 2, 4),
    ]
    assert printed["sentence"].startswith("No method was shown to widen the boundary of base (at 95% for all 4 ")
    assert "| outside, then grpo | its start |" in Path(printed["page"]).read_text()
    assert printed["costs"]["grpo"]["samples"] == 16
    assert printed["costs"]["outside, then grpo"]["samples"] == 32
    assert json.loads((folder / "out" / "leaderboard.json").read_text())["comparisons"] == 4


def test_the_board_is_what_the_models_are(benched: Any) -> None:
    """The mean over seeds of pass@1 is the mean of what `move37 exact` says of the models that were trained."""
    folder, printed, _ = benched
    chances = []
    for seed in (0, 1):
        model = folder / "out" / "grpo" / f"seed-{seed}" / "checkpoints" / "step-000001"
        asked = ["exact", str(model), "--tier", "in-pretraining", "--problems", "4", "--json"]
        found = json.loads(CliRunner().invoke(app, asked).stdout.splitlines()[-1])
        chances.append(np.mean(10.0 ** np.array(found["log10_p"])))
    assert printed["rows"][0]["pass_at_k"][0] == pytest.approx(np.mean(chances), rel=1e-6)
    assert chances[0] != chances[1]


def test_what_is_there_is_not_made_again(benched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, printed, files = benched
    monkeypatch.setattr("move37.methods.known_checkpoint", None)
    settings = BenchSettings(tiers=("in-pretraining",), problems=4, seeds=2, steps=1)
    again = run_bench(
        [load_contender(file).on(model_folder("countdown-base")) for file in files], settings, folder / "out"
    )
    assert [row.claims.outcome for row in again.board.rows] == ["nothing shown"] * 4
    assert board_page(again) == Path(printed["page"]).read_text()


def test_methods_that_cannot_be_compared_are_refused_in_one_line(tmp_path: Path) -> None:
    one = recipe(tmp_path, "one")
    other = recipe(tmp_path, "other", path="somebody/model")
    (tmp_path / "sub").mkdir()
    twin = recipe(tmp_path / "sub", "one")
    (tmp_path / "no-stage.toml").write_text('name = "x"\nstages = ["missing.toml"]\n')
    for files, words in (
        ([one, other], "one starts from .*, other from somebody/model; methods are compared from one base"),
        ([one, twin], "two methods have files of the name one"),
        ([tmp_path / "no-stage.toml"], "missing.toml"),
        ([], "at least one method"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            run_bench([load_contender(file) for file in files], BenchSettings(), tmp_path / "out")
        assert "\n" not in str(caught.value)
    result = CliRunner().invoke(app, ["bench", str(one), "--tiers", "nowhere"])
    assert "unknown tier 'nowhere' (known: in-pretraining, four-long" in str(result.exception)
