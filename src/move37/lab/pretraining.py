"""Pretraining a base for a world of the lab: a model that has seen how one may move, and no strategy.

    python -m move37.lab.pretraining studies/countdown-pretraining.toml --out FOLDER

Every text is a fresh task of the training half with the one random play that made it, "7,2,4,11=11:7+4=11;...$" in
countdown (`move37.worlds` has the others). The model learns the play given the task, with whatever strategy the play
happened to have: the result is a base with wide support and low accuracy.

Decisions. The puzzle's own tokens carry no loss: they are random, and predicting them teaches nothing. The
architecture is Llama's with tied embeddings, because every engine and trainer loads it. The texts of a step depend on
the seed and the step alone, so a stopped run goes on as if it had not been stopped (a state file beside the weights,
written whole or not at all). Float32 on the CPU: the same recipe gives the same weights on the same machine, and the
same behaviour on others. Left out: GPUs, several texts in one row, validation (measure the checkpoint with a study).
"""

import argparse
import math
import os
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Protocol

import torch
from pydantic import Field, ValidationError, model_validator
from torch import Tensor, nn
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from move37.config import Settings, describe_validation_error, read_toml
from move37.countdown import END, Split
from move37.errors import ConfigError, Move37Error
from move37.lab.tokenizer import VOCABULARY, make_tokenizer
from move37.seeds import generation_seed
from move37.worlds.known import WORLDS

STATE = "pretraining-state.pt"
RECIPE = "recipe.json"
"""The resolved recipe, beside the weights that it made."""
Reporter = Callable[[int, float], None]


class Schedule(Protocol):
    """Of a recipe: what the rate of a step depends on."""

    @property
    def steps(self) -> int: ...

    @property
    def warmup_steps(self) -> int: ...

    @property
    def peak_learning_rate(self) -> float: ...


class PretrainingConfig(Settings):
    """The recipe of the shipped base."""

    seed: int = Field(default=0, ge=0, description="Seed of the texts and of the first weights.")
    world: str = Field(default="countdown", description="World of the texts: countdown, paths, parity, two-strategies.")
    tier: str = Field(default="in-pretraining", description="Tier of its tasks.")
    steps: int = Field(default=1000, ge=1, description="Updates.")
    batch_size: int = Field(default=256, ge=1, description="Texts per update, all of them new.")
    rows: int = Field(default=64, ge=1, description="Texts computed together; changes nothing but the speed.")
    peak_learning_rate: float = Field(default=2e-3, gt=0, description="Of AdamW, reached after the warm-up.")
    warmup_steps: int = Field(default=100, ge=0, description="Linear warm-up; then a cosine down to zero.")
    weight_decay: float = Field(default=0.01, ge=0, description="Of AdamW.")
    gradient_clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    layers: int = Field(default=4, ge=1, description="Layers of the decoder.")
    width: int = Field(default=128, ge=8, description="Width of the residual stream.")
    heads: int = Field(default=4, ge=1, description="Attention heads.")
    feed_forward: int = Field(default=344, ge=8, description="Inner width of the gated feed-forward layers.")
    initial_deviation: float = Field(default=0.05, gt=0, description="Standard deviation of the first weights.")
    context: int = Field(default=128, ge=32, description="Most tokens of prompt and chain together.")
    threads: int = Field(default=1, ge=1, description="Threads of torch.")
    save_every: int = Field(default=100, ge=1, description="Updates between two states to go on from.")

    @model_validator(mode="after")
    def _consistent(self) -> "PretrainingConfig":
        if self.width % (2 * self.heads):
            raise ValueError(
                f"heads: {self.heads} heads do not divide the width of {self.width} into even parts (rotary positions "
                "turn pairs of numbers)"
            )
        return self


def load_recipe(path: Path) -> PretrainingConfig:
    """The recipe in a TOML file. Raises ConfigError with one line that names the key."""
    try:
        return PretrainingConfig.model_validate(read_toml(path, "recipe"))
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe_validation_error(error, PretrainingConfig)}") from None


