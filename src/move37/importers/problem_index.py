"""Which problem of a benchmark is a row of a log about? By its own id there, by its question, or by its prompt."""

from collections.abc import Sequence

from move37.importers.logs import Asked
from move37.types import Problem


class ProblemIndex:
    """The problems of a benchmark, to be found by what logs say of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self._problems = tuple(problems)
        self._by_id = {problem.id: problem for problem in problems}
        self._by_task = {str(problem.metadata["task_id"]): problem for problem in problems if _has_task(problem)}
        self._by_question = {_plain(problem.question): problem for problem in reversed(self._problems)}

    def find(self, asked: Asked) -> Problem | None:
        """The problem, None where it is none of these.

        A prompt may hold other questions as examples: the one that begins last is what is asked.
        """
        found = self._by_id.get(asked.key) or self._by_task.get(asked.key) or self._by_task.get(_number(asked.key))
        if found is not None or (asked.question is None and asked.prompt is None):
            return found
        question = _plain(asked.question or "")
        if question in self._by_question:
            return self._by_question[question]
        text = _plain(asked.prompt) if asked.prompt else question
        places = {text.rfind(known): known for known in self._by_question if known in text}
        return self._by_question[max(places.items(), key=lambda item: (item[0], len(item[1])))[1]] if places else None


def _has_task(problem: Problem) -> bool:
    return bool(problem.metadata) and "task_id" in problem.metadata


def _plain(text: str) -> str:
    return " ".join(text.split())


def _number(key: str) -> str:
    """ "Mbpp/2" is task 2 of MBPP."""
    return key.rpartition("/")[2]
