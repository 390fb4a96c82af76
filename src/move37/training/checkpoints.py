"""What a training run leaves on disk, and how it goes on after it was killed.

    <run>/recipe.json                       the resolved recipe
          code.json                         digests of the files of the user's own that the recipe names
          log.jsonl                         one line per step and per evaluation
          checkpoints/step-00010/           a Hugging Face folder: every engine loads it
          state/step-00010/                 what the next step needs; only the newest is kept

Folders appear whole or not at all: they are written beside their place, flushed to the disk and renamed. The state
has the weights in full precision, the optimizer, the critic, the number of steps done and of problems drawn. Order of
problems, seeds and learning rates follow from these and the recipe, and an update draws nothing at random, so a run
that was killed and continued gives the same weights bit for bit on a CPU with the same number of threads.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError

from move37.engines import ENGINES
from move37.engines.transformers import quiet
from move37.errors import ConfigError, StoreError
from move37.parts import read_json, read_log, write_atomically
from move37.training.algorithms import ALGORITHMS
from move37.training.policy import Policy, merged_weights
from move37.training.recipe import TrainConfig, changed_keys, parse_recipe, resolved_json

_UNFINISHED = ".unfinished-"


class RunFolder:
    """The folder of one training run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.jsonl"

    def adopt(self, recipe: TrainConfig) -> None:
        """Write the recipe down, or refuse one that contradicts what is there. Raises ConfigError, StoreError."""
        if self.folder.exists() and not self.folder.is_dir():
            raise StoreError(f"{self.folder}: a file, not a folder; choose another place for the run")
        path, advice = self.folder / "recipe.json", "restore it, or start in a new folder"
        if path.exists():
            written = read_json(path, advice)
            if not isinstance(written, dict):
                raise StoreError(f"{path}: holds no recipe; {advice}")
            known = parse_recipe(written, str(path))
            changes = changed_keys(known, parse_recipe(recipe.model_dump(mode="json")))
            if changes:
                raise ConfigError(
                    f"{self.folder}: was begun with another {', '.join(changes)}; continue it with the old recipe, or "
                    "start in a new folder"
                )
        self._adopt_code(recipe)
        write_atomically(path, resolved_json(recipe).encode())

    def _adopt_code(self, recipe: TrainConfig) -> None:
        """Write down which code an algorithm or engine in a file is. Raises ConfigError where it is another by now."""
        path = self.folder / "code.json"
        named = {"algorithm.name": (ALGORITHMS, recipe.algorithm.name), "model.engine": (ENGINES, recipe.model.engine)}
        files = {key: registry.origin(name).get("file") for key, (registry, name) in named.items()}
        now = {key: digest for key, digest in files.items() if digest is not None}
        known = read_json(path, "remove it, or start in a new folder") or {}
        changed = [key for key, digest in now.items() if known.get(key, digest) != digest]
        if changed:
            raise ConfigError(
                f"{self.folder}: was begun with another content of the file that {', '.join(changed)} names; continue "
                "it with the old one, or start in a new folder"
            )
        if now:
            write_atomically(path, (json.dumps(now, indent=1) + "\n").encode())

    def save_model(self, policy: Policy, step: int) -> Path:
        """The policy after `step` steps as a Hugging Face folder, with where it came from in move37.json."""
        target, recipe = self.model_folder(step), policy.recipe
        about = {"step": step, "algorithm": recipe.algorithm.name, "seed": recipe.seed, "start": recipe.model.path}
        with _whole(target) as folder:
            state = merged_weights(policy.model, recipe.model)
            if recipe.model.precision == "bfloat16":
                state = {name: value.to(torch.bfloat16) for name, value in state.items()}
            with quiet():
                policy.model.save_pretrained(folder, state_dict=state)
                policy.tokenizer.save_pretrained(folder)
            (folder / "move37.json").write_text(json.dumps(about, indent=1) + "\n")
        return target

    def model_folder(self, step: int) -> Path:
        return self.folder / "checkpoints" / _name(step)

    def save_state(self, policy: Policy, step: int, counters: Mapping[str, int]) -> None:
        """What the next step needs. Older states are removed once this one is whole."""
        with _whole(self.folder / "state" / _name(step)) as folder:
            torch.save(policy.state(), folder / "state.pt")
            (folder / "state.json").write_text(json.dumps({"step": step, **counters}) + "\n")
        for old in self._states()[:-1]:
            shutil.rmtree(old)

    def load_state(self, policy: Policy) -> dict[str, int] | None:
        """Bring the policy to the newest state. Returns its counters, or None where there is no state yet."""
        states = self._states()
        if not states:
            return None
        counters = _counters(states[-1])
        try:
            policy.load(torch.load(states[-1] / "state.pt", weights_only=True, map_location=policy.device))
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, UnpicklingError) as error:
            first = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
            raise StoreError(_useless(states[-1], first)) from error
        return counters

    def rewind_log(self, step: int) -> None:
        """Drop what was logged after `step` steps: the continued run logs it again. A torn last line goes too.

        Raises StoreError, and drops nothing, where another line is damaged.
        """
        if not self.log.exists():
            return
        kept = []
        for number, (line, record) in enumerate(read_log(self.log), start=1):
            if not isinstance(record.get("step"), int):
                raise StoreError(f"{self.log}: record {number} has no step; restore the line, or remove it")
            if record["step"] <= step:
                kept.append(line + "\n")
        write_atomically(self.log, "".join(kept).encode())

    def _states(self) -> list[Path]:
        return sorted(path for path in (self.folder / "state").glob("step-*") if path.is_dir())


def _counters(state: Path) -> dict[str, int]:
    """How far a state is. Raises StoreError."""
    read = read_json(state / "state.json", f"remove {state}: the run begins again")
    found = read if isinstance(read, dict) else {}
    counters = {name: found[name] for name in ("step", "drawn") if type(found.get(name)) is int}
    if len(counters) < 2:
        raise StoreError(_useless(state, "state.json does not say step and drawn"))
    return counters


def _useless(state: Path, reason: str) -> str:
    return f"{state}: cannot be continued from: {reason}; remove this folder, and the run begins again"


def _name(step: int) -> str:
    return f"step-{step:06d}"


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A folder to fill that becomes `target` when the block ends, flushed to the disk. Raises StoreError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.parent / f"{_UNFINISHED}{target.name}"
        for left in (unfinished, target):
            if left.exists():
                shutil.rmtree(left)
        unfinished.mkdir()
        yield unfinished
        for path in unfinished.rglob("*"):
            _flush(path)
        _flush(unfinished)
        unfinished.rename(target)
        _flush(target.parent)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch has no kind of its own for a full disk
        reason = (getattr(error, "strerror", None) or str(error)).partition("\n")[0]
        raise StoreError(f"{target}: cannot be written ({reason}); is there room on the disk?") from error


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
