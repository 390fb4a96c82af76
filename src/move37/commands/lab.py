"""Commands on models that move37 trains: recipes, the exact chances of the lab's world, the demo."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from move37.commands.application import Json, Out, app, command
from move37.commands.rehearsal import DryRun, TokenIds, show_prompt_of_recipe
from move37.console import tell
from move37.errors import InputError, MissingExtraError

PANEL = "Training and the lab"


@app.command(rich_help_panel=PANEL)
def train(
    recipe: Annotated[Path, typer.Argument(help="What to train and how, a TOML file.", metavar="RECIPE.toml")],
    out: Out = None,
    dry_run: DryRun = False,
    token_ids: TokenIds = False,
    as_json: Json = False,
) -> None:
    """Train a model with one of six RLVR algorithms, or by distillation. The same command continues a stopped run.

    For example: move37 train studies/countdown-grpo.toml
    """
    from rich.console import Console

    from move37 import pipeline
    from move37.training.recipe import load_recipe

    if dry_run or token_ids:
        show_prompt_of_recipe(recipe, token_ids, as_json)
        return
    with command("train", as_json) as emit:
        config = load_recipe(recipe)
        screen = Console(stderr=True)
        watched = screen if screen.is_terminal and not as_json else None
        done = pipeline.train_model(config, out or Path("runs") / config.name, watched, lines=not as_json)
        emit(done)
    tell(as_json, f"Trained model: {done.model}", done.warnings)


@app.command(rich_help_panel=PANEL)
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
    """Compute the chance of solving countdown puzzles, and pass@k up to 2^20, without a sample.

    For example: move37 exact countdown-base --tier edge --problems 100
    """
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


@app.command(rich_help_panel=PANEL)
def bench(
    methods: Annotated[
        list[Path], typer.Argument(help="Recipes, or files with a name and stages.", metavar="METHOD.toml...")
    ],
    out: Out = None,
    tiers: Annotated[str | None, typer.Option(help="Tiers of the puzzles, with commas; three of them.")] = None,
    problems: Annotated[int | None, typer.Option(min=2, help="Puzzles of each tier; 100.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Trainings of each method; 3.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of the puzzles; 0.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, in place of the recipes'.")] = None,
    base: Annotated[
        str | None, typer.Option(help="Model that all start from, in place of the recipes': a folder, or one shipped.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A first look: 10 steps, 2 seeds, 20 puzzles.")] = False,
    as_json: Json = False,
) -> None:
    """Train methods from one base and judge on exact chances which of them widened its boundary.

    For example: move37 bench studies/methods/*.toml --quick
    """
    from move37 import terminal
    from move37.analyses.serialise import plain
    from move37.config import from_options
    from move37.lab import model_folder
    from move37.methods import QUICK, BenchSettings, load_contender, run_bench, write_page
    from move37.terminal_board import board_page, board_sentence, print_board

    with command("bench", as_json) as emit:
        given = {"tiers": tiers.split(",") if tiers else None, "problems": problems, "seeds": seeds}
        given |= {"seed": seed, "steps": steps}
        chosen = (QUICK if quick else {}) | {key: value for key, value in given.items() if value is not None}
        settings = from_options(BenchSettings, **chosen)
        contenders = [load_contender(path) for path in methods]
        if base is not None:
            contenders = [contender.on(model_folder(base)) for contender in contenders]
        done = run_bench(contenders, settings, out or Path("runs") / "bench", terminal.progress(as_json))
        page = write_page(done, board_page(done))
        emit({"page": page, "sentence": board_sentence(done.board)}, plain(done.board), {"costs": plain(done.costs)})
    if not as_json:
        print_board(done)
    tell(as_json, f"Leaderboard: {page}")


@app.command(rich_help_panel=PANEL)
def demo(
    out: Out = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the training and of the sampling.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a small model by reinforcement learning, compare it with its base, write a report: minutes on two cores.

    For example: move37 demo --out runs/demo
    """
    import webbrowser

    from rich.console import Console

    if find_spec("torch") is None:
        raise MissingExtraError("the demo trains a model, which needs torch: pip install 'move37[local]'")
    from move37 import pipeline, terminal
    from move37.demo import STAGES, demo_recipe, demo_study
    from move37.provenance import run_context
    from move37.store import RunStore

    folder, screen = out or Path("runs") / "demo", Console(stderr=True)
    watched = screen if screen.is_terminal and not as_json else None
    with command("demo", as_json) as emit:
        tell(as_json, STAGES[0])
        trained = pipeline.train_model(demo_recipe(seed), folder / "training", watched, lines=not as_json)
        study = demo_study(trained.model, seed)
        tell(as_json, STAGES[1])
        done = pipeline.run_study(study, folder, terminal.progress(as_json), lambda: tell(as_json, STAGES[2]))
        emit(done.sampled, done.verified, done.reported, {"trained": trained.model})
    if not as_json:
        terminal.print_examples(run_context(RunStore.open(folder)))
        terminal.print_reported(done.reported)
        tell(False, f"Next: move37 show {folder}, or in a browser move37 view {folder}")
    if watched is not None:
        webbrowser.open(done.reported.report.resolve().as_uri())
