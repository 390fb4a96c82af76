"""What would a guesser reach on this benchmark? The line below which a curve says nothing about reasoning.

Two guessers, neither of which reads the problem:
- *uniform*: any answer of a stated answer space: the options of each problem where problems carry them, else what the
  references show (options A to the last letter that is an answer anywhere, or whole numbers of at most three digits;
  AIME: 0 to 999). It is part of the result, since whoever knows less guesses worse. Elsewhere there is no honest space
  and no such line.
- *answer prior*: the answer of another problem of the same benchmark, taken at random; a problem's own answer does not
  count. Answers are compared as text (numbers as numbers, options as letters), so it is a lower bound.

Problems of several benchmarks are guessed benchmark by benchmark and averaged together, as the curves are. Left out:
programs and other answers that nobody guesses, and the models' own law of wrong answers.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.errors import InputError
from move37.estimates.guessing import guess_pass_at_k, leave_one_out_chances
from move37.types import FloatArray, IntArray, Problem
from move37.verifiers.letters import letter

UNIFORM = "uniform guessing"
ANSWER_PRIOR = "answer prior"

_GUESSABLE = frozenset({"math", "exact", "numeric", "choice"})
"""Verifiers whose references are answers that somebody might say."""
_MOST_DIGITS = 3
_WHOLE = re.compile(r"\d+")


@dataclass(frozen=True, eq=False)
class GuessBaseline:
    """pass@k of one guesser for k = 1..K, as arrays of shape (K,)."""

    name: str
    description: str
    """Whom the line stands for: what the guesser knows."""
    k: IntArray
    pass_at_k: FloatArray
    problems: int

    def at(self, k: int) -> float:
        """pass@k of the guesser."""
        return float(self.pass_at_k[k - 1])


def guess_baselines(problems: Sequence[Problem], k_max: int) -> tuple[GuessBaseline, ...]:
    """The guessers that can be stated for these problems, at k = 1..k_max; empty where there is none.

    Raises InputError without problems and for k_max < 1.
    """
    if not problems or k_max < 1:
        raise InputError("guess baselines need at least one problem, and k_max of at least 1")
    ks = np.arange(1, k_max + 1)
    benchmarks: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        benchmarks[problem.benchmark].append(problem)
    guessers = ((UNIFORM, [_uniform(each) for each in benchmarks.values()]),)
    guessers += ((ANSWER_PRIOR, [_answer_prior(each) for each in benchmarks.values()]),)
    return tuple(
        GuessBaseline(
            name=name,
            description="; ".join(dict.fromkeys(description for description, _ in known)),
            k=ks,
            pass_at_k=guess_pass_at_k(np.concatenate([chances for _, chances in known]), ks),
            problems=len(problems),
        )
        for name, parts in guessers
        if len(known := [part for part in parts if part is not None]) == len(parts)
    )


_Guesser = tuple[str, FloatArray]
"""What the guesser knows, and its chance on every problem (M,)."""


def _uniform(problems: Sequence[Problem]) -> _Guesser | None:
    """Every problem of one benchmark guessed from the same space; None where no space can be stated."""
    if all(problem.verifier == "choice" for problem in problems):
        options = [_answers(problem) for problem in problems]
        if not all(options):
            return None
        shown = [len(problem.metadata.get("options", ())) for problem in problems]
        if all(shown):
            low, high = min(shown), max(shown)
            description = f"any of the {low if low == high else f'{low} to {high}'} options"
            return description, np.array([len(set(each)) / size for each, size in zip(options, shown, strict=True)])
        last = max(max(each) for each in options)
        size = max(2, ord(last) - ord("A") + 1)
        description = f"any of the {size} options A to {chr(ord('A') + size - 1)}"
    else:
        options = [_answers(problem) for problem in problems]
        if not all(each and all(map(_WHOLE.fullmatch, each)) for each in options):
            return None
        digits = max(len(answer) for each in options for answer in each)
        if digits > _MOST_DIGITS:
            return None
        size = 10**digits
        description = f"any whole number from 0 to {size - 1}"
    return description, np.array([len(set(each)) / size for each in options])


def _answer_prior(problems: Sequence[Problem]) -> _Guesser | None:
    """None for answers that nobody would guess, for fewer than two problems, and where no two answers are the same."""
    options = [_answers(problem) for problem in problems]
    if len(problems) < 2 or not all(options):
        return None
    chances = leave_one_out_chances(options)
    return ("the answer of another problem of the same benchmark", chances) if chances.any() else None


def _answers(problem: Problem) -> list[str]:
    """The right answers in a form in which equal ones are equal; empty where they are no answers to be guessed."""
    if problem.verifier not in _GUESSABLE:
        return []
    if problem.verifier == "choice":
        letters = [letter(reference) for reference in problem.references]
        return [each for each in letters if each is not None] if None not in letters else []
    return list(dict.fromkeys(_plain(reference) for reference in problem.references))


def _plain(reference: str) -> str:
    """Without spaces; a whole number without leading zeros."""
    text = "".join(reference.split())
    return str(int(text)) if _WHOLE.fullmatch(text) else text
