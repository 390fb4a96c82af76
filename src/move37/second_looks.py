"""A run's second looks: audits by readers, judges of chains, and fresh samples of what base never solved.

Each is read beside the verdicts that count and never mixed in with them. `evidence.py` hands them to the analyses.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Protocol

import polars as pl

from move37.analyses.chain_audit import AuditReading
from move37.analyses.chains import ChainCounts, ChainErrors
from move37.audit import LABEL as AUDITED
from move37.audit import READER, read_key
from move37.counts import AnyTally, Tally
from move37.errors import InputError, StoreError
from move37.estimates.rows import correct_samples
from move37.files import read_json
from move37.schema import COUNTS, KEY
from move37.store import RunStore
from move37.tallies import count_outcomes, first_samples, fixed_tally
from move37.types import Outcome, Problem
from move37.zero_set import kept_zero_set

CHAIN_CALIBRATION = "chain_calibration.json"
"""In the run folder: what each judge of chains does with clean and corrupted ones, by its label."""

MAJORITY = "the majority of readers"
"""Whose word on chains that is, where no judge is named."""


class Reader(Protocol):
    """What is asked of a run's evidence."""

    store: RunStore

    def tally(self, model: str) -> AnyTally: ...

    def without_verdict(self, model: str) -> int: ...

    def verdicts(self, model: str, columns: Sequence[str]) -> Iterator[tuple[str, pl.LazyFrame]]: ...

    def used_verdicts(self, model: str, columns: Sequence[str]) -> Iterator[tuple[str, pl.LazyFrame]]: ...

    def samples(self, model: str, columns: Sequence[str]) -> pl.LazyFrame: ...

    def collect(self, model: str, rows: pl.LazyFrame) -> pl.DataFrame: ...


def accepted(run: Reader, model: str, most: int) -> pl.DataFrame:
    """problem_id and index of the correct samples of every problem that has 1 to `most` of them."""
    correct = pl.col("outcome") == Outcome.CORRECT.value
    frames = [
        run.collect(model, rows.filter(correct).select(KEY)) for _, rows in run.used_verdicts(model, [*KEY, "outcome"])
    ]
    empty = pl.DataFrame(schema={"problem_id": pl.String, "index": pl.Int32})
    every = pl.concat([empty, *(frame.cast(empty.schema) for frame in frames)])
    return every.filter(pl.len().over("problem_id") <= most).sort(KEY)


def audit_reading(run: Reader, model: str) -> AuditReading | None:
    """What readers said of the chains of `model`; None where it is not in an audit."""
    key = read_key(run.store.folder)
    if key is None or model not in key.models:
        return None
    rows = run.collect(model, run.store.standing(AUDITED, model, [*KEY, "outcome"]))
    said = {(problem, index): outcome == Outcome.CORRECT.value for problem, index, outcome in rows.rows()}
    # What is read beyond an unread one was not chosen by the order, and what it says would be of another choice.
    stopped: set[str] = set()
    counts = accepted(run, model, key.max_correct).group_by("problem_id").len()
    few: dict[str, int] = dict(counts.sort("problem_id").rows())
    verdicts: dict[str, list[bool]] = {}
    for item in key.items:
        valid = said.get((item.problem_id, item.index))
        if item.model != model or item.problem_id not in few or item.set in stopped:
            continue
        if valid is None or valid:
            stopped.add(item.set)
        if valid is not None:
            verdicts.setdefault(item.problem_id, []).append(valid)
    return AuditReading(key.max_correct, few, verdicts)


def unsolved(run: Reader, model: str, problem_ids: Sequence[str]) -> list[str]:
    """The problems that `model` solves in none of its samples. Raises InputError unless it has all that the study
    asks for, with a verdict each."""
    plan = run.store.study().sampling.plan()
    owed = run.store.owed(model, problem_ids, plan)
    waiting = run.without_verdict(model)
    if owed or waiting:
        what = f"lacks samples of {len(owed)} problems" if owed else f"has {waiting:,} samples without a verdict"
        raise InputError(
            f"{run.store.folder}: {model} {what}; its zero set is known when it has all: `move37 sample "
            f"{run.store.folder}` first"
        )
    tally = run.tally(model)
    return [i for i, c in zip(tally.problem_ids, correct_samples(tally).tolist(), strict=True) if c == 0]


