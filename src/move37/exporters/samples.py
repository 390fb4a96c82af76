"""Samples: one JSON object per sample, one file per model; `move37 import jsonl` reads it back as it was.

Each row has the question, the reference answers, the response and how it ended, our verdict (`score`: 1 or 0, null
where unscored; `reason`, `extracted`, `verifier`) and what another tool reported (`reported`, by label). What belongs
to the problem alone (prompt, tags, metadata) stands in the first row of each problem.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from move37.evidence import RunEvidence
from move37.exporters.written import write_rows
from move37.reported import is_reported
from move37.schema import KEY, samples_of
from move37.store import RunStore
from move37.types import Outcome, Problem, Sample, Segment

_SCORES = {Outcome.CORRECT.value: 1, Outcome.INCORRECT.value: 0}


class SamplesExporter:
    def write(self, store: RunStore, models: Sequence[str], out: Path) -> list[Path]:
        """Models of counts alone have no samples and give no file."""
        with_samples = [model for model in models if store.samples(model).files()]
        return [write_rows(out / f"{model}.jsonl", sample_rows(store, model)) for model in with_samples]


def sample_rows(store: RunStore, model: str) -> Iterator[dict[str, Any]]:
    """The samples of a model, part by part; fields that are null are left out, but for the score."""
    problems = {problem.id: problem for problem in store.problems()}
    prompts = {prompt.problem_id: prompt.text for prompt in store.model_record(model).prompts}
    labels = {label: store.verdicts(label, model) for label in RunEvidence(store).labels}
    current = {label: store.standing(label, model, [*KEY, "outcome", "reason", "answer"]) for label in labels}
    others = [label for label in store.labels(model) if is_reported(label)]
    begun: set[str] = set()
    for part in store.samples(model).frames():
        verdicts = _verdicts(store, model, part, current)
        reported = {label: _outcomes(store, model, part, label) for label in others}
        for sample in samples_of(part):
            key = sample.problem_id, sample.index
            row = _row(model, sample, problems.get(sample.problem_id))
            if sample.problem_id not in begun:
                begun.add(sample.problem_id)
                row |= _first(problems.get(sample.problem_id), prompts.get(sample.problem_id))
            row |= verdicts.get(key, {"score": None})
            said = {label: outcomes[key] for label, outcomes in reported.items() if key in outcomes}
            yield row | ({"reported": said} if said else {})


def _row(model: str, sample: Sample, problem: Problem | None) -> dict[str, Any]:
    row: dict[str, Any] = {"model": model, "problem_id": sample.problem_id}
    if problem is not None:
        row |= {"benchmark": problem.benchmark}
        row |= {"question": problem.question} if problem.question else {}
        row |= {"answer": list(problem.references)}
        row |= {} if problem.references else {"verifier": problem.verifier}
    row |= {"index": sample.index, "response": sample.text, "finish_reason": sample.finish_reason.value}
    more = {name: getattr(sample, name) for name in ("tokens", "logprob", "seed", "error")}
    more["segments"] = None if sample.segments is None else [_segment(each) for each in sample.segments]
    return row | {name: value for name, value in more.items() if value is not None}


def _first(problem: Problem | None, prompt: str | None) -> dict[str, Any]:
    known = {} if problem is None else {"tags": dict(problem.tags), "metadata": dict(problem.metadata)}
    return {name: value for name, value in {"prompt": prompt, **known}.items() if value or name == "tags"}


def _segment(segment: Segment) -> dict[str, Any]:
    turn = {"role": segment.role, "text": segment.text, "own": segment.own}
    kept = {"token_ids": segment.token_ids, "logprobs": segment.logprobs}
    return turn | {name: list(value) for name, value in kept.items() if value is not None}


def _verdicts(
    store: RunStore, model: str, part: pl.DataFrame, current: Mapping[str, pl.LazyFrame]
) -> dict[tuple[str, int], dict[str, Any]]:
    """Our verdicts on the samples of a part."""
    found = {}
    keys = part.select(KEY).lazy()
    for label, rows in current.items():
        for problem, index, outcome, reason, answer in _collect(store, model, keys.join(rows, on=KEY)).rows():
            said = {"score": _SCORES.get(outcome), "reason": reason, "verifier": label}
            found[problem, index] = said | ({} if answer is None else {"extracted": answer})
    return found


def _outcomes(store: RunStore, model: str, part: pl.DataFrame, label: str) -> dict[tuple[str, int], str]:
    rows = store.standing(label, model, [*KEY, "outcome"])
    found = _collect(store, model, part.select(KEY).lazy().join(rows, on=KEY))
    return {(problem, index): outcome for problem, index, outcome in found.rows()}


def _collect(store: RunStore, model: str, rows: pl.LazyFrame) -> pl.DataFrame:
    return store.samples(model).collect(rows)
