"""A user's own function as a verifier: its three outcomes, its version, and one line for each way to get it wrong."""

import pickle
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from move37 import pipeline
from move37.config import VerificationConfig, load_study
from move37.errors import ConfigError, InputError, Move37Error
from move37.evidence import RunEvidence
from move37.store import RunStore
from move37.types import Flag, Outcome, Problem, StepVerdict, Verdict
from move37.verification import VerifierPool
from move37.verifiers.function import FunctionVerifier
from move37.verifiers.options import make_verifier
from tests.studies import judged_run, sums_study

pytestmark = pytest.mark.own_workers

CORRECT, INCORRECT, UNSCORED = Outcome.CORRECT, Outcome.INCORRECT, Outcome.UNSCORED
PROBLEM = Problem("made-up/1", "Who?", ("Evelyn",), "made-up", "function", metadata={"least": 2})


def write(folder: Path, code: str, name: str = "grader.py") -> Path:
    path = folder / name
    path.write_text(dedent(code))
    return path


def judged(path: Path, *texts: str, timeout_seconds: float = 10.0) -> list[Verdict]:
    """The verdicts of `grade` in worker processes, in the order of the texts."""
    verifier = make_verifier(f"{path}:grade")
    with VerifierPool(VerificationConfig(workers=1, timeout_seconds=timeout_seconds)) as pool:
        verdicts = dict(pool.verify(verifier, ((PROBLEM, text, i) for i, text in enumerate(texts))))
    return [verdicts[i] for i in range(len(texts))]


def refusal(source: str) -> str:
    with pytest.raises(Move37Error) as caught:
        make_verifier(source)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_true_false_none_a_verdict_an_error_and_anything_else(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        import numpy as np
        from move37.types import Outcome, Verdict

        def grade(problem, text):
            if text == "raise":
                raise ValueError(f"not {text}\\nat all")
            return {
                "numpy": np.float64(1) < 2, "none": None, "three": 3, "text": "yes", "one": 1,
                "verdict": Verdict(Outcome.INCORRECT, "too short"),
            }.get(text, problem.references[0] in text)
        """,
    )
    texts = ("It was Evelyn.", "Bob", "none", "three", "text", "one", "verdict", "numpy", "raise", " ")
    assert [(v.outcome, v.reason) for v in judged(path, *texts)] == [
        (CORRECT, "matches"),
        (INCORRECT, "differs"),
        (UNSCORED, "grade returned None"),
        (UNSCORED, "grade returned 3, and a score lies in [0, 1]"),
        (UNSCORED, "grade returned str, not True, False, None, a number in [0, 1] or a Verdict"),
        (CORRECT, "matches"),
        (INCORRECT, "too short"),
        (CORRECT, "matches"),
        (UNSCORED, "grade raises ValueError (grader.py line 7)"),
        (INCORRECT, "no answer"),
    ]


def test_numbers_come_in_every_type_that_rewards_have_and_sums_of_weights_are_rounded(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        from decimal import Decimal
        from fractions import Fraction
        import numpy as np

        def grade(problem, text):
            return {
                "weights": 0.7 + 0.2 + 0.1, "over": 0.1 + 0.7 + 0.2 + 1e-16, "under": 0.3 - 0.1 - 0.2,
                "array": np.array(0.5), "true": np.array(True), "decimal": Decimal("0.25"), "half": Fraction(1, 2),
                "nan": np.float32("nan"), "two": np.array([1.0, 0.0]), "beyond": 1.001,
            }[text]
        """,
    )
    expected = {
        "weights": (CORRECT, None),
        "over": (CORRECT, None),
        "under": (INCORRECT, None),
        "array": (INCORRECT, 0.5),
        "true": (CORRECT, None),
        "decimal": (INCORRECT, 0.25),
        "half": (INCORRECT, 0.5),
        "nan": (UNSCORED, None),
        "two": (UNSCORED, None),
        "beyond": (UNSCORED, None),
    }
    assert {
        text: (verdict.outcome, verdict.score) for text, verdict in zip(expected, judged(path, *expected), strict=True)
    } == expected


