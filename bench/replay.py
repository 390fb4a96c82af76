"""Claim: had sampling stopped early on the DeepScaleR problems, at r = 8 correct samples or 128, less than a third of
the samples would have told the same: every curve within .004 and the same first-loss set.

The 128 outcomes of every problem and model are put into a random order, and the plan is applied to that order with the
code that a run uses; 200 replays per plan, the same orders for all plans. Compared with the full counts: root mean
square error of either curve at every k, and the first-loss set. Its upper end moves by Monte-Carlo error alone, over
60 to 63 in the published setting (4,000 multiplier draws, 40 seeds; measured here again): that width, 3, is allowed to
both ends. The lower end does not move by Monte-Carlo error, so how often it is exactly the full counts' is printed as
well. One line per plan gives the error if the stopped counts were fed to the fixed-n formula.
"""

import argparse
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from move37.counts import StoppedTally, StoppingPlan
from move37.estimates.bands import first_loss_set, simultaneous_band
from move37.estimates.curtailed import stopped_pass_at_k
from move37.estimates.pass_at_k import failure_of, pass_at_k
from move37.estimates.settings import BandSettings
from move37.stopping import Stops, apply_plan
from move37.types import FloatArray, IntArray

COUNTS = Path(__file__).parents[2] / "shared" / "data" / "counts" / "deepscaler32k"
N, STOP_AT, DRAWS, SHOWN = 128, (2, 4, 8), 100_000, (1, 2, 4, 8, 16, 32, 64, 128)
PUBLISHED_DRAWS, PUBLISHED_SEEDS, PUBLISHED_WIDTH = 4000, 40, 3
NO_LOSS = N + 1
"""Stands for the upper end of a set in which no loss is established."""


def read_counts(model: str) -> IntArray:
    rows = [json.loads(line) for line in (COUNTS / f"{model}.jsonl").read_text(encoding="utf-8").splitlines()]
    return np.array([row["c"] for row in sorted(rows, key=lambda row: row["id"])])


def shuffled(correct: IntArray, rng: np.random.Generator) -> np.ndarray:
    """An outcome table (M, N) with each problem's correct samples in random places."""
    return rng.permuted((np.arange(N) < correct[:, None]).astype(np.int8), axis=1)


def estimated(stops: Stops, plan: StoppingPlan) -> FloatArray:
    zeros = np.zeros_like(stops.trials)
    ids = tuple(map(str, range(len(zeros))))
    tally = StoppedTally("m", ids, stops.successes, stops.trials, stops.went_on, zeros, zeros, zeros, plan)
    return stopped_pass_at_k(tally, N)


def loss_set(difference: FloatArray, draws: int, seed: int) -> tuple[int, int]:
    band = simultaneous_band(difference, BandSettings(draws=draws, seed=seed))
    first, last = first_loss_set(band.lower, band.upper)
    return first, NO_LOSS if last is None else last


def ranges(sets: list[tuple[int, int]]) -> list[list[int]]:
    return [[min(ends), max(ends)] for ends in zip(*sets, strict=True)]


def share_within(sets: list[tuple[int, int]], settled: tuple[int, int], width: int) -> list[float]:
    """Shares of `sets` whose lower end, upper end, both ends are at most `width` away from the settled one's."""
    near = np.abs(np.array(sets) - settled) <= width
    return [*near.mean(axis=0).tolist(), float(near.all(axis=1).mean())]


@dataclass
class Replays:
    """Of one plan: the share of samples used, squared errors by replay and k, first-loss sets."""

    used: list[float] = field(default_factory=list)
    squares: dict[str, list[FloatArray]] = field(default_factory=lambda: {"base": [], "rl": []})
    naive_squares: list[FloatArray] = field(default_factory=list)
    sets: list[tuple[int, int]] = field(default_factory=list)

    def add(self, plan: StoppingPlan, tables: dict[str, np.ndarray], truth: dict[str, FloatArray], seed: int) -> None:
        rows = {}
        for model, table in tables.items():
            stops = apply_plan(table, plan)
            rows[model] = estimated(stops, plan)
            self.used.append(float(stops.used.mean()) / N)
            self.squares[model].append((rows[model].mean(axis=0) - truth[model]) ** 2)
            naive = 1 - failure_of(stops.successes, stops.trials, N)
            self.naive_squares.append((naive.mean(axis=0) - truth[model]) ** 2)
        self.sets.append(loss_set(rows["rl"] - rows["base"], DRAWS, seed))


