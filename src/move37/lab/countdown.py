"""A teacher for the countdown world: an oracle that answers like a model, for distillation and as an upper bound.

    python -m move37.lab.countdown --tier in-pretraining --problems 2000 --chains 8 --out lessons.jsonl

Its samples have the shape of any model's, so they can be verified and trained on like those; the file has a row
{"question", "response"} for each (a training recipe's `imitation.file`). Every right chain of a problem is equally
likely, whatever its length: a teacher of varied strategies, unlike the random play that the base was pretrained on.
The file holds problems of the training half alone. Left out: teachers that err, or that prefer short chains.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

from move37.config import ProblemsConfig, from_options
from move37.countdown import TIERS, Oracle, Puzzle, Split
from move37.errors import InputError, Move37Error
from move37.problems import load_problems
from move37.seeds import sample_seed
from move37.types import FinishReason, Problem, Sample

TEACHER = "oracle"
"""The model name under which the teacher's samples are seeded."""


def teach(problems: Iterable[Problem], chains: int, seed: int = 0) -> Iterator[Sample]:
    """`chains` right chains for each problem, drawn with replacement, indices from 0, problem by problem.

    Raises InputError for a problem that is no countdown puzzle, or that has no solution.
    """
    for problem in problems:
        if not {"numbers", "target"} <= problem.metadata.keys():
            raise InputError(f"{problem.id}: no countdown problem (numbers and target are missing in its metadata)")
        oracle = Oracle(Puzzle.of(problem.metadata))
        if not oracle.count():
            raise InputError(f"{problem.id}: {problem.question} has no solution, so there is nothing to teach")
        for index in range(chains):
            drawn = sample_seed(seed, TEACHER, problem.id, index)
            yield Sample(problem.id, index, oracle.draw(Random(drawn)), FinishReason.STOP, seed=drawn)


def write_lessons(path: Path, tier: str, problems: int, chains: int, seed: int = 0) -> int:
    """Write JSONL rows {"question", "response"} for problems of the training half; returns how many rows."""
    options = {"split": Split.TRAINING.value}
    source = from_options(ProblemsConfig, benchmark=f"countdown:{tier}", size=problems, seed=seed, options=options)
    asked = load_problems([source])
    questions = {problem.id: problem.question for problem in asked}
    rows = [{"question": questions[made.problem_id], "response": made.text} for made in teach(asked, chains, seed)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return len(rows)


def main(words: Sequence[str] | None = None) -> None:
    """The command, with the given words instead of the command line's. Exits with 2 for bad usage."""
    parser = argparse.ArgumentParser(prog="python -m move37.lab.countdown", description="Write what the oracle says.")
    parser.add_argument("--tier", default=next(iter(TIERS)), help=f"one of {', '.join(TIERS)}")
    parser.add_argument("--problems", type=int, default=2000, help="problems of the training half")
    parser.add_argument("--chains", type=int, default=8, help="chains for each, drawn with replacement")
    parser.add_argument("--seed", type=int, default=0, help="seed of problems and chains")
    parser.add_argument("--out", type=Path, required=True, help="JSONL file to write")
    given = parser.parse_args(words)
    try:
        rows = write_lessons(given.out, given.tier, given.problems, given.chains, given.seed)
    except Move37Error as error:
        parser.exit(error.exit_code, f"{error}\n")
    print(f"{rows} right chains for {given.problems} problems written to {given.out}")


if __name__ == "__main__":
    main()
