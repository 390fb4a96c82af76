"""The forward pass of Llama-type models written out over the model's own layers, in the fewest operators that do it.

In small models, and wherever one token is read at a time, much of transformers' forward is not the products but what
surrounds them: masks made anew, norms in six operators, rotations in ten. Here a norm is one operator with one
backward, a rotation three, and attention is the caller's: `attend` gets the rotated queries and keys.

The projections are called as the modules they are, so packed or adapted layers work and gradients reach the model's
own parameters. `can_write_out` says what is known: Llama, and what differs from it by biases (Qwen 2), by norms of
queries and keys (Qwen 3) or by a window that is not used (Mistral); angles must not depend on the length. Other models
go through their own forward. The same operations, summed in another order; none waits for a GPU.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import rms_norm, silu
from transformers import LlamaForCausalLM, MistralForCausalLM, PreTrainedModel, Qwen2ForCausalLM, Qwen3ForCausalLM

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""Number of the layer; queries, keys and values of the new tokens, each (rows, tokens, heads, width of a head) with
their own number of heads -> what the queries attend to, (rows, tokens, heads * width)."""

_KINDS = (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)
_STATIC_ANGLES = ("default", "linear", "llama3", "yarn")


def can_write_out(model: PreTrainedModel) -> bool:
    """Whether `WrittenOut` computes what the model computes."""
    config: Any = model.config
    return (
        type(model) in _KINDS
        and getattr(config, "sliding_window", None) is None
        and config.hidden_act == "silu"
        and config.rope_parameters["rope_type"] in _STATIC_ANGLES
    )


def head_width(model: PreTrainedModel) -> int:
    """Of a model that can be written out. Not every config says it."""
    backbone: Any = model.base_model
    return backbone.layers[0].self_attn.head_dim


def attention_kernels(device: torch.device) -> AbstractContextManager[object]:
    """Without cuDNN's attention: it prepares every new shape for 2 ms, longer than any of ours takes (H200)."""
    if device.type != "cuda":
        return nullcontext()
    return sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH])


class WrittenOut:
    """The backbone (all below the head) of a model that `can_write_out` knows: token ids -> last hidden states.

    `products` is the precision of queries and keys where it is not the model's (autocast).
    """

    def __init__(self, model: PreTrainedModel, products: torch.dtype | None = None) -> None:
        self._backbone: Any = model.base_model
        self._width = head_width(model)
        self._dtype = products or model.dtype
        self.table = torch.empty(2, 0)
        """Of positions from 0 on: cosines, and sines that are negative in the first half, (2, count, width)."""

    def reach(self, bound: int) -> None:
        """Let the table have the angles of all positions below `bound`."""
        if self.table.shape[1] < bound:
            self.table = self._angles(max(bound, 2 * self.table.shape[1]))

    def __call__(self, tokens_RS: Tensor, positions_RS: Tensor, attend: Attend) -> Tensor:
        """Hidden states, (rows, tokens, width of the model). The table must `reach` beyond all positions."""
        cos, sin = self.table[:, positions_RS, None]
        hidden = self._backbone.embed_tokens(tokens_RS)
        heads = (*tokens_RS.shape, -1, self._width)
        for number, layer in enumerate(self._backbone.layers):
            attention, mlp = layer.self_attn, layer.mlp
            normed = _norm(hidden, layer.input_layernorm).to(self._dtype)  # once, where autocast would for each product
            queries, keys = attention.q_proj(normed).view(heads), attention.k_proj(normed).view(heads)
            if hasattr(attention, "q_norm"):
                queries, keys = _norm(queries, attention.q_norm), _norm(keys, attention.k_norm)
            queries, keys = _rotate(queries, cos, sin), _rotate(keys, cos, sin)
            values = attention.v_proj(normed).view(heads)
            hidden = hidden + attention.o_proj(attend(number, queries, keys, values))
            normed = _norm(hidden, layer.post_attention_layernorm).to(self._dtype)
            hidden = hidden + mlp.down_proj(silu(mlp.gate_proj(normed)) * mlp.up_proj(normed))
        return _norm(hidden, self._backbone.norm)

    @torch.inference_mode(False)
    @torch.no_grad()
    def _angles(self, count: int) -> Tensor:
        device = self._backbone.embed_tokens.weight.device
        positions = torch.arange(count, device=device)[None]
        cos, sin = self._backbone.rotary_emb(torch.empty(0, dtype=self._dtype, device=device), positions)
        sin[..., : self._width // 2] *= -1
        return torch.cat([cos, sin])


def _norm(hidden: Tensor, layer: Any) -> Tensor:
    # A GPU has kernels of torch's own; what is narrower than float32 has to be summed in it, which torch's norm does.
    if torch.is_grad_enabled() and hidden.device.type == "cpu" and hidden.dtype == torch.float32:
        return _RootMeanSquareNorm.apply(hidden, layer.weight, layer.variance_epsilon)  # type: ignore[return-value]
    return rms_norm(hidden, hidden.shape[-1:], layer.weight.to(hidden.dtype), layer.variance_epsilon)


def _rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x_i cos - x_(i + half) sin in the first half of the width, x_i cos + x_(i - half) sin in the second."""
    return torch.addcmul(states * cos, states.roll(states.shape[-1] // 2, -1), sin)


class _RootMeanSquareNorm(torch.autograd.Function):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis, with a backward of five operators."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight_D: Tensor, epsilon: float) -> Tensor:  # type: ignore[override]
        hidden_ND = hidden.reshape(-1, hidden.shape[-1])
        scale_N1 = hidden_ND.square().mean(-1, keepdim=True).add_(epsilon).rsqrt_()
        unit_ND = hidden_ND * scale_N1
        ctx.save_for_backward(unit_ND, scale_N1, weight_D)
        return (unit_ND * weight_D).view(hidden.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        unit_ND, scale_N1, weight_D = ctx.saved_tensors
        gradient_ND = gradient.reshape(unit_ND.shape)
        product_ND = gradient_ND * unit_ND
        along_N1 = (product_ND @ weight_D)[:, None] / -len(weight_D)
        hidden_gradient = torch.addcmul(gradient_ND * weight_D, unit_ND, along_N1).mul_(scale_N1)
        return hidden_gradient.view(gradient.shape), product_ND.sum(0), None
