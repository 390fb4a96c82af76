"""Parity: is the number of ones odd? A short answer that guesses, or a long one that adds bit by bit and knows.

    101101:  ->  0$              the answer alone
    101101:  ->  1;1;0;1;1;0$    the parity after every bit; the last one is the answer

Both are right where the answer is; a long one must be right in every place. Plays are the long answer one time in four
and the short one else, so a base gets half of its short answers right and nearly all of its long ones: RL need only say
the long answer more often (arXiv 2510.11495). Nothing that base can solve is lost on the way, so this world is the
negative control: RL should be below base at no k. A short answer can be guessed, so pass@k at large k says nothing here
but that. Tiers: "in-pretraining" (12 bits) and "longer" (16).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from operator import xor
from random import Random
from typing import Any

from move37.countdown import Split
from move37.worlds import IN_PRETRAINING, split_of, stripped

BITS: Mapping[str, int] = {IN_PRETRAINING: 12, "longer": 16}
LONG_SHARE = 0.25
"""Plays that are a long answer."""
_ANSWER = re.compile(r"[01](?:;[01])*")


@dataclass(frozen=True, slots=True)
class Bits:
    """Some bits, as text. Raises ValueError for anything else."""

    bits: str

    def __post_init__(self) -> None:
        if len(self.bits) < 2 or set(self.bits) - {"0", "1"}:
            raise ValueError(f"parity: two bits or more, 0 or 1 each, not {self.bits!r}")

    @property
    def question(self) -> str:
        return f"{self.bits}:"

    @property
    def key(self) -> object:
        return self.bits

    @property
    def split(self) -> Split:
        return split_of("parity", self.bits)

    @property
    def metadata(self) -> Mapping[str, Any]:
        return {"bits": self.bits}

    @property
    def tags(self) -> Mapping[str, str]:
        return {"bits": str(len(self.bits))}

    @property
    def short(self) -> str:
        return self.long[-1]

    @property
    def long(self) -> str:
        return ";".join(map(str, accumulate(map(int, self.bits), xor)))

    def fault(self, answer: str) -> str | None:
        if answer in (self.short, self.long):
            return None
        return "wrong parity" if len(answer) == 1 else "a wrong step"

    def count(self) -> int:
        return 2

    def chains(self) -> Iterator[str]:
        yield from (self.short, self.long)


class Parity:
    """See the module."""

    name = "parity"
    tiers = tuple(BITS)

    def plays(self, tier: str, split: Split, rng: Random) -> Iterator[tuple[Bits, str]]:
        while True:
            task = Bits("".join("01"[rng.random() < 0.5] for _ in range(BITS[tier])))
            if task.split is split:
                yield task, task.long if rng.random() < LONG_SHARE else task.short

    def task(self, metadata: Mapping[str, Any]) -> Bits:
        return Bits(str(metadata["bits"]))

    def find(self, text: str) -> str | None:
        answer = stripped(text)
        return answer if _ANSWER.fullmatch(answer) else None


PARITY = Parity()
