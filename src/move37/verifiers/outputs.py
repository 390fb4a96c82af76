"""Whether a script printed what was expected: as contests compare, or exactly as LiveCodeBench's own harness does.

Both compare line by line without surrounding white space, and only a line feed ends a line.
  strict    words are equal as texts, or as numbers written plainly (-12, 0.5, 1e-7: no plus sign, no underscore, no
            "inf", no zeros before other digits: 007 and 0010 are names and bits); where a number with a fraction is
            expected, up to 1e-6 of it or of 1, which is what contests grant
  official  a line that is not equal as text is equal if its numbers are, exactly, whatever Python's Decimal takes for
            one (lcb_runner/evaluation/testing_util.py)
"""

import re
from decimal import Decimal, DecimalException, InvalidOperation
from enum import StrEnum

TOLERANCE = Decimal("1e-6")
_NUMBER = re.compile(r"-?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
LONGEST_NUMBER = 60_000
"""Characters of a word that is read as a number."""


class Comparison(StrEnum):
    STRICT = "strict"
    OFFICIAL = "official"


def same_output(given: str, expected: str, comparison: Comparison = Comparison.STRICT) -> bool:
    """Whether `given` is what `expected` asks for. Takes time in proportion to their lengths."""
    wanted = expected.strip().split("\n")
    lines = given.strip().split("\n", len(wanted))
    same = _same_words if comparison is Comparison.STRICT else _same_decimals
    return len(lines) == len(wanted) and all(
        line.strip() == want.strip() or same(line, want) for line, want in zip(lines, wanted, strict=True)
    )


def _same_words(line: str, wanted: str) -> bool:
    wants = wanted.split()
    words = line.split(None, len(wants))
    return len(words) == len(wants) and all(map(_same_word, words, wants))


def _same_word(word: str, wanted: str) -> bool:
    if word == wanted:
        return True
    if max(len(word), len(wanted)) > LONGEST_NUMBER or not (_NUMBER.fullmatch(word) and _NUMBER.fullmatch(wanted)):
        return False
    found, number = Decimal(word), Decimal(wanted)
    if found == number:
        return True
    if "." not in wanted and "e" not in wanted.lower():
        return False
    try:
        return abs(found - number) <= TOLERANCE * max(Decimal(1), abs(number))
    except DecimalException:
        return False


def _same_decimals(line: str, wanted: str) -> bool:
    wants = wanted.split()
    numbers, expected = _decimals(line.split(None, len(wants))[: len(wants) + 1]), _decimals(wants)
    return numbers is not None and numbers == expected


def _decimals(words: list[str]) -> list[Decimal] | None:
    if any(len(word) > LONGEST_NUMBER for word in words):
        return None
    try:
        numbers = [Decimal(word) for word in words]
    except InvalidOperation:
        return None
    return None if any(number.is_nan() for number in numbers) else numbers  # comparing a signalling one raises
