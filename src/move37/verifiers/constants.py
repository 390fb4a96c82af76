r"""Real constants, exactly where that is possible and between proven bounds where it is not. No SymPy, no floats.

Exact is a sum of q sqrt(n) pi^k e^j, with rational q and j and whole n and k: closed under + and *, and what answers in
closed form mostly are. Everything else is an enclosure: a pair of decimals rounded outwards, to as many digits as are
asked for, with 18 digits of exponent, so 9^{9^9} is known without being worked out; beyond that range the upper bound
is infinite. What has no single real value (0^0, a broken power of a negative number, division by what may be zero)
raises NotReadError.
Two sums are told apart by proof: roots of different square-free numbers are linearly independent over the rationals, pi
is transcendental, and so are sums of different powers of e (Lindemann and Weierstrass). Sums that hold both pi and e,
and all other constants, are told apart by enclosures of more and more digits.
Left out: complex numbers, letters; how a constant is written (`closed_forms.py`).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import lru_cache

MOST_BITS = 1 << 17
"""Of a numerator or denominator that is kept exactly: 39,000 digits."""
MOST_TERMS = 16
LONGEST_FACTORIAL = 5000
DIGITS, MORE_DIGITS, MOST_DIGITS = 40, 400, 6000
"""To which two constants are told apart: in that order, as long as their enclosures overlap."""
_SMALL_PRIMES = [p for p in range(2, 1000) if all(p % d for d in range(2, math.isqrt(p) + 1))]


class NotReadError(Exception):
    """Not a plain constant: it has no single real value, or its text can be read in two ways."""


@dataclass(frozen=True, slots=True)
class _Rounding:
    """Arithmetic with so many digits, downwards and upwards."""

    down: Context
    up: Context
    less: Decimal
    more: Decimal
    """1 -+ 10^(4 - digits): far beyond the error of `decimal`'s ln, exp and sqrt, which round to nearest."""


