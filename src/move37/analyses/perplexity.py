"""How likely is one model's work under the other? Figure 6 of arXiv 2504.13837, and the question behind it.

The perplexity of a response is exp(-log p / tokens) under a model itself (temperature 1, end token included). Groups
are all, the correct and the incorrect responses of an author under a model, on all problems and on those that one of
the two alone solves. Medians are of responses pooled, with a bootstrap over problems (all responses of a problem come
together), and of problems (the median of each one's median, bootstrapped alike).

Then the sharper question. If RL only re-weights what base does, every solution that RL found has a chance under base,
and base missed the problem by bad luck. Per problem, P is the chance of the different right responses of rl that were
seen, summed, under base's own sampling distribution (temperature and top-p); base has other ways as well, so its chance
is at least P. Then of the problems that rl solves, base is expected to miss at most

    sum over them of (1 - P)^k

in k samples each, with the variance of independent misses. That is beside the number that rl alone solved: if it is
not exceeded, nothing that RL did needs more than re-weighting. A solution with a chance below 1/k could not be expected
in k samples of base. Coverage: the share of rl's right responses that base could have drawn at top-p .95.

Left out: what was not scored (`move37 score RUN`), unscored responses, several turns of other authors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses.solvable_sets import SolvableTable
from move37.seeds import analysis_seed
from move37.types import FloatArray, IntArray

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TOP_P = 0.95
"""Of the nucleus whose coverage is reported; the paper's."""
_DRAWS = 400
_BINS = 4096
_LISTED = 50


@dataclass(frozen=True, eq=False)
class ScoredResponses:
    """Responses of one author, as one model sees them; every array has the shape (responses,)."""

    author: str
    model: str
    problem_ids: tuple[str, ...]
    problems: IntArray
    """Places in `problem_ids`."""
    correct: IntArray
    """1 or 0; -1 where nothing was verified (references)."""
    tokens: IntArray
    logprobs: FloatArray
    drawn: FloatArray
    """Under the model's sampling distribution; NaN where it is not known."""
    mass_ahead: FloatArray
    """What a nucleus has to exceed to draw the response; NaN where it is not known."""
    texts: IntArray
    """Equal where responses are."""

    @property
    def perplexities(self) -> FloatArray:
        return np.exp(-self.logprobs / np.maximum(self.tokens, 1))


@dataclass(frozen=True, eq=False)
class PerplexityGroup:
    """Perplexities of some responses of an author under a model."""

    author: str
    model: str
    outcome: str
    """all, correct or incorrect."""
    on: str
    """Which problems: all, or solved by one model alone."""
    responses: int
    problems: int
    quantiles: FloatArray
    """At `QUANTILES`; the third is the median."""
    lower: float
    upper: float
    """Of the median of responses, over problems like these."""
    by_problem: float
    """The median of the problems' medians."""
    by_problem_lower: float
    by_problem_upper: float
    confidence: float


@dataclass(frozen=True, slots=True)
class RareProblem:
    """A problem that rl alone solved, with what base thinks of rl's solutions."""

    problem_id: str
    solutions: int
    """Different right responses of rl."""
    log10_p: float | None
    """Their chance under base's sampling distribution, together; None where it never draws one."""
    rare: int
    """Those that base draws with a chance below 1/k each."""


@dataclass(frozen=True, eq=False)
class Reweighting:
    """Is "RL only re-weights" enough to explain the problems that rl alone solved?"""

    k: int
    solved: int
    """Problems that rl solved."""
    rl_only: int
    expected: float
    """Of those that rl solved, base would miss at most so many in k samples, if it only re-weighted."""
    deviation: float
    """Standard deviation of that number."""
    beyond: int
    """Problems of rl alone whose seen solutions are together rarer than 1/k under base."""
    solutions: int
    """Different right responses on the problems of rl alone."""
    rare_solutions: int
    """Those of them with a chance below 1/k."""
    problems: tuple[RareProblem, ...]
    """The rarest first."""


@dataclass(frozen=True, slots=True)
class NucleusCoverage:
    """Share of rl's right responses that base could have drawn with this nucleus."""

    top_p: float
    responses: int
    share: float
    lower: float
    upper: float
    confidence: float


@dataclass(frozen=True, eq=False)
class PairPerplexity:
    """One pair's work under each other."""

    base: str
    rl: str
    groups: tuple[PerplexityGroup, ...]
    reweighting: Reweighting | None
    """None where rl's responses were not scored under base."""
    coverage: NucleusCoverage | None


