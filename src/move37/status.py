"""What a run is doing, from its folder alone: for another shell, and for whoever comes back the next day.

While a model is sampled, the last line that its `Monitor` wrote to log.jsonl says how fast it goes (`monitoring.py`);
what is there already is counted in the parts. Nothing is locked and nothing written: the run does not notice.
"""

import json
import time
from calendar import timegm
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from move37.config import IMPORTED
from move37.monitoring import BROKE_OFF, EVERY_SECONDS, PROGRESS
from move37.parts import PartFolder
from move37.remote import PUSH_SECONDS, is_copy
from move37.stopping import apply_plan
from move37.store import RunStore

_TAIL_BYTES = 2**20
"""Of log.jsonl that are read: hours of progress, whatever else is in it."""
_OF_SAMPLING = (PROGRESS, BROKE_OFF, "loaded", "sampled")
_SILENT_AFTER = 4 * EVERY_SECONDS
"""Seconds without a line after which a model that has not ended counts as standing still; lines of a run at a URL come
later."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model. Rates, times and money are those of its last round; None where nothing is known of them.

    `samples` and `verdicts` are all in the folder, `planned` what the study asks for if no problem stops early.
    """

    model: str
    state: str
    """ "sampling", "silent" (it began, and has written nothing for a while), "idle", or "nothing yet"."""
    samples: int
    planned: int
    verdicts: Mapping[str, int]
    truncated: int
    failed: int | None = None
    backlog: int | None = None
    problems: int | None = None
    stopped: int | None = None
    samples_per_second: float | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None
    """Until what it was asked for is there."""
    most_seconds_left: float | None = None
    """The same, if no problem stops early from here on."""
    cost: Mapping[str, Any] | None = None
    """`spent`, `lost` (perhaps, on calls that failed), `left` of the budget, `to_go` (expected, for what is owed)."""
    replicas: tuple[Mapping[str, Any], ...] = ()
    owed: int | None = None
    """Of a model that is not sampled now: samples that it lacks for the next decision about its problems."""
    broke_off: str | None = None
    """Why its sampling ended before all was there, where nothing has been sampled since."""

    @property
    def unscored(self) -> int:
        return self.verdicts.get("unscored", 0)


@dataclass(frozen=True, slots=True)
class RunStatus:
    run: Path
    name: str
    models: tuple[ModelStatus, ...]
    last_event: str | None
    seconds_since: float | None
    """Since the last line of the log."""

    @property
    def is_active(self) -> bool:
        return any(model.state == "sampling" for model in self.models)


def run_status(store: RunStore) -> RunStatus:
    """Raises StoreError for parts that are damaged."""
    lines = _last_lines(store.folder / "log.jsonl")
    progress = {line["model"]: line for line in lines if line.get("event") == PROGRESS and "model" in line}
    now = time.time()
    study = store.study()
    planned = len(store.problems()) * study.sampling.n
    silence = _SILENT_AFTER + (2 * PUSH_SECONDS if is_copy(store.folder) else 0)
    last_of = {line["model"]: line for line in lines if line.get("event") in _OF_SAMPLING and "model" in line}
    why = {name: str(line.get("why")) for name, line in last_of.items() if line["event"] == BROKE_OFF}
    models = tuple(
        _model_status(store, name, planned, progress.get(name), now, silence, why.get(name)) for name in study.models
    )
    last = lines[-1] if lines else {}
    return RunStatus(store.folder, study.name, models, last.get("event"), _seconds_since(last, now))


def _model_status(
    store: RunStore,
    model: str,
    planned: int,
    line: Mapping[str, Any] | None,
    now: float,
    silence: float,
    broke_off: str | None,
) -> ModelStatus:
    samples = _rows(store.samples(model))
    verdicts, truncated = _verdicts(store, model)
    counted = (samples, planned, verdicts, truncated)
    backlog = max(0, samples - sum(verdicts.values()))
    if line is None:
        state, cost = "idle" if samples else "nothing yet", store.spending(model) or None
        owed = _owed(store, model, samples)
        return ModelStatus(model, state, *counted, backlog=backlog, cost=cost, owed=owed, broke_off=broke_off)
    silent = (_seconds_since(line, now) or 0.0) > silence
    pauses = line.get("ended") and not line.get("is_last", True) and not silent  # at a look: it may owe more
    owed = _owed(store, model, samples) if pauses or silent or line.get("ended") else None
    goes_on = bool(pauses) and broke_off is None and bool(owed or backlog or _undecided(store, model))
    state = "idle" if line.get("ended") and not goes_on else "silent" if silent else "sampling"
    known = ("failed", "backlog", "problems", "stopped", "samples_per_second", "tokens_per_second")
    figures = {key: line.get(key) for key in (*known, "seconds_left", "most_seconds_left", "cost")}
    figures |= {"broke_off": broke_off, "owed": owed}
    if state == "idle":  # what its last round left undone, another command may have done
        figures |= {"backlog": backlog, "stopped": None}
    return ModelStatus(model, state, *counted, **figures, replicas=tuple(line.get("replicas", ())))


def _owed(store: RunStore, model: str, samples: int) -> int | None:
    """What a model lacks for the next decision about each problem; None where its samples were made elsewhere."""
    study, problem_ids = store.study(), [problem.id for problem in store.problems()]
    plan = study.sampling.plan()
    if study.models[model].engine == IMPORTED:
        return None
    if plan.is_fixed or not samples:
        return max(0, len(problem_ids) * plan.looks[0] - samples)
    return sum(map(len, store.owed(model, problem_ids, plan).values()))


def _undecided(store: RunStore, model: str) -> int:
    """How many problems have not reached the point at which they stop."""
    plan, problem_ids = store.study().sampling.plan(), [problem.id for problem in store.problems()]
    return int((~apply_plan(store.outcomes(model, problem_ids, plan.n_max), plan).stopped).sum())


def _rows(parts: PartFolder) -> int:
    """How many rows there are, each key once: two parts may hold it where a merge was killed."""
    files = parts.files()
    if len(files) > 1:
        return parts.count()
    return parts.collect(pl.scan_parquet(files, glob=False).select(pl.len())).item() if files else 0


def _verdicts(store: RunStore, model: str) -> tuple[dict[str, int], int]:
    """The current verdicts by outcome, and how many of them are about truncated samples."""
    outcomes: Counter[str] = Counter()
    truncated = 0
    for label in sorted(set(store.current_labels().values())):
        parts = store.verdicts(label, model)
        if not parts.files():
            continue
        rows = parts.scan(["outcome", "truncated"]).group_by("outcome").agg(pl.len(), pl.col("truncated").sum())
        for outcome, many, cut in parts.collect(rows).rows():
            outcomes[str(outcome)] += many
            truncated += cut or 0
    return dict(sorted(outcomes.items())), truncated


def _last_lines(path: Path) -> list[dict[str, Any]]:
    """The objects at the end of a log, without a line that is being written."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    found = []
    for line in lines[1 if size > _TAIL_BYTES else 0 :]:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        found += [record] if isinstance(record, dict) else []
    return found


def _seconds_since(line: Mapping[str, Any], now: float) -> float | None:
    try:
        return max(0.0, now - timegm(time.strptime(line["time"], "%Y-%m-%dT%H:%M:%SZ")))
    except (KeyError, ValueError, TypeError):
        return None
