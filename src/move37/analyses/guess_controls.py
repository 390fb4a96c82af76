"""A model that is made to guess: asked without the images, or for the answer alone (arXiv 2504.13837, appendix D.2).

The same weights under the same sampling, so its curve is a guesser's in the sense of `guessing.py`: what the model
knows about answers without seeing, or without reasoning. Problems that it solves rarely but does solve are those on
which a solution at large k says least; `guessed` names them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from move37.analyses.guessing import GuessBaseline
from move37.analyses.pairing import on_problems
from move37.counts import AnyTally
from move37.estimates.rows import correct_samples, k_limit, pass_at_k_rows

if TYPE_CHECKING:  # tables are of runs: counts are compared without a table library
    import polars as pl

_ASKED = {"blind": "asked without the images", "answer-only": "asked for the answer alone"}


@dataclass(frozen=True, eq=False)
class GuessControl:
    """`arm` is `model` made to guess, in the manner of `kind`."""

    model: str
    arm: str
    kind: Literal["blind", "answer-only"]
    tally: AnyTally
    answers: "pl.DataFrame | None" = None
    """As in `ModelData.answers`, where they are known."""
    about: Collection[str] | None = None
    """Ids of the problems on which it guesses: those with images, if it is blind; None: on all."""


def control_baseline(control: GuessControl, problem_ids: Collection[str]) -> GuessBaseline | None:
    """Its curve over the problems that are analysed; None where some of them has no scored sample of it."""
    wanted = set(problem_ids) if control.about is None else set(problem_ids) & set(control.about)
    tally = on_problems(control.tally, wanted & control.tally.id_set)
    if tally.problems < len(wanted) or k_limit(tally) < 1:
        return None
    solved = int((correct_samples(tally) > 0).sum())
    return GuessBaseline(
        name=f"{control.model}, {control.kind}",
        description=f"{_ASKED[control.kind]}; {solved} of {tally.problems} problems solved at least once",
        k=np.arange(1, k_limit(tally) + 1),
        pass_at_k=pass_at_k_rows(tally).mean(0),
        problems=tally.problems,
    )


@dataclass(frozen=True)
class Guessed:
    """What a guess control says of every problem: the ids that it never solved, solved rarely, and solved often.

    `rarely`: a share of its scored samples above 0 and below `below`; these the reference study leaves out of what it
    reads. `unknown` have no scored sample.
    """

    arm: str
    below: float
    never: tuple[str, ...]
    rarely: tuple[str, ...]
    often: tuple[str, ...]
    unknown: tuple[str, ...]


def guessed(control: GuessControl, below: float) -> Guessed:
    """Which problems the control guesses."""
    tally = control.tally if control.about is None else on_problems(control.tally, set(control.about))
    found: dict[str, list[str]] = {"never": [], "rarely": [], "often": [], "unknown": []}
    for problem, right, scored in zip(tally.problem_ids, correct_samples(tally), tally.scored, strict=True):
        kind = "unknown" if not scored else "never" if not right else "rarely" if right < below * scored else "often"
        found[kind].append(problem)
    return Guessed(control.arm, below, **{kind: tuple(ids) for kind, ids in found.items()})
