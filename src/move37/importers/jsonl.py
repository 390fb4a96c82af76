"""One JSON object per sample, in whatever order: the format to write when no other fits.

    "question" (or "problem")                 what was asked; its problem gets the content id
    "problem_id" (or "id")                    instead of it, an id that is used as it stands (for example move37's
                                              own); beside it, the rows of one id must agree on the question
    "response" (or "text", "completion")      what the model wrote; may be empty
    "answer" (or "gt")                        the reference answer or a list of alternatives; needed with a question
    "index", "finish_reason", "tokens", "score"   optional; score is true/false or 1/0

Without "index" the samples of a problem are numbered in file order. Problems may have different numbers of samples.
"""

from collections import Counter
from pathlib import Path

from move37.identity import content_id
from move37.importers import MATH, Imported
from move37.importers.fields import finish_reason, problem_tags, reported_score, response
from move37.rows import Row, read_rows
from move37.types import Problem, Sample

_QUESTION = ("question", "problem")
_ID = ("problem_id", "id")
_ANSWER = ("answer", "gt")
_TEXT = ("response", "text", "completion")


class JsonlImporter:
    def load(self, path: Path, model: str, benchmark: str) -> Imported:
        """Samples of `model`; ids of problems with a question begin with `benchmark`."""
        rows = read_rows(path)
        names = _Names(benchmark)
        problems: dict[str, Problem] = {}
        samples: dict[tuple[str, int], Sample] = {}
        reported: dict[tuple[str, int], bool] = {}
        places: dict[tuple[str, int], str] = {}
        numbered: Counter[str] = Counter()
        indexed = rows[0].find("index") is not None
        for row in rows:
            problem_id = names.problem_id(row)
            _add_problem(row, problem_id, benchmark, problems)
            if (row.find("index") is not None) != indexed:
                raise row.error("some rows have an 'index' and some have none; give it to all or to none")
            key = (problem_id, row.count("index") if indexed else numbered[problem_id])
            numbered[problem_id] += 1
            if key in places:
                raise row.error(f"sample {key[1]} of {problem_id} stands already at {places[key]}")
            places[key] = row.place
            samples[key] = _sample(row, *key)
            if row.find("score") is not None:
                reported[key] = reported_score(row, row.find("score"))
        return Imported(tuple(problems.values()), tuple(samples.values()), reported, {"file": path.name})


class _Names:
    """Problem ids, and the check that a file's own ids and its questions go together one to one."""

    def __init__(self, benchmark: str) -> None:
        self._benchmark = benchmark
        self._content_id: dict[str, str] = {}
        self._own_id: dict[str, str] = {}

    def problem_id(self, row: Row) -> str:
        """The content id of the question; without a question, the row's own id as it stands."""
        if row.find(*_QUESTION) is None:
            row.require(*_QUESTION, *_ID)
            return row.identifier(*_ID)
        by_content = content_id(self._benchmark, row.text(*_QUESTION))
        if row.find(*_ID) is not None:
            own = row.identifier(*_ID)
            if self._content_id.setdefault(own, by_content) != by_content:
                raise row.error(f"id {own!r} has another question than before")
            if self._own_id.setdefault(by_content, own) != own:
                raise row.error(f"id {own!r} has the same question as id {self._own_id[by_content]!r}")
        return by_content


def _sample(row: Row, problem_id: str, index: int) -> Sample:
    return Sample(
        problem_id=problem_id,
        index=index,
        text=response(row, *_TEXT),
        finish_reason=finish_reason(row, row.find("finish_reason")),
        tokens=None if row.find("tokens") is None else row.count("tokens"),
    )


def _add_problem(row: Row, problem_id: str, benchmark: str, problems: dict[str, Problem]) -> None:
    """Take the problem that the row tells. A row with an id alone tells none."""
    has_question = row.find(*_QUESTION) is not None
    if not has_question and row.find(*_ANSWER) is None:
        return
    problem = Problem(
        id=problem_id,
        question=row.text(*_QUESTION).strip() if has_question else "",
        references=row.answers(*_ANSWER),
        benchmark=benchmark,
        verifier=MATH,
        tags=problem_tags(row),
    )
    known = problems.setdefault(problem_id, problem)
    if known.references != problem.references:
        now, before = (" or ".join(map(repr, each.references)) for each in (problem, known))
        raise row.error(f"another answer for {problem_id} than before ({now}; before {before})")
