"""Tables with a recipe become models: names, labels, checkpoints, and what is refused."""

from typing import Any

import pytest

from move37.errors import ConfigError
from move37.grids import expanded

RECIPE = {"name": "grpo", "seed": 7, "steps": 30, "algorithm": {"name": "grpo"}}


def models_of(**tables: Any) -> dict[str, Any]:
    return expanded(tables, lambda path, key: RECIPE)


def test_a_recipe_alone_is_one_model_with_the_recipes_own_seed_and_steps() -> None:
    (found,) = models_of(rl={"recipe": "r.toml"}).items()
    assert found[0] == "rl"
    assert (found[1]["training"], found[1]["seed"], found[1]["step"], found[1]["changes"]) == ("rl", 7, 30, {})
    assert found[1]["algorithm"] == "grpo"


def test_lists_are_axes_and_steps_are_checkpoints_of_one_training() -> None:
    found = models_of(rl={"recipe": "r.toml", "seed": [0, 1], "steps": [0, 10, 20], "temperature": 0.5})
    assert list(found) == ["rl-0@10", "rl-0@20", "rl-1@10", "rl-1@20"]
    assert {model["training"] for model in found.values()} == {"rl-0", "rl-1"}
    assert {model["algorithm"] for model in found.values()} == {"grpo"}
    assert {model["temperature"] for model in found.values()} == {0.5}


def test_a_grid_crosses_its_axes_and_a_name_says_where_values_belong() -> None:
    grid = {"algorithm": ["ppo", "rloo"], "seed": [0, 1], "loss": {"kl_coefficient": [0.001]}}
    found = models_of(**{"{algorithm}:{seed}": {"recipe": "r.toml", "grid": grid}})
    assert list(found) == ["ppo:0-0.001", "ppo:1-0.001", "rloo:0-0.001", "rloo:1-0.001"]
    assert found["ppo:1-0.001"]["changes"] == {"algorithm.name": "ppo", "loss.kl_coefficient": 0.001}
    assert found["ppo:1-0.001"]["algorithm"] == "ppo, kl_coefficient 0.001"
    assert found["ppo:1-0.001"]["seed"] == 1


def test_set_changes_settings_of_all_and_stands_in_the_label() -> None:
    found = models_of(rl={"recipe": "r.toml", "set": {"rollout.responses": 32, "optimizer": {"learning_rate": 1e-4}}})
    assert found["rl"]["changes"] == {"rollout.responses": 32, "optimizer.learning_rate": 1e-4}
    assert found["rl"]["algorithm"] == "grpo, responses 32, learning_rate 0.0001"


def test_a_start_says_the_seed_and_its_label_is_part_of_the_label() -> None:
    found = models_of(
        taught={"recipe": "r.toml", "seed": [0, 1], "algorithm": "rloo"},
        then={"recipe": "r.toml", "seed": [0, 1], "start": "taught-{seed}"},
    )
    assert [found[name]["start"] for name in ("then-0", "then-1")] == ["taught-0", "taught-1"]
    assert found["then-1"]["algorithm"] == "grpo after rloo"


def test_another_way_of_asking_takes_the_weights_and_no_label() -> None:
    found = models_of(
        rl={"recipe": "r.toml", "steps": [5]},
        hot={"weights_of": "rl@5", "temperature": 2.0},
        cold={"arm_of": "rl@5", "temperature": 0.1},
        mine={"path": "there"},
        other={"arm_of": "mine", "template": "chat"},
    )
    for name in ("hot", "cold"):
        assert (found[name]["training"], found[name]["step"]) == ("rl", 5)
        assert "algorithm" not in found[name]
    assert "weights_of" not in found["hot"]
    assert found["other"]["path"] == "there"


def test_what_came_out_is_left_as_it_is() -> None:
    once = models_of(rl={"recipe": "r.toml", "seed": [0, 1], "steps": [5, 6]}, after={"recipe": "r", "start": "rl-0@5"})
    assert expanded(once, lambda path, key: pytest.fail("a run's own study reads no recipe")) == once


@pytest.mark.parametrize(
    ("tables", "error"),
    [
        ({"rl": {"recipe": "r", "path": "p"}}, "models.rl: give path"),
        ({"rl": {"recipe": "r", "steps": []}}, "models.rl.steps: a number"),
        ({"rl": {"recipe": "r", "steps": [0]}}, "models.rl.steps: a number"),
        ({"rl": {"recipe": "r", "steps": [-1, 3]}}, "models.rl.steps: a number"),
        ({"rl": {"recipe": "r", "steps": 2.5}}, "models.rl.steps: a number"),
        ({"rl": {"recipe": "r", "grid": 3}}, "models.rl.grid: a table"),
        ({"rl": {"recipe": "r", "seed": []}}, "models.rl.grid.seed: needs values"),
        ({"rl": {"recipe": "r", "seed": [1, 1]}}, "models.rl.grid.seed: needs values, and each of them once"),
        ({"rl": {"recipe": "r", "seed": 1, "grid": {"seed": [1, 2]}}}, "models.rl: seed is given twice"),
        ({"rl": {"recipe": "r", "steps": 1, "grid": {"steps": [1, 2]}}}, "models.rl: steps is given twice"),
        ({"{size}": {"recipe": "r", "seed": [0]}}, "no axis 'size' .axes: seed"),
        ({"rl": {"recipe": "r", "seed": list(range(1001))}}, "models.rl.grid: 1,001 models; at most 1,000"),
        ({"a": {"recipe": "r", "seed": [0]}, "a-0": {"path": "p"}}, "models.a-0: a second model"),
        ({"a": {"recipe": "r", "start": "b"}}, "models.a.start: no model 'b'"),
        ({"a": {"recipe": "r", "start": "b"}, "b": {"recipe": "r", "start": "a"}}, "models.a.start: .* itself"),
        ({"a": {"weights_of": "b"}}, "models.a.weights_of: no model 'b'"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_by_its_key(tables: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        models_of(**tables)
