"""Two ways through a model's backbone (all below the head) with gradients, one shape: prompts, then responses.

`ModelBackbone` calls the model as it is and works for every causal language model. `LlamaBackbone` is for models that
`engines/transformers_llama.py` writes out: the same states and gradients with fewer operators, each with a shorter
backward. It computes a state that several responses share once, and nothing for padding: only attention sees rows.

With `routers` a mixture's router logits of all layers stand behind each last hidden state, as further columns: they
take every way that the states take.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import DynamicCache, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from move37.engines.transformers_forward import Signature
from move37.engines.transformers_llama import Attend, WrittenOut, attention_kernels, can_write_out
from move37.errors import EngineError
from move37.training.micro_batches import Shared

_SHORT = 2**12
"""Queries times keys of a row up to which attention writes its scores out."""

States = list[tuple[Tensor, Tensor]]
"""Keys and values of every layer, each (rows, key heads, tokens, width of a head)."""


class Backbone(Protocol):
    """Masks are False on padding; what stands there has no meaning."""

    recomputes: bool
    """Whether activations are formed again in the backward pass; nothing can be read behind a past then."""
    shares: bool
    """Whether states that rows share are computed once."""

    def read(self, tokens_RS: Tensor, mask_RS: Tensor, positions_RS: Tensor) -> tuple[Tensor, States]:
        """Last hidden states (R, S, D) of tokens, and their keys and values."""
        ...

    def behind(
        self, past: States, tokens_RS: Tensor, mask_RC: Tensor, positions_RS: Tensor, shared_RS: Shared
    ) -> Tensor:
        """The distinct last hidden states (M, D) of tokens behind a past. `mask_RC` is over past and new columns."""
        ...


def layers_of(model: PreTrainedModel) -> Any:
    """All below the head. A few models (Llama 4) name another attribute than the one that they have."""
    base: Any = model.base_model
    return getattr(model, "model", base) if base is model else base


def backbone_of(
    model: PreTrainedModel, autocast: torch.dtype | None, shares_prompts: bool = True, routers: bool = False
) -> Backbone:
    """The fastest way that is known for the model."""
    if not shares_prompts:
        return PlainBackbone(model, autocast, routers)
    general = ModelBackbone(model, autocast, routers)
    return LlamaBackbone(model, autocast) if can_write_out(model) and not general.recomputes else general


class LlamaBackbone:
    """See the module."""

    recomputes, shares = False, True

    def __init__(self, model: PreTrainedModel, autocast: torch.dtype | None) -> None:
        self._written_out, self._autocast = WrittenOut(model, autocast), autocast
        config: Any = model.config
        self._group = config.num_attention_heads // config.num_key_value_heads

    def read(self, tokens_RS: Tensor, mask_RS: Tensor, positions_RS: Tensor) -> tuple[Tensor, States]:
        visible = _visible(mask_RS, tokens_RS.shape[1])
        states: States = []

        def attend(_: int, *new: Tensor) -> Tensor:
            queries, keys, values = (tensor.transpose(1, 2) for tensor in new)
            states.append((keys, values))
            return self._attend(queries, keys, values, visible)

        return self._forward(tokens_RS, positions_RS, mask_RS.shape[1], attend), states

    def behind(
        self, past: States, tokens_RS: Tensor, mask_RC: Tensor, positions_RS: Tensor, shared_RS: Shared
    ) -> Tensor:
        visible, first_M = _visible(mask_RC, tokens_RS.shape[1]), shared_RS.first_M

        def attend(number: int, *new: Tensor) -> Tensor:
            queries, keys, values = (_to_rows(tensor[0], shared_RS) for tensor in new)
            keys, values = torch.cat([past[number][0], keys], 2), torch.cat([past[number][1], values], 2)
            return self._attend(queries, keys, values, visible).flatten(0, 1).index_select(0, first_M)[None]

        tokens_M, positions_M = tokens_RS.flatten()[first_M], positions_RS.flatten()[first_M]
        return self._forward(tokens_M[None], positions_M[None], mask_RC.shape[1], attend)[0]

    def _forward(self, tokens_RS: Tensor, positions_RS: Tensor, bound: int, attend: Attend) -> Tensor:
        self._written_out.reach(bound)
        with _mixed(tokens_RS.device, self._autocast), attention_kernels(tokens_RS.device):
            return self._written_out(tokens_RS, positions_RS, attend)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor) -> Tensor:
        if queries.is_cuda and self._group > 1:  # kernels that take a mask there do not know groups
            keys, values = (states.repeat_interleave(self._group, 1) for states in (keys, values))
        grouped = keys.shape[1] < queries.shape[1]
        if queries.shape[2] * keys.shape[2] <= _SHORT and not grouped and not queries.is_cuda:
            attended = _short_attention(queries, keys, values, visible)
        else:
            attended = scaled_dot_product_attention(queries, keys, values, attn_mask=visible, enable_gqa=grouped)
        return attended.transpose(1, 2).flatten(2)


class ModelBackbone:
    """See the module. Without any padding there is no mask: attention may then take a faster way."""

    shares = False

    def __init__(self, model: PreTrainedModel, autocast: torch.dtype | None, routers: bool = False) -> None:
        self._model, self._autocast, self._routers = model, autocast, routers
        self._backbone = layers_of(model)
        self.recomputes = any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
        self._signature = Signature(self._backbone.forward)
        if not (self.recomputes or self._signature.takes_cache):
            raise EngineError(
                f"{type(model).__name__}: its backbone takes no cache, so prompts cannot be read once for all "
                "responses; set model.gradient_checkpointing = true, which reads them with each"
            )

    def read(self, tokens_RS: Tensor, mask_RS: Tensor, positions_RS: Tensor) -> tuple[Tensor, States]:
        return self._call(tokens_RS, mask_RS, positions_RS, [])

    def read_shown(self, tokens_RS: Tensor, images: Mapping[str, Tensor]) -> tuple[Tensor, States]:
        """`read` for prompts with images, all of one length: the model places tokens and images itself."""
        cache = None if self.recomputes else DynamicCache()
        known = self._signature.accepted(cache, use_cache=cache is not None) | dict(images)
        recomputes = self.recomputes and torch.is_grad_enabled()
        with _mixed(tokens_RS.device, self._autocast), _recomputing(self._model, recomputes):
            output = self._backbone(
                input_ids=tokens_RS, attention_mask=torch.ones_like(tokens_RS), **known, **_recorded(self._routers)
            )
        return _last(output, self._routers), _states_of(cache)

    def behind(
        self, past: States, tokens_RS: Tensor, mask_RC: Tensor, positions_RS: Tensor, shared_RS: Shared
    ) -> Tensor:
        hidden_RSD, _ = self._call(tokens_RS, mask_RC, positions_RS, past)
        return hidden_RSD.flatten(0, 1).index_select(0, shared_RS.first_M)

    def _call(self, tokens_RS: Tensor, mask_RC: Tensor, positions_RS: Tensor, past: States) -> tuple[Tensor, States]:
        cache = None if self.recomputes else DynamicCache()
        for layer, (keys, values) in enumerate(past):
            assert cache is not None
            cache.update(keys, values, layer)
        known = self._signature.accepted(cache, position_ids=positions_RS, use_cache=cache is not None)
        recomputes = self.recomputes and torch.is_grad_enabled()
        with _mixed(tokens_RS.device, self._autocast), _recomputing(self._model, recomputes):
            output = self._backbone(
                input_ids=tokens_RS,
                attention_mask=None if bool(mask_RC.all()) else mask_RC.long(),
                **known,
                **_recorded(self._routers),
            )
        return _last(output, self._routers), _states_of(cache)


class PlainBackbone:
    """A model whose state cannot be kept and gone on from: it reads whole rows, without a mask or a cache."""

    shares, recomputes = False, True

    def __init__(self, model: PreTrainedModel, autocast: torch.dtype | None, routers: bool = False) -> None:
        self._model, self._autocast, self._routers = model, autocast, routers
        self._backbone = layers_of(model)
        self._signature = Signature(self._backbone.forward)
        self._checkpoints = any(getattr(module, "gradient_checkpointing", False) for module in model.modules())

    def read(self, tokens_RS: Tensor, mask_RS: Tensor, positions_RS: Tensor) -> tuple[Tensor, States]:
        known = self._signature.accepted(None, position_ids=positions_RS, use_cache=False)
        recomputes = self._checkpoints and torch.is_grad_enabled()
        with _mixed(tokens_RS.device, self._autocast), _recomputing(self._model, recomputes):
            output = self._backbone(input_ids=tokens_RS, **known, **_recorded(self._routers))
        return _last(output, self._routers), []

    def behind(
        self, past: States, tokens_RS: Tensor, mask_RC: Tensor, positions_RS: Tensor, shared_RS: Shared
    ) -> Tensor:
        raise NotImplementedError("its state cannot be gone on from: rows are read whole")


def _recorded(routers: bool) -> dict[str, bool]:
    return {"output_router_logits": True} if routers else {}


def _last(output: Any, routers: bool) -> Tensor:
    """The last hidden states (R, S, D), router logits behind them where they are wanted: (R, S, D + L * E)."""
    hidden_RSD = output.last_hidden_state
    if not routers:
        return hidden_RSD
    logits = [each.reshape(*hidden_RSD.shape[:2], -1) for each in output.router_logits]
    return torch.cat([hidden_RSD, *logits], -1)


def _states_of(cache: DynamicCache | None) -> States:
    return [(keys, values) for keys, values, _ in cache or () if keys is not None and values is not None]


def _mixed(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    """Products in `dtype`, with weights and what is summed as they are."""
    return torch.autocast(device.type, dtype) if dtype is not None else nullcontext()


def _short_attention(queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor) -> Tensor:
    """Attention by two batched products: twice as fast as a fused kernel on a CPU where rows are short."""
    rows, heads, _, width = queries.shape
    bias = torch.zeros(visible.shape, device=visible.device).masked_fill_(~visible, -torch.inf)
    bias = bias.expand(-1, heads, -1, -1).flatten(0, 1)
    queries, keys, values = (states.flatten(0, 1) for states in (queries, keys, values))
    scores = torch.baddbmm(bias, queries, keys.transpose(1, 2), alpha=width**-0.5)
    return torch.bmm(scores.softmax(-1), values).unflatten(0, (rows, heads))


def _to_rows(states_MHW: Tensor, shared_RS: Shared) -> Tensor:
    """States by heads -> (R, H, S, W), each wherever it is shared."""
    spread = _Spread.apply(states_MHW.flatten(1), *shared_RS)
    return spread.view(*shared_RS.places_bI.shape, *states_MHW.shape[1:]).transpose(1, 2)  # type: ignore[union-attr]


class _Spread(torch.autograd.Function):
    """States (M, D) -> (R * S, D). Padding has no gradient: on a GPU all of it would be added to few states in turn."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, states_MD: Tensor, places_RS: Tensor, first_M: Tensor, again_A: Tensor
    ) -> Tensor:
        ctx.save_for_backward(places_RS, first_M, again_A)
        return states_MD.index_select(0, places_RS.flatten())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        places_RS, first_M, again_A = ctx.saved_tensors
        gradient_MD = gradient.index_select(0, first_M)
        if len(again_A):
            gradient_MD.index_add_(0, places_RS.flatten()[again_A], gradient.index_select(0, again_A))
        return gradient_MD, None, None, None


def _visible(mask_RC: Tensor, new: int) -> Tensor:
    """Which columns each new token attends to, (R, 1, S, C): what is no padding up to its own, and always its own.

    Without its own a token of padding would see nothing, and its undefined state would reach gradients as nan.
    """
    columns = mask_RC.shape[1]
    own = torch.eye(new, columns, dtype=torch.bool, device=mask_RC.device).roll(columns - new, 1)
    before = torch.ones(new, columns, dtype=torch.bool, device=mask_RC.device).tril(columns - new)
    return ((mask_RC[:, None] & before) | own)[:, None]


class _recomputing:  # noqa: N801 (a context, named as it is used)
    """Let checkpointed layers recompute, with nothing else in training mode: dropout stays off."""

    def __init__(self, model: nn.Module, on: bool) -> None:
        self._layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)] if on else []

    def __enter__(self) -> None:
        for layer in self._layers:
            layer.training = True

    def __exit__(self, *error: object) -> None:
        for layer in self._layers:
            layer.training = False
