"""What every interval depends on beside the counts: how sure it is to be, and which problems belong together.

`BandSettings` is the statement (confidence, and of which problems it speaks) and the simulation behind it (draws, seed,
Monte-Carlo error). `Design` says how the problems came about: fixed strata, and clusters of near duplicates. With
clusters an interval for other problems treats a cluster as what another benchmark would draw anew, with clusters - 1
degrees of freedom. Copies of a problem are one witness for whatever is inferred from them: where no units can be drawn,
what is inferred has the information of `effective_problems` problems, and variances over fresh samples are those of
copies that always agree.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from move37.errors import InputError
from move37.types import FloatArray, IntArray

Target = Literal["population", "benchmark"]
POPULATION: Target = "population"
"""Other problems like these, and fresh samples of them."""
BENCHMARK: Target = "benchmark"
"""Fresh samples of these problems and no others."""


@dataclass(frozen=True, slots=True)
class BandSettings:
    """How a simultaneous band is made. Raises InputError for settings that no simulated quantile can have."""

    confidence: float = 0.95
    draws: int = 100_000
    """Multiplier draws behind the critical value."""
    seed: int = 0
    """Of the draws."""
    monte_carlo_error: float | None = None
    """Draws are doubled until the critical value's 95 % range is at most this wide; None: they are not."""
    target: Target = POPULATION
    """What the band is for."""

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise InputError(f"confidence must be between 0 and 1, not {self.confidence}")
        if self.draws < 100:
            raise InputError(f"draws must be at least 100 for a quantile, not {self.draws}")
        if self.monte_carlo_error is not None and not self.monte_carlo_error > 0:
            raise InputError(f"monte_carlo_error must be above 0, not {self.monte_carlo_error}")


@dataclass(frozen=True, eq=False)
class Design:
    """Labels of the problems, int (M,) each, in the order of the counts they go with; None: none."""

    strata: IntArray | None = None
    """Fixed: another benchmark would have as many problems of each."""
    clusters: IntArray | None = None
    """Near duplicates share a label: another benchmark would draw them together."""
    weights: FloatArray | None = None
    """How many problems each row stands for where equal ones share one (`rows.alike_problems`), never beside labels.
    It goes with rows, not with counts: functions that take tallies ask for labels alone."""

    def select(self, rows: IntArray | NDArray[np.bool_]) -> "Design":
        """The design of some problems."""
        return Design(
            None if self.strata is None else self.strata[rows],
            None if self.clusters is None else self.clusters[rows],
            None if self.weights is None else self.weights[rows],
        )

    @property
    def is_labelled(self) -> bool:
        return self.strata is not None or self.clusters is not None

    def problems(self, rows: FloatArray) -> int:
        """How many problems `rows` (M, ...) stand for."""
        return len(rows) if self.weights is None else round(float(self.weights.sum()))

    def mean(self, rows: FloatArray) -> FloatArray:
        """Of `rows` (M, K) over problems, (K,)."""
        return rows.mean(axis=0) if self.weights is None else self.weights @ rows / self.weights.sum()

    def units(self, problems: int) -> int:
        """How many independent units `problems` problems make: the clusters, or the problems themselves."""
        return problems if self.clusters is None else len(np.unique(self.clusters))

    def unit_of(self, problems: int) -> IntArray:
        """Which unit each problem belongs to, 0 to U - 1, (M,): its cluster, or itself."""
        return np.arange(problems) if self.clusters is None else np.unique(self.clusters, return_inverse=True)[1]

    def copies(self, problems: int) -> FloatArray:
        """How many problems each problem's cluster has, itself included, (M,)."""
        unit = self.unit_of(problems)
        return np.bincount(unit)[unit].astype(float)

    def effective_problems(self, problems: int) -> float:
        """How many independent problems say as much as these if the problems of a cluster say the same (Kish 1965):
        M^2 / sum of the clusters' squared sizes."""
        return problems**2 / float(self.copies(problems).sum())


DEFAULT_BAND = BandSettings()
INDEPENDENT = Design()
"""Problems drawn one by one."""
