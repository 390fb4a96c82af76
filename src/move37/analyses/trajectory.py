"""What happens on the way of a training: does pass@1 rise while pass@k at the largest k falls (Figure 1, right)?

Every checkpoint is compared with the model that its training started from, which is its step 0, on the same problems:
pass@1, pass@K (K the largest k that all of them have), problems that one of the two alone solves in K samples, and
three measures of how much a model varies: entropy per token, length, different answers among m samples of a problem.

Decisions. The intervals of the changes are paired by problem (Student t, for problems like these) and hold together:
all checkpoints at both ks, by Sidak's share. Over training seeds the change of an algorithm at a step has the interval
of `estimates/two_level.py` for other seeds and other problems, again all steps and algorithms together; two seeds are
needed. Numbers of gained and lost problems stand beside what luck alone makes of them (`solvable_sets.py`), and claim
nothing. Left out: curves fitted through the steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from move37.analyses.curves import mean_interval
from move37.analyses.diversity import MOST, seen
from move37.analyses.exact_truth import KnownModel
from move37.analyses.pairing import on_problems, paired
from move37.analyses.solvable_sets import solvable_table
from move37.analyses.targets import share
from move37.counts import AnyTally
from move37.estimates.known import POWERS_OF_TWO, known_pass_at_k
from move37.estimates.majority import answers_by_problem
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import INDEPENDENT, BandSettings, Design
from move37.estimates.two_level import two_level_band
from move37.types import FloatArray

if TYPE_CHECKING:  # tables are of runs: counts are compared without a table library
    import polars as pl

MOST_TRIES = int(POWERS_OF_TWO[-1])
"""The largest k of the exact curves: 2^20."""
_WHOLE = (-1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """One model on the way of a training, or the start of one (step 0), and what is known of its samples."""

    model: str
    algorithm: str
    """The same for trainings that differ in the seed alone."""
    seed: int
    step: int
    start: str
    """The model that the training started from."""
    tally: AnyTally
    entropy: float | None = None
    """Nats per token of the distribution that was sampled; None where it is not known."""
    length: float | None = None
    """Mean tokens of a response."""
    answers: pl.DataFrame | None = None
    """Distinct answers over samples whose number was fixed beforehand (`RunEvidence.answers`)."""
    chances: KnownModel | None = None
    """The exact chances of the tally's problems, in its order; None where they are not known."""


