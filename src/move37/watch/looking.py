"""Look at a training: bring in what is new, judge it, and say where the boundary stands.

Each step becomes a model of a run folder ("step-20"), imported from the framework's dumps by the importer that knows
them and judged by our verifiers, or sampled from its checkpoint as a study says. What was brought in once is not read
again unless its file grew. A file that cannot be read is being written, until it stops changing: then it is an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from move37 import pipeline
from move37.analyses.boundary import Boundary, boundary
from move37.config import ModelConfig, StudyConfig
from move37.counts import Tally
from move37.errors import InputError
from move37.evidence import RunEvidence
from move37.imports import ImportRequest, import_logs
from move37.progress import Progress
from move37.store import RunStore
from move37.watch.metrics import StepMetrics, framework_of, metrics_of
from move37.watch.steps import StepFiles, checkpoints, sampled_steps

_NAMELESS = ("verl", "trl")
"""Frameworks whose dumps do not say which benchmark they are of."""


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What to watch and how to judge it. With `study` the checkpoints in `folder` are sampled; its models are not."""

    folder: Path
    run: Path
    benchmark: str | None = None
    verifier: str | None = None
    problems: Path | None = None
    threshold: float = 1.0
    k: tuple[int, ...] = ()
    confidence: float = 0.95
    study: StudyConfig | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """A look. `framework`: whose samples they are, "checkpoints" where they are ours. `length`: mean tokens of a step's
    responses, or characters where nobody counted tokens (`length_unit`)."""

    folder: Path
    run: Path
    framework: str
    boundary: Boundary
    metrics: Mapping[int, StepMetrics]
    length: Mapping[int, float]
    length_unit: str
    notices: tuple[str, ...]


class Watch:
    """`look` as often as you like: None where there is no step yet, or nothing new since the last look."""

    def __init__(self, request: WatchRequest, progress: Progress | None = None) -> None:
        """Raises InputError for a study whose samples stop early: steps are compared at one n."""
        if (
            request.study is not None
            and request.study.sampling.plan() is not None
            and not request.study.sampling.plan().is_fixed
        ):
            raise InputError("--study: a watch samples every problem n times; set sampling.stop.successes = 0")
        self._request, self._progress = request, progress
        self._taken: dict[int, object] = {}
        self._failed: dict[int, object] = {}
        self._tallies: dict[int, Tally] = {}
        self._lengths: dict[int, tuple[float | None, float]] = {}
        self._notices: dict[str, None] = {}
        self._format = "checkpoints" if request.study is not None else ""

    def look(self) -> Watched | None:
        """Raises InputError with one line where samples cannot be read or judged."""
        new = self._take_checkpoints() if self._request.study is not None else self._take_samples()
        if not new:
            return None
        self._count(new)
        request, metrics = self._request, metrics_of(self._request.folder)
        length, unit = self._length(metrics)
        return Watched(
            folder=request.folder,
            run=request.run,
            framework=framework_of(request.folder) or self._format,
            boundary=boundary(self._tallies, request.k, request.confidence),
            metrics=metrics,
            length=length,
            length_unit=unit,
            notices=tuple(self._notices),
        )

    def _length(self, metrics: Mapping[int, StepMetrics]) -> tuple[dict[int, float], str]:
        """Tokens where every step knows them, from its samples or from the framework; else characters."""
        counted = {
            step: tokens if tokens is not None else metrics.get(step, StepMetrics()).length
            for step, (tokens, _) in sorted(self._lengths.items())
        }
        known = {step: tokens for step, tokens in counted.items() if tokens is not None}
        if len(known) == len(counted):
            return known, "tokens"
        return {step: characters for step, (_, characters) in sorted(self._lengths.items())}, "characters"

    def _take_samples(self) -> list[int]:
        new = []
        for step, files in sampled_steps(self._request.folder).items():
            stamp = files.stamp
            if self._taken.get(step) != stamp and self._import(step, files, stamp):
                self._taken[step] = stamp
                new.append(step)
        if new:
            pipeline.verify_run(RunStore.open(self._request.run), progress=self._progress)
        return new

    def _import(self, step: int, files: StepFiles, stamp: object) -> bool:
        """Whether the step could be read; what is being written is tried again when it has changed."""
        request = self._request
        asked = ImportRequest(
            paths=files.files,
            format=files.format,
            models=(f"step-{step}",),
            benchmark=request.benchmark or ("watched" if files.format in _NAMELESS else None),
            verifier=request.verifier,
            problems=request.problems,
            threshold=request.threshold,
        )
        try:
            done = import_logs(asked, request.run)
        except InputError:
            if self._failed.get(step) == stamp:
                raise
            self._failed[step] = stamp
            return False
        self._format = files.format
        self._notices |= dict.fromkeys(notice for log in done.logs for notice in log.notices)
        return True

    def _take_checkpoints(self) -> list[int]:
        request, study = self._request, self._request.study
        assert study is not None
        found = {step: path for step, path in checkpoints(request.folder).items() if step not in self._taken}
        start = study.base_model()
        models = {"step-0": study.models[start]} if start in study.models and 0 not in self._taken else {}
        models |= {f"step-{step}": ModelConfig(path=str(path)) for step, path in found.items()}
        if not models:
            return []
        known = RunStore(request.run).study().models if RunStore(request.run).exists else {}
        analysis = study.analysis.model_copy(update={"base": "step-0"} if "step-0" in {**known, **models} else {})
        whole = study.model_copy(update={"models": {**known, **models}, "analysis": analysis})
        store = pipeline.start_run(whole, request.run)
        pipeline.sample_run(store, self._progress, verify=True)
        pipeline.verify_run(store, progress=self._progress)
        steps = [int(name.removeprefix("step-")) for name in models]
        self._taken |= dict.fromkeys(steps, True)
        return steps

    def _count(self, steps: list[int]) -> None:
        store = RunStore.open(self._request.run)
        evidence = RunEvidence(store)
        for step in steps:
            name = f"step-{step}"
            tally = evidence.fixed_tally(name)
            self._tallies[step] = replace(tally, model=name)
            texts = store.samples(name)
            length = texts.collect(texts.scan(["text"]).select(pl.col("text").str.len_chars().mean()))
            self._lengths[step] = evidence.mean_tokens(name), float(length.item() or 0.0)
