"""The system in one file: problems -> samples -> verdicts -> findings -> report. Read this first.

A study is a run folder (`store.py`) that passes go over, each resumable and each usable alone:

    start_run     problems are loaded once and written down with the resolved study
    sample_run    every model is asked for the samples that it still owes under the study's stopping plan
    verify_run    every sample without a verdict gets one; regrading writes beside the old verdicts
    analyse_run   verdicts become tallies, tallies become findings
    report_run    findings become figures, a page and tables

`compare_counts` joins the last two for people who only have counts; `import_samples` and `pool_runs` bring in what
was sampled elsewhere. Each function returns the figures that the command line prints.
"""

import json
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import move37
from move37 import sampling
from move37.analyses import Findings
from move37.analyses.findings import Evidence, find
from move37.analyses.record import comparison_json, findings_json
from move37.config import IMPORTED, AnalysisConfig, ModelConfig, ProblemsConfig, StudyConfig, changed_keys, from_options
from move37.engines import ENGINES, Engine
from move37.errors import ConfigError, InputError
from move37.importers import IMPORTERS, Imported
from move37.parts import write_atomically
from move37.problems import load_problems
from move37.prompting import Template, find_template, pose, user_template
from move37.report import ReportContext
from move37.report.page import write_report
from move37.store import ModelRecord, RunStore, sample_rows
from move37.types import Outcome, Problem, Prompt, Verdict
from move37.verification import VerifierPool, validate
from move37.verifiers import VERIFIERS, Verifier

REPORTED = "reported"
"""Verdicts under the label "reported@<format>" are another tool's, kept for comparison and never tallied."""

Figures = dict[str, Any]


