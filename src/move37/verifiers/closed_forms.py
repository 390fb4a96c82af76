r"""Reads answers that are plain constants, exactly or between proven bounds, without SymPy: microseconds an answer.

A constant is built from decimals, `+ - * /`, fractions, roots, powers, factorials, binomials, \pi and brackets; an
answer is one of them (with its percent sign, degree mark, unit or `x =`), or a set, tuple or interval of them.

Two decisions. What can be read in two ways is not read (None): `2^10`, `\sqrt13`, `1/2\pi`, `2(3)`, a comma that may
group digits. And each statement is a proof:
  equal      both are the same sum of q sqrt(n) pi^k, with rational q and whole n and k;
  different  their enclosures are more than `CLEARLY` apart (closer ones may be roundings of each other);
  too large  a power, factorial or binomial in the text has more than `MOST_REPEATED` factors.
Enclosures are pairs of decimals rounded outwards, with 18 digits of exponent: 9^{9^9} is known without being worked
out, and beyond that range the upper bound is infinite.
Left out: letters, functions, complex numbers, unions, matrices (all None).
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import lru_cache

CLEARLY = Fraction(1, 100_000)
"""Values further apart than this differ. Closer ones may be roundings of each other."""
MOST_BITS = 8192
"""Of a numerator or denominator that is kept exactly."""
MOST_TERMS = 16
MOST_REPEATED = 100_000
"""Factors of a power, factorial or binomial beyond which no computer algebra should try to write it out."""
LONGEST_FACTORIAL = 1000
_SMALL_PRIMES = [p for p in range(2, 1000) if all(p % d for d in range(2, math.isqrt(p) + 1))]


class NotReadError(Exception):
    """The text is not a plain constant, or can be read in two ways."""


# -- values ------------------------------------------------------------------------------------------------------------

_DOWN = Context(prec=40, rounding=ROUND_FLOOR, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
_UP = Context(prec=40, rounding=ROUND_CEILING, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
_INFINITY = Decimal("Infinity")
_LARGEST = Decimal(f"9e{MAX_EMAX}")
_LESS, _MORE = Decimal("0." + "9" * 36), Decimal("1." + "0" * 35 + "1")
"""1 -+ 1e-36: far beyond the error of `decimal`'s ln, exp and sqrt, which round to nearest, at 40 digits."""

