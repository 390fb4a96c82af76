"""Numbers within a tolerance: what counts as a number, and exactly where the tolerance ends."""

import time
from fractions import Fraction
from typing import Any

import pytest

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.numeric import LONGEST_NUMBER, NumericVerifier, quantity
from move37.verifiers.units import read_unit

CORRECT, INCORRECT, UNSCORED = Outcome.CORRECT, Outcome.INCORRECT, Outcome.UNSCORED


def problem(*references: str) -> Problem:
    return Problem("made-up/1", "How much is it?", references, "made-up", "numeric")


def outcome(reference: str, answer: str, **options: object) -> Outcome:
    return NumericVerifier(**options).verify(problem(reference), answer).outcome  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", Fraction(12)),
        ("-0.5", Fraction(-1, 2)),
        ("\u22120.5", Fraction(-1, 2)),
        (".5", Fraction(1, 2)),
        ("5.", Fraction(5)),
        ("+3", Fraction(3)),
        ("$12$", Fraction(12)),
        ("\\textbf{12}", Fraction(12)),
        ("\\text{12}", Fraction(12)),
        ("1\\frac12", Fraction(3, 2)),
        ("\\$1,234.50", Fraction(123450, 100)),
        ("€5", Fraction(5)),
        ("1,234,567", Fraction(1234567)),
        ("1{,}234", Fraction(1234)),
        ("1\\,234", Fraction(1234)),
        ("1 234 567", Fraction(1234567)),
        ("1.5e-3", Fraction(15, 10_000)),
        ("1.5E3", Fraction(1500)),
        ("1.5 \\times 10^{-3}", Fraction(15, 10_000)),
        ("1.5 * 10^-3", Fraction(15, 10_000)),
        ("1.5\\cdot10^{3}", Fraction(1500)),
        ("10^5", Fraction(100_000)),
        ("-10^{-2}", Fraction(-1, 100)),
        ("10⁵", Fraction(100_000)),
        ("3×10⁻²", Fraction(3, 100)),
        ("3/4", Fraction(3, 4)),
        ("-3 / 4", Fraction(-3, 4)),
        ("\\frac{3}{4}", Fraction(3, 4)),
        ("\\frac{-3}{4}", Fraction(-3, 4)),
        ("\\dfrac34", Fraction(3, 4)),
        ("1\\frac{3}{4}", Fraction(7, 4)),
        ("-1 3/4", Fraction(-7, 4)),
        ("3 million", Fraction(3_000_000)),
        ("$1.5 billion", Fraction(1_500_000_000)),
        ("x = 5", Fraction(5)),
        ("2 + 3 = 5", Fraction(5)),
        ("2^10", Fraction(1024)),
        ("5!", Fraction(120)),
        ("(5)", Fraction(5)),
        ("½", Fraction(1, 2)),
        ("٥", Fraction(5)),
        ("1_000", Fraction(1000)),
        ("7 dozen", Fraction(84)),
        ("\\approx 3.14", Fraction(314, 100)),
        ("about 7.", Fraction(7)),
    ],
)
def test_a_number_is_read_exactly(text: str, value: Fraction) -> None:
    number = quantity(text)
    assert number is not None
    assert (number.value.fraction, number.percent) == (value, False)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("5 cm", "cm"),
        ("5cm", "cm"),
        ("5 \\mathrm{~cm}", "cm"),
        ("5\\text{ m/s}^2", "m/s^2"),
        ("5 m/s^{2}", "m/s^2"),
        ("5 J/(kg K)", "J/(kg K)"),
        ("5^\\circ", "°"),
        ("5^{\\circ}", "°"),
        ("5 N·m", "N m"),
        ("5 \\mu m", "µm"),
        ("5 dollars.", "dollars"),
    ],
)
def test_a_unit_stands_behind_its_number(text: str, unit: str) -> None:
    number = quantity(text)
    assert number is not None
    assert (number.value.fraction, number.unit) == (Fraction(5), read_unit(unit))


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "nan", "NaN", "inf", "-inf", "Infinity", "\\infty", "1/0", "\\frac{1}{0}", "1e401", "1e999999999"),
        *("12,34 and 5", "1,2345,6", "0x10", "1.2.3", "5-7 or so", "5 to 7", "5 or 6", "5 and 6", "5 \\pm 1", "5 ± 1"),
        *("5x", "5i", "5 6", "5 or more", "at least 5", "5 if x > 0", "x^2 = 5", "2x = 5", "4 = 5", "not 5"),
        "1" * (LONGEST_NUMBER + 1),
    ],
)
def test_what_says_more_or_less_than_one_number_is_none(text: str) -> None:
    assert quantity(text) is None
    assert NumericVerifier().verify(problem("5"), text) == Verdict(INCORRECT, "not a number")
    assert NumericVerifier().verify(problem(text), "5") == Verdict(UNSCORED, "reference is not a number")


