"""The table [models] of a study as people write it for many models -> one table for each.

    [model_defaults]                    what every model has, unless it says otherwise; inner tables merge key by key
    [models] paths = [...]              a model for each name or folder
    [models.NAME] paths = [...]         the same, as NAME-<folder>, with all else that stands there

A pattern (`*`, `?`, `[`) stands for the files and folders that fit it, in natural order: step-20 before step-100. A
name without one stands for itself, whether it is there or not: it may be a hub's or a server's. A folder whose name has
such characters itself is taken as it is.
"""

import re
from collections.abc import Iterator, Mapping
from glob import glob
from pathlib import Path
from typing import Any

from move37.errors import ConfigError

DEFAULTS, PATHS = "model_defaults", "paths"
_PATTERN = re.compile(r"[*?[]")


def one_table_each(raw: Mapping[str, Any], folder: Path, where: str) -> dict[str, Any]:
    """The study with one table for each model. Relative patterns are relative to `folder`. Raises ConfigError."""
    study = dict(raw)
    defaults, tables = study.pop(DEFAULTS, {}), study.get("models")
    if not isinstance(defaults, Mapping):
        raise ConfigError(f"{where}: {DEFAULTS}: a table of keys that every model has was expected")
    if not isinstance(tables, Mapping):
        return study
    models: dict[str, Any] = {}
    for name, table in _one_each(tables, folder, where):
        if name in models:
            raise ConfigError(f"{where}: models: two models would be called {name!r}; give one a table of its own")
        # What is no table is refused where the study is checked, with its key.
        models[name] = _merged(defaults, table) if isinstance(table, Mapping) else table
    return study | {"models": models}


def _one_each(tables: Mapping[str, Any], folder: Path, where: str) -> Iterator[tuple[str, Any]]:
    for name, table in tables.items():
        if name == PATHS and not isinstance(table, Mapping):
            for path in _paths(table, folder, f"{where}: models.{PATHS}"):
                yield _last_part(path), {"path": path}
        elif isinstance(table, Mapping) and PATHS in table:
            key = f"{where}: models.{name}.{PATHS}"
            if "path" in table:
                raise ConfigError(f"{key}: give path or {PATHS}, not both")
            rest = {key: value for key, value in table.items() if key != PATHS}
            for path in _paths(table[PATHS], folder, key):
                yield f"{name}-{_last_part(path)}", rest | {"path": path}
        else:
            yield name, table


def _paths(given: Any, folder: Path, where: str) -> Iterator[str]:
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given) or not given:
        raise ConfigError(f'{where}: a list of names and patterns was expected, as ["base", "checkpoints/step-*"]')
    for each in given:
        path = Path(each).expanduser()
        if not _PATTERN.search(each) or (folder / path).exists():
            yield each
            continue
        found = sorted(glob(str(path), root_dir=folder), key=_in_natural_order)
        if not found:
            raise ConfigError(f"{where}: nothing fits {each!r}")
        yield from (f"./{match}" if not Path(match).is_absolute() else match for match in found)


def _last_part(path: str) -> str:
    return Path(path).name or path


def _in_natural_order(path: str) -> list[tuple[int, str]]:
    """step-20 before step-100: runs of digits count as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]


def _merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` over `defaults`, tables key by key."""
    merged = dict(defaults)
    for key, value in own.items():
        before = merged.get(key)
        merged[key] = _merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return merged
