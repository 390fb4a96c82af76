r"""Reads answers that are plain constants, exactly or between proven bounds, without SymPy: microseconds an answer.

A constant is built from decimals, `+ - * /`, fractions, roots, powers, factorials, binomials, \pi and brackets; an
answer is one of them (with its percent sign, degree mark, unit or `x =`), or a set, tuple or interval of them.

Two decisions. What can be read in two ways is not read (None): `2^10`, `\sqrt13`, `1/2\pi`, `2(3)`, a comma that may
group digits. And each statement is a proof:
  equal      both are the same sum of q sqrt(n) pi^k, with rational q and whole n and k;
  different  their enclosures are more than `CLEARLY` apart (closer ones may be roundings of each other);
  too large  a power, factorial or binomial in the text has more than `MOST_REPEATED` factors.
What a constant is worth is the work of `constants.py`.
Left out: letters, functions, complex numbers, unions, matrices (all None).
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from move37.verifiers.constants import (
    INFINITY,
    Enclosure,
    NotReadError,
    Real,
    binomial,
    enclosed,
    factorial,
    nth_root,
    power,
)

CLEARLY = Fraction(1, 100_000)
"""Values further apart than this differ. Closer ones may be roundings of each other."""
MOST_REPEATED = 100_000
"""Factors of a power, factorial or binomial beyond which no computer algebra should try to write it out."""

_TOKEN = re.compile(
    r"(?P<space>\s+|\\[,;:>!]|\\ |~|\\q?quad(?![A-Za-z])"
    r"|\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle)(?![A-Za-z])\.?)"
    r"|(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"|(?P<degrees>\^\s*\{\s*\\circ\s*\}|\^\s*\\circ(?![A-Za-z])|°|\\degree(?![A-Za-z]))"
    r"|(?P<and>\\(?:text|mbox|textrm|mathrm)\{\s*,?\s*(?:and|or)\s*\}|\b(?:and|or)\b)"
    r"|(?P<command>\\[A-Za-z]+|\\[{}$])|(?P<percent>\\?%)"
    r"|(?P<mark>[-+*/^(){}\[\]!,|=])"
)
_FRACTIONS = ("\\frac", "\\dfrac", "\\tfrac", "\\cfrac")
_BINOMIALS = ("\\binom", "\\dbinom", "\\tbinom")
_TIMES = ("*", "\\cdot", "\\times")
_CLOSING = {"(": ")", "[": "]", "\\{": "\\}", "{": "}"}
_GROUPED_DIGITS = re.compile(r"(?<![0-9.])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9,])")
_BRACKET = re.compile(r"[(\[]|\\\{")
_COMMA_IN_DIGITS = re.compile(r"[0-9],[0-9]{3}(?![0-9])")
_SPACED_DIGITS = re.compile(r"(?<=[0-9])(?:\s|\\[ ,;:>!]|~)+(?=[0-9])")
_THIN_GROUPS = re.compile(r"(?<=[0-9])(?:,?\s*+\\[,!]|\{,\})\s*(?=[0-9]{3}(?![0-9]))")
r"""10\,000, 10,\!000 and 10{,}000."""
_E_NOTATION = re.compile(r"(?<![0-9.])([0-9]++\.?[0-9]*+|\.[0-9]++)[eE]([+-]?[0-9]{1,30})(?![0-9A-Za-z.])")
_ANY_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z]+")
_NAMED = re.compile(r"\s*([A-Za-z])\s*=(?![=>])")


@dataclass(frozen=True, slots=True)
class Collection:
    """Several constants. `brackets` is "" for a set (or a list, or one value), else both: "()", "[)"."""

    brackets: str
    elements: "tuple[Constant, ...]"


Constant = Real | Collection


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says: a constant, and how it was marked."""

    value: Constant
    name: str = ""
    """The letter of `x = 5`."""
    percent: bool = False
    degrees: bool = False


@lru_cache(maxsize=4096)
def read(latex: str) -> Answer | None:
    """The answer written there, or None where it is no plain constant or can be read in more than one way."""
    try:
        return _Reader(latex).answer()
    except NotReadError:
        return None


def read_size(whole_number: str) -> Answer:
    """A whole number of so many digits that only its size is looked at: between two powers of ten."""
    digits = len(whole_number.lstrip("+-"))
    size = Real(None, Enclosure(Decimal(f"1e{digits - 1}"), Decimal(f"1e{digits}")))
    return Answer(-size if whole_number.startswith("-") else size)


