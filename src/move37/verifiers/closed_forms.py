r"""Reads plain constants, exactly or between proven bounds, without SymPy: microseconds an answer.

A constant is built from decimals, `+ - * /`, fractions, roots, powers, factorials, binomials, logarithms, \pi, e,
absolute values, \lfloor \rfloor and brackets, in the spelling that `spelling.py` makes. What can be read in two ways
is not read (None): `\sqrt13`, `1/2\pi`, `1 2`, a comma. What a constant is worth is the work of `constants.py`.
Letters have the values that the caller gives them, so that a formula can be worked out at a point.
Left out: functions of angles, complex numbers, sums, integrals (all None).
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

from move37.verifiers.constant_functions import (
    absolute,
    binomial,
    double_factorial,
    factorial,
    logarithm,
    nth_root,
    power,
    rounded_down,
)
from move37.verifiers.constants import Real, euler, pi
from move37.verifiers.enclosures import NotReadError

MOST_REPEATED = 100_000
"""Factors of a power, factorial or binomial beyond which no computer algebra should try to write it out."""

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)|(?P<command>\\[A-Za-z]+)|(?P<letter>[A-Za-z])"
    r"|(?P<mark>[-+*/^(){}\[\]!|_])"
)
_FRACTIONS, _BINOMIALS, _TIMES = ("\\frac", "\\cfrac"), ("\\binom",), ("*", "\\cdot", "\\times")
_CLOSING = {"(": ")", "[": "]", "{": "}", "\\lfloor": "\\rfloor", "\\lceil": "\\rceil"}
_SPACED_DIGITS = re.compile(r"[0-9.]\s+[0-9.]")
_E_NOTATION = re.compile(r"(?<![0-9.A-Za-z\\])([0-9]++\.?[0-9]*+|\.[0-9]++)[eE]([+-]?[0-9]{1,30})(?![0-9A-Za-z.])")
_STARTS_FACTOR = frozenset(
    ("(", "\\sqrt", "\\pi", "{", "\\ln", "\\log", "\\lfloor", "\\lceil", *_FRACTIONS, *_BINOMIALS)
)
_NO_LETTERS: Mapping[str, Real] = {}
_ANY_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z]+")


@lru_cache(maxsize=8192)
def constant(latex: str) -> Real | None:
    """The constant written there, or None where it is none or can be read in more than one way."""
    return value_at(latex, _NO_LETTERS)


def value_at(latex: str, letters: Mapping[str, Real]) -> Real | None:
    """What it is worth where its letters have these values; None as for `constant`, or with a letter of no value."""
    try:
        return _Reader(latex, letters).whole_value()
    except (NotReadError, RecursionError):
        return None


def varies(latex: str) -> bool:
    """Whether it is an expression in one letter that is proven to take two values, and so is no constant."""
    letters = set(_ANY_LETTER.findall(latex)) - {"e"}
    if len(letters) != 1 or not letters <= set("abcdfghklmnpqrstuvwxyz") or "\\pi" in latex:
        return False
    [letter] = letters
    one, other = (value_at(latex, {letter: Real.rational(Fraction(n, 3))}) for n in (7, 11))
    if one is None or other is None or one.terms is None or other.terms is None:
        return False
    return one.terms != other.terms


def too_large(latex: str) -> bool:
    r"""Whether the text holds a power, sum, factorial or binomial too large to be written out."""
    for place in re.finditer(r"\^|\\binom|!|\)_", latex):
        try:
            if place[0] in ("!", ")_"):
                operand = _operand_before(latex, place.start() + (place[0] == ")_"))
            else:
                operand = _Reader(latex[place.end() :], _NO_LETTERS, whole=False).argument()
            size = operand.enclosure
        except (NotReadError, RecursionError):
            continue
        if max(size.low.copy_abs(), size.high.copy_abs()) > MOST_REPEATED:
            return True
    return False


class _Reader:
    """Recursive descent over the tokens of one constant; NotReadError at what is not understood."""

    def __init__(self, latex: str, letters: Mapping[str, Real], whole: bool = True) -> None:
        self.letters = letters
        if whole and _SPACED_DIGITS.search(latex):
            raise NotReadError
        if "e" in latex or "E" in latex:
            latex = _E_NOTATION.sub(r"{\1}*{10}^{\2}", latex)
        self.tokens, self.kinds = self._tokens(latex, whole)
        self.at = 0

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

    @property
    def here(self) -> str:
        return self.tokens[self.at]

    def take(self, token: str) -> None:
        if self.here != token:
            raise NotReadError
        self.at += 1

    def whole_value(self) -> Real:
        value = self.sum()
        if self.here != "":
            raise NotReadError
        return value

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
        while self.here in _STARTS_FACTOR or self.kinds[self.at] == "letter":
            total, parts = total * self.power(), parts + 1
        if self.kinds[self.at] == "number":
            raise NotReadError
        return total, parts

    def mixed(self) -> Real:
        whole = self.atom()
        fraction = self.power()
        part = fraction.fraction
        if part is None:
            return whole * fraction
        if whole.whole is None or not 0 < part < 1 or self.here in _STARTS_FACTOR or self.here == "^":
            raise NotReadError
        return whole + fraction

    def power(self) -> Real:
        base = self.atom()
        while self.here == "!":
            self.at += 1
            if self.here == "!":
                self.at += 1
                base = double_factorial(base)
                if self.here == "!":
                    raise NotReadError
            else:
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
        if self.here in ("{", "("):
            return self.group(self.here)
        if self.kinds[self.at] == "number":
            if len(self.here) > 1:
                raise NotReadError
            return self.atom()
        if self.here == "\\pi" or self.kinds[self.at] == "letter":
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
        if token in ("(", "{", "["):
            return self.group(token)
        self.at += 1
        if kind == "letter":
            if token in self.letters:
                return self.letters[token]
            if token == "e":
                return euler()
            raise NotReadError
        if token == "\\pi":
            return pi()
        if token in _FRACTIONS or token in _BINOMIALS:
            upper, lower = self.two_arguments()
            return binomial(upper, lower) if token in _BINOMIALS else upper * lower.inverse()
        if token == "\\sqrt":
            degree = self.group("[") if self.here == "[" else Real.rational(2)
            return nth_root(self.argument(), degree)
        if token in ("\\ln", "\\log"):
            return self.logarithm(token)
        if token in ("\\lfloor", "\\lceil"):
            self.at -= 1
            value = self.group(token)
            return rounded_down(value) if token == "\\lfloor" else -rounded_down(-value)
        if token == "|":
            value = self.sum()
            self.take("|")
            return absolute(value)
        raise NotReadError

    def logarithm(self, token: str) -> Real:
        r"""\ln 2, \ln(2), \log_{2} 8. Of \log without a base nobody knows which is meant."""
        base = None
        if token == "\\log":
            self.take("_")
            base = self.argument()
        if self.here == "^":
            raise NotReadError
        if self.kinds[self.at] == "number" or self.here in ("\\frac", "\\sqrt", "\\pi", "|", "("):
            argument = self.power()  # \ln 2^3 is \ln 8
        else:
            argument = self.argument()
        if self.here in _STARTS_FACTOR or self.kinds[self.at] == "letter":
            raise NotReadError  # \ln 2\pi
        return logarithm(argument, base)

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
            return _Reader(before[position:], _NO_LETTERS, whole=False).sum()
    raise NotReadError
