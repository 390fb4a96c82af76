"""pass@k where the chance of every problem is known: no samples, no error, any k.

pass@k = mean over problems of 1 - (1 - p)^k, as -expm1(k log1p(-p)), which keeps its digits where p is far below the
spacing of floating-point numbers around 1 (p = 10^-20 and k = 2^20 give 10^-14, not 0). Chances come as natural logs.
"""

import numpy as np

from move37.types import FloatArray, IntArray

POWERS_OF_TWO: IntArray = 2 ** np.arange(21)
"""1 to 2^20 = 1,048,576."""


def solved_within(log_p_M: FloatArray, k_K: IntArray) -> FloatArray:
    """The chance that k tries hold a right one, (problems, ks), from each problem's log p, at most 0."""
    with np.errstate(divide="ignore", under="ignore"):
        failing = np.log1p(-np.exp(np.minimum(log_p_M, 0.0)))  # minus infinity where p is 1
        return -np.expm1(failing[:, None] * k_K)


def known_pass_at_k(log_p_M: FloatArray, k_K: IntArray) -> FloatArray:
    """pass@k at every k, (ks,)."""
    return solved_within(log_p_M, k_K).mean(axis=0)
