"""Opening a model: where it is, what may be wrong with it, adapters added to their base. Errors are one line each."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging
from transformers.utils.hub import cached_file

from move37.engines.transformers_faults import (
    SOFTLY,
    advice_on,
    refuse_layers_left_out,
    refuse_other_kinds,
    refuse_torn_settings,
)
from move37.engines.transformers_images import ImageReader, open_processor, reads_images
from move37.errors import ConfigError, EngineError, MissingExtraError

_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "awq": ("gptqmodel", "accelerate"),
    "gptq": ("gptqmodel", "optimum"),
    "bitsandbytes": ("bitsandbytes", "accelerate"),
    "compressed-tensors": ("compressed_tensors",),
    "fp8": ("accelerate",),
    "torchao": ("torchao",),
    "hqq": ("hqq",),
}
"""What transformers 5.24 needs for rounded weights, by the `quant_method` of the config."""
_ADAPTER = "adapter_config.json"
_ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_PROCESSORS = ("processor_config.json", "preprocessor_config.json")


def open_model(
    path: str, revision: str | None, trust: bool, dtype: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and its tokenizer, whole and fitting each other. Raises EngineError, MissingExtraError."""
    base = adapter_base(path)
    where = place_of(base or path, revision, trust)
    with classified(path), quiet():
        refuse_missing_packages(path, where)
        refuse_other_kinds(path, where)
        refuse_torn_settings(base or path)
        tokenizer = AutoTokenizer.from_pretrained(**place_of_tokenizer(path, where))
        kind: Any = AutoModelForImageTextToText if has_processor(where) else AutoModelForCausalLM
        opened: Any = kind.from_pretrained(**where, dtype=dtype, output_loading_info=True)
    model, report = opened
    if report["missing_keys"]:
        raise EngineError(
            f"{path}: {len(report['missing_keys'])} weights are missing, such as "
            f"{min(report['missing_keys'])}; transformers would make them up"
        )
    refuse_layers_left_out(path, model, report["unexpected_keys"])
    if base is not None:
        model = _with_adapter(path, model)
    with classified(path):
        _refuse_larger_tokenizer(path, place_of_tokenizer(path, where), model, tokenizer)
    return model.eval(), tokenizer


def open_renderer(path: str, revision: str | None, trust: bool) -> tuple[PreTrainedTokenizerBase, Any]:
    """The tokenizer and the configuration of a model. Raises EngineError."""
    where = place_of(adapter_base(path) or path, revision, trust)
    with classified(path), quiet():
        return AutoTokenizer.from_pretrained(**place_of_tokenizer(path, where)), AutoConfig.from_pretrained(**where)


def has_processor(where: Mapping[str, Any]) -> bool:
    """Whether a model reads images beside text, and says how."""
    if "gguf_file" in where or not reads_images(AutoConfig.from_pretrained(**where)):
        return False
    place, revision = where["pretrained_model_name_or_path"], where["revision"]
    return any(cached_file(place, name, revision=revision, **SOFTLY) is not None for name in _PROCESSORS)


def open_images(
    path: str, revision: str | None, trust: bool, settings: Mapping[str, Any]
) -> ImageReader | MissingExtraError | None:
    """What reads a model's images; None for a model of text, and the error where a package is missing: it can still be
    asked in text. Raises EngineError."""
    where = place_of(adapter_base(path) or path, revision, trust)
    with classified(path), quiet():
        if not has_processor(where):
            return None
        try:
            return open_processor(path, where, settings)
        except MissingExtraError as error:
            return error


def adapter_base(path: str) -> str | None:
    """The model that an adapter's folder belongs to; None for a folder of whole weights. Raises EngineError."""
    found = Path(path).expanduser()
    if not (found / _ADAPTER).is_file() or (found / "config.json").is_file():
        return None
    try:
        base = json.loads((found / _ADAPTER).read_text())["base_model_name_or_path"]
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path}: {_ADAPTER} does not name the model that the adapter belongs to") from error
    if not isinstance(base, str) or not base:
        raise EngineError(f"{path}: {_ADAPTER} does not name the model that the adapter belongs to")
    if base.startswith(("/", "~")) and not Path(base).expanduser().exists():
        raise EngineError(
            f"{path}: the model that the adapter belongs to is not at {base}; set its place in {_ADAPTER}"
        )
    if not any((found / name).is_file() for name in _ADAPTER_WEIGHTS):
        raise EngineError(f"{path}: an adapter without weights (no {_ADAPTER_WEIGHTS[0]} in it)")
    return base


def place_of(path: str, revision: str | None, trust: bool) -> dict[str, Any]:
    """The arguments that make transformers open `path`. Raises EngineError where nothing can be there."""
    found = Path(path).expanduser()
    common = {"revision": revision, "trust_remote_code": trust}
    if path.endswith(".gguf"):
        if not found.is_file():
            raise EngineError(f"{path}: no such GGUF file")
        with found.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise EngineError(f"{path}: not a GGUF file (it does not begin with the letters GGUF)")
        return {"pretrained_model_name_or_path": str(found.parent), "gguf_file": found.name, **common}
    if found.is_file():
        raise EngineError(f"{path}: a file, but not a .gguf one; give the model's folder, a hub name or a GGUF file")
    if found.is_dir() and not (found / "config.json").is_file():
        raise EngineError(f"{path}: not a model folder (no config.json in it)")
    return {"pretrained_model_name_or_path": str(found) if found.is_dir() else path, **common}


