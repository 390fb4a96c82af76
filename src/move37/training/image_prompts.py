"""Prompts with images on their way through a model with gradients: read once, like any prompt, for all responses.

The model's own forward puts images and text together, so what works for one family works for all. Prompts of one
length whose images have tensors of one shape are read together; there is no padding among them, because models place
images by what they see of it. What a prompt leaves behind is padded at the left afterwards, as other prompts are.

Also here: what of a model is its tower, the part that only sees.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import PreTrainedModel

from move37.engines.transformers_forward import forget_positions
from move37.engines.transformers_images import ImagePrompt
from move37.errors import ConfigError
from move37.training.backbones import Backbone, ModelBackbone, States


class ReadPrompts(NamedTuple):
    """P prompts: last states (P, D), keys and values of every layer, padded at the left to the longest."""

    last_PD: Tensor
    states: States
    offsets_P: Tensor
    """By how much the position of the next token differs from the number of tokens."""


def has_images(prompts: Sequence[tuple[int, ...]]) -> bool:
    return any(isinstance(prompt, ImagePrompt) for prompt in prompts)


def read_with_images(model: PreTrainedModel, backbone: Backbone, prompts: Sequence[tuple[int, ...]]) -> ReadPrompts:
    """Read prompts of which some have images. Raises ConfigError where they cannot be read once for all responses."""
    if backbone.recomputes or not isinstance(backbone, ModelBackbone):
        raise ConfigError(
            "model.gradient_checkpointing: a prompt with images is read once for all of its responses, and recomputing "
            "would read it with each; turn it off, and set a smaller optimizer.micro_batch_tokens"
        )
    width = max(map(len, prompts))
    found: dict[int, tuple[Tensor, list[Tensor], int]] = {}
    for places in _alike(model, prompts):
        tokens = torch.tensor([prompts[place] for place in places], device=model.device)
        images = [_tensors(model, prompts[place]) for place in places]
        together = {name: torch.cat([each[name] for each in images]) for name in images[0]}
        hidden, states = backbone.read_shown(tokens, together)
        offset, missing = forget_positions(model), width - tokens.shape[1]
        for row, place in enumerate(places):
            own = [pad(each[row], (0, 0, missing, 0)) for layer in states for each in layer]
            found[place] = hidden[row, -1], own, offset
    read = [found[place] for place in range(len(prompts))]
    states = [torch.stack(layers) for layers in zip(*(own for _, own, _ in read), strict=True)]
    offsets_P = torch.tensor([offset for _, _, offset in read], device=model.device)
    pairs = list(zip(states[::2], states[1::2], strict=True))
    return ReadPrompts(torch.stack([last for last, _, _ in read]), pairs, offsets_P)


def _alike(model: PreTrainedModel, prompts: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Places of prompts that can be read in one call; alone where the model counts positions by image."""
    alone = any(hasattr(module, "rope_deltas") for module in model.modules())
    groups: dict[Any, list[int]] = {}
    for place, prompt in enumerate(prompts):
        shapes = tuple((name, tuple(each.shape)) for name, each in _tensors(model, prompt).items())
        groups.setdefault((place,) if alone else (len(prompt), shapes), []).append(place)
    return list(groups.values())


def _tensors(model: PreTrainedModel, prompt: tuple[int, ...]) -> dict[str, Tensor]:
    return prompt.tensors(model.device, model.dtype) if isinstance(prompt, ImagePrompt) else {}


def tower_of(model: PreTrainedModel) -> nn.Module:
    """The part of a model that sees: its layers up to what joins them to the text. Raises ConfigError without one."""
    tower: Any = model.get_encoder(modality="image")
    if tower is model or tower is model.base_model:
        raise ConfigError("model.freeze_vision: the model has no vision tower; leave it out")
    return tower


def names_in(model: nn.Module, part: nn.Module) -> list[str]:
    """The names of the linear layers of a part of a model, as the model calls them."""
    inside = set(part.modules())
    return [name for name, each in model.named_modules() if isinstance(each, nn.Linear) and each in inside]
