"""A Hugging Face dataset folder: data/<model>/part-*.parquet, one configuration per model, and a card.

The rows are those of the samples' JSONL with objects written out as JSON texts. `datasets.load_dataset(FOLDER, MODEL)`
reads it, `hf upload` sends it, and `move37 import jsonl` reads the files back. The card says where every number comes
from: the settings of the run, its verifiers and versions, and the prompt.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from move37.exporters.samples import sample_rows
from move37.exporters.written import writing_text
from move37.files import write_atomically
from move37.provenance import run_context
from move37.store import RunStore

_ROWS = 20_000
_COLUMNS = {
    "model": pl.String,
    "problem_id": pl.String,
    "benchmark": pl.String,
    "question": pl.String,
    "answer": pl.List(pl.String),
    "index": pl.Int32,
    "response": pl.String,
    "finish_reason": pl.String,
    "tokens": pl.Int32,
    "logprob": pl.Float64,
    "seed": pl.Int64,
    "error": pl.String,
    "score": pl.Int8,
    "reason": pl.String,
    "extracted": pl.String,
    "verifier": pl.String,
    "prompt": pl.String,
    "tags": pl.String,
    "metadata": pl.String,
    "segments": pl.String,
    "reported": pl.String,
}
_AS_JSON = ("tags", "metadata", "segments", "reported")


class HubExporter:
    def write(self, store: RunStore, models: Sequence[str], out: Path) -> list[Path]:
        with_samples = [model for model in models if store.samples(model).files()]
        files = [file for model in with_samples for file in _write_model(store, model, out)]
        with writing_text(out / "README.md") as card:
            card.write(_card(store, with_samples))
        return [out / "README.md", *files]


def _write_model(store: RunStore, model: str, out: Path) -> Iterator[Path]:
    rows = (_flat(row) for row in sample_rows(store, model))
    number = 0
    while batch := list(islice(rows, _ROWS)):
        path = out / "data" / model / f"part-{number:05d}.parquet"
        frame = pl.DataFrame({name: [row.get(name) for row in batch] for name in _COLUMNS}, schema=_COLUMNS)
        write_atomically(path, _parquet(frame))
        number += 1
        yield path


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    written = {name: json.dumps(row[name], ensure_ascii=False) for name in _AS_JSON if name in row}
    return {**row, **written}


def _card(store: RunStore, models: Sequence[str]) -> str:
    context = run_context(store)
    configs = "".join(
        f"- config_name: {json.dumps(model)}\n  data_files: {json.dumps(f'data/{model}/part-*.parquet')}\n"
        for model in models
    )
    settings = "\n".join(f"| {_cell(name)} | {_cell(value)} |" for name, value in context.settings)
    prompts = "\n\n".join(f"Template `{name}`:\n\n```\n{text}\n```" for name, text, _ in context.prompts)
    return f"""---
pretty_name: {json.dumps(context.title)}
tags:
- move37
- pass-at-k
configs:
{configs}---

# {context.title}

{context.note or "Samples of language models with verdicts."}

One row per sample: the question, the response, and the verdict on it (`score`: 1 correct, 0 incorrect, null unscored,
by the verifier in `verifier`). What another tool reported of the same sample stands in `reported`. `prompt`, `tags` and
`metadata` stand in the first row of each problem.

Made by `{context.command.replace("report", "export hub", 1)}`.

## Where it comes from

| setting | value |
|---|---|
{settings}

{prompts}
"""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
