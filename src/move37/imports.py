"""What was sampled elsewhere, brought into a run folder: another tool's logs or counts, another machine's runs.

From then on it is a run like any other: `pipeline.verify_run` judges it with the same verifiers, and the analyses do
not know where samples came from. Verdicts of others are kept beside ours for comparison, and count only where somebody
says so (`reported.py`). Logs are first read to their end beside the run (`staging.py`): what is refused changes
nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from move37.config import IMPORTED, ModelConfig, ProblemsConfig, StudyConfig, changed_keys, from_options
from move37.errors import ConfigError, InputError, StoreError
from move37.importers import AUTO, IMPORTERS, Importer
from move37.importers.logs import ROLES, Log, NotSamplesError, Reading
from move37.importers.recognition import recognise
from move37.importers.tasks import benchmark_of, model_name
from move37.results import ImportedLog, ImportedSamples, Pooled
from move37.staging import Staged, read_counts, read_log, refuse_unfit, stage_beside, take_in
from move37.store import RunStore


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Logs to import. `models` are their models: one for all paths, one for each path, or none where the logs say.

    `benchmark` decides the verifier, unless `verifier` names another, or "reported" for the log's own scores.
    `problems` is a file or folder of the benchmark, to find questions, answers and tests in.
    """

    paths: tuple[Path, ...]
    format: str = AUTO
    models: tuple[str, ...] = ()
    benchmark: str | None = None
    verifier: str | None = None
    problems: Path | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    threshold: float = 1.0
    base: str | None = None
    accept_differences: str | None = None

    @property
    def reading(self) -> Reading:
        return Reading(self.benchmark, self.fields, self.threshold)


@dataclass(frozen=True, slots=True)
class _Named:
    """A log with the names that it has in the run."""

    log: Log
    model: str
    benchmark: str


def field_names(options: Sequence[str]) -> dict[str, str]:
    """The fields of JSONL files by role, from options as "question=problem". Raises InputError."""
    names = {}
    for option in options:
        role, equals, name = option.partition("=")
        if not equals or not name or role not in ROLES:
            raise InputError(f"--field {option}: expected ROLE=NAME, where ROLE is one of {', '.join(ROLES)}")
        names[role] = name
    return names


def import_samples(format_name: str, path: Path, model: str, benchmark: str, folder: Path) -> ImportedSamples:
    """Bring samples or counts of one model on one benchmark into a run, which is made if it is not there."""
    return import_logs(ImportRequest((path,), format_name, (model,), benchmark), folder)


def import_logs(request: ImportRequest, folder: Path) -> ImportedSamples:
    """Bring logs into a run. Raises InputError with one line, and then nothing was changed."""
    named, notices = _find_logs(request)
    store = RunStore(folder)
    _refuse_known_models(store, named, request)
    with stage_beside(folder) as stage:
        staged: list[tuple[RunStore, Staged]] = []
        for number, each in enumerate(named):
            place = RunStore(stage / str(number))
            try:
                staged.append((place, _read(place, each, request)))
            except NotSamplesError as error:
                if len(named) == 1:
                    raise
                notices.append(f"left out: {error}")
        if not staged:
            raise InputError(notices[-1].removeprefix("left out: "))
        refuse_unfit(store, [each for _, each in staged], request.verifier)
        with store.writing():
            store.adopt(_study_with_imports(store, [each for _, each in staged], request))
            logs = tuple(_told(each, take_in(store, place, each, request.verifier)) for place, each in staged)
            store.compact()
    models = ", ".join(dict.fromkeys(log.model for log in logs))
    problems, samples = max(log.problems for log in logs), sum(log.new for log in logs)
    return ImportedSamples(folder, models, problems, samples, logs, tuple(notices))


def _read(stage: RunStore, each: _Named, request: ImportRequest) -> Staged:
    if each.log.counts is not None:
        return read_counts(each.log, each.model, each.benchmark)
    names = (each.model, each.benchmark, request.verifier)
    return read_log(stage, each.log, *names, request.problems)


def _told(staged: Staged, new: int) -> ImportedLog:
    return ImportedLog(
        format=staged.log.format,
        files=staged.log.files,
        model=staged.model,
        benchmark=staged.benchmark,
        problems=staged.problem_count,
        samples=staged.sample_count,
        new=new,
        scores=staged.labels,
        notices=staged.notices,
    )


# -- which logs, under which names -------------------------------------------------------------------------------------


def _find_logs(request: ImportRequest) -> tuple[list[_Named], list[str]]:
    """The logs in the paths, with their names, and what is worth saying of the files."""
    if len(request.models) > 1 and len(request.models) != len(request.paths):
        raise InputError(
            f"--model: {len(request.models)} names for {len(request.paths)} paths; give one for all, or one for each"
        )
    twice = [name for name, count in Counter(request.models).items() if count > 1]
    if twice:
        raise InputError(f"--model: {twice[0]} stands there twice; give paths of one model under one name")
    # Files of one model belong together; without a name nobody knows yet whose they are.
    groups = [request.paths] if len(request.models) == 1 else [(path,) for path in request.paths]
    names: Sequence[str | None] = request.models or (None,) * len(groups)
    named: list[_Named] = []
    notices: list[str] = []
    for paths, name in zip(groups, names, strict=True):
        logs, said = _logs_in(paths, request)
        notices += said
        named += _with_names(logs, name, request)
    seen: dict[tuple[str, str], _Named] = {}
    for each in named:
        other = seen.setdefault((each.model, each.benchmark), each)
        if other is not each:
            raise InputError(
                f"{each.log.files[0]}: a log of {each.model!r} on {each.benchmark}, and so is {other.log.files[0]}; "
                "give --model once for each path, or once for all that are one model's"
            )
    return named, notices


