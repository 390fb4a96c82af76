"""What readers say of chains of thought: valid, invalid, unsure, and a note; kept beside the verdicts.

Each reader is a verifier of its own, under the label "reader-NAME@1": valid is correct, invalid incorrect, unsure
unscored. What more readers call valid than invalid (or the other way round) is also the verdict of the audit
(`audit.py`), which CoT-pass@k, false accepts and "solved with a valid chain" are computed from; a tie has none, and a
label takes the place of what an audit file said without naming a reader. A label is about a text: where the sample was
made again, it does not stand.

A run that is being sampled or verified cannot be written to by others. A label that comes meanwhile is kept in
`PENDING` in the run folder and settled with the next one that may be; none is lost.
Left out: what of it is enough for a claim (`analyses/chain_audit.py`).
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from io import TextIOWrapper
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from move37.audit import LABEL as AUDITED
from move37.audit import READER
from move37.errors import InputError, StoreError
from move37.estimates.reader_agreement import cohen_kappa, krippendorff_alpha
from move37.files import write_atomically
from move37.locks import lock
from move37.schema import KEY, VERDICTS
from move37.store import RunStore
from move37.types import FinishReason, Outcome

PENDING = "labels-pending.jsonl"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_MANY_PARTS = 8


class Said(StrEnum):
    """What a reader says of a chain. `WITHDRAWN` takes an earlier word back."""

    VALID = "valid"
    INVALID = "invalid"
    UNSURE = "unsure"
    WITHDRAWN = "withdrawn"


_OUTCOMES = {Said.VALID: Outcome.CORRECT, Said.INVALID: Outcome.INCORRECT, Said.UNSURE: Outcome.UNSCORED}
_SAID = {outcome.value: said for said, outcome in _OUTCOMES.items()}
CATEGORIES = tuple(_OUTCOMES)


@dataclass(frozen=True, slots=True)
class Label:
    """One reader on one sample."""

    reader: str
    model: str
    problem_id: str
    index: int
    said: Said
    note: str = ""
    sample: int | None = None
    """The digest of the text that was read; None: whatever stands there."""


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two readers on the samples that both labelled."""

    readers: tuple[str, str]
    samples: int
    agree: int
    kappa: float | None
    """Cohen's; None where both always said the same one thing."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What readers said in a run: counts by reader and word, and how far they agree."""

    run: Path
    readers: Mapping[str, Mapping[str, int]]
    samples: int
    """With a label of at least one reader."""
    pairs: tuple[PairAgreement, ...]
    alpha: float | None
    """Krippendorff's, over all readers; None where no sample has two labels, or all labels are the same."""
    waiting: int
    """Labels that wait until the run can be written to."""

    def __str__(self) -> str:
        if not self.readers:
            return f"{self.run}: no labels yet; `move37 view {self.run}` shows samples to label"
        lines = [
            f"{reader}: {', '.join(f'{count:,} {said}' for said, count in counts.items())}"
            for reader, counts in self.readers.items()
        ]
        for pair in self.pairs:
            kappa = "no kappa (one word alone was used)" if pair.kappa is None else f"Cohen's kappa {pair.kappa:.2f}"
            names = " and ".join(pair.readers)
            lines.append(f"{names}: the same on {pair.agree:,} of {pair.samples:,} samples, {kappa}")
        if self.alpha is not None:
            lines.append(f"Krippendorff's alpha over all readers: {self.alpha:.2f}")
        if self.waiting:
            lines.append(f"{self.waiting:,} labels wait until the run can be written to")
        return "\n".join(lines)


def reader_label(reader: str) -> str:
    """The label of a reader's verdicts. Raises InputError for a name that cannot be part of one."""
    if not _NAME.fullmatch(reader):
        raise InputError(f"reader {reader!r}: a name has up to 40 letters, digits, '.', '_' or '-'")
    return f"{READER}{reader}@1"


def say(store: RunStore, labels: Sequence[Label]) -> bool:
    """Keep labels: in the run at once where it can be written to (True), else until it can (False).

    Raises InputError for a name that is none, and for a sample that is not there.
    """
    for label in labels:
        reader_label(label.reader)
    known = {model: _here(store, model, group) for model, group in _by(labels, "model")}
    told = [_with_digest(store, label, known[label.model]) for label in labels]
    with _pending(store.folder) as file:
        file.seek(0, os.SEEK_END)
        file.writelines(json.dumps(asdict(label)) + "\n" for label in told)
        file.flush()
        os.fsync(file.fileno())
    return settle(store)