@dataclass(frozen=True, slots=True)
class Change:
    """A difference from step 0 with its interval; the whole support where nothing varies."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class KnownPoint:
    """The same checkpoint without samples: computed from its chances."""

    pass_at_1: float
    pass_at_k: float
    pass_at_most: float
    """At k = `MOST_TRIES`."""


@dataclass(frozen=True, slots=True)
class Point:
    """One checkpoint. At step 0 changes are None and nothing is gained or lost."""

    model: str
    algorithm: str
    seed: int
    step: int
    pass_at_1: float
    pass_at_k: float
    change_at_1: Change | None
    change_at_k: Change | None
    gained: int
    """Problems that it solves in K samples and its start does not."""
    lost: int
    by_luck: float
    """Expected number of either if both had the same chances."""
    entropy: float | None
    length: float | None
    answers: float | None
    """Mean number of different answers among `Trajectory.samples` of a problem."""
    known: KnownPoint | None = None
    """None where the chances are not known."""


@dataclass(frozen=True, slots=True)
class OverSeeds:
    """All seeds of an algorithm at one step; `change` is the mean, for other seeds and problems."""

    algorithm: str
    step: int
    seeds: int
    change_at_1: Change
    change_at_k: Change


@dataclass(frozen=True, eq=False)
class Trajectory:
    """All checkpoints of all trainings, by algorithm, seed and step; a point of step 0 begins every training."""

    k: int
    problems: int
    confidence: float
    samples: int
    """Samples in which different answers are counted; 0 where they are not known."""
    points: tuple[Point, ...]
    over_seeds: tuple[OverSeeds, ...]

    @property
    def algorithms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(point.algorithm for point in self.points))


def trajectory(
    checkpoints: Sequence[Checkpoint], settings: BandSettings, design: Design = INDEPENDENT
) -> Trajectory | None:
    """What the checkpoints say; None where no training has two, or one has no start among them.

    `checkpoints` hold the starts too, as step 0, all on the same problems in the order that `design` labels.
    """
    starts = {each.model: each for each in checkpoints if each.step == 0}
    trained = [each for each in checkpoints if each.step > 0 and each.start in starts]
    steps = {(each.algorithm, each.seed): 0 for each in trained}
    for each in trained:
        steps[each.algorithm, each.seed] += 1
    if max(steps.values(), default=0) < 2:
        return None
    tallies = {each.model: each.tally for each in checkpoints}
    first = checkpoints[0].tally
    k = min(map(k_limit, tallies.values()))
    rows = {name: pass_at_k_rows(tally, k)[:, [0, -1]] for name, tally in tallies.items()}
    samples, answers = _answers(checkpoints, first.problem_ids)
    confidence = share(settings.confidence, 2 * len(trained))
    points = []
    for algorithm, seed in steps:
        own = sorted((e for e in trained if (e.algorithm, e.seed) == (algorithm, seed)), key=lambda each: each.step)
        start = starts[own[0].start]
        points.append(_start(start, algorithm, seed, rows[start.model], k, answers))
        points += [_point(e, starts[e.start], tallies, rows, k, answers, confidence, design) for e in own]
    return Trajectory(
        k=k,
        problems=first.problems,
        confidence=settings.confidence,
        samples=samples,
        points=tuple(points),
        over_seeds=tuple(_over_seeds(trained, rows, settings, design)),
    )


def _start(of: Checkpoint, algorithm: str, seed: int, rows: FloatArray, k: int, answers: Mapping[str, float]) -> Point:
    at_1, at_k = rows.mean(axis=0).tolist()
    spread = (of.entropy, of.length, answers.get(of.model), _known(of.chances, k))
    return Point(of.model, algorithm, seed, 0, at_1, at_k, None, None, 0, 0, 0.0, *spread)


def _point(
    of: Checkpoint,
    start: Checkpoint,
    tallies: Mapping[str, AnyTally],
    rows: Mapping[str, FloatArray],
    k: int,
    answers: Mapping[str, float],
    confidence: float,
    design: Design,
) -> Point:
    at_1, at_k = rows[of.model].mean(axis=0).tolist()
    table = solvable_table(tallies[start.model], tallies[of.model], k=k)
    change = rows[of.model] - rows[start.model]
    return Point(
        model=of.model,
        algorithm=of.algorithm,
        seed=of.seed,
        step=of.step,
        pass_at_1=at_1,
        pass_at_k=at_k,
        change_at_1=_change(change[:, 0], confidence, design),
        change_at_k=_change(change[:, 1], confidence, design),
        gained=table.rl_only,
        lost=table.base_only,
        by_luck=table.noise_floor,
        entropy=of.entropy,
        length=of.length,
        answers=answers.get(of.model),
        known=_known(of.chances, k),
    )


def _known(chances: KnownModel | None, k: int) -> KnownPoint | None:
    if chances is None:
        return None
    return KnownPoint(*known_pass_at_k(chances.logprobs, np.array([1, k, MOST_TRIES])).tolist())


def _change(values: FloatArray, confidence: float, design: Design) -> Change:
    return Change(float(values.mean()), *(mean_interval(values, confidence, _WHOLE, design) or _WHOLE))


def _answers(checkpoints: Sequence[Checkpoint], problem_ids: Sequence[str]) -> tuple[int, dict[str, float]]:
    """In how many samples of a problem different answers are counted, and their mean number by model."""
    columns = ["problem_id", "answer", "correct", "count"]
    votes = {
        each.model: answers_by_problem(each.answers.select(columns).rows())
        for each in checkpoints
        if each.answers is not None
    }
    whole = {model: of for model, of in votes.items() if all(problem in of for problem in problem_ids)}
    if not whole:
        return 0, {}
    m = min(MOST, *(of[problem].n for of in whole.values() for problem in problem_ids))
    if m < 1:
        return 0, {}
    return m, {
        model: float(np.mean([seen(of[problem].votes, of[problem].n, m).sum() for problem in problem_ids]))
        for model, of in whole.items()
    }


def _over_seeds(
    trained: Sequence[Checkpoint], rows: Mapping[str, FloatArray], settings: BandSettings, design: Design
) -> list[OverSeeds]:
    groups: dict[tuple[str, int], list[FloatArray]] = {}
    for each in trained:
        groups.setdefault((each.algorithm, each.step), []).append(rows[each.model] - rows[each.start])
    several = {key: np.stack(of) for key, of in groups.items() if len(of) > 1}
    own = BandSettings(share(settings.confidence, len(several)), seed=settings.seed)
    found = []
    for (algorithm, step), differences in several.items():
        band = two_level_band(differences, own, design)
        ends = zip(band.mean.tolist(), band.lower.tolist(), band.upper.tolist(), strict=True)
        found.append(OverSeeds(algorithm, step, len(differences), *(Change(*each) for each in ends)))
    return found


def on_base(checkpoints: Sequence[Checkpoint], base: AnyTally) -> list[Checkpoint]:
    """The checkpoints on the problems that are analysed, in base's order."""
    return [
        replace(
            each,
            tally=base if each.model == base.model else paired(base, on_problems(each.tally, base.id_set))[1],
            chances=None if each.chances is None else each.chances.on(base.problem_ids),
        )
        for each in checkpoints
    ]
