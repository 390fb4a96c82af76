"""What the lab's pretrainings share: recipes in TOML, updates that can be stopped and gone on with, and the command.

What a step learns depends on the recipe and the number of the step alone, so a stopped run goes on as if it had not
been stopped: weights and optimizer lie beside the model, written whole or not at all. The rate rises to its peak and
falls as a cosine. Left out: what is learned, which is the module's that calls, and validation: measure the model with
a study.
"""

import argparse
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import Field, ValidationError
from torch import nn

from move37.config import Settings, describe_validation_error, read_toml
from move37.errors import ConfigError, Move37Error

STATE = "pretraining-state.pt"
RECIPE = "recipe.json"
"""The resolved recipe, beside the weights that it made."""
Reporter = Callable[[int, float], None]


class Recipe(Settings):
    """What every recipe says."""

    seed: int = Field(default=0, ge=0, description="Seed of the tasks and of the first weights.")
    tier: str = Field(default="in-pretraining", description="Tier of the world's tasks.")
    peak_learning_rate: float = Field(default=2e-3, gt=0, description="Of AdamW, reached after the warm-up.")
    warmup_steps: int = Field(default=100, ge=0, description="Linear warm-up; then a cosine down to zero.")
    weight_decay: float = Field(default=0.01, ge=0, description="Of AdamW.")
    gradient_clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    threads: int = Field(default=1, ge=1, description="Threads of torch.")
    save_every: int = Field(default=100, ge=1, description="Updates between two states to go on from.")


R = TypeVar("R", bound=Recipe)


def read_recipe(path: Path, kind: type[R]) -> R:
    """The recipe in a TOML file. Raises ConfigError with one line that names the key."""
    try:
        return kind.model_validate(read_toml(path, "recipe"))
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe_validation_error(error, kind)}") from None


def make_optimizer(recipe: Recipe, parts: Sequence[tuple[Iterable[nn.Parameter], float]]) -> torch.optim.AdamW:
    """AdamW over parts of a model, each with its share of the learning rate; gains and biases do not decay."""
    groups = []
    for weights, factor in parts:
        given = list(weights)
        for is_matrix in (False, True):
            chosen = [each for each in given if (each.dim() > 1) == is_matrix]
            decay = recipe.weight_decay if is_matrix else 0.0
            groups.append({"params": chosen, "weight_decay": decay, "factor": factor})
    return torch.optim.AdamW(groups, lr=recipe.peak_learning_rate, betas=(0.9, 0.95))


def update(
    recipe: Recipe,
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    rates: Sequence[float],
    learn: Callable[[int], float],
    report: Reporter,
) -> None:
    """All updates, one for each rate, from the state in `folder` on.

    `learn` adds the gradient of a step (from 0) and returns its loss; `report` gets the number of every finished step
    and that loss. Raises ConfigError for a folder that holds the state of another recipe.
    """
    done = _restore(folder / STATE, recipe, model, optimizer)
    model.train()
    for step in range(done, len(rates)):
        for group in optimizer.param_groups:
            group["lr"] = rates[step] * group["factor"]
        optimizer.zero_grad()
        loss = learn(step)
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
        optimizer.step()
        report(step + 1, loss)
        if (step + 1) % recipe.save_every == 0:
            _keep(folder / STATE, recipe, step + 1, model, optimizer)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear to the peak during the warm-up, then half a cosine to zero after all `steps`."""
    if step < recipe.warmup_steps:
        return recipe.peak_learning_rate * (step + 1) / recipe.warmup_steps
    progress = (step - recipe.warmup_steps) / max(1, steps - recipe.warmup_steps)
    return recipe.peak_learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def write_recipe(recipe: Recipe, folder: Path) -> None:
    """Leave the resolved recipe beside the weights that it made."""
    (folder / RECIPE).write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _keep(path: Path, recipe: Recipe, done: int, model: nn.Module, optimizer: Any) -> None:
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


def _restore(path: Path, recipe: Recipe, model: nn.Module, optimizer: Any) -> int:
    """Take up the kept state, if any; returns the updates that it has behind it. Raises ConfigError."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if type(recipe).model_validate(state["recipe"]) != recipe:  # a key that was not there yet has its default
        raise ConfigError(f"{path}: the state of another recipe; give another --out, or remove the file to start anew")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["done"]


def run_command(
    words: Sequence[str] | None,
    module: str,
    description: str,
    example: str,
    pretrain: Callable[[Path, Path, Reporter], Path],
) -> None:
    """The command of a pretraining: a recipe's path and --out. Exits with 2 for a bad recipe.

    `words` stand for the command line's where they are given.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("recipe", type=Path, help=f"TOML, for example {example}")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model; a run stopped there goes on")
    arguments = parser.parse_args(words)

    def report(step: int, loss: float) -> None:
        if step % 10 == 0:
            print(f"step {step}  loss {loss:.4f} nats/token  {time.process_time():.0f} CPU s", flush=True)

    try:
        print(f"written to {pretrain(arguments.recipe, arguments.out, report)}")
    except Move37Error as error:
        parser.exit(error.exit_code, f"{error}\n")
