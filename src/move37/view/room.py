"""What there is to look at: the runs, their models side by side, their problems, and what they have in common.

Everything is read from the run folders, and read again when they have changed, so a run can be looked at while it goes
on. What takes long is made once, in the background, and kept in the cache of this machine: sorted copies of the parts
(`copies.py`).
"""

import logging
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl

from move37.analyses.gains_losses import gains_and_losses
from move37.console import visible
from move37.errors import InputError, Move37Error
from move37.evidence import RunEvidence
from move37.labels import readings, settle
from move37.paths import cache_folder
from move37.store import RunStore
from move37.types import Problem
from move37.view.copies import SortedParts, twice
from move37.view.counts import COUNTS, problem_counts
from move37.view.pieces import Piece, pieces_of
from move37.view.responses import ModelFiles

LOOK_EVERY_SECONDS = 1.0
"""How often the folders are looked at for changes, at most."""
_NOTE = "run.txt"
"""In the cache of a run: which one it is of."""
QUESTION = 160
"""Characters of a question in the list."""
_LOG = logging.getLogger(__name__)


@dataclass
class Source:
    """One model of one run, a column of the page."""

    number: int
    run: Path
    name: str
    model: str
    is_base: bool
    files: ModelFiles
    counts: pl.DataFrame
    stamp: Any = None


@dataclass(frozen=True)
class Known:
    """The runs as they were when they were last read. Never changed: a new one takes its place."""

    version: int
    stores: tuple[RunStore, ...]
    sources: tuple[Source, ...]
    problems: dict[str, Problem]
    shown: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)
    """By run and RL model: the problems that it is shown to have gained, and lost, one by one."""


