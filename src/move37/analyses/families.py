"""Which of several models differ from one base, and at which ks, with one error probability for all of it together?

With 20 models compared one by one at 95 %, one of them is expected to seem better or worse by chance alone. Here one
band covers the differences of every model at every k at once, so each statement made from it stands beside all others.

Decisions:
- All models are on the base's problems and K is the smallest k limit of all, so that every curve covers the same ks.
- The multipliers are shared: models compared with one base on one set of problems are correlated, which makes the
  critical value smaller than Bonferroni's.
- The maximum is simulated on thinned ks (`thinned_columns`; 31 of 1024) and the band holds at all of them: pass@k
  between two of these ks is so nearly interpolated by them that the critical value rises by less than .01.

Left out: differences between two of the models (give one of them as the base); step-down tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from move37.analyses.curves import CurveDifference, difference_of
from move37.analyses.pairing import paired
from move37.analyses.targets import difference_spreads
from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.bands import band_from, critical_value, thinned_columns
from move37.estimates.rows import k_limit
from move37.estimates.settings import INDEPENDENT, BandSettings, Design

FAMILY_BAND = BandSettings(draws=20_000)
"""Many columns at once: fewer draws than a pair's."""


@dataclass(frozen=True, eq=False)
class Family:
    """Every model minus the base. All `members` have the family's critical value, which covers them together."""

    base: str
    members: tuple[CurveDifference, ...]
    critical_value: float
    critical_value_monte_carlo: tuple[float, float]
    draws: int
    confidence: float
    problems: int
    simulated_ks: int
    """How many of the K ks stood for all when the critical value was simulated."""

    @property
    def better_somewhere(self) -> tuple[str, ...]:
        return tuple(member.rl for member in self.members if member.gain)

    @property
    def worse_somewhere(self) -> tuple[str, ...]:
        return tuple(member.rl for member in self.members if member.loss)

    @property
    def crossing(self) -> tuple[str, ...]:
        """Models with an established gain at some k and an established loss at a larger one."""
        return tuple(m.rl for m in self.members if m.gain and m.loss and m.gain[0] < m.loss[-1])


def family(
    base: AnyTally,
    models: Sequence[AnyTally],
    settings: BandSettings = FAMILY_BAND,
    design: Design = INDEPENDENT,
) -> Family:
    """Compare every model with the base in one band. `design` labels the base's problems.

    Raises InputError for no model, a model given twice or named as the base, and problems that do not match.
    """
    names = [base.model, *(model.model for model in models)]
    if not models:
        raise InputError(f"no model to compare with {base.model}")
    if len(set(names)) < len(names):
        raise InputError(f"a family needs different models, not {', '.join(sorted(names))}")
    pairs = [paired(base, model)[1] for model in models]
    k_max = min(k_limit(tally) for tally in (base, *pairs))
    simulated = thinned_columns(k_max)
    spreads = difference_spreads(base, pairs, k_max, settings.target, design, simulated)
    critical = critical_value(spreads, settings)
    return Family(
        base=base.model,
        members=tuple(
            difference_of(base.model, model.model, band_from(each, critical, settings.confidence, (-1.0, 1.0)))
            for model, each in zip(pairs, spreads, strict=True)
        ),
        critical_value=critical.value,
        critical_value_monte_carlo=critical.monte_carlo,
        draws=critical.draws,
        confidence=settings.confidence,
        problems=base.problems,
        simulated_ks=len(simulated),
    )
