"""Writes docs/settings.md from the settings themselves, so that the page cannot say anything else.

python -m tests.settings_page > docs/settings.md
"""

import json
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from move37.config import ProblemsConfig, Settings, StudyConfig, TemplateConfig, VerificationConfig
from move37.engines import ENGINES
from move37.training.algorithms import ALGORITHMS
from move37.training.curricula import CURRICULA
from move37.training.explorers import EXPLORERS
from move37.training.policy_losses import POLICY_LOSSES
from move37.training.recipe import TrainConfig

BEGIN = """# Settings

Every key of a study and of a recipe, with its default; an empty one is explained beside it. `python -m
tests.settings_page` writes this page, and a test keeps it so. Unknown keys are refused. A run's `config.json` and a
training's `recipe.json` have all keys written out. Options of verifiers are in [extending.md](extending.md).

## A study: `move37 run STUDY.toml`
"""
RECIPE = """## A recipe: `move37 train RECIPE.toml`

`[problems]`, `[templates.NAME]` and `[verification]` are as in a study, `[evaluation.problems]` is as `[problems]`.
[training.md](training.md) says how the parts work together.
"""


def page() -> str:
    """The whole page."""
    lines = [BEGIN, *_tables(StudyConfig)]
    for name in ENGINES.names:
        engine = import_module(ENGINES.load(name).__module__)
        lines += _table(f"`[models.NAME.options]` of the engine `{name}`", engine.Options)
    lines += [RECIPE, *_tables(TrainConfig, "", frozenset({ProblemsConfig, TemplateConfig, VerificationConfig}))]
    for name in ALGORITHMS.names:
        kind = ALGORITHMS.load(name)
        changed = [f"`loss.{key} = {json.dumps(value)}`" for key, value in kind.loss_defaults.items()]
        lines += _table(f"`[algorithm.options]` of `{name}`", kind.Options)
        lines += [f"Where the recipe is silent, `{name}` also sets {', '.join(changed)}.\n"] if changed else []
    for name in CURRICULA.names:
        lines += _table(f"`[curriculum.options]` of `{name}`", CURRICULA.load(name).Options)
    for name in EXPLORERS.names:
        lines += _table(f"`[explorer.options]` of `{name}`", EXPLORERS.load(name).Options)
    for name in POLICY_LOSSES.names:
        lines += _table(f"`[loss.policy.options]` of `{name}`", POLICY_LOSSES.load(name).Options)
    return "\n".join(lines).rstrip() + "\n"


def _tables(kind: type[Settings], path: str = "", known: frozenset[type] = frozenset()) -> Iterator[str]:
    """Of the settings and of those inside, but for those that are known."""
    yield from _table(f"`[{path}]`" if path else "At the top", kind)
    for key, field in kind.model_fields.items():
        inner = _settings_in(field.annotation)
        if inner is not None and inner not in known:
            name = f"{path}.{key}".lstrip(".") + (".NAME" if "dict" in str(field.annotation) else "")
            yield from _tables(inner, name, known)


def _table(heading: str, kind: type[Settings]) -> Iterator[str]:
    rows = [_row(key, field) for key, field in kind.model_fields.items() if _settings_in(field.annotation) is None]
    if not rows:
        return
    yield f"### {heading}\n"
    if kind.__doc__:
        yield kind.__doc__.strip().splitlines()[0] + "\n"
    yield from ("| key | default | |", "|---|---|---|", *rows, "")


def _row(key: str, field: FieldInfo) -> str:
    choices = [f"`{json.dumps(value)}`" for value in _choices(field.annotation)]
    said = [field.description or "", *([f"One of {', '.join(choices)}."] if choices else [])]
    said = re.sub(r"([|<])", r"\\\1", " ".join(said).strip())
    return f"| `{key}` | {_default(field)} | {said} |"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "needed"
    return "" if field.default is None else f"`{json.dumps(field.default)}`"


def _choices(annotation: Any) -> list[Any]:
    if "Literal" not in str(annotation):
        return []
    inner = get_args(annotation)
    if str(annotation).startswith("typing.Literal"):
        return list(inner)
    return [choice for each in inner for choice in _choices(each)]


def _settings_in(annotation: Any) -> type[Settings] | None:
    """The settings class that an annotation holds: itself, in a tuple, in a table by name, or optional."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation if issubclass(annotation, Settings) else None
    return next((found for each in get_args(annotation) if (found := _settings_in(each))), None)


if __name__ == "__main__":
    print(page(), end="")
