"""LoRA adapters by their folder, as vLLM takes them: the base with room for one adapter of this rank."""

import json
from pathlib import Path
from typing import Any

from move37.errors import ConfigError, EngineError

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""For which vLLM makes room."""


def adapter_arguments(path: str) -> dict[str, Any]:
    """Raises EngineError for a folder that is no adapter's, ConfigError for one that vLLM cannot use."""
    try:
        config = json.loads((Path(path).expanduser() / "adapter_config.json").read_text())
        rank, patterns = int(config["r"]), dict(config.get("rank_pattern") or {})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path}: its adapter_config.json does not say the adapter's rank") from error
    kind = config.get("peft_type", "LORA")
    if kind != "LORA":
        raise ConfigError(f"model {path!r}: vLLM reads LoRA adapters, not {kind}; merge it, or use 'transformers'")
    largest = max([rank, *map(int, patterns.values())])
    room = next((each for each in _RANKS if each >= largest), None)
    if room is None:
        raise ConfigError(f"model {path!r}: vLLM takes adapters up to rank {_RANKS[-1]}, and this one has {largest}")
    return {"enable_lora": True, "max_loras": 1, "max_lora_rank": room}