def zero_set_tally(run: Reader, model: str) -> Tally | None:
    """Counts over the fresh samples of the zero set, on the problems where `model` has any with a verdict."""
    chosen = kept_zero_set(run.store.folder)
    if chosen is None:
        return None
    frames = [pl.DataFrame(schema=COUNTS.columns)]
    for _, rows in run.verdicts(model, [*KEY, "outcome", "truncated"]):
        frames.append(run.collect(model, count_outcomes(rows.filter(chosen.samples))))
    counts = pl.concat(frames)
    return None if counts.is_empty() else fixed_tally(model, counts.sort("problem_id"))


def chain_judge(run: Reader, model: str) -> str | None:
    """The label of the study's judge of chains on `model`; None where none is named, or it judged nothing.

    Where none is named and readers labelled chains, it is what most of them say. Raises InputError where a name stands
    for several labels.
    """
    name = run.store.study().analysis.chain_judge
    if name is None:
        labels = run.store.labels(model)
        return AUDITED if AUDITED in labels and any(each.startswith(READER) for each in labels) else None
    labels = [each for each in run.store.labels(model) if each == name or each.startswith(f"{name}@")]
    if len(labels) > 1:
        raise InputError(f"analysis.chain_judge: {name!r} stands for {', '.join(labels)}; give one of these labels")
    return labels[0] if labels else None


def chain_counts(run: Reader, model: str, below: int | None) -> ChainCounts | None:
    """Samples with an index below `below` by what their answer and the judge of chains say."""
    label = chain_judge(run, model)
    if label is None:
        return None
    theirs = run.store.standing(label, model, [*KEY, "outcome"]).rename({"outcome": "chain"})
    right, accepted = pl.col("outcome") == Outcome.CORRECT.value, pl.col("chain") == Outcome.CORRECT.value
    rejected = pl.col("chain") == Outcome.INCORRECT.value
    parts = {
        "wrong": pl.col("outcome") == Outcome.INCORRECT.value,
        "rejected": right & rejected,
        "accepted": right & accepted,
        "unjudged": right & ~(accepted | rejected).fill_null(False),
    }
    frames = [
        run.collect(
            model,
            rows.filter(first_samples(below))
            .join(theirs, on=KEY, how="left")
            .group_by("problem_id")
            .agg(part.fill_null(False).sum().cast(pl.Int64).alias(name) for name, part in parts.items()),
        )
        for _, rows in run.used_verdicts(model, [*KEY, "outcome"])
    ]
    if not frames:
        return None
    found = pl.concat(frames).sort("problem_id").select(*parts).to_numpy().T
    return ChainCounts(MAJORITY if label == AUDITED else label, found[:3], found[3])


def chain_errors(run: Reader) -> ChainErrors | None:
    """What is known of the study's judge of chains."""
    path = run.store.folder / CHAIN_CALIBRATION
    known: dict[str, Any] = read_json(path) or {}
    labels = {label for model in run.store.models() if (label := chain_judge(run, model)) is not None}
    try:
        found = [
            ChainErrors(label, accepted_of(known[label]["clean"]), accepted_of(known[label]["corrupted"]))
            for label in sorted(labels)
            if label in known
        ]
    except (AttributeError, KeyError, TypeError):
        raise StoreError(f"{path}: no calibration in it; move it away and run `move37 calibrate` again") from None
    return found[0] if len(found) == 1 else None


def right_responses(run: Reader, limit: int) -> list[tuple[Problem, str]]:
    """Up to `limit` responses with a right answer, of as many problems and models as there are."""
    problems, found = {problem.id: problem for problem in run.store.problems()}, []
    for model in run.store.models():
        for _, rows in run.used_verdicts(model, [*KEY, "outcome"]):
            right = (
                rows.filter(pl.col("outcome") == Outcome.CORRECT.value)
                .group_by("problem_id")
                .agg(pl.col("index").min())
            )
            texts = run.samples(model, [*KEY, "text"]).join(right, on=KEY).sort("problem_id").head(limit)
            found.append(run.collect(model, texts.select("problem_id", "text")).rows())
    mixed = [each for together in zip_longest(*found) for each in together if each is not None]
    return [(problems[problem_id], text) for problem_id, text in mixed[:limit]]


def accepted_of(rate: Mapping[str, Any]) -> tuple[int, int]:
    """(accepted, scored) of a rate as calibrations write it. Raises KeyError, TypeError for what is none."""
    return rate["accepted"], rate["scored"]
