"""The system in one file: problems -> samples -> verdicts -> findings -> report. Read this first.

A study is a run folder (`store.py`) that passes go over, each resumable and each usable alone:

    start_run     problems are loaded once and written down with the resolved study
    sample_run    every model is asked for the samples that it still owes under the study's stopping plan
    verify_run    every sample without a verdict gets one; regrading writes beside the old verdicts
    analyse_run   verdicts become tallies, tallies become findings
    report_run    findings become figures, a page and tables

`compare_counts` joins the last two for people who only have counts; what was sampled elsewhere comes in through
`imports.py`. Each function returns the figures that the command line prints.
"""

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from move37.analyses import Findings
from move37.analyses.agreement import agreement
from move37.analyses.beyond import at_k_in_words, difference_at_k
from move37.analyses.decision import Decision, DecisionPlan, decide, decision_plan, finished_problems
from move37.analyses.details import Evidence
from move37.analyses.findings import Facts, find
from move37.analyses.pairing import paired
from move37.analyses.planning import Forecast, forecast
from move37.analyses.record import comparison_json, findings_json, plain
from move37.calibration import calibrate
from move37.config import AnalysisConfig, ProblemsConfig, StudyConfig, VerificationConfig
from move37.engines import ENGINES
from move37.errors import ConfigError, InputError, MissingExtraError, RunError
from move37.estimates.npmle import fit_joint_mixture
from move37.estimates.planning import AssumedPair, MeanTokens
from move37.estimates.rows import correct_samples, k_limit
from move37.evidence import CALIBRATION, DECISION, RunEvidence, kept_decision
from move37.importers import IMPORTERS
from move37.parts import read_json, write_atomically
from move37.problems import load_problems
from move37.provenance import analysis_rows, run_context
from move37.report import ReportContext
from move37.report.page import write_report
from move37.session import Progress, Session, Silent, sampled_models, template_of
from move37.store import RunStore
from move37.training.recipe import TrainConfig
from move37.types import Problem
from move37.verification import validate
from move37.verifiers.options import check_options, make_verifier

Figures = dict[str, Any]

MOST_DISAGREEMENTS = 1000
"""Disagreements of two verifiers that are listed; all are counted."""


def run_study(study: StudyConfig, folder: Path, progress: Progress | None = None) -> Figures:
    """The whole study. The same call continues a run that was stopped at any point."""
    store = start_run(study, folder)
    sampled = sample_run(store, progress, verify=True)
    rest = verify_run(store, progress=progress)  # of imported samples, and what an earlier call left
    verified = {model: counts + sampled["verified"].get(model, Counter()) for model, counts in rest["verified"].items()}
    return sampled | rest | {"verified": verified} | report_run(store)


def start_run(study: StudyConfig, folder: Path) -> RunStore:
    """Write down what the run is. Refuses unknown names, and a study that contradicts what is there already."""
    _check_names(study)
    store = RunStore(folder)
    problems = load_problems(study.problems) if _must_load(study, store) else store.problems()
    study = study.within_budget(len(problems))
    with store.writing():
        store.refuse_changes(study)
        store.take_problems(problems, "problems")
        store.adopt(study)
    return store


def sample_run(store: RunStore, progress: Progress | None = None, verify: bool = False) -> Figures:
    """Ask every model for the samples that it owes. Models that owe nothing are not loaded.

    With `verify` samples are judged while the next ones are made. Under a stopping plan they always are: there a model
    is sampled in rounds, from look to look, and each round has its verdicts before the next begins.
    """
    problem_ids = [problem.id for problem in store.problems()]
    made: dict[str, int] = {}
    with Session(store, progress) as session:
        for name in sampled_models(store.study()):
            samples = session.sample(name, problem_ids, verify)
            made |= {name: samples} if samples else {}
            session.release(name)  # one model in memory at a time
    plan = str(store.study().sampling.plan())
    return {
        "run": str(store.folder),
        "problems": len(problem_ids),
        "sampled": made,
        "plan": plan,
        "verified": session.verified,
    }


def sample_until_decided(
    store: RunStore, alpha: float = 0.05, block: int = 16, progress: Progress | None = None
) -> tuple[Decision, Figures]:
    """Sample two models problem by problem, in random order, until it is clear which of them solves more.

    `block` problems at a time; both models stay loaded. The error probability `alpha` holds for looking after every
    problem (`estimates/anytime.py`). The decision is kept in decision.json. Raises InputError unless there are two.
    """
    study, problem_ids = store.study(), [problem.id for problem in store.problems()]
    names = sorted(sampled_models(study), key=lambda name: name != study.base_model())
    if len(names) != 2:
        raise InputError(f"--until decided compares two models that are sampled here, and this study has {len(names)}")
    plan = decision_plan(problem_ids, study.sampling.n, study.seed, block, alpha)
    _refuse_another_question(kept_decision(store.folder), plan, store.folder)
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
        write_atomically(store.folder / DECISION, _json_bytes(plain(decision)))
    return decision, {"run": str(store.folder), "sampled": made, "decision": plain(decision)}


