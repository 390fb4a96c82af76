"""The commands. Each reads its arguments, calls one function of `pipeline.py`, and prints what it returns.

With --json, wherever it stands, one JSON object goes to standard output and nothing else, however the command ends:
{"command", "ok", ...figures}, for `compare` the comparison alone; after an error {"command", "ok": false, "error",
"exit_code"}; for --help {"command", "ok", "help"}. Exit codes: 0 done, 1 the run failed, 2 bad usage or input, 130
interrupted, 143 terminated (a scheduler's SIGTERM). Errors are one line on standard error; --debug adds the traceback.
"""

import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from move37.console import complain, tell
from move37.errors import InputError, Move37Error, described
from move37.interrupts import Terminated, end_at_once, raise_from_now_on
from move37.threads import let_threads_sleep

if TYPE_CHECKING:
    from move37.registry import Registry

REGISTRIES = {
    "engines": "move37.engines",
    "environments": "move37.environments",
    "executors": "move37.executors",
    "verifiers": "move37.verifiers",
    "benchmarks": "move37.benchmarks",
    "algorithms": "move37.training.algorithms",
    "importers": "move37.importers",
    "exporters": "move37.exporters",
}
"""What `move37 list` knows, and the module that holds it, under its name in capitals."""


app = typer.Typer(
    name="move37",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Does RLVR give a language model moves it did not have, or does it only play known moves more often?",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Run = Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder to write to.", metavar="DIR")]
