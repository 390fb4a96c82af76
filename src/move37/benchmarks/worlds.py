"""Tasks of the lab's worlds as problems: `paths`, `visual-countdown`, ... or `<world>:<tier>`, from size and seed.

The question is the task as the lab's models read it, to be continued (template `completion`); the reference is one of
the right answers. Metadata is what the task is made of, tags are the tier, the half of the world (`split`) and what
else the world says. The option `split` is countdown's, which has a file of its own because it had one first.

Tasks of a drawn world have a picture, and a chat template asks for it (template `chat-plain`). Their option `shown` is
"image" (the default) or "text"; size and seed alone decide which tasks there are, so the two show the same ones. Their
reference is the play that made the task.
"""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from move37.benchmarks.countdown import split_option
from move37.config import ProblemsConfig
from move37.errors import ConfigError, InputError, UnknownNameError
from move37.identity import content_id
from move37.seeds import generation_seed
from move37.types import ImagePart, Problem
from move37.worlds import Task, World, distinct_plays, first
from move37.worlds.drawing import MEDIA_TYPE
from move37.worlds.drawn_geometry import DRAWN_GEOMETRY as DRAWN_GEOMETRY_WORLD
from move37.worlds.parity import PARITY as PARITY_WORLD
from move37.worlds.paths import PATHS as PATHS_WORLD
from move37.worlds.shown import IMAGE, SHOWN, DrawnTask, parted
from move37.worlds.two_strategies import TWO_STRATEGIES as TWO_STRATEGIES_WORLD
from move37.worlds.visual_countdown import VISUAL_COUNTDOWN as VISUAL_COUNTDOWN_WORLD


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
        return tuple(self._problem(tier, task, play, source) for task, play in made)

    def _problem(self, tier: str, task: Task, play: str, source: ProblemsConfig) -> Problem:
        return Problem(
            id=content_id(self.name, task.question),
            question=task.question,
            references=(next(task.chains()),),
            benchmark=self.name,
            verifier=self.verifier,
            tags={"tier": tier, "split": task.split.value, **task.tags},
            metadata=dict(task.metadata),
        )


class DrawnBenchmark(WorldBenchmark):
    """The tasks of a drawn world, shown as the option says."""

    def load(self, source: ProblemsConfig) -> tuple[Problem, ...]:
        """As above. Raises MissingExtraError where pictures are asked for and Pillow is missing."""
        shown = source.options.get("shown", IMAGE)
        if shown not in SHOWN:
            raise ConfigError(f"problems.options.shown: {shown!r} is none of {', '.join(SHOWN)}")
        rest = {key: value for key, value in source.options.items() if key != "shown"}
        plain = source.model_copy(update={"options": rest})
        return tuple(self._shown(problem, shown) for problem in super().load(plain))

    def _problem(self, tier: str, task: Task, play: str, source: ProblemsConfig) -> Problem:
        return replace(super()._problem(tier, task, play, source), references=(play,))

    def _shown(self, problem: Problem, shown: str) -> Problem:
        task = self.world.task({**problem.metadata, "shown": shown})
        assert isinstance(task, DrawnTask)
        images = (ImagePart.of(task.picture(), MEDIA_TYPE),) if shown == IMAGE else ()
        return replace(
            problem,
            id=content_id(self.name, task.question, images),
            question=task.question,
            references=(task.answer(parted(problem.references[0])[1]),),
            tags={**problem.tags, "shown": shown},
            metadata=dict(task.metadata),
            images=images,
        )


VISUAL_COUNTDOWN, DRAWN_GEOMETRY = map(DrawnBenchmark, (VISUAL_COUNTDOWN_WORLD, DRAWN_GEOMETRY_WORLD))
PATHS, PARITY, TWO_STRATEGIES = map(WorldBenchmark, (PATHS_WORLD, PARITY_WORLD, TWO_STRATEGIES_WORLD))
