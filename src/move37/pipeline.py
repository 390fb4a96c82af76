"""The system in one file: problems -> samples -> verdicts -> findings -> report. Read this first.

A study is a run folder (`store.py`) that passes go over, each resumable and each usable alone:

    start_run     problems are loaded once and written down with the resolved study
    train_run     models that are recipes are trained
    sample_run    every model is asked for the samples that it still owes under the study's stopping plan
    verify_run    every sample without a verdict gets one; regrading writes beside the old verdicts
    analyse_run   verdicts become tallies, tallies become findings
    report_run    findings become figures, a page and tables

`comparison.compare_counts` joins the last two for people who only have counts; what was sampled elsewhere comes in by
`imports.py`. Each function returns what it did as an object of `results.py`, which the command line prints.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from move37.analyses import Findings
from move37.analyses.agreement import agreement
from move37.analyses.decision import decide, decision_plan, finished_problems, refuse_another_question
from move37.analyses.details import ModelData
from move37.analyses.exact_truth import Thresholds, exact_findings
from move37.analyses.findings import cluster_labels, find
from move37.analyses.pairing import name_some
from move37.analyses.planning import Forecast, forecast
from move37.analyses.serialise import findings_json, plain
from move37.audit import MAX_CORRECT, Exported, ReadBack, export, read_back
from move37.comparison import band_of
from move37.comparison import compare_counts as compare_counts
from move37.config import ProblemsConfig, SamplingConfig, StudyConfig, VerificationConfig
from move37.entropy_matching import match_owed, with_found
from move37.error_rates import ChainCalibration
from move37.errors import InputError, MissingExtraError, RunError, SamplesLeftError
from move37.estimates.planning import MeanTokens
from move37.evidence import CALIBRATION, DECISION, RunEvidence, kept_decision, on_common_problems
from move37.fairness import refuse_differences
from move37.files import read_json, write_atomically, write_json
from move37.probe import Probed, probe_run
from move37.problems import load_problems
from move37.progress import Progress, Silent
from move37.provenance import run_context
from move37.report.exports import exact_csv_files
from move37.report.page import write_report
from move37.report.words import unnamed
from move37.report.words.first_screen import first_screen
from move37.report.words.tallied import answer_lines
from move37.results import (
    Calibrated,
    Decided,
    ExactTruth,
    FailedReference,
    Reported,
    ResponsesScored,
    Sampled,
    StudyRun,
    Trainings,
    Validated,
    Verified,
    VerifiersCompared,
)
from move37.scoring import score_pairs, score_references, scored_pairs
from move37.second_looks import CHAIN_CALIBRATION, accepted, right_responses, unsolved
from move37.session import Session, check_names, sampled_models
from move37.store import RunStore
from move37.training.recipe import TrainConfig
from move37.training.result import Trained
from move37.trainings import check_trainings, train_owed
from move37.truth import is_quickly_known, known_checkpoint, known_models
from move37.verification import validate
from move37.verifiers.options import make_verifier
from move37.workload import Workload, workload_of
from move37.zero_set import ZeroSetSampled, zero_set_for


def run_study(
    study: StudyConfig,
    folder: Path,
    progress: Progress | None = None,
    before_report: Callable[[], object] = lambda: None,
) -> StudyRun:
    """The whole study. The same call continues a run that was stopped at any point."""
    store = start_run(study, folder)
    trained = train_run(store, progress)
    sampled = sample_run(store, progress, verify=True)
    rest = verify_run(store, progress=progress)  # of imported samples, and what an earlier call left
    if is_quickly_known(store):
        with store.writing():
            known_models(store, progress, every=False, among=RunEvidence(store).analysed())
    before_report()
    verdicts = {model: counts + sampled.verified.get(model, Counter()) for model, counts in rest.verified.items()}
    return StudyRun(trained, sampled, Verified(store.folder, verdicts, rest.verifiers), report_run(store))


def dry_run(study: StudyConfig, folder: Path) -> Workload:
    """What `run_study` would train and sample, and about how long that takes. Writes nothing."""
    check_names(study, folder)
    return workload_of(study, folder)


def start_run(study: StudyConfig, folder: Path) -> RunStore:
    """Write down what the run is. Refuses unknown names, and a study that contradicts what is there already."""
    check_names(study, folder)
    check_trainings(study, folder)
    store = RunStore(folder)
    study = with_found(study, store)
    problems = load_problems(study.problems) if store.lacks_problems_of(study) else store.problems()
    study = study.within_budget(len(problems))
    with store.writing():
        store.refuse_changes(study)
        store.take_problems(problems, "problems")
        store.adopt(study)
    return store


def train_run(store: RunStore, progress: Progress | None = None) -> Trainings:
    """Train the models that are recipes, as far as they are not trained yet. Then find temperatures that are asked for
    by an entropy: models may be needed for that."""
    trained = train_owed(store, progress)
    return Trainings(store.folder, trained, match_owed(store, progress))


def sample_run(store: RunStore, progress: Progress | None = None, verify: bool = False) -> Sampled:
    """Ask every model for the samples that it owes. Models that owe nothing are not loaded, others trained if need be.

    With `verify` samples are judged while the next ones are made. Under a stopping plan they always are: there a model
    is sampled in rounds, from look to look, and each round has its verdicts before the next begins.

    Raises SamplesLeftError where some samples cannot be made, when all others of all models are.
    """
    problem_ids = [problem.id for problem in store.problems()]
    train_run(store, progress)
    made: dict[str, int] = {}
    left: SamplesLeftError | None = None
    with Session(store, progress) as session:
        for name in sampled_models(store.study()):
            try:
                samples = session.sample(name, problem_ids, verify)
                made |= {name: samples} if samples else {}
            except SamplesLeftError as error:
                left = left or error
            session.release(name)  # one model in memory at a time
    if left is not None:
        raise left
    plan = store.study().sampling.plan()
    return Sampled(store.folder, len(problem_ids), made, str(plan), session.verified, tuple(session.unchecked))


def sample_until_decided(
    store: RunStore, alpha: float = 0.05, block: int = 16, progress: Progress | None = None
) -> Decided:
    """Sample two models problem by problem, in random order, until it is clear which of them solves more.

    `block` problems at a time; both models stay loaded. The error probability `alpha` holds for looking after every
    problem (`estimates/anytime.py`). The decision is kept in decision.json. Raises InputError unless there are two.
    """
    study, problem_ids = store.study(), [problem.id for problem in store.problems()]
    names = sorted(sampled_models(study), key=lambda name: name != study.base_model())
    if len(names) != 2:
        raise InputError(f"--until decided compares two models that are sampled here, and this study has {len(names)}")
    clusters = cluster_labels(store.problems(), study.analysis.clusters)
    plan = decision_plan(problem_ids, study.sampling.n, study.seed, block, alpha, clusters)
    refuse_another_question(kept_decision(store.folder), plan, str(store.folder))
    train_run(store, progress)
    made: Counter[str] = Counter()
    asked: tuple[str, ...] = ()
    with Session(store, progress) as session:
        while True:
            session.verify(names)
            base, rl = (store.outcomes(name, problem_ids, plan.k) for name in names)
            decision = decide(plan, finished_problems(problem_ids, base, rl, plan.k), *names)
            if not decision.next_problems:
                break
            if asked and decision.next_problems == asked:
                raise RunError(f"{store.folder}: problem {asked[0]} was sampled and verified, and is not finished")
            asked = decision.next_problems
            for name in names:
                made[name] += session.sample(name, asked)
        write_json(store.folder / DECISION, plain(decision))
    return Decided(store.folder, made, decision)


def sample_zero_set(store: RunStore, n: int, progress: Progress | None = None) -> ZeroSetSampled:
    """Sample the problems that base solves in none of its samples `n` times more, by every model (`zero_set.py`).

    Raises InputError where base has not all samples of the study yet, or solves every problem.
    """
    study, problem_ids = store.study(), [problem.id for problem in store.problems()]
    names = sorted(sampled_models(study), key=lambda name: name != study.base_model())
    if not names or names[0] != study.base_model():
        raise InputError(
            f"{store.folder}: --zero-set samples base again, and {study.base_model()!r} was made elsewhere"
        )
    made: dict[str, int] = {}
    with Session(store, progress) as session:
        session.verify(names[:1])
        never = unsolved(RunEvidence(store), names[0], problem_ids)
        chosen = zero_set_for(store.folder, names[0], study.sampling.n, never, n)
        for name in names:
            made[name] = session.sample_indices(name, chosen.problems, chosen.indices)
            session.release(name)
    return ZeroSetSampled(store.folder, chosen, {name: count for name, count in made.items() if count})


def probe_models(store: RunStore, model: str | None = None, progress: Progress | None = None) -> Probed:
    """Show each sampled model (or one) parts of the questions, and keep what it makes of them (`probe.py`)."""
    names = sampled_models(store.study())
    if model is not None and model not in names:
        raise InputError(
            f"--model: no sampled model {model!r} in {store.folder} (models: {', '.join(names) or 'none'})"
        )
    return probe_run(store, names if model is None else [model], progress)


def verify_run(
    store: RunStore,
    verifier: str | None = None,
    progress: Progress | None = None,
    settings: VerificationConfig | None = None,
    retry_unscored: bool = False,
) -> Verified:
    """Give a verdict to every sample that has none under the verifier's present version.

    `verifier` replaces the problems' own (regrading). The verdicts made or completed here become the current ones.
    `settings` of verification count in place of the study's; what changes verdicts is part of their label.
    `retry_unscored` judges again what was left unscored, after an endpoint was down or a machine short of memory.
    """
    with Session(store, progress, settings) as session:
        session.verify(store.models(), verifier, retry_unscored=retry_unscored)
    return Verified(store.folder, session.verified, store.current_labels())


def compare_verifiers(
    store: RunStore,
    first: str,
    second: str,
    progress: Progress | None = None,
    settings: VerificationConfig | None = None,
) -> VerifiersCompared:
    """Judge all samples with two verifiers: where they differ, and what that does to the curves.

    The first one's verdicts become the current ones.
    """
    models = store.models()
    with Session(store, progress, settings) as session:
        labels = session.verify(models, first), session.verify(models, second, make_current=False)
    evidence = RunEvidence(store, judged_by=labels[0])
    found = {}
    for model in models:
        twice, plan = evidence.compare_verdicts(model, labels[1]), store.plan(model)
        first_stop = None if plan is None else plan.first_stop
        found[model] = agreement(model, *labels, twice, evidence.references, first_stop)
    return VerifiersCompared(store.folder, labels, found)


def analyse_run(store: RunStore, out: Path | None = None) -> Findings:
    """What the verdicts say. Also written to analyses.json, every number of it: in the run folder, or in `out`."""
    first, *_ = [_analysed(part, folder) for part, folder in parts_of(store, out)]
    return first


def _analysed(store: RunStore, folder: Path) -> Findings:
    """What a run, or a part of one, that has one base says; also written into `folder`."""
    findings = findings_of(store)
    write_json(folder / "analyses.json", findings_json(findings))
    return findings


def parts_of(store: RunStore, out: Path | None = None) -> list[tuple[RunStore, Path]]:
    """The run in parts with one base each, and the folder of each one's report; of most runs it is one."""
    folder, (first, *others) = out or store.folder, store.study().base_models() or (None,)
    if first is None or not others:
        return [(store, folder)]
    known = [base for base in others if set(store.study().against(base).models) & set(store.models())]
    return [(store.against(first), folder), *((store.against(each), folder / f"against-{each}") for each in known)]


