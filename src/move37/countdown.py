"""Countdown with written steps: the rules of the laptop-sized world, and the exact truth about each of its puzzles.

A puzzle is some numbers in 1..12 in random order and a target; an answer is a chain such as

    7,2,4,11=11:  ->  7+4=11;11*2=22;22-11=11$

in which every step takes two of the numbers still available and puts its result back, is arithmetically right, has a
result in 1..99, and the last result is the target. Numbers may be left over. Because the whole chain is checked, a
right answer cannot be guessed.

Decisions. Puzzles are made by random forward play (all moves that the rules allow are equally likely, until one number
is left), so each has a solution. A puzzle belongs to the training or to the evaluation half of the world by its
content (its numbers in any order, and its target), so training and evaluation problems are disjoint whatever their
seeds and sizes, and so is a permutation of one from the other. Tiers say how far a puzzle is from what the shipped
base was pretrained on.

`Oracle` knows every right chain of a puzzle: it counts them, lists them, and draws one uniformly, without a model.
Pure Python; benchmarks, verifiers and the lab share it. Left out: division, brackets, partial credit.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from itertools import combinations
from random import Random
from typing import Any

SMALLEST_RESULT, LARGEST_RESULT = 1, 99
LARGEST_NUMBER = 12
OPERATORS = "+-*"
END = "$"
"""What a player writes after the chain; the end token of the lab's tokenizer."""

EVALUATION_SHARE = 8
"""One puzzle in so many belongs to the evaluation half."""
FRUITLESS = 20_000
"""Plays in a row without a new puzzle, after which a tier counts as used up."""

_NUMBER = "(?:0|[1-9][0-9]{0,3})"
_STEP = f"{_NUMBER}[{re.escape(OPERATORS)}]{_NUMBER}={_NUMBER}"
_CHAIN = re.compile(f"{_STEP}(?:;{_STEP})*")
_PARTS = re.compile(f"({_NUMBER})([{re.escape(OPERATORS)}])({_NUMBER})=({_NUMBER})")

Available = tuple[int, ...]
"""The numbers that are still there, sorted."""


class Split(StrEnum):
    """The two halves of the world; no puzzle is in both."""

    TRAINING = "training"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True)
class Tier:
    """Puzzles of one difficulty: how many numbers, how many steps even the shortest right chain needs, and, where it is
    given, how many right chains of just so many steps there are at most (and at least one)."""

    numbers: int
    fewest_steps: int = 1
    most_ways: int | None = None


TIERS: Mapping[str, Tier] = {
    "in-pretraining": Tier(4),  # what the shipped base saw, and nothing else
    "four-long": Tier(4, fewest_steps=3),  # the same, and no shorter chain will do
    "edge": Tier(5),  # one number more than it ever saw
    "five-three": Tier(5, fewest_steps=3),  # and as many steps as it ever wrote
    "five-few": Tier(5, fewest_steps=3, most_ways=8),  # and hardly a way to do it in as many
    "five-long": Tier(5, fewest_steps=4),  # and one step more than it ever wrote, if it is to be right
    "six-few": Tier(6, fewest_steps=3, most_ways=6),  # the same behind two numbers more than it ever saw
    "six": Tier(6),  # two more, however short the chain may be
    "beyond": Tier(6, fewest_steps=4),  # and no right chain is as short as those it saw
}


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Numbers in the order in which they are shown, and the target. Raises ValueError for what the rules forbid."""

    numbers: tuple[int, ...]
    target: int

    def __post_init__(self) -> None:
        if min(self.numbers, default=0) < 1 or not SMALLEST_RESULT <= self.target <= LARGEST_RESULT:
            raise ValueError(
                f"a countdown puzzle has numbers from 1 on and a target in {SMALLEST_RESULT}..{LARGEST_RESULT}, "
                f"not {self.numbers} and {self.target}"
            )

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> "Puzzle":
        """The puzzle in a problem's metadata. Raises KeyError where there is none, ValueError as above."""
        return cls(tuple(int(number) for number in metadata["numbers"]), int(metadata["target"]))

    @property
    def question(self) -> str:
        return f"{','.join(map(str, self.numbers))}={self.target}:"

    @property
    def available(self) -> Available:
        return tuple(sorted(self.numbers))

    @property
    def split(self) -> Split:
        """The half of the world that the puzzle belongs to: by its content, in whatever order the numbers are."""
        content = f"{','.join(map(str, self.available))}={self.target}"
        digest = blake2b(content.encode(), digest_size=8, person=b"countdown").digest()
        return Split.TRAINING if int.from_bytes(digest, "big") % EVALUATION_SHARE else Split.EVALUATION


