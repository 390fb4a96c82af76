"""Random vision-language models that take a part of a second to make, saved as folders with their processors.

As in `tiny_models`, every character is a token. `KINDS` are those whose processors work on PIL images alone; processors
that bring one for videos need torchvision.
"""

import io
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from move37.types import ImagePart
from tests.tiny_models import ALPHABET, BEGIN, END, TURN

KINDS = ("idefics3", "llava", "gemma3")
LETTERS = ALPHABET + "ABCDEFGHIJKLMNOPQRSTUVWXYZ:-+*/=()"
_IDEFICS3 = (
    *("<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>"),
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
)
_GEMMA3 = ("<start_of_image>", "<end_of_image>", "<image_soft_token>")
_QWEN = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
_SPECIAL = (BEGIN, END, TURN, *_IDEFICS3, *_GEMMA3, *_QWEN)
VOCABULARY = len(_SPECIAL) + len(LETTERS)
_IMAGE_TOKENS = {"idefics3": "<image>", "llava": "<image>", "gemma3": "<start_of_image>"}


def token(of: str) -> int:
    """The number of a special token."""
    return _SPECIAL.index(of)


def chat(image_token: str) -> str:
    """A chat template that takes contents by their parts."""
    return (
        "{{ bos_token }}{% for m in messages %}{{ m.role }}: {% for part in m.content %}"
        "{% if part.type == 'image' %}" + image_token + "{% else %}{{ part.text }}{% endif %}{% endfor %}\n"
        "{% endfor %}assistant: "
    )


def picture(width: int, height: int, seed: int = 0) -> ImagePart:
    """A PNG of coloured noise, in blocks that survive resizing."""
    import numpy as np
    from PIL import Image

    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "PNG")
    return ImagePart.of(file.getvalue(), "image/png")


def tokenizer(image_token: str) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {each: index for index, each in enumerate([*_SPECIAL, *LETTERS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")  # type: ignore[assignment]
    made.decoder = decoders.Fuse()  # type: ignore[assignment]
    made.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, 0)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=END,
        additional_special_tokens=list(_SPECIAL[2:]),
        extra_special_tokens={
            "image_token": "<image_soft_token>" if image_token == "<start_of_image>" else image_token,
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
        },
    )
    fast.chat_template = chat(image_token)
    return fast


def save_vision_model(folder: Path, kind: str = "idefics3", seed: int = 0, **changes: Any) -> Path:
    """A random model of `kind` with its processor. `changes` are of the text model's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _files(kind, seed, json.dumps(changes, sort_keys=True)).items():
        (folder / name).write_bytes(content)
    return folder


@cache
def _files(kind: str, seed: int, changes: str) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        import torch

        torch.manual_seed(seed)
        model, processor = make(kind, json.loads(changes))
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


_TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
    "initializer_range": 0.3,
}
_VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
}


def make(kind: str, changes: dict[str, Any]) -> tuple[Any, Any]:
    """The model and its processor."""
    import transformers as hf

    if kind == "idefics3":
        config = hf.Idefics3Config(
            text_config={"model_type": "llama", **_TEXT, **changes},
            vision_config={**_VISION, "image_size": 32, "patch_size": 8},
            scale_factor=2,
            image_token_id=token("<image>"),
            pad_token_id=1,  # pyright: ignore[reportCallIssue]  # a setting of every config
        )
        images = hf.Idefics3ImageProcessorPil(
            size={"longest_edge": 32}, max_image_size={"longest_edge": 32}, do_image_splitting=True
        )
        processor = hf.Idefics3Processor(images, tokenizer("<image>"), image_seq_len=4)
        return _generating(hf.Idefics3ForConditionalGeneration(config)), _with_template(processor, kind)
    if kind == "llava":
        config = hf.LlavaConfig(
            text_config={"model_type": "llama", **_TEXT, **changes},
            vision_config={"model_type": "clip_vision_model", **_VISION, "image_size": 32, "patch_size": 8},
            image_token_index=token("<image>"),
            vision_feature_layer=-1,
        )
        images = hf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
        processor = hf.LlavaProcessor(
            images,
            tokenizer("<image>"),
            patch_size=8,
            vision_feature_select_strategy="default",
            num_additional_image_tokens=1,
        )
        return _generating(hf.LlavaForConditionalGeneration(config)), _with_template(processor, kind)
    assert kind == "gemma3", kind
    config = hf.Gemma3Config(
        text_config={
            **_TEXT,
            "sliding_window": 16,
            "layer_types": ["sliding_attention", "full_attention"],
            "query_pre_attn_scalar": 8,
            **changes,
        },
        vision_config={**_VISION, "image_size": 32, "patch_size": 8, "vision_use_head": False},
        mm_tokens_per_image=4,
        boi_token_index=token("<start_of_image>"),
        eoi_token_index=token("<end_of_image>"),
        image_token_index=token("<image_soft_token>"),
        image_token_id=token("<image_soft_token>"),  # pyright: ignore[reportCallIssue]  # its processor looks for it
    )
    images = hf.Gemma3ImageProcessorPil(size={"height": 32, "width": 32})
    processor = hf.Gemma3Processor(images, tokenizer("<start_of_image>"), image_seq_length=4)
    model = hf.Gemma3ForConditionalGeneration(config)
    model.model.multi_modal_projector.mm_input_projection_weight.data.normal_(std=0.3)  # zeros would see nothing
    return _generating(model), _with_template(processor, kind)


def _generating(model: Any) -> Any:
    model.generation_config.eos_token_id = 1
    model.generation_config.pad_token_id = 1
    return model


def _with_template(processor: Any, kind: str) -> Any:
    processor.chat_template = chat(_IMAGE_TOKENS[kind])
    return processor
