"""Tasks that are drawn: how one is shown, and how an answer says what it has seen.

"image" is the picture alone. "text" is the same in words, where the answer is the chain alone: what a model fails there
is no failure of seeing. What is solved without the picture is guessed; an arm with `guess = "blind"` is asked so.

An answer to a picture begins with what stands in the picture and a colon ("7,2,4,11=11:"), so that a wrong one is known
to be misread or to be wrongly reasoned. `parted` takes that beginning from any response.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from random import Random

from move37.countdown import find_chain
from move37.worlds import Task, stripped
from move37.worlds.drawing import Canvas

IMAGE, TEXT = SHOWN = ("image", "text")
QUESTION = ":"
"""What is asked where the task is in the picture."""
SIDE = 64
"""Pixels of a picture's edge."""
DRAWINGS = 2**31
"""Ways of drawing the same."""
_ANSWER = re.compile(r"([0-9,=]*):(.*)", re.DOTALL)


class DrawnTask(Task, ABC):
    """A task that can be shown as a picture, which is a function of the task and a number, `drawing`."""

    shown: str
    drawing: int

    @property
    @abstractmethod
    def written(self) -> str:
        """What stands in the picture, as an answer begins: digits, commas and equals signs."""

    @abstractmethod
    def draw(self, canvas: Canvas, rng: Random) -> None:
        """Draw what stands in the picture."""

    @abstractmethod
    def fault_of_chain(self, chain: str) -> str | None:
        """What is wrong with a well-formed chain; None where it is right."""

    @abstractmethod
    def right_chains(self) -> Iterable[str]:
        """All right chains, each once, in a fixed order, without what is read."""

    @property
    def question(self) -> str:
        return f"{self.written}:" if self.shown == TEXT else QUESTION

    def drawn(self) -> Canvas:
        """The picture."""
        rng = Random(f"{self.written} {self.drawing}")
        canvas = Canvas(SIDE, SIDE, rng)
        self.draw(canvas, rng)
        return canvas

    def picture(self) -> bytes:
        """The picture as a PNG file."""
        return self.drawn().png()

    def fault(self, answer: str) -> str | None:
        read, chain = parted(answer)
        if (read is None) != (self.shown == TEXT):
            return "does not say what is in the picture" if read is None else "says again what was asked"
        if read is not None and read != self.written:
            return "misread"
        return "no chain" if find_chain(chain) is None else self.fault_of_chain(chain)

    def chains(self) -> Iterator[str]:
        return map(self.answer, self.right_chains())

    def answer(self, chain: str) -> str:
        """A chain as the task is answered."""
        return chain if self.shown == TEXT else f"{self.written}:{chain}"


def parted(answer: str) -> tuple[str | None, str]:
    """What an answer says of the picture (None where it says nothing), and what follows."""
    found = _ANSWER.fullmatch(answer)
    return (None, answer) if found is None else (found[1], found[2])


def find_answer(text: str) -> str | None:
    """The answer that a response is: something read, a chain, or both."""
    answer = stripped(text)
    read, chain = parted(answer)
    return answer if read is not None or find_chain(chain) is not None else None
