"""Which columns a run folder has: the nouns as rows of Parquet, and back. The only file that knows them.

`FORMAT` is the number in config.json. It rises when a run that is written today could no longer be read by the version
before; a run of a higher format is refused, in one line that names both versions. A run that lacks the number is of
format 1. Within a format, columns are only ever added, each with what stands for it where an older part lacks it
(`Table.absent`): no run has to be made again for a new field.

A sample has a digest, and a verdict repeats the digests of the sample and of the problem that it is about. Where they
are not those that stand in the run, the verdict is about something else and counts for nothing (`store.py`). In format
1 verdicts had no digests: they are given those of the samples beside them when the run is first written to.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import polars as pl
from xxhash import xxh3_64_intdigest

from move37.counts import StoppingPlan
from move37.errors import StoreError
from move37.files import write_atomically
from move37.parts import PartFolder
from move37.types import (
    FinishReason,
    Flag,
    ImagePart,
    Message,
    Outcome,
    Problem,
    Prompt,
    Sample,
    Segment,
    StepVerdict,
    TextPart,
    Verdict,
)

FORMAT = 2
KEY = ("problem_id", "index")
"""What names a sample within its model."""

_FINISH = pl.Enum([reason.value for reason in FinishReason])
_OUTCOME = pl.Enum([outcome.value for outcome in Outcome])
_FINISH_CODES = {reason.value: code for code, reason in enumerate(FinishReason)}
_REASONS = {reason.value: reason for reason in FinishReason}


_SEGMENTS = pl.List(
    pl.Struct(
        {
            "role": pl.String,
            "text": pl.String,
            "own": pl.Boolean,
            "token_ids": pl.List(pl.Int32),
            "logprobs": pl.List(pl.Float64),
        }
    )
)

_IMAGE = {"digest": pl.String, "media_type": pl.String}
_IMAGES = pl.List(pl.Struct(_IMAGE | {"path": pl.String, "data": pl.Binary, "width": pl.Int32, "height": pl.Int32}))
_MESSAGES = pl.List(
    pl.Struct({"role": pl.String, "content": pl.List(pl.Struct({"text": pl.String, "image": pl.Struct(_IMAGE)}))})
)

_NO_FLAGS = pl.lit(None, pl.List(pl.String))
_STEPS = pl.List(pl.Struct({"outcome": pl.String, "score": pl.Float64, "span": pl.List(pl.Int32)}))


@dataclass(frozen=True)
class Table:
    """The columns of one noun, which of them name a row, and what stands for those that older files may lack."""

    columns: Mapping[str, Any]
    key: tuple[str, ...]
    absent: dict[str, pl.Expr] = field(default_factory=dict)
    derived: tuple[str, ...] = ()

    def parts(self, folder: Path) -> PartFolder:
        return PartFolder(folder, self.columns, self.key, self.absent, self.derived)


def _digests(rows: pl.Series) -> pl.Series:
    return pl.Series([sample_digest(row["text"], row["finish_reason"]) for row in rows], dtype=pl.Int64)


SAMPLES = Table(
    {
        "problem_id": pl.String,
        "index": pl.Int32,
        "text": pl.String,
        "finish_reason": _FINISH,
        "tokens": pl.Int32,
        "logprob": pl.Float64,
        "seed": pl.Int64,
        "digest": pl.Int64,
        "segments": _SEGMENTS,
        "error": pl.String,
    },
    KEY,
    {
        "digest": pl.struct("text", "finish_reason").map_batches(_digests, return_dtype=pl.Int64),
        "segments": pl.lit(None, _SEGMENTS),
        "error": pl.lit(None, pl.String),
    },
    derived=("digest",),
)
"""`segments` is null unless there were several turns or `sampling.keep_tokens` asked for it; in it, a null text is the
sample's own. `error` is null but for a call that failed."""
VERDICTS = Table(
    {
        "problem_id": pl.String,
        "index": pl.Int32,
        "outcome": _OUTCOME,
        "reason": pl.String,
        "answer": pl.String,
        "truncated": pl.Boolean,
        "sample": pl.Int64,
        "problem": pl.Int64,
        "flags": pl.List(pl.String),
        "steps": _STEPS,
    },
    KEY,
    {
        "sample": pl.lit(None, pl.Int64),
        "problem": pl.lit(None, pl.Int64),
        # In format 1 it was said in the reason alone, in these words.
        "flags": pl.when(pl.col("reason").str.contains(r" alone, (?:ran out of time|was killed) before$"))
        .then(pl.lit([Flag.RERUN_ALONE.value], pl.List(pl.String)))
        .otherwise(_NO_FLAGS),
        "steps": pl.lit(None, _STEPS),
    },
)
"""`flags` and `steps` are null where there are none. `sample` and `problem` are digests; a null `problem` is a verdict
of another tool, which had its own references."""
COUNTS = Table(
    {
        "problem_id": pl.String,
        "correct": pl.Int64,
        "incorrect": pl.Int64,
        "unscored": pl.Int64,
        "truncated": pl.Int64,
        "went_on": pl.Int64,
    },
    ("problem_id",),
)
"""Imported counts; `went_on` is null unless they were stopped early, `unscored` and `truncated` are where the source
does not say them."""
PROBLEMS = Table(
    {
        "id": pl.String,
        "question": pl.String,
        "references": pl.List(pl.String),
        "benchmark": pl.String,
        "verifier": pl.String,
        "tags": pl.String,
        "metadata": pl.String,
        "images": _IMAGES,
    },
    ("id",),
    {"images": pl.lit(None, _IMAGES)},
)
"""`images` is null where there is none. Their bytes are files of their own, `images/<digest>.<format>`; in older runs
they stand here as `data`, or `path` says which file held them."""
PROMPTS = Table(
    {
        "problem_id": pl.String,
        "text": pl.String,
        "stop": pl.List(pl.String),
        "template": pl.String,
        "messages": _MESSAGES,
        "rendered": pl.Boolean,
    },
    ("problem_id",),
    {"messages": pl.lit(None, _MESSAGES), "rendered": pl.lit(False)},
)
"""`messages` is null where the text was not written from any. A content part is a text or an image's digest; its bytes
stand with the problem. `rendered` is false in older files: a begin token was added to what they hold unless it began
with one."""

