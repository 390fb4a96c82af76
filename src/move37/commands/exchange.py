"""Commands on what other tools wrote, and on what they shall read: counts, logs, exports."""

import json
from pathlib import Path
from typing import Annotated

import typer

from move37.commands.application import Accept, Json, Out, app, command
from move37.console import tell
from move37.errors import InputError

PANEL = "Other tools"


@app.command(rich_help_panel=PANEL)
def compare(
    base: Annotated[
        Path, typer.Argument(help='Counts of the base model: {"id", "c", "n"} rows.', metavar="BASE.jsonl")
    ],
    rl: Annotated[
        list[Path], typer.Argument(help="Counts of RL models, same problems; each against base.", metavar="RL.jsonl...")
    ],
    out: Out = None,
    names: Annotated[
        str | None, typer.Option(help="Names of the models, base first, as in `Qwen2.5-7B,DAPO`.", metavar="NAME,NAME")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Name of the study, in the report.")] = None,
    note: Annotated[str | None, typer.Option(help="What a reader of the report should know first.")] = None,
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
    """Compare models from counts alone: curves, bands, first-loss sets, four-way tables.

    For example: move37 compare base.jsonl rl.jsonl --names Qwen2.5-7B,DAPO --out report
    """
    from move37 import terminal
    from move37.analyses.serialise import comparisons_json, plain
    from move37.comparison import compare_counts
    from move37.config import AnalysisConfig, from_options
    from move37.report.words.extrapolation import at_k_sentence
    from move37.results import Labels

    with command("compare", as_json):
        settings = from_options(
            AnalysisConfig,
            confidence=confidence,
            draws=draws,
            seed=seed,
            monte_carlo_error=monte_carlo_error,
            target=target,
        )
        labels = Labels(tuple(name.strip() for name in names.split(",")) if names is not None else (), title, note)
        done = compare_counts(base, rl, settings, out, at_k, labels)
    findings, said = done.findings, at_k_sentence(done.at_k).text if done.at_k is not None else ""
    if as_json:
        figures = comparisons_json(findings)
        figures |= {"at_k": plain(done.at_k) | {"in_words": said}} if said else {}
        figures |= {"report": str(done.report)} if done.report else {}
        print(json.dumps(figures))
        return
    terminal.print_findings(findings)
    tell(False, said)
    tell(False, f"Report: {done.report}" if done.report else "", findings.warnings)


@app.command("import", rich_help_panel=PANEL)
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
    """Bring logs or counts of other tools into a run folder; `auto` recognises whose they are.

    For example: move37 import auto logs/base logs/rl --model base --model rl --out runs/logs --report
    """
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
    if page is not None and not as_json:
        terminal.print_reported(page)
    tell(as_json, "" if page else f"Next: move37 verify {out}, then move37 report {out}")


@app.command(rich_help_panel=PANEL)
def export(
    format: Annotated[
        str,
        typer.Argument(
            help="One of `move37 list exporters`; of a recipe, of `move37 list trainers`.", metavar="FORMAT"
        ),
    ],
    what: Annotated[
        Path, typer.Argument(help="A run folder, or a recipe for another trainer.", metavar="RUN|RECIPE.toml")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write to.", metavar="DIR")],
    model: Annotated[list[str] | None, typer.Option(help="Only this model; may be given several times.")] = None,
    as_json: Json = False,
) -> None:
    """Write a run in a form that other tools read, or a recipe as another trainer takes it (verl, TRL, verifiers).

    For example: move37 export counts runs/math500 --out counts
    """
    from move37.exporters import export_run
    from move37.handover import TRAINERS, hand_over
    from move37.results import HandedOver
    from move37.store import RunStore
    from move37.training.recipe import load_recipe

    with command("export", as_json) as emit:
        if what.suffix == ".toml" or format in TRAINERS.names:
            if model:
                raise InputError("--model: a recipe has one model, which it names")
            done = hand_over(format, load_recipe(what), out)
        else:
            done = export_run(format, RunStore.open(what), out, model or ())
        emit(done)
    files = f"{len(done.files)} file{'s' * (len(done.files) != 1)}"
    tell(as_json, f"Wrote {files} to {done.out}: {', '.join(map(str, done.files[:6]))}")
    if isinstance(done, HandedOver):
        tell(as_json, "\n".join(f"{done.trainer} does otherwise: {each}" for each in done.differs))
