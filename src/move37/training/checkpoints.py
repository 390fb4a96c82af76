"""What a training run leaves on disk, and how it goes on after it was killed.

    <run>/recipe.json, code.json, contents.json   what the run is (`continuing.py`)
          prompts.parquet                   what is asked (`prompts.py`)
          log.jsonl                         one line per step and per evaluation
          checkpoints/step-00010/, best/    Hugging Face folders: every engine loads them
          rollouts/step-00010.parquet       responses to read (`samples.py`)
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
from typing import Any

import torch
from safetensors import SafetensorError

from move37.engines.transformers_load import quiet
from move37.errors import StoreError
from move37.files import read_json, read_log, write_atomically
from move37.paths import checkpoint_of, step_name
from move37.training.continuing import adopt, refuse_a_file
from move37.training.policy import Policy
from move37.training.recipe import TrainConfig
from move37.training.samples import forget_samples_after

_UNFINISHED = ".unfinished-"


class RunFolder:
    """The folder of one training run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.jsonl"

    def adopt(self, recipe: TrainConfig, contents: Mapping[str, str] | None = None) -> None:
        """See `continuing.adopt`."""
        adopt(self.folder, recipe, contents or {})

    def save_model(self, policy: Policy, step: int) -> Path:
        """The policy after `step` steps as a Hugging Face folder; beyond `keep_limit` the oldest ones go."""
        self._save_model(policy, step, self.model_folder(step), {})
        limit = policy.recipe.checkpoints.keep_limit
        kept = sorted((self.folder / "checkpoints").glob("step-*"))
        for old in kept[:-limit] if limit is not None else ():
            shutil.rmtree(old)
        return self.model_folder(step)

    def save_best(self, policy: Policy, step: int, metric: str, value: float) -> None:
        """Keep the model in checkpoints/best unless one that is as good was there before."""
        target = self.folder / "checkpoints" / "best"
        known = read_json(target / "move37.json", f"remove {target}") or {}
        if known.get("metric") != metric or not known.get("value", -1.0) >= value:
            self._save_model(policy, step, target, {"metric": metric, "value": value})

    def _save_model(self, policy: Policy, step: int, target: Path, further: Mapping[str, Any]) -> None:
        """A Hugging Face folder, with where it came from in move37.json. Its config names the precision written."""
        recipe = policy.recipe
        about = {"step": step, "algorithm": recipe.algorithm.name, "seed": recipe.seed, "start": recipe.model.path}
        with _whole(target) as folder, quiet():
            policy.save(folder)
            policy.save_tokenizer(folder)
            (folder / "move37.json").write_text(json.dumps(about | dict(further), indent=1) + "\n")

    def model_folder(self, step: int) -> Path:
        return checkpoint_of(self.folder, step)

    def refuse_a_file(self) -> None:
        """Raises StoreError where there is a file in place of the folder."""
        refuse_a_file(self.folder)

    def rewind(self, step: int) -> None:
        """Drop what was logged and kept of later steps. Raises StoreError as `rewind_log`."""
        self.rewind_log(step)
        forget_samples_after(self.folder, step)

    def save_state(self, policy: Policy, step: int, counters: Mapping[str, Any]) -> None:
        """What the next step needs. Older states are removed once this one is whole."""
        with _whole(self.folder / "state" / step_name(step)) as folder:
            torch.save(policy.state(), folder / "state.pt")
            (folder / "state.json").write_text(json.dumps({"step": step, **counters}) + "\n")
        for old in self._states()[:-1]:
            shutil.rmtree(old)

    def load_state(self, policy: Policy) -> dict[str, Any] | None:
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


def _counters(state: Path) -> dict[str, Any]:
    """How far a state is, and what the curriculum knows. Raises StoreError."""
    read = read_json(state / "state.json", f"remove {state}: the run begins again")
    found = read if isinstance(read, dict) else {}
    if any(type(found.get(name)) is not int for name in ("step", "drawn")):
        raise StoreError(_useless(state, "state.json does not say step and drawn"))
    return found


def _useless(state: Path, reason: str) -> str:
    return f"{state}: cannot be continued from: {reason}; remove this folder, and the run begins again"


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
