"""Where the decode loop keeps keys and values: one slot per row, all rows writing the same column.

A row is one text so far, whoever follows it: a row from which two samples go on with different tokens becomes two.

    column      start                      end
    slot 0        |  . . p p p p g g g g g  |        p prompt, g generated, . padding
    slot 1        |  p p p p p p p g g g g  |
    slot 2        |  . . . . . . p p p p g  |        a row that was admitted later
                                            ^ the next token of every row goes here

Decisions. Columns are aligned at the right, as in left-padded `generate`, so a model's own causal, sliding-window and
alibi masks stay true; rotary positions are in the keys already, so a prompt may be copied to any column. Live rows
fill the first slots: rows that end are overwritten by the last ones, and of those that nobody wants a step computes a
few at most (`before_step`). Writing in place spares the copy of the whole cache that a growing cache makes at every
token.

Left out: layers that keep more or less than keys and values (linear attention, keys shared between layers);
`supports` says so beforehand.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad
from transformers import Cache, DynamicCache, PreTrainedConfig
from transformers.cache_utils import CacheLayerMixin, DynamicLayer, DynamicSlidingWindowLayer

_HEADROOM = 128
"""Free columns at least after a shift, where rows are still admitted."""
_SMALL = 1024
"""Columns of a storage that does not have to grow, if there can be so many."""
_ALIGNMENT = 64
"""Bytes."""
_KEPT = 2**30
"""Bytes that are kept between calls: fresh pages are felt where calls are short, memory where they are long."""


def supports(config: PreTrainedConfig) -> bool:
    """Whether every layer of the model keeps plain keys and values (all tokens of them, or a sliding window)."""
    plain = (DynamicLayer, DynamicSlidingWindowLayer)
    return all(type(layer) in plain for layer in DynamicCache(config=config).layers)


class SlotMemory:
    """What an engine's caches on a CPU lie in, kept from one call to the next: fresh pages cost more than their use.

    What is taken again holds older keys and values of the same model. They are masked as padding is, which needs finite
    numbers only: a call that failed gives nothing back.
    """

    def __init__(self) -> None:
        self._spare: list[Tensor] = []

    def take(self, slots: int, capacity: int, like: Tensor) -> Tensor:
        """A tensor of shape (slots, heads, capacity, width) with heads, width, dtype and device of `like`."""
        shape = (slots, like.shape[1], capacity, like.shape[3])
        size = math.prod(shape)
        with suppress(IndexError):  # none are left
            while True:
                spare = self._spare.pop()  # what does not fit makes room for what does
                if spare.numel() >= size and spare.dtype == like.dtype:
                    return spare[:size].view(shape)
        if like.device.type != "cpu":
            return like.new_zeros(shape)
        return _untouched(size * like.element_size()).view(like.dtype).view(shape)

    def give_back(self, storage: list[Tensor]) -> None:
        """Keep these for the next call, unless they are on a GPU, whose allocator keeps them, or too much."""
        if storage and storage[0].device.type == "cpu" and sum(tensor.nbytes for tensor in storage) <= _KEPT:
            self._spare = [tensor.view(-1) for tensor in storage]


def _untouched(size: int) -> Tensor:
    """So many zero bytes, in pages that are taken only when they are used.

    They begin where torch's own memory would: libraries may round a product by where its operands lie.
    """
    content = np.zeros(size + _ALIGNMENT, dtype=np.uint8)
    first = -content.ctypes.data % _ALIGNMENT
    return torch.from_numpy(content[first : first + size])


@dataclass(slots=True)
class _Window:
    """The live columns [start, end) of the first `rows` of `slots`; one object shared by all layers."""

    slots: int
    rows: int = 0
    start: int = 0
    end: int = 0


class _SlotLayer(CacheLayerMixin):
    """Keys and values of one layer, each of shape (slots, heads, capacity, width of a head)."""

    is_sliding = False

    def __init__(self, memory: SlotMemory, window: _Window, keys: Tensor, values: Tensor, capacity: int) -> None:
        super().__init__()
        self.is_initialized = True
        self._memory, self._window = memory, window
        # Finite from the start, because padding is masked by weight 0, and 0 * nan would still be nan.
        self.storage = [memory.take(window.slots, capacity, states) for states in (keys, values)]

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Never needed: the storage is made when the first prompt is admitted."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        rows, start, end = self._window.rows, self._window.start, self._window.end
        keys, values = self.storage
        keys[:rows, :, end : end + 1] = key_states
        values[:rows, :, end : end + 1] = value_states
        return keys[:rows, :, start : end + 1], values[:rows, :, start : end + 1]

    def get_seq_length(self) -> int:
        return self._window.end - self._window.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1

    def admit(self, slots: slice, keys: Tensor, values: Tensor) -> None:
        columns = slice(self._window.end - keys.shape[2], self._window.end)
        for storage, states in zip(self.storage, (keys, values), strict=True):
            storage[slots, :, columns] = states

    def copy(self, sources: Tensor, targets: Tensor) -> None:
        columns = slice(self._window.start, self._window.end)
        for storage in self.storage:
            storage[targets, :, columns] = storage[sources, :, columns]

    def shift(self, end: int, capacity: int) -> None:
        """Let the live columns end at `end`: further left in this storage, or else in a new one of `capacity`."""
        rows, first, last = self._window.rows, self._window.start, self._window.end
        distance = last - end
        for index, storage in enumerate(self.storage):
            target, piece = storage, distance  # columns that overlap their target are moved in pieces that do not
            if capacity > storage.shape[2]:
                self.storage[index] = target = self._memory.take(storage.shape[0], capacity, storage)
                piece = last - first
            for column in range(first, last, piece) if piece else ():
                source = slice(column, min(column + piece, last))
                target[:rows, :, source.start - distance : source.stop - distance] = storage[:rows, :, source]


class RowCache(Cache):
    """Keys and values of up to `slots` rows, of prompts and responses of at most so many tokens.

    `stays` says that no row will be admitted after the first step: then no column is ever needed twice.
    `lengths` has every row's tokens so far, int64 of shape (rows,); `before_step` says with how many rows to step.
    """

    def __init__(
        self,
        slots: int,
        longest_prompt: int,
        longest_response: int,
        stays: bool = False,
        memory: SlotMemory | None = None,
    ) -> None:
        self._memory = memory or SlotMemory()
        self._slot_layers: list[_SlotLayer] = []
        super().__init__(layers=self._slot_layers)  # type: ignore[arg-type]
        self.lengths = torch.zeros(0, dtype=torch.int64)
        self._window = _Window(slots)
        self._longest = longest_prompt + longest_response
        self._longest_prompt = longest_prompt
        self._headroom = 0 if stays else _HEADROOM
        self._capacity = 0

    def admit(self, prompt: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Add a row that has read a prompt at the first free slot: keys and values by layer, (1, heads, S, width)."""
        length = prompt[0][0].shape[2]
        if not len(self.lengths):
            self._shift()
        if not self._slot_layers:
            self._slot_layers += [_SlotLayer(self._memory, self._window, *layer, self._capacity) for layer in prompt]
        slot = slice(len(self.lengths), len(self.lengths) + 1)
        for slot_layer, layer in zip(self._slot_layers, prompt, strict=True):
            slot_layer.admit(slot, *layer)
        self.lengths = torch.cat([self.lengths, self.lengths.new_full((1,), length)])
        self._measure()

    def branch(self, children: NDArray[np.int64]) -> NDArray[np.int64]:
        """Let every row go on as so many rows as `children` says; 0 forgets it. Returns which row each row was."""
        was = np.repeat(np.arange(len(children)), children)
        if not (children == 1).all():
            was = self._arrange(children)
            self.lengths = self.lengths[torch.from_numpy(was)]
            self._measure()
        return was

    def _arrange(self, children: NDArray[np.int64]) -> NDArray[np.int64]:
        """Fill the first slots with as few copies as can be: a row stays in its slot, further children go to gaps."""
        left = int(children.sum())
        was = np.full(left, -1)
        stays = np.flatnonzero(children[:left])
        was[stays] = stays
        further = children.copy()
        further[stays] -= 1
        gaps, sources = np.flatnonzero(was < 0), np.repeat(np.arange(len(children)), further)
        if len(gaps):
            was[gaps] = sources
            for layer in self._slot_layers:
                layer.copy(torch.from_numpy(sources), torch.from_numpy(gaps))
        return was

    def before_step(self) -> tuple[Tensor, Tensor]:
        """Make room for a column. Returns the rows' positions and what they attend to, bool of shape (rows, columns).

        Idle rows behind the others make up a number that comes again: libraries prepare a product once per shape, and
        oneDNN takes longer to prepare a small one than to compute it.
        """
        if self._window.end == self._capacity:
            self._shift()
        rows = len(self.lengths)
        unit = max(1, 2 ** (rows.bit_length() - 4))  # an eighth at most
        self._window.rows = min(-(-rows // unit) * unit, self._window.slots)
        positions = pad(self.lengths, (0, self._window.rows - rows))
        width = int(positions.max())
        return positions, torch.arange(width + 1) >= (width - positions)[:, None]

    def after_step(self) -> None:
        """Count the column that the model has just written."""
        self._window.end += 1
        self.lengths = self.lengths + 1
        self._measure()

    def release(self) -> None:
        """Give the memory back. The cache is of no use any more."""
        self._memory.give_back([tensor for layer in self._slot_layers for tensor in layer.storage])

    def _shift(self) -> None:
        """Move the live columns to the left as far as the longest prompt allows; grow where that is not far enough.

        A shift copies all that is live, at most once in _HEADROOM steps: under 2 % of what attention reads meanwhile.
        Growing costs ten times as much as moving (fresh memory), so small storage has its final size at once.
        """
        width = self._window.end - self._window.start if len(self.lengths) else 0
        end = max(width, self._longest_prompt)
        if end + self._headroom >= self._capacity:  # the next token needs a column too
            self._capacity = min(max(_SMALL, 2 * end + _HEADROOM), self._longest + self._headroom)
        for layer in self._slot_layers:
            layer.shift(end, self._capacity)
        self._window.end = end
        self._measure()

    def _measure(self) -> None:
        self._window.rows = len(self.lengths)
        self._window.start = self._window.end - (int(self.lengths.max()) if len(self.lengths) else 0)