class Fault(StrEnum):
    """What is wrong with a chain: its first breach of the rules, or that it ends elsewhere."""

    NOT_AVAILABLE = "a number that is not available"
    ARITHMETIC = "wrong arithmetic"
    OUT_OF_RANGE = f"a result outside {SMALLEST_RESULT}..{LARGEST_RESULT}"
    TARGET = "differs"


def find_chain(text: str) -> str | None:
    """The chain that `text` is, without white space and the end mark around it; None where it is none."""
    chain = text.strip().removesuffix(END).rstrip()
    return chain if _CHAIN.fullmatch(chain) else None


def find_fault(puzzle: Puzzle, chain: str) -> Fault | None:
    """The first thing that is wrong with a well-formed chain (`find_chain`), None where it solves the puzzle."""
    available = list(puzzle.numbers)
    last = 0
    for left, operator, right, written in _PARTS.findall(chain):
        for number in (int(left), int(right)):
            if number not in available:
                return Fault.NOT_AVAILABLE
            available.remove(number)
        last = combine(int(left), operator, int(right))
        if last != int(written):
            return Fault.ARITHMETIC
        if not SMALLEST_RESULT <= last <= LARGEST_RESULT:
            return Fault.OUT_OF_RANGE
        available.append(last)
    return None if last == puzzle.target else Fault.TARGET


def combine(left: int, operator: str, right: int) -> int:
    """`left operator right`."""
    if operator == "+":
        return left + right
    return left - right if operator == "-" else left * right


def play(numbers: tuple[int, ...], rng: Random) -> tuple[str, int] | None:
    """Random forward play until one number is left: (chain, last result), or None where it got stuck.

    Every move that the rules allow (an ordered pair of the numbers there, and an operator) is equally likely.
    """
    available, steps = list(numbers), []
    while len(available) > 1:
        moves = [
            (i, operator, j, result)
            for i, left in enumerate(available)
            for j, right in enumerate(available)
            if i != j
            for operator in OPERATORS
            if SMALLEST_RESULT <= (result := combine(left, operator, right)) <= LARGEST_RESULT
        ]
        if not moves:
            return None
        i, operator, j, result = choose(moves, rng)
        steps.append(f"{available[i]}{operator}{available[j]}={result}")
        available = [number for k, number in enumerate(available) if k not in (i, j)] + [result]
    return ";".join(steps), available[0]


def plays(tier: Tier, split: Split, rng: Random) -> Iterator[tuple[Puzzle, str]]:
    """Puzzles of a tier and half, each with the chain that made it, without end; puzzles may repeat."""
    while True:
        numbers = tuple(int(rng.random() * LARGEST_NUMBER) + 1 for _ in range(tier.numbers))
        played = play(numbers, rng)
        if played is None:
            continue
        puzzle = Puzzle(numbers, played[1])
        if puzzle.split is split and _is_of(puzzle, tier):
            yield puzzle, played[0]


def distinct_plays(tier: Tier, split: Split, rng: Random) -> Iterator[tuple[Puzzle, str]]:
    """`plays` without a puzzle that an earlier one only permutes. Ends when nothing new comes any more."""
    seen: set[tuple[Available, int]] = set()
    fruitless = 0
    for puzzle, chain in plays(tier, split, rng):
        key = (puzzle.available, puzzle.target)
        fruitless = fruitless + 1 if key in seen else 0
        if fruitless > FRUITLESS:
            return
        if not fruitless:
            seen.add(key)
            yield puzzle, chain


def choose(items: list[Any], rng: Random) -> Any:
    """One of `items`, uniformly. By `random()` alone, whose stream Python promises not to change."""
    return items[int(rng.random() * len(items))]


