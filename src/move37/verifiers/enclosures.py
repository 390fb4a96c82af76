r"""Real numbers between proven bounds: a pair of decimals rounded outwards, to as many digits as are asked for.

An exponent has 18 digits, so 9^{9^9} is known without being worked out; beyond that range the upper bound is infinite.
What has no single real value (division by what may be zero, a root of what may be negative) raises NotReadError.
"""

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import lru_cache

DIGITS, MORE_DIGITS, MOST_DIGITS = 40, 400, 6000
"""To which two constants are told apart: in that order, as long as their enclosures overlap."""


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

    def to_the(self, exponent: int) -> "Enclosure":
        """A whole power, by squaring; few factors, so bounds stay tight."""
        if exponent < 0:
            return self.to_the(-exponent).inverse()
        power, base = enclosed(Fraction(1), self.digits), self
        while exponent:
            power = power * base if exponent & 1 else power
            base, exponent = base * base, exponent >> 1
        return power

    def root(self, degree: int) -> "Enclosure":
        if self.low < 0:
            raise NotReadError
        if self.high == 0:
            return self
        if degree == 2:
            by = _rounding(self.digits)
            low, high = by.down.sqrt(self.low), by.up.sqrt(self.high)
            return _checked(by.down.multiply(low, by.less), by.up.multiply(high, by.more), self.digits)
        return (self.ln() * enclosed(Fraction(1, degree), self.digits)).exp()


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
def enclosed_pi(digits: int) -> Enclosure:
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
