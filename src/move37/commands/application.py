"""The application that the commands join, and what all of them take and print.

Each command reads its arguments, calls one function of `pipeline.py` or of a module beside it, and prints what it
returns. It loads what it needs when it runs, so that --help waits for no library.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from move37 import __version__
from move37.errors import Move37Error
from move37.interrupts import raise_from_now_on

app = typer.Typer(
    name="move37",
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Does RLVR give a language model moves it did not have, or does it only play known moves more often?",
)

BEGIN = """Does RLVR give a language model moves it did not have, or does it only play known moves more often?

Begin with one of these:
  move37 demo                                                see it happen on this machine, in minutes
  move37 compare BASE.jsonl RL.jsonl --out report            you have counts of right samples
  move37 import auto BASE_LOGS RL_LOGS --out RUN --report    you have logs of another tool
  move37 run --base BASE --rl RL --benchmark math500         you have two models
  move37 plan STUDY.toml                                     what a study would cost, and could show

move37 --help lists every command, move37 COMMAND --help what it takes."""


@app.callback(invoke_without_command=True)
def begin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and nothing else.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="After an error, show where it came from.")] = False,
) -> None:
    """Does RLVR give a language model moves it did not have, or does it only play known moves more often?"""
    if version:
        print(f"move37 {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(BEGIN)


DEBUG = "After an error, `--debug` anywhere on the line shows where it came from."
"""Under the help of every command: it is no option of one."""


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
