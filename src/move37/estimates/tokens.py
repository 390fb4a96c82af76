"""How long is a sample of this problem on average, if sampling stopped because of what the samples were?

The plain mean is biased after early stopping: the last sample is right, and right answers are shorter or longer than
wrong ones. Where wrong answers are twice as long it is more than a tenth too small if sampling stops at one correct
(`tests/test_estimates_tokens.py`). Given which samples are right, their lengths do not know of the stopping: the mean
length of the right ones, and that of the wrong ones, are unbiased. So p L_right + (1 - p) L_wrong, p the plan's
unbiased estimate of pass@1, is unbiased wherever both lengths are known; p is 0 where none is right, and 1 only where
none is wrong.

Left out: unscored samples, whose lengths count nowhere.
"""

import numpy as np

from move37.types import FloatArray


def mean_length(pass_at_1: FloatArray, right: FloatArray, wrong: FloatArray) -> FloatArray:
    """Mean tokens per sample, (M,), from the mean lengths of right and of wrong samples, NaN where there are none.

    A problem with but one of the two has the mean of that one; NaN where there is neither.
    """
    right, wrong = np.where(np.isnan(right), wrong, right), np.where(np.isnan(wrong), right, wrong)
    return pass_at_1 * right + (1 - pass_at_1) * wrong
