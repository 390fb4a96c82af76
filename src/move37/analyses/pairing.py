"""Two tallies of the same problems, side by side: the door that every paired analysis goes through.

Problems are matched by id and must be the same set: an intersection taken silently would compare the models on
whatever both happened to finish. Every problem needs a scored sample.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from move37.counts import AnyTally, has_repeats
from move37.errors import InputError

B = TypeVar("B", bound=AnyTally)
R = TypeVar("R", bound=AnyTally)
T = TypeVar("T", bound=AnyTally)


def with_shared_ids(base: B, rl: R) -> tuple[B, R]:
    """Both as they are, with one tuple of ids where theirs are equal: a million of them take 70 MB."""
    if rl.problem_ids != base.problem_ids:
        return base, rl
    return base, replace(rl, problem_ids=base.problem_ids)


def require_scored(tally: AnyTally) -> None:
    """Raises InputError if there are no problems, a problem occurs twice, or one has no scored sample."""
    if not tally.problems:
        raise InputError(f"{tally.model}: no problems, nothing to analyse")
    if has_repeats(tally.problem_ids):
        seen: set[str] = set()
        twice = [i for i in tally.problem_ids if i in seen or seen.add(i)]
        raise InputError(f"{tally.model}: {name_some(twice)} more than once; every problem needs one row of counts")
    empty = [tally.problem_ids[place] for place in np.flatnonzero(tally.scored == 0)]
    if empty:
        raise InputError(
            f"{tally.model}: {name_some(empty)} without a single scored sample; verify again, sample more, or leave "
            "them out of the problems of both models"
        )


def leave_out_unscored(tallies: Sequence[AnyTally]) -> tuple[list[AnyTally], tuple[str, ...]]:
    """The tallies without the problems on which some model has no scored sample, and the ids of those problems.

    Such a problem says nothing about that model, so it leaves the set of every model: the comparison stays paired.
    Raises InputError, which names the models, where no problem would be left.
    """
    unscored = {tally.problem_ids[place] for tally in tallies for place in np.flatnonzero(tally.scored == 0)}
    if not unscored:
        return list(tallies), ()
    if all(tally.id_set <= unscored for tally in tallies):
        told = [f"{t.model} on {np.count_nonzero(t.scored == 0)}" for t in tallies if not t.scored.all()]
        raise InputError(
            f"no problem on which every model has a scored sample: {', '.join(told)} of {len(unscored)} have none; "
            "find out why the verifier failed on them and verify again, or take them out of the study"
        )
    return [on_problems(t, t.id_set - unscored) for t in tallies], tuple(sorted(unscored))


def on_problems(tally: T, problem_ids: Collection[str]) -> T:
    """The tally of those of its problems that are among `problem_ids`, itself if they all are."""
    if problem_ids is tally.problem_ids:
        return tally
    kept = set(problem_ids)
    if tally.id_set <= kept:
        return tally
    return tally.select(np.array([problem in kept for problem in tally.problem_ids], dtype=bool))


def paired(base: B, rl: R) -> tuple[B, R]:
    """Both tallies with the problems in base's order. Raises InputError unless they cover the same problems."""
    require_scored(base)
    require_scored(rl)
    if rl.problem_ids == base.problem_ids:
        return base, rl
    for one, other in ((base, rl), (rl, base)):
        missing = one.id_set - other.id_set
        if missing:
            lacking = [problem_id for problem_id in one.problem_ids if problem_id in missing]
            raise InputError(
                f"{other.model} lacks {name_some(lacking)} of {one.model}'s {one.problems}; compare the models on the "
                "same problems"
            )
    position = {problem_id: i for i, problem_id in enumerate(rl.problem_ids)}
    order = np.array([position[problem_id] for problem_id in base.problem_ids])
    return base, rl.select(order)


def name_some(ids: Sequence[str]) -> str:
    """How many problems, and the first three of them."""
    shown = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
    return f"{len(ids)} problem{'s' * (len(ids) != 1)} ({shown})"