def findings_of(store: RunStore) -> Findings:
    """The same, and nothing is written. Raises InputError for a run without samples or counts."""
    settings, evidence = store.study().analysis, RunEvidence(store)
    models = evidence.models()
    if not models:
        raise InputError(f"{store.folder}: no samples or counts yet; run `move37 sample {store.folder}`")
    base = store.study().base_model()
    ordered = sorted(models, key=lambda name: name != base)
    differ = refuse_differences(store)
    known = [evidence.of_model(name) for name in ordered]
    _refuse_unverified(evidence, known)
    known = on_common_problems(known) if differ else known
    return find(known, band_of(settings), evidence.facts())


def _refuse_unverified(evidence: RunEvidence, known: Sequence[ModelData]) -> None:
    """Raises InputError, which says what to do, where a model lacks problems because its samples wait for verdicts."""
    every = frozenset[str]().union(*(each.tally.id_set for each in known))
    for each in known:
        waiting = evidence.without_verdict(each.tally.model) if each.tally.id_set != every else 0
        if waiting:
            raise InputError(
                f"{evidence.store.folder}: {waiting:,} samples of {each.tally.model!r} have no verdict yet, on "
                f"{name_some(sorted(every - each.tally.id_set))} none has; run `move37 verify {evidence.store.folder}`"
            )


