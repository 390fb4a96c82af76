"""Laptop-sized worlds whose truth is known: a tokenizer, a pretraining recipe, a teacher, and shipped checkpoints.

The rules of a world are a module of their own (`move37.countdown`), because the registries of benchmarks and
verifiers, which lie below, need them too. Here is what a world needs to have models: everything that comes out is a
Hugging Face folder, so every engine and every other trainer loads it. torch is imported when used.
"""

from pathlib import Path

from move37.errors import InputError

_SHIPPED = Path(__file__).parent / "checkpoints"


def shipped_checkpoints() -> tuple[str, ...]:
    """The names of the models that come with the package."""
    return tuple(sorted(path.parent.name for path in _SHIPPED.glob("*/config.json")))


def checkpoint_folder(name: str) -> Path:
    """The folder of a shipped model. Raises InputError for another name."""
    if name not in shipped_checkpoints():
        raise InputError(f"no shipped checkpoint {name!r} (known: {', '.join(shipped_checkpoints()) or 'none'})")
    return _SHIPPED / name


def model_folder(model: str) -> str:
    """Where a model is: in the folder of this path, or, if there is none, in the shipped one of this name."""
    if Path(model).exists():
        return str(Path(model).resolve())
    return str(checkpoint_folder(model)) if model in shipped_checkpoints() else model
