"""Where the numbers of a run come from: its settings, models, prompts and versions, as the report prints them."""

import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import move37
from move37.config import IMPORTED, AnalysisConfig, StudyConfig
from move37.report import ReportContext
from move37.store import ModelRecord, RunStore

COPY = Path("view/index.html")
"""Where in its run a copy of the reading room is looked for (`move37 view RUN --export RUN/view`)."""


def run_context(store: RunStore, out: Path | None = None) -> ReportContext:
    """Where the numbers of a run come from, for its report in `out`, else in the run."""
    copy = store.folder / COPY
    samples = Path(os.path.relpath(copy, out or store.folder)).as_posix() if copy.is_file() else ""
    study = store.study()
    records = {model: store.model_record(model) for model in store.models()}
    examples = {record.prompts[0]: None for record in records.values() if record.prompts}
    return ReportContext(
        title=study.name,
        note=study.note,
        settings=tuple(_setting_rows(study, store, records)),
        prompts=tuple((prompt.template, prompt.text, prompt.stop) for prompt in examples),
        command=f"move37 report {store.folder}",
        samples=quote(samples),
    )


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
        if config is not None and "model" not in record.identity:
            yield f"{model}: source", config.path
        for name, value in record.identity.items():
            yield f"{model}: {name}", value
    for verifier, label in store.current_labels().items():
        yield f"verifier of {verifier} problems", label
    yield from analysis_rows(study.analysis)


def analysis_rows(settings: AnalysisConfig) -> tuple[tuple[str, str], ...]:
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "polars", "math-verify"))
    band = f"{settings.confidence:.0%} simultaneous, {settings.draws:,} multiplier draws, seed {settings.seed}"
    return (
        ("band", band),
        (
            "bands are for",
            "fresh samples of these problems" if settings.target == "benchmark" else "problems like these",
        ),
        ("versions", f"move37 {move37.__version__}, Python {platform.python_version()}, {packages}"),
    )
