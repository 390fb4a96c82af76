"""What would guessing reach? pass@k of a guesser whose k guesses are independent.

A guesser names an answer of its own law, without looking at the problem. With chance g_i per guess on problem i, k
independent guesses hold a right one with chance 1 - (1 - g_i)^k: exact, no sampling. (Guessing without repetition would
be a little better; a model's samples repeat, so the independent guesser is the one to compare with.)

Left out: guessers that look at the problem (options that fit the units, numbers from the text).
"""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from move37.errors import InputError
from move37.types import FloatArray, IntArray


def guess_pass_at_k(chances: FloatArray, ks: IntArray) -> FloatArray:
    """Mean over problems of 1 - (1 - g_i)^k at every k, shape (K,). `chances` (M,) are the g_i, `ks` (K,) the ks."""
    if not chances.size or chances.min() < 0 or chances.max() > 1:
        raise InputError("guessing needs one chance between 0 and 1 per problem")
    distinct, problems = np.unique(chances, return_counts=True)
    with np.errstate(divide="ignore"):
        log_miss = np.log1p(-distinct)
    return -np.expm1(ks[:, None] * log_miss) @ problems / chances.size


def leave_one_out_chances(answers: Sequence[Collection[str]]) -> FloatArray:
    """Chance that the answer of another problem, taken at random, is right for this one, shape (M,).

    `answers[i]` are the answers that count as right for problem i, the first one being the one that a guesser would
    repeat elsewhere. A problem's own answer is never in its guesser's hat. Needs two problems (InputError).
    """
    others = len(answers) - 1
    if others < 1 or not all(answers):
        raise InputError("a prior over answers needs at least two problems, each with an answer")
    hat = Counter(next(iter(each)) for each in answers)
    return np.array([sum(hat[answer] for answer in set(each)) - 1 for each in answers]) / others
