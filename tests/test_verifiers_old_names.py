"""Verifiers written with the names of before (judge, present, warm, lasting) give the verdicts they gave."""

import pickle
import textwrap
import warnings
from pathlib import Path

import pytest

from move37.calibration import calibrate
from move37.config import VerificationConfig
from move37.types import Outcome, Problem, Verdict
from move37.verification import VerifierPool, validate
from move37.verifiers import OLD_NAMES
from move37.verifiers.cache import VerdictCache
from move37.verifiers.exact import ExactVerifier
from move37.verifiers.function import FunctionVerifier
from move37.verifiers.old_names import with_new_names
from move37.verifiers.options import make_verifier

pytestmark = pytest.mark.own_workers

PROBLEM = Problem("p", "Who?", ("Evelyn",), "made-up", "exact")
ONE = VerificationConfig(workers=1)


class Old:
    """As the protocol was before."""

    name, version = "old", "1"

    def __init__(self) -> None:
        self.ready = False

    def extract(self, problem: Problem, text: str) -> str | None:
        return text.removeprefix("ANSWER ") or None

    def judge(self, problem: Problem, answer: str) -> Verdict:
        assert self.ready, "warm() comes first"
        return Verdict(Outcome.CORRECT if answer in problem.references else Outcome.INCORRECT, "by judge")

    def present(self, problem: Problem, reference: str) -> str:
        return f"ANSWER {reference}"

    def warm(self) -> None:
        self.ready = True

    def lasting(self, verdict: Verdict) -> bool:
        return True


class Half(ExactVerifier):
    """One method of a present verifier replaced, under its old name."""

    name = "half"

    def judge(self, problem: Problem, answer: str) -> Verdict:
        return Verdict(Outcome.CORRECT, "anything goes")


class Both:
    """Written for either version."""

    name, version = "both", "1"

    def extract(self, problem: Problem, text: str) -> str | None:
        return text

    def verify(self, problem: Problem, answer: str) -> Verdict:
        return Verdict(Outcome.CORRECT, "by verify")

    def judge(self, problem: Problem, answer: str) -> Verdict:
        return Verdict(Outcome.INCORRECT, "by judge")

    def format_answer(self, problem: Problem, reference: str) -> str:
        return reference

    def set_up(self) -> None:
        pass


@pytest.mark.slow
def test_a_class_with_the_old_names_is_set_up_asked_and_kept(tmp_path: Path) -> None:
    items = [(PROBLEM, "ANSWER Evelyn", 1), (PROBLEM, "ANSWER Bob", 2)]
    for answers in ({"judged": 2}, {"recalled": 2}):  # the second pool finds what `lasting` let be kept
        with VerdictCache(tmp_path / "kept.sqlite") as cache, VerifierPool(ONE, cache) as pool:
            verdicts = dict(pool.verify(Old(), items))  # pyright: ignore[reportArgumentType]
        assert [(verdicts[i].outcome, verdicts[i].reason) for i in (1, 2)] == [
            (Outcome.CORRECT, "by judge"),
            (Outcome.INCORRECT, "by judge"),
        ]
        assert pool.answers == answers


@pytest.mark.slow
def test_a_class_with_the_old_names_can_be_calibrated() -> None:
    found = calibrate(Old(), [PROBLEM], ONE)  # pyright: ignore[reportArgumentType]
    assert (found.references.accepted, found.references.scored) == (1, 1)


def test_one_line_for_each_old_name_says_the_new_one_and_where() -> None:
    with pytest.warns(FutureWarning) as shown:
        with_new_names(Old())
    assert [str(each.message) for each in shown] == [
        f"verifier 'old': {old}() is called {new}() now; please rename it" for new, old in OLD_NAMES.items()
    ]
    assert {each.filename for each in shown} == {__file__}


def test_the_line_is_shown_once_and_not_at_all_for_new_names() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        for _ in range(3):
            with_new_names(Half())
            assert isinstance(with_new_names(ExactVerifier()), ExactVerifier)
            assert isinstance(with_new_names(Both()), Both)
    assert [str(each.message) for each in shown] == [
        "verifier 'half': judge() is called verify() now; please rename it"
    ]


def test_of_an_old_and_a_new_name_the_nearer_definition_is_in_force() -> None:
    asked = Problem("p", "Who?", ("Evelyn",), "made-up", "exact")
    assert with_new_names(Half()).verify(asked, "Bob").reason == "anything goes"
    assert with_new_names(Both()).verify(asked, "Bob").reason == "by verify"
    assert pickle.loads(pickle.dumps(with_new_names(Half()))).verify(asked, "Bob").reason == "anything goes"


@pytest.mark.parametrize(("name", "lines"), [("present", 1), ("format_answer", 0)])
def test_the_file_of_a_function_may_say_how_an_answer_looks_under_either_name(
    tmp_path: Path, name: str, lines: int
) -> None:
    path = tmp_path / "grader.py"
    path.write_text(
        textwrap.dedent(f"""
        def grade(problem, text):
            return text == "name:" + problem.references[0]

        def {name}(problem, reference):
            return "name:" + reference
        """)
    )
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        assert FunctionVerifier(f"{path}:grade").format_answer(PROBLEM, "Evelyn") == "name:Evelyn"
        assert validate([Problem("p", "Who?", ("Evelyn",), "made-up", f"{path}:grade")], ONE) == []
    assert [(each.filename, each.lineno) for each in shown] == [(str(path), 5)] * lines
    assert all("present() is called format_answer() now" in str(each.message) for each in shown)


@pytest.mark.slow
def test_the_class_in_a_file_of_ones_own_may_have_the_old_names(tmp_path: Path) -> None:
    lines = Path(__file__).read_text().partition("class Old:")[2].partition("class Half")[0]
    path = tmp_path / "graders.py"
    path.write_text(f"from move37.types import Outcome, Problem, Verdict\n\n\nclass Old:{lines}")
    with pytest.warns(FutureWarning, match=r"judge\(\) is called verify\(\) now") as shown:
        verifier = make_verifier(f"{path}:Old")
    assert {each.filename for each in shown} == {str(path)}
    with VerifierPool(ONE) as pool:
        verdicts = dict(pool.verify(verifier, [(PROBLEM, "ANSWER Evelyn", 1), (PROBLEM, "ANSWER Bob", 2)]))
    assert [(verdicts[i].outcome, verdicts[i].reason) for i in (1, 2)] == [
        (Outcome.CORRECT, "by judge"),
        (Outcome.INCORRECT, "by judge"),
    ]
