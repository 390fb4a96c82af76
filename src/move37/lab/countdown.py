"""A teacher for the countdown world: an oracle that answers like a model, for distillation and as an upper bound.

Its samples have the shape of any model's, so they can be stored in a run beside them, verified and trained on. Every
right chain of a problem is equally likely, whatever its length: a teacher of varied strategies, unlike the random play
that the base was pretrained on, which knows a right chain only because it made the puzzle.
Left out: teachers that err, or prefer short chains.
"""

from collections.abc import Iterable, Iterator
from random import Random

from move37.countdown import Oracle, Puzzle
from move37.errors import InputError
from move37.seeds import sample_seed
from move37.types import FinishReason, Problem, Sample

TEACHER = "oracle"
"""The model name under which the teacher's samples are seeded."""


def teach(problems: Iterable[Problem], samples: int, seed: int = 0) -> Iterator[Sample]:
    """`samples` right chains for each problem, indices 0..samples-1, problem by problem.

    Raises InputError for a problem that is no countdown puzzle, or that has no solution.
    """
    for problem in problems:
        if not {"numbers", "target"} <= problem.metadata.keys():
            raise InputError(f"{problem.id}: no countdown problem (numbers and target are missing in its metadata)")
        oracle = Oracle(Puzzle.of(problem.metadata))
        if not oracle.count():
            raise InputError(f"{problem.id}: {problem.question} has no solution, so there is nothing to teach")
        for index in range(samples):
            drawn = sample_seed(seed, TEACHER, problem.id, index)
            yield Sample(problem.id, index, oracle.draw(Random(drawn)), FinishReason.STOP, seed=drawn)
