"""The last value of a response without marks is read whole or not at all."""

import pytest

from move37.types import Outcome, Problem
from move37.verifiers.choice import ChoiceVerifier
from move37.verifiers.extraction import answers
from move37.verifiers.math import MathVerifier


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("So g(t) = t^2 + 5t.", "g(t) = t^2 + 5t"),
        ("Hence the derivative is 4x^3 - 2x.", "4x^3 - 2x"),
        ("We find q = 3/8 ≈ 0.375", "q = 3/8 ≈ 0.375"),
        ("It comes to 12 500 000.", "12 500 000"),
        ("合計は45です。", "45"),
        ("正解は45です。", "45です"),
        ("So 3m + 1 = 10.", "3m + 1 = 10"),
        ("The difference is -5.", "-5"),
        ("So k = -5", "k = -5"),
    ],
)
def test_an_unmarked_value_is_read_whole(response: str, answer: str) -> None:
    assert next(answers(response), None) == answer


@pytest.mark.parametrize(
    ("reference", "response", "right"),
    [
        ("t^2+5t", "So g(t) = t^2 + 5t.", True),
        ("2+5t", "So g(t) = t^2 + 5t.", False),
        ("\\frac{3}{8}", "We find q = 3/8 ≈ 0.375", True),
        ("\\frac{3}{8}", "The final answer is 3/8 (about 37.5%).", True),
        ("45", "正解は45です。", True),
        ("\\binom{9}{4}", "\\boxed{{9 \\choose 4}}", True),
        ("\\$0.07", "\\boxed{7¢}", True),
        ("\\mathbb{R}", "\\boxed{x \\in \\mathbb R}", True),
        ("\\frac{a M}{m + 1}", "\\boxed{\\frac{a\\; M}{m + 1}}", True),
        ("\\frac{a M}{m + 1}", "\\boxed{\\frac{a m}{M + 1}}", False),
        ("8:15 \\text{ a.m.}", "\\boxed{8:15 AM}", True),
        ("8:15 \\text{ a.m.}", "\\boxed{8:15 p. m.}", False),
        ("1101_2", "\\boxed{1101_{two}}", True),
        ("1101_2", "\\boxed{1101_{three}}", False),
    ],
)
def test_a_whole_statement_gets_its_verdict(reference: str, response: str, right: bool) -> None:
    problem = Problem("made-up/1", "What is it?", (reference,), "made-up", "math")
    answer = MathVerifier().extract(problem, response)
    verdict = MathVerifier().verify(problem, answer or "")
    assert verdict.outcome is (Outcome.CORRECT if right else Outcome.INCORRECT)


@pytest.mark.parametrize("response", ["It's D.", "I am sure that's D.", "A and B are false. So D."])
def test_the_last_sentence_may_choose(response: str) -> None:
    problem = Problem("made-up/1", "Which?", ("D",), "made-up", "choice")
    assert ChoiceVerifier().extract(problem, response) == "D"
