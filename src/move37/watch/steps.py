"""Which steps does a folder hold? Files of samples by the importer that claims them, or checkpoints to be sampled.

A step is what the importer reads from the file (verl, TRL), or the number in the name of a folder on the way to it
(step_20, global_step_20, checkpoint-20). Files of one step belong together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from move37.errors import InputError
from move37.importers import IMPORTERS
from move37.importers.base import LogImporter
from move37.importers.heads import Head, files_in

_STEP = re.compile(r"(?:global_?step|step|checkpoint|ckpt|iter)[-_]?0*(\d+)", re.IGNORECASE)
_EVALUATION = re.compile(r"(?:eval|val|validation|boundary)(?:s|uations?)?$", re.IGNORECASE)
_MODEL = re.compile(r"step-(\d+)")
_NOT_SAMPLES = ("counts", "jsonl", "paper")
"""Formats that would claim what frameworks log beside their samples."""


@dataclass(frozen=True, slots=True)
class StepFiles:
    """The samples of one step: files of one format. `stamp` changes when any of them does."""

    step: int
    format: str
    files: tuple[Path, ...]

    @property
    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        return tuple((str(file), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in self.files)


def sampled_steps(folder: Path) -> dict[int, StepFiles]:
    """By step. Files that nobody claims are left; so are those whose step nobody says. Raises InputError."""
    if not folder.exists():
        raise InputError(f"{folder}: no such folder")
    importers = {name: IMPORTERS.load(name)() for name in IMPORTERS.names if name not in _NOT_SAMPLES}
    found: dict[int, dict[str, list[Path]]] = {}
    for file in _held_out(list(files_in(folder)), folder):
        head = Head(file)
        name = next((name for name, importer in importers.items() if importer.claims(head)), None)
        step = None if name is None else _step_of(importers[name], file, folder)
        if name is not None and step is not None:
            found.setdefault(step, {}).setdefault(name, []).append(file)
    return {step: StepFiles(step, *_largest(by_format)) for step, by_format in sorted(found.items())}


def checkpoints(folder: Path) -> dict[int, Path]:
    """Folders with a model that a step is named after, by step."""
    found: dict[int, Path] = {}
    for config in sorted(folder.rglob("config.json")):
        step = _in_path(config.parent, folder)
        whole = any(config.parent.glob("*.safetensors")) and (config.parent / "tokenizer_config.json").exists()
        if step is not None and whole and not config.parent.name.startswith("."):
            found.setdefault(step, config.parent)
    return dict(sorted(found.items()))


def _held_out(files: list[Path], folder: Path) -> list[Path]:
    """Those of an evaluation, where a folder keeps them apart from what is trained on; prime-rl's once."""
    parts = {file: file.relative_to(folder).parts[:-1] for file in files}
    chosen = [file for file in files if any(map(_EVALUATION.match, parts[file]))] or files
    return [file for file in chosen if "effective" not in parts[file] or "all" not in {*_beside(file)}]


def _beside(file: Path) -> list[str]:
    """The folders beside the one that a file is in: prime-rl writes all episodes, and those without an error again."""
    return [each.name for each in file.parent.parent.iterdir() if each.is_dir()]


def _largest(by_format: Mapping[str, list[Path]]) -> tuple[str, tuple[Path, ...]]:
    name = max(by_format, key=lambda each: len(by_format[each]))
    return name, tuple(sorted(by_format[name]))


def _step_of(importer: object, file: Path, folder: Path) -> int | None:
    if isinstance(importer, LogImporter) and importer.format in ("verl", "trl"):
        try:
            model = importer.about(file).model
        except InputError:  # its first line is being written
            return None
        named = _MODEL.fullmatch(model or "")
        return int(named[1]) if named else None
    return _in_path(file, folder)


def _in_path(path: Path, folder: Path) -> int | None:
    """The number in the name nearest to the file."""
    for part in reversed(path.relative_to(folder).parts):
        named = _STEP.search(part)
        if named:
            return int(named[1])
    return None