@pytest.mark.slow
def test_it_runs_in_a_process_that_can_be_killed(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        import os

        def grade(problem, text):
            while text == "spin":
                pass
            if text == "die":
                os._exit(3)
            return True
        """,
    )
    spin, die, fine = judged(path, "spin", "die", "fine", timeout_seconds=0.5)
    assert (spin.outcome, spin.reason) == (UNSCORED, "timed out after 0.5 s")
    assert (die.outcome, die.reason) == (UNSCORED, "verifier crashed: exit code 3")
    assert fine.outcome is CORRECT


def test_what_it_does_to_the_problem_is_not_the_next_answers_problem(tmp_path: Path) -> None:
    path = write(tmp_path, "def grade(problem, text):\n    problem.metadata['seen'] += [1]\n    return "
                 "problem.metadata['seen'] == [1]\n")  # fmt: skip
    with VerifierPool(VerificationConfig(workers=1)) as pool:
        asked = replace(PROBLEM, metadata={"seen": []})
        verdicts = list(pool.verify(make_verifier(f"{path}:grade"), ((asked, f"answer {i}", i) for i in range(20))))
    assert {verdict.outcome for _, verdict in verdicts} == {CORRECT}


def test_a_function_that_leaves_the_process_leaves_its_answer_unscored(tmp_path: Path) -> None:
    path = write(tmp_path, "import sys\n\ndef grade(problem, text):\n    return sys.exit() if text == 'x' else True\n")
    assert [v.reason for v in judged(path, "x", "y")] == ["verifier crashed: SystemExit", "matches"]


def test_its_file_may_say_where_the_answer_is_and_what_a_right_response_looks_like(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        def extract(problem, text):
            return text.partition(":")[2] or (3 if text == "broken" else None)

        def format_answer(problem, reference):
            return f"name:{reference}"

        def grade(problem, answer):
            return answer == "Evelyn"
        """,
    )
    right, no_answer, broken = judged(path, "name:Evelyn", "Evelyn", "broken")
    assert (right.outcome, right.answer) == (CORRECT, "Evelyn")
    assert (no_answer.outcome, no_answer.reason) == (INCORRECT, "no answer")
    assert (broken.outcome, broken.reason) == (UNSCORED, "verifier crashed: TypeError")
    assert FunctionVerifier(f"{path}:grade").format_answer(PROBLEM, "Evelyn") == "name:Evelyn"


def test_an_edited_file_is_another_version_and_an_untouched_one_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, "def grade(problem, text):\n    return True\n")
    before, again = FunctionVerifier(f"{path}:grade"), FunctionVerifier(f"{path}:grade")
    sent = pickle.dumps(before)
    path.write_text("def grade(problem, text):\n    return False\n")
    after = FunctionVerifier(f"{path}:grade")
    assert before.version == again.version != after.version
    assert (before.verify(PROBLEM, "x").outcome, after.verify(PROBLEM, "x").outcome) == (CORRECT, INCORRECT)
    with pytest.raises(InputError, match="was edited while answers were verified; verify again"):
        pickle.loads(sent)


def test_two_functions_of_one_file_are_two_versions(tmp_path: Path) -> None:
    path = write(tmp_path, "def grade(p, t):\n    return True\n\ndef strict(p, t):\n    return False\n")
    assert FunctionVerifier(f"{path}:grade").version != FunctionVerifier(f"{path}:strict").version


def test_a_function_of_an_importable_module_needs_no_path() -> None:
    assert make_verifier("tests.graders:grade").verify(PROBLEM, "Evelyn").outcome is CORRECT


@pytest.mark.parametrize(
    ("code", "source", "line"),
    [
        ("", "{}/none.py:grade", "no such file: {}/none.py"),
        ("", "{}/grader.py:", "write it as path/to/grader.py:function or package.module:function"),
        ("", "{}/grader.py:a-b", "write it as path/to/grader.py:function or package.module:function"),
        ("", "no_such_package.module:grade", "no_such_package.module cannot be imported (No module named"),
        ("", "nosuchmodule:grade", "no Python module 'nosuchmodule'; a file is written as path/to/grader.py:function"),
        ("", "math:sqrt", "no Python module 'math'"),
        ("def grades(p, t): ...", "{}/grader.py:grade", "in {}/grader.py; did you mean 'grades'?"),
        ("def mark(p, t): ...", "{}/grader.py:grade", "no function 'grade' in {}/grader.py (functions there: mark)"),
        ("grade = 3", "{}/grader.py:grade", "(functions there: none)"),
        ("def grade(t): ...", "{}/grader.py:grade", "grade has to take two arguments, (problem, text)"),
        ("async def grade(p, t): ...", "{}/grader.py:grade", "grade is asynchronous; write it with def"),
        ("def grade(p, t:", "{}/grader.py:grade", "cannot be loaded (SyntaxError: "),
        ("import nosuch", "{}/grader.py:grade", "cannot be loaded (ModuleNotFoundError: No module named 'nosuch')"),
        ("1 / 0", "{}/grader.py:grade", "cannot be loaded (ZeroDivisionError: division by zero)"),
    ],
)
def test_a_function_that_cannot_be_used_is_one_line(tmp_path: Path, code: str, source: str, line: str) -> None:
    write(tmp_path, code)
    message = refusal(source.format(tmp_path))
    assert message.startswith(f"verifier {source.format(tmp_path)!r}: ")
    assert line.format(tmp_path) in message