Terms = dict[tuple[int, int], Fraction]
"""{(n, k): q} stands for the sum of q sqrt(n) pi^k; no square of a small prime divides n; no q is zero."""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A real number between `low` and `high`, both included."""

    low: Decimal
    high: Decimal

    def __add__(self, other: "Enclosure") -> "Enclosure":
        return _checked(_DOWN.add(self.low, other.low), _UP.add(self.high, other.high))

    def __neg__(self) -> "Enclosure":
        return Enclosure(self.high.copy_negate(), self.low.copy_negate())

    def __mul__(self, other: "Enclosure") -> "Enclosure":
        corners = [(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        low, high = [_DOWN.multiply(*c) for c in corners], [_UP.multiply(*c) for c in corners]
        return _EVERYTHING if any(map(Decimal.is_nan, low + high)) else Enclosure(min(low), max(high))

    def inverse(self) -> "Enclosure":
        if self.low <= 0 <= self.high:
            raise NotReadError
        return _checked(_DOWN.divide(Decimal(1), self.high), _UP.divide(Decimal(1), self.low))

    def ln(self) -> "Enclosure":
        if self.low <= 0:
            raise NotReadError
        low, high = _DOWN.ln(self.low), _UP.ln(self.high)
        return _checked(
            _DOWN.multiply(low, _LESS if low > 0 else _MORE), _UP.multiply(high, _MORE if high > 0 else _LESS)
        )

    def exp(self) -> "Enclosure":
        low, high = _DOWN.exp(self.low), _UP.exp(self.high)
        low = min(_DOWN.multiply(low, _LESS), _LARGEST)  # what overflows is at least that
        return _checked(low, _UP.next_plus(_UP.multiply(high, _MORE)))


_EVERYTHING = Enclosure(_INFINITY.copy_negate(), _INFINITY)


def _checked(low: Decimal, high: Decimal) -> Enclosure:
    return _EVERYTHING if low.is_nan() or high.is_nan() else Enclosure(low, high)


def _between(value: Fraction) -> Enclosure:
    over, under = Decimal(value.numerator), Decimal(value.denominator)
    return Enclosure(_DOWN.divide(over, under), _UP.divide(over, under))


_PI = Enclosure(
    Decimal("3.141592653589793238462643383279502884197"), Decimal("3.141592653589793238462643383279502884198")
)
_ONE = _between(Fraction(1))


class Real:
    """A constant: exactly, as `terms`, or else only an enclosure of it."""

    __slots__ = ("_enclosure", "terms")

    def __init__(self, terms: Terms | None, enclosure: Enclosure | None = None) -> None:
        self.terms = terms
        self._enclosure = enclosure

    @classmethod
    def rational(cls, value: Fraction | int) -> "Real":
        return cls({(1, 0): Fraction(value)} if value else {})

    @property
    def fraction(self) -> Fraction | None:
        """Its value if that is rational and known exactly."""
        if self.terms is None or self.terms.keys() - {(1, 0)}:
            return None
        return self.terms.get((1, 0), Fraction(0))

    @property
    def whole(self) -> int | None:
        value = self.fraction
        return value.numerator if value is not None and value.denominator == 1 else None

    @property
    def enclosure(self) -> Enclosure:
        if self._enclosure is None:
            assert self.terms is not None
            total = _between(Fraction(0))
            for (radicand, power), factor in self.terms.items():
                term = _between(factor)
                term = term * _root(_between(Fraction(radicand)), 2) if radicand > 1 else term
                total = total + (term * _whole_power(_PI, power) if power else term)
            self._enclosure = total
        return self._enclosure

    def __add__(self, other: "Real") -> "Real":
        if self.terms is None or other.terms is None:
            return Real(None, self.enclosure + other.enclosure)
        return _bounded(_sum((*self.terms.items(), *other.terms.items())), lambda: self.enclosure + other.enclosure)

    def __neg__(self) -> "Real":
        if self.terms is None:
            return Real(None, -self.enclosure)
        return Real({key: -factor for key, factor in self.terms.items()})

    def __mul__(self, other: "Real") -> "Real":
        if self.terms is None or other.terms is None or len(self.terms) * len(other.terms) > MOST_TERMS**2:
            return Real(None, self.enclosure * other.enclosure)
        products: list[tuple[tuple[int, int], Fraction]] = []
        for (n, k), p in self.terms.items():
            for (m, j), q in other.terms.items():
                common = math.gcd(n, m)
                products.append((((n // common) * (m // common), k + j), p * q * common))
        return _bounded(_sum(products), lambda: self.enclosure * other.enclosure)

    def inverse(self) -> "Real":
        if self.terms is None or len(self.terms) > 2:
            return Real(None, self.enclosure.inverse())
        if not self.terms:
            raise NotReadError
        if len(self.terms) == 1:
            [((n, k), q)] = self.terms.items()
            return Real({(n, -k): 1 / (q * n)})
        # 1 / (a + b) = (a - b) / (a^2 - b^2)
        (key, a), (other, b) = self.terms.items()
        squares = (Real({key: a}) * Real({key: a})) + -(Real({other: b}) * Real({other: b}))
        if squares.terms is None or len(squares.terms) > 1:
            return Real(None, self.enclosure.inverse())
        return Real({key: a, other: -b}) * squares.inverse()


def _bounded(terms: Terms, enclosure: Callable[[], Enclosure]) -> Real:
    """Exactly if that stays small, else by its enclosure (a function, called only then)."""
    size = max((max(abs(q.numerator), q.denominator, n).bit_length() for (n, _), q in terms.items()), default=0)
    if size <= MOST_BITS and len(terms) <= MOST_TERMS:
        return Real(terms)
    return Real(None, enclosure())


def _sum(terms: Iterable[tuple[tuple[int, int], Fraction]]) -> Terms:
    total: Terms = {}
    for key, factor in terms:
        total[key] = total.get(key, Fraction(0)) + factor
    return {key: factor for key, factor in total.items() if factor}


def _whole_power(base: Enclosure, exponent: int) -> Enclosure:
    """By squaring; few factors, so bounds stay tight."""
    if exponent < 0:
        return _whole_power(base, -exponent).inverse()
    power = _ONE
    while exponent:
        power = power * base if exponent & 1 else power
        base, exponent = base * base, exponent >> 1
    return power


def _root(base: Enclosure, degree: int) -> Enclosure:
    if base.low < 0:
        raise NotReadError
    if base.high == 0:
        return base
    if degree == 2:
        low, high = _DOWN.sqrt(base.low), _UP.sqrt(base.high)
        return _checked(_DOWN.multiply(low, _LESS), _UP.multiply(high, _MORE))
    return (base.ln() * _between(Fraction(1, degree))).exp()


def _power(base: Real, exponent: Real) -> Real:
    """Real powers. Not read: 0 to the power of 0 or less, and broken powers of what may be negative."""
    value, whole = exponent.fraction, exponent.whole
    if base.terms == {}:
        if value is None or value <= 0:
            raise NotReadError
        return base
    if whole is not None and base.terms is not None:
        size = max(max(abs(q.numerator), q.denominator, n).bit_length() for (n, _), q in base.terms.items())
        if len(base.terms) == 1 and size * abs(whole) <= MOST_BITS:
            return _power_of_term(base if whole >= 0 else base.inverse(), abs(whole))
        if 0 <= whole <= 8 and size * whole <= MOST_BITS:
            return math.prod([base] * whole, start=Real.rational(1))
    if value is not None and value.denominator == 2 and base.fraction is not None:
        return _power(square_root(base), Real.rational(value.numerator))
    enclosure = base.enclosure
    if enclosure.high < 0 and whole is not None:
        size = (-enclosure).ln() * exponent.enclosure
        return Real(None, -size.exp() if whole % 2 else size.exp())
    return Real(None, (enclosure.ln() * exponent.enclosure).exp())


def _power_of_term(base: Real, exponent: int) -> Real:
    """(q sqrt(n) pi^k)^exponent, without the many products."""
    assert base.terms is not None
    [((n, k), q)] = base.terms.items()
    odd = exponent % 2
    return Real({(n if odd else 1, k * exponent): q**exponent * Fraction(n) ** (exponent // 2)})


def square_root(radicand: Real) -> Real:
    value = radicand.fraction
    if value is None:
        return Real(None, _root(radicand.enclosure, 2))
    if value < 0:
        raise NotReadError
    outside, inside = 1, value.numerator * value.denominator  # sqrt(p / q) = sqrt(p q) / q
    for prime in _SMALL_PRIMES:
        while inside and inside % (prime * prime) == 0:
            inside //= prime * prime
            outside *= prime
    if math.isqrt(inside) ** 2 == inside:
        outside, inside = outside * math.isqrt(inside), 1
    factor = Fraction(outside, value.denominator)
    return Real({(inside, 0): factor} if value else {})


def _nth_root(radicand: Real, degree: Real) -> Real:
    n, value = degree.whole, radicand.fraction
    if n is None or not 2 <= n <= 100:
        raise NotReadError
    if n == 2:
        return square_root(radicand)
    if value is not None and value >= 0:
        over, under = _whole_root(value.numerator, n), _whole_root(value.denominator, n)
        if over is not None and under is not None:
            return Real.rational(Fraction(over, under))
    return Real(None, _root(radicand.enclosure, n))  # of a negative number: mathematics has two conventions


def _whole_root(number: int, degree: int) -> int | None:
    if number.bit_length() > 1000:
        return None
    guess = round(number ** (1 / degree))
    return next((root for root in (guess - 1, guess, guess + 1) if root >= 0 and root**degree == number), None)


def _factorial(argument: Real) -> Real:
    n = argument.whole
    if n is not None and 0 <= n <= LONGEST_FACTORIAL:
        return Real.rational(math.factorial(n))
    enclosure = argument.enclosure
    if enclosure.low < LONGEST_FACTORIAL or (argument.terms is not None and n is None):
        raise NotReadError
    # Robbins: sqrt(2 pi n) (n/e)^n e^{1/(12n+1)} < n! < sqrt(2 pi n) (n/e)^n e^{1/(12n)}, so between (n/e)^n and n^n
    one = _between(Fraction(1))
    low = (enclosure * (enclosure.ln() + -one)).exp().low
    return Real(None, Enclosure(low, (enclosure * enclosure.ln()).exp().high))


def _binomial(upper: Real, lower: Real) -> Real:
    n, k = upper.whole, lower.whole
    if n is None or k is None or not 0 <= k <= n:
        raise NotReadError
    if n <= LONGEST_FACTORIAL:
        return Real.rational(math.comb(n, k))
    k = min(k, n - k)
    if k <= 1:
        return Real.rational(n if k else 1)
    # (n / k)^k <= C(n, k) <= n^k
    power = _between(Fraction(k))
    low, high = (_between(Fraction(n, k)).ln() * power).exp().low, (_between(Fraction(n)).ln() * power).exp().high
    return Real(None, Enclosure(low, high))


# -- reading -----------------------------------------------------------------------------------------------------------

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


_CLEARLY_UP = _between(CLEARLY).high


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
        bound = _INFINITY.copy_negate() if sign == "-" else _INFINITY
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
            base = _factorial(base)
        if self.here != "^":
            return base
        self.at += 1
        base = _power(base, self.argument())
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
            return _binomial(upper, lower) if token in _BINOMIALS else upper * lower.inverse()
        if token == "\\sqrt":
            self.at += 1
            degree = self.group("[") if self.here == "[" else Real.rational(2)
            return _nth_root(self.argument(), degree)
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
