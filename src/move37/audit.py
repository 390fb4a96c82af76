"""An audit by readers: accepted samples out, model hidden, verdicts on their chains back in.

For every problem in which a model has 1 to c0 accepted samples these go out, one JSON object a line. A *set* holds the
samples of one model and one problem in random order; sets are shuffled, and neither their names nor the items' say
whose they are. A set is read in its order until the first valid chain; the rest keeps "valid": null. What is read in
again becomes verdicts under the label `LABEL`, beside those of the verifier and never over them.

Which item is which sample stands in audit.json in the run folder, not in the file that goes out. Names come from the
run's seed and the sample's key, so exporting again gives the same names, with what is known already filled in.
Left out: several readers of one item, and what `analyses/chain_audit.py` makes of the verdicts.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from move37.errors import InputError, StoreError
from move37.files import read_json, write_atomically, write_json
from move37.schema import KEY, samples_of
from move37.store import RunStore
from move37.types import Outcome, Problem, Sample, Verdict

READER = "reader-"
"""How the labels of readers with a name begin (`labels.py`)."""
LABEL = "audit@1"
"""Verdicts of readers: correct for a valid chain, incorrect for an invalid one."""
FILE = "audit.json"
"""In the run folder: what each item is."""
MAX_CORRECT = 4
"""c0 unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Item:
    """One sample to read: its name, its set, and whose it is."""

    name: str
    set: str
    model: str
    problem_id: str
    index: int


