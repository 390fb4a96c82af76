"""A log read to its end into a folder beside the run, and then taken into the run: whole, or not at all.

Samples go to disk as they are read, so that a million of them need no memory; only when the last row was sound, and
everything fits what the run has, are the finished parts moved. Nothing of a log that is refused reaches the run.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from move37.benchmarks import BENCHMARKS
from move37.config import ProblemsConfig, from_options
from move37.counts import AnyTally
from move37.errors import InputError, Move37Error, StoreError
from move37.importers.joining import Joiner
from move37.importers.logs import Log
from move37.importers.problem_index import ProblemIndex
from move37.problems import load_problems
from move37.reported import is_reported, label_of_score
from move37.rows import read_rows
from move37.schema import KEY
from move37.store import REPORTED, ModelRecord, RunStore, SampleWriter
from move37.types import Outcome, Problem, Prompt, Sample, Verdict
from move37.verifiers import CODE

_SAID = "reported by the tool that sampled"
_NEEDS_REFERENCES = ("math", "exact", "numeric", "choice")


@dataclass(frozen=True, slots=True)
class Staged:
    """A log that was read: its samples lie in the stage, the rest is here."""

    log: Log
    model: str
    benchmark: str
    problems: Mapping[str, Problem]
    prompts: Mapping[str, Prompt]
    problem_ids: frozenset[str]
    """Of all samples, also where the log does not tell the problem."""
    labels: tuple[str, ...] = ()
    """Of the tool's own scores, the one that judges most samples first."""
    tally: AnyTally | None = None
    problem_count: int = 0
    sample_count: int = 0
    notices: tuple[str, ...] = ()


@contextmanager
def stage_beside(folder: Path) -> Iterator[Path]:
    """A folder for parts, on the file system of a run that need not be there yet; gone when the block is left."""
    place = folder.absolute().parent
    while not place.is_dir() and place != place.parent:
        place = place.parent
    try:
        with TemporaryDirectory(prefix=".move37-import-", dir=place, ignore_cleanup_errors=True) as stage:
            yield Path(stage)
    except PermissionError as error:
        raise StoreError(f"{place}: cannot be written to ({error.strerror or error})") from error


def read_counts(log: Log, model: str, benchmark: str) -> Staged:
    """Counts, which are small enough to be held."""
    assert log.counts is not None
    tally = log.counts(model)
    ids = frozenset(tally.problem_ids)
    return Staged(
        log,
        model,
        benchmark,
        {},
        {},
        ids,
        tally=tally,
        problem_count=tally.problems,
        sample_count=int(tally.scored.sum()),
        notices=log.remarks.sentences(),
    )


def read_log(
    stage: RunStore, log: Log, model: str, benchmark: str, verifier: str | None, problems: Path | None
) -> Staged:
    """Read the samples of a log into the stage. Raises InputError with the place of the first bad row."""
    decides, said = _verifier_of(benchmark, verifier)
    index = _problem_index(benchmark, problems, decides, verifier)
    own = REPORTED if verifier is not None and is_reported(verifier) else decides
    joiner = Joiner(benchmark, own, log.unique_questions, index.find if index else None)
    ids = _write(stage, log, model, joiner)
    if not joiner.samples:
        raise InputError(f"{log.files[0]}: no samples in it")
    told = {id: replace(problem, verifier=own) for id, problem in joiner.problems.items()}
    if own != REPORTED:
        _refuse_unjudgeable(log, told.values(), own)
    elif not joiner.scored:
        raise InputError(f"{log.files[0]}: no score of the tool's own is in it; give another --verifier")
    return Staged(
        log,
        model,
        benchmark,
        told,
        joiner.prompts,
        ids,
        labels=tuple(label_of_score(log.format, score) for score, _ in joiner.scored.most_common()),
        problem_count=len(ids),
        sample_count=joiner.samples,
        notices=(*said, *log.remarks.sentences(), *joiner.notices()),
    )


def _write(stage: RunStore, log: Log, model: str, joiner: Joiner) -> frozenset[str]:
    """Write samples and the tool's verdicts; the ids of their problems. A failed call is unscored by every score."""
    ids: set[str] = set()
    failed: list[Sample] = []
    with ExitStack() as stack:
        samples: SampleWriter = stack.enter_context(stage.appending_samples(model))
        verdicts: dict[str, Any] = {}
        for joined in joiner.join(log):
            sample = joined.sample
            if joined.is_new:
                ids.add(sample.problem_id)
                samples.add(sample)
                if sample.error is not None and not joined.scores:
                    failed.append(sample)
            for score, outcome in joined.scores.items():
                if score not in verdicts:
                    label = label_of_score(log.format, score)
                    verdicts[score] = stack.enter_context(stage.appending_verdicts(label, model))
                verdicts[score].add(sample, Verdict(outcome, _SAID))
        for sample in failed:
            for writer in verdicts.values():
                writer.add(sample, Verdict(Outcome.UNSCORED, f"the call failed: {sample.error}"))
    return frozenset(ids)


def _verifier_of(benchmark: str, verifier: str | None) -> tuple[str, tuple[str, ...]]:
    """The verifier of a benchmark's problems, and what is worth saying of it."""
    if verifier is not None and not is_reported(verifier):
        return verifier, ()
    if benchmark.partition(":")[0] in BENCHMARKS.known():
        found = BENCHMARKS.load(benchmark.partition(":")[0])
        return (found() if isinstance(found, type) else found).verifier, ()
    if verifier is not None:
        return "math", ()
    return "math", (f"{benchmark} is none of move37's benchmarks: its answers are judged as maths (--verifier)",)


