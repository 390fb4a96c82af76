"""DAPO: decoupled clip and dynamic sampling. Yu et al. 2025, arXiv 2503.14476.

GRPO's advantage with four changes: the upper clip range is wider (0.2 / 0.28, section 3.1); groups that are all right
or all wrong are dropped and others sampled in their place (3.2); the loss is a mean over tokens (3.3); a response
that nears the token limit pays a soft penalty (3.4, eq. 13), linear over the last `buffer_share` of the limit (at
least one token, unless the share is 0).
Assumption: more prompts can be had at will; the batch is conditioned on mixed groups, which is another objective than
the mean reward over the prompts.
After `rollout.refill_rounds` the step goes on with the mixed groups that there are, fewer than asked for or none (verl
stops the run with an error).
Degenerate group: never reaches the update. Mixed is decided by the verdicts, before the penalty, and compares the
largest with the smallest reward; verl compares a standard deviation with 0, which equal floats need not give.
We follow verl 0.9.1's recipe, its dual clip of 10 included; the paper's buffer is 4,096 of 20,480 tokens, a fifth.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from move37.config import Settings
from move37.training.advantages import group_normalised, overlong_penalty, spread
from move37.training.algorithms import AdvantageInputs, Advantages, Needs


class DAPO:
    """See the module."""

    class Options(Settings):
        epsilon: float = Field(default=1e-6, gt=0, description="Added to the standard deviation.")
        buffer_share: float = Field(default=0.2, ge=0, le=1, description="Last share of the limit that is penalised.")
        penalty: float = Field(default=1.0, ge=0, description="Largest penalty, at the token limit.")

    needs: ClassVar[Needs] = Needs(mixed_groups=True)
    loss_defaults: ClassVar[Mapping[str, Any]] = {"clip_high": 0.28, "dual_clip": 10.0, "aggregation": "token-mean"}

    def __init__(self, options: Options) -> None:
        self.options = options

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        rewards_B, limit = inputs.rewards_B, inputs.max_length
        if self.options.buffer_share:
            buffer = max(1, round(self.options.buffer_share * limit))
            lengths_B = inputs.mask_BT.sum(-1)
            rewards_B = rewards_B + overlong_penalty(lengths_B, limit, buffer, self.options.penalty)
        advantages_B = group_normalised(rewards_B, inputs.peers_B, self.options.epsilon)
        return Advantages(spread(advantages_B, inputs.mask_BT))
