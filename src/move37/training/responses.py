"""Token ids of prompts and responses -> hidden states, then log-probabilities of the response tokens.

    prompts    p p p p                read once for all of their responses, keys and values kept
    responses          r r r r r      read on top of them, equal beginnings once; the state before a token decides it
    head               x x x x x      only the response's rows meet the vocabulary, a chunk at a time

Decisions. A prompt's keys and values are leaves while its responses are read, and their gradients go through the
prompt once at the end: the same gradient as reading every response with its own prompt, for less work.
`TokenLogprobs` never holds float32 logits of more than a bounded number of tokens: it forms them again in the backward
pass where they are too many. With gradient checkpointing, prompts are read with each response (transformers drops the
cache there).

The temperature is inside every log-probability. What a model does to its logits behind the head, a factor or a soft
cap, is found out when it is loaded, by comparing with the model's own logits; one that does something else is refused.
A model whose prompts cannot be shared (`shares_prompts`) reads each response with its prompt, padded at the right,
where causal attention and recurrent states never look.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from move37.errors import EngineError
from move37.training.backbones import States, backbone_of, layers_of
from move37.training.batches import Batch
from move37.training.image_prompts import has_images, read_through, read_with_images
from move37.training.micro_batches import plan, shared_states

_KEPT_LOGITS = 2**25
"""float32 logits kept for the backward pass (128 MiB); beyond it they are formed again."""
_CHUNK_LOGITS = {"cpu": 2**23, "cuda": 2**27}
"""float32 logits formed at once (32 and 512 MiB): a GPU is filled by large products."""


class MicroBatch(NamedTuple):
    """A micro-batch on its way through the model."""

    rows: Tensor
    """Row numbers of the batch, (b,)."""
    own_bR: Tensor
    """The rows' tokens that are the model's own, R tokens of the longest of them."""
    hidden_ND: Tensor
    """The state in which each own token is chosen, N = the number of own tokens of these rows, row by row."""
    routers_NX: Tensor
    """Router logits in that state, layer by layer and expert by expert; no columns where nothing asks for them."""

    def scatter(self, values_N: Tensor) -> Tensor:
        """One value per own token -> (b, R), 0 elsewhere."""
        out_bR = values_N.new_zeros(self.own_bR.shape)
        return out_bR.masked_scatter(self.own_bR, values_N)


@dataclass(slots=True)
class _Read:
    """Prompts that have been read: keys and values of every layer and the last state, as leaves and as they came."""

    places: dict[int, int]
    lengths_P: Tensor
    sources: list[Tensor]
    leaves: list[Tensor]
    positions_P: Tensor
    """Of the first token behind each."""

    @classmethod
    def of(
        cls, places: dict[int, int], lengths_P: Tensor, last_PD: Tensor, states: States, positions_P: Tensor
    ) -> "_Read":
        sources = [last_PD, *(tensor for layer in states for tensor in layer)]
        leaves = [source.detach().requires_grad_(torch.is_grad_enabled()) for source in sources]
        return cls(places, lengths_P, sources, leaves, positions_P)

    def backward(self) -> None:
        """Send what the responses left at the leaves through the prompts."""
        pairs = zip(self.sources, self.leaves, strict=True)
        met = [(source, leaf.grad) for source, leaf in pairs if source.requires_grad and leaf.grad is not None]
        if met:
            torch.autograd.backward([source for source, _ in met], [gradient for _, gradient in met])


class ResponseReader:
    """Reads batches with the backbone of one model (everything below the head)."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokens_at_once: int,
        autocast: torch.dtype | None = None,
        shares_prompts: bool = True,
        routers: bool = False,
    ) -> None:
        self._backbone = backbone_of(model, autocast, shares_prompts, routers)
        head: Any = model.get_output_embeddings()
        self._width = head.in_features if routers else None
        self._model, self._tokens_at_once, self._shares_prompts = model, tokens_at_once, shares_prompts

    def micro_batches(self, batch: Batch, rows: Tensor) -> Iterator[MicroBatch]:
        """Every row with a token of the model's own, in one micro-batch. There is nothing to say about the others.

        With gradients on, call backward on a micro-batch before asking for the next.
        """
        rows = rows[batch.own_BT[rows].any(-1)]
        for group in plan(batch, rows, self._tokens_at_once, self._backbone.shares):
            read = None if self._backbone.recomputes else self._read(batch, group.prompts)
            for numbers in group.micro_batches:
                yield self._micro_batch(batch, torch.tensor(numbers, device=batch.tokens_BT.device), read)
            if read is not None and torch.is_grad_enabled():
                read.backward()

    def _micro_batch(self, batch: Batch, rows: Tensor, read: _Read | None) -> MicroBatch:
        longest = int(batch.lengths_B[rows].max())
        present_bR, own_bR = batch.present_BT[rows, :longest], batch.own_BT[rows, :longest]
        tokens_bR = batch.tokens_BT[rows, :longest]
        places = batch.groups_B[rows]
        if read is None and has_images(prompts := [batch.prompts[place] for place in places.tolist()]):
            hidden_ND = read_through(self._model, self._backbone, prompts, tokens_bR, present_bR)[own_bR]
        elif not self._shares_prompts:
            hidden_ND = self._in_one(batch, places, tokens_bR)[own_bR]
        elif read is None:
            hidden_ND = self._whole(batch, places, tokens_bR, present_bR)[own_bR]
        else:
            hidden_ND = self._continued(read, places, tokens_bR, present_bR, own_bR)
        return MicroBatch(rows, own_bR, hidden_ND[:, : self._width], hidden_ND[:, self._width or hidden_ND.shape[1] :])

    def _read(self, batch: Batch, prompts: tuple[int, ...]) -> _Read:
        ids = [batch.prompts[place] for place in prompts]
        places = {place: index for index, place in enumerate(prompts)}
        lengths_P = torch.tensor(list(map(len, ids)), device=batch.tokens_BT.device)
        if has_images(ids):
            last_PD, states, offsets_P = read_with_images(self._model, self._backbone, ids)
            return _Read.of(places, lengths_P, last_PD, states, lengths_P + offsets_P)
        tokens_PS, mask_PS = _left_padded(ids, batch.tokens_BT.device)
        hidden_PSD, states = self._backbone.read(tokens_PS, mask_PS, _positions(mask_PS))
        return _Read.of(places, lengths_P, hidden_PSD[:, -1], states, lengths_P)

    def _continued(self, read: _Read, places: Tensor, tokens_bR: Tensor, present_bR: Tensor, own_bR: Tensor) -> Tensor:
        index = torch.tensor([read.places[place] for place in places.tolist()], device=tokens_bR.device)
        firsts_PD = read.leaves[0]
        if tokens_bR.shape[1] == 1:
            return firsts_PD.index_select(0, index)
        lengths_b = read.lengths_P[index]
        width = int(lengths_b.max())
        own = [states[:, :, -width:].index_select(0, index) for states in read.leaves[1:]]
        past = list(zip(own[::2], own[1::2], strict=True))
        columns = torch.arange(width, device=tokens_bR.device)
        mask = torch.cat([columns >= (width - lengths_b)[:, None], present_bR[:, :-1]], dim=1)
        positions = read.positions_P[index][:, None] + torch.arange(tokens_bR.shape[1] - 1, device=tokens_bR.device)
        shared = shared_states(places, tokens_bR, present_bR)
        hidden_MD = self._backbone.behind(past, tokens_bR[:, :-1], mask, positions, shared)
        states_bR = torch.cat([index[:, None], len(firsts_PD) + shared.places_bI], dim=1)
        return torch.cat([firsts_PD, hidden_MD]).index_select(0, states_bR[own_bR])

    def _whole(self, batch: Batch, places: Tensor, tokens_bR: Tensor, present_bR: Tensor) -> Tensor:
        prompts_bS, prompt_mask_bS = _left_padded([batch.prompts[place] for place in places.tolist()], tokens_bR.device)
        tokens = torch.cat([prompts_bS, tokens_bR[:, :-1]], dim=1)
        mask = torch.cat([prompt_mask_bS, present_bR[:, :-1]], dim=1)
        hidden, _ = self._backbone.read(tokens, mask, _positions(mask))
        return hidden[:, prompts_bS.shape[1] - 1 :]

    def _in_one(self, batch: Batch, places: Tensor, tokens_bR: Tensor) -> Tensor:
        """Prompt and response side by side without a gap; padding is behind."""
        prompts = [batch.prompts[place] for place in places.tolist()]
        starts = torch.tensor([len(ids) for ids in prompts], device=tokens_bR.device)
        response = torch.arange(tokens_bR.shape[1], device=tokens_bR.device)
        tokens = tokens_bR.new_zeros(len(prompts), int(starts.max()) + tokens_bR.shape[1])
        for row, ids in enumerate(prompts):
            tokens[row, : len(ids)] = torch.tensor(ids, device=tokens.device)
        tokens.scatter_(1, starts[:, None] + response, tokens_bR)
        positions = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape)
        hidden, _ = self._backbone.read(tokens, torch.ones_like(tokens, dtype=torch.bool), positions)
        columns_bR = starts[:, None] - 1 + response
        return hidden.gather(1, columns_bR[:, :, None].expand(-1, -1, hidden.shape[2]))


