"""A set of the user's own: any JSONL, JSON list or Parquet file, with a mapping of its field names.

Every row must have a question and an answer (a text, a number, or a list of alternatives), taken as they stand. A
question that occurs twice is refused: unlike in a published set, nobody counts on it, and one problem counted twice
makes every interval too narrow. The tag `source` is the file's name.
"""

from collections.abc import Mapping

from move37.config import FieldMapping, ProblemsConfig
from move37.errors import ConfigError
from move37.identity import content_id
from move37.rows import read_rows
from move37.types import Problem


class JsonlBenchmark:
    name = "jsonl"
    verifier = "math"
    expected_counts: Mapping[int, str] = {}

    def load(self, source: ProblemsConfig) -> tuple[Problem, ...]:
        """One problem per row. Raises ConfigError without a path, InputError for a bad or repeated row."""
        if source.path is None:
            raise ConfigError("problems.path: benchmark = 'jsonl' needs the path of the file")
        fields = source.fields or FieldMapping.model_validate({})
        places: dict[str, str] = {}
        problems = []
        for row in read_rows(source.path):
            question = row.text(fields.question)
            problem = Problem(
                id=content_id(self.name, question),
                question=question,
                references=row.answers(fields.answer),
                benchmark=self.name,
                verifier=self.verifier,
                tags={"source": source.path.name.partition(".")[0], **row.tags(*fields.tags)},
            )
            if problem.id in places:
                raise row.error(f"the same question as {places[problem.id]}; remove one of the two")
            places[problem.id] = row.place
            problems.append(problem)
        return tuple(problems)


JSONL = JsonlBenchmark()
