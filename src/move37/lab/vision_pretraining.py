"""Pretraining a base for a drawn world: a model of the lab that could reason already learns to see.

    python -m move37.lab.vision_pretraining studies/visual-countdown-pretraining.toml --out FOLDER

The language model is taken from a text base of the lab and gets a tower of random weights. It learns in three parts:

    tower_steps     the tower alone: which digits have their middle where an image token looks, told by a linear layer
                    that is thrown away (without it a tower and a language model that know nothing of each other wait
                    for each other: 225 steps of 32 readings changed nothing)
    reading_steps   to say what stands in a picture: "7,2,4,11=11:"
    the rest        whole answers, each with the one random play that made the task: "7,2,4,11=11:7+4=11;...$"

A share of the tasks is shown as text from the second part on, so that the text arm of a comparison measures the same
model, and what it knew is not lost. As in `pretraining.py`: every task is fresh and of the training half, a stopped run
goes on as if it had not been stopped, and what the model is given carries no loss. Float32 on the CPU.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import Idefics3ForConditionalGeneration, Idefics3Processor, LlamaForCausalLM

from move37.countdown import END, Split
from move37.errors import ConfigError
from move37.lab import checkpoint_folder
from move37.lab.pretraining import accumulate, encode
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
from move37.lab.vision import IMAGE_TOKEN, VisionShape, make_processor, make_vision_model, save_vision_model
from move37.seeds import generation_seed
from move37.worlds.drawing import CHARACTERS, Canvas
from move37.worlds.known import WORLDS
from move37.worlds.shown import QUESTION, DrawnTask, parted

_DIGITS, _KINDS = 3, 1 + len(CHARACTERS)
"""Digits of a number that the tower is told, and what each may be."""


class VisionPretrainingConfig(Recipe):
    """The recipe of the shipped base that sees."""

    world: str = Field(default="visual-countdown", description="Drawn world: visual-countdown, drawn-geometry.")
    language: str = Field(
        default="countdown-base", description="Shipped text base whose weights the model begins with."
    )
    tower_steps: int = Field(default=250, ge=0, description="Updates of the tower alone.")
    reading_steps: int = Field(default=400, ge=0, description="Updates in which answers end with the reading.")
    answer_steps: int = Field(default=120, ge=1, description="Updates on whole answers.")
    batch_size: int = Field(default=32, ge=1, description="Pictures per update, all of them new.")
    texts: int = Field(default=4, ge=0, description="Tasks shown as text per update.")
    language_rate: float = Field(default=0.5, gt=0, le=1, description="Rate of the language model, as a share of it.")
    warmup_steps: int = Field(default=30, ge=0, description="Linear warm-up; then a cosine down to zero.")
    layers: int = Field(default=2, ge=1, description="Layers of the tower.")
    width: int = Field(default=64, ge=8, description="Width of the tower.")
    heads: int = Field(default=4, ge=1, description="Attention heads of the tower.")
    feed_forward: int = Field(default=128, ge=8, description="Inner width of the tower's feed-forward layers.")
    save_every: int = Field(default=25, ge=1, description="Updates between two states to go on from.")

    @property
    def steps(self) -> int:
        """All updates."""
        return self.tower_steps + self.reading_steps + self.answer_steps

    @property
    def shape(self) -> VisionShape:
        return VisionShape(width=self.width, layers=self.layers, heads=self.heads, feed_forward=self.feed_forward)


def load_recipe(path: Path) -> VisionPretrainingConfig:
    """The recipe in a TOML file. Raises ConfigError with one line that names the key."""
    return read_recipe(path, VisionPretrainingConfig)


def pretrain_to_see(recipe: VisionPretrainingConfig, folder: Path, report: Reporter = lambda step, loss: None) -> Path:
    """Train from a text base, or go on from the state in `folder`; returns the folder, then a model folder.

    `report` gets the number of every finished step and its mean loss in nats per label or token. Raises ConfigError for
    a world or tier that is not drawn, InputError for a language model that is not shipped.
    """
    _refuse_unknown(recipe)
    torch.set_num_threads(recipe.threads)
    folder.mkdir(parents=True, exist_ok=True)
    language: Any = LlamaForCausalLM.from_pretrained(checkpoint_folder(recipe.language))
    model = make_vision_model(language, recipe.shape, recipe.seed)
    processor = make_processor(language.config.max_position_embeddings, recipe.shape)
    seeing = _Seeing(model, processor, recipe)
    rates = [learning_rate(recipe, step, recipe.steps) * _warmth(recipe, step) for step in range(recipe.steps)]
    update(recipe, folder, seeing, make_optimizer(recipe, seeing.parts()), rates, seeing.learn, report)
    save_vision_model(model.eval(), recipe.shape, folder)
    write_recipe(recipe, folder)
    return folder


def _warmth(recipe: VisionPretrainingConfig, step: int) -> float:
    """The language model comes in with a warm-up of its own."""
    behind = step - recipe.tower_steps
    return 1.0 if behind < 0 else min(1.0, (behind + 1) / max(1, recipe.warmup_steps))


def pretraining_tasks(recipe: VisionPretrainingConfig, step: int) -> Iterator[tuple[DrawnTask, str]]:
    """The tasks of one update with their answers: fresh ones of the training half."""
    rng = Random(generation_seed(recipe.seed, f"{recipe.world} pretraining {step}"))
    for task, play in islice(
        WORLDS[recipe.world].plays(recipe.tier, Split.TRAINING, rng), recipe.batch_size + recipe.texts
    ):
        assert isinstance(task, DrawnTask)
        yield task, play


class _Seeing(nn.Module):
    """The model, and the layer that tells in the first part what its image tokens have seen."""

    def __init__(
        self, model: Idefics3ForConditionalGeneration, processor: Idefics3Processor, recipe: VisionPretrainingConfig
    ) -> None:
        super().__init__()
        self.model, self._recipe = model, recipe
        self._tokenizer: Any = processor.tokenizer  # type: ignore[attr-defined]
        self._prompt = prompt_ids(processor)
        self._side = math.isqrt(recipe.shape.image_tokens)
        torch.manual_seed(generation_seed(recipe.seed, "label weights"))
        self.labels = nn.Linear(model.lm_head.in_features, _DIGITS * _KINDS)

    def parts(self) -> list[tuple[list[nn.Parameter], float]]:
        """What sees, then the language model, each with its share of the learning rate."""
        found: list[tuple[list[nn.Parameter], float]] = [([], 1.0), ([], self._recipe.language_rate)]
        for name, weights in self.named_parameters():
            found["text_model" in name or "lm_head" in name][0].append(weights)
        return found

    def learn(self, step: int) -> float:
        """Add the gradient of a step's mean loss; returns that of the pictures in nats."""
        tasks, recipe = list(pretraining_tasks(self._recipe, step)), self._recipe
        pictures, texts = [task for task, _ in tasks[: recipe.batch_size]], tasks[recipe.batch_size :]
        if step < recipe.tower_steps:
            return self._learn_labels(pictures)
        if texts:
            asked = [(f"{task.written}:", parted(play)[1] + END) for task, play in texts]
            accumulate(self.model, *encode(self._tokenizer, asked), rows=len(texts))
        if step < recipe.tower_steps + recipe.reading_steps:
            return self._learn_answers(pictures, [f"{task.written}:" for task in pictures])
        return self._learn_answers(pictures, [play + END for _, play in tasks[: recipe.batch_size]])

    def _learn_labels(self, tasks: Sequence[DrawnTask]) -> float:
        canvases = [task.drawn() for task in tasks]
        tower: Any = self.model.model
        seen = tower.get_image_features(pixels_of(canvases))
        told = self.labels(torch.cat(seen.pooler_output)).view(-1, _KINDS)
        wanted = torch.tensor([label for canvas in canvases for label in labels_of(canvas, self._side)])
        loss = cross_entropy(told, wanted.flatten())
        loss.backward()
        return loss.item()

    def _learn_answers(self, tasks: Sequence[DrawnTask], answers: Sequence[str]) -> float:
        prompt_BS = self._prompt.expand(len(tasks), -1)
        tokens_BT, learned_BT = encode(self._tokenizer, [("", answer) for answer in answers])
        read = torch.cat([prompt_BS, tokens_BT[:, :-1]], dim=1)
        pixels = pixels_of([task.drawn() for task in tasks])
        logits = self.model(input_ids=read, pixel_values=pixels, use_cache=False).logits[:, prompt_BS.shape[1] - 1 :]
        loss = cross_entropy(logits[learned_BT], tokens_BT[learned_BT])
        loss.backward()
        return loss.item()