def _problem_index(benchmark: str, path: Path | None, decides: str, verifier: str | None) -> ProblemIndex | None:
    """The benchmark's problems, where they were given or where there is no judging without their tests."""
    if path is None and (decides != CODE or benchmark not in BENCHMARKS.known()):
        return None
    try:
        return ProblemIndex(_problems_of(benchmark, path, decides))
    except Move37Error as error:
        if path is not None:
            raise
        if verifier is not None and is_reported(verifier):
            return None
        raise InputError(
            f"{benchmark}: programs are judged by the benchmark's own tests, which no log holds; give the benchmark's "
            f"file with --problems, or --verifier reported for the log's own scores ({error})"
        ) from error


def _problems_of(benchmark: str, path: Path | None, decides: str) -> Sequence[Problem]:
    """A part of a published set will do: logs are often of a part."""
    if benchmark in BENCHMARKS.names:
        found = BENCHMARKS.load(benchmark)
        if path is not None and path.is_file() and hasattr(found, "problems_of"):
            return found.problems_of(read_rows(path))
        return load_problems((from_options(ProblemsConfig, benchmark=benchmark, path=path),))
    return load_problems((from_options(ProblemsConfig, benchmark="jsonl", path=path, verifier=decides),))


def _refuse_unjudgeable(log: Log, problems: Iterable[Problem], verifier: str) -> None:
    """Raises InputError where a verifier would call everything wrong for lack of anything to compare with."""
    lacking = [
        problem.id
        for problem in problems
        if (verifier in _NEEDS_REFERENCES and not problem.references)
        or (verifier == CODE and not any(map(problem.metadata.get, ("tests", "cases", "pytest"))))
    ]
    if lacking:
        what = "tests" if verifier == CODE else "reference answer"
        raise InputError(
            f"{log.files[0]}: {len(lacking)} problems have no {what} in the log (first: {lacking[0]}); give the "
            "benchmark's file with --problems, or --verifier reported for the log's own scores"
        )


# -- into the run ------------------------------------------------------------------------------------------------------


def refuse_unfit(store: RunStore, logs: Iterable[Staged], verifier: str | None) -> None:
    """Raises InputError for what cannot be taken in, in this order, before anything is written."""
    there = {problem.id for problem in store.problems()} if store.exists else set[str]()
    known = store.current_labels().get(REPORTED) if store.exists else None
    for staged in logs:
        if staged.tally is not None:
            continue
        there |= staged.problems.keys()
        orphans = staged.problem_ids - there
        if orphans:
            raise InputError(
                f"{len(orphans)} problem ids have samples but no question in the file, and are not in the run either "
                f"(first: {min(orphans)}); give the rows their question and answer, or the benchmark's file with "
                "--problems"
            )
        if verifier is not None and is_reported(verifier):
            known = _deciding(staged, verifier, known)


def take_in(store: RunStore, stage: RunStore, staged: Staged, verifier: str | None) -> int:
    """Move what was staged and is fit (`refuse_unfit`) into the run, which is held for writing; how many are new.

    A problem that is here keeps its reference: tools normalise golds in their own ways, and one must judge for all.
    """
    if staged.tally is not None:
        store.add_counts(staged.tally)
        return staged.sample_count
    there = {problem.id for problem in store.problems()}
    store.add_problems(problem for id, problem in staged.problems.items() if id not in there)
    _record(store, staged)
    mine, theirs = store.samples(staged.model), stage.samples(staged.model)
    if staged.problem_ids.isdisjoint(mine.collect(mine.scan(["problem_id"]).unique())["problem_id"]):
        new = theirs.count()
        mine.adopt(theirs)
    else:
        new = store.absorb_samples(staged.model, theirs.scan(), str(store.folder))
    for label in staged.labels:
        _take_verdicts(store, stage, label, staged.model)
    if verifier is not None and is_reported(verifier):
        _let_count(store, staged, verifier)
    return new


def _record(store: RunStore, staged: Staged) -> None:
    """What the log says of its samples. Of a model with several tasks, each under its task's name."""
    known = store.model_record(staged.model)
    settings = dict(staged.log.settings) | ({"notes": "; ".join(staged.notices)} if staged.notices else {})
    if known.identity and any(known.identity.get(name, value) != value for name, value in settings.items()):
        settings = {f"{staged.benchmark}: {name}": value for name, value in settings.items()}
    asked = {prompt.problem_id for prompt in known.prompts}
    new = tuple(prompt for id, prompt in staged.prompts.items() if id not in asked)
    store.record_model(staged.model, ModelRecord({**known.identity, **settings}, (*known.prompts, *new)))


def _take_verdicts(store: RunStore, stage: RunStore, label: str, model: str) -> None:
    mine, theirs = store.verdicts(label, model), stage.verdicts(label, model)
    if not mine.files():
        mine.adopt(theirs)
    elif theirs.files():
        mine.append(mine.collect(theirs.scan().join(mine.scan(KEY), on=KEY, how="anti")))


def _let_count(store: RunStore, staged: Staged, verifier: str) -> None:
    """Let a score of the tool's own decide."""
    store.set_current_labels({REPORTED: _deciding(staged, verifier, store.current_labels().get(REPORTED))})


def _deciding(staged: Staged, verifier: str, known: str | None) -> str:
    """Which of its scores decides, where `known` does already. Raises InputError where that is another one."""
    label = verifier if verifier != REPORTED else known or staged.labels[0]
    if label not in staged.labels or (known is not None and known != label):
        raise InputError(
            f"{staged.log.files[0]}: its scores are {', '.join(staged.labels)}, and {known or label} is to decide: "
            "models that are compared need one score; give --verifier with its name, or one of move37's verifiers"
        )
    return label
