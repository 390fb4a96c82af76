"""How likely is a study to be allowed to say what it is made to say? Simulated from an assumed law of the problems.

A headline says "better", "worse" or "better with few tries and worse with many" where a simultaneous band excludes
zero, widened where few problems carry it, and "gained" or "lost" where the exact tests of `gains_losses.py` do. None of
these is the test of one k at 1.96 standard errors that textbook formulas price, so whole studies are drawn from the law
and analysed as the report would: the same bands (at `thinned_columns`, with fewer draws) and the same tests.

Decisions:
- A chance from S studies has a standard error of up to 1 / (2 sqrt(S)); it is reported with it.
- The cheapest plan is looked for among `STOPS` and multiples of the study's own n. A plan that is clearly short of the
  power after some studies is given up, which saves most of the time and changes no plan that reaches it.

Left out: what the law itself does not know (problems that the pilot never saw solved).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses.gains_losses import gains_and_losses
from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.estimates.bands import simultaneous_band, thinned_columns
from move37.estimates.curtailed import failure_at
from move37.estimates.planning import AssumedPair
from move37.estimates.settings import BandSettings
from move37.types import FloatArray, IntArray

CLAIMS = ("better", "worse", "crossing", "gained", "lost")
"""Better, and worse, with some number of tries; better with fewer and worse with more; a problem gained, and lost."""
STOPS = (None, 4, 8)
"""Correct samples at which the compared plans stop; None: a fixed n."""
_MULTIPLES = (0.5, 1, 2, 4)
_LARGEST_N, _SMALLEST_N = 1024, 8
_DRAWS = 1000
_FIRST, _HOPELESS = 10, 0.4
"""After so many studies a plan this far below the power is given up: three standard errors."""


@dataclass(frozen=True, slots=True)
class Chances:
    """How often each claim was made in simulated studies under one plan."""

    plan: str
    studies: int
    better: float
    worse: float
    crossing: float
    gained: float
    lost: float
    critical_value: float
    """Mean of the studies' simultaneous critical values; NaN where no study had any."""

    @property
    def standard_error(self) -> float:
        """The largest that a chance from so many studies has."""
        return 0.5 / self.studies**0.5


@dataclass(frozen=True, slots=True)
class Cheapest:
    """The plan with the fewest expected tokens (or samples) that makes a claim likely enough."""

    claim: str
    plan: str
    samples: float
    tokens: float | None
    chance: float


def chances(
    plan: StoppingPlan, pair: AssumedPair, problems: int, studies: int, alpha: float = 0.05, seed: int = 0
) -> Chances:
    """Each claim's chance for `problems` problems drawn from the law. Raises InputError for no study."""
    if studies < 1:
        raise InputError(f"chances need at least one simulated study, not {studies}")
    found = [_claims(*study, alpha) for study in _studies(plan, pair, problems, studies, seed)]
    return _summary(plan, found)


def cheapest(
    plan: StoppingPlan,
    pair: AssumedPair,
    problems: int,
    studies: int,
    cost: Callable[[StoppingPlan], tuple[float, float | None]],
    power: float = 0.8,
    alpha: float = 0.05,
) -> tuple[Cheapest, ...]:
    """For each claim that some plan makes with chance `power`, the cheapest. `cost`: samples, and tokens or None."""
    priced = [(cost(each), each) for each in _candidates(plan)]
    priced.sort(key=lambda item: item[0][0] if item[0][1] is None else item[0][1])
    found: dict[str, Cheapest] = {}
    for (samples, tokens), each in priced:
        missing = [claim for claim in CLAIMS if claim not in found]
        if not missing:
            break
        rates = _until_hopeless(each, pair, problems, studies, power, alpha, missing)
        for claim in missing:
            if rates[claim] >= power:
                found[claim] = Cheapest(claim, str(each), samples, tokens, rates[claim])
    return tuple(found[claim] for claim in CLAIMS if claim in found)


def _until_hopeless(
    plan: StoppingPlan,
    pair: AssumedPair,
    problems: int,
    studies: int,
    power: float,
    alpha: float,
    missing: Sequence[str],
) -> dict[str, float]:
    """The claims' shares of the studies; after a few of them only, where no missing claim can reach the power."""
    seen: list[_Made] = []
    for study in _studies(plan, pair, problems, studies, 0):
        seen.append(_claims(*study, alpha))
        if len(seen) == _FIRST and all(_share(seen, claim) < power - _HOPELESS for claim in missing):
            break
    return {claim: _share(seen, claim) for claim in CLAIMS}