RIGHT_CHAINS = Table({"problem_id": pl.String, "chain": pl.String, "logprob": pl.Float64}, ("problem_id", "chain"))
"""The chance of every right chain of a countdown puzzle under one model, natural log (`truth.py`)."""
SCORES = Table(
    {
        "problem_id": pl.String,
        "index": pl.Int32,
        "sample": pl.Int64,
        "tokens": pl.Int32,
        "logprob": pl.Float64,
        "drawn": pl.Float64,
        "mass_ahead": pl.Float64,
        "logprobs": pl.List(pl.Float32),
    },
    KEY,
)
"""A stored response under a model (`scoring.py`): `sample` is the digest of the response, `tokens` how many of its
tokens are the author's own. Of those `logprob` and `drawn` are sums, and `mass_ahead` is the largest
(`engines.Scored`)."""


# -- samples -----------------------------------------------------------------------------------------------------------


def sample_digest(text: str, finish_reason: str) -> int:
    """63 bits that say what a verdict is about: the text, and how it ended.

    XXH3 (a thirtieth of BLAKE2b's time): it is computed for every sample, and compared only with what stands under the
    same key, where two other texts agree in it once in 10^18. It is no guard against somebody who wants them to.
    """
    return xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"), _FINISH_CODES[finish_reason]) >> 1


