"""TreeRL: a segment of a tree is worth what it adds, plus what it is worth. Hou et al. 2025, arXiv 2506.11902.

    A(segment) = (V(segment) - V(segment before)) + V(segment)
    V(s) = mean of R'_i over the leaves i behind s, less the prompt's mean over tokens, all divided by sqrt(leaves)
    R'_i = R_i - mean of the prompt's other leaves

The first term is local, the second global (V of the prompt is 0 but for the mean over tokens). Every leaf is a row, so
a shared segment is learnt from once for each leaf behind it: the root tempers that (`shared`). Where a segment adds
nothing it takes the local term of the one before (their `fill_in_paths`).
Assumption: the mean of a few leaves tells a segment's value. Cost: each response is left at `places` tokens by
`branches` others, in each of `rounds` rounds: 1 + places x branches leaves a response with one round.
Degenerate group: equal rewards give 0.
We follow the authors' code (THUDM/TreeRL, tree_node.py and `gather_paths` of parallel_mcts.py, with
use_state_value_reward and all leaves as rows): they train on 16 of 30 leaves, drawn so that one is right.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from move37.config import Settings
from move37.training.advantages import leave_one_out
from move37.training.algorithms import AdvantageInputs, Advantages, Forks, Needs

_NOTHING = 1e-8
"""A local term below this is taken from the segment before."""


class TreeRL:
    """See the module."""

    class Options(Settings):
        places: int = Field(default=2, ge=1, description="Tokens of a tree at which it is left, in each round.")
        branches: int = Field(default=2, ge=1, description="Responses that leave at each of them.")
        rounds: int = Field(default=1, ge=1, description="Rounds of leaving.")
        shared: Literal["sqrt", "uniform", "none"] = Field(
            default="sqrt", description="A segment's values are divided by sqrt(leaves), by leaves, or by 1."
        )

    loss_defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Options) -> None:
        self.options = options
        self.needs = Needs(siblings=True, forks=Forks(options.places, options.branches, options.rounds))

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        if inputs.tree_paths_BD is None or inputs.tree_depths_BT is None:
            raise ValueError("TreeRL needs the trees of the responses")
        mask_BT, paths_BD = inputs.mask_BT, inputs.tree_paths_BD
        values_BD = self._values(inputs, paths_BD)
        local_BD = _filled(values_BD.diff(dim=-1), paths_BD)
        credit_BD = torch.where(paths_BD >= 0, local_BD + values_BD[:, 1:], 0.0)
        depths_BT = inputs.tree_depths_BT.where(mask_BT, 0)
        return Advantages(credit_BD.gather(1, depths_BT) * mask_BT)

    def _values(self, inputs: AdvantageInputs, paths_BD: Tensor) -> Tensor:
        """Of the prompt and of each segment of a row's path, (B, 1 + D)."""
        peers_B, lengths_B = inputs.peers_B, inputs.mask_BT.sum(-1)
        rewards_B = leave_one_out(inputs.rewards_B, peers_B)
        _, prompts_B = torch.unique(peers_B, return_inverse=True)
        tokens_B = _summed(lengths_B.to(rewards_B), prompts_B)[prompts_B]
        shift_B = _summed(rewards_B * lengths_B, prompts_B)[prompts_B] / tokens_B.clamp(min=1)
        segments_BD = paths_BD + len(torch.unique(prompts_B))
        nodes_BE = torch.cat([prompts_B[:, None], segments_BD], 1)
        there_BE = torch.cat([torch.ones_like(prompts_B)[:, None] > 0, paths_BD >= 0], 1)
        spread_BE = (rewards_B - shift_B)[:, None].expand(nodes_BE.shape)
        leaves_N = torch.bincount(nodes_BE[there_BE])
        sums_N = torch.bincount(nodes_BE[there_BE], weights=spread_BE[there_BE]).to(rewards_B)
        power = {"sqrt": 1.5, "uniform": 2.0, "none": 1.0}[self.options.shared]
        values_N = sums_N / leaves_N.clamp(min=1).to(rewards_B) ** power
        return torch.where(there_BE, values_N[nodes_BE.where(there_BE, 0)], 0.0)


def _summed(values_B: Tensor, numbers_B: Tensor) -> Tensor:
    return torch.bincount(numbers_B, weights=values_B).to(values_B)


def _filled(local_BD: Tensor, paths_BD: Tensor) -> Tensor:
    """What adds nothing takes what the segment before added."""
    filled_BD = local_BD.clone()
    for depth in range(1, paths_BD.shape[1]):
        nothing_B = filled_BD[:, depth].abs() < _NOTHING
        filled_BD[:, depth] = torch.where(nothing_B, filled_BD[:, depth - 1], filled_BD[:, depth])
    return filled_BD