def accept_differences(store: RunStore, reason: str) -> None:
    """Let models that were asked differently be compared all the same; every report prints the reason."""
    with store.writing():
        study = store.study()
        analysis = study.analysis.model_copy(update={"accept_differences": reason})
        store.adopt(study.model_copy(update={"analysis": analysis}))


def report_run(store: RunStore, out: Path | None = None, single_file: bool = True) -> Reported:
    """Analyse and write report.html, report.md, report.json, figures/ and tables/ into the run folder.

    With `out` all of it goes there and nothing is written to the run, which may be on a share that is only read.
    Unless it is a `single_file`, report.html links to the files beside it and does not hold them.
    """
    (first, folder), *others = parts_of(store, out)
    reports = tuple(_reported(part, its_own, out, single_file) for part, its_own in others)
    return replace(_reported(first, folder, out, single_file), others=reports)


def _reported(store: RunStore, folder: Path, out: Path | None, single_file: bool) -> Reported:
    """The report of a run, or a part of one, that has one base."""
    findings = _analysed(store, folder)
    page = write_report(findings, run_context(store, out), folder, single_file)
    screen = first_screen(findings)
    title, answers = unnamed(screen.title.text), tuple(map(unnamed, answer_lines(screen)))
    return Reported(store.folder, page, findings.warnings, title, answers)


