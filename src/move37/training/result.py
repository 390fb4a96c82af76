"""What a training hands back."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Trained:
    """A training that is done. `model` is the folder of the model after the last of `steps` steps."""

    run: Path
    model: Path
    steps: int
    warnings: tuple[str, ...] = ()