def sample_row(sample: Sample) -> tuple[Any, ...]:
    """In the order of `SAMPLES`."""
    # ._value_ is twice as fast as .value, and this is done for every sample.
    text, finish, segments = sample.text, sample.finish_reason._value_, sample.segments
    return (
        sample.problem_id,
        sample.index,
        text,
        finish,
        sample.tokens,
        sample.logprob,
        sample.seed,
        sample_digest(text, finish),
        None if segments is None else [_segment_row(each, text) for each in segments],
        sample.error,
    )


def _segment_row(segment: Segment, text: str) -> dict[str, Any]:
    return {
        "role": segment.role,
        "text": None if segment.text == text else segment.text,
        "own": segment.own,
        "token_ids": None if segment.token_ids is None else list(segment.token_ids),
        "logprobs": None if segment.logprobs is None else list(segment.logprobs),
    }


def _segment_of(row: Mapping[str, Any], text: str) -> Segment:
    ids, logprobs = (None if row[name] is None else tuple(row[name]) for name in ("token_ids", "logprobs"))
    return Segment(row["role"], text if row["text"] is None else row["text"], ids, row["own"], logprobs)


def sample_rows(samples: Sequence[Sample]) -> pl.LazyFrame:
    return pl.LazyFrame([sample_row(sample) for sample in samples], schema=SAMPLES.columns, orient="row")


def samples_of(rows: pl.DataFrame) -> Iterator[Sample]:
    """The samples in rows of `SAMPLES`."""
    names = ("problem_id", "index", "text", "finish_reason", "tokens", "logprob", "seed", "segments", "error")
    # As nearly always neither of the last two is there: no lists to make of nothing.
    whole = all(rows[name].null_count() == rows.height for name in names[-2:])
    columns = [rows[name].to_list() for name in names[: -2 if whole else None]]
    if whole:
        for problem_id, index, text, finish, tokens, logprob, seed in zip(*columns, strict=True):
            yield Sample(problem_id, index, text, _REASONS[finish], tokens, logprob, seed)
        return
    for problem_id, index, text, finish, tokens, logprob, seed, kept, error in zip(*columns, strict=True):
        segments = None if kept is None else tuple(_segment_of(each, text) for each in kept)
        yield Sample(problem_id, index, text, _REASONS[finish], tokens, logprob, seed, segments, error)


# -- verdicts ----------------------------------------------------------------------------------------------------------


def verdict_row(sample: Sample, verdict: Verdict, problem: int | None) -> tuple[Any, ...]:
    """In the order of `VERDICTS`; `problem` is the digest of the problem that was looked at."""
    finish, flags, steps = sample.finish_reason, verdict.flags, verdict.steps
    return (
        sample.problem_id,
        sample.index,
        verdict.outcome._value_,
        verdict.reason,
        verdict.answer,
        finish is FinishReason.LENGTH,
        sample_digest(sample.text, finish._value_),
        problem,
        sorted(flags) if flags else None,
        None if steps is None else [_step_row(step) for step in steps],
    )


def _step_row(step: StepVerdict) -> dict[str, Any]:
    outcome = None if step.outcome is None else step.outcome.value
    return {"outcome": outcome, "score": step.score, "span": None if step.span is None else list(step.span)}


def verdict_table(of_programs: bool) -> Table:
    """The table of one verifier's verdicts: only the verifier of programs said in words what is a flag now."""
    return VERDICTS if of_programs else replace(VERDICTS, absent=VERDICTS.absent | {"flags": _NO_FLAGS})


# -- problems and prompts ----------------------------------------------------------------------------------------------


class StoredJson(Mapping[str, Any]):
    """A JSON object that is parsed when somebody looks into it: the tests of a program may be large, and most commands
    never do."""

    def __init__(self, written: str) -> None:
        self.written = written

    @cached_property
    def _parsed(self) -> dict[str, Any]:
        return json.loads(self.written)

    def __getitem__(self, key: str) -> Any:
        return self._parsed[key]

    def get(self, key: str, default: Any = None) -> Any:
        return self._parsed.get(key, default) if json.dumps(key) in self.written else default  # seen without parsing

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed)

    def __len__(self) -> int:
        return len(self._parsed)

    def __repr__(self) -> str:
        return repr(self._parsed)


