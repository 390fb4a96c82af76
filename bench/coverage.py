"""Claim: the 95 % bands hold the truth at all ks together in 93 to 97 % of studies, and say where they do not.

Simulated studies of made worlds whose truth is a finite sum: kinds of problems (share, p under base, p under RL), two
models sampled under a plan, the band that `simultaneous_band` gives with 2,000 draws. Columns:

  all      every k is covered
  told     every k is covered of those that are not flagged as carried by fewer than FEW_PROBLEMS: the claim
  flagged  mean share of ks that are flagged; where most are (M = 30), the tool points to the exact test
  wide     every k is covered by `Band.widened`
  shown    every k is covered by the band that is reported: widened at the ks that few problems carry
  wrong    a gain or a loss is called with the wrong sign at a k that is not flagged
  false    a gain before a loss is called (at any k) although the true curves do not cross; "-" where they do

The last ten settings are of 30 problems. The second table is of the other bands: strata, clusters, families, training
seeds, token budgets, each beside what it replaces. A share of 1,000 has a standard error of .007 at .95. REPETITIONS
may be given on the command line.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.special import betaincinv, expit, ndtr, stdtrit

from move37.analyses.token_budget import token_budget
from move37.counts import StoppingPlan, Tally
from move37.estimates.bands import FEW_PROBLEMS, Band, band_from, critical_value, simultaneous_band, spread
from move37.estimates.curtailed import failure_by_plan
from move37.estimates.pass_at_k import pass_at_k
from move37.estimates.paths import stopping_points
from move37.estimates.settings import BandSettings, Design
from move37.estimates.two_level import TwoLevelBand, two_level_band
from move37.types import FloatArray, IntArray

REPETITIONS, DRAWS = 1000, 2000
PLANS = {
    "n=64": StoppingPlan((64,), 1),
    "n=128": StoppingPlan((128,), 1),
    "r=4 of 128": StoppingPlan.until(4, 128),
    "r=8 of 128": StoppingPlan.until(8, 128),
    "r=8 by 16": StoppingPlan.until(8, 128, batch=16),
}


@dataclass(frozen=True, eq=False)
class World:
    """Kinds of problems: shares that add up to 1 and the two models' success probabilities, arrays (kinds,)."""

    share: FloatArray
    base: FloatArray
    rl: FloatArray

    def truth(self, k_max: int) -> FloatArray:
        """RL minus base at k = 1..k_max."""
        k = np.arange(1, k_max + 1)[:, None]
        return ((1 - self.base) ** k - (1 - self.rl) ** k) @ self.share

    def crosses(self, k_max: int) -> bool:
        truth = self.truth(k_max)
        return bool((np.logical_or.accumulate(truth > 1e-12) & (truth < -1e-12)).any())


def kinds(*rows: tuple[float, float, float]) -> World:
    share, base, rl = np.array(rows).T
    return World(share, base, rl)


def spread_out(a: float, b: float, power: float, lost_below: float = 0.0, size: int = 400) -> World:
    """p ~ Beta(a, b) under base; p^power under RL, but p / 10 where p < `lost_below`."""
    p = betaincinv(a, b, (np.arange(size) + 0.5) / size)
    return World(np.full(size, 1 / size), p, np.where(p < lost_below, p / 10, p**power))


