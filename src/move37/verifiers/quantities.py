r"""Reads numbers as they are stated: constants, decimals with the digits that they show, percentages, amounts of money,
angles, digits in a base, times of day, and numbers with a unit. In the common spelling of `spelling.py`.

Decided here: a decimal comma may be meant in "3,14" (`decimal_comma`); a bare letter behind a number may be a unit or
a factor (`Number.loose_unit`); digits that a base does not have make no number ("5_2").
"""

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

from move37.verifiers.closed_forms import constant
from move37.verifiers.constants import Real
from move37.verifiers.units import LOOSE, NO_BARE_UNITS, TABLE, Unit, read_unit
from move37.verifiers.values import Clock, Number

LONGEST_DECIMAL = 20_000
"""Digits of a plain number that are looked at."""

_DECIMAL = re.compile(
    r"([+-]?)\s*([0-9]*)\.([0-9]+)\s*(?:(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*\{?\s*([+-]?[0-9]{1,4})\s*\}?|[eE]([+-]?[0-9]{1,4}))?"
)
_WHOLE = re.compile(r"[+-]?[0-9]+")
_SCIENTIFIC = re.compile(r"([+-]?[0-9]+)\s*x\s*10\s*\^")
_MONEY = re.compile(r"\s*([+-]?)\s*(\\\$|[$€£¥₹₽₩])\s*([+-]?)\s*(?=[0-9.\\{])")
_MONEY_BEHIND = re.compile(r"(.*[0-9])\s*(\\\$|[€£¥₹₽₩¢])")
_PERCENT = re.compile(r"(.*\S)\s*%")
_DEGREES = re.compile(r"(.*?[0-9})!])\s*(?:\^\s*\{?\s*(?:\\circ|°|o)\s*\}?|°)\s*([CF]|\\text\{\s*[CF]\s*\})?")
_SEXAGESIMAL = re.compile(
    r"([+-]?[0-9]+)\s*(?:\^\s*\{?\s*\\circ\s*\}?|°)\s*([0-9]+(?:\.[0-9]+)?)\s*(?:'|\^\s*\{?\s*'\s*\}?|\\text\{min\})(?:\s*([0-9]+(?:\.[0-9]+)?)\s*'')?"
)
_BASED = re.compile(r"(?:\(\s*)?(?:\\text\{)?([0-9A-Fa-f]+)\}?(?:\s*\))?\s*_\s*\{?\s*\(?([0-9]{1,2})\)?\s*\}?")
_CLOCK = re.compile(
    r"([0-9]{1,2})\s*:\s*([0-5][0-9])(?:\s*:\s*([0-5][0-9]))?\s*(?:\\text\{)?\s*(?:([aApP])\.?\s*[mM]?\.*|[hH](?:ours|rs|r)?)?\s*\}?\.?"
)
_FEET = re.compile(r"([0-9]+)\s*'\s*([0-9]+(?:\.[0-9]+)?)\s*''")
_BARE_UNIT = re.compile(
    r"(.*?(?:[0-9})!]|\\pi))\s*((?:\\frac\s*\{\s*\\text.*|\\(?:mu|Omega|text|cdot)(?![A-Za-z])|\^\s*\{?\s*\\circ|[A-Za-zµΩ°])(?:.*))",
    re.DOTALL,
)
_FRACTION_OF_UNITS = re.compile(r"\\frac\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_LONE_LETTER = re.compile(r"[A-Za-z]")


def replaced(number: Number, **changes: Any) -> Number:
    return replace(number, **changes)


def times(number: Number, factor: int, latex: str) -> Number:
    """3 million."""
    return replace(
        number, value=number.value * Real.rational(factor), decimals=None, latex=f"({number.latex}) \\cdot {factor}"
    )


def read_number(maths: str) -> Number | None:
    """The number written there, with its unit; None where it is none."""
    text = maths.strip()
    while text.startswith("{") and text.endswith("}") and "}" not in text[1:-1]:
        text = text[1:-1].strip()
    plain = _plain(text)
    if plain is not None or not text:
        return plain
    return _marked(text) or _with_unit(text)


def _plain(text: str) -> Number | None:
    """A constant and nothing else."""
    if _WHOLE.fullmatch(text):
        return Number(text, Real.rational(_whole(text))) if len(text) <= LONGEST_DECIMAL else None
    decimal = _DECIMAL.fullmatch(text)
    if decimal:
        sign, whole, places, power, e_power = decimal.groups()
        if len(text) > LONGEST_DECIMAL:
            return None
        exponent = int(power or e_power or 0)
        value = Fraction(_whole(whole + places)) * Fraction(10) ** (exponent - len(places))
        shown = len((whole + places).lstrip("0"))
        return Number(text, Real.rational(-value if sign == "-" else value), len(places) - exponent, shown)
    sign = "-" if text.startswith("-") else ""
    if text.lstrip("+- ") in ("\\infty", "\\infty "):
        return Number(text, Real.infinite(-1 if sign else 1))
    if _SCIENTIFIC.match(text):
        text = re.sub(r"\s*x\s*(?=10\s*\^)", r" \\times ", text, count=1)
    value = constant(text)
    return None if value is None else Number(text, value)


def _whole(digits: str) -> int:
    """`int`, also of more digits than Python's own limit for texts."""
    if len(digits) <= 4000:
        return int(digits)
    sign, digits = (-1, digits[1:]) if digits[0] == "-" else (1, digits.lstrip("+"))
    half = len(digits) // 2
    return sign * (_whole(digits[:-half]) * 10**half + _whole(digits[-half:]))


def _marked(text: str) -> Number | None:
    """A constant with a currency or percent sign, degrees, or a base."""
    money = _MONEY.match(text)
    if money:
        number = read_number(f"{money[1] or money[3]}{text[money.end() :]}")
        return None if number is None or number.percent else replace(number, unit=TABLE[money[2].lstrip("\\")])
    behind = _MONEY_BEHIND.fullmatch(text)
    if behind:
        number = read_number(behind[1])
        return None if number is None else replace(number, unit=TABLE[behind[2].lstrip("\\")])
    percent = _PERCENT.fullmatch(text)
    if percent:
        number = _plain(percent[1])
        return None if number is None else replace(number, percent=True)
    if "'" in text:
        return _sexagesimal(text)
    degrees = _DEGREES.fullmatch(text)
    if degrees:
        number = _plain(degrees[1])
        scale = "°" + re.sub(r"[^CF]", "", degrees[2]) if degrees[2] else "°"
        return None if number is None else replace(number, unit=TABLE[scale])
    based = _BASED.fullmatch(text)
    return in_base(based[1], based[2], text) if based else None


def _sexagesimal(text: str) -> Number | None:
    """30° 15' 20'', and 5' 11'' of feet and inches."""
    feet = _FEET.fullmatch(text)
    if feet:
        value = Fraction(feet[1]) + Fraction(feet[2]) / 12
        return Number(text, Real.rational(value), unit=TABLE["foot"])
    angle = _SEXAGESIMAL.fullmatch(text)
    if angle is None:
        return None
    part = Fraction(angle[2]) / 60 + Fraction(angle[3] or 0) / 3600
    whole = Fraction(angle[1])
    return Number(text, Real.rational(whole - part if angle[1].startswith("-") else whole + part), unit=TABLE["°"])


def in_base(digits: str, base: str, latex: str) -> Number | None:
    """110 in base 2, which is 6."""
    digits, size = digits.strip(), int(base)
    if not 2 <= size <= 36 or not re.fullmatch(r"[0-9A-Za-z]+", digits) or len(digits) > 1000:
        return None
    try:
        return Number(latex, Real.rational(int(digits, size)), digits=digits.upper().lstrip("0"))
    except ValueError:
        return None  # "5_2"


def clock(text: str) -> Clock | None:
    """A time of day."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hour, half = int(match[1]), (match[4] or "").lower()
    if hour > 24 or (half and not 1 <= hour <= 12):
        return None
    return Clock(text, hour % 24, int(match[2]), int(match[3] or 0), half)


def quantity(maths: str, unit_text: str) -> Number | None:
    """A number and the unit that these words and signs are."""
    unit = read_unit(_unit_signs(unit_text))
    number = read_number(maths) if unit is not None else None
    if number is None or (number.unit is not None and number.unit != unit) or number.percent:
        return None
    return replace(number, unit=unit)


def _with_unit(text: str) -> Number | None:
    """5 \\frac{\\text{m}}{\\text{s}}, 5 \\mu m, 5m: what is behind the constant has to be a unit."""
    if text[-1] in "0123456789]" and "\\text" not in text and "^" not in text[-5:]:
        return None
    split = _BARE_UNIT.fullmatch(text)
    while split is not None:
        head, tail = split[1], split[2]
        number = _plain(head)
        if number is None:
            return None
        signs = _unit_signs(tail)
        unit = read_unit(signs)
        if unit is not None and ("\\text" in tail or not _is_bare_letter(signs)):
            loose = _LONE_LETTER.fullmatch(signs) is not None and "\\text" not in tail
            return replace(number, unit=unit, loose_unit=loose)
        longer = _BARE_UNIT.match(text, 0)
        nearer = re.compile(
            rf"(.{{{len(head) + 1},}}?[0-9}})!])\s*((?:\\frac\s*\{{\s*\\text.*|[A-Za-zµΩ\\])(?:.*))", re.DOTALL
        )
        split = nearer.fullmatch(text) if longer else None
    return None


def _is_bare_letter(signs: str) -> bool:
    """Whether it is a letter that formulas use more often than units do, or letters of units in a product."""
    letters = re.findall(r"[A-Za-z]+", signs)
    return all(len(each) == 1 and (each in NO_BARE_UNITS or each not in LOOSE) for each in letters) and bool(letters)


def _unit_signs(text: str) -> str:
    """A unit's LaTeX as words and signs."""
    if "\\" in text:
        text = _FRACTION_OF_UNITS.sub(r"(\1)/(\2)", text)
        text = _TEXT.sub(r" \1 ", text)
        text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?", "°", text)
        text = re.sub(r"\\(?:cdot|times)(?![A-Za-z])", "*", text).replace("\\$", "$")
        text = re.sub(r"\\mu(?![A-Za-z])\s*", "µ", text).replace("\\Omega", "Ω")
    text = re.sub(r"°\s*C\b", "°C", text)
    text = re.sub(r"°\s*F\b", "°F", text)
    return re.sub(r"µ\s+", "µ", " ".join(text.split()))


_DECIMAL_COMMA = re.compile(r"([+-]?[0-9]+),([0-9]+)")


def decimal_comma(latex: str) -> Number | None:
    """3.14 of "3,14"; None for "1,234", which groups digits, and for "3, 14", which is two numbers."""
    match = _DECIMAL_COMMA.fullmatch(latex)
    return _plain(f"{match[1]}.{match[2]}") if match else None


def agrees_in_unit(expected: Unit, given: Unit) -> Fraction | None:
    """By what to multiply the given number to have it in the expected unit; None where they measure other things."""
    if expected.dimension == given.dimension or _are_money(expected, given):
        return given.factor / expected.factor
    return None


def _are_money(a: Unit, b: Unit) -> bool:
    kinds = {kind for unit in (a, b) for kind, _ in unit.dimension}
    powers = {power for unit in (a, b) for _, power in unit.dimension}
    return "money" in kinds and powers == {1} and kinds <= {"money", "dollar", "euro"}
