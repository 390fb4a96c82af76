"""Do readers agree beyond chance? Cohen's kappa for two of them, Krippendorff's alpha for any number.

Labels are categories without an order, written as whole numbers from 0; -1 is no label.
Sources: Cohen, A coefficient of agreement for nominal scales (1960); Krippendorff, Computing Krippendorff's
alpha-reliability (2011), nominal data.
"""

import numpy as np

from move37.types import IntArray


def cohen_kappa(first: IntArray, second: IntArray) -> float | None:
    """(observed - expected) / (1 - expected) agreement of two readers on the same samples, shapes (S,).

    Expected: each reader labels at random with shares of his own. None where there is no sample, and where both always
    gave the same one label, so that chance alone would agree everywhere.
    """
    if not first.size:
        return None
    categories = 1 + max(int(first.max()), int(second.max()))
    shares = [np.bincount(each, minlength=categories) / each.size for each in (first, second)]
    expected = float(shares[0] @ shares[1])
    if np.isclose(expected, 1.0):
        return None
    return (float((first == second).mean()) - expected) / (1 - expected)


def krippendorff_alpha(labels: IntArray) -> float | None:
    """1 - observed / expected disagreement, labels of shape (readers, samples), -1 where a reader gave none.

    Only samples with two labels or more count. None where there are none, and where all their labels are the same.
    """
    counts = np.stack([(labels == category).sum(axis=0) for category in range(int(labels.max(initial=-1)) + 1)] or [[]])
    counts = counts[:, counts.sum(axis=0) >= 2]
    if not counts.size:
        return None
    of_sample, of_category = counts.sum(axis=0), counts.sum(axis=1)
    n = int(of_category.sum())
    pairs_alike = (counts * (counts - 1)).sum(axis=0)
    observed = 1 - float((pairs_alike / (of_sample - 1)).sum()) / n
    expected = 1 - float((of_category * (of_category - 1)).sum()) / (n * (n - 1))
    return None if expected == 0 else 1 - observed / expected
