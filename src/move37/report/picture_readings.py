"""What does a reader see of what models took pictures for? A table, as in `details.py`, and its sentence."""

from collections.abc import Sequence

from move37.analyses.picture_readings import PictureReading
from move37.report.number_format import count, level, percent, percent_interval
from move37.report.tables import Cell, Estimated, Table


def readings_table(found: Sequence[PictureReading]) -> Table:
    """Digits, whole readings, and what became of them, by model and way of showing."""
    return Table(
        caption="What the pictures were taken for",
        header=("model", "shown", "problems", "digits right", "all read", "right when read", "read, and still wrong"),
        rows=tuple(map(_row, found)),
        csv="readings.csv",
        notes=(f"{level(found[0].confidence)} intervals, each for itself, for problems like these.",),
    )


def reading_sentence(found: PictureReading) -> str:
    """Whether one model fails to see or to reason."""
    if found.shown != "image":
        return f"Without the picture {found.model} guesses {percent(found.digits)} of the digits."
    then = "" if found.right_when_read is None else f", and {percent(found.right_when_read)} of those are right"
    return (
        f"{found.model} reads {percent(found.digits)} of the digits; {percent(found.read)} of its samples read the "
        f"whole picture rightly{then}."
    )


def _row(each: PictureReading) -> tuple[Cell, ...]:
    return (
        each.model,
        each.shown,
        count(each.problems),
        Estimated(percent(each.digits), percent_interval(*each.digits_interval, None, "no interval")),
        Estimated(percent(each.read), percent_interval(*each.read_interval, None, "no interval")),
        percent(each.right_when_read, reason="nothing was read"),
        percent(each.wrong_though_read),
    )
