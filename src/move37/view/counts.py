"""What each problem's samples of one model are like, in numbers to sort by, of all samples that lie there."""

import polars as pl

from move37.audit import LABEL as AUDITED
from move37.audit import READER
from move37.schema import KEY
from move37.store import RunStore
from move37.types import FinishReason, Flag, Outcome

COUNTS = {
    "samples": pl.UInt32,
    "correct": pl.UInt32,
    "incorrect": pl.UInt32,
    "unscored": pl.UInt32,
    "truncated": pl.UInt32,
    "flaky": pl.UInt32,
    "differ": pl.UInt32,
    "labelled": pl.UInt32,
    "texts": pl.UInt32,
    "answers": pl.UInt32,
    "tokens": pl.Float64,
}
"""By problem: samples, and of them those with each outcome, cut at the token limit, with another outcome when a program
ran again, with another outcome under another grader, labelled by a reader; different texts; different answers; mean
tokens (null: not known)."""


def problem_counts(store: RunStore, model: str) -> pl.DataFrame:
    """problem_id and `COUNTS`, a row for each problem with a sample."""
    samples = store.samples(model)
    found = samples.scan(["problem_id", "finish_reason", "digest", "tokens"]).group_by("problem_id")
    cut = pl.col("finish_reason").cast(pl.String) == FinishReason.LENGTH.value
    rows = found.agg(
        samples=pl.len(), truncated=cut.sum(), texts=pl.col("digest").n_unique(), tokens=pl.col("tokens").mean()
    )
    for more in (_outcomes(store, model), _differing(store, model), _labelled(store, model)):
        rows = rows.join(more, on="problem_id", how="left")
    known = samples.collect(rows).with_columns(pl.col(n).fill_null(0) for n in COUNTS if n != "tokens")
    return known.select("problem_id", *(pl.col(name).cast(kind) for name, kind in COUNTS.items()))


def current_labels(store: RunStore, model: str) -> list[str]:
    """The labels whose verdicts count, where they have any."""
    labels = sorted(set(store.current_labels().values()))
    return [label for label in labels if store.verdicts(label, model).files()]


def other_labels(store: RunStore, model: str) -> list[str]:
    """Those of other graders, people left out."""
    current = current_labels(store, model)
    return [each for each in store.labels(model) if each not in (*current, AUDITED) and not each.startswith(READER)]


def reader_labels(store: RunStore, model: str) -> list[str]:
    return [each for each in store.labels(model) if each.startswith(READER)]


def _verdicts(store: RunStore, model: str, columns: list[str]) -> pl.LazyFrame | None:
    scans = [store.standing(label, model, columns) for label in current_labels(store, model)]
    return pl.concat(scans) if scans else None


def _outcomes(store: RunStore, model: str) -> pl.LazyFrame:
    rows = _verdicts(store, model, ["problem_id", "outcome", "answer", "flags"])
    if rows is None:
        names = [*(outcome.value for outcome in Outcome), "answers", "flaky"]
        return pl.LazyFrame(schema={"problem_id": pl.String} | dict.fromkeys(names, pl.UInt32))
    return rows.group_by("problem_id").agg(
        *((pl.col("outcome") == outcome.value).sum().alias(outcome.value) for outcome in Outcome),
        answers=pl.col("answer").drop_nulls().n_unique(),
        flaky=pl.col("flags").list.contains(Flag.RERUN_ALONE.value).fill_null(False).sum(),
    )


def _differing(store: RunStore, model: str) -> pl.LazyFrame:
    """Samples on which some other grader gave another outcome."""
    rows = _verdicts(store, model, [*KEY, "outcome"])
    others = [] if rows is None else other_labels(store, model)
    none = pl.LazyFrame(schema={"problem_id": pl.String, "differ": pl.UInt32})
    if rows is None or not others:
        return none
    mine = rows.with_columns(mine=pl.col("outcome").cast(pl.String)).drop("outcome")
    found = [
        store.standing(label, model, [*KEY, "outcome"])
        .join(mine, on=KEY)
        .filter(pl.col("outcome").cast(pl.String) != pl.col("mine"))
        .select(KEY)
        for label in others
    ]
    return pl.concat(found).unique().group_by("problem_id").agg(differ=pl.len())


def _labelled(store: RunStore, model: str) -> pl.LazyFrame:
    found = [store.standing(label, model, KEY) for label in reader_labels(store, model)]
    if not found:
        return pl.LazyFrame(schema={"problem_id": pl.String, "labelled": pl.UInt32})
    return pl.concat(found).unique().group_by("problem_id").agg(labelled=pl.len())
