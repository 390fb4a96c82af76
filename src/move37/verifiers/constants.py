r"""Real constants, exactly where that is possible and between proven bounds where it is not. No SymPy, no floats.

Exact is a sum of q sqrt(n) pi^k, with rational q and whole n and k: closed under + and *, and what answers in closed
form mostly are. Everything else is an enclosure: a pair of decimals rounded outwards, with 18 digits of exponent, so
9^{9^9} is known without being worked out; beyond that range the upper bound is infinite. What has no single real value
(0^0, a broken power of a negative number, division by what may be zero) raises NotReadError.
Left out: complex numbers, letters; how a constant is written (`closed_forms.py`).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

MOST_BITS = 8192
"""Of a numerator or denominator that is kept exactly."""
MOST_TERMS = 16
LONGEST_FACTORIAL = 1000
_SMALL_PRIMES = [p for p in range(2, 1000) if all(p % d for d in range(2, math.isqrt(p) + 1))]


class NotReadError(Exception):
    """Not a plain constant: it has no single real value, or its text can be read in two ways."""


_DOWN = Context(prec=40, rounding=ROUND_FLOOR, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
_UP = Context(prec=40, rounding=ROUND_CEILING, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
INFINITY = Decimal("Infinity")
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


_EVERYTHING = Enclosure(INFINITY.copy_negate(), INFINITY)


def _checked(low: Decimal, high: Decimal) -> Enclosure:
    return _EVERYTHING if low.is_nan() or high.is_nan() else Enclosure(low, high)


def enclosed(value: Fraction) -> Enclosure:
    over, under = Decimal(value.numerator), Decimal(value.denominator)
    return Enclosure(_DOWN.divide(over, under), _UP.divide(over, under))


_PI = Enclosure(
    Decimal("3.141592653589793238462643383279502884197"), Decimal("3.141592653589793238462643383279502884198")
)
_ONE = enclosed(Fraction(1))


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
            total = enclosed(Fraction(0))
            for (radicand, power), factor in self.terms.items():
                term = enclosed(factor)
                term = term * _root(enclosed(Fraction(radicand)), 2) if radicand > 1 else term
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
    return (base.ln() * enclosed(Fraction(1, degree))).exp()


def power(base: Real, exponent: Real) -> Real:
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
        return power(square_root(base), Real.rational(value.numerator))
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


def nth_root(radicand: Real, degree: Real) -> Real:
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


def factorial(argument: Real) -> Real:
    n = argument.whole
    if n is not None and 0 <= n <= LONGEST_FACTORIAL:
        return Real.rational(math.factorial(n))
    enclosure = argument.enclosure
    if enclosure.low < LONGEST_FACTORIAL or (argument.terms is not None and n is None):
        raise NotReadError
    # Robbins: sqrt(2 pi n) (n/e)^n e^{1/(12n+1)} < n! < sqrt(2 pi n) (n/e)^n e^{1/(12n)}, so between (n/e)^n and n^n
    one = enclosed(Fraction(1))
    low = (enclosure * (enclosure.ln() + -one)).exp().low
    return Real(None, Enclosure(low, (enclosure * enclosure.ln()).exp().high))


def binomial(upper: Real, lower: Real) -> Real:
    n, k = upper.whole, lower.whole
    if n is None or k is None or not 0 <= k <= n:
        raise NotReadError
    if n <= LONGEST_FACTORIAL:
        return Real.rational(math.comb(n, k))
    k = min(k, n - k)
    if k <= 1:
        return Real.rational(n if k else 1)
    # (n / k)^k <= C(n, k) <= n^k
    power = enclosed(Fraction(k))
    low, high = (enclosed(Fraction(n, k)).ln() * power).exp().low, (enclosed(Fraction(n)).ln() * power).exp().high
    return Real(None, Enclosure(low, high))