class LogitShape(NamedTuple):
    """What a model does to the logits of its head: times `factor`, then into (-cap, cap) by cap * tanh(x / cap)."""

    factor: float = 1.0
    cap: float | None = None


PLAIN = LogitShape()
_CAPS = ("final_logit_softcapping", "logits_soft_cap")
"""What configs call it."""


class TokenLogprobs(torch.autograd.Function):
    """Log-probabilities of tokens under softmax((hidden W' + b) / temperature), and the entropies if asked for."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        tokens_N: Tensor,
        temperature: float,
        with_entropy: bool,
        shape: LogitShape = PLAIN,
    ) -> tuple[Tensor, Tensor]:
        size = max(1, _CHUNK_LOGITS[hidden_ND.device.type] // len(weight_VD))
        keep = len(tokens_N) * len(weight_VD) <= _KEPT_LOGITS and any(ctx.needs_input_grad)
        kept, normalisers, logprobs, entropies = [], [], [], []
        for start in range(0, len(tokens_N), size):
            logits = _logits(hidden_ND[start : start + size], weight_VD, bias_V, temperature, shape)
            normaliser = logits.logsumexp(-1)
            chosen = logits.gather(1, tokens_N[start : start + size, None])[:, 0]
            logprobs.append(chosen - normaliser)
            if with_entropy:
                entropies.append(normaliser - ((logits - normaliser[:, None]).exp() * logits).sum(-1))
            normalisers.append(normaliser)
            kept += [logits] if keep else []
        entropy_N = torch.cat(entropies) if with_entropy else hidden_ND.new_zeros(0)
        ctx.save_for_backward(hidden_ND, weight_VD, bias_V, tokens_N, torch.cat(normalisers), entropy_N)
        ctx.temperature, ctx.size, ctx.kept, ctx.shape = temperature, size, kept, shape
        return torch.cat(logprobs), entropy_N

    @staticmethod
    def backward(ctx: Any, gradient_N: Tensor, entropy_gradient_N: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        hidden_ND, weight_VD, bias_V, tokens_N, normalisers_N, entropy_N = ctx.saved_tensors
        wants_hidden, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        hidden_gradient = torch.empty_like(hidden_ND) if wants_hidden else None
        weight_gradient = torch.zeros_like(weight_VD) if wants_weight else None
        bias_gradient = torch.zeros_like(bias_V) if wants_bias and bias_V is not None else None
        for number, start in enumerate(range(0, len(tokens_N), ctx.size)):
            part = slice(start, start + ctx.size)
            logits = (
                ctx.kept[number]
                if ctx.kept
                else _logits(hidden_ND[part], weight_VD, bias_V, ctx.temperature, ctx.shape)
            )
            slope = _slope(logits, ctx.temperature, ctx.shape)
            logprobs = logits.sub_(normalisers_N[part, None])
            probabilities = logprobs.exp()
            gradient = probabilities * -gradient_N[part, None]
            if len(entropy_N):
                # d H / d logit_j = -p_j (log p_j + H)
                inside = logprobs.add_(entropy_N[part, None])
                gradient -= probabilities * inside * entropy_gradient_N[part, None]
            rows = torch.arange(len(gradient), device=gradient.device)
            gradient[rows, tokens_N[part]] += gradient_N[part]
            gradient = gradient if slope is None else gradient.mul_(slope)
            gradient = (gradient / ctx.temperature if ctx.temperature != 1 else gradient).to(hidden_ND.dtype)
            if hidden_gradient is not None:
                hidden_gradient[part] = gradient @ weight_VD.to(gradient.dtype)
            if weight_gradient is not None:
                if weight_gradient.dtype == gradient.dtype:
                    weight_gradient.addmm_(gradient.t(), hidden_ND[part])  # no second matrix of the head's size
                else:
                    weight_gradient += gradient.t() @ hidden_ND[part]
            if bias_gradient is not None:
                bias_gradient += gradient.sum(0)
        ctx.kept = []
        return hidden_gradient, weight_gradient, bias_gradient, None, None, None, None


class Head:
    """The layer from hidden states to logits, checked against the model's own logits."""

    def __init__(self, model: PreTrainedModel, compute: torch.dtype | None = None) -> None:
        layer = model.get_output_embeddings()
        if not isinstance(layer, nn.Linear):
            raise EngineError(f"{type(model).__name__}: its head is not one linear layer; it cannot be trained here")
        self._layer, self._compute = layer, compute
        self._shape = _shape_of(model, layer)

    def logprobs(
        self, micro_batch: MicroBatch, batch: Batch, temperature: float, with_entropy: bool
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities of its own tokens and entropies (empty unless asked for), both (N,)."""
        tokens_N = batch.tokens_BT[micro_batch.rows, : micro_batch.own_bR.shape[1]][micro_batch.own_bR]
        hidden_ND = micro_batch.hidden_ND if self._compute is None else micro_batch.hidden_ND.to(self._compute)
        arguments = (hidden_ND, self._layer.weight, self._layer.bias, tokens_N, temperature, with_entropy)
        return TokenLogprobs.apply(*arguments, self._shape)  # type: ignore[return-value]

    @torch.no_grad()
    def likeliest(self, micro_batch: MicroBatch, count: int) -> Tensor:
        """The `count` likeliest tokens at each place, int64 (N, count), the likeliest first."""
        layer = self._layer
        size = max(1, _CHUNK_LOGITS[micro_batch.hidden_ND.device.type] // len(layer.weight))
        chunks = (
            _logits(each, layer.weight, layer.bias, 1.0, self._shape) for each in micro_batch.hidden_ND.split(size)
        )
        return torch.cat([logits.topk(count, -1).indices for logits in chunks])

    def logprobs_of(self, micro_batch: MicroBatch, places_N: Tensor, tokens_nK: Tensor, temperature: float) -> Tensor:
        """Log-probabilities of any tokens at n of the places (bool, (N,)), (n, K). Memory as for one token each."""
        hidden_nD = micro_batch.hidden_ND[places_N]
        hidden_nD = hidden_nD if self._compute is None else hidden_nD.to(self._compute)
        layer, shape = self._layer, self._shape
        asked = [
            TokenLogprobs.apply(hidden_nD, layer.weight, layer.bias, tokens_n.contiguous(), temperature, False, shape)
            for tokens_n in tokens_nK.unbind(-1)
        ]
        return torch.stack([logprobs_n for logprobs_n, _ in asked], -1)  # type: ignore[misc]


@torch.no_grad()
def score(reader: ResponseReader, head: Head, batch: Batch, temperature: float, rows: Tensor | None = None) -> Tensor:
    """Log-probabilities of every own token of the batch (of these rows), (B, T), 0 elsewhere, without gradients."""
    out_BT = torch.zeros_like(batch.behaviour_logprobs_BT)
    rows = torch.arange(len(batch)) if rows is None else rows
    for micro_batch in reader.micro_batches(batch, rows):
        logprobs_N, _ = head.logprobs(micro_batch, batch, temperature, with_entropy=False)
        out_BT[micro_batch.rows, : micro_batch.own_bR.shape[1]] = micro_batch.scatter(logprobs_N.float())
    return out_BT


def _logits(
    hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, temperature: float, shape: LogitShape
) -> Tensor:
    bias = None if bias_V is None else bias_V.to(hidden_ND.dtype)
    logits = nn.functional.linear(hidden_ND, weight_VD.to(hidden_ND.dtype), bias).float()
    if shape.factor != 1:
        logits = logits.mul_(shape.factor)
    if shape.cap is not None:
        logits = logits.div_(shape.cap).tanh_().mul_(shape.cap)
    return logits.div_(temperature) if temperature != 1 else logits


def _slope(logits: Tensor, temperature: float, shape: LogitShape) -> Tensor | float | None:
    """By how much the logits rise with the head's, where that is not 1: of logits already at the temperature."""
    if shape.cap is None:
        return None if shape.factor == 1 else shape.factor
    return (1 - (logits * (temperature / shape.cap)).square_()).mul_(shape.factor)


@torch.no_grad()
def _shape_of(model: PreTrainedModel, layer: nn.Linear) -> LogitShape:
    """What the model does to its head's logits. Raises EngineError where it is neither a factor nor a soft cap."""
    tokens = torch.arange(min(8, layer.out_features), device=model.device)[None]
    backbone = layers_of(model)
    ours = layer(backbone(input_ids=tokens).last_hidden_state).float()
    theirs = model(input_ids=tokens).logits.float()
    config = model.config.get_text_config(decoder=True)
    cap = next((value for name in _CAPS if (value := getattr(config, name, None)) is not None), None)
    if torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3) and cap is None:
        return PLAIN
    uncapped = theirs if cap is None else cap * torch.atanh((theirs / cap).clamp(-1 + 1e-6, 1 - 1e-6))
    factor = float((ours.double() * uncapped).sum() / ours.double().square().sum())
    factor = 1.0 if abs(factor - 1) < 1e-3 else factor
    shaped = ours * factor if cap is None else cap * torch.tanh(ours * factor / cap)
    if not torch.allclose(shaped, theirs, rtol=1e-3, atol=1e-3):
        raise EngineError(
            f"{type(model).__name__}: it changes its logits behind the head in another way than by a factor or a soft "
            "cap, which training does not know how to follow; train another model"
        )
    return LogitShape(factor, cap)


def _left_padded(ids: list[tuple[int, ...]], device: torch.device) -> tuple[Tensor, Tensor]:
    width = max(map(len, ids))
    tokens = torch.tensor([[0] * (width - len(row)) + list(row) for row in ids], device=device)
    lengths = torch.tensor([len(row) for row in ids], device=device)
    return tokens, torch.arange(width, device=device) >= (width - lengths)[:, None]


def _positions(mask: Tensor) -> Tensor:
    return (mask.long().cumsum(-1) - 1).clamp(min=0)
