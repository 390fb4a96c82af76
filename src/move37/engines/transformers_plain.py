"""The decode loop of models whose state cannot be shared or moved: state spaces, linear attention, no cache at all.

Each sample is a row of its own and rows go on side by side, so nothing they have in common is computed once. Rows that
are decoded together have prompts of one length: no row is padded, which a recurrent state would take for text. A model
whose cache goes on from a text as the text read at once does is stepped token by token; of another one the whole text
is read for every token, which is slow and right. `measure` finds out which, when a model is loaded.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from move37.engines.transformers_decode import DecodeLoop
from move37.engines.transformers_forward import Signature
from move37.engines.transformers_sequences import Response
from move37.types import Request

SIDE_BY_SIDE = "one row for each sample: the model's state cannot be shared"
WHOLE_TEXTS = "the whole text anew for each token: the model has no cache that goes on from a text"


_NOISE = 0.01
"""Standard deviations of the logits."""


class PlainForward:
    """A model that reads rows of equal length. With `cached` it keeps its own cache between steps."""

    def __init__(self, model: PreTrainedModel, cached: bool) -> None:
        self.model, self._cached = model, cached
        self._signature = Signature(model.forward)
        self._cache: Any = None
        self._tokens_RS = torch.zeros(0, 0, dtype=torch.int64)

    @property
    def statement(self) -> str:
        """How it decodes, for the report."""
        return SIDE_BY_SIDE if self._cached else WHOLE_TEXTS

    def begin(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Rows of one length -> the logits after each, float32 (rows, vocabulary)."""
        self._tokens_RS = torch.tensor(rows, device=self.model.device)
        self._cache = DynamicCache(config=self.model.config) if self._cached else None
        return self._logits(self._tokens_RS, 0)

    def step(self, keep: NDArray[np.int64], newest: NDArray[np.int64]) -> Tensor:
        """Go on with these rows, each by a token."""
        kept = torch.from_numpy(keep).to(self.model.device)
        tokens_R1 = torch.from_numpy(newest)[:, None].to(self.model.device)
        if not self._cached:
            self._tokens_RS = torch.cat([self._tokens_RS[kept], tokens_R1], dim=1)
            return self._logits(self._tokens_RS, 0)
        done, rows = self._tokens_RS.shape[1], len(self._tokens_RS)
        self._tokens_RS = torch.cat([self._tokens_RS[kept], tokens_R1], dim=1)
        if len(kept) < rows:
            self._cache.reorder_cache(kept)
        return self._logits(tokens_R1, done)

    def _logits(self, tokens_RS: Tensor, before: int) -> Tensor:
        positions = torch.arange(before, before + tokens_RS.shape[1], device=tokens_RS.device).expand(tokens_RS.shape)
        # No mask: there is no padding, and state spaces take a mask that is longer than the new tokens for theirs.
        known = self._signature.accepted(self._cache, position_ids=positions, logits_to_keep=1)
        output = self.model(input_ids=tokens_RS, use_cache=self._cache is not None, **known)
        return output.logits[:, -1].float()


class PlainLoop(DecodeLoop):
    """One call of `generate`, as `DecodeLoop`, with a `PlainForward`."""

    _forward: PlainForward  # type: ignore[assignment]

    def _ending(self) -> Iterator[Response]:
        for requests in self._batches():
            self._start(requests)
            while self._sequences:
                yield from self._draw()
                if self._sequences:
                    self._step()

    def _batches(self) -> Iterator[list[Request]]:
        """Requests whose prompts have one length, as many as may be decoded together."""

        def length(request: Request) -> int:
            return len(self._prompts[request.prompt.content])

        for _, same in groupby(sorted(self._requests, key=length), key=length):
            requests = list(same)
            for start in range(0, len(requests), self._slots):
                yield requests[start : start + self._slots]

    @torch.inference_mode()
    def _start(self, requests: Sequence[Request]) -> None:
        for row, request in enumerate(requests):
            self._sequences.open([request], row)
        self._logits = self._forward.begin([self._prompts[request.prompt.content] for request in requests])

    def _branch(self, tokens: NDArray[np.int64], going: NDArray[np.bool_]) -> None:
        """Rows that go on, in their order."""
        self._kept = np.flatnonzero(going)
        self._sequences.keep(going, np.arange(len(self._kept)))
        self._newest = tokens[going]
        self._logits = None

    @torch.inference_mode()
    def _step(self) -> None:
        self._logits = self._forward.step(self._kept, self._newest)


def waits_for_encoder(model: PreTrainedModel) -> bool:
    """Whether it is the decoder of a pair: with layers that attend to what an encoder has read."""
    layers = ("encoder_attn", "crossattention", "cross_attn")
    return any(name.rpartition(".")[2] in layers for name, _ in model.named_modules())


@torch.inference_mode()
def measure(model: PreTrainedModel) -> tuple[float, float]:
    """How far a model is from its own reading of a text, in standard deviations of the logits.

    The first number: where tokens come behind (what an encoder makes of it); the second: where the text is gone on with
    in its own cache. That is infinite where it fails, or where rows that leave spoil the others by more than rounding
    does: some models keep a state that is not in the cache.
    """
    device = model.device
    texts, further = [[0, 1, 2, 1], [1, 1, 0, 2]], np.array([[2, 0], [0, 1]])
    whole = torch.tensor([[*text, *more] for text, more in zip(texts, further.tolist(), strict=True)], device=device)
    own = model(input_ids=whole, use_cache=False).logits.float()
    before = model(input_ids=whole[:, :4], use_cache=False).logits[:, -1].float()
    try:
        steady, leaving = (_distance_behind(model, texts, further, own[:, -1], leave) for leave in (False, True))
    except Exception:  # models of a hundred authors: one whose cache fails is read without
        steady = leaving = float("inf")
    behind = leaving if leaving <= max(_NOISE, 3 * steady) else float("inf")
    return _distance(before, own[:, 3]), behind


def _distance_behind(
    model: PreTrainedModel, texts: list[list[int]], further: NDArray[np.int64], own: Tensor, leave: bool
) -> float:
    """Two rows that go on in the cache; with `leave`, out of four of which one leaves at each step."""
    forward = PlainForward(model, cached=True)
    if not leave:
        forward.begin(texts)
        forward.step(np.arange(2), further[:, 0])
        return _distance(forward.step(np.arange(2), further[:, 1]), own)
    forward.begin([texts[1], texts[0], texts[1], texts[0]])
    forward.step(np.array([0, 1, 3]), further[[1, 0, 0], 0])
    return _distance(forward.step(np.array([2, 0]), further[:, 1]), own)


def _distance(one: Tensor, other: Tensor) -> float:
    found = float(((one - other).square().mean(-1).sqrt() / other.std(-1)).max())
    return found if np.isfinite(found) else float("inf")
