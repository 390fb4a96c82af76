"""By what a model's weights are known, wherever they stand. Loads neither torch nor transformers."""

import json
from hashlib import blake2b
from pathlib import Path

from move37.errors import EngineError

UNKNOWN = "unknown"
"""Of a hub name whose files are not on this machine."""
_SUFFIXES = (".safetensors", ".bin", ".gguf")
_MEBIBYTE = 2**20
_LENGTH = 8
"""Bytes of a safetensors file that say how long the table behind them is."""


def fingerprint(path: str, revision: str | None = None) -> str:
    """A hash of the weight files' names, sizes and first and last MiB: cheap, and enough to tell checkpoints apart."""
    found = Path(path).expanduser()
    if not found.exists():
        config = _on_this_machine(path, revision)
        if config is None:
            return UNKNOWN
        found = config.parent
    files = [found] if found.is_file() else sorted(f for f in found.iterdir() if f.suffix in _SUFFIXES)
    digest = blake2b(digest_size=8)
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}:".encode())
        with file.open("rb") as content:
            digest.update(content.read(_MEBIBYTE))
            content.seek(max(0, size - _MEBIBYTE))
            digest.update(content.read(_MEBIBYTE))
    return f"blake2b {digest.hexdigest()} of {len(files)} files' names, sizes, first and last MiB"


def refuse_torn(path: str) -> None:
    """Raises EngineError for a safetensors file that is shorter than its own table says: a download or a copy ended."""
    folder = Path(path).expanduser()
    for file in sorted(folder.glob("*.safetensors")) if folder.is_dir() else ():
        size = file.stat().st_size
        with file.open("rb") as content:
            length = int.from_bytes(content.read(_LENGTH), "little")
            table = content.read(min(length, size))
        try:
            ends = [entry["data_offsets"][1] for entry in json.loads(table).values() if "data_offsets" in entry]
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            ends = [size]
        if _LENGTH + length + max(ends, default=0) > size:
            raise EngineError(f"{file}: is torn or no file of weights ({size:,} bytes); copy or download it again")


def _on_this_machine(name: str, revision: str | None) -> Path | None:
    """The config.json of a hub name, where it was downloaded."""
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(name, "config.json", revision=revision)
    except ValueError:  # a path, not a name of the hub
        return None
    return Path(found) if isinstance(found, str) else None
