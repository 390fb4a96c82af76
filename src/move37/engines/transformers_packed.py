"""Linear layers with weights laid out for oneDNN, for models on a CPU.

`torch.nn.functional.linear` in float32 goes to MKL, which on AMD processors runs at about half the speed that oneDNN
reaches on the same chip with weights packed once (measured in bench/engine.py, which also runs with this turned off).
Same precision, same products, another order of summation; and a row's result does not depend on the other rows.

Only plain float32 `torch.nn.Linear` layers are replaced, and only where this build of torch has the operators.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class PackedLinear(nn.Module):
    """A float32 linear layer for inference; `rows` is the batch that the layout is made for, others work too."""

    def __init__(self, linear: nn.Linear, rows: int) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), rows)

    @property
    def weight(self) -> Tensor:
        """The plain weights, made anew whenever they are asked for: some routers ask for their dtype."""
        return self._packed.to_dense()

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(inputs, self._packed, self.bias, "none", [], "")


def can_pack() -> bool:
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def pack(model: nn.Module, rows: int) -> int:
    """Replace the float32 linear layers of `model` by packed ones. Returns how many were replaced."""
    return len(_replace(model, rows))


@contextmanager
def packed(model: nn.Module, rows: int) -> Iterator[None]:
    """`pack` for as long as the block lasts: the layers come back as they were, for a model that is being trained."""
    replaced = _replace(model, rows) if can_pack() else []
    try:
        yield
    finally:
        for parent, name, layer in replaced:
            setattr(parent, name, layer)


@torch.inference_mode()
def _replace(model: nn.Module, rows: int) -> list[tuple[nn.Module, str, nn.Linear]]:
    replaced = []
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear and child.weight.dtype == torch.float32 and child.weight.device.type == "cpu":
                setattr(parent, name, PackedLinear(child, rows))
                replaced.append((parent, name, child))
    return replaced
