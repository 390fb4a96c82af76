"""Numbers in words, read as a whole or not at all."""

from fractions import Fraction

import pytest

from move37.verifiers.numerals import number_in_words
from move37.verifiers.reading import read
from move37.verifiers.values import Number, Text


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("zero", 0),
        ("nineteen", 19),
        ("thirty-four", 34),
        ("a hundred", 100),
        ("six hundred and twelve", 612),
        ("two thousand and seven", 2007),
        ("forty one million two hundred thousand and five", 41_200_005),
        ("minus eleven", -11),
        ("negative one half", Fraction(-1, 2)),
        ("a third", Fraction(1, 3)),
        ("five eighths", Fraction(5, 8)),
        ("twenty-two sevenths", Fraction(22, 7)),
    ],
)
def test_words_are_worth_their_number(words: str, value: Fraction | int) -> None:
    assert number_in_words(words) == value


@pytest.mark.parametrize(
    "words",
    ["", "no one", "five or six", "one two", "twenty ten", "hundred", "two million three billion", "third", "and five",
     "five and", "one of them", "minus minus one", "thousand", "fifty zero"],
)  # fmt: skip
def test_what_is_no_number_as_a_whole_is_none(words: str) -> None:
    assert number_in_words(words) is None


def test_every_number_below_a_thousand_is_read_back() -> None:
    words = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
    )
    ones, tens = words.split()[:20], words.split()[20:]
    for count in range(1000):
        hundreds, rest = divmod(count, 100)
        said = f"{ones[hundreds]} hundred" if hundreds else ""
        small = ones[rest] if rest < 20 else tens[rest // 10 - 2] + (f"-{ones[rest % 10]}" if rest % 10 else "")
        assert number_in_words(f"{said} and {small}" if said and rest else said or small) == count


def test_a_number_in_words_with_what_was_counted_is_a_number_and_other_words_are_a_text() -> None:
    assert isinstance(read("\\text{seven students}"), Number)
    assert isinstance(read("\\text{seven wonders fail}"), Text)
