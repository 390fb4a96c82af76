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

from move37.errors import InputError
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
        """Samples of `model`; problems without an id of their own are named after `benchmark`."""
        rows = read_rows(path)
        problems: dict[str, Problem] = {}
        samples: dict[tuple[str, int], Sample] = {}
        places: dict[tuple[str, int], str] = {}
        reported: dict[tuple[str, int], bool] = {}
        numbered: Counter[str] = Counter()
        own_ids: dict[str, str] = {}
        indexed = rows[0].find("index") is not None
        for row in rows:
            problem_id = _problem_id(row, benchmark, own_ids)
            _add_problem(row, problem_id, benchmark, problems)
            if (row.find("index") is not None) != indexed:
                raise row.error("some rows have an 'index' and some have none; give it to all or to none")
            index = row.count("index") if indexed else numbered[problem_id]
            numbered[problem_id] += 1
            key = (problem_id, index)
            if key in places:
                raise row.error(f"sample {index} of {problem_id} stands already at {places[key]}")
            places[key] = row.place
            samples[key] = Sample(
                problem_id=problem_id,
                index=index,
                text=response(row, row.values, *_TEXT),
                finish_reason=finish_reason(row, row.find("finish_reason")),
                tokens=None if row.find("tokens") is None else row.count("tokens"),
            )
            score = row.find("score")
            if score is not None:
                reported[key] = reported_score(row, score)
        return Imported(tuple(problems.values()), tuple(samples.values()), reported, {"file": path.name})


def _problem_id(row: Row, benchmark: str, own_ids: dict[str, str]) -> str:
    """The content id of the question; without a question, the row's own id."""
    if row.find(*_QUESTION) is None:
        if row.find(*_ID) is None:
            raise row.error(f"neither a question nor an id (fields here: {', '.join(row.values)})")
        return row.identifier(*_ID)
    by_content = content_id(benchmark, row.text(*_QUESTION))
    if row.find(*_ID) is not None:
        own = row.identifier(*_ID)
        if own_ids.setdefault(own, by_content) != by_content:
            raise row.error(f"id {own!r} has another question than before")
    return by_content


def _add_problem(row: Row, problem_id: str, benchmark: str, problems: dict[str, Problem]) -> None:
    """Take the problem that the row tells. A row with an id alone tells none."""
    has_question, has_answer = row.find(*_QUESTION) is not None, row.find(*_ANSWER) is not None
    if has_question and not has_answer:
        row.require(*_ANSWER)
    if not has_question and not has_answer:
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
        raise InputError(
            f"{row.place}: another answer for {problem_id} than before "
            f"({' or '.join(problem.references)}; before {' or '.join(known.references)})"
        )