def compare(expected: Answer, given: Answer) -> bool | None:
    """True where they are equal, False where they differ, None where neither is proven.

    20% is 0.2, and between whole numbers also 20. An angle of 90 degrees is 90, and also pi / 2. A name stands on one
    side only, or is the same on both.
    """
    if expected.name and given.name and expected.name != given.name:
        return None
    verdicts = {_same(a, b) for a, b in _readings(expected, given)}
    return True if True in verdicts else None if None in verdicts else False


def varies(latex: str) -> bool:
    """Whether it is an expression in one letter that is not constant.

    Proof: with coefficients in roots, a constant would keep its value for the letter pi, and that value would be
    algebraic; powers of pi that are left say that it is not. A letter at the end may be a unit: not answered.
    """
    letters = set(_ANY_LETTER.findall(latex))
    if len(letters) != 1 or not letters <= set("abknstxyz") or "\\pi" in latex or latex.rstrip(" .}")[-1:] in letters:
        return False
    answer = read(_ANY_LETTER.sub(r"\\pi ", latex))
    if answer is None or not isinstance(answer.value, Real) or answer.value.terms is None:
        return False
    return any(power for _, power in answer.value.terms)


def holds_several(value: Constant) -> bool:
    """Whether it is a collection of which two elements differ."""
    return isinstance(value, Collection) and any(_same(value.elements[0], each) is False for each in value.elements)


def too_large(latex: str) -> bool:
    r"""Whether the text holds a power, sum, factorial or binomial too large to be written out."""
    for place in re.finditer(r"\^|\\[dt]?binom|!|\)_", latex):
        try:
            if place[0] in ("!", ")_"):
                operand = _operand_before(latex, place.start() + (place[0] == ")_"))
            else:
                operand = _Reader(latex[place.end() :], whole=False).argument()
            size = operand.enclosure
        except NotReadError:
            continue
        if max(size.low.copy_abs(), size.high.copy_abs()) > MOST_REPEATED:
            return True
    return False


def _readings(expected: Answer, given: Answer) -> list[tuple[Constant, Constant]]:
    """The pairs of values of which one has to be equal."""
    a, b = expected.value, given.value
    readings = [(a, b)]
    if expected.percent or given.percent:
        readings = [(_percent(a) if expected.percent else a, _percent(b) if given.percent else b)]
        if _is_whole(a) and _is_whole(b):
            readings.append((a, b))
    if expected.degrees != given.degrees and isinstance(a, Real) and isinstance(b, Real):
        radians = Real({(1, 1): Fraction(1, 180)})
        readings.append((a * radians, b) if expected.degrees else (a, b * radians))
    return readings


def _is_whole(value: Constant) -> bool:
    return isinstance(value, Real) and value.whole is not None


def _percent(value: Constant) -> Constant:
    return value * Real.rational(Fraction(1, 100)) if isinstance(value, Real) else value


def _same(expected: Constant, given: Constant) -> bool | None:
    if isinstance(expected, Real) and isinstance(given, Real):
        return _same_real(expected, given)
    a, b = _collection(expected), _collection(given)
    in_order = [_same(x, y) for x, y in zip(a.elements, b.elements, strict=False)]
    if a.brackets == b.brackets and len(a.elements) == len(b.elements):
        if all(in_order) or (not a.brackets and _same_elements(a.elements, b.elements)):
            return True
        if a.brackets and False in in_order:
            return False
    # Whatever the brackets mean: an element that is unlike all of the other side's.
    apart = _has_stranger(a.elements, b.elements) or _has_stranger(b.elements, a.elements)
    return False if apart else None


def _same_real(expected: Real, given: Real) -> bool | None:
    if expected.terms is not None and given.terms is not None:
        difference = expected + -given
        if difference.terms == {}:
            return True
        distance = difference.enclosure
    else:
        a, b = expected.enclosure, given.enclosure
        if a.low == a.high == b.low == b.high:  # both infinite
            return True
        distance = a + -b
    return False if distance.low > _CLEARLY_UP or distance.high < _CLEARLY_UP.copy_negate() else None


_CLEARLY_UP = enclosed(CLEARLY).high


def _collection(value: Constant) -> Collection:
    return Collection("", (value,)) if isinstance(value, Real) else value


def _same_elements(expected: tuple[Constant, ...], given: tuple[Constant, ...]) -> bool:
    left = list(given)
    for element in expected:
        twin = next((i for i, other in enumerate(left) if _same(element, other)), None)
        if twin is None:
            return False
        del left[twin]
    return True