WORLDS = {
    "mixed": kinds((0.2, 0.05, 0.3), (0.3, 0.3, 0.6), (0.15, 0.03, 0.0), (0.2, 0.7, 0.9), (0.15, 0.0, 0.0)),
    "rare": kinds((0.6, 0.0, 0.0), (0.25, 0.02, 0.06), (0.15, 0.05, 0.005)),
    "heterogeneous": spread_out(0.35, 0.2, 0.6, lost_below=0.03),
    "only better": spread_out(0.4, 0.4, 0.6),
    "equal": spread_out(0.35, 0.5, 1.0),
    "rare, equal": kinds((0.7, 0.0, 0.0), (0.3, 0.02, 0.02)),
    "nearly decided": kinds((0.5, 0.4, 0.5), (0.5, 0.6, 0.7)),
}
SETTINGS = [
    ("mixed", "n=64", 30),
    ("heterogeneous", "n=128", 30),
    ("heterogeneous", "r=8 of 128", 30),
    ("mixed", "n=64", 100),
    ("mixed", "r=4 of 128", 100),
    ("mixed", "n=128", 300),
    ("mixed", "r=8 of 128", 300),
    ("mixed", "n=64", 1000),
    ("rare", "n=64", 100),
    ("rare", "r=4 of 128", 300),
    ("rare", "n=128", 300),
    ("rare", "r=8 by 16", 1000),
    ("heterogeneous", "n=128", 300),
    ("heterogeneous", "r=8 of 128", 300),
    ("heterogeneous", "n=128", 1000),
    ("heterogeneous", "r=4 of 128", 1000),
    ("heterogeneous", "r=8 by 16", 1000),
    ("only better", "n=128", 300),
    ("only better", "r=8 of 128", 1000),
    ("equal", "n=128", 300),
    ("equal", "r=8 of 128", 1000),
    ("rare, equal", "r=8 of 128", 300),
    ("nearly decided", "n=64", 300),
    ("mixed", "n=128", 30),
    ("mixed", "r=8 of 128", 30),
    ("mixed", "r=4 of 128", 30),
    ("heterogeneous", "n=64", 30),
    ("heterogeneous", "r=4 of 128", 30),
    ("only better", "n=64", 30),
    ("only better", "n=128", 30),
    ("equal", "n=64", 30),
    ("equal", "r=8 of 128", 30),
    ("nearly decided", "n=64", 30),
]


def studies(world: World, plan: StoppingPlan, problems: int, repetitions: int, seed: int) -> Iterator[FloatArray]:
    """Rows (M, K) of RL minus base of one simulated study after the other."""
    points = stopping_points(plan)
    table = 1.0 - failure_by_plan(plan, points.trials, points.successes, plan.n_max)
    rng = np.random.default_rng(seed)
    ends = [_cumulative(points.probability(p)) for p in (world.base, world.rl)]
    for _ in range(repetitions):
        kind = rng.choice(len(world.share), problems, p=world.share)
        base, rl = (_stops(cumulative, kind, len(points.trials), rng) for cumulative in ends)
        yield table[rl] - table[base]


def _cumulative(probability: FloatArray) -> FloatArray:
    """Each kind's distribution of stopping points, one after the other: kind + P(stop <= point), rising throughout."""
    until: FloatArray = np.minimum(np.cumsum(probability, axis=1), 1.0)
    return (until + np.arange(len(probability))[:, None]).ravel()


def _stops(cumulative: FloatArray, kind: IntArray, points: int, rng: np.random.Generator) -> IntArray:
    """A stopping point of each problem, by inversion."""
    found = np.searchsorted(cumulative, kind + rng.random(len(kind))) - kind * points
    return np.minimum(found, points - 1)


def covered(band: tuple[FloatArray, FloatArray], truth: FloatArray) -> np.ndarray:
    return (band[0] <= truth + 1e-12) & (truth - 1e-12 <= band[1])


def check(world: World, plan: StoppingPlan, problems: int, repetitions: int) -> dict[str, float]:
    """The first table's shares for one setting."""
    truth, crosses = world.truth(plan.n_max), world.crosses(plan.n_max)
    counts = np.zeros(7)
    for number, rows in enumerate(studies(world, plan, problems, repetitions, problems)):
        band = simultaneous_band(rows, BandSettings(draws=DRAWS, seed=number))
        holds, told = covered((band.lower, band.upper), truth), ~_few(band)
        gain, loss = band.lower > 0, band.upper < 0
        wrong = (gain & (truth <= 1e-12)) | (loss & (truth >= -1e-12))
        crossing = gain.any() and loss.any() and np.argmax(gain) < len(loss) - 1 - np.argmax(loss[::-1])
        counts += [
            holds.all(),
            holds[told].all(),
            1 - told.mean(),
            covered(band.widened(), truth).all(),
            covered(band.reported, truth).all(),
            wrong[told].any(),
            crossing and not crosses,
        ]
    shares: dict[str, float] = dict(
        zip(("all", "told", "flagged", "wide", "shown", "wrong", "false"), (counts / repetitions).tolist(), strict=True)
    )
    return shares if not crosses else {**shares, "false": float("nan")}


