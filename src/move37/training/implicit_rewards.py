"""A reward model that is learnt online from outcomes and says what each token was worth: PRIME, arXiv 2502.01456.

    r_t = log pi_phi(token | before) - log pi_ref(token | before)
    loss = cross-entropy of sigmoid(beta sum_t r_t) against right (1) and wrong (0), mean over responses

pi_phi starts as the start model and learns with an optimizer of its own (AdamW, no decay, constant rate); pi_ref is the
start model, or the policy as it sampled. Both at temperature 1. Under LoRA all weights of pi_phi are trained.

sigmoid(beta times the sum up to a token) is what the model thinks of the state behind it: the value that is compared
with the oracle's (`critic_check.py`).
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import PreTrainedModel

from move37.errors import EngineError
from move37.training.algorithms import ImplicitReward
from move37.training.batches import Batch
from move37.training.reference import Reference
from move37.training.responses import Head, ResponseReader, score


class ImplicitRewardModel:
    """See the module. `start` is copied."""

    def __init__(
        self,
        settings: ImplicitReward,
        start: PreTrainedModel,
        reader_of: Callable[[PreTrainedModel], ResponseReader],
        compute: torch.dtype | None,
        learning_rate: float,
    ) -> None:
        self._settings, self._model = settings, copy.deepcopy(start)
        fixed = settings.reference == "start"
        self._reference = Reference(start, reader_of, compute) if fixed else None
        self._reader, self._head = reader_of(self._model), Head(self._model, compute)
        self._weights = [each for each in self._model.parameters() if each.requires_grad]
        self._optimizer = torch.optim.AdamW(self._weights, lr=learning_rate, weight_decay=0.0, fused=True)

    @property
    def beta(self) -> float:
        """Log-odds of success per unit of log-ratio."""
        return self._settings.beta

    def scores(self, batch: Batch, old_logprobs_BT: Tensor) -> Tensor:
        """r_t of every own token as the model is now, (B, T), 0 elsewhere."""
        rewards_BT = score(self._reader, self._head, batch, 1.0) - self._reference_logprobs(batch, old_logprobs_BT)
        return rewards_BT * batch.own_BT

    def _reference_logprobs(self, batch: Batch, old_logprobs_BT: Tensor) -> Tensor:
        return old_logprobs_BT if self._reference is None else self._reference.logprobs(batch, 1.0)

    def score_and_learn(
        self, batch: Batch, old_logprobs_BT: Tensor, mini_batches: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, float]]:
        """r_t of every own token, (B, T), 0 elsewhere, and figures; one update for every mini-batch (row numbers).

        With update = "after" each mini-batch is scored in the pass that it is learnt from.
        """
        reference_BT = self._reference_logprobs(batch, old_logprobs_BT)
        rewards_BT = torch.zeros_like(reference_BT)
        losses = [self._learn(batch, reference_BT, rows, rewards_BT) for rows in mini_batches]
        figures = {"implicit_loss": sum(losses) / len(losses), **self._ordered(rewards_BT, batch)}
        if self._settings.update == "before":
            rewards_BT = self.scores(batch, old_logprobs_BT)
        return rewards_BT, figures

    def _learn(self, batch: Batch, reference_BT: Tensor, rows: Tensor, rewards_BT: Tensor) -> float:
        """One update; what it saw before it goes into `rewards_BT`."""
        self._optimizer.zero_grad(set_to_none=True)
        rows = rows[batch.own_BT[rows].any(-1)]
        total = 0.0
        for micro_batch in self._reader.micro_batches(batch, rows):
            flat, _ = self._head.logprobs(micro_batch, batch, 1.0, False)
            cut = (micro_batch.rows, slice(micro_batch.own_bR.shape[1]))
            rewards_bR = (micro_batch.scatter(flat.float()) - reference_BT[cut]) * micro_batch.own_bR
            rewards_BT[cut] = rewards_bR.detach()
            right_b = batch.rewards_B[micro_batch.rows].float()
            loss = implicit_loss(rewards_bR, right_b, self._settings.beta, reduction="sum") / len(rows)
            loss.backward()
            total += float(loss.detach())
        norm = nn.utils.clip_grad_norm_(self._weights, self._settings.gradient_norm)
        if not norm.isfinite():
            raise EngineError(
                "the gradient of the implicit reward model is not finite: training has diverged; begin in a new folder "
                "with a smaller algorithm.options.learning_rate"
            )
        self._optimizer.step()
        return total

    def _ordered(self, rewards_BT: Tensor, batch: Batch) -> dict[str, float]:
        """How often a right response to a prompt has a higher sum than a wrong one; nothing where there is no pair."""
        sums_B, right_B, groups_B = rewards_BT.sum(-1), batch.rewards_B, batch.groups_B
        pairs_BB = (groups_B[:, None] == groups_B) & (right_B[:, None] > right_B)
        if not pairs_BB.any():
            return {}
        above_BB = (sums_B[:, None] > sums_B).float() + 0.5 * (sums_B[:, None] == sums_B)
        return {"implicit_accuracy": float(above_BB[pairs_BB].mean())}

    def state(self) -> dict[str, Any]:
        """What learns. The reference is the start model or the policy, and is not saved."""
        return {"model": self._model.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Raises KeyError, ValueError or RuntimeError where it does not fit."""
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])


def implicit_loss(rewards_BT: Tensor, right_B: Tensor, beta: float, reduction: str = "mean") -> Tensor:
    """Cross-entropy of the outcome under beta times the sum of a response's rewards, which are 0 off its tokens."""
    return binary_cross_entropy_with_logits(beta * rewards_BT.sum(-1), right_B, reduction=reduction)


def implied_values(rewards_BT: Tensor, beta: float) -> Tensor:
    """The chance of success in the state in which each token was chosen, (B, T): 1/2 before the first."""
    return (beta * (rewards_BT.cumsum(-1) - rewards_BT)).sigmoid()
