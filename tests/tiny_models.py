"""Real models that take a second to make: a few random layers over an alphabet of 40 characters, saved as a folder.

Every character is a token, so that a stop string of several characters spans tokens. The weights are wide enough that
the next token is neither certain nor uniform.
"""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ALPHABET = "abcdefghijklmnopqrstuvwxyz 0123456789.?\n"
BEGIN, END, TURN = "<s>", "</s>", "<|turn|>"
VOCABULARY = len(ALPHABET) + 3
CHAT = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "


def save_tokenizer(folder: Path, chat_template: str | None = CHAT) -> None:
    """A tokenizer of one token per character that puts BEGIN before every text, as Llama's do."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: index for index, token in enumerate([BEGIN, END, TURN, *ALPHABET])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")  # type: ignore[assignment]
    tokenizer.decoder = decoders.Fuse()  # type: ignore[assignment]
    tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, 0)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, additional_special_tokens=[TURN]
    )
    fast.chat_template = chat_template
    fast.save_pretrained(folder)


def save_model(folder: Path, kind: str = "llama", seed: int = 0, **changes: Any) -> Path:
    """A random causal language model of `kind` with its tokenizer. END is token 1, the model's end token."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _files(kind, seed, json.dumps(changes, sort_keys=True)).items():
        (folder / name).write_bytes(content)
    torch.manual_seed(seed)  # what a test draws next depends on no test before it
    return folder


@cache
def _files(kind: str, seed: int, changes: str) -> dict[str, bytes]:
    """The files of a model by name: made once in a process, however many tests ask for it."""
    with TemporaryDirectory() as folder:
        _make(Path(folder), kind, seed, json.loads(changes))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _make(folder: Path, kind: str, seed: int, changes: dict[str, Any]) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    shape: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    own = {
        "llama": {"num_key_value_heads": 2, "intermediate_size": 64, "initializer_range": 0.3},
        "qwen2": {"num_key_value_heads": 2, "intermediate_size": 64, "initializer_range": 0.3},
        "qwen3": {"num_key_value_heads": 2, "intermediate_size": 64, "head_dim": 16, "initializer_range": 0.3},
        "mistral": {
            "num_key_value_heads": 2,
            "intermediate_size": 64,
            "sliding_window": 9,
            "head_dim": 8,
            "initializer_range": 0.3,
        },
        "gpt2": {"initializer_range": 0.4},
        "bloom": {"initializer_range": 0.4},
        "mamba": {"state_size": 4},
        "bert": {"intermediate_size": 64, "initializer_range": 0.3},
        "bart": {"d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 4, "init_std": 0.3},
        "gpt_neox": {"intermediate_size": 64, "initializer_range": 0.3},
        "gemma4_text": {
            "num_key_value_heads": 2,
            "intermediate_size": 64,
            "head_dim": 8,
            "global_head_dim": 16,
            "sliding_window": 9,
            "layer_types": ["sliding_attention", "full_attention"],
            "hidden_size_per_layer_input": 0,
            "vocab_size_per_layer_input": VOCABULARY,
            "initializer_range": 0.3,
        },
    }
    torch.manual_seed(seed)
    config = AutoConfig.for_model(kind, **{**shape, **own.get(kind, {}), **changes})
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    save_tokenizer(folder)
