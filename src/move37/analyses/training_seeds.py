"""What does an algorithm do, beyond the one training run that was looked at?

Several runs of one algorithm, differing in the training seed alone, on the same problems against one base: the mean
difference over seeds, with a band for other seeds and other problems (`estimates/two_level.py`). A band over problems
alone speaks of these runs only, however many problems there are.

Decisions:
- Each seed counts the same, whatever its n; K is the smallest k limit of all runs and the base.
- `between_seeds` is the standard deviation of the seeds' curves, what one more run would differ by. It contains the
  noise of finitely many problems and samples, so it overstates a little.
- Two seeds are accepted, but their Student quantile (1 degree of freedom) leaves little to be established; 3 to 5 is
  what the method is made for.

Left out: several bases; seeds crossed with other settings (each setting is an algorithm of its own).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses.curves import simulated_columns
from move37.analyses.pairing import paired
from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.bands import carried_by_few, first_loss_set, gain_and_loss
from move37.estimates.benchmark import curve_spread
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import BENCHMARK, DEFAULT_BAND, INDEPENDENT, BandSettings, Design
from move37.estimates.two_level import TwoLevelBand, two_level_band
from move37.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class TrainingSeeds:
    """Mean over S training seeds of pass@k minus the base's, arrays of shape (K,) unless said otherwise."""

    base: str
    algorithm: str
    runs: tuple[str, ...]
    k: IntArray
    band: TwoLevelBand
    """For other seeds, and for other problems or fresh samples of these."""
    by_seed: FloatArray
    """Each run's own mean difference, (S, K)."""
    between_seeds: FloatArray
    """Standard deviation of `by_seed` over the runs."""
    problems: int
    gain: tuple[int, ...]
    loss: tuple[int, ...]
    first_loss_set: tuple[int, int | None]
    first_loss_monte_carlo: tuple[int | None, int | None]
    few_problems: tuple[int, ...]

    @property
    def shown_gain(self) -> tuple[int, ...]:
        """The gains that are claimed: at no k that few problems carry, where the band is too narrow."""
        return tuple(k for k in self.gain if k not in self.few_problems)

    @property
    def shown_loss(self) -> tuple[int, ...]:
        return tuple(k for k in self.loss if k not in self.few_problems)

    @property
    def seed_share(self) -> FloatArray:
        """Share of the mean's variance that comes from the seeds; NaN where nothing varies."""
        seeds = self.band.se_seeds**2
        total = seeds + self.band.se_problems**2
        return np.divide(seeds, total, out=np.full_like(total, np.nan), where=total > 0)


def training_seeds(
    base: AnyTally,
    runs: Sequence[AnyTally],
    algorithm: str = "",
    settings: BandSettings = DEFAULT_BAND,
    design: Design = INDEPENDENT,
) -> TrainingSeeds:
    """Compare an algorithm with the base by its runs. `design` labels the base's problems.

    `algorithm` defaults to the runs' names. Raises InputError for fewer than two runs, a run given twice, and problems
    that do not match.
    """
    names = tuple(run.model for run in runs)
    if len(runs) < 2:
        raise InputError("training seeds: at least two runs of the algorithm are needed (three to five are better)")
    if len({base.model, *names}) < len(names) + 1:
        raise InputError(
            f"training seeds: the base and the runs must be different, not {base.model}; {', '.join(names)}"
        )
    pairs = [paired(base, run)[1] for run in runs]
    k_max = min(k_limit(tally) for tally in (base, *pairs))
    base_rows = pass_at_k_rows(base, k_max)
    rows = np.stack([pass_at_k_rows(run, k_max) - base_rows for run in pairs])
    columns = simulated_columns(k_max)
    # The runs' own samples are part of how runs differ; the base's are common to all of them.
    samples = curve_spread(base, design, columns, k_max) if settings.target == BENCHMARK else None
    band = two_level_band(rows, settings, design, simulate_at=columns, beside_seeds=samples)
    by_seed = rows.mean(axis=1)
    gain, loss = gain_and_loss(band.lower, band.upper)
    last_low, last_high = (first_loss_set(*band.at(critical))[1] for critical in band.critical_value_monte_carlo)
    return TrainingSeeds(
        base=base.model,
        algorithm=algorithm or ", ".join(names),
        runs=names,
        k=np.arange(1, k_max + 1),
        band=band,
        by_seed=by_seed,
        between_seeds=by_seed.std(axis=0, ddof=1),
        problems=base.problems,
        gain=gain,
        loss=loss,
        first_loss_set=first_loss_set(band.lower, band.upper),
        first_loss_monte_carlo=(last_low, last_high),
        few_problems=carried_by_few(band.effective_problems),
    )
