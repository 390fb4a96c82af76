"""Right answers behind broken reasoning: what a calibration of a judge of chains puts before it.

From responses whose final answer was accepted, seeded by the problem's id. The answer stays as it is, so only who reads
the chain can tell:
    changed number    one digit in the reasoning is another
    dropped step      a line of it is gone
    swapped steps     two neighbouring lines have changed places
What is altered stands before the last line and before the last mark of an answer, and a corruption after which another
answer is found is left out. The responses themselves go in as *clean chains*: some may be invalid, so the share of them
that is accepted is at most too small a sensitivity.
Left out: errors as models make them; whether a swapped or dropped line mattered (the share accepted is an upper bound).
"""

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from random import Random

from move37.corruptions import Attempt
from move37.seeds import generation_seed
from move37.types import Problem
from move37.verifiers.extraction import answers

CLEAN = "clean chain"
_DIGIT = re.compile(r"(?<![A-Za-z_])\d")


def chain_attempts(chains: Iterable[tuple[Problem, str]], seed: int = 0) -> list[Attempt]:
    """Each response as it is, and every corruption of it that leaves the answer alone."""
    found = []
    for problem, text in chains:
        found.append(Attempt(problem, CLEAN, text, right=True, is_response=True))
        random = Random(generation_seed(seed, f"{problem.id} {text}"))
        for kind, corrupt in CORRUPTIONS.items():
            broken = _in_the_reasoning(text, corrupt, random)
            if broken is not None:
                found.append(Attempt(problem, kind, broken, is_response=True))
    return found


def _in_the_reasoning(text: str, corrupt: Callable[[str, Random], str | None], random: Random) -> str | None:
    """The response with its reasoning corrupted; None where that cannot be done, or another answer is found then."""
    marks = [place for mark in ("\\boxed", "<answer>") if (place := text.rfind(mark)) >= 0]
    end = min(text.rstrip().rfind("\n") + 1, *marks, len(text))
    broken = corrupt(text[:end], random)
    if broken is None or broken == text[:end]:
        return None
    whole = broken + text[end:]
    return whole if next(answers(whole), None) == next(answers(text), None) else None


def _changed_number(reasoning: str, random: Random) -> str | None:
    places = [match.start() for match in _DIGIT.finditer(reasoning)]
    if not places:
        return None
    at = random.choice(places)
    other = random.choice([digit for digit in "123456789" if digit != reasoning[at]])
    return reasoning[:at] + other + reasoning[at + 1 :]


def _dropped_step(reasoning: str, random: Random) -> str | None:
    lines = reasoning.splitlines(keepends=True)
    full = [i for i, line in enumerate(lines) if line.strip()]
    if len(full) < 2:
        return None
    del lines[random.choice(full)]
    return "".join(lines)


def _swapped_steps(reasoning: str, random: Random) -> str | None:
    lines = reasoning.splitlines(keepends=True)
    full = [i for i, line in enumerate(lines) if line.strip()]
    pairs = [(a, b) for a, b in pairwise(full) if lines[a] != lines[b]]
    if not pairs or not lines[pairs[-1][1]].endswith("\n"):
        pairs = pairs[:-1]
    if not pairs:
        return None
    a, b = random.choice(pairs)
    lines[a], lines[b] = lines[b], lines[a]
    return "".join(lines)


CORRUPTIONS: dict[str, Callable[[str, Random], str | None]] = {
    "changed number": _changed_number,
    "dropped step": _dropped_step,
    "swapped steps": _swapped_steps,
}
"""Name -> how the reasoning is broken; None where it cannot be."""
