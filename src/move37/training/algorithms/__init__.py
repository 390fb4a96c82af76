"""Algorithms say how rewards become advantages. One registry, one shape; one small file each, whose docstring
is its card.

The loss around all of them is one and the same (`losses.py`), so a comparison differs in the advantages alone; where a
paper changes the loss too (DAPO's clip range), the algorithm says so in `loss_defaults`, and a recipe may say
otherwise. A member has

    needs           what the loop must bring: a critic, a greedy response per prompt, refilled groups, a teacher; and
                    whether a response is worth anything without others to its prompt, or without a verdict
    loss_defaults   keys of the recipe's [loss] table that its paper sets
    Options         its own settings, the `options` of the recipe's [algorithm] table
    advantages(inputs) -> Advantages

The contract is `move37.testing.check_algorithm`. Formulas are in `advantages.py`; nothing here reads a text or a model.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from move37.config import Settings
from move37.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class StepValues:
    """How the value of a state between two steps is found: by `rollouts` fresh responses from there, or, where it is 0,
    from the verifier's verdicts on steps. A step ends behind `separator`."""

    rollouts: int
    separator: str


@dataclass(frozen=True, slots=True)
class Forks:
    """Further responses that leave a sampled one within it, so that a prompt's responses are trees: in each of `rounds`
    rounds `branches` at the `places` least likely tokens of every tree."""

    places: int
    branches: int
    rounds: int


@dataclass(frozen=True, slots=True)
class ImplicitReward:
    """A reward model that learns beside the policy: a second model of its size whose log-ratio to a reference, times
    `beta`, is the log-odds that a response is right."""

    beta: float
    update: Literal["after", "before"]
    """Whether it learns from a step's responses after or before it scores them."""
    reference: Literal["start", "policy"]
    learning_rate: float | None
    """None: twice the policy's."""
    gradient_norm: float


@dataclass(frozen=True, slots=True)
class Needs:
    """What an algorithm cannot do without."""

    critic: bool = False
    greedy_response: bool = False
    """One response at temperature 0 for every prompt."""
    mixed_groups: bool = False
    """Groups that are all right or all wrong are dropped, and others sampled in their place."""
    siblings: bool = False
    """Responses to one prompt are compared. Where others have no verdict and one is left, it has no baseline."""
    teacher: bool = False
    verdicts: bool = True
    """Responses without a verdict are left out."""
    binary_rewards: bool = False
    """Right and wrong responses are counted, so a reward is 1 or 0 and nothing is taken from it: a verifier's score
    between the two is that of a wrong response."""
    step_values: "StepValues | None" = None
    """What the states between the steps of a response are worth, and how that is found out."""
    forks: "Forks | None" = None
    """Responses that begin as others do."""
    implicit_reward: "ImplicitReward | None" = None
    """What a reward model that learns beside the policy says of every token."""
    modes: bool = False
    """Which responses went the same way: those whose verified answer is the same text."""


@dataclass(frozen=True, slots=True)
class AdvantageInputs:
    """All that advantages may be computed from: B responses of a batch, T token positions, padded at the right."""

    token_rewards_BT: "Tensor"
    """The response's reward on its last token; the KL penalty of every token, if it is in the reward."""
    groups_B: "Tensor"
    """int64: which prompt a response answers."""
    mask_BT: "Tensor"
    """bool: the model's own tokens, the end token included."""
    max_length: int
    """The token limit of a response."""
    values_BT: "Tensor | None" = None
    """The critic's value of the state in which a token was chosen."""
    greedy_rewards_B: "Tensor | None" = None
    old_logprobs_BT: "Tensor | None" = None
    teacher_logprobs_BT: "Tensor | None" = None
    step_gains_BT: "Tensor | None" = None
    """By how much the step that a token belongs to raised the value of the state."""
    implicit_rewards_BT: "Tensor | None" = None
    """log of the implicit reward model's probability over its reference's."""
    tree_paths_BD: "Tensor | None" = None
    """int64: the segments of its tree that a response goes through, first to last, -1 behind the last. Responses that
    begin alike because one left the other share the numbers of what they have in common. A segment may have no token:
    where responses part at their first one."""
    tree_depths_BT: "Tensor | None" = None
    """int64: the place in its response's path of the segment that a token belongs to."""
    modes_B: "Tensor | None" = None
    """int64: responses to one prompt with the same number have the same answer."""

    @property
    def rewards_B(self) -> "Tensor":
        """One reward for every response; 0 for one without an own token, which has no place for it."""
        return (self.token_rewards_BT * self.mask_BT).sum(-1)

    @property
    def peers_B(self) -> "Tensor":
        """int64: which responses are compared. Those of a prompt, without such as hold no token of the model's own:
        each of these is alone. The policy did not produce them, so they tell nothing about its expected reward."""
        numbers_B = self.groups_B.new_ones(self.groups_B.shape).cumsum(0)
        return self.groups_B.where(self.mask_BT.any(-1), self.groups_B.max() + numbers_B)


@dataclass(frozen=True, slots=True)
class Advantages:
    """`returns_BT` is what a critic learns from; without a critic it is None."""

    advantages_BT: "Tensor"
    returns_BT: "Tensor | None" = None


class Algorithm(Protocol):
    Options: ClassVar[type[Settings]]
    needs: Needs
    loss_defaults: ClassVar[Mapping[str, Any]]

    def __init__(self, options: Any) -> None: ...

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        """Of every own token, 0 off the mask, no gradient."""
        ...


_TABLE = {
    "ppo": "move37.training.algorithms.ppo:PPO",
    "grpo": "move37.training.algorithms.grpo:GRPO",
    "reinforce_pp": "move37.training.algorithms.reinforce_pp:ReinforcePP",
    "rloo": "move37.training.algorithms.rloo:RLOO",
    "remax": "move37.training.algorithms.remax:ReMax",
    "dapo": "move37.training.algorithms.dapo:DAPO",
    "pass_at_k": "move37.training.algorithms.pass_at_k:PassAtK",
    "pkpo": "move37.training.algorithms.pkpo:PKPO",
    "weighted_reinforce": "move37.training.algorithms.weighted_reinforce:WeightedReinforce",
    "maxrl": "move37.training.algorithms.maxrl:MaxRL",
    "unlikeliness": "move37.training.algorithms.unlikeliness:Unlikeliness",
    "bbg": "move37.training.algorithms.bbg:BBG",
    "unsolved_only": "move37.training.algorithms.unsolved_only:UnsolvedOnly",
    "uniqueness": "move37.training.algorithms.uniqueness:Uniqueness",
    "darling": "move37.training.algorithms.darling:Darling",
    "vine_ppo": "move37.training.algorithms.vine_ppo:VinePPO",
    "tree_rl": "move37.training.algorithms.tree_rl:TreeRL",
    "prime": "move37.training.algorithms.prime:Prime",
    "entropic": "move37.training.algorithms.entropic:Entropic",
    "on_policy_distillation": "move37.training.distillation:OnPolicyDistillation",
}

ALGORITHMS = Registry("algorithm", _TABLE, extras=dict.fromkeys(_TABLE, "local"), methods=("advantages",))

_OLD_NAMES = {"Evidence": "AdvantageInputs", "Credit": "Advantages"}


def __getattr__(name: str) -> Any:
    """What algorithms of a user's own import by the names of before, with one line that says the new one."""
    if name not in _OLD_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = _OLD_NAMES[name]
    warnings.warn(f"{__name__}.{name} is called {new} now; please rename it", FutureWarning, stacklevel=2)
    return globals()[new]
