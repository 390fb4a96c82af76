"""Claim: the default method of extrapolation is the one that best predicts pass@128 of real models from 32 and from 64
of their 128 samples, and its interval holds the truth about as often as it says.

The counts are the DeepScaleR ones of ../shared, 1,060 problems x 128 samples, base and RL. Four tables:
- Error: each problem is thinned to n of its 128 samples without replacement, 50 times; the truth is the share solved in
  all 128. Bias and root mean square error of every method, for both models and for their difference.
- Coverage: to be an interval for the population of problems, it must hold when problems are redrawn as well. So 1,060
  problems are drawn from the 1,060 with replacement and thinned, and the truth is that of all of them. Likelihood
  ranges, which need no method, stand in the last row.
- Chao's lower bound against the never-solved problems that the remaining samples did solve: the latter are solvable for
  certain, but more may be.
- The four-way table that the joint fit expects at 128 against the one that was seen.
Ends with an assertion that DEFAULT_METHOD has the smallest root mean square error over all four cells.
"""

import json
import os
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from move37.counts import Tally
from move37.estimates.extrapolation import (
    DEFAULT_METHOD,
    METHODS,
    counts_of,
    difference_range,
    fit,
    interval,
    pass_range,
    unseen_solvable,
)
from move37.estimates.npmle import fit_joint_mixture
from move37.types import IntArray

COUNTS = Path(__file__).parents[2] / "shared" / "data" / "counts" / "deepscaler32k"
THINNINGS, REDRAWS, DRAWS, FULL = 50, 50, 40, 128
SIZES = (32, 64)
MODELS = ("base", "rl")
LIKELIHOOD = "likelihood range"


def read_counts(model: str) -> IntArray:
    rows = [json.loads(line) for line in (COUNTS / f"{model}.jsonl").read_text(encoding="utf-8").splitlines()]
    return np.array([row["c"] for row in sorted(rows, key=lambda row: row["id"])])


def tally_of(model: str, correct: IntArray, n: int) -> Tally:
    none = np.zeros_like(correct)
    return Tally(model, tuple(f"p{i}" for i in range(len(correct))), correct, n - correct, none, none)


def errors_of_methods(counts: dict[str, IntArray]) -> dict[tuple[int, str, str], list[float]]:
    """(n, model or "difference", method) -> error of pass@128 in every thinning."""
    rng = np.random.default_rng(0)
    truth = {model: float((c > 0).mean()) for model, c in counts.items()}
    errors: dict[tuple[int, str, str], list[float]] = defaultdict(list)
    for n in SIZES:
        for _ in range(THINNINGS):
            thinned = {m: tally_of(m, rng.hypergeometric(c, FULL - c, n), n) for m, c in counts.items()}
            for method in METHODS:
                off = {m: float(fit(t, method).pass_at_k(np.array([FULL]))[0]) - truth[m] for m, t in thinned.items()}
                for model in MODELS:
                    errors[n, model, method].append(off[model])
                errors[n, "difference", method].append(off["rl"] - off["base"])
    return errors


def covered(counts: dict[str, IntArray]) -> dict[tuple[int, str, str], list[tuple[bool, float]]]:
    """(n, model, method) -> whether the 95 % interval held the truth, and its width, for every redraw."""
    rng = np.random.default_rng(1)
    found: dict[tuple[int, str, str], list[tuple[bool, float]]] = defaultdict(list)
    for n in SIZES:
        for _ in range(REDRAWS):
            chosen = rng.integers(0, len(counts["base"]), len(counts["base"]))
            for model, all_counts in counts.items():
                truth, c = float((all_counts > 0).mean()), all_counts[chosen]
                tally = tally_of(model, rng.hypergeometric(c, FULL - c, n), n)
                low, high = pass_range(tally, np.array([FULL]))[0]
                found[n, model, LIKELIHOOD].append((bool(low <= truth <= high), float(high - low)))
                for method in METHODS:
                    estimate = interval(tally, FULL, method, draws=DRAWS)
                    assert estimate.lower is not None
                    assert estimate.upper is not None
                    inside = estimate.lower <= truth <= estimate.upper
                    found[n, model, method].append((inside, estimate.upper - estimate.lower))
    return found


def root_mean_square(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def milliseconds(work: Any, *arguments: Any) -> float:
    """Median of seven runs."""
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        work(*arguments)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) * 1e3


def show_errors(errors: dict[tuple[int, str, str], list[float]], pooled: dict[str, float]) -> None:
    cells = [(n, what) for n in SIZES for what in (*MODELS, "difference")]
    print(f"bias / rmse of pass@{FULL} in thousandths, {THINNINGS} thinnings")
    print(f"{'':30}" + "".join(f"{f'{n}->{FULL} {what}':>20}" for n, what in cells) + f"{'rmse, both models':>20}")
    for method in METHODS:
        parts = [(np.mean(errors[n, w, method]) * 1e3, root_mean_square(errors[n, w, method]) * 1e3) for n, w in cells]
        columns = "".join(f"{f'{bias:+.1f} / {rmse:.1f}':>20}" for bias, rmse in parts)
        print(f"{method:30}{columns}{pooled[method] * 1e3:>20.2f}")


