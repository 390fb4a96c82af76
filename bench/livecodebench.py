"""Claim: on real rows of LiveCodeBench every program that its own harness passed on all tests passes our judge's.

The programs and their grades are those of its authors' submissions (github.com/LiveCodeBench/submissions, the files
"Scenario.codegeneration_*_eval_all.json": problems, programs, graded by the official harness on all tests). The tests
here are the public ones, as jsonl rows with `question_id` and `public_test_cases` (the hub's files, or copies without
the private tests, which are a gigabyte). So a program that passed there must pass here, under both gradings; one that
failed there may pass the public tests, and how many do is shown. A wrong program is one that prints nothing or returns
None: none may pass.

    python bench/livecodebench.py --submissions FILE [FILE ...] --rows FILE [FILE ...] [--grading official]
"""

import argparse
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from move37.config import ProblemsConfig, VerificationConfig
from move37.problems import load_problems
from move37.types import Outcome, Problem, Verdict
from move37.verification import VerifierPool
from move37.verifiers.code import CodeVerifier
from move37.verifiers.program_runs import METHOD_OF_SOLUTION

Row = dict[str, Any]


def rows_of(submissions: list[Row], public: dict[str, str]) -> list[Row]:
    """Rows as the hub has them, with the public tests alone."""
    found = []
    for row in submissions:
        tests = public.get(row["question_id"])
        if tests is None:
            continue
        name = re.search(r"class Solution:\s+def (\w+)", row["starter_code"])
        kept = {key: row[key] for key in ("question_id", "question_content", "contest_date", "starter_code")}
        kept |= {"platform": row["platform"], "difficulty": row["difficulty"]}
        metadata = json.dumps({"func_name": name[1]} if name else {})
        found.append(kept | {"public_test_cases": tests, "private_test_cases": "[]", "metadata": metadata})
    return found


def problems_of(rows: list[Row], grading: str) -> dict[str, Problem]:
    """Loaded as a user's file is, by question id."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        source = ProblemsConfig(benchmark="livecodebench", path=path, options={"grading": grading})
        return {problem.metadata["task_id"]: problem for problem in load_problems((source,))}


def wrong(problem: Problem) -> str:
    """A program that runs and does nothing of what is asked."""
    test = problem.metadata.get("tests", [""])[0]
    name = METHOD_OF_SOLUTION.search(test)
    return f"class Solution:\n    def {name[1]}(self, *args):\n        return None\n" if name else "input()\n"


def asked(problems: dict[str, Problem], submissions: dict[str, list[Row]]) -> Iterator[tuple[Problem, str, tuple]]:
    for name, rows in submissions.items():
        for row in (row for row in rows if row["question_id"] in problems):
            for i, (code, passed) in enumerate(zip(row["code_list"], row["graded_list"], strict=True)):
                kind = "passed" if passed else "failed"
                yield problems[row["question_id"]], f"```python\n{code}\n```", (name, kind, row["question_id"], i)
    for question, problem in problems.items():
        yield problem, f"```python\n{wrong(problem)}```", ("nothing", "wrong", question, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=Path, nargs="+", required=True)
    parser.add_argument("--rows", type=Path, nargs="+", required=True)
    parser.add_argument("--grading", choices=("strict", "official"), default="strict")
    parser.add_argument("--limit", type=int, default=None, help="problems, evenly over all")
    options = parser.parse_args()
    lines = (json.loads(line) for path in options.rows for line in path.read_text().splitlines())
    public = {row["question_id"]: row["public_test_cases"] for row in lines}
    submissions = {path.stem: json.loads(path.read_text()) for path in options.submissions}
    every = {row["question_id"]: row for rows in submissions.values() for row in rows}
    rows = rows_of(list(every.values()), public)
    rows = rows[:: max(1, len(rows) // options.limit)] if options.limit else rows
    problems = problems_of(rows, options.grading)
    started = time.perf_counter()
    with VerifierPool(VerificationConfig(workers=2)) as pool:
        verdicts: dict[tuple, Verdict] = dict(pool.verify(CodeVerifier(), asked(problems, submissions)))
    counts = Counter((key[0], key[1], str(verdict.outcome)) for key, verdict in verdicts.items())
    print(f"{len(problems)} problems, {options.grading} grading, {len(verdicts)} programs")
    for (name, kind, outcome), number in sorted(counts.items()):
        print(f"  {name}, {kind} under the official harness: {number} {outcome} here")
    odd = {
        key: verdict
        for key, verdict in verdicts.items()
        if (key[1] == "passed" and verdict.outcome != Outcome.CORRECT)
        or (key[1] == "wrong" and verdict.outcome != Outcome.INCORRECT)
        or verdict.outcome == Outcome.UNSCORED
    }
    print(
        f"{len(odd)} not as they should be", *(f"{key}: {v.outcome}, {v.reason}" for key, v in odd.items()), sep="\n  "
    )
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"bench": "livecodebench", "problems": len(problems), "odd": len(odd), "seconds": seconds}))


if __name__ == "__main__":
    main()
