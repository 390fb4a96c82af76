"""Where the decode loop keeps keys and values: one batch slot per branch, all of them writing the same column.

A branch is one text so far, a prefix that all who follow it share: where two samples go on with different tokens, it
becomes two.

    column      start                      end
    slot 0        |  . . p p p p g g g g g  |        p prompt, g generated, . padding
    slot 1        |  p p p p p p p g g g g  |
    slot 2        |  . . . . . . p p p p g  |        a branch that was admitted later
                                            ^ the next token of every branch goes here

Decisions. Columns are aligned at the right, as in left-padded `generate`, so a model's own causal, sliding-window and
alibi masks stay true; rotary positions are in the keys already, so a prompt may be copied to any column. Live branches
fill the first slots: those that end are overwritten by the last ones, and of slots that nobody wants a step computes a
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
from transformers import Cache, DynamicCache, PreTrainedConfig
from transformers.cache_utils import CacheLayerMixin, DynamicLayer, DynamicSlidingWindowLayer

_HEADROOM = 128
"""Free columns at least after a shift, where branches are still admitted."""
_SMALL = 1024
"""Columns of a storage that does not have to grow, if there can be so many."""
UNIT = 64
"""Columns of a storage are a multiple of it: recorded steps look at so many more at a time."""
_ALIGNMENT = 64
"""Bytes."""
_KEPT = 2**30
"""Bytes that are kept between calls: fresh pages are felt where calls are short, memory where they are long."""
_KEPT_SHARE = 1 / 8
"""The same on a GPU, as a share of its memory."""


def supports(config: PreTrainedConfig) -> bool:
    """Whether every layer of the model keeps plain keys and values (all tokens of them, or a sliding window)."""
    plain = (DynamicLayer, DynamicSlidingWindowLayer)
    return all(type(layer) in plain for layer in DynamicCache(config=config).layers)


class SlotMemory:
    """What an engine's caches lie in, kept from one call to the next: on a CPU fresh pages cost more than their use,
    on a GPU recorded steps (`transformers_graphs.py`) are tied to the place.

    What is taken again holds older keys and values of the same model. They are masked as padding is, which needs finite
    numbers only: a call that failed gives nothing back.
    """

    def __init__(self) -> None:
        self._spare: list[Tensor] = []

    def take(self, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
        size = math.prod(shape)
        with suppress(IndexError):  # none are left
            while True:
                spare = self._spare.pop()  # what does not fit makes room for what does
                if spare.numel() >= size and spare.dtype == dtype:
                    return spare[:size].view(*shape)
        if device.type != "cpu":
            return torch.zeros(*shape, dtype=dtype, device=device)
        return _untouched(size * dtype.itemsize).view(dtype).view(*shape)

    def give_back(self, blocks: Sequence[Tensor]) -> None:
        """Keep these for the next call, unless they are too much."""
        if blocks and sum(block.nbytes for block in blocks) <= _kept(blocks[0].device):
            self._spare = [block.view(-1) for block in reversed(blocks)]  # taken again in the same order


def _kept(device: torch.device) -> int:
    if device.type == "cpu":
        return _KEPT
    return int(_KEPT_SHARE * torch.cuda.get_device_properties(device).total_memory)


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


class SlotStorage:
    """Keys and values of every layer, each (slots, key heads, capacity, width): views of blocks.

    All that have one shape are one block, (number, slots, heads, capacity, width), so that rows are copied and columns
    moved by one operator and not by two for each layer: on a GPU each takes as long to launch as to run. Where storage
    grows (`grows`: it has not its final capacity), every tensor is a block of its own: growing holds one block twice.
    """

    def __init__(
        self, memory: SlotMemory, slots: int, capacity: int, prompt: Sequence[tuple[Tensor, Tensor]], grows: bool
    ) -> None:
        self._memory = memory
        members: dict[tuple[object, ...], list[int]] = {}
        tensors = [states for layer in prompt for states in layer]
        for number, states in enumerate(tensors):
            kind = states.shape[1], states.shape[3], states.dtype, number if grows else None
            members.setdefault(kind, []).append(number)
        self.blocks: list[Tensor] = []
        self._places: dict[int, tuple[int, int]] = {}
        for block, numbers in enumerate(members.values()):
            _, heads, _, width = tensors[numbers[0]].shape
            shape = len(numbers), slots, heads, capacity, width
            # Finite from the start, because padding is masked by weight 0, and 0 * nan would still be nan.
            self.blocks.append(memory.take(shape, tensors[numbers[0]].dtype, tensors[numbers[0]].device))
            self._places |= {number: (block, place) for place, number in enumerate(numbers)}

    def layer(self, number: int) -> tuple[Tensor, Tensor]:
        """Keys and values of a layer."""
        (block, place), (other, its) = self._places[2 * number], self._places[2 * number + 1]
        return self.blocks[block][place], self.blocks[other][its]

    def admit(self, slot: int, columns: slice, prompt: Sequence[tuple[Tensor, Tensor]]) -> None:
        for number, layer in enumerate(prompt):
            for storage, states in zip(self.layer(number), layer, strict=True):
                storage[slot, :, columns] = states[0]

    def copy(self, sources: NDArray[np.int64], targets: NDArray[np.int64], columns: slice) -> None:
        for block in self.blocks:
            to, of = (torch.from_numpy(slots).to(block.device) for slots in (targets, sources))
            block[:, to, :, columns] = block[:, of, :, columns]

    def shift(self, rows: int, columns: slice, end: int, capacity: int) -> None:
        """Let these columns end at `end`: further left in the same blocks, or else in new ones of `capacity`."""
        distance = columns.stop - end
        for number, block in enumerate(self.blocks):
            target, piece = block, distance  # columns that overlap their target are moved in pieces that do not
            if capacity > block.shape[3]:
                shape = (*block.shape[:3], capacity, block.shape[4])
                self.blocks[number] = target = self._memory.take(shape, block.dtype, block.device)
                piece = columns.stop - columns.start
            for column in range(columns.start, columns.stop, piece) if piece else ():
                source = slice(column, min(column + piece, columns.stop))
                target[:, :rows, :, source.start - distance : source.stop - distance] = block[:, :rows, :, source]

    def release(self) -> None:
        self._memory.give_back(self.blocks)


class _SlotLayer(CacheLayerMixin):
    """One layer of the storage, as transformers' own models want to see it."""

    is_sliding = False

    def __init__(self, storage: SlotStorage, window: _Window, number: int) -> None:
        super().__init__()
        self.is_initialized = True
        self._storage, self._window, self._number = storage, window, number

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Never needed: the storage is made when the first prompt is admitted."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        rows, start, end = self._window.rows, self._window.start, self._window.end
        keys, values = self._storage.layer(self._number)
        keys[:rows, :, end : end + 1] = key_states
        values[:rows, :, end : end + 1] = value_states
        return keys[:rows, :, start : end + 1], values[:rows, :, start : end + 1]

    def get_seq_length(self) -> int:
        return self._window.end - self._window.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1