def show_coverage(found: dict[tuple[int, str, str], list[tuple[bool, float]]]) -> dict[str, float]:
    """Prints coverage and mean width per cell; returns coverage over all cells."""
    cells = [(n, model) for n in SIZES for model in MODELS]
    print(f"\ncoverage / mean width of 95 % intervals for the population, {REDRAWS} redraws")
    print(f"{'':30}" + "".join(f"{f'{n}->{FULL} {model}':>18}" for n, model in cells) + f"{'all':>8}")
    together = {}
    for method in (*METHODS, LIKELIHOOD):
        parts = [np.mean(found[n, model, method], axis=0) for n, model in cells]
        together[method] = float(np.mean([share for share, _ in parts]))
        columns = "".join(f"{f'{share:.2f} / {width:.3f}':>18}" for share, width in parts)
        print(f"{method:30}{columns}{together[method]:>8.3f}")
    return together


def show_chao(counts: dict[str, IntArray]) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(2)
    print("\nnever-solved problems that can be solved")
    rows = {}
    for n in SIZES:
        for model, c in counts.items():
            thinned = [rng.hypergeometric(c, FULL - c, n) for _ in range(THINNINGS)]
            bounds = [unseen_solvable(tally_of(model, each, n)) for each in thinned]
            solved_later = float(np.mean([((each == 0) & (c > 0)).sum() for each in thinned]))
            row = {
                "never_solved": float(np.mean([b.never_solved for b in bounds])),
                "at_least": float(np.mean([b.at_least for b in bounds])),
                "lower_limit": float(np.mean([b.lower for b in bounds])),
                f"solved_by_{FULL}": solved_later,
            }
            rows[f"{n} {model}"] = row
            print(f"n = {n:3} {model:6}" + "".join(f"  {name} {value:.1f}" for name, value in row.items()))
    return rows


def show_tables(counts: dict[str, IntArray]) -> dict[str, list[float]]:
    """The four-way table at 128 that the joint fit to n samples expects, against the one that was seen."""
    rng = np.random.default_rng(3)
    solves = {model: c > 0 for model, c in counts.items()}
    base, rl = solves["base"], solves["rl"]
    seen = [float(cell.sum()) for cell in (base & rl, base & ~rl, ~base & rl, ~base & ~rl)]
    print(f"\nproblems solved at {FULL} by both / base only / RL only / neither: seen {seen}")
    rows = {"seen": seen}
    for n in SIZES:
        expected = []
        for _ in range(THINNINGS // 2):
            thinned = [tally_of(model, rng.hypergeometric(c, FULL - c, n), n) for model, c in counts.items()]
            fitted = fit_joint_mixture(*counts_of(thinned[0]), *counts_of(thinned[1]))
            expected.append(np.array(fitted.four_way(FULL)) * thinned[0].problems)
        rows[f"from {n}"] = np.mean(expected, axis=0).tolist()
        spread = np.std(expected, axis=0)
        cells = [f"{mean:.1f} +- {sd:.1f}" for mean, sd in zip(rows[f"from {n}"], spread, strict=True)]
        print(f"expected from {n:3}: " + " / ".join(cells))
    return rows


def main() -> None:
    if not COUNTS.exists():
        raise SystemExit(f"the real counts are not there: {COUNTS}")
    counts = {model: read_counts(model) for model in MODELS}
    errors = errors_of_methods(counts)
    pooled = {
        method: root_mean_square([e for n in SIZES for model in MODELS for e in errors[n, model, method]])
        for method in METHODS
    }
    show_errors(errors, pooled)
    coverage = show_coverage(covered(counts))
    chao = show_chao(counts)
    tables = show_tables(counts)
    base, rl = (tally_of(model, counts[model], FULL) for model in MODELS)
    speed = {method: milliseconds(fit, base, method) for method in METHODS}
    speed["joint NPMLE"] = milliseconds(fit_joint_mixture, *counts_of(base), *counts_of(rl))
    speed["pass range, 4 ks"] = milliseconds(pass_range, base, np.array([128, 160, 192, 256]))
    speed["difference range, 4 ks"] = milliseconds(difference_range, base, rl, np.array([128, 160, 192, 256]))
    print("\nmilliseconds, 1,060 problems x 128: " + ", ".join(f"{name} {value:.1f}" for name, value in speed.items()))
    best = min(pooled, key=lambda method: pooled[method])
    print(f"smallest error: {best}; the default is {DEFAULT_METHOD}")
    assert best == DEFAULT_METHOD, f"{best} has a smaller error than the default, {DEFAULT_METHOD}"
    figures = {
        "bench": "extrapolation",
        "thinnings": THINNINGS,
        "truth": {model: float((counts[model] > 0).mean()) for model in MODELS},
        "mean_error": {f"{n} {what} {method}": float(np.mean(e)) for (n, what, method), e in errors.items()},
        "rmse": {f"{n} {what} {method}": root_mean_square(e) for (n, what, method), e in errors.items()},
        "rmse_both_models": pooled,
        "coverage": coverage,
        "chao": chao,
        "four_way": tables,
        "milliseconds": speed,
        "default": DEFAULT_METHOD,
        "best": best,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
