"""The command on guessing: which problems of a run a model solves without reasoning, or without seeing."""

from pathlib import Path
from typing import Annotated

import typer

from move37.commands.application import Json, Run, app, command
from move37.console import tell


@app.command(rich_help_panel="The instrument")
def guessable(
    run: Run,
    arm: Annotated[str | None, typer.Option(help="Only this arm; default: every one with `guess`.")] = None,
    below: Annotated[
        float, typer.Option(min=0, max=1, help="Share of right answers below which a problem counts as guessed.")
    ] = 0.05,
    out: Annotated[
        Path | None, typer.Option(help="Write the ids of problems that are not guessed, one a line.", metavar="FILE")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which problems a model solves when asked for the answer alone, or without the images.

    The study needs an arm with guess = "answer-only" or "blind". A problem that it solves rarely, but does, may be
    solved by luck at large k. For example: move37 guessable runs/math500
    """
    from move37.files import write_atomically
    from move37.guess_filter import guessable as find
    from move37.store import RunStore

    with command("guessable", as_json) as emit:
        found = find(RunStore.open(run), arm, below)
        if out is not None:
            rarely = {problem for each in found for problem in each.rarely}
            kept = dict.fromkeys(p for each in found for p in (*each.never, *each.often) if p not in rarely)
            write_atomically(out, "".join(f"{problem}\n" for problem in kept).encode())
        emit({"run": run, "controls": found})
    for each in () if as_json else found:
        total = sum(map(len, (each.never, each.rarely, each.often, each.unknown)))
        tell(
            False,
            f"{each.arm}: of {total:,} problems it solves {len(each.never):,} never, {len(each.rarely):,} in less than "
            f"{each.below:.0%} of its tries (guessed), {len(each.often):,} more often, {len(each.unknown):,} unknown",
        )
        for problem in each.rarely[:20]:
            tell(False, f"  {problem}")
        if len(each.rarely) > 20:
            tell(False, f"  and {len(each.rarely) - 20:,} more (--json lists them)")
