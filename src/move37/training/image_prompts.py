"""Prompts with images on their way through a model with gradients: read once, like any prompt, for all responses.

The model's own forward puts images and text together, so what works for one family works for all. Prompts of one
length whose images have tensors of one shape are read together; there is no padding among them, because models place
images by what they see of it. What a prompt leaves behind is padded at the left afterwards, as other prompts are.

With gradient checkpointing each response is read with its prompt and its images (`read_through`): the layers form what
they need again in the backward pass, those of the tower too, and keep no state to go on from.

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
    """Read prompts of which some have images. Raises ConfigError for a model that cannot be gone on from there."""
    width = max(map(len, prompts))
    found: dict[int, tuple[Tensor, list[Tensor], int]] = {}
    for places in _alike(model, prompts):
        tokens = torch.tensor([prompts[place] for place in places], device=model.device)
        hidden, states = _showing(backbone).read_shown(tokens, _together(model, prompts, places))
        offset, missing = forget_positions(model), width - tokens.shape[1]
        for row, place in enumerate(places):
            own = [pad(each[row], (0, 0, missing, 0)) for layer in states for each in layer]
            found[place] = hidden[row, -1], own, offset
    read = [found[place] for place in range(len(prompts))]
    states = [torch.stack(layers) for layers in zip(*(own for _, own, _ in read), strict=True)]
    offsets_P = torch.tensor([offset for _, _, offset in read], device=model.device)
    pairs = list(zip(states[::2], states[1::2], strict=True))
    return ReadPrompts(torch.stack([last for last, _, _ in read]), pairs, offsets_P)


def read_through(
    model: PreTrainedModel,
    backbone: Backbone,
    prompts: Sequence[tuple[int, ...]],
    tokens_bR: Tensor,
    present_bR: Tensor,
) -> Tensor:
    """The states in which the R tokens of b responses are chosen, (b, R, D): each is read with its own prompt.

    Raises ConfigError for a response that holds the token which stands for an image: it would be taken for one.
    """
    more, mark = tokens_bR.shape[1] - 1, _image_token(model)
    if bool((present_bR & (tokens_bR == mark)).any()):
        raise ConfigError(
            "model.gradient_checkpointing: a response holds the model's own mark for an image, which would be taken "
            "for one where responses are read with their prompts; turn it off"
        )
    behind_bI = tokens_bR.where(present_bR, int(mark == 0))[:, :more]  # padding, which nobody attends to
    found: dict[int, Tensor] = {}
    for places in _alike(model, prompts):
        ids = torch.tensor([prompts[place] for place in places], device=model.device)
        tokens = torch.cat([ids, behind_bI[places]], dim=1)
        hidden, _ = _showing(backbone).read_shown(tokens, _together(model, prompts, places, more))
        forget_positions(model)
        found |= dict(zip(places, hidden[:, ids.shape[1] - 1 :], strict=True))
    return torch.stack([found[place] for place in range(len(prompts))])


def _showing(backbone: Backbone) -> ModelBackbone:
    if isinstance(backbone, ModelBackbone):
        return backbone
    raise ConfigError("model: its state cannot be kept and gone on from, so it is not trained on images; use text only")


def _image_token(model: PreTrainedModel) -> int:
    """The id that stands for an image; -1 where the configuration does not say."""
    names = ("image_token_id", "image_token_index")
    return next((each for name in names if (each := getattr(model.config, name, None)) is not None), -1)


def _together(
    model: PreTrainedModel, prompts: Sequence[tuple[int, ...]], places: Sequence[int], more: int = 0
) -> dict[str, Tensor]:
    """What is read beside the tokens of some prompts, with `more` tokens of text behind each."""
    images = [_tensors(model, prompts[place], more) for place in places]
    return {name: torch.cat([each[name] for each in images]) for name in images[0]}


def _alike(model: PreTrainedModel, prompts: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Places of prompts that can be read in one call; alone where the model counts positions by image."""
    alone = any(hasattr(module, "rope_deltas") for module in model.modules())
    groups: dict[Any, list[int]] = {}
    for place, prompt in enumerate(prompts):
        shapes = tuple((name, tuple(each.shape)) for name, each in _tensors(model, prompt).items())
        groups.setdefault((place,) if alone else (len(prompt), shapes), []).append(place)
    return list(groups.values())


def _tensors(model: PreTrainedModel, prompt: tuple[int, ...], more: int = 0) -> dict[str, Tensor]:
    return prompt.tensors(model.device, model.dtype, more) if isinstance(prompt, ImagePrompt) else {}


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