def _few(band: Band) -> np.ndarray:
    return (band.effective_problems > 0) & (band.effective_problems < FEW_PROBLEMS)


# -- the other bands: each yields (covered by ours, covered by what it replaces) ---------------------------------------


def strata(repetitions: int) -> Iterator[tuple[bool, bool]]:
    """Half of 300 problems are easy, half are hard, in every study; against a band that ignores that."""
    easy, hard = kinds((0.5, 0.6, 0.9), (0.5, 0.5, 0.8)), kinds((0.6, 0.01, 0.1), (0.4, 0.2, 0.02))
    truth = (easy.truth(64) + hard.truth(64)) / 2
    label = np.repeat([0, 1], 150)
    halves = (studies(world, PLANS["n=64"], 150, repetitions, seed) for seed, world in ((1, easy), (2, hard)))
    for number, both in enumerate(zip(*halves, strict=True)):
        rows = np.concatenate(both)
        bands = [
            simultaneous_band(rows, BandSettings(draws=DRAWS, seed=number), Design(strata=each))
            for each in (label, None)
        ]
        yield _both(bands, truth)


def clusters(repetitions: int) -> Iterator[tuple[bool, bool]]:
    """150 problems in 1 to 4 near duplicates each, with the same p; against a band that ignores that."""
    world, plan = WORLDS["mixed"], PLANS["n=64"]
    truth, table = world.truth(64), pass_at_k(np.arange(65), np.full(65, 64))
    rng = np.random.default_rng(3)
    for number in range(repetitions):
        label = np.repeat(np.arange(150), rng.integers(1, 5, 150))
        kind = rng.choice(len(world.share), 150, p=world.share)[label]
        rows = table[rng.binomial(plan.n_max, world.rl[kind])] - table[rng.binomial(plan.n_max, world.base[kind])]
        bands = [
            simultaneous_band(rows, BandSettings(draws=DRAWS, seed=number), Design(clusters=each))
            for each in (label, None)
        ]
        yield _both(bands, truth)


def family_of_eight(repetitions: int) -> Iterator[tuple[bool, bool]]:
    """Eight models against one base, 300 problems; against a band for each model alone."""
    world, powers = WORLDS["heterogeneous"], np.linspace(0.5, 1.2, 8)
    table = pass_at_k(np.arange(65), np.full(65, 64))
    k = np.arange(1, 65)[:, None]
    truth = [((1 - world.base) ** k - (1 - world.base**power) ** k) @ world.share for power in powers]
    rng = np.random.default_rng(4)
    for number in range(repetitions):
        p = world.base[rng.choice(len(world.share), 300, p=world.share)]
        base = table[rng.binomial(64, p)]
        spreads = [spread(table[rng.binomial(64, p**power)] - base) for power in powers]
        together = critical_value(spreads, BandSettings(draws=DRAWS, seed=number))
        alone = [critical_value([each], BandSettings(draws=DRAWS, seed=number)) for each in spreads]
        held = []
        for criticals in ([together] * len(spreads), alone):
            bands = [band_from(s, c, 0.95, (-1.0, 1.0)) for s, c in zip(spreads, criticals, strict=True)]
            held.append(all(_told(band, t) for band, t in zip(bands, truth, strict=True)))
        yield held[0], held[1]


