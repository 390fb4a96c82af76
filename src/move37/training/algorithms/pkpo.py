"""PKPO: an unbiased gradient of pass@k from n >= k responses. Walder and Karkhanis 2025, arXiv 2505.15201.

With c of a prompt's n responses right and rho(n, c, k) = 1 - C(n-c, k) / C(n, k), a response contributes
s_right = k/n and s_wrong = (k/n) rho(n-1, c, k-1) (eq. 8), less one of two baselines:

    "loo_minus_one" (eq. 33)    the best of the set without the response, over all sets of k that hold it:
                                right: C(n-c, k-1) / C(n, k), wrong: 0
    "loo" (eq. 29)              s of the others, computed without the response: (k / (n-1)) rho(n-1, c', k), where c'
                                of them are right; needs k < n

Assumption: rewards are 0 or 1. The paper prefers the first: it has the lower variance, and it needs no more than k = n.
Degenerate group: nothing right gives 0; under "loo_minus_one" so does a group with fewer than k - 1 wrong ones.
A group smaller than k (for "loo", than k + 1) is read with the largest k that it has; k = 1 is the reward less the mean
of the others, over n (the paper's baseline run).
The unit is 1/n, as in the paper: a learning rate of GRPO's is small here.
"""

from collections.abc import Mapping
from math import comb
from typing import Any, ClassVar, Literal

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import by_counts, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class PKPO:
    """See the module."""

    class Options(Settings):
        k: int = Field(default=8, ge=1, description="The k of the pass@k that is raised.")
        baseline: Literal["loo_minus_one", "loo"] = Field(
            default="loo_minus_one", description="The best of the set without the response, or the others' mean."
        )

    needs: ClassVar[Needs] = Needs(siblings=True, binary_rewards=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        return Advantages(spread(by_counts(inputs.rewards_B, inputs.peers_B, self.worth), inputs.mask_BT))

    def worth(self, size: int, right: int) -> tuple[float, float]:
        """Advantage of a right and of a wrong response of a group of `size`."""
        others = size - 1
        if others == 0:
            return 1.0, 0.0
        if self.options.k == 1 or self.options.baseline == "loo":
            k = min(self.options.k, others)
            share = k / others
            wrong = k / size * _pass_at_k(others, right, k - 1) - share * _pass_at_k(others, right, k)
            return k / size - share * _pass_at_k(others, right - 1, k), wrong
        k = min(self.options.k, size)
        return comb(size - right, k - 1) / comb(size, k), 0.0


def _pass_at_k(n: int, right: int, k: int) -> float:
    """rho(n, right, k): the chance that k of n, drawn without replacement, hold a right one."""
    return 1 - comb(max(0, n - right), k) / comb(n, k)