def shown(r: int, found: Replays, settled: tuple[int, int]) -> dict[str, Any]:
    """The figures of one plan, which are printed as well."""
    used = float(np.mean(found.used))
    rmse = {model: np.sqrt(np.mean(squares, axis=0)) for model, squares in found.squares.items()}
    naive = np.sqrt(np.mean(found.naive_squares, axis=0))
    for name, errors in (*rmse.items(), ("fixed-n formula", naive)):
        first = f"{r:>3}{used:9.1%}" if name == "base" else f"{r if name in rmse else '':>3}{'':9}"
        print(f"{first}   {name:<24}" + "".join(f"{errors[k - 1]:8.4f}" for k in SHOWN) + f"{errors.max():8.4f}")
    firsts, lasts = ranges(found.sets)
    near, exact = share_within(found.sets, settled, PUBLISHED_WIDTH), share_within(found.sets, settled, 0)
    print(
        f"{'':12}   first-loss sets [{firsts[0]}-{firsts[1]}, {lasts[0]}-{lasts[1]}]; within {PUBLISHED_WIDTH} of "
        f"{list(settled)}: lower end {near[0]:.1%}, upper end {near[1]:.1%}, both {near[2]:.1%}; lower end exact "
        f"{exact[0]:.1%}\n"
    )
    return {
        "r": r,
        "share_of_samples": used,
        "rmse_worst": {model: float(errors.max()) for model, errors in rmse.items()},
        "rmse_worst_k": {model: int(errors.argmax()) + 1 for model, errors in rmse.items()},
        "rmse_naive_worst": float(naive.max()),
        "first_loss_lower": firsts,
        "first_loss_upper": lasts,
        "recovered_within_3": dict(zip(("lower", "upper", "both"), near, strict=True)),
        "recovered_exactly": dict(zip(("lower", "upper", "both"), exact, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replays", type=int, default=200)
    replays = parser.parse_args().replays
    counts = {model: read_counts(model) for model in ("base", "rl")}
    full = {model: pass_at_k(c, np.full_like(c, N)) for model, c in counts.items()}
    curves = {model: rows.mean(axis=0) for model, rows in full.items()}
    difference = full["rl"] - full["base"]
    settled = loss_set(difference, 1_000_000, 0)
    allowed = ranges([loss_set(difference, PUBLISHED_DRAWS, seed) for seed in range(PUBLISHED_SEEDS)])
    print(f"{len(difference)} problems x {N} samples, {replays} replays; full counts: first-loss set {settled}")
    print(f"over {PUBLISHED_SEEDS} seeds of {PUBLISHED_DRAWS} draws its ends are in {allowed[0]} and {allowed[1]}\n")

    found = {r: Replays() for r in STOP_AT}
    for replay in range(replays):
        rng = np.random.default_rng(replay)
        tables = {model: shuffled(c, rng) for model, c in counts.items()}
        for r, of_plan in found.items():
            of_plan.add(StoppingPlan.until(r, N), tables, curves, replay)
    print(
        f"{'r':>3}{'samples':>9}   {'rmse of the curve at k =':<8}"
        + "".join(f"{k:>8}" for k in SHOWN)
        + f"{'worst':>8}"
    )
    figures = [shown(r, of_plan, settled) for r, of_plan in found.items()]
    print(
        json.dumps(
            {
                "bench": "replay",
                "replays": replays,
                "draws": DRAWS,
                "first_loss_full": settled,
                "first_loss_monte_carlo": allowed,
                "plans": figures,
            }
        )
    )


if __name__ == "__main__":
    main()
