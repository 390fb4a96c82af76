"""The contract of the verifiers, and what each member calls an answer and a right one."""

import json
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from move37.config import VerificationConfig
from move37.types import Outcome, Problem, Verdict
from move37.verification import VerifierPool
from move37.verifiers import VERIFIERS, Verifier, extraction
from move37.verifiers.choice import ChoiceVerifier
from move37.verifiers.exact import ExactVerifier
from move37.verifiers.math import MathVerifier
from move37.verifiers.options import make_verifier
from move37.verifiers.reasoning_gym import ReasoningGymVerifier
from tests.scripted_judge import shared_judge
from tests.test_attacks import why_not_isolated
from tests.worker_verifiers import Hangs

CORRECT, INCORRECT, UNSCORED = Outcome.CORRECT, Outcome.INCORRECT, Outcome.UNSCORED


def problem(*references: str, verifier: str = "math", **metadata: Any) -> Problem:
    return Problem("made-up/1", "What is it?", references, "made-up", verifier, metadata=metadata)


def chain_sum(answer: str = "12") -> Problem:
    """Reasoning Gym's chain_sum: its scorer compares with entry["answer"]."""
    return problem(
        answer,
        verifier="reasoning-gym",
        task="chain_sum",
        options={},
        entry={"question": "5 + 7 =", "answer": answer, "metadata": {}},
    )


# -- the contract --------------------------------------------------------------------------------------------------

# Member: (a problem, a text with another answer, a text without any)
MEMBERS: dict[str, tuple[Problem, str, str]] = {
    "math": (problem("\\frac{3}{4}"), "so \\boxed{\\frac{4}{3}}", "I do not know."),
    "exact": (problem("Evelyn", verifier="exact"), "<answer>Bob</answer>", " \n "),
    "numeric": (problem("0.75", verifier="numeric"), "so \\boxed{4/3}", "I do not know."),
    "choice": (problem("B", verifier="choice"), "The answer is (C).", "A hard question, I cannot say."),
    "reasoning-gym": (chain_sum(), "<answer>13</answer>", "I do not know."),
    "code": (
        problem("def f(x):\n    return 2 * x\n", verifier="code", tests=["assert f(2) == 4", "assert f(3) == 6"]),
        "```python\ndef f(x):\n    return x * x\n```",
        "I do not know.",
    ),
    # 3 * 5 = 15 is the target; 3 + 5 = 8 is a legal chain that ends elsewhere.
    "countdown": (
        problem("3*5=15", verifier="countdown", numbers=[3, 5], target=15),
        "3+5=8$",
        "I do not know.",
    ),
    "paths": (problem("14;31;50;20", verifier="paths", source=14, target=20), "14;20", "I do not know."),
    "parity": (problem("1", verifier="parity", bits="011000000010"), "0", "I do not know."),
    "two-strategies": (problem("1;0", verifier="two-strategies", number=6435), "2;9", "I do not know."),
    "visual-countdown": (
        problem(
            "12,12,6,10=16:12+6=18;18-12=6;10+6=16",
            verifier="visual-countdown",
            numbers=[12, 12, 6, 10],
            target=16,
            drawing=1,
            shown="image",
        ),
        "12,12,6,10=16:12+6=18;18-12=6;10-6=4",
        "I do not know.",
    ),
    "drawn-geometry": (
        problem(
            "2=7,7:7*7=49",
            verifier="drawn-geometry",
            figure="area",
            numbers=[7, 7],
            drawing=1,
            shown="image",
            measured=False,
        ),
        "2=7,7:7+7=14",
        "I do not know.",
    ),
    "function": (problem("Evelyn", verifier="function"), "ANSWER Bob", "I do not know."),
    "judge": (problem("Evelyn", verifier="judge"), "<answer>Bob</answer>", " \n "),
}


REASONS = {"paths": "no such arrow", "parity": "wrong parity", "two-strategies": "loses"}
"""What those say of the wrong answer who say more than that it differs."""


def made(member: str) -> Verifier:
    """The member, with the options that it cannot do without."""
    options = {"function": {"source": f"{Path(__file__).parent / 'graders.py'}:grade"}}
    if member == "judge":
        options["judge"] = {"base_url": shared_judge().base_url, "model": "scripted"}
    return make_verifier(member, VerificationConfig(options=options))


def test_every_member_of_the_registry_has_a_case_here() -> None:
    assert set(MEMBERS) == set(VERIFIERS.names)


@pytest.fixture(params=sorted(MEMBERS))
def member(request: pytest.FixtureRequest) -> str:
    return request.param


def judge(verifier: Verifier, *asked: tuple[Problem, str], timeout_seconds: float = 10.0) -> list[Verdict]:
    with VerifierPool(VerificationConfig(workers=1, timeout_seconds=timeout_seconds)) as pool:
        verdicts = dict(pool.verify(verifier, ((p, text, i) for i, (p, text) in enumerate(asked))))
    return [verdicts[i] for i in range(len(asked))]


def skip_where_it_cannot_judge(member: str) -> None:
    if member == "code" and why_not_isolated():
        pytest.skip(why_not_isolated())
    if member == "judge" and find_spec("openai") is None:
        pytest.skip("the [server] extra is not installed")


