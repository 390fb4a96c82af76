"""How much of what base can solve did RL keep, and how much of what RL solves is new? SRR, NDR, SDS, NSCR.

The measures of arXiv 2507.14843 on the four-way table, with P problems solved by both, E by rl only, S by base only:
    SRR = P / (P + S)          support retention rate: of base's problems, how many rl still solves
    NDR = E / (P + E)          net discovery rate: of rl's problems, how many base does not solve
    SDS = 2 SRR NDR / (SRR + NDR)   support dynamic score, their harmonic mean
    NSCR = (E - S) / (P + E + S)    net support change rate
Decisions:
- SRR and NDR are shares, given their denominators: Clopper-Pearson intervals, exact. SDS rises with both, so the two
  intervals at half of the error each give an interval that covers at least as often as it says (usually more). NSCR is
  a difference of paired shares: Tango's score interval (1998, Statistics in Medicine 17, 891-908), which is asymptotic
  but nearly keeps its level with few discordant problems, and exists where one of them is zero.
- Near duplicates: all counts of an interval are multiplied by the share of the problems that would say as much if they
  were independent (`Design.effective_problems`; Korn & Graubard 1998).
- All of them are about k samples. By luck alone E and S are not zero: two runs of one model lose and find problems. So
  each measure stands beside the value it would have if both models had the same chance on every problem.

Left out: solutions as the units instead of problems, and thresholds other than "at least one correct sample in k".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from move37.analyses.solvable_sets import SolvableTable
from move37.errors import InputError
from move37.estimates.reliability import exact_share_interval

_BISECTIONS = 60


@dataclass(frozen=True, slots=True)
class SupportMeasure:
    """`value` and `by_luck` are None where their denominator is zero, `by_luck` also where no noise floor is known."""

    name: str
    value: float | None
    lower: float
    upper: float
    by_luck: float | None
    """The value expected if both models had the same chance on every problem."""
    method: str


@dataclass(frozen=True, slots=True)
class Support:
    """The four measures for one pair of models at k samples."""

    base: str
    rl: str
    k: int
    preserved: int
    gained: int
    lost: int
    confidence: float
    retention: SupportMeasure
    discovery: SupportMeasure
    dynamic: SupportMeasure
    net_change: SupportMeasure

    @property
    def measures(self) -> tuple[SupportMeasure, ...]:
        return self.retention, self.discovery, self.dynamic, self.net_change


def support(table: SolvableTable, independent: float = 1.0) -> Support:
    """The measures of a four-way table, at its confidence and beside its noise floor; `independent` as below."""
    return support_of_counts(
        table.both,
        table.base_only,
        table.rl_only,
        base=table.base,
        rl=table.rl,
        k=table.k,
        confidence=table.confidence,
        noise_floor=table.noise_floor,
        independent=independent,
    )


def support_of_counts(
    both: int,
    base_only: int,
    rl_only: int,
    *,
    base: str = "base",
    rl: str = "rl",
    k: int,
    confidence: float = 0.95,
    noise_floor: float | None = None,
    independent: float = 1.0,
) -> Support:
    """The measures of counts, as published in papers. `noise_floor` is the expected number of problems that one model
    alone solves by luck; `independent` the share of the problems that count, 1 without near duplicates. Raises
    InputError for negative counts."""
    if min(both, base_only, rl_only) < 0 or not 0 < confidence < 1 or not 0 < independent <= 1:
        raise InputError("support measures need counts of at least 0, and a confidence between 0 and 1")
    alpha = 1 - confidence
    lucky_retention, lucky_discovery, lucky_change = _by_luck(both, base_only, rl_only, noise_floor)
    retention = _share("SRR", both, both + base_only, alpha, lucky_retention, independent)
    discovery = _share("NDR", rl_only, both + rl_only, alpha, lucky_discovery, independent)
    halves = [
        exact_share_interval(independent * hits, independent * of, alpha / 2)
        for hits, of in ((both, both + base_only), (rl_only, both + rl_only))
    ]
    net = _ratio(rl_only - base_only, both + rl_only + base_only)
    changed = independent * rl_only, independent * base_only, independent * (both + rl_only + base_only)
    return Support(
        base=base,
        rl=rl,
        k=k,
        preserved=both,
        gained=rl_only,
        lost=base_only,
        confidence=confidence,
        retention=retention,
        discovery=discovery,
        dynamic=SupportMeasure(
            name="SDS",
            value=_harmonic(retention.value, discovery.value),
            lower=_harmonic(halves[0][0], halves[1][0]) or 0.0,
            upper=_harmonic(halves[0][1], halves[1][1]) or 0.0,
            by_luck=_harmonic(lucky_retention, lucky_discovery),
            method="Clopper-Pearson for SRR and NDR together, conservative",
        ),
        net_change=SupportMeasure("NSCR", net, *score_interval(*changed, alpha), lucky_change, "Tango"),
    )


def score_interval(gained: float, lost: float, problems: float, alpha: float) -> tuple[float, float]:
    """Tango's score interval for the difference of paired shares, (gained - lost) / problems; [-1, 1] without any."""
    if not problems:
        return -1.0, 1.0
    z = float(ndtri(1 - alpha / 2))
    point = (gained - lost) / problems
    lower = _crossing(lambda delta: _score(gained, lost, problems, delta) > z, -1.0, point)
    upper = _crossing(lambda delta: _score(gained, lost, problems, delta) > -z, point, 1.0)
    return lower, upper


def _score(gained: float, lost: float, problems: float, delta: float) -> float:
    """Standardised excess of gained - lost over `delta`, with the likeliest share of lost problems under it."""
    b = -gained - lost + (2 * problems - gained + lost) * delta
    c = -lost * delta * (1 - delta)
    share = (np.sqrt(max(0.0, b * b - 8 * problems * c)) - b) / (4 * problems)
    variance = problems * (2 * share + delta * (1 - delta))
    excess = gained - lost - problems * delta
    return float(excess / np.sqrt(variance)) if variance > 0 else float(np.sign(excess) * np.inf if excess else 0.0)


def _crossing(above: Callable[[float], bool], low: float, high: float) -> float:
    """Where `above`, true at small delta, turns false, between low and high."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) else (low, middle)
    return (low + high) / 2


def _share(
    name: str, hits: int, trials: int, alpha: float, by_luck: float | None, independent: float
) -> SupportMeasure:
    ends = exact_share_interval(independent * hits, independent * trials, alpha)
    return SupportMeasure(name, _ratio(hits, trials), *ends, by_luck, "Clopper-Pearson")


def _by_luck(
    both: int, base_only: int, rl_only: int, floor: float | None
) -> tuple[float | None, float | None, float | None]:
    """SRR, NDR and NSCR if both models had the same chances: each solves (2 P + E + S) / 2 problems, `floor` alone."""
    solved = both + (base_only + rl_only) / 2
    if floor is None or not solved:
        return None, None, None
    alone = min(floor / solved, 1.0)
    return 1 - alone, alone, 0.0


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _harmonic(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return None
    return 2 * one * other / (one + other) if one + other else 0.0