def verify_run(
    store: RunStore,
    verifier: str | None = None,
    progress: Progress | None = None,
    settings: VerificationConfig | None = None,
    retry_unscored: bool = False,
) -> Figures:
    """Give a verdict to every sample that has none under the verifier's present version.

    `verifier` replaces the problems' own (regrading). The verdicts made or completed here become the current ones.
    `settings` of verification count in place of the study's; what changes verdicts is part of their label.
    `retry_unscored` judges again what was left unscored, after an endpoint was down or a machine short of memory.
    """
    with Session(store, progress, settings) as session:
        session.verify(store.models(), verifier, retry_unscored=retry_unscored)
    return {"run": str(store.folder), "verified": session.verified, "verifiers": store.current_labels()}


def compare_verifiers(
    store: RunStore,
    first: str,
    second: str,
    progress: Progress | None = None,
    settings: VerificationConfig | None = None,
) -> Figures:
    """Judge all samples with two verifiers: where they differ, and what that does to the curves.

    The first one's verdicts become the current ones.
    """
    models = store.models()
    with Session(store, progress, settings) as session:
        labels = session.verify(models, first), session.verify(models, second, make_current=False)
    evidence = RunEvidence(store, judged_by=labels[0])
    differences = {}
    for model in models:
        twice, plan = evidence.compare_verdicts(model, labels[1]), store.plan(model)
        found = agreement(model, *labels, twice, evidence.references, None if plan is None else plan.first_stop)
        differences[model] = {
            "samples": found.samples,
            "differ": len(found.disagreements),
            "k": found.k,
            "pass_at_1": found.pass_at_1,
            "pass_at_k": found.pass_at_k,
            "disagreements": [plain(each) for each in found.disagreements[:MOST_DISAGREEMENTS]],
        }
    return {"run": str(store.folder), "verifiers": list(labels), "models": differences}


def analyse_run(store: RunStore) -> Findings:
    """What the verdicts say. Also written to analyses.json, every number of it."""
    settings = store.study().analysis
    models = store.models()
    if not models:
        raise InputError(f"{store.folder}: no samples or counts yet; run `move37 sample {store.folder}`")
    base = store.study().base_model()
    ordered = sorted(models, key=lambda name: name != base)
    evidence = RunEvidence(store)
    known = [evidence.of_model(name) for name in ordered]
    findings = find(known, settings.confidence, settings.draws, settings.seed, evidence.facts())
    write_atomically(store.folder / "analyses.json", _json_bytes(findings_json(findings)))
    return findings


def report_run(store: RunStore) -> Figures:
    """Analyse and write report.html, report.md, figures/ and tables/ into the run folder."""
    findings = analyse_run(store)
    page = write_report(findings, run_context(store), store.folder)
    return {"run": str(store.folder), "report": str(page), "warnings": list(findings.warnings)}


def compare_counts(
    base: Path, rl: Path, settings: AnalysisConfig, out: Path | None = None, at_k: int | None = None
) -> tuple[Findings, Figures]:
    """Compare two files of counts. With `out`, the report and analyses.json are written there too.

    `at_k` asks for the difference at one k, also beyond n; past twice n the answer is a refusal with bounds.
    """
    load = IMPORTERS.load("counts")().load
    imported = [load(path, name, "counts") for path, name in ((base, "base"), (rl, "rl"))]
    evidence = [Evidence(each.counts) for each in imported if each.counts is not None]
    facts = Facts(monte_carlo_error=settings.monte_carlo_error, beyond=out is not None and settings.beyond)
    findings = find(evidence, settings.confidence, settings.draws, settings.seed, facts)
    figures = comparison_json(findings.comparisons[0], *findings.curves)
    if at_k is not None:
        base_tally, rl_tally = (each.tally for each in evidence)
        found = difference_at_k(base_tally, rl_tally, at_k, settings.confidence)
        figures["at_k"] = plain(found) | {"in_words": at_k_in_words(found)}
    if out is not None:
        write_atomically(out / "analyses.json", _json_bytes(findings_json(findings)))
        context = ReportContext(
            title=f"{rl.name} against {base.name}",
            note="Made from counts of correct samples; no sample was seen.",
            settings=(("base counts", str(base)), ("RL counts", str(rl)), *analysis_rows(settings)),
            prompts=(),
            command=f"move37 compare {base} {rl} --out {out}",
        )
        figures["report"] = str(write_report(findings, context, out))
    return findings, figures


def train_model(recipe: TrainConfig, folder: Path, console: Console | None = None) -> Figures:
    """Do what a training recipe says, in `folder`, and draw it on `console` as it goes.

    Raises MissingExtraError where torch is not installed.
    """
    try:
        from move37.training.loop import train  # here: these load torch
        from move37.training.view import TerminalView
    except ImportError as error:
        raise MissingExtraError(f"training needs {error.name}: pip install 'move37[local]'") from error
    return train(recipe, folder, TerminalView(console) if console is not None else None)


