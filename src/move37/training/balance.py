"""The load-balancing loss of a mixture of experts: router logits -> one number per mini-batch, and its gradient.

Switch Transformer (Fedus, Zoph, Shazeer 2021, 2101.03961), eq. 4 to 6, as transformers' `load_balancing_loss_func` has
it for models whose config gives it a weight: experts * sum over experts of f * P, with f the share of choices that an
expert got (all layers together, summing to the experts per token) and P its mean probability. Counted over the states
in which the model's own tokens were chosen, so that it does not depend on how often a prompt is read.

Decision. f is of the whole mini-batch and has no gradient, so it is counted first, in one more reading; then the loss
is a sum over tokens, and micro-batches change nothing. Frameworks take f of each micro-batch instead, which makes the
loss depend on memory settings.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from move37.errors import ConfigError
from move37.training.responses import MicroBatch

_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
"""What configs call their number."""


@dataclass(frozen=True, slots=True)
class Balance:
    """The loss of one model. Letters: N own tokens, L layers with experts, E experts."""

    experts: int
    per_token: int
    coefficient: float

    @classmethod
    def of(cls, model: PreTrainedModel, coefficient: float) -> "Balance":
        """Raises ConfigError for a model that has no such loss."""
        config: Any = model.config.get_text_config(decoder=True)
        experts = next((found for name in _EXPERTS if (found := getattr(config, name, None))), None)
        per_token = getattr(config, "num_experts_per_tok", None)
        if not (hasattr(config, "router_aux_loss_coef") and experts and per_token):
            raise ConfigError(
                f"loss.balance_coefficient: {type(model).__name__} has no load-balancing loss (no router_aux_loss_coef "
                "with experts in its config); leave it out"
            )
        return cls(experts, per_token, coefficient)

    @torch.no_grad()
    def shares(self, micro_batches: Iterable[MicroBatch]) -> Tensor:
        """f: how many choices per token and layer each expert got, (E,), summing to the experts per token."""
        counts_E, total = torch.zeros(self.experts), 0
        for micro_batch in micro_batches:
            chosen = self._probabilities(micro_batch).topk(self.per_token, -1).indices
            counts_E += torch.bincount(chosen.flatten().cpu(), minlength=self.experts)
            total += chosen[..., 0].numel()
        return counts_E / max(1, total)

    def loss(self, micro_batch: MicroBatch, shares_E: Tensor, tokens: int) -> Tensor:
        """What a micro-batch adds to the loss of a mini-batch of so many own tokens, weighted."""
        probabilities_NLE = self._probabilities(micro_batch)
        means_E = probabilities_NLE.sum((0, 1)) / (tokens * probabilities_NLE.shape[1])
        return self.coefficient * self.experts * (shares_E.to(means_E.device) * means_E).sum()

    def _probabilities(self, micro_batch: MicroBatch) -> Tensor:
        return micro_batch.routers_NX.unflatten(1, (-1, self.experts)).float().softmax(-1)
