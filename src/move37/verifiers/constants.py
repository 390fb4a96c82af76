r"""Real constants, exactly where that is possible and between proven bounds where it is not. No SymPy, no floats.

Exact is a sum of q sqrt(n) pi^k e^j, with rational q and j and whole n and k: closed under + and *, and what answers in
closed form mostly are. Everything else is an enclosure (`enclosures.py`). What has no single real value (0^0, a broken
power of a negative number, division by what may be zero) raises NotReadError.
Two sums are told apart by proof: roots of different square-free numbers are linearly independent over the rationals, pi
is transcendental, and so are sums of different powers of e (Lindemann and Weierstrass). Sums that hold both pi and e,
and all other constants, are told apart by enclosures of more and more digits.
Left out: complex numbers, letters; powers, roots and functions (`constant_functions.py`); how a constant is written
(`closed_forms.py`).
"""

import math
from collections.abc import Callable, Iterable
from fractions import Fraction

from move37.verifiers.enclosures import (
    DIGITS,
    INFINITY,
    MORE_DIGITS,
    MOST_DIGITS,
    Enclosure,
    NotReadError,
    enclosed,
    enclosed_pi,
)

MOST_BITS = 1 << 17
"""Of a numerator or denominator that is kept exactly: 39,000 digits."""
MOST_TERMS = 16

Key = tuple[int, int, Fraction]
Terms = dict[Key, Fraction]
"""{(n, k, j): q} stands for the sum of q sqrt(n) pi^k e^j; no square of a small prime divides n; no q is zero."""
NO_EXPONENT = Fraction(0)
_RATIONAL: Key = (1, 0, NO_EXPONENT)


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
            term = term * enclosed(Fraction(radicand), digits).root(2) if radicand > 1 else term
            term = term * enclosed_pi(digits).to_the(power) if power else term
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


def euler(exponent: Fraction | int = 1) -> Real:
    """e to a rational power."""
    return Real({(1, 0, Fraction(exponent)): Fraction(1)})


def pi() -> Real:
    return Real({(1, 1, NO_EXPONENT): Fraction(1)})


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


def size_of(terms: Terms) -> int:
    return max((max(abs(q.numerator), q.denominator, n).bit_length() for (n, _, _), q in terms.items()), default=0)


def _bounded(terms: Terms, enclose: Callable[[int], Enclosure]) -> Real:
    """Exactly if that stays small, else by its enclosure."""
    return Real(terms) if size_of(terms) <= MOST_BITS and len(terms) <= MOST_TERMS else Real(None, enclose)


def _sum(terms: Iterable[tuple[Key, Fraction]]) -> Terms:
    total: Terms = {}
    for key, factor in terms:
        total[key] = total.get(key, Fraction(0)) + factor
    return {key: factor for key, factor in total.items() if factor}
