"""Where the numbers of a run come from, as the report prints it: settings, models, versions, a prompt and responses."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import polars as pl

from move37.config import IMPORTED, StudyConfig
from move37.labels import readings
from move37.paths import name_of
from move37.report import Example, ReportContext
from move37.report.settings import analysis_rows
from move37.schema import KEY
from move37.store import ModelRecord, RunStore
from move37.thumbnails import thumbnails
from move37.types import Outcome, Prompt

_SHOWN = 2000
"""Characters of each end of a response that is shown."""

COPY = Path("view/index.html")
"""Where in its run a copy of the reading room is looked for (`move37 view RUN --export RUN/view`)."""


def run_context(store: RunStore, out: Path | None = None) -> ReportContext:
    """Where the numbers of a run come from, for its report in `out`, else in the run."""
    copy = store.folder / COPY
    samples = Path(os.path.relpath(copy, out or store.folder)).as_posix() if copy.is_file() else ""
    study = store.study()
    records = {model: store.model_record(model) for model in store.models()}
    examples = _examples(store)
    problem = examples[0].problem_id if examples else None
    prompts = {_prompt_of(record, problem): None for record in records.values() if record.prompts}
    return ReportContext(
        title=study.name,
        note=study.note,
        settings=tuple(_setting_rows(study, store, records)),
        prompts=tuple((prompt.template, prompt.text, prompt.stop) for prompt in prompts),
        command=f"move37 report {name_of(store.folder)}",
        samples=quote(samples),
        thumbnails=thumbnails(store.problems(), _example_id(prompts)),
        examples=examples,
        readers=tuple(str(said).splitlines()) if (said := readings(store)).readers else (),
    )


def _example_id(prompts: Mapping[Prompt, None]) -> str | None:
    """The problem whose prompt is shown in full."""
    return next((prompt.problem_id for prompt in prompts), None)


def _prompt_of(record: ModelRecord, problem_id: str | None) -> Prompt:
    """The prompt of that problem, or the first one."""
    return next((prompt for prompt in record.prompts if prompt.problem_id == problem_id), record.prompts[0])


def _examples(store: RunStore) -> tuple[Example, ...]:
    """A right response of the last model that has one and a wrong one of the first, to the first problem with both."""
    rows = pl.concat([pl.DataFrame(schema=_FIRST), *_first_of_each_outcome(store)])
    wanted = (Outcome.CORRECT.value, Outcome.INCORRECT.value)
    both = set.intersection(*(set(rows.filter(pl.col("outcome") == outcome)["problem_id"]) for outcome in wanted))
    chosen = next((problem.id for problem in store.problems() if problem.id in both), None)
    if chosen is None:
        return ()
    of_problem = rows.filter(pl.col("problem_id") == chosen)
    right, wrong = (of_problem.filter(pl.col("outcome") == outcome) for outcome in wanted)
    return tuple(_example(store, row) for row in (right.row(-1, named=True), wrong.row(0, named=True)))


_FIRST = {"problem_id": pl.String, "index": pl.Int32, "outcome": pl.String, "model": pl.String, "label": pl.String}


def _first_of_each_outcome(store: RunStore) -> Iterator[pl.DataFrame]:
    """The first sample of every problem with each outcome, by model and verifier, base first."""
    base = store.study().base_model()
    for model in sorted(store.models(), key=lambda name: name != base):
        for label in sorted(set(store.current_labels().values())):
            if store.verdicts(label, model).files() and store.samples(model).files():
                rows = store.standing(label, model, [*KEY, "outcome"]).with_columns(pl.col("outcome").cast(pl.String))
                first = rows.group_by("problem_id", "outcome").agg(pl.col("index").min())
                named = first.with_columns(model=pl.lit(model), label=pl.lit(label)).select(list(_FIRST))
                yield store.verdicts(label, model).collect(named)


def _example(store: RunStore, row: Mapping[str, str | int]) -> Example:
    model, label = str(row["model"]), str(row["label"])
    key = (pl.col("problem_id") == row["problem_id"]) & (pl.col("index") == row["index"])
    sample = store.samples(model).collect(store.samples(model).scan([*KEY, "text"]).filter(key))
    verdict = store.standing(label, model, [*KEY, "reason", "answer"]).filter(key)
    reason, answer = store.verdicts(label, model).collect(verdict.select("reason", "answer")).row(0)
    text = sample["text"][0]
    if len(text) > 2 * _SHOWN:
        left_out = len(text) - 2 * _SHOWN
        text = f"{text[:_SHOWN]}\n\n[... {left_out:,} characters left out ...]\n\n{text[-_SHOWN:]}"
    return Example(str(row["problem_id"]), int(row["index"]), model, str(row["outcome"]), reason, answer, text)


def _setting_rows(study: StudyConfig, store: RunStore, records: Mapping[str, ModelRecord]) -> Iterator[tuple[str, str]]:
    for source in study.problems:
        limited = f", first {source.limit}" if source.limit else ""
        yield "problems", f"{source.benchmark}{limited}"
    for model, record in records.items():
        config = study.models.get(model)
        if config is not None and config.engine != IMPORTED:
            own = study.sampling_of(model)
            law = f"temperature {own.temperature:g}, top-p {own.top_p:g}, at most {own.max_new_tokens:,} new tokens"
            yield f"{model}: sampling", f"{law}, engine {config.engine}, run seed {study.seed}"
        if config is not None and config.recipe is not None:
            changes = "".join(f", {key} = {value}" for key, value in config.changes.items())
            start = f", from {config.start}" if config.start else ""
            yield f"{model}: training", f"{config.recipe.name}{changes}, seed {config.seed}, step {config.step}{start}"
        if config is not None and "model" not in record.identity:
            yield f"{model}: source", config.path
        for name, value in record.identity.items():
            yield f"{model}: {name}", value
    for verifier, label in store.current_labels().items():
        yield f"verifier of {verifier} problems", label
    yield from analysis_rows(study.analysis)
