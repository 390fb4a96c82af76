"""Exporters write a run in a form that other tools read. What is exported can be imported again without loss.

Verdicts are the current ones; each file says whose they are. Only what stands in the run is written: nothing is sampled
or judged.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from move37.errors import InputError
from move37.registry import Registry
from move37.results import Exported
from move37.store import RunStore


class Exporter(Protocol):
    def write(self, store: RunStore, models: Sequence[str], out: Path) -> list[Path]:
        """Write the models of a run into the folder `out`; the files that were written. Raises InputError."""
        ...


EXPORTERS = Registry(
    "exporter",
    {
        "counts": "move37.exporters.counts:CountsExporter",
        "samples": "move37.exporters.samples:SamplesExporter",
        "hub": "move37.exporters.hub:HubExporter",
        "every_eval_ever": "move37.exporters.every_eval_ever:EveryEvalEverExporter",
        "lm-eval": "move37.exporters.lm_eval:LmEvalExporter",
    },
    methods=("write",),
)


def export_run(format_name: str, store: RunStore, out: Path, models: Sequence[str] = ()) -> Exported:
    """Write a run, or some of its models, in another tool's form. Raises InputError for a model that is not there."""
    exporter: Exporter = EXPORTERS.load(format_name)()
    there = store.models()
    unknown = [name for name in models if name not in there]
    if unknown or not there:
        known = ", ".join(there) or "none"
        raise InputError(f"{store.folder}: no model {unknown[0] if unknown else ''!r} with samples or counts ({known})")
    files = exporter.write(store, models or there, out)
    relative = tuple(file.relative_to(out) for file in files)
    return Exported(store.folder, out, format_name, relative)
