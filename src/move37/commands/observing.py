"""Commands that look: what a run is doing, from another shell, and what this machine can run."""

from pathlib import Path
from typing import Annotated

import typer

from move37.commands.application import Json, Run, app, command

PANEL = "Studies and runs"


def as_it_is_now(run: Path) -> Path:
    """The folder of a run, after what is new at its URL came, where it is the copy of one."""
    from move37.remote import is_copy, renewed

    if is_copy(run):
        renewed(run)
    return run


@app.command(rich_help_panel=PANEL)
def status(
    run: Run,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """What a run is doing, from another shell: speed, what is left, verdicts, cost, each copy of the model.

    For example: move37 status runs/math500 --watch
    """
    from move37 import terminal_status
    from move37.errors import InputError
    from move37.status import run_status
    from move37.store import RunStore

    with command("status", as_json) as emit:
        if watch and as_json:
            raise InputError("--watch draws on a terminal and --json prints once; one at a time")
        found = run_status(RunStore.open(run))
        emit(found)
        if watch:
            terminal_status.watch_status(lambda: run_status(RunStore.open(as_it_is_now(run))))
    if not as_json:
        terminal_status.print_status(found)


@app.command(rich_help_panel="The instrument")
def doctor(as_json: Json = False) -> None:
    """What this machine can run (GPU, vLLM, sandbox, hub, caches), and the line that installs what is missing.

    For example: move37 doctor
    """
    from move37 import terminal_status
    from move37.doctor import examine

    with command("doctor", as_json) as emit:
        checks = examine()
        emit({"checks": checks})
    if not as_json:
        terminal_status.print_checks(checks)
