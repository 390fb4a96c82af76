"""pass@1 and pass@n of a model, as exports that have no room for a curve give them."""

from collections.abc import Iterator

import numpy as np

from move37.counts import Tally
from move37.estimates.pass_at_k import pass_at_k


def curve_ends(tally: Tally) -> Iterator[tuple[int, float, float | None]]:
    """(k, the mean over problems, its standard error over problems) at k = 1 and at the largest common k.

    Problems without a scored sample are left out. The error is None with one problem.
    """
    scored = tally.select(tally.n > 0)
    if not scored.problems:
        return
    curves = pass_at_k(scored.correct, scored.n)
    for k in sorted({1, curves.shape[1]}):
        values = curves[:, k - 1]
        error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
        yield k, float(values.mean()), error
