"""[models] by names and patterns, and what all models have in common."""

from pathlib import Path

import pytest

from move37.config import StudyConfig, load_study
from move37.errors import ConfigError
from move37.importers.base import in_order

HEAD = 'name = "s"\n[problems]\nbenchmark = "countdown:edge"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("step-20", "step-100", "step-3", "odd[1]", "base"):
        (tmp_path / "ckpt" / name).mkdir(parents=True)
    return tmp_path


def load(folder: Path, text: str) -> StudyConfig:
    (folder / "study.toml").write_text(HEAD + text)
    return load_study(folder / "study.toml")


def test_a_pattern_stands_for_its_folders_in_the_order_of_their_numbers(folder: Path) -> None:
    models = load(folder, '[models]\npaths = ["org/base", "ckpt/step-*"]\n').models
    assert list(models) == ["base", "step-3", "step-20", "step-100"]
    assert models["base"].path == "org/base"
    assert models["step-20"].path == str(folder / "ckpt" / "step-20")


def test_a_table_with_paths_names_its_models_after_itself(folder: Path) -> None:
    text = '[models.base]\npath = "org/base"\n[models.grpo]\npaths = ["ckpt/step-*"]\ntemperature = 0.8\n'
    models = load(folder, text + 'algorithm = "grpo"\n').models
    assert list(models) == ["base", "grpo-step-3", "grpo-step-20", "grpo-step-100"]
    assert [model.temperature for model in models.values()] == [None, 0.8, 0.8, 0.8]
    assert models["grpo-step-3"].algorithm == "grpo"


def test_defaults_are_merged_key_by_key_and_a_models_own_value_wins(folder: Path) -> None:
    text = '[model_defaults]\nengine = "scripted"\noptions = { accuracy = 0.3, length = 20 }\n'
    text += '[models]\npaths = ["a", "b"]\n[models.c]\npath = "c"\nengine = "transformers"\noptions = { length = 30 }\n'
    models = load(folder, text).models
    assert {name: model.engine for name, model in models.items()} == {
        "a": "scripted",
        "b": "scripted",
        "c": "transformers",
    }
    assert models["a"].options == {"accuracy": 0.3, "length": 20}
    assert models["c"].options == {"accuracy": 0.3, "length": 30}


def test_a_folder_whose_name_looks_like_a_pattern_is_that_folder(folder: Path) -> None:
    assert list(load(folder, '[models]\npaths = ["ckpt/odd[1]"]\n').models) == ["odd[1]"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[models]\npaths = ["ckpt/no-*"]\n', r"models\.paths: no folder fits 'ckpt/no-\*'"),
        ('[models]\npaths = "ckpt"\n', r"models\.paths: a list of names and patterns"),
        ("[models.x]\npaths = []\n", r"models\.x\.paths: a list of names and patterns"),
        ('[models.x]\npath = "a"\npaths = ["b"]\n', r"models\.x\.paths: give path or paths"),
        ('[models]\npaths = ["a/step", "b/step"]\n', r"two models would be called 'step' \(a/step and b/step\)"),
        ("model_defaults = 3\n", "model_defaults: a table"),
        (
            '[model_defaults]\nengin = "scripted"\n[models.a]\npath = "a"\n',
            r"models\.a\.engin: unknown key; did you mean",
        ),
        ('[models]\na = "path"\n', r"models\.a: a table was expected"),
        ('[models]\npaths = ["a"]\nengine = "scripted"\n', r"models\.engine: .* goes into \[model_defaults\]"),
        ('[model_default]\nengine = "scripted"\n[models.a]\npath = "a"\n', "did you mean 'model_defaults'"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(folder: Path, text: str, line: str) -> None:
    if text.startswith("model_defaults"):
        (folder / "study.toml").write_text(text + HEAD)
        with pytest.raises(ConfigError, match=line):
            load_study(folder / "study.toml")
        return
    with pytest.raises(ConfigError, match=line):
        load(folder, text)


def test_what_lies_beside_checkpoints_is_no_model_and_a_folder_is_one_however_often_it_fits(folder: Path) -> None:
    (folder / "ckpt" / "step-7.log").write_text("loss 3")
    (folder / "ckpt" / "step-8.gguf").write_text("")
    (folder / "ckpt" / "step-latest").symlink_to(folder / "ckpt" / "step-100")
    study = load(folder, '[models]\npaths = ["ckpt/step-100", "ckpt/step-*", "ckpt/*/"]\n')
    assert list(study.models) == ["step-100", "step-3", "step-8.gguf", "step-20", "base", "odd[1]"]


def test_folders_above_that_a_pattern_leaves_open_are_in_the_names(tmp_path: Path) -> None:
    for name in ("runs/a/final", "runs/b/final", "runs/b/step-2"):
        (tmp_path / name).mkdir(parents=True)
    assert list(load(tmp_path, '[models]\npaths = ["base", "runs/*/final"]\n').models) == ["base", "a-final", "b-final"]
    text = f'[models.x]\npaths = ["{tmp_path}/runs/[ab]/f*"]\n[models.y]\npaths = ["runs/b/step-*", "runs/a/final"]\n'
    assert list(load(tmp_path, text).models) == ["x-a-final", "x-b-final", "y-step-2", "y-final"]


def test_a_pattern_that_only_files_fit_says_so(tmp_path: Path) -> None:
    (tmp_path / "step-1.log").write_text("")
    with pytest.raises(
        ConfigError, match=r"no folder fits 'step-\*', only files such as step-1\.log: a model is a folder"
    ):
        load(tmp_path, '[models]\npaths = ["step-*"]\n')


def test_digits_that_are_no_numbers_do_not_stop_an_order(tmp_path: Path) -> None:
    for name in ("m2²", "m10", "m2", "m²"):
        (tmp_path / "c" / name).mkdir(parents=True)
    assert list(load(tmp_path, '[models]\npaths = ["c/*"]\n').models) == ["m2", "m2²", "m10", "m²"]
    assert sorted(["rs10", "rs2²", "rs2"], key=in_order) == ["rs2", "rs2²", "rs10"]  # of logs, too
