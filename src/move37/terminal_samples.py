"""Samples on a terminal: a table of problems, and the responses to one of them.

Responses are text that a model wrote: whatever a terminal would obey in them (escape sequences, carriage returns,
changes of direction) is shown as its code.
"""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from move37.browse import SeenProblem, SeenSample
from move37.console import plain_text, tell, visible
from move37.terminal import print_table
from move37.types import Problem

SHOWN_CHARACTERS = 1000
"""Of the end of a response, where its answer stands; all of it with --full."""
COLOURS = {"correct": "green", "incorrect": "red", "unscored": "yellow", None: "dim"}


def print_problems(seen: Sequence[SeenProblem], limit: int, searched: bool) -> None:
    """One row a problem: correct of scored samples for each model; with `searched`, how many samples were found."""
    models = list(seen[0].models) if seen else []
    rows = [
        (
            f"{problem.number:,}",
            *(f"{counted.correct:,} of {counted.scored:,}" for counted in problem.models.values()),
            *([f"{sum(counted.wanted for counted in problem.models.values()):,}"] if searched else []),
            visible(" ".join(problem.question.split()))[:60],
        )
        for problem in seen[:limit]
    ]
    header = ("problem", *(f"{model}: correct" for model in models), *(["found"] if searched else []), "question")
    print_table(f"{len(seen):,} {'problem' if len(seen) == 1 else 'problems'}", header, rows)
    if len(seen) > limit:
        tell(False, f"{len(seen) - limit:,} more: --limit {len(seen)} shows them.")


def print_samples(problem: Problem, seen: Sequence[SeenSample], limit: int, full: bool) -> None:
    """The question, then each model's responses, equal ones once, the first `limit` of each model."""
    console = Console(highlight=False)
    console.print(plain_text(f"{problem.id}\n\n{visible(problem.question)}\n"), soft_wrap=True)
    tell(False, "Reference: " + " | ".join(visible(each) for each in problem.references) if problem.references else "")
    for model in dict.fromkeys(sample.model for sample in seen):
        of_model = [sample for sample in seen if sample.model == model]
        tell(False, f"\n{_in_words(model, of_model)}")
        for sample in of_model[:limit]:
            console.print(Rule(Text(_heading(sample), style=COLOURS.get(sample.outcome, "")), align="left"))
            console.print(plain_text(shown(sample.text, full)), soft_wrap=True)
        if len(of_model) > limit:
            tell(False, f"{len(of_model) - limit:,} more responses: --limit {len(of_model)} shows them.")


def _in_words(model: str, seen: Sequence[SeenSample]) -> str:
    outcomes: Counter[str] = Counter()
    for sample in seen:
        outcomes[sample.outcome or "not judged yet"] += len(sample.indices)
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
    answers = len({sample.answer for sample in seen if sample.answer is not None})
    return (
        f"{model}: {counts}; {len(seen):,} different {'response' if len(seen) == 1 else 'responses'}, "
        f"{answers:,} different {'answer' if answers == 1 else 'answers'}"
    )


def _heading(sample: SeenSample) -> str:
    first, *others = sample.indices
    equal = f" (and {len(others):,} equal: {', '.join(map(str, others[:5]))}{', ...' if others[5:] else ''})"
    parts = [
        f"{sample.model} #{first}{equal if others else ''}",
        sample.outcome or "not judged yet",
        None if sample.answer is None else f"answer {_short(sample.answer)}",
        sample.reason or None,
        ", ".join(sample.flags) or None,
        None if sample.tokens is None else f"{sample.tokens:,} token{'' if sample.tokens == 1 else 's'}",
        sample.finish_reason,
    ]
    return " · ".join(part for part in parts if part)


def _short(answer: str) -> str:
    line = visible(" ".join(answer.split()))
    return line if len(line) <= 60 else f"{line[:57]}..."


def shown(text: str, full: bool) -> str:
    if full or len(text) <= SHOWN_CHARACTERS:
        return visible(text)
    return f"[{len(text) - SHOWN_CHARACTERS:,} characters before: --full] ...{visible(text[-SHOWN_CHARACTERS:])}"
