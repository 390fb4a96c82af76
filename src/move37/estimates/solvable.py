"""Is "solved by one model only" more than luck? Exact McNemar, the noise floor, and what "never solved" excludes.

A problem is solved in k samples if at least one is correct. Decisions:
- The test is exact and two-sided on the discordant problems (McNemar 1947 with the binomial law, no chi-square).
- The noise floor pools both models. If they had the same chance on every problem, then given the pooled counts
  (c of N = n_base + n_rl) every split of the N samples between them is equally likely, so
  E[rl only] = sum_i U_i(k) - U_i(2k) with U of the pooled counts: base's k draws hold none, but not all 2k do. This is
  unbiased for sum_i u_i (1 - u_i), u_i = (1 - p_i)^k, up to k = n, where a single model's own version stops at n / 2.
- Counts that were stopped early have no such split. There the mean of u (1 - u) given a problem's pooled counts is
  taken under the fitted distribution of p over the benchmark (`npmle.py`), whose likelihood ignores the stopping rule.
- Clusters of near duplicates are flipped as a whole (`sign_flip_p`), so that copies of a problem are one witness. The
  noise floor is an expected number of problems, which adds up whatever belongs together.
- A problem never solved in n samples has p < 1 - alpha^(1/n) at confidence 1 - alpha; it is not "unsolvable".

Left out: anytime-valid tests, and correction for testing many models.
"""

import numpy as np
from scipy.special import bdtr

from move37.errors import InputError
from move37.estimates.npmle import fit_mixture, noise_floor_posterior
from move37.estimates.pass_at_k import checked_counts, checked_k, distinct_counts, failure_at_k, log_choose
from move37.types import FloatArray, IntArray

_MANY = 1 << 16
"""Problems from which on those with equal counts are worked out once."""


def mcnemar_p(base_only: int, rl_only: int) -> float:
    """Two-sided exact p-value of `base_only` against `rl_only` discordant problems; 1 where there are none."""
    if base_only < 0 or rl_only < 0:
        raise InputError(f"discordant problems cannot be negative: {base_only} and {rl_only}")
    discordant = base_only + rl_only
    return min(1.0, 2.0 * float(bdtr(min(base_only, rl_only), discordant, 0.5)))


def sign_flip_p(leads: IntArray) -> float:
    """Two-sided exact p-value of sum(leads) if the sign of every entry were a fair coin, entries being independent.

    Leads are RL-only minus base-only problems of each cluster; where all are -1, 0 or 1 this is `mcnemar_p`.
    """
    sizes, counts = np.unique(np.abs(leads[leads != 0]), return_counts=True)
    if sizes.size <= 1:
        return mcnemar_p(int((leads < 0).sum()), int((leads > 0).sum()))
    law = np.ones(1)  # of the sum of the leads that point to RL
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        stretched = np.zeros(size * count + 1)
        heads = np.arange(count + 1)
        stretched[::size] = np.exp(log_choose(np.full_like(heads, count), heads) - count * np.log(2.0))
        law = np.convolve(law, stretched)
    smaller = min(int(leads[leads > 0].sum()), int(-leads[leads < 0].sum()))
    return min(1.0, 2.0 * float(law[: smaller + 1].sum()))


def fewest_discordant(alpha: float) -> int:
    """Discordant problems below which `mcnemar_p` cannot reach alpha, even if all go one way (6 for .05)."""
    _check_alpha(alpha)
    return next(d for d in range(1, 2000) if mcnemar_p(0, d) <= alpha)


def noise_floor_one_model(correct: IntArray, n: IntArray, k: int) -> float:
    """Expected problems solved by only a given one of two runs of this model, k samples each: sum U(k) - U(2k).

    Unbiased; needs 2k <= n for every problem (InputError).
    """
    correct, n = checked_counts(correct, n)
    checked_k(n, 2 * k)
    failure = failure_at_k(correct, n, 2 * k)
    return float((failure[:, k - 1] - failure[:, 2 * k - 1]).sum())


def noise_floor_pooled(
    correct_base: IntArray, n_base: IntArray, correct_rl: IntArray, n_rl: IntArray, k: IntArray
) -> float:
    """Expected rl-only (and base-only) problems with k samples of each model, if both had the same p_i everywhere.

    All arrays have shape (M,); `k` may differ between problems, k_i <= n of both. Where the models do differ, the
    pooled count stands for their common chance: the floor answers "how much of this table would luck alone make".
    """
    correct_base, n_base = checked_counts(correct_base, n_base)
    correct_rl, n_rl = checked_counts(correct_rl, n_rl)
    if correct_base.shape != correct_rl.shape or (k < 1).any() or (k > np.minimum(n_base, n_rl)).any():
        raise InputError("noise floor: both models need the same problems and at least k >= 1 samples of each")
    correct, n = correct_base + correct_rl, n_base + n_rl
    times = np.ones(1)
    if len(n) >= _MANY:  # few of them differ
        pairs, where = distinct_counts(correct, n)
        kinds, times = np.unique(where * (int(k.max()) + 1) + k, return_counts=True)
        which, k = np.divmod(kinds, int(k.max()) + 1)
        n, correct = pairs[which].T
    return float((times * (_none_right(correct, n, k) - _none_right(correct, n, 2 * k))).sum())


def noise_floor_smoothed(successes: IntArray, trials: IntArray, k: IntArray) -> float:
    """The noise floor from pooled counts of both models, however their numbers came about.

    sum_i E[u_i (1 - u_i) | counts], u = (1 - p)^k_i, with the NPMLE of the distribution of p as prior. Arrays (M,).
    """
    fitted = fit_mixture(successes, trials)
    each = ((int(draws), k == draws) for draws in np.unique(k))
    return sum(noise_floor_posterior(fitted, successes[rows], trials[rows], draws) for draws, rows in each)


def never_solved_bound(n: int, alpha: float) -> float:
    """Upper bound on p of a problem with no success in n samples, at confidence 1 - alpha: 1 - alpha^(1/n)."""
    _check_alpha(alpha)
    if n < 1:
        raise InputError(f"never-solved bound: n must be at least 1, not {n}")
    return float(-np.expm1(np.log(alpha) / n))


def _none_right(correct: IntArray, n: IntArray, k: IntArray) -> FloatArray:
    """Chance that k of n samples hold none of the correct ones, C(n - c, k) / C(n, k). Shape (M,)."""
    possible = n - correct >= k
    return np.where(possible, np.exp(log_choose(np.where(possible, n - correct, k), k) - log_choose(n, k)), 0.0)


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise InputError(f"alpha must be between 0 and 1, not {alpha}")