def pair_perplexity(
    scored: Mapping[tuple[str, str], ScoredResponses],
    table: SolvableTable,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairPerplexity | None:
    """What is known of one pair; `scored` is by (author, model). None where neither was scored under the other."""
    base, rl = table.base, table.rl
    if (rl, base) not in scored and (base, rl) not in scored:
        return None
    ours = [each for (_, model), each in sorted(scored.items()) if model in (base, rl)]
    only = {f"solved by {base} only": table.base_only_ids, f"solved by {rl} only": table.rl_only_ids}
    drawer = _Bootstrap(confidence, seed)
    groups = [group for each in ours for group in _groups(each, only, drawer)]
    under_base = scored.get((rl, base))
    return PairPerplexity(
        base=base,
        rl=rl,
        groups=tuple(groups),
        reweighting=None if under_base is None else _reweighting(under_base, table),
        coverage=None if under_base is None else _coverage(under_base, drawer),
    )


class _Bootstrap:
    """Intervals over problems, all responses of a problem drawn together; the same draws for groups of one size."""

    def __init__(self, confidence: float, seed: int) -> None:
        self.confidence, self._seed = confidence, analysis_seed(seed, "perplexity")

    def of_mean(self, values: FloatArray, problems: IntArray) -> tuple[float, float]:
        """NaN without two problems."""
        kinds, of = np.unique(problems, return_inverse=True)
        weights = self._weights(len(kinds))
        means = weights @ np.bincount(of, values) / (weights @ np.bincount(of))
        return self._ends(means, len(kinds))

    def of_median(self, values: FloatArray, problems: IntArray) -> tuple[float, float]:
        """NaN without two problems. Of many values, so many neighbours as share a bin stand as their mean."""
        kinds, of = np.unique(problems, return_inverse=True)
        order = np.argsort(values, kind="stable")
        bins = np.arange(len(values)) * min(_BINS, len(values)) // len(values)
        levels = np.bincount(bins, values[order]) / np.bincount(bins)
        counts = np.bincount(of[order] * len(levels) + bins, minlength=len(kinds) * len(levels))
        reached = np.cumsum(self._weights(len(kinds)) @ counts.reshape(len(kinds), -1).astype(np.float64), axis=1)
        half = reached[:, -1:] / 2
        low, high = (reached < half).sum(axis=1), (reached <= half).sum(axis=1)
        return self._ends((levels[low] + levels[np.minimum(high, len(levels) - 1)]) / 2, len(kinds))

    def _weights(self, problems: int) -> FloatArray:
        """How often each problem is drawn, (draws, problems)."""
        drawn = np.random.default_rng(self._seed).multinomial(problems, np.full(problems, 1 / problems), _DRAWS)
        return drawn.astype(np.float64)

    def _ends(self, found: FloatArray, problems: int) -> tuple[float, float]:
        if problems < 2:
            return float("nan"), float("nan")
        tail = (1 - self.confidence) / 2
        lower, upper = np.quantile(found, (tail, 1 - tail))
        return float(lower), float(upper)


def _groups(scored: ScoredResponses, only: Mapping[str, Sequence[str]], drawer: _Bootstrap) -> list[PerplexityGroup]:
    everything, place = np.ones(len(scored.problems), dtype=np.bool_), scored.problem_ids.index
    on = {"all": everything} | {
        name: np.isin(scored.problems, [place(each) for each in ids if each in scored.problem_ids])
        for name, ids in only.items()
    }
    outcomes = {"all": everything, "correct": scored.correct == 1, "incorrect": scored.correct == 0}
    return [
        _group(scored, chosen, (outcome, where), drawer)
        for where, there in on.items()
        for outcome, such in outcomes.items()
        if (chosen := there & such).any()
    ]


def _group(scored: ScoredResponses, chosen: np.ndarray, name: tuple[str, str], drawer: _Bootstrap) -> PerplexityGroup:
    values, problems = scored.perplexities[chosen], scored.problems[chosen]
    kinds = np.unique(problems)
    medians = np.array([np.median(values[problems == kind]) for kind in kinds])
    lower, upper = drawer.of_median(values, problems)
    by_problem = drawer.of_median(medians, kinds)
    return PerplexityGroup(
        author=scored.author,
        model=scored.model,
        outcome=name[0],
        on=name[1],
        responses=len(values),
        problems=len(kinds),
        quantiles=np.quantile(values, QUANTILES),
        lower=lower,
        upper=upper,
        by_problem=float(np.median(medians)),
        by_problem_lower=by_problem[0],
        by_problem_upper=by_problem[1],
        confidence=drawer.confidence,
    )


def _reweighting(scored: ScoredResponses, table: SolvableTable) -> Reweighting:
    k, rl_only = table.k, set(table.rl_only_ids)
    rare_problems, misses = list[RareProblem](), list[float]()
    for place, problem in enumerate(scored.problem_ids):
        right = (scored.problems == place) & (scored.correct == 1)
        if not right.any():
            continue
        chances = np.exp(scored.drawn[right][np.unique(scored.texts[right], return_index=True)[1]])
        together = min(1.0, float(chances.sum()))
        misses.append(float(np.exp(k * np.log1p(-together))) if together < 1 else 0.0)
        if problem in rl_only:
            log10 = float(np.log10(together)) if together > 0 else None
            rare_problems.append(RareProblem(problem, len(chances), log10, int((chances < 1 / k).sum())))
    rare_problems.sort(key=lambda each: -np.inf if each.log10_p is None else each.log10_p)
    missed = np.array(misses)
    return Reweighting(
        k=k,
        solved=len(misses),
        rl_only=len(rl_only),
        expected=float(missed.sum()),
        deviation=float(np.sqrt((missed * (1 - missed)).sum())),
        beyond=sum(each.log10_p is None or each.log10_p < -np.log10(k) for each in rare_problems),
        solutions=sum(each.solutions for each in rare_problems),
        rare_solutions=sum(each.rare for each in rare_problems),
        problems=tuple(rare_problems[:_LISTED]),
    )


def _coverage(scored: ScoredResponses, drawer: _Bootstrap) -> NucleusCoverage | None:
    right = (scored.correct == 1) & np.isfinite(scored.mass_ahead)
    if not right.any():
        return None
    inside = (scored.mass_ahead[right] < TOP_P).astype(np.float64)
    lower, upper = drawer.of_mean(inside, scored.problems[right])
    return NucleusCoverage(TOP_P, len(inside), float(inside.mean()), lower, upper, drawer.confidence)
