"""Which of several RL models differ from each other, and at which ks? Their differences, in which the base cancels.

Two models that were each compared with one base cannot be ranked by their bands: what both owe to base widens both.
Here every pair is compared directly, on the same problems, in one band for all pairs and ks: each statement stands
beside all others (as in `families.py`, of which this is the counterpart without a base).

For these problems alone (`analysis.target`) the pairs are taken as independent when the critical value is drawn, which
is on the safe side however they depend on each other (Sidak 1967).

Up to `MOST` models; more make so many pairs that a band for all of them says little. Left out: an order of all models.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from move37.analyses.curves import CurveDifference, difference_of
from move37.analyses.families import FAMILY_BAND
from move37.analyses.pairing import paired
from move37.analyses.targets import pair_spreads
from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.bands import band_from, critical_value, thinned_columns
from move37.estimates.rows import k_limit
from move37.estimates.settings import INDEPENDENT, BandSettings, Design

MOST = 8
"""Models of which all pairs are compared: 28 pairs."""


@dataclass(frozen=True, eq=False)
class Between:
    """Each later model minus each earlier one; one critical value covers all pairs at all ks."""

    pairs: tuple[CurveDifference, ...]
    """`base` is the earlier model of a pair, `rl` the later one."""
    critical_value: float
    critical_value_monte_carlo: tuple[float, float]
    draws: int
    confidence: float
    problems: int


def between_models(
    models: Sequence[AnyTally], settings: BandSettings = FAMILY_BAND, design: Design = INDEPENDENT
) -> Between:
    """Compare all pairs of 2 to `MOST` models. `design` labels the first one's problems.

    Raises InputError for another number of models, a model given twice, and problems that do not match.
    """
    names = [model.model for model in models]
    if not 2 <= len(names) <= MOST or len(set(names)) < len(names):
        raise InputError(f"2 to {MOST} different models can be compared with each other, not {', '.join(names)}")
    ordered = [models[0], *(paired(models[0], model)[1] for model in models[1:])]
    k_max = min(k_limit(tally) for tally in ordered)
    pairs = list(combinations(range(len(ordered)), 2))
    spreads = pair_spreads(ordered, pairs, k_max, settings.target, design, thinned_columns(k_max))
    critical = critical_value(spreads, settings)
    return Between(
        pairs=tuple(
            difference_of(names[a], names[b], band_from(each, critical, settings.confidence, (-1.0, 1.0)))
            for (a, b), each in zip(pairs, spreads, strict=True)
        ),
        critical_value=critical.value,
        critical_value_monte_carlo=critical.monte_carlo,
        draws=critical.draws,
        confidence=settings.confidence,
        problems=ordered[0].problems,
    )
