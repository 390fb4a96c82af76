"""Tasks of the lab's worlds as problems: `paths`, `parity`, `two-strategies`, or `<world>:<tier>`, from size and seed.

The question is the task as the lab's models read it, to be continued (template `completion`); the reference is one of
the right answers. Metadata is what the task is made of, tags are the tier, the half of the world (`split`) and what
else the world says. The one option is split, as in countdown, which has a file of its own because it had one first.
"""

from collections.abc import Mapping
from random import Random

from move37.benchmarks.countdown import split_option
from move37.config import ProblemsConfig
from move37.errors import InputError, UnknownNameError
from move37.identity import content_id
from move37.seeds import generation_seed
from move37.types import Problem
from move37.worlds import Task, World, distinct_plays, first
from move37.worlds.parity import PARITY as PARITY_WORLD
from move37.worlds.paths import PATHS as PATHS_WORLD
from move37.worlds.two_strategies import TWO_STRATEGIES as TWO_STRATEGIES_WORLD


class WorldBenchmark:
    """The tasks of one world."""

    expected_counts: Mapping[int, str] = {}

    def __init__(self, world: World) -> None:
        self.world = world
        self.name = self.verifier = world.name

    def load(self, source: ProblemsConfig) -> tuple[Problem, ...]:
        """`source.size` problems; fewer is an error. Raises UnknownNameError, ConfigError or InputError."""
        _, colon, after = source.benchmark.partition(":")
        tier = after if colon else self.world.tiers[0]
        if tier not in self.world.tiers:
            raise UnknownNameError(f"unknown {self.name} tier {tier!r} (known: {', '.join(self.world.tiers)})")
        split = split_option(source, self.name)
        rng = Random(generation_seed(source.seed, f"{self.name} {tier} {split}"))
        made = first(distinct_plays(self.world, tier, split, rng), source.size)
        if len(made) < source.size:
            raise InputError(
                f"problems.size: {self.name}:{tier} has only about {len(made)} different {split} problems; ask for "
                "fewer"
            )
        return tuple(self._problem(tier, task) for task, _ in made)

    def _problem(self, tier: str, task: Task) -> Problem:
        return Problem(
            id=content_id(self.name, task.question),
            question=task.question,
            references=(next(task.chains()),),
            benchmark=self.name,
            verifier=self.verifier,
            tags={"tier": tier, "split": task.split.value, **task.tags},
            metadata=dict(task.metadata),
        )


PATHS, PARITY, TWO_STRATEGIES = map(WorldBenchmark, (PATHS_WORLD, PARITY_WORLD, TWO_STRATEGIES_WORLD))