def test_without_a_source_the_name_alone_says_what_is_missing() -> None:
    assert refusal("function") == "verification.options.function.source: field required"


@pytest.mark.slow
def test_a_study_names_a_grader_beside_it_and_verify_takes_one_too(tmp_path: Path) -> None:
    write(tmp_path, "def grade(problem, text):\n    return problem.references[0] in text\n")
    study = sums_study(tmp_path, n=2, verifier="grader.py:grade")
    assert load_study(study).problems[0].verifier == f"{tmp_path / 'grader.py'}:grade"
    store = judged_run(study, tmp_path / "run")
    (label,) = store.current_labels().values()
    assert label.startswith("function@1+grade-")
    # ... regraded with another function, whose verdicts lie beside
    other = write(tmp_path, "def grade(problem, text):\n    return False\n", "never.py")
    done = pipeline.verify_run(RunStore.open(tmp_path / "run"), f"{other}:grade")
    assert done.verified == {"base": {"incorrect": 12}, "rl": {"incorrect": 12}}
    assert len(store.labels("rl")) == 2


def test_a_study_that_names_a_grader_which_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"problems\.0\.verifier: no such file or folder: grader\.py"):
        load_study(sums_study(tmp_path, verifier="grader.py:grade"))


@pytest.mark.slow
def test_what_was_left_unscored_is_judged_again_on_demand_and_the_rest_is_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        f"""
        from pathlib import Path

        def grade(problem, text):
            up = Path({str(tmp_path / "up")!r}).exists()
            if up:
                with open({str(tmp_path / "graded")!r}, "a") as log:
                    log.write("x")
            return problem.references[0] in text if up or "2" in problem.question else None
        """,
    )
    study = sums_study(tmp_path, n=4, verifier="grader.py:grade")
    study.write_text(study.read_text() + "\n[verification]\ncache = false\n")
    store = judged_run(study, tmp_path / "run")
    before = {name: int(RunEvidence(store).tally(name).unscored.sum()) for name in ("base", "rl")}
    assert min(before.values()) > 0
    (tmp_path / "up").touch()
    assert pipeline.verify_run(RunStore.open(tmp_path / "run")).verified == {"base": {}, "rl": {}}
    done = pipeline.verify_run(RunStore.open(tmp_path / "run"), retry_unscored=True)
    assert {name: sum(counts.values()) for name, counts in done.verified.items()} == before
    after = RunStore.open(tmp_path / "run")
    assert [int(RunEvidence(after).tally(name).unscored.sum()) for name in ("base", "rl")] == [0, 0]
    assert [int(RunEvidence(after).tally(name).scored.sum()) for name in ("base", "rl")] == [24, 24]
    assert len((tmp_path / "graded").read_text()) <= sum(before.values())


@pytest.mark.slow
def test_what_a_grader_writes_into_a_reason_sets_off_no_warning(tmp_path: Path) -> None:
    code = """
        from move37.types import Outcome, Verdict

        def grade(problem, text):
            return Verdict(Outcome.CORRECT, "passes alone, ran out of time before")
    """
    write(tmp_path, code)
    store = judged_run(sums_study(tmp_path, n=2, verifier="grader.py:grade"), tmp_path / "run")
    evidence = RunEvidence(store)
    models = list(store.study().models)
    for model in models:
        assert [reason for _, reason, _ in evidence.reasons(model)] == ["passes alone, ran out of time before"]
    assert [evidence.flags(model) for model in models] == [[] for _ in models]
    assert not [line for line in pipeline.analyse_run(store).warnings if "ended otherwise" in line]


def test_a_grader_may_return_flags_and_steps(tmp_path: Path) -> None:
    code = """
        from move37.types import Flag, Outcome, StepVerdict, Verdict

        def grade(problem, text):
            steps = [StepVerdict(Outcome.CORRECT, span=(0, 1)), StepVerdict(score=0.5, span=(1, len(text)))]
            return Verdict(Outcome.INCORRECT, "in steps", flags=[Flag.TIMED_OUT], steps=steps)
    """
    [verdict] = judged(write(tmp_path, code), "abc")
    assert verdict.steps == (StepVerdict(Outcome.CORRECT, span=(0, 1)), StepVerdict(score=0.5, span=(1, 3)))
    assert (verdict.flags, verdict.answer) == (frozenset({Flag.TIMED_OUT}), "abc")
