"""The trainings of a study: which there are, what each still owes, and training it.

    <run>/trainings/<training>/     the folder of a training, as `move37 train` leaves it

Each is its recipe with the study's changes in it, and what it is is known by that content: a training that is there
and was begun with another recipe is refused by the key that differs. What is trained already is used, what was stopped
goes on, and a training that starts from another one's model waits for it. Checkpoints that the study asks for are kept
on the way. Recipes are read and checked before anything is loaded; torch is loaded by the trainer.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from move37.config import TRAININGS, ModelConfig, StudyConfig, read_toml, there
from move37.errors import ConfigError, MissingExtraError, StoreError
from move37.files import read_json, write_atomically
from move37.paths import checkpoint_of
from move37.progress import Progress, Silent
from move37.store import RunStore
from move37.training.continuing import changed_keys, code_of
from move37.training.moved import MODEL, relocated
from move37.training.recipe import TrainConfig, anchored_recipe, resolved_json
from move37.training.smoke import small_recipe

_NOT_YET = "a-model-of-the-study"
"""Stands for the path of a model that is yet to be trained, where a recipe is only checked."""


@dataclass(frozen=True, slots=True)
class Training:
    """One training of a study, and the checkpoints that the study asks of it."""

    name: str
    folder: Path
    recipe: TrainConfig
    algorithm: str
    """Its label: the same for trainings that differ in the seed alone."""
    start: str | None
    """The model of the study that it starts from; None where that is the recipe's own."""
    checkpoints: Mapping[int, str]
    """The study's models by step."""

    @property
    def reached(self) -> int:
        """How far it has come: steps that it can go on from."""
        states = [path.name.rpartition("-")[2] for path in (self.folder / "state").glob("step-*") if path.is_dir()]
        return max((int(step) for step in states if step.isdecimal()), default=0)

    @property
    def owed(self) -> int:
        """Steps that are still to be made."""
        return 0 if self.is_finished else max(0, self.recipe.steps - self.reached)

    @property
    def is_finished(self) -> bool:
        return all(map(self.has, self.checkpoints))

    def has(self, step: int) -> bool:
        """Whether the model after so many steps is there."""
        return checkpoint_of(self.folder, step).is_dir()


def trainings_of(study: StudyConfig, run: Path) -> list[Training]:
    """Every training of the study, in an order in which each comes after the one that it starts from.

    Raises ConfigError for a recipe that cannot be run, MissingExtraError without torch.
    """
    models: dict[str, dict[int, str]] = {}
    for name, model in study.models.items():
        if model.training is not None and model.step is not None:
            models.setdefault(model.training, {}).setdefault(model.step, name)
    found = {name: _training(name, steps, study, run) for name, steps in models.items()}
    ordered: dict[str, Training] = {}
    while len(ordered) < len(found):
        before = len(ordered)
        for name, each in found.items():
            after = study.models[each.start].training if each.start is not None else None
            if name not in ordered and (after is None or after in ordered):
                ordered[name] = each
        if len(ordered) == before:
            raise ConfigError(f"models: trainings start from each other: {', '.join(found.keys() - ordered.keys())}")
    return list(ordered.values())


def check_trainings(study: StudyConfig, run: Path) -> list[Training]:
    """`trainings_of`, each compared with what is there of it. Raises ConfigError where that is something else."""
    found = trainings_of(study, run)
    for each in found:
        _check_begun(each)
    return found


def train_owed(store: RunStore, progress: Progress | None = None) -> dict[str, int]:
    """Train what is not trained yet; the steps that were made, by training. Raises as the trainer does."""
    study = store.study()
    if all(model.recipe is None for model in study.models.values()):
        return {}
    made: dict[str, int] = {}
    with store.writing():
        for training in check_trainings(study, store.folder):
            if training.is_finished:
                continue
            made[training.name] = training.owed
            _train(_located(training, store), progress or Silent())
            store.log("trained", training=training.name, steps=made[training.name])
    return made


def _located(training: Training, store: RunStore) -> Training:
    """With the place of the model that it starts from, which was trained meanwhile."""
    if training.start is None:
        return training
    path = store.study().models[training.start].path
    model = training.recipe.model.model_copy(update={"path": path})
    return replace(training, recipe=training.recipe.model_copy(update={"model": model}))


