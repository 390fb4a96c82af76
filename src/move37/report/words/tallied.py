"""The answers of the first screen for many models: how many each holds for, and for how many it holds of all at once.

With 50 models each at 95 %, two or three seem better or worse by chance alone: beside the number of models that are
shown to be better, each with its own confidence, stands the number that one band for all of them shows. The tests of
moves allow for all models anyhow, and say so.
"""

from dataclasses import dataclass

from move37.report.number_format import count
from move37.report.palette import SERIES
from move37.report.words import named
from move37.report.words.first_screen import NO, YES, Answer, FirstScreen

_NAMED = 3
"""Models up to which an answer names them."""


@dataclass(frozen=True)
class Tallied:
    """How many models an answer of the first screen holds for."""

    question: str
    short: str
    detail: str


def is_family(models: int) -> bool:
    """Whether so many models are shown as a family: more than one chart has colours for."""
    return models > len(SERIES)


def tallied(screen: FirstScreen) -> tuple[Tallied, ...]:
    """One for each question, over the models that have it."""
    by_question: dict[str, list[tuple[str, Answer]]] = {}
    for (rl, _), answers in zip(screen.pairs, screen.answers, strict=True):
        for answer in answers:
            by_question.setdefault(answer.question, []).append((rl, answer))
    return tuple(_of(question, given, screen) for question, given in by_question.items())


def _of(question: str, given: list[tuple[str, Answer]], screen: FirstScreen) -> Tallied:
    yes, no = ([rl for rl, answer in given if answer.verdict == verdict] for verdict in (YES, NO))
    unsure = len(given) - len(yes) - len(no)
    said = [f"{', '.join(yes)}."] if 0 < len(yes) <= _NAMED else []
    said += _at_once(given[0][1].key, screen) if yes else []
    said += [f"Shown to be the other way round: {_whom(no)}."] if no else []
    said += [f"Not shown: {count(unsure)}."] if unsure else []
    return Tallied(question, f"{count(len(yes))} of {count(len(given))} models", " ".join(said))


def _at_once(key: str, screen: FirstScreen) -> list[str]:
    if key in ("new", "lost"):
        return ["Corrected over all models."]
    together = screen.together.get(key)
    return [] if together is None else [f"Each with its own confidence; with one band for all: {count(len(together))}."]


def _whom(models: list[str]) -> str:
    return ", ".join(models) if len(models) <= _NAMED else count(len(models))


def answer_lines(found: FirstScreen) -> list[str]:
    """The answers as lines for a terminal: of each comparison, models named where there are several; of a family of
    models how many each answer holds for."""
    if is_family(len(found.pairs) + 1):
        return [f"{each.question} {each.short}. {each.detail}".rstrip() for each in tallied(found)]
    lines = []
    for (rl, _), answers in zip(found.pairs, found.answers, strict=True):
        who = f"{named(rl)}: " if len(found.pairs) > 1 else ""
        lines += [f"{who}{each.question} {each.short}. {each.claim.text}" for each in answers]
    return lines
