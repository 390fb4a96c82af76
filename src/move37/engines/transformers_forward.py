"""Two ways through a model, one shape: read prompts, then one token for every branch of the cache.

`ModelForward` calls the model as it is and works for every architecture whose cache is keys and values.
`LlamaForward` is for models that `transformers_llama` knows: it reads prompts together, and attends to all rows by two
batched products where transformers' fused kernel does thousands of tiny ones. On a GPU its steps are recorded
(`transformers_graphs.py`).
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import Cache, DynamicCache, PreTrainedModel

from move37.engines.transformers_cache import BranchCache
from move37.engines.transformers_graphs import RecordedSteps, Store
from move37.engines.transformers_images import ImagePrompt
from move37.engines.transformers_llama import WrittenOut, attention_kernels, can_write_out, head_width

Integers = NDArray[np.int64]

_PROMPT_TOKENS = 4096
"""Padded tokens of prompts that are read together."""


class ReadPrompt(NamedTuple):
    """Keys and values of every layer, each (1, key heads, tokens, width of a head); logits (1, vocabulary).

    `offset`: by how much the position of the next token differs from the number of tokens (`BranchCache.offsets`).
    """

    states: list[tuple[Tensor, Tensor]]
    logits: Tensor
    offset: int = 0


class Forward(Protocol):
    """Logits are those after the last token, float32."""

    model: PreTrainedModel

    def read(self, prompts: Sequence[Sequence[int]]) -> Iterator[ReadPrompt]:
        """Every prompt, in order."""
        ...

    def step(self, tokens_R: Integers, positions_R: Integers, cache: BranchCache) -> Tensor:
        """The newest token of every branch of the cache and its position -> logits, (rows, vocabulary)."""
        ...


class Signature:
    """What a model's own forward may be given."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._accepted = inspect.signature(forward).parameters
        # The first name since transformers 5.24, the second before.
        self._cache = next((name for name in ("cache", "past_key_values") if name in self._accepted), None)

    @property
    def takes_cache(self) -> bool:
        return self._cache is not None

    def accepted(self, cache: Cache | None, **arguments: Any) -> dict[str, Any]:
        """The cache under its name, and those arguments that are known. A cache without a name stays empty."""
        taken = {name: value for name, value in arguments.items() if name in self._accepted}
        return taken if self._cache is None else {self._cache: cache, **taken}


def forward_of(model: PreTrainedModel, recorded: bool = True) -> Forward:
    """The fastest way that is known for the model. `recorded` allows it to record steps on a GPU."""
    return LlamaForward(model, recorded) if can_write_out(model) else ModelForward(model)


@torch.inference_mode()
def distance_of_rows(forward: Forward) -> float:
    """How far two short texts that go on side by side in a cache are from each read at once by the model alone.

    The larger root mean square of the difference between last logits, in standard deviations of the logits. With random
    weights it was at most 0.002 for 68 architectures that continue a text, and at least 0.28 for 13 of 14 encoders and
    decoders that need one; SmolLM2 has 4e-6 in float32 and 0.022 in bfloat16.
    """
    texts, further = ([0, 1, 2], [1]), (2, 0)
    model, cache = forward.model, BranchCache(len(texts), 3, len(further), stays=True)
    for prompt in forward.read(texts):
        cache.admit(prompt.states)

    def step(token: int) -> Tensor:
        logits = forward.step(np.full(len(texts), token), cache.before_step(), cache)
        cache.after_step()
        return logits

    _, logits = map(step, further)
    distances = []
    for row, text in zip(logits, texts, strict=True):
        alone = model(input_ids=torch.tensor([[*text, *further]], device=model.device)).logits[0, -1].float()
        distances.append(float((row - alone).square().mean().sqrt() / alone.std()))
    return max(distances)


