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


TIED = {"tie_word_embeddings": True, "num_key_value_heads": 2, "intermediate_size": 64}


def refusal(folder: Path) -> str:
    with pytest.raises(EngineError) as caught:
        TransformersEngine.load(ModelConfig(path=str(folder)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["LlamaModel", "LlamaForSequenceClassification"])
def test_what_embeds_or_rewards_is_refused_also_where_a_head_is_found_for_it(kind: str, tmp_path: Path) -> None:
    import transformers

    config = transformers.AutoConfig.for_model("llama", vocab_size=43, hidden_size=32, num_hidden_layers=1, **TIED)
    config.num_attention_heads, config.pad_token_id = 4, 1
    getattr(transformers, kind)(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    assert f"its weights are those of a {kind}, which does not continue texts" in refusal(tmp_path)


def test_no_architecture_that_transformers_has_for_texts_is_taken_for_another_kind() -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    from move37.engines.transformers_faults import continues_no_text

    known = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
    assert len(known) > 100
    assert [name for name in known if continues_no_text(name)] == []
    others = ("Qwen2ForRewardModel", "BertForMaskedLM", "MistralModel", "LlamaForTokenClassification", "CLIPTextModel")
    assert all(map(continues_no_text, others))


def test_a_model_that_pools_its_states_is_refused(model: Path, tmp_path: Path) -> None:
    folder = changed(model, tmp_path)
    (folder / "modules.json").write_text('[{"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]')
    assert "it embeds texts (modules.json pools their states)" in refusal(folder)


def test_layers_that_the_config_leaves_out_are_named(model: Path, tmp_path: Path) -> None:
    folder = changed(model, tmp_path, num_hidden_layers=1)
    assert "its config has 1 layers and its weights have more, such as model.layers.1." in refusal(folder)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("generation_config.json", '{"eos_token_id": [1', "generation_config.json is no JSON; copy it again"),
        ("tokenizer.json", '{"version"', "tokenizer.json is no JSON, copy it again"),
        (
            "model.safetensors",
            "version https://git-lfs.github.com/spec/v1\n",
            "model.safetensors is a pointer of Git LFS",
        ),
        ("adapter_config.json", '{"base_model_name_or_path": "/gone"}', "the adapter belongs to is not at /gone"),
        ("adapter_config.json", '{"base_model_name_or_path": "a/b"}', "an adapter without weights"),
    ],
)
def test_a_broken_file_is_named_with_what_to_do(
    file: str, content: str, words: str, model: Path, tmp_path: Path
) -> None:
    folder = changed(model, tmp_path)
    (folder / file).write_text(content)
    if file == "adapter_config.json":
        (folder / "config.json").unlink()
    assert words in refusal(folder)


def test_code_of_a_models_own_is_allowed_by_its_setting(model: Path, tmp_path: Path) -> None:
    own = {"AutoConfig": "configuration_own.Own", "AutoModelForCausalLM": "modeling_own.Own"}
    folder = changed(model, tmp_path, model_type="own", auto_map=own)
    assert "allow it with trust_remote_code = true" in refusal(folder)