def problem_row(problem: Problem) -> dict[str, Any]:
    return {
        "id": problem.id,
        "question": problem.question,
        "references": list(problem.references),
        "benchmark": problem.benchmark,
        "verifier": problem.verifier,
        "tags": _json_of(problem.tags),
        "metadata": _json_of(problem.metadata),
        "images": [
            {name: getattr(each, name) for name in ("digest", "media_type", "width", "height")}
            for each in problem.images
        ]
        or None,
    }


def problem_of(row: Mapping[str, Any]) -> Problem:
    return Problem(
        id=row["id"],
        question=row["question"],
        references=tuple(row["references"]),
        benchmark=row["benchmark"],
        verifier=row["verifier"],
        tags=json.loads(row["tags"]),
        metadata=StoredJson(row["metadata"]),
        images=tuple(ImagePart(**each) for each in row["images"] or ()),
    )


def problem_digest(problem: Problem) -> int:
    """63 bits of BLAKE2b of all that a verifier may look at. An image counts by its own digest."""
    row = problem_row(problem)
    del row["images"]
    seen = *row.values(), *(image.digest for image in problem.images)
    content = repr(seen).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big") >> 1


def prompt_row(prompt: Prompt) -> dict[str, Any]:
    return {
        "problem_id": prompt.problem_id,
        "text": prompt.text,
        "stop": list(prompt.stop),
        "template": prompt.template,
        "messages": [_message_row(message) for message in prompt.messages] or None,
        "rendered": prompt.rendered,
    }


def prompt_of(row: Mapping[str, Any]) -> Prompt:
    messages = tuple(_message_of(each) for each in row["messages"] or ())
    return Prompt(row["problem_id"], row["text"], tuple(row["stop"]), row["template"], messages, row["rendered"])


def _message_row(message: Message) -> dict[str, Any]:
    return {
        "role": message.role,
        "content": [
            {"text": part.text, "image": None}
            if isinstance(part, TextPart)
            else {"text": None, "image": {"digest": part.digest, "media_type": part.media_type}}
            for part in message.content
        ],
    }


def _message_of(row: Mapping[str, Any]) -> Message:
    parts = (
        TextPart(part["text"]) if part["text"] is not None else ImagePart(**part["image"]) for part in row["content"]
    )
    return Message(row["role"], tuple(parts))


def _json_of(value: Mapping[str, Any]) -> str:
    return value.written if isinstance(value, StoredJson) else json.dumps(dict(value), ensure_ascii=False)


# -- stopping plans ----------------------------------------------------------------------------------------------------


def plan_json(plan: StoppingPlan) -> dict[str, Any]:
    return {"looks": list(plan.looks), "successes": plan.successes}


def plan_of(written: Mapping[str, Any]) -> StoppingPlan:
    successes = written["successes"]
    return StoppingPlan(tuple(written["looks"]), tuple(successes) if isinstance(successes, list) else successes)


# -- whole files -------------------------------------------------------------------------------------------------------


def write_table(path: Path, rows: list[dict[str, Any]], table: Table) -> None:
    """A small table as one file, whole or not at all. Raises StoreError."""
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema=dict(table.columns)).write_parquet(buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def read_table(path: Path, table: Table) -> list[dict[str, Any]]:
    """Its rows; none where there is no such file. Raises StoreError for a damaged one."""
    if not path.exists():
        return []
    try:
        rows = pl.read_parquet(path, glob=False)
        lacking = {name: table.absent[name] for name in table.columns if name not in rows.columns}
        return rows.with_columns(**lacking).select(list(table.columns)).rows(named=True)
    except (pl.exceptions.PolarsError, OSError, KeyError) as error:
        raise StoreError(f"{path}: damaged; move it away and run again, it will be made again") from error