def seeds(
    count: int, problems: int, between: float, satterthwaite: bool = False
) -> Callable[[int], Iterator[tuple[bool, bool]]]:
    """`count` runs whose skill differs by `between` (in logits); against a band over problems for their mean, or
    against one Student quantile with Satterthwaite's degrees of freedom."""

    def simulate(repetitions: int) -> Iterator[tuple[bool, bool]]:
        truth, table = _truth_over_seeds(between), pass_at_k(np.arange(65), np.full(65, 64))
        rng = np.random.default_rng(5)
        for number in range(repetitions):
            logit = rng.normal(-1, 2, problems)
            tilt, shift = rng.normal(0, between, (2, count, 1))
            skill = (0.7 + 0.2 * tilt) * logit + 0.8 + shift + 0.3 * rng.normal(size=(count, problems))
            rows = table[rng.binomial(64, expit(skill))] - table[rng.binomial(64, expit(logit))]
            band = two_level_band(rows, BandSettings(draws=DRAWS, seed=number))
            one_level = simultaneous_band(rows.mean(axis=0), BandSettings(draws=DRAWS, seed=number))
            other = _satterthwaite(band, problems) if satterthwaite else (one_level.lower, one_level.upper)
            told = ~_few(one_level)
            yield bool(covered((band.lower, band.upper), truth)[told].all()), bool(covered(other, truth)[told].all())

    return simulate


def _satterthwaite(band: TwoLevelBand, problems: int) -> tuple[FloatArray, FloatArray]:
    seeds, both = band.se_seeds**2, band.se_seeds**2 + band.se_problems**2
    varying = np.where(both > 0, both, 1.0)
    freedom = varying**2 / np.maximum(seeds**2 / (band.seeds - 1) + band.se_problems**4 / (problems - 1), 1e-300)
    half = stdtrit(freedom, ndtr(band.critical_value)) * np.sqrt(both)
    return band.mean - half, band.mean + half


def _truth_over_seeds(between: float) -> FloatArray:
    """Mean over problems, runs and their interplay, by Gauss-Hermite quadrature, k = 1..64."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    weights = weights / weights.sum()
    logit, k = -1 + 2 * nodes, np.arange(1, 65)
    tilt, shift, own = (between * nodes[:, None, None], between * nodes[None, :, None], 0.3 * nodes[None, None, :])
    skill = (0.7 + 0.2 * tilt[..., None]) * logit + 0.8 + shift[..., None] + own[..., None]
    p = expit(skill).ravel()
    mass = np.einsum("a,b,c,d->abcd", weights, weights, weights, weights).ravel()
    rl = np.array([mass @ (1 - (1 - p) ** each) for each in k])
    return rl - np.array([weights @ (1 - (1 - expit(logit)) ** each) for each in k])


def budgets(repetitions: int) -> Iterator[tuple[bool, bool]]:
    """300 problems whose hard ones take longer answers, RL's a third longer; against taking mean tokens as known."""
    world = WORLDS["mixed"]
    cost = {"base": 1000 * (2 - world.base), "rl": 1500 * (2.2 - world.rl)}
    means = {model: float(each @ world.share) * np.exp(0.5 * 0.5**2) for model, each in cost.items()}
    grid = np.geomspace(max(means.values()), 50 * min(means.values()), 48)
    truth = _interpolated(world.rl, world, grid / means["rl"]) - _interpolated(world.base, world, grid / means["base"])
    rng = np.random.default_rng(6)
    ids = tuple(str(i) for i in range(300))
    table = np.concatenate([np.zeros((65, 1)), pass_at_k(np.arange(65), np.full(65, 64))], axis=1)
    for number in range(repetitions):
        kind = rng.choice(len(world.share), 300, p=world.share)
        tallies, tokens, rows = [], [], []
        for model, p in (("base", world.base), ("rl", world.rl)):
            correct, none = rng.binomial(64, p[kind]), np.zeros(300, dtype=np.int64)
            tallies.append(Tally(model, ids, correct, 64 - correct, none, none))
            each = cost[model][kind] * rng.lognormal(0, 0.5, 300)
            tokens.append(dict(zip(ids, each.tolist(), strict=True)))
            k = grid / each.mean()
            rows.append(np.array([np.interp(k, np.arange(65), curve) for curve in table[correct]]))
        result = token_budget(*tallies, *tokens, settings=BandSettings(draws=DRAWS, seed=number), budgets=grid.tolist())
        known = simultaneous_band(rows[1] - rows[0], BandSettings(draws=DRAWS, seed=number))
        yield (
            bool(covered((result.band.lower, result.band.upper), truth).all()),
            bool(covered((known.lower, known.upper), truth).all()),
        )


