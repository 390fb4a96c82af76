"""What does a reader see of a probe? A table, as in `details.py`, and its sentence."""

from collections.abc import Sequence

from move37.analyses.contamination import PartialQuestions
from move37.report.number_format import count, counted, level, percent, percent_interval
from move37.report.tables import Cell, Estimated, Table


def partial_table(found: Sequence[PartialQuestions]) -> Table:
    """Completed and answered, by model and share."""
    return Table(
        caption="Questions of which a part was shown, continued greedily",
        header=("model", "shown", "questions", "completed word for word", "answered"),
        rows=tuple(map(_row, found)),
        csv="contamination.csv",
        notes=(f"{level(found[0].confidence)} intervals, each for itself, for problems like these.",),
    )


def partial_sentence(found: Sequence[PartialQuestions]) -> str:
    """What one model does with the smallest part."""
    least = found[0]
    return (
        f"Shown {least.share} % of a question, {least.model} completes {count(least.completed)} of "
        f"{counted(least.problems, 'question')} word for word and answers {count(least.answered)} of the "
        f"{count(least.judged)} that could be judged."
    )


def _row(each: PartialQuestions) -> tuple[Cell, ...]:
    return (
        each.model,
        f"{each.share} %",
        count(each.problems),
        _share(each.completed, each.problems, each.completed_interval),
        _share(each.answered, each.judged, each.answered_interval),
    )


def _share(part: int, whole: int, interval: tuple[float, float]) -> Cell:
    share = percent(part / whole if whole else None, reason="none could be judged")
    return Estimated(share, percent_interval(*interval, None, "no interval"))
