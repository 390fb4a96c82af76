"""Every step of a countdown chain, judged: do the rules allow it, and can the target still be reached behind it?

The second is the exact value of the best play from there: 1 where some right chain goes on from the numbers that are
left (or the step has just reached the target), else 0. It is the ground truth that learnt values are measured against.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from move37.countdown import LARGEST_RESULT, SMALLEST_RESULT, Fault, Oracle, combine

_STEP = re.compile(r"([0-9]+)([-+*])([0-9]+)=([0-9]+)")


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """`start` and `end` are places in the chain."""

    start: int
    end: int
    fault: Fault | None
    """Its breach of the rules; that a chain ends elsewhere than at the target is no step's fault."""
    can_reach: bool


def judged_steps(oracle: Oracle, chain: str) -> Iterator[JudgedStep]:
    """The steps of a well-formed chain (`find_chain`) up to its first fault: what stands behind one has no meaning."""
    available = list(oracle.puzzle.numbers)
    for found in _STEP.finditer(chain):
        left, operator, right, written = found[1], found[2], found[3], int(found[4])
        result = combine(int(left), operator, int(right))
        fault = None
        for number in (int(left), int(right)):
            if number not in available:
                fault = Fault.NOT_AVAILABLE
                break
            available.remove(number)
        if fault is None and result != written:
            fault = Fault.ARITHMETIC
        if fault is None and not SMALLEST_RESULT <= result <= LARGEST_RESULT:
            fault = Fault.OUT_OF_RANGE
        available.append(result)
        reaches = fault is None and (result == oracle.puzzle.target or oracle.can_reach(tuple(sorted(available))))
        yield JudgedStep(found.start(), found.end(), fault, reaches)
        if fault is not None:
            return
