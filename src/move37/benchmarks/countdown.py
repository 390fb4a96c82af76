"""Countdown puzzles as problems: `countdown` or `countdown:<tier>`, generated from size and seed.

The question is the puzzle as the lab's models read it ("7,2,4,11=11:"), to be continued (template `completion`). The
reference is the chain of the play that made the puzzle, one of many right ones. Metadata is {"numbers", "target"},
tags are the tier, the half of the world (`split`) and `steps`, the length of the shortest right chain.

The one option is split: "evaluation" (the default) or "training". No problem is in both, whatever the seeds, so what
was trained on is never what is measured. No two problems of a load have the same numbers and target in another order.
"""

from collections.abc import Mapping
from itertools import islice
from random import Random

from move37.config import ProblemsConfig
from move37.countdown import TIERS, Oracle, Puzzle, Split, distinct_plays
from move37.errors import ConfigError, InputError, UnknownNameError
from move37.identity import content_id
from move37.seeds import generation_seed
from move37.types import Problem

DEFAULT_TIER = "in-pretraining"


class CountdownBenchmark:
    name = "countdown"
    verifier = "countdown"
    expected_counts: Mapping[int, str] = {}

    def load(self, source: ProblemsConfig) -> tuple[Problem, ...]:
        """`source.size` problems; fewer is an error. Raises UnknownNameError, ConfigError or InputError."""
        _, colon, after = source.benchmark.partition(":")
        tier = after if colon else DEFAULT_TIER
        if tier not in TIERS:
            raise UnknownNameError(f"unknown countdown tier {tier!r} (known: {', '.join(TIERS)})")
        split = split_option(source, self.name)
        rng = Random(generation_seed(source.seed, f"countdown {tier} {split}"))
        made = list(islice(distinct_plays(TIERS[tier], split, rng), source.size))
        if len(made) < source.size:
            raise InputError(
                f"problems.size: countdown:{tier} has only about {len(made)} different {split} problems; ask for fewer"
            )
        return tuple(self._problem(tier, puzzle, chain) for puzzle, chain in made)

    def _problem(self, tier: str, puzzle: Puzzle, chain: str) -> Problem:
        steps = Oracle(puzzle).fewest_steps()
        return Problem(
            id=content_id(self.name, puzzle.question),
            question=puzzle.question,
            references=(chain,),
            benchmark=self.name,
            verifier=self.verifier,
            tags={"tier": tier, "split": puzzle.split.value, "steps": str(steps)},
            metadata={"numbers": list(puzzle.numbers), "target": puzzle.target},
        )


def split_option(source: ProblemsConfig, name: str) -> Split:
    """The half of the world that is asked for. Raises ConfigError; `name` is the benchmark's, for messages."""
    for option in source.options:
        if option != "split":
            raise ConfigError(f"problems.options.{option}: {name} has no such option (known: split)")
    wanted = source.options.get("split", Split.EVALUATION.value)
    if wanted not in list(Split):
        raise ConfigError(f"problems.options.split: {wanted!r} is neither 'training' nor 'evaluation'")
    return Split(wanted)


COUNTDOWN = CountdownBenchmark()
