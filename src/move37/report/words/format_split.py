"""Whether an answer is found, and whether it is right: the sentence about each model, and about their difference."""

from collections.abc import Sequence

from move37.analyses.format_split import FormatDifference, FormatShare
from move37.report.number_format import exists, level, percent, points, points_interval
from move37.report.words.claim import LIKE_THESE, Assertion, Claim, described


def format_sentences(models: Sequence[FormatShare], pairs: Sequence[FormatDifference]) -> list[Claim]:
    """One for each model whose samples do not all hold an answer, one for each pair."""
    return [*map(_model, models), *map(_pair, pairs)]


def _model(found: FormatShare) -> Claim:
    right = f", and {percent(found.right_when_found)} of those are right" if exists(found.right_when_found) else ""
    samples = "samples" if found.first is None else f"first {found.first} samples"
    return described(f"An answer is found in {percent(found.found)} of the {samples} of {found.model}{right}.")


def _pair(found: FormatDifference) -> Claim:
    where = "with one try" if found.first is None else f"in the first {found.first} samples"
    parts = (("format", found.format_interval), ("content", found.content_interval))
    known = [(name, ends) for name, ends in parts if ends[0] > -1 or ends[1] < 1]
    error = max((high - low) / 4 for _, (low, high) in parts)
    shown = {name: f" ({points_interval(*ends, error)})" for name, ends in known}
    text = (
        f"Of the {points(found.total, error)} points by which {found.rl} differs from {found.base} {where}, "
        f"{points(found.format, error)}{shown.get('format', '')} are answers that are found, and "
        f"{points(found.content, error)}{shown.get('content', '')} answers that are right"
    )
    sure = f" ({level(found.confidence)} confidence each, for {LIKE_THESE})" if known else ""
    return Claim(
        f"{text}{sure}.",
        tuple(Assertion(f"difference by {name}", (found.rl, found.base), (1,), *ends) for name, ends in known),
        target=LIKE_THESE,
        confidence=found.confidence,
        corrected_over="each part by itself",
    )
