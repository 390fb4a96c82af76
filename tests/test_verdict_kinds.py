"""Every kind of mistake that graders are known to make: hand-written examples, and properties over made-up values."""

import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.types import Outcome, Problem
from move37.verifiers import Verifier
from move37.verifiers.choice import ChoiceVerifier
from move37.verifiers.equality import Comparison
from move37.verifiers.extraction import answers
from move37.verifiers.math import MathVerifier
from move37.verifiers.numeric import NumericVerifier
from move37.verifiers.reading import read
from move37.verifiers.values import Number
from tests.verdict_kinds import EXAMPLES, OPTIONS, Example

VERIFIERS: dict[str, Verifier] = {"math": MathVerifier(), "numeric": NumericVerifier(), "choice": ChoiceVerifier()}
BY_KIND: dict[str, list[Example]] = {}
for _example in EXAMPLES:
    BY_KIND.setdefault(_example.kind, []).append(_example)


def outcome(example: Example) -> Outcome:
    metadata = {"options": list(OPTIONS)} if example.verifier == "choice" else {}
    problem = Problem("made-up/1", "What is it?", (example.reference,), "made-up", example.verifier, metadata=metadata)
    verifier = VERIFIERS[example.verifier]
    answer = verifier.extract(problem, example.response)
    return Outcome.INCORRECT if answer is None else verifier.verify(problem, answer).outcome


@pytest.mark.slow
@pytest.mark.parametrize("kind", BY_KIND)
def test_every_example_of_a_kind_gets_its_verdict(kind: str) -> None:
    due = {True: Outcome.CORRECT, False: Outcome.INCORRECT}
    assert [example for example in BY_KIND[kind] if outcome(example) is not due[example.right]] == []


def test_there_are_enough_examples_of_right_and_of_wrong() -> None:
    count = Counter(example.right for example in EXAMPLES)
    assert count[True] > 200
    assert count[False] > 200


# -- properties ----------------------------------------------------------------------------------------------------

COMPARE = Comparison(lambda a, b: None)
"""Without computer algebra: None where that would have to say."""


def equal(expected: str, given: str) -> bool | None:
    return COMPARE.equal(read(expected), read(given))


FRACTIONS = st.fractions(min_value=-500, max_value=500, max_denominator=40)
WHOLES = st.integers(-(10**7), 10**7)


def latex(value: Fraction) -> str:
    sign = "-" if value < 0 else ""
    over, under = abs(value.numerator), value.denominator
    return f"{sign}{over}" if under == 1 else f"{sign}\\frac{{{over}}}{{{under}}}"


NUMBER_STYLES = [
    latex,
    lambda v: latex(v).replace("frac", "dfrac"),
    lambda v: f"{v.numerator}/{v.denominator}",
    lambda v: f"${latex(v)}$",
    lambda v: f"\\textbf{{{latex(v)}}}" if v.denominator == 1 else latex(v),
    lambda v: f"x = {latex(v)}",
    lambda v: f"\\boxed{{{latex(v)}}}",
    lambda v: f"{latex(v)} \\text{{ apples in all}}",
    lambda v: f"The answer is {latex(v)}.",
    lambda v: f"= {latex(v)}.",
    lambda v: latex(v).translate(str.maketrans("0123456789", "０１２３４５６７８９")),
    lambda v: latex(v).replace("-", "−"),
    lambda v: f"\\left({latex(v)}\\right)",
    lambda v: f"{latex(v)} = {latex(v + 1)} - 1",
    lambda v: f"{latex(v * 100)}\\%",
]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(FRACTIONS, st.sampled_from(range(len(NUMBER_STYLES))), FRACTIONS)
def test_a_number_in_any_style_is_equal_and_a_changed_one_never_is(
    value: Fraction, style: int, other: Fraction
) -> None:
    written = NUMBER_STYLES[style](value)
    assert equal(latex(value), written) is True
    if other != value:
        assert equal(latex(other), written) is False


@settings(max_examples=100, deadline=None)
@given(st.integers(1000, 10**12), st.sampled_from([",", "{,}", "\\,", ",\\!", " ", "_", "\u202f"]))
def test_grouped_digits_are_one_number(value: int, separator: str) -> None:
    written = f"{value:,}".replace(",", separator)
    assert equal(str(value), written) is True
    assert equal(str(value + 1), written) is False


