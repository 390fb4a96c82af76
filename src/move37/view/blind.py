"""Reading an audit blind in the browser: the next accepted sample, whose it is not said, in the audit's own order.

Items, their sets and their order are those of `audit.py`: a set is one model's accepted samples of one problem in
random order, read until the first valid chain. The page learns an item's name and text, never its model or index.
"""

from dataclasses import dataclass
from typing import Any

from move37.audit import AuditKey, Item, read_key
from move37.errors import InputError
from move37.labels import Label, Said, labels_in, say
from move37.store import RunStore
from move37.view.pieces import pieces_of
from move37.view.responses import WHOLE, ModelFiles
from move37.view.room import Room


@dataclass(frozen=True)
class Reading:
    """An audit as one reader has read it so far."""

    key: AuditKey
    said: dict[tuple[str, str, int], Label]

    @classmethod
    def of(cls, store: RunStore, reader: str) -> "Reading | None":
        """None where the run has no audit."""
        key = read_key(store.folder)
        if key is None:
            return None
        mine = [label for label in labels_in(store) if label.reader == reader]
        return cls(key, {(label.model, label.problem_id, label.index): label for label in mine})

    def label(self, item: Item) -> Label | None:
        return self.said.get((item.model, item.problem_id, item.index))

    def owed(self) -> list[Item]:
        """What is still to be read: of each set, what comes before its first valid chain."""
        settled = {i.set for i in self.key.items if (label := self.label(i)) and label.said is Said.VALID}
        return [item for item in self.key.items if self.label(item) is None and item.set not in settled]


def audit_state(room: Room, store: RunStore, reader: str, name: str | None = None) -> dict[str, Any]:
    """Where a reader is in the audit, and the item `name`, or the next one. Raises InputError for an unknown item."""
    reading = Reading.of(store, reader)
    if reading is None:
        return {"begun": False}
    owed = reading.owed()
    items = {item.name: item for item in reading.key.items}
    if name is not None and name not in items:
        raise InputError(f"no item {name!r} in this audit")
    item = items[name] if name is not None else (owed[0] if owed else None)
    sets = list(dict.fromkeys(each.set for each in reading.key.items))
    state: dict[str, Any] = {
        "begun": True,
        "items": len(items),
        "read": sum(reading.label(each) is not None for each in reading.key.items),
        "owed": len(owed),
        "sets": len(sets),
        "names": [each.name for each in reading.key.items if reading.label(each) is not None],
    }
    if item is not None:
        state["item"] = _shown(room, store, item) | {"set": sets.index(item.set) + 1}
        label = reading.label(item)
        state["item"] |= {"said": label.said if label else None, "note": label.note if label else ""}
    return state


def say_blind(store: RunStore, reader: str, name: str, said: Said, note: str) -> bool:
    """What a reader says of an item; as `labels.say`."""
    key = read_key(store.folder)
    item = next((each for each in key.items if each.name == name), None) if key else None
    if item is None:
        raise InputError(f"no item {name!r} in this run's audit")
    return say(store, [Label(reader, item.model, item.problem_id, item.index, said, note)])


def _shown(room: Room, store: RunStore, item: Item) -> dict[str, Any]:
    problem, files = room.problem(item.problem_id), _files(room, store, item.model)
    rows = files.rows(problem).to_dicts()
    row = next((each for each in rows if each["index"] == item.index), None)
    text, answer = ("", None) if row is None else (row["text"], row["answer"])
    return {
        "name": item.name,
        "question": pieces_of(problem.question),
        "references": list(problem.references),
        "pieces": pieces_of(text[:WHOLE], answer),
        "left": max(0, len(text) - WHOLE),
    }


def _files(room: Room, store: RunStore, model: str) -> ModelFiles:
    return next(s.files for s in room.look().sources if s.run == store.folder and s.model == model)
