"""Commands for people who look at samples: the reading room, and what readers said."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from move37.commands.application import Json, Run, app, command
from move37.console import tell
from move37.errors import InputError, MissingExtraError

PANEL = "Studies and runs"


@app.command(rich_help_panel=PANEL)
def view(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; several are shown side by side.", metavar="RUN...")],
    export: Annotated[
        Path | None, typer.Option(help="Write a copy that opens without a server to this folder.", metavar="DIR")
    ] = None,
    max_mb: Annotated[float, typer.Option(min=1, help="Largest size of the copy, in megabytes.")] = 50,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0: a free one.")] = 0,
    reader: Annotated[str | None, typer.Option(help="Who labels; default: your user name.", metavar="NAME")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in your browser.")] = False,
    as_json: Json = False,
) -> None:
    """Look at samples in a browser, base and RL side by side; search, filter, and label chains of thought by key.

    The page is served to this machine alone, under an address with a secret in it, until Ctrl-C.

    For example: move37 view runs/math500 --open
    """
    with command("view", as_json) as emit:
        try:
            from move37.view.export import export_copy
            from move37.view.room import Room
            from move37.view.server import serve
        except ImportError as error:
            raise MissingExtraError(f"the reading room needs {error.name}: pip install 'move37[view]'") from error
        import webbrowser

        from move37.labels import reader_label

        reader_label(reader or "me")
        room = Room(runs)
        if export is not None:
            done = export_copy(room, export, max_mb)
            room.close()
            emit(done)
            tell(as_json, str(done))
            return

        def ready(address: str) -> None:
            emit({"address": address})
            # Under --json standard output has to wait for the end, and whoever asked wants the address now.
            print(f"{address} (Ctrl-C ends it)", file=sys.stderr if as_json else sys.stdout, flush=True)
            if open_browser:
                webbrowser.open(address)

        with suppress(KeyboardInterrupt):  # the way to end it
            serve(room, port, reader, ready)


@app.command(rich_help_panel=PANEL)
def labels(
    run: Run,
    out: Annotated[Path | None, typer.Option(help="Write every label to this JSONL file.", metavar="FILE")] = None,
    read: Annotated[Path | None, typer.Option(help="Take labels from a JSONL file.", metavar="FILE")] = None,
    reader: Annotated[
        str | None, typer.Option(help="Whose labels those are, where the file does not say.", metavar="NAME")
    ] = None,
    as_json: Json = False,
) -> None:
    """What readers said of chains in `move37 view`, and how far they agree: Cohen's kappa, Krippendorff's alpha.

    For example: move37 labels runs/math500 --out labels.jsonl
    """
    from move37 import labels as kept
    from move37.store import RunStore

    with command("labels", as_json) as emit:
        store = RunStore.open(run)
        if read is not None and out is not None:
            raise InputError("--read takes labels in and --out writes them down; one at a time")
        kept.settle(store)
        if read is not None:
            tell(as_json, f"{kept.read_labels(store, read, reader):,} labels read from {read}")
        if out is not None:
            tell(as_json, f"{kept.write_labels(store, out):,} labels: {out}")
        found = kept.readings(store)
        emit(found)
    tell(as_json, str(found))