def prompt_ids(processor: Any) -> Tensor:
    """Token ids of a prompt of one picture and the question, (1, S)."""
    edge = processor.image_processor.size["longest_edge"]
    made = processor(text=[IMAGE_TOKEN + QUESTION], images=[[Image.new("RGB", (edge, edge))]], return_tensors="pt")
    return made["input_ids"]


def pixels_of(canvases: Sequence[Canvas]) -> Tensor:
    """What the processor makes of pictures of the model's own size, in a tenth of its time (a test compares)."""
    grey = torch.frombuffer(bytearray(b"".join(canvas.grey() for canvas in canvases)), dtype=torch.uint8)
    width, height = canvases[0].size
    shades = grey.view(len(canvases), 1, 1, height, width) / 127.5 - 1
    return shades.expand(-1, -1, 3, -1, -1)


def labels_of(canvas: Canvas, side: int) -> list[list[int]]:
    """Of each image token, row by row, the last digits of the number whose middle it holds: 0 none, 1 zero, 2 one..."""
    found = [[0] * _DIGITS for _ in range(side * side)]
    width, height = canvas.size
    for text, (x, y) in canvas.marks:
        row, column = (min(side - 1, max(0, int(of * side))) for of in (y / height, x / width))
        for place, character in enumerate(reversed(text[-_DIGITS:])):
            found[row * side + column][place] = CHARACTERS.index(character) + 1
    return found


def _refuse_unknown(recipe: VisionPretrainingConfig) -> None:
    worlds = {
        name: world
        for name, world in WORLDS.items()
        if isinstance(next(world.plays(world.tiers[0], Split.TRAINING, Random(0)))[0], DrawnTask)
    }
    if recipe.world not in worlds:
        raise ConfigError(f"world: no drawn world {recipe.world!r} (known: {', '.join(worlds)})")
    tiers = worlds[recipe.world].tiers
    if recipe.tier not in tiers:
        raise ConfigError(f"tier: unknown {recipe.world} tier {recipe.tier!r} (known: {', '.join(tiers)})")


def main(words: Sequence[str] | None = None) -> None:
    """The command, with the given words instead of the command line's."""
    run_command(
        words,
        "move37.lab.vision_pretraining",
        "Pretrain a base that sees a drawn world.",
        "studies/visual-countdown-pretraining.toml",
        lambda path, folder, report: pretrain_to_see(load_recipe(path), folder, report),
    )


if __name__ == "__main__":
    main()