def _train(training: Training, progress: Progress) -> None:
    try:
        from move37.training.loop import train  # here: it loads torch
    except ImportError as error:
        raise MissingExtraError(f"training needs {error.name}: pip install 'move37[local]'") from error
    view = Watched(progress, training.name)
    try:
        train(training.recipe, training.folder, view)
    finally:
        view.end()
    lacking = [step for step in training.checkpoints if not training.has(step)]
    if lacking:
        raise StoreError(f"{training.folder}: the model after step {lacking[0]} is not there although it was trained")


class Watched:
    """A training seen as one bar of steps (`training.records.View`)."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name, self._bar = progress, name, ExitStack()
        self._advance: Callable[[int], None] = lambda more: None

    def begin(self, title: str, step: int, steps: int) -> None:
        self._advance = self._bar.enter_context(self._progress.track(f"Training {self._name}", steps - step, "steps"))

    def show(self, record: dict[str, Any]) -> None:
        if record["kind"] == "step":
            self._advance(1)

    def stage(self, name: str) -> None: ...

    def example(self, question: str, response: str, verdict: str) -> None: ...

    def track(self, label: str, total: int, unit: str) -> Any:
        """The roll-outs of a step are too many bars to show."""
        return Silent().track(label, total, unit)

    def end(self) -> None:
        self._bar.close()


# -- the recipe of a training ----------------------------------------------------------------------------------------


def _training(name: str, checkpoints: Mapping[int, str], study: StudyConfig, run: Path) -> Training:
    model = study.models[next(iter(checkpoints.values()))]
    folder = run / TRAININGS / name
    if model.start is not None and model.start not in study.models:
        raise ConfigError(f"models.{name}.start: no model {model.start!r} (models: {', '.join(study.models)})")
    return Training(
        name=name,
        folder=folder,
        recipe=_recipe(name, model, sorted(checkpoints), study, run),
        algorithm=model.algorithm or name,
        start=model.start,
        checkpoints=dict(sorted(checkpoints.items())),
    )


def _recipe(name: str, model: ModelConfig, steps: Sequence[int], study: StudyConfig, run: Path) -> TrainConfig:
    """The recipe with everything that the study says of it."""
    assert model.recipe is not None
    path = there(Path(), model.recipe, f"models.{name}.recipe")
    raw = read_toml(path, "recipe")
    for key, value in {**model.changes, "seed": model.seed, "steps": steps[-1]}.items():
        _put(raw, key, value, f"models.{name}")
    raw["name"] = re.sub(r"[^\w.-]", "-", name).lstrip("-.")
    kept = raw.get("checkpoints")
    raw["checkpoints"] = {**(kept if isinstance(kept, dict) else {}), "keep_at": steps}
    if model.start is not None:
        start = Path(study.trained_in(run).models[model.start].path)
        waits = study.models[model.start].recipe is not None and not start.is_dir()
        _put(raw, "model.path", _NOT_YET if waits else str(start), f"models.{name}")
    try:
        recipe = anchored_recipe(raw, path.parent, f"models.{name}: {path}")
        return small_recipe(recipe) if study.smoke else recipe
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"training needs {error.name}: pip install 'move37[local]'") from error


def _put(raw: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set one dotted key. Raises ConfigError where the recipe has something else than a table on the way."""
    *tables, last = key.split(".")
    inner = raw
    for name in tables:
        inner = inner.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{where}: {key}: {name} is no table of the recipe")
    inner[last] = value


# -- what is there -----------------------------------------------------------------------------------------------------


def _check_begun(training: Training) -> None:
    """Raises ConfigError where the folder holds another training, or one that can no longer give what is asked."""
    recipe, path = training.recipe, training.folder / "recipe.json"
    written = read_json(path, "remove the folder, and it is trained again")
    if written is None:
        return
    if isinstance(written, dict) and recipe.model.path == _NOT_YET:
        _put(written, MODEL, _NOT_YET, str(path))
    changes = changed_keys(relocated(written, recipe, training.folder, code_of(recipe)), recipe)
    if changes:
        raise ConfigError(
            f"{training.folder}: was begun with another {', '.join(changes)} than the recipe has now; give the old "
            "recipe, another name to the model, or remove the folder to train it again"
        )
    if written != recipe.model_dump(mode="json") and recipe.model.path != _NOT_YET:
        write_atomically(path, resolved_json(recipe).encode())
    reached = training.reached
    passed = [step for step in training.checkpoints if step < reached and not training.has(step)]
    if passed:
        raise ConfigError(
            f"{training.folder}: is {reached} steps far, and its model after {passed[0]} was not kept; ask for steps "
            f"from {reached} on, or remove the folder to train it again"
        )
