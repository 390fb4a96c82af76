"""Claim: in a world whose truth has a closed form, what the report states holds as often as it says, whatever the plan.

The world of `tests/test_two_strategies.py`: nine problems of ten are solved with .35 by base and .5995 by RL, the
others with .15 and .0003. 500 studies of 400 fresh problems, n = 256, under a fixed n and under two stopping plans (the
same outcomes), at 95 %. Counted: bands that hold the true curve at all ks at once, over the ks that at least 10
problems carry, and over all ks give or take .001 (where nothing varies any more the band has no width); claims of a
gain or a loss that are false; first-loss sets that hold the true first loss, k = 7; intervals of Delta_SE; and, for the
errors over fresh samples, the ratio of the stated to the seen one.
"""

import json
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from move37.analyses.curves import sampling_gap
from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.estimates.bands import FEW_PROBLEMS, Band, first_loss_set, simultaneous_band
from move37.estimates.benchmark import benchmark_error_at
from move37.estimates.rows import pass_at_k_rows
from move37.estimates.settings import BandSettings
from move37.stopping import apply_plan
from move37.types import FloatArray

STUDIES, PROBLEMS, N, DRAWS = 500, 400, 256, 2000
SHARE: FloatArray = np.array([0.9, 0.1])
NEARLY = 0.001
P: dict[str, FloatArray] = {"base": np.array([0.35, 0.15]), "rl": np.array([0.5995, 0.0003])}
KS = np.arange(1, N + 1)
TRUTH = {model: SHARE @ (1 - (1 - p[:, None]) ** KS) for model, p in P.items()}
DIFFERENCE = TRUTH["rl"] - TRUTH["base"]
FIRST_LOSS = int(np.argmax(DIFFERENCE < 0)) + 1
PLANS = (StoppingPlan((N,), 1), StoppingPlan.until(8, N), StoppingPlan.until(8, N, batch=16))


def tally_of(model: str, outcomes: np.ndarray, plan: StoppingPlan) -> AnyTally:
    zeros, ids = np.zeros(PROBLEMS, dtype=np.int64), tuple(map(str, range(PROBLEMS)))
    if plan.is_fixed:
        correct = outcomes.sum(axis=1, dtype=np.int64)
        return Tally(model, ids, correct, N - correct, zeros, zeros)
    stops = apply_plan(outcomes, plan)
    return StoppedTally(model, ids, stops.successes, stops.trials, stops.went_on, zeros, zeros, N - stops.used, plan)


def holds(band: Band, truth: FloatArray) -> tuple[bool, bool]:
    """Over the ks that enough problems carry; over all ks, give or take NEARLY."""
    miss = np.maximum(band.lower - truth, truth - band.upper)
    return bool((miss <= 0)[band.effective_problems >= FEW_PROBLEMS].all()), bool((miss <= NEARLY).all())


def one_study(seed: int) -> dict[str, list[float]]:
    rng = np.random.default_rng(seed)
    kinds = (rng.random(PROBLEMS) >= SHARE[0]).astype(int)
    outcomes = {model: (rng.random((PROBLEMS, N)) < p[kinds][:, None]).astype(np.int8) for model, p in P.items()}
    here = {model: (1 - (1 - p[kinds][:, None]) ** KS).mean(axis=0) for model, p in P.items()}
    found = {}
    for plan in PLANS:
        tallies = {model: tally_of(model, table, plan) for model, table in outcomes.items()}
        rows = {model: pass_at_k_rows(tally) for model, tally in tallies.items()}
        bands = {
            model: simultaneous_band(each, BandSettings(draws=DRAWS, seed=seed), support=(0, 1))
            for model, each in rows.items()
        }
        between = simultaneous_band(rows["rl"] - rows["base"], BandSettings(draws=DRAWS, seed=seed))
        first, last = first_loss_set(between.lower, between.upper)
        gap = sampling_gap(tallies["base"], tallies["rl"])
        found[str(plan)] = [
            *holds(bands["base"], TRUTH["base"]),
            *holds(bands["rl"], TRUTH["rl"]),
            *holds(between, DIFFERENCE),
            bool(((between.lower > 0) & (DIFFERENCE <= 0)).any() or ((between.upper < 0) & (DIFFERENCE >= 0)).any()),
            first <= FIRST_LOSS and (last is None or last >= FIRST_LOSS),
            gap.lower <= TRUTH["base"][-1] - TRUTH["rl"][0] <= gap.upper,
            *[(rows[model].mean(axis=0) - here[model])[0] for model in P],
            *[benchmark_error_at(tallies[model], 1)[0] for model in P],
        ]
    return found


def main() -> None:
    studies = [one_study(seed) for seed in range(STUDIES)]
    names = (
        "base_band", "base_band_all_ks", "rl_band", "rl_band_all_ks", "difference_band", "difference_band_all_ks",
        "false_claim", "first_loss_set", "delta_se",
    )  # fmt: skip
    error = (0.05 * 0.95 / STUDIES) ** 0.5
    print(
        f"{STUDIES} studies x {PROBLEMS} problems x {N} samples; the standard error of a coverage of .95 is {error:.4f}"
    )
    figures = []
    for plan in map(str, PLANS):
        table = np.array([study[plan] for study in studies], dtype=float)
        shares = dict(zip(names, table[:, : len(names)].mean(axis=0).tolist(), strict=True))
        seen, stated = table[:, -4:-2].std(axis=0), table[:, -2:].mean(axis=0)
        ratios = dict(zip(P, (stated / seen).tolist(), strict=True))
        print(f"\n{plan}")
        for name, share in shares.items():
            print(f"  {name:26}{share:.3f}")
        print(f"  stated / seen error of pass@1 over fresh samples: base {ratios['base']:.3f}, RL {ratios['rl']:.3f}")
        figures.append({"plan": plan, "coverage": shares, "stated_over_seen": ratios})
    print(json.dumps({"bench": "two_strategies", "studies": STUDIES, "confidence": 0.95, "plans": figures}))


if __name__ == "__main__":
    main()