class Room:
    """Several runs, read and read again. All methods may be called from several threads."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises InputError for a folder that is no run, and where no run has samples; StoreError as the store."""
        self.folders = [*dict.fromkeys(folder.resolve() for folder in folders)]
        self._names = _names(self.folders)
        self._cache, self._temporary = _cache()
        self._lock = threading.Lock()
        self._looked, self._stamp = 0.0, None
        self._copying: threading.Thread | None = None
        self._closed = threading.Event()
        self._sources: dict[tuple[Path, str], Source] = {}
        self.known = Known(0, (), (), {})
        self.look()
        if not self.known.sources:
            raise InputError(f"{', '.join(map(str, self.folders))}: no samples to look at; a run of counts has none")

    def close(self) -> None:
        self._closed.set()
        if self._copying is not None:
            self._copying.join()
        for store in self.known.stores:
            settle(store)
        if self._temporary is not None:
            self._temporary.cleanup()

    def look(self) -> Known:
        """The runs as they are now, looked at every `LOOK_EVERY_SECONDS` at most."""
        with self._lock:
            if time.monotonic() - self._looked > LOOK_EVERY_SECONDS:
                self._read_again()
                self._looked = time.monotonic()
        return self.known

    def copy_soon(self) -> None:
        """Make copies and the tests that take longer in the background, unless that is being done."""
        if self._copying is None or not self._copying.is_alive():
            self._copying = threading.Thread(target=self._copy, daemon=True)
            self._copying.start()

    # -- what the page asks for ------------------------------------------------------------------------------------

    def overview(self) -> dict[str, Any]:
        """All problems and what every model made of them, as columns: what the page sorts and filters."""
        known = self.look()
        ids, places = list(known.problems), {name: at for at, name in enumerate(known.problems)}
        counts = []
        for source in known.sources:
            row: list[Any] = [None] * len(ids)
            for values in source.counts.select("problem_id", *COUNTS).rows():
                if (at := places.get(values[0])) is not None:
                    row[at] = values[1:]
            counts.append(row)
        return {
            "version": known.version,
            "runs": [self._name(store) for store in known.stores],
            "title": " and ".join(store.study().name for store in known.stores),
            "sources": [
                {"number": s.number, "run": s.name, "model": s.model, "base": s.is_base} for s in known.sources
            ],
            "columns": list(COUNTS),
            "ids": ids,
            "questions": [_short(known.problems[id].question) for id in ids],
            "tags": [tags_shown(known.problems[id]) for id in ids],
            "counts": counts,
            "shown": {
                name: [[places[p] for p in side if p in places] for side in both] for name, both in known.shown.items()
            },
        }

    def search(self, text: str) -> dict[str, list[int]]:
        """Samples with `text` in them, in any case: by problem, how many of each model. Also in the questions."""
        known = self.look()
        found: dict[str, list[int]] = {}
        for source in known.sources:
            for problem, count in _found(self, source.number, source.stamp, text):
                found.setdefault(problem, [0] * len(known.sources))[source.number] = count
        folded = text.casefold()
        for problem in known.problems.values():
            if folded in problem.question.casefold() or problem.id.startswith(text):
                found.setdefault(problem.id, [0] * len(known.sources))
        return found

    def problem(self, problem_id: str) -> Problem:
        """Raises InputError."""
        found = self.look().problems.get(problem_id)
        if found is None:
            raise InputError(f"no problem {problem_id!r} in these runs")
        return found

    def source(self, number: int) -> Source:
        """Raises InputError."""
        sources = self.look().sources
        if not 0 <= number < len(sources):
            raise InputError(f"no model number {number}; there are {len(sources)}")
        return sources[number]

    def store_of(self, run: str | None = None) -> RunStore:
        """The run of this name; without one, the first. Raises InputError."""
        stores = self.look().stores
        for store in stores:
            if run is None or self._name(store) == run:
                return store
        raise InputError(f"no run {run!r} here")

    def readings(self) -> list[dict[str, Any]]:
        return [{"run": self._name(store), "words": str(readings(store))} for store in self.look().stores]

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read_again(self) -> None:
        stores = [RunStore.open(folder) for folder in self.folders]
        stamp = [_stamp(store) for store in stores]
        if stamp == self._stamp:
            return
        sources, problems = [], {}
        for store in stores:
            name = self._name(store)
            problems |= {problem.id: problem for problem in store.problems() if problem.id not in problems}
            base = store.study().base_model()
            here = [model for model in store.models() if store.samples(model).files()]
            for model in sorted(here, key=lambda each: each != base):
                sources.append(self._source(store, name, model, model == base, len(sources)))
        for source in sources:  # imported samples may come without their questions
            for problem_id in source.counts["problem_id"]:
                problems.setdefault(problem_id, Problem(problem_id, "", (), "", ""))
        self.known = Known(self.known.version + 1, tuple(stores), tuple(sources), problems, dict(self.known.shown))
        self._stamp = stamp
        if self.known.version > 1:
            self.copy_soon()

    def _name(self, store: RunStore) -> str:
        return self._names[self.folders.index(store.folder)]

    def _source(self, store: RunStore, name: str, model: str, is_base: bool, number: int) -> Source:
        stamp = _model_stamp(store, model)
        old = self._sources.get((store.folder, model))
        counts = old.counts if old is not None and old.stamp == stamp else twice(lambda: problem_counts(store, model))
        cache = self._cache_of(store) / model
        verdicts = {
            label: SortedParts(store.verdicts(label, model), cache / "verdicts" / label)
            for label in store.labels(model)
        }
        files = ModelFiles(store, model, SortedParts(store.samples(model), cache / "samples"), verdicts)
        source = Source(number, store.folder, name, model, is_base, files, counts, stamp)
        self._sources[store.folder, model] = source
        return source

    def _cache_of(self, store: RunStore) -> Path:
        cache = self._cache / blake2b(str(store.folder).encode(), digest_size=8).hexdigest()
        note = cache / _NOTE
        if not note.exists():
            cache.mkdir(parents=True, exist_ok=True)
            note.write_text(str(store.folder))
        return cache

    def _copy(self) -> None:
        """For a thread of its own: a failure is logged, and the page goes on without copies."""
        known = self.known
        try:
            for store in known.stores:
                settle(store)
            for source in known.sources:
                if not self._closed.is_set():
                    source.files.refresh()
            for store in known.stores:
                if not self._closed.is_set():
                    known.shown.update(_shown(store, self._name(store)))
        except (Move37Error, OSError, pl.exceptions.PolarsError) as error:
            _LOG.warning("the reading room works without copies for now: %s", error)