def _interpolated(p: FloatArray, world: World, k: FloatArray) -> FloatArray:
    whole = np.arange(65)
    return np.interp(k, whole, [world.share @ (1 - (1 - p) ** each) for each in whole])


def _told(band: Band, truth: FloatArray) -> bool:
    return bool(covered((band.lower, band.upper), truth)[~_few(band)].all())


def _both(bands: list[Band], truth: FloatArray) -> tuple[bool, bool]:
    return _told(bands[0], truth), _told(bands[1], truth)


OTHERS: dict[str, Callable[[int], Iterator[tuple[bool, bool]]]] = {
    "strata, 2 x 150 (ignored)": strata,
    "clusters, 150 of 1 to 4 (ignored)": clusters,
    "8 models, 300 problems (each alone)": family_of_eight,
    "3 seeds x 100, all alike (problems only)": seeds(3, 100, 0.0),
    "3 seeds x 300, sd .1 (problems only)": seeds(3, 300, 0.1),
    "3 seeds x 300, sd .5 (problems only)": seeds(3, 300, 0.5),
    "3 seeds x 300, sd .3 (Satterthwaite)": seeds(3, 300, 0.3, satterthwaite=True),
    "5 seeds x 300, sd .3 (problems only)": seeds(5, 300, 0.3),
    "token budgets (mean tokens as known)": budgets,
}


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS
    start, table, others = time.process_time(), [], []
    print(f"{repetitions} repetitions, {DRAWS} draws, 95 %; flagged below {FEW_PROBLEMS} problems")
    print(
        f"{'world':16}{'plan':12}{'M':>6}"
        + "".join(f"{name:>9}" for name in ("all", "told", "flagged", "wide", "shown", "wrong", "false"))
    )
    for name, plan, problems in SETTINGS:
        shares = check(WORLDS[name], PLANS[plan], problems, repetitions)
        table.append({"world": name, "plan": plan, "problems": problems, **shares})
        cells = "".join(f"{'-' if np.isnan(value) else format(value, '.3f'):>9}" for value in shares.values())
        print(f"{name:16}{plan:12}{problems:>6}{cells}", flush=True)
    print(f"\n{'other bands (what each replaces)':44}{'ours':>9}{'replaced':>10}")
    for name, simulate in OTHERS.items():
        ours, replaced = np.mean(list(simulate(repetitions)), axis=0)
        others.append({"band": name, "ours": float(ours), "replaced": float(replaced)})
        print(f"{name:44}{ours:>9.3f}{replaced:>10.3f}", flush=True)
    figures = {
        "bench": "coverage",
        "repetitions": repetitions,
        "processor_seconds": time.process_time() - start,
        "settings": len(table),
        "settings_with_nine_of_ten_ks_flagged": sum(row["flagged"] > 0.9 for row in table),
        "settings_in_93_97": sum(0.93 <= row["told"] <= 0.97 for row in table),
        "least_told": min(row["told"] for row in table),
        "least_wide": min(row["wide"] for row in table),
        "least_shown": min(row["shown"] for row in table),
        "most_false_crossings": max(row["false"] for row in table if not np.isnan(row["false"])),
        "most_wrong_signs": max(row["wrong"] for row in table),
        "table": [{key: None if value != value else value for key, value in row.items()} for row in table],
        "others": others,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
