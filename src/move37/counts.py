"""The nouns of the statistics: StoppingPlan, Tally, StoppedTally, Estimate.

Counts of correct samples by problem, and how many samples there were going to be. All are frozen; a tally knows under
which plan its counts came about, so that no estimator can be given counts that it is biased on.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from move37.types import IntArray


@dataclass(frozen=True, slots=True)
class FixedN:
    """The stopping plan under which a problem's number of samples was decided beforehand."""

    def __str__(self) -> str:
        return "fixed n"


@dataclass(frozen=True, slots=True)
class StoppingPlan:
    """Look at a problem after each of `looks` samples (in the order of their indices); stop when enough are correct.

    `successes` is how many are enough: one number for every look, or one per look but the last. At the last look a
    problem stops in any case. Decided before sampling and the same for every problem: no other rule keeps the
    estimates unbiased. Raises ValueError unless looks rise from at least 1 and thresholds are at least 1.
    """

    looks: range | tuple[int, ...]
    successes: int | tuple[int, ...]

    def __post_init__(self) -> None:
        looks = self.looks
        if not looks or looks[0] < 1 or any(a >= b for a, b in pairwise(looks)):
            raise ValueError("a stopping plan needs looks that rise, the first at 1 sample or later")
        if isinstance(self.successes, tuple) and len(self.successes) != len(looks) - 1:
            raise ValueError(f"{len(looks)} looks need {len(looks) - 1} thresholds (the last look always stops)")
        if min(self.thresholds, default=1) < 1:
            raise ValueError("stopping at 0 successes would not be a plan: thresholds must be at least 1")

    @classmethod
    def until(cls, successes: int, n_max: int, batch: int = 1) -> "StoppingPlan":
        """Stop at `successes` correct samples or at `n_max`, looking after every `batch` samples.

        With batch = 1 this is curtailed inverse sampling.
        """
        if n_max < 1 or batch < 1:
            raise ValueError("n_max and batch must be at least 1")
        if n_max % batch == 0:
            return cls(range(batch, n_max + 1, batch), successes)
        return cls((*range(batch, n_max, batch), n_max), successes)

    @property
    def n_max(self) -> int:
        return self.looks[-1]

    @property
    def first_stop(self) -> int:
        """The first look at which a problem can stop: the number of samples that every problem gets."""
        looks = zip(self.looks, self.thresholds, strict=False)
        return next((look for look, enough in looks if look >= enough), self.n_max)

    @property
    def thresholds(self) -> tuple[int, ...]:
        """Successes at which a problem stops, for every look but the last."""
        if isinstance(self.successes, tuple):
            return self.successes
        return (self.successes,) * (len(self.looks) - 1)

    @property
    def is_fixed(self) -> bool:
        """Whether there is but one look, so that n does not depend on the outcomes."""
        return len(self.looks) == 1

    def __str__(self) -> str:
        if self.is_fixed:
            return f"{self.n_max} samples of every problem"
        if isinstance(self.successes, tuple):
            steps = ", ".join(f"{c} by {n}" for n, c in zip(self.looks, self.successes, strict=False))
            return f"stop at {steps} correct, or at {self.n_max} samples"
        steps = {b - a for a, b in pairwise((0, *self.looks))}
        every = f"looking every {steps.pop()}" if len(steps) == 1 else f"looking at {', '.join(map(str, self.looks))}"
        return f"stop at {self.successes} correct or at {self.n_max} samples, {every}"


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts of one model on M problems at an n that was fixed beforehand.

    int64 arrays of shape (M,) in the order of `problem_ids`. `correct + incorrect = n` are the scored samples;
    `unscored` are not part of n. `truncated` counts samples that ended at the token limit, whatever their outcome.
    Counts whose n depended on the outcomes are a `StoppedTally`, which has no `n` and no `correct`.
    """

    model: str
    problem_ids: tuple[str, ...]
    correct: IntArray
    incorrect: IntArray
    unscored: IntArray
    truncated: IntArray
    plan: FixedN = field(default_factory=FixedN)
    unknown: frozenset[str] = frozenset()
    """Which of "unscored" and "truncated" the source does not say: their zeros mean nothing."""

    def __post_init__(self) -> None:
        _check_counts(self, "correct", "incorrect", "unscored", "truncated")

    @property
    def n(self) -> IntArray:
        """Scored samples per problem, shape (M,)."""
        return self.correct + self.incorrect

    @property
    def scored(self) -> IntArray:
        """The same as n, under the name that both kinds of tally have."""
        return self.n

    @property
    def k_limit(self) -> IntArray:
        """The largest k that each problem's counts can speak about: n."""
        return self.n

    def select(self, rows: IntArray | NDArray[np.bool_]) -> Self:
        """The tally of some problems: positions in the order wanted, or a mask of shape (M,)."""
        counts = {name: getattr(self, name)[rows] for name in ("correct", "incorrect", "unscored", "truncated")}
        return replace(self, problem_ids=_ids_at(self.problem_ids, rows), **counts)

    @property
    def problems(self) -> int:
        return len(self.problem_ids)

    @cached_property
    def id_set(self) -> frozenset[str]:
        return _set_of(self.problem_ids)


