"""Importers read samples or counts that another tool wrote. The contract is in tests/test_importers.py.

Whatever the format, rows are joined by problem, never by their position in a file, and problems get the same
content ids that benchmarks give, so that two models imported separately land on the same problems. Another tool's
scores are kept beside, as what it reported: they are not verdicts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from move37.counts import AnyTally
from move37.registry import Registry
from move37.types import Problem, Sample

MATH = "math"
"""The verifier of imported problems: every format here holds maths answers. `verify --verifier` takes another."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file holds: samples (with the problems as far as the file tells them), or counts.

    A sample of a problem that is not in `problems` belongs to a run that has that problem already. `reported` is the
    other tool's own score by (problem id, index), for the samples that have one. `settings` are the facts that the
    format knows about how the samples were drawn. `counts` is None where there are samples.
    """

    problems: tuple[Problem, ...] = ()
    samples: tuple[Sample, ...] = ()
    reported: Mapping[tuple[str, int], bool] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    counts: AnyTally | None = None


class Importer(Protocol):
    def load(self, path: Path, model: str, benchmark: str) -> Imported:
        """Read `path` as the samples or counts of `model` on `benchmark`. Raises InputError with one line."""
        ...


IMPORTERS = Registry(
    "importer",
    {
        "jsonl": "move37.importers.jsonl:JsonlImporter",
        "paper": "move37.importers.paper:PaperImporter",
        "counts": "move37.importers.counts:CountsImporter",
    },
    methods=("load",),
)
