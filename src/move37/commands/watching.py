"""The command that watches a training which runs elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from move37.commands.application import Json, app, command
from move37.console import tell
from move37.errors import InputError

PANEL = "Other tools"


@app.command(rich_help_panel=PANEL)
def watch(
    folder: Annotated[
        Path, typer.Argument(help="What the training writes: dumps, completions, checkpoints.", metavar="DIR")
    ],
    out: Annotated[Path | None, typer.Option("--out", help="Run folder, else runs/watch-<DIR>.", metavar="RUN")] = None,
    benchmark: Annotated[str | None, typer.Option(help="Name of the benchmark; decides the verifier.")] = None,
    verifier: Annotated[
        str | None, typer.Option(help="Judge with this one; `reported`: the framework's own score decides.")
    ] = None,
    problems: Annotated[
        Path | None, typer.Option(help="The benchmark's file: questions, answers and tests are taken from it.")
    ] = None,
    threshold: Annotated[float, typer.Option(help="A score of the framework's own is correct from here on.")] = 1.0,
    k: Annotated[list[int] | None, typer.Option(min=1, help="Which pass@k; may be given several times.")] = None,
    study: Annotated[
        Path | None, typer.Option(help="Sample the checkpoints in DIR as this study says.", metavar="STUDY.toml")
    ] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="One look, and no more.")] = False,
    as_json: Json = False,
) -> None:
    """Follow a training elsewhere: pass@k with paired intervals against its first step, gained and lost problems.

    For example: move37 watch validation --benchmark math500
    """
    from move37 import terminal
    from move37.config import load_study
    from move37.terminal_watch import follow
    from move37.watch import Watch, WatchRequest
    from move37.watch.page import PAGE, write_page

    with command("watch", as_json) as emit:
        request = WatchRequest(
            folder=folder,
            run=out or Path("runs") / f"watch-{folder.resolve().name}",
            benchmark=benchmark,
            verifier=verifier,
            problems=problems,
            threshold=threshold,
            k=tuple(k or ()),
            study=None if study is None else load_study(study),
        )
        watching = Watch(request, terminal.progress(as_json or not once))
        if as_json:
            found = watching.look()
            if found is not None:
                write_page(found, live=False)
        else:
            found = follow(watching, every, once)
        if found is None:
            raise InputError(f"{folder}: no step with samples in it yet" + _hint(study))
        emit(found)
    tell(as_json, f"Page: {request.run / PAGE}. The whole report: move37 report {request.run}")


def _hint(study: Path | None) -> str:
    return "" if study else "; checkpoints without samples need --study"