def collection(kind: str, elements: list[Fraction]) -> str:
    inner = ", ".join(map(latex, elements))
    opening, closing = {"list": ("", ""), "set": ("\\{", "\\}"), "tuple": ("(", ")"), "interval": ("[", ")")}[kind]
    return opening + inner + closing


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["list", "set", "tuple"]), st.lists(FRACTIONS, min_size=2, max_size=6), st.randoms(), st.data())
def test_collections_keep_their_order_and_their_multiplicity(
    kind: str, elements: list[Fraction], rng: random.Random, data: st.DataObject
) -> None:
    shuffled = elements[:]
    rng.shuffle(shuffled)
    same = shuffled == elements if kind == "tuple" else True
    assert equal(collection(kind, elements), collection(kind, shuffled)) is same
    dropped = elements[:]
    dropped.remove(data.draw(st.sampled_from(elements)))
    if kind != "set" and len(dropped) > 1:
        assert equal(collection(kind, elements), collection(kind, dropped)) is False
    changed = [elements[0] + 1000, *elements[1:]]
    assert equal(collection(kind, elements), collection(kind, changed)) is False


TEXTS = st.one_of(
    FRACTIONS.map(latex),
    WHOLES.map(str),
    st.builds(lambda a, b: f"{latex(a)}+\\sqrt{{{b}}}", FRACTIONS, st.integers(2, 50)),
    st.builds(lambda a, b: f"({latex(a)}, {latex(b)})", FRACTIONS, FRACTIONS),
    st.builds(lambda a, b: f"[{latex(a)}, {latex(b)})", FRACTIONS, FRACTIONS),
    st.builds(lambda a, b: f"{a}:{b}", st.integers(1, 40), st.integers(1, 70)),
    st.builds(lambda a: f"x \\geq {latex(a)}", FRACTIONS),
    st.builds(lambda a: f"{a} \\text{{ cm}}", st.integers(1, 90)),
    st.builds(lambda a: f"{a}\\%", st.integers(1, 90)),
    st.builds(lambda a, b: f"x={a}, y={b}", st.integers(-9, 9), st.integers(-9, 9)),
    st.builds(lambda a, b: f"\\begin{{pmatrix}}{a}\\\\{b}\\end{{pmatrix}}", st.integers(-9, 9), st.integers(-9, 9)),
    st.sampled_from(["\\text{red}", "\\text{blue}", "(B)", "D", "\\text{March 3}", "\\mathbb{R}", "\\emptyset"]),
    st.lists(st.integers(-9, 9), min_size=2, max_size=4).map(lambda values: ", ".join(map(str, values))),
    st.lists(st.integers(-9, 9), min_size=1, max_size=4).map(lambda v: "\\{" + ", ".join(map(str, v)) + "\\}"),
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_equality_is_reflexive(text: str) -> None:
    assert equal(text, text) is True


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(TEXTS, TEXTS)
def test_equality_is_symmetric_where_no_side_leaves_anything_out(one: str, other: str) -> None:
    # A reference may be looser than an answer on purpose: in percent, in a list, with a decimal comma.
    a, b = read(one), read(other)
    if type(a) is type(b) and not any(isinstance(each, Number) and each.percent for each in (a, b)):
        assert COMPARE.equal(a, b) is COMPARE.equal(b, a)


_PIECES = (
    r"\frac \sqrt \text \begin{pmatrix} \end{pmatrix} \begin{cases} & \\ { } ( ) [ ] ^ _ + - * / = < , : ; | ! \pm"
    r" \cup \{ \} \pi 1 23 0.5 x e i or and not cm % $ \boxed{ \ldots \infty ' million ½ √ ² 个 \in \mathbb{R} \circ"
    r" \dot \log _2 \binom \text{if}"
)
LATEX_PIECES = st.sampled_from([*_PIECES.split(), " "])


@pytest.mark.slow
@settings(max_examples=400, deadline=2000)
@given(st.lists(LATEX_PIECES, max_size=40).map("".join))
def test_no_latex_whatever_crashes_or_hangs_the_reader(text: str) -> None:
    value = read(text)
    for reference in ("5", "x+1", "(1,2)", "\\text{red}", "x=1 \\text{ or } x=2", "[1,\\infty)"):
        COMPARE.equal(read(reference), value)
        COMPARE.equal(value, read(reference))
    for verifier in VERIFIERS.values():
        problem = Problem("made-up/1", "?", ("B",), "made-up", verifier.name, metadata={"options": list(OPTIONS)})
        verifier.extract(problem, text)


@pytest.mark.slow
@settings(max_examples=300, deadline=2000)
@given(st.one_of(st.text(max_size=300), st.binary(max_size=300).map(lambda data: data.decode("utf-8", "replace"))))
def test_no_response_whatever_crashes_or_hangs(text: str) -> None:
    for answer in answers(text):
        read(answer)
    numeric, choice = VERIFIERS["numeric"], VERIFIERS["choice"]
    for verifier, reference in ((numeric, "5"), (choice, "B")):
        problem = Problem("made-up/1", "?", (reference,), "made-up", verifier.name, metadata={"options": list(OPTIONS)})
        answer = verifier.extract(problem, text)
        if answer is not None:
            verifier.verify(problem, answer)
