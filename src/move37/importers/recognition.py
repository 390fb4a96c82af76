"""Whose log is it? Every file is shown to every importer, in the order of the registry; the first that claims it reads
it. Files that nobody claims are named: most are what tools write beside their logs. One whose rows cannot be read is
refused, for it may be a log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from move37.errors import InputError
from move37.importers import IMPORTERS, Importer
from move37.importers.heads import KINDS, Head, files_in
from move37.json_stream import stream_json
from move37.rows import naming, open_text, stream_rows

_LOOKED_AT = 1_000_000
"""Characters of a YAML or CSV file that must be text."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """Files by the format that claims them, and those that none claims."""

    files: dict[str, list[Path]]
    unclaimed: tuple[Path, ...]


def recognise(paths: Sequence[Path]) -> Recognised:
    """Raises InputError where no file is a log that is known here."""
    importers: dict[str, Importer] = {name: IMPORTERS.load(name)() for name in IMPORTERS.known()}
    claimed: dict[str, list[Path]] = {}
    unclaimed = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file")
        for file in files_in(path):
            head = Head(file)
            name = next((name for name, importer in importers.items() if importer.claims(head)), None)
            if name is None:
                _refuse_torn(head)
                unclaimed.append(file)
            else:
                claimed.setdefault(name, []).append(file)
    if not claimed:
        raise InputError(_nothing(paths, unclaimed))
    return Recognised({name: claimed[name] for name in importers if name in claimed}, tuple(unclaimed))


def _refuse_torn(head: Head) -> None:
    """Raises InputError for a file that cannot be read: it may be a log that was being written, or is damaged. An empty
    one is only a log that was never begun."""
    if head.first or head.members or not head.path.stat().st_size:
        return
    if head.is_jsonl or head.name.endswith(".parquet"):
        next(stream_rows(head.path), None)
    elif head.is_json or head.name.endswith((".yaml", ".yml", ".csv")):
        with naming(head.path), open_text(head.path) as text:
            if head.is_json:
                next(stream_json(text, into=("samples", "eval", "details")), None)
            else:
                text.read(_LOOKED_AT)


def _nothing(paths: Sequence[Path], unclaimed: Sequence[Path]) -> str:
    known = ", ".join(IMPORTERS.names)
    if not unclaimed:
        return f"{paths[0]}: no file in it whose name ends in {', '.join(KINDS)}"
    head = Head(unclaimed[0])
    if unclaimed[0].stat().st_size == 0:
        return f"{unclaimed[0]}: empty, it holds no rows"
    if len(unclaimed) == 1 and not head.first and not head.members:
        try:
            next(stream_rows(unclaimed[0]))
        except InputError as error:
            return str(error)
    fields = ", ".join(map(str, [*(head.first or head.members)][:12])) or "none that can be read"
    return (
        f"{unclaimed[0]}: not a log that is known here (fields: {fields}); name its format ({known}), or its fields: "
        "move37 import jsonl PATH --field question=NAME --field response=NAME"
    )
