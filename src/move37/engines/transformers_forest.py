"""Logits of all texts of a forest (`forest.py`): what they have in common is read once, in few large products.

Nodes are read in stretches of their depth-first order, and attend in blocks. The ancestors of a node lie in its own
block, or are ancestors of the block's first node: so a block needs the keys of one path and its own, whatever the
shape of the trees, and all blocks of a stretch go through one call of the attention kernel. A stretch reads the path
to its first node anew, which bounds the memory by one stretch.

That is for models that `transformers_llama` writes out; others read padded rows through their own forward.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import PreTrainedModel

from move37.engines.forest import NOTHING, Forest, Stretch
from move37.engines.transformers_forward import Signature
from move37.engines.transformers_llama import WrittenOut, attention_kernels, can_write_out
from move37.types import IntArray

_BLOCK = 64
"""Nodes that attend together."""
_STRETCH = 2048
"""Nodes that are read together, at most."""
_LOGITS = 2**26
"""Numbers that their logits may have: a large vocabulary has shorter stretches."""


def forest_logits(model: PreTrainedModel, forest: Forest) -> Iterator[tuple[IntArray, Tensor]]:
    """Nodes and the logits of what follows each, float32 (nodes, vocabulary): every inner node once, in order."""
    if not len(forest):
        return
    read = _read_blocks if can_write_out(model) else _read_rows
    backbone = WrittenOut(model) if can_write_out(model) else None
    if backbone is not None:
        backbone.reach(int(forest.depths.max()) + 1)
    head: Any = model.get_output_embeddings()
    for stretch in forest.stretches(max(1, min(_STRETCH, _LOGITS // head.weight.shape[0]))):
        yield stretch.nodes[stretch.ancestors :], read(model, backbone, forest, stretch)


@torch.inference_mode()
def _read_blocks(model: PreTrainedModel, backbone: Any, forest: Forest, stretch: Stretch) -> Tensor:
    device, count = model.device, len(stretch.nodes)
    padded = -(-count // _BLOCK) * _BLOCK
    paths, visible = _visible(forest, stretch.nodes, padded)
    bias = torch.zeros(visible.shape, dtype=model.dtype).masked_fill_(~torch.from_numpy(visible), -torch.inf)
    bias_B1QK, paths_BA = bias[:, None].to(device), torch.from_numpy(paths).to(device)
    tokens, positions = (
        torch.from_numpy(np.pad(of[stretch.nodes], (0, padded - count)))[None].to(device)
        for of in (forest.tokens, forest.depths)
    )

    def attend(_: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        queries, keys, values = (each[0].unflatten(0, (-1, _BLOCK)) for each in (queries, keys, values))
        above = (torch.cat([of.flatten(0, 1)[paths_BA], of], 1).transpose(1, 2) for of in (keys, values))
        grouped = queries.shape[2] != keys.shape[2]
        attended = scaled_dot_product_attention(
            queries.transpose(1, 2), *above, attn_mask=bias_B1QK, enable_gqa=grouped
        )
        return attended.transpose(1, 2).flatten(0, 1).flatten(1)[None]

    with attention_kernels(device):
        hidden = backbone(tokens, positions, attend)
    head: Any = model.get_output_embeddings()
    return head(hidden[0, stretch.ancestors : count]).float()


def _visible(forest: Forest, nodes: IntArray, padded: int) -> tuple[IntArray, np.ndarray]:
    """For each block: the nodes of the stretch above its first one, (blocks, longest path), and what each of its nodes
    sees of them and of the block, bool (blocks, block, longest path + block)."""
    numbers = np.pad(nodes, (0, padded - len(nodes)), constant_values=len(forest)).reshape(-1, _BLOCK)
    place = {int(node): i for i, node in enumerate(nodes)}
    above = [[place[node] for node in forest.path(int(first))] for first in numbers[:, 0]]
    paths = np.full((len(above), max(map(len, above))), NOTHING, dtype=np.int64)
    for row, path in zip(paths, above, strict=True):
        row[: len(path)] = path
    known = np.append(forest.ends, 0)
    of_path = np.where(paths == NOTHING, 0, known[nodes[paths]])
    of_block = known[numbers]
    sees_path = numbers[:, :, None] < of_path[:, None]
    in_block = (numbers[:, None] <= numbers[:, :, None]) & (numbers[:, :, None] < of_block[:, None])
    in_block |= np.eye(_BLOCK, dtype=np.bool_)  # what stands for nothing sees itself, so that nothing is not a number
    return np.maximum(paths, 0), np.concatenate([sees_path, in_block], axis=2)


@torch.inference_mode()
def _read_rows(model: PreTrainedModel, _: object, forest: Forest, stretch: Stretch) -> Tensor:
    """Every path to a node of the stretch that no other of its paths goes through, as one padded row."""
    own = stretch.nodes[stretch.ancestors :]
    last = np.append(own[1:] >= forest.ends[own[:-1]], True)  # no own node continues it
    paths = [[*forest.path(int(node)), int(node)] for node in own[last]]
    found: dict[int, Tensor] = {}
    wanted, longest = set(own.tolist()), max(map(len, paths))
    signature = Signature(model.forward)
    for start in range(0, len(paths), max(1, _STRETCH // longest)):
        batch = paths[start : start + max(1, _STRETCH // longest)]
        width = max(map(len, batch))
        tokens = torch.tensor([[*forest.tokens[path], *[0] * (width - len(path))] for path in batch])
        mask = torch.tensor([[1] * len(path) + [0] * (width - len(path)) for path in batch])
        given = signature.accepted(None, attention_mask=mask.to(model.device), use_cache=False)
        given = {name: value for name, value in given.items() if value is not None}
        logits = model(input_ids=tokens.to(model.device), **given).logits.float()
        for row, path in zip(logits, batch, strict=True):
            found |= {node: row[i] for i, node in enumerate(path) if node in wanted and node not in found}
    return torch.stack([found[node] for node in own.tolist()])