@dataclass(frozen=True, eq=False)
class StoppedTally:
    """Counts of one model on M problems where sampling stopped early under `plan`, as int64 arrays of shape (M,).

    Of each problem's samples in the order of their indices, those up to its stopping point count: `trials` of them
    are scored and `successes` of these are correct. `went_on` is the number of scored samples at the look before the
    last one, at which there were too few successes to stop (0: it stopped at its first look). With unscored samples
    in between, looks fall on fewer scored samples than the plan says; the estimates take them as they fell.
    `surplus` samples were made beyond the stopping point and are not used. A fixed-n estimator is biased on these
    counts, which is why there is no `n` and no `correct` here.
    """

    model: str
    problem_ids: tuple[str, ...]
    successes: IntArray
    trials: IntArray
    went_on: IntArray
    unscored: IntArray
    truncated: IntArray
    surplus: IntArray
    plan: StoppingPlan
    unknown: frozenset[str] = frozenset()
    """As in `Tally`."""

    def __post_init__(self) -> None:
        _check_counts(self, "successes", "trials", "went_on", "unscored", "truncated", "surplus")
        if (self.successes > self.trials).any() or (self.went_on > self.trials).any():
            raise ValueError("successes and went_on cannot exceed trials")

    @property
    def problems(self) -> int:
        return len(self.problem_ids)

    @cached_property
    def id_set(self) -> frozenset[str]:
        return _set_of(self.problem_ids)

    @property
    def scored(self) -> IntArray:
        """Scored samples per problem up to its stopping point: `trials`."""
        return self.trials

    def select(self, rows: IntArray | NDArray[np.bool_]) -> Self:
        """The tally of some problems: positions in the order wanted, or a mask of shape (M,)."""
        names = ("successes", "trials", "went_on", "unscored", "truncated", "surplus")
        counts = {name: getattr(self, name)[rows] for name in names}
        return replace(self, problem_ids=_ids_at(self.problem_ids, rows), **counts)

    @property
    def at_last_look(self) -> NDArray[np.bool_]:
        """Whether a problem went on to the plan's last look, shape (M,)."""
        return self.trials + self.unscored >= self.plan.n_max

    @property
    def k_limit(self) -> IntArray:
        """The largest k that each problem's counts can speak about, shape (M,)."""
        return np.where(self.at_last_look, self.trials, self.plan.n_max)


@lru_cache(maxsize=2)
def _set_of(ids: tuple[str, ...]) -> frozenset[str]:
    """One set for the tallies of the same problems: of a million ids it takes 60 MB."""
    return frozenset(ids)


@lru_cache(maxsize=2)
def has_repeats(ids: tuple[str, ...]) -> bool:
    """Whether an id stands there twice. The answer is kept and not the set, which every analysis would ask for."""
    return len(set(ids)) < len(ids)


def _ids_at(ids: tuple[str, ...], rows: IntArray | NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(ids[i] for i in (np.flatnonzero(rows) if rows.dtype == np.bool_ else rows))


def _check_counts(tally: "Tally | StoppedTally", *names: str) -> None:
    """int64 of shape (M,), none negative. Raises ValueError."""
    for name in names:
        counts = getattr(tally, name)
        if counts.shape != (len(tally.problem_ids),) or counts.dtype != np.int64:
            raise ValueError(f"{name}: expected int64 of shape ({len(tally.problem_ids)},)")
        if counts.size and counts.min() < 0:
            raise ValueError(f"{name}: counts cannot be negative")


AnyTally = Tally | StoppedTally


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that knows where it came from. `target` says what it would vary over if the study were repeated:
    "benchmark" (these problems, fresh samples) or "population" (fresh problems too)."""

    name: str
    value: float
    standard_error: float | None
    lower: float | None
    upper: float | None
    confidence: float | None
    method: str
    target: str
    problems: int
    n: tuple[int, int]
    """Smallest and largest number of scored samples per problem."""

    def __str__(self) -> str:
        """The value, rounded to two significant digits of its standard error."""
        if not self.standard_error or not np.isfinite(self.standard_error):
            return f"{self.name} = {self.value:.4g}"
        digits = max(0, 1 - int(np.floor(np.log10(self.standard_error))))
        text = f"{self.name} = {self.value:.{digits}f} ± {self.standard_error:.{digits}f}"
        if self.lower is not None and self.upper is not None and self.confidence is not None:
            text += f" [{self.lower:.{digits}f}, {self.upper:.{digits}f}] {self.confidence:.0%}"
        return f"{text} ({self.target}, {self.problems} problems)"
