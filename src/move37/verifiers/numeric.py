r"""Is the answer the same number as the reference, within a tolerance? For measured quantities and rounded results.

Right means |answer - reference| <= max(absolute_tolerance, relative_tolerance * |reference|), in exact rational
arithmetic: a difference of exactly the tolerance is right, whatever a float would make of it. Where the answer stands
is the work of `extraction.py`, what it says that of `reading.py`, both as for `math`: what is no number there is none
here ("5 or 7", "5 ± 1", "5 if x > 0", 2x = 5), and an expression is worked out (2^10, \sqrt{2}, 3 million, 5!).
Percentages are compared as in `equality.py`.

A unit is looked at only where both sides state one: with units = "convert" the answer is converted, and wrong where it
measures something else; with "same" it has to be the reference's own; with "ignore" units are dropped.
An answer that is no number is incorrect; a reference that is none leaves its problem unscored, unless another one fits.
A time of day or a ratio as a reference is compared as `math` compares it.
Left out: a tolerance of a problem's own, significant digits.
"""

import re
from dataclasses import replace
from fractions import Fraction
from typing import Literal

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.constants import Real
from move37.verifiers.equality import Comparison
from move37.verifiers.extraction import answers
from move37.verifiers.reading import read
from move37.verifiers.values import Clock, Letter, Named, Number, Ratio, Several, Value

LONGEST_NUMBER = 200
"""Characters. Anything longer is not read."""
LARGEST_EXPONENT = 400
"""Powers of ten beyond it are not read: a reference near them would be a slip."""

_PERCENT_ASKED = re.compile(r"%|\bper\s?cent(?:age)?s?\b", re.IGNORECASE)


class NumericVerifier:
    """Tolerances are finite and not negative (ValueError otherwise)."""

    name = "numeric"

    def __init__(
        self,
        relative_tolerance: float = 1e-6,
        absolute_tolerance: float = 0.0,
        units: Literal["convert", "ignore", "same"] = "convert",
    ) -> None:
        for key, value in (("relative_tolerance", relative_tolerance), ("absolute_tolerance", absolute_tolerance)):
            if not 0 <= value < float("inf"):
                raise ValueError(f"{key}: must be a finite number from 0 up (given: {value!r})")
        self.relative_tolerance, self.absolute_tolerance, self.units = relative_tolerance, absolute_tolerance, units
        kept = "" if units == "convert" else f"+units-{units}"
        self.version = f"3+relative-{float(relative_tolerance)!r}+absolute-{float(absolute_tolerance)!r}{kept}"

    def extract(self, problem: Problem, text: str) -> str | None:
        """The first that says any number: what says several, or a number with a condition, is not skipped."""
        return next((answer for answer in answers(text) if _says_a_number(answer)), None)

    def format_answer(self, problem: Problem, reference: str) -> str:
        return f"\\boxed{{{reference}}}"

    def set_up(self) -> None:
        """Nothing to import."""

    def verify(self, problem: Problem, answer: str) -> Verdict:
        if not problem.references:
            return Verdict(Outcome.UNSCORED, "no reference answer")
        references = [_stated(reference) for reference in problem.references]
        given = _stated(answer)
        compare = Comparison(lambda a, b: False, bool(_PERCENT_ASKED.search(problem.question)), self._close)
        if given is not None and any(expected and self._agrees(compare, expected, given) for expected in references):
            return Verdict(Outcome.CORRECT, "matches")
        if None in references:
            return Verdict(Outcome.UNSCORED, "reference is not a number")
        return Verdict(Outcome.INCORRECT, "differs" if given is not None else "not a number")

    def _agrees(self, compare: Comparison, expected: Value, given: Value) -> bool:
        if isinstance(expected, Number) and isinstance(given, Number) and self.units != "convert":
            if self.units == "same" and expected.unit and given.unit and expected.unit != given.unit:
                return False
            if expected.unit and given.unit:
                expected, given = (replace(each, unit=None, loose_unit=False) for each in (expected, given))
        if isinstance(expected, Number):
            expected = replace(expected, loose_unit=False)  # there are no formulas here
        return compare.equal(expected, given) is True

    def _close(self, expected: Number, given: Number) -> bool:
        # A setting means the decimal that was written: 0.1 is a tenth, not the float next to it.
        relative, absolute = Fraction(repr(self.relative_tolerance)), Fraction(repr(self.absolute_tolerance))
        a, b = _rational(expected.value), _rational(given.value)
        return a is not None and b is not None and abs(a - b) <= max(absolute, relative * abs(a))


def quantity(text: str) -> Number | None:
    """The number in `text`, with its percent sign and unit; None where it is no plain number."""
    value = _stated(text)
    return value if isinstance(value, Number) else None


def _stated(text: str) -> Value | None:
    """A number, time or ratio; None where the text says anything else."""
    if len(text) > LONGEST_NUMBER:
        return None
    value = read(text)
    if isinstance(value, Named):
        value = value.value
    if isinstance(value, Letter) and value.labelled is not None:
        value = value.labelled
    if isinstance(value, Several) and value.decimal is not None:
        return value
    if isinstance(value, Number):
        return value if _rational(value.value) is not None else None
    if isinstance(value, Ratio) and "\\text" in value.latex:
        return None  # "5 to 7" is a range here
    return value if isinstance(value, (Ratio, Clock)) else None


def _rational(value: Real) -> Fraction | None:
    """Exactly, or to forty digits; None for what is too large or too small to be meant."""
    exact = value.fraction
    bounds = value.enclosure
    if not bounds.low.is_finite() or not bounds.high.is_finite():
        return None
    if bounds.low and abs(bounds.low.adjusted()) > LARGEST_EXPONENT:
        return None
    return exact if exact is not None else Fraction(bounds.low)


def _says_a_number(text: str) -> bool:
    return any(map(str.isnumeric, text)) or _stated(text) is not None
