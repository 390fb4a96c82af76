"""What is refused when a model is opened, in one line that says what to do."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from move37.config import ModelConfig, parse_study
from move37.engines.transformers import TransformersEngine
from move37.errors import ConfigError, EngineError, MissingExtraError
from move37.session import check_names
from tests.tiny_models import save_model, save_tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


def changed(model: Path, folder: Path, **settings: Any) -> Path:
    """A copy whose config says something else."""
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))
    return folder


ROUNDED = {
    "gptq": ({"bits": 4, "group_size": 32}, ("gptqmodel", "optimum")),
    "awq": ({"bits": 4, "group_size": 32, "zero_point": True, "version": "gemm"}, ("gptqmodel", "accelerate")),
    "compressed-tensors": ({"format": "pack-quantized"}, ("compressed_tensors",)),
}


@pytest.mark.parametrize("method", ROUNDED)
def test_rounded_weights_name_the_packages_that_they_need(method: str, model: Path, tmp_path: Path) -> None:
    settings, packages = ROUNDED[method]
    missing = [name for name in packages if find_spec(name) is None]
    if not missing:
        pytest.skip("its packages are installed")
    folder = changed(model, tmp_path, quantization_config={"quant_method": method, **settings})
    with pytest.raises(MissingExtraError, match=f"rounded by {method}.*pip install {' '.join(missing)};"):
        TransformersEngine.load(ModelConfig(path=str(folder)))


def test_a_token_of_the_file_beyond_the_embedding_is_refused_and_one_of_the_class_only_where_it_is_asked(
    model: Path, tmp_path: Path
) -> None:
    file = json.loads((model / "tokenizer.json").read_text())
    changed(model, tmp_path)
    pad = {**file["added_tokens"][0], "id": 43, "content": "[PAD]"}
    (tmp_path / "tokenizer.json").write_text(json.dumps({**file, "added_tokens": [*file["added_tokens"], pad]}))
    with pytest.raises(EngineError, match=r"its tokenizer has tokens up to 43 \('\[PAD\]'\) and the model embeds 43"):
        TransformersEngine.load(ModelConfig(path=str(tmp_path)))


def test_greedy_copies_are_refused_before_anything_is_loaded() -> None:
    study = {"name": "x", "problems": {"benchmark": "gsm8k"}, "sampling": {"n": 4, "temperature": 0}}
    models = {"models": {"base": {"path": "a fake", "engine": "scripted"}}}
    with pytest.raises(ConfigError, match="sampling.n: at temperature 0 all 4 samples of a problem by base are one"):
        check_names(parse_study(study | models))
    check_names(parse_study(study | models | {"sampling": {"n": 1, "temperature": 0, "stop": {"successes": 0}}}))


def test_a_model_whose_template_fails_says_so_in_one_line(model: Path, tmp_path: Path) -> None:
    from move37.types import Message

    changed(model, tmp_path)
    save_tokenizer(tmp_path, chat_template="{{ raise_exception('only tools are answered') }}")
    engine = TransformersEngine.load(ModelConfig(path=str(tmp_path)))
    with pytest.raises(ConfigError, match="the chat template of .* fails: only tools are answered"):
        engine.render_prompt([Message.of("user", "a")])
