"""Where does the boundary stand after each step of a training? One small function over a tally per step.

Every step is compared with the first one on the same problems, paired: pass@k with intervals (`families.py` where
several steps are compared, so that all intervals of all steps and all k hold together), and the problems that it solves
and the first did not, and the other way round, with what luck explains of each (`gains_losses.py`).

Held-out problems are the same at every step. A training's own rollouts are not: there a step is compared with what was
first seen of its problems, on those that came up before, at a level shared between the steps (Bonferroni). Which of the
two was done is said (`Boundary.paired_with`).

`resampled` is what a framework reports that draws k of a problem's n responses with replacement: 1 - (1 - c/n)^k on
average, less than pass@k: for 1 of 4 right and k = 4 it is .684, and pass@4 is 1.
Left out: trends over steps, and when to stop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from move37.analyses.curves import CurveDifference, curve_difference
from move37.analyses.families import FAMILY_BAND, family
from move37.analyses.gains_losses import Change, gains_and_losses
from move37.analyses.pairing import leave_out_unscored, on_problems
from move37.counts import Tally
from move37.errors import InputError
from move37.estimates.pass_at_k import pass_at_k
from move37.estimates.settings import BandSettings
from move37.types import FloatArray

FIRST_STEP = "the first step"
FIRST_VISIT = "what was first seen of each problem"
_COMMON = 0.5
"""Steps that share this part of all problems are measured on the same ones."""


@dataclass(frozen=True, slots=True)
class StepDifference:
    """A step minus what it is compared with, on the `problems` that both have."""

    problems: int
    at: tuple[tuple[float, float, float], ...]
    """(difference, lower end, upper end) of pass@k, for each k of the step that both sides can speak about."""
    gained: int
    """Problems with a correct sample that had none."""
    lost: int
    gained_at_least: int
    """How many of `gained` are more than luck, at least."""
    lost_at_least: int


@dataclass(frozen=True, slots=True)
class BoundaryStep:
    """One step. Tuples go with `k`."""

    step: int
    problems: int
    n: tuple[int, int]
    """Smallest and largest number of scored samples per problem."""
    unscored: int
    k: tuple[int, ...]
    pass_at_k: tuple[float, ...]
    resampled: tuple[float, ...]
    """The mean of 1 - (1 - c/n)^k."""
    solved: int
    against_first: StepDifference | None
    """None for the first step, and where no problem came up before."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """All steps so far. `left_out`: problems that not every step has, or without a scored sample in some."""

    steps: tuple[BoundaryStep, ...]
    paired_with: str
    confidence: float
    left_out: int


def boundary(tallies: Mapping[int, Tally], ks: Sequence[int] = (), confidence: float = 0.95) -> Boundary:
    """Steps in their order. `ks`: which pass@k; default powers of two, and the largest that all problems have.

    Raises InputError where there is no step, or none with a scored sample.
    """
    if not tallies:
        raise InputError("no step to look at yet")
    steps = sorted(tallies)
    everything = {id for tally in tallies.values() for id in tally.problem_ids}
    common = frozenset.intersection(*(tally.id_set for tally in tallies.values()))
    if len(common) < _COMMON * len(everything):
        return _by_first_visit(steps, tallies, ks, confidence)
    kept, _ = leave_out_unscored([on_problems(tallies[step], common) for step in steps])
    kept = [tally for tally in kept if isinstance(tally, Tally)]
    if not kept[0].problems:
        raise InputError("no problem has a scored sample at every step")
    differences = _differences(kept[0], kept[1:], confidence)
    shown = _ks(min(int(tally.n.min()) for tally in kept), ks)
    found = [_step(steps[0], kept[0], shown, None)]
    changes = gains_and_losses(kept[0], kept[1:], confidence) if len(kept) > 1 else ()
    for step, tally, difference, (gained, lost) in zip(steps[1:], kept[1:], differences, changes, strict=True):
        found.append(_step(step, tally, shown, _against(difference, shown, tally, gained, lost)))
    return Boundary(tuple(found), FIRST_STEP, confidence, len(everything) - kept[0].problems)


def _differences(first: Tally, later: Sequence[Tally], confidence: float) -> Sequence[CurveDifference]:
    if len(later) < 2:
        return [curve_difference(first, tally, BandSettings(confidence)) for tally in later]
    return family(first, later, replace(FAMILY_BAND, confidence=confidence)).members


def _by_first_visit(
    steps: Sequence[int], tallies: Mapping[int, Tally], ks: Sequence[int], confidence: float
) -> Boundary:
    """Each step against the first visits of its problems."""
    seen: dict[str, tuple[int, int]] = {}
    found = []
    level = 1 - (1 - confidence) / max(1, len(steps) - 1)
    for step in steps:
        whole = tallies[step]
        tally = whole.select(whole.n > 0)
        if not tally.problems:
            continue
        shown = _ks(int(tally.n.min()), ks)
        again = tally.select(np.array([id in seen for id in tally.problem_ids], dtype=bool))
        against = None
        if again.problems > 1:
            first = _of_counts(again, [seen[id] for id in again.problem_ids])
            difference = curve_difference(first, again, replace(FAMILY_BAND, confidence=level))
            [(gained, lost)] = gains_and_losses(first, [again], level)
            against = _against(difference, shown, again, gained, lost)
        found.append(replace(_step(step, tally, shown, against), unscored=int(whole.unscored.sum())))
        counts = zip(tally.problem_ids, tally.correct.tolist(), tally.n.tolist(), strict=True)
        seen = {id: (c, n) for id, c, n in counts} | seen
    return Boundary(tuple(found), FIRST_VISIT, confidence, 0)


def _step(step: int, tally: Tally, ks: Sequence[int], against: StepDifference | None) -> BoundaryStep:
    curve = pass_at_k(tally.correct, tally.n, max(ks)).mean(axis=0)
    return BoundaryStep(
        step=step,
        problems=tally.problems,
        n=(int(tally.n.min()), int(tally.n.max())),
        unscored=int(tally.unscored.sum()),
        k=tuple(ks),
        pass_at_k=tuple(float(curve[k - 1]) for k in ks),
        resampled=tuple(float(value) for value in resampled_at_k(tally, ks)),
        solved=int((tally.correct > 0).sum()),
        against_first=against,
    )


def resampled_at_k(tally: Tally, ks: Sequence[int]) -> FloatArray:
    """The mean over problems of 1 - (1 - c/n)^k: the best of k draws with replacement, shape (len(ks),)."""
    wrong = 1 - tally.correct / tally.n
    return 1 - (wrong[:, None] ** np.array(ks)).mean(axis=0)


def _against(
    difference: CurveDifference, ks: Sequence[int], tally: Tally, gained: Change, lost: Change
) -> StepDifference:
    lower, upper = difference.reported
    mean, known = difference.band.mean, len(difference.k)
    at = tuple((float(mean[k - 1]), float(lower[k - 1]), float(upper[k - 1])) for k in ks if k <= known)
    return StepDifference(tally.problems, at, gained.only, lost.only, gained.at_least, lost.at_least)


def _of_counts(like: Tally, counts: Sequence[tuple[int, int]]) -> Tally:
    """A tally of the same problems with other counts (c, n)."""
    correct, n = np.array(counts, dtype=np.int64).T
    nothing = np.zeros_like(n)
    return Tally("first", like.problem_ids, correct, n - correct, nothing, nothing)


def _ks(largest: int, wanted: Sequence[int]) -> tuple[int, ...]:
    """Those of the wanted ks that there are samples for; by default powers of two, and the largest."""
    if wanted:
        return tuple(sorted({k for k in wanted if k <= largest} | ({1} if min(wanted) > largest else set())))
    powers = [2**i for i in range(largest.bit_length()) if 2**i <= largest]
    return tuple(sorted({*powers, largest}))
