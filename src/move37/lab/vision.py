"""A small vision-language model for the drawn worlds: SmolVLM's architecture, with the lab's tokenizer and a processor.

    picture 64 x 64  ->  64 patches of 8 x 8, a few layers  ->  16 image tokens  ->  a Llama of the lab

The architecture is Idefics3's, which transformers, vLLM and most trainers load; its processor needs Pillow and no
torchvision. A picture is read at its own size, as one image of sixteen tokens. The language model may be taken from a
text model of the lab, whose first embeddings are kept: such a model can reason before it can see. Everything comes out
as a Hugging Face folder. The chat template writes images and texts as they come and nothing around them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from torch import nn
from transformers import (
    GenerationConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlamaForCausalLM,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from move37.lab.tokenizer import END, PAD, make_tokenizer
from move37.seeds import generation_seed

IMAGE_TOKEN = "<image>"
_SPECIAL = (
    IMAGE_TOKEN,
    "<fake_token_around_image>",
    "<global-img>",
    "<end_of_utterance>",
    *(f"<row_{row + 1}_col_{column + 1}>" for row in range(6) for column in range(6)),
)
"""What Idefics3's processor writes around images."""
_CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{% endfor %}"
)


@dataclass(frozen=True, slots=True)
class VisionShape:
    """The tower that sees: sizes in pixels and numbers, as Idefics3's config has them."""

    side: int = 64
    patch: int = 8
    width: int = 64
    layers: int = 2
    heads: int = 4
    feed_forward: int = 128
    gather: int = 2
    """Patches in each direction that become one image token."""
    initial_deviation: float = 0.05

    @property
    def image_tokens(self) -> int:
        return (self.side // self.patch // self.gather) ** 2


def make_processor(longest: int, shape: VisionShape) -> Idefics3Processor:
    """The processor of a model whose context is `longest` tokens."""
    tokenizer = make_tokenizer(longest)
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken(text, special=True) for text in _SPECIAL]})  # type: ignore[dict-item]
    edge = {"longest_edge": shape.side}
    images = Idefics3ImageProcessorPil(size=edge, max_image_size=edge, do_image_splitting=False)
    return Idefics3Processor(images, tokenizer, image_seq_len=shape.image_tokens, chat_template=_CHAT_TEMPLATE)


def make_vision_model(language: LlamaForCausalLM, shape: VisionShape, seed: int) -> Idefics3ForConditionalGeneration:
    """A model around a copy of a language model of the lab, with a tower of random weights that depend on the seed."""
    tokenizer = make_processor(32, shape).tokenizer  # type: ignore[attr-defined]
    text: Any = language.config
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in (PAD, END, IMAGE_TOKEN)}
    torch.manual_seed(generation_seed(seed, "vision weights"))
    model = Idefics3ForConditionalGeneration(
        Idefics3Config(
            image_token_id=ids[IMAGE_TOKEN],
            tie_word_embeddings=True,
            scale_factor=shape.gather,
            vision_config={
                "hidden_size": shape.width,
                "intermediate_size": shape.feed_forward,
                "num_hidden_layers": shape.layers,
                "num_attention_heads": shape.heads,
                "image_size": shape.side,
                "patch_size": shape.patch,
                "initializer_range": shape.initial_deviation,
            },
            text_config={**text.to_dict(), "vocab_size": len(tokenizer), "pad_token_id": ids[PAD]},
        )
    )
    model.generation_config = GenerationConfig(do_sample=True, eos_token_id=ids[END], pad_token_id=ids[PAD])
    _take_language(model, language)
    for module in model.model.vision_model.modules():
        if isinstance(module, nn.Linear | nn.Embedding | nn.Conv2d):
            nn.init.normal_(module.weight, std=shape.initial_deviation)
    return model.eval()


def save_vision_model(model: Idefics3ForConditionalGeneration, shape: VisionShape, folder: Path) -> Path:
    """Model and processor as a Hugging Face folder."""
    text: Any = model.config.text_config
    model.save_pretrained(folder)
    make_processor(text.max_position_embeddings, shape).save_pretrained(folder)
    return folder


def _take_language(model: Idefics3ForConditionalGeneration, language: LlamaForCausalLM) -> None:
    """Copy the weights; tokens that the language model does not have keep the first values of theirs."""
    taken: Any = language.model.state_dict()
    embeddings = taken.pop("embed_tokens.weight")
    with torch.no_grad():
        model.model.text_model.embed_tokens.weight[: len(embeddings)] = embeddings
    missing, unexpected = model.model.text_model.load_state_dict(taken, strict=False)
    if unexpected or missing != ["embed_tokens.weight"]:
        raise ValueError(f"the language model has other weights: {[*missing, *unexpected][:4]}")
