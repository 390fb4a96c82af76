"""What may be wrong with the folder of a model that transformers opens all the same, or says in its own words."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedModel
from transformers.utils.hub import cached_file

from move37.errors import EngineError

_MODULES = "modules.json"
"""Of models of the package sentence-transformers."""
_LAYER = re.compile(r"\.(?:layers|h|blocks)\.(\d+)\.")
_NO_LANGUAGE_MODEL = re.compile(
    r"For(?=[A-Z])(?!CausalLM|ConditionalGeneration|\w*Text2Text)\w+$|(?<!Head)(?<!Heads)Model$"
)
_LFS = b"version https://git-lfs"
SOFTLY: Mapping[str, Any] = {
    "_raise_exceptions_for_missing_entries": False,
    "_raise_exceptions_for_connection_errors": False,
}
"""How a file is looked for that need not be there."""


def continues_no_text(architecture: str) -> bool:
    """By the name of a class of transformers: what it is for, or nothing that reads the states."""
    return _NO_LANGUAGE_MODEL.search(architecture) is not None


def refuse_other_kinds(path: str, where: Mapping[str, Any]) -> None:
    """Raises EngineError for what is made to embed, classify or reward: with tied embeddings transformers finds a head
    for it all the same, and samples."""
    if "gguf_file" in where:
        return
    config = AutoConfig.from_pretrained(**where)
    architectures, own_code = (getattr(config, name, None) or () for name in ("architectures", "auto_map"))
    other = next((name for name in architectures if continues_no_text(name)), None)
    if other is not None and "AutoModelForCausalLM" not in own_code:
        raise EngineError(f"{path}: its weights are those of a {other}, which does not continue texts")
    modules = cached_file(where["pretrained_model_name_or_path"], _MODULES, revision=where["revision"], **SOFTLY)
    if modules is not None and "Pooling" in Path(modules).read_text():
        raise EngineError(f"{path}: it embeds texts ({_MODULES} pools their states) and does not continue them")


def refuse_layers_left_out(path: str, model: PreTrainedModel, unread: Iterable[str]) -> None:
    """Raises EngineError where the weights have more layers than the config, beside those that predict further tokens:
    transformers would leave them out."""
    config: Any = model.config.get_text_config(decoder=True)
    layers = getattr(config, "num_hidden_layers", None)
    if layers is None or getattr(config, "num_nextn_predict_layers", None):
        return
    read = {_LAYER.sub(".", name) for name in model.state_dict()}  # not those of another tower, which is left out
    numbered = [(name, found) for name in unread if (found := _LAYER.search(name)) is not None]
    beyond = [name for name, found in numbered if int(found[1]) >= layers and _LAYER.sub(".", name) in read]
    if beyond:
        raise EngineError(
            f"{path}: its config has {layers} layers and its weights have more, such as {min(beyond)}; they do not "
            "belong together"
        )


def refuse_torn_settings(path: str) -> None:
    """Raises EngineError for generation settings that transformers would pass over: they may name the end tokens."""
    written = Path(path).expanduser() / "generation_config.json"
    if written.is_file() and not _is_json(written):
        raise EngineError(f"{path}: {written.name} is no JSON; copy it again")


def advice_on(path: str, error: Exception) -> str:
    """What to do about an error of loading, behind it."""
    found = Path(path).expanduser()
    if not found.exists():
        return "; there is no such local folder, so it was looked up as a hub name"
    if "trust_remote_code" in str(error):
        return "; read that code, and allow it with trust_remote_code = true (in a study among the model's options)"
    if "ignore_mismatched_sizes" in str(error):
        return "; the weights have other shapes than config.json says: they do not belong together"
    pointer = next((file.name for file in sorted(found.glob("*")) if _is_pointer(file)), None)
    if pointer is not None:
        return f"; {pointer} is a pointer of Git LFS and not the file: run git lfs pull"
    torn = next((file.name for file in sorted(found.glob("*.json")) if not _is_json(file)), None)
    return f"; {torn} is no JSON, copy it again" if torn is not None else ""


def _is_pointer(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as content:
        return content.read(len(_LFS)) == _LFS


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_text())
    except ValueError:
        return False
    return True