def pretrain(recipe: PretrainingConfig, folder: Path, report: Reporter = lambda step, loss: None) -> Path:
    """Train from random weights, or go on from the state in `folder`; returns the folder, then a model folder.

    `report` gets the number of every finished step and its mean loss in nats per token. Raises ConfigError for a tier
    that is not there, for texts longer than the context, and for a folder that holds the state of another recipe.
    """
    if recipe.world not in WORLDS:
        raise ConfigError(f"world: unknown world {recipe.world!r} (known: {', '.join(WORLDS)})")
    if recipe.tier not in WORLDS[recipe.world].tiers:
        known = ", ".join(WORLDS[recipe.world].tiers)
        raise ConfigError(f"tier: unknown {recipe.world} tier {recipe.tier!r} (known: {known})")
    torch.set_num_threads(recipe.threads)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, model = make_tokenizer(recipe.context), make_model(recipe)
    optimizer = _optimizer(model, recipe)
    done = restore(folder / STATE, recipe, model, optimizer)
    model.train()
    for step in range(done, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        optimizer.zero_grad()
        tokens_BT, learned_BT = encode(tokenizer, pretraining_texts(recipe, step))
        if tokens_BT.shape[1] > recipe.context:
            raise ConfigError(
                f"context: a text of tier {recipe.tier!r} has {tokens_BT.shape[1]} tokens; allow for more"
            )
        loss = accumulate(model, tokens_BT, learned_BT, recipe.rows)
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
        optimizer.step()
        report(step + 1, loss)
        if (step + 1) % recipe.save_every == 0:
            keep(folder / STATE, recipe, step + 1, model, optimizer)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / RECIPE).write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return folder


def pretraining_texts(recipe: PretrainingConfig, step: int) -> list[tuple[str, str]]:
    """The texts of one update: questions of the training half, each with one random play and the end mark."""
    rng = Random(generation_seed(recipe.seed, f"{recipe.world} pretraining {step}"))
    made = islice(WORLDS[recipe.world].plays(recipe.tier, Split.TRAINING, rng), recipe.batch_size)
    return [(task.question, play + END) for task, play in made]


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[tuple[str, str]]) -> tuple[Tensor, Tensor]:
    """Token ids (texts, longest text), padded on the right, and whether each token carries a loss: the chain's do."""
    batch: Any = tokenizer([question + chain for question, chain in texts], padding=True, padding_side="right")
    tokens_BT = torch.tensor(batch["input_ids"])
    columns = torch.arange(tokens_BT.shape[1])
    begins = torch.tensor([[len(question)] for question, _ in texts])  # one token per character
    ends = torch.tensor([[len(question) + len(chain)] for question, chain in texts])
    return tokens_BT, (begins <= columns) & (columns < ends)


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


def learning_rate(recipe: Schedule, step: int) -> float:
    """Linear to the peak during the warm-up, then half a cosine to zero at the end."""
    if step < recipe.warmup_steps:
        return recipe.peak_learning_rate * (step + 1) / recipe.warmup_steps
    progress = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return recipe.peak_learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


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


def _optimizer(model: LlamaForCausalLM, recipe: PretrainingConfig) -> torch.optim.AdamW:
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    gains = [weight for weight in model.parameters() if weight.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.peak_learning_rate, betas=(0.9, 0.95))


def keep(path: Path, recipe: Settings, done: int, model: nn.Module, optimizer: Any) -> None:
    """Write down where a pretraining is, whole or not at all."""
    state = {
        "recipe": recipe.model_dump(),
        "done": done,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def restore(path: Path, recipe: Settings, model: nn.Module, optimizer: Any) -> int:
    """Take up the kept state, if any; returns the updates that it has behind it. Raises ConfigError."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if {"world": "countdown", **state["recipe"]} != recipe.model_dump():
        raise ConfigError(f"{path}: the state of another recipe; give another --out, or remove the file to start anew")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["done"]


def main(words: Sequence[str] | None = None) -> None:
    """The command, with the given words instead of the command line's. Exits with 2 for a bad recipe."""
    parser = argparse.ArgumentParser(prog="python -m move37.lab.pretraining", description="Pretrain a countdown base.")
    parser.add_argument("recipe", type=Path, help="TOML, for example studies/countdown-pretraining.toml")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model; a run stopped there goes on")
    arguments = parser.parse_args(words)
    start = time.monotonic()

    def report(step: int, loss: float) -> None:
        if step % 10 == 0:
            print(f"step {step}  loss {loss:.4f} nats/token  {time.monotonic() - start:.0f} s", flush=True)

    try:
        print(f"written to {pretrain(load_recipe(arguments.recipe), arguments.out, report)}")
    except Move37Error as error:
        parser.exit(error.exit_code, f"{error}\n")


if __name__ == "__main__":
    main()
