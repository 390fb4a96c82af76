"""CoT-pass@k: at least one of k samples is right and has a valid chain, where validity is judged by a judge that errs.

Per problem n samples: n0 have a wrong answer, n1 a right one and a chain that the judge rejects, n2 a right one and a
chain that it accepts. The judge accepts a valid chain with chance s and an invalid one with f. With p0 + p1 + p2 = 1
the chances of the three, a sample is right and valid with chance p = (p2 - f (p1 + p2)) / (s - f), so that
    1 - p = p0 + a1 p1 + a2 p2,   a1 = s / (s - f),   a2 = (s - 1) / (s - f),
and the mean over k-subsets of the product of the samples' weights (1, a1, a2) is unbiased for (1 - p)^k:
    sum over i + j + l = k of k! / (i! j! l!) a1^j a2^l [n0]_i [n1]_j [n2]_l / [n]_k   (falling factorials).

Decisions:
- The sum is the coefficient of z^k in (1 + z)^n0 (1 + a1 z)^n1 (1 + a2 z)^n2, over C(n, k). Each factor is divided by
  binomials of its own, hypergeometric weights put them together: nothing overflows.
- a1 > 1 and a2 <= 0: for s < 1 terms alternate, and where fewer than six digits would be left the result is NaN.
- s = 1, f = 0 is pass@k of right samples with accepted chains.

Left out: plans that stop early (hand in the samples before the first look); errors that hang on the problem.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from move37.errors import InputError
from move37.estimates.pass_at_k import log_choose
from move37.types import FloatArray, IntArray

_DIGITS = 1e-6
_CELLS = 1_000_000


def chain_failure_at_k(counts: IntArray, k_max: int, sensitivity: float, false_accepts: float) -> FloatArray:
    """The unbiased estimate of (1 - p)^k for k = 1..k_max, (M, K), from `counts` (n0, n1, n2), (3, M).

    Outside [0, 1] by chance.

    NaN where digits run out. Raises InputError for k_max above some n, and unless 0 <= f < s <= 1.
    """
    if not 0 <= false_accepts < sensitivity <= 1:
        raise InputError(
            f"a judge that accepts valid chains with chance {sensitivity} and invalid ones with {false_accepts} tells "
            "nothing; the first must be larger, and both within [0, 1]"
        )
    n = counts.sum(axis=0)
    if not 1 <= k_max <= int(n.min()):
        raise InputError(f"k={k_max} needs as many judged samples of every problem, and one has {n.min()}")
    of_rejected = sensitivity / (sensitivity - false_accepts)
    of_accepted = (sensitivity - 1) / (sensitivity - false_accepts)
    rows, where = np.unique(counts, axis=1, return_inverse=True)
    found = [_weighted(n0, n1, n2, k_max, of_rejected, of_accepted) for n0, n1, n2 in rows.T.tolist()]
    return np.stack(found)[where.reshape(-1)]


def _weighted(wrong: int, rejected: int, accepted: int, k_max: int, a1: float, a2: float) -> FloatArray:
    """The mean weight of k-subsets of one problem, (K,)."""
    right = rejected + accepted
    # Of the j right ones in a subset: the mean weight E[a1^(j-l) a2^l], l hypergeometric.
    of_right, size = np.ones(right + 1), np.ones(right + 1)
    hits = np.arange(accepted + 1)
    for j in _blocks(right, accepted + 1):
        share, possible = _shares(accepted, rejected, j)
        of_rejected = a1 ** np.clip(j[:, None] - hits, 0, rejected)
        of_right[j] = (share * of_rejected * a2**hits).sum(axis=1, where=possible)
        size[j] = (share * of_rejected * abs(a2) ** hits).sum(axis=1, where=possible)
    found = np.empty(k_max)
    for k in _blocks(k_max, right + 1):
        share, possible = _shares(right, wrong, k)
        with np.errstate(invalid="ignore"):  # no chance times the weight of a subset that is too large for a float
            lost = (share * size).sum(axis=1, where=possible) * np.finfo(float).eps * k
            mean = (share * of_right).sum(axis=1, where=possible)
        found[k - 1] = np.where(lost < _DIGITS, mean, np.nan)
    return found


def _blocks(last: int, width: int) -> Iterator[IntArray]:
    """1..last in pieces, of which each fills a table of so many columns with a million numbers at most."""
    height = max(1, _CELLS // width)
    for start in range(1, last + 1, height):
        yield np.arange(start, min(start + height, last + 1))


def _shares(marked: int, rest: int, draws: IntArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Hypergeometric: the chance of 0..marked hits (H) among each number of draws (D) from marked + rest, (D, H), and
    whether there can be so many."""
    hits, drawn = np.arange(marked + 1), draws[:, None]
    possible = (hits <= drawn) & (drawn - hits <= rest)
    missed = np.clip(drawn - hits, 0, rest)
    one, other, whole = (np.array(each) for each in (marked, rest, marked + rest))
    logs = log_choose(one, hits) + log_choose(other, missed) - log_choose(whole, drawn)
    return np.where(possible, np.exp(logs), 0.0), possible