@torch.inference_mode()
def distance_of_images(forward: Forward, prompts: Sequence[ImagePrompt]) -> float:
    """The same as `distance_of_rows` for prompts with images: read, branched, gone on with, and read at once."""
    model, further = forward.model, (prompts[0][0], prompts[0][-1])
    cache = BranchCache(2 * len(prompts), max(map(len, prompts)), len(further), stays=True)
    for prompt in forward.read(prompts):
        cache.admit(prompt.states, prompt.offset)
    cache.branch(np.full(len(prompts), 2))
    logits = torch.empty(0)
    for token in further:
        positions = cache.before_step()
        logits = forward.step(np.full(len(positions), token), positions, cache)
        cache.after_step()
    found = 0.0
    for prompt in prompts:
        ids = torch.tensor([[*prompt, *further]], device=model.device)
        given = prompt.tensors(model.device, model.dtype, more=len(further))
        alone = (
            model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, **given).logits[0, -1].float()
        )
        forget_positions(model)
        rows = (logits - alone).square().mean(-1).sqrt() / alone.std()
        found = max(found, float(rows.sort().values[1]))  # two of the rows continue this prompt
    return found


def prefill(model: PreTrainedModel, signature: Signature, prompt: ImagePrompt, cache: Cache) -> tuple[Tensor, int]:
    """Read a prompt and its images into an empty cache -> logits after it, (1, vocabulary), and `ReadPrompt.offset`."""
    tokens_1S = torch.tensor([prompt], device=model.device)
    given = signature.accepted(cache, logits_to_keep=1) | prompt.tensors(model.device, model.dtype)
    output = model(input_ids=tokens_1S, attention_mask=torch.ones_like(tokens_1S), use_cache=True, **given)
    return output.logits[:, -1].float(), forget_positions(model)


def forget_positions(model: PreTrainedModel) -> int:
    """What a model remembers of the positions of the prompt that it read last (0 of most): taken out of it, because it
    would count the next text by them."""
    backbone: Any = model.base_model
    remembered = getattr(backbone, "rope_deltas", None)
    if remembered is None:
        return 0
    backbone.rope_deltas = None
    return int(remembered.flatten()[0])