class BranchCache(Cache):
    """Keys and values of up to `slots` branches, of prompts and responses of at most so many tokens.

    `stays` says that no branch will be admitted after the first step: then no column is ever needed twice.
    `lengths` has every branch's tokens so far, int64 of shape (branches,); `before_step` says with how many rows to
    step. `longest` is what a branch may have at most. `offsets`, of the same shape, is by how much the position of a
    branch's next token differs from its length: models that count an image's tokens in two dimensions go on behind them
    at a smaller one.
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
        self._storage: SlotStorage | None = None
        self._slot_layers: list[_SlotLayer] = []
        super().__init__(layers=self._slot_layers)  # type: ignore[arg-type]
        self.lengths, self.offsets = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self._window = _Window(slots)
        self.longest = longest_prompt + longest_response
        self._longest_prompt = longest_prompt
        self._headroom = 0 if stays else _HEADROOM
        self._capacity = 0

    @property
    def storage(self) -> SlotStorage:
        """Where the keys and values are. There must have been a branch."""
        assert self._storage is not None
        return self._storage

    @property
    def end(self) -> int:
        """The column that the next step writes."""
        return self._window.end

    def admit(self, prompt: Sequence[tuple[Tensor, Tensor]], offset: int = 0) -> None:
        """Add a branch that has read a prompt, at the first free slot: keys, values by layer, (1, heads, S, width)."""
        length = prompt[0][0].shape[2]
        if not len(self.lengths):
            self._shift()
        if self._storage is None:
            grows = self._capacity < self.longest + self._headroom
            self._storage = SlotStorage(self._memory, self._window.slots, self._capacity, prompt, grows)
            self._slot_layers += [_SlotLayer(self._storage, self._window, layer) for layer in range(len(prompt))]
        self._storage.admit(len(self.lengths), slice(self._window.end - length, self._window.end), prompt)
        self.lengths, self.offsets = np.append(self.lengths, length), np.append(self.offsets, offset)
        self._measure()

    def branch(self, children: NDArray[np.int64]) -> NDArray[np.int64]:
        """Let every branch go on as so many as `children` says; 0 forgets it. Returns which branch each was."""
        was = np.repeat(np.arange(len(children)), children)
        if not (children == 1).all():
            was = self._arrange(children)
            self.lengths, self.offsets = self.lengths[was], self.offsets[was]
            self._measure()
        return was

    def _arrange(self, children: NDArray[np.int64]) -> NDArray[np.int64]:
        """Fill the first slots with as few copies as can be: a branch keeps its slot, further children go to gaps."""
        left = int(children.sum())
        was = np.full(left, -1)
        stays = np.flatnonzero(children[:left])
        was[stays] = stays
        further = children.copy()
        further[stays] -= 1
        gaps, sources = np.flatnonzero(was < 0), np.repeat(np.arange(len(children)), further)
        if len(gaps):
            was[gaps] = sources
            self.storage.copy(sources, gaps, slice(self._window.start, self._window.end))
        return was

    def before_step(self) -> NDArray[np.int64]:
        """Make room for a column. Returns the positions of the rows to step with.

        Idle slots behind the branches make up a number that comes again: libraries prepare a product once per shape,
        and oneDNN takes longer to prepare a small one than to compute it.
        """
        if self._window.end == self._capacity:
            self._shift()
        rows = len(self.lengths)
        unit = max(1, 2 ** (rows.bit_length() - 4))  # an eighth at most
        self._window.rows = min(-(-rows // unit) * unit, self._window.slots)
        return np.pad(self.lengths, (0, self._window.rows - rows))

    def visible(self, positions: NDArray[np.int64]) -> Tensor:
        """What rows of these positions attend to, bool of shape (rows, columns): the last column is their own."""
        width = int(positions.max())
        return torch.arange(width + 1) >= torch.from_numpy(width - positions)[:, None]

    def after_step(self) -> None:
        """Count the column that the model has just written."""
        self._window.end += 1
        self.lengths = self.lengths + 1
        self._measure()

    def release(self) -> None:
        """Give the memory back. The cache is of no use any more."""
        if self._storage is not None:
            self._storage.release()

    def _shift(self) -> None:
        """Move the live columns to the left as far as the longest prompt allows; grow where that is not far enough.

        A shift copies all that is live, at most once in _HEADROOM steps: under 2 % of what attention reads meanwhile.
        Growing costs ten times as much as moving (fresh memory), so small storage has its final size at once.
        """
        width = self._window.end - self._window.start if len(self.lengths) else 0
        end = max(width, self._longest_prompt)
        if end + self._headroom >= self._capacity:  # the next token needs a column too
            self._capacity = min(max(_SMALL, 2 * end + _HEADROOM), self.longest + self._headroom)
            self._capacity += -self._capacity % UNIT
        if self._storage is not None:
            columns = slice(self._window.start, self._window.end)
            self._storage.shift(self._window.rows, columns, end, self._capacity)
        self._window.end = end
        self._measure()

    def _measure(self) -> None:
        self._window.rows = len(self.lengths)
        self._window.start = self._window.end - (int(self.lengths.max()) if len(self.lengths) else 0)