@pytest.mark.slow
def test_it_accepts_the_gold_rejects_another_answer_and_finds_none_in_an_empty_text(member: str) -> None:
    skip_where_it_cannot_judge(member)
    asked, wrong, silent = MEMBERS[member]
    verifier = made(member)
    gold = verifier.format_answer(asked, asked.references[0])
    verdicts = judge(verifier, (asked, gold), (asked, wrong), (asked, silent), (asked, ""))
    assert [(v.outcome, v.reason) for v in verdicts] == [
        (CORRECT, "passes" if member == "code" else "matches"),
        (INCORRECT, REASONS.get(member, "differs")),
        (INCORRECT, "no answer"),
        (INCORRECT, "no answer"),
    ]


@pytest.mark.slow
def test_a_hang_is_bounded_and_unscored(member: str) -> None:
    skip_where_it_cannot_judge(member)
    asked = MEMBERS[member][0]
    verifier = Hangs(made(member))
    start = time.monotonic()
    [verdict] = judge(verifier, (asked, verifier.format_answer(asked, asked.references[0])), timeout_seconds=0.3)
    assert (verdict.outcome, verdict.reason) == (UNSCORED, "timed out after 0.3 s")
    assert time.monotonic() - start < 20


def test_it_has_the_name_in_the_registry_and_a_version(member: str) -> None:
    skip_where_it_cannot_judge(member)
    verifier = made(member)
    assert verifier.name == member
    assert verifier.version.split("+")[0].isdigit()


@pytest.mark.parametrize("name", ["math", "exact", "choice", "numeric"])  # Reasoning Gym's scorers need no reference
def test_a_problem_without_references_is_unscored(name: str) -> None:
    assert VERIFIERS.load(name)().verify(problem(), "A") == Verdict(UNSCORED, "no reference answer")