def plan_study(
    study: StudyConfig, pilot: Path | None = None, token_budget: float | None = None, tokens: float | None = None
) -> tuple[Forecast, Figures]:
    """What the study will cost and can show, before anything is spent.

    The problems are taken to be like those of `pilot`, a run that has verdicts of base and another model; without it,
    like the reference counts. `tokens` is the mean length of a sample where no pilot says it.
    """
    problems = load_problems(study.problems)
    lengths = None if tokens is None else (MeanTokens(tokens, tokens), MeanTokens(tokens, tokens))
    names = list(study.models) or ["base", "rl"]
    assumed, pair, pilot_n = "", None, None
    if pilot is not None:
        pair, lengths, assumed, pilot_n = _pilot_law(RunStore.open(pilot), lengths)
    planned = forecast(
        len(problems),
        study.sampling.plan(),
        pair,
        lengths,
        base=names[0],
        rl=names[1] if len(names) > 1 else "rl",
        rl_models=max(0, len(names) - 1),
        assumed=assumed,
        pilot_n=pilot_n,
        token_budget=token_budget,
        alpha=1 - study.analysis.confidence,
    )
    return planned, plain(planned)


def validate_benchmark(source: ProblemsConfig, settings: VerificationConfig | None = None) -> Figures:
    """Does every reference answer of a benchmark pass the benchmark's own verifier?"""
    problems = load_problems((source,))
    failures = validate(problems, settings)
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


def calibrate_benchmark(
    source: ProblemsConfig, settings: VerificationConfig, progress: Progress | None = None, **numbers: int
) -> Figures:
    """What the benchmark's verifier does with its references and with corrupted ones; `numbers` are `calibrate`'s."""
    return {"calibrations": _calibrations(load_problems((source,)), None, settings, progress, **numbers)}


def calibrate_run(
    store: RunStore,
    settings: VerificationConfig,
    verifier: str | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    **numbers: int,
) -> Figures:
    """The same for a run's problems. Kept in calibration.json, by the verifier's label."""
    found = _calibrations(store.problems()[:limit], verifier, settings, progress, **numbers)
    path = store.folder / CALIBRATION
    with store.writing():
        known = read_json(path) or {}
        write_atomically(path, _json_bytes(known | {each["verifier"]: each for each in found}))
    return {"run": str(store.folder), "calibrations": found}


def _calibrations(
    problems: Sequence[Problem],
    replacement: str | None,
    settings: VerificationConfig,
    progress: Progress | None,
    **numbers: int,
) -> list[Figures]:
    """One for each verifier that the problems have."""
    by_verifier: dict[str, list[Problem]] = {}
    for problem in problems:
        by_verifier.setdefault(replacement or problem.verifier, []).append(problem)
    made = []
    for name, own in by_verifier.items():
        track = partial((progress or Silent()).track, f"Calibrating {name}", unit="answers")
        made.append(plain(calibrate(make_verifier(name, settings), own, settings, track=track, **numbers)))
    return made


def _must_load(study: StudyConfig, store: RunStore) -> bool:
    """Whether problems have to be read again: they are not here, or come from a file that may have been edited."""
    if not store.exists or not store.problems() or store.study().problems != study.problems:
        return True
    return any(source.path is not None for source in study.problems)


def _check_names(study: StudyConfig) -> None:
    """Refuse a name that is on no shelf, and options that no verifier has, before anything is loaded."""
    template_of(study)
    check_options(study.verification)
    for name in sampled_models(study):
        ENGINES.load(study.models[name].engine)
    for source in study.problems:
        if source.verifier is not None:
            make_verifier(source.verifier, study.verification)


def _refuse_another_question(known: Decision | None, plan: DecisionPlan, folder: Path) -> None:
    """Raising k or alpha after a look at the outcomes is what the e-value does not cover."""
    if known is not None and (known.k, known.alpha) != (plan.k, plan.alpha):
        raise ConfigError(
            f"{folder}: was sampled until decided with n = {known.k} and alpha = {known.alpha:g}; another question "
            f"(n = {plan.k}, alpha = {plan.alpha:g}) needs fresh samples in another --out folder"
        )


def _pilot_law(
    store: RunStore, lengths: tuple[MeanTokens, MeanTokens] | None
) -> tuple[AssumedPair, tuple[MeanTokens, MeanTokens] | None, str, int]:
    """The law of a pilot's problems under base and its first other model, its lengths, its name and its n."""
    names = list(store.models())[:2]
    if len(names) < 2:
        raise InputError(f"{store.folder}: a pilot needs base and another model with verdicts, and has {len(names)}")
    evidence = RunEvidence(store)
    base, rl = paired(*(evidence.tally(name) for name in names))
    fitted = fit_joint_mixture(correct_samples(base), base.scored, correct_samples(rl), rl.scored)
    of_base, of_rl = (evidence.mean_tokens_by_outcome(name) for name in names)
    if lengths is None and of_base and of_rl:
        lengths = MeanTokens(*of_base), MeanTokens(*of_rl)
    law = AssumedPair(fitted.base_p, fitted.rl_p, fitted.weight)
    name = f"the pilot {store.folder.name} ({base.problems} problems, {names[0]} and {names[1]})"
    return law, lengths, name, min(k_limit(base), k_limit(rl))


def _json_bytes(value: Figures) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