class Progress(Protocol):
    """Shows how far a pass is; `Silent` here, a terminal's bars in `cli.py`."""

    def track(self, label: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        """Enter for a function that is told how many more are done."""
        ...


class Silent:
    def track(self, label: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(lambda done: None)


def run_study(study: StudyConfig, folder: Path, progress: Progress | None = None) -> Figures:
    """The whole study. The same call continues a run that was stopped at any point."""
    progress = progress or Silent()
    store = start_run(study, folder)
    figures = sample_run(store, progress) | verify_run(store, progress=progress)
    return figures | report_run(store)


def start_run(study: StudyConfig, folder: Path) -> RunStore:
    """Write down what the run is. Refuses unknown names, and a study that contradicts what is there already."""
    _check_names(study)
    store = RunStore(folder)
    known = store.study().problems if (folder / "config.json").exists() else ()
    problems = () if study.problems == known and store.problems() else load_problems(study.problems)
    with store.writing():
        store.adopt(study)
        store.add_problems(problems)
    return store


def sample_run(store: RunStore, progress: Progress | None = None) -> Figures:
    """Ask every model for the samples that it owes. Models that owe nothing are not loaded.

    Under a stopping plan a model is sampled in rounds, from look to look, and each round is verified before the next.
    """
    study, problems = store.study(), store.problems()
    progress = progress or Silent()
    made: dict[str, int] = {}
    with store.writing(), VerifierPool(study.verification) as pool:
        for name, model in study.models.items():
            if model.engine != IMPORTED:
                samples = _sample_model(store, pool, name, progress)
                made |= {name: samples} if samples else {}
        store.compact()
    return {"run": str(store.folder), "problems": len(problems), "sampled": made, "plan": str(study.sampling.plan())}


def verify_run(store: RunStore, verifier: str | None = None, progress: Progress | None = None) -> Figures:
    """Give a verdict to every sample that has none under the verifier's present version.

    `verifier` replaces the problems' own (regrading). The verdicts made or completed here become the current ones.
    """
    with store.writing(), VerifierPool(store.study().verification) as pool:
        judged = _judge(store, pool, store.models(), verifier, progress or Silent())
        store.compact()
    return {"run": str(store.folder), "verified": judged, "verifiers": store.current_labels()}


def analyse_run(store: RunStore) -> Findings:
    """What the verdicts say. Also written to analyses.json, every number of it."""
    settings = store.study().analysis
    models = store.models()
    if not models:
        raise InputError(f"{store.folder}: no samples or counts yet; run `move37 sample {store.folder}`")
    base = store.study().base_model()
    ordered = sorted(models, key=lambda name: name != base)
    evidence = [_evidence(store, name) for name in ordered]
    findings = find(evidence, settings.confidence, settings.draws, settings.seed)
    write_atomically(store.folder / "analyses.json", _json_bytes(findings_json(findings)))
    return findings


def report_run(store: RunStore) -> Figures:
    """Analyse and write report.html, report.md, figures/ and tables/ into the run folder."""
    findings = analyse_run(store)
    page = write_report(findings, _context(store), store.folder)
    return {"run": str(store.folder), "report": str(page), "warnings": list(findings.warnings)}


def compare_counts(base: Path, rl: Path, settings: AnalysisConfig, out: Path | None = None) -> tuple[Findings, Figures]:
    """Compare two files of counts. With `out`, the report and analyses.json are written there too."""
    load = IMPORTERS.load("counts")().load
    imported = [load(path, name, "counts") for path, name in ((base, "base"), (rl, "rl"))]
    evidence = [Evidence(each.counts) for each in imported if each.counts is not None]
    findings = find(evidence, settings.confidence, settings.draws, settings.seed)
    figures = comparison_json(findings.comparisons[0], *findings.curves)
    if out is not None:
        write_atomically(out / "analyses.json", _json_bytes(findings_json(findings)))
        context = ReportContext(
            title=f"{rl.name} against {base.name}",
            note="Made from counts of correct samples; no sample was seen.",
            settings=(("base counts", str(base)), ("RL counts", str(rl)), *_analysis_rows(settings)),
            prompts=(),
            command=f"move37 compare {base} {rl} --out {out}",
        )
        figures["report"] = str(write_report(findings, context, out))
    return findings, figures


def import_samples(format_name: str, path: Path, model: str, benchmark: str, folder: Path) -> Figures:
    """Bring samples or counts of another tool into a run, which is made if it is not there."""
    imported: Imported = IMPORTERS.load(format_name)().load(path, model, benchmark)
    source = ModelConfig(path=str(path), engine=IMPORTED)
    store = RunStore(folder)
    with store.writing():
        store.adopt(_study_with_import(store, model, source, benchmark))
        if imported.counts is not None:
            store.add_counts(imported.counts)
            problems, samples = imported.counts.problems, int(imported.counts.scored.sum())
        else:
            problems, samples = len(imported.problems), _add_imported_samples(store, model, imported, format_name)
        store.compact()
    return {"run": str(folder), "model": model, "problems": problems, "samples": samples}


def pool_runs(folder: Path, others: list[Path]) -> Figures:
    """Add the samples of other runs of the same study to this one: a union by key.

    Verdicts are not copied (`move37 verify` makes them). Raises StoreError where a key has other content.
    """
    store = RunStore.open(folder)
    added: dict[str, int] = {}
    with store.writing():
        for other in map(RunStore.open, others):
            store.adopt(_with_models_of(store.study(), other.study()))
            store.add_problems(other.problems())
            for model in other.models():
                store.record_model(model, other.model_record(model))
                rows = other.samples(model).scan()
                added[model] = added.get(model, 0) + store.absorb_samples(model, rows, str(other.folder))
        store.compact()
    return {"run": str(folder), "added": added}


def validate_benchmark(source: ProblemsConfig) -> Figures:
    """Does every reference answer of a benchmark pass the benchmark's own verifier?"""
    problems = load_problems((source,))
    failures = validate(problems)
    return {
        "benchmark": source.benchmark,
        "problems": len(problems),
        "references": sum(len(problem.references) for problem in problems),
        "failures": [
            {
                "problem": f.problem.id,
                "reference": f.reference,
                "outcome": f.verdict.outcome,
                "reason": f.verdict.reason,
            }
            for f in failures
        ],
    }


# -- the parts of a pass -------------------------------------------------------------------------------------------


def _check_names(study: StudyConfig) -> None:
    """Refuse a name that is on no shelf before anything is loaded."""
    find_template(study.sampling.template, _own_templates(study))
    for model in study.models.values():
        if model.engine != IMPORTED:
            ENGINES.load(model.engine)
    for source in study.problems:
        if source.verifier is not None:
            VERIFIERS.load(source.verifier)


def _own_templates(study: StudyConfig) -> dict[str, Template]:
    return {name: user_template(name, own.text, own.stop) for name, own in study.templates.items()}


def _prompts(study: StudyConfig, problems: tuple[Problem, ...], engine: Engine) -> list[Prompt]:
    template = find_template(study.sampling.template, _own_templates(study))
    return [pose(problem, template, engine.render_chat) for problem in problems]


def _sample_model(store: RunStore, pool: VerifierPool, name: str, progress: Progress) -> int:
    """Sample a model until it owes nothing; how many samples were made."""
    study = store.study()
    plan, problem_ids = study.sampling.plan(), [problem.id for problem in store.problems()]
    sampler: _Sampler | None = None
    made = 0
    while True:
        if not plan.is_fixed:  # what is owed depends on what was right
            _judge(store, pool, (name,), None, progress)
        owed = store.owed(name, problem_ids, plan)
        if not owed:
            return made
        sampler = sampler or _Sampler(store, name)
        made += sampler.sample(owed, progress)


class _Sampler:
    """A loaded model that has been checked to be able to answer as asked."""

    def __init__(self, store: RunStore, name: str) -> None:
        self._store, self._name, self._study = store, name, store.study()
        self._settings = self._study.sampling_of(name)
        model = self._study.models[name]
        self._engine: Engine = ENGINES.load(model.engine).load(model)
        self._prompts = _prompts(self._study, store.problems(), self._engine)
        sampling.check_context(self._engine, self._prompts, self._settings, name)
        store.record_model(name, ModelRecord(self._engine.identity(), tuple(self._prompts)))
        store.log("loaded", model=name, engine=dict(self._engine.identity()))

    def sample(self, owed: Mapping[str, list[int]], progress: Progress) -> int:
        """Keep the owed samples as they come; how many were made."""
        requests = sampling.owed_requests(self._prompts, owed, self._study.seed, self._name)
        with (
            self._store.appending_samples(self._name) as writer,
            progress.track(f"Sampling {self._name}", len(requests), "samples") as advance,
        ):
            for made in sampling.sample(self._engine, requests, self._settings, self._name):
                writer.add(made)
                advance(1)
        self._store.log("sampled", model=self._name, samples=len(requests))
        return len(requests)


def _judge(
    store: RunStore, pool: VerifierPool, models: Sequence[str], replacement: str | None, progress: Progress
) -> dict[str, Counter[str]]:
    """Verify what `models` have without a verdict, each problem with its own verifier or with `replacement`."""
    by_verifier: dict[str, list[Problem]] = {}
    for problem in store.problems():
        by_verifier.setdefault(problem.verifier, []).append(problem)
    judged: dict[str, Counter[str]] = {model: Counter() for model in models}
    for own_name, problems in by_verifier.items():
        judge: Verifier = VERIFIERS.load(replacement or own_name)()
        label = f"{judge.name}@{judge.version}"
        for model in models:
            judged[model] += _verify_model(store, pool, judge, label, model, problems, progress)
        store.set_current_labels({own_name: label})
        if any(judged.values()):
            store.log("verified", verifier=label, verdicts=judged)
    return judged


def _verify_model(
    store: RunStore,
    pool: VerifierPool,
    verifier: Verifier,
    label: str,
    model: str,
    problems: list[Problem],
    progress: Progress,
) -> Counter[str]:
    """Judge what `model` has without a verdict under `label`; how many verdicts of each outcome were made."""
    by_id = {problem.id: problem for problem in problems}
    owed = store.count_unverified(label, model, list(by_id))
    counts: Counter[str] = Counter()
    if not owed:
        return counts
    items = ((by_id[s.problem_id], s.text, s) for s in store.unverified(label, model, list(by_id)))
    with (
        store.appending_verdicts(label, model) as writer,
        progress.track(f"Verifying {model}", owed, "samples") as advance,
    ):
        for sample, verdict in pool.verify(verifier, items):
            writer.add(sample, verdict)
            counts[verdict.outcome.value] += 1
            advance(1)
    return counts


def _evidence(store: RunStore, model: str) -> Evidence:
    """All that the analyses may know of one model."""
    reported = [label for label in store.labels(model) if label.startswith(REPORTED)]
    tally, plan = store.tally(model), store.plan(model)
    first_look = None if plan is None else plan.first_look
    fixed = None if plan is None or not store.samples(model).files() else store.fixed_tally(model, first_look)
    return Evidence(
        tally=tally,
        fixed=fixed,
        not_truncated=store.tally_not_truncated(model, first_look),
        reasons=store.reasons(model),
        mean_tokens=store.mean_tokens(model),
        answers=store.answers(model, first_look),
        agreement=[(label, store.compare_verdicts(model, label)) for label in reported],
        verifier=", ".join(sorted(set(store.current_labels().values()))),
        references={problem.id: " or ".join(problem.references) for problem in store.problems()},
    )


def _study_with_import(store: RunStore, model: str, source: ModelConfig, benchmark: str) -> StudyConfig:
    """The run's study with an imported model added to it."""
    origin = ProblemsConfig(benchmark=benchmark)
    known = store.study() if (store.folder / "config.json").exists() else None
    models = known.models if known else {}
    sources = known.problems if known else ()
    if models.get(model, source) != source:
        raise InputError(f"{store.folder}: there is a model {model!r} already; import this one under another name")
    rest = known.model_dump(exclude={"problems", "models"}) if known else {"name": store.folder.resolve().name}
    return from_options(
        StudyConfig,
        problems=sources if origin in sources else (*sources, origin),
        models=models | {model: source},
        **rest,
    )


def _with_models_of(study: StudyConfig, other: StudyConfig) -> StudyConfig:
    """The study with the models of `other` that it lacks, refused if `other` asked the same models otherwise."""
    joined = study.model_copy(update={"models": other.models | study.models})
    changes = changed_keys(joined, other)
    if changes:
        raise ConfigError(f"{', '.join(changes)}: the runs were made with different values; they cannot be pooled")
    return joined


def _add_imported_samples(store: RunStore, model: str, imported: Imported, format_name: str) -> int:
    """Samples, and the other tool's own scores as verdicts beside ours, so that the two can be compared.

    Returns how many samples are new: importing the same file again adds nothing.
    """
    there = {problem.id for problem in store.problems()}
    orphans = {sample.problem_id for sample in imported.samples} - there - {p.id for p in imported.problems}
    if orphans:
        raise InputError(
            f"{len(orphans)} problem ids have samples but no question in the file, and are not in the run either "
            f"(first: {min(orphans)}); give the rows their question and answer"
        )
    # A problem that is here keeps its reference: tools normalise golds in their own ways, and one must judge for all.
    store.add_problems(problem for problem in imported.problems if problem.id not in there)
    store.record_model(model, ModelRecord(dict(imported.settings), ()))
    new = store.absorb_samples(model, sample_rows(imported.samples), str(store.folder))
    with store.appending_verdicts(f"{REPORTED}@{format_name}", model) as verdicts:
        for sample in imported.samples:
            score = imported.reported.get((sample.problem_id, sample.index))
            if score is not None:
                outcome = Outcome.CORRECT if score else Outcome.INCORRECT
                verdicts.add(sample, Verdict(outcome, "reported by the tool that sampled"))
    return new


def _context(store: RunStore) -> ReportContext:
    """Where the numbers of a run come from, for its report."""
    study = store.study()
    records = {model: store.model_record(model) for model in store.models()}
    examples = {record.prompts[0]: None for record in records.values() if record.prompts}
    return ReportContext(
        title=study.name,
        note=study.note,
        settings=tuple(_setting_rows(study, store, records)),
        prompts=tuple((prompt.template, prompt.text, prompt.stop) for prompt in examples),
        command=f"move37 report {store.folder}",
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
        if config is not None:
            yield f"{model}: source", config.path
        for name, value in record.identity.items():
            yield f"{model}: {name}", value
    for verifier, label in store.current_labels().items():
        yield f"verifier of {verifier} problems", label
    yield from _analysis_rows(study.analysis)


def _analysis_rows(settings: AnalysisConfig) -> tuple[tuple[str, str], ...]:
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "polars", "math-verify"))
    band = f"{settings.confidence:.0%} simultaneous, {settings.draws:,} multiplier draws, seed {settings.seed}"
    return (
        ("band", band),
        ("versions", f"move37 {move37.__version__}, Python {platform.python_version()}, {packages}"),
    )


def _json_bytes(value: Figures) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
