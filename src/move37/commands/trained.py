"""`move37 show` of a training, which is no run."""

from pathlib import Path
from typing import TYPE_CHECKING

from move37.commands.application import command
from move37.console import tell

if TYPE_CHECKING:
    from move37.terminal_training import Kept


def show_training(run: Path, step: str | None, kept: "Kept", as_json: bool) -> None:
    """`move37 show` of a training: the kept steps, or the responses of one."""
    from move37.terminal_training import counts_of, print_responses, print_steps, step_named, steps_of, wanted
    from move37.training.samples import read_samples

    with command("show", as_json) as emit:
        if step is None:
            found = [counts_of(run, each) for each in steps_of(run)]
            emit({"run": run, "steps": found})
        else:
            number = step_named(run, step)
            found = wanted(read_samples(run, number), kept).to_dicts()
            emit({"run": run, "step": number, "samples": found})
    if as_json:
        return
    if step is None:
        print_steps(found)
        tell(False, f"Next: move37 show {run} {found[-1]['step']}")
    else:
        print_responses(found, kept)
