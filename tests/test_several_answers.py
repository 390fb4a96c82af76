"""Problems of which several answers are right: each of them is, and what is nearly one is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from move37.benchmarks.several_answers import CHECKERS, IN_ANY_ORDER
from move37.config import ProblemsConfig
from move37.problems import load_problems
from move37.types import Outcome, Problem
from move37.verifiers.code import CodeVerifier
from tests.test_attacks import needs_isolation

ANSWERS: dict[str, tuple[str, str, list[str], list[str]]] = {
    "abc343_a": ("2 5\n", "2\n", ["0", "9\n"], ["7", "10", "1 2", ""]),
    "abc311_c": (
        "7\n6 7 2 1 3 4 5\n",
        "4\n7 5 3 2\n",
        ["4\n2 7 5 3\n", "3\n4 1 6\n"],
        ["3\n7 5 3\n", "4\n4 1 6\n", "8\n7 5 3 2 7 5 3 2", "3\n4 6 1", "0\n", "1\n4", "3\n0 1 6", "x"],
    ),
    "abc315_e": (
        "6\n3 2 3 4\n2 3 5\n0\n1 5\n0\n0\n",
        "5 3 4 2\n",
        ["3 5 4 2", "5 4 3 2"],
        ["3 5 2", "2 3 4 5", "5 3 4 2 6", "5 3 4 4 2", ""],
    ),
    "abc326_d": (
        "3\nABC\nABC\n",
        "Yes\nABC\nBCA\nCAB\n",
        ["Yes\nABC\nBCA\nCAB"],
        ["No", "Yes\nACB\nBAC\nCBA", "Yes\nABC\nBCA", "Yes\nABC\nBCA\nCBA", "Yes\n...\n...\n..."],
    ),
    "abc333_e": (
        "5\n1 1\n1 1\n1 2\n2 1\n2 2\n",
        "2\n0 1 1\n",
        ["2\n1 0 1\n"],
        ["2\n1 1 1", "2\n0 0 1", "3\n1 1 1", "2\n1 0", "2\n1 0 1 0", "2\n2 0 1", "-1"],
    ),
    "abc343_e": (
        "840 84 7\n",
        "Yes\n0 0 0 0 6 0 6 0 0\n",
        ["Yes\n-10 0 0 -10 0 6 -10 6 1"],
        ["No", "Yes\n0 0 0 0 0 0 0 0 0", "Yes\n0 0 0 0 6 0", "Yes\n994 0 0 994 6 0 1000 0 0"],
    ),
    "abc362_c": (
        "3\n3 5\n-4 1\n-2 3\n",
        "Yes\n4 -3 -1\n",
        ["Yes\n3 -3 0", "Yes\n5 -4 -1"],
        ["No", "Yes\n6 -4 -2", "Yes\n3 -3", "Yes\n3 -2 0", "Yes"],
    ),
    "abc366_g": (
        "3 3\n1 2\n1 3\n2 3\n",
        "Yes\n4 4 4\n",
        ["Yes\n2 2 2", "Yes\n1152921504606846975 1152921504606846975 1152921504606846975"],
        [
            "No",
            "Yes\n0 0 0",
            "Yes\n1 2 3",
            "Yes\n4 4",
            "Yes\n1152921504606846976 1152921504606846976 1152921504606846976",
        ],
    ),
    "abc373_g": (
        "3\n0 0\n2 4\n4 2\n0 2\n2 0\n4 4\n",
        "2 1 3\n",
        ["1 2 3", "1 3 2", "2 3 1", "3 1 2"],
        ["3 2 1", "1 1 2", "1 2", "-1"],
    ),
    "arc181_c": (
        "3\n1 2 3\n2 1 3\n",
        "001\n101\n110\n",
        ["001\n101\n111"],
        ["001\n011\n111", "000\n101\n110", "001\n101", "01\n10", "002\n101\n110"],
    ),
    "arc185_c": ("5 16\n1 8 5 10 13\n", "1 3 4\n", [], ["-1", "4 3 1", "1 1 1", "1 2 3", "0 1 2", "1 3"]),
    "abc314_e": ("x\n", "2.5\n", ["2.50002"], ["2.5001", "nan", "inf", "2.5 2.5", ""]),
    "abc315_f": ("x\n", "1000000.0\n", ["1000009.0"], ["1000011.0"]),
}
ROW: dict[str, Any] = {
    "question_content": "Which?",
    "contest_date": "2024-08-01T00:00:00",
    "platform": "atcoder",
    "difficulty": "easy",
    "starter_code": "",
    "private_test_cases": "[]",
}


@pytest.mark.parametrize("question", CHECKERS)
def test_each_of_the_right_answers_is_taken_and_none_that_is_nearly_one(question: str) -> None:
    given, expected, right, wrong = ANSWERS[question]
    names: dict[str, Any] = {}
    exec(CHECKERS[question], names)

    def takes(output: str) -> bool:
        try:
            return names["check"](given, output, expected)
        except Exception:  # means no, as where it runs
            return False

    assert [output for output in (expected, *right) if not takes(output)] == []
    assert [output for output in wrong if takes(output)] == []


def loaded(tmp_path: Path, grading: str, **row: Any) -> Problem:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW | row))
    [problem] = load_problems((ProblemsConfig(benchmark="livecodebench", path=path, options={"grading": grading}),))
    return problem


@needs_isolation
def test_the_strict_grading_takes_every_right_answer_and_the_official_one_of_them(tmp_path: Path) -> None:
    given, expected, right, wrong = ANSWERS["abc362_c"]
    script = {"question_id": "abc362_c", "public_test_cases": json.dumps([{"input": given, "output": expected}])}
    words = {
        "question_id": min(IN_ANY_ORDER),
        "metadata": json.dumps({"func_name": "two"}),
        "public_test_cases": json.dumps([{"input": '"a"', "output": '["ab", "ba"]'}]),
    }
    verifier = CodeVerifier(cpu_seconds=1.0)
    try:
        verdicts = {
            grading: [
                *(
                    verifier.verify(loaded(tmp_path, grading, **script), f"print({each!r})").outcome
                    for each in (right[0], wrong[0])
                ),
                *(
                    verifier.verify(
                        loaded(tmp_path, grading, **words), f"class Solution:\n    def two(self, a): return {each}\n"
                    ).outcome
                    for each in (["ba", "ab"], ["ba", "ba"])
                ),
            ]
            for grading in ("strict", "official")
        }
    finally:
        verifier.close()
    taken, refused = Outcome.CORRECT, Outcome.INCORRECT
    assert verdicts == {"strict": [taken, refused, taken, refused], "official": [refused] * 4}