def pattern(text: str) -> pl.Expr:
    """Whether a response has `text` in it, in any case."""
    return pl.col("text").str.contains(f"(?i){re.escape(text)}")


def tags_shown(problem: Problem) -> dict[str, str]:
    return {visible(name): visible(str(value)) for name, value in problem.tags.items()}


@lru_cache(maxsize=256)
def _found(room: Room, number: int, stamp: Any, text: str) -> list[tuple[str, int]]:
    """`stamp` stands for the samples: the same text in the same samples is looked for once."""
    samples = room.source(number).files.samples
    rows = samples.scan(["problem_id", "text"]).filter(pattern(text)).group_by("problem_id").len()
    return twice(lambda: rows.collect(engine="streaming").rows())


def _shown(store: RunStore, name: str) -> dict[str, tuple[list[str], list[str]]]:
    """What each RL model is shown to have gained and lost, problem by problem; nothing where there are no verdicts."""
    evidence, base = RunEvidence(store), store.study().base_model()
    others = [model for model in evidence.models() if model != base]
    if base not in evidence.models() or not others:
        return {}
    try:
        changes = gains_and_losses(evidence.tally(base), [evidence.tally(model) for model in others])
    except InputError:
        return {}
    return {
        f"{name}/{model}": (list(gained.problems), list(lost.problems))
        for model, (gained, lost) in zip(others, changes, strict=True)
    }


def _stamp(store: RunStore) -> Any:
    problems = store.folder / "problems.parquet"
    return (
        problems.stat().st_mtime_ns if problems.exists() else 0,
        store.current_labels(),
        [(model, _model_stamp(store, model)) for model in store.models()],
    )


def _model_stamp(store: RunStore, model: str) -> Any:
    parts = [store.samples(model), *(store.verdicts(label, model) for label in store.labels(model))]
    return tuple(str(each.stamp()) for each in parts), str(store.current_labels())


def _names(folders: Sequence[Path]) -> list[str]:
    """As short as tells them apart."""
    names = [folder.name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _short(question: str) -> list[Piece]:
    """The beginning of a question on one line; no formula is cut in two."""
    found, length = [], 0
    for piece in pieces_of(" ".join(question[: 8 * QUESTION].split())):
        text = piece[1] if piece[0] in "tm" else " ".join("".join(value for _, value in piece[2]).split())
        if length + len(text) > QUESTION:
            return [*found, ["t", f"{text[: QUESTION - length]}..." if piece[0] != "m" else "..."]]
        found.append(["m", text, False, False] if piece[0] == "m" else ["t", text])
        length += len(text)
    return found


def _cache() -> tuple[Path, tempfile.TemporaryDirectory[str] | None]:
    """Where copies are kept: with the other caches, or for this look alone. Those of gone runs are removed."""
    try:
        folder = cache_folder()
        if folder is not None:
            (folder / "view").mkdir(parents=True, exist_ok=True)
            _forget_gone(folder / "view")
            return folder / "view", None
    except (OSError, RuntimeError):
        pass  # no home, or one that cannot be written to
    temporary = tempfile.TemporaryDirectory(prefix="move37-view-")
    return Path(temporary.name), temporary


def _forget_gone(cache: Path) -> None:
    for folder in cache.iterdir():
        note = folder / _NOTE
        if note.is_file() and not (Path(note.read_text()) / "config.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