def exact_checkpoint(
    path: str,
    source: ProblemsConfig,
    sampling: SamplingConfig,
    out: Path | None = None,
    progress: Progress | None = None,
) -> ExactTruth:
    """The chance that a model of the countdown world solves each of these puzzles, without a sample.

    With `out`, tables are written there: the curve, the puzzles, and every right chain with its chance.
    """
    known = known_checkpoint(path, load_problems((source,)), sampling, progress)
    found = exact_findings([known])
    assert found is not None
    if out is not None:
        for name, text in exact_csv_files([known], found).items():
            write_atomically(out / name, text.encode())
    return ExactTruth(found)


def exact_run(store: RunStore, thresholds: Thresholds | None = None, progress: Progress | None = None) -> ExactTruth:
    """The same for the puzzles and models of a run, whose report shows it from then on."""
    with store.writing():
        found = exact_findings(known_models(store, progress), thresholds=thresholds)
    assert found is not None
    return ExactTruth(found, store.folder)


def score_run(
    store: RunStore,
    authors: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    references: Path | None = None,
    with_references: bool = False,
    progress: Progress | None = None,
) -> ResponsesScored:
    """Every model's stored responses under every other model, or those that are named; resumable.

    With references, reference solutions too: the problems' own, or those in the file `references`.
    """
    with store.writing():
        pairs = scored_pairs(store, authors, models)
        done = score_pairs(store, pairs, progress)
        if with_references or references is not None:
            under = list(models or dict.fromkeys(model for _, model in scored_pairs(store, None, None)))
            done += score_references(store, under, references, progress)
    return ResponsesScored(store.folder, tuple(done))


def train_model(recipe: TrainConfig, folder: Path, console: Console | None = None, lines: bool = False) -> Trained:
    """Do what a training recipe says, in `folder`, and draw it on `console` as it goes, or write `lines` of it.

    Raises MissingExtraError where torch is not installed.
    """
    try:
        from move37.training.loop import train  # here: these load torch
        from move37.training.view import LineView, TerminalView
    except ImportError as error:
        raise MissingExtraError(f"training needs {error.name}: pip install 'move37[local]'") from error
    view = TerminalView(console) if console is not None else LineView() if lines else None
    return train(recipe, folder, view)


