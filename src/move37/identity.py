"""What makes two problems the same problem: the benchmark's name and the question, up to white space.

The id leaves out the reference answers on purpose. Tools normalise golds in their own ways ("100" for
"100\\text{ square units}"), and a gold may be corrected: samples drawn for the question are still samples for that
question, and base and RL imported from two tools must land on the same problems. That references agree under one id
is for whoever puts problems together to check (`problems.load_problems`, the store).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b

from move37.types import ImagePart, Problem


def content_id(benchmark: str, question: str, images: Iterable[ImagePart] = ()) -> str:
    """The id of a problem, "math500/3f2a9c1b7d04": the benchmark and 48 bits of BLAKE2b of the question.

    Runs of white space count as one space and the ends are trimmed. Among 10^5 problems of one benchmark two
    different questions share an id with probability 1.8e-5. Images count by their bytes, in their order.
    """
    normal = "\0".join((" ".join(question.split()), *(image.digest for image in images)))
    return f"{benchmark}/{blake2b(normal.encode('utf-8', 'surrogatepass'), digest_size=6).hexdigest()}"


def number_repeats(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Give the second and later problems with one id the suffixes "#2", "#3", ... and a tag that names the first.

    For published sets that repeat a question: the count stays what the literature reports, ids stay unique.
    """
    seen: Counter[str] = Counter()
    distinct = []
    for problem in problems:
        seen[problem.id] += 1
        if seen[problem.id] > 1:
            tags = {**problem.tags, "repeats": problem.id}
            problem = replace(problem, id=f"{problem.id}#{seen[problem.id]}", tags=tags)
        distinct.append(problem)
    return tuple(distinct)
