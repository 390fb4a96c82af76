"""Is the difference between two models the same on every subset or level, and what is it over all of them?

One row per stratum (a tag of the problems: subset, level, source) with its own band, and the total over all problems
with the strata held fixed: another benchmark would have as many problems of each, so differences between strata are
not part of its uncertainty.

Decisions:
- Strata share no problem, so their bands are independent: each at confidence^(1/H) holds for all H together (Sidak),
  and at confidence^(1/(H m)) for those of m RL models.
- A stratum of one problem has no spread. Such problems are put together as "other", with the smallest stratum if
  there is but one of them.
- The total weighs every problem the same, so a large subset counts more than a small one.

Left out: macro averages (every subset counts the same); a test for equality between strata.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from move37.analyses.curves import CurveDifference, difference_of, simulated_columns
from move37.analyses.pairing import name_some, paired
from move37.analyses.targets import difference_spreads, share
from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.bands import Band, band_from, critical_value, spread
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import BENCHMARK, DEFAULT_BAND, INDEPENDENT, BandSettings, Design
from move37.types import IntArray

OTHER = "other"


@dataclass(frozen=True, eq=False)
class Stratum:
    """One stratum's own comparison; its `difference.band.confidence` is its share of the error."""

    name: str
    problems: int
    difference: CurveDifference


@dataclass(frozen=True, eq=False)
class StratifiedComparison:
    """All strata, and the total over all problems with the strata held fixed."""

    tag: str
    confidence: float
    """For all strata together, and for the total alone."""
    strata: tuple[Stratum, ...]
    total: CurveDifference
    corrected_over: int = 1
    """RL models whose strata hold together with this confidence, and whose totals do."""


def by_stratum(
    base: AnyTally,
    rl: AnyTally,
    labels: Mapping[str, str],
    tag: str = "subset",
    settings: BandSettings = DEFAULT_BAND,
    design: Design = INDEPENDENT,
    models: int = 1,
) -> StratifiedComparison:
    """Compare within each stratum and over all. `labels`: the tag's value by problem id; `models` are to hold together.

    Raises InputError for a problem without a label, fewer than two problems, and problems that do not match.
    """
    base, rl = paired(base, rl)
    names, stratum, clusters = _strata(base, labels, tag, design.clusters)
    each = replace(settings, confidence=share(settings.confidence, len(names) * models))
    within = Design(clusters=clusters)
    whole = Design(stratum, clusters) if within.units(base.problems) > 1 else within  # one unit has no spread
    bands = [_band(base, rl, each, within, np.flatnonzero(stratum == h)) for h in range(len(names))]
    of_all = replace(settings, confidence=share(settings.confidence, models))
    total = _band(base, rl, of_all, whole, np.arange(base.problems))
    return StratifiedComparison(
        tag=tag,
        confidence=settings.confidence,
        strata=tuple(
            Stratum(name, int((stratum == h).sum()), difference_of(base.model, rl.model, band))
            for h, (name, band) in enumerate(zip(names, bands, strict=True))
        ),
        total=difference_of(base.model, rl.model, total),
        corrected_over=models,
    )


def _band(base: AnyTally, rl: AnyTally, settings: BandSettings, design: Design, part: IntArray) -> Band:
    """The band of the problems at `part`, at the ks that all problems have."""
    k_max, design = min(k_limit(base), k_limit(rl)), design.select(part)
    columns = simulated_columns(k_max)
    if settings.target == BENCHMARK:
        (found,) = difference_spreads(base.select(part), [rl.select(part)], k_max, BENCHMARK, design, columns)
    else:  # rows are kept for all problems: a part of them costs nothing
        found = spread((pass_at_k_rows(rl, k_max) - pass_at_k_rows(base, k_max))[part], design, columns)
    return band_from(found, critical_value([found], settings), settings.confidence, (-1.0, 1.0))


def _strata(
    tally: AnyTally, labels: Mapping[str, str], tag: str, clusters: IntArray | None
) -> tuple[list[str], IntArray, IntArray | None]:
    """Names in order of first appearance, each problem's stratum and its cluster within that, (M,) each.

    Every stratum has two independent units or more. A cluster that lies in several strata counts once in each.
    """
    lacking = [problem for problem in tally.problem_ids if problem not in labels]
    if lacking:
        raise InputError(f"{name_some(lacking)} without the tag {tag!r}; tag every problem, or do not stratify by it")
    if tally.problems < 2:
        raise InputError("strata need at least two problems")
    names = [labels[problem] for problem in tally.problem_ids]
    units = list(range(tally.problems)) if clusters is None else clusters.tolist()
    sizes = Counter(name for name, _ in set(zip(names, units, strict=True)))
    alone = {name for name, size in sizes.items() if size == 1}
    if len(alone) == 1 and len(sizes) > 1:
        alone.add(min((name for name in sizes if name not in alone), key=lambda name: sizes[name]))
    names = [OTHER if name in alone else name for name in names]
    order = {name: position for position, name in enumerate(dict.fromkeys(names))}
    stratum = np.array([order[name] for name in names])
    if clusters is not None:
        clusters = np.unique(np.stack([stratum, clusters]), axis=1, return_inverse=True)[1].reshape(-1)
    return list(order), stratum, clusters
