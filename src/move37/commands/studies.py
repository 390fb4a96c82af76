"""Commands on studies and their runs: sample, verify, read, analyse, report; and two runs in one."""

from pathlib import Path
from typing import Annotated

import typer

from move37.commands.application import Accept, Json, Options, Out, Run, app, command
from move37.commands.rehearsal import DryRun, TokenIds, show_prompts_of_study
from move37.commands.trained import show_training
from move37.console import tell
from move37.errors import InputError

PANEL = "Studies and runs"
NOTHING_LIKE_THAT = "No sample is like that."


@app.command(rich_help_panel=PANEL)
def run(
    study: Annotated[Path | None, typer.Argument(help="The study, a TOML file.", metavar="STUDY.toml")] = None,
    base: Annotated[
        str | None, typer.Option(help="Instead of a file: the base model's folder or hub name.", metavar="MODEL")
    ] = None,
    rl: Annotated[
        list[str] | None, typer.Option(help="... and an RL model; may be given again.", metavar="MODEL")
    ] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option(help="... and a name of `move37 list benchmarks`; may be given again.")
    ] = None,
    n: Annotated[int | None, typer.Option(min=1, help="... samples of each problem, at most; default 256.")] = None,
    template: Annotated[str | None, typer.Option(help="... the prompt template; default qwen-boxed.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="... of a response; default 16384.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="... a name of `move37 list engines`; default transformers.")
    ] = None,
    out: Out = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be trained and sampled, and about how long.")
    ] = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="All of it in a tiny size, in a folder of its own: does it run at all?")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a whole study: train, sample, verify, analyse, report. The same command continues a stopped run.

    For example: move37 run --base Qwen/Qwen2.5-7B --rl hkust-nlp/Qwen-2.5-7B-SimpleRL-Zoo --benchmark math500 --n 64
    """
    from move37 import pipeline, terminal, terminal_workload
    from move37.config import load_study
    from move37.quick_study import quick_study, written
    from move37.smoke import smoke_sized

    with command("run", as_json) as emit:
        wanted = {"template": template, "max_new_tokens": max_new_tokens, "n": n}
        if study is not None:
            options = {"base": base, "rl": rl, "benchmark": benchmark, "engine": engine, **wanted}
            if given := next((name.replace("_", "-") for name, value in options.items() if value), None):
                raise InputError(f"--{given}: give a study file or options, not both")
        asked = (base, rl or (), benchmark or (), engine, wanted)
        config, text = (load_study(study), "") if study is not None else quick_study(*asked)
        config = smoke_sized(config) if smoke else config
        folder = out or Path("runs") / config.name
        if text:
            place = (
                "what would be run" if dry_run else f"{written(folder, text)}: the study; `move37 run` takes it, too"
            )
            tell(as_json, f"# {place}\n{text}")
        if dry_run:
            planned = pipeline.dry_run(config, folder)
            emit({"run": folder}, planned, planned.totals())
            if not as_json:
                terminal_workload.print_workload(planned)
            return
        done = pipeline.run_study(config, folder, terminal.progress(as_json))
        emit(done.trained, done.sampled, done.verified, done.reported)
    if not as_json:
        terminal.print_reported(done.reported, done.sampled.unchecked)


@app.command(rich_help_panel=PANEL)
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
    dry_run: DryRun = False,
    token_ids: TokenIds = False,
    as_json: Json = False,
) -> None:
    """Ask every model for the samples that it still owes under the study's stopping plan.

    For example: move37 sample studies/math500.toml --until decided
    """
    from move37 import pipeline, terminal
    from move37.config import load_study
    from move37.report.words.claim import texts
    from move37.report.words.findings import decision_sentences
    from move37.results import Decided, Sampled
    from move37.store import RunStore

    if dry_run or token_ids:
        show_prompts_of_study(run, token_ids, as_json)
        return
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
    unchecked = done.unchecked if isinstance(done, Sampled) else ()
    tell(as_json, f"Sampled {made or 'nothing: no samples are owed'}. Next: move37 verify {store.folder}", unchecked)


@app.command(rich_help_panel=PANEL)
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
    """Give a verdict to every sample that has none yet. With --verifier, regrade beside the old verdicts.

    For example: move37 verify runs/math500 --verifier math --verifier exact
    """
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


@app.command(rich_help_panel=PANEL)
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
    """Read what models wrote: the problems of a run, or the responses to one of them with their verdicts.

    Of a training: the steps whose responses are kept, or the responses of one (its number in place of PROBLEM).

    For example: move37 show runs/math500 12 --model rl --outcome correct
    """
    from move37 import terminal_samples
    from move37.browse import Wanted, problem_named, problems_seen, samples_seen
    from move37.store import RunStore
    from move37.terminal_training import Kept, is_training

    if is_training(run):
        show_training(run, problem, Kept(outcome, grep, limit, full), as_json)
        return
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


@app.command(rich_help_panel=PANEL)
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
    """How likely is every model's stored work under the others? The report shows perplexities from then on.

    For example: move37 score runs/math500 --of rl --under base
    """
    from move37 import pipeline, terminal
    from move37.store import RunStore

    with command("score", as_json) as emit:
        bars = terminal.progress(as_json)
        done = pipeline.score_run(RunStore.open(run), of, under, responses, references, bars)
        emit(done)
    if not as_json:
        terminal.print_scored(done)


@app.command(rich_help_panel=PANEL)
def analyse(run: Run, out: Out = None, accept_differences: Accept = None, as_json: Json = False) -> None:
    """Turn verdicts into curves, tables and intervals; every number goes to analyses.json.

    For example: move37 analyse runs/math500 --json
    """
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


@app.command(rich_help_panel=PANEL)
def report(
    run: Run,
    out: Out = None,
    single_file: Annotated[
        bool, typer.Option(help="Put pictures and tables into report.html, which can then be mailed.")
    ] = True,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also report.pdf, printed by a Chromium on the PATH.")] = False,
    accept_differences: Accept = None,
    as_json: Json = False,
) -> None:
    """Analyse, then write report.html (one page that opens offline), report.md, report.json, figures/ and tables/.

    For example: move37 report runs/aime24 --pdf
    """
    from move37 import pipeline, terminal
    from move37.report.pdf import browser, write_pdf
    from move37.store import RunStore

    with command("report", as_json) as emit:
        store = RunStore.open(run)
        if accept_differences is not None:
            pipeline.accept_differences(store, accept_differences)
        printer = browser() if pdf else None
        done = pipeline.report_run(store, out, single_file)
        if printer is not None:
            write_pdf(done.report, printer)
        emit(done)
    if not as_json:
        terminal.print_reported(done)


@app.command(rich_help_panel=PANEL)
def pool(
    run: Run,
    others: Annotated[list[Path], typer.Argument(help="Runs of the same study, made elsewhere.", metavar="OTHER...")],
    as_json: Json = False,
) -> None:
    """Add the samples of other run folders of the same study to RUN: a union by key.

    For example: move37 pool runs/here runs/there
    """
    from move37 import imports

    with command("pool", as_json) as emit:
        done = imports.pool_runs(run, others)
        emit(done)
    added = ", ".join(f"{count:,} of {model}" for model, count in done.added.items())
    tell(as_json, f"Added {added}. Next: move37 verify {run}")