def _candidates(own: StoppingPlan) -> list[StoppingPlan]:
    sizes = sorted({min(_LARGEST_N, max(_SMALLEST_N, int(own.n_max * factor))) for factor in _MULTIPLES})
    step = 16
    return [
        StoppingPlan((n,), 1) if stop is None else StoppingPlan.until(stop, n, step)
        for n in sizes
        for stop in STOPS
        if stop is None or n > max(step, stop)
    ]


@dataclass(frozen=True, slots=True)
class _Made:
    """What one study would say."""

    better: bool
    worse: bool
    crossing: bool
    gained: bool
    lost: bool
    critical_value: float


def _summary(plan: StoppingPlan, found: Sequence[_Made]) -> Chances:
    criticals = np.array([each.critical_value for each in found])
    known = criticals[np.isfinite(criticals)]
    shares = {claim: _share(found, claim) for claim in CLAIMS}
    critical = float(known.mean()) if known.size else float("nan")
    return Chances(plan=str(plan), studies=len(found), critical_value=critical, **shares)


def _share(found: Sequence[_Made], claim: str) -> float:
    return sum(getattr(each, claim) for each in found) / len(found)


def _claims(base: AnyTally, rl: AnyTally, rows: FloatArray, alpha: float) -> _Made:
    band = simultaneous_band(rows, BandSettings(1 - alpha, _DRAWS))
    lower, upper = band.reported
    gains, losses = np.flatnonzero(lower > 0), np.flatnonzero(upper < 0)
    ((gained, lost),) = gains_and_losses(base, [rl], 1 - alpha)
    return _Made(
        better=bool(gains.size),
        worse=bool(losses.size),
        crossing=bool(gains.size and losses.size and gains[0] < losses[-1]),
        gained=gained.shown,
        lost=lost.shown,
        critical_value=band.critical_value,
    )


def _studies(
    plan: StoppingPlan, pair: AssumedPair, problems: int, studies: int, seed: int
) -> Iterator[tuple[AnyTally, AnyTally, FloatArray]]:
    """Both tallies, and pass@k of RL minus base at the thinned ks (M, K), of one study after the other."""
    rng = np.random.default_rng(seed)
    ids = tuple(f"p{i}" for i in range(problems))
    at = thinned_columns(plan.n_max)
    for _ in range(studies):
        kind = rng.choice(len(pair.weight), problems, p=pair.weight / pair.weight.sum())
        stops = [draw_stops(plan, p[kind], rng) for p in (pair.base_p, pair.rl_p)]
        base, rl = (_tally(name, ids, plan, *each) for name, each in zip(("base", "rl"), stops, strict=True))
        base_fails, rl_fails = (_failures(plan, *each[:2], at) for each in stops)
        yield base, rl, base_fails - rl_fails


def draw_stops(plan: StoppingPlan, p: FloatArray, rng: np.random.Generator) -> tuple[IntArray, IntArray, IntArray]:
    """Trials, successes and the samples at the look before of problems with success probabilities `p`, (M,) each."""
    trials, went_on = (np.zeros(len(p), dtype=np.int64) for _ in range(2))
    successes, going = np.zeros(len(p), dtype=np.int64), np.arange(len(p))
    thresholds = (*plan.thresholds, 0)  # at the last look every problem stops
    for before, look, enough in zip((0, *plan.looks), plan.looks, thresholds, strict=False):
        successes[going] += rng.binomial(look - before, p[going])
        trials[going], went_on[going] = look, before
        going = going[successes[going] < enough]
        if not going.size:
            break
    return trials, successes, went_on


def _failures(plan: StoppingPlan, trials: IntArray, successes: IntArray, at: IntArray) -> FloatArray:
    """U at the thinned ks, (M, K)."""
    codes, where = np.unique(trials * (plan.n_max + 1) + successes, return_inverse=True)
    distinct_trials, distinct_successes = np.divmod(codes, plan.n_max + 1)
    return failure_at(plan, distinct_trials, distinct_successes, at + 1)[where]


def _tally(
    name: str, ids: tuple[str, ...], plan: StoppingPlan, trials: IntArray, successes: IntArray, went_on: IntArray
) -> AnyTally:
    none = np.zeros_like(trials)
    if plan.is_fixed:
        return Tally(name, ids, successes, trials - successes, none, none)
    return StoppedTally(name, ids, successes, trials, went_on, none, none, none, plan)
