"""Two strategies: one choice, shared by all problems, decides which of them can be solved at all.

    4821:  ->  1;7$    strategy 1, then a digit

Of each problem some digits win under strategy 1 and some under strategy 2; which ones is drawn by the problem's number,
so nothing about an unseen problem can be learned but which strategy to take. Nine of ten problems are common: strategy
1 wins with 6 digits of 10, strategy 2 with 1. The others are rare: strategy 1 wins with none, strategy 2 with 3. Plays
take either strategy and any digit, all being equally likely. For a model that draws digits evenly the chance is

    p = P(1) w1 / 10 + P(2) w2 / 10,    w1, w2 the numbers of winning digits

so base, with P(1) = .5, has .35 and .15, and pass@k = .9 (1 - .65^k) + .1 (1 - .85^k): .330 at k = 1, 1.000 at 256. A
model that RL has taught strategy 1 has .540 and, with P(1) = .999, .907. It has learned no move, solves more with one
try, and has lost a tenth. `closed_form` is that curve. Numbers have four digits.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Any

from move37.countdown import Split
from move37.worlds import IN_PRETRAINING, split_of, stripped

RARE_SHARE = 0.1
WINNING: Mapping[str, tuple[int, int]] = {"common": (6, 1), "rare": (0, 3)}
"""By kind: how many digits of 10 win under strategy 1 and under strategy 2."""
SMALLEST, LARGEST = 1000, 9999
_ANSWER = re.compile(r"[12];\d")


def closed_form(first: float, k: Sequence[int]) -> list[float]:
    """pass@k of a model that takes strategy 1 with the chance `first` and draws digits evenly, over all problems."""
    shares = {"common": 1 - RARE_SHARE, "rare": RARE_SHARE}
    chances = {kind: (first * one + (1 - first) * two) / 10 for kind, (one, two) in WINNING.items()}
    return [sum(share * (1 - (1 - chances[kind]) ** each) for kind, share in shares.items()) for each in k]


@dataclass(frozen=True, slots=True)
class Numbered:
    """One problem, known by its number. Raises ValueError for a number of other than four digits."""

    number: int

    def __post_init__(self) -> None:
        if not SMALLEST <= self.number <= LARGEST:
            raise ValueError(f"two-strategies: a number from {SMALLEST} to {LARGEST}, not {self.number}")

    @property
    def question(self) -> str:
        return f"{self.number}:"

    @property
    def key(self) -> object:
        return self.number

    @property
    def split(self) -> Split:
        return split_of("two-strategies", self.question)

    @property
    def metadata(self) -> Mapping[str, Any]:
        return {"number": self.number}

    @property
    def kind(self) -> str:
        return "rare" if self._draw("kind") < RARE_SHARE else "common"

    @property
    def tags(self) -> Mapping[str, str]:
        return {"kind": self.kind}

    def fault(self, answer: str) -> str | None:
        return None if answer in self.chains() else "loses"

    def count(self) -> int:
        return sum(WINNING[self.kind])

    def chains(self) -> Iterator[str]:
        for strategy, wins in zip("12", WINNING[self.kind], strict=True):
            order = sorted("0123456789", key=lambda digit: self._draw(f"{strategy};{digit}"))
            yield from (f"{strategy};{digit}" for digit in sorted(order[:wins]))

    def _draw(self, what: str) -> float:
        """A number in [0, 1) that problem and purpose fix."""
        digest = blake2b(f"{self.number} {what}".encode(), digest_size=7, person=b"two-strategies").digest()
        return int.from_bytes(digest, "big") / 2**56


class TwoStrategies:
    """See the module."""

    name = "two-strategies"
    tiers = (IN_PRETRAINING,)

    def plays(self, tier: str, split: Split, rng: Random) -> Iterator[tuple[Numbered, str]]:
        while True:
            task = Numbered(SMALLEST + int(rng.random() * (LARGEST + 1 - SMALLEST)))
            strategy, digit = "12"[rng.random() < 0.5], int(rng.random() * 10)
            if task.split is split:
                yield task, f"{strategy};{digit}"

    def task(self, metadata: Mapping[str, Any]) -> Numbered:
        return Numbered(int(metadata["number"]))

    def find(self, text: str) -> str | None:
        answer = stripped(text)
        return answer if _ANSWER.fullmatch(answer) else None


TWO_STRATEGIES = TwoStrategies()
