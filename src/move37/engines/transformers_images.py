"""Prompts with images: what a model's processor makes of a text and its images, and whether the model is read rightly.

A prompt with images is a sequence of token ids like any other, in which the processor has put the tokens that stand for
an image; beside the ids it brings the tensors that are read with them (`ImagePrompt`). Pixels are large and ids are
asked for often, so the tensors are made when the prompt is read, and not kept.

Processors work on PIL images, so that a machine with torchvision samples what one without it does; some bring a
processor of videos, which needs torchvision, and say so. What a processor resizes is its own rule: `Seen` records it.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from transformers import AutoProcessor
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from move37.errors import ConfigError, MissingExtraError
from move37.images import pixels
from move37.types import ImagePart, Message, Prompt, TextPart

_AUTO = "AutoModelForImageTextToText"
_LEFT_OUT = ("input_ids", "attention_mask")


class ImagePrompt(tuple[int, ...]):
    """The token ids of a prompt with images, and by `inputs()` the tensors that a model reads with them, by name.

    Two of them may hold the same ids and other images: they are told apart by their prompts, not by comparison.
    """

    inputs: Callable[[], dict[str, Tensor]]

    def __new__(cls, ids: Iterable[int], inputs: Callable[[], dict[str, Tensor]]) -> Self:
        made = super().__new__(cls, ids)
        made.inputs = inputs
        return made

    def tensors(self, device: torch.device, dtype: torch.dtype, more: int = 0) -> dict[str, Tensor]:
        """The inputs where the model is, for the ids and `more` tokens of text behind them."""
        found = {}
        for name, values in self.inputs().items():
            if more and values.shape == (1, len(self)):  # says something of each token: 0 of those of a text
                values = torch.nn.functional.pad(values, (0, more))
            found[name] = values.to(device, dtype if values.is_floating_point() else values.dtype)
        return found


@dataclass(frozen=True, slots=True)
class Seen:
    """A prompt's images as a model saw them: `tokens` stand for them, `tensors` has the shapes of what was read."""

    tokens: int
    tensors: Mapping[str, tuple[int, ...]]


def reads_images(config: Any) -> bool:
    """Whether a configuration belongs to a model of images and text."""
    return type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING or _AUTO in (getattr(config, "auto_map", None) or {})


def open_processor(path: str, where: Mapping[str, Any], settings: Mapping[str, Any]) -> "ImageReader":
    """The processor of a model. Raises MissingExtraError where a package is missing; others as transformers does."""
    try:
        processor = AutoProcessor.from_pretrained(**where, **{"backend": "pil", **settings})
    except ImportError as error:
        raise MissingExtraError(f"{path}: its image processor {_lacks(str(error))}") from error
    return ImageReader(path, processor)


def _lacks(reason: str) -> str:
    """Which package is missing, and how to get it. "No PIL backend" is what transformers says of one for videos."""
    if find_spec("PIL") is None:
        return "needs Pillow: pip install 'move37[vision]'"
    if find_spec("torchvision") is None and ("torchvision" in reason.lower() or "pil backend" in reason):
        return "needs torchvision: pip install torchvision (the build that belongs to your torch)"
    return f"cannot be loaded: {' '.join(reason.split())}"


class ImageReader:
    """A model's processor."""

    def __init__(self, path: str, processor: Any) -> None:
        self._path, self._processor = path, processor
        self._ids: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._seen: dict[tuple[str, ...], Seen] = {}

    @property
    def template(self) -> str | None:
        """The processor's chat template."""
        return getattr(self._processor, "chat_template", None) or None

    def write(self, messages: Sequence[Message], variables: Mapping[str, Any]) -> str:
        """The conversation in the processor's chat template, opened for the answer; it may raise anything."""
        written = [{"role": message.role, "content": list(map(_part, message.content))} for message in messages]
        return str(
            self._processor.apply_chat_template(written, add_generation_prompt=True, tokenize=False, **variables)
        )

    def read(self, prompt: Prompt, prefix: str) -> ImagePrompt:
        """The prompt as the model reads it; `prefix` is what the tokenizer puts before a text that lacks it.

        Raises ConfigError where text and images do not fit each other, InputError for an image that is none.
        """
        text = prompt.text if prompt.rendered or prompt.text.startswith(prefix) else prefix + prompt.text

        def made() -> dict[str, Tensor]:
            return self._processed(prompt, text)

        key = prompt.content
        if key not in self._ids:
            first = made()
            ids, image = first["input_ids"], getattr(self._processor, "image_token_id", None)
            shapes = {name: tuple(values.shape) for name, values in first.items() if name not in _LEFT_OUT}
            self._ids[key] = tuple(ids[0].tolist())
            self._seen[key] = Seen(int((ids == image).sum()) if image is not None else ids.shape[1], shapes)
        return ImagePrompt(self._ids[key], lambda: {n: t for n, t in made().items() if n not in _LEFT_OUT})

    def _processed(self, prompt: Prompt, text: str) -> dict[str, Tensor]:
        images = [pixels(image, prompt.problem_id) for image in prompt.images]
        try:
            made = self._processor(text=[text], images=[images], add_special_tokens=False, return_tensors="pt")
        except (ValueError, IndexError, StopIteration, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(
                f"problem {prompt.problem_id}: {self._path} cannot place its {len(images)} images in the prompt "
                f"({reason}); use a chat template, or one that writes the model's own mark for an image"
            ) from error
        return dict(made)

    def seen(self, prompt: Prompt) -> Seen:
        """What the processor made of a prompt's images."""
        if prompt.content not in self._seen:
            self.read(prompt, "")
        return self._seen[prompt.content]

    def probes(self, images: Sequence[ImagePart]) -> list[ImagePrompt]:
        """A short prompt with each of these images."""
        prompts = []
        for image in images:
            message = Message("user", (image, TextPart("a")))
            text = self.write([message], {}) if self.template else self._mark() + "a"
            prompts.append(self.read(Prompt("probe", text, (), "probe", (message,), rendered=True), ""))
        return prompts

    def save(self, folder: Path) -> None:
        """Write the processor's files."""
        self._processor.save_pretrained(folder)

    def statement(self) -> str:
        """Which processor it is and what it does to images: its class, and a digest of its settings."""
        of_images = self._processor.image_processor
        settings = json.dumps(of_images.to_dict(), sort_keys=True, default=str)
        return f"{type(of_images).__name__} {blake2b(settings.encode(), digest_size=8).hexdigest()}"

    def _mark(self) -> str:
        """What stands for an image in a text that the processor is given."""
        return getattr(self._processor, "boi_token", None) or self._processor.image_token


def probe_images() -> list[ImagePart]:
    """Two small pictures of other shapes, with something on them."""
    from PIL import Image

    found = []
    for size in ((96, 64), (64, 128)):
        file = io.BytesIO()
        Image.linear_gradient("L").resize(size).convert("RGB").save(file, "PNG")
        found.append(ImagePart.of(file.getvalue(), "image/png"))
    return found


def _part(part: TextPart | ImagePart) -> dict[str, str]:
    return {"type": "image"} if isinstance(part, ImagePart) else {"type": "text", "text": part.text}
