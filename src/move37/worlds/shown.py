"""Tasks that are drawn: how one is shown, and how an answer says what it has seen.

"image" is the picture alone. "text" is the same in words, where the answer is the chain alone: what a model fails there
is no failure of seeing. "nothing" is the question without the picture: what is solved there is guessed.

An answer to a picture, or to nothing, begins with what stands in the picture and a colon ("7,2,4,11=11:"), so that a
wrong one is known to be misread or to be wrongly reasoned. `reading` is that beginning of any response.
"""

import re
from typing import Protocol, runtime_checkable

from move37.countdown import find_chain
from move37.worlds import Task, stripped
from move37.worlds.drawing import Canvas

IMAGE, TEXT, NOTHING = SHOWN = ("image", "text", "nothing")
QUESTION = ":"
"""What is asked where the task is in the picture."""
SIDE = 64
"""Pixels of a picture's edge."""
DRAWINGS = 2**31
"""Ways of drawing the same."""
_ANSWER = re.compile(r"([0-9,=]*):(.*)", re.DOTALL)


@runtime_checkable
class DrawnTask(Task, Protocol):
    """A task that can be shown as a picture."""

    @property
    def shown(self) -> str: ...

    @property
    def written(self) -> str:
        """What stands in the picture, as an answer begins: digits, commas and equals signs."""
        ...

    def drawn(self) -> Canvas: ...

    def picture(self) -> bytes:
        """The picture as a PNG file."""
        ...


def parted(answer: str) -> tuple[str | None, str]:
    """What an answer says of the picture (None where it says nothing), and what follows."""
    found = _ANSWER.fullmatch(answer)
    return (None, answer) if found is None else (found[1], found[2])


def find_answer(text: str) -> str | None:
    """The answer that a response is: something read, a chain, or both."""
    answer = stripped(text)
    read, chain = parted(answer)
    return answer if read is not None or find_chain(chain) is not None else None


def fault_before_chain(task: DrawnTask, answer: str) -> str | None:
    """What is wrong with an answer before its chain is looked at."""
    read, chain = parted(answer)
    if (read is None) != (task.shown == TEXT):
        return "does not say what is in the picture" if read is None else "says again what was asked"
    if read is not None and read != task.written:
        return "misread"
    return "no chain" if find_chain(chain) is None else None


def answer_of(task: DrawnTask, chain: str) -> str:
    """A chain as the task is answered."""
    return chain if task.shown == TEXT else f"{task.written}:{chain}"
