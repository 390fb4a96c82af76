"""Flags and step verdicts: from a user's function, over the worker's wire, into the run folder and the warnings."""

import json
from pathlib import Path

import polars as pl
import pytest

from move37 import pipeline
from move37.evidence import RunEvidence
from move37.store import RunStore
from move37.types import Flag, Outcome, Problem, StepVerdict, Verdict
from move37.verification import verify
from move37.verifiers.messages import MOST_STEP_BYTES, reporting, verdict_in
from tests.studies import judged_run, sums_study

PROBLEM = Problem("p", "2 + 2?", ("4",), "b", "exact")


def grader(folder: Path, body: str) -> str:
    path = folder / "grader.py"
    path.write_text(
        f"from move37.types import Flag, Outcome, StepVerdict, Verdict\n\ndef grade(problem, text):\n    {body}\n"
    )
    return f"{path}:grade"


def said(folder: Path, body: str) -> Verdict:
    return verify(Problem("p", "2 + 2?", ("4",), "b", grader(folder, body)), "4")


def test_flags_and_steps_of_a_function_reach_the_caller(tmp_path: Path) -> None:
    steps = "(StepVerdict(Outcome.CORRECT, span=(0, 5)), StepVerdict(score=.5))"
    verdict = said(tmp_path, f"return Verdict(Outcome.CORRECT, 'fine', flags=(Flag.UNSANDBOXED,), steps={steps})")
    assert verdict == Verdict(
        Outcome.CORRECT,
        "fine",
        "4",
        frozenset({Flag.UNSANDBOXED}),
        (StepVerdict(Outcome.CORRECT, span=(0, 5)), StepVerdict(score=0.5)),
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "return Verdict(Outcome.CORRECT, 'fine', flags=('mine',))",
            "unknown flag 'mine' (known: no_answer, ",
        ),
        (
            "return Verdict(Outcome.CORRECT, 'fine', steps=('right',))",
            "its steps hold str, not StepVerdict",
        ),
    ],
)
def test_what_is_no_flag_and_no_step_is_unscored_with_the_reason(tmp_path: Path, body: str, reason: str) -> None:
    verdict = said(tmp_path, body)
    assert verdict.outcome is Outcome.UNSCORED
    assert verdict.reason.startswith(f"verifier's verdict is refused: {reason}")


def test_steps_that_are_too_large_are_dropped_and_the_verdict_stands(tmp_path: Path) -> None:
    body = f"return Verdict(Outcome.INCORRECT, 'no', steps=(StepVerdict(score=.25),) * {MOST_STEP_BYTES // 10})"
    assert said(tmp_path, body) == Verdict(Outcome.INCORRECT, "no", "4", frozenset({Flag.STEPS_DROPPED}))


def test_a_step_needs_something_to_say() -> None:
    with pytest.raises(ValueError, match="needs an outcome or a score"):
        StepVerdict()
    with pytest.raises(ValueError, match=r"lies in \[0, 1\], not 1\.5"):
        StepVerdict(score=1.5)
    with pytest.raises(ValueError, match="0 <= start <= end"):
        StepVerdict(score=0.5, span=(3, 2))


def test_a_field_that_is_not_known_yet_crosses_the_wire_unread() -> None:
    news = json.loads(json.dumps(reporting(3, Verdict(Outcome.CORRECT, "matches")))) | {"mood": "good"}
    assert verdict_in(news) == Verdict(Outcome.CORRECT, "matches")


@pytest.mark.slow
def test_flags_and_steps_are_kept_in_the_run(tmp_path: Path) -> None:
    store = judged_run(sums_study(tmp_path, n=2, verifier="exact"), tmp_path / "run")
    body = (
        "return Verdict(Outcome.CORRECT, 'so', flags=(Flag.RERUN_ALONE,), steps=(StepVerdict(score=.25, span=(1, 2)),))"
    )
    pipeline.verify_run(store, grader(tmp_path, body))
    (label,) = [label for label in store.labels("rl") if label.startswith("function")]
    rows = store.verdicts(label, "rl").read()
    assert rows["flags"].to_list() == [["rerun_alone"]] * 12
    assert rows["steps"].to_list() == [[{"outcome": None, "score": 0.25, "span": [1, 2]}]] * 12
    assert RunEvidence(RunStore.open(store.folder)).flags("rl") == [("correct", "rerun_alone", 12)]
    assert any("ended otherwise when they ran again" in warning for warning in pipeline.analyse_run(store).warnings)


@pytest.mark.slow
def test_a_grader_that_writes_our_words_sets_nothing_off(tmp_path: Path) -> None:
    store = judged_run(sums_study(tmp_path, n=2, verifier="exact"), tmp_path / "run")
    pipeline.verify_run(store, grader(tmp_path, "return Verdict(Outcome.CORRECT, 'passes alone, was killed before')"))
    assert not any("ended otherwise when they ran again" in warning for warning in pipeline.analyse_run(store).warnings)


@pytest.mark.parametrize(("label", "flagged"), [("code@2+python-3.11", 6), ("function@1+grade-ab", 0)])
def test_a_part_of_before_says_it_in_words_that_are_read_of_programs_alone(
    tmp_path: Path, label: str, flagged: int
) -> None:
    store = judged_run(sums_study(tmp_path, n=2, verifier="exact"), tmp_path / "run")
    (path,) = store.verdicts("exact@2", "rl").files()
    old = pl.read_parquet(path).drop("flags", "steps", "sample", "problem")
    reason = pl.when(pl.col("index") == 0).then(pl.lit("passes alone, was killed before")).otherwise("reason")
    there = store.folder / "verdicts" / label / "rl" / path.name
    there.parent.mkdir(parents=True)
    old.with_columns(reason=reason).write_parquet(there)
    assert 12 - store.verdicts(label, "rl").read(["flags"])["flags"].null_count() == flagged