Accept = Annotated[
    str | None,
    typer.Option(
        "--accept-differences", help="Why imported models that were asked differently are compared.", metavar="REASON"
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", help="An option of a verifier, as in judge.model=NAME.", metavar="NAME.KEY=VALUE"),
]

NOTHING_LIKE_THAT = "No sample is like that."


@contextmanager
def command(name: str, as_json: bool) -> Iterator[Callable[..., None]]:
    """Enter, once all that a command needs is loaded, for a function that takes what to print under --json: objects
    of `results.py`, or figures, which are put together. An error is printed too, for whoever calls the app in his own
    process; `main` has the last word on what is printed."""

    def emit(*results: Any) -> None:
        if as_json:
            from move37.analyses.serialise import plain

            figures: dict[str, Any] = {"command": name, "ok": True}
            for result in results:
                figures |= plain(result)
            print(json.dumps(figures))

    raise_from_now_on()
    try:
        yield emit
    except Move37Error as error:
        if as_json:
            print(json.dumps({"command": name, "ok": False, "error": str(error)}))
        raise


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study, a TOML file.", metavar="STUDY.toml")],
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run a whole study: sample, verify, analyse, report. The same command continues a stopped run."""
    from move37 import pipeline, terminal
    from move37.config import load_study

    with command("run", as_json) as emit:
        config = load_study(study)
        done = pipeline.run_study(config, out or Path("runs") / config.name, terminal.progress(as_json))
        emit(done.sampled, done.verified, done.reported)
    tell(as_json, f"Report: {done.reported.report}", done.reported.warnings)


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(help="A run folder, or a study file to start one.", metavar="RUN")],
    out: Out = None,
    until: Annotated[
        str | None,
        typer.Option(help="`decided`: two models, problem by problem, until it is clear which solves more."),
    ] = None,
    alpha: Annotated[float, typer.Option(help="Error probability of --until decided.")] = 0.05,
    block: Annotated[int, typer.Option(help="Problems between two looks of --until decided.")] = 16,
    zero_set: Annotated[
        int | None,
        typer.Option(min=1, max=10**6, help="Sample what base never solved so many times more, by all.", metavar="N"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask every model for the samples that it still owes under the study's stopping plan."""
    from move37 import pipeline, terminal
    from move37.config import load_study
    from move37.report.words.claim import texts
    from move37.report.words.findings import decision_sentences
    from move37.results import Decided
    from move37.store import RunStore

    with command("sample", as_json) as emit:
        if until not in (None, "decided"):
            raise InputError(f"--until: knows only 'decided', not {until!r}")
        if run.suffix == ".toml":
            config = load_study(run)
            store = pipeline.start_run(config, out or Path("runs") / config.name)
        else:
            store = RunStore.open(run)
        bars = terminal.progress(as_json)
        if until is not None and zero_set is not None:
            raise InputError("--until and --zero-set are two protocols; one at a time")
        if zero_set is not None:
            done = pipeline.sample_zero_set(store, zero_set, bars)
        elif until == "decided":
            done = pipeline.sample_until_decided(store, alpha, block, bars)
        else:
            done = pipeline.sample_run(store, bars)
        emit(done)
    if isinstance(done, Decided):
        tell(as_json, "\n".join(texts(decision_sentences(done.decision))))
    made = ", ".join(f"{count:,} from {model}" for model, count in done.sampled.items())
    tell(as_json, f"Sampled {made or 'nothing: no samples are owed'}. Next: move37 verify {store.folder}")


@app.command()
def verify(
    run: Run,
    verifier: Annotated[
        list[str] | None,
        typer.Option(
            help="Judge with this verifier instead of the problems' own (grader.py:grade is your own function); "
            "give two to see where they differ."
        ),
    ] = None,
    option: Options = None,
    unsafe_local: Annotated[
        bool, typer.Option("--unsafe-local", help="Run programs as you, without a sandbox; their verdicts say so.")
    ] = False,
    retry_unscored: Annotated[
        bool, typer.Option("--retry-unscored", help="Judge again what was left unscored (a judge that was down).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give a verdict to every sample that has none yet. With --verifier, regrade beside the old verdicts."""
    from move37 import pipeline, terminal
    from move37.analyses.serialise import agreement_json
    from move37.results import VerifiersCompared
    from move37.store import RunStore
    from move37.verifiers.options import with_options

    chosen = verifier or []
    with command("verify", as_json) as emit:
        if len(chosen) > 2:
            raise InputError(f"--verifier: one to regrade, two to compare, not {len(chosen)}")
        if len(chosen) == 2 and chosen[0] == chosen[1]:
            raise InputError(f"--verifier: {chosen[0]} twice compares a verifier with itself; name two")
        if len(chosen) == 2 and retry_unscored:
            raise InputError("--retry-unscored: takes one verifier at a time")
        store, bars = RunStore.open(run), terminal.progress(as_json)
        settings = with_options(store.study().verification, option or (), unsafe_local)
        if len(chosen) == 2:
            done = pipeline.compare_verifiers(store, chosen[0], chosen[1], bars, settings)
            models = {model: agreement_json(found) for model, found in done.models.items()}
            emit({"run": done.run, "verifiers": done.verifiers, "models": models})
        else:
            done = pipeline.verify_run(store, chosen[0] if chosen else None, bars, settings, retry_unscored)
            emit(done)
    if as_json:
        return
    if isinstance(done, VerifiersCompared):
        terminal.print_disagreements(done)
    else:
        terminal.print_verdicts(done.verified)
        tell(False, f"Next: move37 report {run}")


@app.command()
def show(
    run: Run,
    problem: Annotated[
        str | None, typer.Argument(help="A problem's number or id; without it, all problems.", metavar="PROBLEM")
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="Of this model alone; may be given twice.")] = None,
    outcome: Annotated[
        str | None, typer.Option(help="`correct`, `incorrect`, `unscored`, `truncated` or `unjudged`.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Problems that this model alone solved, or `both`, or `neither`.")
    ] = None,
    grep: Annotated[str | None, typer.Option(help="Responses with this text, in any case.", metavar="TEXT")] = None,
    limit: Annotated[int, typer.Option(help="Rows, or responses of each model.", min=1)] = 20,
    full: Annotated[bool, typer.Option("--full", help="Whole responses, not their ends.")] = False,
    as_json: Json = False,
) -> None:
    """Read what models wrote: the problems of a run, or the responses to one of them with their verdicts."""
    from move37 import terminal_samples
    from move37.browse import Wanted, problem_named, problems_seen, samples_seen
    from move37.store import RunStore

    with command("show", as_json) as emit:
        store, wanted = RunStore.open(run), Wanted(tuple(model or ()), outcome, grep, only)
        if problem is None:
            found = problems_seen(store, wanted)
            emit({"run": run, "problems": found})
            if not found:
                tell(as_json, NOTHING_LIKE_THAT)
            elif not as_json:
                terminal_samples.print_problems(found, limit, outcome is not None or grep is not None)
                tell(False, f"Next: move37 show {run} {found[0].number}")
            return
        chosen = problem_named(store, problem)
        samples = samples_seen(store, chosen, wanted)
        emit({"run": run, "problem": chosen.id, "question": chosen.question, "samples": samples})
        if not samples:
            tell(as_json, NOTHING_LIKE_THAT)
        elif not as_json:
            terminal_samples.print_samples(chosen, samples, limit, full)


@app.command()
def score(
    run: Run,
    of: Annotated[list[str] | None, typer.Option(help="Responses of this model; default: of every one.")] = None,
    under: Annotated[list[str] | None, typer.Option(help="Under this model; default: under every other.")] = None,
    references: Annotated[bool, typer.Option("--references", help="Reference solutions as well.")] = False,
    responses: Annotated[
        Path | None, typer.Option(help='Reference solutions in a file: {"question", "response"} rows.', metavar="FILE")
    ] = None,
    as_json: Json = False,
) -> None:
    """How likely is every model's stored work under the others? The report shows perplexities from then on."""
    from move37 import pipeline, terminal
    from move37.store import RunStore

    with command("score", as_json) as emit:
        bars = terminal.progress(as_json)
        done = pipeline.score_run(RunStore.open(run), of, under, responses, references, bars)
        emit(done)
    if not as_json:
        terminal.print_scored(done)


@app.command()
def analyse(run: Run, out: Out = None, accept_differences: Accept = None, as_json: Json = False) -> None:
    """Turn verdicts into curves, tables and intervals; every number goes to analyses.json."""
    from move37 import pipeline, terminal
    from move37.analyses.serialise import findings_json
    from move37.store import RunStore

    with command("analyse", as_json) as emit:
        store = RunStore.open(run)
        if accept_differences is not None:
            pipeline.accept_differences(store, accept_differences)
        findings = pipeline.analyse_run(store, out)
        emit(findings_json(findings))
    if not as_json:
        terminal.print_findings(findings)
        tell(False, f"Every number: {(out or run) / 'analyses.json'}", findings.warnings)


@app.command()
def report(run: Run, out: Out = None, accept_differences: Accept = None, as_json: Json = False) -> None:
    """Analyse, then write report.html (one page that opens offline), report.md, figures/ and tables/."""
    from move37 import pipeline
    from move37.store import RunStore

    with command("report", as_json) as emit:
        store = RunStore.open(run)
        if accept_differences is not None:
            pipeline.accept_differences(store, accept_differences)
        done = pipeline.report_run(store, out)
        emit(done)
    tell(as_json, f"Report: {done.report}", done.warnings)


@app.command()
def compare(
    base: Annotated[
        Path, typer.Argument(help='Counts of the base model: {"id", "c", "n"} rows.', metavar="BASE.jsonl")
    ],
    rl: Annotated[Path, typer.Argument(help="Counts of the RL model, same problems.", metavar="RL.jsonl")],
    out: Out = None,
    confidence: Annotated[float, typer.Option(help="Simultaneous confidence of the band.")] = 0.95,
    draws: Annotated[int, typer.Option(help="Multiplier draws behind the critical value.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of the multiplier draws.")] = 0,
    monte_carlo_error: Annotated[
        float | None, typer.Option(help="Double the draws until the critical value's 95 % range is this narrow.")
    ] = None,
    target: Annotated[
        str, typer.Option(help="Of what the band speaks: population (problems like these) or benchmark (these).")
    ] = "population",
    at_k: Annotated[
        int | None, typer.Option(min=1, max=10**9, help="What can be said at this k, also beyond n.", metavar="K")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare two models from counts alone: curves, band, first-loss set, four-way table."""
    from move37 import pipeline, terminal
    from move37.analyses.serialise import comparison_json, plain
    from move37.config import AnalysisConfig, from_options
    from move37.report.words.extrapolation import at_k_sentence

    with command("compare", as_json):
        settings = from_options(
            AnalysisConfig,
            confidence=confidence,
            draws=draws,
            seed=seed,
            monte_carlo_error=monte_carlo_error,
            target=target,
        )
        done = pipeline.compare_counts(base, rl, settings, out, at_k)
    findings, said = done.findings, at_k_sentence(done.at_k).text if done.at_k is not None else ""
    if as_json:
        figures = comparison_json(findings.comparisons[0], *findings.curves)
        figures |= {"at_k": plain(done.at_k) | {"in_words": said}} if said else {}
        figures |= {"report": str(done.report)} if done.report else {}
        print(json.dumps(figures))
        return
    terminal.print_findings(findings)
    tell(False, said)
    tell(False, f"Report: {done.report}" if done.report else "", findings.comparisons[0].warnings)


@app.command("import")
def import_(
    format: Annotated[str, typer.Argument(help="`auto`, or one of `move37 list importers`.", metavar="FORMAT")],
    paths: Annotated[list[Path], typer.Argument(help="Files or folders that the tool wrote.", metavar="PATH...")],
    out: Annotated[Path, typer.Option(help="Run folder, made if it is not there.", metavar="RUN")],
    model: Annotated[
        list[str] | None, typer.Option(help="Name of the model in the run; once, once per PATH, or as the log says.")
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Name of the benchmark; decides the verifier. Default: as the log says.")
    ] = None,
    verifier: Annotated[
        str | None, typer.Option(help="Judge with this verifier instead; `reported`: the log's own score decides.")
    ] = None,
    problems: Annotated[
        Path | None, typer.Option(help="The benchmark's file: questions, answers and tests are taken from it.")
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="What a field of a JSONL file holds.", metavar="ROLE=NAME")
    ] = None,
    threshold: Annotated[float, typer.Option(help="A score of the tool's own is correct from here on.")] = 1.0,
    base: Annotated[str | None, typer.Option(help="The model that the others are compared with.")] = None,
    accept_differences: Accept = None,
    report: Annotated[bool, typer.Option("--report", help="Verify and report right away.")] = False,
    as_json: Json = False,
) -> None:
    """Bring logs or counts of other tools into a run folder; `auto` recognises whose they are."""
    from move37 import imports, pipeline, terminal
    from move37.analyses.serialise import plain
    from move37.store import RunStore

    with command("import", as_json) as emit:
        request = imports.ImportRequest(
            paths=tuple(paths),
            format=format,
            models=tuple(model or ()),
            benchmark=benchmark,
            verifier=verifier,
            problems=problems,
            fields=imports.field_names(field or ()),
            threshold=threshold,
            base=base,
            accept_differences=accept_differences,
        )
        done = imports.import_logs(request, out)
        page = None
        if report:
            store = RunStore.open(out)
            pipeline.verify_run(store, progress=terminal.progress(as_json))
            page = pipeline.report_run(store)
        emit(plain(done) | ({"report": str(page.report), "warnings": page.warnings} if page else {}))
    if not as_json:
        terminal.print_imported(done)
    next_step = f"Report: {page.report}" if page else f"Next: move37 verify {out}, then move37 report {out}"
    tell(as_json, next_step, page.warnings if page else ())


@app.command()
def export(
    format: Annotated[str, typer.Argument(help="One of `move37 list exporters`.", metavar="FORMAT")],
    run: Run,
    out: Annotated[Path, typer.Option(help="Folder to write to.", metavar="DIR")],
    model: Annotated[list[str] | None, typer.Option(help="Only this model; may be given several times.")] = None,
    as_json: Json = False,
) -> None:
    """Write a run in a form that other tools read: counts, samples, a Hugging Face dataset, ..."""
    from move37.exporters import export_run
    from move37.store import RunStore

    with command("export", as_json) as emit:
        done = export_run(format, RunStore.open(run), out, model or ())
        emit(done)
    tell(as_json, f"Wrote {len(done.files)} files to {done.out}: {', '.join(map(str, done.files[:6]))}")


@app.command()
def pool(
    run: Run,
    others: Annotated[list[Path], typer.Argument(help="Runs of the same study, made elsewhere.", metavar="OTHER...")],
    as_json: Json = False,
) -> None:
    """Add the samples of other run folders of the same study to RUN: a union by key."""
    from move37 import imports

    with command("pool", as_json) as emit:
        done = imports.pool_runs(run, others)
        emit(done)
    added = ", ".join(f"{count:,} of {model}" for model, count in done.added.items())
    tell(as_json, f"Added {added}. Next: move37 verify {run}")


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="What to train and how, a TOML file.", metavar="RECIPE.toml")],
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Train a model with one of six RLVR algorithms, or by distillation. The same command continues a stopped run."""
    from rich.console import Console

    from move37 import pipeline
    from move37.training.recipe import load_recipe

    with command("train", as_json) as emit:
        config = load_recipe(recipe)
        screen = Console(stderr=True)
        watched = screen if screen.is_terminal and not as_json else None
        done = pipeline.train_model(config, out or Path("runs") / config.name, watched)
        emit(done)
    tell(as_json, f"Trained model: {done.model}", done.warnings)


@app.command()
def exact(
    model: Annotated[
        str, typer.Argument(help="A model's folder, a shipped checkpoint, or a run folder.", metavar="MODEL|RUN")
    ],
    tier: Annotated[str | None, typer.Option(help="Tier of the countdown puzzles (a model's).")] = None,
    problems: Annotated[int | None, typer.Option(min=1, help="How many puzzles (a model's).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of the puzzles (a model's).")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="Of the sampling (a model's); 1.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Of the sampling (a model's); 1.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Of a response (a model's); 64.")] = None,
    below: Annotated[float, typer.Option(help="A new move's chance under base is below this.")] = 1e-6,
    above: Annotated[float, typer.Option(help="A new move's chance under RL is above this.")] = 1e-3,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compute the chance of solving countdown puzzles, and pass@k up to 2^20, without a sample."""
    from move37 import pipeline, terminal
    from move37.analyses.exact_truth import Thresholds
    from move37.store import RunStore
    from move37.terminal_exact import exact_json, exact_settings, print_exact
    from move37.truth import is_run

    with command("exact", as_json) as emit:
        given = {"tier": tier, "problems": problems, "seed": seed}
        sampling = {"temperature": temperature, "top_p": top_p, "max_new_tokens": max_new_tokens}
        if is_run(Path(model)):
            beside = [name for name, value in (given | sampling).items() if value is not None]
            if beside or out is not None:
                raise InputError(f"--{(beside or ['out'])[0].replace('_', '-')}: a run has its own; see its report")
            store = RunStore.open(Path(model))
            done = pipeline.exact_run(store, Thresholds(below, above), terminal.progress(as_json))
        else:
            source, settings = exact_settings(given, sampling)
            done = pipeline.exact_checkpoint(model, source, settings, out, terminal.progress(as_json))
        emit(exact_json(done))
    if not as_json:
        print_exact(done)


@app.command()
def plan(
    study: Annotated[Path, typer.Argument(help="The study, a TOML file.", metavar="STUDY.toml")],
    pilot: Annotated[
        Path | None, typer.Option(help="A run of base and another model on problems like these.", metavar="RUN")
    ] = None,
    token_budget: Annotated[float | None, typer.Option(help="Tokens to spend on all models together.")] = None,
    tokens: Annotated[float | None, typer.Option(help="Mean tokens of a sample, where no pilot says it.")] = None,
    studies: Annotated[
        int, typer.Option(min=0, max=100_000, help="Studies to simulate per plan: what headlines could say. 0: none.")
    ] = 20,
    as_json: Json = False,
) -> None:
    """Say what a study will cost under each stopping plan and what it can show, before anything is spent."""
    from move37 import pipeline, terminal
    from move37.config import load_study

    with command("plan", as_json) as emit:
        planned = pipeline.plan_study(load_study(study), pilot, token_budget, tokens, studies)
        emit(planned)
    if not as_json:
        terminal.print_forecast(planned)


@app.command()
def validate(
    benchmark: Annotated[str, typer.Argument(help="A benchmark's name.", metavar="BENCHMARK")],
    path: Annotated[Path | None, typer.Option(help="Local file or folder; without it, the hub.")] = None,
    verifier: Annotated[str | None, typer.Option(help="Judge with this verifier instead of the benchmark's.")] = None,
    option: Options = None,
    as_json: Json = False,
) -> None:
    """Check that every reference answer of a benchmark passes its own verifier."""
    from move37 import pipeline, terminal
    from move37.analyses.serialise import plain
    from move37.config import ProblemsConfig, VerificationConfig, from_options
    from move37.verifiers.options import with_options

    with command("validate", as_json) as emit:
        source = from_options(ProblemsConfig, benchmark=benchmark, path=path, verifier=verifier)
        done = pipeline.validate_benchmark(source, with_options(from_options(VerificationConfig), option or ()))
        failed = len(done.failures)
        wrong = {"ok": False, "error": f"{failed} references do not pass", "exit_code": 1}
        emit(plain(done) | (wrong if failed else {}))
    if not as_json:
        terminal.print_validation(done)
    if failed:
        raise typer.Exit(1)


@app.command()
def calibrate(
    target: Annotated[str, typer.Argument(help="A benchmark's name, or a run folder.", metavar="BENCHMARK|RUN")],
    path: Annotated[Path | None, typer.Option(help="The benchmark's file or folder; without it, the hub.")] = None,
    verifier: Annotated[str | None, typer.Option(help="Calibrate this verifier instead of the problems' own.")] = None,
    option: Options = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many problems.")] = None,
    per_kind: Annotated[int, typer.Option(min=1, max=1000, help="Corruptions of each kind per problem.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the corruptions.")] = 0,
    k: Annotated[int, typer.Option(min=1, max=10**9, help="Largest k of the floor under pass@k.")] = 1024,
    chains: Annotated[
        bool, typer.Option("--chains", help="A run: right responses with corrupted reasoning, for a judge of chains.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure how often a verifier is wrong: on the references, and on answers corrupted on purpose."""
    from move37 import pipeline, terminal
    from move37.analyses.serialise import plain
    from move37.config import ProblemsConfig, VerificationConfig, from_options
    from move37.store import RunStore
    from move37.verifiers.options import with_options

    with command("calibrate", as_json) as emit:
        if chains:
            store = RunStore.open(Path(target))
            if verifier is None:
                raise InputError("--chains: name the judge that reads whole responses (--verifier judge)")
            settings = with_options(store.study().verification, option or ())
            bars = terminal.progress(as_json)
            found = pipeline.calibrate_run_chains(store, settings, verifier, limit or 200, seed, bars)
            emit(found)
            if not as_json:
                terminal.print_chain_calibration(found)
            return
        bars, numbers = terminal.progress(as_json), {"per_kind": per_kind, "seed": seed, "k_max": k}
        if (Path(target) / "config.json").exists():
            store = RunStore.open(Path(target))
            settings = with_options(store.study().verification, option or ())
            done = pipeline.calibrate_run(store, settings, verifier, limit, bars, **numbers)
        else:
            source = from_options(ProblemsConfig, benchmark=target, path=path, verifier=verifier, limit=limit)
            settings = with_options(from_options(VerificationConfig), option or ())
            done = pipeline.calibrate_benchmark(source, settings, bars, **numbers)
        emit({key: value for key, value in plain(done).items() if value is not None})
    if not as_json:
        for calibration in done.calibrations:
            terminal.print_calibration(calibration)


@app.command()
def probe(
    run: Run,
    model: Annotated[str | None, typer.Option(help="Only this model.", metavar="NAME")] = None,
    as_json: Json = False,
) -> None:
    """Show models the first 40, 60 and 80 % of each question: which do they complete, which do they answer?"""
    from move37 import pipeline, terminal
    from move37.store import RunStore

    with command("probe", as_json) as emit:
        done = pipeline.probe_models(RunStore.open(run), model, terminal.progress(as_json))
        emit(done)
    tell(as_json, str(done))


@app.command()
def audit(
    run: Run,
    read: Annotated[
        Path | None, typer.Option(help="Take the verdicts in an exported file that was filled in.", metavar="FILE")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write, else audit.jsonl in the run.", metavar="FILE")
    ] = None,
    max_correct: Annotated[
        int, typer.Option(min=1, max=10**6, help="Problems with at most so many accepted samples of a model.")
    ] = 4,  # audit.MAX_CORRECT, without loading it for --help
    as_json: Json = False,
) -> None:
    """Export accepted samples of rarely solved problems for readers, model hidden; read their verdicts back.

    Each line has a set, an order and "valid": null. Read a set in its order until the first valid chain; write true or
    false.
    """
    from move37 import pipeline
    from move37.store import RunStore

    with command("audit", as_json) as emit:
        store = RunStore.open(run)
        if read is not None and out is not None:
            raise InputError("--read takes verdicts in and --out writes samples down; one at a time")
        done = pipeline.read_audit(store, read) if read else pipeline.export_audit(store, out, max_correct)
        emit(done)
    tell(as_json, str(done))


def members(registry: str) -> "Registry":
    """The registry of this name. Raises InputError for a name that is none."""
    if registry not in REGISTRIES:
        raise InputError(f"no registry {registry!r} (registries: {', '.join(REGISTRIES)})")
    return getattr(import_module(REGISTRIES[registry]), registry.upper())


@app.command("list")
def list_(
    registry: Annotated[str, typer.Argument(help=" | ".join(REGISTRIES), metavar="REGISTRY")],
    as_json: Json = False,
) -> None:
    """List the names in a registry, those that installed packages add too."""
    found = members(registry)
    with command("list", as_json) as emit:
        names = list(found.known())
        emit({registry: names})
    tell(as_json, "\n".join(names))


@app.command()
def demo(
    out: Out = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the training and of the sampling.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a small model by reinforcement learning, compare it with its base, write a report: minutes on two cores."""
    import webbrowser

    from rich.console import Console

    from move37 import pipeline, terminal
    from move37.demo import demo_recipe, demo_study

    folder, screen = out or Path("runs") / "demo", Console(stderr=True)
    watched = screen if screen.is_terminal and not as_json else None
    with command("demo", as_json) as emit:
        trained = pipeline.train_model(demo_recipe(seed), folder / "training", watched)
        study = demo_study(trained.model, seed)
        done = pipeline.run_study(study, folder, terminal.progress(as_json))
        emit(done.sampled, done.verified, done.reported, {"trained": trained.model})
    tell(as_json, f"Report: {done.reported.report}", done.reported.warnings)
    if watched is not None:
        webbrowser.open(done.reported.report.resolve().as_uri())


def main() -> None:
    """Entry point: every end becomes an exit code, an error one line, and under --json all of it one JSON object."""
    let_threads_sleep()
    end_at_once()
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal's encoding lacks is no reason to fail
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments, switches = _without_switches(sys.argv[1:])
    as_json, debug = "--json" in switches, "--debug" in switches
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    if as_json and name is not None:
        arguments.insert(arguments.index(name) + 1, "--json")
    printed = io.StringIO()
    with redirect_stdout(printed if as_json else sys.stdout):
        line, code = _ended(arguments, debug)
    try:
        if as_json:
            print(_as_one_object(name, printed.getvalue(), line, code))
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        code = _lost_output(error)
    sys.exit(code)


def _without_switches(arguments: list[str]) -> tuple[list[str], set[str]]:
    """The arguments without --json and --debug, which may stand anywhere before a "--", and those that were there."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    switches = {"--json", "--debug"}
    kept = [argument for argument in arguments[:end] if argument not in switches]
    return kept + arguments[end:], switches.intersection(arguments[:end])


def _ended(arguments: list[str], debug: bool) -> tuple[str | None, int]:
    """Run the command; the line that was said about an error, None where there was none, and the exit code."""
    try:
        code = app(arguments, standalone_mode=False)
        code = code if isinstance(code, int) else 0
        if code != 130:  # typer's word for a keyboard interrupt
            return None, code
        return complain("interrupted; what was finished is kept, the same command continues", 130)
    except SystemExit as error:  # Rich's answer to a closed pipe
        return None, error.code if isinstance(error.code, int) else 1
    except Terminated:
        return complain("terminated; what was finished is kept, the same command continues", 143)
    except (KeyboardInterrupt, typer.Abort):
        return complain("interrupted; what was finished is kept, the same command continues", 130)
    except BrokenPipeError as error:
        return None, _lost_output(error)
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, Move37Error | TyperException):
            return complain(str(error) or "no command given; `move37 --help` lists them", error.exit_code)
        line, code = described(error) or (
            f"{type(error).__name__}: {error} (a defect of move37; --debug shows where)",
            1,
        )
        return complain(line, code)
    finally:
        raise_from_now_on()


def _as_one_object(name: str | None, printed: str, line: str | None, code: int) -> str:
    """The one JSON object: what the command printed, the help that was asked for, or what went wrong."""
    if line is not None:
        return json.dumps({"command": name, "ok": False, "error": line, "exit_code": code})
    # What a library printed on the way is not ours: the figures are the last line.
    last = printed.rstrip("\n").rpartition("\n")[2]
    return last if last.startswith("{") else json.dumps({"command": name, "ok": code == 0, "help": printed})


def _lost_output(error: OSError) -> int:
    """Nobody reads any more (silence), or the output cannot be written (a line). What is left is thrown away."""
    if not isinstance(error, BrokenPipeError):
        complain(f"standard output cannot be written: {error.strerror or error}", 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1
