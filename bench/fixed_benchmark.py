"""Claim: the band for these problems holds what fresh samples of them would show, at all k up to n / 8 together.

Problems are fixed, samples are drawn anew in every study; a study counts as covered if the reported band (widened where
few problems carry a k) holds the true difference at every served k. Columns: covered up to n/8 (reported), the same
without widening ("plain"), covered if the band went on to n/2 ("to n/2", plain), the share of the served ks that it
decides, and what the band for other problems decides of them. STUDIES and names of worlds may be given; a share of 400
has a standard error of .011 at .95.
"""

import sys

import numpy as np

from move37.analyses.curves import curve_difference
from move37.counts import Tally
from move37.estimates import benchmark
from move37.estimates.bands import band_from, critical_value, thinned_columns
from move37.estimates.settings import BENCHMARK, BandSettings

STUDIES = int(sys.argv[1]) if len(sys.argv) > 1 else 400
SETTINGS = ((1, 256), (5, 256), (30, 64), (30, 256), (30, 1024), (100, 128), (500, 64))
WORLDS = {"mixed": (0.4, 0.6, 0.6), "hard": (0.2, 2.0, 0.7), "easy": (2.0, 0.5, 0.7), "equal": (0.4, 0.6, 1.0)}


def tally(model: str, p: np.ndarray, n: int, rng: np.random.Generator) -> Tally:
    correct, none = rng.binomial(n, p), np.zeros(len(p), dtype=np.int64)
    return Tally(model, tuple(f"p{i}" for i in range(len(p))), correct, n - correct, none, none)


def check(name: str, problems: int, n: int) -> list[float]:
    a, b, power = WORLDS[name]
    p = np.random.default_rng([problems, n]).beta(a, b, problems)
    k = np.arange(1, n + 1)[:, None]
    truth = ((1 - p) ** k - (1 - p**power) ** k).mean(axis=1)
    last, counts = benchmark.served(n), np.zeros(5)
    for seed in range(STUDIES):
        rng = np.random.default_rng([seed, problems, n])
        pair = tally("base", p, n, rng), tally("rl", p**power, n, rng)
        here = curve_difference(*pair, BandSettings(draws=1000, seed=seed, target=BENCHMARK))
        anywhere = curve_difference(*pair, BandSettings(draws=1000, seed=seed))
        counts += [
            _holds(here.reported, truth, last),
            _holds((here.band.lower, here.band.upper), truth, last),
            _to_half(pair, truth, n, seed),
            len({*here.shown_gain, *here.shown_loss}) / last,
            len([each for each in {*anywhere.shown_gain, *anywhere.shown_loss} if each <= last]) / last,
        ]
    return (counts / STUDIES).tolist()


def _to_half(pair: tuple[Tally, Tally], truth: np.ndarray, n: int, seed: int) -> bool:
    (found,) = benchmark.difference_spreads(pair[0], [pair[1]], n, simulate_at=thinned_columns(n), last=n // 2)
    settings = BandSettings(draws=1000, seed=seed)
    band = band_from(found, critical_value([found], settings), settings.confidence, (-1.0, 1.0))
    return _holds((band.lower, band.upper), truth, n // 2)


def _holds(ends: tuple[np.ndarray, np.ndarray], truth: np.ndarray, last: int) -> bool:
    lower, upper = ends
    return bool(((lower - 1e-12 <= truth) & (truth <= upper + 1e-12))[:last].all())


def main() -> None:
    print(f"{STUDIES} studies each")
    print(f"{'world':8}{'M':>6}{'n':>6}{'covered':>9}{'plain':>8}{'to n/2':>8}{'decides':>9}{'other problems':>16}")
    least = 1.0
    for name in sys.argv[2:] or WORLDS:
        for problems, n in SETTINGS:
            found = check(name, problems, n)
            cells = "".join(f"{value:>{width}.3f}" for value, width in zip(found, (9, 8, 8, 9, 16), strict=True))
            print(f"{name:8}{problems:>6}{n:>6}{cells}", flush=True)
            least = min(least, found[0])
    print(f"least covered {least:.3f}")


if __name__ == "__main__":
    main()
