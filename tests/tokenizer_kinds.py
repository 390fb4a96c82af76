"""Small tokenizers of the kinds that models have: how they cut text, what they add to it, what their decoders drop.

Each is trained on a few sentences and has the parts (normaliser, pre-tokeniser, post-processor, decoder), the special
tokens and the form of chat template of the family it is named after. None is that family's own tokenizer.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

SENTENCES = (
    "    return x + 1\ndef add(a, b):\n    return a + b\n",
    "What is 2 and 2? The answer is \\boxed{4}. Let me think step by step.",
    "user assistant system question Reply with the number alone: 12 or 34?",
    " leading and  double   spaces\tand tabs\n\n  then lines\n",
)

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA2 = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token }}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content }} {{ eos_token }}{% else %}<<SYS>>{{ m.content }}<</SYS>>"
    "{% endif %}{% endfor %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]"
    "{% else %}{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
GLM = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
DEEPSEEK = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<|User|>{{ m.content }}"
    "{% else %}<|Assistant|>{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|Assistant|>{% endif %}"
)
PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"


def _sentencepiece(specials: list[str], drops_space: bool, prefix: str = "", suffix: str = "") -> Any:
    """As Llama-2's: spaces are ▁, one is put before a text (and dropped by the decoder), unknown bytes are tokens."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    before = [normalizers.Prepend("▁")] if drops_space else []
    tokenizer.normalizer = normalizers.Sequence([*before, normalizers.Replace(" ", "▁")])  # type: ignore[assignment]
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=["<unk>", *specials], show_progress=False)  # type: ignore[call-arg]
    pieces = [" ".join(SENTENCES).replace("\n", "\n "), *SENTENCES]
    tokenizer.train_from_iterator(pieces, trainer)
    tokenizer.add_tokens([each for each in bytes_ if tokenizer.token_to_id(each) is None])
    model = _with_bytes(tokenizer, bytes_)
    model.normalizer = tokenizer.normalizer
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    model.decoder = decoders.Sequence([*steps, *([decoders.Strip(" ", 1, 0)] if drops_space else [])])  # type: ignore[assignment]
    return _finished(model, ["<unk>", *specials], prefix, suffix)


def _with_bytes(tokenizer: Any, bytes_: list[str]) -> Any:
    """The same merges with the byte tokens in the model's own vocabulary, where byte fallback finds them."""
    import json

    from tokenizers import Tokenizer, models

    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = dict(model["vocab"])
    for each in bytes_:
        vocabulary.setdefault(each, len(vocabulary))
    merges = [tuple(pair) for pair in model["merges"]]
    return Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))


def _byte_level(specials: list[str], prefix: str = "", suffix: str = "", prefix_space: bool = False) -> Any:
    """As GPT-2's and all that came of it: every byte is a character, nothing is added and nothing dropped."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(  # type: ignore[call-arg]
        vocab_size=600, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return _finished(tokenizer, specials, prefix, suffix)


def _metaspace(specials: list[str], prefix: str = "", suffix: str = "") -> Any:
    """As T5's and newer Llama conversions: ▁ before the first word alone, by the pre-tokeniser."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")  # type: ignore[assignment]
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")  # type: ignore[assignment]
    trainer = trainers.UnigramTrainer(  # type: ignore[call-arg]
        vocab_size=300, special_tokens=["<unk>", *specials], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return _finished(tokenizer, ["<unk>", *specials], prefix, suffix)


def _finished(tokenizer: Any, specials: list[str], prefix: str, suffix: str) -> Any:
    from tokenizers import AddedToken, processors

    tokenizer.add_special_tokens([AddedToken(each, special=True, normalized=False) for each in specials])
    around = [*prefix.split(), *suffix.split()]
    if around:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{prefix} $A {suffix}".strip(),
            special_tokens=[(each, tokenizer.token_to_id(each)) for each in dict.fromkeys(around)],
        )
    return tokenizer


def _wrapped(tokenizer: Any, template: str | None, bos: str | None, eos: str | None) -> Any:
    from transformers import PreTrainedTokenizerFast

    names = {name: token for name, token in (("bos_token", bos), ("eos_token", eos)) if token is not None}
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    made.chat_template = template
    return made


TURNS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
KINDS: dict[str, Callable[[], Any]] = {
    "llama-2": lambda: _wrapped(_sentencepiece(["<s>", "</s>"], True, "<s>"), LLAMA2, "<s>", "</s>"),
    "llama-2 without a template": lambda: _wrapped(_sentencepiece(["<s>", "</s>"], True, "<s>"), None, "<s>", "</s>"),
    "mistral": lambda: _wrapped(
        _sentencepiece(["<s>", "</s>", "[INST]", "[/INST]"], True, "<s>"), MISTRAL, "<s>", "</s>"
    ),
    "gemma": lambda: _wrapped(
        _sentencepiece(["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"], False, "<bos>"), GEMMA, "<bos>", "<eos>"
    ),
    "llama-3": lambda: _wrapped(
        _byte_level(
            ["<|begin|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"], "<|begin|>"
        ),
        LLAMA3,
        "<|begin|>",
        "<|end_of_text|>",
    ),
    "qwen": lambda: _wrapped(_byte_level(TURNS), CHATML, None, "<|im_end|>"),
    "qwen base": lambda: _wrapped(_byte_level(TURNS), CHATML, None, "<|endoftext|>"),
    "glm": lambda: _wrapped(
        _byte_level(["[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<|system|>", "<|endoftext|>"], "[gMASK] <sop>"),
        GLM,
        None,
        "<|endoftext|>",
    ),
    "deepseek": lambda: _wrapped(
        _byte_level(["<|begin|>", "<|end|>", "<|User|>", "<|Assistant|>"], "<|begin|>"),
        DEEPSEEK,
        "<|begin|>",
        "<|end|>",
    ),
    "gpt-2": lambda: _wrapped(_byte_level(["<|endoftext|>"]), None, "<|endoftext|>", "<|endoftext|>"),
    "byte level with a prefix space": lambda: _wrapped(
        _byte_level(["<|endoftext|>"], prefix_space=True), PLAIN, None, "<|endoftext|>"
    ),
    "appends an end token": lambda: _wrapped(_byte_level(["<s>", "</s>"], "<s>", "</s>"), PLAIN, "<s>", "</s>"),
    "metaspace": lambda: _wrapped(_metaspace(["<s>", "</s>"], "<s>"), PLAIN, "<s>", "</s>"),
}


@cache
def tokenizer_of(kind: str) -> Any:
    return KINDS[kind]()
