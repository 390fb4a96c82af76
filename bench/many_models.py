"""Claim: the analysis of 50 models x 500 problems x n = 1024 takes less than 5 seconds.

Every model's curve with its band at all 1024 ks, every model against the base (difference with band, four-way table,
accuracy shift, sampling gap, warnings), and all of them in one family-wise band. No extrapolation beyond n, no votes.
Times are of one thread, by the clock on the wall and in processor time; on a busy machine only the second is ours.
The peer, passk-inference, knows one pair and no curve bands: its time for one pair with as many draws is set beside
ours for one pair. MODELS may be given on the command line.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import passk_inference

from move37.analyses import compare
from move37.analyses.curves import model_curve
from move37.analyses.families import family
from move37.counts import Tally
from move37.estimates.settings import BandSettings
from move37.types import FloatArray

MODELS, PROBLEMS, N, DRAWS = 50, 500, 1024, 100_000


def made_models(count: int) -> list[Tally]:
    """A base and models that sharpen it by different amounts and lose a tenth of the problems."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.35, 0.5, PROBLEMS)
    sharper = (np.where(rng.random(PROBLEMS) < 0.1, 0.2, 1.0) * p**power for power in rng.uniform(0.4, 1.3, count - 1))
    return [tally_of(f"model-{i}", chance, rng) for i, chance in enumerate([p, *sharper])]


def tally_of(model: str, p: FloatArray, rng: np.random.Generator) -> Tally:
    correct, none = rng.binomial(N, p), np.zeros(PROBLEMS, dtype=np.int64)
    return Tally(model, tuple(f"p{i}" for i in range(PROBLEMS)), correct, N - correct, none, none)


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall seconds, processor seconds, result."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - processor, result


def main() -> None:
    models = made_models(int(sys.argv[1]) if len(sys.argv) > 1 else MODELS)
    base, others = models[0], models[1:]
    compare(base, others[0], BandSettings(draws=DRAWS))  # imports and first touches
    phases = {
        "curves with bands": timed(lambda: [model_curve(tally, BandSettings(draws=DRAWS)) for tally in models]),
        "each against the base": timed(lambda: [compare(base, rl, BandSettings(draws=DRAWS)) for rl in others]),
        "all in one family": timed(lambda: family(base, others)),
    }
    one_pair = timed(lambda: compare(base, others[0], BandSettings(draws=DRAWS)))
    first = others[0]
    peer = timed(lambda: passk_inference.compare(base.correct, base.n, first.correct, first.n, bootstrap=DRAWS))
    print(f"{len(models)} models x {PROBLEMS} problems x n={N}, {DRAWS:,} draws; seconds")
    print(f"{'':32}{'wall':>10}{'processor':>12}")
    for name, (wall, processor, _) in phases.items():
        print(f"{name:32}{wall:>10.2f}{processor:>12.2f}")
    walls, processors = (sum(phase[i] for phase in phases.values()) for i in (0, 1))
    print(f"{'together':32}{walls:>10.2f}{processors:>12.2f}")
    print(f"{'one pair, move37':32}{one_pair[0]:>10.2f}{one_pair[1]:>12.2f}")
    print(f"{'one pair, passk-inference':32}{peer[0]:>10.2f}{peer[1]:>12.2f}")
    ours = one_pair[2].difference
    largest = float(np.abs(ours.band.mean - peer[2]["mean"]).max())
    print(f"critical value {ours.band.critical_value:.4f} against {peer[2]['critical_value']:.4f}")
    print(f"means differ by at most {largest:.1e}")
    figures = {
        "bench": "many_models",
        "models": len(models),
        "wall_seconds": walls,
        "processor_seconds": processors,
        "phases": {name: {"wall": wall, "processor": processor} for name, (wall, processor, _) in phases.items()},
        "family_critical_value": phases["all in one family"][2].critical_value,
        "pair_seconds": {"ours": one_pair[1], "peer": peer[1]},
        "largest_difference_mean": largest,
        "critical_value": [ours.band.critical_value, peer[2]["critical_value"]],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
