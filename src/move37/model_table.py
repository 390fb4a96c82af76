"""The table [models] of a study as people write it for many models -> one table for each.

    [model_defaults]                    what every model has, unless it says otherwise; inner tables merge key by key
    [models] paths = [...]              a model for each name or folder
    [models.NAME] paths = [...]         the same, as NAME-<folder>, with all else that stands there

A pattern (`*`, `?`, `[`) stands for the folders, and GGUF files, that fit it in natural order: step-20 before step-100.
A name without one stands for itself, whether it is there or not: it may be a hub's or a server's. A folder whose name
has such characters itself is taken as it is. A folder that a list gives twice, by two patterns or by a link to it, is
one model, where it is given first and by the name of the folder itself. A model is called as its folder, and where the
pattern leaves a folder above it open, as what it leaves open and all below: runs/*/final gives a-final and b-final.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
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
    for name in study.keys() - {"models"}:
        if get_close_matches(name, [DEFAULTS], cutoff=0.85):
            raise ConfigError(f"{where}: {name}: unknown key; did you mean {DEFAULTS!r}?")
    if not isinstance(tables, Mapping):
        return study
    models: dict[str, Any] = {}
    for name, table in _one_each(tables, folder, where):
        if name in models:
            both = " and ".join(str(each.get("path")) for each in (models[name], table) if isinstance(each, Mapping))
            raise ConfigError(
                f"{where}: models: two models would be called {name!r} ({both}); give one a table of its own, as "
                "[models.NAME] with path, or with paths, before which NAME is put"
            )
        if not isinstance(table, Mapping):
            raise ConfigError(
                f"{where}: models.{name}: a table was expected, as [models.{name}] with a path (given: {table!r}); "
                f"what holds for every model goes into [{DEFAULTS}]"
            )
        models[name] = _merged(defaults, table)
    return study | {"models": models}


def _one_each(tables: Mapping[str, Any], folder: Path, where: str) -> Iterator[tuple[str, Any]]:
    for name, table in tables.items():
        if name == PATHS and not isinstance(table, Mapping):
            for called, path in _paths(table, folder, f"{where}: models.{PATHS}"):
                yield called, {"path": path}
        elif isinstance(table, Mapping) and PATHS in table:
            key = f"{where}: models.{name}.{PATHS}"
            if "path" in table:
                raise ConfigError(f"{key}: give path or {PATHS}, not both")
            rest = {key: value for key, value in table.items() if key != PATHS}
            for called, path in _paths(table[PATHS], folder, key):
                yield f"{name}-{called}", rest | {"path": path}
        else:
            yield name, table


def _paths(given: Any, folder: Path, where: str) -> Iterator[tuple[str, str]]:
    """What each model of a list is called, and its path."""
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given) or not given:
        raise ConfigError(f'{where}: a list of names and patterns was expected, as ["base", "checkpoints/step-*"]')
    had: set[Path] = set()
    for each in given:
        for path in _fitting(each, folder, where):
            place = (folder / Path(path).expanduser()).resolve()
            if place not in had:
                yield _called(path, each), path
            had.add(place)


def _fitting(given: str, folder: Path, where: str) -> list[str]:
    """What one entry of a list stands for. Raises ConfigError for a pattern that no folder fits."""
    path = Path(given).expanduser()
    if not _PATTERN.search(given) or (folder / path).exists():
        return [given]
    found = [each for each in glob(str(path), root_dir=folder) if _is_model(folder / each)]
    if not found:
        files = sorted(glob(str(path), root_dir=folder))
        but = f", only files such as {files[0]}: a model is a folder or a .gguf" if files else ""
        raise ConfigError(f"{where}: no folder fits {given!r}{but}")
    own: dict[Path, str] = {}
    for each in sorted(found, key=lambda each: (folder / each.rstrip("/")).is_symlink()):
        own.setdefault((folder / each).resolve(), each)
    return [each if Path(each).is_absolute() else f"./{each}" for each in sorted(own.values(), key=_in_natural_order)]


def _is_model(path: Path) -> bool:
    """Whether what a pattern fits can be a model: logs and archives lie beside checkpoints."""
    return path.is_dir() or path.suffix.lower() == ".gguf"


def _called(path: str, given: str) -> str:
    """The name of a folder; of one that a pattern stands for, from the first part that the pattern leaves open."""
    parts, pattern = Path(path).parts, Path(given).expanduser().parts
    open_parts = [bool(_PATTERN.search(part)) for part in pattern]
    first = open_parts.index(True) if path != given and any(open_parts) else len(pattern) - 1
    return "-".join(parts[len(parts) - len(pattern) + first :]) or path


def _in_natural_order(path: str) -> list[tuple[int, str]]:
    """step-20 before step-100: runs of digits count as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]


def _merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` over `defaults`, tables key by key."""
    merged = dict(defaults)
    for key, value in own.items():
        before = merged.get(key)
        merged[key] = _merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return merged
