"""A recipe of ours, handed over to another trainer: its data, its reward, its settings, its command.

Each trainer gets a folder that stands alone: the problems with all that their verifiers read (`problems.jsonl`), the
prompts to the letter (`prompts.py`), a reward that asks the same verifiers, and the recipe's settings in the trainer's
own words. What the trainer cannot do is refused with one line that names the key, and where it does something a little
differently the README in the folder says so. Nothing is trained here.
"""

from pathlib import Path
from typing import Protocol

from move37.errors import ConfigError
from move37.handover.plan import HandOver, plan_of
from move37.registry import Registry
from move37.results import HandedOver
from move37.training.recipe import IMITATION, TrainConfig


class Trainer(Protocol):
    def write(self, plan: HandOver, out: Path) -> tuple[list[Path], list[str]]:
        """Write all that the trainer needs into `out`: the files, and what it does otherwise than the recipe says.

        Raises ConfigError for what it cannot do.
        """
        ...


TRAINERS = Registry(
    "trainer",
    {
        "verl": "move37.handover.verl:VerlTrainer",
        "trl": "move37.handover.trl:TrlTrainer",
        "verifiers": "move37.handover.environment:VerifiersEnvironment",
    },
    methods=("write",),
)


def hand_over(trainer_name: str, recipe: TrainConfig, out: Path) -> HandedOver:
    """Write a recipe as another trainer takes it. Raises ConfigError, UnknownNameError or InputError in one line."""
    trainer: Trainer = TRAINERS.load(trainer_name)()
    if recipe.algorithm.name in (IMITATION, "on_policy_distillation"):
        raise ConfigError(f"algorithm.name: {recipe.algorithm.name} learns from no rewards; `move37 train` does it")
    files, differs = trainer.write(plan_of(recipe), out)
    return HandedOver(recipe.name, out, trainer_name, tuple(file.relative_to(out) for file in files), tuple(differs))
