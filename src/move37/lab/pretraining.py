"""Pretraining a base for a world of the lab: a model that has seen how one may move, and no strategy.

    python -m move37.lab.pretraining studies/countdown-pretraining.toml --out FOLDER

Every text is a fresh task of the training half with the one random play that made it, "7,2,4,11=11:7+4=11;...$" in
countdown (`move37.worlds` has the others). The model learns the play given the task, with whatever strategy the play
happened to have: the result is a base with wide support and low accuracy. A few texts of a further tier (`mixture`)
put that tier as far within its reach as one likes.

Decisions. The puzzle's own tokens carry no loss: they are random, and predicting them teaches nothing. With
`given_results` neither do the results of steps ("11" of "7+4=11"): such a base reads results and goes on from them, and
never learnt to write one, like somebody who always had a calculator. The architecture is Llama's with tied embeddings,
because every engine and trainer loads it. A stopped run goes on as if it had not been stopped
(`pretraining_loop.py`). Float32 on the CPU: the same recipe gives the same weights on the same
machine, and the same behaviour on others. Left out: GPUs, several texts in one row.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Any

import torch
from pydantic import Field, model_validator
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from move37.countdown import END, Split
from move37.errors import ConfigError
from move37.lab.pretraining_loop import (
    Recipe,
    Reporter,
    learning_rate,
    make_optimizer,
    read_recipe,
    run_command,
    update,
    write_recipe,
)
from move37.lab.tokenizer import VOCABULARY, make_tokenizer
from move37.seeds import generation_seed
from move37.worlds.known import WORLDS

_RESULT = re.compile(r"(?<==)[0-9]+")
"""Of a step: the digits behind its equals sign."""


class PretrainingConfig(Recipe):
    """The recipe of the shipped base."""

    world: str = Field(default="countdown", description="World of the texts: countdown, paths, parity, two-strategies.")
    steps: int = Field(default=1000, ge=1, description="Updates.")
    batch_size: int = Field(default=256, ge=1, description="Texts per update, all of them new.")
    rows: int = Field(default=64, ge=1, description="Texts computed together; changes nothing but the speed.")
    layers: int = Field(default=4, ge=1, description="Layers of the decoder.")
    width: int = Field(default=128, ge=8, description="Width of the residual stream.")
    heads: int = Field(default=4, ge=1, description="Attention heads.")
    feed_forward: int = Field(default=344, ge=8, description="Inner width of the gated feed-forward layers.")
    initial_deviation: float = Field(default=0.05, gt=0, description="Standard deviation of the first weights.")
    context: int = Field(default=128, ge=32, description="Most tokens of prompt and chain together.")

    given_results: bool = Field(default=False, description="Results of countdown's steps carry no loss.")
    mixture: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default={}, description="Further tiers, each with the share of the texts that are of it."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "PretrainingConfig":
        if self.given_results and self.world != "countdown":
            raise ValueError(f"given_results: the texts of the world {self.world} have no results of steps")
        if self.tier in self.mixture or sum(self.mixture.values()) >= 1:
            raise ValueError(f"mixture: shares of other tiers that leave some of the texts to {self.tier!r}")
        if self.width % (2 * self.heads):
            raise ValueError(
                f"heads: {self.heads} heads do not divide the width of {self.width} into even parts (rotary positions "
                "turn pairs of numbers)"
            )
        return self


def load_recipe(path: Path) -> PretrainingConfig:
    """The recipe in a TOML file. Raises ConfigError with one line that names the key."""
    return read_recipe(path, PretrainingConfig)


def pretrain(recipe: PretrainingConfig, folder: Path, report: Reporter = lambda step, loss: None) -> Path:
    """Train from random weights, or go on from the state in `folder`; returns the folder, then a model folder.

    `report` gets the number of every finished step and its mean loss in nats per token. Raises ConfigError for a tier
    that is not there, for texts longer than the context, and for a folder that holds the state of another recipe.
    """
    if recipe.world not in WORLDS:
        raise ConfigError(f"world: unknown world {recipe.world!r} (known: {', '.join(WORLDS)})")
    for tier in (recipe.tier, *recipe.mixture):
        if tier not in WORLDS[recipe.world].tiers:
            key, known = "tier" if tier == recipe.tier else "mixture", ", ".join(WORLDS[recipe.world].tiers)
            raise ConfigError(f"{key}: unknown {recipe.world} tier {tier!r} (known: {known})")
    torch.set_num_threads(recipe.threads)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, model = make_tokenizer(recipe.context), make_model(recipe)

    def learn(step: int) -> float:
        tokens_BT, learned_BT = encode(tokenizer, pretraining_texts(recipe, step), recipe.given_results)
        if tokens_BT.shape[1] > recipe.context:
            tiers = " or ".join(map(repr, (recipe.tier, *recipe.mixture)))
            raise ConfigError(f"context: a text of tier {tiers} has {tokens_BT.shape[1]} tokens; allow for more")
        return accumulate(model, tokens_BT, learned_BT, recipe.rows)

    rates = [learning_rate(recipe, step, recipe.steps) for step in range(recipe.steps)]
    update(recipe, folder, model, make_optimizer(recipe, [(model.parameters(), 1.0)]), rates, learn, report)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_recipe(recipe, folder)
    return folder


def pretraining_texts(recipe: PretrainingConfig, step: int) -> list[tuple[str, str]]:
    """The texts of one update: questions of the training half, each with one random play and the end mark."""
    rng = Random(generation_seed(recipe.seed, f"{recipe.world} pretraining {step}"))
    plays = {tier: WORLDS[recipe.world].plays(tier, Split.TRAINING, rng) for tier in (recipe.tier, *recipe.mixture)}
    made = [next(plays[_tier(recipe, rng)]) for _ in range(recipe.batch_size)]
    return [(task.question, play + END) for task, play in made]


def _tier(recipe: PretrainingConfig, rng: Random) -> str:
    """The tier of the next text. Without a mixture nothing is drawn: recipes keep the texts that they always had."""
    point = rng.random() if recipe.mixture else 1.0
    for tier, share in recipe.mixture.items():
        point -= share
        if point < 0:
            return tier
    return recipe.tier


def encode(
    tokenizer: PreTrainedTokenizerFast, texts: list[tuple[str, str]], given_results: bool = False
) -> tuple[Tensor, Tensor]:
    """Token ids (texts, longest text), padded on the right, and whether each token carries a loss: the chain's do,
    its results only if they are not given."""
    batch: Any = tokenizer([question + chain for question, chain in texts], padding=True, padding_side="right")
    tokens_BT = torch.tensor(batch["input_ids"])
    columns = torch.arange(tokens_BT.shape[1])
    begins = torch.tensor([[len(question)] for question, _ in texts])  # one token per character
    ends = torch.tensor([[len(question) + len(chain)] for question, chain in texts])
    learned_BT = (begins <= columns) & (columns < ends)
    if given_results:
        for learned_T, (question, chain) in zip(learned_BT, texts, strict=True):
            for result in _RESULT.finditer(chain):
                learned_T[len(question) + result.start() : len(question) + result.end()] = False
    return tokens_BT, learned_BT


def accumulate(model: PreTrainedModel, tokens_BT: Tensor, learned_BT: Tensor, rows: int) -> float:
    """Add the gradient of the batch's mean loss per learned token; returns that loss in nats.

    `rows` texts of like length at a time, which saves padding and keeps activations in the cache; the sum does not
    depend on it. Causal attention alone keeps texts from their padding, which comes after them.
    """
    learned = learned_BT.sum()
    widths = (learned_BT * torch.arange(1, tokens_BT.shape[1] + 1)).amax(1)
    total = 0.0
    for part in widths.argsort(stable=True).split(rows):
        width = int(widths[part].max())
        tokens, wanted = tokens_BT[part, :width], learned_BT[part, 1:width]
        logits = model(input_ids=tokens[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[wanted], tokens[:, 1:][wanted], reduction="sum") / learned
        loss.backward()
        total += loss.item()
    return total


def make_model(recipe: PretrainingConfig) -> LlamaForCausalLM:
    """The architecture with random weights drawn from the recipe's seed."""
    torch.manual_seed(generation_seed(recipe.seed, "countdown weights"))
    pad, end = VOCABULARY.index("<pad>"), VOCABULARY.index(END)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=recipe.width,
            intermediate_size=recipe.feed_forward,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            max_position_embeddings=recipe.context,
            initializer_range=recipe.initial_deviation,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=end,
            pad_token_id=pad,
        )
    )
    model.generation_config = GenerationConfig(do_sample=True, eos_token_id=end, pad_token_id=pad)
    return model


def main(words: Sequence[str] | None = None) -> None:
    """The command, with the given words instead of the command line's."""
    run_command(
        words,
        "move37.lab.pretraining",
        "Pretrain a base of a world of the lab.",
        "studies/countdown-pretraining.toml",
        lambda path, folder, report: pretrain(load_recipe(path), folder, report),
    )


if __name__ == "__main__":
    main()