def _has_stranger(elements: tuple[Constant, ...], others: tuple[Constant, ...]) -> bool:
    return any(all(_same(element, other) is False for other in others) for element in elements)


class _Reader:
    """Recursive descent over the tokens of one answer; NotReadError at what is not understood."""

    def __init__(self, latex: str, whole: bool = True) -> None:
        self.name = ""
        if whole:
            named = _NAMED.match(latex)
            if named:
                self.name, latex = named[1], latex[named.end() :]
            latex = _THIN_GROUPS.sub("", latex)
            latex = _E_NOTATION.sub(r"{\1}*{10}^{\2}", latex)
            grouped = _GROUPED_DIGITS.findall(latex)
            if len(grouped) == 1 and latex.count(",") == grouped[0].count(",") and not _BRACKET.search(latex):
                latex = latex.replace(grouped[0], grouped[0].replace(",", ""))
        if _SPACED_DIGITS.search(latex) or (whole and _COMMA_IN_DIGITS.search(latex)):
            raise NotReadError
        self.tokens, self.kinds = self._tokens(latex, whole)
        self.at = 0
        self.degrees = False

    @staticmethod
    def _tokens(latex: str, whole: bool) -> tuple[list[str], list[str]]:
        tokens, kinds, position = [], [], 0
        while position < len(latex):
            match = _TOKEN.match(latex, position)
            if match is None:
                if whole:
                    raise NotReadError
                break
            if match.lastgroup != "space":
                tokens.append(match[0])
                kinds.append(match.lastgroup or "")
            position = match.end()
        return [*tokens, ""], [*kinds, "end"]

    # answers

    def answer(self) -> Answer:
        percent = self.kinds[-2:-1] == ["percent"]
        if percent:
            del self.tokens[-2], self.kinds[-2]
        if self.here == "\\$":
            self.at = 1
        value = self.listing("")
        if self.here != "" or (percent and not isinstance(value, Real)):
            raise NotReadError
        return Answer(value, self.name, percent, self.degrees)

    def listing(self, end: str) -> Constant:
        """Constants with commas between them, up to `end`; alone without brackets, one stands for itself."""
        elements = self.element()
        while self.here == "," or self.kinds[self.at] == "and":
            self.at += 1
            if self.kinds[self.at] == "and":  # ", and"
                self.at += 1
            elements += self.element()
        if self.here != end:
            raise NotReadError
        return elements[0] if len(elements) == 1 else Collection("", tuple(elements))

    def element(self) -> list[Constant]:
        """One constant, or the two of a plus-minus sign."""
        if self.here in ("(", "[", "\\{"):
            bracketed = self.bracketed()
            if bracketed is not None:
                return [bracketed]
        if self.here == "\\pm":
            self.at += 1
            value = self.product()
            return [-value, value]
        infinite = self.infinity()
        if infinite is not None:
            return [infinite]
        value = self.sum()
        if self.here == "\\pm":
            self.at += 1
            spread = self.product()
            return [value + spread, value + -spread]
        return [value]

    def bracketed(self) -> Constant | None:
        """A set, tuple or interval; None (and nothing read) where the bracket is one of a formula."""
        start, opening = self.at, self.here
        self.at += 1
        elements = self.element()
        while self.here == ",":
            self.at += 1
            elements += self.element()
        closing = self.here
        if opening == "\\{":
            if closing != "\\}":
                raise NotReadError
            self.at += 1
            return elements[0] if len(elements) == 1 else Collection("", tuple(elements))
        if closing not in (")", "]"):
            raise NotReadError
        self.at += 1
        if len(elements) == 1:
            self.at = start
            return None
        return Collection(opening + closing, tuple(elements))

    def infinity(self) -> Real | None:
        sign = self.here if self.here in ("+", "-") else ""
        if self.tokens[self.at + len(sign)] != "\\infty":
            return None
        self.at += len(sign) + 1
        bound = INFINITY.copy_negate() if sign == "-" else INFINITY
        if self.here not in (",", ")", "]", ""):
            raise NotReadError
        return Real(None, Enclosure(bound, bound))

    # constants

    @property
    def here(self) -> str:
        return self.tokens[self.at]

    def take(self, token: str) -> None:
        if self.here != token:
            raise NotReadError
        self.at += 1

    def sum(self) -> Real:
        negative = self.here == "-"
        if self.here in ("+", "-"):
            self.at += 1
        total = -self.product() if negative else self.product()
        while self.here in ("+", "-"):
            negative = self.here == "-"
            self.at += 1
            total = total + (-self.product() if negative else self.product())
        return total

    def product(self) -> Real:
        total, parts = self.juxtaposed()
        while self.here in _TIMES or self.here in ("/", "\\div"):
            divided = self.here not in _TIMES
            self.at += 1
            factor, parts = self.juxtaposed()
            if divided and parts > 1:
                raise NotReadError  # 1/2\pi
            total = total * (factor.inverse() if divided else factor)
        return total

    def juxtaposed(self) -> tuple[Real, int]:
        """Factors without a sign between them, and how many they are; 1\\frac{1}{4} is 5/4."""
        if self.kinds[self.at] == "number" and self.tokens[self.at + 1] in _FRACTIONS:
            return self.mixed(), 1
        total, parts = self.power(), 1
        while self.here in ("(", "\\sqrt", "\\pi", "{") or self.here in _FRACTIONS:
            root = self.here == "\\sqrt"
            factor = self.power()
            if total.fraction is not None and factor.fraction is not None and not root:
                raise NotReadError  # 2(3): Math-Verify reads a mixed number
            total, parts = total * factor, parts + 1
        if self.kinds[self.at] == "number":
            raise NotReadError
        if self.kinds[self.at] == "degrees":
            self.at += 1
            self.degrees = True
        return total, parts

    def mixed(self) -> Real:
        whole = self.atom()
        fraction = self.power()
        part = fraction.fraction
        if part is None:
            return whole * fraction
        if whole.whole is None or not 0 < part < 1 or self.here in ("(", "\\sqrt", "\\pi", "{", "^", *_FRACTIONS):
            raise NotReadError
        return whole + fraction

    def power(self) -> Real:
        base = self.atom()
        while self.here == "!":
            self.at += 1
            if self.here == "!":
                raise NotReadError  # a double factorial
            base = factorial(base)
        if self.here != "^":
            return base
        self.at += 1
        base = power(base, self.argument())
        if self.here in ("^", "!"):
            raise NotReadError
        return base

    def argument(self) -> Real:
        """What stands in braces, or a single sign; more digits than one could be meant in two ways."""
        if self.here == "{":
            return self.group("{")
        if self.kinds[self.at] == "number":
            if len(self.here) > 1:
                raise NotReadError
            return self.atom()
        if self.here == "\\pi":
            return self.atom()
        raise NotReadError

    def group(self, opening: str) -> Real:
        self.take(opening)
        value = self.sum()
        self.take(_CLOSING[opening])
        return value

    def atom(self) -> Real:
        token, kind = self.here, self.kinds[self.at]
        if kind == "number":
            self.at += 1
            return Real.rational(Fraction(token.rstrip(".")))
        if token in ("(", "{"):
            return self.group(token)
        if token == "\\pi":
            self.at += 1
            return Real({(1, 1): Fraction(1)})
        if token in _FRACTIONS or token in _BINOMIALS:
            self.at += 1
            upper, lower = self.two_arguments()
            return binomial(upper, lower) if token in _BINOMIALS else upper * lower.inverse()
        if token == "\\sqrt":
            self.at += 1
            degree = self.group("[") if self.here == "[" else Real.rational(2)
            return nth_root(self.argument(), degree)
        raise NotReadError

    def two_arguments(self) -> tuple[Real, Real]:
        """{a}{b}, ab, a{b} or {a}b; of \\frac123 nobody knows."""
        if self.kinds[self.at] == "number" and len(self.here) == 2 and self.here.isdigit():
            digits = self.here
            self.at += 1
            if self.here == "{":
                raise NotReadError
            return Real.rational(int(digits[0])), Real.rational(int(digits[1]))
        return self.argument(), self.argument()


def _operand_before(latex: str, end: int) -> Real:
    """The number or the bracketed constant that ends before `end`."""
    before = latex[:end].rstrip()
    digits = re.search(r"[0-9]+$", before)
    if digits:
        return Real.rational(int(digits[0]))
    depth = 0
    for position in range(len(before) - 1, -1, -1):
        depth += {")": 1, "}": 1, "]": 1, "(": -1, "{": -1, "[": -1}.get(before[position], 0)
        if depth == 0:
            return _Reader(before[position:], whole=False).sum()
    raise NotReadError