def _logs_in(paths: Sequence[Path], request: ImportRequest) -> tuple[list[Log], list[str]]:
    if request.format != AUTO:
        importer: Importer = IMPORTERS.load(request.format)()
        for path in paths:
            if not path.exists():
                raise InputError(f"{path}: no such file")
        return importer.logs(paths, request.reading), []
    found = recognise(paths)
    logs: list[Log] = []
    for name, files in found.files.items():
        logs += IMPORTERS.load(name)().logs(files, request.reading)
    notices = [f"recognised {name}: {len(files)} file{'s' * (len(files) > 1)}" for name, files in found.files.items()]
    if found.unclaimed:
        shown = ", ".join(path.name for path in found.unclaimed[:3]) + (", ..." if len(found.unclaimed) > 3 else "")
        notices.append(f"{len(found.unclaimed)} other files hold no samples ({shown})")
    return logs, notices


def _with_names(logs: Sequence[Log], name: str | None, request: ImportRequest) -> list[_Named]:
    """The logs with the model's name given, or their own; of a training each step is a model."""
    own = list(dict.fromkeys(log.model for log in logs))
    steps = all(model is not None and model.startswith("step-") for model in own) and len(own) > 1
    if name is not None and len(own) > 1 and not steps and None not in own:
        raise InputError(
            f"{logs[0].files[0]}: logs of {len(own)} models are here ({', '.join(map(str, own[:4]))}), and --model "
            "gives one name; leave it out, or give the files of one model"
        )
    named = []
    for log in logs:
        if name is None and log.model is None:
            raise InputError(f"{log.files[0]}: does not say which model it is of; give --model NAME")
        if request.benchmark is None and log.task is None:
            raise InputError(f"{log.files[0]}: does not say which benchmark it is of; give --benchmark NAME")
        model = f"{name}-{log.model}" if name and steps else name or model_name(str(log.model))
        named.append(_Named(log, model, request.benchmark or benchmark_of(str(log.task))))
    return named


# -- the study ---------------------------------------------------------------------------------------------------------


def _refuse_known_models(store: RunStore, named: Sequence[_Named], request: ImportRequest) -> None:
    """Raises InputError for a name that the run has already for other samples."""
    models = store.study().models if store.exists else {}
    for each in named:
        there = models.get(each.model)
        same = there is not None and there.engine == IMPORTED and _source(request) in there.path.split(", ")
        if there is None or same:
            continue
        known = {problem.id: problem.benchmark for problem in store.problems()}
        parts = store.samples(each.model)
        ids = parts.collect(parts.scan(["problem_id"]).unique())["problem_id"] if parts.files() else []
        # Another task of the same model may come from another place.
        if there.engine != IMPORTED or not len(ids) or each.benchmark in {known.get(id) for id in ids}:
            raise InputError(
                f"{store.folder}: there is a model {each.model!r} already; import this one under another name"
            )


def _source(request: ImportRequest) -> str:
    return ", ".join(map(str, request.paths))


def _study_with_imports(store: RunStore, staged: Sequence[Staged], request: ImportRequest) -> StudyConfig:
    """The run's study with the imported models added to it."""
    known = store.study() if store.exists else None
    models = dict(known.models) if known else {}
    sources = list(known.problems) if known else []
    for each in staged:
        there = models.get(each.model)
        places = dict.fromkeys([*(there.path.split(", ") if there else ()), *map(str, request.paths)])
        models[each.model] = ModelConfig(path=", ".join(places), engine=IMPORTED)
        origin = ProblemsConfig(benchmark=each.benchmark)
        sources += [origin] if origin not in sources else []
    rest = known.model_dump(exclude={"problems", "models"}) if known else {"name": store.folder.resolve().name}
    analysis = known.analysis.model_dump() if known else {}
    analysis |= {"base": request.base} if request.base else {}
    analysis |= {"accept_differences": request.accept_differences} if request.accept_differences else {}
    return from_options(StudyConfig, **{**rest, "problems": sources, "models": models, "analysis": analysis})


# -- pooling -----------------------------------------------------------------------------------------------------------


def pool_runs(folder: Path, others: list[Path]) -> Pooled:
    """Add the samples of other runs of the same study to this one: a union by key.

    Verdicts are not copied (`move37 verify` makes them). Raises StoreError where a key has other content.
    """
    store = RunStore.open(folder)
    added: dict[str, int] = {}
    with store.writing():
        for other in map(RunStore.open, others):
            for run in (store, other):
                run.require_problems()  # two runs that lost theirs have the same ones, which are none
            study = _with_models_of(store.study(), other.study())
            _refuse_other_problems(store, other)
            store.adopt(study)
            for model in other.models():
                store.record_model(model, other.model_record(model))
                rows = other.samples(model).scan()
                added[model] = added.get(model, 0) + store.absorb_samples(model, rows, str(other.folder))
        store.compact()
    return Pooled(folder, added)


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
