"""Whether an answer is found, and whether it is right: the sentence about each model, and about their difference."""

from collections.abc import Sequence

from move37.analyses.format_split import FormatDifference, FormatShare
from move37.report.number_format import exists, level, percent, points, points_interval


def format_sentences(models: Sequence[FormatShare], pairs: Sequence[FormatDifference]) -> list[str]:
    """One for each model whose samples do not all hold an answer, one for each pair."""
    return [*map(_model, models), *map(_pair, pairs)]


def _model(found: FormatShare) -> str:
    right = f", and {percent(found.right_when_found)} of those are right" if exists(found.right_when_found) else ""
    return f"An answer is found in {percent(found.found)} of the samples of {found.model}{right}."


def _pair(found: FormatDifference) -> str:
    error = max((high - low) / 4 for low, high in (found.format_interval, found.content_interval))
    return (
        f"Of the {points(found.total, error)} points by which {found.rl} differs from {found.base} with one try, "
        f"{points(found.format, error)} ({points_interval(*found.format_interval, error)}) are answers that are found, "
        f"and {points(found.content, error)} ({points_interval(*found.content_interval, error)}) answers that are "
        f"right ({level(found.confidence)} each, for problems like these)."
    )
