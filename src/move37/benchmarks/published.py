"""What published sets have in common: where their rows are found, and that none is missing.

Rows come from the Hugging Face hub, or from a local file or folder in the same field names or in those of
Qwen2.5-Math's evaluation (which the reference study used). The number of rows is checked against what the set is
known to have: a truncated download or a wrong split is refused before anything is sampled. How a row of one set
becomes a problem is next to that set's table entry.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from move37.config import ProblemsConfig
from move37.errors import InputError
from move37.hub import go_offline_if_unreachable
from move37.identity import content_id, number_repeats
from move37.registry import missing_extra
from move37.rows import SUFFIXES, Row, numbered_rows, read_rows
from move37.types import Problem


@dataclass(frozen=True, slots=True)
class Content:
    """What a row says: the parts of a Problem that differ from row to row."""

    question: str
    references: tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HubSet:
    """A data set on the Hugging Face hub."""

    name: str
    split: str
    config: str | None = None
    configs: tuple[str, ...] = ()
    """Of a set that is published in several; in their order."""


@dataclass(frozen=True, slots=True)
class TrainingPart:
    """Where the problems of a set are that models are trained on: what differs from the set itself."""

    expected_counts: Mapping[int, str]
    hub: HubSet
    file_names: tuple[str, ...]

    def fields(self) -> dict[str, Any]:
        return {"expected_counts": self.expected_counts, "hub": self.hub, "file_names": self.file_names}


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """The rows of a published set. `file_names` (without suffix) are those under which a folder is searched for it."""

    name: str
    expected_counts: Mapping[int, str]
    verifier: str
    hub: HubSet
    file_names: tuple[str, ...]
    train: TrainingPart | None = None

    def _rows(self, source: ProblemsConfig) -> tuple[list[Row], Path | None]:
        """All rows of the set, and the folder of their file. Raises InputError for another count."""
        file = None
        if source.path is None:
            where, rows = self.hub.name, self._hub_rows()
        else:
            file = self._find_file(source.path)
            where, rows = str(file), read_rows(file)
        if len(rows) not in self.expected_counts:
            known = ", ".join(f"{count} ({what})" for count, what in self.expected_counts.items())
            raise InputError(
                f"{where}: {len(rows)} rows, but {self.name} has {known}; "
                "for the first few of the whole set use limit, for a set of your own benchmark = 'jsonl'"
            )
        return rows, None if file is None else file.parent

    def _find_file(self, path: Path) -> Path:
        """`path` itself, or the one file in the folder `path` that is named after the benchmark."""
        if not path.is_dir():
            return path
        names = [f"{name}{suffix}" for name in self.file_names for suffix in SUFFIXES]
        # Qwen2.5-Math keeps its sets as <name>/test.jsonl.
        names += [f"{name}/test{suffix}" for name in self.file_names for suffix in SUFFIXES]
        found = [path / name for name in names if (path / name).is_file()]
        if not found:
            stems = " or ".join(self.file_names)
            raise InputError(f"{path}: no file for {self.name} here; looked for {stems} with {', '.join(SUFFIXES)}")
        if len(found) > 1:
            listed = ", ".join(str(file.relative_to(path)) for file in found)
            raise InputError(f"{path}: several files for {self.name} ({listed}); give path = one of them")
        return found[0]

    def _hub_rows(self) -> list[Row]:
        offline = go_offline_if_unreachable()
        try:
            from datasets import load_dataset
        except ModuleNotFoundError as error:
            raise missing_extra(f"benchmark {self.name!r} from the Hugging Face hub", error, "hub") from error
        try:
            # As Arrow holds them: images stay the bytes that were published.
            parts: list[Any] = [
                load_dataset(self.hub.name, config, split=self.hub.split).with_format("arrow")
                for config in self.hub.configs or (self.hub.config,)
            ]
            return numbered_rows((row for part in parts for row in part[:].to_pylist()), self.hub.name)
        except Exception as error:  # the hub's client raises a dozen unrelated classes
            why = "it cannot be reached" if offline else type(error).__name__
            raise InputError(
                f"{self.name}: {self.hub.name} cannot be loaded from the Hugging Face hub ({why}); "
                "give path = a local file or folder"
            ) from error


@dataclass(frozen=True, kw_only=True)
class PublishedBenchmark(PublishedSet):
    """A published set whose rows are problems of text."""

    read: Callable[[Row], Content]

    def load(self, source: ProblemsConfig) -> tuple[Problem, ...]:
        """All problems of the set. Raises InputError for another count, a bad row or an unreachable hub."""
        if source.split == "train" and self.train is not None:
            return replace(self, **self.train.fields(), train=None).load(source)
        return self.problems_of(self._rows(source)[0])

    def problems_of(self, rows: Iterable[Row]) -> tuple[Problem, ...]:
        """The problems of some rows of the set. Raises InputError for a bad one."""
        return number_repeats(self._problem(self.read(row)) for row in rows)

    def _problem(self, content: Content) -> Problem:
        return Problem(
            id=content_id(self.name, content.question),
            question=content.question,
            references=content.references,
            benchmark=self.name,
            verifier=self.verifier,
            tags=content.tags,
            metadata=content.metadata,
        )
