"""RLOO: REINFORCE with a leave-one-out baseline. Ahmadian et al. 2024, arXiv 2402.14740, eq. 7; Kool et al. 2019.

    A_it = R_i - mean of the other G - 1 rewards of the group = G/(G-1) (R_i - mean_g)

Assumption: none beyond independent responses; the baseline does not depend on the response, so the gradient of the
mean reward is unbiased (with one update per batch).
Degenerate group: all rewards equal gives 0; a group of one has no baseline and keeps R (as verl). A response that is
alone because the others have no verdict is not trained on (as TRL: its advantage there is 0).
Implementations differ in what is one action. We follow verl 0.9.1: every token has its own clipped ratio. The paper
and TRL 1.16 take the whole response: `loss.ratio = "sequence"` with `loss.aggregation = "seq-mean-token-mean"`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from move37.config import Settings
from move37.training.advantages import leave_one_out, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class RLOO:
    """See the module."""

    class Options(Settings):
        pass

    needs: ClassVar[Needs] = Needs(siblings=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        return Advantages(spread(leave_one_out(inputs.rewards_B, inputs.peers_B), inputs.mask_BT))
