"""Does a benchmark keep the contract of `move37.benchmarks.Benchmark`?"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from move37.benchmarks import Benchmark
from move37.config import ProblemsConfig
from move37.errors import Move37Error
from move37.testing.claims import require
from move37.verification import validate
from move37.verifiers import VERIFIERS


def check_benchmark(benchmark: Benchmark | type, source: ProblemsConfig, references: bool = True) -> None:
    """Raises AssertionError unless `benchmark` makes problems of `source` as its contract says.

    `source` is what a study would say under [problems]; its `path`, if any, a file or folder that it can read. Checked:
    ids are unique and the same when loaded again; questions and references are texts; tags are texts and metadata is
    JSON; the number of problems is one of `expected_counts`; `limit` takes the first; a path that is not there is
    refused in one line; the verifier is known and, unless told not to look, accepts every reference.
    """
    made: Any = benchmark() if isinstance(benchmark, type) else benchmark
    for key in ("name", "verifier"):
        value = getattr(made, key, None)
        require(isinstance(value, str) and bool(value), f"{key} has to be a text, not {value!r}")
    VERIFIERS.load(made.verifier)
    problems = made.load(source)
    require(bool(problems), "there are no problems")
    count, expected = len(problems), made.expected_counts
    require(not expected or count in expected, f"{count} problems, and expected_counts has {list(expected)}")
    _check_problems(problems)
    again = made.load(source)
    require(list(again) == list(problems), "the same source gives other problems when it is loaded again")
    _check_refusal(made, source)
    if references:
        _check_references(problems)


def _check_problems(problems: Any) -> None:
    twice = [key for key, count in Counter(problem.id for problem in problems).items() if count > 1]
    require(not twice, f"two problems have the id {twice[:1]}; make ids of the content (identity.content_id)")
    for each in problems:
        require(isinstance(each.question, str) and bool(each.question.strip()), f"{each.id}: no question")
        texts = all(isinstance(reference, str) and reference.strip() for reference in each.references)
        require(texts, f"{each.id}: references have to be texts, not {each.references!r}")
        tags = all(isinstance(key, str) and isinstance(value, str) for key, value in each.tags.items())
        require(tags, f"{each.id}: tags have to be texts, not {dict(each.tags)!r}")
        try:
            json.dumps(dict(each.metadata), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"{each.id}: metadata has to be JSON values ({error})") from None


def _check_refusal(benchmark: Benchmark, source: ProblemsConfig) -> None:
    if source.path is None:
        return
    missing = source.model_copy(update={"path": Path(source.path) / "no such file.jsonl"})
    try:
        benchmark.load(missing)
    except Move37Error as error:
        require("\n" not in str(error), f"a path that is not there is refused with more than one line: {error}")
    else:
        raise AssertionError("a path that is not there has to be refused with InputError")


def _check_references(problems: Any) -> None:
    failures = validate(problems)
    if failures:
        first = failures[0]
        raise AssertionError(
            f"{len(failures)} references do not pass the verifier (first: {first.problem.id}, {first.reference!r}: "
            f"{first.verdict.reason})"
        )
