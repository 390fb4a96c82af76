"""What happens to a mean difference and its band if some problems are left out: one by one, or the most telling ones.

Leaving out a unit (a problem, or a cluster of them) changes sums by what the unit adds to them, so that all U
deletions at every k take a few operations on arrays of shape (U, K), not U bands. Units that are alike are one row: a
million problems with eight samples are of 81 kinds. The critical value is that of all units: it depends on the
correlation of the ks, to which one unit of U adds 1/U.

Left out: strata; the effect of a single sample.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from move37.estimates.bands import sum_by
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray, IntArray

_BLOCK_ELEMENTS = 1 << 20


@dataclass(frozen=True, eq=False)
class Units:
    """Rows summed by their U units, of D kinds that each have one row, with what the error of their mean is made of."""

    sums: FloatArray
    """(D, K)."""
    sizes: FloatArray
    """Problems of a unit of each kind, (D,)."""
    kind_of: IntArray
    """Each unit's kind, (U,)."""
    unit_of: IntArray
    """Each problem's unit, (M,)."""

    @classmethod
    def of(cls, rows: FloatArray, design: Design = INDEPENDENT, kind_of: IntArray | None = None) -> Self:
        """`rows` of shape (M, K), one per problem; or (D, K), one per kind of them, and each problem's kind (M,)."""
        if kind_of is not None:
            return cls(rows, np.ones(len(rows)), kind_of, np.arange(len(kind_of)))
        if design.clusters is None:
            return cls(rows, np.ones(len(rows)), np.arange(len(rows)), np.arange(len(rows)))
        unit = design.unit_of(len(rows))
        sums = sum_by(rows, unit)
        return cls(sums, np.bincount(unit).astype(float), np.arange(len(sums)), unit)

    @property
    def alike(self) -> FloatArray:
        """How many units there are of each kind, (D,)."""
        return np.bincount(self.kind_of, minlength=len(self.sums)).astype(float)

    def deviations(self, column: int) -> FloatArray:
        """How far each unit pulls the mean of one column, (U,)."""
        found = self.sums[:, column]
        of_kind = found - self.sizes * (self.alike @ found) / (self.alike @ self.sizes)
        return of_kind[self.kind_of]

    def without_each(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard error without a unit of each kind in turn, (D, K) both; NaN with fewer than three units."""
        return self._without(self.sums, self.sizes, self.sums**2, self.sizes[:, None] * self.sums, self.sizes**2, 1)

    def without_first(self, order: IntArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Mean and standard error without the first 1, 2, ..., of `order`, (len(order), K) both, in blocks of rows."""
        block = max(1, _BLOCK_ELEMENTS // self.sums.shape[1])
        gone: list[FloatArray] = []
        for start in range(0, len(order), block):
            kinds = self.kind_of[order[start : start + block]]
            sums, sizes = self.sums[kinds], self.sizes[kinds]
            parts = (sums, sizes, sums**2, sizes[:, None] * sums, sizes**2)
            running = [np.cumsum(part, axis=0) for part in parts]
            for each, before in zip(running, gone, strict=False):  # nothing is gone before the first block
                each += before
            gone = [each[-1] for each in running]
            sums, sizes, squares, products, sizes_squared = running
            removed = start + np.arange(1, len(kinds) + 1)[:, None]
            yield self._without(sums, sizes, squares, products, sizes_squared, removed)

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
        alike, left = self.alike, len(self.kind_of) - removed
        problems = (alike @ self.sizes - sizes)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = (alike @ self.sums - sums) / problems
            squared = alike @ self.sums**2 - squares
            crossed = (alike * self.sizes) @ self.sums - products
            spread = squared - 2 * mean * crossed + mean**2 * (alike @ self.sizes**2 - sizes_squared)[:, None]
            error = np.sqrt(np.maximum(spread, 0.0) * left / (left - 1)) / problems
        return mean, np.where(left > 1, error, np.nan)


def none_stands(mean: FloatArray, half: FloatArray, sign: int) -> list[bool]:
    """Whether, in each row of means (R, K) with half widths, no column is established on the side of `sign`, (R,)."""
    return [not row.any() for row in sign * mean - half > 0]