LENGTH = 300_000
LONG_TEXTS = {
    "braces": "{" * LENGTH,
    "closing braces": "}" * LENGTH,
    "open boxes": "\\boxed{" * (LENGTH // 7),
    "open boxes, closed at the end": "\\boxed{" * (LENGTH // 14) + "}" * (LENGTH // 14),
    "empty boxes": "\\boxed{}" * (LENGTH // 8),
    "a box and spaces": "\\boxed" + " " * LENGTH,
    "boxes and spaces": ("\\boxed" + " " * 94) * (LENGTH // 100),
    "box": "box" * (LENGTH // 3),
    "backslashes": "\\boxed{" + "\\" * LENGTH,
    "dollars": "$" * LENGTH,
    "formulas never closed": "\\(" * (LENGTH // 2),
    "digits": "1" * LENGTH,
    "digits and commas": "1," * (LENGTH // 2),
    "thousands": "111," * (LENGTH // 4),
    "minus signs": "-" * LENGTH,
    "answer answer": "answer " * (LENGTH // 7),
    "answer is is": "answer is " + "is " * (LENGTH // 3),
    "answer, spaces": "answer" + " " * LENGTH,
    "answers, spaces": ("answer" + " " * 200 + "x") * (LENGTH // 207),
    "answer, stars": "answer is " + "**" * (LENGTH // 2),
    "answer, colons": "answer is" + " :" * (LENGTH // 2),
    "tags": "<answer>" * (LENGTH // 8),
    "line ends": "\n" * LENGTH,
    "hashes": "#" * LENGTH,
    "control characters": "\x00\x1b[2J\x07" * (LENGTH // 6),
    "half of a surrogate pair": "\ud800" * LENGTH,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LONG_TEXTS)
def test_extraction_takes_linear_time_on_300_000_characters_of(kind: str, member: str) -> None:
    # The worst takes 0.2 s on the machine where this was written; anything quadratic takes ten seconds and more.
    skip_where_it_cannot_judge(member)
    verifier, asked = made(member), MEMBERS[member][0]
    start = time.process_time()
    for text in (LONG_TEXTS[kind], "The answer is " + LONG_TEXTS[kind]):
        verifier.extract(asked, text)
    assert time.process_time() - start < 2


# -- where the answer stands ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("so \\boxed{7}", "7"),
        ("\\boxed{1}, no, \\boxed{2}.", "2"),
        ("\\fbox{7}", "7"),
        ("\\boxed {7}", "7"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("\\boxed{\\boxed{3}}", "3"),
        ("\\boxed{864 \\mbox{ inches}}", "864 \\mbox{ inches}"),
        ("\\boxed{5} and \\boxed{", "5"),
        ("\\boxed{5} and \\boxed{}", "5"),
        ("\\boxed{\\frac{1}{2}", None),
        ("\\boxed 9", None),
        ("\\boxed{}", None),
        ("a box {5}", None),
    ],
)
def test_the_last_complete_box_counts(text: str, box: str | None) -> None:
    assert extraction.last_boxed(text) == box


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # in the order of precedence
        ("<answer>1</answer> The answer is 2. \\boxed{3} 4", "3"),
        ("The answer is 2. <answer>1</answer> 4", "1"),
        ("The answer is 2. Now 4", "2"),
        ("All in all $x^2$.", "x^2"),
        # tags, the closing one being a stop string of the r1 template
        ("<think>hm</think> <answer> 18", "18"),
        # phrases
        ("Final Answer: The final answer is $\\frac{1}{2}$. I hope it is correct.", "\\frac{1}{2}"),
        ("#### 1,234", "1,234"),
        ("**Answer:** 42", "42"),
        ("The answer is **12**.", "12"),
        ("The answer is: \\[ x = 5 \\]", "x = 5"),
        ("Answer:\n\n$$\\frac{3}{4}$$", "\\frac{3}{4}"),
        ("The answer to the question is therefore 7 apples.", "7 apples"),
        ("The answer is Evelyn.", "Evelyn"),
        ("So the answer is 5x + 3.", "5x + 3"),
        ("The answer is 3 + 4.", "3 + 4"),
        ("The answer is $5 per week", "$5 per week"),
        ("The answer is 1. Wait. The answer is 2.", "2"),
        # numbers and formulas, the last of them
        ("So she makes $18 every day at the farmer's market.", "$18"),
        ("She pays $5 for $3 each", "3"),
        ("So it is \\(\\frac{2}{3}\\).", "\\frac{2}{3}"),
        ("So n = 5 and m = 7.", "n = 5 and m = 7"),
        ("in total 1,234,567.89 dollars", "1,234,567.89"),
        ("3 - 7 = -4", "3 - 7 = -4"),  # equal constants, of which the reader takes one
        ("that is 50%", "50%"),
        # nothing
        ("no number here", None),
        ("", None),
        # whole clauses, and whole numbers
        ("The answer is 5 or 7.", "5 or 7"),
        ("The answer is not $5$ but $7$.", "not $5$ but $7$"),
        ("The answer isn't 5.", "not 5"),
        ("The answer should be 12, I checked with 15.", "12"),
        ("The answer is 12 (since $3 \\cdot 4 = 12$).", "12"),
        ("x is between 5 and 7", "between 5 and 7"),
        ("The chance is 1/2.", "1/2"),
        ("so the count is 2^10", "2^10"),
        ("They are \\boxed{3}, \\boxed{5} and \\boxed{7}.", "3, 5, 7"),
        ("It is \\boxed{5} or 6.", "5, 6"),
        # the last mark that yields something
        ("Answer: 12 \\boxed{}", "12"),
        ("As \\boxed{3} shows, the answer is 4.", "4"),
        ("\\boxed{3}. The answer is simple.", "3"),
        ("<think>\\boxed{5}</think> So it is 6.", "6"),
        ("<think>\\boxed{5}, or", None),
        # half an answer is not searched for a whole one
        ("Therefore it is \\boxed{\\frac{10}{21", None),
        ("The answer is $\\boxed{12", None),
        ("The answer is 12, that is \\boxed{12", "12"),
        ("It is \\boxed{4}, no, it is \\boxed{5", None),
    ],
)
def test_an_answer_is_the_last_mark_or_the_last_value(text: str, answer: str | None) -> None:
    assert MathVerifier().extract(problem("1"), text) == answer


# -- math ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "answer", "outcome"),
    [
        # plain numbers
        ("8", "8", CORRECT),
        ("8", "9", INCORRECT),
        ("8", "-8", INCORRECT),
        ("8", "008", CORRECT),
        ("0", "-0", CORRECT),
        ("8", "+8", CORRECT),
        ("8", "8.0", CORRECT),
        ("8", "8.", CORRECT),
        ("224000", "2.24 \\times 10^{5}", CORRECT),
        ("1920", "1\\,920", CORRECT),  # for Math-Verify 1 + 920
        ("62.5\\%", "62.5 \\text{ percent}", CORRECT),
        ("10000", "10{,}000", CORRECT),
        ("10,\\!080", "10080", CORRECT),
        ("58,500", "58500", CORRECT),
        ("12345678901234567890", "12345678901234567891", INCORRECT),
        ("8", "8.0000000001", INCORRECT),
        ("0.3333333", "\\frac{1}{3}", CORRECT),  # equal to six decimals
        ("1,234.5", "\\frac{2469}{2}", CORRECT),
        ("3/4", "\\dfrac{6}{8}", CORRECT),
        ("8", "\\frac{8}{0}", INCORRECT),
        # the same value, written otherwise
        ("\\frac{1}{2}", "0.5", CORRECT),
        ("\\frac{1}{2}", "\\dfrac12", CORRECT),
        ("1\\frac{1}{4}", "\\frac{5}{4}", CORRECT),
        ("3\\sqrt{13}", "\\sqrt{117}", CORRECT),
        ("\\frac{1}{3}", "0.333333", CORRECT),
        ("\\frac{1}{3}", "0.33", INCORRECT),
        ("20\\%", "20", CORRECT),
        ("20\\%", "21\\%", INCORRECT),
        ("20\\%", "0.2", CORRECT),
        ("0.2", "20\\%", CORRECT),
        ("20\\%", "20 percent", CORRECT),
        ("20\\%", "20 \\text{ percent}", CORRECT),
        ("62.5\\%", "0.625", CORRECT),
        ("62.5\\%", "6.25", INCORRECT),
        ("-1./3", "-\\frac{1}{3}", CORRECT),
        ("np.arcsin(10/13)", "\\arcsin(10/13)", CORRECT),
        # numbers in scientific notation, and tiny ones
        ("4.4e7", "4.4 \\times 10^7", CORRECT),
        ("4.4e7", "44000000", CORRECT),
        ("1.325 \\times 10^{-27}", "1.325e-27", CORRECT),
        ("1.325 \\times 10^{-27}", "9.11 \\times 10^{-31}", INCORRECT),
        ("1.325 \\times 10^{-27}", "0", INCORRECT),
        # units and words beside a number
        ("864 \\mbox{ inches}^2", "864", CORRECT),
        ("18", "\\$18", CORRECT),
        ("18", "18 \\text{ dollars}", CORRECT),
        ("18", "18 dollars", CORRECT),
        ("18", "18 million", INCORRECT),
        ("18", "18 xy", INCORRECT),
        ("18", "18 square feet", CORRECT),
        ("18", "18 cm^2", CORRECT),
        ("18", "18 \\text{ m}^{2}", CORRECT),
        ("18", "18\\,\\mathrm{km/h}", CORRECT),
        ("5.4 \\text{ cents}", "5.40", CORRECT),
        ("5.4 \\text{ cents}", "54", INCORRECT),
        ("\\frac{270}7\\text{ degrees}", "\\frac{270}{7}", CORRECT),
        ("55^\\circ", "55", CORRECT),
        ("90^\\circ", "\\frac{\\pi}{2}", CORRECT),  # half a turn is pi
        ("\\frac{\\pi}{2}", "90^{\\circ}", CORRECT),
        ("90^\\circ", "\\pi", INCORRECT),
        # several values, intervals, points, matrices
        ("2500,7500", "7500, 2500", CORRECT),
        ("2500,7500", "2500 \\text{ and } 7500", CORRECT),
        ("2500,7500", "2500", INCORRECT),
        ("(0,1),(1,0)", "(1,0),(0,1)", CORRECT),
        ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\pi/2)", CORRECT),
        ("(3,4)", "(4,3)", INCORRECT),
        ("(0,4]", "(0,4)", INCORRECT),
        ("(2,251,252)", "(2, 251, 252)", CORRECT),  # a point, not two millions
        ("(3,2]", "(5,1]", INCORRECT),  # both empty for SymPy
        ("(5,\\infty)", "(5, +\\infty)", CORRECT),
        ("(2,12) \\cup (12,102)", "(2,12)\\cup(12,102)", CORRECT),
        ("(2,12) \\cup (12,102)", "(2,102)", INCORRECT),
        ("2500,7500", "\\{7500, 2500\\}", CORRECT),
        ("-1,0,1", "0, \\pm 1", CORRECT),
        ("10^{100},10^{1 / 100}", "10^{0.01}, 10^{100}", CORRECT),
        ("16,3,1,1", "16,3,1,2", INCORRECT),
        ("t(0,4]", "(0,4]", CORRECT),
        ("x \\in [-2,7]", "[-2,7]", CORRECT),
        ("1 \\pm \\sqrt{2}", "1+\\sqrt2, 1-\\sqrt2", CORRECT),
        ("\\begin{pmatrix} 1/5 \\\\ -18/5 \\end{pmatrix}", "\\begin{pmatrix} 0.2 \\\\ -3.6 \\end{pmatrix}", CORRECT),
        # equations
        ("f(x)=\\frac{1}{x}", "1/x", CORRECT),
        ("m_{\\max }=n^{2}-n-1", "n^2-n-1", CORRECT),
        ("y=-2x", "y = -2x + 1", INCORRECT),
        ("x=5", "5", CORRECT),
        ("5", "x=5", CORRECT),
        ("x=5", "y=5", INCORRECT),
        ("k \\geqslant 2", "k \\ge 2", CORRECT),
        ("\\frac{dM}{dt}=\\frac{1}{c^{2} M_{\\odot}} M^{6}", "\\frac{dM}{dt}=\\frac{M^6}{c^2 M_\\odot}", CORRECT),
        ("\\frac{dM}{dt}=\\frac{1}{c^{2} M_{\\odot}} M^{6}", "\\frac{dM}{dt}=\\frac{M^5}{c^2 M_{\\odot}}", INCORRECT),
        ("\\frac{dM}{dt}=\\frac{1}{c^{2}} M^{6}", "\\frac{dM}{dt}=\\frac{1}{c^{6}} M^{6}", INCORRECT),
        ("8", "x^2-4", INCORRECT),
        ("1", "\\sin^2 x+\\cos^2 x", CORRECT),
        ("3", "(x+1)^2-x^2-2x+2", CORRECT),
        # words
        ("\\text{(B)}", "B", CORRECT),
        ("\\text{Evelyn}", "Evelyn", CORRECT),
        ("\\text{Evelyn}", "\\text{Bob}", INCORRECT),
        ("\\text{June 20}", "June 20", CORRECT),
        ("4:30p..", "4:30 \\text{ p.m.}", CORRECT),
        ("4:30p..", "5:30 \\text{ p.m.}", INCORRECT),
        # complex numbers: an i is an i
        ("\\frac{1}{2+2 i}", "\\frac{1}{2+2i}", CORRECT),
        ("1+\\sqrt{3} i", "1-\\sqrt{3}i", INCORRECT),
        # digits in a base
        ("2516_8", "2516_{8}", CORRECT),
        ("2516_8", "2516", CORRECT),
        ("2516_8", "2516_9", INCORRECT),
        # letters with subscripts
        ("E_{1},E_{2}", "E_2, E_1", CORRECT),
        ("\\lambda_{\\text {red}} / \\sqrt{2}", "\\frac{\\lambda_{\\text{red}}}{\\sqrt{2}}", CORRECT),
        # a stray digit is not the reference: Math-Verify alone reads "2" out of this
        ("\\hbar \\omega(v+1 / 2)-\\frac{E_{0}^{2} e^{2}}{2 m \\omega^{2}}", "2", INCORRECT),
        # spaces between digits mean something
        ("12", "1 2", INCORRECT),
        ("12", "1  2", INCORRECT),
        # not mathematics
        ("5", "{5", INCORRECT),
        ("5", "?", INCORRECT),
    ],
)
def test_math(reference: str, answer: str, outcome: Outcome) -> None:
    assert MathVerifier().verify(problem(reference), answer).outcome is outcome


@pytest.mark.parametrize(
    ("reference", "answer", "outcome"),
    [
        # formatting, and signs that only lead to the answer
        ("204", "\\text{204}", CORRECT),
        ("204", "\\textbf{204}", CORRECT),
        ("204", "\\mathbf{205}", INCORRECT),
        ("204", "\\mathbf{204} \\text{ cm}", CORRECT),
        ("\\frac{1}{2}", "\\boldsymbol{\\frac{1}{2}}", CORRECT),
        ("204", "\\textcolor{blue}{204}", CORRECT),
        ("204", "\\large 204 \\checkmark", CORRECT),
        ("204", "\\text{204 minutes}", CORRECT),
        ("204", "\\text{204 or 205}", INCORRECT),
        ("204", "= 204", CORRECT),
        ("204", "\\approx 204", CORRECT),
        ("204", "\\therefore 204\\ ", CORRECT),
        ("204", "\\neq 204", INCORRECT),
        ("204", "\\textbf{(C) } 204", CORRECT),
        ("204", "\\textbf{(C) } 205", INCORRECT),
        ("\\text{(C)}", "\\textbf{(C) } 204", CORRECT),
        ("\\text{(C)}", "\\textbf{(B) } 204", INCORRECT),
        ("e^2", "\\mathrm{e}^{2}", CORRECT),
        ("\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "\\begin{pmatrix} 1 \\\\[4pt] 2 \\end{pmatrix}", CORRECT),
        # Unicode
        ("(-\\infty,-2)\\cup(3,\\infty)", "(−∞,−2)∪(3,∞)", CORRECT),
        ("-\\frac{1}{2}", "–1/2", CORRECT),
        ("5", "10–5", INCORRECT),  # a range, not a difference
        ("\\frac{1}{2}", "½", CORRECT),
        ("\\frac{3}{2}", "1½", CORRECT),
        ("3\\sqrt{13}", "3√13", CORRECT),
        ("x^2+2x+1", "x²+2x+1", CORRECT),
        ("15\\mbox{ cm}^2", "15 \\text{ cm}²", CORRECT),
        ("204", "2·102", CORRECT),
        ("\\emptyset", "\\varnothing", CORRECT),
        # numbers in groups, in words, with a fraction, without end, in a base
        ("58,500", "58 500", CORRECT),
        ("58500", "58 50", INCORRECT),
        ("1,000,000", "1 \\text{ million}", CORRECT),
        ("1500000", "\\$1.5 million dollars", CORRECT),
        ("24", "24 \\text{ thousand}", INCORRECT),  # for Math-Verify a unit
        ("24", "2 \\text{ dozen}", CORRECT),
        ("24", "24 \\text{ dozen}", INCORRECT),
        ("137 \\frac{1}{2}", "137 1/2", CORRECT),
        ("-\\frac{9}{5}", "-1 4/5", CORRECT),
        ("\\frac{1}{3}", "0.\\overline{3}", CORRECT),
        ("\\frac{1}{6}", "0.1\\overline{6}", CORRECT),  # 0.1 + 0.0666... = 3/30 + 2/30
        ("0.\\overline{3}", "\\frac{1}{3}", CORRECT),
        ("0.\\overline{3}", "0.3", INCORRECT),
        ("1", "0.\\overline{9}", CORRECT),
        ("12", "12^{\\text{th}}", CORRECT),
        ("2516_8", "(2516)_8", CORRECT),
        ("2516_8", "2516_{(9)}", INCORRECT),
        # angles under a function: 30 degrees are pi / 6, not 30 radians
        ("\\frac{1}{2}", "\\sin 30^\\circ", CORRECT),
        ("\\frac{\\sqrt{3}}{3}", "\\tan\\left(30^{\\circ}\\right)", CORRECT),
        ("1", "2\\sin^2 45°", CORRECT),
        ("\\frac{1}{2}", "\\sin 60^\\circ", INCORRECT),
        # a plus-minus sign inside a fraction
        ("\\frac{1\\pm\\sqrt5}{2}", "\\frac{1-\\sqrt5}{2}, \\frac{1+\\sqrt5}{2}", CORRECT),
        ("\\frac{1-\\sqrt5}{2}, \\frac{1+\\sqrt5}{2}", "x=\\frac{1\\pm\\sqrt5}{2}", CORRECT),
        ("1 \\pm \\sqrt{19}", "\\frac{2 \\pm \\sqrt{76}}{2}", CORRECT),
        ("\\frac{1\\pm\\sqrt5}{2}", "\\frac{1+\\sqrt5}{2}", INCORRECT),
        # an i is the imaginary unit: (2 + 2i)(1 - i) = 4
        ("-1+\\sqrt{3} i", "2e^{2\\pi i/3}", CORRECT),
        ("-1+\\sqrt{3} i", "2e^{\\pi i/3}", INCORRECT),
        ("\\frac{e^{2 i t}}{(2+2 i)}", "\\frac{(1-i)e^{2it}}{4}", CORRECT),
        ("\\frac{e^{2 i t}}{(2+2 i)}", "\\frac{(1+i)e^{2it}}{4}", INCORRECT),
        ("6 - 5i", "z = 6-5i", CORRECT),
        ("1+2i,1-2i", "1 \\pm 2i", CORRECT),
        ("1", "i^4", CORRECT),
        ("1", "i^3", INCORRECT),
        # formulas whose values agree are equal, letters being positive; Math-Verify would drop the t as a unit
        ("\\sqrt{4 \\pi r_0^2}", "2 r_0 \\sqrt{\\pi}", CORRECT),
        ("\\sqrt{2} \\cos (2 t-\\pi / 4)", "\\cos(2t) + \\sin(2t)", CORRECT),
        ("\\sqrt{2} \\cos (2 t-\\pi / 4)", "\\cos(2t) - \\sin(2t)", INCORRECT),
        ("\\frac{s}{s^2+w^2}", "\\frac{s}{s^{24}+w^2}", INCORRECT),
        ("|x|", "x", INCORRECT),  # equal for positive letters alone
        ("\\lfloor x \\rfloor", "0", INCORRECT),
        ("a+b", "1+274i", INCORRECT),
        ("x+5t", "x+5", INCORRECT),
        ("n+2m", "2m+n", CORRECT),
        ("x = 5", "5m", CORRECT),  # a unit, beside nothing but a number
        # times of day: Math-Verify drops what stands behind the digits
        ("4:30 \\text{ p.m.}", "4:30 PM", CORRECT),
        ("4:30 \\text{ p.m.}", "4:30", CORRECT),
        ("4:30 \\text{ p.m.}", "4:30 \\text{ a.m.}", INCORRECT),
        ("4:30 \\text{ p.m.}", "4:35 p.m.", INCORRECT),
    ],
)
def test_math_reads_what_models_write_in_many_ways(reference: str, answer: str, outcome: Outcome) -> None:
    assert MathVerifier().verify(problem(reference), answer).outcome is outcome


def test_a_long_number_is_compared_digit_by_digit() -> None:
    # 10^1200 has 1201 digits
    assert MathVerifier().verify(problem("10^{1200}"), "1" + "0" * 1200).outcome is CORRECT
    assert MathVerifier().verify(problem("10^{1200}"), "1" + "0" * 1202).outcome is INCORRECT
    assert MathVerifier().verify(problem("-10^{1200}"), "-1" + "0" * 1200).outcome is CORRECT
    assert MathVerifier().verify(problem("-10^{1200}"), "1" + "0" * 1200).outcome is INCORRECT


def test_a_reference_nested_too_deeply_is_unscored() -> None:
    deep = problem("(" * 400 + "1" + ")" * 400)
    assert MathVerifier().verify(deep, "2") == Verdict(UNSCORED, "reference nested too deeply to decide")


def test_the_reference_is_the_first_argument_of_math_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    import math_verify

    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(math_verify, "verify", lambda gold, given, **_: asked.append((str(gold), str(given))) or True)
    assert MathVerifier().verify(problem("2x+z=1"), "z=1-2x").outcome is CORRECT
    assert asked == [("Eq(2*x + z, 1)", "Eq(z, -1*2*x + 1)")]


@pytest.mark.slow
def test_the_pool_does_not_swap_them_either() -> None:
    # A plain name may stand at the left of a value; of an equation a value is no answer.
    value, equation = Problem("a", "?", ("1",), "b", "math"), Problem("c", "?", ("x=y+1",), "b", "math")
    with VerifierPool(VerificationConfig(workers=2, timeout_seconds=10.0)) as pool:
        items = [(value, "\\boxed{x=1}", "a named value"), (equation, "\\boxed{1}", "value for an equation")]
        verdicts = dict(pool.verify(MathVerifier(), items))
    assert [verdicts[key].outcome for _, _, key in items] == [CORRECT, INCORRECT]


def test_any_of_several_references_will_do() -> None:
    for answer in ("3.83e35", "3.83 \\times 10^{35}", "383000000000000000000000000000000000"):
        assert MathVerifier().verify(problem("x^2", "3.83e35"), answer).outcome is CORRECT
    assert MathVerifier().verify(problem("x^2", "3.83e35"), "3.84e35").outcome is INCORRECT


def test_a_latex_reference_that_cannot_be_read_decides_only_about_the_same_string() -> None:
    unreadable = problem("\\frac{\\odot}{")
    assert MathVerifier().verify(unreadable, "\\frac{ \\odot }{").outcome is CORRECT
    assert MathVerifier().verify(unreadable, "7") == Verdict(UNSCORED, "reference cannot be read")
    # ... unless another reference matches
    assert MathVerifier().verify(problem("\\frac{\\odot}{", "7"), "7.0").outcome is CORRECT


# -- exact, choice -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "text", "outcome"),
    [
        ("Evelyn", "<answer>evelyn</answer>", CORRECT),
        ("Evelyn", "It was\n**Evelyn**.", CORRECT),
        ("Evelyn", "The answer is “Evelyn”.", CORRECT),
        ("New York", "<answer> new\n york </answer>", CORRECT),
        ("ﬁn", "\\boxed{fin}", CORRECT),  # NFKC takes the ligature apart
        ("résumé", "<answer>resume</answer>", INCORRECT),
        ("well-known", "<answer>well known</answer>", INCORRECT),
        ("Evelyn", "Evelyn went home.\nBob did not.", INCORRECT),
        ("3.14", "3.14", CORRECT),
        ("3.140", "3.14", INCORRECT),
    ],
)
def test_exact(reference: str, text: str, outcome: Outcome) -> None:
    asked = problem(reference, verifier="exact")
    assert ExactVerifier().verify(asked, ExactVerifier().extract(asked, text) or "").outcome is outcome


@pytest.mark.parametrize(
    ("verifier", "golds", "other"), [(ExactVerifier(), ("Eve", "Lin"), "Bob"), (ChoiceVerifier(), ("A", "C"), "B")]
)
def test_either_of_two_references_will_do_and_nothing_else(
    verifier: Verifier, golds: tuple[str, str], other: str
) -> None:
    asked = problem(*golds, verifier=verifier.name)
    assert [verifier.verify(asked, answer).outcome for answer in (*golds, other)] == [CORRECT, CORRECT, INCORRECT]


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is (B).", "B"),
        ("The answer is B. Paris", "B"),
        ("the answer is (b) Paris", "B"),
        ("<answer>b</answer>", "B"),
        ("\\boxed{\\text{(B)}}", "B"),
        ("\\boxed{B}", "B"),
        ("Therefore, the answer is $\\text{B}$.", "B"),
        ("Hm.\nOption B", "B"),
        ("**Answer: B) Paris**", "B"),
        ("Reasoning about A and C.\nB", "B"),
        ("Hm.\n**B**", "B"),
        ("<answer>$B$</answer>", "B"),
        ("<answer>\\(B\\)</answer>", "B"),
        # several are none
        ("<answer>A, B</answer>", None),
        ("\\boxed{\\text{(A) and (C)}}", None),
        ("\\boxed{\\text{A}, \\text{C}}", None),
        ("A dog.", None),
        ("I think a is wrong.", None),
        ("The answer is Berlin.", None),
        ("The answer is 7.", None),
    ],
)
def test_choice_reads_the_letter_that_stands_first(text: str, letter: str | None) -> None:
    assert ChoiceVerifier().extract(problem("B", verifier="choice"), text) == letter


def test_choice_takes_references_in_any_spelling_and_leaves_others_unscored() -> None:
    assert ChoiceVerifier().verify(problem("(B)"), "B").outcome is CORRECT
    assert ChoiceVerifier().verify(problem("B. Paris"), "B").outcome is CORRECT
    assert ChoiceVerifier().verify(problem("A, B"), "A") == Verdict(UNSCORED, "reference is not a letter")
    assert ChoiceVerifier().verify(problem("Paris"), "B") == Verdict(UNSCORED, "reference is not a letter")


# -- reasoning gym -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>12</answer>", "12"),
        ("\\boxed{12}", "12"),
        ("\\boxed{5 + 7 = 12}", "12"),
        ("\\boxed{= 1,234 \\text{ apples}}", "1234"),
        ("\\boxed{\\text{12}}", "12"),
        ("<answer>**12**</answer>", "12"),
        ("First 5 and then 7, which makes 12.", "12"),
        ("The answer is -12.", "-12"),
        ("it drops by 12%", "12"),
        # a formula in a box is not searched for a number
        ("\\boxed{\\frac{12}{7}}", "\\frac{12}{7}"),
        ("\\boxed{5x + 12}", "5x + 12"),
        ("\\boxed{5 or 12}", "5 or 12"),
        ("no number", None),
    ],
)
def test_reasoning_gym_takes_the_number_out_of_the_words_where_the_tasks_answer_is_one(
    text: str, answer: str | None
) -> None:
    assert ReasoningGymVerifier().extract(chain_sum(), text) == answer


def test_reasoning_gym_takes_as_many_last_lines_as_the_tasks_answer_has() -> None:
    assert ReasoningGymVerifier().extract(chain_sum("1 2\n3 4"), "The grid:\n\n1 2\n3 5\n") == "1 2\n3 5"


def test_a_problem_that_no_reasoning_gym_task_made_is_unscored() -> None:
    verdict = ReasoningGymVerifier().verify(problem("12", verifier="reasoning-gym"), "12")
    assert verdict == Verdict(UNSCORED, "no task, options and entry in the problem")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "wrong"),
    [
        ("coin_flip", ["0", "0.", "1e999", "half"]),
        ("complex_arithmetic", ["nan", "nan + 3i"]),
        ("gsm_symbolic", ["-20", "20 7", "2"]),  # the task's own answer is 20
        ("puzzle24", ["24", "2*(5 + 1 + 6)"]),  # from 4, 8, 6 and 2
        ("game_of_life_halting", ["I cannot say", "0", "None"]),
        ("prime_factorization", ["abc", "7"]),  # its scorer raises ValueError
        ("game_of_life", ["{}", "12"]),  # KeyError
    ],
)
def test_what_a_reasoning_gym_scorer_takes_by_mistake_or_fails_over_is_incorrect(task: str, wrong: list[str]) -> None:
    verifier = ReasoningGymVerifier()
    [asked] = gym_problems(task, 1)
    assert verifier.verify(asked, asked.references[0]).outcome is CORRECT
    assert {answer: verifier.verify(asked, answer).outcome for answer in wrong} == dict.fromkeys(wrong, INCORRECT)


@pytest.mark.slow
def test_a_scorer_that_fails_over_its_own_answer_has_failed_itself() -> None:
    [asked] = gym_problems("prime_factorization", 1)
    broken = problem("abc", verifier="reasoning-gym", **(dict(asked.metadata) | {"entry": {"answer": "abc"}}))
    with pytest.raises((KeyError, ValueError)):
        ReasoningGymVerifier().verify(broken, "7")


def test_partial_credit_is_not_correct() -> None:
    # chain_sum's scorer gives len("12") / len("about 12") for an answer that contains the right one.
    assert ReasoningGymVerifier().verify(chain_sum(), "about 12").outcome is INCORRECT


@pytest.mark.parametrize(
    ("answer", "harmful"),
    [
        ("__import__('os').getpid()", True),
        ("open('x', 'w')", True),
        ("().__class__", True),
        ("[].append(1)", True),
        ("(lambda: 1)()", True),
        ("sqrt(4) + 10*2 - cos(x)", False),
        ("3 * (4 + 5)", False),
        ("['A', 'B']", False),
        ("x**2/2 + C", False),
    ],
)
def test_an_answer_that_would_be_run_as_a_program_is_incorrect_unseen(answer: str, harmful: bool) -> None:
    entry = {"question": "", "answer": "1 + 1", "metadata": {"target": 2, "numbers": [1, 1]}}
    asked = problem("1 + 1", verifier="reasoning-gym", task="countdown", options={}, entry=entry)
    assert (ReasoningGymVerifier().verify(asked, answer).reason == "a program, not an answer") is harmful


def gym_problems(task: str, size: int) -> list[Problem]:
    from reasoning_gym import create_dataset

    dataset = create_dataset(task, size=size, seed=3)
    entries = [json.loads(json.dumps(dataset[i], default=str)) for i in range(size)]
    return [
        Problem(
            f"{task}/{i}",
            entry["question"],
            (str(entry["answer"]),) if entry["answer"] is not None else (),
            f"reasoning-gym:{task}",
            "reasoning-gym",
            metadata={"task": task, "options": {}, "entry": entry},
        )
        for i, entry in enumerate(entries)
    ]


def gold_verdicts(problems: list[Problem], mutate: Callable[[str], str] = str) -> set[tuple[str, Outcome]]:
    """(benchmark, outcome) of the reference answers, changed by `mutate`, as responses."""
    verifier = ReasoningGymVerifier()
    golds = [(p, verifier.format_answer(p, mutate(p.references[0]))) for p in problems if p.references]
    return {(p.benchmark, v.outcome) for (p, _), v in zip(golds, judge(verifier, *golds), strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("task", ["chain_sum", "basic_arithmetic", "arc_agi", "simple_equations", "letter_counting"])
def test_reasoning_gyms_own_answers_pass_and_others_fail(task: str) -> None:
    problems = gym_problems(task, 3)
    assert {outcome for _, outcome in gold_verdicts(problems)} == {CORRECT}
    assert {outcome for _, outcome in gold_verdicts(problems, lambda gold: gold + "9")} == {INCORRECT}


@pytest.mark.slow
def test_the_answers_of_every_reasoning_gym_task_pass_its_own_scorer() -> None:
    from reasoning_gym.factory import DATASETS

    problems = [p for task in sorted(set(DATASETS) - {"composite"}) for p in gym_problems(task, 2)]
    assert len(problems) >= 200
    assert {pair for pair in gold_verdicts(problems) if pair[1] is not CORRECT} == set()
