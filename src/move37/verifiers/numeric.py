r"""Is the answer the same number as the reference, within a tolerance? For measured quantities and rounded results.

Right means |answer - reference| <= max(absolute_tolerance, relative_tolerance * |reference|), in exact rational
arithmetic: a difference of exactly the tolerance is right, whatever a float would make of it. The answer is looked for
as `math` does: last complete box, `<answer>` tag, final-answer phrase (with the unit that follows its number), last
formula or number (without its unit).

A number is, of an equation or approximation ("x = 5", "\approx 5") what stands after the last sign:
  digits           12   -0.5   .5   5.   +3; also between `$`, with a currency sign before them
  in thousands     1,234,567   1{,}234   1\,234   1 234: groups of three only, so "3,14" is no number
  by a power       1.5e-3   1.5 \times 10^{-3}   1.5 * 10^-3   10^5   10⁵   3 million (thousand, billion, trillion)
  a fraction       3/4   \frac{3}{4}   1\frac{3}{4}   1 3/4
  a percentage     50%   50\%   50 percent. If both sides are percentages, or neither, the numbers are compared. If one
                   is, it may be meant as a hundredth or as a unit that the other side leaves out: "50%" is 0.5 and 50.
  in a wrapper     \textbf{5}   \text{5 cm}
  with a unit      5 cm   5\text{ m/s}^2   55^\circ: with units = "ignore" the unit is dropped, with units = "same" an
                   answer that states a unit must state the reference's. Units are never converted.
Nothing is evaluated: "2^10", "\sqrt{2}", "5 or 6", "5 ± 1", "inf" and "nan" are no numbers (`math` judges expressions).
An answer that is no number is incorrect; a reference that is none leaves its problem unscored, unless another one fits.
Left out: a tolerance of a problem's own, significant digits.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.extraction import (
    TAIL,
    after_phrase,
    last_boxed,
    last_math_or_number,
    last_tagged,
    sentence_after_phrase,
)

LONGEST_NUMBER = 200
"""Characters. Anything longer is not read."""
LARGEST_EXPONENT = 400
"""Powers of ten beyond it are not read: a reference near them would be a slip, and exact arithmetic slow."""

_DIGITS = r"(?:[0-9]{1,3}(?:(?:,|\{,\}|\\,|[ \u00a0\u2009\u202f])[0-9]{3})+(?![0-9])|[0-9]+)"
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)\s*(?:\\?[$€£¥]\s*)?(?:"
    rf"(?P<whole>{_DIGITS})\s*\\[dt]?frac\s*"
    r"(?:\{(?P<over1>[0-9]+)\}\s*\{(?P<under1>[0-9]+)\}|(?P<over6>[0-9])\s*(?P<under6>[0-9]))"
    r"|(?P<whole2>[0-9]+)\s+(?P<over2>[0-9]+)/(?P<under2>[0-9]+)"
    r"|\\[dt]?frac\s*\{(?P<sign3>-?)(?P<over3>[0-9]+)\}\s*\{(?P<under3>[0-9]+)\}"
    r"|\\[dt]?frac\s*(?P<over4>[0-9])\s*(?P<under4>[0-9])"
    r"|(?P<over5>[0-9]+)\s*/\s*(?P<under5>[0-9]+)"
    rf"|(?P<decimal>{_DIGITS}(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:[eE](?P<e>[+-]?[0-9]+)|\s*(?:\\times|\\cdot|[*×·x])\s*10\s*\^\s*(?:\{\s*(?P<p1>[+-]?[0-9]+)\s*\}|(?P<p2>[+-]?[0-9]+)))?"
    r")(?![0-9])"
)
_POWER = re.compile(r"([+-]?)\s*10\s*\^\s*(?:\{\s*([+-]?[0-9]+)\s*\}|([+-]?[0-9]+))")
_LEAD = re.compile(r"^(?:about|approximately|roughly|around|\\approx|≈|~)\s*", re.IGNORECASE)
_AFTER_SIGN = re.compile(r".*(?:=|≈|\\approx(?![A-Za-z]))", re.DOTALL)
_PERCENT = re.compile(
    r"\s*(?:\\?%|(?:percent|per cent|pct)\b\.?|\\(?:text|mathrm|mbox)\s*\{\s*(?:\\?%|percent)\s*\})\s*$", re.IGNORECASE
)
_MULTIPLE = re.compile(r"\s*(thousand|million|billion|trillion)\b\s*", re.IGNORECASE)
_MULTIPLES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_WRAPPER = re.compile(r"\\(?:text|mathrm|mbox|textbf|mathbf|rm|operatorname)\s*\{([^{}]*)\}")
_UNIT = re.compile(r"[A-Za-z°µμΩÅ€£¥$](?:[A-Za-z°µμΩÅ./*·() ]|\^(?:-?[1-9]|\{-?[1-9]\}))*")
_NO_UNIT = re.compile(r"[xyzneikπ]|.*\b(?:or|and|to|plus|minus|times|dozen|hundred|half)\b.*|inf.*|nan", re.IGNORECASE)
_AFTER_LAST_DIGIT = re.compile(r".*[0-9]", re.DOTALL)
_MOST_WORDS = 5
"""Words of a sentence that is a number with its unit; a longer one says more than that."""
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as written: `value` without its percent sign applied, and its unit ("" where none is stated)."""

    value: Fraction
    percent: bool = False
    unit: str = ""