def plan_study(
    study: StudyConfig,
    pilot: Path | None = None,
    token_budget: float | None = None,
    tokens: float | None = None,
    studies: int = 0,
) -> Forecast:
    """What the study will cost and can show, before anything is spent.

    The problems are taken to be like those of `pilot`, a run that has verdicts of base and another model; without it,
    like the reference counts. `tokens` is the mean length of a sample where no pilot says it. `studies` are simulated
    for each plan that is considered: what their headlines could say.
    """
    problems = load_problems(study.problems)
    lengths = None if tokens is None else (MeanTokens(tokens, tokens), MeanTokens(tokens, tokens))
    names = list(study.models) or ["base", "rl"]
    known = RunEvidence(RunStore.open(pilot)).pilot() if pilot is not None else None
    return forecast(
        len(problems),
        study.sampling.plan(),
        known.pair if known else None,
        lengths or (known.lengths if known else None),
        base=names[0],
        rl=names[1] if len(names) > 1 else "rl",
        rl_models=max(0, len(names) - 1),
        assumed=known.name if known else "",
        pilot_n=known.n if known else None,
        token_budget=token_budget,
        alpha=1 - study.analysis.confidence,
        studies=studies,
    )


def export_audit(store: RunStore, out: Path | None = None, max_correct: int = MAX_CORRECT) -> Exported:
    """Write down, for readers, the accepted samples of problems that a model solved rarely; whose they are is hidden.

    Raises InputError where there are no samples (counts alone cannot be read), and where no problem is of that kind.
    """
    evidence = RunEvidence(store)
    sampled = [model for model in store.models() if store.samples(model).files()]
    found = {model: accepted(evidence, model, max_correct) for model in sampled}
    return export(store, found, max_correct, out or store.folder / "audit.jsonl")


def read_audit(store: RunStore, path: Path) -> ReadBack:
    """Take in what readers said of the chains. Raises InputError for a file that is not of this run's audit."""
    return read_back(store, path)


def validate_benchmark(source: ProblemsConfig, settings: VerificationConfig | None = None) -> Validated:
    """Does every reference answer of a benchmark pass the benchmark's own verifier?"""
    problems = load_problems((source,))
    failures = tuple(
        FailedReference(f.problem.id, f.reference, f.verdict.outcome, f.verdict.reason)
        for f in validate(problems, settings)
    )
    return Validated(source.benchmark, len(problems), sum(len(each.references) for each in problems), failures)


def calibrate_benchmark(
    source: ProblemsConfig, settings: VerificationConfig, progress: Progress | None = None, **numbers: int
) -> Calibrated:
    """What the benchmark's verifier does with its references and with corrupted ones; `numbers` are `calibrate`'s."""
    from move37.calibration import calibrate_each  # here: it loads every reader of answers

    track = (progress or Silent()).track
    return Calibrated(tuple(calibrate_each(load_problems((source,)), settings, None, track, **numbers)))


def calibrate_run(
    store: RunStore,
    settings: VerificationConfig,
    verifier: str | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    **numbers: int,
) -> Calibrated:
    """The same for a run's problems. Kept in calibration.json, by the verifier's label."""
    from move37.calibration import calibrate_each  # here: it loads every reader of answers

    track = (progress or Silent()).track
    found = calibrate_each(store.problems()[:limit], settings, verifier, track, **numbers)
    path = store.folder / CALIBRATION
    with store.writing():
        write_json(path, (read_json(path) or {}) | {each.verifier: plain(each) for each in found})
    return Calibrated(tuple(found), store.folder)


def calibrate_run_chains(
    store: RunStore,
    settings: VerificationConfig,
    verifier: str,
    limit: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> ChainCalibration:
    """What a judge of whole responses does with right ones whose reasoning is corrupted; kept by the judge's label.

    Raises InputError where the run has no right response.
    """
    from move37.calibration import calibrate_chains  # here: it loads every reader of answers

    chains = right_responses(RunEvidence(store), limit)
    track = partial((progress or Silent()).track, f"Calibrating {verifier}", unit="chains")
    found = calibrate_chains(make_verifier(verifier, settings), chains, settings, seed, track=track)
    path = store.folder / CHAIN_CALIBRATION
    with store.writing():
        write_json(path, (read_json(path) or {}) | {found.verifier: plain(found)})
    return found
