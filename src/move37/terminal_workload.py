"""What `move37 run --dry-run` shows: trainings, samples, and about how long."""

from move37.console import tell
from move37.terminal import print_table
from move37.workload import Workload

_MINUTE, _HOUR = 60, 3600


def print_workload(work: Workload) -> None:
    """Two tables and their sum; what is done already is in them, with nothing owed."""
    if work.trainings:
        rows = [
            (
                each.training,
                each.algorithm,
                str(each.seed),
                f"{each.owed:,} of {each.steps:,}",
                duration(each.seconds),
                each.basis,
            )
            for each in work.trainings
        ]
        header = ("training", "what", "seed", "steps owed", "time", "basis")
        print_table("To train", header, rows)
    rows = [(s.model, f"{s.samples:,}", f"{s.tokens:,.0f}", duration(s.seconds), s.basis) for s in work.sampling]
    print_table(
        f"To sample, on {work.problems:,} problems", ("model", "samples at most", "tokens", "time", "basis"), rows
    )
    total = work.totals()["seconds"]
    known = "not known for all of it" if total is None else f"about {duration(total)}"
    tell(False, f"Time: {known}, without verdicts and report. Nothing was trained, sampled or written.")


def duration(seconds: float | None) -> str:
    """ "40 s", "12 min", "2.5 h"."""
    if seconds is None:
        return "not known"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.1f} h"
