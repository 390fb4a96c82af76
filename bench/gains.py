"""Claim: the tests of gained and lost problems keep their level in every world in which RL is better on no problem, and
find problems that RL gained where the band and McNemar's test, which weigh gains against losses, say nothing.

Simulated studies: M problems, n samples each or stopped at 4 or 8 correct. Worlds without a gain: "equal" (the same
chance on every problem), "worse" (RL has three quarters of base's chance everywhere), "mixed" (worse by a factor that
differs between problems). Worlds with one: "gain" (5 % of the problems, hopeless for base, at .05 for RL) and "both"
(as many lost as gained). A study errs if any gain is claimed in a world without one. STUDIES may be given.
"""

import sys
import time

import numpy as np

from move37.analyses.curves import curve_difference
from move37.analyses.gains_losses import gains_and_losses
from move37.analyses.solvable_sets import solvable_table
from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.estimates.settings import BandSettings
from move37.stopping import apply_plan
from move37.types import FloatArray

N = 64
STUDIES = int(sys.argv[1]) if len(sys.argv) > 1 else 400
SIZES = (30, 100, 500, 1000)
PLANS = {"fixed n": None, "r = 4": StoppingPlan.until(4, N), "r = 8": StoppingPlan.until(8, N)}
NULLS, GAINS = ("equal", "worse", "mixed"), ("gain", "both")


def world(kind: str, problems: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Each problem's chance under base and RL, (M,) each: many problems near 0, where luck makes most of the table."""
    base = rng.beta(0.3, 1.0, problems)
    if kind == "equal":
        return base, base
    if kind == "worse":
        return base, 0.75 * base
    if kind == "mixed":
        return base, base * rng.random(problems)
    rl, few = base.copy(), max(1, problems // 20)
    base, rl = base.copy(), rl
    base[:few], rl[:few] = 0.0, 0.05
    if kind == "both":
        base[few : 2 * few], rl[few : 2 * few] = 0.05, 0.0
    return base, rl


def tally(model: str, p: FloatArray, plan: StoppingPlan | None, rng: np.random.Generator) -> AnyTally:
    ids, zeros = tuple(map(str, range(len(p)))), np.zeros(len(p), dtype=np.int64)
    outcomes = (rng.random((len(p), N)) < p[:, None]).astype(np.int8)
    if plan is None:
        correct = outcomes.sum(axis=1, dtype=np.int64)
        return Tally(model, ids, correct, N - correct, zeros, zeros)
    stops = apply_plan(outcomes, plan)
    return StoppedTally(model, ids, stops.successes, stops.trials, stops.went_on, zeros, zeros, N - stops.used, plan)


def one_study(kind: str, problems: int, plan: StoppingPlan | None, seed: int, others: bool) -> list[bool]:
    """Gain shown, loss shown, some claim false; in worlds with a gain: McNemar below .05, a gain of the band at n."""
    rng = np.random.default_rng([seed, problems])
    p_base, p_rl = world(kind, problems, rng)
    base, rl = tally("base", p_base, plan, rng), tally("rl", p_rl, plan, rng)
    ((gained, lost),) = gains_and_losses(base, [rl])
    better = {name for name, a, b in zip(base.problem_ids, p_base, p_rl, strict=True) if b > a}
    wrong = gained.at_least > len(better) or not set(gained.problems) <= better
    if not others:
        return [gained.shown, lost.shown, wrong]
    band = curve_difference(base, rl, BandSettings(draws=1000, seed=seed))
    return [gained.shown, lost.shown, wrong, solvable_table(base, rl).mcnemar_p < 0.05, N in band.gain]


def main() -> None:
    started = time.process_time()
    print(f"{STUDIES} studies each, n = {N}; shares of studies")
    print(f"{'world':8}{'M':>6}  {'plan':8}{'gain':>8}{'loss':>8}{'false':>8}{'McNemar':>9}{'band':>8}")
    largest = 0.0
    for kind in (*NULLS, *GAINS):
        for problems in SIZES:
            for name, plan in PLANS.items():
                rows = [one_study(kind, problems, plan, seed, kind in GAINS) for seed in range(STUDIES)]
                shares = np.array(rows, dtype=float).mean(axis=0)
                print(f"{kind:8}{problems:>6}  {name:8}" + "".join(f"{share:8.3f}" for share in shares), flush=True)
                largest = max(largest, float(shares[2]), float(shares[0]) if kind in NULLS else 0.0)
    allowed = 0.05 + 2 * (0.05 * 0.95 / STUDIES) ** 0.5
    print(f"largest share of false claims {largest:.3f} (allowed {allowed:.3f}); {time.process_time() - started:.0f} s")
    sys.exit(largest > allowed)


if __name__ == "__main__":
    main()
