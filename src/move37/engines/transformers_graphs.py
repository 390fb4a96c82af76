"""Decode steps on a GPU, recorded as CUDA graphs and replayed.

A step of a small model is hundreds of kernels of a few microseconds, and launching one from Python takes as long as
running it: the GPU would wait most of the time. A recorded step is launched at once. It is tied to the places of what
it reads, so it lies over the whole storage of the cache and takes what changes from one buffer: tokens, positions, and
the column that is written.

    shape       rows and columns are rounded up: what is too much is masked, as padding is
    first time  the step runs as it is; what comes once is not worth recording
    second      it is recorded, and replayed from then on, also after training has moved the weights (in their place)

Recordings last as long as storage and angles stay where they are. Left out: prompts, the head, and the draw, which are
few kernels; models that are not written out; and CPUs, where the same steps run without being recorded (in tests).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from move37.engines.transformers_cache import UNIT, BranchCache, SlotStorage

Store = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Number of the layer; keys and values of the newest tokens, (rows, key heads, 1, width) -> those of all tokens."""
Run = Callable[[Tensor, Tensor, Tensor, Store], Tensor]
"""Tokens (rows,), positions (rows,), what to add to scores (rows, columns), Store -> hidden states (rows, width)."""


class RecordedSteps:
    """See the module. `width` is the model's."""

    def __init__(self, run: Run, width: int, dtype: torch.dtype) -> None:
        self._run, self._width, self._dtype = run, width, dtype
        self._places: tuple[object, ...] = ()
        self._graphs: dict[tuple[int, int], torch.cuda.CUDAGraph | None] = {}

    def __call__(
        self, tokens_R: NDArray[np.int64], positions_R: NDArray[np.int64], cache: BranchCache, table: Tensor
    ) -> Tensor:
        """Hidden states of the newest tokens, (rows, width), until the next call. Steps read `table` where it is."""
        storage = cache.storage
        places = table.data_ptr(), *((block.data_ptr(), block.shape) for block in storage.blocks)
        if places != self._places:
            self._tie(storage)
            self._places = places
        self._load(cache.end, tokens_R, positions_R)
        rows = min(_rounded(len(tokens_R), 3), len(self._hidden_RD))
        columns = min(max(UNIT, _rounded(cache.end + 1, 4)), len(self._columns))
        self._step(storage, (rows, columns + -columns % UNIT))
        return self._hidden_RD[: len(tokens_R)]

    def _step(self, storage: SlotStorage, shape: tuple[int, int]) -> None:
        if not self._inputs.is_cuda or shape not in self._graphs:
            self._graphs[shape] = None
            with self._aside():
                self._compute(storage, *shape)
            return
        graph = self._graphs[shape] = self._graphs[shape] or self._record(storage, shape)
        graph.replay()

    def _compute(self, storage: SlotStorage, rows: int, columns: int) -> None:
        end, tokens_R, positions_R = self._inputs[:1], *self._inputs[1:].view(2, -1)[:, :rows]
        column_C = self._columns[:columns]
        visible_RC = (column_C <= end) & (column_C >= end - positions_R[:, None])
        bias_RC = torch.zeros_like(visible_RC, dtype=self._dtype).masked_fill_(~visible_RC, -torch.inf)

        def store(number: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
            all_keys, all_values = (states[:rows] for states in storage.layer(number))
            all_keys.index_copy_(2, end, keys)
            all_values.index_copy_(2, end, values)
            return all_keys[:, :, :columns], all_values[:, :, :columns]

        self._hidden_RD[:rows] = self._run(tokens_R, positions_R, bias_RC, store)

    def _record(self, storage: SlotStorage, shape: tuple[int, int]) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        with self._aside():
            graph.capture_begin(pool=self._pool)
            try:
                self._compute(storage, *shape)
            finally:
                graph.capture_end()
        return graph

    def _tie(self, storage: SlotStorage) -> None:
        """Forget what was recorded over other places."""
        device, (_, slots, _, capacity, _) = storage.blocks[0].device, storage.blocks[0].shape
        self._graphs.clear()
        self._host = torch.zeros(1 + 2 * slots, dtype=torch.int64, pin_memory=device.type == "cuda")
        self._inputs = torch.zeros_like(self._host, device=device)
        self._columns = torch.arange(capacity, device=device)
        self._hidden_RD = torch.zeros(slots, self._width, dtype=self._dtype, device=device)
        if device.type == "cuda":
            self._pool, self._stream = torch.cuda.graph_pool_handle(), torch.cuda.Stream(device)

    def _load(self, end: int, tokens_R: NDArray[np.int64], positions_R: NDArray[np.int64]) -> None:
        """Idle rows are at position 0. Whoever drew the tokens has waited for the step before."""
        host = self._host.numpy()
        host[:] = 0
        host[0], (tokens, positions) = end, host[1:].reshape(2, -1)
        tokens[: len(tokens_R)], positions[: len(positions_R)] = tokens_R, positions_R
        self._inputs.copy_(self._host, non_blocking=True)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """On a stream of its own, where libraries have their workspaces before anything is recorded."""
        if not self._inputs.is_cuda:
            yield
            return
        current = torch.cuda.current_stream(self._inputs.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            yield
        current.wait_stream(self._stream)


def _rounded(number: int, bits: int) -> int:
    """The next number of so many leading bits: with 3 at most a quarter more, with 4 an eighth."""
    unit = 2 ** max(0, number.bit_length() - bits)
    return -(-number // unit) * unit