def test_a_difference_of_exactly_the_tolerance_is_right_and_a_hair_more_is_not() -> None:
    # |1.1 - 1| = 0.1 <= 0.1 * 1. In floats, 1.1 - 1 is 0.10000000000000009 and this would be wrong.
    assert outcome("1", "1.1", relative_tolerance=0.1) is CORRECT
    assert outcome("1", "1.1000000000000000000001", relative_tolerance=0.1) is INCORRECT
    assert outcome("0.3", "0.1", absolute_tolerance=0.2, relative_tolerance=0) is CORRECT
    assert outcome("0.3", "0.0999999999999999999999", absolute_tolerance=0.2, relative_tolerance=0) is INCORRECT


def test_the_larger_of_the_two_tolerances_counts_and_the_relative_one_is_of_the_reference() -> None:
    # 1 % of 200 is 2; of the answer 202.5 it would be 2.025.
    assert outcome("200", "202", relative_tolerance=0.01) is CORRECT
    assert outcome("200", "202.01", relative_tolerance=0.01) is INCORRECT
    assert outcome("200", "202.01", relative_tolerance=0.01, absolute_tolerance=3) is CORRECT
    assert outcome("0", "0.0001", relative_tolerance=0.5) is INCORRECT  # half of nothing
    assert outcome("-200", "-202", relative_tolerance=0.01) is CORRECT
    assert outcome("200", "-200", relative_tolerance=0.01) is INCORRECT


def test_without_tolerance_thirds_are_not_their_decimals() -> None:
    assert outcome("1/3", "\\frac{2}{6}", relative_tolerance=0) is CORRECT
    assert outcome("1/3", "0.3333333333", relative_tolerance=0) is INCORRECT
    assert outcome("1/3", "0.3333333") is CORRECT  # 3.3e-8 off, a ten-millionth of the reference
    assert outcome("1/3", "0.33333") is INCORRECT


def test_long_whole_numbers_are_not_rounded() -> None:
    assert outcome("12345678901234567890", "12345678901234567891", relative_tolerance=0) is INCORRECT
    assert outcome("9007199254740993", "9007199254740992", relative_tolerance=0) is INCORRECT  # equal as floats


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        ("50%", "50\\%", CORRECT),
        ("50%", "50 percent", CORRECT),
        ("50\\text{ percent}", "0.5", CORRECT),
        ("0.5", "50\\text{\\%}", CORRECT),
        ("50%", "0.5", CORRECT),
        ("50%", "50", CORRECT),
        ("0.5", "50%", CORRECT),
        ("50", "50%", INCORRECT),  # the question does not ask for a percentage
        ("50%", "0.5%", INCORRECT),
        ("50%", "5", INCORRECT),
        ("5", "50%", INCORRECT),
    ],
)
def test_a_percent_sign_on_one_side_alone_is_a_hundredth_or_a_unit(
    reference: str, answer: str, expected: Outcome
) -> None:
    assert outcome(reference, answer) is expected


