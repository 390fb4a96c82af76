"""Is the difference between two models the same on every subset or level, and what is it over all of them?

One row per stratum (a tag of the problems: subset, level, source) with its own band, and the total over all problems
with the strata held fixed: another benchmark would have as many problems of each, so differences between strata are
not part of its uncertainty.

Decisions:
- Strata share no problem, so their bands are independent: each at confidence^(1/H) holds for all H together (Sidak).
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
from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.bands import simultaneous_band
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import DEFAULT_BAND, INDEPENDENT, BandSettings, Design
from move37.types import IntArray

OTHER = "other"


@dataclass(frozen=True, eq=False)
class Stratum:
    """One stratum's own comparison; its `difference.band.confidence` is the Sidak level."""

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


def by_stratum(
    base: AnyTally,
    rl: AnyTally,
    labels: Mapping[str, str],
    tag: str = "subset",
    settings: BandSettings = DEFAULT_BAND,
    design: Design = INDEPENDENT,
) -> StratifiedComparison:
    """Compare within each stratum and over all. `labels`: the tag's value by problem id.

    Raises InputError for a problem without a label, fewer than two problems, and problems that do not match.
    """
    base, rl = paired(base, rl)
    names, stratum, clusters = _strata(base, labels, tag, design.clusters)
    k_max = min(k_limit(base), k_limit(rl))
    rows = pass_at_k_rows(rl, k_max) - pass_at_k_rows(base, k_max)
    each = replace(settings, confidence=settings.confidence ** (1 / len(names)))
    columns, within = simulated_columns(k_max), Design(clusters=clusters)
    bands = [
        simultaneous_band(rows[stratum == h], each, within.select(stratum == h), simulate_at=columns)
        for h in range(len(names))
    ]
    whole = Design(stratum, clusters) if within.units(base.problems) > 1 else within  # one unit has no spread
    total = simultaneous_band(rows, settings, whole, simulate_at=columns)
    return StratifiedComparison(
        tag=tag,
        confidence=settings.confidence,
        strata=tuple(
            Stratum(name, int((stratum == h).sum()), difference_of(base.model, rl.model, band))
            for h, (name, band) in enumerate(zip(names, bands, strict=True))
        ),
        total=difference_of(base.model, rl.model, total),
    )


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
