"""By what a model's weights are known, wherever they stand. Loads neither torch nor transformers."""

from hashlib import blake2b
from pathlib import Path

UNKNOWN = "unknown"
"""Of a hub name whose files are not on this machine."""
_SUFFIXES = (".safetensors", ".bin", ".gguf")
_MEBIBYTE = 2**20


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


def _on_this_machine(name: str, revision: str | None) -> Path | None:
    """The config.json of a hub name, where it was downloaded."""
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(name, "config.json", revision=revision)
    except ValueError:  # a path, not a name of the hub
        return None
    return Path(found) if isinstance(found, str) else None
