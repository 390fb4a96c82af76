"""What a model wrote on one problem, as the page shows it: equal responses once, with all that is known of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from move37.audit import READER
from move37.console import visible
from move37.labels import note_of
from move37.schema import KEY
from move37.store import RunStore
from move37.types import Outcome, Problem
from move37.verifiers import CODE
from move37.view.copies import SortedParts
from move37.view.counts import current_labels, other_labels, reader_labels
from move37.view.pieces import pieces_of, shortened

HEAD, TAIL = 1500, 2500
"""Characters of a long response that are shown before one asks for all of it: its answer stands at the end."""
WHOLE = 100_000
"""Characters that one look at a long response fetches."""
ANSWER = 300
"""Characters of an answer that are shown; a program's is the whole program."""
FOLDS = {"text": ["text", "finish_reason", "outcome", "reason", "answer"], "answer": ["answer", "outcome"], "none": []}
"""What is taken for the same response."""
ORDERS = {
    "outcome": (["rank", "count", "index"], [False, True, False]),
    "index": (["index"], [False]),
    "count": (["count", "index"], [True, False]),
    "longest": (["length", "index"], [True, False]),
    "likeliest": (["logprob", "index"], [True, False]),
}
_RANKS = {Outcome.CORRECT.value: 0, Outcome.INCORRECT.value: 1, Outcome.UNSCORED.value: 2}


