"""Which problems did RL gain, and which did it lose? Two separate claims, each proved problem by problem.

"Gained": base has no correct sample and RL has; "lost": the other way round. Neither is asked of the difference
between the two, so neither can hide the other: a model may have lost twenty problems and gained eight. The tests are
those of `estimates/conditional.py`: exact, one-sided, for these problems, against all ways in which RL is better (or
worse) on none. They hold for a number of problems that was fixed before sampling.

Decisions:
- All c0 of `THRESHOLDS` are tested (c0 correct samples or more of the one model, none of the other), and with several
  RL models all of their tests together: one Holm correction for the gains, another for the losses.
- The lower bound on the number is the best that one c0 gives, each at its share of the error (Bonferroni); at a fixed
  n it is 1 or more exactly where some adjusted p is below the error.
- A problem is named if its own p, Holm-adjusted over all problems and RL models, is below the error. Often fewer are
  named than counted: "at least nine of these 33" need not say which. Under a plan it may be the other way round, as a
  count takes a problem solved at once for one solved as often as the plan stops at; there the number that would be
  named at one more share of the error counts as one more bound.
- With clusters the unit is the cluster: solved by RL alone where base solves no member. It is named where every member
  says so.

Left out: what the gained problems are like, and how often RL solves them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses.pairing import paired
from move37.counts import AnyTally, StoppedTally
from move37.estimates.conditional import (
    THRESHOLDS,
    Alone,
    Counts,
    alone,
    chance_of_none,
    count_tests,
    expected_alone,
    holm,
    holm_adjusted,
    largest_chance,
)
from move37.estimates.curtailed import stop_tails
from move37.estimates.rows import correct_samples
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Change:
    """Problems that one model alone solves. The keys of `p` and `p_adjusted` are the c0, as text."""

    only: int
    """Units that this model alone solved."""
    expected: float
    """The most that luck makes of it on average, where the model is better on no problem."""
    p: dict[str, float]
    """By c0: the exact chance of as many units with c0 correct samples or more. NaN where a plan stops before c0."""
    p_adjusted: dict[str, float]
    """The same after Holm's correction over all c0, and over all RL models of the run."""
    at_least: int
    """Of the `only`, how many the model is truly better on, at least, with `confidence`."""
    problems: tuple[str, ...]
    """Those of which it is shown one by one, at the same level."""
    confidence: float
    corrected_over: int
    """Tests that `at_least` allows for; `p_adjusted` for those of them that have a p."""
    unit: str = "problem"
    """What is counted: problems, or clusters of them."""

    @property
    def shown(self) -> bool:
        """Whether there are such problems, beyond what luck makes."""
        return self.at_least > 0


def gains_and_losses(
    base: AnyTally, others: Sequence[AnyTally], confidence: float = 0.95, design: Design = INDEPENDENT
) -> tuple[tuple[Change, Change], ...]:
    """(gained, lost) of every RL model against the base. `design` labels base's problems. Raises InputError."""
    gained, lost = [], []
    for other in others:
        one, two = paired(base, other)
        gained.append(_Side.of(one, two, design))
        lost.append(_Side.of(two, one, design))
    return tuple(zip(_changes(gained, confidence), _changes(lost, confidence), strict=True))


@dataclass(frozen=True, eq=False)
class _Side:
    """What is known of the units that one model alone may have solved."""

    units: Alone
    single: FloatArray
    """The p of each unit by itself, (U,)."""
    unit_of: IntArray
    """Each problem's unit, (M,)."""
    ids: tuple[str, ...]
    name: str
    """Of a unit."""

    @classmethod
    def of(cls, none: AnyTally, other: AnyTally, design: Design) -> "_Side":
        single, units = _single_p(none, other), alone(_counts(none), _counts(other), design.clusters)
        if design.clusters is None:
            return cls(units, single, np.arange(none.problems), none.problem_ids, "problem")
        labels = np.unique(design.clusters, return_inverse=True)[1]
        return cls(units, _of_clusters(single, labels), labels, none.problem_ids, "cluster")

    @property
    def shares(self) -> int:
        """Tests that there are: a count for every c0 that a plan can tell, and the units one by one under a plan."""
        enough = self.units.enough
        return len(THRESHOLDS) if enough is None else 1 + sum(threshold <= enough for threshold in THRESHOLDS)


def _changes(sides: Sequence[_Side], confidence: float) -> list[Change]:
    """All models together: what is corrected, is corrected over them."""
    alpha, shares = 1 - confidence, sum(side.shares for side in sides)
    tests = [count_tests(side.units, alpha / shares) for side in sides]
    adjusted = np.reshape(holm([test.p for each in tests for test in each.values()]), (len(sides), len(THRESHOLDS)))
    singles = np.reshape(holm_adjusted(np.concatenate([side.single for side in sides])), (len(sides), -1))
    found = []
    for side, each, row, one_by_one in zip(sides, tests, adjusted.tolist(), singles, strict=True):
        bounds = [test.at_least for test in each.values()]
        bounds += [] if side.units.enough is None else [int((one_by_one <= alpha / shares).sum())]
        shown = (one_by_one <= alpha)[side.unit_of]
        found.append(
            Change(
                only=each[1].count,
                expected=expected_alone(side.units),
                p={str(c0): test.p for c0, test in each.items()},
                p_adjusted=dict(zip(map(str, THRESHOLDS), row, strict=True)),
                at_least=max(bounds),
                problems=tuple(side.ids[place] for place in np.flatnonzero(shown)),
                confidence=confidence,
                corrected_over=shares,
                unit=side.name,
            )
        )
    return found


def _counts(tally: AnyTally) -> Counts:
    """What the complete experiment would hold. Where sampling stopped early nothing more is taken to go unscored."""
    if not isinstance(tally, StoppedTally):
        return Counts(tally.correct, tally.n)
    complete = np.where(tally.at_last_look, tally.trials, tally.plan.n_max - tally.unscored)
    return Counts(tally.successes, complete, min(tally.plan.thresholds, default=None))


def _single_p(none: AnyTally, other: AnyTally) -> FloatArray:
    """The p of each problem alone, (M,); 1 where `none` has solved it or the other has not."""
    is_alone = (correct_samples(none) == 0) & (correct_samples(other) > 0)
    found = np.ones(none.problems)
    chosen = np.flatnonzero(is_alone)
    if not chosen.size:
        return found
    one, two = none.select(chosen), other.select(chosen)
    if isinstance(one, StoppedTally) or isinstance(two, StoppedTally):
        found[chosen] = np.minimum(largest_chance(_counts(one).complete_n, stop_tails(two)), 1.0)
    else:
        found[chosen] = chance_of_none(two.correct, one.n, two.n)
    return found


def _of_clusters(single: FloatArray, clusters: IntArray) -> FloatArray:
    """A cluster's p is the largest of its members': all of them must say so."""
    found = np.zeros(int(clusters.max()) + 1)
    np.maximum.at(found, clusters, single)
    return found