def settle(store: RunStore) -> bool:
    """Write the labels that wait into the run; False where another process is writing to it."""
    if not (store.folder / PENDING).exists():
        return True
    try:
        with store.writing(linger_seconds=0), _pending(store.folder) as file:  # a reader need not wait
            file.seek(0)
            waiting = [replace(Label(**row), said=Said(row["said"])) for row in map(json.loads, file)]
            _write(store, waiting)
            file.seek(0)
            file.truncate()
    except StoreError:
        return False
    return True


def labels_in(store: RunStore) -> list[Label]:
    """Every label that stands, by reader, model, problem and index."""
    found = []
    for model in store.models():
        for label in store.labels(model):
            if label.startswith(READER):
                rows = store.standing(label, model, [*KEY, "outcome", "reason", "sample"]).sort(KEY)
                found += [
                    Label(_reader(label), model, problem, index, _SAID[outcome], note_of(reason), digest)
                    for problem, index, outcome, reason, digest in store.samples(model).collect(rows).rows()
                ]
    return sorted(found, key=attrgetter("reader", "model", "problem_id", "index"))


def note_of(reason: str) -> str:
    """The note in the reason of a reader's verdict."""
    return reason.partition(": ")[2]


def readings(store: RunStore) -> Readings:
    """Who said what, and how far readers agree."""
    labels = labels_in(store)
    readers = sorted({label.reader for label in labels})
    samples = sorted({(label.model, label.problem_id, label.index) for label in labels})
    place = {sample: at for at, sample in enumerate(samples)}
    said = np.full((len(readers), len(samples)), -1)
    for label in labels:
        at = place[label.model, label.problem_id, label.index]
        said[readers.index(label.reader), at] = CATEGORIES.index(label.said)
    pairs = []
    for i, first in enumerate(readers):
        for j in range(i + 1, len(readers)):
            both = said[[i, j]][:, (said[[i, j]] >= 0).all(axis=0)]
            if both.shape[1]:
                agree = int((both[0] == both[1]).sum())
                pairs.append(PairAgreement((first, readers[j]), both.shape[1], agree, cohen_kappa(both[0], both[1])))
    counts = {
        reader: {str(said): sum(each.reader == reader and each.said is said for each in labels) for said in CATEGORIES}
        for reader in readers
    }
    alpha = krippendorff_alpha(said) if samples else None
    return Readings(store.folder, counts, len(samples), tuple(pairs), alpha, _count_waiting(store.folder))


def write_labels(store: RunStore, path: Path) -> int:
    """Write every label to a JSONL file, one object a line; how many they are."""
    labels = labels_in(store)
    rows = (json.dumps(asdict(label), ensure_ascii=False) for label in labels)
    write_atomically(path, "".join(f"{row}\n" for row in rows).encode())
    return len(labels)


def read_labels(store: RunStore, path: Path, reader: str | None = None) -> int:
    """Take labels from a JSONL file, all of them or none; `reader` is whose they are where the file does not say.

    Raises InputError for a line that is no label, and for a sample that is not in this run or has another text here.
    """
    labels = list(_labels_of(path, reader))
    if not say(store, labels):
        raise StoreError(
            f"{store.folder}: another process is writing to this run; the labels are kept in {PENDING} and will be "
            f"taken in by `move37 labels {store.folder}` when it is done"
        )
    return len(labels)


def _labels_of(path: Path, reader: str | None) -> Iterator[Label]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row: dict[str, Any] = {"reader": reader} | json.loads(line)
            row |= {"said": Said(row["said"])}
            found = Label(**row)
            if not all(isinstance(each, str) for each in (found.reader, found.model, found.problem_id, found.note)):
                raise TypeError
            if not isinstance(found.index, int) or not isinstance(found.sample, int | None):
                raise TypeError
            reader_label(found.reader)
        except (ValueError, TypeError, KeyError) as error:
            if isinstance(error, InputError):
                raise InputError(f"{path}:{number}: {error}") from None
            raise InputError(
                f"{path}:{number}: not a label; a line is an object with reader, model, problem_id, index, said "
                f"({', '.join(Said)}) and, if there is one, note"
            ) from None
        yield found


# -- in the run --------------------------------------------------------------------------------------------------------


def _here(store: RunStore, model: str, labels: Sequence[Label]) -> dict[tuple[str, int], tuple[int, str]]:
    """Digest and finish reason of the samples that the labels are about."""
    if model not in store.models():
        raise InputError(f"{store.folder}: no model {model!r} in this run (models: {', '.join(store.models())})")
    samples = store.samples(model)
    keys = [(label.problem_id, label.index) for label in labels]
    wanted = pl.LazyFrame(keys, schema={"problem_id": pl.String, "index": pl.Int32}, orient="row").unique()
    rows = samples.collect(samples.scan([*KEY, "digest", "finish_reason"]).join(wanted, on=KEY, how="semi"))
    return {(problem, index): (digest, finish) for problem, index, digest, finish in rows.rows()}