def test_a_bare_reference_is_a_percentage_where_the_question_asks_for_one() -> None:
    asked = Problem("made-up/2", "What percentage of them is red?", ("50",), "made-up", "numeric")
    assert NumericVerifier().verify(asked, "50%").outcome is CORRECT
    assert NumericVerifier().verify(asked, "5%").outcome is INCORRECT


def test_units_are_converted_dropped_or_compared() -> None:
    assert outcome("5 m", "5 cm") is INCORRECT
    assert outcome("5 m", "500 cm") is CORRECT
    assert outcome("5 m", "5 kg") is INCORRECT
    assert outcome("5 m", "5 cm", units="ignore") is CORRECT
    assert outcome("5 m", "5 cm", units="same") is INCORRECT
    assert outcome("5 m", "500 cm", units="same") is INCORRECT
    assert outcome("5 m", "5", units="same") is CORRECT  # none stated
    assert outcome("5 m", "5 \\text{ m}", units="same") is CORRECT
    assert outcome("5", "5 m", units="same") is CORRECT


def test_any_reference_will_do_and_one_that_is_no_number_leaves_the_rest_unscored() -> None:
    assert NumericVerifier().verify(problem("five or so", "5"), "5").outcome is CORRECT
    assert NumericVerifier().verify(problem("five or so", "5"), "6") == Verdict(UNSCORED, "reference is not a number")
    assert NumericVerifier().verify(problem("4", "5"), "6") == Verdict(INCORRECT, "differs")


@pytest.mark.parametrize("value", [-1e-9, float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["relative_tolerance", "absolute_tolerance"])
def test_a_tolerance_that_is_negative_or_not_finite_is_refused(key: str, value: float) -> None:
    options: dict[str, Any] = {key: value}
    with pytest.raises(ValueError, match=f"{key}: must be a finite number from 0 up"):
        NumericVerifier(**options)


def test_verdicts_under_other_tolerances_have_another_version() -> None:
    versions = {
        NumericVerifier().version,
        NumericVerifier(relative_tolerance=1e-3).version,
        NumericVerifier(absolute_tolerance=1e-3).version,
        NumericVerifier(relative_tolerance=0.12345678).version,
        NumericVerifier(relative_tolerance=0.12345679).version,
        NumericVerifier(units="same").version,
        NumericVerifier(units="ignore").version,
    }
    assert len(versions) == 7
    assert not any("/" in version for version in versions)  # they are names of folders


NASTY = ["1 ", "1,", "111,", " ", "$", " a", "a.", "=", "\\frac", "\\text{", "(a", "^2", "{,}", "1/", "e1", "5 a"]


@pytest.mark.parametrize("piece", NASTY)
def test_reading_takes_no_time_whatever_the_text(piece: str) -> None:
    # The worst takes a fraction of a millisecond; backtracking over 200 characters would take longer than the universe.
    start = time.process_time()
    for text in (piece * LONGEST_NUMBER, "5" + piece * LONGEST_NUMBER, "5 " + piece * LONGEST_NUMBER + "!"):
        for length in range(1, LONGEST_NUMBER, 5):  # a text ends after each character of a piece some time
            quantity(text[:length])
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>5 m</answer> or \\boxed{5 cm}", "5 cm"),
        ("The answer is 5 cm.", "5 cm"),
        ("The answer is about 3 million dollars.", "3 million dollars"),
        ("The answer is **50%**.", "50%"),
        ("The answer is 1.5 × 10^3.", "1.5 × 10^3"),
        ("The answer is $5 per week for everybody who came", "$5 per week for everybody who came"),
        ("So there are 3 million of them.", "3 million"),
        ("So there are 3 of them.", "3"),
        ("No idea.", None),
    ],
)
def test_words_that_belong_to_the_number_come_with_it(text: str, answer: str | None) -> None:
    assert NumericVerifier().extract(problem("1"), text) == answer