@dataclass(frozen=True, slots=True)
class AuditKey:
    """What an audit is about. `items` are in the order of reading, set by set."""

    max_correct: int
    models: tuple[str, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Exported:
    run: Path
    file: Path
    max_correct: int
    problems: int
    sets: int
    samples: int
    read: int
    """Of them, those with a verdict from an earlier reading."""

    def __str__(self) -> str:
        known = f", {self.read:,} of them read already" if self.read else ""
        return (
            f"{self.samples:,} samples of {self.problems:,} problems in {self.sets:,} sets{known}: {self.file}. Read "
            f"each set in its order until the first valid chain, then: move37 audit {self.run} --read {self.file}"
        )


@dataclass(frozen=True, slots=True)
class ReadBack:
    run: Path
    verdicts: Mapping[str, Mapping[str, int]]
    """New ones by model, valid and invalid."""
    unread: int
    """Items without a verdict in sets that have no valid chain yet."""

    def __str__(self) -> str:
        new = ", ".join(
            f"{model} {each['valid']:,} valid and {each['invalid']:,} invalid" for model, each in self.verdicts.items()
        )
        rest = f"{self.unread:,} samples are still to be read" if self.unread else "Every set is read to its end"
        return f"Read: {new or 'nothing new'}. {rest}. Next: move37 report {self.run}"


def export(store: RunStore, accepted: Mapping[str, pl.DataFrame], max_correct: int, path: Path) -> Exported:
    """Write the samples of `accepted` (problem_id and index by model) to `path`, and their key to the run.

    Raises InputError where there is nothing to read.
    """
    items = _items(store.study().seed, accepted)
    if not items:
        raise InputError(
            f"{store.folder}: no model has a problem with 1 to {max_correct} accepted samples; raise --max-correct"
        )
    with store.writing():
        key = AuditKey(max_correct, tuple(accepted), tuple(items))
        write_json(store.folder / FILE, _key_json(key))
    known = {model: _known(store, model) for model in accepted}
    problems = {problem.id: problem for problem in store.problems()}
    texts = {model: _texts(store, model, rows) for model, rows in accepted.items()}
    lines, order, read = [], 0, 0
    for number, item in enumerate(items):
        order = order + 1 if number and items[number - 1].set == item.set else 1
        valid = known[item.model].get((item.problem_id, item.index))
        read += valid is not None
        text = texts[item.model][item.problem_id, item.index]
        lines.append(json.dumps(_row(item, order, problems[item.problem_id], text, valid), ensure_ascii=False))
    write_atomically(path, ("\n".join(lines) + "\n").encode())
    sets, asked = len({item.set for item in items}), len({item.problem_id for item in items})
    return Exported(store.folder, path, max_correct, asked, sets, len(items), read)


def read_back(store: RunStore, path: Path) -> ReadBack:
    """Take the verdicts in a file that `export` wrote and readers filled in. A new verdict on an item replaces the old.

    Raises InputError for a line that is not from this run's audit, before anything is written.
    """
    key = read_key(store.folder)
    if key is None:
        raise InputError(f"{store.folder}: there is no audit here; `move37 audit {store.folder}` begins one")
    items = {item.name: item for item in key.items}
    valid = dict(_verdicts_in(path, items))
    counts: dict[str, dict[str, int]] = {}
    with store.writing():
        for model in key.models:
            told = {(i.problem_id, i.index): valid[i.name] for i in key.items if i.model == model and i.name in valid}
            known = _known(store, model)
            new = {place: said for place, said in told.items() if known.get(place) is not said}
            if new:
                _keep(store, model, new)
                counts[model] = {"valid": sum(new.values()), "invalid": len(new) - sum(new.values())}
        store.log("audited", file=str(path), verdicts=counts)
    return ReadBack(store.folder, counts, _unread(store, key))


def read_key(folder: Path) -> AuditKey | None:
    """The audit of a run, None where there is none. Raises StoreError for a file that holds none."""
    written = read_json(folder / FILE)
    if written is None:
        return None
    try:
        items = tuple(Item(*row) for row in written["items"])
        return AuditKey(int(written["max_correct"]), tuple(written["models"]), items)
    except (KeyError, TypeError, ValueError):
        raise StoreError(f"{folder / FILE}: no audit in it; move it away and run `move37 audit` again") from None


def _items(seed: int, accepted: Mapping[str, pl.DataFrame]) -> list[Item]:
    sets: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for model, rows in accepted.items():
        for problem_id, index in rows.select(KEY).rows():
            name = blake2b(repr((seed, model, problem_id, index)).encode(), digest_size=6).hexdigest()
            sets.setdefault((model, problem_id), []).append((name, index))
    # By their names, which are as good as random and do not change from one export to the next.
    ordered = sorted(sets.items(), key=lambda each: min(each[1]))
    found = []
    for (model, problem_id), members in ordered:
        first = min(members)[0]
        shuffled = sorted(members)
        Random(first).shuffle(shuffled)
        found += [Item(name, f"set-{first}", model, problem_id, index) for name, index in shuffled]
    return found


def _row(item: Item, order: int, problem: Problem, text: str, valid: bool | None) -> dict[str, Any]:
    return {
        "item": item.name,
        "set": item.set,
        "order": order,
        "question": problem.question,
        "reference": " or ".join(problem.references),
        "response": text,
        "valid": valid,
    }


def _key_json(key: AuditKey) -> dict[str, Any]:
    items = [[item.name, item.set, item.model, item.problem_id, item.index] for item in key.items]
    return {"max_correct": key.max_correct, "models": list(key.models), "items": items}


def _texts(store: RunStore, model: str, rows: pl.DataFrame) -> dict[tuple[str, int], str]:
    return {(sample.problem_id, sample.index): sample.text for sample in _samples(store, model, rows)}


def _samples(store: RunStore, model: str, rows: pl.DataFrame) -> Iterator[Sample]:
    samples = store.samples(model)
    wanted = rows.lazy().select(pl.col("problem_id"), pl.col("index").cast(pl.Int32))
    yield from samples_of(samples.collect(samples.scan().join(wanted, on=KEY, how="semi")))


def _known(store: RunStore, model: str) -> dict[tuple[str, int], bool]:
    rows = store.samples(model).collect(store.standing(LABEL, model, [*KEY, "outcome"]))
    return {(problem, index): outcome == Outcome.CORRECT.value for problem, index, outcome in rows.rows()}


def _keep(store: RunStore, model: str, new: Mapping[tuple[str, int], bool]) -> None:
    rows = pl.DataFrame(list(new), schema={"problem_id": pl.String, "index": pl.Int32}, orient="row")
    store.verdicts(LABEL, model).keep(lambda part: part.join(rows.lazy(), on=KEY, how="anti"))
    with store.appending_verdicts(LABEL, model) as verdicts:
        for sample in _samples(store, model, rows):
            said = new[sample.problem_id, sample.index]
            outcome = Outcome.CORRECT if said else Outcome.INCORRECT
            verdicts.add(sample, Verdict(outcome, f"chain {'valid' if said else 'invalid'}"))


def _unread(store: RunStore, key: AuditKey) -> int:
    known = {model: _known(store, model) for model in key.models}
    said = [(item.set, known[item.model].get((item.problem_id, item.index))) for item in key.items]
    settled = {name for name, valid in said if valid}
    return sum(valid is None and name not in settled for name, valid in said)


def _verdicts_in(path: Path, items: Mapping[str, Item]) -> Iterator[tuple[str, bool]]:
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise InputError(f"{path}:{number}: not a JSON object; each line is one, as it was exported") from None
        row = row if isinstance(row, dict) else {}
        name, valid = row.get("item"), row.get("valid")
        if not isinstance(name, str) or name not in items:
            raise InputError(f"{path}:{number}: item {name!r} is not of this run's audit; export it again")
        if not (valid is None or isinstance(valid, bool)):
            raise InputError(f'{path}:{number}: "valid" is true, false, or null for what was not read, not {valid!r}')
        if valid is not None:
            yield name, valid


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
