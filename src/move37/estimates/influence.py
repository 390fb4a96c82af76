"""What happens to a mean difference and its band if some problems are left out: one by one, or the most telling ones.

Leaving out a unit (a problem, or a cluster of them) changes sums by what the unit adds to them, so that all U
deletions at every k take a few operations on arrays of shape (U, K), not U bands. The critical value is that of all
units: it depends on the correlation of the ks, to which one unit of U adds 1/U.

Left out: strata; the effect of a single sample.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from move37.estimates.bands import sum_by
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Units:
    """Rows (M, K) summed by their U units, with what the standard error of their mean is made of."""

    sums: FloatArray
    """(U, K)."""
    sizes: FloatArray
    """Problems of each unit, (U,)."""
    unit_of: IntArray
    """Each problem's unit, (M,)."""

    @classmethod
    def of(cls, rows: FloatArray, design: Design = INDEPENDENT) -> Self:
        """`rows` of shape (M, K), one per problem."""
        if design.clusters is None:
            return cls(rows, np.ones(len(rows)), np.arange(len(rows)))
        unit = design.unit_of(len(rows))
        return cls(sum_by(rows, unit), np.bincount(unit).astype(float), unit)

    def deviations(self, column: int) -> FloatArray:
        """How far each unit pulls the mean of one column, (U,)."""
        return self.sums[:, column] - self.sizes * self.sums[:, column].sum() / self.sizes.sum()

    def without_each(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard error without each unit in turn, (U, K) both; NaN with fewer than three units."""
        return self._without(self.sums, self.sizes, self.sums**2, self.sizes[:, None] * self.sums, self.sizes**2, 1)

    def without_first(self, order: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard error without the first 1, 2, ..., of `order`, (len(order), K) both."""
        sums, sizes = self.sums[order], self.sizes[order]
        return self._without(
            np.cumsum(sums, axis=0),
            np.cumsum(sizes),
            np.cumsum(sums**2, axis=0),
            np.cumsum(sizes[:, None] * sums, axis=0),
            np.cumsum(sizes**2),
            np.arange(1, len(order) + 1)[:, None],
        )

    def _without(
        self,
        sums: FloatArray,
        sizes: FloatArray,
        squares: FloatArray,
        products: FloatArray,
        sizes_squared: FloatArray,
        removed: int | IntArray,
    ) -> tuple[FloatArray, FloatArray]:
        """Of what is left after these parts of the sums have gone."""
        left = len(self.sizes) - removed
        problems = (self.sizes.sum() - sizes)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (self.sums.sum(axis=0) - sums) / problems
            squared = (self.sums**2).sum(axis=0) - squares
            crossed = self.sizes @ self.sums - products
            spread = squared - 2 * mean * crossed + mean**2 * ((self.sizes**2).sum() - sizes_squared)[:, None]
            error = np.sqrt(np.maximum(spread, 0.0) * left / (left - 1)) / problems
        return mean, np.where(left > 1, error, np.nan)


def none_stands(mean: FloatArray, half: FloatArray, sign: int) -> list[bool]:
    """Whether, in each row of means (R, K) with half widths, no column is established on the side of `sign`, (R,)."""
    return [not row.any() for row in sign * mean - half > 0]
