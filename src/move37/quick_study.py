"""Two models and a benchmark, named on the command line -> a study in TOML, as somebody would have written it down."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from move37.config import StudyConfig, parse_study
from move37.errors import InputError
from move37.files import write_atomically


def quick_study(
    base: str | None,
    rl: Sequence[str],
    benchmarks: Sequence[str],
    engine: str | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> tuple[StudyConfig, str]:
    """The study and its text. `sampling` are keys of that table; None leaves the default.

    Raises InputError where a model or the benchmark is missing, ConfigError for values that cannot be.
    """
    lacking = [name for name, value in (("base", base), ("rl", rl), ("benchmark", benchmarks)) if not value]
    if base is None or lacking:
        raise InputError(f"run: give a study file, or --base, --rl and --benchmark (lacking: --{', --'.join(lacking)})")
    models = {"base": base, **dict(zip(_names(rl), rl, strict=True))}
    lines = [f"name = {json.dumps('-'.join(each.replace(':', '-') for each in benchmarks))}", ""]
    for benchmark in benchmarks:
        lines += ["[[problems]]", f"benchmark = {json.dumps(benchmark)}", ""]
    own = {key: value for key, value in (sampling or {}).items() if value is not None}
    if own:
        lines += ["[sampling]", *(f"{key} = {json.dumps(value)}" for key, value in own.items()), ""]
    for name, path in models.items():
        lines += [f"[models.{json.dumps(name)}]" if "." in name else f"[models.{name}]", f"path = {json.dumps(path)}"]
        lines += [f"engine = {json.dumps(engine)}", ""] if engine else [""]
    text = "\n".join(lines)
    return parse_study(tomllib.loads(text), "run"), text


def _names(rl: Sequence[str]) -> list[str]:
    """ "rl", or with several models "rl-1", "rl-2", ..."""
    return ["rl"] if len(rl) == 1 else [f"rl-{i}" for i in range(1, len(rl) + 1)]


def written(folder: Path, text: str) -> Path:
    """Keep the study beside the run. Raises StoreError (full disk)."""
    path = folder.with_name(f"{folder.name}.toml")
    write_atomically(path, text.encode())
    return path