class NumericVerifier:
    """Tolerances are finite and not negative (ValueError otherwise)."""

    name = "numeric"

    def __init__(
        self,
        relative_tolerance: float = 1e-6,
        absolute_tolerance: float = 0.0,
        units: Literal["ignore", "same"] = "ignore",
    ) -> None:
        for key, value in (("relative_tolerance", relative_tolerance), ("absolute_tolerance", absolute_tolerance)):
            if not 0 <= value < float("inf"):
                raise ValueError(f"{key}: must be a finite number from 0 up (given: {value!r})")
        self.relative_tolerance, self.absolute_tolerance, self.units = relative_tolerance, absolute_tolerance, units
        kept = "" if units == "ignore" else "+units"
        self.version = f"1+relative-{float(relative_tolerance)!r}+absolute-{float(absolute_tolerance)!r}{kept}"

    def extract(self, problem: Problem, text: str) -> str | None:
        marked = last_boxed(text) or last_tagged(text)
        if marked:
            return marked
        sentence = sentence_after_phrase(text)
        if sentence and len(sentence.split()) <= _MOST_WORDS and quantity(sentence):
            return sentence
        return after_phrase(text) or _last_number(text)

    def format_answer(self, problem: Problem, reference: str) -> str:
        return f"\\boxed{{{reference}}}"

    def set_up(self) -> None:
        """Nothing to import."""

    def verify(self, problem: Problem, answer: str) -> Verdict:
        if not problem.references:
            return Verdict(Outcome.UNSCORED, "no reference answer")
        references = [quantity(reference) for reference in problem.references]
        given = quantity(answer)
        if given is not None and any(expected and self._agrees(expected, given) for expected in references):
            return Verdict(Outcome.CORRECT, "matches")
        if None in references:
            return Verdict(Outcome.UNSCORED, "reference is not a number")
        return Verdict(Outcome.INCORRECT, "differs" if given is not None else "not a number")

    def _agrees(self, expected: Quantity, given: Quantity) -> bool:
        if self.units == "same" and expected.unit and given.unit and expected.unit != given.unit:
            return False
        if expected.percent == given.percent:
            return self._close(expected.value, given.value)
        hundredth = Fraction(1, 100)
        as_hundredth = self._close(
            expected.value * (hundredth if expected.percent else 1), given.value * (hundredth if given.percent else 1)
        )
        return as_hundredth or self._close(expected.value, given.value)

    def _close(self, expected: Fraction, given: Fraction) -> bool:
        # A setting means the decimal that was written: 0.1 is a tenth, not the float next to it.
        relative, absolute = Fraction(repr(self.relative_tolerance)), Fraction(repr(self.absolute_tolerance))
        return abs(expected - given) <= max(absolute, relative * abs(expected))