class ModelForward:
    """See the module."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model, self._signature = model, Signature(model.forward)

    def read(self, prompts: Sequence[Sequence[int]]) -> Iterator[ReadPrompt]:
        for ids in prompts:
            cache, offset = DynamicCache(), 0
            if isinstance(ids, ImagePrompt):
                logits, offset = prefill(self.model, self._signature, ids, cache)
            else:
                tokens_1S, positions = torch.tensor([ids]), torch.arange(len(ids))[None]
                logits = self._call(tokens_1S, positions, torch.ones_like(tokens_1S, dtype=torch.bool), cache)
            states = [(keys, values) for keys, values, _ in cache if keys is not None and values is not None]
            yield ReadPrompt(states, logits, offset)

    def step(self, tokens_R: Integers, positions_R: Integers, cache: BranchCache) -> Tensor:
        moved_R = positions_R + np.pad(cache.offsets, (0, len(positions_R) - len(cache.offsets)))
        tokens, positions = (torch.from_numpy(of)[:, None] for of in (tokens_R, moved_R))
        return self._call(tokens, positions, cache.visible(positions_R), cache)

    def _call(self, tokens: Tensor, positions: Tensor, mask: Tensor, cache: DynamicCache | BranchCache) -> Tensor:
        device = self.model.device
        known = self._signature.accepted(cache, position_ids=positions.to(device), logits_to_keep=1)
        output = self.model(input_ids=tokens.to(device), attention_mask=mask.to(device), use_cache=True, **known)
        return output.logits[:, -1].float()


class LlamaForward:
    """See the module."""

    def __init__(self, model: PreTrainedModel, recorded: bool = True) -> None:
        self.model, self._backbone = model, WrittenOut(model)
        config: Any = model.config
        self._heads, self._width = config.num_key_value_heads, head_width(model)
        self._group = config.num_attention_heads // config.num_key_value_heads
        self._device = model.device
        self._recorded: RecordedSteps | None = None
        if recorded and model.device.type == "cuda":
            self._recorded = RecordedSteps(self._states, config.hidden_size, model.dtype)

    def read(self, prompts: Sequence[Sequence[int]]) -> Iterator[ReadPrompt]:
        start = 0
        while start < len(prompts):
            end, width = start + 1, len(prompts[start])
            while end < len(prompts) and (end + 1 - start) * max(width, len(prompts[end])) <= _PROMPT_TOKENS:
                width = max(width, len(prompts[end]))
                end += 1
            yield from self._read_together(prompts[start:end], width)
            start = end

    def _read_together(self, prompts: Sequence[Sequence[int]], width: int) -> Iterator[ReadPrompt]:
        """Padded at the right, where causal attention never looks."""
        tokens_PS = torch.tensor([[*ids, *[0] * (width - len(ids))] for ids in prompts], device=self._device)
        layers: list[tuple[Tensor, Tensor]] = []

        def attend(_: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            layers.append((keys.transpose(1, 2), values.transpose(1, 2)))
            attended = scaled_dot_product_attention(
                queries.transpose(1, 2), *layers[-1], is_causal=True, enable_gqa=self._group > 1
            )
            return attended.transpose(1, 2).flatten(2)

        positions = torch.arange(width, device=self._device).expand(tokens_PS.shape)
        self._backbone.reach(width)
        with attention_kernels(self._device):
            hidden_PSD = self._backbone(tokens_PS, positions, attend)
        last = torch.tensor([len(ids) - 1 for ids in prompts], device=self._device)
        logits_PV = self._logits(hidden_PSD[torch.arange(len(prompts), device=self._device), last])
        for place, ids in enumerate(prompts):
            row = slice(place, place + 1)
            states = [(keys[row, :, : len(ids)], values[row, :, : len(ids)]) for keys, values in layers]
            yield ReadPrompt(states, logits_PV[row])

    def step(self, tokens_R: Integers, positions_R: Integers, cache: BranchCache) -> Tensor:
        self._backbone.reach(cache.longest)
        if self._recorded is not None:
            return self._logits(self._recorded(tokens_R, positions_R, cache, self._backbone.table))
        mask_RC = cache.visible(positions_R)
        bias_RC = torch.zeros(mask_RC.shape, dtype=self.model.dtype).masked_fill_(~mask_RC, -torch.inf)

        def store(number: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
            return cache.update(keys, values, number)

        tokens, positions = (torch.from_numpy(of).to(self._device) for of in (tokens_R, positions_R))
        return self._logits(self._states(tokens, positions, bias_RC.to(self._device), store))

    def _states(self, tokens_R: Tensor, positions_R: Tensor, bias_RC: Tensor, store: Store) -> Tensor:
        """The newest token of every row -> its last hidden state, (rows, width of the model)."""
        rows, heads, group, width = len(tokens_R), self._heads, self._group, self._width
        bias = bias_RC[:, None, None].expand(-1, heads, group, -1).flatten(0, 1)

        def attend(number: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            # One product per row and key head: the queries that share the key head are its rows.
            stored = store(number, keys.view(rows, heads, 1, width), values.view(rows, heads, 1, width))
            keys, values = (states.flatten(0, 1) for states in stored)
            queries = queries.view(rows * heads, group, width)
            scores = torch.baddbmm(bias, queries, keys.transpose(1, 2), alpha=width**-0.5)
            return torch.bmm(scores.softmax(-1), values).view(rows, 1, -1)

        return self._backbone(tokens_R[:, None], positions_R[:, None], attend)[:, 0]

    def _logits(self, hidden_RD: Tensor) -> Tensor:
        head: Any = self.model.get_output_embeddings()  # asked anew: it may be packed now
        return head(hidden_RD).float()
