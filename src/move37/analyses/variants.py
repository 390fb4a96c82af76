"""Which training rule, and which setting of it? Algorithms, KL and rollout ablations, over training seeds.

A variant is all trainings that differ in the seed alone. Each has the means over its seeds of pass@1 and pass@K, the
sampling gap Delta_SE = base pass@K - RL pass@1 (Figure 8; lower is better), and entropy. Variants are compared by their
differences on the same problems, run by run of one seed, in which the base cancels: runs of one seed see the training
problems in the same order. That, and not whose band overlaps whose, says whether one is better.

Decisions. Delta_SE and the differences have intervals for other seeds and other problems (`estimates/two_level.py`),
or for other problems alone where there is one seed; those of one kind hold together. Up to `MOST` variants are compared
in all pairs, more of them with the first alone. Left out: curves at other ks (`training_seeds.py` has all).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from move37.analyses.curves import mean_interval
from move37.analyses.targets import share
from move37.analyses.trajectory import Change, Checkpoint
from move37.counts import AnyTally
from move37.estimates.rows import k_limit, pass_at_k_each, pass_at_k_rows
from move37.estimates.settings import INDEPENDENT, BandSettings, Design
from move37.estimates.two_level import two_level_band
from move37.types import FloatArray

MOST = 8
"""Variants of which all pairs are compared."""
_WHOLE = (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Variant:
    """One rule, over its seeds."""

    algorithm: str
    step: int
    """The last step of its trainings; the smallest where they differ."""
    seeds: int
    pass_at_1: float
    pass_at_k: float
    gap: Change
    """Delta_SE; its value is no change but a difference as well."""
    entropy: float | None


@dataclass(frozen=True, slots=True)
class VariantPair:
    """`other` minus `one`, over the seeds that both have; `seeds` is how many."""

    one: str
    other: str
    seeds: int
    at_1: Change
    at_k: Change


@dataclass(frozen=True, eq=False)
class Variants:
    """Rules beside each other. `base` is the model that the gap is from."""

    base: str
    k: int
    problems: int
    confidence: float
    variants: tuple[Variant, ...]
    pairs: tuple[VariantPair, ...]


def compare_variants(
    base: AnyTally, trained: Sequence[Checkpoint], settings: BandSettings, design: Design = INDEPENDENT
) -> Variants | None:
    """The last checkpoints of all trainings; None where there are fewer than two variants.

    Tallies are on base's problems in base's order, which `design` labels.
    """
    last: dict[tuple[str, int], Checkpoint] = {}
    for each in sorted(trained, key=lambda each: each.step):
        last[each.algorithm, each.seed] = each
    groups: dict[str, dict[int, Checkpoint]] = {}
    for each in trained:  # in the study's order
        groups.setdefault(each.algorithm, {})[each.seed] = last[each.algorithm, each.seed]
    if len(groups) < 2:
        return None
    k = min(k_limit(base), *(k_limit(each.tally) for of in groups.values() for each in of.values()))
    base_at_k = pass_at_k_each(base, k)
    rows = {
        name: {seed: pass_at_k_rows(each.tally, k)[:, [0, -1]] for seed, each in of.items()}
        for name, of in groups.items()
    }
    alone = share(settings.confidence, len(groups))
    names = list(combinations(groups, 2)) if len(groups) <= MOST else [(next(iter(groups)), n) for n in [*groups][1:]]
    together = share(settings.confidence, len(names))
    return Variants(
        base=base.model,
        k=k,
        problems=base.problems,
        confidence=settings.confidence,
        variants=tuple(
            _variant(name, of, rows[name], base_at_k, BandSettings(alone, seed=settings.seed), design)
            for name, of in groups.items()
        ),
        pairs=tuple(
            pair
            for one, other in names
            if (pair := _pair(one, other, rows, BandSettings(together, seed=settings.seed), design)) is not None
        ),
    )


def _variant(
    name: str,
    of: Mapping[int, Checkpoint],
    rows: Mapping[int, FloatArray],
    base_at_k: FloatArray,
    settings: BandSettings,
    design: Design,
) -> Variant:
    stacked = np.stack(list(rows.values()))
    entropies = [each.entropy for each in of.values() if each.entropy is not None]
    at_1, at_k = stacked.mean(axis=(0, 1)).tolist()
    (gap,) = _changes((base_at_k - stacked[:, :, 0])[:, :, None], settings, design)
    return Variant(
        algorithm=name,
        step=min(each.step for each in of.values()),
        seeds=len(of),
        pass_at_1=at_1,
        pass_at_k=at_k,
        gap=gap,
        entropy=float(np.mean(entropies)) if entropies else None,
    )


def _pair(
    one: str,
    other: str,
    rows: Mapping[str, Mapping[int, FloatArray]],
    settings: BandSettings,
    design: Design,
) -> VariantPair | None:
    """None where no seed was run of both."""
    seeds = [seed for seed in rows[one] if seed in rows[other]]
    if not seeds:
        return None
    differences = np.stack([rows[other][seed] - rows[one][seed] for seed in seeds])
    return VariantPair(one, other, len(seeds), *_changes(differences, settings, design))


def _changes(rows: FloatArray, settings: BandSettings, design: Design) -> list[Change]:
    """Of every column of (seeds, problems, columns), the mean with its interval, all columns together."""
    if len(rows) > 1:
        band = two_level_band(rows, settings, design)
        return [
            Change(*each) for each in zip(band.mean.tolist(), band.lower.tolist(), band.upper.tolist(), strict=True)
        ]
    each = share(settings.confidence, rows.shape[2])
    columns = rows[0].T
    return [Change(float(c.mean()), *(mean_interval(c, each, _WHOLE, design) or _WHOLE)) for c in columns]
