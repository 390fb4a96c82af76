"""A study in smoke size has every part of the whole one, and nothing that takes long."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from move37.config import load_study
from move37.errors import ConfigError
from move37.smoke import smoke_sized
from move37.store import RunStore
from move37.trainings import check_trainings

STUDY = Path(__file__).parents[1] / "studies" / "limit-of-rlvr.toml"


def test_the_whole_papers_study_keeps_its_models_and_trainings_in_smoke_size(tmp_path: Path) -> None:
    whole = load_study(STUDY)
    small = smoke_sized(whole)
    assert list(small.models) == list(whole.models)
    assert (small.name, small.smoke, small.sampling.n) == ("limit-of-rlvr-smoke", True, 8)
    assert small.sampling.plan().is_fixed
    assert sum(source.size for source in small.problems) == 6
    trainings = {each.name: each for each in check_trainings(small, tmp_path)}
    assert trainings.keys() == {each.name for each in check_trainings(whole, tmp_path)}
    assert dict(trainings["ppo-1"].checkpoints) == {1: "ppo-1@12", 2: "ppo-1@25", 3: "ppo-1@50"}
    assert trainings["after-distillation-2"].start == "distilled-2"
    assert max(each.recipe.steps for each in trainings.values()) == 3
    assert (
        max(each.owed * each.recipe.rollout.prompts * each.recipe.rollout.responses for each in trainings.values())
        <= 48
    )
    assert trainings["distilled-0"].recipe.imitation is not None
    assert trainings["distilled-0"].recipe.imitation.examples == 24


def test_a_run_in_smoke_size_does_not_become_the_whole_one(tmp_path: Path) -> None:
    whole = load_study(STUDY)
    store = RunStore(tmp_path / "run")
    store.adopt(smoke_sized(whole))
    with pytest.raises(ConfigError, match="smoke, .*: differs from what"):
        store.refuse_changes(whole)