def _last_number(text: str) -> str | None:
    """The last formula or number, and "million" and the like where that follows."""
    number = last_math_or_number(text)
    after = _AFTER_LAST_DIGIT.match(text[-TAIL:])
    multiple = _MULTIPLE.match(text[-TAIL:], after.end()) if after else None
    return f"{number} {multiple[1]}" if number and number[-1].isdigit() and multiple else number


def quantity(text: str) -> Quantity | None:
    """The number in `text`, exactly, with its percent sign and unit; None where it is no plain number."""
    if len(text) > LONGEST_NUMBER:
        return None
    text = _tidied(text)
    percent = _PERCENT.search(text)
    text = text[: percent.start()] if percent else text
    power = _POWER.match(text)
    number = power or _NUMBER.match(text)
    value = _value(number) if number else None
    if number is None or value is None:
        return None
    rest = text[number.end() :]
    multiple = _MULTIPLE.match(rest)
    if multiple:
        value, rest = value * _MULTIPLES[multiple[1].lower()], rest[multiple.end() :]
    unit = _unit(rest)
    return None if unit is None else Quantity(value, percent is not None, unit)


def _tidied(text: str) -> str:
    """The part that holds the number: without `$...$`, `\\text{}`, what stands before "=", a final full stop."""
    text = text.strip().removesuffix(".").strip()
    if text.startswith("$") and text.endswith("$") and len(text) > 1:
        text = text.strip("$").strip()
    text = (
        text.replace("\u2212", "-")
        .replace("\u2013", "-")
        .replace("\\!", "")
        .replace("\\left", "")
        .replace("\\right", "")
    )
    text = _SUPERSCRIPT.sub(lambda digits: "^{" + digits[0].translate(_SUPERSCRIPTS) + "}", text)
    text = _AFTER_SIGN.sub("", text).strip()
    whole = _WRAPPER.fullmatch(text)
    return _LEAD.sub("", whole[1].strip() if whole else text)


def _value(number: re.Match[str]) -> Fraction | None:
    """What a match of `_POWER` or `_NUMBER` is worth; None for a zero denominator and too large a power."""
    if number.re is _POWER:
        value = _power(number[2] or number[3])
        return None if value is None else -value if number[1] == "-" else value
    found = number.groupdict()
    over, under = (
        next((found[f"{part}{i}"] for i in range(1, 7) if found[f"{part}{i}"]), None) for part in ("over", "under")
    )
    if over is not None and under is not None:
        if int(under) == 0:
            return None
        value = Fraction(_plain(found["whole"] or found["whole2"] or "0")) + Fraction(int(over), int(under))
    else:
        factor = _power(found["e"] or found["p1"] or found["p2"] or "0")
        if factor is None:
            return None
        value = Fraction(_plain(found["decimal"]).rstrip(".")) * factor
    return -value if (found["sign"] == "-") != (found["sign3"] == "-") else value


def _power(exponent: str) -> Fraction | None:
    return Fraction(10) ** int(exponent) if abs(int(exponent)) <= LARGEST_EXPONENT else None


def _plain(digits: str) -> str:
    return re.sub(r"[^0-9.]", "", digits)


def _unit(rest: str) -> str | None:
    """The unit in what follows a number, "" for nothing; None where something else follows."""
    unit = _WRAPPER.sub(r"\1", rest)
    unit = re.sub(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ)", "°", unit)
    unit = re.sub(r"\\[,;: ]|~", " ", unit).replace("\\mu", "µ").replace("\\$", "$")
    unit = " ".join(unit.split()).strip(" .")
    if not unit:
        return ""
    return (
        None
        if not _UNIT.fullmatch(unit) or _NO_UNIT.fullmatch(unit)
        else unit.replace(" ", "").replace("{", "").replace("}", "")
    )