@dataclass(frozen=True)
class ModelFiles:
    """One model's samples and verdicts, problem by problem."""

    store: RunStore
    model: str
    samples: SortedParts
    verdicts: Mapping[str, SortedParts]
    """By label: of the run's own verifiers, of other graders, of readers."""

    # Made anew when the run has changed (`room.py`), so labels are listed once.
    @cached_property
    def _current(self) -> list[str]:
        return [label for label in current_labels(self.store, self.model) if label in self.verdicts]

    @cached_property
    def _beside(self) -> list[str]:
        labels = (*other_labels(self.store, self.model), *reader_labels(self.store, self.model))
        return [label for label in labels if label in self.verdicts]

    def refresh(self) -> None:
        for parts in (self.samples, *self.verdicts.values()):
            parts.refresh()

    def rows(self, problem: Problem, with_text: bool = True) -> pl.DataFrame:
        """Every sample on a problem with its current verdict (null: none yet), by index."""
        columns = ["finish_reason", "tokens", "logprob", "digest", *(["text"] if with_text else [])]
        samples = self.samples.of_problem(problem.id, columns).with_columns(pl.col("finish_reason").cast(pl.String))
        of = ["outcome", "reason", "answer", "flags"]
        verdicts = [self._standing(label, problem, of, samples) for label in self._current]
        empty = {"problem_id": pl.String, "index": pl.Int32, "outcome": pl.String, "reason": pl.String}
        none = pl.DataFrame(schema=empty | {"answer": pl.String, "flags": pl.List(pl.String)})
        judged = pl.concat([each.select(none.columns) for each in (none, *verdicts)]).unique(KEY, keep="first")
        return samples.join(judged, on=KEY, how="left", maintain_order="left")

    def beside(self, problem: Problem, samples: pl.DataFrame) -> dict[int, list[dict[str, Any]]]:
        """What other graders and readers say of `samples`, by index."""
        found: dict[int, list[dict[str, Any]]] = {}
        for label in self._beside:
            for row in self._standing(label, problem, ["outcome", "reason"], samples).to_dicts():
                said = {"by": label.rpartition("@")[0], "outcome": row["outcome"], "reason": visible(row["reason"])}
                if label.startswith(READER):
                    said |= {"reader": said["by"].removeprefix(READER), "note": visible(note_of(row["reason"]))}
                found.setdefault(row["index"], []).append(said)
        return found

    def _standing(self, label: str, problem: Problem, columns: Sequence[str], samples: pl.DataFrame) -> pl.DataFrame:
        """Verdicts about the sample and the problem that are here now (`store.py`), outcomes as words."""
        rows = self.verdicts[label].of_problem(problem.id, [*columns, "sample", "problem"])
        rows, digests = rows.with_columns(pl.col("outcome").cast(pl.String)), samples.select(*KEY, "digest")
        now = self.store.digests().get(problem.id)
        same = pl.col("problem").is_null() | (pl.lit(True) if now is None else pl.col("problem") == now)
        beside = rows.join(digests, on=KEY, how="inner", maintain_order="left")
        return beside.filter(same & (pl.col("sample").is_null() | (pl.col("sample") == pl.col("digest")))).drop(
            "digest", "problem"
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """Which responses of a problem, folded and ordered how."""

    fold: str = "text"
    order: str = "outcome"
    outcome: str | None = None
    answer: str | None = None
    text: str | None = None
    """A part of the response, in any case."""
    offset: int = 0
    limit: int = 40


def responses(files: ModelFiles, problem: Problem, asked: Asked, pattern: pl.Expr | None = None) -> dict[str, Any]:
    """One model on one problem: its numbers, its answers, and a page of its responses. `pattern`: a text in them."""
    rows = files.rows(problem)
    chosen = rows if pattern is None else rows.filter(pattern)
    if asked.outcome is not None:
        kinds = {"truncated": pl.col("finish_reason") == "length", "unjudged": pl.col("outcome").is_null()}
        chosen = chosen.filter(kinds.get(asked.outcome, pl.col("outcome") == asked.outcome).fill_null(False))
    if asked.answer is not None:
        chosen = chosen.filter(pl.col("answer") == asked.answer)
    folded = _folded(chosen, asked)
    beside, is_program = files.beside(problem, rows), problem.verifier == CODE
    page = folded.slice(asked.offset, asked.limit).to_dicts()
    return {
        "samples": rows.height,
        "outcomes": dict(rows.group_by(pl.col("outcome").fill_null("unjudged")).len().rows()),
        "texts": rows["text"].n_unique(),
        "answers": _answers(rows),
        "found": chosen.height,
        "groups": folded.height,
        "offset": asked.offset,
        "responses": [_shown(row, beside, is_program) for row in page],
    }


def whole(files: ModelFiles, problem: Problem, index: int, start: int) -> dict[str, Any]:
    """A stretch of one response, `WHOLE` characters from `start` on, and where the next one begins (None: nowhere)."""
    rows = files.rows(problem).filter(pl.col("index") == index).to_dicts()
    if not rows:
        return {"pieces": [], "next": None}
    text, end = rows[0]["text"], start + WHOLE
    is_last = end >= len(text)
    answer = rows[0]["answer"] if is_last else None
    return {
        "pieces": pieces_of(text[start:end], answer, problem.verifier == CODE),
        "next": None if is_last else end,
        "left": max(0, len(text) - end),
    }


def _folded(rows: pl.DataFrame, asked: Asked) -> pl.DataFrame:
    rank = pl.col("outcome").replace_strict(_RANKS, default=3, return_dtype=pl.Int8)
    rows = rows.with_columns(rank=rank, length=pl.col("text").str.len_chars())
    same = FOLDS[asked.fold] or ["index"]
    if asked.fold == "answer":  # responses without one are not the same response
        rows = rows.with_columns(alone=pl.when(pl.col("answer").is_null()).then(pl.col("index")))
        same = [*same, "alone"]
    others = [name for name in rows.columns if name not in (*same, "index")]
    grouped = rows.group_by(same, maintain_order=True).agg(
        *(pl.col(name).first() for name in others),
        *([] if "index" in same else [pl.col("index").first()]),
        indices=pl.col("index").alias("all"),
        count=pl.len(),
        different=pl.col("text").n_unique() if "text" not in same else pl.lit(1),
    )
    keys, descending = ORDERS[asked.order]
    return grouped.sort(keys, descending=descending, nulls_last=True)


def _answers(rows: pl.DataFrame, most: int = 12) -> list[list[Any]]:
    """The most frequent answers: [answer, outcome, count, answer as it is shown]; the last entry may be
    [None, None, how many others, None]."""
    counted = (
        rows.drop_nulls("answer").group_by("answer", "outcome").len().sort("len", "answer", descending=[True, False])
    )
    frequent = [row for row in counted.head(most).rows() if len(row[0]) <= ANSWER]
    rest = counted.height - len(frequent)
    found = [[answer, outcome, count, visible(answer)] for answer, outcome, count in frequent]
    return [*found, *([[None, None, rest, None]] if rest else [])]


def _shown(row: Mapping[str, Any], beside: Mapping[int, list[dict[str, Any]]], is_program: bool) -> dict[str, Any]:
    answer = row["answer"]
    return {
        "index": row["index"],
        "indices": row["indices"][:100],
        "count": row["count"],
        "different": row["different"],
        "outcome": row["outcome"],
        "reason": None if row["reason"] is None else visible(row["reason"]),
        "answer": None if answer is None else visible(answer[:ANSWER]),
        "flags": row["flags"] or [],
        "finish": row["finish_reason"],
        "tokens": row["tokens"],
        "logprob": row["logprob"],
        "length": row["length"],
        "beside": beside.get(row["index"], []),
        "pieces": shortened(row["text"], answer, HEAD, TAIL, is_program),
    }
