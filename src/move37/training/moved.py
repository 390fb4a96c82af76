"""The same training at other places: paths of a recipe that lead to what they led to when it was begun.

Projects, models and graders are moved and renamed. What was written down of a training is compared with what is asked
for by content, as far as that can be told:

* the start model and the teacher by their weights, where these were written down (contents.json) or are still at the
  old place too. Trainings that were begun before weights were written down go on where nothing is read from the start
  model again: their state holds all that was learnt
* code of the user's own by the digest of its file (code.json)
* any other file or folder by its name, if there is nothing else at the old place
"""

from collections.abc import Callable, Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

from move37.config import TRAININGS
from move37.engines.weight_files import UNKNOWN, fingerprint
from move37.errors import StoreError
from move37.files import read_json
from move37.training.recipe import IMITATION, TrainConfig, build_algorithm, parse_recipe

MODEL, TEACHER = "model.path", "teacher"
"""Keys of models; under them contents.json has what the weights are known by."""
CONTENTS, CODE = "contents.json", "code.json"
"""Files of a training's folder: digests by the recipe's keys."""

_ADVICE = "remove it, or start in a new folder"

IsSame = Callable[[str, str, str], bool]
"""Whether the old and the new value of a key lead to one thing."""


def read_digests(path: Path) -> dict[str, str]:
    """What is written there, nothing where there is no such file. Raises StoreError."""
    found = read_json(path, _ADVICE) or {}
    if not isinstance(found, dict):
        raise StoreError(f"{path}: holds no digests by key; {_ADVICE}")
    return found


def relocated(written: Mapping[str, Any], now: TrainConfig, folder: Path, code: Mapping[str, str]) -> TrainConfig:
    """`written`, the content of recipe.json, with the places of `now` wherever both lead to the same.

    `code` are the digests of now as in code.json. Raises ConfigError where what is written is no recipe.
    """
    known = {**read_digests(folder / CONTENTS), **read_digests(folder / CODE)}

    def is_same(key: str, was: str, new: str) -> bool:
        if key in (MODEL, TEACHER):
            return _is_same_model(known.get(key), was, new, key == MODEL and _goes_on_without_start(now, folder))
        if key in known and known[key] == code.get(key):
            return _class_in(was) == _class_in(new)
        return was.startswith("/") and new.startswith("/") and _is_same_place(Path(was), Path(new))

    return parse_recipe(_merged(written, now.model_dump(mode="json"), is_same), str(folder / "recipe.json"))


def _merged(was: Any, new: Any, is_same: IsSame, key: str = "") -> Any:
    """Settings of before with the values of now that lead to the same; keys that are paths count as values."""
    if isinstance(was, dict) and isinstance(new, dict):
        found = {}
        for name, value in was.items():
            here = name if name in new else next((other for other in new if is_same("", name, other)), name)
            found[here] = _merged(value, new.get(here), is_same, f"{key}.{name}" if key else name)
        return found
    if isinstance(was, list) and isinstance(new, list) and len(was) == len(new):
        return [_merged(*pair, is_same, key) for pair in zip(was, new, strict=True)]
    if isinstance(was, str) and isinstance(new, str) and was != new:
        return new if is_same(key, was, new) else was
    return was


def _class_in(name: str) -> str:
    """ "Mine" of "folder/mine.py:Mine"; nothing of any other name."""
    file, _, attribute = name.rpartition(":")
    return attribute if file.endswith(".py") else ""


def _is_same_model(weights: str | None, was: str, new: str, unread: bool) -> bool:
    """`weights` is what those of the old one are known by, `unread` that nothing hangs on them any more."""
    if weights is None and Path(was).expanduser().exists():
        weights = fingerprint(was)
    if weights is not None:
        return weights != UNKNOWN and fingerprint(new) == weights
    return unread or (was.startswith("/") and new.startswith("/") and _is_same_place(Path(was), Path(new)))


def _goes_on_without_start(recipe: TrainConfig, folder: Path) -> bool:
    """Whether a state is there that holds every weight, and no KL or reward is taken to the start model."""
    if recipe.model.lora_rank or recipe.loss.kl_coefficient or not any((folder / "state").glob("step-*")):
        return False
    return recipe.algorithm.name == IMITATION or build_algorithm(recipe).needs.implicit_reward is None


def _is_same_place(old: Path, new: Path) -> bool:
    """Whether two places hold one thing, before and after a folder above it was moved or copied."""
    if TRAININGS in old.parts and TRAININGS in new.parts:  # of one run: what comes from there on
        return old.parts[old.parts.index(TRAININGS) :] == new.parts[new.parts.index(TRAININGS) :]
    return old.name == new.name and (not old.exists() or _content(old) == _content(new))


def _content(place: Path) -> dict[str, str]:
    """Digests of a file, or of what makes the model in a folder."""
    files = [place] if place.is_file() else sorted([*place.glob("*.safetensors"), *place.glob("*.json")])
    found = {}
    for path in files:
        with path.open("rb") as file:
            found[path.name] = file_digest(file, "blake2b").hexdigest()
    return found
