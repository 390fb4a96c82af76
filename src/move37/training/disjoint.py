"""Are the problems that are trained on other problems than those that are evaluated on?

The same question with the same images, up to white space and whatever its benchmark is called, is an error, and so is
the same problem in another guise (a choice question with its options in another order keeps its id). Near-duplicates
are reported: questions whose sets of three-word sequences overlap by at least `NEAR` (Jaccard; Broder 1997), words
being runs of letters or digits without case. Questions of fewer than five words are compared as wholes alone. A
paraphrase in other words is not found.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from move37.errors import InputError
from move37.types import Problem

NEAR = 0.8
_WORDS = re.compile(r"[^\W_]+")
_FEWEST_WORDS = 5


def check_disjoint(training: Sequence[Problem], evaluation: Sequence[Problem]) -> list[str]:
    """Warnings about near-duplicates, one line or none. Raises InputError where a question is in both sets."""
    questions = {_normal(problem) for problem in training}
    ids = {problem.id for problem in training}
    same = [problem.id for problem in evaluation if _normal(problem) in questions or problem.id in ids]
    if same:
        raise InputError(
            f"{len(same)} problems are in the training set and in the evaluation set (first: {same[0]}); evaluate on "
            "problems that are not trained on"
        )
    near = near_duplicates(training, evaluation)
    if not near:
        return []
    first = f"{near[0][1]} is like {near[0][0]}"
    return [f"{len(near)} evaluation problems nearly repeat a training problem (three-word overlap >= {NEAR}; {first})"]


def near_duplicates(training: Sequence[Problem], evaluation: Sequence[Problem]) -> list[tuple[str, str, float]]:
    """(training id, evaluation id, overlap) of the closest training problem, for evaluation problems that have one."""
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    sizes = []
    for place, problem in enumerate(training):
        shingles = _shingles(problem.question)
        sizes.append(len(shingles))
        for shingle in shingles:
            holders[shingle].append(place)
    found = []
    for problem in evaluation:
        shingles = _shingles(problem.question)
        shared = Counter(place for shingle in shingles for place in holders.get(shingle, ()))
        overlaps = [(count / (sizes[place] + len(shingles) - count), -place) for place, count in shared.items()]
        closest = max(overlaps, default=(0.0, 0))
        if closest[0] >= NEAR:
            found.append((training[-closest[1]].id, problem.id, closest[0]))
    return found


def _normal(problem: Problem) -> tuple[str, ...]:
    return " ".join(problem.question.split()), *(image.digest for image in problem.images)


def _shingles(question: str) -> set[tuple[str, ...]]:
    words = _WORDS.findall(question.casefold())
    return set(zip(words, words[1:], words[2:], strict=False)) if len(words) >= _FEWEST_WORDS else set()
