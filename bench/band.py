"""Claim: the paired comparison of two models at every k, band included, is several times faster than passk-inference
with as many multiplier draws, and says the same; pass@k at every k of 500 problems x 1024 samples takes under 10 ms.

Both start from the same counts in memory and end with curves, band, gain and loss ks and first-loss set; ours adds the
Monte-Carlo range. Ours draws the same law from other random numbers; with the peer's own multipliers (its published
4,000), our process gives the peer's critical value to rounding, which is checked apart. The counts are the DeepScaleR
ones where ../shared is there, otherwise made ones of the same size.

Rounds alternate. Times are processor time of one thread: on a busy machine the clock on the wall measures the others,
and the threads of the peer's many small products wait for each other (OPENBLAS_NUM_THREADS allows more).
"""

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import passk_inference

from move37.analyses.curves import CurveDifference, curve_difference
from move37.counts import Tally
from move37.estimates.bands import spread
from move37.estimates.pass_at_k import pass_at_k
from move37.estimates.settings import BandSettings
from move37.types import IntArray

DRAWS, ROUNDS = 100_000, 7
PUBLISHED_DRAWS = 4_000
COUNTS = Path(__file__).parents[2] / "shared" / "data" / "counts" / "deepscaler32k"


def load_tallies() -> tuple[Tally, Tally, str]:
    if COUNTS.exists():
        return read_counts("base"), read_counts("rl"), "DeepScaleR, 1060 x 128"
    rng = np.random.default_rng(0)
    p = rng.beta(0.35, 0.2, 1060)
    base, rl = (tally_of(name, rng.binomial(128, chance)) for name, chance in (("base", p), ("rl", p**0.6)))
    return base, rl, "made counts, 1060 x 128"


def read_counts(model: str) -> Tally:
    rows = [json.loads(line) for line in (COUNTS / f"{model}.jsonl").read_text(encoding="utf-8").splitlines()]
    rows.sort(key=lambda row: row["id"])
    return tally_of(model, np.array([row["c"] for row in rows]))


def tally_of(model: str, correct: IntArray, n: int = 128) -> Tally:
    none = np.zeros_like(correct)
    return Tally(model, tuple(f"p{i}" for i in range(len(correct))), correct, n - correct, none, none)


def ours(base: Tally, rl: Tally) -> CurveDifference:
    pass_at_k(base.correct, base.n)  # the two curves, which the peer returns as well
    pass_at_k(rl.correct, rl.n)
    return curve_difference(base, rl, BandSettings(draws=DRAWS))


def peer(base: Tally, rl: Tally) -> dict[str, Any]:
    return passk_inference.compare(base.correct, base.n, rl.correct, rl.n, bootstrap=DRAWS)


def loop_over_problems(correct: IntArray, n: int) -> list[list[float]]:
    """Every k with the peer's own estimator, one call per k."""
    return [passk_inference.pass_at_k(correct, n, k) for k in range(1, n + 1)]


def critical_value_with_the_peers_draws(base: Tally, rl: Tally) -> float:
    """The 95 % quantile that our multiplier process has with the normals that the peer draws for seed 0."""
    scaled = spread(pass_at_k(rl.correct, rl.n) - pass_at_k(base.correct, base.n)).scaled
    rng, maxima = np.random.default_rng(0), []
    for start in range(0, PUBLISHED_DRAWS, 128):
        multipliers = rng.standard_normal((min(128, PUBLISHED_DRAWS - start), base.problems))
        maxima.append(np.abs(multipliers @ scaled).max(axis=1))
    return float(np.quantile(np.concatenate(maxima), 0.95))


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    start = time.process_time()
    result = work(*arguments)
    return time.process_time() - start, result


def show(name: str, seconds: list[float]) -> None:
    low, middle, high = min(seconds) * 1e3, statistics.median(seconds) * 1e3, max(seconds) * 1e3
    print(f"{name:44}{middle:>12.1f}{low:>12.1f}{high:>12.1f}")


def main() -> None:
    base, rl, source = load_tallies()
    rounds = [(timed(ours, base, rl), timed(peer, base, rl)) for _ in range(ROUNDS)]
    band = {"ours": [seconds for (seconds, _), _ in rounds], "peer": [seconds for _, (seconds, _) in rounds]}
    (_, mine), (_, theirs) = rounds[-1]
    correct = np.random.default_rng(1).integers(0, 1025, 500)
    our_rounds = [timed(pass_at_k, correct, np.full(500, 1024)) for _ in range(ROUNDS)]
    peer_rounds = [timed(loop_over_problems, correct, 1024) for _ in range(2)]  # it takes seconds
    every_k = {"ours": [seconds for seconds, _ in our_rounds], "peer": [seconds for seconds, _ in peer_rounds]}
    rows, peer_rows = our_rounds[-1][1], peer_rounds[-1][1]
    print(f"{source}, {DRAWS:,} draws, {ROUNDS} rounds; processor milliseconds")
    print(f"{'':44}{'median':>12}{'min':>12}{'max':>12}")
    show("comparison with band, move37", band["ours"])
    show("comparison with band, passk-inference", band["peer"])
    show("pass@k, 500 x 1024, every k, move37", every_k["ours"])
    show("pass@k, 500 x 1024, every k, passk-inference", every_k["peer"])
    same_loss = list(mine.loss) == theirs["certified_negative_budgets"]
    low, high = mine.band.critical_value_monte_carlo
    print(
        f"critical value {mine.band.critical_value:.4f} [{low:.4f}, {high:.4f}] against {theirs['critical_value']:.4f}"
    )
    same_draws = critical_value_with_the_peers_draws(base, rl)
    published = passk_inference.compare(base.correct, base.n, rl.correct, rl.n, bootstrap=PUBLISHED_DRAWS)
    print(f"on the peer's {PUBLISHED_DRAWS} draws {same_draws:.10f} against {published['critical_value']:.10f}")
    print(f"first-loss set {mine.first_loss_set} {mine.first_loss_monte_carlo} against {theirs['first_loss_interval']}")
    figures = {
        "bench": "band",
        "counts": source,
        "draws": DRAWS,
        "blas_threads": os.environ["OPENBLAS_NUM_THREADS"],
        "ours_seconds": statistics.median(band["ours"]),
        "peer_seconds": statistics.median(band["peer"]),
        "speedup": statistics.median(band["peer"]) / statistics.median(band["ours"]),
        "largest_difference_mean": float(np.abs(mine.mean - theirs["mean"]).max()),
        "largest_difference_se": float(np.abs(mine.standard_error - theirs["se"]).max()),
        "critical_value": [mine.band.critical_value, theirs["critical_value"]],
        "same_draws_critical_value": [same_draws, published["critical_value"]],
        "same_gain": list(mine.gain) == theirs["certified_positive_budgets"],
        "same_loss": same_loss,
        "every_k_ours_seconds": statistics.median(every_k["ours"]),
        "every_k_peer_seconds": statistics.median(every_k["peer"]),
        "every_k_largest_difference": float(np.abs(rows - np.transpose(peer_rows)).max()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