def place_of_tokenizer(path: str, where: Mapping[str, Any]) -> dict[str, Any]:
    """An adapter's own tokenizer where its folder has one, else the model's."""
    folder = Path(path).expanduser()
    own = any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))
    return {**where, "pretrained_model_name_or_path": str(folder)} if own and "gguf_file" not in where else dict(where)


def refuse_missing_packages(path: str, where: Mapping[str, Any]) -> None:
    """Raises MissingExtraError where the weights are rounded in a way whose packages are not installed."""
    if "gguf_file" in where:
        return
    config = AutoConfig.from_pretrained(**where)
    settings: Any = getattr(config, "quantization_config", None) or {}
    method = str(settings.get("quant_method", "") if isinstance(settings, dict) else settings.quant_method)
    method = method.rpartition(".")[2].lower()
    missing = [name for name in _PACKAGES.get(method, ()) if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{path}: its weights are rounded by {method}, which needs {' and '.join(missing)}: "
            f"pip install {' '.join(missing)}; or sample the model whose weights were not rounded"
        )


def _with_adapter(path: str, model: PreTrainedModel) -> PreTrainedModel:
    """The weights with the adapter added to them. Raises MissingExtraError, EngineError."""
    if find_spec("peft") is None:
        raise MissingExtraError(f"{path}: an adapter needs the package 'peft': pip install 'move37[lora]'")
    from peft import PeftModel

    with classified(path), quiet():
        adapted: Any = PeftModel.from_pretrained(model, str(Path(path).expanduser()))
        return adapted.merge_and_unload()


def embedded_tokens(model: PreTrainedModel) -> int:
    """How many tokens the model knows."""
    embedding: Any = model.get_input_embeddings()
    return int(embedding.weight.shape[0])


def _refuse_larger_tokenizer(path: str, where: Mapping[str, Any], model: PreTrainedModel, tokenizer: Any) -> None:
    """Raises EngineError where the tokenizer's file has tokens for which the model has no embedding.

    What transformers' own class adds to the file (Qwen2's <|endoftext|>) is in no text that it was not written in.
    """
    rows = embedded_tokens(model)
    beyond = {index: token for token, index in tokenizer.get_vocab().items() if index >= rows}
    if not beyond:
        return
    written = _tokens_of_file(where)
    beyond = {index: token for index, token in beyond.items() if written is None or token in written}
    if beyond:
        largest = max(beyond)
        raise EngineError(
            f"{path}: its tokenizer has tokens up to {largest} ({beyond[largest]!r}) and the model embeds {rows}: they "
            "do not belong together; use the model's own tokenizer, or resize its embedding and train it"
        )


def _tokens_of_file(where: Mapping[str, Any]) -> set[str] | None:
    """The tokens that stand in tokenizer.json; None where there is no such file."""
    found = cached_file(where["pretrained_model_name_or_path"], "tokenizer.json", revision=where["revision"], **SOFTLY)
    if found is None:
        return None
    content = json.loads(Path(found).read_text())
    vocabulary = content["model"].get("vocab", {})
    named = vocabulary if isinstance(vocabulary, dict) else (piece for piece, *_ in vocabulary)
    return {*named, *(each["content"] for each in content.get("added_tokens", ()))}


def context_length_of(model_config: Any) -> int | None:
    """Most tokens of a prompt and its response, None where there is no limit.

    Beyond its first length `longrope` turns all tokens by other angles, which keys that are kept and other rows cannot
    follow: such models end there.
    """
    config = model_config.get_text_config(decoder=True)
    longest = getattr(config, "max_position_embeddings", None)
    angles: Any = getattr(config, "rope_parameters", None) or {}
    return angles["original_max_position_embeddings"] if angles.get("rope_type") == "longrope" else longest


@contextmanager
def classified(path: str) -> Iterator[None]:
    """What transformers raises while loading, in one line."""
    try:
        yield
    except (EngineError, MissingExtraError):
        raise
    except ImportError as error:
        said = one_line(error)
        advice = "" if "install" in said or "quantization" in said else ": pip install 'move37[local]'"
        raise MissingExtraError(f"{path}: {said}{advice}") from error
    except Exception as error:  # transformers raises a dozen kinds, and a plugin's errors are classified here
        hint = advice_on(path, error)
        raise EngineError(f"{path}: cannot be loaded as a causal language model: {one_line(error)}{hint}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' own progress bars, which would be drawn over ours (GGUF's heeds no setting)."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def device_of(name: str, path: str) -> torch.device:
    """Raises ConfigError for a GPU that is not there."""
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= available:
        raise ConfigError(f"model {path!r}: options.device: {name} is not there (GPUs: {available}); use cpu or auto")
    return device


def one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 240 else text[:237] + "..."


def is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
