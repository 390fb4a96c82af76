"""Benchmark names and files -> the problems of a study.

Sources are joined in the order given. The same question under the same benchmark name is the same problem
(`identity.content_id`): two sources that both hold it give it once, provided that they agree on what a right answer
is. `skip` and `limit` take a part after a set's count was checked, so the set is still known to be whole.
Left out: how rows become problems (`benchmarks/`), how they are posed (`prompting.py`).
"""

from collections.abc import Iterable
from dataclasses import replace

from move37.benchmarks import BENCHMARKS, Benchmark
from move37.config import GENERATED, ProblemsConfig
from move37.errors import InputError
from move37.images import measured
from move37.types import Problem


def load_problems(sources: Iterable[ProblemsConfig]) -> tuple[Problem, ...]:
    """The union of the sources, in order. Raises UnknownNameError, ConfigError or InputError, each with one line."""
    union: dict[str, Problem] = {}
    for source in sources:
        for problem in _load(source):
            known = union.setdefault(problem.id, problem)
            if (known.references, known.verifier) != (problem.references, problem.verifier):
                raise InputError(
                    f"{source.path or source.benchmark}: {problem.id} is in an earlier source with another answer or "
                    f"verifier ({_answer(known)}; here {_answer(problem)}); keep one of the two sources"
                )
    return tuple(union.values())


def _load(source: ProblemsConfig) -> tuple[Problem, ...]:
    family, colon, _ = source.benchmark.partition(":")
    # Only generated benchmarks have names with a colon; "math500:x" is unknown as a whole.
    name = family if family in GENERATED or not colon else source.benchmark
    found = BENCHMARKS.load(name)
    benchmark: Benchmark = found() if isinstance(found, type) else found
    problems = benchmark.load(source)[source.skip :][: source.limit]
    if source.verifier is not None:
        problems = tuple(replace(problem, verifier=source.verifier) for problem in problems)
    return tuple(_with_measured_images(problem, source) if problem.images else problem for problem in problems)


def _with_measured_images(problem: Problem, source: ProblemsConfig) -> Problem:
    """The problem with the size of every image. Raises InputError beyond the limits: nothing is resized in silence."""
    if len(problem.images) > source.max_images:
        raise InputError(
            f"{problem.id}: {len(problem.images)} images, and problems.max_images is {source.max_images}; leave it "
            "out, or raise the limit"
        )
    images = tuple(measured(image, problem.id) for image in problem.images)
    for image in images:
        if image.width and image.height and image.width * image.height > source.max_pixels:
            raise InputError(
                f"{problem.id}: an image of {image.width} x {image.height} pixels, and problems.max_pixels is "
                f"{source.max_pixels}; make its file smaller, leave it out, or raise the limit"
            )
    return replace(problem, images=images)


def _answer(problem: Problem) -> str:
    return f"{' or '.join(map(repr, problem.references))} by {problem.verifier}"
