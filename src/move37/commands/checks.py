"""Commands on the instrument: what a study can show, what verifiers and benchmarks are worth, what there is."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from move37.commands.application import Json, Options, Run, app, command
from move37.console import tell
from move37.errors import InputError

if TYPE_CHECKING:
    from move37.registry import Registry

PANEL = "The instrument"


@app.command(rich_help_panel=PANEL)
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
    """Say what a study will cost under each stopping plan and what it can show, before anything is spent.

    For example: move37 plan studies/math500.toml --tokens 900
    """
    from move37 import pipeline, terminal
    from move37.config import load_study

    with command("plan", as_json) as emit:
        planned = pipeline.plan_study(load_study(study), pilot, token_budget, tokens, studies)
        emit(planned)
    if not as_json:
        terminal.print_forecast(planned)


@app.command(rich_help_panel=PANEL)
def published(as_json: Json = False) -> None:
    """Recompute what follows from the published tables of the reference study, and say what does not come out.

    For example: move37 published
    """
    from move37.analyses.published import recomputed
    from move37.terminal_published import print_published

    with command("published", as_json) as emit:
        found = recomputed()
        emit(found, {"exceptions": found.exceptions})
    if not as_json:
        print_published(found)


@app.command(rich_help_panel=PANEL)
def validate(
    benchmark: Annotated[str, typer.Argument(help="A benchmark's name.", metavar="BENCHMARK")],
    path: Annotated[Path | None, typer.Option(help="Local file or folder; without it, the hub.")] = None,
    verifier: Annotated[str | None, typer.Option(help="Judge with this verifier instead of the benchmark's.")] = None,
    option: Options = None,
    as_json: Json = False,
) -> None:
    """Check that every reference answer of a benchmark passes its own verifier.

    For example: move37 validate math500
    """
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


@app.command(rich_help_panel=PANEL)
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
    """Measure how often a verifier is wrong: on the references, and on answers corrupted on purpose.

    For example: move37 calibrate runs/math500 --per-kind 3
    """
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


@app.command(rich_help_panel=PANEL)
def probe(
    run: Run,
    model: Annotated[str | None, typer.Option(help="Only this model.", metavar="NAME")] = None,
    as_json: Json = False,
) -> None:
    """Show models the first 40, 60 and 80 % of each question: which do they complete, which do they answer?

    For example: move37 probe runs/math500
    """
    from move37 import pipeline, terminal
    from move37.store import RunStore

    with command("probe", as_json) as emit:
        done = pipeline.probe_models(RunStore.open(run), model, terminal.progress(as_json))
        emit(done)
    tell(as_json, str(done))


@app.command(rich_help_panel=PANEL)
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

    For example: move37 audit runs/math500 --max-correct 2
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


REGISTRIES = {
    "engines": "move37.engines",
    "environments": "move37.environments",
    "executors": "move37.executors",
    "verifiers": "move37.verifiers",
    "benchmarks": "move37.benchmarks",
    "algorithms": "move37.training.algorithms",
    "curricula": "move37.training.curricula",
    "explorers": "move37.training.explorers",
    "policy_losses": "move37.training.policy_losses",
    "importers": "move37.importers",
    "exporters": "move37.exporters",
    "trainers": "move37.handover",
}
"""What `move37 list` knows, and the module that holds it, under its name in capitals."""


TEMPLATES = "templates"
"""No registry, as a template is a text: a study brings its own in [templates.NAME]."""


def list_templates(as_json: bool) -> None:
    """The prompt templates that come with move37, each with its text and the strings that end a response."""
    from move37 import prompting

    with command("list", as_json) as emit:
        emit({TEMPLATES: list(prompting.TEMPLATES.values())})
    for template in prompting.TEMPLATES.values():
        about = ["in the model's own chat template"] if template.chat else []
        about += [f"ends at {', '.join(map(repr, template.stop))}"] if template.stop else []
        indented = template.text.replace("\n", "\n    ").rstrip()
        tell(as_json, f"{template.name}{': ' if about else ''}{'; '.join(about)}\n    {indented}\n")


def members(registry: str) -> "Registry":
    """The registry of this name. Raises InputError for a name that is none."""
    if registry not in REGISTRIES:
        raise InputError(f"no registry {registry!r} (registries: {', '.join((*REGISTRIES, TEMPLATES))})")
    return getattr(import_module(REGISTRIES[registry]), registry.upper())


@app.command("list", rich_help_panel=PANEL)
def list_(
    registry: Annotated[str, typer.Argument(help=" | ".join((*REGISTRIES, TEMPLATES)), metavar="REGISTRY")],
    as_json: Json = False,
) -> None:
    """List the names in a registry, those that installed packages add too; of templates, their texts.

    For example: move37 list benchmarks
    """
    if registry == TEMPLATES:
        list_templates(as_json)
        return
    found = members(registry)
    with command("list", as_json) as emit:
        names = list(found.known())
        emit({registry: names})
    tell(as_json, "\n".join(names))
