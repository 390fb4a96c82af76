"""The recipe's policy loss on batches: what it reads is made here, only as much as it asks for."""

import torch
from torch import Tensor

from move37.seeds import analysis_seed
from move37.training.policy_losses import Bounds, ChoiceInputs, TokenInputs
from move37.training.recipe import TrainConfig, build_policy_loss
from move37.training.responses import Head, MicroBatch, ResponseReader, score
from move37.training.updates import UpdateBatch


class TokenLoss:
    """`rule` is the member of `policy_losses/`."""

    def __init__(self, recipe: TrainConfig, reader: ResponseReader, head: Head) -> None:
        """Raises ConfigError, UnknownNameError."""
        self.rule = build_policy_loss(recipe)
        self._seed, self._temperature = recipe.seed, recipe.rollout.temperature
        self._bounds = Bounds(recipe.loss.clip_low, recipe.loss.clip_high, recipe.loss.dual_clip)
        self._reader, self._head = reader, head

    def choose(self, update: UpdateBatch, rows: Tensor, step: int, number: int) -> Tensor | None:
        """What the rule wants chosen of mini-batch `number` of a step, under the weights as they are now, (B, T)."""
        if not self.rule.chooses:
            return None
        batch, old_BT = update.batch, update.old_logprobs_BT
        own_BT = torch.zeros_like(batch.own_BT)
        own_BT[rows] = batch.own_BT[rows]
        # Before the first update nothing has moved.
        now_BT = score(self._reader, self._head, batch, self._temperature, rows) if number else old_BT
        values = (now_BT * own_BT, (now_BT - old_BT) * own_BT, update.advantages.advantages_BT * own_BT)
        seed = analysis_seed(self._seed, f"policy loss, step {step}, update {number}")
        return self.rule.choose(ChoiceInputs(*values, own_BT), self._bounds, torch.Generator().manual_seed(seed))

    def of(
        self,
        update: UpdateBatch,
        micro_batch: MicroBatch,
        log_ratio_bR: Tensor,
        entropies_N: Tensor,
        chosen_BT: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """The loss of every own token of a micro-batch, and whether a bound took its gradient, (b, R)."""
        rule, own_bR, head = self.rule, micro_batch.own_bR, self._head
        cut = (micro_batch.rows, slice(own_bR.shape[1]))
        top_NK = head.likeliest(micro_batch, rule.ranks) if rule.ranks else None
        likeliest_bR = None
        if top_NK is not None:
            likeliest_bR = torch.zeros_like(own_bR)
            likeliest_bR[own_bR] = update.batch.tokens_BT[cut][own_bR] == top_NK[:, 0]

        def top_logprobs(places_bR: Tensor) -> Tensor:
            places_N = places_bR[own_bR]
            assert top_NK is not None
            return head.logprobs_of(micro_batch, places_N, top_NK[places_N], self._temperature).float()

        tokens = TokenInputs(
            log_ratio_bR=log_ratio_bR,
            advantages_bR=update.advantages.advantages_BT[cut],
            own_bR=own_bR,
            right_b=update.batch.rewards_B[micro_batch.rows] == 1,
            chosen_bR=None if chosen_BT is None else chosen_BT[cut],
            entropies_bR=micro_batch.scatter(entropies_N.detach().float()) if rule.entropies else None,
            likeliest_bR=likeliest_bR,
            top_logprobs=None if top_NK is None else top_logprobs,
        )
        return rule.loss(tokens, self._bounds)