def _with_digest(store: RunStore, label: Label, known: Mapping[tuple[str, int], tuple[int, str]]) -> Label:
    found = known.get((label.problem_id, label.index))
    name = f"sample {label.index} of {label.model!r} on {label.problem_id}"
    if found is None:
        raise InputError(f"{store.folder}: there is no {name}")
    if label.sample not in (None, found[0]):
        raise InputError(f"{store.folder}: {name} has another text here than the one that was labelled")
    return Label(label.reader, label.model, label.problem_id, label.index, label.said, label.note, found[0])


def _write(store: RunStore, labels: Sequence[Label]) -> None:
    """Each reader's last word on each sample, and what follows for the audit. For the run's writer."""
    last = {(label.reader, label.model, label.problem_id, label.index): label for label in labels}
    for model, of_model in _by(last.values(), "model"):
        known = _here(store, model, of_model)
        kept = [each for each in of_model if known.get((each.problem_id, each.index), (None,))[0] == each.sample]
        for reader, of_reader in _by(kept, "reader"):
            rows = [
                (each.problem_id, each.index, _OUTCOMES.get(each.said), f"chain {each.said}: {each.note}")
                for each in of_reader
            ]
            _replace(store, reader_label(reader), model, rows, known)
        places = sorted({(each.problem_id, each.index) for each in kept})
        _replace(store, AUDITED, model, _majority(store, model, places), known)
    if labels:
        store.log("labelled", labels=len(last), readers=sorted({label.reader for label in labels}))


_Row = tuple[str, int, Outcome | None, str]


def _majority(store: RunStore, model: str, places: Sequence[tuple[str, int]]) -> list[_Row]:
    """What most readers say of each place; no outcome where they are even, or nobody is sure."""
    labels = [label for label in store.labels(model) if label.startswith(READER)]
    balance = dict.fromkeys(places, 0)
    for label in labels:
        for problem, index, outcome in store.verdicts(label, model).read([*KEY, "outcome"]).rows():
            if (problem, index) in balance:
                balance[problem, index] += {"correct": 1, "incorrect": -1}.get(outcome, 0)
    words = {1: (Outcome.CORRECT, "chain valid"), -1: (Outcome.INCORRECT, "chain invalid"), 0: (None, "")}
    return [(*place, *words[int(np.sign(balance[place]))]) for place in places]


def _replace(
    store: RunStore,
    label: str,
    model: str,
    rows: Sequence[_Row],
    known: Mapping[tuple[str, int], tuple[int, str]],
) -> None:
    """Verdicts in place of those that `label` has on the same samples; without an outcome, in place of them none."""
    parts = store.verdicts(label, model)
    keys = [row[:2] for row in rows]
    old = pl.LazyFrame(keys, schema={"problem_id": pl.String, "index": pl.Int32}, orient="row")
    if parts.files():
        parts.keep(lambda part: part.join(old, on=KEY, how="anti"))
    digests = store.digests()
    written = [
        {
            "problem_id": problem,
            "index": index,
            "outcome": outcome.value,
            "reason": reason.removesuffix(": "),
            "truncated": known[problem, index][1] == FinishReason.LENGTH.value,
            "sample": known[problem, index][0],
            "problem": digests.get(problem),
        }
        for problem, index, outcome, reason in rows
        if outcome is not None
    ]
    parts.append(pl.DataFrame(written, schema=VERDICTS.columns))
    if len(parts.files()) > _MANY_PARTS:
        parts.compact()


@contextmanager
def _pending(folder: Path) -> Iterator[TextIOWrapper]:
    """The labels that wait, locked. Raises StoreError where the folder cannot be written to."""
    try:
        file = (folder / PENDING).open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder / PENDING}: cannot be written to ({error.strerror or error})") from error
    with file:
        lock(file)
        yield file


def _count_waiting(folder: Path) -> int:
    path = folder / PENDING
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def _by(labels: Iterable[Label], name: str) -> list[tuple[str, list[Label]]]:
    of = attrgetter(name)
    return [(key, list(group)) for key, group in groupby(sorted(labels, key=of), of)]


def _reader(label: str) -> str:
    return label.removeprefix(READER).rpartition("@")[0]
