"""Models that a study trains: one table with a recipe -> a model for every training and every checkpoint of it.

    [models.grpo]                       grpo@50 and grpo@100, two checkpoints of one training
    recipe = "grpo.toml"
    steps = [50, 100]

    [models."{algorithm}-{seed}"]       grpo-0, grpo-1, ppo-0, ppo-1
    recipe = "rl.toml"
    grid = { algorithm = ["grpo", "ppo"], seed = [0, 1] }
    set.optimizer.learning_rate = 3e-4

A key of `grid` or `set` is a setting of the recipe, `loss.kl_coefficient`, or one of the short forms `algorithm` (its
name), `seed` and `steps`, which may also stand in the table itself. A name says `{seed}`, `{kl_coefficient}` or
`{loss.kl_coefficient}` where the value of an axis belongs; axes that it does not mention are put behind it. `start` is
the model of the study that the training starts from, where it is not the recipe's own, and may say the same. Step 0 may
stand in a list of steps: it is that model, and is not sampled a second time.

Trainings that differ in the seed alone share a label (`algorithm` of the model), by which the analyses know them: the
recipe's name or the algorithm that stands in its place, then the settings that were changed, then what came before; or
what `label` says.

A model that is only asked in another way needs no path: `arm_of`, or `weights_of` where it is to be a model of its own,
names the one whose weights it has. Everything here is raw TOML; `config.py` checks what comes out. Left out: grids over
models that are not trained.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

from move37.errors import ConfigError

SHORT = {"algorithm": "algorithm.name"}
"""Keys of a grid that stand for a longer one."""
STEPS, SEED = "steps", "seed"
DEFAULT_STEPS, DEFAULT_SEED, DEFAULT_ALGORITHM = 100, 0, "grpo"
"""What a recipe means that does not say it."""
MOST = 1000
"""Models that one table may become: a slip of the pen makes more, and each is trained."""
_OWN = ("recipe", "start", "set", "grid", "label", "algorithm", SEED, STEPS)
WEIGHTS = ("path", "engine", "recipe", "training", "changes", "start", SEED, "step")
"""What a model that is asked in another way has from the one whose weights it is."""
Table = Mapping[str, Any]


class GridError(ConfigError):
    """A grid that cannot be, with the key."""


class _New(dict[str, Any]):
    """A model that a grid became."""


def expanded(models: Table, read_recipe: Callable[[str, str], Table]) -> dict[str, Any]:
    """Every table of `models`, those with a recipe as the models that they become.

    `read_recipe` gets what the table says and the key, and gives the recipe's raw settings. Raises GridError.
    """
    found: dict[str, Any] = {}
    for name, table in models.items():
        made = list(_trained(name, table, read_recipe)) if _is_grid(table) else [(name, table)]
        for each, concrete in made:
            if each in found:
                raise GridError(f"models.{name}: a second model would be called {each!r}; name its axes in the key")
            found[each] = concrete
    found = {name: _labelled(name, table, found) for name, table in found.items()}
    return {name: _with_weights(name, table, found) for name, table in found.items()}


def _is_grid(table: Any) -> bool:
    """Whether a table has a recipe and is not one of those that came out of here (a run's config.json)."""
    return isinstance(table, Mapping) and table.get("recipe") is not None and table.get("training") is None


def _trained(name: str, table: Table, read_recipe: Callable[[str, str], Table]) -> Iterator[tuple[str, Table]]:
    where = f"models.{name}"
    if "path" in table:
        raise GridError(f"{where}: give path (a model that is there) or recipe (one that is to be trained), not both")
    raw = read_recipe(str(table["recipe"]), f"{where}.recipe")
    fixed, axes, steps = _settings(table, where)
    steps = raw.get(STEPS, DEFAULT_STEPS) if steps is None else steps
    several = steps if isinstance(steps, list | tuple) else [steps]
    if any(type(each) is not int or each < 0 for each in several) or not any(several):
        raise GridError(f"{where}.steps: a number of steps, or a list of them (given: {steps!r})")
    size = len(several)
    for values in axes.values():
        size *= len(values)
    if size > MOST:
        raise GridError(f"{where}.grid: {size:,} models; at most {MOST:,} are taken")
    passed_on = {key: value for key, value in table.items() if key not in _OWN}
    for values in product(*axes.values()):
        point = dict(zip(axes, values, strict=True))
        changes = {SHORT.get(key, key): value for key, value in {**fixed, **point}.items()}
        training = _written(name, point)
        about = {
            **passed_on,
            "recipe": table["recipe"],
            "training": training,
            SEED: changes.pop(SEED, raw.get(SEED, DEFAULT_SEED)),
            "changes": changes,
            "algorithm": _filled(str(table["label"]), point)[0] if "label" in table else _label(raw, changes),
            "start": None if table.get("start") is None else _filled(str(table["start"]), point)[0],
        }
        for step in sorted({step for step in several if step > 0}):
            checkpoint = f"{training}@{step}" if isinstance(steps, list | tuple) else training
            yield checkpoint, _New({**about, "step": step})


def _settings(table: Table, where: str) -> tuple[dict[str, Any], dict[str, list[Any]], Any]:
    """What is the same for all, the axes of the grid, and the steps; None where the recipe says them."""
    own, grid = table.get("set", {}), table.get("grid", {})
    for key, value in (("set", own), ("grid", grid)):
        if not isinstance(value, Mapping):
            raise GridError(f"{where}.{key}: a table of settings of the recipe (given: {value!r})")
    fixed, axes = dict(_flat(own)), {}
    for key, value in [*_flat(grid), *((key, table[key]) for key in ("algorithm", SEED) if key in table)]:
        if key in axes or key in fixed:
            raise GridError(f"{where}: {key} is given twice")
        if not isinstance(value, list | tuple):
            fixed[key] = value
        elif not value or len({repr(each) for each in value}) < len(value):
            raise GridError(f"{where}.grid.{key}: needs values, and each of them once (given: {list(value)!r})")
        else:
            axes[key] = list(value)
    found = [each[STEPS] for each in (axes, fixed) if STEPS in each]
    if found and STEPS in table:
        raise GridError(f"{where}: steps is given twice")
    for each in (axes, fixed):
        each.pop(STEPS, None)
    return fixed, axes, found[0] if found else table.get(STEPS)


def _flat(settings: Table, before: str = "") -> Iterator[tuple[str, Any]]:
    """Nested tables as dotted keys."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _written(name: str, point: Table) -> str:
    """The name of one training: values in the place of their keys, the others behind it."""
    filled, used = _filled(name, point)
    return "-".join([filled, *(_shown(value) for key, value in point.items() if key not in used)])


def _filled(text: str, point: Table) -> tuple[str, set[str]]:
    """`text` with the values that it names, and the keys of these."""
    used = set[str]()

    def value_of(match: re.Match[str]) -> str:
        for key, value in point.items():
            if match[1] in (key, key.rpartition(".")[2]):
                used.add(key)
                return _shown(value)
        raise GridError(f"models.{text}: no axis {match[1]!r} (axes: {', '.join(point) or 'none'})")

    return re.sub(r"\{([^{}]*)\}", value_of, text), used


def _shown(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text.replace("/", "_").replace("\\", "_")


def _label(raw: Table, changes: Table) -> str:
    """What trainings with these changes have in common, whatever their seed."""
    algorithm = changes.get(SHORT["algorithm"])
    said = [str(algorithm or raw.get("name") or DEFAULT_ALGORITHM)]
    said += [f"{key.rpartition('.')[2]} {_shown(value)}" for key, value in changes.items() if key not in SHORT.values()]
    return ", ".join(said)


def _labelled(name: str, table: Any, found: Table) -> Any:
    """With the labels of the trainings that came before in its own. Raises GridError for a start that cannot be."""
    if not _is_new(table):
        return table
    said, seen, start = [str(table["algorithm"])], {name}, table["start"]
    while start is not None:
        before = found.get(start)
        if not isinstance(before, Mapping):
            raise GridError(f"models.{name}.start: no model {start!r} (models: {', '.join(found)})")
        if start in seen:
            raise GridError(f"models.{name}.start: {start!r} starts, by a detour, from {name!r} itself")
        seen.add(start)
        said += [str(before["algorithm"])] if _is_new(before) else []
        start = before.get("start")
    return {**table, "algorithm": " after ".join(said)}


def _with_weights(name: str, table: Any, found: Table) -> Any:
    """With the weights of the model that `weights_of` names, or of the one whose arm it is. Raises GridError."""
    if not isinstance(table, Mapping) or table.get("path") or table.get("recipe") is not None:
        return table
    key = "weights_of" if "weights_of" in table else "arm_of"
    named = table.get(key)
    source = found.get(str(named))
    if named is None or (key == "arm_of" and source is None):
        return table
    if not isinstance(source, Mapping) or "weights_of" in source:
        raise GridError(f"models.{name}.{key}: no model {named!r} with weights of its own")
    taken = {each: source[each] for each in WEIGHTS if source.get(each) is not None}
    return taken | {each: value for each, value in table.items() if each != "weights_of"}


def _is_new(table: Any) -> bool:
    """Whether a table came out of `_trained` just now."""
    return isinstance(table, _New)
