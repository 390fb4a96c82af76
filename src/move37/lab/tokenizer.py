"""One token per character for the worlds of the lab: 17 characters and 3 special tokens, as a Hugging Face tokenizer.

Decisions. The end token is the visible `$` that ends a chain. Nothing is put before a prompt, so prompt and response
are tokenized the same way apart or together. A character that the world does not know becomes `<unk>` and does not
vanish: a model must see that something was there. Padding is on the left, for samplers that pad.
"""

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from move37.countdown import END, OPERATORS

CHARACTERS = "0123456789" + OPERATORS + "=;,:"
PAD, UNKNOWN = "<pad>", "<unk>"
VOCABULARY = (PAD, END, UNKNOWN, *CHARACTERS)


def make_tokenizer(longest: int) -> PreTrainedTokenizerFast:
    """The tokenizer of a model whose context is `longest` tokens."""
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(VOCABULARY)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")  # type: ignore[assignment]
    tokenizer.decoder = decoders.Fuse()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        padding_side="left",
        model_max_length=longest,
        clean_up_tokenization_spaces=False,
    )
