"""Policy losses: what the loss of a token is, given its advantage. One registry, one small file each with its card.

The default, `clipped`, is PPO's, and is what the algorithms of `algorithms/` are compared under. Some papers leave the
advantages alone and change which tokens are moved, or how far; they are members here, and go with any algorithm. A
member has

    Options      its own settings, the `options` of the recipe's [loss.policy] table
    entropies    whether it reads the entropy of every token
    ranks        how many of the likeliest tokens at each place it reads; 0: none
    chooses      whether `choose` picks tokens of a mini-batch first
    choose(inputs, bounds, generator) -> bool (B, T)
    loss(tokens, bounds) -> (loss, clipped), both (b, R)

`choose` sees a whole mini-batch, for statistics over it: how a batch is cut into micro-batches changes no result.
`loss` sees whole responses of one micro-batch and is what the gradient goes through. Normalisation, the KL and the
entropy bonus stay outside (`policy.py`). The contract is `move37.testing.check_policy_loss`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from move37.config import Settings
from move37.registry import Registry

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Bounds(NamedTuple):
    """The clip range of the recipe's [loss]."""

    low: float
    high: float
    dual: float | None = None


@dataclass(frozen=True, slots=True)
class ChoiceInputs:
    """A mini-batch before its update, without gradient; 0 or False off `own_BT`."""

    logprobs_BT: "Tensor"
    """Under the weights as they are now."""
    log_ratio_BT: "Tensor"
    """To those under which the tokens were drawn."""
    advantages_BT: "Tensor"
    own_BT: "Tensor"


@dataclass(frozen=True, slots=True)
class TokenInputs:
    """b whole responses of R token positions; `log_ratio_bR` and what `top_logprobs` gives carry the gradient."""

    log_ratio_bR: "Tensor"
    advantages_bR: "Tensor"
    own_bR: "Tensor"
    right_b: "Tensor"
    """bool: the response has the whole reward."""
    chosen_bR: "Tensor | None" = None
    """What `choose` said."""
    entropies_bR: "Tensor | None" = None
    """Nats, without gradient, where `entropies` is set."""
    likeliest_bR: "Tensor | None" = None
    """bool: no token was likelier at its place, where `ranks` is not 0."""
    top_logprobs: "Callable[[Tensor], Tensor] | None" = None
    """Places (b, R), n of them True -> log-probabilities of the `ranks` likeliest tokens there, (n, K), row by row."""


class PolicyLoss(Protocol):
    Options: ClassVar[type[Settings]]
    entropies: ClassVar[bool]
    chooses: ClassVar[bool]

    def __init__(self, options: Any) -> None: ...

    @property
    def ranks(self) -> int: ...

    def choose(self, inputs: ChoiceInputs, bounds: Bounds, generator: "Generator") -> "Tensor":
        """All randomness comes from the generator, which depends on the training's seed, the step and the update."""
        ...

    def loss(self, tokens: TokenInputs, bounds: Bounds) -> "tuple[Tensor, Tensor]":
        """What is minimised, and whether a bound took the gradient."""
        ...


_TABLE = {
    "clipped": "move37.training.policy_losses.clipped:Clipped",
    "simko": "move37.training.policy_losses.simko:SimKO",
    "clip_cov": "move37.training.policy_losses.clip_cov:ClipCov",
    "kl_cov": "move37.training.policy_losses.kl_cov:KLCov",
}

POLICY_LOSSES = Registry("policy_loss", _TABLE, extras=dict.fromkeys(_TABLE, "local"), methods=("loss",))
