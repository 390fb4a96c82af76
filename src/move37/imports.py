"""What was sampled elsewhere, brought into a run folder: another tool's samples or counts, another machine's runs.

From then on it is a run like any other: `pipeline.verify_run` judges it with the same verifiers, and the analyses do
not know where samples came from. Verdicts of others are kept beside ours for comparison, never tallied.
"""

from pathlib import Path

from move37.config import IMPORTED, ModelConfig, ProblemsConfig, StudyConfig, changed_keys, from_options
from move37.errors import ConfigError, InputError, StoreError
from move37.importers import IMPORTERS, Imported
from move37.results import ImportedSamples, Pooled
from move37.schema import sample_rows
from move37.store import REPORTED, ModelRecord, RunStore
from move37.types import Outcome, Verdict


def import_samples(format_name: str, path: Path, model: str, benchmark: str, folder: Path) -> ImportedSamples:
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
    return ImportedSamples(folder, model, problems, samples)


def pool_runs(folder: Path, others: list[Path]) -> Pooled:
    """Add the samples of other runs of the same study to this one: a union by key.

    Verdicts are not copied (`move37 verify` makes them). Raises StoreError where a key has other content.
    """
    store = RunStore.open(folder)
    added: dict[str, int] = {}
    with store.writing():
        for other in map(RunStore.open, others):
            study = _with_models_of(store.study(), other.study())
            _refuse_other_problems(store, other)
            store.adopt(study)
            for model in other.models():
                store.record_model(model, other.model_record(model))
                rows = other.samples(model).scan()
                added[model] = added.get(model, 0) + store.absorb_samples(model, rows, str(other.folder))
        store.compact()
    return Pooled(folder, added)


def _study_with_import(store: RunStore, model: str, source: ModelConfig, benchmark: str) -> StudyConfig:
    """The run's study with an imported model added to it."""
    origin = ProblemsConfig(benchmark=benchmark)
    known = store.study() if store.exists else None
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
    """The study with the models of `other` that it lacks, behind its own: the base stays the base.

    Refused if `other` asked the same models otherwise.
    """
    joined = study.model_copy(
        update={"models": study.models | {k: v for k, v in other.models.items() if k not in study.models}}
    )
    changes = changed_keys(joined, other)
    if changes:
        raise ConfigError(f"{', '.join(changes)}: the runs were made with different values; they cannot be pooled")
    return joined


def _refuse_other_problems(store: RunStore, other: RunStore) -> None:
    """Raises StoreError unless two runs have the same problems with the same answers, whatever files they came from."""
    mine, theirs = ({problem.id: problem for problem in run.problems()} for run in (store, other))
    lacking = [id for id in [*mine, *theirs] if id not in mine or id not in theirs]
    if lacking:
        raise StoreError(
            f"{other.folder}: {len(lacking)} problems are only in one of the two runs (first: {lacking[0]}); "
            "they cannot be pooled"
        )
    store.add_problems(theirs.values())  # refuses another question or answer under a known id


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
