"""The best that each model does over several ways of asking it: an envelope that is not optimistic.

A base model that is asked with the wrong template, too short a limit or no examples looks worse than it is, and RL
looks better for it. So a model may have several *arms* (the same weights, asked otherwise), and models are compared by
their envelopes. The largest of several means is too large by luck, so the envelope is cross-fitted: for every k the arm
is chosen on one half of the problems and measured on the other, and the other way round, over `SPLITS` random splits.
What is estimated is what a user gets who chooses his arm on half as many problems: at most the best arm, and close to
it where arms differ much.

Rows of a problem are averages over splits of its pass@k under the arm chosen without it; differences of two models'
rows take the band of a pair. That the choice varies with the other half is not in it (it is the same for all).

Left out: choosing an arm per problem, which nobody could; arms of different weights (those are models).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses.curves import CurveDifference, difference_of, simulated_columns
from move37.analyses.pairing import paired
from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.bands import simultaneous_band
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import INDEPENDENT, BandSettings, Design
from move37.types import FloatArray, IntArray

SPLITS = 20
"""Random halves of the problems, each used both ways."""
ARM_BAND = BandSettings(draws=20_000)


@dataclass(frozen=True, eq=False)
class Envelope:
    """One model over its arms, arrays of shape (K,)."""

    model: str
    arms: tuple[str, ...]
    k: IntArray
    by_arm: FloatArray
    """pass@k of each arm, (arms, K)."""
    pass_at_k: FloatArray
    """Cross-fitted."""
    largest: FloatArray
    """The largest of the arms' means at each k: optimistic."""
    chosen: FloatArray
    """Share of the halves that chose each arm, (arms, K)."""


@dataclass(frozen=True, eq=False)
class Arms:
    """All models by their envelopes; `differences` of each other model and the first, where there are several."""

    envelopes: tuple[Envelope, ...]
    differences: tuple[CurveDifference, ...]
    splits: int


def compare_arms(
    models: Sequence[Sequence[AnyTally]], settings: BandSettings = ARM_BAND, design: Design = INDEPENDENT
) -> Arms:
    """Each model as its arms (one or more), all on the same problems; the first model is the base, named by its first
    arm. `design` labels the first tally's problems. Raises InputError."""
    first = models[0][0]
    if first.problems < 4:
        raise InputError(f"{first.model}: arms are chosen on half of the problems, which takes 4 of them or more")
    ordered = [[first if arm is first else paired(first, arm)[1] for arm in arms] for arms in models]
    k_max = min(k_limit(arm) for arms in ordered for arm in arms)
    halves = _halves(first.problems, design, settings.seed)
    found = [_envelope(arms, k_max, halves) for arms in ordered]
    base, base_rows = found[0]
    return Arms(
        envelopes=tuple(envelope for envelope, _ in found),
        differences=tuple(
            difference_of(
                base.model,
                envelope.model,
                simultaneous_band(rows - base_rows, settings, design, simulate_at=simulated_columns(k_max)),
            )
            for envelope, rows in found[1:]
        ),
        splits=len(halves),
    )


def _halves(problems: int, design: Design, seed: int) -> list[IntArray]:
    """For each split, whether each problem is in the first half, 0 or 1 (M,); clusters stay together."""
    unit = np.arange(problems) if design.clusters is None else np.unique(design.clusters, return_inverse=True)[1]
    units = int(unit.max()) + 1
    rng = np.random.default_rng([seed, units])
    order = np.arange(units) % 2
    return [rng.permutation(order)[unit] for _ in range(SPLITS)]


def _envelope(arms: Sequence[AnyTally], k_max: int, halves: Sequence[IntArray]) -> tuple[Envelope, FloatArray]:
    """The envelope, and its rows (M, K)."""
    rows = np.stack([pass_at_k_rows(arm, k_max) for arm in arms])
    means = rows.mean(axis=1)
    cross, chosen = np.zeros(rows.shape[1:]), np.zeros(means.shape)
    columns = np.arange(k_max)
    for half in halves:
        for side in (0, 1):
            best = rows[:, half == side].mean(axis=1).argmax(axis=0)
            cross[half != side] += rows[best, :, columns].T[half != side]
            chosen[best, columns] += 1
    cross /= len(halves)
    envelope = Envelope(
        model=arms[0].model,
        arms=tuple(arm.model for arm in arms),
        k=np.arange(1, k_max + 1),
        by_arm=means,
        pass_at_k=cross.mean(axis=0),
        largest=means.max(axis=0),
        chosen=chosen / (2 * len(halves)),
    )
    return envelope, cross
