"""The frozen model that a KL is measured to: the start, until it is put in the policy's present place (ProRL)."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from move37.training.batches import Batch
from move37.training.responses import Head, ResponseReader, score


class Reference:
    """A copy of a model that does not learn."""

    def __init__(
        self,
        model: PreTrainedModel,
        reader_of: Callable[[PreTrainedModel], ResponseReader],
        compute: torch.dtype | None,
    ) -> None:
        self._model = copy.deepcopy(model).requires_grad_(False)
        self._reader, self._head = reader_of(self._model), Head(self._model, compute)

    def logprobs(self, batch: Batch, temperature: float) -> Tensor:
        """Of every own token, (B, T)."""
        return score(self._reader, self._head, batch, temperature)

    def become(self, model: PreTrainedModel) -> None:
        """Take another model's weights as they are now."""
        self.load(model.state_dict())

    def weights(self) -> dict[str, Any]:
        return dict(self._model.state_dict())

    def load(self, weights: dict[str, Any]) -> None:
        """Raises RuntimeError where they are another model's."""
        self._model.load_state_dict(weights)