@lru_cache(maxsize=8)
def _rounding(digits: int) -> _Rounding:
    down = Context(prec=digits, rounding=ROUND_FLOOR, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
    up = Context(prec=digits, rounding=ROUND_CEILING, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
    step = Decimal(1).scaleb(4 - digits, down)
    return _Rounding(down, up, down.subtract(Decimal(1), step), up.add(Decimal(1), step))


INFINITY = Decimal("Infinity")
_LARGEST = Decimal(f"9e{MAX_EMAX}")

Key = tuple[int, int, Fraction]
Terms = dict[Key, Fraction]
"""{(n, k, j): q} stands for the sum of q sqrt(n) pi^k e^j; no square of a small prime divides n; no q is zero."""
_J0 = Fraction(0)
_RATIONAL: Key = (1, 0, _J0)


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A real number between `low` and `high`, both included, worked out with `digits` digits."""

    low: Decimal
    high: Decimal
    digits: int = DIGITS

    def __add__(self, other: "Enclosure") -> "Enclosure":
        by = _rounding(self.digits)
        return _checked(by.down.add(self.low, other.low), by.up.add(self.high, other.high), self.digits)

    def __neg__(self) -> "Enclosure":
        return Enclosure(self.high.copy_negate(), self.low.copy_negate(), self.digits)

    def __mul__(self, other: "Enclosure") -> "Enclosure":
        by = _rounding(self.digits)
        corners = [(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        low, high = [by.down.multiply(*c) for c in corners], [by.up.multiply(*c) for c in corners]
        if any(map(Decimal.is_nan, low + high)):
            return _everything(self.digits)
        return Enclosure(min(low), max(high), self.digits)

    def inverse(self) -> "Enclosure":
        if self.low <= 0 <= self.high:
            raise NotReadError
        by = _rounding(self.digits)
        return _checked(by.down.divide(Decimal(1), self.high), by.up.divide(Decimal(1), self.low), self.digits)

    def ln(self) -> "Enclosure":
        if self.low <= 0:
            raise NotReadError
        by = _rounding(self.digits)
        low, high = _transcendental("log", self.low, by.down), _transcendental("log", self.high, by.up)
        return _checked(
            by.down.multiply(low, by.less if low > 0 else by.more),
            by.up.multiply(high, by.more if high > 0 else by.less),
            self.digits,
        )

    def exp(self) -> "Enclosure":
        by = _rounding(self.digits)
        low, high = _transcendental("exp", self.low, by.down), _transcendental("exp", self.high, by.up)
        low = min(by.down.multiply(low, by.less), _LARGEST)  # what overflows is at least that
        return _checked(low, by.up.next_plus(by.up.multiply(high, by.more)), self.digits)


def _transcendental(name: str, argument: Decimal, context: Context) -> Decimal:
    """ln or exp, to within a few units of the last digit. mpmath is as quick at 6,000 digits as `decimal` at 400."""
    size = argument.adjusted() if argument else 0
    if (
        context.prec <= DIGITS
        or not argument.is_finite()
        or not -2 * context.prec < size < (8 if name == "exp" else 10**5)
    ):
        return context.ln(argument) if name == "log" else context.exp(argument)
    from mpmath import mp

    with mp.workdps(context.prec + 10 + max(size, 0)):
        over, under = argument.as_integer_ratio()
        # a binary fraction man * 2^exp, exactly
        _, mantissa, exponent, _ = getattr(mp, name)(mp.mpf(over) / under)._mpf_
    power = Decimal(1 << exponent) if exponent >= 0 else context.divide(Decimal(1), Decimal(1 << -exponent))
    signed = -mantissa if name == "log" and argument < 1 else mantissa
    return context.multiply(Decimal(int(signed)), power)


def _everything(digits: int) -> Enclosure:
    return Enclosure(INFINITY.copy_negate(), INFINITY, digits)


def _checked(low: Decimal, high: Decimal, digits: int) -> Enclosure:
    return _everything(digits) if low.is_nan() or high.is_nan() else Enclosure(low, high, digits)


def enclosed(value: Fraction, digits: int = DIGITS) -> Enclosure:
    over, under, by = Decimal(value.numerator), Decimal(value.denominator), _rounding(digits)
    return Enclosure(by.down.divide(over, under), by.up.divide(over, under), digits)


@lru_cache(maxsize=8)
def _pi(digits: int) -> Enclosure:
    """Machin: pi = 16 arctan(1/5) - 4 arctan(1/239), in whole numbers; each term is off by less than one unit."""
    one = 10 ** (digits + 10)

    def arctan_inverse(x: int) -> int:
        power = total = one // x
        n, sign = 3, -1
        while power:
            power //= x * x
            total += sign * (power // n)
            n, sign = n + 2, -sign
        return total

    scaled, slack = 16 * arctan_inverse(5) - 4 * arctan_inverse(239), 10**6 * digits
    by = _rounding(digits)
    down = by.down.divide(Decimal(scaled - slack), Decimal(one))
    return Enclosure(down, by.up.divide(Decimal(scaled + slack), Decimal(one)), digits)


class Real:
    """A constant: exactly, as `terms`, or else only by a function that encloses it to so many digits."""

    __slots__ = ("_enclose", "_enclosures", "terms")

    def __init__(self, terms: Terms | None, enclose: Callable[[int], Enclosure] | None = None) -> None:
        self.terms = terms
        self._enclose = enclose or self._of_terms
        self._enclosures: dict[int, Enclosure] = {}

    @classmethod
    def rational(cls, value: Fraction | int) -> "Real":
        return cls({_RATIONAL: Fraction(value)} if value else {})

    @classmethod
    def infinite(cls, sign: int = 1) -> "Real":
        bound = INFINITY if sign > 0 else INFINITY.copy_negate()
        return cls(None, lambda digits: Enclosure(bound, bound, digits))

    @property
    def fraction(self) -> Fraction | None:
        """Its value if that is rational and known exactly."""
        if self.terms is None or self.terms.keys() - {_RATIONAL}:
            return None
        return self.terms.get(_RATIONAL, Fraction(0))

    @property
    def whole(self) -> int | None:
        value = self.fraction
        return value.numerator if value is not None and value.denominator == 1 else None

    @property
    def enclosure(self) -> Enclosure:
        return self.enclosed(DIGITS)

    @property
    def is_infinite(self) -> bool:
        return self.terms is None and self.enclosure.low == self.enclosure.high and self.enclosure.low.is_infinite()

    def enclosed(self, digits: int) -> Enclosure:
        if digits not in self._enclosures:
            self._enclosures[digits] = self._enclose(digits)
        return self._enclosures[digits]

    def _of_terms(self, digits: int) -> Enclosure:
        assert self.terms is not None
        total = enclosed(Fraction(0), digits)
        for (radicand, power, exponent), factor in self.terms.items():
            term = enclosed(factor, digits)
            term = term * _root(enclosed(Fraction(radicand), digits), 2) if radicand > 1 else term
            term = term * _whole_power(_pi(digits), power) if power else term
            total = total + (term * enclosed(exponent, digits).exp() if exponent else term)
        return total

    def __add__(self, other: "Real") -> "Real":
        def enclose(digits: int) -> Enclosure:
            return self.enclosed(digits) + other.enclosed(digits)

        if self.terms is None or other.terms is None:
            return Real(None, enclose)
        return _bounded(_sum((*self.terms.items(), *other.terms.items())), enclose)

    def __neg__(self) -> "Real":
        if self.terms is None:
            return Real(None, lambda digits: -self.enclosed(digits))
        return Real({key: -factor for key, factor in self.terms.items()})

    def __mul__(self, other: "Real") -> "Real":
        def enclose(digits: int) -> Enclosure:
            return self.enclosed(digits) * other.enclosed(digits)

        if self.terms is None or other.terms is None or len(self.terms) * len(other.terms) > MOST_TERMS**2:
            return Real(None, enclose)
        products: list[tuple[Key, Fraction]] = []
        for (n, k, i), p in self.terms.items():
            for (m, other_k, j), q in other.terms.items():
                common = math.gcd(n, m)
                products.append((((n // common) * (m // common), k + other_k, i + j), p * q * common))
        return _bounded(_sum(products), enclose)

    def inverse(self) -> "Real":
        if self.terms is None or len(self.terms) > 2:
            self.enclosure.inverse()  # raises where it may be zero
            return Real(None, lambda digits: self.enclosed(digits).inverse())
        if not self.terms:
            raise NotReadError
        if len(self.terms) == 1:
            [((n, k, j), q)] = self.terms.items()
            return Real({(n, -k, -j): 1 / (q * n)})
        # 1 / (a + b) = (a - b) / (a^2 - b^2)
        (key, a), (other, b) = self.terms.items()
        squares = (Real({key: a}) * Real({key: a})) + -(Real({other: b}) * Real({other: b}))
        if squares.terms is None or len(squares.terms) > 1:
            self.enclosure.inverse()
            return Real(None, lambda digits: self.enclosed(digits).inverse())
        return Real({key: a, other: -b}) * squares.inverse()


def sign_of_difference(a: Real, b: Real, most_digits: int = MORE_DIGITS) -> int | None:
    """-1, 0 or 1 as a is less than, equal to or more than b; None where `most_digits` digits do not prove it."""
    if a.terms is not None and b.terms is not None:
        difference = a + -b
        if difference.terms is not None:
            a, b = Real(_with_independent_roots(difference.terms)), Real({})
            if not a.terms:
                return 0
    for digits in (DIGITS, MORE_DIGITS, MOST_DIGITS):
        if digits > most_digits:
            break
        one, other = a.enclosed(digits), b.enclosed(digits)
        if one.low == one.high == other.low == other.high:
            return 0
        if one.low > other.high:
            return 1
        if one.high < other.low:
            return -1
    return None


def differs(a: Real, b: Real, most_digits: int = MORE_DIGITS) -> bool | None:
    """True where they are proven to be different, False where equal, None where neither is proven."""
    if a.terms is not None and b.terms is not None:
        difference = a + -b
        if difference.terms is not None:
            terms = _with_independent_roots(difference.terms)
            if _is_independent(terms):
                return bool(terms)
    sign = sign_of_difference(a, b, most_digits)
    return None if sign is None else sign != 0


def _is_independent(terms: Terms) -> bool:
    """Whether such a sum is zero only if it has no terms."""
    return not (any(k for _, k, _ in terms) and any(j for _, _, j in terms))


def _with_independent_roots(terms: Terms) -> Terms:
    """With one root for all radicands whose product is a square: 7 sqrt(2) for sqrt(98)."""
    kept: Terms = {}
    for (n, k, j), q in terms.items():
        for m, other_k, other_j in kept:
            root = math.isqrt(n * m)
            if (other_k, other_j) == (k, j) and root * root == n * m:
                kept[m, k, j] += q * Fraction(root, m)
                break
        else:
            kept[n, k, j] = q
    return {key: q for key, q in kept.items() if q}


def _size(terms: Terms) -> int:
    return max((max(abs(q.numerator), q.denominator, n).bit_length() for (n, _, _), q in terms.items()), default=0)


def _bounded(terms: Terms, enclose: Callable[[int], Enclosure]) -> Real:
    """Exactly if that stays small, else by its enclosure."""
    return Real(terms) if _size(terms) <= MOST_BITS and len(terms) <= MOST_TERMS else Real(None, enclose)


def _sum(terms: Iterable[tuple[Key, Fraction]]) -> Terms:
    total: Terms = {}
    for key, factor in terms:
        total[key] = total.get(key, Fraction(0)) + factor
    return {key: factor for key, factor in total.items() if factor}


def _whole_power(base: Enclosure, exponent: int) -> Enclosure:
    """By squaring; few factors, so bounds stay tight."""
    if exponent < 0:
        return _whole_power(base, -exponent).inverse()
    power = enclosed(Fraction(1), base.digits)
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
        by = _rounding(base.digits)
        low, high = by.down.sqrt(base.low), by.up.sqrt(base.high)
        return _checked(by.down.multiply(low, by.less), by.up.multiply(high, by.more), base.digits)
    return (base.ln() * enclosed(Fraction(1, degree), base.digits)).exp()


def _lazily(enclose: Callable[[int], Enclosure]) -> Real:
    """By its enclosure, which has to be there: NotReadError is raised now, not later."""
    enclose(DIGITS)
    return Real(None, enclose)


def power(base: Real, exponent: Real) -> Real:
    """Real powers. Not read: 0 to the power of 0 or less, and broken powers of what may be negative."""
    value, whole = exponent.fraction, exponent.whole
    if base.terms == {}:
        if value is None or value <= 0:
            raise NotReadError
        return base
    if value is not None and base.terms is not None and len(base.terms) == 1:
        [((n, k, j), q)] = base.terms.items()
        if (n, k, q) == (1, 0, 1) and j:
            return Real({(1, 0, j * value): q})  # a power of e
    if whole is not None and base.terms is not None:
        size = _size(base.terms)
        if len(base.terms) == 1 and size * abs(whole) <= MOST_BITS:
            return _power_of_term(base if whole >= 0 else base.inverse(), abs(whole))
        if 0 <= whole <= 8 and size * whole <= MOST_BITS:
            return math.prod([base] * whole, start=Real.rational(1))
    if value is not None and value.denominator == 2 and base.fraction is not None:
        return power(square_root(base), Real.rational(value.numerator))
    if value is not None and value.numerator == 1 and base.fraction is not None and base.fraction > 0:
        root = _rational_root(base.fraction, value.denominator)
        if root is not None:
            return Real.rational(root)
    if base.enclosure.high < 0 and whole is not None:

        def of_negative(digits: int) -> Enclosure:
            size = ((-base.enclosed(digits)).ln() * exponent.enclosed(digits)).exp()
            return -size if whole % 2 else size

        return _lazily(of_negative)
    return _lazily(lambda digits: (base.enclosed(digits).ln() * exponent.enclosed(digits)).exp())


def _power_of_term(base: Real, exponent: int) -> Real:
    """(q sqrt(n) pi^k e^j)^exponent, without the many products."""
    assert base.terms is not None
    [((n, k, j), q)] = base.terms.items()
    odd = exponent % 2
    return Real({(n if odd else 1, k * exponent, j * exponent): q**exponent * Fraction(n) ** (exponent // 2)})


def square_root(radicand: Real) -> Real:
    value = radicand.fraction
    if value is None:
        return _lazily(lambda digits: _root(radicand.enclosed(digits), 2))
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
    return Real({(inside, 0, _J0): factor} if value else {})


def nth_root(radicand: Real, degree: Real) -> Real:
    n, value = degree.whole, radicand.fraction
    if n is None or not 2 <= n <= 100:
        raise NotReadError
    if n == 2:
        return square_root(radicand)
    root = _rational_root(value, n) if value is not None and value >= 0 else None
    if root is not None:
        return Real.rational(root)
    # of a negative number: mathematics has two conventions
    return _lazily(lambda digits: _root(radicand.enclosed(digits), n))


def _rational_root(value: Fraction, degree: int) -> Fraction | None:
    over, under = _whole_root(value.numerator, degree), _whole_root(value.denominator, degree)
    return None if over is None or under is None else Fraction(over, under)


def _whole_root(number: int, degree: int) -> int | None:
    if number.bit_length() > 1000 or degree > 1000:
        return None
    guess = round(number ** (1 / degree))
    return next((root for root in (guess - 1, guess, guess + 1) if root >= 0 and root**degree == number), None)


def euler(exponent: Fraction | int = 1) -> Real:
    """e to a rational power."""
    return Real({(1, 0, Fraction(exponent)): Fraction(1)})


def pi() -> Real:
    return Real({(1, 1, _J0): Fraction(1)})


def logarithm(argument: Real, base: Real | None = None) -> Real:
    """Natural, or to a base; exactly where the argument is a rational power of the base."""
    if base is None:
        if argument.terms is not None and len(argument.terms) == 1:
            [((n, k, j), q)] = argument.terms.items()
            if (n, k, q) == (1, 0, 1):
                return Real.rational(j)
        return _lazily(lambda digits: argument.enclosed(digits).ln())
    x, b = argument.fraction, base.fraction
    if x is not None and b is not None and b > 1 and x > 0 and max(x.numerator, x.denominator).bit_length() < 4096:
        exponent = round(math.log(x.numerator) / math.log(b) - math.log(x.denominator) / math.log(b))
        if abs(exponent) < 4096 and b**exponent == x:
            return Real.rational(exponent)
    return logarithm(argument) * logarithm(base).inverse()


def absolute(value: Real) -> Real:
    sign = sign_of_difference(value, Real({}))
    if sign is None:
        raise NotReadError
    return -value if sign < 0 else value


def rounded_down(value: Real) -> Real:
    """The floor."""
    exact = value.fraction
    if exact is not None:
        return Real.rational(math.floor(exact))
    low, high = value.enclosure.low, value.enclosure.high
    if max(abs(low), abs(high)) > 10**30 or math.floor(low) != math.floor(high):
        raise NotReadError
    return Real.rational(math.floor(low))


def factorial(argument: Real) -> Real:
    n = argument.whole
    if n is not None and 0 <= n <= LONGEST_FACTORIAL:
        return Real.rational(math.factorial(n))
    enclosure = argument.enclosure
    if enclosure.low < LONGEST_FACTORIAL or (argument.terms is not None and n is None):
        raise NotReadError
    # Robbins: sqrt(2 pi n) (n/e)^n e^{1/(12n+1)} < n! < sqrt(2 pi n) (n/e)^n e^{1/(12n)}
    if n is not None:
        return _lazily(lambda digits: _stirling(n, digits))

    def bounds(digits: int) -> Enclosure:  # between (n/e)^n and n^n
        size, one = argument.enclosed(digits), enclosed(Fraction(1), digits)
        return Enclosure((size * (size.ln() + -one)).exp().low, (size * size.ln()).exp().high, digits)

    return _lazily(bounds)


def _stirling(n: int, digits: int) -> Enclosure:
    size, one = enclosed(Fraction(n), digits), enclosed(Fraction(1), digits)
    middle = size * (size.ln() + -one) + (_pi(digits) * enclosed(Fraction(2 * n), digits)).ln() * enclosed(
        Fraction(1, 2), digits
    )
    low = (middle + enclosed(Fraction(1, 12 * n + 1), digits)).exp().low
    return Enclosure(low, (middle + enclosed(Fraction(1, 12 * n), digits)).exp().high, digits)


def double_factorial(argument: Real) -> Real:
    n = argument.whole
    if n is None or not 0 <= n <= LONGEST_FACTORIAL:
        raise NotReadError
    return Real.rational(math.prod(range(n, 0, -2)))


def binomial(upper: Real, lower: Real) -> Real:
    n, k = upper.whole, lower.whole
    if n is None or k is None or not 0 <= k <= n:
        raise NotReadError
    k = min(k, n - k)
    if n <= LONGEST_FACTORIAL or k <= 1:
        return Real.rational(math.comb(n, k))

    def bounds(digits: int) -> Enclosure:  # (n / k)^k <= C(n, k) <= n^k
        times = enclosed(Fraction(k), digits)
        low = (enclosed(Fraction(n, k), digits).ln() * times).exp().low
        return Enclosure(low, (enclosed(Fraction(n), digits).ln() * times).exp().high, digits)

    return _lazily(bounds)
