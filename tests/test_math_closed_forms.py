r"""What plain constants are worth: exactly, or between bounds that are proven; and what is refused as ambiguous."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.verifiers.closed_forms import constant, too_large
from move37.verifiers.constants import Real, differs
from move37.verifiers.enclosures import MOST_DIGITS
from move37.verifiers.equality import Comparison
from move37.verifiers.quantities import read_number
from move37.verifiers.reading import read
from move37.verifiers.spelling import common


def value(latex: str) -> Fraction | None:
    number = read_number(common(latex))
    return number.value.fraction if number is not None else None


def equal(expected: str, given: str) -> bool | None:
    """Without computer algebra."""
    return Comparison(lambda a, b: None).equal(read(expected), read(given))


def real(latex: str) -> Real:
    found = constant(latex)
    assert found is not None, f"{latex} is not read"
    return found


@pytest.mark.parametrize(
    ("latex", "worth"),
    [
        ("12", Fraction(12)),
        ("-3.50", Fraction(-7, 2)),
        (".5", Fraction(1, 2)),
        ("\\frac{3}{4}", Fraction(3, 4)),
        ("\\dfrac34", Fraction(3, 4)),
        ("-\\frac{270}7", Fraction(-270, 7)),
        ("\\frac{-1}{2}", Fraction(-1, 2)),
        ("3/4", Fraction(3, 4)),
        ("1\\frac{1}{4}", Fraction(5, 4)),
        ("-1 \\frac{1}{4}", Fraction(-5, 4)),
        ("2 \\cdot 3 + 4", Fraction(10)),
        ("10 - 2 - 3", Fraction(5)),
        ("12 / 2 / 3", Fraction(2)),
        ("-2^2", Fraction(-4)),
        ("(-2)^2", Fraction(4)),
        ("2^{-3}", Fraction(1, 8)),
        ("4^{3/2}", Fraction(8)),
        ("\\sqrt[3]{27}", Fraction(3)),
        ("5!", Fraction(120)),
        ("\\binom{5}{2}", Fraction(10)),
        ("1,234", Fraction(1234)),
        ("1{,}234{,}567", Fraction(1234567)),
        ("10\\,000", Fraction(10000)),
        ("11,\\! 111", Fraction(11111)),
        ("3.83e35", Fraction(383 * 10**33)),
        ("1.5 \\times 10^{-3}", Fraction(3, 2000)),
        ("\\$18", Fraction(18)),
        ("\\left( 7 \\right)", Fraction(7)),
        ("\\sqrt{2} \\cdot \\sqrt{8}", Fraction(4)),
        ("\\frac{\\pi}{2\\pi}", Fraction(1, 2)),
        ("2^10", Fraction(1024)),
        ("2(3)", Fraction(6)),
        ("5!!", Fraction(15)),
        ("\\log_{2} 8", Fraction(3)),
        ("\\lfloor 7/2 \\rfloor", Fraction(3)),
        ("|-4|", Fraction(4)),
        ("e^{2} / e^{2}", Fraction(1)),
    ],
)
def test_a_rational_is_read_exactly(latex: str, worth: Fraction) -> None:
    assert value(latex) == worth


@pytest.mark.parametrize(
    "latex",
    [
        "\\sqrt13",
        "\\frac123",
        "1/2\\pi",
        "1 2",
        "2^3^2",
        "--5",
        "5 +",
        "x",
        "\\sin 1",
        "\\sqrt{-1}",
        "\\sqrt[3]{-8}",  # -2, or the principal root
        "(-8)^{1/3}",
        "0^{0}",
        "\\frac{1}{0}",
        "\\frac{1}{\\sqrt{2}-\\sqrt{2}}",
        "0.5!",
        "\\infty-\\infty",
        "",
    ],
)
def test_what_is_no_constant_or_has_two_readings_is_not_read(latex: str) -> None:
    assert constant(common(latex)) is None


@pytest.mark.parametrize(
    ("expected", "given", "verdict"),
    [
        # sqrt(12) = 2 sqrt(3); 1/sqrt(2) = sqrt(2)/2; 1/(sqrt(3)-1) = (sqrt(3)+1)/2; (1+sqrt(2))^3 = 7+5 sqrt(2)
        ("\\sqrt{12}", "2\\sqrt3", True),
        ("\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt{2}}{2}", True),
        ("\\frac{1}{\\sqrt{3}-1}", "\\frac{\\sqrt{3}+1}{2}", True),
        ("(1+\\sqrt2)^{3}", "7+5\\sqrt2", True),
        ("2^{1/2}", "\\sqrt2", True),
        ("\\frac{2\\pi}{3}", "2\\pi/3", True),
        ("4\\pi^{2}-1", "(2\\pi)^{2}-1", True),
        ("\\sqrt{2}", "1.414", False),
        ("\\sqrt{2}", "1.4142136", True),  # a rounding that shows seven places
        ("\\pi", "3.1415927", True),
        ("\\pi", "3.14159", False),  # and one that shows five
        ("e", "2.718282", True),
        ("\\ln 2", "0.693147", True),
        ("\\pi", "\\frac{22}{7}", False),
        ("10^{1/100}", "10^{0.01}", True),  # no sum of roots and powers of pi, but the same 6,000 digits
        # percent, degrees, names
        ("20\\%", "20", True),
        ("20\\%", "0.2", True),
        ("20\\%", "\\frac{1}{5}", True),
        ("20\\%", "2", False),
        ("62.5\\%", "62.5", True),
        ("90^\\circ", "\\frac{\\pi}{2}", True),
        ("90^\\circ", "90", True),
        ("90^\\circ", "91^{\\circ}", False),
        ("x=5", "5", True),
        ("x=5", "x = 6", False),
        ("x=5", "y=5", False),
        # sets, tuples, intervals
        ("1,2,3", "3, 1 \\text{ and } 2", True),
        ("1,2,3", "\\{3,2,1\\}", True),
        ("1,1,2", "1,2", False),
        ("1,2", "1,3", False),
        ("1,2", "1,2,3", False),
        ("5", "\\{5\\}", True),
        ("1\\pm\\sqrt2", "1-\\sqrt{2}, 1+\\sqrt{2}", True),
        ("\\pm 3", "3,-3", True),
        ("(1,2)", "(1, 2.0)", True),
        ("(1,2)", "(2,1)", False),
        ("(1,2)", "[1,2]", False),
        ("(1,2]", "(1,3]", False),
        ("(5,\\infty)", "(5,+\\infty)", True),
        ("(-\\infty,5)", "(\\infty,5)", False),
        ("(1,2),(3,4)", "(3,4),(1,2)", True),
        ("(1,2),(3,4)", "(1,2),(3,5)", False),
        ("7", "(7,8)", False),
        # sizes that nothing could write out
        ("8", "9^{9^9}", False),
        ("9^{9^9}", "9^{9^{9^9}}", False),
        ("8", "((9!)!)!", False),
        ("10^{-30}", "2^{-2^{64}}", False),
        ("1", "2^{-2^{64}}", False),
        ("8", "1e999999999", False),
    ],
)
def test_equal_different_or_not_proven(expected: str, given: str, verdict: bool | None) -> None:
    assert equal(expected, given) is verdict


@pytest.mark.slow
def test_an_enclosure_holds_the_value() -> None:
    # 50! = 3.04...e64 by math.factorial; 2^1000000 by its digits; 20000! by lgamma to 12 digits
    assert value("50!") == math.factorial(50)
    bounds = real("2^{1000000}").enclosure
    exact = Decimal(2**1_000_000)
    assert bounds.low <= exact <= bounds.high
    # Not in decimal arithmetic, whose precision is the process's: a task of Reasoning Gym sets it to six digits.
    assert Fraction(bounds.high) / Fraction(bounds.low) < 1 + Fraction(1, 10**25)
    bounds = real("20000!").enclosure
    # Stirling's series says 77337.2593, and so does lgamma, to ten digits.
    assert abs(float(bounds.low.log10()) - math.lgamma(20001) / math.log(10)) < 1e-5
    assert abs(float(bounds.high.log10()) - math.lgamma(20001) / math.log(10)) < 1e-5


@pytest.mark.parametrize(
    ("latex", "large"),
    [
        ("9^{9^9}", True),
        ("x^{9^{9}}", True),
        ("x^{100000}", False),
        ("(10^9)!", True),
        ("n + 100!", False),
        ("\\binom{10^9}{x}", True),
        ("(1000000000)_{5}", True),
        ("\\sum_{k=1}^{10^{12}} k", True),
        ("2^{n}", False),
        ("\\sin(9^{9^9})", True),
        ("10^{100},10^{1 / 100}", False),
    ],
)
def test_too_large_to_be_written_out(latex: str, large: bool) -> None:
    assert too_large(latex) is large


NUMBERS = st.fractions(min_value=-1000, max_value=1000, max_denominator=60)


def latex(number: Fraction) -> str:
    sign = "-" if number < 0 else ""
    return f"{sign}\\frac{{{abs(number.numerator)}}}{{{number.denominator}}}"


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(NUMBERS, NUMBERS, st.integers(1, 400), st.integers(1, 400))
def test_sums_of_roots_agree_with_floating_point(a: Fraction, b: Fraction, n: int, m: int) -> None:
    text = f"{latex(a)} \\cdot \\sqrt{{{n}}} + ({latex(b)}) \\cdot \\sqrt{{{m}}}"
    bounds = real(text).enclosure
    expected = float(a) * math.sqrt(n) + float(b) * math.sqrt(m)
    # Floating point errs by less than 1e-10 here: at most 1000 sqrt(400) twice, 2^-52 relative, a few operations.
    assert float(bounds.low) - 1e-10 <= expected <= float(bounds.high) + 1e-10
    assert bounds.high - bounds.low < Decimal("1e-30")


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(NUMBERS, min_size=2, max_size=5, unique=True), st.randoms())
def test_a_set_equals_its_shuffles_and_no_other(numbers: list[Fraction], rng: object) -> None:
    import random

    assert isinstance(rng, random.Random)
    shuffled = numbers[:]
    rng.shuffle(shuffled)
    assert equal(", ".join(map(latex, numbers)), ", ".join(map(latex, shuffled))) is True
    # Fractions with denominators up to 60 are at least 1/3600 apart, so one more element is clearly another.
    other = [*numbers[:-1], numbers[-1] + 3001]
    assert equal(", ".join(map(latex, numbers)), ", ".join(map(latex, other))) is False


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789+-*/^(){}[]!,.\\ %=eix~", max_size=30))
def test_reading_is_total_and_quick(text: str) -> None:
    read(text)
    constant(text)
    too_large(text)


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        ("1-10^{-5000}", "1", True),
        ("\\sqrt[3]{2}+10^{-5000}", "\\sqrt[3]{2}", True),
        ("1+e^{-9000}", "1", True),
        ("\\frac{1}{3000!}", "\\frac{1}{3001!}", True),
        ("\\sqrt{10^{40}+1}", "10^{20}", True),
        ("\\ln 6", "\\ln 2+\\ln 3", None),
        ("\\sqrt{2018018}", "1009\\sqrt{2} - \\sqrt{2} + \\sqrt{2}", True),
        ("\\sqrt{2036162}", "1009\\sqrt{2}", False),  # 2 * 1009^2, whose prime is not tried
        ("(1+\\sqrt2+\\pi)^{2}", "3+2\\sqrt2+2\\pi+2\\sqrt2\\pi+\\pi^{2}", False),
    ],
)
def test_constants_are_told_apart_however_close_they_are(one: str, other: str, different: bool | None) -> None:
    assert differs(real(one), real(other), MOST_DIGITS) is different
