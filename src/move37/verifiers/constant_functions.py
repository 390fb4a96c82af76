"""Powers, roots, logarithms, roundings, factorials and binomials of real constants; exact where the result can be.

What has no single real value, or two by convention, raises NotReadError at once, not when it is first worked out.
"""

import math
from collections.abc import Callable
from fractions import Fraction

from move37.verifiers.constants import MOST_BITS, Real, sign_of_difference, size_of
from move37.verifiers.enclosures import DIGITS, Enclosure, NotReadError, enclosed, enclosed_pi

LONGEST_FACTORIAL = 5000
_SMALL_PRIMES = [p for p in range(2, 1000) if all(p % d for d in range(2, math.isqrt(p) + 1))]


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
        size = size_of(base.terms)
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
        return _lazily(lambda digits: radicand.enclosed(digits).root(2))
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
    return Real({(inside, 0, Fraction(0)): factor} if value else {})


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
    return _lazily(lambda digits: radicand.enclosed(digits).root(n))


def _rational_root(value: Fraction, degree: int) -> Fraction | None:
    over, under = _whole_root(value.numerator, degree), _whole_root(value.denominator, degree)
    return None if over is None or under is None else Fraction(over, under)


def _whole_root(number: int, degree: int) -> int | None:
    if number.bit_length() > 1000 or degree > 1000:
        return None
    guess = round(number ** (1 / degree))
    return next((root for root in (guess - 1, guess, guess + 1) if root >= 0 and root**degree == number), None)


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
    middle = size * (size.ln() + -one) + (enclosed_pi(digits) * enclosed(Fraction(2 * n), digits)).ln() * enclosed(
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
