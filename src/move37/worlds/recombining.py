"""Two beginnings of a response put together, where a world says what that means.

    numbers 3, 4, 5, 6        one  3+4=7;5*      other  5+6=11;7-3=4        together  3+4=7;5+6=11;

Countdown: the whole steps of the one, then those of the other, in order, whose numbers are still there. A step that
breaks the rules, and what is behind it, is left out. Worlds without such a rule put nothing together.
"""

import re
from collections.abc import Iterator

from move37.countdown import LARGEST_RESULT, SMALLEST_RESULT, Puzzle, combine
from move37.types import Problem

_WHOLE = re.compile(r"([0-9]+)([-+*])([0-9]+)=([0-9]+)(?=;|$)")


def recombined(problem: Problem, one: str, other: str) -> str | None:
    """The beginning that both make; None where the second adds nothing, or the world has no such rule."""
    if problem.verifier != "countdown" or not {"numbers", "target"} <= problem.metadata.keys():
        return None
    puzzle = Puzzle.of(problem.metadata)
    left = list(puzzle.numbers)
    steps = list(_taken(one, left, strict=True))
    further = list(_taken(other, left, strict=False))
    if not steps or not further:
        return None
    made = ";".join([*steps, *further])
    ended = len(left) == 1 or made.endswith(f"={puzzle.target}")
    return made if ended else f"{made};"


def _taken(text: str, left: list[int], strict: bool) -> Iterator[str]:
    """The steps that the numbers `left` allow, which are used up; where `strict`, up to the first that they do not."""
    for found in _WHOLE.finditer(text):
        a, b, written = int(found[1]), int(found[3]), int(found[4])
        rest = list(left)
        there = a in rest
        if there:
            rest.remove(a)
            there = b in rest
        result = combine(a, found[2], b)
        if there and result == written and SMALLEST_RESULT <= result <= LARGEST_RESULT:
            rest.remove(b)
            left[:] = [*rest, result]
            yield found[0]
        elif strict:
            return
