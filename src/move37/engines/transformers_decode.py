"""The decode loop: many requests through a fixed number of rows, each token computed once and none for nobody.

A prompt is read once; its keys, values and last logits serve all of its samples. A row that ends frees its slot, the
next request (of any prompt) takes it, and when none is left the batch shrinks. One turn of the loop is

    admit   requests into free slots       -> their first logits, from the prompt
    draw    one token for every row        -> samples that ended leave, with their slot
    forward one step of all remaining rows -> their next logits

Why not transformers' own continuous batching (5.23): it runs on a CPU, but slower than plain `generate`
(bench/engine.py), draws all rows from one global generator, and knows no stop strings. Speculative decoding,
chunked prefill and several devices are left out.
"""

import inspect
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from move37.config import SamplingConfig
from move37.engines import Trajectory
from move37.engines.transformers_cache import RowCache
from move37.engines.transformers_draw import draw, law_logprobs
from move37.engines.transformers_text import ResponseText
from move37.types import FinishReason, Request, Sample


class _Prompt(NamedTuple):
    """A prompt that has been read: its keys and values (batch of 1) and the logits after it, (1, vocabulary)."""

    text: str
    cache: DynamicCache
    logits: Tensor


@dataclass(slots=True)
class _Row:
    request: Request
    uniforms: NDArray[np.float64]
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    law: list[float] = field(default_factory=list)
    """Log-probabilities of the tokens under the law they were drawn from; empty unless trajectories are asked for."""


class DecodeLoop:
    """One call of an engine's `generate`. `prompts` has the token ids of every prompt text that will be asked for."""

    def __init__(
        self,
        model: PreTrainedModel,
        text: ResponseText,
        end_tokens: frozenset[int],
        prompts: Mapping[str, list[int]],
        slots: int,
        sampling: SamplingConfig,
    ) -> None:
        self._model = model
        self._text = text
        self._end_tokens = end_tokens
        self._prompts = prompts
        self._slots = slots
        self._sampling = sampling
        self._cache = RowCache(slots, max(map(len, prompts.values()), default=0) + sampling.max_new_tokens)
        self._accepted = inspect.signature(model.forward).parameters
        self._rows: list[_Row] = []
        self._logits: Tensor | None = None
        self._prompt: _Prompt | None = None
        self._keeps_law = False

    def run(self, requests: Sequence[Request]) -> Iterator[Sample]:
        """Samples as they end. Inference mode is never on while the caller has the word."""
        for row, reason in self._ending(requests):
            yield self._sample(row, reason)

    def trajectories(self, requests: Sequence[Request]) -> Iterator[Trajectory]:
        """Samples with their tokens, as they end. The sampling law must have no nucleus (top_p = 1)."""
        self._keeps_law = True
        for row, reason in self._ending(requests):
            prompt = self._prompts[row.request.prompt.text]
            yield Trajectory(self._sample(row, reason), tuple(prompt), tuple(row.tokens), tuple(row.law))

    def _ending(self, requests: Sequence[Request]) -> Iterator[tuple[_Row, FinishReason]]:
        queue = deque(requests)
        while queue or self._rows:
            self._admit(queue)
            yield from self._draw()
            if self._rows:
                self._forward()

    @torch.inference_mode()
    def _admit(self, queue: deque[Request]) -> None:
        logits = [] if self._logits is None else [self._logits]
        while queue and len(self._rows) < self._slots:
            prompt, admitted = self._read(queue[0].prompt.text), len(self._rows)
            while queue and len(self._rows) < self._slots and queue[0].prompt.text == prompt.text:
                request = queue.popleft()
                self._rows.append(_Row(request, _uniforms(request.seed, self._sampling.max_new_tokens)))
            rows = len(self._rows) - admitted
            self._cache.admit(prompt.cache, rows)
            logits.append(prompt.logits.expand(rows, -1))
        self._logits = logits[0] if len(logits) == 1 else torch.cat(logits)

    @torch.inference_mode()
    def _draw(self) -> list[tuple[_Row, FinishReason]]:
        assert self._logits is not None
        uniforms = torch.tensor([row.uniforms[len(row.tokens)] for row in self._rows], dtype=torch.float64)
        drawn = draw(self._logits, uniforms.to(self._logits.device), self._sampling.temperature, self._sampling.top_p)
        for row, token, logprob in zip(self._rows, *(column.tolist() for column in drawn), strict=True):
            row.tokens.append(token)
            row.logprob += logprob
        if self._keeps_law:
            self._keep_law(drawn)
        ended = []
        # From the last row down: the row that fills a gap has then been looked at.
        for index in reversed(range(len(self._rows))):
            row = self._rows[index]
            reason = self._ended(row)
            if reason is not None:
                ended.append((row, reason))
                self._cache.retire(index)
                self._rows[index] = self._rows[-1]
                self._rows.pop()
        self._logits = None
        return ended

    def _keep_law(self, drawn: tuple[Tensor, Tensor]) -> None:
        """Note under which probabilities the tokens were drawn."""
        assert self._logits is not None
        tokens, logprobs = drawn
        if self._sampling.temperature not in (0, 1):
            logprobs = law_logprobs(self._logits, tokens, self._sampling.temperature)
        for row, logprob in zip(self._rows, logprobs.tolist(), strict=True):
            row.law.append(logprob)

    @torch.inference_mode()
    def _forward(self) -> None:
        mask = self._cache.before_step()
        tokens = torch.tensor([[row.tokens[-1]] for row in self._rows])
        positions = torch.tensor(self._cache.lengths)[:, None]
        logits = self._call(tokens, positions, mask, self._cache)
        self._cache.after_step()
        self._logits = logits

    def _read(self, text: str) -> _Prompt:
        """The prompt's keys, values and logits, computed unless it was the last one that was asked for."""
        if self._prompt is None or self._prompt.text != text:
            tokens = torch.tensor([self._prompts[text]])
            cache = DynamicCache()
            positions = torch.arange(tokens.shape[1])[None]
            logits = self._call(tokens, positions, torch.ones_like(tokens, dtype=torch.bool), cache)
            self._prompt = _Prompt(text, cache, logits)
        return self._prompt

    def _call(self, tokens: Tensor, positions: Tensor, mask: Tensor, cache: DynamicCache | RowCache) -> Tensor:
        """Logits after the last token of every row, float32 of shape (rows, vocabulary)."""
        device = self._model.device
        arguments = {"position_ids": positions.to(device), "logits_to_keep": 1}
        output = self._model(
            input_ids=tokens.to(device),
            attention_mask=mask.to(device),
            past_key_values=cache,
            use_cache=True,
            **{name: value for name, value in arguments.items() if name in self._accepted},
        )
        return output.logits[:, -1].float()

    def _ended(self, row: _Row) -> FinishReason | None:
        if row.tokens[-1] in self._end_tokens or self._text.stops(row.tokens, row.request.prompt.stop):
            return FinishReason.STOP
        return FinishReason.LENGTH if len(row.tokens) >= self._sampling.max_new_tokens else None

    def _sample(self, row: _Row, reason: FinishReason) -> Sample:
        request = row.request
        said = row.tokens[:-1] if row.tokens[-1] in self._end_tokens else row.tokens
        text = self._text.visible(said, request.prompt.stop)
        return Sample(
            request.prompt.problem_id, request.index, text, reason, len(row.tokens), row.logprob, request.seed
        )


def _uniforms(seed: int, count: int) -> NDArray[np.float64]:
    """The row's own uniforms in [0, 1). Raw generator output, whose stream numpy promises not to change."""
    raw = np.asarray(np.random.PCG64(seed).random_raw(count), dtype=np.uint64)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
