"""Small pictures of a run's problems, for a page that holds all it shows: as many as its size budget takes.

The problem whose prompt is shown in full comes first, and larger; then the others in their order. Each is in the page
once, as a data URL in its style sheet, however often its problem is named.
"""

import io
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from move37.errors import InputError
from move37.images import pixels
from move37.types import ImagePart, Problem

BUDGET = 400_000
"""Bytes of data URLs on a page: with its script, which draws the figures, a page of figures has 1 to 2 MB."""
_LARGE, _SMALL = 320, 72
"""Pixels of the longer side."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """`address` is a data URL; width and height are in pixels, of what is shown."""

    problem_id: str
    address: str
    width: int
    height: int


def thumbnails(problems: Iterable[Problem], first: str | None, budget: int = BUDGET) -> tuple[Thumbnail, ...]:
    """One for each image of a problem, `first` before all others, until the budget is used. A broken one is left out.

    Empty where no problem has an image.
    """
    seen = sorted((problem for problem in problems if problem.images), key=lambda problem: problem.id != first)
    found: list[Thumbnail] = []
    left = budget
    for problem in seen:
        for image in problem.images:
            made = _made(problem.id, image, _LARGE if problem.id == first else _SMALL)
            if made is None:
                continue
            left -= len(made.address)
            if left < 0:
                return tuple(found)
            found.append(made)
    return tuple(found)


def _made(problem_id: str, image: ImagePart, longest: int) -> Thumbnail | None:
    try:
        picture = pixels(image, problem_id)
    except InputError:  # a report is not the place to fail for a file that is gone: `move37 verify` never looks at it
        return None
    picture.thumbnail((longest, longest))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=70, method=2)
    address = f"data:image/webp;base64,{b64encode(file.getvalue()).decode()}"
    return Thumbnail(problem_id, address, picture.width, picture.height)
