"""Worlds of the lab: tasks with a checker, a list of all right answers, and a corpus to pretrain a base on.

    countdown       reach a number: many strategies, each of many steps (`move37.countdown` has the rules)
    paths           find a way in a fixed graph: several right ways for a pair of nodes (arXiv 2509.22613)
    parity          add bits: a short answer that guesses, a long one that knows (arXiv 2510.11495); elicitation alone,
                    so RL should show no crossover: the negative control
    two-strategies  one shared choice decides what can be solved at all: its curves have a closed form
    visual-countdown    countdown whose puzzle is drawn: is a failure one of seeing or of reasoning?
    drawn-geometry  lengths and angles are read off a figure, and another one is worked out

One shape for all of them. A `World` makes tasks by play and knows a task by its metadata; a `Task` says what is wrong
with an answer and lists the right ones, so that chances can be summed (`lab/exact.py`). All are written in the same
characters, so one tokenizer serves them all. A task belongs to the training or the evaluation half of its world by its
content, whatever seeds and sizes are. Pure Python. Left out: what models of a world are made of (`move37.lab`).
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from itertools import islice
from random import Random
from typing import Any, Protocol

from move37.countdown import END, EVALUATION_SHARE, FRUITLESS, Split

IN_PRETRAINING = "in-pretraining"
"""The tier that a base of any world is pretrained on."""


class Task(Protocol):
    """One problem of a world."""

    @property
    def question(self) -> str:
        """As models read it, ending in a colon."""
        ...

    @property
    def key(self) -> object:
        """The same for tasks of which a set of problems holds one."""
        ...

    @property
    def split(self) -> Split: ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What `World.task` makes the task of again; JSON."""
        ...

    @property
    def tags(self) -> Mapping[str, str]: ...

    def fault(self, answer: str) -> str | None:
        """What is wrong with a well-formed answer; None where it is right."""
        ...

    def count(self) -> int:
        """How many right answers there are."""
        ...

    def chains(self) -> Iterator[str]:
        """All right answers, each once, in a fixed order, without the end mark."""
        ...


class World(Protocol):
    """The rules of a world."""

    @property
    def name(self) -> str: ...

    @property
    def tiers(self) -> tuple[str, ...]:
        """Kinds of tasks by how far they are from what a base has seen; the first is `IN_PRETRAINING`."""
        ...

    def plays(self, tier: str, split: Split, rng: Random) -> Iterator[tuple[Task, str]]:
        """Tasks of a tier and half, each with the play that made it, without end; tasks may repeat.

        A play shows how one may move, and no strategy: it is what a base is pretrained on.
        """
        ...

    def task(self, metadata: Mapping[str, Any]) -> Task:
        """Raises KeyError or ValueError for metadata of something else."""
        ...

    def find(self, text: str) -> str | None:
        """The answer that a response is; None where it is none."""
        ...


def distinct_plays(world: World, tier: str, split: Split, rng: Random) -> Iterator[tuple[Task, str]]:
    """`plays` without a task whose key was there. Ends when nothing new comes any more."""
    seen: set[object] = set()
    fruitless = 0
    for task, play in world.plays(tier, split, rng):
        fruitless = fruitless + 1 if task.key in seen else 0
        if fruitless > FRUITLESS:
            return
        if not fruitless:
            seen.add(task.key)
            yield task, play


def split_of(world: str, content: str) -> Split:
    """The half of a world that a content belongs to: one in `EVALUATION_SHARE` is for evaluation."""
    digest = blake2b(content.encode(), digest_size=8, person=world.encode()[:16]).digest()
    return Split.TRAINING if int.from_bytes(digest, "big") % EVALUATION_SHARE else Split.EVALUATION


def stripped(text: str) -> str:
    """A response without white space and the end mark around it."""
    return text.strip().removesuffix(END).rstrip()


def first(plays: Iterator[tuple[Task, str]], count: int) -> list[tuple[Task, str]]:
    return list(islice(plays, count))