class Oracle:
    """Every right chain of one puzzle, as texts that the checker accepts (7+4=11 and 4+7=11 are two)."""

    def __init__(self, puzzle: Puzzle) -> None:
        self.puzzle = puzzle
        self._counts: dict[Available, int] = {}

    def count(self) -> int:
        """How many right chains there are."""
        return self._count(self.puzzle.available)

    def can_reach(self, available: Available) -> bool:
        """Whether the target can be made of these numbers (sorted) by at least one more step."""
        return self._count(available) > 0

    def chains(self) -> Iterator[str]:
        """All right chains, each once, in a fixed order. For six numbers there may be millions."""
        return self._chains(self.puzzle.available, ())

    def draw(self, rng: Random) -> str:
        """One right chain, all being equally likely. Raises ValueError where there is none."""
        if not self.count():
            raise ValueError(f"{self.puzzle.question} has no solution")
        return ";".join(self._at(self.puzzle.available, int(rng.random() * self.count())))

    def fewest_steps(self) -> int | None:
        """The length of the shortest right chain, None where there is none."""
        states = {self.puzzle.available}
        if self._one_step_left(self.puzzle.available):
            return 1
        for steps in range(2, len(self.puzzle.numbers)):
            following = set[Available]()
            for rest in (rest for available in states for _, _, rest in moves(available)):
                if rest not in following:
                    if self._one_step_left(rest):
                        return steps
                    following.add(rest)
            states = following
        return None

    def ways(self, steps: int) -> int:
        """How many right chains have at most so many steps."""
        return self._ways(self.puzzle.available, steps)

    def steps(self, available: Available) -> Iterator[tuple[str, Available, bool, bool]]:
        """The steps from there that a right chain can take: text, what is there afterwards, whether the chain is right
        if it ends with the step, and whether it can go on and still be."""
        for text, result, rest in moves(available):
            hits, goes_on = result == self.puzzle.target, self._count(rest) > 0
            if hits or goes_on:
                yield text, rest, hits, goes_on

    def _one_step_left(self, available: Available) -> bool:
        target = self.puzzle.target
        return any(target in (a + b, a * b, abs(a - b)) for a, b in combinations(available, 2))

    def _count(self, available: Available) -> int:
        known = self._counts.get(available)
        if known is None:
            known = sum((result == self.puzzle.target) + self._count(rest) for _, result, rest in moves(available))
            self._counts[available] = known
        return known

    def _ways(self, available: Available, steps: int) -> int:
        if steps == 1 and not self._one_step_left(available):
            return 0
        found = 0
        for _, result, rest in moves(available):
            found += result == self.puzzle.target
            if steps > 1 and len(rest) > 1:
                found += self._ways(rest, steps - 1)
        return found

    def _chains(self, available: Available, steps: tuple[str, ...]) -> Iterator[str]:
        for text, result, rest in moves(available):
            if result == self.puzzle.target:
                yield ";".join((*steps, text))
            if self._count(rest):
                yield from self._chains(rest, (*steps, text))

    def _at(self, available: Available, rank: int) -> tuple[str, ...]:
        """The steps of the chain at position `rank` of `chains`, found by counting alone."""
        for text, result, rest in moves(available):
            hit = int(result == self.puzzle.target)
            if rank < hit:
                return (text,)
            if rank - hit < self._count(rest):
                return (text, *self._at(rest, rank - hit))
            rank -= hit + self._count(rest)
        raise IndexError("there are fewer right chains than that")


@lru_cache(maxsize=100_000)
def moves(available: Available) -> tuple[tuple[str, int, Available], ...]:
    """The different steps that the rules allow: (text, result, what is there afterwards)."""
    found = []
    for left in sorted(set(available)):
        others = list(available)
        others.remove(left)
        for right in sorted(set(others)):
            rest = list(others)
            rest.remove(right)
            for operator in OPERATORS:
                result = combine(left, operator, right)
                if SMALLEST_RESULT <= result <= LARGEST_RESULT:
                    found.append((f"{left}{operator}{right}={result}", result, tuple(sorted([*rest, result]))))
    return tuple(found)


def _is_of(puzzle: Puzzle, tier: Tier) -> bool:
    oracle = Oracle(puzzle)
    if tier.fewest_steps > 1 and (oracle.fewest_steps() or 0) < tier.fewest_steps:
        return False
    return tier.most_ways is None or 1 <= oracle.ways(tier.fewest_steps) <= tier.most_ways
